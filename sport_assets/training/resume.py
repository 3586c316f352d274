"""Checkpoints from which a stopped or killed training goes on with the same bits.

Belongs here: when a working checkpoint is written, what it holds besides Lightning's part, which one is read.
Must not be here: the loop's internals (`loops`), the file format (`state`).

Working files of a spec: `last.ckpt`, `previous.ckpt` (sealed state files) and `best/` (the top k weights).
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from lightning_fabric.plugins import CheckpointIO
from torchmetrics import Metric

from sport_assets.lineage.durable import sync
from sport_assets.training.errors import EXIT_STOPPED, BadSpecError, NonFiniteLossError, StoppedError
from sport_assets.training.loops import ResumableEpochLoop
from sport_assets.training.state import (
    TornStateError,
    pack,
    read_structure,
    seal,
    unpack,
    unseal,
)

LAST, PREVIOUS = "last.ckpt", "previous.ckpt"


class StopRequest:
    """SIGTERM and SIGINT: a flag while the loop runs, `StoppedError` at once before and after it.

    A process that reaches no checkpoint within `grace_s` ends anyway (exit code 75); it resumes from an older one.
    """

    def __init__(self, grace_s: float = 30.0) -> None:
        self.requested = False
        self.in_loop = False
        self._grace_s = grace_s

    def install(self) -> None:
        """Take over both signals (main thread only)."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._handle)

    def _handle(self, number: int, frame: Any) -> None:
        if not self.requested:
            watchdog = threading.Timer(self._grace_s, os._exit, args=(EXIT_STOPPED,))
            watchdog.daemon = True
            watchdog.start()
        self.requested = True
        if not self.in_loop:
            raise StoppedError("stopped on request outside the training loop; start the same spec again to go on")


