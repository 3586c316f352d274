"""Weights of the latest epochs and whole states of some, kept among the working files for whoever wants to look back.

Belongs here: which of them are kept, and their names. Must not be here: what is published (`monitor`), the checkpoints
that a training resumes from (`resume`).

Working files of a spec, below `epochs/`: `epoch_N.safetensors` (weights) and `epoch_N.ckpt` (a sealed state), with N
from 1.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytorch_lightning as pl
import torch

from sport_assets.lineage.durable import write_durably
from sport_assets.training.checkpoints import weight_bytes
from sport_assets.training.names import EPOCHS_FOLDER
from sport_assets.training.resume import LAST
from sport_assets.training.spec import TrainerSettings


class EpochFiles(pl.Callback):
    """Keeps weights of the last `keep_epochs` epochs, and the whole state of each `keep_state_every`-th.

    `weights` gives the weights of an epoch, where they are not the module's own.
    """

    def __init__(
        self,
        work: Path,
        settings: TrainerSettings,
        weights: Callable[[], Mapping[str, torch.Tensor]] | None = None,
    ) -> None:
        self._work, self._folder = work, work / EPOCHS_FOLDER
        self._keep, self._every = settings.keep_epochs, settings.keep_state_every
        self._weights = weights
        self._ended: int | None = None

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the epoch's weights, and forget those that are too old."""
        number = trainer.current_epoch + 1
        if self._every is not None and number % self._every == 0:
            self._ended = number
        if not self._keep:
            return
        state = self._weights() if self._weights else trainer.strategy.lightning_module_state_dict()
        if not trainer.is_global_zero:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        write_durably(self._folder / f"epoch_{number}.safetensors", weight_bytes(state))
        for path in self._folder.glob("epoch_*.safetensors"):
            if int(path.stem.removeprefix("epoch_")) <= number - self._keep:
                path.unlink()

    def checkpoint_saved(self) -> None:
        """After an epoch whose state is kept, its checkpoint is the one that was just written: keep it."""
        if self._ended is None:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        target = self._folder / f"epoch_{self._ended}.ckpt"
        target.unlink(missing_ok=True)
        try:
            os.link(self._work / LAST, target)  # the working checkpoint is replaced, never written into
        except OSError:  # a filesystem without links
            shutil.copyfile(self._work / LAST, target)
        self._ended = None
