"""Trajectory metrics in yards: ADE, FDE, miss rate, the competition's RMSE, error by horizon, intervals.

Here belongs arithmetic on errors, in NumPy. Predictions, tables and plots do not belong here, nor what asks for
probabilities (`distribution`, `coverage_metrics`).

Conventions: distances are Euclidean, in yards. ADE is the mean over all predicted frames of all players;
FDE and the miss rate look at the last frame of each player. RMSE is the Big Data Bowl 2026 score
sqrt(sum(dx^2 + dy^2) / (2 N)) over frames; others call the root mean square of the distance itself RMSE, which is
sqrt(2) times that and stands beside it as `rms_distance`. With `frames=10` only frames 1 to 10 count, and the last
frame of a player is his last one within them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

import numpy as np

MISS_YARDS = 2.0
"""A trajectory whose last frame is further off than this is a miss."""

METRICS = ("ade", "fde", "miss_rate_2yd", "rmse", "rms_distance")
"""Names of the metrics of `summarise`; all in yards but the miss rate, lower is better."""

RESAMPLES_AT_ONCE = 64


@dataclass(frozen=True)
class PlayErrors:
    """Sums of the errors of each play, from which every metric and every resample is made.

    All float64 [P]: `distance` sum over frames, `squared` sum of squared distances over frames, `frames`
    number of frames, `final` sum over players of the last distance, `missed` players further off than
    `MISS_YARDS` at the end, `players` number of players.
    """

    distance: np.ndarray
    squared: np.ndarray
    frames: np.ndarray
    final: np.ndarray
    missed: np.ndarray
    players: np.ndarray

    def select(self, plays: np.ndarray) -> PlayErrors:
        """Those of some plays, by index or mask."""
        return PlayErrors(*(getattr(self, field.name)[plays] for field in fields(self)))

    @classmethod
    def join(cls, parts: Sequence[PlayErrors]) -> PlayErrors:
        """Those of several sets of plays, one after another."""
        return cls(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(cls)))


def distances(prediction: np.ndarray, target: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Distance of prediction and truth [..., H] in yards, from [..., H, 2]; zero where `mask` is false.

    Raises ValueError where a prediction that counts is not finite.
    """
    difference = np.where(mask[..., None], prediction.astype(np.float64) - target.astype(np.float64), 0.0)
    if not np.isfinite(difference).all():
        raise ValueError("a prediction is NaN or infinite where a true position exists")
    return np.sqrt((difference**2).sum(-1))


def play_errors(prediction: np.ndarray, target: np.ndarray, mask: np.ndarray, frames: int | None = None) -> PlayErrors:
    """Sums per play from prediction and target [P, A, H, 2] (yards) and mask [P, A, H].

    `frames` keeps only the first frames after the throw.
    """
    if frames is not None:
        prediction, target, mask = prediction[:, :, :frames], target[:, :, :frames], mask[:, :, :frames]
    distance = distances(prediction, target, mask)
    counts = mask.any(-1)
    last = np.where(counts, mask.shape[-1] - 1 - np.argmax(mask[..., ::-1], axis=-1), 0)
    final = np.where(counts, np.take_along_axis(distance, last[..., None], -1)[..., 0], 0.0)
    return PlayErrors(
        distance=distance.sum((1, 2)),
        squared=(distance**2).sum((1, 2)),
        frames=mask.sum((1, 2)).astype(np.float64),
        final=final.sum(1),
        missed=(final > MISS_YARDS).sum(1).astype(np.float64),
        players=counts.sum(1).astype(np.float64),
    )


def summarise(errors: PlayErrors, weights: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """The metrics from sums per play, weighting play p by `weights` [R, P] (default: once each).

    Returns METRICS -> array [R], or of no dimension without weights. NaN where no frame counts.
    """
    total = {field.name: weighted(getattr(errors, field.name), weights) for field in fields(errors)}
    with np.errstate(invalid="ignore", divide="ignore"):
        squared = total["squared"] / total["frames"]
        return {
            "ade": np.asarray(total["distance"] / total["frames"]),
            "fde": np.asarray(total["final"] / total["players"]),
            "miss_rate_2yd": np.asarray(total["missed"] / total["players"]),
            "rmse": np.asarray(np.sqrt(squared / 2.0)),
            "rms_distance": np.asarray(np.sqrt(squared)),
        }


def weighted(values: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
    """Sum over plays of `values` [P], each as often as each row of `weights` [R, P] says: [R], or no dimension.

    Sums of products, not a matrix product: BLAS may sum in another order on another machine.
    """
    if weights is None:
        return np.asarray(values.sum())
    return np.concatenate([(block * values).sum(-1) for block in _blocks(weights)])


def _blocks(weights: np.ndarray) -> Iterator[np.ndarray]:
    """Weights a few resamples at a time, as float64: those of a season at once would fill the memory."""
    for first in range(0, len(weights), RESAMPLES_AT_ONCE):
        yield weights[first : first + RESAMPLES_AT_ONCE].astype(np.float64)


def bootstrap_weights(plays: int, resamples: int, seed: int) -> np.ndarray:
    """How often each play is drawn in each resample: uint8 [R, P], each row sums to P.

    The same weights serve model and baselines, so that their differences are paired.
    """
    generator = np.random.default_rng(seed)
    weights = np.zeros((resamples, plays), np.uint8)
    for row in weights:
        row[:] = np.bincount(generator.integers(0, plays, size=plays), minlength=plays)
    return weights


def intervals(errors: PlayErrors, weights: np.ndarray) -> dict[str, dict[str, float]]:
    """Each metric with its 95 % interval over resampled plays: name -> {value, low, high}."""
    values, resampled = summarise(errors), summarise(errors, weights)
    return {name: interval(values[name], resampled[name]) for name in METRICS}


def paired_difference(
    model: PlayErrors, baseline: PlayErrors, weights: np.ndarray, metric: str = "ade"
) -> dict[str, float]:
    """Model minus baseline over the same resamples: {value, low, high}; below zero the model is better."""
    value = summarise(model)[metric] - summarise(baseline)[metric]
    return interval(value, summarise(model, weights)[metric] - summarise(baseline, weights)[metric])


def interval(value: np.ndarray | float, resampled: np.ndarray) -> dict[str, float]:
    """A value with the middle 95 % of what resamples [R] give for it."""
    low, high = np.nanquantile(resampled, [0.025, 0.975])
    return {"value": float(value), "low": float(low), "high": float(high)}
