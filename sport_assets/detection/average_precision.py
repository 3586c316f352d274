"""COCO's figures: average precision and recall over all images, by category and by size of the true box.

Belongs here: running COCO's protocol (faster-coco-eval) and naming its figures. Must not come here: other rulers than
overlap, thresholds (``precision_recall``), intervals (``bootstrap``).

Boxes of a size are those with such a true area; predictions outside of it that match none are left out. ``small``,
``medium`` and ``large`` are COCO's; ``tiny`` is the part of ``small`` below 16 x 16 pixels. Areas are of the images as
stored, so that any COCO tool gives the same from the same files.
"""

from typing import Any

import numpy as np
import polars as pl

from sport_assets.detection.coco import Labels
from sport_assets.detection.scored_boxes import MEDIUM_PX, SIZES, SMALL_PX, TINY_PX, checked

ALL = "all"
LARGEST_AREA = 1e5**2
SIZE_AREAS: dict[str, tuple[float, float]] = dict(
    zip(
        SIZES,
        (
            (0.0, float(np.nextafter(TINY_PX**2, 0))),  # COCO's limits belong to both sides; 16 x 16 is not tiny
            (0.0, float(SMALL_PX**2)),
            (float(SMALL_PX**2), float(MEDIUM_PX**2)),
            (float(MEDIUM_PX**2), LARGEST_AREA),
        ),
        strict=True,
    )
)
MOST_DETECTIONS = (1, 10, 100)
Figures = dict[str, dict[str, float | None]]


def coco_figures(truth: Labels, predictions: pl.DataFrame) -> Figures:
    """COCO's figures by group: ``all``, each category by name, each size, each ``category_size``.

    ``ap`` (mean over IoU 0.50 to 0.95 in steps of 0.05), ``ap50``, ``ap75``, ``average_recall`` (same IoUs, at most 100
    predictions an image and category), and for ``all`` and categories ``average_recall_1`` and ``_10``. Images without
    a prediction count. None where the group has no true box: precision and recall are not defined there; ``all`` and
    sizes are means over the categories that have some. Without predictions every figure of a group with truth is 0.
    Raises ``BadLabelsError`` for predictions that do not fit the labels.
    """
    from faster_coco_eval import COCO, COCOeval_faster

    found = checked(truth, predictions)
    images = [{"id": image} for image in truth.images["image"].to_list()]
    categories = [{"id": number, "name": name} for number, name in truth.categories.items()]
    sides = [
        COCO({"images": images, "categories": categories, "annotations": _annotations(table)})
        for table in (truth.boxes, found)
    ]
    evaluation = COCOeval_faster(*sides, iouType="bbox", print_function=_silent)
    evaluation.params.maxDets = list(MOST_DETECTIONS)
    evaluation.params.areaRng = [[0.0, LARGEST_AREA], *map(list, SIZE_AREAS.values())]
    evaluation.params.areaRngLbl = [ALL, *SIZE_AREAS]
    evaluation.evaluate()
    evaluation.accumulate()
    return named_figures(evaluation, truth)


def named_figures(evaluation: Any, truth: Labels) -> Figures:
    """The figures of a COCO evaluation over ``all`` areas and ``SIZE_AREAS``, whose arrays are precision
    [IoU, recall, category, area, limit] and recall [IoU, category, area, limit] with -1 where nothing is defined."""
    counts = evaluation.eval["counts"]
    precision = np.asarray(evaluation.eval["precision"]).reshape(counts)
    recall = np.asarray(evaluation.eval["recall"]).reshape([counts[0], *counts[2:]])
    ids = list(evaluation.params.catIds)
    chosen = {ALL: slice(None), **{name: [ids.index(number)] for number, name in truth.categories.items()}}

    def figures(which: Any, area: int) -> dict[str, float | None]:
        found = {
            "ap": _mean(precision[:, :, which, area, -1]),
            "ap50": _mean(precision[0][:, which, area, -1]),
            "ap75": _mean(precision[5][:, which, area, -1]),
            "average_recall": _mean(recall[:, which, area, -1]),
        }
        if area == 0:
            few = enumerate(MOST_DETECTIONS[:-1])
            found |= {f"average_recall_{most}": _mean(recall[:, which, 0, place]) for place, most in few}
        return found

    groups = {name: figures(which, 0) for name, which in chosen.items()}
    for number, size in enumerate(SIZE_AREAS, start=1):
        for name, which in chosen.items():
            groups[size if name == ALL else f"{name}_{size}"] = figures(which, number)
    return groups


def _annotations(boxes: pl.DataFrame) -> list[dict[str, Any]]:
    # numbered anew from 1: COCO's tools take the id 0 for "not matched"
    columns = [boxes[name].to_list() for name in ("image", "category", "x", "y", "width", "height", "crowd", "score")]
    return [
        {
            "id": number,
            "image_id": image,
            "category_id": category,
            "bbox": [x, y, width, height],
            "area": width * height,
            "iscrowd": int(crowd),
            "score": score,
        }
        for number, (image, category, x, y, width, height, crowd, score) in enumerate(zip(*columns, strict=True), 1)
    ]


def _mean(values: np.ndarray) -> float | None:
    defined = values[values > -1]
    return float(defined.mean()) if defined.size else None


def _silent(*_: Any) -> None:
    """Its progress lines are no news here."""
