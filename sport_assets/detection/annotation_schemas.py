"""What tables of images and boxes hold, the rules that they keep, and what each rule means.

Belongs here: the tables (validated by Pandera on polars), rules of single values, rules between boxes and their images.
Must not come here: reading files, what becomes of a row that breaks a rule (``judging``, ``dataset_checks``).
"""

from collections.abc import Collection

import polars as pl

from sport_assets.detection.coco import BOX_COLUMNS, IMAGE_COLUMNS
from sport_assets.lineage.quarantine import FAILURE_SCHEMA, QUARANTINE_SCHEMA, empty_failures
from sport_assets.lineage.table import Column, Rule, Table

TOLERANCE_PX = 1.0
"""How far a box may reach over the edge of its image: as much as people and rounding do. It is cut at the edge."""

_POSITIVE = Rule("gt", (0,), "size_positive")
_SOURCES = ("reviewed", "labelled", "pseudo")

_IMAGE_TEXTS: dict[str, str] = {
    "image": "Number of the image, from 1",
    "file_name": "File, relative to the folder of the labels",
    "width": "Width in pixels",
    "height": "Height in pixels",
    "video": "Video or source clip, which is on one side of a split alone",
    "frame": "Number of the frame in the video, from 0; missing for images of no video",
    "time_ms": "Presentation time in the video in milliseconds; missing for images of no video",
    "sha256": "SHA-256 of the image file",
    "source": f"Who says what is in it: {', '.join(_SOURCES)}",
    "true_aspect": "Width / height before the image was stretched; missing where it was not",
}
_IMAGE_RULES: dict[str, tuple[Rule, ...]] = {
    "width": (_POSITIVE,),
    "height": (_POSITIVE,),
    "file_name": (Rule("str_matches", (r".",), "file_name_empty"),),
    "source": (Rule("isin", (list(_SOURCES),), "source_vocabulary"),),
    "true_aspect": (Rule("gt", (0,), "aspect_positive"),),
}
_BOX_TEXTS: dict[str, str] = {
    "box": "Number of the box, from 1",
    "image": "Number of its image",
    "category": "Number of its category",
    "x": "Left edge in pixels of the image",
    "y": "Upper edge in pixels of the image",
    "width": "Width in pixels",
    "height": "Height in pixels",
    "score": "How sure a detector was, 0 to 1; missing for what a person drew",
    "crowd": "Whether it covers a group that was not told apart",
}
_BOX_RULES: dict[str, tuple[Rule, ...]] = {
    "width": (Rule("gt", (0,), "no_area"),),
    "height": (Rule("gt", (0,), "no_area"),),
    "score": (Rule("in_range", (0, 1), "score_range"),),
}
IMAGES = Table(
    "detection_images",
    {
        name: Column(
            type(dtype),
            _IMAGE_TEXTS[name],
            _IMAGE_RULES.get(name, ()),
            name not in ("image", "file_name", "width", "height"),
        )
        for name, dtype in IMAGE_COLUMNS.items()
    },
    "One row an image",
)
BOXES = Table(
    "detection_boxes",
    {
        name: Column(type(dtype), _BOX_TEXTS[name], _BOX_RULES.get(name, ()), nullable=name == "score")
        for name, dtype in BOX_COLUMNS.items()
    },
    "One row a box",
)

_QUARANTINE_TEXTS = {
    "rule": "Rule that the row breaks",
    "column": "Column or key that breaks it",
    "value": "What stands there",
    "file": "File of labels or image, with the name of its data set",
    "line": "Line of a text file, number of the box in an XML file, id in a COCO file; 0 for an image or a file",
    "row": "The row as JSON",
}
QUARANTINE = Table(
    "detection_label_quarantine",
    {name: Column(type(dtype), _QUARANTINE_TEXTS[name]) for name, dtype in QUARANTINE_SCHEMA.items()},
    "Images and boxes that were set aside, one row for each rule that they break",
)

