"""The NFL line's models as training jobs: module, losses, validation, data of each side.

Here belongs what joins settings, network and play tensors into a `TrainingJob`. Layers are in `network`, the
making of batches in `batches`; loops, checkpoints and optimisers belong to the training kernel.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from pydantic import ValidationError
from torch import Tensor

from sport_assets.nfl import losses
from sport_assets.nfl.baselines import FRAME_SECONDS
from sport_assets.nfl.batches import PlaySource
from sport_assets.nfl.metrics import MISS_YARDS
from sport_assets.nfl.network import TrajectoryNetwork
from sport_assets.nfl.settings import DataSettings, ModelSettings
from sport_assets.nfl.split import Split
from sport_assets.nfl.tensors import TENSORS_FILE, PlayTensors
from sport_assets.training.checkpoints import WEIGHTS, load_weights
from sport_assets.training.errors import BadSpecError
from sport_assets.training.job import TrainingJob
from sport_assets.training.names import SPLIT_FILE
from sport_assets.training.spec import TrainingSpec, describe

TENSORS_KEY = "nfl/play_tensors"
SPLIT_KEY = "nfl/split"

INPUTS = ("history", "observed", "player", "player_mask", "play", "frames", "time_s")
"""Arguments of the network, in order; also the inputs of the exported model."""

TorchBatch = dict[str, Tensor]


def as_tensors(batch: dict[str, Any]) -> TorchBatch:
    """A padded batch as torch tensors, with `time_s` [H] of its horizon."""
    tensors = {name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in batch.items()}
    horizon = batch["target_mask"].shape[2]
    tensors["time_s"] = torch.arange(1, horizon + 1, dtype=torch.float32) * FRAME_SECONDS
    return tensors


class TorchPlays:
    """`PlaySource` as the kernel's `BatchSource`: the same samples as torch tensors."""

    def __init__(self, source: PlaySource) -> None:
        self.source = source

    def __len__(self) -> int:
        return len(self.source)

    def batch(self, indices: np.ndarray) -> TorchBatch:
        """The samples as one batch, in the given order."""
        return as_tensors(self.source.batch(indices))


class TrajectoryModule(pl.LightningModule):
    """Training and validation of a `TrajectoryNetwork`.

    Logs train_loss, train_pos_loss (see `losses.position_loss`), train_vel_loss (yd/s), and val_ade, val_fde,
    val_rmse (yards) and val_miss_rate_2yd over all frames or players of the validation side, exactly as
    `metrics.summarise` does, however it is cut into batches or ranks.
    """

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__()
        self.settings = settings
        self.network = TrajectoryNetwork(settings)
        # Not a buffer: DDP would overwrite it with the first rank's at every forward.
        self.totals = torch.zeros(6, dtype=torch.float64)

    def forward(self, batch: TorchBatch) -> Tensor:
        """Positions [B, A, H, 2] in standardised yards."""
        positions: Tensor = self.network(*(batch[name] for name in INPUTS))
        return positions

    def training_step(self, batch: TorchBatch, batch_idx: int) -> Tensor:
        """Position loss plus weighted velocity loss of one batch."""
        prediction, target, mask = self(batch), batch["target"], batch["target_mask"]
        position = losses.position_loss(
            prediction, target, mask, self.settings.position_loss, self.settings.huber_delta_yards
        )
        velocity = losses.velocity_loss(prediction, target, mask)
        loss = position + self.settings.velocity_loss_weight * velocity
        named = {"train_loss": loss, "train_pos_loss": position, "train_vel_loss": velocity}
        self.log_dict(named, on_step=False, on_epoch=True, batch_size=len(target), sync_dist=True)
        return loss

    def on_validation_epoch_start(self) -> None:
        """Forget the sums of the last validation."""
        self.totals = torch.zeros(6, dtype=torch.float64, device=self.device)

    def validation_step(self, batch: TorchBatch, batch_idx: int) -> None:
        """Add this batch's errors to the sums."""
        mask = batch["target_mask"]
        difference = torch.where(mask[..., None], self(batch).double() - batch["target"].double(), 0.0)
        squared = difference.square().sum(-1)
        distance = squared.sqrt()
        counts = mask.any(-1)
        order = torch.arange(1, mask.shape[-1] + 1, device=mask.device)
        last = (mask * order).amax(-1, keepdim=True)
        final = (distance * (order == last)).sum(-1)
        sums = [
            distance.sum(),
            squared.sum(),
            mask.sum(),
            final.sum(),
            (final > MISS_YARDS).sum(),
            counts.sum(),
        ]
        self.totals += torch.stack([value.double() for value in sums])

    def on_validation_epoch_end(self) -> None:
        """Log the metrics of the whole validation side."""
        totals = self.totals
        if self.trainer.world_size > 1:
            gathered = self.all_gather(totals)
            assert isinstance(gathered, Tensor)
            totals = gathered.sum(0)
        distance, squared, frames, final, missed, players = totals.unbind()
        frames, players = frames.clamp(min=1), players.clamp(min=1)
        named = {
            "val_ade": distance / frames,
            "val_fde": final / players,
            "val_miss_rate_2yd": missed / players,
            "val_rmse": (squared / (2 * frames)).sqrt(),
        }
        # The sums are those of all ranks, so each rank logs the same number; sync_dist takes the mean of equal ones,
        # and tells the kernel that no rank's number is its own alone.
        self.log_dict({name: value.float() for name, value in named.items()}, sync_dist=True)


