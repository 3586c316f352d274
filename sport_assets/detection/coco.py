"""Images and the boxes in them as two tables, and their form on disk: COCO's detection format.

Belongs here: the tables, reading and writing COCO JSON, results JSON. Must not come here: other formats
(``label_formats``), rules that a data set must keep (``schemas``), merging and splitting.

Boxes are in pixels of their image, top-left corner first, x to the right and y down, edges (not pixel centres): the box
of the pixel at the origin is (0, 0, 1, 1).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from sport_assets.detection.categories import CATEGORIES
from sport_assets.detection.errors import BadLabelsError
from sport_assets.lineage.digest import canonical_json

IMAGE_COLUMNS: dict[str, pl.DataType] = {
    "image": pl.Int64(),  # id, from 1
    "file_name": pl.String(),  # relative to the folder that the file of labels lies in
    "width": pl.Int64(),
    "height": pl.Int64(),
    "video": pl.String(),  # the video or source clip, which must not be on two sides of a split
    "frame": pl.Int64(),  # number in the video, from 0; null for images of no video
    "time_ms": pl.Float64(),  # presentation time in the video; null for images of no video
    "sha256": pl.String(),  # of the image file; null where it was not hashed
    "source": pl.String(),  # reviewed, labelled or pseudo; null where nobody said
    "true_aspect": pl.Float64(),  # width / height before the image was stretched; null where it was not
}
BOX_COLUMNS: dict[str, pl.DataType] = {
    "box": pl.Int64(),  # id, from 1
    "image": pl.Int64(),
    "category": pl.Int64(),
    "x": pl.Float64(),
    "y": pl.Float64(),
    "width": pl.Float64(),
    "height": pl.Float64(),
    "score": pl.Float64(),  # 0 to 1; null for what a person drew
    "crowd": pl.Boolean(),
}
_OPTIONAL: dict[str, Any] = {
    "video": str,
    "frame": int,
    "time_ms": int | float,
    "sha256": str,
    "source": str,
    "true_aspect": int | float,
}
_MOST = 2**53
"""Larger whole numbers are none that any tool counts images in, and JSON readers disagree on them."""


@dataclass(frozen=True)
class Labels:
    """Images (``IMAGE_COLUMNS``) and boxes (``BOX_COLUMNS``), each sorted by id. An image may have no box."""

    images: pl.DataFrame
    boxes: pl.DataFrame
    categories: Mapping[int, str]

    @classmethod
    def of(
        cls,
        images: Sequence[Mapping[str, Any]],
        boxes: Sequence[Mapping[str, Any]],
        categories: Mapping[int, str] = CATEGORIES,
    ) -> "Labels":
        """From rows; what a row leaves away is null (``crowd``: False)."""
        image_rows = [{name: row.get(name) for name in IMAGE_COLUMNS} for row in images]
        box_rows = [{**{name: row.get(name) for name in BOX_COLUMNS}, "crowd": bool(row.get("crowd"))} for row in boxes]
        return cls(
            pl.DataFrame(image_rows, schema=IMAGE_COLUMNS).sort("image"),
            pl.DataFrame(box_rows, schema=BOX_COLUMNS).sort("box"),
            dict(sorted(categories.items())),
        )


def read_coco(path: Path) -> Labels:
    """Labels from a COCO detection file (also one with scores, as pseudo-labels have them).

    Raises ``BadLabelsError`` that names the file and the image, annotation or key that is wrong. That boxes lie inside
    their images and the like is not asked here (``schemas``), so that an import can tell all that is wrong at once.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadLabelsError(f"{path}: cannot be read ({error.strerror or error}). Give a COCO JSON file.") from error
    return parse_coco(data, str(path))[0]


@dataclass(frozen=True)
class Unusable:
    """An annotation whose ``bbox`` is none: id, image, category, what stands there, and the rule that it breaks."""

    box: int
    image: int
    category: int
    bbox: Any
    rule: str


def parse_coco(data: bytes, file: str, *, foreign: bool = False) -> tuple[Labels, list[Unusable]]:
    """As ``read_coco``, from the bytes of a file; ``file`` is its name for messages.

    ``foreign``: another tool wrote it. An annotation without a box is told of then, in place of a refusal, and where
    an image has an entry of another kind under a name that is optional here, it means something else and is left out.
    """
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BadLabelsError(f"{file}: not JSON ({error}). Export the labels again as COCO.") from error
    if not isinstance(content, dict):
        raise BadLabelsError(
            f"{file}: a {type(content).__name__} where COCO has an object with images, annotations and categories. "
            "A list of results is a prediction, not a data set."
        )
    for key in ("images", "annotations", "categories"):
        if not isinstance(content.get(key), list):
            raise BadLabelsError(f"{file}: no list {key!r}. COCO has images, annotations and categories.")
    categories = _categories(file, content["categories"])
    images = [_image(file, number, entry, foreign) for number, entry in enumerate(content["images"])]
    _unique(file, "image id", [image["image"] for image in images])
    annotations = [_annotation(file, number, entry) for number, entry in enumerate(content["annotations"])]
    _unique(file, "annotation id", [box["box"] for box in annotations])
    known = {image["image"] for image in images}
    for box in annotations:
        if box["image"] not in known:
            raise BadLabelsError(
                f"{file}: annotation {box['box']} is of image {box['image']}, which is not among the images"
            )
        if box["category"] not in categories:
            raise BadLabelsError(
                f"{file}: annotation {box['box']} has category {box['category']}; there are {sorted(categories)}"
            )
    boxes, unusable = [], []
    for box in annotations:
        rule = _no_box(box["bbox"])
        if rule is None:
            boxes.append({**box, **dict(zip(("x", "y", "width", "height"), map(float, box["bbox"]), strict=True))})
        elif foreign:
            unusable.append(Unusable(box["box"], box["image"], box["category"], box["bbox"], rule))
        else:
            raise BadLabelsError(
                f"{file}: annotation {box['box']}: bbox is {box['bbox']!r}, not four finite numbers x, y, w, h"
            )
    return Labels.of(images, boxes, categories), unusable


