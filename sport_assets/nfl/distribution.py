"""How good a forecast's probabilities are: likelihood, regions that hold the truth, modes that are used.

Here belong the scores of a forecast with modes against the truth, a baseline's beside them, and what is reported of
them. Arithmetic on a mixture is in `mixture`; running a model, tables and plots do not belong here.

A forecast of K modes gives each player `mode_probability` [K] and each mode a path of means `modes` and standard
deviations `mode_scale` along x and y [H, 2]. Likelihood and regions are those of the mixture at each frame by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from sport_assets.nfl import metrics
from sport_assets.nfl.baselines import FRAME_SECONDS, Batch, damped_landing
from sport_assets.nfl.metrics import PlayErrors
from sport_assets.nfl.mixture import Mixture, effective, log_normal
from sport_assets.nfl.tensors import PlayTensors

LEVELS = tuple(round(0.05 * step, 2) for step in range(1, 20))
"""Levels of the reliability curve."""

CHECKED_LEVELS = (0.5, 0.9)
CALIBRATED_WITHIN = 0.05
REGIONS_CHECK = (
    "regions_calibrated",
    "The 50 % and 90 % regions hold their share of the truth within 5 points; a model without modes has none to check.",
)
"""Name and description of the check of an evaluation. It only warns."""

TIME_BINS_S = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, np.inf)
"""Seconds after the throw by which reliability is told apart."""

BASELINE = "damped_landing"
SCALE_BINS = np.array([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 16, 19, 22, 26, 31, 41])
"""First frames of the bins in which the baseline's spread is measured."""

FLOOR_YARDS = 1e-3


# -- a baseline with a spread ------------------------------------------------------------------------------


class BaselineSpread:
    """Errors of the baseline forecast by time after the throw, from which it gets a Gaussian to be compared with."""

    def __init__(self, plays: PlayTensors) -> None:
        self._plays = plays

    @cached_property
    def _sums(self) -> tuple[np.ndarray, np.ndarray]:
        """Squared errors [P, bins, 2] and their number [P, bins]."""
        count = len(self._plays)
        squared, frames = np.zeros((count, len(SCALE_BINS), 2)), np.zeros((count, len(SCALE_BINS)))
        for first in range(0, count, 128):
            chosen = np.arange(first, min(first + 128, count))
            batch: Batch = dict(self._plays.pad(chosen))
            mask = batch["target_mask"]
            error = np.where(mask[..., None], damped_landing(batch) - batch["target"], 0.0) ** 2
            for index, bins in enumerate(_bins(mask.shape[2])):
                squared[chosen, index] = error[:, :, bins].sum((1, 2))
                frames[chosen, index] = mask[:, :, bins].sum((1, 2))
        return squared, frames

    def of(self, games: frozenset[int]) -> np.ndarray:
        """Standard deviation along x and y by bin of SCALE_BINS [bins, 2], from the plays of some games.

        A bin without a frame has its predecessor's. Raises ValueError where the games have no play.
        """
        squared, frames = self._sums
        chosen = np.isin(self._plays.game_id, sorted(games))
        total, count = squared[chosen].sum(0), frames[chosen].sum(0)
        if not count.any():
            raise ValueError("no play of the games that the spread of the baseline is to be learned from")
        known = np.maximum.accumulate(np.where(count > 0, np.arange(len(count)), 0))
        known = np.where(count[known] > 0, known, np.argmax(count > 0))
        return np.maximum(np.sqrt(total[known] / count[known][:, None]), FLOOR_YARDS)


def _bins(horizon: int) -> list[slice]:
    """Frames (from 0) of each bin of SCALE_BINS, as far as the horizon goes."""
    last = [*(SCALE_BINS[1:] - 1), max(horizon, int(SCALE_BINS[-1]))]
    return [slice(int(low) - 1, int(high)) for low, high in zip(SCALE_BINS, last, strict=True) if low <= horizon]


