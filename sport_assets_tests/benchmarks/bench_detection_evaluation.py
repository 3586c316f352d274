"""CPU-seconds to evaluate a detector on 1,000 images: COCO's figures beside pycocotools, thresholds, intervals, errors.

Images are generated: 22 players and a ball each, a detector's answers with jitter, misses, duplicates and ghosts. Goal:
COCO's figures in at most 2 CPU-seconds. Times are CPU time of all threads, the best of three.
"""

from __future__ import annotations

import contextlib
import io
import time
from collections.abc import Callable

import numpy as np
import polars as pl

from sport_assets.detection.average_precision import LARGEST_AREA, SIZE_AREAS, coco_figures, named_figures
from sport_assets.detection.categories import BALL, PLAYER
from sport_assets.detection.clip_bootstrap import RESAMPLES, figures, intervals
from sport_assets.detection.coco import Labels, results
from sport_assets.detection.error_report import classify
from sport_assets.detection.matching import HALF_OVERLAP, match
from sport_assets.detection.precision_recall import at_thresholds, choose_thresholds

IMAGES, PLAYERS, CLIPS = 1000, 22, 20
GOAL_CPU_S = 2.0


def scene(seed: int = 0) -> tuple[Labels, pl.DataFrame]:
    """Labels of ``IMAGES`` images and about as many predictions as true boxes, half of them ghosts again."""
    rng = np.random.default_rng(seed)
    count = IMAGES * (PLAYERS + 1)
    ball = np.tile(np.arange(PLAYERS + 1) == PLAYERS, IMAGES)
    height = np.where(ball, rng.uniform(5, 15, count), rng.uniform(30, 120, count))
    width = np.where(ball, height, height * 0.4)
    place = np.stack([rng.uniform(0, 1800, count), rng.uniform(0, 950, count), width, height], axis=1)
    image, category = np.repeat(np.arange(1, IMAGES + 1), PLAYERS + 1), np.where(ball, BALL, PLAYER)

    def table(rows: np.ndarray, boxes: np.ndarray, score: np.ndarray | None) -> pl.DataFrame:
        columns = dict(zip(("x", "y", "width", "height"), boxes.T, strict=True))
        return pl.DataFrame(
            {"box": np.arange(1, len(rows) + 1), "image": image[rows], "category": category[rows], **columns}
        ).with_columns(score=pl.Series(score) if score is not None else pl.lit(None, pl.Float64), crowd=pl.lit(False))

    every = np.arange(count)
    images = [
        {"image": n, "file_name": f"{n}.jpg", "width": 1920, "height": 1080, "video": f"clip {n % CLIPS}"}
        for n in range(1, IMAGES + 1)
    ]
    truth = Labels(Labels.of(images, []).images, table(every, place, None), {PLAYER: "player", BALL: "ball"})
    found = np.flatnonzero(rng.random(count) < 0.9)
    ghosts = rng.integers(count, size=count // 2)
    boxes = np.concatenate([place[found] + rng.normal(0, 0.08, (len(found), 4)) * height[found, None], place[ghosts]])
    boxes[len(found) :, :2] = rng.uniform(0, 950, (len(ghosts), 2))
    score = np.concatenate([rng.beta(5, 2, len(found)), rng.beta(2, 5, len(ghosts))])
    return truth, table(np.concatenate([found, ghosts]), np.abs(boxes), score)


def seconds(function: Callable[[], object], repeats: int = 3) -> float:
    """CPU-seconds of all threads, the best of some."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        function()
        times.append(time.process_time() - start)
    return min(times)


def main() -> None:
    """Print the figures."""
    truth, predictions = scene()
    print(f"{IMAGES:,} images, {len(truth.boxes):,} true boxes, {len(predictions):,} predictions, {CLIPS} clips")
    ours = seconds(lambda: coco_figures(truth, predictions))
    theirs = seconds(lambda: _by_pycocotools(truth, predictions), 1)
    ratio = theirs / ours
    print(f"COCO's figures, all groups: {ours:.2f} CPU-s (goal {GOAL_CPU_S}), pycocotools {theirs:.2f}: {ratio:.0f} x")
    one, other = coco_figures(truth, predictions), _by_pycocotools(truth, predictions)
    gaps = [
        abs((value or 0.0) - (other[group][metric] or 0.0)) for group in one for metric, value in one[group].items()
    ]
    print(f"    largest difference of {len(gaps)} figures: {max(gaps):.1e}")
    chosen = choose_thresholds(truth, predictions)
    measured = figures(truth, predictions, chosen)
    for what, function in {
        "matching under one ruler": lambda: match(truth, predictions, HALF_OVERLAP),
        "thresholds": lambda: choose_thresholds(truth, predictions),
        "figures at thresholds": lambda: at_thresholds(truth, predictions, chosen),
        "figures by clip weights": lambda: figures(truth, predictions, chosen),
        f"intervals of {len(measured.functions)} figures, {RESAMPLES} resamples": lambda: intervals(measured),
        "error report": lambda: classify(truth, predictions, chosen),
    }.items():
        print(f"{what}: {seconds(function, 1):.2f} CPU-s")


def _by_pycocotools(truth: Labels, predictions: pl.DataFrame) -> dict[str, dict[str, float | None]]:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        labels = COCO()
        labels.dataset = {
            "images": [{"id": image} for image in truth.images["image"].to_list()],
            "categories": [{"id": number, "name": name} for number, name in truth.categories.items()],
            "annotations": [
                {**row, "id": number, "area": row["bbox"][2] * row["bbox"][3], "iscrowd": 0}
                for number, row in enumerate(results(truth.boxes), start=1)
            ],
        }
        labels.createIndex()
        evaluation = COCOeval(labels, labels.loadRes(results(predictions)), "bbox")
        evaluation.params.areaRng = [[0.0, LARGEST_AREA], *map(list, SIZE_AREAS.values())]
        evaluation.params.areaRngLbl = ["all", *SIZE_AREAS]
        evaluation.evaluate()
        evaluation.accumulate()
    return named_figures(evaluation, truth)


if __name__ == "__main__":
    main()
