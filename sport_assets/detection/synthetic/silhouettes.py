"""People and the ball of a generated scene, each drawn alone, with how much of each pixel it covers.

Belongs here: shapes. Must not come here: where they are in a match (``play``), what covers what (``layers``).

Each is drawn some times larger without anti-aliasing and made smaller by area: a pixel's last channel is then exactly
the share of it that is covered, at any sub-pixel place.
"""

from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from sport_assets.detection.synthetic.camera import Floats
from sport_assets.detection.synthetic.layers import Layer
from sport_assets.detection.synthetic.look import Colour, Person

Point = tuple[float, float]

_SHIFT = 4
_DRAWN_HIGH = 260
"""About how many pixels high a person is drawn before it is made smaller."""

# joints, in the order that `skeletons` gives them
_HEAD, _NECK, _HIP = 0, 1, 2
_SHOULDERS, _ELBOWS, _HANDS, _HIPS, _KNEES, _FEET, _TOES = (slice(3 + 2 * n, 5 + 2 * n) for n in range(7))


def skeletons(places: Floats, headings: Floats, speeds: Floats, strides: Floats, heights: Floats) -> Floats:
    """Joints [P, 17, 3] in metres of people at places [P, 2] on the ground.

    Legs and arms swing with ``strides`` (radians), the wider the faster; the body leans forward.
    """
    count = len(places)
    size = (heights / 1.8)[:, None]
    forward = np.stack([np.cos(headings), np.sin(headings), np.zeros(count)], axis=1)
    aside = np.stack([-np.sin(headings), np.cos(headings), np.zeros(count)], axis=1)
    up = np.array([0.0, 0.0, 1.0])
    swing = 0.12 + 0.62 * np.clip(speeds / 5, 0, 1)
    lean = (0.04 + 0.16 * np.clip(speeds / 6, 0, 1))[:, None]
    hip = (
        np.concatenate([places, np.zeros((count, 1))], axis=1)
        + up * size * (0.93 - 0.03 * np.abs(np.sin(strides)))[:, None]
    )
    neck = hip + size * 0.54 * (up + lean * forward)
    joints = np.empty((count, 17, 3))
    joints[:, _HEAD] = neck + size * (0.19 * up + 0.04 * forward)
    joints[:, _NECK], joints[:, _HIP] = neck, hip
    for number, side in enumerate((-1, 1)):
        turn = swing * np.sin(strides + (np.pi if number else 0.0))
        bend = swing * (0.55 + 0.75 * np.clip(np.cos(strides + (np.pi if number else 0.0)), 0, 1))

        def limb(angle: Floats, length: float) -> Floats:
            return size * length * (np.sin(angle)[:, None] * forward - np.cos(angle)[:, None] * up)

        shoulder = neck + size * (0.19 * side * aside - 0.05 * up)
        elbow = shoulder + limb(-turn, 0.29) + size * 0.05 * side * aside
        side_hip = hip + size * 0.1 * side * aside
        knee = side_hip + limb(turn, 0.43)
        foot = knee + limb(turn - bend, 0.44)
        foot[:, 2] = np.maximum(foot[:, 2], 0.06)
        hand = elbow + limb(-turn + 0.9 * swing + 0.2, 0.26)
        for joint, where in zip(
            (_SHOULDERS, _ELBOWS, _HANDS, _HIPS, _KNEES, _FEET, _TOES),
            (shoulder, elbow, hand, side_hip, knee, foot, foot + size * (0.17 * forward - 0.03 * up)),
            strict=True,
        ):
            joints[:, joint.start + number] = where
    return joints


