"""The cricket line's models as training jobs: module, loss, validation, data of each side.

Here belongs what joins settings, network and innings into a `TrainingJob`. Layers are in `network`, the making of
batches in `batches`; loops, checkpoints and optimisers belong to the training kernel.
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
from safetensors.numpy import load_file
from torch import Tensor
from torch.nn.functional import nll_loss

from sport_assets.cricket.batches import EntityTable, InningsSource
from sport_assets.cricket.ensemble import Ensemble
from sport_assets.cricket.features import mean_and_deviation, table
from sport_assets.cricket.innings import NO_OUTCOME, Innings
from sport_assets.cricket.labels import OUTCOMES
from sport_assets.cricket.parts import Entities
from sport_assets.cricket.player_history import read_past
from sport_assets.cricket.settings import DataSettings, ModelSettings
from sport_assets.lineage.row_index import RowIndex
from sport_assets.training.checkpoints import WEIGHTS, load_weights
from sport_assets.training.errors import BadSpecError
from sport_assets.training.job import TrainingJob
from sport_assets.training.names import SPLIT_FILE
from sport_assets.training.spec import TrainingSpec, describe

INNINGS_KEY = "cricket/innings"
SPLIT_KEY = "cricket/split"
HISTORY_KEY = "cricket/player_history"
INPUTS = ("features", "ball", "ids", "persons", "place", "mask")
"""Arguments of the network, in order; also the inputs of the exported model."""
CLASSES = len(OUTCOMES)

TorchBatch = dict[str, Tensor]


class TorchInnings:
    """`InningsSource` as the kernel's `BatchSource`: the same samples as torch tensors."""

    def __init__(self, source: InningsSource) -> None:
        self.source = source

    def __len__(self) -> int:
        return len(self.source)

    def batch(self, indices: np.ndarray) -> TorchBatch:
        """The samples as one batch, in the given order."""
        return {name: torch.from_numpy(np.ascontiguousarray(v)) for name, v in self.source.batch(indices).items()}


class OutcomeModule(pl.LightningModule):
    """Training and validation of an `Ensemble`: each member learns from its own loss, all are validated as one.

    Logs train_loss, and over all validation balls, however they are cut into batches or ranks: val_log_loss (nats a
    ball, unweighted whatever the loss), val_accuracy and val_macro_f1.
    """

    entity_names: Tensor
    class_weights: Tensor

    def __init__(self, settings: ModelSettings, entities: EntityTable) -> None:
        super().__init__()
        self.settings, self.entities = settings, entities
        sizes = Entities(len(entities.venues), len(entities.teams), len(entities.players))
        self.network = Ensemble(settings, sizes)
        # part of the weights, so that whoever has them knows whose rows they are
        names = np.frombuffer(entities.to_bytes(), dtype=np.uint8).copy()
        self.register_buffer("entity_names", torch.from_numpy(names))
        self.register_buffer("class_weights", torch.ones(CLASSES))
        # Not buffers: DDP would overwrite them with the first rank's at every forward.
        self.totals = torch.zeros(CLASSES * CLASSES + 1, dtype=torch.float64)

    def learn_scales(self, source: InningsSource) -> None:
        """Note mean and deviation of the training features, and the weights of the classes."""
        mean, scale = mean_and_deviation(source.columns["features"])
        self.network.standardise(torch.from_numpy(mean).float(), torch.from_numpy(scale).float())
        if self.settings.class_weights == "balanced":
            outcome = source.columns["outcome"]
            counts = np.bincount(outcome[outcome >= 0], minlength=CLASSES).clip(min=1)
            self.class_weights.copy_(torch.from_numpy(counts.sum() / (CLASSES * counts)))

    def forward(self, batch: TorchBatch) -> Tensor:
        """Log odds [B, T, 7]."""
        logits: Tensor = self.network(*(batch[name] for name in INPUTS))
        return logits

    def training_step(self, batch: TorchBatch, batch_idx: int) -> Tensor:
        """The loss a ball of one batch, averaged over the members."""
        said = self.network.forecasts(*(batch[name] for name in INPUTS))
        loss = torch.stack([self._loss(each, batch["outcome"]) for each in said]).mean()
        self.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=len(batch["mask"]), sync_dist=True)
        return loss

    def _loss(self, logits: Tensor, outcome: Tensor) -> Tensor:
        log_probability = logits.flatten(0, 1).log_softmax(-1)
        if self.settings.loss == "focal":
            log_probability = log_probability * (1.0 - log_probability.exp()).pow(self.settings.focal_gamma)
        return nll_loss(log_probability, outcome.flatten(), self.class_weights, ignore_index=NO_OUTCOME)

    def on_validation_epoch_start(self) -> None:
        """Forget the sums of the last validation."""
        self.totals = torch.zeros(CLASSES * CLASSES + 1, dtype=torch.float64, device=self.device)

    def validation_step(self, batch: TorchBatch, batch_idx: int) -> None:
        """Add this batch's balls to the sums: log-loss, and how often each class was taken for each."""
        outcome = batch["outcome"].flatten()
        known = outcome != NO_OUTCOME
        logits = self(batch).flatten(0, 1)[known].double()
        outcome = outcome[known]
        loss = -logits.log_softmax(-1).gather(1, outcome[:, None]).sum()
        taken = torch.bincount(outcome * CLASSES + logits.argmax(-1), minlength=CLASSES * CLASSES)
        self.totals += torch.cat([loss[None], taken.double()])

    def on_validation_epoch_end(self) -> None:
        """Log the metrics of the whole validation side."""
        totals = self.totals
        if self.trainer.world_size > 1:
            gathered = self.all_gather(totals)
            assert isinstance(gathered, Tensor)
            totals = gathered.sum(0)
        taken = totals[1:].view(CLASSES, CLASSES)
        right, balls = taken.diagonal(), taken.sum().clamp(min=1.0)
        macro = (2.0 * right / (taken.sum(0) + taken.sum(1)).clamp(min=1.0)).mean()
        named = {
            "val_log_loss": totals[0] / balls,
            "val_accuracy": right.sum() / balls,
            "val_macro_f1": macro,
        }
        # The sums are those of all ranks, so each rank logs the same number; sync_dist takes the mean of equal ones,
        # and tells the kernel that no rank's number is its own alone.
        self.log_dict({name: value.float() for name, value in named.items()}, sync_dist=True)


