"""What a written COCO data set is worth: its checks and its statistics, from the files themselves.

Belongs here: checks and figures of a folder of sides. Must not come here: making it (``dataset``).
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from sport_assets.detection.annotation_schemas import BOXES, IMAGES, relation_failures
from sport_assets.detection.categories import BALL, CATEGORIES
from sport_assets.detection.coco import Labels, read_coco
from sport_assets.detection.dataset_split import LEAKAGE, NO_LEAKAGE, SIDES, no_video_on_two_sides
from sport_assets.detection.near_duplicates import WITHIN_BITS, nearest_across, perceptual_hashes
from sport_assets.lineage.checks import SAMPLE_ROWS, CheckResult
from sport_assets.lineage.digest import sha256_file
from sport_assets.lineage.quarantine import failures

COCO_FILE = "_annotations.coco.json"
SIZES: Mapping[str, tuple[float, float]] = {
    "tiny": (0, 16),
    "small": (16, 32),
    "medium": (32, 96),
    "large": (96, float("inf")),
}
"""Sizes of boxes by the square root of their area in pixels: COCO's, with what is below 16 apart from small."""
HISTOGRAM_PX = (0, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 256, 512)
"""Lower edges of the bins of the histogram of square roots of areas, in pixels; the last bin is open."""

_ROUNDING_PX = 0.01

CHECKS: dict[str, tuple[bool, str]] = {
    "annotations_left": (True, "There are boxes on every side."),
    "annotations_keep_the_rules": (
        True,
        "Ids are there once, boxes have an area and lie in their image, scores are from 0 to 1, categories are known.",
    ),
    "files_and_entries_agree": (True, "No image entry is without its file, no image file without its entry."),
    "categories_in_train": (True, "Players and balls are both in train."),
    "categories_on_every_side": (False, "Players and balls are on every side."),
    NO_LEAKAGE: (True, LEAKAGE),
    "teacher_videos_not_evaluated_on": (True, "No video that a teacher was trained on is on valid or test."),
    "no_identical_image_on_two_sides": (True, "No image file is on two sides."),
    "no_near_duplicates_across_sides": (
        False,
        f"No image has a near-duplicate on another side: a perceptual hash that differs in at most {WITHIN_BITS} of 64 "
        "bits. A static camera makes images of different videos look alike: look at the pairs.",
    ),
}
"""Every check of a data set: blocking or not, and its description."""


def read_sides(folder: Path) -> dict[str, Labels]:
    """The labels of each side that is there. Raises ``BadLabelsError`` for a file that is no COCO file."""
    return {side: read_coco(folder / side / COCO_FILE) for side in SIDES if (folder / side / COCO_FILE).is_file()}


def dataset_checks(folder: Path, teacher_videos: Collection[str] = ()) -> tuple[CheckResult, ...]:
    """The results of CHECKS, in their order, for a folder of sides as ``write_dataset`` writes it."""
    sides = read_sides(folder)
    images = pl.concat([labels.images.with_columns(side=pl.lit(side)) for side, labels in sides.items()])
    leakage = no_video_on_two_sides(images.select("side", "video").iter_rows())
    taught = images.filter(pl.col("video").is_in(list(teacher_videos)) & (pl.col("side") != "train"))
    seen = {side: set(labels.boxes["category"]) for side, labels in sides.items()}
    lacking = [
        {"rule": "category_missing", "side": side, "category": name}
        for side in sides
        for number, name in CATEGORIES.items()
        if number not in seen[side]
    ]
    return (
        _result(
            "annotations_left",
            [{"rule": "no_annotations", "side": side} for side, labels in sides.items() if labels.boxes.is_empty()],
            len(sides),
        ),
        _result("annotations_keep_the_rules", list(_broken(sides)), sum(len(each.boxes) for each in sides.values())),
        _result("files_and_entries_agree", list(_files(folder, sides)), len(images)),
        _result("categories_in_train", [row for row in lacking if row["side"] == "train"], len(CATEGORIES)),
        _result("categories_on_every_side", lacking, len(CATEGORIES) * len(sides)),
        leakage,
        _result(
            "teacher_videos_not_evaluated_on",
            [
                {"rule": "teacher_video_on_another_side", "video": video, "side": side}
                for video, side in taught.select("video", "side").unique().sort("video", "side").iter_rows()
            ],
            images["video"].n_unique(),
        ),
        *_alike(folder, images),
    )


