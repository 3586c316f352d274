"""What colours pixels have: jitter of brightness, contrast, saturation and hue, and local equalisation.

Belongs here: operations on each pixel's colour. Must not come here: blur and noise. Boxes stay as they are.
"""

import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from sport_assets.detection.augmentation.sample import Image

_LUMINANCE = np.array([0.114, 0.587, 0.299])
"""Of B, G and R, as in YCbCr (ITU-R BT.601)."""
_TO_GREY = np.outer(np.ones(3), _LUMINANCE)


def jitter_matrix(
    mean_luminance: float, brightness: float, contrast: float, saturation: float, hue: float
) -> NDArray[np.float64]:
    """The matrix [3, 4] that maps a BGR pixel (and 1) to its jittered colour.

    ``brightness``, ``contrast``, ``saturation``: factors, 1 changes nothing; contrast is about ``mean_luminance`` (0 to
    255). ``hue``: share of the circle by which colours are turned, positive from red to yellow.
    """
    angle = 2 * math.pi * hue
    # Rodrigues' rotation about the grey axis, in which blue, green and red are a third of a turn apart
    cross = np.array([[0, 1, -1], [-1, 0, 1], [1, -1, 0]]) / math.sqrt(3)
    turn = np.eye(3) + math.sin(angle) * cross + (1 - math.cos(angle)) * cross @ cross
    turn += _TO_GREY - _TO_GREY @ turn
    fade = saturation * np.eye(3) + (1 - saturation) * _TO_GREY
    colours = contrast * brightness * turn @ fade
    offset = np.full((3, 1), (1 - contrast) * brightness * mean_luminance)
    return np.hstack([colours, offset])


def jitter(image: Image, brightness: float, contrast: float, saturation: float, hue: float) -> Image:
    """All four jitters of torchvision's ColorJitter as one matrix in one pass (see ``jitter_matrix``).

    How it differs: there the four follow one another in random order, each clipped to 0 to 255, and hue is turned in
    HSV. Here the order is brightness, contrast, saturation, hue, only the result is clipped, and hue is turned about
    the grey axis. Without hue both give the same colours up to rounding as long as nothing is clipped. A turn of hue
    gives nearly the same chroma (what differs from grey); it keeps the luminance, where HSV keeps the largest and the
    smallest of R, G and B, so that there grass gets brighter as it turns yellow.
    """
    mean = float(_LUMINANCE @ cv2.mean(image)[:3])
    return cv2.transform(image, jitter_matrix(mean, brightness, contrast, saturation, hue))


def equalise(image: Image, clip_limit: float, tiles: Sequence[int]) -> Image:
    """CLAHE (Zuiderveld 1994) of the luminance with that limit and so many tiles across and down.

    In YCbCr, raising the luminance by d raises R, G and B by d each. So what the luminance gains is added to the
    image, which costs a third of going to YCbCr and back and is not rounded twice.
    """
    before = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    after = cv2.createCLAHE(clip_limit, (tiles[0], tiles[1])).apply(before)
    brighter = cv2.add(image, cv2.cvtColor(cv2.subtract(after, before), cv2.COLOR_GRAY2BGR))
    return cv2.subtract(brighter, cv2.cvtColor(cv2.subtract(before, after), cv2.COLOR_GRAY2BGR))