def write_coco(labels: Labels, path: Path) -> None:
    """Write labels as a COCO file whose bytes follow from the labels alone."""
    images = [
        {
            "id": row["image"],
            **{name: row[name] for name in ("file_name", "width", "height")},
            **{name: row[name] for name in _OPTIONAL if row[name] is not None},
        }
        for row in labels.images.iter_rows(named=True)
    ]
    annotations = [
        {
            "id": row["box"],
            "image_id": row["image"],
            "category_id": row["category"],
            "bbox": [row["x"], row["y"], row["width"], row["height"]],
            "area": row["width"] * row["height"],
            "iscrowd": int(row["crowd"]),
            **({} if row["score"] is None else {"score": row["score"]}),
        }
        for row in labels.boxes.iter_rows(named=True)
    ]
    categories = [{"id": number, "name": name} for number, name in labels.categories.items()]
    content = {"images": images, "annotations": annotations, "categories": categories}
    path.write_text(canonical_json(content) + "\n", encoding="utf-8")


def results(boxes: pl.DataFrame) -> list[dict[str, Any]]:
    """Scored boxes as COCO results. Boxes without area are left out: COCO's tools choke on them."""
    return [
        {
            "image_id": row["image"],
            "category_id": row["category"],
            "bbox": [row["x"], row["y"], row["width"], row["height"]],
            "score": row["score"],
        }
        for row in boxes.iter_rows(named=True)
        if row["width"] > 0 and row["height"] > 0
    ]


def _categories(file: str, entries: Sequence[Any]) -> dict[int, str]:
    found: dict[int, str] = {}
    for number, entry in enumerate(entries):
        identifier, name = _field(file, "categories", number, entry, "id", int), entry.get("name")
        if not isinstance(name, str) or not name:
            raise BadLabelsError(f"{file}: categories[{number}] has no name")
        if identifier in found:
            raise BadLabelsError(f"{file}: two categories have the id {identifier}: {found[identifier]}, {name}")
        found[identifier] = name
    return found


def _image(file: str, number: int, entry: Any, foreign: bool) -> dict[str, Any]:
    row = {"image": _field(file, "images", number, entry, "id", int)}
    row["file_name"] = _field(file, "images", number, entry, "file_name", str)
    for name in ("width", "height"):
        row[name] = _field(file, "images", number, entry, name, int)
        if row[name] <= 0:
            raise BadLabelsError(f"{file}: image {row['image']} ({row['file_name']}): {name} is {row[name]}")
    for name in _OPTIONAL:
        row[name] = entry.get(name)
        kind = _OPTIONAL[name]
        right = isinstance(row[name], kind) and (kind is str or _finite(row[name]))
        if foreign and not right:
            row[name] = None
        elif row[name] is not None and not right:
            raise BadLabelsError(f"{file}: image {row['image']} ({row['file_name']}): {name} is {row[name]!r}")
    return row


def _no_box(bbox: Any) -> str | None:
    """The rule that a bbox breaks, or None where it is one."""
    if not isinstance(bbox, list) or len(bbox) != 4:
        return "not_a_box"
    if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in bbox):
        return "not_a_number"
    return None if all(map(_finite, bbox)) else "finite"


def _annotation(file: str, number: int, entry: Any) -> dict[str, Any]:
    identifier = _field(file, "annotations", number, entry, "id", int)
    score = entry.get("score")
    if score is not None and not (_finite(score) and 0 <= score <= 1):
        raise BadLabelsError(f"{file}: annotation {identifier}: score is {score!r}, not a number from 0 to 1")
    crowd = entry.get("iscrowd", 0)
    if crowd not in (0, 1):
        raise BadLabelsError(f"{file}: annotation {identifier}: iscrowd is {crowd!r}, not 0 or 1")
    return {
        "box": identifier,
        "image": _field(file, "annotations", number, entry, "image_id", int),
        "category": _field(file, "annotations", number, entry, "category_id", int),
        "bbox": entry.get("bbox"),
        "score": None if score is None else float(score),
        "crowd": bool(crowd),
    }


def _field(file: str, group: str, number: int, entry: Any, name: str, kind: type) -> Any:
    value = entry.get(name) if isinstance(entry, dict) else None
    if kind is int and isinstance(value, float) and value.is_integer():
        value = int(value)  # some tools write all numbers alike
    if not isinstance(value, kind) or isinstance(value, bool):
        raise BadLabelsError(f"{file}: {group}[{number}]: {name} is {value!r}, not {kind.__name__}")
    if kind is int and not _finite(value):
        raise BadLabelsError(f"{file}: {group}[{number}]: {name} is {value}, too large to be one")
    return value


def _finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _MOST


def _unique(file: str, what: str, values: Sequence[int]) -> None:
    if len(set(values)) != len(values):
        seen: set[int] = set()
        twice = next(value for value in values if value in seen or seen.add(value))  # type: ignore[func-returns-value]
        raise BadLabelsError(f"{file}: {what} {twice} is there twice")
