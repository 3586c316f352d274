"""The NFL line's models as training jobs: module, losses, validation, data of each side.

Here belongs what joins settings, network and play tensors into a `TrainingJob`. Layers are in `network`, the
making of batches in `batches`; loops, checkpoints and optimisers belong to the training kernel.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from pydantic import ValidationError
from torch import Tensor

from sport_assets.nfl import losses
from sport_assets.nfl.augmentation import vary
from sport_assets.nfl.baselines import FRAME_SECONDS
from sport_assets.nfl.batches import PlaySource
from sport_assets.nfl.identifiers import of_plays
from sport_assets.nfl.metrics import MISS_YARDS
from sport_assets.nfl.network import Forecast, TrajectoryNetwork
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

SUMS = (
    *("distance", "squared", "frames", "final", "missed", "players"),
    *("nll", "nearest", "labels", "coverage", "right"),
)
"""What validation adds up, over all batches and ranks."""

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

    Logs train_loss and its parts: train_pos_loss (see `losses.position_loss`), train_vel_loss (yd/s), train_acc_loss
    (yd/s^2), with modes train_nll (nats), and where the data has coverage labels train_cov_loss (nats). Logs val_ade,
    val_fde, val_rmse, val_rms_distance (yards) and val_miss_rate_2yd over all frames or players of the validation
    side, exactly as `metrics.summarise` does, however it is cut into batches or ranks; with modes also val_nll and
    val_min_ade, and where validation plays have coverage labels val_cov_loss and val_cov_acc.
    """

    def __init__(self, settings: ModelSettings, data: DataSettings | None = None) -> None:
        super().__init__()
        self.settings = settings
        self.data_settings = data or DataSettings()
        self.network = TrajectoryNetwork(settings)
        self.learns_coverage = False
        self.validated_labels = 0
        # Not a buffer: DDP would overwrite it with the first rank's at every forward.
        self.totals = torch.zeros(len(SUMS), dtype=torch.float64)

    def knows_labels(self, train: int, valid: int) -> None:
        """Tell how many plays to train on and to validate with have a coverage label."""
        self.network.count_labels(train)
        self.learns_coverage = "man_probability" in self.network.outputs
        self.validated_labels = valid if self.learns_coverage else 0

    def forward(self, batch: TorchBatch) -> dict[str, Tensor]:
        """The network's outputs by name; positions [B, A, H, 2] in standardised yards are always among them."""
        found = self.network(*(batch[name] for name in INPUTS))
        return dict(zip(self.network.outputs, found, strict=True))

    def training_step(self, batch: TorchBatch, batch_idx: int) -> Tensor:
        """The weighted losses of one batch, averaged over the members."""
        batch = vary(batch, self.data_settings)
        said = [self._losses(one, batch) for one in self.network.forecasts(*(batch[name] for name in INPUTS))]
        parts = {name: torch.stack([one[name] for one in said]).mean() for name in said[0]}
        weights = {
            "pos_loss": 1.0,
            "vel_loss": self.settings.velocity_loss_weight,
            "acc_loss": self.settings.acceleration_loss_weight,
            "nll": self.settings.likelihood_loss_weight,
            "cov_loss": self.settings.coverage_loss_weight,
        }
        loss = torch.stack([weights[name] * value for name, value in parts.items()]).sum()
        shown = {name: value for name, value in parts.items() if name != "cov_loss" or self.learns_coverage}
        named = {"train_loss": loss, **{f"train_{name}": value for name, value in shown.items()}}
        self.log_dict(named, on_step=False, on_epoch=True, batch_size=len(batch["frames"]), sync_dist=True)
        return loss

    def _losses(self, forecast: Forecast, batch: TorchBatch) -> dict[str, Tensor]:
        target, mask = batch["target"], batch["target_mask"]
        found = {
            "pos_loss": losses.position_loss(
                forecast.positions, target, mask, self.settings.position_loss, self.settings.huber_delta_yards
            ),
            "vel_loss": losses.velocity_loss(forecast.positions, target, mask),
            "acc_loss": losses.acceleration_loss(forecast.positions, target, mask),
        }
        if forecast.modes is not None and forecast.log_probability is not None and forecast.scale is not None:
            density = losses.mixture_log_density(forecast.modes, forecast.log_probability, forecast.scale, target)
            found["nll"] = losses.likelihood_loss(density, mask)
        if forecast.man_logit is not None:
            found["cov_loss"] = losses.coverage_loss(forecast.man_logit, batch["coverage"])
        return found

    def on_validation_epoch_start(self) -> None:
        """Forget the sums of the last validation."""
        self.totals = torch.zeros(len(SUMS), dtype=torch.float64, device=self.device)

    def validation_step(self, batch: TorchBatch, batch_idx: int) -> None:
        """Add this batch's errors to the sums."""
        found = self(batch)
        mask, target = batch["target_mask"], batch["target"]
        difference = torch.where(mask[..., None], found["positions"].double() - target.double(), 0.0)
        squared = difference.square().sum(-1)
        distance = squared.sqrt()
        counts = mask.any(-1)
        order = torch.arange(1, mask.shape[-1] + 1, device=mask.device)
        last = (mask * order).amax(-1, keepdim=True)
        final = (distance * (order == last)).sum(-1)
        sums = {
            "distance": distance.sum(),
            "squared": squared.sum(),
            "frames": mask.sum(),
            "final": final.sum(),
            "missed": (final > MISS_YARDS).sum(),
            "players": counts.sum(),
        }
        if "modes" in found:
            density = losses.mixture_log_density(
                found["modes"], found["mode_probability"].log(), found["mode_scale"], target
            )
            sums["nll"] = -torch.where(mask, density, 0.0).sum()
            paths = (found["modes"] - target[:, :, None]).square().sum(-1).sqrt()
            sums["nearest"] = (paths * mask[:, :, None]).sum(-1).amin(-1).sum()
        if "man_probability" in found:
            label, probability = batch["coverage"], found["man_probability"]
            known = label >= 0
            log_odds = probability.logit(eps=1e-6)
            sums["labels"] = known.sum()
            sums["coverage"] = losses.coverage_loss(log_odds, label) * known.sum()
            sums["right"] = (known & ((probability > 0.5) == (label == 1))).sum()
        zero = torch.zeros((), dtype=torch.float64, device=mask.device)
        self.totals += torch.stack([sums[name].double() if name in sums else zero for name in SUMS])

    def on_validation_epoch_end(self) -> None:
        """Log the metrics of the whole validation side."""
        totals = self.totals
        if self.trainer.world_size > 1:
            gathered = self.all_gather(totals)
            assert isinstance(gathered, Tensor)
            totals = gathered.sum(0)
        sums = dict(zip(SUMS, totals.unbind(), strict=True))
        frames, players, labels = (sums[name].clamp(min=1) for name in ("frames", "players", "labels"))
        named = {
            "val_ade": sums["distance"] / frames,
            "val_fde": sums["final"] / players,
            "val_miss_rate_2yd": sums["missed"] / players,
            "val_rmse": (sums["squared"] / (2 * frames)).sqrt(),
            "val_rms_distance": (sums["squared"] / frames).sqrt(),
        }
        if self.settings.modes:
            named |= {"val_nll": sums["nll"] / frames, "val_min_ade": sums["nearest"] / frames}
        if self.validated_labels:
            named |= {"val_cov_loss": sums["coverage"] / labels, "val_cov_acc": sums["right"] / labels}
        # The sums are those of all ranks, so each rank logs the same number; sync_dist takes the mean of equal ones,
        # and tells the kernel that no rank's number is its own alone.
        self.log_dict({name: value.float() for name, value in named.items()}, sync_dist=True)


