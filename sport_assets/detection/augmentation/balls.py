"""Balls cut out of images and pasted into others.

Belongs here: the bank of cut-out balls, and pasting one. Must not come here: other objects; whole images (``mixing``).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from sport_assets.detection.augmentation.geometry import resized
from sport_assets.detection.augmentation.sample import MIN_SIDE_PX, Boxes, Image, Sample
from sport_assets.detection.categories import BALL

_EDGE_SHARE = 0.25
"""Width of the soft edge, of the smaller side of the ball; at least a pixel."""
_MARGIN_PX = 1
_TRIES = 20
_APART_PX = 2.0


@dataclass(frozen=True)
class BallPatch:
    """A ball with a little of what is around it: ``image`` uint8 [height, width, 3], ``box`` [4] in it (px)."""

    image: Image
    box: NDArray[np.float64]

    def scaled(self, factor: float, mirrored: bool) -> "BallPatch":
        """The patch about ``factor`` times as large (in whole pixels), left and right exchanged if wanted."""
        height, width = self.image.shape[:2]
        new_width, new_height = max(round(width * factor), 2), max(round(height * factor), 2)
        image, box = (
            resized(self.image, new_width, new_height),
            self.box * ([new_width / width, new_height / height] * 2),
        )
        if mirrored:
            image, box = cv2.flip(image, 1), np.array([new_width - box[2], box[1], new_width - box[0], box[3]])
        return BallPatch(image, box)


def cut_out(sample: Sample) -> list[BallPatch]:
    """Patches of the sample's balls, but for those that touch the border (they may be cut) or are under 1 px."""
    patches = []
    for box in sample.balls:
        margin = _MARGIN_PX + math.ceil(_edge(box) / 2)
        left, top = math.floor(box[0]) - margin, math.floor(box[1]) - margin
        right, bottom = math.ceil(box[2]) + margin, math.ceil(box[3]) + margin
        large = min(box[2] - box[0], box[3] - box[1]) >= MIN_SIDE_PX
        if large and left >= 0 and top >= 0 and right <= sample.width and bottom <= sample.height:
            image = np.ascontiguousarray(sample.image[top:bottom, left:right])
            patches.append(BallPatch(image, box - np.array([left, top, left, top])))
    return patches


def ball_bank(samples: Callable[[int], Sample], numbers: Sequence[int], images: int) -> tuple[BallPatch, ...]:
    """Balls of at most so many of the samples ``numbers``, spread evenly over them: the same in every process."""
    count = len(numbers)
    chosen = numbers if count <= images else [numbers[place * count // images] for place in range(images)]
    return tuple(patch for index in chosen for patch in cut_out(samples(index)))


def paste(sample: Sample, patch: BallPatch, left: int, top: int) -> Sample:
    """The sample with the patch's ball, the patch's upper left corner at (left, top), wholly inside the image.

    The ball is what lies in the ellipse in its box. Its edge is soft, with half of the ball at the ellipse itself, so
    that it shows neither its old background nor a hard outline, and its box is exact.
    """
    height, width = patch.image.shape[:2]
    image = sample.image.copy()
    under = image[top : top + height, left : left + width]
    share = _ellipse(patch.box, width, height)[..., None]
    under[:] = np.rint(under + share * (patch.image.astype(np.float64) - under)).astype(np.uint8)
    box = patch.box + np.array([left, top, left, top])
    return Sample(image, np.vstack([sample.boxes, box]), np.append(sample.categories, BALL))


def find_place(sample: Sample, patch: BallPatch, random: np.random.Generator) -> tuple[int, int] | None:
    """A place (left, top) for the patch where its ball covers no other ball; None where none was found.

    Drawn from the rectangle around all boxes, which is where the pitch is; from the whole image without boxes.
    """
    height, width = patch.image.shape[:2]
    if width > sample.width or height > sample.height:
        return None
    area = np.array([0, 0, sample.width, sample.height])
    if len(sample.boxes):
        area = np.concatenate([sample.boxes[:, :2].min(axis=0), sample.boxes[:, 2:].max(axis=0)])
    last = np.array([sample.width - width, sample.height - height])
    low = np.clip(np.floor(area[:2]), 0, last).astype(int)
    high = np.clip(np.ceil(area[2:]) - [width, height], low, last).astype(int)
    for _ in range(_TRIES):
        corner = random.integers(low, high, endpoint=True)
        if not _touches(patch.box + np.tile(corner, 2), sample.balls):
            return int(corner[0]), int(corner[1])
    return None


def _touches(box: NDArray[np.float64], others: Boxes) -> bool:
    apart = (others[:, :2] >= box[2:] + _APART_PX) | (others[:, 2:] <= box[:2] - _APART_PX)
    return bool((~apart.any(axis=1)).any())


def _edge(box: NDArray[np.float64]) -> float:
    return max(1.0, _EDGE_SHARE * float(min(box[2] - box[0], box[3] - box[1])))


def _ellipse(box: NDArray[np.float64], width: int, height: int) -> NDArray[np.float64]:
    """Share [height, width] of the ball in each pixel: 1 inside, 0 outside, one half on the ellipse in its box."""
    centre, radius = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) / 2
    across = (np.arange(width) + 0.5 - centre[0]) / radius[0]
    down = (np.arange(height) + 0.5 - centre[1]) / radius[1]
    distance = (1 - np.hypot(across[None, :], down[:, None])) * radius.min()
    return np.clip(0.5 + distance / _edge(box), 0.0, 1.0)
