"""Several images put together into one: MixUp and Mosaic.

Belongs here: operations on more than one sample. Must not come here: balls cut out of their image (``balls``).

Images of other sizes are stretched to the first one's. RF-DETR stretches every image to a square anyway, so each looks
to the network as it would alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from sport_assets.detection.augmentation.geometry import resize, resized
from sport_assets.detection.augmentation.sample import Boxes, Sample, cut


def mix_up(sample: Sample, other: Sample, share: float, min_box_share: float) -> Sample:
    """MixUp (Zhang et al. 2018): two images blended, ``other`` with ``share``, and the boxes of both.

    RF-DETR has no soft labels that could say how faint a box is. So the boxes of an image are there in full where its
    share is at least ``min_box_share``, and not at all below: then what shines through is a disturbance, like spray or
    a reflection.
    """
    fitted = resize(other, sample.width, sample.height)
    image = cv2.addWeighted(sample.image, 1 - share, fitted.image, share, 0)
    boxes, categories = [], []
    for source, strength in ((sample, 1 - share), (fitted, share)):
        if strength >= min_box_share:
            fitting = cut(source.boxes, source.categories, sample.width, sample.height, 0.0)
            boxes.append(fitting[0])
            categories.append(fitting[1])
    return Sample(image, np.concatenate(boxes), np.concatenate(categories))


@dataclass(frozen=True)
class Tile:
    """One of the four parts of a mosaic.

    ``scale`` (x, y): size of what is shown relative to the image fitted to the whole canvas, 1 as it would be alone;
    ``place`` (x, y): which part of the image is shown where it does not fit, 0 its left or top, 1 its right or bottom.
    """

    sample: Sample
    scale: float
    place: tuple[float, float]


def draw_tile(
    sample: Sample, shown: tuple[float, float], scales: tuple[float, float], random: np.random.Generator
) -> Tile:
    """A tile that is ``shown`` (width, height) of the canvas large, with a scale at which the image fills it.

    The part of the image is drawn from all those that hold one of its balls whole (up to a pixel), where it has any:
    else a mosaic would lose most of the balls, which are what is rare.
    """
    scale = random.uniform(max(scales[0], *shown), max(scales[1], *shown))
    balls = sample.balls
    place = []
    ball = balls[random.integers(len(balls))] if len(balls) else None
    for axis, side in enumerate((sample.width, sample.height)):
        window = side * shown[axis] / scale
        first, last = 0.0, side - window
        if ball is not None and ball[axis + 2] - ball[axis] <= window:
            first, last = max(first, ball[axis + 2] - window), min(last, ball[axis])
        place.append(float(random.uniform(first, max(first, last)) / (side - window)) if side > window else 0.0)
    return Tile(sample, scale, (place[0], place[1]))


def mosaic(tiles: Sequence[Tile], split: tuple[int, int], width: int, height: int, min_visible_share: float) -> Sample:
    """Four images side by side (YOLOv4, Bochkovskiy et al. 2020): upper left, upper right, lower left, lower right.

    ``split``: column and row (px) of a canvas of ``width`` x ``height`` at which they meet. Each image is cut to whole
    pixels first and then stretched straight into its part, so nothing is resized that is not seen, and boxes take the
    exact scale of what was done. Boxes are cut at the part's borders; see ``sample.cut`` for which are dropped.
    """
    canvas = np.empty((height, width, 3), np.uint8)
    boxes: list[Boxes] = []
    categories = []
    corners = [(x, y) for y in ((0, split[1]), (split[1], height)) for x in ((0, split[0]), (split[0], width))]
    for tile, ((left, right), (top, bottom)) in zip(tiles, corners, strict=True):
        source = tile.sample
        shown = np.array([right - left, bottom - top])
        size = np.array([source.width, source.height])
        window = np.clip(np.rint(shown * size / (tile.scale * np.array([width, height]))), 1, size).astype(int)
        start = np.rint((size - window) * tile.place).astype(int)
        part = source.image[start[1] : start[1] + window[1], start[0] : start[0] + window[0]]
        canvas[top:bottom, left:right] = resized(part, right - left, bottom - top)
        moved = (source.boxes - np.tile(start, 2)) * np.tile(shown / window, 2)
        kept, kept_categories = cut(moved, source.categories, right - left, bottom - top, min_visible_share)
        boxes.append(kept + np.array([left, top, left, top]))
        categories.append(kept_categories)
    return Sample(canvas, np.concatenate(boxes), np.concatenate(categories))
