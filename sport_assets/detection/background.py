"""What a static camera sees when nobody is there: the picture of the background, its noise, and where the pitch is.

Belongs here: the background of one stretch of video, the test that the camera stands still, the pitch by its colour.
Must not come here: what moves in front of it (``moving_players``, ``moving_ball``), reading videos.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from sport_assets.detection.errors import BadVideoError
from sport_assets.detection.slicing import Image

Mask = NDArray[np.uint8]
"""[height, width], 255 where it holds, 0 elsewhere."""

GROUP = 7
"""Frames whose median is taken at once; the median of such medians is the background."""
_SMALL = 320
"""Width in pixels at which the camera's motion is measured and the pitch is sought."""
_MOVED_SHARE, _MOVED_FRAMES = 0.004, 0.15
"""A frame has moved when it is off by that share of the width; a camera moves when that share of the frames has."""
_PARTS = (4, 6)
"""Down and across: parts of the picture whose motion is measured."""
_LEAST_EDGES = 1.0
"""Standard deviation of the strength of edges below which a picture is blank."""
_FULL_PITCH = 0.3
"""If so much of the pitch differs from the background in the middle frame, the camera cannot have stood still."""


@dataclass(frozen=True)
class Background:
    """The background of one stretch of video.

    ``picture`` uint8 [height, width, 3]; ``noise`` float32 [height, width]: standard deviation of the channel that
    varies most, in grey levels; ``pitch``: the pitch's outline, filled; ``largest_shift``: how far a frame of the
    stretch was off the first one, in pixels; ``examples``: some frames of the stretch, spread over it.
    """

    picture: Image
    noise: NDArray[np.float32]
    pitch: Mask
    largest_shift: float
    examples: tuple[Image, ...]


