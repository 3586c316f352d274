"""What a line's builder returns: a module and where its batches come from.

Belongs here: the two types that lines and the kernel share. Must not be here: heavy imports, loops.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from sport_assets.lineage.row_index import RowIndex
from sport_assets.training.errors import BadSpecError
from sport_assets.training.spec import TrainingSpec

if TYPE_CHECKING:
    import numpy as np
    import pytorch_lightning as pl


@runtime_checkable
class BatchSource(Protocol):
    """Samples by number. The kernel decides order, batch size, rank slices and where to resume."""

    def __len__(self) -> int:
        """Number of samples."""

    def batch(self, indices: np.ndarray) -> Any:
        """The samples `indices` (int64 [B]) collated: a tensor or a (nested) dict of tensors.

        Must depend on `indices` alone, else a resumed run sees other batches than an undisturbed one.
        """


class EpochBatches(Protocol):
    """Samples as they are in one epoch."""

    def batch(self, indices: np.ndarray, occurrences: np.ndarray) -> Any:
        """As `BatchSource.batch`, of samples that were drawn `occurrences` (int64 [B]) times before in this epoch.

        Must depend on the epoch and these numbers alone. What is drawn again should look different again.
        """


@runtime_checkable
class EpochSource(BatchSource, Protocol):
    """Samples that look different in each epoch, as augmented ones do."""

    def in_epoch(self, epoch: int) -> EpochBatches:
        """The samples as they are in one epoch (from 0)."""


@dataclass
class TrainingJob:
    """A module and its data.

    The module logs `train_loss` and, where there is validation, `monitor`, by
    `self.log(name, value, on_step=False, on_epoch=True, batch_size=B, sync_dist=True)`. Where it does not define
    `configure_optimizers`, the kernel gives it AdamW and the schedule of `TrainerSettings`. All state that training
    changes must be in parameters, buffers, torchmetrics or `on_save_checkpoint`, else a resumed run forgets it.
    """

    module: pl.LightningModule
    train: BatchSource
    valid: BatchSource | None = None
    sample_weights: np.ndarray | None = None
    """Float [len(train)], all above 0: an epoch draws as many samples as there are, with replacement, in these
    proportions. Without it an epoch is every sample once."""
    monitor: str = "val_ade"
    mode: Literal["min", "max"] = "min"
    identifiers: RowIndex | None = None
    """What the samples are about, taken from the very sources: sides `train` and `valid`, by the columns that name a
    sample (game, match, video). It goes into the checkpoint's record: audits find a model by it, and it proves that the
    model was not judged by what it learned from."""


def build_job(spec: TrainingSpec) -> TrainingJob:
    """Import the spec's builder and call it; raises `BadSpecError` where that is impossible."""
    module_name, _, attribute = spec.builder.partition(":")
    try:
        builder: Any = importlib.import_module(module_name)
        for part in attribute.split("."):
            builder = getattr(builder, part)
    except (ImportError, AttributeError) as error:
        raise BadSpecError(f"the builder {spec.builder!r} cannot be imported: {error}") from error
    job = builder(spec)
    if not isinstance(job, TrainingJob):
        raise BadSpecError(f"the builder {spec.builder!r} returned {type(job).__name__}, not a TrainingJob")
    if len(job.train) == 0:
        raise BadSpecError(f"the builder {spec.builder!r} gave no training samples")
    if job.sample_weights is not None and len(job.sample_weights) != len(job.train):
        raise BadSpecError(
            f"the builder {spec.builder!r} gave {len(job.sample_weights)} sample weights for {len(job.train)} samples"
        )
    if job.valid is not None and len(job.valid) == 0:
        raise BadSpecError(f"the builder {spec.builder!r} gave a validation source without samples")
    return job
