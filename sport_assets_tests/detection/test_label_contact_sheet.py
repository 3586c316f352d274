"""A contact sheet shows images with their boxes, the same each time, and stays small."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from sport_assets.detection.categories import BALL, PLAYER
from sport_assets.detection.coco import Labels
from sport_assets.detection.contact_sheet import MOST_BYTES, contact_sheet
from sport_assets.detection.errors import BadLabelsError
from sport_assets_tests.detection.label_sets import labels_in, pixels_of


def grey(folder: Path, aspect: float | None = None) -> Labels:
    """One grey image with a player on the left and a white ball on the right."""
    pixels = np.full((360, 720, 3), 128, np.uint8)
    pixels[300:306, 600:606] = 255
    cv2.imwrite(str(folder / "x.png"), pixels)
    image = {"image": 1, "file_name": "x.png", "width": 720, "height": 360, "true_aspect": aspect}
    boxes = [
        {"box": 1, "image": 1, "category": PLAYER, "x": 100, "y": 200, "width": 40, "height": 100},
        {"box": 2, "image": 1, "category": BALL, "x": 600, "y": 300, "width": 6, "height": 6},
    ]
    return Labels.of([image], boxes)


def is_blue(pixels: np.ndarray) -> np.ndarray:
    return np.asarray((pixels[..., 0] > 200) & (pixels[..., 2] < 60))


def is_red(pixels: np.ndarray) -> np.ndarray:
    return np.asarray((pixels[..., 2] > 200) & (pixels[..., 0] < 60))


def test_boxes_are_drawn_where_they_are_and_the_ball_is_enlarged_far_from_it(tmp_path: Path) -> None:
    assert contact_sheet(grey(tmp_path), tmp_path, tmp_path / "sheet.png", rows=1, cols=1) == 1
    sheet = pixels_of(tmp_path / "sheet.png")[3:183, 3:363]  # a cell of 360 x 180: half the image's size
    rows, columns = np.nonzero(is_blue(sheet))
    assert (columns.min(), columns.max()) == (49, 70) and (rows.min(), rows.max()) == (99, 150)
    rows, columns = np.nonzero(is_red(sheet[:, 180:]))
    assert (columns.min() + 180, columns.max() + 180) == (299, 303) and (rows.min(), rows.max()) == (149, 153)
    inset = sheet[:54, :54]
    assert (inset[27, 27] > 200).all() and is_red(inset).sum() > 40  # the ball fills a third of it


def test_a_stretched_image_is_shown_in_its_true_aspect(tmp_path: Path) -> None:
    contact_sheet(grey(tmp_path, aspect=1.0), tmp_path, tmp_path / "sheet.png", rows=1, cols=1)
    assert pixels_of(tmp_path / "sheet.png").shape == (366, 366, 3)


def test_the_same_labels_give_the_same_bytes_and_another_seed_other_images(tmp_path: Path) -> None:
    labels = labels_in(tmp_path, {"a": 9, "b": 9})
    for name, seed in (("1.png", 0), ("2.png", 0), ("3.png", 5)):
        assert contact_sheet(labels, tmp_path, tmp_path / name, rows=2, cols=3, seed=seed) == 6
    first, second, third = ((tmp_path / f"{n}.png").read_bytes() for n in (1, 2, 3))
    assert first == second != third


def test_every_video_is_shown_before_one_is_shown_twice(tmp_path: Path) -> None:
    labels = labels_in(tmp_path, {"a": 12, "b": 1, "c": 1})
    only = labels.images.filter(video="a")["file_name"]
    for name in only:  # black images of a: the others are coloured
        cv2.imwrite(str(tmp_path / name), np.zeros((64, 96, 3), np.uint8))
    contact_sheet(labels, tmp_path, tmp_path / "sheet.png", rows=1, cols=3)
    sheet = pixels_of(tmp_path / "sheet.png")
    cells = [sheet[100:230, 3 + n * 363 : n * 363 + 363] for n in range(3)]
    assert sum(np.median(cell) < 20 for cell in cells) == 1


def test_a_sheet_of_noise_stays_small(tmp_path: Path) -> None:
    labels = labels_in(tmp_path, {"a": 16})
    generator = np.random.default_rng(0)
    for name in labels.images["file_name"]:
        cv2.imwrite(str(tmp_path / name), generator.integers(0, 256, (64, 96, 3), dtype=np.uint8))
    contact_sheet(labels, tmp_path, tmp_path / "sheet.png")
    assert 10_000 < (tmp_path / "sheet.png").stat().st_size <= MOST_BYTES


def test_no_images_make_an_empty_sheet_and_a_missing_one_is_named(tmp_path: Path) -> None:
    assert contact_sheet(Labels.of([], []), tmp_path, tmp_path / "sheet.png") == 0
    assert pixels_of(tmp_path / "sheet.png").size
    labels = grey(tmp_path)
    (tmp_path / "x.png").unlink()
    with pytest.raises(BadLabelsError, match=r"x.png: the image is not there"):
        contact_sheet(labels, tmp_path, tmp_path / "sheet.png")
