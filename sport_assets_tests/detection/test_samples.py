"""A side of a data set as training samples: what the network sees, and what it must not be taught."""

from pathlib import Path

import cv2
import numpy as np
import polars as pl
import pytest

from sport_assets.detection.augmentation.settings import AugmentationSettings
from sport_assets.detection.categories import BALL, PLAYER
from sport_assets.detection.coco import Labels, write_coco
from sport_assets.detection.samples import Side, TrainingImages, ValidationImages
from sport_assets.detection.settings import DataSettings
from sport_assets_tests.detection.tiny_dataset import tiny_dataset


def side_of(folder: Path, boxes: list[dict[str, object]], width: int = 96, height: int = 64) -> Side:
    """A side of one image with these boxes."""
    (folder / "train").mkdir(parents=True)
    cv2.imwrite(str(folder / "train" / "a.png"), np.full((height, width, 3), 90, np.uint8))
    image = {"image": 1, "file_name": "a.png", "width": width, "height": height, "video": "a"}
    rows = [{"box": number, "image": 1, **box} for number, box in enumerate(boxes, start=1)]
    write_coco(Labels.of([image], rows), folder / "train" / "_annotations.coco.json")
    return Side(folder, "train")


def test_targets_are_shares_of_the_image(tmp_path: Path) -> None:
    side = side_of(tmp_path, [{"category": BALL, "x": 24, "y": 16, "width": 48, "height": 32}])
    batch = ValidationImages(side, 32, DataSettings()).batch(np.array([0]))
    assert batch["images"].shape == (1, 3, 32, 32)
    np.testing.assert_allclose(batch["boxes"][0], [[0.5, 0.5, 0.5, 0.5]])
    assert batch["labels"].tolist() == [[1]], "player 0, ball 1; the background's column is no category's"
    assert batch["size"].tolist() == [[96, 64]]


def test_a_crowd_is_no_object_to_learn(tmp_path: Path) -> None:
    side = side_of(
        tmp_path,
        [
            {"category": PLAYER, "x": 0, "y": 0, "width": 90, "height": 60, "crowd": True},
            {"category": PLAYER, "x": 5, "y": 5, "width": 10, "height": 20},
        ],
    )
    assert len(side.sample(0).boxes) == 1
    assert len(side.labels.boxes) == 2, "evaluation knows it"


def test_a_ball_under_a_pixel_is_counted_as_lost(tmp_path: Path) -> None:
    side = side_of(tmp_path, [{"category": BALL, "x": 50, "y": 50, "width": 7, "height": 6}], 640, 384)
    assert (side.balls_seen(32), side.balls_seen(128)) == (0, 1)
    batch = TrainingImages(side, 32, DataSettings(), AugmentationSettings.none(), seed=0).batch(np.array([0]))
    assert batch["augmented_balls"].tolist() == [[1, 0]]
    assert batch["labels"].size == 0


def test_images_with_a_ball_weigh_more(tmp_path: Path) -> None:
    side = Side(tiny_dataset(tmp_path, train=4, valid=1, test=1), "train")
    assert side.weights(3.0).tolist() == [3.0] * 4
    plain = side_of(tmp_path / "plain", [{"category": PLAYER, "x": 5, "y": 5, "width": 10, "height": 20}])
    assert plain.weights(3.0).tolist() == [1.0]


def test_balls_to_paste_come_from_the_images_that_have_one(tmp_path: Path) -> None:
    """Two of twelve have one, and neither is among two images that are spread evenly over all."""
    folder = tiny_dataset(tmp_path, train=12, valid=1, test=1)
    labels = Side(folder, "train").labels
    rare = labels.boxes.filter((pl.col("category") != BALL) | pl.col("image").is_in([4, 10]))
    write_coco(Labels(labels.images, rare, labels.categories), folder / "train" / "_annotations.coco.json")
    paste = AugmentationSettings.only("copy_paste")
    settings = paste.model_copy(update={"copy_paste": paste.copy_paste.model_copy(update={"bank_images": 2})})
    batch = TrainingImages(Side(folder, "train"), 64, DataSettings(), settings, seed=0).batch(np.arange(12))
    assert np.count_nonzero(batch["augmented_balls"][:, 1]) > 10


@pytest.mark.parametrize("workers", [1, 3])
def test_an_epochs_batches_follow_from_seed_epoch_and_number_alone(tmp_path: Path, workers: int) -> None:
    side = Side(tiny_dataset(tmp_path, train=6, valid=1, test=1), "train")
    images = TrainingImages(side, 64, DataSettings(workers=workers), AugmentationSettings(), seed=3)
    numbers = np.array([4, 0, 2])
    one, again, other = (images.in_epoch(epoch).batch(numbers) for epoch in (1, 1, 2))
    assert all(np.array_equal(one[name], again[name]) for name in one)
    drawn = [images.in_epoch(1).batch(np.array([4, 4, 4]), np.array([0, 1, 1]))["images"] for _ in range(2)]
    first, second, third = drawn[0]
    assert np.array_equal(drawn[0], drawn[1]) and np.array_equal(second, third) and not np.array_equal(first, second)
    assert not (one["images"].shape == other["images"].shape and np.array_equal(one["images"], other["images"]))
