"""Sliced inference: a detector looks at overlapping windows of an image, and what it says is put together. No torch.

Belongs here: the windows, sending them through a detector in batches, merging. Must not come here: detectors, and
sahi's own loop (``sahi_model`` lends our detectors to it).

A ball of 8 pixels in a 3072 pixel wide frame is 1 pixel after a resize to 384: the window is what the network can see.
Windows and merging are sahi's (Akyon et al. 2022, "Slicing Aided Hyper Inference"); its loop sends one window after the
other through most networks, while here the windows of all images go through in full batches.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from sport_assets.detection.detections import Detections, intersection_over_union
from sport_assets.detection.errors import BadInputError

Image = NDArray[np.uint8]
"""An image uint8 [height, width, 3], channels blue, green, red."""
Detector = Callable[[list[Image]], list[Detections]]
"""Detections of each image of a batch, boxes in the pixels of that image."""
Window = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels of the image."""
Merge = Literal["greedy_nmm", "nms"]
Overlap = Literal["ios", "iou"]

SMALLEST_WINDOW, LARGEST_OVERLAP = 32, 0.9
JOINED_FROM = 0.1
"""Least score with which a box makes another grow. A DETR answers for each of its queries, and around every player lie
spare boxes with scores near 0: joined with them, a player found exactly would become a box of half the picture."""


@dataclass(frozen=True)
class Slicing:
    """How an image is cut up and put together again. The defaults are sahi's, with the specs' window.

    ``size``: side of the square windows in pixels. ``overlap``: share of a window that the next one sees again.
    ``batch``: windows that go through the detector at once. ``whole_image``: let the detector see the whole image as
    well, for what is larger than a window. ``merge``: of boxes of the same category that overlap, those from a score of
    ``JOINED_FROM`` on are joined into the smallest box around them, so that a player whom an edge cuts in two is one
    again, and fainter ones go (``greedy_nmm``); or the best stays alone (``nms``). ``metric``, ``threshold``: overlap
    from which boxes are the same, as share of the smaller box (``ios``) or of the union (``iou``).

    Raises ``BadInputError`` for settings by which no image can be covered.
    """

    size: int = 1280
    overlap: float = 0.2
    batch: int = 8
    whole_image: bool = True
    merge: Merge = "greedy_nmm"
    metric: Overlap = "ios"
    threshold: float = 0.5

    def __post_init__(self) -> None:
        if self.size < SMALLEST_WINDOW:
            raise BadInputError(f"slice size {self.size}: a window needs at least {SMALLEST_WINDOW} pixels")
        if not 0 <= self.overlap <= LARGEST_OVERLAP:
            raise BadInputError(
                f"slice overlap {self.overlap}: give a share from 0 to {LARGEST_OVERLAP}; "
                "at 1 the windows would never get to the end of the image"
            )
        if self.batch < 1:
            raise BadInputError(f"slice batch {self.batch}: at least one window must go through at once")
        if self.merge not in get_args(Merge) or self.metric not in get_args(Overlap):
            raise BadInputError(
                f"merging by {self.merge!r} and {self.metric!r}: there are {get_args(Merge)} and {get_args(Overlap)}"
            )
        if not 0 < self.threshold <= 1:
            raise BadInputError(f"merge threshold {self.threshold}: give a share above 0, at most 1")


@dataclass(frozen=True)
class Sliced:
    """What a detector says of one image: merged over the windows and, where it saw it, of the whole image alone."""

    merged: Detections
    whole_image: Detections | None


def windows(height: int, width: int, slicing: Slicing) -> list[Window]:
    """The windows that cover an image of that size, row by row. Those at the right and lower edge are moved inwards."""
    from sahi.slicing import get_slice_bboxes  # when images are cut: settings are read with the definitions

    found = get_slice_bboxes(
        height,
        width,
        slicing.size,
        slicing.size,
        overlap_height_ratio=slicing.overlap,
        overlap_width_ratio=slicing.overlap,
    )
    return [(left, top, right, bottom) for left, top, right, bottom in found]


def sliced(detect: Detector, image: Image, slicing: Slicing) -> Detections:
    """Detections of one image by windows. See ``sliced_images``."""
    return next(sliced_images(detect, [image], slicing)).merged


def sliced_images(detect: Detector, images: Iterable[Image], slicing: Slicing) -> Iterator[Sliced]:
    """Detections of each image by windows, in order; windows of several images share a batch.

    Where one window covers an image, its detections are those of the whole image, and nothing is merged. Boxes
    without area are dropped. Images are taken as they are needed: about a batch of windows lies in memory.
    """
    waiting: deque[_Pieces] = deque()
    queue: list[tuple[_Pieces, int, Image]] = []

    def run() -> None:
        batch, queue[:] = queue[: slicing.batch], queue[slicing.batch :]
        found = detect([piece for _, _, piece in batch])
        if len(found) != len(batch):
            raise ValueError(f"the detector gave {len(found)} answers to a batch of {len(batch)}")
        for (pieces, number, _), detections in zip(batch, found, strict=True):
            pieces.found[number] = detections

    for image in images:
        pieces = _Pieces.of(image, slicing)
        waiting.append(pieces)
        queue += [
            (pieces, number, image[top:bottom, left:right])
            for number, (left, top, right, bottom) in enumerate(pieces.windows)
        ]
        while len(queue) >= slicing.batch:
            run()
        while waiting and waiting[0].complete:
            yield waiting.popleft().together(slicing)
    while queue:
        run()
    for pieces in waiting:
        yield pieces.together(slicing)