def statistics(sides: Mapping[str, Labels]) -> dict[str, Any]:
    """Per side: images, with and without a ball, videos, sources; per category: boxes, by size, histogram of sizes."""
    found: dict[str, Any] = {"sizes_px": {name: low for name, (low, _) in SIZES.items()}, "histogram_px": HISTOGRAM_PX}
    for side, labels in sides.items():
        with_ball = labels.boxes.filter(category=BALL)["image"].n_unique()
        found[side] = {
            "images": len(labels.images),
            "images_with_ball": with_ball,
            "images_without_ball": len(labels.images) - with_ball,
            "images_without_boxes": len(labels.images) - labels.boxes["image"].n_unique(),
            "videos": labels.images["video"].n_unique(),
            "images_by_source": dict(sorted(Counter(labels.images["source"]).items())),
            "boxes": len(labels.boxes),
            "by_category": {
                name: _box_figures(labels.boxes.filter(category=number)) for number, name in labels.categories.items()
            },
        }
    return found


def _box_figures(boxes: pl.DataFrame) -> dict[str, Any]:
    sizes = (boxes["width"] * boxes["height"]).sqrt().to_numpy()
    figures: dict[str, Any] = {
        "boxes": len(boxes),
        "by_size": {name: int(((sizes >= low) & (sizes < high)).sum()) for name, (low, high) in SIZES.items()},
        "histogram": np.histogram(sizes, bins=[*HISTOGRAM_PX, np.inf])[0].tolist(),
    }
    if len(boxes):
        sides = {name: float(np.median(boxes[name].to_numpy())) for name in ("width", "height")}
        figures |= {f"median_{name}_px": round(median, 3) for name, median in sides.items()}
    return figures


def _broken(sides: Mapping[str, Labels]) -> Iterator[dict[str, Any]]:
    for side, labels in sides.items():
        relations = relation_failures(labels.boxes, labels.images, labels.categories, _ROUNDING_PX)
        of_boxes = pl.concat([failures(labels.boxes, BOXES), relations])
        for ids, table in ((labels.images["image"], failures(labels.images, IMAGES)), (labels.boxes["box"], of_boxes)):
            for row in table.sort("index", "rule", "column").iter_rows(named=True):
                which = None if row["index"] is None else ids[row["index"]]
                yield {
                    "rule": row["rule"],
                    "side": side,
                    ids.name: which,
                    "column": row["column"],
                    "value": row["value"],
                }


def _files(folder: Path, sides: Mapping[str, Labels]) -> Iterator[dict[str, Any]]:
    for side, labels in sides.items():
        there = {path.name for path in (folder / side).iterdir() if path.is_file()} - {COCO_FILE}
        named = Counter(labels.images["file_name"])
        rules = (
            ("entry_without_file", set(named) - there),
            ("file_without_entry", there - set(named)),
            ("file_named_twice", {name for name, count in named.items() if count > 1}),
        )
        for rule, names in rules:
            for name in sorted(names):
                yield {"rule": rule, "side": side, "file_name": name}


def _alike(folder: Path, images: pl.DataFrame) -> tuple[CheckResult, CheckResult]:
    """The checks of images that are on two sides, as they are or nearly."""
    rows = [
        (side, name)
        for side, name in images.select("side", "file_name").iter_rows()
        if (folder / side / name).is_file()  # one that is not is told by another check
    ]
    paths = [folder / side / name for side, name in rows]
    of_digest: dict[str, list[tuple[str, str]]] = {}
    for row, path in zip(rows, paths, strict=True):
        of_digest.setdefault(sha256_file(path), []).append(row)
    identical = [
        {"rule": "identical_image", "sha256": digest, "images": [f"{side}/{name}" for side, name in same]}
        for digest, same in sorted(of_digest.items())
        if len({side for side, _ in same}) > 1
    ]
    groups = np.array([SIDES.index(side) for side, _ in rows], np.int64)
    near = [
        {
            "rule": "near_duplicate",
            "images": [f"{side}/{name}" for side, name in (rows[pair.first], rows[pair.second])],
            "bits": pair.bits,
        }
        for pair in nearest_across(perceptual_hashes(paths), groups)
    ]
    return (
        _result("no_identical_image_on_two_sides", identical, len(rows)),
        _result("no_near_duplicates_across_sides", near, len(rows)),
    )


def _result(name: str, found: Sequence[Mapping[str, Any]], checked: int) -> CheckResult:
    blocking, description = CHECKS[name]
    return CheckResult(
        name,
        not found,
        blocking,
        description,
        failed=len(found),
        checked=checked,
        rules=dict(sorted(Counter(row["rule"] for row in found).items())),
        sample=[{key: value for key, value in row.items() if value is not None} for row in found[:SAMPLE_ROWS]],
    )
