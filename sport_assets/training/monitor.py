"""Which epochs are published, the best by the monitored metric or the last, and when to stop early.

Belongs here: top k, best weights, patience. Must not be here: working checkpoints, curves.

(Not Lightning's callbacks: ModelCheckpoint stores absolute paths and pickles; EarlyStopping, once it has decided
before min_epochs, stops at min_epochs even though the metric has improved since.)
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import pytorch_lightning as pl
import torch

from sport_assets.lineage.durable import write_durably
from sport_assets.training.checkpoints import weight_bytes
from sport_assets.training.errors import BadSpecError, NonFiniteLossError
from sport_assets.training.spec import TrainerSettings


class Monitor(pl.Callback):
    """Keeps the weights of the best `save_top_k` epochs in `folder`; the earlier epoch wins a tie.

    And those of the best epoch by each metric of `also_best`. Where the metric does not choose
    (`TrainingSpec.chooses_epoch`), it keeps those of the last epoch, and never stops early. `weights` gives what is
    kept, where that is not the module's own.
    """

    def __init__(
        self,
        folder: Path,
        settings: TrainerSettings,
        monitor: str,
        mode: Literal["min", "max"],
        *,
        chooses: bool = True,
        weights: Callable[[], Mapping[str, torch.Tensor]] | None = None,
    ) -> None:
        self.monitor = monitor
        self.mode = mode
        self.chooses = chooses
        self._weights = weights
        self._folder = folder
        self._settings = settings
        self.top: list[tuple[float, int]] = []
        self.best_by: dict[str, tuple[float, int]] = {}
        self._patience_best: float | None = None
        self.epochs_without_improvement = 0
        self.stopped_early = False
        # weights that the two checkpoints on disk still name; empty until two were written in this process
        self._named: deque[set[str]] = deque(maxlen=2)

    @property
    def published_epoch(self) -> int:
        """Epoch (from 0) whose weights are published: the best, or the last."""
        return self.top[0][1]

    @property
    def published_value(self) -> float:
        """The monitored metric in that epoch."""
        return self.top[0][0]

    @property
    def selected(self) -> str:
        """How that epoch was found, in words."""
        return f"best epoch by {self.monitor}" if self.chooses else "last epoch"

    def weights_path(self, epoch: int) -> Path:
        """Weights of an epoch that may be published."""
        return self._folder / f"epoch_{epoch:05d}.safetensors"

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Rank the epoch and decide, on the same value on every rank."""
        _check_synchronised(trainer)
        value = _logged(trainer, self.monitor)
        epoch = trainer.current_epoch
        if not torch.isfinite(torch.tensor(value)):
            raise NonFiniteLossError(
                f"the monitored metric {self.monitor} is {value:g} after epoch {epoch} (step {trainer.global_step}); "
                "the last good checkpoint is kept. Look for NaN or extreme values in the validation data, or lower "
                "training.learning_rate"
            )
        self._rank(trainer, value, epoch)
        self._decide(trainer, value)

    def _rank(self, trainer: pl.Trainer, value: float, epoch: int) -> None:
        if self.chooses:
            sign = 1 if self.mode == "min" else -1
            ranked = sorted([*self.top, (value, epoch)], key=lambda entry: (sign * entry[0], entry[1]))
            self.top = ranked[: self._settings.save_top_k]
            self._rank_further(trainer, epoch)
        else:
            self.top = [(value, epoch)]
        if epoch in self._kept():
            state = self._weights() if self._weights else trainer.strategy.lightning_module_state_dict()
            if trainer.is_global_zero:
                write_durably(self.weights_path(epoch), weight_bytes(state))

    def _rank_further(self, trainer: pl.Trainer, epoch: int) -> None:
        for name, mode in self._settings.also_best.items():
            value, best = _logged(trainer, name), self.best_by.get(name)
            if best is None or (value < best[0] if mode == "min" else value > best[0]):
                self.best_by[name] = (value, epoch)

    def _kept(self) -> set[int]:
        return {epoch for _, epoch in (*self.top, *self.best_by.values())}

    def _decide(self, trainer: pl.Trainer, value: float) -> None:
        patience = self._settings.early_stopping_patience if self.chooses else None
        best = self._patience_best
        gain = float("inf") if best is None else (best - value if self.mode == "min" else value - best)
        if gain > self._settings.early_stopping_min_delta:
            self._patience_best = value
            self.epochs_without_improvement = 0
        else:
            self.epochs_without_improvement += 1
        enough = trainer.current_epoch + 1 >= self._settings.min_epochs
        if patience is not None and enough and self.epochs_without_improvement >= patience:
            self.stopped_early = True
            trainer.should_stop = True

    def checkpoint_saved(self) -> None:
        """Delete weights that neither checkpoint on disk names any more."""
        self._named.append({self.weights_path(epoch).name for epoch in self._kept()})
        if len(self._named) == 2:
            for path in self._folder.glob("epoch_*.safetensors"):
                if not any(path.name in names for names in self._named):
                    path.unlink(missing_ok=True)

    def continue_from(self, best_weights: Path) -> None:
        """After loading a finished training's state: keep its published epoch, forget its decision to stop."""
        self.top, self.best_by = self.top[:1], {}
        write_durably(self.weights_path(self.published_epoch), best_weights.read_bytes())
        self.epochs_without_improvement = 0
        self.stopped_early = False

    def state_dict(self) -> dict[str, Any]:
        """All that later decisions depend on."""
        return {
            "monitor": self.monitor,
            "top": [list(entry) for entry in self.top],
            "best_by": {name: list(entry) for name, entry in self.best_by.items()},
            "patience_best": self._patience_best,
            "epochs_without_improvement": self.epochs_without_improvement,
            "stopped_early": self.stopped_early,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Inverse of `state_dict`."""
        if state_dict["monitor"] != self.monitor:
            raise BadSpecError(
                f"the training to continue was ranked by {state_dict['monitor']}, this one by {self.monitor}"
            )
        self.top = [(float(value), int(epoch)) for value, epoch in state_dict["top"]]
        self.best_by = {name: (float(value), int(epoch)) for name, (value, epoch) in state_dict["best_by"].items()}
        self._patience_best = state_dict["patience_best"]
        self.epochs_without_improvement = state_dict["epochs_without_improvement"]
        self.stopped_early = state_dict["stopped_early"]


def _logged(trainer: pl.Trainer, name: str) -> float:
    """A metric of the epoch, the same on every rank. Raises `BadSpecError` where the module does not log it."""
    metrics = trainer.callback_metrics
    if name not in metrics:
        known = ", ".join(sorted(metrics)) or "none"
        raise BadSpecError(f"the module does not log the monitored metric {name!r}; it logs: {known}")
    value = float(metrics[name])
    if trainer.world_size > 1:
        value = float(trainer.strategy.broadcast(torch.tensor(value, dtype=torch.float64)))
    return value


def _check_synchronised(trainer: pl.Trainer) -> None:
    """With several processes an unsynchronised epoch metric would be rank 0's alone."""
    if trainer.world_size == 1:
        return
    loop = trainer.fit_loop.epoch_loop
    for metric in (*loop._results.values(), *loop.val_loop._results.values()):
        if metric.is_tensor and metric.meta.on_epoch and not metric.meta.sync.should:
            raise BadSpecError(
                f"{metric.meta.name} is logged without sync_dist=True; with {trainer.world_size} processes each "
                "would report its own value"
            )
