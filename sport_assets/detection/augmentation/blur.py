"""What movement and focus do: smears along a line, and soft edges.

Belongs here: blurs and what they mean for boxes. Must not come here: other changes of pixels.

What a box is after blur: the extent over which the object shows with at least half of its strongest trace, the full
width at half maximum by which optics measures blurred things. An object wider than the smear keeps its box, since its
edge lies where its trace is one half; a ball smaller than the smear gets the box of the streak that one sees and would
draw around.
"""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from sport_assets.detection.augmentation.sample import Boxes, Image, Sample, cut

_DIRECT_FILTER_BELOW = 130
"""From so many cells on, OpenCV filters 8-bit images by Fourier transform, at any number of zeros among them."""
_POINTS_PER_PX = 16


def smear(length: float, angle: float) -> tuple[float, float]:
    """Extent (x, y; px) of a smear of that length and angle (radians, from +x to +y).

    What is under half a pixel is 0, so that nearly level and nearly upright smears are filters of one dimension.
    """
    x, y = length * math.cos(angle), length * math.sin(angle)
    return (x if abs(x) >= 0.5 else 0.0), (y if abs(y) >= 0.5 else 0.0)


def line_kernel(x: float, y: float) -> NDArray[np.float32]:
    """The filter [odd, odd] of an even movement over (x, y) px, centred and trimmed to what is not 0; its sum is 1."""
    # points along the line, each shared out among the four nearest cells
    steps = max(int(_POINTS_PER_PX * math.hypot(x, y)), 1)
    along = (np.arange(steps) + 0.5) / steps - 0.5
    half_width, half_height = math.ceil(abs(x) / 2), math.ceil(abs(y) / 2)
    kernel = np.zeros((2 * half_height + 2, 2 * half_width + 2))
    column, row = half_width + x * along, half_height + y * along
    left, top = np.floor(column).astype(int), np.floor(row).astype(int)
    for down in (0, 1):
        for right in (0, 1):
            share = (1 - np.abs(column - left - right)) * (1 - np.abs(row - top - down))
            np.add.at(kernel, (top + down, left + right), share)
    kernel = kernel[:-1, :-1]
    # faint ends and fringes cost as much as the rest
    kernel[kernel < 0.05 * kernel.max()] = 0
    rows, columns = np.nonzero(kernel.any(axis=1))[0], np.nonzero(kernel.any(axis=0))[0]
    trimmed = kernel[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return (trimmed / trimmed.sum()).astype(np.float32)


def filtered(image: Image, kernel: NDArray[np.float32]) -> Image:
    """The image through a symmetric line kernel with odd sides.

    OpenCV's direct filter takes as long as the kernel has cells that are not 0, which are few in a line, but it is used
    below a certain number of cells only. A larger line is taken as its two halves, each in its own small rectangle with
    half of the middle cell in a corner; one is the other turned by 180 degrees.
    """
    if kernel.size < _DIRECT_FILTER_BELOW:
        return cv2.filter2D(image, -1, kernel)
    row, column = kernel.shape[0] // 2, kernel.shape[1] // 2
    rising = bool(kernel[0, column + 1 :].any())
    upper = kernel[: row + 1, column:].copy() if rising else kernel[: row + 1, : column + 1].copy()
    middle = 0 if rising else column
    upper[row, middle] /= 2
    # sums of bytes times 64 fit into 16 bits, and are rounded once at the end
    above = cv2.filter2D(image, cv2.CV_16S, 64 * upper, anchor=(middle, row))
    below = cv2.filter2D(image, cv2.CV_16S, 64 * upper[::-1, ::-1], anchor=(column - middle, 0))
    return cv2.convertScaleAbs(cv2.add(above, below), alpha=1 / 64)


def smeared_boxes(boxes: Boxes, x: float, y: float) -> Boxes:
    """Boxes [N, 4] after a smear over (x, y) px: where a filled box shows with half of its strongest trace or more.

    Its strongest trace is the share f of the smear that lies inside it, min(1, width / x, height / y), and each side
    moves outwards by (1 - f) / 2 of the smear's extent. Without y it is as wide as the larger of box and smear. On
    whole pixels this is right to 1.5 px, mostly to less than 1, for objects of 4 px and more.
    """
    extent = np.abs([x, y])
    sides = boxes[:, 2:] - boxes[:, :2]
    share = np.ones(len(boxes))
    for axis in range(2):
        if extent[axis]:
            share = np.minimum(share, sides[:, axis] / extent[axis])
    outwards = (1 - share)[:, None] / 2 * extent
    return np.hstack([boxes[:, :2] - outwards, boxes[:, 2:] + outwards])


def motion_blur(sample: Sample, length: float, angle: float) -> Sample:
    """The sample with a smear of that length (px) and angle (radians, from +x to +y); boxes as said above."""
    x, y = smear(length, angle)
    boxes = smeared_boxes(sample.boxes, x, y)
    # only cut where the streak leaves the image: nothing of what was inside is lost
    boxes, categories = cut(boxes, sample.categories, sample.width, sample.height, 0.0)
    return Sample(filtered(sample.image, line_kernel(x, y)), boxes, categories)


def gaussian_blur(image: Image, kernel_size: int, sigma: float) -> Image:
    """Soft edges. Boxes stay: at a standard deviation of 2 px half of the trace stays within 1 px from 4 px on."""
    return cv2.GaussianBlur(image, (kernel_size, kernel_size), sigma)