# -- scores of a forecast ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Scores:
    """What the modes of a forecast are worth on P plays: sums per play, values per true frame and per player."""

    likely: dict[str, PlayErrors]
    """By horizon: errors of each player's most probable mode."""
    best: dict[str, PlayErrors]
    """By horizon: errors of the mode that turned out best, for the path and for the last frame by itself."""
    play: np.ndarray
    """int [N]: the play of each true frame."""
    frame: np.ndarray
    """int [N]: frames after the throw, from 1."""
    nll: np.ndarray
    """[N]: negative log likelihood, nats."""
    level: np.ndarray
    """[N]: see `Mixture.levels`."""
    baseline_nll: np.ndarray
    baseline_level: np.ndarray
    player: np.ndarray
    """[Q, 3] per player: how many modes his probabilities leave open (exp of their entropy), the spread of the modes
    about their mean at his last frame, and the standard deviation within them there (root mean squares, yards)."""
    use: np.ndarray
    """[sets, K]: how much of the truth each mode explains, a row for each set of weights."""
    use_players: np.ndarray
    """[sets]: players behind each row."""

    @classmethod
    def join(cls, parts: Sequence[Scores], plays: Sequence[int], *, same_weights: bool) -> Scores:
        """Those of several sets of plays (`plays` counts each), one after another.

        Modes of other weights are other modes, so that the use of each is kept apart unless `same_weights`.
        """
        start = np.cumsum([0, *plays[:-1]])
        joined: dict[str, Any] = {}
        for field in fields(cls):
            values = [getattr(part, field.name) for part in parts]
            if isinstance(values[0], dict):
                joined[field.name] = {key: PlayErrors.join([value[key] for value in values]) for key in values[0]}
            elif field.name == "play":
                joined[field.name] = np.concatenate([v + first for v, first in zip(values, start, strict=True)])
            else:
                joined[field.name] = np.concatenate(values)
        if same_weights:
            counts = joined["use_players"]
            joined["use"] = (joined["use"] * counts[:, None]).sum(0, keepdims=True) / max(counts.sum(), 1)
            joined["use_players"] = counts.sum(keepdims=True)
        return cls(**joined)


def score(
    outputs: Mapping[str, np.ndarray],
    batch: Batch,
    spread: np.ndarray,
    horizons: Mapping[str, int | None],
) -> Scores:
    """Scores of a batch from a forecast's outputs by name.

    outputs: modes [B, A, K, H, 2], mode_probability [B, A, K], mode_scale [B, A, K, H, 2]. spread: the
    baseline's standard deviations [bins, 2] (`BaselineSpread.of`).
    Raises ValueError where an output that counts is not finite, not positive or does not sum to 1.
    """
    target, mask = batch["target"].astype(np.float64), batch["target_mask"]
    play, slot = np.nonzero(mask.any(-1))
    path = outputs["modes"][play, slot].astype(np.float64)
    scale = outputs["mode_scale"][play, slot].astype(np.float64)
    probability = outputs["mode_probability"][play, slot].astype(np.float64)
    truth, known = target[play, slot], mask[play, slot]
    owner, frame = np.nonzero(known)
    mixture = Mixture(probability[owner], path[owner, :, frame], scale[owner, :, frame])
    _check(mixture)
    at = truth[owner, frame]
    by_mode = mixture.log_densities(at)
    offset = at - damped_landing(batch)[play, slot][owner, frame]
    width = spread[np.searchsorted(SCALE_BINS, frame + 1, side="right") - 1]

    likely, best = {}, {}
    for name, frames in horizons.items():
        chosen = np.take_along_axis(outputs["modes"], outputs["mode_probability"].argmax(-1)[..., None, None, None], 2)
        likely[name] = metrics.play_errors(chosen[:, :, 0], target, mask, frames)
        best[name] = _best(path, truth, known, play, len(target), frames)

    within = log_normal(truth[:, None] - path, np.where(known[:, None, :, None], scale, 1.0)) * known[:, None]
    with np.errstate(divide="ignore"):
        joint = np.log(probability) + within.sum(-1)
    explained = np.exp(joint - np.logaddexp.reduce(joint, axis=-1)[:, None])
    return Scores(
        likely=likely,
        best=best,
        play=play[owner],
        frame=frame + 1,
        nll=-np.logaddexp.reduce(by_mode, axis=-1),
        level=mixture.levels(at),
        baseline_nll=-log_normal(offset, width),
        baseline_level=-np.expm1(-0.5 * ((offset / width) ** 2).sum(-1)),
        player=_of_players(path, scale, probability, known),
        use=explained.mean(0, keepdims=True) if len(play) else np.zeros((1, path.shape[1])),
        use_players=np.array([len(play)]),
    )


def _check(mixture: Mixture) -> None:
    values = (mixture.mean, mixture.scale, mixture.probability)
    if not all(np.isfinite(value).all() for value in values):
        raise ValueError("a mode's mean, scale or probability is NaN or infinite where a true position exists")
    if (mixture.scale <= 0).any():
        raise ValueError("a mode's scale is not positive where a true position exists")
    if (np.abs(mixture.probability.sum(-1) - 1) > 1e-3).any() or (mixture.probability < 0).any():
        raise ValueError("the modes' probabilities do not sum to 1")


