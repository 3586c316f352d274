"""Every true box and every prediction of a detector by what became of it, and what the mistakes have in common.

Belongs here: the table of errors, its summary, the choice of the worst images. Must not come here: pictures
(``error_pictures``), average precision.

Kinds, after TIDE (Bolya et al. 2020), with the ball judged by distance of centres instead of overlap:

- ``correct``: prediction and true box belong together.
- ``duplicate``: on a true box that a better prediction already has.
- ``swapped``: on a true box of another category (IoU 0.5; 0.1 where one of them is a ball).
- ``poorly_placed``: the right category, but too far off: IoU 0.1 to 0.5, for the ball 10 to 30 pixels.
- ``ghost``: a prediction with no true box near.
- ``missed``: a true box with no prediction near.
- ``ignored``: a prediction in a crowd box.

The first that holds is taken; of swapped and poorly placed, those on true boxes that nobody found come first.
"""

from collections.abc import Callable, Mapping
from math import inf
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sport_assets.detection.categories import BALL, PLAYER
from sport_assets.detection.coco import Labels
from sport_assets.detection.detections import intersection_over_union
from sport_assets.detection.matching import BALL_DISTANCE_PX, BALL_RULER, HALF_OVERLAP, match
from sport_assets.detection.precision_recall import above
from sport_assets.detection.scored_boxes import SIZES, checked, corners, horizontal_stretch, size_of_box
from sport_assets.detection.white_lines import line_likeness

ERRORS_FILE = "errors.parquet"
TRUTH_KINDS = ("correct", "poorly_placed", "swapped", "missed")
PREDICTION_KINDS = ("correct", "poorly_placed", "swapped", "duplicate", "ghost", "ignored")
NEAR_OVERLAP = 0.1
NEAR_BALL_PX = 3 * BALL_DISTANCE_PX
SWAPPED_OVERLAP = 0.5
LOWER_PART = 1 / 3
"""Of a player's box: shins, socks and boots."""
LINE_LIKENESS = 0.5
"""From where a place counts as near a white line (``white_lines.line_likeness``)."""
BLUR_CLASSES = {"under 2 px": 2.0, "2 to 5 px": 5.0, "5 to 10 px": 10.0, "10 px and more": inf}
CROWDING_CLASSES = {"none": 1, "1": 2, "2 or 3": 4, "4 and more": inf}
"""Names, and the number that the class ends below."""
ERROR_COLUMNS: dict[str, pl.DataType] = {
    "of": pl.String(),  # truth or prediction: whose box the row is of; each box has one row
    "kind": pl.String(),
    "image": pl.Int64(),
    "file_name": pl.String(),
    "video": pl.String(),
    "frame": pl.Int64(),
    "box": pl.Int64(),
    "category": pl.Int64(),
    "x": pl.Float64(),
    "y": pl.Float64(),
    "width": pl.Float64(),
    "height": pl.Float64(),
    "score": pl.Float64(),  # of the prediction; of a true box: of the prediction that it was found or nearly found by
    "other_box": pl.Int64(),  # the box of the other side that decided the kind; null for missed, ghost and ignored
    "other_category": pl.Int64(),
    "size": pl.String(),  # SIZES, of the row's own box
    "neighbours": pl.Int64(),  # other true boxes that reach into the box grown by half its sides
    "sharpness": pl.Float64(),  # of the image; null where nobody measured it
    "blur_px": pl.Float64(),  # of the true box; null where nobody measured it
    "at_sock": pl.Boolean(),  # a ghost ball whose centre is in the lower third of a player; null for all others
    "at_line": pl.Boolean(),  # a ghost ball on or beside a white line; null for all others and without images
}
ReadImage = Callable[[int], NDArray[np.uint8]]
"""The picture of an image id, [height, width, 3], blue, green, red as OpenCV reads it."""