def build(spec: TrainingSpec) -> TrainingJob:
    """The training job of a spec: settings checked, tensors loaded and chosen by the spec's part of the split.

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
    train_games, valid_games = games_of(split, spec.part)
    train = plays_of(tensors, train_games, f"the training side of {spec.part!r}")
    # a fold's held-out games serve the curves alone, and may lie outside the chosen weeks
    absent = not valid_games or (spec.part.startswith("fold") and not _has_plays(tensors, valid_games))
    valid = None if absent else plays_of(tensors, valid_games, f"the validation side of {spec.part!r}")
    module = TrajectoryModule(model, data)
    module.knows_labels(*(0 if side is None else int((side.coverage >= 0).sum()) for side in (train, valid)))
    learning = PlaySource(train, mirrored=data.mirror, earlier_starts_frames=data.earlier_starts_frames)
    judging = None if valid is None else PlaySource(valid)
    read = {"train": learning.tensors} | ({"valid": judging.tensors} if judging is not None else {})
    return TrainingJob(
        module, TorchPlays(learning), None if judging is None else TorchPlays(judging), identifiers=of_plays(read)
    )


def games_of(split: Split, part: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The games to train and to validate with, of a part of the split (see `TrainingSpec.part`).

    Raises BadSpecError where the split has no such fold.
    """
    kind, _, number = part.partition(":")
    if kind == "split":
        return split.train, split.valid
    if kind == "all":
        return tuple(sorted({*split.train, *split.valid, *split.test})), ()
    folds = split.folds if kind == "fold" else split.tuning_folds
    if int(number) >= len(folds):
        raise BadSpecError(f"the split has {len(folds)} folds, so none is {part!r}; they are counted from 0")
    return folds[int(number)]


def load(checkpoint: Path) -> TrajectoryModule:
    """The trained module of a checkpoint folder (weights.safetensors, settings.json), on CPU, in eval mode."""
    settings = json.loads((checkpoint / "settings.json").read_text(encoding="utf-8"))
    module = TrajectoryModule(ModelSettings.model_validate(settings["model"]))
    load_weights(module, checkpoint / WEIGHTS)
    return module.eval()


def tensors_path(folder: Path) -> Path:
    """The one file of a published week of `nfl/play_tensors`."""
    return folder / TENSORS_FILE


def _has_plays(tensors: Mapping[str, PlayTensors], games: Sequence[int]) -> bool:
    return any(np.isin(week.game_id[week.trainable()], games).any() for week in tensors.values())


def plays_of(tensors: Mapping[str, PlayTensors], games: Sequence[int], what: str) -> PlayTensors:
    """The plays with targets of the given games, weeks in order. Raises BadSpecError where no week has one."""
    wanted = np.array(games, dtype=np.int64)
    parts = []
    for week in sorted(tensors):
        chosen = tensors[week].trainable()
        chosen = chosen[np.isin(tensors[week].game_id[chosen], wanted)]
        if len(chosen):
            parts.append(tensors[week].select(chosen))
    if not parts:
        raise BadSpecError(f"no play of the {len(tensors)} weeks is on {what}")
    return PlayTensors.concatenate(parts)