def build(spec: TrainingSpec) -> TrainingJob:
    """The training job of a spec: settings checked, tensors loaded and chosen by side of the split.

    Reads `tensors.safetensors` of every input `nfl/play_tensors`, which are those that `data.weeks` chose, and
    `split.json` of the input `nfl/split`.
    Raises BadSpecError on unknown or wrong settings, on missing inputs and on a side without plays.
    """
    try:
        model = ModelSettings.model_validate(spec.settings.get("model", {}))
        data = DataSettings.model_validate(spec.settings.get("data", {}))
    except ValidationError as error:
        raise BadSpecError(f"settings of the model or its data:\n{describe(error)}") from error
    unknown = sorted(set(spec.settings) - {"training", "model", "data"})
    if unknown:
        raise BadSpecError(f"unknown sections of settings: {', '.join(unknown)}")
    weeks = sorted(item.partition or "" for item in spec.inputs if item.key == TENSORS_KEY)
    if not weeks:
        raise BadSpecError(f"the spec has no input {TENSORS_KEY}")
    split = Split.load(spec.input_path(SPLIT_KEY) / SPLIT_FILE)
    tensors = {week: PlayTensors.load(tensors_path(spec.input_path(TENSORS_KEY, week))) for week in weeks}
    train, valid = (side(tensors, split, name) for name in ("train", "valid"))
    source = PlaySource(train, mirrored=data.mirror, earlier_starts_frames=data.earlier_starts_frames)
    return TrainingJob(TrajectoryModule(model), TorchPlays(source), TorchPlays(PlaySource(valid)))


def load(checkpoint: Path) -> TrajectoryModule:
    """The trained module of a checkpoint folder (weights.safetensors, settings.json), on CPU, in eval mode."""
    settings = json.loads((checkpoint / "settings.json").read_text(encoding="utf-8"))
    module = TrajectoryModule(ModelSettings.model_validate(settings["model"]))
    load_weights(module, checkpoint / WEIGHTS)
    return module.eval()


def tensors_path(folder: Path) -> Path:
    """The one file of a published week of `nfl/play_tensors`."""
    return folder / TENSORS_FILE


def side(tensors: Mapping[str, PlayTensors], split: Split, name: str) -> PlayTensors:
    """The plays with targets on one side of the split, weeks in order. Raises BadSpecError where no week has one."""
    games = np.array(split.side(name), dtype=np.int64)
    parts = []
    for week in sorted(tensors):
        chosen = tensors[week].trainable()
        chosen = chosen[np.isin(tensors[week].game_id[chosen], games)]
        if len(chosen):
            parts.append(tensors[week].select(chosen))
    if not parts:
        raise BadSpecError(f"no play of the {len(tensors)} weeks is on the side {name!r} of the split")
    return PlayTensors.concatenate(parts)
