"""Forecasts run over held-out plays, and the sums of their errors: the numbers that an evaluation is made of.

Here belongs running a model and the baselines over plays in batches. Each metric's arithmetic is in `metrics`,
`distribution` and `coverage_metrics`, what is reported of them in `report`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sport_assets.nfl import distribution, metrics
from sport_assets.nfl.baselines import BASELINES, ROLE_TARGETED_RECEIVER, Batch
from sport_assets.nfl.distribution import Scores
from sport_assets.nfl.held_out import Forecast
from sport_assets.nfl.metrics import PlayErrors
from sport_assets.nfl.tensors import PlayTensors

MODEL = "model"
HORIZONS: dict[str, int | None] = {"full": None, "10_frames": 10}
ROLES = ("targeted_receiver", "defensive_coverage")
BATCH_PLAYS = 128

Spread = Callable[[], np.ndarray]
"""Gives the standard deviations of the baseline's Gaussian (`distribution.BaselineSpread.of`); asked where needed."""


@dataclass(frozen=True)
class Errors:
    """Errors of one forecast: sums per play by horizon and role, and sums over players by frame."""

    by_horizon: dict[str, PlayErrors]
    by_role: dict[str, PlayErrors]
    distance_by_frame: np.ndarray
    """float64 [H]"""


@dataclass(frozen=True)
class Measured:
    """All that is measured of a model on P plays, and of the baselines on the same."""

    plays: PlayTensors
    errors: dict[str, Errors]
    """By forecast: MODEL and the baselines."""
    players_by_frame: np.ndarray
    """int [H]: players with a true position at each frame."""
    positions: list[np.ndarray]
    """The model's forecast of each play, [A, frames, 2] standardised yards."""
    man_probability: np.ndarray | None
    """[P] where the model tells coverage."""
    scores: Scores | None
    """Where the model has modes."""

    @classmethod
    def join(cls, parts: Sequence[Measured], *, same_weights: bool = False) -> Measured:
        """Several sets of plays as one; `same_weights` says that their modes are of the same model."""
        scores = [part.scores for part in parts if part.scores is not None]
        man = [part.man_probability for part in parts if part.man_probability is not None]
        counts = [len(part.plays) for part in parts]
        return cls(
            plays=PlayTensors.concatenate([part.plays for part in parts]),
            errors={
                name: Errors(
                    {k: PlayErrors.join([p.errors[name].by_horizon[k] for p in parts]) for k in HORIZONS},
                    {k: PlayErrors.join([p.errors[name].by_role[k] for p in parts]) for k in ROLES},
                    _sum([part.errors[name].distance_by_frame for part in parts]),
                )
                for name in parts[0].errors
            },
            players_by_frame=_sum([part.players_by_frame for part in parts]),
            positions=[row for part in parts for row in part.positions],
            man_probability=np.concatenate(man) if man else None,
            scores=Scores.join(scores, counts, same_weights=same_weights) if scores else None,
        )


def _sum(curves: Sequence[np.ndarray]) -> np.ndarray:
    """Sum of curves of different lengths."""
    total = np.zeros(max(len(curve) for curve in curves), dtype=curves[0].dtype)
    for curve in curves:
        total[: len(curve)] += curve
    return total


def measure(
    plays: PlayTensors,
    model: Forecast,
    spread: Spread,
    baselines: Mapping[str, Callable[[Batch], np.ndarray]] = BASELINES,
) -> Measured:
    """Run a model and the baselines over plays (fastest where neighbours are of like length)."""
    parts = []
    for first in range(0, len(plays), BATCH_PLAYS):
        chosen = plays.select(np.arange(first, min(first + BATCH_PLAYS, len(plays))))
        parts.append(_measure_batch(chosen, model, spread, baselines))
    return Measured.join(parts, same_weights=True)


def _measure_batch(
    plays: PlayTensors, model: Forecast, spread: Spread, baselines: Mapping[str, Callable[[Batch], np.ndarray]]
) -> Measured:
    batch: Batch = dict(plays.pad(np.arange(len(plays))))
    outputs = model(batch)
    paths = {MODEL: outputs["positions"], **{name: forecast(batch) for name, forecast in baselines.items()}}
    counts = batch["player_mask"].sum(1)
    man = outputs.get("man_probability")
    scores = None
    if "modes" in outputs:
        scores = distribution.score(outputs, batch, spread(), HORIZONS)
    return Measured(
        plays=plays,
        errors={name: _errors(path, batch) for name, path in paths.items()},
        players_by_frame=batch["target_mask"].sum((0, 1)),
        positions=[paths[MODEL][i, : counts[i], : batch["frames"][i]] for i in range(len(plays))],
        man_probability=None if man is None else np.asarray(man, dtype=np.float64),
        scores=scores,
    )


def _errors(path: np.ndarray, batch: Batch) -> Errors:
    target, mask = batch["target"], batch["target_mask"]
    targeted = batch["player"][..., ROLE_TARGETED_RECEIVER, None] > 0
    roles = {ROLES[0]: mask & targeted, ROLES[1]: mask & ~targeted}
    return Errors(
        {name: metrics.play_errors(path, target, mask, frames) for name, frames in HORIZONS.items()},
        {role: metrics.play_errors(path, target, chosen) for role, chosen in roles.items()},
        metrics.distances(path, target, mask).sum((0, 1)),
    )
