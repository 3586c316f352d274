"""One image with its boxes, and what operations did to the boxes of many.

Belongs here: the types that all operations share, and the one rule by which a border cuts boxes. Must not come here:
operations.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sport_assets.detection.categories import BALL

Image = NDArray[Any]
"""uint8 [height, width, 3], BGR. OpenCV's type hints do not say of which numbers its results are."""
Boxes = NDArray[np.float64]

MIN_SIDE_PX = 1.0
"""A box that is narrower or lower than a pixel after a cut or a reduction is dropped."""


@dataclass(frozen=True)
class Sample:
    """An image and its boxes. Operations give a new one and leave the old one's arrays as they are.

    ``image`` uint8 [height, width, 3], BGR, at least 2 x 2 px; ``boxes`` float64 [N, 4]: left, top, right, bottom in
    pixels, edges and not pixel centres (the box of the pixel at the origin is 0, 0, 1, 1); ``categories`` int64 [N].
    """

    image: Image
    boxes: Boxes
    categories: NDArray[np.int64]

    def __post_init__(self) -> None:
        shape = self.image.shape
        if self.image.dtype != np.uint8 or len(shape) != 3 or shape[2] != 3 or min(shape[:2]) < 2:
            raise ValueError(f"image is {self.image.dtype} {shape}, not uint8 [height, width, 3] of 2 x 2 px or more")
        if self.boxes.shape != (len(self.categories), 4) or self.categories.ndim != 1:
            raise ValueError(f"boxes {self.boxes.shape} and categories {self.categories.shape} disagree")

    @property
    def width(self) -> int:
        """Of the image, px."""
        return int(self.image.shape[1])

    @property
    def height(self) -> int:
        """Of the image, px."""
        return int(self.image.shape[0])

    @property
    def balls(self) -> Boxes:
        """Boxes of the balls [N, 4]."""
        return self.boxes[self.categories == BALL]

    def with_image(self, image: Image) -> "Sample":
        """The same boxes on another image of the same size."""
        return Sample(image, self.boxes, self.categories)


def cut(
    boxes: Boxes, categories: NDArray[np.int64], width: float, height: float, min_visible_share: float
) -> tuple[Boxes, NDArray[np.int64]]:
    """Boxes as far as they lie inside 0, 0, width, height.

    A box goes where less than ``min_visible_share`` of its area is inside, or less than ``MIN_SIDE_PX`` each way.
    """
    inside = np.clip(boxes, 0.0, np.array([width, height, width, height], dtype=np.float64))
    sides = inside[:, 2:] - inside[:, :2]
    area = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    kept = (sides >= MIN_SIDE_PX).all(axis=1) & (sides.prod(axis=1) >= min_visible_share * area)
    return inside[kept], categories[kept]


@dataclass(frozen=True)
class Tally:
    """What an operation did to boxes: how often it came, the boxes that went in, and those lost or new.

    What is no ball counts as a player. A loss is a box that is in one of the images which the operation put together,
    but not in its result: cut off at a border, too small, or too faint.
    """

    applied: int = 0
    balls: int = 0
    balls_lost: int = 0
    balls_added: int = 0
    players: int = 0
    players_lost: int = 0

    @classmethod
    def of(cls, sources: Sequence[Sample], result: Sample) -> "Tally":
        """Of one application, from what went in and what came out."""
        balls = sum(len(source.balls) for source in sources)
        players = sum(len(source.boxes) for source in sources) - balls
        kept = len(result.balls)
        lost_players = players - (len(result.boxes) - kept)
        return cls(1, balls, max(balls - kept, 0), max(kept - balls, 0), players, lost_players)

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(*(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__))


Counts = Mapping[str, Tally]
"""Tallies by operation, of one sample or of many. Operations that did not come are left out."""


def total(counts: Iterable[Counts]) -> dict[str, Tally]:
    """The sums over many samples, by operation in order of its name."""
    sums: dict[str, Tally] = {}
    for one in counts:
        for name, tally in one.items():
            sums[name] = sums.get(name, Tally()) + tally
    return dict(sorted(sums.items()))
