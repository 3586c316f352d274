"""What a search for better settings may change in the NFL line, and the proof that it never sees a test game.

Belongs here: the space, the folds, the guarded builder. Must not come here: the search itself (training kernel).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sport_assets.lineage.checks import CheckResult
from sport_assets.nfl.split import Split
from sport_assets.training.errors import BadSpecError
from sport_assets.training.job import TrainingJob
from sport_assets.training.names import SPLIT_FILE
from sport_assets.training.spec import TrainingSpec

NO_TEST_DATA = "no_test_data"

SPACE: Mapping[str, Mapping[str, Any]] = {
    "training.learning_rate": {"kind": "log", "low": 3e-4, "high": 1e-2},
    "training.weight_decay": {"kind": "float", "low": 0.0, "high": 0.1},
    "training.batch_size": {"kind": "categorical", "choices": [16, 32, 64]},
    "training.max_epochs": {"kind": "int", "low": 8, "high": 60},
    "training.weight_averaging": {"kind": "categorical", "choices": [None, 0.99, 0.995, 0.999]},
    # multiples of 8, so that every usual number of heads divides them
    "model.hidden_dim": {"kind": "categorical", "choices": [32, 48, 64, 96, 128]},
    "model.graph_layers": {"kind": "int", "low": 1, "high": 4},
    "model.dropout": {"kind": "float", "low": 0.0, "high": 0.4},
    "model.velocity_loss_weight": {"kind": "float", "low": 0.0, "high": 1.0},
    "data.position_noise_yards": {"kind": "float", "low": 0.0, "high": 0.1},
    "data.velocity_noise_yards_s": {"kind": "float", "low": 0.0, "high": 0.3},
}
"""What moves the error most, by the ablations; losses' shapes and the augmentation are left as a preset has them."""

MIXTURE: Mapping[str, Mapping[str, Any]] = {
    "model.modes": {"kind": "int", "low": 3, "high": 8},
    "model.likelihood_loss_weight": {"kind": "log", "low": 0.01, "high": 1.0},
}
"""Searched besides where the preset has modes."""


def space(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The ranges by dotted name for complete settings; no fewer epochs than the preset's least."""
    chosen = {**SPACE, **(MIXTURE if settings["model"]["modes"] else {})}
    epochs = chosen["training.max_epochs"]
    least = max(epochs["low"], settings["training"]["min_epochs"], int(settings["training"]["warmup_epochs"]) + 1)
    return {**chosen, "training.max_epochs": {**epochs, "low": least, "high": max(epochs["high"], 2 * least)}}


def folds(dataset: Path) -> tuple[int, CheckResult]:
    """The number of folds for tuning of the split in a folder, and whether all of them are free of test games."""
    split = Split.load(dataset / SPLIT_FILE)
    games = {game for train, valid in split.tuning_folds for game in (*train, *valid)}
    seen = sorted(games & set(split.test))
    return len(split.tuning_folds), CheckResult(
        name=NO_TEST_DATA,
        passed=not seen,
        failed=len(seen),
        checked=len(games),
        rules={"test_game_in_a_tuning_fold": len(seen)} if seen else {},
        sample=[{"game_id": game} for game in seen[:20]],
    )


def build(spec: TrainingSpec) -> TrainingJob:
    """The training job of one fold for tuning: that of `models.build`, once no play of it is of a test game.

    Raises BadSpecError where one is, whatever the split's folds say.
    """
    from sport_assets.nfl import models

    if not spec.part.startswith("tuning:"):
        raise BadSpecError(f"settings are searched on folds for tuning alone, not on the part {spec.part!r}")
    job = models.build(spec)
    test = set(Split.load(spec.input_path(models.SPLIT_KEY) / SPLIT_FILE).test)
    for side in (job.train, job.valid):
        assert isinstance(side, models.TorchPlays)
        seen = test & {int(game) for game in side.source.tensors.game_id}
        if seen:
            raise BadSpecError(f"test games would be read to tune settings: {sorted(seen)[:5]}; build nfl/split again")
    return job