def build(spec: TrainingSpec) -> TrainingJob:
    """The training job of a spec: settings checked, innings loaded and chosen by the spec's part of the split.

    Reads every input `cricket/innings`, `split.json` of the input `cricket/split`, and the past of the input
    `cricket/player_history`; without that, history is told from the innings (either way of earlier dates alone).
    Tables of entities hold those of the training side; who else bats or bowls is unknown.
    Raises BadSpecError on unknown or wrong settings, on missing inputs and on a side without balls.
    """
    try:
        model = ModelSettings.model_validate(spec.settings.get("model", {}))
        data = DataSettings.model_validate(spec.settings.get("data", {}))
    except ValidationError as error:
        raise BadSpecError(f"settings of the model or its data:\n{describe(error)}") from error
    unknown = sorted(set(spec.settings) - {"training", "model", "data"})
    if unknown:
        raise BadSpecError(f"unknown sections of settings: {', '.join(unknown)}")
    years = sorted(item.partition or "" for item in spec.inputs if item.key == INNINGS_KEY)
    if not years:
        raise BadSpecError(f"the spec has no input {INNINGS_KEY}")
    innings = Innings.join([Innings.load(spec.input_path(INNINGS_KEY, year)) for year in years])
    split = json.loads((spec.input_path(SPLIT_KEY) / SPLIT_FILE).read_text(encoding="utf-8"))
    train_matches, valid_matches = matches_of(split, spec.part)
    if data.latest_matches is not None:
        train_matches = latest(innings, train_matches, data.latest_matches)
    told = any(item.key == HISTORY_KEY for item in spec.inputs)
    past = read_past(spec.input_path(HISTORY_KEY)) if told else None
    if told:  # rates come from the past, so that balls of other matches need no features
        innings = innings.select({*train_matches, *valid_matches})
    return job(model, innings, table(innings, past), train_matches, valid_matches)


def job(
    model: ModelSettings,
    innings: Innings,
    features: np.ndarray,
    train_matches: Sequence[str],
    valid_matches: Sequence[str],
) -> TrainingJob:
    """The training job of some innings with the features of their balls, and the matches of either side."""
    train = innings.select(set(train_matches))
    if not len(train):
        raise BadSpecError("no ball of the chosen innings is on the training side of the split")
    entities = EntityTable.of(train)
    learning = InningsSource(train, features[innings.of_matches(set(train_matches))], entities)
    module = OutcomeModule(model, entities)
    module.learn_scales(learning)
    read = {"train": train}
    judging = None
    if valid_matches:
        valid = innings.select(set(valid_matches))
        if not len(valid):
            raise BadSpecError("no ball of the chosen innings is on the validation side of the split")
        judging = InningsSource(valid, features[innings.of_matches(set(valid_matches))], entities)
        read["valid"] = valid
    index = RowIndex()
    for side, balls in read.items():
        index.add(("match_id",), balls.match_ids, side)
    return TrainingJob(
        module,
        TorchInnings(learning),
        None if judging is None else TorchInnings(judging),
        monitor="val_log_loss",
        identifiers=index,
    )


def matches_of(split: Mapping[str, Any], part: str) -> tuple[list[str], list[str]]:
    """The matches to train and to validate with, of a part of the split (see `TrainingSpec.part`).

    Raises BadSpecError where the split has no such fold.
    """
    kind, _, number = part.partition(":")
    if kind == "split":
        return list(split["train"]), list(split["valid"])
    if kind == "all":
        return sorted({*split["train"], *split["valid"], *split["test"]}), []
    folds = split.get("folds" if kind == "fold" else "tuning_folds", [])
    if int(number) >= len(folds):
        raise BadSpecError(f"the split has {len(folds)} folds, so none is {part!r}; they are counted from 0")
    fold = folds[int(number)]
    return list(fold["train"]), list(fold["valid"])


def latest(innings: Innings, matches: Sequence[str], count: int) -> list[str]:
    """The latest `count` of the matches, by date."""
    dates = dict(zip(innings.table["match_id"], innings.table["date"], strict=True))
    return sorted((match for match in matches if match in dates), key=lambda match: (dates[match], match))[-count:]


def load(checkpoint: Path) -> OutcomeModule:
    """The trained module of a checkpoint folder (weights.safetensors, settings.json), on CPU, in eval mode."""
    settings = json.loads((checkpoint / "settings.json").read_text(encoding="utf-8"))
    names = load_file(checkpoint / WEIGHTS)["entity_names"].tobytes()
    module = OutcomeModule(ModelSettings.model_validate(settings["model"]), EntityTable.from_bytes(names))
    load_weights(module, checkpoint / WEIGHTS)
    return module.eval()
