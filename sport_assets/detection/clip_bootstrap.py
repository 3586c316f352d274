"""How sure a detector's figures are: bootstrap over clips, differences of two detectors on the same clips, each clip.

Belongs here: figures as functions of how often each clip counts, and resampling. Must not come here: reports.

Frames of a clip are alike: whoever resamples frames finds intervals that are too narrow. The unit here is the clip (the
images' ``video``; an image without one is a clip of its own). Images are matched once; a resample only weighs the
pooled matches anew, which gives what copies of the clips would give (of equal scores, the order of images decides).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sport_assets.detection.average_precision import ALL
from sport_assets.detection.categories import BALL
from sport_assets.detection.coco import Labels
from sport_assets.detection.matching import BALL_RULER, Overlap, Pooled, Ruler, match
from sport_assets.detection.precision_recall import weighted_average_precision

Array = NDArray[np.float64]
Name = tuple[str, str]
"""(group, metric)"""
ClipOf = Callable[[NDArray[np.int64]], NDArray[np.int64]]
"""Number of the clip of each image id."""
RESAMPLES = 1000
LEVEL = 0.95
SEED = 20260
NUMBERS_AT_ONCE = 4_000_000
"""Resamples are worked at in parts of so many weights, about 32 MB."""


@dataclass(frozen=True)
class Interval:
    """A figure on all clips and its percentile interval; ``low`` and ``high`` are None where one clip is all there is.

    ``value`` is None where the figure is not defined (no true box, nothing taken).
    """

    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Figures:
    """Figures of one detector as functions of how often each clip counts: [B, clips] to [B]; NaN where undefined."""

    clips: tuple[str, ...]
    functions: Mapping[Name, Callable[[Array], Array]]

    @cached_property
    def values(self) -> dict[Name, float | None]:
        """Each figure on all clips."""
        once = np.ones((1, len(self.clips)))
        return {name: _number(function(once)[0]) for name, function in self.functions.items()}


def figures(truth: Labels, predictions: pl.DataFrame, thresholds: Mapping[int, float]) -> Figures:
    """A detector's figures, by group and metric.

    Of each category by name: ``ap50``, ``ap75``, and ``precision``, ``recall``, ``f1`` at its threshold (IoU 0.5). Of
    the ball also ``ap_10px``, ``precision_10px``, ``recall_10px``, ``f1_10px`` by distance of centres. Of ``all`` the
    mean of ``ap50`` and of ``ap75`` over the categories that have true boxes.
    """
    images = truth.images.sort("image").select("image", clip=clip_of_image())
    clips = images["clip"].unique().sort()
    number = images["clip"].replace_strict(clips, range(len(clips)), return_dtype=pl.Int64).to_numpy()
    known = images["image"].to_numpy()

    def clip_of(image: NDArray[np.int64]) -> NDArray[np.int64]:
        return number[np.searchsorted(known, image)]

    functions: dict[Name, Callable[[Array], Array]] = {}
    rulers: dict[str, tuple[Ruler, str]] = {
        "ap50": (Overlap(0.5), ""),
        "ap75": (Overlap(0.75), ""),
        "ap_10px": (BALL_RULER, "_10px"),
    }
    for metric, (ruler, suffix) in rulers.items():
        matches = match(truth, predictions, ruler)
        for category, name in truth.categories.items():
            if ruler is BALL_RULER and category != BALL:
                continue
            pooled = matches.pooled(category)
            functions[name, metric] = _average_precision(pooled, clip_of, len(clips))
            if metric != "ap75":
                rates = _rates(pooled, thresholds[category], clip_of, len(clips))
                functions |= {(name, f"{rate}{suffix}"): function for rate, function in rates.items()}
    for metric in ("ap50", "ap75"):
        functions[ALL, metric] = _mean([functions[name, metric] for name in truth.categories.values()])
    return Figures(tuple(clips), functions)


def clip_of_image() -> pl.Expr:
    """Name of the clip that an image belongs to."""
    return pl.col("video").fill_null(pl.format("image {}", "image"))


def intervals(found: Figures, *, resamples: int = RESAMPLES, seed: int = SEED) -> dict[Name, Interval]:
    """Each figure with its interval of 95 %: the percentiles over resampled clips. Resamples in which a figure is not
    defined (no true box of a rare class was drawn) are left out of its percentiles."""
    drawn = _resampled(found, resamples, seed)
    return {name: _interval(found.values[name], drawn.get(name)) for name in found.functions}


def differences(one: Figures, other: Figures, *, resamples: int = RESAMPLES, seed: int = SEED) -> dict[Name, Interval]:
    """``one`` less ``other`` in each figure that both have, the same clips drawn for both. Raises ValueError where
    they were not measured on the same clips."""
    if one.clips != other.clips:
        raise ValueError("the two detectors were measured on different clips: a paired difference needs the same ones")
    shared = [name for name in one.functions if name in other.functions]
    drawn = [_resampled(each, resamples, seed) for each in (one, other)]
    found = {}
    for name in shared:
        mine, theirs = one.values[name], other.values[name]
        value = None if mine is None or theirs is None else mine - theirs
        found[name] = _interval(value, drawn[0][name] - drawn[1][name] if drawn[0] else None)
    return found


def by_clip(found: Figures) -> pl.DataFrame:
    """One row a clip: ``clip`` and every figure as ``group_metric``, null where the clip has no such box."""
    each = np.eye(len(found.clips))
    columns = {f"{group}_{metric}": function(each) for (group, metric), function in found.functions.items()}
    return pl.DataFrame({"clip": list(found.clips), **columns}).fill_nan(None)


def _average_precision(pooled: Pooled, clip_of: ClipOf, clips: int) -> Callable[[Array], Array]:
    clip, truths = clip_of(pooled.image), np.bincount(clip_of(pooled.truth_image), minlength=clips)

    def of(weights: Array) -> Array:
        rows = max(1, NUMBERS_AT_ONCE // max(len(clip), 1))
        parts = [weights[start : start + rows] for start in range(0, len(weights), rows)]
        done = [weighted_average_precision(pooled.correct, part[:, clip], part @ truths) for part in parts]
        return np.concatenate(done)

    return of


def _rates(pooled: Pooled, threshold: float, clip_of: ClipOf, clips: int) -> dict[str, Callable[[Array], Array]]:
    """Precision, recall and F1 of predictions from the threshold up: sums over clips, divided.

    Greedy matching by score never lets a prediction change the match of a better one, so those below the threshold can
    be cut off afterwards.
    """
    chosen = pooled.score >= threshold
    taken = np.bincount(clip_of(pooled.image[chosen]), minlength=clips).astype(float)
    correct = np.bincount(clip_of(pooled.image[chosen & pooled.correct]), minlength=clips).astype(float)
    truths = np.bincount(clip_of(pooled.truth_image), minlength=clips).astype(float)

    def ratio(above: Array, below: Array, defined: Array) -> Callable[[Array], Array]:
        def of(weights: Array) -> Array:
            base = weights @ below
            there = (weights @ defined > 0) & (base > 0)
            return np.divide(weights @ above, base, out=np.full(len(weights), np.nan), where=there)

        return of

    return {
        "precision": ratio(correct, taken, taken),
        "recall": ratio(correct, truths, truths),
        "f1": ratio(2 * correct, taken + truths, truths),
    }


def _mean(functions: list[Callable[[Array], Array]]) -> Callable[[Array], Array]:
    def of(weights: Array) -> Array:
        values = np.stack([function(weights) for function in functions])
        there = np.isfinite(values)
        total, count = np.where(there, values, 0.0).sum(0), there.sum(0)
        return np.divide(total, count, out=np.full(len(weights), np.nan), where=count > 0)

    return of


def _resampled(found: Figures, resamples: int, seed: int) -> dict[Name, Array]:
    count = len(found.clips)
    if count < 2:  # one clip says nothing of how others would differ
        return {}
    weights = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=resamples).astype(float)
    return {name: function(weights) for name, function in found.functions.items()}


def _interval(value: float | None, drawn: Array | None) -> Interval:
    defined = drawn[np.isfinite(drawn)] if drawn is not None else np.zeros(0)
    if value is None or not len(defined):
        return Interval(value, None, None)
    low, high = np.quantile(defined, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(value, float(low), float(high))


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
