"""Slices: they cover the image, go through in full batches, and merge as sahi's own loop does."""

import subprocess
import sys

import numpy as np
import pytest
from numpy.typing import NDArray

from sport_assets.detection.detections import Detections
from sport_assets.detection.errors import BadInputError
from sport_assets.detection.slicing import (
    Image,
    Sliced,
    Slicing,
    disagreement,
    merge,
    sliced,
    sliced_images,
    windows,
)


def bright_spots(images: list[Image]) -> list[Detections]:
    """A detector that depends on pixels alone: connected bright spots; brightness is the score, red makes it a ball."""
    import cv2

    found = []
    for image in images:
        count, _, stats, middles = cv2.connectedComponentsWithStats((image.max(axis=2) > 40).astype(np.uint8))
        boxes = stats[1:count, :4].astype(np.float32)
        boxes[:, 2:] += boxes[:, :2]
        pixels = [image[round(y), round(x)] for x, y in middles[1:]]
        scores = np.array([pixel.max() / 255 for pixel in pixels], np.float32)
        categories = np.array([2 if pixel[2] > pixel[1] else 1 for pixel in pixels], np.int64)
        detections = Detections(boxes.reshape(-1, 4), scores, categories)[np.argsort(-scores, kind="stable")]
        found.append(detections[detections.scores >= 0.1])  # the middle of a bent spot may be dark
    return found


def spotted(height: int, width: int, spots: int, seed: int = 0) -> Image:
    """A dark image with bright rectangles."""
    generator = np.random.default_rng(seed)
    image = np.zeros((height, width, 3), np.uint8)
    for number in range(spots):
        x, y = generator.integers(0, width - 40), generator.integers(0, height - 40)
        w, h = generator.integers(3, 38, 2)
        image[y : y + h, x : x + w, 1 + number % 2] = generator.integers(60, 255)
    return image


@pytest.mark.parametrize(("height", "width"), [(1080, 1920), (1728, 3072), (33, 40), (100, 1500), (640, 640)])
@pytest.mark.parametrize("overlap", [0.0, 0.2, 0.9])
def test_windows_cover_every_pixel_and_end(height: int, width: int, overlap: float) -> None:
    seen = np.zeros((height, width), bool)
    for left, top, right, bottom in windows(height, width, Slicing(size=640, overlap=overlap)):
        assert 0 <= left < right <= width and 0 <= top < bottom <= height
        seen[top:bottom, left:right] = True
    assert seen.all()


