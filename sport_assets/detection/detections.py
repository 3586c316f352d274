"""What a detector says of one image: boxes, scores and categories as arrays. No torch, no OpenCV.

Belongs here: the type that teachers, prediction and evaluation share, and box arithmetic on arrays. Must not come here:
how detections are made.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Detections:
    """Boxes of one image, best score first.

    ``boxes`` float32 [N, 4]: left, top, right, bottom in pixels of the image; ``scores`` float32 [N], 0 to 1;
    ``categories`` int64 [N], as in ``categories``.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    categories: NDArray[np.int64]

    def __post_init__(self) -> None:
        if not (self.boxes.shape == (len(self.scores), 4) and self.categories.shape == self.scores.shape):
            raise ValueError(f"boxes {self.boxes.shape}, scores {self.scores.shape}, categories disagree")

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, which: NDArray[np.bool_] | NDArray[np.intp] | slice) -> "Detections":
        """Some of the detections."""
        return Detections(self.boxes[which], self.scores[which], self.categories[which])

    @classmethod
    def none(cls) -> "Detections":
        """No detection."""
        return cls(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64))


def intersection_over_union(a: NDArray[np.floating], b: NDArray[np.floating]) -> NDArray[np.float64]:
    """IoU [N, M] of boxes [N, 4] and [M, 4] (left, top, right, bottom); 0 where a box has no area."""
    a64, b64 = a.astype(np.float64), b.astype(np.float64)
    corner = np.maximum(a64[:, None, :2], b64[None, :, :2])
    size = np.clip(np.minimum(a64[:, None, 2:], b64[None, :, 2:]) - corner, 0, None)
    shared = size.prod(axis=2)
    areas = [np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).prod(axis=1) for boxes in (a64, b64)]
    union = areas[0][:, None] + areas[1][None, :] - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def centres(boxes: NDArray[np.floating]) -> NDArray[np.float64]:
    """Centres [N, 2] (x, y) of boxes [N, 4]."""
    return (boxes[:, :2].astype(np.float64) + boxes[:, 2:].astype(np.float64)) / 2
