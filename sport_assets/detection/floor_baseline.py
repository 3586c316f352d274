"""A detector that never looks at the image: the floor that every other has to leave behind.

Belongs here: boxes from the training side's true boxes alone. Must not come here: detectors that see pixels.
"""

import polars as pl

from sport_assets.detection.coco import Labels
from sport_assets.detection.scored_boxes import in_order

GRID = (32, 18)
"""Cells across and down that an image of any size is divided into."""


def mean_box_baseline(train: Labels, images: pl.DataFrame, most: int = 25) -> pl.DataFrame:
    """Predictions for ``images``: in each, the ``most`` boxes that are most common in the training labels.

    A box of a category is counted in the cell that its centre is in; of each of the ``most`` fullest cells comes the
    median box (place and size as shares of the image), with the share of training images that have a box there as
    score. Equal cells go by place. Crowd boxes do not count. No prediction for a category without a training box.
    """
    across, down = GRID
    sizes = train.images.select("image", image_width="width", image_height="height")
    shares = (
        train.boxes.filter(~pl.col("crowd"))
        .join(sizes, on="image")
        .select(
            "image",
            "category",
            width=pl.col("width") / pl.col("image_width"),
            height=pl.col("height") / pl.col("image_height"),
            x=(pl.col("x") + pl.col("width") / 2) / pl.col("image_width"),
            y=(pl.col("y") + pl.col("height") / 2) / pl.col("image_height"),
        )
    )
    cells = (
        shares.with_columns(
            column=(pl.col("x") * across).floor().clip(0, across - 1),
            row=(pl.col("y") * down).floor().clip(0, down - 1),
        )
        .group_by("category", "row", "column")
        .agg(
            pl.col("x", "y", "width", "height").median().name.prefix("median_"),
            score=pl.col("image").n_unique() / max(len(train.images), 1),
        )
        .sort("category", "score", "row", "column", descending=[False, True, False, False])
        .with_columns(rank=pl.int_range(pl.len()).over("category"))
        .filter(pl.col("rank") < most)
    )
    placed = (
        images.select("image", "width", "height").sort("image").join(cells, how="cross", maintain_order="left_right")
    )
    return in_order(
        placed.select(
            "image",
            "category",
            "score",
            box=pl.int_range(1, pl.len() + 1),
            x=(pl.col("median_x") - pl.col("median_width") / 2) * pl.col("width"),
            y=(pl.col("median_y") - pl.col("median_height") / 2) * pl.col("height"),
            width=pl.col("median_width") * pl.col("width"),
            height=pl.col("median_height") * pl.col("height"),
            crowd=pl.lit(False),
        )
    )
