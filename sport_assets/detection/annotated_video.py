"""A video with boxes drawn on its frames, written as H.264.

Belongs here: drawing detections, writing the file. Must not come here: making detections.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from sport_assets.detection.categories import BALL, GOALKEEPER, PLAYER, REFEREE
from sport_assets.detection.detections import Detections

COLOURS: Mapping[int, tuple[int, int, int]] = {
    PLAYER: (255, 160, 40),
    BALL: (0, 220, 255),
    GOALKEEPER: (90, 220, 90),
    REFEREE: (220, 90, 220),
}
"""Of the boxes, blue first."""
_LEAST_BALL_PX = 16


class AnnotatedVideo:
    """Frames with boxes, written beside ``path`` and put in its place by ``finish``; ``close`` leaves nothing else.

    ``thresholds``: least score of what is drawn, by category.
    """

    def __init__(
        self, path: Path, frame_rate: float, categories: Mapping[int, str], thresholds: Mapping[int, float]
    ) -> None:
        self._path, self._part = path, path.with_name(f".{path.name}.part.mp4")
        self._categories, self._thresholds = categories, thresholds
        self._rate = Fraction(frame_rate or 25.0).limit_denominator(1001)
        self._container: av.container.OutputContainer | None = None
        self._stream: av.video.stream.VideoStream | None = None

    def add(self, image: NDArray[np.uint8], found: Detections) -> None:
        """The next frame, BGR [H, W, 3], all of one size."""
        height, width = (side - side % 2 for side in image.shape[:2])  # H.264 wants even sides
        if self._container is None:
            self._container = av.open(str(self._part), "w")
            self._stream = self._container.add_stream("libx264", rate=self._rate)
            self._stream.width, self._stream.height, self._stream.pix_fmt = width, height, "yuv420p"
            self._stream.options = {"crf": "23", "preset": "veryfast"}
        assert self._stream is not None
        drawn = draw(image, found, self._categories, self._thresholds)
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(drawn[:height, :width]), format="bgr24")
        self._container.mux(self._stream.encode(frame))

    def finish(self) -> None:
        """Write what is still on its way, and put the file in its place."""
        if self._container is None or self._stream is None:
            return
        self._container.mux(self._stream.encode(None))
        self._container.close()
        self._container = None
        os.replace(self._part, self._path)

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
