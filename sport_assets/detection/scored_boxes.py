"""What a detector said of many images as one table of boxes with scores, and what is asked of it before measuring.

Belongs here: from arrays to the table, its order, its rules, sizes of boxes. Must not come here: comparing with the
truth (``matching``), making detections.
"""

from collections.abc import Mapping

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sport_assets.detection.coco import BOX_COLUMNS, Labels
from sport_assets.detection.detections import Detections
from sport_assets.detection.errors import BadLabelsError

TINY_PX, SMALL_PX, MEDIUM_PX = 16, 32, 96
"""Square roots of the areas at which a box is no longer tiny, small, medium. COCO has the last two; a ball is tiny."""
SIZES = ("tiny", "small", "medium", "large")


def of_detections(detections: Mapping[int, Detections]) -> pl.DataFrame:
    """Detections by image id as a table of ``BOX_COLUMNS``; ids count from 1 in the order of images and scores.

    Scores keep the float32 value that the detector gave. Images without a detection leave no row: which images were
    looked at is told by the labels that the table is compared with.
    """
    images = sorted(detections)
    counts = [len(detections[image]) for image in images]
    every = [Detections.none(), *(detections[image] for image in images)]
    boxes = np.concatenate([each.boxes for each in every]).astype(np.float64)
    table = pl.DataFrame(
        {
            "image": np.repeat(np.array(images, np.int64), counts),
            "category": np.concatenate([each.categories for each in every]),
            "x": boxes[:, 0],
            "y": boxes[:, 1],
            "width": boxes[:, 2] - boxes[:, 0],
            "height": boxes[:, 3] - boxes[:, 1],
            "score": np.concatenate([each.scores for each in every]).astype(np.float64),
        }
    )
    return in_order(table.with_columns(box=pl.int_range(1, pl.len() + 1), crowd=pl.lit(False)))


def in_order(boxes: pl.DataFrame) -> pl.DataFrame:
    """The columns of ``BOX_COLUMNS``; images by id, in each the best score first, equal ones by box id."""
    table = boxes.select(pl.col(name).cast(dtype) for name, dtype in BOX_COLUMNS.items())
    return table.sort("image", "score", "box", descending=[False, True, False])


def checked(truth: Labels, predictions: pl.DataFrame) -> pl.DataFrame:
    """Predictions ``in_order`` that can be compared with these labels.

    Raises ``BadLabelsError`` for a box without a score, a number that is not finite, a negative side, an id that is
    there twice, an image or a category that the labels do not have. Boxes without area stay: they are wrong
    predictions.
    """
    missing = [name for name in BOX_COLUMNS if name not in predictions.columns]
    if missing:
        raise BadLabelsError(f"predictions: no column {missing[0]!r}; they need {', '.join(BOX_COLUMNS)}")
    table = in_order(predictions)
    numbers = ("x", "y", "width", "height", "score")
    wrong = table.filter(
        pl.any_horizontal([pl.col(name).is_null() | ~pl.col(name).is_finite() for name in numbers])
        | (pl.col("width") < 0)
        | (pl.col("height") < 0)
        | ~pl.col("score").is_between(0, 1)
    )
    if len(wrong):
        row = wrong.row(0, named=True)
        found = ", ".join(f"{name} {row[name]}" for name in numbers)
        raise BadLabelsError(
            f"predictions: box {row['box']} of image {row['image']} has {found}. Each needs finite numbers, sides of "
            "at least 0 and a score from 0 to 1; boxes that a person drew are no predictions."
        )
    if table["box"].n_unique() != len(table):
        twice = table.filter(pl.col("box").is_duplicated())["box"][0]
        raise BadLabelsError(f"predictions: box id {twice!s} is there twice; number them from 1")
    for column, known, remedy in (
        ("image", truth.images["image"].to_list(), "Predict the images that the labels list."),
        ("category", list(truth.categories), f"The labels have {dict(truth.categories)}."),
    ):
        strange = table.filter(~pl.col(column).is_in(known))
        if len(strange):
            box, value = strange.row(0, named=True)["box"], strange[column][0]
            raise BadLabelsError(
                f"predictions: box {box} is of {column} {value}, which the labels do not have. {remedy}"
            )
    return table


def corners(boxes: pl.DataFrame) -> NDArray[np.float64]:
    """[N, 4] left, top, right, bottom of a table of boxes."""
    x, y, width, height = (boxes[name].to_numpy() for name in ("x", "y", "width", "height"))
    return np.stack([x, y, x + width, y + height], axis=1).astype(np.float64)


def size_of_box() -> pl.Expr:
    """The size class of each row of a table of boxes: ``SIZES``, each apart from the others, by the root of its area.

    In pixels of the image as it is stored, as COCO's own areas are. (COCO's ``small`` has the tiny ones with it.)
    """
    side = (pl.col("width") * pl.col("height")).sqrt()
    return (
        pl.when(side < TINY_PX)
        .then(pl.lit("tiny"))
        .when(side < SMALL_PX)
        .then(pl.lit("small"))
        .when(side < MEDIUM_PX)
        .then(pl.lit("medium"))
        .otherwise(pl.lit("large"))
    )


def horizontal_stretch(images: pl.DataFrame) -> pl.DataFrame:
    """image, stretch: by what x must be multiplied to undo an image's stretching; 1 where it was not stretched."""
    undo = pl.col("true_aspect") * pl.col("height") / pl.col("width")
    return images.select("image", stretch=undo.fill_null(1.0))
