"""Resources that lines take: the accelerator, and MLflow by way of dagster-mlflow.

Belongs here: what a run needs from the machine or a service. Must not come here: torch or mlflow at module level (the
definitions are loaded for every step).
"""

import logging
import os
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
from filelock import FileLock
from pydantic import Field

from sport_assets.lineage.home import Home

GPU_POOL = "gpu"


@dataclass(frozen=True)
class Device:
    """Where a training runs: torch's device string, processor threads, and the precision or ``auto`` (the preset's)."""

    name: str
    threads: int
    precision: str


DEVICE = r"^(auto|cpu|cuda(:\d+)?)$"
"""What a device may be called."""


class DeviceConfig(dg.Config):
    """Part of an asset's configuration: ``device``, ``precision`` and ``threads`` instead of the accelerator's."""

    device: str | None = Field(None, pattern=DEVICE)
    precision: str | None = Field(None, pattern="^(auto|32|bf16-mixed|16-mixed)$")
    threads: int | None = Field(None, ge=1)


class Accelerator(dg.ConfigurableResource[Any]):
    """GPU or processor for training.

    ``device``: ``auto`` (the first GPU, else ``cpu``), ``cpu`` or ``cuda:N``. ``precision``: ``auto`` takes the
    preset's; ``16-mixed`` falls to 32 on a processor, which is said and recorded. ``threads``: one gives the same bits
    every time.
    """

    device: str = "auto"
    precision: str = "auto"
    threads: int = 1

    @contextmanager
    def hold(self, config: DeviceConfig, count: int = 1) -> Iterator[Device]:
        """The device, held for this training alone: a file lock per GPU stands behind Dagster's pool.

        ``count`` GPUs are held from the one that is named upwards, always in this order.
        """
        name = resolve_device(config.device or self.device)
        home = Home.from_environment()
        with ExitStack() as held:
            if name != "cpu":
                first = int(name.removeprefix("cuda:"))
                for number in range(first, first + count):
                    held.enter_context(FileLock(home.root / f"cuda-{number}.lock"))
            yield Device(name, config.threads or self.threads, config.precision or self.precision)


def resolve_device(wanted: str) -> str:
    """``cpu`` or ``cuda:N``. Raises ``ValueError`` for a name that is neither, or a GPU that is not there."""
    gpus = visible_gpus()
    if wanted == "auto":
        return "cuda:0" if gpus else "cpu"
    if wanted == "cpu":
        return wanted
    match = re.fullmatch(r"cuda(?::(\d+))?", wanted)
    if match is None:
        raise ValueError(f"device {wanted!r} is not known: use auto, cpu or cuda:N")
    number = int(match[1] or 0)
    if number >= gpus:
        raise ValueError(f"device {wanted} was asked for, but this machine shows {gpus} GPUs: use auto or cpu")
    return f"cuda:{number}"


def visible_gpus() -> int:
    """NVIDIA GPUs that this process may use, without importing torch."""
    if not Path("/proc/driver/nvidia/version").exists():
        return 0  # device files without a driver
    restricted = os.environ.get("CUDA_VISIBLE_DEVICES")
    present = len([p for p in Path("/dev").glob("nvidia*") if re.fullmatch(r"nvidia\d+", p.name)])
    if restricted is None:
        return present
    return min(present, len([part for part in restricted.split(",") if part.strip() not in ("", "-1")]))


@dataclass(frozen=True)
class MlflowRun:
    """The MLflow run of one Dagster run, under which trainings stand as children."""

    tracking_uri: str
    run_id: str

    def environment(self) -> Mapping[str, str]:
        """What a training process needs to find its parent run."""
        return {
            "MLFLOW_TRACKING_URI": self.tracking_uri,
            "SPORT_ASSETS_MLFLOW_PARENT_RUN": self.run_id,
        }


class MlflowTracking:
    """Opens dagster-mlflow's run when a training asks for it, and ends it in any case."""

    def __init__(self, context: dg.InitResourceContext) -> None:
        self._context = context

    @contextmanager
    def run(self, experiment: str) -> Iterator[MlflowRun]:
        """The parent run in ``experiment``. It ends FINISHED, FAILED, or KILLED when the step was interrupted.

        dagster-mlflow ends its runs by a job hook, which asset runs do not have.
        """
        before = os.environ.get("MLFLOW_TRACKING_URI")
        uri = before or Home.from_environment().mlflow_uri
        os.environ["MLFLOW_TRACKING_URI"] = uri
        # The first use of a database is told at length otherwise; alembic's INFO lines say nothing a person needs.
        for name in ("mlflow.store.db.utils", "mlflow.tracking.fluent", "alembic"):
            logging.getLogger(name).setLevel(logging.WARNING)
        from sport_assets.training.tracked import experiment_id, open_client

        experiment_id(open_client(uri), experiment, uri)  # alone, and with its artifacts beside the database
        warnings.filterwarnings("ignore", category=dg.BetaWarning)  # said of dagster-mlflow; the versions are pinned
        from dagster_mlflow import mlflow_tracking  # imports mlflow: seconds

        config = {"experiment_name": experiment, "mlflow_tracking_uri": uri, "env": {}, "extra_tags": {}}
        with dg.build_resources(
            {"mlflow": mlflow_tracking},
            resource_config={"mlflow": {"config": config}},
            instance=self._context.instance,
            dagster_run=self._context.run,
            log_manager=self._context.log,
        ) as resources:
            mlflow = resources.mlflow
            status = "FAILED"
            try:
                yield MlflowRun(uri, mlflow.active_run().info.run_id)
                status = "FINISHED"
            except (KeyboardInterrupt, dg.DagsterExecutionInterruptedError):
                status = "KILLED"
                raise
            finally:
                mlflow.end_run(status=status)
                if before is None:  # a later run of this process may have another home
                    os.environ.pop("MLFLOW_TRACKING_URI", None)

    def add_model(self, spec_digest: str, path: Path) -> str | None:
        """Put an exported model into the MLflow run of its training; its URI, or None when MLflow would not take it.

        MLflow is a view of what the records hold: its refusal is told and undoes nothing.
        """
        uri = os.environ.get("MLFLOW_TRACKING_URI") or Home.from_environment().mlflow_uri
        from mlflow.exceptions import MlflowException

        from sport_assets.training.errors import BadSpecError
        from sport_assets.training.tracked import log_onnx_model

        try:
            return log_onnx_model(spec_digest, path, uri)
        except (MlflowException, BadSpecError, OSError) as error:
            if self._context.log is not None:
                self._context.log.warning(f"MLflow did not take the exported model: {error}")
            return None


@dg.resource(description="MLflow on SQLite beside the ledger; started by trainings alone")
def mlflow_resource(context: dg.InitResourceContext) -> MlflowTracking:
    """dagster-mlflow, imported only when a training opens its run."""
    return MlflowTracking(context)
