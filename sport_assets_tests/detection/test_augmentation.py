"""The operations together: the same for the same seed, epoch and index, counted, light, and to be looked at."""

import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from sport_assets.detection.augmentation.balls import ball_bank, cut_out
from sport_assets.detection.augmentation.gallery import gallery
from sport_assets.detection.augmentation.pipeline import Augmentation
from sport_assets.detection.augmentation.sample import Sample, Tally, total
from sport_assets.detection.augmentation.settings import AugmentationSettings
from sport_assets.detection.categories import BALL, PLAYER
from sport_assets.detection.errors import BadLabelsError
from sport_assets_tests.detection.painted import assert_inside, textured

COUNT = 8


def scene(index: int) -> Sample:
    """Read-only, of its own size, with two players and a ball."""
    x = 8 * index
    boxes = [(x + 5, 20, x + 18, 50), (x + 22, 24, x + 34, 58), (x + 40, 40, x + 46, 46)]
    return textured(index, 120 + x, 90, boxes, [PLAYER, PLAYER, BALL])


def augmentation(
    settings: AugmentationSettings | None = None, samples: Callable[[int], Sample] = scene
) -> Augmentation:
    return Augmentation(settings or AugmentationSettings(), samples, COUNT)


def content(sample: Sample) -> bytes:
    return sample.image.tobytes() + sample.boxes.tobytes() + sample.categories.tobytes()


def test_seed_epoch_and_index_decide_alone() -> None:
    first, second = augmentation(), pickle.loads(pickle.dumps(augmentation()))  # noqa: S301
    forwards = [content(first(index, 3, 11)[0]) for index in range(COUNT)]
    backwards = [content(second(index, 3, 11)[0]) for index in reversed(range(COUNT))]
    assert forwards == backwards[::-1]
    assert len(set(forwards)) == COUNT
    assert all(content(first(index, 4, 11)[0]) != forwards[index] for index in range(COUNT))
    assert all(content(first(index, 3, 12)[0]) != forwards[index] for index in range(COUNT))


def test_a_sample_that_is_drawn_again_in_an_epoch_looks_different_and_the_first_as_ever() -> None:
    varied = augmentation()
    for index in range(COUNT):
        first, second, third = (content(varied(index, 3, 11, occurrence)[0]) for occurrence in range(3))
        assert len({first, second, third}) == 3
        assert first == content(varied(index, 3, 11)[0])
        assert second == content(augmentation()(index, 3, 11, 1)[0])


def test_one_operation_switched_off_leaves_what_others_draw() -> None:
    flips = AugmentationSettings.none().model_copy(update={"horizontal_flip": 0.5})
    alone = [
        "horizontal_flip" in augmentation(flips)(index, epoch, 0)[1] for index in range(COUNT) for epoch in range(6)
    ]
    among = ["horizontal_flip" in augmentation()(index, epoch, 0)[1] for index in range(COUNT) for epoch in range(6)]
    assert alone == among and 0 < sum(alone) < len(alone)


def test_boxes_stay_inside_and_operations_come_as_often_as_they_should() -> None:
    settings, varied = AugmentationSettings(), augmentation()
    counts, epochs = [], 50
    for epoch in range(epochs):
        for index in range(COUNT):
            sample, count = varied(index, epoch, 5)
            assert_inside(sample)
            assert (sample.height, sample.width) == scene(index).image.shape[:2]
            counts.append(count)
    sums = total(counts)
    assert list(sums) == sorted(varied.steps())
    for name, tally in sums.items():
        expected = varied.probability(name)
        spread = (expected * (1 - expected) / len(counts)) ** 0.5
        assert tally.applied / len(counts) == pytest.approx(expected, abs=4 * spread + 1e-12), name
    for name in set(sums) - {"mosaic", "mixup", "copy_paste"}:
        assert not (sums[name].balls_lost or sums[name].players_lost or sums[name].balls_added)
    assert sums["copy_paste"].balls_added > sums["copy_paste"].applied
    assert sums["mosaic"].balls_lost == 0 and sums["mosaic"].players_lost > 0
    assert sums["mixup"].balls_lost > 0
    assert settings == AugmentationSettings()


def test_losses_are_the_difference_of_what_went_in_and_came_out() -> None:
    """A ball as large as the picture does not survive a mosaic whole, and each loss is counted."""

    def with_large_balls(index: int) -> Sample:
        return textured(index, 100, 80, [(1, 1, 99, 79), (40, 40, 46, 46)], [BALL, PLAYER])

    settings = AugmentationSettings.only("mosaic").model_copy(update={"min_visible_share": 0.6})
    lost = 0
    for index in range(COUNT):
        sample, counts = augmentation(settings, with_large_balls)(index, 0, 0)
        tally = counts["mosaic"]
        assert (tally.applied, tally.balls, tally.players) == (1, 4, 4)
        assert tally.balls - tally.balls_lost == len(sample.balls)
        assert tally.players - tally.players_lost == len(sample.boxes) - len(sample.balls)
        lost += tally.balls_lost
    assert lost > 0