def merge(detections: Detections, slicing: Slicing) -> Detections:
    """Detections in which those that overlap, category by category, have become one; best score first."""
    if len(detections) < 2:
        return detections
    import sahi.postprocess.combine as sahi_combine

    rows = np.column_stack([detections.boxes, detections.scores, detections.categories]).astype(np.float64)
    metric = slicing.metric.upper()
    with _numpy_backend():
        if slicing.merge == "nms":
            return detections[np.array(sahi_combine.batched_nms(rows, metric, slicing.threshold))]
        joined = sahi_combine.batched_greedy_nmm(rows, metric, slicing.threshold)
    strong = detections.scores >= JOINED_FROM
    boxes = np.stack(
        [
            _joined(rows[:, :4], keep, [other for other in others if strong[other]], slicing)
            for keep, others in joined.items()
        ]
    )
    kept = np.array(list(joined))
    merged = Detections(boxes.astype(np.float32), detections.scores[kept], detections.categories[kept])
    return merged[np.argsort(-merged.scores, kind="stable")]


def disagreement(sliced_image: Sliced, *, least_score: float = 0.25, least_overlap: float = 0.5) -> float | None:
    """Share of detections that only one of the two looks, by windows and at the whole image, has; None for one look.

    Of detections from ``least_score`` on; two are the same from an IoU of ``least_overlap`` on, within a category.
    """
    if sliced_image.whole_image is None:
        return None
    one, other = (found[found.scores >= least_score] for found in (sliced_image.merged, sliced_image.whole_image))
    if not len(one) + len(other):
        return 0.0
    same = intersection_over_union(one.boxes, other.boxes) >= least_overlap
    same &= one.categories[:, None] == other.categories[None, :]
    alone = np.count_nonzero(~same.any(axis=1)) + np.count_nonzero(~same.any(axis=0))
    return float(alone) / (len(one) + len(other))


@dataclass
class _Pieces:
    """The windows of one image and what was found in those that were looked at; the whole image is the last of them."""

    windows: list[Window]
    whole: bool
    found: dict[int, Detections] = field(default_factory=dict)

    @classmethod
    def of(cls, image: Image, slicing: Slicing) -> "_Pieces":
        height, width = image.shape[:2]
        cut = windows(height, width, slicing)
        whole = slicing.whole_image and len(cut) > 1
        return cls([*cut, (0, 0, width, height)] if whole else cut, whole)

    @property
    def complete(self) -> bool:
        return len(self.found) == len(self.windows)

    def together(self, slicing: Slicing) -> Sliced:
        """What was found, in the pixels of the image."""
        found = [_moved(self.found[number], window) for number, window in enumerate(self.windows)]
        if len(found) == 1:
            return Sliced(found[0], found[0])
        return Sliced(merge(_joined_lists(found), slicing), found[-1] if self.whole else None)


def _moved(detections: Detections, window: Window) -> Detections:
    """Detections of a window in the pixels of the image, those without area left out."""
    sides = detections.boxes[:, 2:] - detections.boxes[:, :2]
    kept = detections[np.asarray((sides > 0).all(axis=1))]
    left, top = window[:2]
    return Detections(kept.boxes + np.array([left, top, left, top], np.float32), kept.scores, kept.categories)


def _joined_lists(found: Sequence[Detections]) -> Detections:
    return Detections(
        np.concatenate([each.boxes for each in found]),
        np.concatenate([each.scores for each in found]),
        np.concatenate([each.categories for each in found]),
    )


def _joined(boxes: NDArray[np.float64], keep: int, others: Sequence[int], slicing: Slicing) -> NDArray[np.float64]:
    """The kept box grown around the others one by one; one that no longer overlaps enough does not make it grow."""
    box = boxes[keep]
    for other in boxes[list(others)]:
        sides = np.clip(np.minimum(box[2:], other[2:]) - np.maximum(box[:2], other[:2]), 0, None)
        areas = [float(np.prod(each[2:] - each[:2])) for each in (box, other)]
        shared = float(sides.prod())
        whole = min(areas) if slicing.metric == "ios" else sum(areas) - shared
        if shared >= slicing.threshold * whole:
            box = np.concatenate([np.minimum(box[:2], other[:2]), np.maximum(box[2:], other[2:])])
    return box


@contextmanager
def _numpy_backend() -> Iterator[None]:
    """sahi merges with NumPy meanwhile: left to choose, it imports torch, and the choice is one for the process."""
    from sahi.postprocess.backends import get_postprocess_backend, set_postprocess_backend

    before = get_postprocess_backend()
    set_postprocess_backend("numpy")
    try:
        yield
    finally:
        set_postprocess_backend(before)