def _best(
    path: np.ndarray, truth: np.ndarray, known: np.ndarray, play: np.ndarray, plays: int, frames: int | None
) -> PlayErrors:
    """Errors per play if each player's best mode were chosen afterwards."""
    path, truth, known = path[:, :, :frames], truth[:, :frames], known[:, :frames]
    distance = metrics.distances(path, np.broadcast_to(truth[:, None], path.shape), _every_mode(known, path))
    total = distance.sum(-1)
    chosen = np.take_along_axis(distance, total.argmin(1)[:, None, None], 1)[:, 0]
    counted: np.ndarray = np.asarray(known.any(-1))
    last = known.shape[1] - 1 - np.argmax(known[:, ::-1], axis=1)
    final = np.where(counted, distance[np.arange(len(distance)), :, last].min(1, initial=np.inf), 0.0)

    def by_play(values: np.ndarray) -> np.ndarray:
        return np.bincount(play, weights=values, minlength=plays)

    return PlayErrors(
        distance=by_play(chosen.sum(1)),
        squared=by_play((chosen**2).sum(1)),
        frames=by_play(known.sum(1)),
        final=by_play(final),
        missed=by_play(final > metrics.MISS_YARDS),
        players=by_play(counted),
    )


def _every_mode(known: np.ndarray, path: np.ndarray) -> np.ndarray:
    return np.broadcast_to(known[:, None], path.shape[:-1])


def _of_players(path: np.ndarray, scale: np.ndarray, probability: np.ndarray, known: np.ndarray) -> np.ndarray:
    last = known.shape[1] - 1 - np.argmax(known[:, ::-1], axis=1)
    rows = np.arange(len(last))
    ends, width = path[rows, :, last], scale[rows, :, last]
    mean = (probability[..., None] * ends).sum(1, keepdims=True)
    between = (probability * ((ends - mean) ** 2).sum(-1)).sum(-1)
    within = (probability * (width**2).sum(-1)).sum(-1)
    return np.stack([effective(probability), np.sqrt(between), np.sqrt(within)], -1)


# -- the report --------------------------------------------------------------------------------------------


def summary(scores: Scores, plays: int, weights: np.ndarray) -> dict[str, Any]:
    """`distribution` of evaluation.json, JSON-able: scores of `plays` plays, `metrics.bootstrap_weights` of them."""
    frames = np.bincount(scores.play, minlength=plays).astype(np.float64)

    def mean(values: np.ndarray) -> dict[str, float]:
        """Mean over frames with its interval over plays."""
        total = np.bincount(scores.play, weights=values, minlength=plays)
        return metrics.interval(
            total.sum() / frames.sum(), metrics.weighted(total, weights) / metrics.weighted(frames, weights)
        )

    spread, within = scores.player[:, 1], scores.player[:, 2]
    return {
        "modes": int(scores.use.shape[1]),
        "most_probable_mode": {name: metrics.intervals(one, weights) for name, one in scores.likely.items()},
        "best_mode": {name: metrics.intervals(one, weights) for name, one in scores.best.items()},
        "negative_log_likelihood": {
            "unit": "nats per frame, of a density per square yard",
            "model": mean(scores.nll),
            "baseline": mean(scores.baseline_nll),
            "difference": mean(scores.nll - scores.baseline_nll),
        },
        "baseline": f"{BASELINE} with a Gaussian whose standard deviations along x and y grow with time, learned from "
        "the plays that the model was trained on",
        "regions": {
            "levels": list(LEVELS),
            "inside": inside(scores.level),
            "baseline_inside": inside(scores.baseline_level),
            **{f"inside_{round(100 * level)}": mean((scores.level <= level).astype(float)) for level in CHECKED_LEVELS},
        },
        "by_time": [_of_time(scores, low, high) for low, high in pairwise(TIME_BINS_S)],
        "effective_modes": float((effective(scores.use) * scores.use_players).sum() / scores.use_players.sum()),
        "effective_modes_of_a_player": float(scores.player[:, 0].mean()),
        "spread_between_modes_yards": float(np.sqrt((spread**2).mean())),
        "spread_within_modes_yards": float(np.sqrt((within**2).mean())),
    }


def inside(level: np.ndarray) -> list[float | None]:
    """Share of the truths inside the region of each of LEVELS; None where there is no truth."""
    return [float((level <= wanted).mean()) if len(level) else None for wanted in LEVELS]


def _of_time(scores: Scores, low: float, high: float) -> dict[str, Any]:
    time_s = scores.frame * FRAME_SECONDS
    chosen = (time_s > low + 1e-9) & (time_s <= high + 1e-9)
    count = int(chosen.sum())
    return {
        "after_s": low,
        "to_s": high if np.isfinite(high) else None,
        "frames": count,
        "inside": inside(scores.level[chosen]),
        "baseline_inside": inside(scores.baseline_level[chosen]),
        "negative_log_likelihood": float(scores.nll[chosen].mean()) if count else None,
        "baseline_negative_log_likelihood": float(scores.baseline_nll[chosen].mean()) if count else None,
    }