class StateFileIO(CheckpointIO):
    """Lightning's checkpoint plugin on `state`: atomic, two kept, never a pickle."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        """Write `path` and keep its former content as previous.ckpt."""
        path = Path(path)
        content = seal(pack(checkpoint))
        temporary = path.with_name(f".{path.name}.part")
        temporary.write_bytes(content)
        sync(temporary)
        with contextlib.suppress(FileNotFoundError):
            os.replace(path, path.with_name(PREVIOUS))
        os.replace(temporary, path)
        sync(path.parent)

    def load_checkpoint(self, path: Any, map_location: Any | None = None, weights_only: bool | None = None) -> Any:
        """Read a working checkpoint or the published state of a finished training."""
        path = Path(path)
        return unpack(unseal(path)) if path.suffix == ".ckpt" else read_structure(path)

    def remove_checkpoint(self, path: Any) -> None:
        """Delete a checkpoint."""
        Path(path).unlink(missing_ok=True)


def find_checkpoint(work: Path, say: Callable[[str], None]) -> Path | None:
    """Newest whole checkpoint of a work folder, or None; says which ones were torn."""
    for name in (LAST, PREVIOUS):
        path = work / name
        if not path.exists():
            continue
        try:
            unseal(path)
        except TornStateError as error:
            say(f"{error}; looking for an older checkpoint")
            continue
        return path
    return None


class Resume(pl.Callback):
    """Writes checkpoints and puts the state back that Lightning does not keep."""

    def __init__(
        self,
        work: Path,
        *,
        digest: str,
        every_s: float,
        stop: StopRequest,
        say: Callable[[str], None],
        continued_from: Path | None = None,
        saved: Callable[[], None] = lambda: None,
    ) -> None:
        self._work = work
        self._digest = digest
        self._every_s = every_s
        self._stop = stop
        self._say = say
        self._continued_from = continued_from
        self._saved = saved
        self._next_save = float("inf")
        self._pending: dict[str, Any] | None = None
        self._before_validation: dict[str, Any] | None = None
        self._trainer: pl.Trainer | None = None
        self.checkpoints_written = 0
        self.checkpoint_seconds = 0.0
        self.resumed_at_step: int | None = None

    @property
    def trainer(self) -> pl.Trainer:
        """The trainer this callback works for."""
        assert self._trainer is not None
        return self._trainer

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Remember the trainer, for the loops call without it."""
        self._trainer = trainer

    # what the loops call -------------------------------------------------------------------------------------------

    def before_epoch(self) -> None:
        """Put generators and partial sums back, once, right before the resumed batch."""
        if self._pending is not None:
            pending, self._pending = self._pending, None
            _restore_generators(pending["generators"])
            _restore_metrics(self.trainer, pending["accumulators"])

    def step_done(self) -> None:
        """Checkpoint when time is up or a stop is wanted."""
        action = self._agreed_action()
        if action:
            self._save()
            self._stop_if(action)

    def training_part_done(self) -> None:
        """Keep the state that a validation may touch; checkpoint where due, to be resumed at the validation."""
        if self.trainer.enable_validation:
            self._before_validation = self._runtime()
            self.step_done()

    def epoch_done(self) -> None:
        """Checkpoint every finished epoch."""
        self._before_validation = None
        action = self._agreed_action()
        self._save()
        if not self.trainer.fit_loop.done:
            self._stop_if(action)

    # Lightning's hooks -----------------------------------------------------------------------------------------------

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Take the signals back from Lightning, whose handler calls collectives from within a signal."""
        self._next_save = time.monotonic() + self._every_s
        if threading.current_thread() is threading.main_thread():
            self._stop.install()
        if trainer.is_global_zero:
            self._set_torn_aside()

    def on_before_backward(self, trainer: pl.Trainer, pl_module: pl.LightningModule, loss: torch.Tensor) -> None:
        """Stop before a bad loss reaches the weights."""
        bad = not bool(torch.isfinite(loss.detach()).all())
        if _any_rank(trainer, bad):
            value, where = _of_a_bad_rank(trainer, bad, float(loss.detach()))
            raise NonFiniteLossError(
                f"the loss is {value:g} at step {trainer.global_step} "
                f"(epoch {trainer.current_epoch}, batch {trainer.fit_loop.batch_idx}{where}); {_REMEDY}"
            )

    def on_validation_batch_end(self, trainer: pl.Trainer, *args: Any, **kwargs: Any) -> None:
        """A stop does not wait for the end of a validation."""
        if trainer.sanity_checking or self._before_validation is None:
            return
        action = self._agreed_action(only_stop=True)
        if action:
            self._save()
            self._stop_if(action)

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Add every rank's generators and partial sums; drop what is in the spec already."""
        for name in [name for name in checkpoint if "hparams" in name or "hyper_parameters" in name]:
            del checkpoint[name]
        runtime = self._before_validation or self._runtime()
        checkpoint["sport_assets"] = {
            "spec_digest": self._digest,
            "ranks": _gather(trainer, runtime),
            "should_stop": trainer.should_stop,
        }

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Hold this rank's part until `before_epoch`."""
        own = checkpoint["sport_assets"]
        if self._continued_from is None and own["spec_digest"] != self._digest:
            raise BadSpecError(f"the checkpoint in {self._work.name} belongs to another spec ({own['spec_digest']})")
        if len(own["ranks"]) != trainer.world_size:
            raise BadSpecError(
                f"the checkpoint was written by {len(own['ranks'])} processes, this training has {trainer.world_size}; "
                "start it with as many"
            )
        self._pending = own["ranks"][trainer.global_rank]
        self.resumed_at_step = checkpoint["global_step"]
        trainer.should_stop = own["should_stop"] and self._continued_from is None

    # inside ------------------------------------------------------------------------------------------------------

    def _agreed_action(self, only_stop: bool = False) -> int:
        """0 nothing, 1 checkpoint, 2 checkpoint and stop; the same on every rank. Time is rank 0's."""
        action = 2 if self._stop.requested else 0
        if not action and not only_stop and self.trainer.is_global_zero and time.monotonic() >= self._next_save:
            action = 1
        if self.trainer.world_size > 1:
            agreed = torch.tensor(action, device=self.trainer.strategy.root_device)
            torch.distributed.all_reduce(agreed, op=torch.distributed.ReduceOp.MAX)
            action = int(agreed)
        return action

    def _stop_if(self, action: int) -> None:
        if action == 2:
            raise StoppedError(
                f"stopped on request at step {self.trainer.global_step} (epoch {self.trainer.current_epoch}) "
                "with a checkpoint; start the same spec again to go on"
            )

    def _save(self) -> None:
        start = time.monotonic()
        module = self.trainer.lightning_module
        bad = [name for name, value in module.state_dict().items() if not _finite(value)]
        if _any_rank(self.trainer, bool(bad)):
            names, where = _of_a_bad_rank(self.trainer, bool(bad), bad[:5])
            raise NonFiniteLossError(
                f"weights became NaN or infinite by step {self.trainer.global_step} "
                f"(epoch {self.trainer.current_epoch}{where}): {', '.join(names)}; {_REMEDY}"
            )
        self.trainer.save_checkpoint(self._work / LAST)
        self._saved()
        self.checkpoints_written += 1
        self.checkpoint_seconds += time.monotonic() - start
        self._next_save = time.monotonic() + self._every_s

    def _runtime(self) -> dict[str, Any]:
        return {"generators": _generators(), "accumulators": _metrics(self.trainer)}

    def _set_torn_aside(self) -> None:
        """A torn last.ckpt must not push the good previous one out at the next save."""
        last = self._work / LAST
        if last.exists():
            try:
                unseal(last)
            except TornStateError:
                os.replace(last, last.with_suffix(".torn"))