def test_tallies_add_up() -> None:
    one, two = Tally(1, 3, 1, 0, 9, 2), Tally(1, 2, 0, 1, 5, 0)
    assert total([{"b": one, "a": two}, {}, {"b": two}]) == {"a": two, "b": Tally(2, 5, 1, 1, 14, 2)}
    assert list(total([{"b": one, "a": two}])) == ["a", "b"]


def test_mixup_keeps_the_boxes_of_the_sample_that_was_asked_for() -> None:
    for index in range(COUNT):
        for epoch in range(10):
            sample, _ = augmentation(AugmentationSettings.only("mixup"))(index, epoch, 0)
            assert sample.boxes[:3].tolist() == scene(index).boxes.tolist()


def test_given_balls_are_pasted_and_without_any_nothing_is() -> None:
    settings = AugmentationSettings.only("copy_paste")
    white = Sample(np.full((40, 40, 3), 255, np.uint8), np.array([[15.0, 15, 22, 22]]), np.array([BALL]))
    sample, _ = Augmentation(settings, scene, COUNT, balls=cut_out(white))(0, 0, 0)
    assert len(sample.balls) >= 2
    for box in sample.balls[1:]:
        x, y = ((box[:2] + box[2:]) / 2).astype(int)
        assert (sample.image[y, x] == 255).all()
    assert len(augmentation(settings).balls) == COUNT
    plain, counts = Augmentation(settings, scene, COUNT, balls=[])(0, 0, 0)
    assert content(plain) == content(scene(0)) and counts["copy_paste"].balls_added == 0


def test_the_bank_spreads_over_the_samples_that_are_said_to_have_a_ball() -> None:
    asked: list[int] = []

    def noted(index: int) -> Sample:
        asked.append(index)
        return scene(index)

    bank = ball_bank(noted, [1, 2, 5, 7], 2)
    assert (asked, len(bank)) == ([1, 5], 2)
    assert not ball_bank(noted, [], 2) and len(ball_bank(noted, [3], 2)) == 1


@pytest.mark.parametrize(
    "box", [(5, 5, np.nan, 9), (9, 5, 5, 9), (5, 5, 5, 9), (130, 5, 140, 9), (5, -9, 9, 0), (5, 5, np.inf, 9)]
)
def test_a_bad_box_is_named(box: tuple[float, ...]) -> None:
    good = scene(0)
    bad = Sample(good.image, np.array([good.boxes[0], box]), np.array([PLAYER, BALL]))
    with pytest.raises(BadLabelsError, match=r"sample 2, box 1: .* image of 120 x 90 px. Correct or remove"):
        augmentation(samples=lambda index: bad)(2, 0, 0)


def test_a_box_over_the_border_is_cut_to_the_image() -> None:
    good = scene(0)
    over = Sample(good.image, np.array([[-3.0, 80, 20, 95]]), np.array([PLAYER]))
    sample, _ = augmentation(AugmentationSettings.none(), lambda index: over)(0, 0, 0)
    assert sample.boxes.tolist() == [[0, 80, 20, 90]]


@pytest.mark.parametrize(
    ("image", "boxes"),
    [
        (np.zeros((9, 9, 3), np.float32), np.zeros((0, 4))),
        (np.zeros((9, 9), np.uint8), np.zeros((0, 4))),
        (np.zeros((1, 9, 3), np.uint8), np.zeros((0, 4))),
        (np.zeros((9, 9, 3), np.uint8), np.zeros((2, 4))),
    ],
)
def test_what_is_no_sample_is_refused(image: np.ndarray, boxes: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"image is|boxes"):
        Sample(image, boxes, np.zeros(0, np.int64))


def test_the_gallery_has_a_row_for_each_operation_and_the_same_bytes(tmp_path: Path) -> None:
    samples = [scene(index) for index in range(3)]
    for name in ("one.png", "two.png"):
        gallery(samples, AugmentationSettings(), tmp_path / name)
    gallery(samples, AugmentationSettings.only("mosaic"), tmp_path / "mosaic.png")
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    one, mosaic = (cv2.imread(str(tmp_path / f"{name}.png")) for name in ("one", "mosaic"))
    assert one is not None and mosaic is not None
    assert one.shape[0] / mosaic.shape[0] == 12 / 3
    with pytest.raises(ValueError, match="at least one"):
        gallery([], AugmentationSettings(), tmp_path / "none.png")


def test_neither_torch_nor_albumentations_is_loaded() -> None:
    code = (
        "import sys, sport_assets.detection.augmentation.gallery; print({'torch', 'albumentations'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.strip() == "set()"
    code = "import sys, sport_assets.detection.augmentation.settings; print({'cv2', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.strip() == "set()"