def draw_person(joints: Floats, pixels_per_m: float, person: Person, motion: Floats) -> Layer:
    """A person from joints [17, 2] in pixels of the image, blurred along ``motion`` (pixels)."""
    size = person.height_m / 1.8 * pixels_per_m
    sheet = _Sheet(joints, 0.16 * size, min(8, max(1, round(_DRAWN_HIGH / (1.8 * pixels_per_m)))), motion)
    kit, skin = person.kit, person.skin
    points: list[Point] = [tuple(point) for point in joints.tolist()]
    shoulders, hips = points[_SHOULDERS], points[_HIPS]
    near = int(shoulders[1][1] > shoulders[0][1])  # the side that is nearer to the camera
    for number, shade in ((1 - near, 0.82), (near, 1.0)):
        hip, knee, foot, toe = (points[part][number] for part in (_HIPS, _KNEES, _FEET, _TOES))
        sheet.line(hip, knee, 0.14 * size, skin, shade)
        sheet.line(knee, foot, 0.115 * size, kit.socks, shade)
        sheet.line(foot, toe, 0.085 * size, person.boots, shade)
        sheet.line(hip, _between(hip, knee, 0.62), 0.185 * size, kit.shorts, shade)
        if number != near:
            _arm(sheet, points, number, size, person, shade)
    sheet.line(hips[0], hips[1], 0.2 * size, kit.shorts, 0.95)
    waist = [_below(_between(points[_HIP], hip, 0.75), -0.06 * size) for hip in hips]
    sheet.hull([*shoulders, *waist], 0.17 * size, kit.shirt, 0.97)
    _arm(sheet, points, near, size, person, 1.0)
    sheet.line(points[_NECK], points[_HEAD], 0.1 * size, skin, 0.85)
    sheet.dot(points[_HEAD], 0.115 * size, person.hair, 1.0)
    sheet.dot(_below(points[_HEAD], 0.035 * size), 0.09 * size, skin, 1.0)
    return sheet.layer()


def _arm(sheet: "_Sheet", points: list[Point], number: int, size: float, person: Person, shade: float) -> None:
    shoulder, elbow, hand = (points[part][number] for part in (_SHOULDERS, _ELBOWS, _HANDS))
    sheet.line(elbow, hand, 0.075 * size, person.skin, shade)
    sheet.line(shoulder, elbow, 0.105 * size, person.kit.shirt, shade)


def _between(first: Point, last: Point, share: float) -> Point:
    return first[0] + share * (last[0] - first[0]), first[1] + share * (last[1] - first[1])


def _below(point: Point, down: float) -> Point:
    return point[0], point[1] + down


def draw_ball(place: Floats, diameter: float, turn: float, motion: Floats, *, panels: bool) -> Layer:
    """A white ball, pixels; ``panels``: with dark ones that ``turn`` (radians), and shaded below."""
    sheet = _Sheet(place[None], diameter / 2 + 1, 8, motion)
    radius, (x, y) = diameter / 2, place.tolist()
    sheet.dot((x, y), radius, (246, 248, 248), 1.0)
    if panels:
        for number in range(3):
            angle = turn + number * 2 * np.pi / 3
            spot = x + 0.55 * radius * float(np.cos(angle)), y + 0.55 * radius * float(np.sin(angle))
            sheet.dot(spot, 0.2 * radius, (70, 66, 64), 1.0)
        sheet.shade_below(y, radius)
    return sheet.layer()


def draw_shadow(outline: Floats, darkness: float) -> Layer:
    """A soft dark spot inside an outline [N, 2] in pixels."""
    sheet = _Sheet(outline, 2, 2, np.zeros(2))
    sheet.hull(outline.tolist(), 0, (0, 0, 0), 1.0)
    layer = sheet.layer()
    soft = cv2.blur(layer.image, (3, 3)) if min(layer.image.shape[:2]) > 3 else layer.image
    return Layer(np.asarray(soft * darkness, np.uint8), layer.left, layer.top)