_REMEDY = (
    "the last good checkpoint is kept. Look for NaN or extreme values in the input, lower training.learning_rate, "
    "lower training.gradient_clip_val, or use precision 32; changed settings make a new training"
)


@contextlib.contextmanager
def in_loop(stop: StopRequest) -> Iterator[None]:
    """While the loop runs, a stop is a flag that it looks at."""
    stop.in_loop = True
    try:
        yield
    finally:
        stop.in_loop = False


def _finite(value: torch.Tensor) -> bool:
    return not value.is_floating_point() or bool(torch.isfinite(value).all())


def _any_rank(trainer: pl.Trainer, flag: bool) -> bool:
    if trainer.world_size == 1:
        return flag
    return bool(trainer.strategy.reduce_boolean_decision(flag, all=False))


def _of_a_bad_rank(trainer: pl.Trainer, bad: bool, value: Any) -> tuple[Any, str]:
    """`value` of the first bad rank, the same on every rank, and words that name it; called on all ranks together."""
    ranks = _gather(trainer, (bad, value))
    number = next(number for number, (bad_there, _) in enumerate(ranks) if bad_there)
    where = "" if trainer.world_size == 1 else f", process {number} of {trainer.world_size} counted from 0"
    return ranks[number][1], where


def _gather(trainer: pl.Trainer, value: Any) -> list[Any]:
    if trainer.world_size == 1:
        return [value]
    values: list[Any] = [None] * trainer.world_size
    torch.distributed.all_gather_object(values, value)
    return values


def _generators() -> dict[str, Any]:
    state = {
        "python": random.getstate(),
        "numpy": np.random.get_state(legacy=False),
        "torch": torch.get_rng_state(),
    }
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        state["cuda"] = torch.cuda.get_rng_state()
    return state


def _restore_generators(state: dict[str, Any]) -> None:
    random.setstate(state["python"])
    np.random.set_state(state["numpy"])
    torch.set_rng_state(state["torch"])
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"])


def _metrics(trainer: pl.Trainer) -> dict[str, Any]:
    """Sums under way: Lightning's, and the states of torchmetrics that the module holds."""
    loop = trainer.fit_loop.epoch_loop
    assert isinstance(loop, ResumableEpochLoop)
    modules = {
        name: {"states": dict(metric.metric_state), "updates": metric._update_count}
        for name, metric in trainer.lightning_module.named_modules()
        if isinstance(metric, Metric)
    }
    return {"logged": _copied(loop.results.partial()), "modules": _copied(modules)}


def _restore_metrics(trainer: pl.Trainer, state: dict[str, Any]) -> None:
    loop = trainer.fit_loop.epoch_loop
    assert isinstance(loop, ResumableEpochLoop)
    loop.results.restore(state["logged"], trainer)
    modules = dict(trainer.lightning_module.named_modules())
    for name, saved in state["modules"].items():
        metric = modules[name]
        assert isinstance(metric, Metric)
        for key, value in saved["states"].items():
            setattr(metric, key, _moved(value, metric.device))
        metric._update_count = saved["updates"]


def _copied(value: Any) -> Any:
    """A copy that later steps do not change."""
    if isinstance(value, torch.Tensor):
        return value.detach().clone()
    if isinstance(value, dict):
        return {key: _copied(item) for key, item in value.items()}
    return [_copied(item) for item in value] if isinstance(value, list) else value


def _moved(value: Any, device: torch.device) -> Any:
    return [item.to(device) for item in value] if isinstance(value, list) else value.to(device)
