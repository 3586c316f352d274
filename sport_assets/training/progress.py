"""How a training says where it is: lines on the terminal or Dagster Pipes messages, and progress.json.

Belongs here: reporters and the callback that feeds them, about once a second. Must not be here: metrics history.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import pytorch_lightning as pl
import torch


class Reporter(Protocol):
    """Where messages go."""

    def info(self, message: str) -> None:
        """Progress and notes."""

    def warning(self, message: str) -> None:
        """Something fell back or was lost."""

    def result(self, content: dict[str, Any]) -> None:
        """The end: what was trained, or why not."""


class TerminalReporter:
    """Plain lines on stderr (stdout stays free for `--json`-like use)."""

    def info(self, message: str) -> None:
        """One line."""
        print(message, file=sys.stderr, flush=True)

    def warning(self, message: str) -> None:
        """One line, marked."""
        print(f"warning: {message}", file=sys.stderr, flush=True)

    def result(self, content: dict[str, Any]) -> None:
        """Nothing: result.json and the exit code say it."""


class PipesReporter:
    """Log lines in Dagster's run, and the result as a custom message `{"training": ...}`."""

    def __init__(self, context: Any) -> None:
        self._context = context

    def info(self, message: str) -> None:
        """A log line."""
        self._context.log.info(message)

    def warning(self, message: str) -> None:
        """A warning."""
        self._context.log.warning(message)

    def result(self, content: dict[str, Any]) -> None:
        """The parent reads it with `get_custom_messages()`."""
        self._context.report_custom_message({"training": content})


class LabelledReporter:
    """One of several trainings at once: every message begins with which it is."""

    def __init__(self, inner: Reporter, label: str) -> None:
        self._inner = inner
        self._label = label

    def info(self, message: str) -> None:
        """The message behind the label."""
        self._inner.info(f"{self._label}: {message}")

    def warning(self, message: str) -> None:
        """The message behind the label."""
        self._inner.warning(f"{self._label}: {message}")

    def result(self, content: dict[str, Any]) -> None:
        """As it is: whoever reads it knows whose it is."""
        self._inner.result(content)


class SilentReporter:
    """For ranks other than 0."""

    def info(self, message: str) -> None:
        """Nothing."""

    def warning(self, message: str) -> None:
        """Nothing."""

    def result(self, content: dict[str, Any]) -> None:
        """Nothing."""


class Progress(pl.Callback):
    """Epoch, step, loss, monitored metric and time left, at most every `every_s` seconds and at every epoch's end."""

    def __init__(
        self,
        reporter: Reporter,
        path: Path,
        monitor: str,
        max_epochs: int,
        *,
        every_s: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._reporter = reporter
        self._path = path
        self._monitor = monitor
        self._max_epochs = max_epochs
        self._every_s = every_s
        self._clock = clock
        self._next = 0.0
        self._start: tuple[float, float] | None = None

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """A line where a second has passed."""
        now = self._clock()
        done = trainer.current_epoch + (batch_idx + 1) / max(1, trainer.num_training_batches)
        if self._start is None:
            self._start = (now, done)
        if now < self._next or not trainer.is_global_zero:
            return
        self._next = now + self._every_s
        loss = outputs["loss"] if isinstance(outputs, dict) else outputs
        self._say(trainer, done, batch_idx + 1, float(loss) if isinstance(loss, torch.Tensor) else None)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """A line for every epoch, but no more than one a second."""
        if trainer.is_global_zero and (
            self._clock() >= self._next or trainer.should_stop or trainer.current_epoch + 1 == self._max_epochs
        ):
            self._next = self._clock() + self._every_s
            loss = trainer.callback_metrics.get("train_loss")
            batches = int(trainer.num_training_batches)
            self._say(trainer, trainer.current_epoch + 1, batches, None if loss is None else float(loss))

    def _say(self, trainer: pl.Trainer, done: float, batch: int, loss: float | None) -> None:
        value = trainer.callback_metrics.get(self._monitor)
        left = self._left(done)
        content = {
            "epoch": trainer.current_epoch + 1,
            "epochs": self._max_epochs,
            "batch": batch,
            "batches": int(trainer.num_training_batches),
            "step": trainer.global_step,
            "loss": loss,
            self._monitor: None if value is None else float(value),
            "seconds_left": left,
        }
        parts = [f"epoch {content['epoch']}/{self._max_epochs}", f"batch {batch}/{content['batches']}"]
        parts += [f"step {trainer.global_step}"]
        parts += [] if loss is None else [f"loss {loss:.5g}"]
        parts += [] if value is None else [f"{self._monitor} {float(value):.5g}"]
        parts += [] if left is None else [f"left {int(left) // 60}:{int(left) % 60:02d}"]
        self._reporter.info("  ".join(parts))
        temporary = self._path.with_name(f".{self._path.name}.part")
        temporary.write_text(json.dumps(content, allow_nan=True))
        os.replace(temporary, self._path)

    def _left(self, done: float) -> float | None:
        if self._start is None or done <= self._start[1]:
            return None
        pace = (self._clock() - self._start[0]) / (done - self._start[1])
        return pace * max(0.0, self._max_epochs - done)