class _Sheet:
    """An empty sheet round some points, ``zoom`` times as large as the image."""

    def __init__(self, points: Floats, margin: float, zoom: int, motion: Floats) -> None:
        self.motion = motion
        margin += 1 + float(np.abs(motion).max()) / 2
        low = np.floor(points.min(axis=0) - margin)
        high = np.ceil(points.max(axis=0) + margin)
        self.corner: Point = float(low[0]), float(low[1])
        self.zoom = zoom
        self.size = (high - low).astype(int)
        self.drawn: NDArray[np.uint8] = np.zeros((self.size[1] * zoom, self.size[0] * zoom, 4), np.uint8)

    def line(self, first: Point, last: Point, thick: float, colour: Colour, shade: float) -> None:
        wide = max(1, round(thick * self.zoom))
        cv2.line(self.drawn, self._fixed(first), self._fixed(last), _paint(colour, shade), wide, cv2.LINE_8, _SHIFT)

    def hull(self, points: Sequence[Point], thick: float, colour: Colour, shade: float) -> None:
        corners = cv2.convexHull(np.array([self._fixed(point) for point in points], np.int32))
        cv2.fillConvexPoly(self.drawn, corners, _paint(colour, shade), cv2.LINE_8, _SHIFT)
        if thick:
            wide = max(1, round(thick * self.zoom))
            cv2.polylines(self.drawn, [corners], True, _paint(colour, shade), wide, cv2.LINE_8, _SHIFT)

    def dot(self, centre: Point, radius: float, colour: Colour, shade: float) -> None:
        fixed = round(radius * self.zoom * (1 << _SHIFT))
        cv2.circle(self.drawn, self._fixed(centre), fixed, _paint(colour, shade), -1, cv2.LINE_8, _SHIFT)

    def shade_below(self, middle: float, radius: float) -> None:
        """Darken what is below, by up to a third."""
        rows = (np.arange(len(self.drawn)) / self.zoom + self.corner[1] - middle) / radius
        share = (1 - 0.33 * np.clip(rows * 0.5 + 0.5, 0, 1)).astype(np.float32)[:, None, None]
        self.drawn[..., :3] = (self.drawn[..., :3] * share).astype(np.uint8)

    def layer(self) -> Layer:
        small = self.drawn
        if self.zoom > 1:
            small = np.asarray(cv2.resize(small, self.size.tolist(), interpolation=cv2.INTER_AREA), np.uint8)
        length = float(np.hypot(*self.motion))
        if length > 0.5:
            kernel = motion_kernel(*(round(float(value) * 4) for value in self.motion))
            small = np.asarray(cv2.filter2D(small, -1, kernel, borderType=cv2.BORDER_CONSTANT), np.uint8)
        return Layer(small, int(self.corner[0]), int(self.corner[1]))

    def _fixed(self, point: Point) -> tuple[int, int]:
        """As OpenCV draws: pixel centres at whole numbers, in fixed point."""
        across, down = ((value - low) * self.zoom - 0.5 for value, low in zip(point, self.corner, strict=True))
        return round(across * (1 << _SHIFT)), round(down * (1 << _SHIFT))


def _paint(colour: Colour, shade: float) -> tuple[float, float, float, float]:
    return colour[0] * shade, colour[1] * shade, colour[2] * shade, 255


@lru_cache(maxsize=4096)
def motion_kernel(across: int, down: int) -> NDArray[np.float32]:
    """A kernel [H, W] that smears along a motion given in quarters of a pixel, evenly and centred."""
    x, y = across / 4, down / 4
    steps = max(2, int(8 * np.hypot(x, y)))
    half_width, half_height = int(np.ceil(abs(x) / 2)), int(np.ceil(abs(y) / 2))
    kernel = np.zeros((2 * half_height + 3, 2 * half_width + 3))
    for share in (np.arange(steps) + 0.5) / steps - 0.5:
        column, row = share * x + half_width + 1, share * y + half_height + 1
        left, top = int(np.floor(column)), int(np.floor(row))
        right_share, below_share = column - left, row - top
        kernel[top, left] += (1 - right_share) * (1 - below_share)
        kernel[top, left + 1] += right_share * (1 - below_share)
        kernel[top + 1, left] += (1 - right_share) * below_share
        kernel[top + 1, left + 1] += right_share * below_share
    return np.asarray(kernel / kernel.sum(), np.float32)
