"""A video with boxes drawn on its frames, written as H.264.

Belongs here: drawing detections, writing the file. Must not come here: making detections.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from sport_assets.detection.categories import BALL, GOALKEEPER, PLAYER, REFEREE
from sport_assets.detection.detections import Detections
from sport_assets.lineage.durable import make_folders
from sport_assets.training.exported import PredictionError

COLOURS: Mapping[int, tuple[int, int, int]] = {
    PLAYER: (255, 160, 40),
    BALL: (0, 220, 255),
    GOALKEEPER: (90, 220, 90),
    REFEREE: (220, 90, 220),
}
"""Of the boxes, blue first."""
_LEAST_BALL_PX = 16
_TICKS_A_SECOND = 90_000
_TICK = Fraction(1, _TICKS_A_SECOND)


class AnnotatedVideo:
    """Frames with boxes, written beside ``path`` and put in its place by ``finish``; ``close`` leaves nothing else.

    ``times_ms``: when each frame of the video is shown, in milliseconds from its first; ``frame_rate``: frames a second
    on average. Where a frame is not given, the one before it stays, or the first one comes early: the clock is the
    video's.
    ``thresholds``: least score of what is drawn, by category.
    """

    def __init__(
        self,
        path: Path,
        times_ms: Iterable[float],
        frame_rate: float,
        categories: Mapping[int, str],
        thresholds: Mapping[int, float],
    ) -> None:
        self._path, self._part = path, path.with_name(f".{path.name}.part.mp4")
        self._categories, self._thresholds = categories, thresholds
        self._ticks = _ascending(round(time * _TICKS_A_SECOND / 1000) for time in times_ms)
        self._rate = Fraction(frame_rate or 25.0).limit_denominator(1001)
        self._container: av.container.OutputContainer | None = None
        self._stream: av.video.stream.VideoStream | None = None
        self._last: NDArray[np.uint8] | None = None
        self._written = 0

    def add(self, number: int, image: NDArray[np.uint8], found: Detections) -> None:
        """Frame ``number`` of the video from 0, in order: BGR [H, W, 3], all of one size.

        Raises ``PredictionError`` where the file cannot be written.
        """
        height, width = (side - side % 2 for side in image.shape[:2])  # H.264 wants even sides
        if self._container is None:
            self._begin(width, height)
        drawn = draw(image, found, self._categories, self._thresholds)[:height, :width]
        self._write(number, drawn if self._last is None else self._last)
        self._last = drawn
        self._write(number + 1, drawn)

    def _begin(self, width: int, height: int) -> None:
        try:
            make_folders(self._path.parent)
            container = av.open(str(self._part), "w")
            self._stream = container.add_stream("libx264", rate=self._rate)
            self._stream.width, self._stream.height, self._stream.pix_fmt = width, height, "yuv420p"
            self._stream.codec_context.time_base = _TICK
            self._stream.options = {"crf": "23", "preset": "veryfast"}
            container.start_encoding()  # which opens the file
        except OSError as error:
            raise PredictionError(f"{self._path}: cannot be written ({error.strerror}): give another name") from error
        self._container = container

    def _write(self, end: int, drawn: NDArray[np.uint8]) -> None:
        """Write one picture for every frame that is still to come before number ``end``."""
        assert self._container is not None
        assert self._stream is not None
        while self._written < end:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(drawn), format="bgr24")
            frame.pts, frame.time_base = self._ticks[self._written], _TICK
            self._container.mux(self._stream.encode(frame))
            self._written += 1

    def finish(self) -> None:
        """Write what is still on its way, and put the file in its place."""
        if self._container is None or self._stream is None or self._last is None:
            return
        self._write(len(self._ticks), self._last)
        self._container.mux(self._stream.encode(None))
        self._container.close()
        os.replace(self._part, self._path)
        self._container = None

    def close(self) -> None:
        """Take away an unfinished file."""
        if self._container is not None:
            self._container.close()
            self._container = None
            self._part.unlink(missing_ok=True)


def draw(
    image: NDArray[np.uint8], found: Detections, categories: Mapping[int, str], thresholds: Mapping[int, float]
) -> NDArray[np.uint8]:
    """A copy of the image with a box for each detection from its category's threshold on; small balls get a ring."""
    drawn = image.copy()
    thickness = max(1, round(image.shape[0] / 500))
    for box, score, category in zip(found.boxes, found.scores, found.categories.tolist(), strict=True):
        if score < thresholds.get(category, 0.0):
            continue
        colour = COLOURS.get(category, (255, 255, 255))
        left, top, right, bottom = (round(float(value)) for value in box)
        if category == BALL and max(right - left, bottom - top) < _LEAST_BALL_PX:
            middle = ((left + right) // 2, (top + bottom) // 2)
            cv2.circle(drawn, middle, _LEAST_BALL_PX, colour, thickness, cv2.LINE_AA)
        else:
            cv2.rectangle(drawn, (left, top), (right, bottom), colour, thickness)
        text = f"{categories.get(category, category)} {score:.2f}"
        cv2.putText(
            drawn, text, (left, max(10, top - 4)), cv2.FONT_HERSHEY_SIMPLEX, 0.35 * thickness, colour, 1, cv2.LINE_AA
        )
    return drawn


def _ascending(ticks: Iterable[int]) -> list[int]:
    """The same ticks, where no two are one: a player shows frames of one time one after the other."""
    found: list[int] = []
    for tick in ticks:
        found.append(tick if not found else max(tick, found[-1] + 1))
    return found
