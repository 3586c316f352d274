"""Lightning's fit loops with a place to checkpoint from which a resumed run is bit-equal.

Belongs here: the two loop subclasses and what they must know of Lightning's internals (2.6). Must not be here: what
is saved besides the loops (that is `resume`).

Why not Lightning's own resume: it saves inside `on_train_batch_end`, when the batch counts as processed but not as
completed, callbacks and the module have not all seen it, and the running epoch metrics, the random generators and the
loader's order are not part of the file; between validation and the epoch's end it may validate twice or not at all.
Here a checkpoint is taken only when every counter agrees: after a whole optimizer step (gradient accumulation is
never cut), before a validation (which is then repeated from its start), or after the epoch's last callback.
"""

from __future__ import annotations

from typing import Any, Protocol

import pytorch_lightning as pl
import torch
from pytorch_lightning.loops.fetchers import _DataFetcher
from pytorch_lightning.loops.fit_loop import _FitLoop
from pytorch_lightning.loops.training_epoch_loop import _TrainingEpochLoop
from pytorch_lightning.trainer.connectors.logger_connector.result import (
    _Metadata,
    _ResultCollection,
    _ResultMetric,
    _Sync,
)

_META = (
    "fx",
    "name",
    "prog_bar",
    "logger",
    "on_step",
    "on_epoch",
    "enable_graph",
    "add_dataloader_idx",
    "dataloader_idx",
    "metric_attribute",
)


class Moments(Protocol):
    """What the loops tell the resume callback."""

    def step_done(self) -> None:
        """A whole optimizer step is over, the epoch is not."""

    def training_part_done(self) -> None:
        """The epoch's training batches are over, validation follows."""

    def epoch_done(self) -> None:
        """An epoch with its validation and callbacks is over."""

    def before_epoch(self) -> None:
        """The next training batch or epoch is about to start."""


class RestorableResults(_ResultCollection):
    """Epoch metrics under way, with a state that can be saved and put back (Lightning's own has none)."""

    def __init__(self) -> None:
        super().__init__(training=True)

    def partial(self) -> list[dict[str, Any]]:
        """What was logged so far in this epoch: how, and the sums."""
        return [
            {
                "key": key,
                "meta": {name: getattr(metric.meta, name) for name in _META},
                "reduce": metric.meta.reduce_fx.__name__,
                "sync": metric.meta.sync.should,
                "rank_zero_only": metric.meta.sync.rank_zero_only,
                "sums": {name: getattr(metric, name) for name in metric._defaults} if metric.is_tensor else None,
            }
            for key, metric in self.items()
            if not metric.has_reset and (metric.is_tensor or metric.meta.metric_attribute is not None)
        ]

    def restore(self, partial: list[dict[str, Any]], trainer: pl.Trainer) -> None:
        """Continue these sums; metrics that the module holds are found by their attribute."""
        for saved in partial:
            meta = _Metadata(**saved["meta"], reduce_fx=getattr(torch, saved["reduce"]))
            meta.sync = _Sync(fn=trainer.strategy.reduce, _should=saved["sync"], rank_zero_only=saved["rank_zero_only"])
            sums = saved["sums"]
            metric = _ResultMetric(meta, is_tensor=sums is not None)
            if sums is None:
                metric.value = trainer.lightning_module.get_submodule(saved["meta"]["metric_attribute"])
            else:
                for name, tensor in sums.items():
                    setattr(metric, name, tensor)
                metric.to(trainer.strategy.root_device)
            metric._update_count = 1
            self[saved["key"]] = metric
        if partial:
            # else Lightning takes the next batch for an epoch's first and resets what was just restored
            trainer._logger_connector._first_loop_iter = False


class ResumableEpochLoop(_TrainingEpochLoop):
    """Tells `moments` after each batch; can start an epoch at its validation."""

    def __init__(self, trainer: pl.Trainer, moments: Moments) -> None:
        super().__init__(trainer, min_steps=None, max_steps=-1)
        self.results = RestorableResults()
        self._results = self.results
        self._moments = moments
        self.validation_pending = False
        self._start_at_validation = False

    def advance(self, data_fetcher: _DataFetcher) -> None:
        """One batch, or none where the checkpoint was taken between the last batch and validation."""
        if self._start_at_validation:
            self._start_at_validation = False
            self.val_loop.restarting = False
            self.val_loop.batch_progress.reset()
            self.val_loop.reset_restart_stage()
            return
        super().advance(data_fetcher)

    def on_advance_end(self, data_fetcher: _DataFetcher) -> None:
        """Validation where it is due, and the moments around it."""
        if self._num_ready_batches_reached():
            self.validation_pending = True
            self._moments.training_part_done()
            super().on_advance_end(data_fetcher)
            self.validation_pending = False
            return
        super().on_advance_end(data_fetcher)
        if not self._should_accumulate():
            self._moments.step_done()

    def on_save_checkpoint(self) -> dict:
        """Lightning's state and whether validation is still to come."""
        return {**super().on_save_checkpoint(), "validation_pending": self.validation_pending}

    def on_load_checkpoint(self, state_dict: dict) -> None:
        """Inverse of `on_save_checkpoint`."""
        super().on_load_checkpoint(state_dict)
        self._start_at_validation = state_dict["validation_pending"]


class ResumableFitLoop(_FitLoop):
    """Tells `moments` when an epoch is really over, and before one starts."""

    def __init__(self, trainer: pl.Trainer, moments: Moments, *, min_epochs: int, max_epochs: int) -> None:
        super().__init__(trainer, min_epochs=min_epochs, max_epochs=max_epochs)
        self.epoch_loop = ResumableEpochLoop(trainer, moments)
        self._moments = moments

    def on_advance_start(self) -> None:
        """Random generators are put back here, the last moment before a resumed batch."""
        self._moments.before_epoch()
        super().on_advance_start()

    def on_advance_end(self) -> None:
        """Callbacks of the epoch's end, then the checkpoint that contains what they did."""
        super().on_advance_end()
        # not part of what a later epoch depends on, and different after a resume: keep the file's bytes equal
        self.epoch_loop.val_loop.batch_progress.reset()
        self._moments.epoch_done()
