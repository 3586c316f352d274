"""Where the time of a training goes: PyTorch's profiler over a few steps of the first epoch.

Belongs here: when it records and what it writes into the work folder. Must not be here: anything that is part of the
result; the weights are the same with and without it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch.profiler import ProfilerActivity, profile, schedule

from sport_assets.training.errors import BadSpecError
from sport_assets.training.progress import Reporter

VARIABLE = "SPORT_ASSETS_PROFILE"
WAIT, WARM_UP, ACTIVE = 1, 1, 3
TABLE_ROWS = 30
TRACE, TABLE = "rank_0.pt.trace.json", "top_operators.txt"


def profile_wanted() -> bool:
    """Whether SPORT_ASSETS_PROFILE asks for it; raises `BadSpecError` for a value that says neither."""
    text = os.environ.get(VARIABLE, "").strip().lower()
    if text in ("1", "true", "yes", "on"):
        return True
    if text in ("", "0", "false", "no", "off", "none"):
        return False
    raise BadSpecError(f"{VARIABLE} is {text!r}; set it to 1 or 0")


class Profile(pl.Callback):
    """Records ACTIVE steps of the first epoch that this process trains, after one to wait and one to warm up.

    Writes a trace (for TensorBoard's profiler plugin, chrome://tracing or Perfetto) and a table of the operators that
    took most time to `folder`. A profiler that fails is told, and training goes on.
    """

    def __init__(self, folder: Path, reporter: Reporter) -> None:
        self._folder = folder
        self._reporter = reporter
        self._profiler: profile | None = None
        self._begun = False
        self._recorded = 0

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Begin with the first epoch, once."""
        if self._begun:
            return
        self._begun = True
        activities = [ProfilerActivity.CPU]
        if torch.cuda.is_available():
            activities.append(ProfilerActivity.CUDA)
        try:
            self._profiler = profile(
                activities=activities,
                schedule=schedule(wait=WAIT, warmup=WARM_UP, active=ACTIVE, repeat=1),
                on_trace_ready=self._write,
                record_shapes=True,
                profile_memory=True,
            )
            self._profiler.start()
        except Exception as error:  # noqa: BLE001 - it depends on drivers and counters of the machine
            self._give_up(error)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """One step of the schedule."""
        if self._profiler is None:
            return
        self._recorded += 1
        try:
            self._profiler.step()
        except Exception as error:  # noqa: BLE001
            self._give_up(error)
            return
        if self._recorded == WAIT + WARM_UP + ACTIVE:
            self._stop()

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Only training is profiled."""
        self._stop()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """An epoch with fewer batches than the schedule."""
        self._stop()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """A training that is stopped or fails meanwhile."""
        self._stop()

    def _stop(self) -> None:
        profiler, self._profiler = self._profiler, None
        if profiler is None:
            return
        try:
            profiler.stop()
        except Exception as error:  # noqa: BLE001
            self._give_up(error)
            return
        if self._recorded <= WAIT + WARM_UP:
            self._reporter.warning(
                f"no profile: the epoch had {self._recorded} batches, and at least {WAIT + WARM_UP + 1} are needed"
            )

    def _write(self, profiler: profile) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        profiler.export_chrome_trace(str(self._folder / TRACE))
        key = "self_device_time_total" if torch.cuda.is_available() else "self_cpu_time_total"
        averages = profiler.key_averages()
        table = averages.table(sort_by=key, row_limit=TABLE_ROWS, max_name_column_width=60)
        (self._folder / TABLE).write_text(f"{table}\n")
        steps = min(self._recorded - WAIT - WARM_UP, ACTIVE)
        top = [item.key for item in sorted(averages, key=lambda item: -getattr(item, key))[:3]]
        self._reporter.info(
            f"profiled {steps} steps into {self._folder}: {TRACE} (trace) and {TABLE}; most time in {', '.join(top)}"
        )

    def _give_up(self, error: Exception) -> None:
        self._profiler = None
        self._reporter.warning(f"the profiler failed; training goes on without it: {type(error).__name__}: {error}")
