"""Scenes of which one object is painted white on black, so that its pixels can be found again after any operation.

Belongs here: what the tests of augmentation share. Must not come here: tests.
"""

from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from sport_assets.detection.augmentation.sample import Sample

TOLERANCE_PX = 1.0 + 1e-9
Scene = tuple[int, int, list[tuple[int, int, int, int]]]
"""Width, height, boxes."""


@st.composite
def scenes(
    draw: st.DrawFn, *, most: int = 4, smallest: int = 2, border: int = 0, sides: tuple[int, int] = (24, 90)
) -> Scene:
    """Images of any shape with whole-pixel boxes at least ``smallest`` px large and ``border`` px from the border."""
    width, height = (draw(st.integers(max(sides[0], 2 * border + smallest + 1), sides[1])) for _ in range(2))
    boxes = []
    for _ in range(draw(st.integers(1, most))):
        left = draw(st.integers(border, width - border - smallest))
        top = draw(st.integers(border, height - border - smallest))
        right = draw(st.integers(left + smallest, width - border))
        bottom = draw(st.integers(top + smallest, height - border))
        boxes.append((left, top, right, bottom))
    return width, height, boxes


def painted(scene: Scene, which: int | None, first_category: int = 100) -> Sample:
    """The scene with all boxes, each of a category of its own, but only object ``which`` to be seen."""
    width, height, boxes = scene
    image = np.zeros((height, width, 3), np.uint8)
    if which is not None:
        left, top, right, bottom = boxes[which]
        image[top:bottom, left:right] = 255
    categories = np.arange(first_category, first_category + len(boxes), dtype=np.int64)
    return Sample(image, np.array(boxes, dtype=np.float64).reshape(-1, 4), categories)


def tight_box(sample: Sample) -> NDArray[np.float64] | None:
    """Around all pixels with at least half of the strongest trace; None in a black image."""
    trace = sample.image.astype(np.float64).mean(axis=2)
    if trace.max() == 0:
        return None
    rows, columns = np.nonzero(trace >= trace.max() / 2)
    return np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1], dtype=np.float64)


def box_of(sample: Sample, category: int) -> NDArray[np.float64] | None:
    """The one box of that category, or None where it was dropped."""
    (found,) = np.nonzero(sample.categories == category)
    assert len(found) <= 1
    return sample.boxes[found[0]] if len(found) else None


def assert_exact(result: Sample, category: int, tolerance_px: float = TOLERANCE_PX) -> None:
    """The box of that category is there, and tightly around the pixels that are to be seen."""
    box, tight = box_of(result, category), tight_box(result)
    assert box is not None and tight is not None, (box, tight)
    assert np.abs(box - tight).max() <= tolerance_px, (box, tight)


def assert_inside(sample: Sample) -> None:
    """No box leaves the image, and none is under a pixel."""
    assert (sample.boxes[:, :2] >= 0).all() and (sample.boxes[:, 2:] <= [sample.width, sample.height]).all()
    assert ((sample.boxes[:, 2:] - sample.boxes[:, :2]) >= 1).all()


def textured(seed: int, width: int, height: int, boxes: Sequence[Sequence[float]], categories: Sequence[int]) -> Sample:
    """A picture with something to see everywhere: smooth grass-like colours, with brighter boxes. Read-only arrays."""
    random = np.random.default_rng(seed)
    coarse = random.uniform(40, 160, (height // 8 + 2, width // 8 + 2, 3))
    image = np.kron(coarse, np.ones((8, 8, 1)))[:height, :width] + random.normal(0, 3, (height, width, 3))
    for left, top, right, bottom in boxes:
        image[round(top) : round(bottom), round(left) : round(right)] += 80
    sample = Sample(
        np.clip(image, 0, 255).astype(np.uint8),
        np.array(boxes, dtype=np.float64).reshape(-1, 4),
        np.array(categories, dtype=np.int64),
    )
    for array in (sample.image, sample.boxes, sample.categories):
        array.flags.writeable = False
    return sample
