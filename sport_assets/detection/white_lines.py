"""Whether a place in a picture lies on a white line: what a detector most likes to take for a ball, after socks.

Belongs here: looking at pixels around a place. Must not come here: boxes and their errors (``error_report``).
"""

import cv2
import numpy as np
from numpy.typing import NDArray

WINDOW_SIDES = 6
"""The window that is looked at is so many times as wide as the box, and at least ``LEAST_WINDOW_PX``."""
LEAST_WINDOW_PX = 40
WHITER = 25
"""By how many grey levels (of 255) white paint is brighter than the middle of its surroundings."""
MOST_SATURATION = 110
"""Of 255: grass is green, paint is not."""


def line_likeness(picture: NDArray[np.uint8], x: float, y: float, side: float) -> float:
    """How much of the window around (x, y) a white line through that place crosses, 0 to 1.

    ``picture`` [height, width, 3], blue, green, red; ``side``: larger side of the box in question, pixels. White pixels
    are brighter than the median of the window and hardly coloured. Of the white parts within ``side`` of the place, the
    longest counts: its length by the window's side, times how much longer than wide it is (a round ball gives
    almost 0, a line from edge to edge 1).
    """
    half = max(LEAST_WINDOW_PX, WINDOW_SIDES * side) / 2
    height, width = picture.shape[:2]
    left, right = int(max(0, x - half)), int(min(width, np.ceil(x + half)))
    top, bottom = int(max(0, y - half)), int(min(height, np.ceil(y + half)))
    if right - left < 3 or bottom - top < 3:
        return 0.0
    window = picture[top:bottom, left:right]
    grey = cv2.cvtColor(window, cv2.COLOR_BGR2GRAY).astype(np.int16)
    saturation = cv2.cvtColor(window, cv2.COLOR_BGR2HSV)[..., 1]
    white = (grey > np.median(grey) + WHITER) & (saturation <= MOST_SATURATION)
    _, parts = cv2.connectedComponents(white.astype(np.uint8), connectivity=8)
    rows, columns = np.indices(parts.shape)
    near = np.hypot(columns + left + 0.5 - x, rows + top + 0.5 - y) <= max(side, 3.0)
    best = 0.0
    for part in np.unique(parts[near & white]):
        points = np.argwhere(parts == part)[:, ::-1].astype(np.float32)
        _, sides, _ = cv2.minAreaRect(points)
        long, short = max(sides) + 1, min(sides) + 1  # from pixel centres to edges
        best = max(best, min(1.0, long / min(window.shape[:2])) * (1 - short / long))
    return float(best)