@pytest.mark.parametrize(
    "settings",
    [
        {"size": 31},
        {"size": 0},
        {"overlap": 1.0},
        {"overlap": 0.91},
        {"overlap": -0.1},
        {"overlap": float("nan")},
        {"batch": 0},
        {"merge": "nmm2"},
        {"metric": "giou"},
        {"threshold": 0.0},
    ],
)
def test_settings_that_cover_nothing_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(BadInputError, match=r"slice|merg"):
        Slicing(**settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("whole_image", [True, False])
def test_one_window_gives_the_whole_image_prediction(whole_image: bool) -> None:
    image = spotted(300, 400, 30)
    (expected,) = bright_spots([image])
    found = sliced(bright_spots, image, Slicing(size=400, whole_image=whole_image))
    np.testing.assert_array_equal(found.boxes, expected.boxes)
    np.testing.assert_array_equal(found.scores, expected.scores)
    np.testing.assert_array_equal(found.categories, expected.categories)


@pytest.mark.parametrize("kind", ["greedy_nmm", "nms"])
@pytest.mark.parametrize("metric", ["ios", "iou"])
@pytest.mark.parametrize("batch", [1, 3, 64])
def test_equals_sahi(kind: str, metric: str, batch: int) -> None:
    from sahi.predict import get_sliced_prediction

    from sport_assets.detection.sahi_model import sahi_model

    image = spotted(500, 700, 120, seed=4)
    slicing = Slicing(size=160, overlap=0.25, batch=batch, merge=kind, metric=metric)  # type: ignore[arg-type]
    found = sliced(bright_spots, image, slicing)
    theirs = get_sliced_prediction(
        np.ascontiguousarray(image[:, :, ::-1]),
        sahi_model(bright_spots),
        160,
        160,
        0.25,
        0.25,
        postprocess_type={"greedy_nmm": "GREEDYNMM", "nms": "NMS"}[kind],
        postprocess_match_metric=metric.upper(),
        verbose=0,
        batch_size=batch,
    ).object_prediction_list
    expected = [(*each.bbox.to_xyxy(), each.score.value, each.category.id) for each in theirs]
    assert len(expected) > 60
    np.testing.assert_allclose(_rows(found), np.array(sorted(expected)), atol=1e-4)


def test_slices_of_all_images_share_batches() -> None:
    sizes: list[int] = []

    def counting(images: list[Image]) -> list[Detections]:
        sizes.append(len(images))
        return bright_spots(images)

    images = [spotted(200, 300, 20, seed) for seed in range(5)]
    slicing = Slicing(size=100, overlap=0.2, batch=8)
    together = list(sliced_images(counting, iter(images), slicing))
    needed = 5 * (len(windows(200, 300, slicing)) + 1)
    assert sum(sizes) == needed and sizes[:-1] == [8] * (needed // 8) and sizes[-1] == (needed % 8 or 8)
    for image, found in zip(images, together, strict=True):
        np.testing.assert_array_equal(_rows(found.merged), _rows(sliced(bright_spots, image, slicing)))


def test_boxes_without_area_are_dropped() -> None:
    def flat(images: list[Image]) -> list[Detections]:
        boxes = np.array([[0, 0, 10, 10], [5, 5, 5, 9], [3, 4, 9, 4]], np.float32)
        return [Detections(boxes, np.array([0.9, 0.8, 0.7], np.float32), np.ones(3, np.int64)) for _ in images]

    assert len(sliced(flat, spotted(64, 64, 1), Slicing(size=64))) == 1
    found = sliced(flat, spotted(128, 64, 1), Slicing(size=64, overlap=0, whole_image=False))
    assert (found.boxes[:, 2:] > found.boxes[:, :2]).all() and len(found) == 2


def test_categories_are_never_merged() -> None:
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 10], [1, 1, 10, 10]], np.float32)
    found = merge(Detections(boxes, np.array([0.9, 0.8, 0.7], np.float32), np.array([1, 2, 1])), Slicing())
    assert found.categories.tolist() == [1, 2]


def test_disagreement_counts_what_one_look_alone_has() -> None:
    one = Detections(
        np.array([[0, 0, 10, 10], [50, 50, 60, 60]], np.float32), np.full(2, 0.9, np.float32), np.ones(2, int)
    )
    assert disagreement(Sliced(one, one)) == 0
    assert disagreement(Sliced(one, one[:1])) == pytest.approx(1 / 3)
    assert disagreement(Sliced(one, Detections.none())) == 1
    assert disagreement(Sliced(Detections.none(), Detections.none())) == 0
    assert disagreement(Sliced(one, None)) is None


def test_needs_no_torch() -> None:
    code = (
        "import sys; sys.modules['torch'] = None; sys.modules['torchvision'] = None\n"
        "import numpy as np\n"
        "from sport_assets.detection.detections import Detections\n"
        "from sport_assets.detection.slicing import Slicing, sliced\n"
        "one = lambda images: [Detections(np.array([[1, 1, 60, 60]], np.float32), np.ones(1, np.float32),"
        " np.ones(1, np.int64)) for _ in images]\n"
        "print(len(sliced(one, np.zeros((90, 90, 3), np.uint8), Slicing(size=64))))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 1


def _rows(found: Detections) -> NDArray[np.float64]:
    return np.array(sorted((*box, score, kind) for box, score, kind in zip(
        found.boxes.tolist(), found.scores.tolist(), found.categories.tolist(), strict=True
    )))  # fmt: skip
