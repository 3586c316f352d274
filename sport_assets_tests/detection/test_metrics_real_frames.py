"""Evaluation on the real labels of 114 stretched broadcast frames, with answers made from them."""

import csv
from pathlib import Path

import cv2
import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from sport_assets.detection.categories import BALL, PLAYER
from sport_assets.detection.coco import Labels
from sport_assets.detection.detector_report import Detector, summary
from sport_assets.detection.error_pictures import draw_cases
from sport_assets.detection.error_report import classify, summarise, worst_cases
from sport_assets.detection.floor_baseline import mean_box_baseline
from sport_assets.detection.precision_recall import choose_thresholds
from sport_assets_tests.detection.made_up_boxes import box_row, random_answers

pytestmark = pytest.mark.real_data
SIDE = 1280


@pytest.fixture(scope="module")
def frames(real_data: Path) -> Path:
    return real_data / "video" / "frames"


@pytest.fixture(scope="module")
def labels(frames: Path) -> Labels:
    images: list[dict[str, object]] = []
    boxes: list[dict[str, object]] = []
    with (frames / "manifest.csv").open(encoding="utf-8") as file:
        for number, row in enumerate(csv.DictReader(file), start=1):
            images.append(
                {
                    "image": number,
                    "file_name": row["file"],
                    "width": SIDE,
                    "height": SIDE,
                    "video": row["source_clip"],
                    "true_aspect": 16 / 9,
                }
            )
            for line in (frames / "labels" / row["file"]).with_suffix(".txt").read_text().splitlines():
                kind, x, y, width, height = (float(value) * SIDE for value in line.split()[:5])
                category = BALL if kind == 0 else PLAYER
                boxes.append(box_row(len(boxes) + 1, number, category, (x - width / 2, y - height / 2, width, height)))
    return Labels.of(images, boxes)


def clips(labels: Labels, chosen: list[str]) -> Labels:
    images = labels.images.filter(pl.col("video").is_in(chosen))
    return Labels(images, labels.boxes.join(images, on="image", how="semi"), labels.categories)


def test_real_labels_can_be_reported_on(labels: Labels, frames: Path, tmp_path: Path) -> None:
    names = labels.images["video"].unique().sort().to_list()
    assert len(names) == 10 and len(labels.images) == 114
    train, validation, test = (clips(labels, names[start::3]) for start in range(3))
    answers = random_answers(test, 1, jitter=0.08, ghosts=12)
    model = Detector(answers, choose_thresholds(validation, random_answers(validation, 2, jitter=0.08)))
    floor = Detector.without_thresholds(mean_box_baseline(train, test.images), test)
    found = summary(test, model, {"mean_box": floor}, resamples=100)
    ball = found["metrics"]["ball"]
    assert ball["recall_10px"]["value"] >= ball["recall"]["value"] > 0
    assert found["samples"]["boxes"]["ball"]["tiny"] > 0.9 * found["samples"]["boxes"]["ball"]["all"]
    assert found["baselines"]["mean_box"]["player"]["ap50"]["value"] < 0.2
    assert found["differences"]["mean_box"]["player"]["ap50"]["low"] > 0

    def read(image: int) -> NDArray[np.uint8]:
        name = test.images.filter(pl.col("image") == image)["file_name"].item()
        picture = cv2.imread(str(frames / "images" / name))
        assert picture is not None
        return np.asarray(picture, np.uint8)

    errors = classify(test, answers, {PLAYER: 0.3, BALL: 0.3}, read_image=read)
    ghosts = summarise(errors, test.categories)["ghost_balls"]
    assert ghosts["all"] > 0 and ghosts["at_line"] is not None
    draw_cases(worst_cases(errors, 4), errors, test, read, tmp_path / "worst.png")
    assert (tmp_path / "worst.png").stat().st_size > 100_000
