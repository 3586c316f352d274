"""Precision and recall of a detector by score: curves, their average, the threshold with the best F1, figures at it.

Belongs here: arithmetic on pooled matches. Must not come here: matching (``matching``), COCO's figures
(``average_precision``), intervals (``bootstrap``).

Thresholds are chosen on validation (``choose_thresholds``) and used on test (``at_thresholds``): two functions, so that
nobody chooses on what is measured.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sport_assets.detection.categories import BALL
from sport_assets.detection.coco import Labels
from sport_assets.detection.matching import BALL_RULER, HALF_OVERLAP, Matches, Pooled, match, ruler_of

Array = NDArray[np.float64]
DEFAULT_THRESHOLD = 0.5
"""Where no prediction of a category is correct at any score, every threshold is as good, and this one stands."""
RECALL_LEVELS = np.linspace(0.0, 1.0, 101)
"""Where COCO reads off the precision."""


@dataclass(frozen=True)
class Curve:
    """Precision and recall when predictions with at least that score are taken, from the highest score to the lowest.

    Arrays [N]; ``truths``: true boxes. Recall is NaN without true boxes.
    """

    score: Array
    precision: Array
    recall: Array
    f1: Array
    truths: int

    @property
    def best(self) -> int | None:
        """Place of the best F1 (of equal ones the highest score), or None where nothing is correct."""
        return int(np.argmax(self.f1)) if len(self.f1) and self.f1.max() > 0 else None


def curve(pooled: Pooled) -> Curve:
    """One point per distinct score: predictions of the same score come together or not at all."""
    last = np.append(pooled.score[1:] != pooled.score[:-1], True) if len(pooled.score) else np.zeros(0, bool)
    correct, taken = np.cumsum(pooled.correct)[last], np.flatnonzero(last) + 1
    truths = len(pooled.truth_image)
    recall = correct / truths if truths else np.full(len(correct), np.nan)
    return Curve(pooled.score[last], correct / taken, recall, 2 * correct / (taken + truths), truths)


def weighted_average_precision(correct: NDArray[np.bool_], weights: Array, truths: Array) -> Array:
    """COCO's average precision (mean of the best precision at or beyond 101 recalls) for each of B weightings [B].

    ``correct`` [N] best score first; ``weights`` [B, N] how often each prediction counts; ``truths`` [B] weighted
    number of true boxes. NaN where there is none. A whole number as weight gives what so many copies would give.
    """
    hits = np.flatnonzero(correct)
    found = np.cumsum(weights[:, hits], axis=1)
    taken = np.cumsum(weights, axis=1)[:, hits]
    precision = np.divide(found, taken, out=np.zeros_like(found), where=taken > 0)
    ahead = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    ahead = np.hstack([ahead, np.zeros((len(ahead), 1))])  # recalls that are never reached
    recall = np.divide(found, truths[:, None], out=np.zeros_like(found), where=truths[:, None] > 0)
    values = [row[np.searchsorted(reached, RECALL_LEVELS)].mean() for row, reached in zip(ahead, recall, strict=True)]
    return np.where(truths > 0, np.array(values, np.float64), np.nan)


def average_precision(pooled: Pooled) -> float | None:
    """COCO's average precision under the ruler of the matches; None without true boxes."""
    truths = len(pooled.truth_image)
    if not truths:
        return None
    weights = np.ones((1, len(pooled.score)))
    return float(weighted_average_precision(pooled.correct, weights, np.array([float(truths)]))[0])


def choose_thresholds(truth: Labels, predictions: pl.DataFrame) -> dict[int, float]:
    """The score from which predictions of each category are taken: that with the best F1 on these images (validation).

    The ball is judged by distance of centres, all else by an IoU of 0.5. ``DEFAULT_THRESHOLD`` for a category of which
    no prediction is correct.
    """
    chosen = {}
    for category in truth.categories:
        found = curve(match(truth, predictions, ruler_of(category)).pooled(category))
        chosen[category] = DEFAULT_THRESHOLD if found.best is None else float(found.score[found.best])
    return chosen


def at_thresholds(truth: Labels, predictions: pl.DataFrame, thresholds: Mapping[int, float]) -> pl.DataFrame:
    """Counts, precision, recall and F1 when the predictions from each category's threshold up are taken.

    Columns: category, name, ruler (``iou_50``; for the ball also ``within_10_px``), threshold, truths, taken, correct,
    precision (null where none is taken), recall and f1 (null without true boxes). Predictions in crowd boxes are not
    among those taken.
    """
    chosen = above(predictions, thresholds)
    rows = []
    by_overlap, by_distance = match(truth, chosen, HALF_OVERLAP), match(truth, chosen, BALL_RULER)
    for category, name in truth.categories.items():
        rulers: dict[str, Matches] = {"iou_50": by_overlap}
        if category == BALL:
            rulers["within_10_px"] = by_distance
        for ruler, matches in rulers.items():
            pooled = matches.pooled(category)
            truths, taken, correct = len(pooled.truth_image), len(pooled.score), int(pooled.correct.sum())
            precision = correct / taken if taken else None
            recall, f1 = (correct / truths, 2 * correct / (taken + truths)) if truths else (None, None)
            rows.append(
                (category, name, ruler, float(thresholds[category]), truths, taken, correct, precision, recall, f1)
            )
    return pl.DataFrame(
        rows,
        schema={
            "category": pl.Int64,
            "name": pl.String,
            "ruler": pl.String,
            "threshold": pl.Float64,
            "truths": pl.Int64,
            "taken": pl.Int64,
            "correct": pl.Int64,
            "precision": pl.Float64,
            "recall": pl.Float64,
            "f1": pl.Float64,
        },
        orient="row",
    )


def above(predictions: pl.DataFrame, thresholds: Mapping[int, float]) -> pl.DataFrame:
    """The predictions whose score is at least their category's threshold. Raises KeyError for one without."""
    missing = set(predictions["category"].unique()) - set(thresholds)
    if missing:
        raise KeyError(f"no threshold for the categories {sorted(missing)}")
    least = pl.col("category").replace_strict(dict(thresholds), return_dtype=pl.Float64)
    return predictions.filter(pl.col("score") >= least)
