"""Where pixels come to lie: mirroring, resizing, and the sizes that RF-DETR takes.

Belongs here: transformations of one image. Must not come here: putting several together (``mixing``).
"""

import math

import cv2
import numpy as np

from sport_assets.detection.augmentation.sample import Image, Sample, cut

SIZE_STEP_PX = 32
"""RF-DETR's patches (16 px) times its windows (2): sides must be multiples of it."""


def flip(sample: Sample) -> Sample:
    """Left and right exchanged."""
    boxes = sample.boxes.copy()
    boxes[:, [0, 2]] = sample.width - sample.boxes[:, [2, 0]]
    return Sample(cv2.flip(sample.image, 1), boxes, sample.categories)


def resized(image: Image, width: int, height: int) -> Image:
    """The image stretched to this size.

    Linear interpolation reads two pixels each way, so below half the size it would skip some, and with them most of a
    ball that is a few pixels wide. There the mean over the area is taken, which costs about eight times as much.
    """
    old_height, old_width = image.shape[:2]
    if min(width / old_width, height / old_height) < 0.5:
        # OpenCV takes the mean only where neither side grows, and says nothing otherwise: so that one grows afterwards
        smaller = min(width, old_width), min(height, old_height)
        image = cv2.resize(image, smaller, interpolation=cv2.INTER_AREA)
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)


def resize(sample: Sample, width: int, height: int) -> Sample:
    """The sample stretched to this size, with boxes scaled in x and y separately. No box is dropped."""
    scale = np.array([width / sample.width, height / sample.height] * 2)
    return Sample(resized(sample.image, width, height), sample.boxes * scale, sample.categories)


def to_network(sample: Sample, resolution: int) -> Sample:
    """The sample as RF-DETR takes it: stretched to a square of ``resolution`` px, without bars at the sides.

    Boxes scale in x and y separately; those that are under 1 px then are dropped.
    """
    if resolution < SIZE_STEP_PX or resolution % SIZE_STEP_PX:
        raise ValueError(f"resolution is {resolution}: RF-DETR takes multiples of {SIZE_STEP_PX} px")
    square = resize(sample, resolution, resolution)
    return Sample(square.image, *cut(square.boxes, square.categories, resolution, resolution, 0.0))


def square_sizes(resolution: int, resize_range: tuple[int, int] = (800, 1333)) -> list[int]:
    """Sides (px) of the square images that training at ``resolution`` is varied over, smallest first.

    The specification's ``resize_range`` is DETR's: the shorter side of an image of any shape becomes 800 px, or the
    longer one 1333 if that is less. RF-DETR takes squares whose side is a multiple of 32 px, at a resolution that
    belongs to the network. So the range is read as how far sizes may go from their middle, 800 / 1066.5 = 0.75 to
    1333 / 1066.5 = 1.25, and gives all multiples of 32 from 0.75 to 1.25 times the resolution (448 to 704 for 576).
    All images of a batch need the same one. A range of equal ends gives the resolution alone.
    """
    if resolution < SIZE_STEP_PX or resolution % SIZE_STEP_PX:
        raise ValueError(f"resolution is {resolution}: RF-DETR takes multiples of {SIZE_STEP_PX} px")
    low, high = resize_range
    middle = (low + high) / 2
    first = math.ceil(resolution * low / middle / SIZE_STEP_PX)
    last = math.floor(resolution * high / middle / SIZE_STEP_PX)
    return [SIZE_STEP_PX * step for step in range(first, last + 1)]
