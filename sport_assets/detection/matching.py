"""Which prediction is of which true box: greedy matching by score, as COCO does it, under a chosen ruler.

Belongs here: rulers (overlap of boxes, distance of centres), matching, its result as tables and pooled by category.
Must not come here: what is computed from matches (``precision_recall``, ``bootstrap``, ``error_report``).

In an image and category, predictions choose in order of score: each takes the nearest true box that is still free and
near enough. A crowd box is no truth that must be found: a prediction that finds no free box but lies in a crowd box is
left out of the counts. Source: Lin et al. 2014, Microsoft COCO, and its reference evaluation (pycocotools).
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sport_assets.detection.categories import BALL
from sport_assets.detection.coco import Labels
from sport_assets.detection.scored_boxes import checked, horizontal_stretch

Array = NDArray[np.float64]
MOST_PREDICTIONS = 100
"""Predictions of an image and category that count, best first: COCO's limit."""
BALL_DISTANCE_PX = 10.0
"""How far a ball may lie from its true centre. A ball of 7 x 6 pixels that is 3 pixels off has an IoU of 0.4 only."""


class Ruler(Protocol):
    """How near a prediction is to a true box; larger is nearer."""

    @property
    def least(self) -> float:
        """The closeness from which a prediction counts as correct."""

    @property
    def unstretched(self) -> bool:
        """Whether boxes are measured after a stretched image is pulled back to its true aspect."""

    def closeness(self, found: Array, truth: Array, crowd: NDArray[np.bool_]) -> Array:
        """[N, M] of predictions [N, 1, 4] and true boxes [N, M, 4] (x, y, width, height), crowd boxes [N, M]."""


@dataclass(frozen=True)
class Overlap:
    """Intersection over union; with a crowd box, the share of the prediction that lies in it."""

    least: float
    unstretched: bool = False  # pulling at both boxes leaves their IoU as it is

    def closeness(self, found: Array, truth: Array, crowd: NDArray[np.bool_]) -> Array:
        """IoU, 0 to 1."""
        sides = [
            np.minimum(found[..., axis] + found[..., axis + 2], truth[..., axis] + truth[..., axis + 2])
            - np.maximum(found[..., axis], truth[..., axis])
            for axis in (0, 1)
        ]
        shared = np.clip(sides[0], 0, None) * np.clip(sides[1], 0, None)
        own = found[..., 2] * found[..., 3]
        whole = np.where(crowd, own, own + truth[..., 2] * truth[..., 3] - shared)
        return np.divide(shared, whole, out=np.zeros_like(shared), where=whole > 0)


@dataclass(frozen=True)
class CentreDistance:
    """Distance of centres in pixels of the image's height, x pulled back where the image was stretched."""

    most_px: float
    unstretched: bool = True

    @property
    def least(self) -> float:
        """The distance with a minus: larger is nearer."""
        return -self.most_px

    def closeness(self, found: Array, truth: Array, crowd: NDArray[np.bool_]) -> Array:
        """Distance with a minus; with a crowd box 0 where the centre lies in it, else minus infinity."""
        centre = found[..., :2] + found[..., 2:] / 2
        away = -np.linalg.norm(centre - truth[..., :2] - truth[..., 2:] / 2, axis=-1)
        inside = ((centre >= truth[..., :2]) & (centre <= truth[..., :2] + truth[..., 2:])).all(-1)
        return np.where(crowd, np.where(inside, 0.0, -np.inf), away)


HALF_OVERLAP = Overlap(0.5)
BALL_RULER = CentreDistance(BALL_DISTANCE_PX)


def ruler_of(category: int) -> Ruler:
    """What decides whether a box of that category was found: the ball by distance, all else by overlap."""
    return BALL_RULER if category == BALL else HALF_OVERLAP


@dataclass(frozen=True)
class Pooled:
    """All predictions of a category that count, best score first; where they are correct; where the truth is."""

    score: Array
    correct: NDArray[np.bool_]
    image: NDArray[np.int64]
    truth_image: NDArray[np.int64]
    """Image id of each true box (no crowd)."""


@dataclass(frozen=True)
class Matches:
    """``predictions``: box, image, category, score, truth (matched box or null), closeness (null without), counted
    (False: lies in a crowd box), the ones over COCO's limit left out. ``truth``: box, image, category, prediction (or
    null), without crowd boxes."""

    predictions: pl.DataFrame
    truth: pl.DataFrame

    def pooled(self, category: int) -> Pooled:
        """Of one category, in COCO's order: by score, then image, then box."""
        rows = self.predictions.filter((pl.col("category") == category) & pl.col("counted")).sort(
            "score", "image", "box", descending=[True, False, False]
        )
        true = self.truth.filter(pl.col("category") == category)
        return Pooled(
            rows["score"].to_numpy(), rows["truth"].is_not_null().to_numpy(), rows["image"].to_numpy(),
            true["image"].to_numpy(),
        )  # fmt: skip