def classify(
    truth: Labels,
    predictions: pl.DataFrame,
    thresholds: Mapping[int, float],
    *,
    sharpness: Mapping[int, float] | None = None,
    blur_px: Mapping[int, float] | None = None,
    read_image: ReadImage | None = None,
) -> pl.DataFrame:
    """The table of errors (``ERROR_COLUMNS``): one row for each true box (no crowd) and each prediction from its
    category's threshold up, sorted by image, truth before predictions, box.

    ``sharpness`` by image id, ``blur_px`` (length of the motion blur) by true box id. ``read_image`` is asked for the
    images with ghost balls only. Raises ``BadLabelsError`` for predictions that do not fit the labels.
    """
    found = above(checked(truth, predictions), thresholds)
    true = truth.boxes.filter(~pl.col("crowd"))
    matches = [match(truth, found, ruler, most=None).predictions for ruler in (HALF_OVERLAP, BALL_RULER)]
    matched = pl.concat([matches[0].filter(pl.col("category") != BALL), matches[1].filter(pl.col("category") == BALL)])
    links = {box: (target, counted) for box, target, counted in matched.select("box", "truth", "counted").iter_rows()}

    stretch = dict(horizontal_stretch(truth.images).iter_rows())
    by_image = [table.partition_by("image", as_dict=True) for table in (found, true)]
    none = (found.clear(), true.clear())
    rows: list[dict[str, Any]] = []
    for image in truth.images["image"].to_list():
        here, there = (parts.get((image,), empty) for parts, empty in zip(by_image, none, strict=True))
        if len(here) or len(there):
            rows += _of_image(there, here, links, stretch[image])
    table = pl.DataFrame(rows, schema={name: ERROR_COLUMNS[name] for name in _ROW_COLUMNS})
    table = table.with_columns(size=size_of_box()).join(
        truth.images.select("image", "file_name", "video", "frame"), on="image", how="left"
    )
    for name, key, values in (("sharpness", "image", sharpness), ("blur_px", "box", blur_px)):
        known = pl.DataFrame(
            {key: list(values or {}), name: list((values or {}).values())}, schema={key: pl.Int64, name: pl.Float64}
        )
        table = table.join(known, on=key, how="left")
    table = table.with_columns(blur_px=pl.when(pl.col("of") == "truth").then("blur_px"))
    table = table.with_columns(at_line=_at_line(table, read_image))
    return table.select(list(ERROR_COLUMNS)).sort("image", "of", "box", descending=[False, True, False])


_ROW_COLUMNS = (
    "of", "kind", "image", "box", "category", "x", "y", "width", "height", "score", "other_box", "other_category",
    "neighbours", "at_sock",
)  # fmt: skip


def _of_image(
    true: pl.DataFrame, found: pl.DataFrame, links: Mapping[int, tuple[int | None, bool]], stretch: float
) -> list[dict[str, Any]]:
    """Rows of one image: first matches, then what is near what, best scores first."""
    place = {box: row for row, box in enumerate(true["box"])}
    true_corners, found_corners = corners(true), corners(found)
    overlap = intersection_over_union(found_corners, true_corners)
    apart = (_centres(found_corners)[:, None] - _centres(true_corners)[None]) * (stretch, 1.0)
    away = np.linalg.norm(apart, axis=-1)
    mine, theirs = found["category"].to_numpy()[:, None], true["category"].to_numpy()[None]
    ball = (mine == BALL) | (theirs == BALL)
    right = np.where(ball, away <= BALL_DISTANCE_PX, overlap >= HALF_OVERLAP.least) & (mine == theirs)
    near = np.where(ball, away <= NEAR_BALL_PX, overlap >= NEAR_OVERLAP) & (mine == theirs)
    swapped = (overlap >= np.where(ball, NEAR_OVERLAP, SWAPPED_OVERLAP)) & (mine != theirs)
    closeness = np.where(ball & (mine == theirs), -away, overlap)

    kinds, other = ["ghost"] * len(found), np.full(len(found), -1)
    true_kinds, finder = ["missed"] * len(true), np.full(len(true), -1)
    for row, box in enumerate(found["box"]):
        target, counted = links[box]
        if target is not None:
            kinds[row], other[row] = "correct", place[target]
            true_kinds[place[target]], finder[place[target]] = "correct", row
        elif not counted:
            kinds[row] = "ignored"
    for row in range(len(found)):  # in order of score
        if kinds[row] != "ghost":
            continue
        free = finder < 0
        for kind, possible in (
            ("duplicate", right[row]),
            ("swapped", swapped[row] & free),
            ("poorly_placed", near[row] & free),
            ("swapped", swapped[row]),
            ("poorly_placed", near[row]),
        ):
            if possible.any():
                best = int(np.argmax(np.where(possible, closeness[row], -np.inf)))
                kinds[row], other[row] = kind, best
                if free[best]:
                    true_kinds[best], finder[best] = kind, row
                break

    socks = _at_sock(found_corners, true_corners[true["category"].to_numpy() == PLAYER])
    reach = {
        "truth": _neighbours(true_corners, true_corners) - 1,
        "prediction": _neighbours(found_corners, true_corners),
    }
    rows = []
    for of, table, names, links_to, others in (
        ("truth", true, true_kinds, finder, found),
        ("prediction", found, kinds, other, true),
    ):
        for number, box in enumerate(table.iter_rows(named=True)):
            linked = int(links_to[number])
            partner = others.row(linked, named=True) if linked >= 0 else {"box": None, "category": None, "score": None}
            ghost_ball = of == "prediction" and names[number] == "ghost" and box["category"] == BALL
            rows.append(
                {name: box[name] for name in ("image", "box", "category", "x", "y", "width", "height")}
                | {
                    "of": of,
                    "kind": names[number],
                    "score": box["score"] if of == "prediction" else partner["score"],
                    "other_box": partner["box"],
                    "other_category": partner["category"],
                    "neighbours": int(reach[of][number]) - int(of == "prediction" and linked >= 0),
                    "at_sock": bool(socks[number]) if ghost_ball else None,
                }
            )
    return rows


