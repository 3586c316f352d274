"""Players as what differs from the background of a static camera: a mask, its parts, and a box for each player.

Belongs here: the foreground without shadows, how tall a player is where, joining and splitting parts. Must not come
here: the background itself (``background``), the ball (``moving_ball``), reading videos.

All lengths are in pixels. The yardstick is the height of a player at the place where he stands: on even ground and
through a lens without distortion it is a linear function of the image's x and y, so three numbers fitted to the
components themselves hold for the whole picture.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from sport_assets.detection.background import Background, Mask, difference
from sport_assets.detection.slicing import Image

_LEAST_DIFFERENCE, _NOISES = 14.0, 4.5
"""A pixel is foreground when it differs by so many grey levels, and by so many standard deviations of its noise."""
_SHADOW, _GLARE = 0.4, 1.15
"""Between these shares of the background's brightness, at the same colour, a pixel is in a shadow, or in the sun."""
_HEADROOM = 0.08
"""Share of the picture's height by which a player at the far side may rise above the pitch."""
_AROUND_BUSY, _LEAST_FRAMES = 0.012, 5
"""Share of the picture's height by which a busy place is enlarged; frames from which on one can be told."""
_MARGIN = 0.003
"""Share of the picture's height by which ``inner`` lies inside the pitch's outline."""
_SHORTEST, _TALLEST, _WIDEST = 0.5, 1.3, 0.78
"""A single player's height and width, as shares of the height to be expected."""


@dataclass(frozen=True)
class Parts:
    """Connected parts of a mask.

    ``labels`` int32 [height, width]; ``numbers`` int [N]: the label of each part; ``boxes`` float64 [N, 4]: left, top,
    right, bottom; ``areas`` float64 [N] in pixels.
    """

    labels: NDArray[np.int32]
    numbers: NDArray[np.intp]
    boxes: NDArray[np.float64]
    areas: NDArray[np.float64]


