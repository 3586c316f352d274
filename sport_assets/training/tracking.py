"""Trackers: MLflow always, TensorBoard and W&B (offline) on request; none of them can stop or delay a training.

Belongs here: what is told to trackers, and finding it again by spec digest. Must not be here: what training does,
the versioned curves.

All tracker work happens in one thread that takes jobs from a queue: importing mlflow takes about 2 s and making its
database several more, while training goes on. A tracker that fails is reported once and left out from then on.
"""

from __future__ import annotations

import importlib.util
import os
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import psutil
import pytorch_lightning as pl
import torch

from sport_assets.training.curves import Curves
from sport_assets.training.errors import BadSpecError
from sport_assets.training.progress import Reporter
from sport_assets.training.spec import TrainingSpec
from sport_assets.training.tracked import DIGEST_TAG, experiment_id, open_client, tracking_uri

PARENT_VARIABLE = "SPORT_ASSETS_MLFLOW_PARENT_RUN"
KNOWN = ("mlflow", "tensorboard", "wandb")
TENSORBOARD_FOLDER = "tensorboard"
ARTIFACTS = ("settings.json", "training_spec.json", "curves.json", "curves.parquet", "curves.svg")


Status = Literal["FINISHED", "FAILED", "KILLED"]
"""How a run ended, in MLflow's words; KILLED is stopped on request."""

_ENDED: Mapping[Status, str] = {
    "FINISHED": "the training is complete",
    "FAILED": "the training itself failed, for the reason given below",
    "KILLED": "the training was stopped on request",
}


class Backend(Protocol):
    """One tracker; every call comes from the tracking thread."""

    def start(self, params: Mapping[str, Any], tags: Mapping[str, str]) -> None:
        """Begin, or go on with, the run of this spec."""

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        """Numbers by name at an optimizer step."""

    def end(self, status: Status, result: Path | None) -> None:
        """End the run; `result` is the published folder."""


class MlflowBackend:
    """A run per spec digest, in the experiment of the line."""

    def __init__(self, spec: TrainingSpec, uri: str) -> None:
        self._spec = spec
        self._uri = uri
        self._client: Any = None
        self.run_id: str | None = None

    def start(self, params: Mapping[str, Any], tags: Mapping[str, str]) -> None:
        """Find the run of the same spec, or create it below the parent run."""
        from mlflow.entities import Param

        self._client = open_client(self._uri)
        experiment = experiment_id(self._client, self._spec.line, self._uri)
        found = self._client.search_runs(
            [experiment],
            filter_string=f"tags.`{DIGEST_TAG}` = '{self._spec.digest}'",
            order_by=["attributes.start_time DESC"],
            max_results=1,
        )
        name = f"{self._spec.line} {self._spec.model} seed {self._spec.seed}"
        if found:
            run = found[0]
            self._client.update_run(run.info.run_id, status="RUNNING")
            for key, value in tags.items():
                self._client.set_tag(run.info.run_id, key, value)
        else:
            run = self._client.create_run(experiment, tags=dict(tags), run_name=name)
        self.run_id = run.info.run_id
        # a parameter cannot be changed once logged, so a resumed run adds only what is new
        fresh = [Param(key, str(value)[:6000]) for key, value in params.items() if key not in run.data.params]
        for first in range(0, len(fresh), 100):
            self._client.log_batch(self.run_id, params=fresh[first : first + 100])

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        """One batch of metrics."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        self._client.log_batch(self.run_id, metrics=[Metric(name, value, now, step) for name, value in values.items()])

    def end(self, status: Status, result: Path | None) -> None:
        """Artifacts and weights, then the status."""
        try:
            if result is not None:
                for name in ARTIFACTS:
                    self._client.log_artifact(self.run_id, str(result / name))
                self._client.log_artifact(self.run_id, str(result / "weights.safetensors"), "model")
                self._client.log_artifact(self.run_id, str(result / "training_spec.json"), "model")
        finally:
            self._client.set_terminated(self.run_id, status)


class TensorBoardBackend:
    """Event files in the work folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writer: Any = None

    def start(self, params: Mapping[str, Any], tags: Mapping[str, str]) -> None:
        """Open the writer and note the parameters."""
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(self._folder))
        text = "\n".join(f"- {key}: {value}" for key, value in {**params, **tags}.items())
        self._writer.add_text("parameters", text)

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        """Scalars."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def histograms(self, values: Mapping[str, np.ndarray], step: int) -> None:
        """Distributions by name; what is not finite has no place in one and is left out."""
        for name, array in values.items():
            finite = array[np.isfinite(array)]
            if finite.size:
                self._writer.add_histogram(name, finite, step)
        self._writer.flush()

    def end(self, status: Status, result: Path | None) -> None:
        """Close the writer."""
        self._writer.close()


class WandbBackend:
    """An offline W&B run in the work folder; `wandb sync` uploads it, if anyone wants that."""

    def __init__(self, spec: TrainingSpec, folder: Path) -> None:
        self._spec = spec
        self._folder = folder
        self._run: Any = None

    def start(self, params: Mapping[str, Any], tags: Mapping[str, str]) -> None:
        """Begin, or go on with, the run whose id is the spec's digest."""
        import wandb

        self._folder.mkdir(parents=True, exist_ok=True)
        self._run = wandb.init(
            project=self._spec.line,
            name=f"{self._spec.model} seed {self._spec.seed}",
            id=self._spec.digest[:32],
            resume="allow",
            mode=os.environ.get("WANDB_MODE", "offline"),
            dir=str(self._folder),
            config={**params, **tags},
        )

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        """Scalars."""
        self._run.log(dict(values), step=step)

    def end(self, status: Status, result: Path | None) -> None:
        """Finish the run."""
        self._run.finish(exit_code=0 if status == "FINISHED" else 1)


