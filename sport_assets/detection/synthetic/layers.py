"""Silhouettes laid over one another into an image, and what is seen of each: the exact truth.

Belongs here: covering, boxes of what is visible. Must not come here: drawing a silhouette (``silhouettes``).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Box = tuple[int, int, int, int]
"""Left, top, width, height in whole pixels."""

_EDGE = 0.25
"""A pixel belongs to an object if it covers at least this share of it, of what it covers where it covers most: a
quarter of a pixel for what is sharp, less for a ball whose blur is spread over many pixels."""


@dataclass(frozen=True)
class Layer:
    """A silhouette [h, w, 4] uint8 (blue, green, red times coverage; coverage, 255 for all), and where it begins."""

    image: NDArray[np.uint8]
    left: int
    top: int

    @property
    def right(self) -> int:
        """The first column after it."""
        return self.left + self.image.shape[1]

    @property
    def bottom(self) -> int:
        """The first row after it."""
        return self.top + self.image.shape[0]

    def within(self, left: int, top: int, right: int, bottom: int) -> tuple[slice, slice] | None:
        """Rows and columns of this layer that lie in a rectangle; None where none do."""
        first, last = max(left, self.left), min(right, self.right)
        upper, lower = max(top, self.top), min(bottom, self.bottom)
        if first >= last or upper >= lower:
            return None
        return slice(upper - self.top, lower - self.top), slice(first - self.left, last - self.left)


@dataclass(frozen=True)
class Seen:
    """What is seen of one silhouette: the box of its visible pixels, None if there is none; which share of it is
    visible, and which share lies inside the image, covered or not."""

    box: Box | None
    visible_share: float
    inside_share: float


def lay(image: NDArray[np.uint8], layer: Layer) -> None:
    """Draw a layer over an image [H, W, 3], in place. Where it covers nothing, not a bit changes."""
    part = layer.within(0, 0, image.shape[1], image.shape[0])
    if part is None:
        return
    rows, columns = part
    above = layer.image[part].astype(np.uint16)
    below = image[
        rows.start + layer.top : rows.stop + layer.top, columns.start + layer.left : columns.stop + layer.left
    ]
    below[:] = np.minimum(above[..., :3] + (below * (255 - above[..., 3:]) + 127) // 255, 255)


def seen(layers: Sequence[Layer], width: int, height: int) -> list[Seen]:
    """What is seen of each of some layers, the farthest first, in an image of that size."""
    return [_seen(layer, layers[number + 1 :], width, height) for number, layer in enumerate(layers)]


def _seen(layer: Layer, before: Sequence[Layer], width: int, height: int) -> Seen:
    cover = layer.image[..., 3].astype(np.float32)
    whole, peak = float(cover.sum()), float(cover.max(initial=0))
    inside = layer.within(0, 0, width, height)
    if inside is None or whole == 0:
        return Seen(None, 0.0, 0.0)
    inside_share = float(cover[inside].sum()) / whole
    for other in before:
        mine = layer.within(other.left, other.top, other.right, other.bottom)
        theirs = other.within(layer.left, layer.top, layer.right, layer.bottom)
        if mine is not None and theirs is not None:
            cover[mine] *= 1 - other.image[theirs][..., 3] / np.float32(255)
    visible = cover[inside]
    pixels = visible >= max(_EDGE * peak, 1)
    rows, columns = np.flatnonzero(pixels.any(axis=1)), np.flatnonzero(pixels.any(axis=0))
    if len(rows) == 0:
        return Seen(None, float(visible.sum()) / whole, inside_share)
    left, top = layer.left + inside[1].start + int(columns[0]), layer.top + inside[0].start + int(rows[0])
    box = (left, top, int(columns[-1] - columns[0]) + 1, int(rows[-1] - rows[0]) + 1)
    return Seen(box, float(visible.sum()) / whole, inside_share)