@dataclass(frozen=True)
class PlayerSize:
    """How tall a player is who stands at (x, y), and how much of the square of that height his pixels fill."""

    at_origin: float
    by_x: float
    by_y: float
    filled: float
    least: float

    def height(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Height [N] in pixels of players whose feet are at (x, y)."""
        return np.maximum(self.at_origin + self.by_x * x + self.by_y * y, self.least)

    def of_boxes(self, boxes: NDArray[np.float64]) -> NDArray[np.float64]:
        """Height [N] to be expected of players who stand on the lower edges of boxes [N, 4]."""
        return self.height((boxes[:, 0] + boxes[:, 2]) / 2, boxes[:, 3])


@dataclass(frozen=True)
class Players:
    """``boxes`` float64 [N, 4] in pixels; ``scores`` float64 [N] from contrast and shape; ``parts`` int [M]: numbers of
    the parts of the mask that they are made of."""

    boxes: NDArray[np.float64]
    scores: NDArray[np.float64]
    parts: NDArray[np.intp]

    @classmethod
    def none(cls) -> "Players":
        """No player."""
        return cls(np.zeros((0, 4)), np.zeros(0), np.zeros(0, np.intp))


class Foreground:
    """What differs from a background, without shadows. Prepared once, since all frames share it."""

    def __init__(self, background: Background) -> None:
        self.background = background
        height = background.pitch.shape[0]
        reach = round(_HEADROOM * height)
        # whoever stands on the pitch rises above its outline: the area is the pitch and the same moved up
        upward = cv2.dilate(background.pitch, np.ones((reach + 1, 1), np.uint8), anchor=(0, 0))
        rows = np.flatnonzero(upward.any(axis=1))
        self.top, self.bottom = int(rows[0]), int(rows[-1]) + 1
        self.area: Mask = np.asarray(upward[self.top : self.bottom], np.uint8)
        self.picture: Image = np.ascontiguousarray(background.picture[self.top : self.bottom])
        edge = 2 * round(_MARGIN * height) + 1
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (edge, edge))
        # erode takes what is beyond the picture as pitch, so that only the outline inside the picture moves inwards
        self.inner: Mask = np.asarray(cv2.erode(background.pitch, kernel)[self.top : self.bottom], np.uint8)
        limit = np.maximum(_LEAST_DIFFERENCE, _NOISES * background.noise[self.top : self.bottom])
        self.limit: NDArray[np.uint8] = np.clip(limit, 0, 90).astype(np.uint8)

    def of(self, frame: Image) -> tuple[Mask, Image, Image]:
        """Mask, frame and background of the rows from ``top`` to ``bottom``.

        The background is as bright as the frame: what clouds and the camera's exposure do to all of it is taken out.
        """
        rows = np.ascontiguousarray(frame[self.top : self.bottom])
        picture = self._as_bright(rows)
        differs = cv2.compare(difference(rows, picture), self.limit, cv2.CMP_GT)
        mask = np.asarray(cv2.bitwise_and(differs, self.area), np.uint8)
        if not cv2.countNonZero(mask):
            return mask, rows, picture
        x, y = np.asarray(cv2.findNonZero(mask)).reshape(-1, 2).T
        mask[y, x] = np.where(_shadow(rows[y, x], picture[y, x]), 0, 255)
        return np.asarray(cv2.medianBlur(mask, 3), np.uint8), rows, picture

    def leave_out_busy_places(self, frames: Sequence[Image]) -> None:
        """Take places out of ``inner`` that differ in half of some frames that are spread over the stretch.

        Somebody is there all the time and fidgets: a substitute at the line, not a ball that comes by.
        """
        often = np.zeros(self.inner.shape, np.uint8)
        for frame in frames:
            often += self.of(frame)[0] > 0
        if len(frames) >= _LEAST_FRAMES:
            busy = (often >= (len(frames) + 1) // 2).astype(np.uint8)
            side = 2 * round(_AROUND_BUSY * self.background.pitch.shape[0]) + 1
            self.inner[cv2.dilate(busy, np.ones((side, side), np.uint8)) > 0] = 0

    def _as_bright(self, rows: Image) -> Image:
        step = max(1, round((rows.shape[0] * rows.shape[1] / 20_000) ** 0.5))
        some = self.area[::step, ::step] > 0
        seen = rows[::step, ::step][some].astype(np.float32) + 1
        gain = np.median(seen / (self.picture[::step, ::step][some].astype(np.float32) + 1), axis=0)
        if np.abs(gain - 1).max() < 0.01:
            return self.picture
        table = np.clip(np.arange(256)[:, None] * gain[None, :], 0, 255).round().astype(np.uint8)
        return np.asarray(cv2.LUT(self.picture, np.ascontiguousarray(table[None])), np.uint8)


def parts_of(mask: Mask, least_area: float = 4) -> Parts:
    """The connected parts of a mask that have at least that many pixels; gaps of a pixel are closed."""
    closed = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    _, labels, stats, _ = cv2.connectedComponentsWithStats(closed)
    kept = np.flatnonzero(stats[:, cv2.CC_STAT_AREA] >= least_area)
    kept = kept[kept > 0]
    boxes = stats[kept, :4].astype(np.float64)
    boxes[:, 2:] += boxes[:, :2]
    return Parts(np.asarray(labels, np.int32), kept, boxes, stats[kept, cv2.CC_STAT_AREA].astype(np.float64))


def fit_size(foreground: Foreground, frames: Sequence[Image]) -> PlayerSize | None:
    """How tall players are where, from the components of some frames; None where nobody moves.

    The plane that most upright components agree with (RANSAC, Fischler and Bolles 1981; seeded). Heads and legs
    alone, players in front of one another and balls do not agree with one another, so they have no say.
    """
    found = []
    for frame in frames:
        mask, _, _ = foreground.of(frame)
        high = max(3, round(0.006 * frame.shape[0])) | 1
        joined = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((high, 3), np.uint8))
        parts = parts_of(np.asarray(joined, np.uint8), 12)
        wide, tall = (parts.boxes[:, 2:] - parts.boxes[:, :2]).T
        upright = (wide > 0.18 * tall) & (wide < 0.85 * tall) & (tall >= 8)
        upright &= parts.areas > 0.3 * wide * tall
        upright &= _stand_on(parts.boxes, foreground)
        found.append(np.column_stack([parts.boxes[upright], parts.areas[upright]]))
    rows = np.concatenate(found)
    least = max(6.0, 0.01 * foreground.background.pitch.shape[0])
    rows = rows[rows[:, 3] - rows[:, 1] >= least]
    if not len(rows):
        return None
    tall = rows[:, 3] - rows[:, 1]
    terms = np.column_stack([np.ones(len(rows)), (rows[:, 0] + rows[:, 2]) / 2, rows[:, 3]])
    plane, agree = _plane(terms, tall, tall * (rows[:, 2] - rows[:, 0]))
    expected = np.maximum(terms @ plane, least)
    filled = float(np.median(rows[agree, 4] / expected[agree] ** 2))
    return PlayerSize(float(plane[0]), float(plane[1]), float(plane[2]), filled, least)


def players_in(
    mask: Mask, rows: Image, picture: Image, parts: Parts, size: PlayerSize, foreground: Foreground
) -> Players:
    """The players in a frame, from the parts of its mask. Boxes are in pixels of the rows that the mask has."""
    groups = _join(parts, size)
    boxes, scores, used = [], [], []
    for group in groups:
        box = _around(parts.boxes[group])
        area = float(parts.areas[group].sum())
        expected = float(size.of_boxes(box[None])[0])
        wide, tall = box[2] - box[0], box[3] - box[1]
        if tall < _SHORTEST * expected or area < 0.3 * size.filled * expected**2:
            continue
        if not _stand_on(box[None], foreground)[0]:
            continue
        used.append(group)
        bodies = area / (size.filled * expected**2)
        several = tall > _TALLEST * expected or (wide > _WIDEST * expected and bodies > 1.45)
        if several and bodies > 1.25:
            inside = _split(parts, group, box, max(2, round(bodies)), size)
        else:
            inside = [box]
        for one in inside:
            boxes.append(one)
            scores.append(_score(one, mask, rows, picture, size, len(inside) > 1))
    return Players(np.array(boxes), np.array(scores), np.concatenate(used)) if boxes else Players.none()


def _shadow(seen: NDArray[np.uint8], there: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Pixels [N, 3] that have the background's colour, only darker or a little brighter.

    Brightness and colour distortion of Horprasert, Harwood and Davis (1999).
    """
    f, b = seen.astype(np.float32), there.astype(np.float32)
    length = np.maximum((b * b).sum(axis=1), 1)
    share = (f * b).sum(axis=1) / length
    colour = np.sqrt(((f - share[:, None] * b) ** 2).sum(axis=1))
    return np.asarray((share > _SHADOW) & (share < _GLARE) & (colour < 5 + 0.09 * share * np.sqrt(length)))


def _stand_on(boxes: NDArray[np.float64], foreground: Foreground) -> NDArray[np.bool_]:
    """Whether the middle of the lower edge of each box is on the pitch."""
    pitch = foreground.background.pitch
    y = np.clip(np.round(boxes[:, 3]).astype(int) - 1 + foreground.top, 0, pitch.shape[0] - 1)
    x = np.clip(np.round((boxes[:, 0] + boxes[:, 2]) / 2).astype(int), 0, pitch.shape[1] - 1)
    return np.asarray(pitch[y, x] > 0)


def _plane(
    terms: NDArray[np.float64], tall: NDArray[np.float64], weights: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Height over (1, x, y), and the rows within a fifth of it. ``weights``: how much each row's agreement counts."""
    level = np.array([np.median(tall), 0.0, 0.0])
    best, agree = level, np.abs(tall / level[0] - 1) < 0.2
    if len(tall) < 6:
        return best, agree if agree.any() else np.ones(len(tall), bool)
    votes = np.sqrt(weights)
    most = float(votes[agree].sum())
    generator = np.random.default_rng(0)
    for _ in range(400):
        chosen = generator.choice(len(tall), 3, replace=False)
        if abs(np.linalg.det(terms[chosen])) < 1e-3 * np.ptp(terms[:, 1]) * max(np.ptp(terms[:, 2]), 1):
            continue
        plane = np.linalg.solve(terms[chosen], tall[chosen])
        expected = terms @ plane
        if plane[2] < 0 or expected.min() <= 0:
            continue  # farther away, and so higher up in the picture, nobody is taller
        near = np.abs(tall / expected - 1) < 0.2
        if votes[near].sum() > most:
            best, agree, most = plane, near, float(votes[near].sum())
    if best is level:
        return best, agree if agree.any() else np.ones(len(tall), bool)
    scaled = terms[agree] / tall[agree, None]
    return np.linalg.lstsq(scaled, np.ones(len(scaled)), rcond=None)[0], agree


def _join(parts: Parts, size: PlayerSize) -> list[NDArray[np.intp]]:
    """Parts that are one player (head, body, legs), as long as together they are not larger than one."""
    boxes = parts.boxes
    count = len(boxes)
    members = [[number] for number in range(count)]
    group = np.arange(count)
    around = boxes.copy()
    if count > 1:
        tall = size.of_boxes(boxes)
        across = np.maximum(boxes[:, None, 0], boxes[None, :, 0]) - np.minimum(boxes[:, None, 2], boxes[None, :, 2])
        down = np.maximum(boxes[:, None, 1], boxes[None, :, 1]) - np.minimum(boxes[:, None, 3], boxes[None, :, 3])
        yardstick = np.maximum(tall[:, None], tall[None, :])
        gap = np.maximum(np.maximum(across / 0.07, down / 0.16) / yardstick, 0)
        first, second = np.nonzero(np.triu(gap < 1, 1))
        for at in np.argsort(gap[first, second], kind="stable"):
            one, other = group[first[at]], group[second[at]]
            if one == other:
                continue
            box = _around(around[[one, other]])
            expected = float(size.of_boxes(box[None])[0])
            if box[3] - box[1] > 1.15 * expected or box[2] - box[0] > _WIDEST * expected:
                continue
            group[members[other]] = one
            members[one] += members[other]
            around[one] = box
    return [np.array(sorted(members[number])) for number in np.unique(group)]


def _split(
    parts: Parts, group: NDArray[np.intp], box: NDArray[np.float64], count: int, size: PlayerSize
) -> list[NDArray[np.float64]]:
    """Boxes of players who cover one another: the pixels in so many clusters of a player's proportions."""
    left, top, right, bottom = box.astype(int)
    inside = np.isin(parts.labels[top:bottom, left:right], parts.numbers[group])
    y, x = np.nonzero(inside)
    expected = float(size.of_boxes(box[None])[0])
    points = np.column_stack([x / (0.4 * expected), y / expected]).astype(np.float32)
    step = max(1, len(points) // 4000)
    points, x, y = points[::step], x[::step] + left, y[::step] + top
    cv2.setRNGSeed(0)
    rules = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 40, 0.01)
    first = np.zeros((len(points), 1), np.int32)
    _, which, _ = cv2.kmeans(points, min(count, len(points)), first, rules, 3, cv2.KMEANS_PP_CENTERS)
    found = []
    for number in range(which.max() + 1):
        mine = which[:, 0] == number
        if np.count_nonzero(mine) < 4:
            continue
        edges = [*np.percentile(x[mine], (1, 99)), *np.percentile(y[mine], (1, 99))]
        one = np.array([edges[0], edges[2], edges[1] + 1, edges[3] + 1])
        tall = float(size.of_boxes(one[None])[0])
        if one[3] - one[1] < 0.8 * tall:
            # half of him is behind, or was given to, the other: whoever is above stands behind
            if one[1] - box[1] < box[3] - one[3]:
                one[3] = min(one[1] + tall, box[3])
            else:
                one[1] = max(one[3] - tall, box[1])
        found.append(one)
    return found


def _around(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.concatenate([boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)])


def _score(box: NDArray[np.float64], mask: Mask, rows: Image, picture: Image, size: PlayerSize, shared: bool) -> float:
    """0.1 to 0.9: by height, by how much of the box is filled, by contrast; less for one of several in a cluster."""
    left, top, right, bottom = np.round(box).astype(int)
    inside = mask[top:bottom, left:right] > 0
    if not inside.any():
        return 0.1
    expected = float(size.of_boxes(box[None])[0])
    tall = float(np.exp(-(((bottom - top) / expected - 1) ** 2) / 0.08))
    full = min(1.0, float(np.count_nonzero(inside)) / (size.filled * expected**2))
    contrast = difference(rows[top:bottom, left:right], picture[top:bottom, left:right])[inside].mean()
    score = 0.15 + 0.75 * (0.4 * tall + 0.3 * full + 0.3 * min(1.0, float(contrast) / 60))
    return float(np.clip(score * (0.8 if shared else 1.0), 0.1, 0.9))
