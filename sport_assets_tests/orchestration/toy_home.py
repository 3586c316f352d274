"""A home of its own for the toy line, and what tests ask of it.

Belongs here: raw files, builds, runs, records and processes of the toy line. Must not come here: what is expected.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from sport_assets.lineage.home import Home
from sport_assets.lineage.manifest import Materialization
from sport_assets.lineage.record import Lineage
from sport_assets.orchestration.build import Builder, Report
from sport_assets.orchestration.instance import initialise, instance
from sport_assets_tests.orchestration.toy_line import DEFS

ROOT = Path(__file__).resolve().parents[2]
ASSETS = ("raw", "clean", "split", "checkpoint", "evaluation", "exported_model", "model_card", "audit_page")
MODULE = "sport_assets_tests.orchestration.toy_line"


@dataclass(frozen=True)
class ToyHome:
    """One home with raw files beside it."""

    home: Home

    def write_day(self, day: str, *values: object) -> Path:
        """The raw file of one day."""
        path = self.home.data / "toy" / f"{day}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(["value", *map(str, values)]) + "\n")
        return path

    def build(self, target: str, partition: str | None = None, *settings: str) -> Report:
        """As `sport-assets build` does it."""
        return Builder(DEFS, self.home, settings).run(target, partition)

    def made(self, target: str, partition: str | None = None, *settings: str) -> list[str]:
        """The steps that a build made."""
        return [str(done.step) for done in self.build(target, partition, *settings).made()]

    def materialize(
        self, key: str, partition: str | None = None, config: Mapping[str, Any] | None = None, *, raise_on_error: bool
    ) -> dg.ExecuteInProcessResult:
        """One run of one asset, as from the UI."""
        initialise(self.home)
        run_config = {"ops": {key.replace("/", "__"): {"config": dict(config)}}} if config else {}
        with self.instance() as dagster:
            return DEFS.resolve_implicit_global_asset_job_def().execute_in_process(
                run_config=run_config,
                instance=dagster,
                partition_key=partition,
                asset_selection=[dg.AssetKey(key.split("/"))],
                raise_on_error=raise_on_error,
            )

    def instance(self) -> dg.DagsterInstance:
        """Its Dagster instance; a context manager."""
        return instance(self.home)

    @contextmanager
    def lineage(self) -> Iterator[Lineage]:
        """Its store and ledger."""
        with closing(Lineage(self.home)) as lineage:
            yield lineage

    def latest(self, key: str, partition: str | None = None) -> Materialization:
        """The newest record of a partition."""
        with self.lineage() as lineage:
            found = lineage.ledger.latest(key, partition)
        assert found is not None, f"{key}:{partition} has no record"
        return found

    def folder(self, key: str, partition: str | None = None) -> Path:
        """Where the newest version of a partition lies."""
        with self.lineage() as lineage:
            return lineage.store.folder(key, partition, self.latest(key, partition).version)

    def versions(self) -> dict[str, str]:
        """The newest version of every partition of every asset."""
        with self.lineage() as lineage:
            found = {}
            for key in ASSETS:
                for partition in lineage.ledger.partitions(f"toy/{key}"):
                    latest = lineage.ledger.latest(f"toy/{key}", partition)
                    assert latest is not None
                    found[f"toy/{key}:{partition}"] = latest.version
            return found

    def staging_is_empty(self) -> bool:
        """Whether nothing half-made lies about."""
        staging = self.home.store / ".staging"
        return not staging.exists() or not list(staging.iterdir())

    def python(self, code: str, *arguments: str) -> subprocess.Popen[str]:
        """A process of its own that runs `code` in this home."""
        return subprocess.Popen(
            [sys.executable, "-c", code, *arguments],
            cwd=ROOT,
            env=os.environ,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


@contextmanager
def toy_home(folder: Path, days: Sequence[str] = ("d1", "d3")) -> Iterator[ToyHome]:
    """A fresh home below `folder` with raw files of `days`, to which the environment points."""
    home = Home((folder / "home").resolve(), (folder / "data").resolve())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPORT_ASSETS_HOME", str(home.root))
        patch.setenv("SPORT_ASSETS_DATA", str(home.data))
        patch.setenv("DAGSTER_HOME", str(home.dagster))
        patch.setenv("PYTHONPATH", str(ROOT))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        toy = ToyHome(home)
        for number, day in enumerate(days):
            toy.write_day(day, 1 + number, 2, 3, "nan")
        yield toy


def wait_for(what: Callable[[], Any], seconds: float = 60.0, process: subprocess.Popen[str] | None = None) -> Any:
    """Ask `what` until it gives something true; fails with the process's output when that ends, or time is up."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = what()
        if found:
            return found
        if process is not None and process.poll() is not None:
            output = process.stdout.read() if process.stdout else ""
            raise AssertionError(f"the process ended with {process.returncode} before that:\n{output}")
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds} s: {what}")
