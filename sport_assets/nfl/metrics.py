"""Trajectory metrics in yards: ADE, FDE, miss rate, the competition's RMSE, error by horizon, intervals.

Here belongs arithmetic on errors, in NumPy. Predictions, tables and plots do not belong here.

Conventions: distances are Euclidean, in yards. ADE is the mean over all predicted frames of all players;
FDE and the miss rate look at the last frame of each player; RMSE is the Big Data Bowl 2026 score
sqrt(sum(dx^2 + dy^2) / (2 N)) over frames. With `frames=10` only frames 1 to 10 count, and the last frame
of a player is his last one within them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

MISS_YARDS = 2.0
"""A trajectory whose last frame is further off than this is a miss."""

METRICS = ("ade", "fde", "miss_rate_2yd", "rmse")
"""Names of the metrics of `summarise`; all in yards but the miss rate, lower is better."""


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
    """The metrics from sums per play, weighting play p by `weights` [..., P] (default: once each).

    Returns METRICS -> array of the leading shape of `weights`. NaN where no frame counts.
    """
    count = np.ones(errors.frames.shape[0]) if weights is None else weights
    # Sums of products, not a matrix product: BLAS may sum in another order on another machine.
    total = {name: (count * getattr(errors, name)).sum(-1) for name in PlayErrors.__dataclass_fields__}
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            "ade": np.asarray(total["distance"] / total["frames"]),
            "fde": np.asarray(total["final"] / total["players"]),
            "miss_rate_2yd": np.asarray(total["missed"] / total["players"]),
            "rmse": np.asarray(np.sqrt(total["squared"] / (2.0 * total["frames"]))),
        }


def bootstrap_weights(plays: int, resamples: int, seed: int) -> np.ndarray:
    """How often each play is drawn in each resample: [R, P], each row sums to P.

    The same weights serve model and baselines, so that their differences are paired.
    """
    generator = np.random.default_rng(seed)
    drawn = generator.integers(0, plays, size=(resamples, plays))
    return np.stack([np.bincount(row, minlength=plays) for row in drawn]).astype(np.float64)


def intervals(errors: PlayErrors, weights: np.ndarray) -> dict[str, dict[str, float]]:
    """Each metric with its 95 % interval over resampled plays: name -> {value, low, high}."""
    values = summarise(errors)
    resampled = summarise(errors, weights)
    result = {}
    for name in METRICS:
        low, high = np.nanquantile(resampled[name], [0.025, 0.975])
        result[name] = {"value": float(values[name]), "low": float(low), "high": float(high)}
    return result


def paired_difference(
    model: PlayErrors, baseline: PlayErrors, weights: np.ndarray, metric: str = "ade"
) -> dict[str, float]:
    """Model minus baseline over the same resamples: {value, low, high}; below zero the model is better."""
    difference = summarise(model, weights)[metric] - summarise(baseline, weights)[metric]
    low, high = np.nanquantile(difference, [0.025, 0.975])
    value = float(summarise(model)[metric] - summarise(baseline)[metric])
    return {"value": value, "low": float(low), "high": float(high)}


def error_by_frame(prediction: np.ndarray, target: np.ndarray, mask: np.ndarray) -> Mapping[str, np.ndarray]:
    """Mean distance at each frame after the throw, over all players that have that frame.

    Returns `frame` i64 [H], `error_yards` [H] (NaN where no player has the frame) and `players` i64 [H].
    """
    distance = distances(prediction, target, mask)
    players = mask.sum((0, 1))
    with np.errstate(invalid="ignore"):
        error = np.where(players > 0, distance.sum((0, 1)) / np.maximum(players, 1), np.nan)
    return {
        "frame": np.arange(1, mask.shape[-1] + 1),
        "error_yards": error,
        "players": players.astype(np.int64),
    }