def match(truth: Labels, predictions: pl.DataFrame, ruler: Ruler, most: int | None = MOST_PREDICTIONS) -> Matches:
    """Match all images at once. ``most``: predictions of an image and category that count (None: all).

    All images are worked at together, the k-th best prediction of each in the k-th step. Raises ``BadLabelsError`` for
    predictions that do not fit the labels.
    """
    found, true = checked(truth, predictions), truth.boxes.sort("image", "category", "box")
    keys = ["image", "category"]
    places = pl.concat([found.select(keys), true.select(keys)]).unique().sort(keys).with_row_index("place")
    found = found.sort("image", "category", "score", "box", descending=[False, False, True, False])
    found = found.with_columns(rank=pl.int_range(pl.len()).over(keys))
    if most is not None:
        found = found.filter(pl.col("rank") < most)
    found, true = (table.join(places, on=keys, how="left", maintain_order="left") for table in (found, true))
    stretch = horizontal_stretch(truth.images) if ruler.unstretched else None
    found_boxes, true_boxes = _rectangles(found, stretch), _rectangles(true, stretch)

    size = len(places)
    of_found, of_true = found["place"].to_numpy().astype(np.int64), true["place"].to_numpy().astype(np.int64)
    counts = np.bincount(of_found, minlength=size)
    first = np.cumsum(counts) - counts
    slot = np.arange(len(true)) - np.searchsorted(of_true, of_true)
    # the places with most predictions first, so that those still at work in a step are a slice
    order = np.argsort(-counts, kind="stable")
    row_of = np.empty(size, np.int64)
    row_of[order] = np.arange(size)
    width = int(slot.max()) + 1 if len(slot) else 1
    boxes, index = np.zeros((size, width, 4)), np.full((size, width), -1)
    crowd = np.zeros((size, width), bool)
    boxes[row_of[of_true], slot], index[row_of[of_true], slot] = true_boxes, np.arange(len(true))
    crowd[row_of[of_true], slot] = true["crowd"].to_numpy()
    free = (index >= 0) & ~crowd

    chosen, near, counted = np.full(len(found), -1), np.full(len(found), np.nan), np.ones(len(found), bool)
    for step in range(int(counts.max(initial=0))):
        active = int(np.searchsorted(-counts[order], -step, side="left"))
        rows = first[order[:active]] + step
        close = ruler.closeness(found_boxes[rows][:, None, :], boxes[:active], crowd[:active])
        best = _last_best(np.where(free[:active], close, -np.inf))
        every = np.arange(active)
        value = np.where(free[every, best], close[every, best], -np.inf)
        hit = value >= ruler.least
        free[every[hit], best[hit]] = False
        chosen[rows[hit]], near[rows[hit]] = index[every[hit], best[hit]], value[hit]
        in_crowd = (np.where(crowd[:active], close, -np.inf) >= ruler.least).any(1)
        counted[rows[~hit & in_crowd]] = False

    taken = np.full(len(true), -1)
    taken[chosen[chosen >= 0]] = np.flatnonzero(chosen >= 0)
    return Matches(
        found.select("box", "image", "category", "score").with_columns(
            truth=_ids(true["box"], chosen), closeness=pl.Series(near).fill_nan(None), counted=pl.Series(counted)
        ),
        true.select("box", "image", "category", "crowd")
        .with_columns(prediction=_ids(found["box"], taken))
        .filter(~pl.col("crowd"))
        .drop("crowd"),
    )


def _rectangles(table: pl.DataFrame, stretch: pl.DataFrame | None) -> Array:
    """[N, 4] x, y, width, height."""
    boxes = table.select("x", "y", "width", "height").to_numpy().astype(np.float64)
    if stretch is not None:
        factor = table.select("image").join(stretch, on="image", how="left", maintain_order="left")["stretch"]
        boxes[:, [0, 2]] *= factor.to_numpy()[:, None]
    return boxes


def _last_best(values: Array) -> NDArray[np.intp]:
    """Column of the largest value of each row; of equal ones the last, as COCO takes them."""
    return values.shape[1] - 1 - np.argmax(values[:, ::-1], axis=1)


def _ids(ids: pl.Series, rows: NDArray[np.int64]) -> pl.Series:
    """The ids at those rows, null where a row is -1."""
    places = pl.Series(rows, dtype=pl.Int64)
    return ids.gather(places.set(places < 0, None)) if len(ids) else pl.Series([None] * len(rows), dtype=pl.Int64)