MEANING: dict[str, str] = {
    # image files and files of labels
    "image_missing": "the labels name an image that is not in the data set: put it there or take its labels out",
    "image_unreadable": "the image cannot be decoded to its end: replace it",
    "image_size_differs": "the labels were made on an image of another size: export them again",
    "image_turned": "viewers turn or mirror the image by its orientation tag, and the size that the labels give, if "
    "any, does not tell whether they were made on that: save it upright, without the tag, and label it so",
    "image_twice": "the same image is there already; the first in order of name is used",
    "image_named_twice": "several entries name the same image file, so that nobody knows whose boxes hold: leave one",
    "image_without_labels": "an image of which no label file says anything: label it, or say that nothing is in it",
    "labels_without_image": "labels whose image is not there: put it there or take them out",
    "image_set_aside": "a box whose image is set aside",
    "image_not_reviewed": "an image with a shape that cannot be used, as another row says: it counts as not reviewed",
    # rows that are no boxes
    "not_a_number": "a coordinate that is not a number",
    "not_a_box": "a polygon, a mask or a line of another length than a box has",
    "rotated_box": "a box that is turned; draw it upright",
    "class_out_of_range": "a number of a class that has no name",
    "no_class": "a box without a class",
    # values
    "finite": "a number that is NaN or infinite",
    "no_area": "a box without width or height",
    "score_range": "a score that is not from 0 to 1",
    "outside_the_image": f"a box that reaches more than {TOLERANCE_PX:g} pixel over the edge of its image",
    "size_positive": "an image without width or height",
    "file_name_empty": "an image without a file name",
    "source_vocabulary": f"a source that is none of {', '.join(_SOURCES)}",
    "aspect_positive": "an aspect ratio that is not above 0",
    "missing_value": "a value that must be there is missing",
    "not_nullable": "a value that must be there is missing",
    # between rows
    "image_id_twice": "two images with the same number",
    "box_id_twice": "two boxes with the same number",
    "image_unknown": "a box of an image that is not there",
    "category_unknown": "a box of a category that is not there",
    "withdrawn": "an image of a video that was withdrawn",
}
"""What each rule means, and the remedy where it is not plain."""


def relation_failures(
    boxes: pl.DataFrame, images: pl.DataFrame, categories: Collection[int], tolerance_px: float = TOLERANCE_PX
) -> pl.DataFrame:
    """Where boxes do not fit their images, each other or the categories, in the columns of ``quarantine.failures``.

    Boxes with numbers that are not finite are left to the rule ``finite``.
    """
    sizes = images.unique("image").select("image", image_width="width", image_height="height")
    both = boxes.join(sizes, on="image", how="left", maintain_order="left")
    numbers = pl.all_horizontal(pl.col("x", "y", "width", "height").is_finite().fill_null(False))
    over_left = pl.min_horizontal("x", "y") < -tolerance_px
    over_right = pl.col("x") + pl.col("width") > pl.col("image_width") + tolerance_px
    over_bottom = pl.col("y") + pl.col("height") > pl.col("image_height") + tolerance_px
    over = over_left | over_right | over_bottom
    # within the tolerance, and yet nothing of it in the image
    sized = pl.min_horizontal("width", "height") > 0
    beyond = (pl.min_horizontal(pl.col("x") + pl.col("width"), pl.col("y") + pl.col("height")) <= 0) | (
        (pl.col("x") >= pl.col("image_width")) | (pl.col("y") >= pl.col("image_height"))
    )
    conditions = (
        ("outside_the_image", "x, y, width, height", numbers & (over | (sized & beyond))),
        ("image_unknown", "image", pl.col("image_width").is_null()),
        ("box_id_twice", "box", ~pl.col("box").is_first_distinct()),
        ("category_unknown", "category", ~pl.col("category").is_in(list(categories))),
    )
    found = [empty_failures()]
    for rule, column, condition in conditions:
        rows = both.with_row_index("index").filter(condition)
        value = pl.concat_str([pl.col(name).cast(pl.String) for name in column.split(", ")], separator=", ")
        found.append(rows.select("index", rule=pl.lit(rule), column=pl.lit(column), value=value).cast(FAILURE_SCHEMA))  # type: ignore[arg-type]
    return pl.concat(found)


def clipped(boxes: pl.DataFrame, images: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """Boxes cut at the edges of their images, and how many were cut. For boxes within the tolerance."""
    sizes = images.unique("image").select("image", image_width="width", image_height="height")
    both = boxes.join(sizes, on="image", how="left", maintain_order="left")
    left, top = (pl.col(name).clip(lower_bound=0) for name in ("x", "y"))
    right = pl.min_horizontal(pl.col("x") + pl.col("width"), pl.col("image_width"))
    bottom = pl.min_horizontal(pl.col("y") + pl.col("height"), pl.col("image_height"))
    over = both.select(
        (pl.col("x") < 0)
        | (pl.col("y") < 0)
        | (right < pl.col("x") + pl.col("width"))
        | (bottom < pl.col("y") + pl.col("height"))
    ).to_series()
    # only where a box is over: to compute every width anew would change the last bit of those that are not
    cut = both.with_columns(over.alias("over")).with_columns(
        pl.when("over").then(new).otherwise(pl.col(name)).alias(name)
        for name, new in (("x", left), ("y", top), ("width", right - left), ("height", bottom - top))
    )
    return cut.select(boxes.columns), int(over.sum())
