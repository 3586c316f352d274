"""What the network sees of an image and how its answer becomes detections: the same in training and everywhere else.

Belongs here: the two ends of the network as NumPy. Must not come here: torch, ONNX Runtime, slicing.

An image is squashed to a square, as RF-DETR wants it: x and y have scales of their own, and boxes are shares of width
and height.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from sport_assets.detection.augmentation.geometry import resized
from sport_assets.detection.detections import Detections

MEAN = np.array([0.485, 0.456, 0.406], np.float32)
"""Of ImageNet's channels red, green, blue as shares of full brightness; what DINOv2 was trained with."""
DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)
# (value - mean) / deviation of every byte, by channel
_TABLE = ((np.arange(256, dtype=np.float32)[None, :] / 255.0 - MEAN[:, None]) / DEVIATION[:, None]).astype(np.float32)


def network_input(image: NDArray[np.uint8], resolution: int) -> NDArray[np.float32]:
    """An image (BGR, uint8 [H, W, 3]) as the network takes it: float32 [3, resolution, resolution], red first."""
    square = resized(image, resolution, resolution)
    return np.stack([_TABLE[channel][square[:, :, 2 - channel]] for channel in range(3)])


def rfdetr_input(image: NDArray[np.uint8], resolution: int) -> NDArray[np.float32]:
    """The same as rfdetr's own ``predict`` makes it, for networks that rfdetr trained: between pixels at any size."""
    square = cv2.resize(image.astype(np.float32), (resolution, resolution), interpolation=cv2.INTER_LINEAR)
    return np.ascontiguousarray(((square[:, :, ::-1] / 255 - MEAN) / DEVIATION).transpose(2, 0, 1), np.float32)


def detections(
    boxes: NDArray[np.float32],
    logits: NDArray[np.float32],
    width: int,
    height: int,
    categories: Sequence[int],
    *,
    keep: int,
    dropped: Counter[str] | None = None,
) -> Detections:
    """The network's answer for one image of ``width`` x ``height`` px.

    ``boxes`` [Q, 4]: centre x, centre y, width, height as shares of the image; ``logits`` [Q, C + 1]: log odds by
    category, of which the last column is rfdetr's background. As in rfdetr, a query may be several categories: the
    ``keep`` best pairs of query and category are taken, by probability, ties by query and category. Background and
    boxes without area are taken out afterwards, and counted in ``dropped``.
    """
    probability = 1.0 / (1.0 + np.exp(-logits.astype(np.float64)))
    columns = probability.shape[1]
    best = np.argsort(-probability.ravel(), kind="stable")[:keep]
    query, column = np.divmod(best, columns)
    scores = probability.ravel()[best].astype(np.float32)
    centre, half = boxes[query, :2].astype(np.float64), boxes[query, 2:].astype(np.float64) / 2
    size = np.array([width, height])
    corners = np.concatenate(
        [np.clip((centre - half) * size, 0, size), np.clip((centre + half) * size, 0, size)], axis=1
    )
    is_ours = column < len(categories)
    has_area = ((corners[:, 2:] - corners[:, :2]) > 0).all(axis=1)
    if dropped is not None:
        dropped["background"] += int((~is_ours).sum())
        dropped["degenerate"] += int((is_ours & ~has_area).sum())
    kept = is_ours & has_area
    names = np.asarray(categories, np.int64)
    return Detections(corners[kept].astype(np.float32), scores[kept], names[column[kept]])


def label_of(categories: Mapping[int, str]) -> dict[int, int]:
    """The network's column of each category: in order of their ids, from 0."""
    return {category: number for number, category in enumerate(sorted(categories))}