class Tracking:
    """The tracking thread and the callback that feeds it."""

    def __init__(self, backends: Mapping[str, Backend], reporter: Reporter) -> None:
        self._alive = dict(backends)
        self._reporter = reporter
        self._jobs: queue.Queue[Callable[[Backend], None] | None] = queue.Queue()
        self._thread = threading.Thread(target=self._work, name="tracking", daemon=True)
        self._started = False

    def start(self, params: Mapping[str, Any], tags: Mapping[str, str]) -> None:
        """Begin the runs; returns at once."""
        self._started = True
        self._jobs.put(lambda backend: backend.start(params, tags))
        self._thread.start()

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        """Tell numbers; returns at once. NaN and infinity are told too."""
        told = dict(values)
        self._jobs.put(lambda backend: backend.metrics(told, step))

    def tell(self, name: str, job: Callable[[Any], None]) -> None:
        """Have the thread do something with one tracker, where it is used; returns at once."""
        self._jobs.put(lambda backend: job(backend) if backend is self._alive.get(name) else None)

    def end(self, status: Status, result: Path | None = None, *, wait_s: float = 60.0) -> None:
        """End the runs and wait for the thread; a tracker that hangs longer than `wait_s` is given up."""
        if not self._started:
            return
        self._started = False
        self._jobs.put(lambda backend: backend.end(status, result))
        self._jobs.put(None)
        self._thread.join(wait_s)
        if self._thread.is_alive():
            self._reporter.warning(
                f"tracking did not end within {wait_s:.0f} s and is given up, so the run there may stay open; "
                f"{_ENDED[status]}"
            )

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            for name, backend in list(self._alive.items()):
                try:
                    job(backend)
                except Exception as error:  # noqa: BLE001 - a tracker may fail in any way and training must go on
                    del self._alive[name]
                    self._reporter.warning(
                        f"tracking by {name} failed and is left out from here on; training goes on: "
                        f"{type(error).__name__}: {error}"
                    )