def _centres(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    return (boxes[:, :2] + boxes[:, 2:]) / 2


def _neighbours(boxes: NDArray[np.float64], true: NDArray[np.float64]) -> NDArray[np.int64]:
    """How many true boxes reach into each box grown by half its sides on every side."""
    grown = boxes + (boxes[:, 2:] - boxes[:, :2])[:, [0, 1, 0, 1]] * np.array([-0.5, -0.5, 0.5, 0.5])
    low, high = np.maximum(grown[:, None, :2], true[None, :, :2]), np.minimum(grown[:, None, 2:], true[None, :, 2:])
    return np.asarray((high >= low).all(-1).sum(1))


def _at_sock(found: NDArray[np.float64], players: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether each box's centre is in the lower third of a player."""
    centre = _centres(found)[:, None]
    lower = players.copy()
    lower[:, 1] = players[:, 3] - LOWER_PART * (players[:, 3] - players[:, 1])
    inside: NDArray[np.bool_] = (centre >= lower[None, :, :2]) & (centre <= lower[None, :, 2:])
    return np.asarray(np.any(np.all(inside, axis=-1), axis=1))


def _at_line(table: pl.DataFrame, read_image: ReadImage | None) -> pl.Series:
    """For ghost balls whether a white line is there."""
    at_line: list[bool | None] = [None] * len(table)
    if read_image is not None:
        ghosts = table.with_row_index("row").filter(pl.col("at_sock").is_not_null())
        for (image,), rows in ghosts.partition_by("image", as_dict=True).items():
            picture = read_image(int(image))
            for row, x, y, width, height in rows.select("row", "x", "y", "width", "height").iter_rows():
                likeness = line_likeness(picture, x + width / 2, y + height / 2, max(width, height))
                at_line[row] = likeness >= LINE_LIKENESS
    return pl.Series(at_line, dtype=pl.Boolean)


def summarise(errors: pl.DataFrame, categories: Mapping[int, str]) -> dict[str, Any]:
    """Counts for people and JSON.

    By category name: ``truth`` and ``predictions`` by kind; of the truth ``by_size``, ``by_blur`` and ``by_crowding``
    the boxes, those found (``correct``) and the recall; ``swapped_with`` by name. ``ghost_balls``: all, those at socks
    and at lines (None where no image was looked at), those at neither.
    """
    found = {}
    for category, name in categories.items():
        rows = errors.filter(pl.col("category") == category)
        true, said = rows.filter(pl.col("of") == "truth"), rows.filter(pl.col("of") == "prediction")
        swaps = said.filter(pl.col("kind") == "swapped").group_by("other_category").len().sort("other_category")
        found[name] = {
            "truth": _counts(true, TRUTH_KINDS),
            "predictions": _counts(said, PREDICTION_KINDS),
            "by_size": _recall_by(true, pl.col("size"), SIZES),
            "by_blur": _recall_by(true, *_blur_classes(true)),
            "by_crowding": _recall_by(true, *_classes("neighbours", CROWDING_CLASSES)),
            "swapped_with": {categories[other]: count for other, count in swaps.iter_rows()},
        }
    ghosts = errors.filter(pl.col("at_sock").is_not_null())
    looked_at = ghosts["at_line"].is_not_null().any()
    return {
        "categories": found,
        "ghost_balls": {
            "all": len(ghosts),
            "at_sock": int(ghosts["at_sock"].sum()),
            "at_line": int(ghosts["at_line"].sum()) if looked_at else None,
            "elsewhere": len(ghosts.filter(~(pl.col("at_sock") | pl.col("at_line").fill_null(False)))),
        },
    }


def worst_cases(errors: pl.DataFrame, most: int = 12, *, ball_weight: float = 3.0) -> pl.DataFrame:
    """The images with the gravest mistakes, worst first: image, weight, mistakes, and ``file_name``, ``kind``,
    ``category``, ``score``, ``x``, ``y``, ``width``, ``height`` of the gravest one.

    A mistake counts by its score (a confident ghost is worse than a faint one); a miss counts 1; those of the ball
    ``ball_weight`` times. Equal weights go by image id.
    """
    wrong = errors.filter(~pl.col("kind").is_in(["correct", "ignored"]))
    # what a true box and a prediction tell of the same mistake counts once
    wrong = wrong.filter((pl.col("of") == "prediction") | (pl.col("kind") == "missed"))
    weight = pl.col("score").fill_null(1.0) * pl.when(pl.col("category") == BALL).then(ball_weight).otherwise(1.0)
    shown = ("file_name", "kind", "category", "score", "x", "y", "width", "height")
    return (
        wrong.with_columns(weight=weight)
        .sort("weight", "of", "box", descending=[True, True, False])
        .group_by("image", maintain_order=True)
        .agg(*(pl.col(name).first() for name in shown), mistakes=pl.len(), weight=pl.col("weight").sum().round(9))
        .sort("weight", "image", descending=[True, False])
        .head(most)
        .select("image", "weight", "mistakes", *shown)
    )


def _counts(rows: pl.DataFrame, kinds: tuple[str, ...]) -> dict[str, int]:
    return {kind: int((rows["kind"] == kind).sum()) for kind in kinds}


def _recall_by(true: pl.DataFrame, group: pl.Expr, names: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """Boxes, found and recall of each named group that has boxes."""
    counted = true.group_by(group=group).agg(boxes=pl.len(), found=(pl.col("kind") == "correct").sum())
    rows = {row["group"]: row for row in counted.iter_rows(named=True)}
    return {
        name: {"boxes": row["boxes"], "found": row["found"], "recall": row["found"] / row["boxes"]}
        for name in names
        if (row := rows.get(name)) is not None
    }


def _classes(column: str, ends: Mapping[str, float]) -> tuple[pl.Expr, tuple[str, ...]]:
    """The class of a number as an expression (null where it is null), and the names in order."""
    chosen: Any = pl.when(pl.col(column).is_null()).then(pl.lit(None, pl.String))
    for name, end in ends.items():
        chosen = chosen.when(pl.col(column) < end).then(pl.lit(name))
    return chosen, tuple(ends)


def _blur_classes(true: pl.DataFrame) -> tuple[pl.Expr, tuple[str, ...]]:
    """By the length of blur where it is known (pixels), else by thirds of the images' sharpness."""
    if true["blur_px"].is_not_null().any():
        return _classes("blur_px", BLUR_CLASSES)
    names = ("blurred third", "middle third", "sharp third")
    images = true.select("image", "sharpness").unique().drop_nulls()
    low, high = (images["sharpness"].quantile(share, "linear") for share in (1 / 3, 2 / 3))
    if low is None or high is None:
        return pl.lit(None, pl.String), names
    third: Any = pl.when(pl.col("sharpness").is_null()).then(pl.lit(None, pl.String))
    third = third.when(pl.col("sharpness") < low).then(pl.lit(names[0]))
    return third.when(pl.col("sharpness") < high).then(pl.lit(names[1])).otherwise(pl.lit(names[2])), names