def build_background(frames: Iterable[Image], where: str) -> Background:
    """The background of frames that are spread over a stretch of video (49 of them are a good number).

    The remedian of Rousseeuw and Bassett (1990): medians of groups of seven, and the median of those. It needs 14
    frames in memory whatever their number, and forgives whatever stands still for less than half of the time. What
    stood longer and went is painted over from a frame in which the grass behind it can be seen.

    ``where``: the video and the stretch, for messages. Raises ``BadVideoError`` for a camera that moves and where no
    pitch can be made out.
    """
    medians: list[Image] = []
    spreads: list[NDArray[np.float32]] = []
    kept: list[Image] = []
    group: list[Image] = []
    motion = _Motion(where)
    for frame in frames:
        motion.look(frame)
        group.append(frame)
        if len(group) == GROUP:
            medians.append(median(group))
            spreads.append(_noise(group, medians[-1]))
            kept.append(group[GROUP // 2])
            group = []
    if not medians:
        if not group:
            raise BadVideoError(f"{where}: there is no frame to make a background of")
        medians, spreads, kept = [median(group)], [_noise(group, median(group))], [*group]
    motion.judge()
    picture = median(medians)
    noise = np.median(np.stack(spreads), axis=0).astype(np.float32) if len(spreads) > 1 else spreads[0]
    noise = np.asarray(cv2.GaussianBlur(cv2.dilate(noise, np.ones((3, 3))), (0, 0), 2), np.float32)
    pitch = pitch_outline(picture, where)
    for frame in kept:
        picture = _without_who_left(picture, frame, noise, pitch)
    _judge_difference(picture, kept, noise, pitch, where)
    return Background(picture, noise, pitch, motion.largest, tuple(kept))


def median(frames: Sequence[Image]) -> Image:
    """The median of an odd number of images per pixel and channel (of an even number the lower of both in the middle).

    By comparing whole images with one another until the middle one is known: many times faster than sorting pixels.
    """
    rows = list(frames)
    for last in range(len(rows) - 1, (len(rows) - 1) // 2 - 1, -1):
        for number in range(last):
            one, other = rows[number], rows[number + 1]
            rows[number] = np.asarray(cv2.min(one, other), np.uint8)
            rows[number + 1] = np.asarray(cv2.max(one, other), np.uint8)
    return np.asarray(rows[(len(rows) - 1) // 2], np.uint8)


def difference(frame: Image, picture: Image) -> NDArray[np.uint8]:
    """Difference [height, width] of the channel that differs most, in grey levels."""
    blue, green, red = cv2.split(cv2.absdiff(frame, picture))
    return np.asarray(cv2.max(cv2.max(blue, green), red), np.uint8)


def pitch_outline(picture: Image, where: str) -> Mask:
    """The pitch: the hull of the largest even green area. Trees are green, too, but not even.

    Raises ``BadVideoError`` where less than a twentieth of the picture is that.
    """
    height, width = picture.shape[:2]
    small = cv2.resize(picture, (_SMALL, max(1, round(_SMALL * height / width))), interpolation=cv2.INTER_AREA)
    hue, saturation, value = cv2.split(cv2.cvtColor(small, cv2.COLOR_BGR2HSV))
    green = (hue >= 25) & (hue <= 95) & (saturation >= 35) & (value >= 25)
    grey = cv2.cvtColor(small, cv2.COLOR_BGR2GRAY).astype(np.float32)
    mean = cv2.blur(grey, (5, 5))
    uneven = np.sqrt(np.maximum(cv2.blur(grey * grey, (5, 5)) - mean * mean, 0))
    if not green.any():
        raise BadVideoError(f"{where}: nothing green in it, so no pitch can be found. Use teacher=rfdetr.")
    even = green & (uneven <= max(8.0, 2 * float(np.median(uneven[green]))))
    mask = cv2.morphologyEx(even.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((7, 7), np.uint8))
    mask = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((7, 7), np.uint8))
    mask = cv2.dilate(mask, np.ones((5, 5), np.uint8))  # evenness is of 5 x 5 cells: at the edge two of them are lost
    outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    largest = max(outlines, key=cv2.contourArea, default=None)
    if largest is None or cv2.contourArea(largest) < mask.size / 20:
        raise BadVideoError(f"{where}: no pitch can be made out by its colour. Use teacher=rfdetr.")
    filled = np.zeros_like(mask)
    cv2.drawContours(filled, [cv2.convexHull(largest)], -1, 255, thickness=cv2.FILLED)
    return np.asarray(cv2.resize(filled, (width, height), interpolation=cv2.INTER_LINEAR) // 128 * 255, np.uint8)


class _Motion:
    """How far frames are off the first one, by phase correlation of the parts of small grey pictures.

    The median over the parts: players move in some of them, a camera moves all.
    """

    def __init__(self, where: str) -> None:
        self._where = where
        self._first: NDArray[np.float32] | None = None
        self._shifts: list[float] = []
        self._scale = 1.0

    @property
    def largest(self) -> float:
        """In pixels of the video."""
        return max(self._shifts, default=0.0)

    def look(self, frame: Image) -> None:
        height, width = frame.shape[:2]
        size = (_SMALL, max(1, round(_SMALL * height / width)))
        step = max(1, width // (2 * _SMALL))  # a whole number at first: averaging is ten times as fast then
        whole = (width // step, height // step)
        some = cv2.resize(frame[: whole[1] * step, : whole[0] * step], whole, interpolation=cv2.INTER_AREA)
        small = cv2.cvtColor(cv2.resize(some, size, interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2GRAY)
        # edges instead of brightness: a passing cloud is no motion
        edges = cv2.magnitude(cv2.Sobel(small, cv2.CV_32F, 1, 0), cv2.Sobel(small, cv2.CV_32F, 0, 1))
        edges = np.minimum(edges, 60).astype(np.float32)
        if float(np.std(edges)) < _LEAST_EDGES:
            return  # nothing in it by which a shift could be told
        if self._first is None:
            self._first, self._scale = np.asarray(edges, np.float32), width / _SMALL
            return
        down, across = (max(side // parts, 8) for side, parts in zip(edges.shape, _PARTS, strict=True))
        window = cv2.createHanningWindow((across, down), cv2.CV_32F)
        shifts = []
        for top in range(0, edges.shape[0] - down + 1, down):
            for left in range(0, edges.shape[1] - across + 1, across):
                one, other = (
                    np.ascontiguousarray(part[top : top + down, left : left + across]) for part in (self._first, edges)
                )
                if min(float(np.std(one)), float(np.std(other))) >= _LEAST_EDGES:
                    (x, y), _ = cv2.phaseCorrelate(one, other, window)
                    shifts.append(float(np.hypot(x, y)))
        if shifts:
            self._shifts.append(float(np.median(shifts)) * self._scale)

    def judge(self) -> None:
        """Raise ``BadVideoError`` where too many frames were off."""
        limit = _MOVED_SHARE * _SMALL * self._scale
        moved = sum(shift > limit for shift in self._shifts)
        if moved > _MOVED_FRAMES * len(self._shifts):
            raise _camera_moves(
                self._where,
                f"{moved} of {len(self._shifts)} frames are off the first one by more than {limit:.0f} pixels",
            )


def _camera_moves(where: str, why: str) -> BadVideoError:
    return BadVideoError(
        f"{where}: the camera moves ({why}), and differences from a background only tell what moves where the "
        "camera stands still. Use teacher=rfdetr for this video."
    )


def _noise(group: Sequence[Image], middle: Image) -> NDArray[np.float32]:
    """Standard deviation by the median of absolute deviations (of the channel that deviates most)."""
    return median([difference(frame, middle) for frame in group]).astype(np.float32) * 1.4826


def _judge_difference(
    picture: Image, frames: Sequence[Image], noise: NDArray[np.float32], pitch: Mask, where: str
) -> None:
    limit = np.maximum(18, 4 * noise)
    shares = [float((difference(frame, picture) > limit)[pitch > 0].mean()) for frame in frames]
    if np.median(shares) > _FULL_PITCH:
        raise _camera_moves(where, f"{np.median(shares):.0%} of the pitch differs from its own median")


def _without_who_left(picture: Image, frame: Image, noise: NDArray[np.float32], pitch: Mask) -> Image:
    """The background with those painted over who are in it and are not in the frame.

    Where the frame looks like the grass around and the background does not, somebody stood there for most of the time.
    """
    mask = ((difference(frame, picture) > np.maximum(18, 4 * noise)) & (pitch > 0)).astype(np.uint8)
    mask = np.asarray(cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8)), np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask)
    healed = picture.copy()
    height, width = mask.shape
    for number in range(1, count):
        left, top, wide, high, area = stats[number].tolist()
        if area < 30:
            continue
        edge = 3 + max(wide, high) // 6
        rows = slice(max(0, top - edge), min(height, top + high + edge))
        columns = slice(max(0, left - edge), min(width, left + wide + edge))
        inside = (labels[rows, columns] == number).astype(np.uint8)
        near = cv2.dilate(inside, np.ones((2 * edge + 1, 2 * edge + 1), np.uint8)) > 0
        ring = near & (mask[rows, columns] == 0)
        if np.count_nonzero(ring) < 20:
            continue
        there = inside > 0
        grass = np.median(frame[rows, columns][ring].astype(np.float32), axis=0)
        off = [
            float(np.abs(image[rows, columns][there].astype(np.float32) - grass).mean()) for image in (frame, picture)
        ]
        if off[0] < 0.5 * off[1]:
            paint = cv2.dilate(inside, np.ones((5, 5), np.uint8)) > 0
            healed[rows, columns][paint] = frame[rows, columns][paint]
    return healed