class TrackingCallback(pl.Callback):
    """Reads the numbers at every epoch's end, and the running loss every `every_s` seconds."""

    def __init__(self, tracking: Tracking, curves: Curves, parameters: int, *, every_s: float = 5.0) -> None:
        self._tracking = tracking
        self._curves = curves
        self._parameters = parameters
        self._every_s = every_s
        self._next = 0.0
        self._epoch_start = time.monotonic()
        self._samples = 0
        self._pace: float | None = None

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Start the epoch's clock at its first batch."""
        if self._samples == 0:
            self._epoch_start = time.monotonic()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count samples; tell the running loss now and then."""
        self._samples += _length(batch) * trainer.world_size
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + self._every_s
            loss = outputs["loss"] if isinstance(outputs, Mapping) else outputs
            if isinstance(loss, torch.Tensor):
                self._tracking.metrics({"train_loss_step": float(loss)}, trainer.global_step)

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Validation is not training time."""
        self._pace = self._samples / max(time.monotonic() - self._epoch_start, 1e-9)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """The epoch's row, speed and memory."""
        pace = self._pace
        if pace is None:
            pace = self._samples / max(time.monotonic() - self._epoch_start, 1e-9)
        values = {name: float(value) for name, value in self._curves.rows[-1].items() if name != "step"}
        values["samples_per_second"] = pace
        values["ram_mb"] = psutil.Process().memory_info().rss / 2**20
        if torch.cuda.is_available():
            values["gpu_memory_mb"] = torch.cuda.max_memory_allocated() / 2**20
        values["parameters"] = float(self._parameters)
        self._tracking.metrics(values, trainer.global_step)
        self._samples, self._pace = 0, None


def make_tracking(spec: TrainingSpec, work: Path, names: Sequence[str], reporter: Reporter) -> Tracking:
    """Trackers by name; raises `BadSpecError` for an unknown or uninstalled one, before training starts."""
    backends: dict[str, Backend] = {}
    for name in names:
        if name not in KNOWN:
            raise BadSpecError(f"unknown tracker {name!r}; known: {', '.join(KNOWN)}")
        if importlib.util.find_spec(name) is None:
            raise BadSpecError(f"the tracker {name} is not installed: pip install {name}, or leave it out")
        if name == "mlflow":
            backends[name] = MlflowBackend(spec, tracking_uri(work))
        elif name == "tensorboard":
            backends[name] = TensorBoardBackend(work / TENSORBOARD_FOLDER)
        else:
            backends[name] = WandbBackend(spec, work / "wandb")
    return Tracking(backends, reporter)


def run_params(spec: TrainingSpec, used: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters truly used: the complete settings, and what was decided at start (precision, device, ...)."""
    params = {"seed": spec.seed, "builder": spec.builder, "threads": spec.threads, "device": spec.device}
    return {**params, **_flat(spec.identity()["settings"]), **{f"used.{key}": value for key, value in used.items()}}


def run_tags(spec: TrainingSpec, used: Mapping[str, Any]) -> dict[str, str]:
    """What a run is found by: spec digest, line, model, code version and the version of every input."""
    tags = {
        DIGEST_TAG: spec.digest,
        "sport_assets.line": spec.line,
        "sport_assets.model": spec.model,
        "sport_assets.seed": str(spec.seed),
        "sport_assets.code_version": spec.code_version,
        "sport_assets.bit_exact": str(used.get("bit_exact")).lower(),
    }
    if spec.resume_from:
        tags["sport_assets.resume_from"] = spec.resume_from
    for item in spec.inputs:
        tags[f"sport_assets.input.{item.key}:{item.partition or '_'}"] = item.version
    parent = os.environ.get(PARENT_VARIABLE)
    if parent:
        tags["mlflow.parentRunId"] = parent
    return tags


def _flat(content: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in content.items():
        if isinstance(value, Mapping) and value:
            flat.update(_flat(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _length(batch: Any) -> int:
    """Samples in a batch: the first tensor's length."""
    if isinstance(batch, torch.Tensor):
        return len(batch) if batch.ndim else 1
    parts = batch.values() if isinstance(batch, Mapping) else batch if isinstance(batch, list | tuple) else ()
    return next((length for length in (_length(part) for part in parts) if length), 0)
