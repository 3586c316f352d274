"""The Dagster home: made once, by whichever of several processes comes first."""

import os
import subprocess
import sys
import warnings
from pathlib import Path

import dagster as dg
import pytest
import yaml

from sport_assets.orchestration.instance import DAGSTER_YAML, initialise, instance
from sport_assets.orchestration.resources import GPU_POOL, visible_gpus
from sport_assets_tests.orchestration.toy_home import ROOT, ToyHome, toy_home

INITIALISE = """
import sys
from sport_assets.lineage.home import Home
from sport_assets.orchestration.instance import initialise
print("ready", flush=True)
sys.stdin.readline()
print(initialise(Home.from_environment()))
"""


@pytest.fixture(scope="module")
def raced(tmp_path_factory: pytest.TempPathFactory) -> tuple[ToyHome, list[str]]:
    """A brand-new home that six processes opened at the same moment, and what each said."""
    with toy_home(tmp_path_factory.mktemp("raced")) as toy:
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", INITIALISE],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            for _ in range(6)
        ]
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        outputs = [process.communicate("go\n", timeout=120)[0] for process in processes]
        assert [process.returncode for process in processes] == [0] * 6, "\n".join(outputs)
    return toy, outputs


def test_six_processes_at_once_make_it_once(raced: tuple[ToyHome, list[str]]) -> None:
    assert sorted(output.split()[-1] for output in raced[1]) == ["False"] * 5 + ["True"]
    assert [output for output in raced[1] if "Error" in output or "Warning" in output] == []


def test_it_works_as_the_settings_say_without_a_warning(
    raced: tuple[ToyHome, list[str]], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    toy, _ = raced
    monkeypatch.setenv("DAGSTER_HOME", str(toy.home.dagster))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with dg.DagsterInstance.get() as dagster:
            assert dagster.run_monitoring_enabled
            assert not dagster.telemetry_enabled
            assert dagster.get_concurrency_config().pool_config.pool_granularity.value == "op"  # type: ignore[union-attr]
            info = dagster.event_log_storage.get_concurrency_info(GPU_POOL)
            assert info.slot_count == max(1, visible_gpus() or os.cpu_count() or 1)
            assert dagster.get_runs() == []
            assert Path(dagster.root_directory) == toy.home.dagster
    assert capfd.readouterr().err == ""


def test_the_settings_that_a_user_changed_stay(tmp_path: Path) -> None:
    with toy_home(tmp_path) as toy:
        assert initialise(toy.home)
        settings = toy.home.dagster / "dagster.yaml"
        assert settings.read_text() == DAGSTER_YAML
        changed = yaml.safe_load(DAGSTER_YAML)
        changed["concurrency"]["runs"]["max_concurrent_runs"] = 1
        settings.write_text(yaml.safe_dump(changed))
        with instance(toy.home) as dagster:
            dagster.event_log_storage.set_concurrency_slots(GPU_POOL, 3)
        assert not initialise(toy.home)
        assert yaml.safe_load(settings.read_text()) == changed
        with instance(toy.home) as dagster:
            assert dagster.event_log_storage.get_concurrency_info(GPU_POOL).slot_count == 3


def test_one_that_died_while_it_was_made_is_made_again(tmp_path: Path) -> None:
    with toy_home(tmp_path) as toy:
        assert initialise(toy.home)
        (toy.home.dagster / ".initialised").unlink()  # written last, so this is what a crash leaves
        assert initialise(toy.home)
        assert toy.made("toy/raw", "d1") == ["toy/raw:d1"]
