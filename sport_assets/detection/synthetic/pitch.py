"""The still part of a generated scene: grass, lines, goals, boards and crowd, as one wide picture.

Belongs here: what does not move. Must not come here: people and the ball; what the camera does with the picture
(``render``).

The picture is what the camera would see at yaw 0 if its sensor were wide enough for all directions it turns to: a
camera that turns about its own centre sees homographies of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from sport_assets.detection.synthetic.camera import Camera, Floats
from sport_assets.detection.synthetic.look import WHITE, Colour, Look
from sport_assets.detection.synthetic.play import Area

Image = NDArray[np.uint8]

_SHIFT = 4  # OpenCV draws at sixteenths of a pixel
_REAL_WIDTH_M = 68.0
_TEXELS_PER_M = 20
_BRANDS = ("NORDWIND", "ALBIA TEL", "KORALL", "7 HILLS", "VELOX", "MERIDIAN", "OKTO", "LUMEN BANK", "FERRO", "TIDE")


@dataclass(frozen=True)
class Backdrop:
    """The picture, and where in it (pixels) the image of the camera at yaw 0 begins."""

    image: Image
    left: int
    top: int


@dataclass(frozen=True)
class Markings:
    """The pitch in the world: its rectangle, and how it is scaled against a real one (which is 68 m wide)."""

    left: float
    right: float
    near: float
    far: float

    @property
    def scale(self) -> float:
        """1 for a real pitch."""
        return (self.far - self.near) / _REAL_WIDTH_M

    @property
    def middle(self) -> tuple[float, float]:
        """The centre spot."""
        return (self.left + self.right) / 2, (self.near + self.far) / 2

    def lines(self) -> list[Floats]:
        """Polylines [N, 2] of all white lines, in metres."""
        across, along = self.middle
        found = [
            self._box(self.left, self.near, self.right, self.far),
            np.array([[across, self.near], [across, self.far]]),
        ]
        found.append(_arc(across, along, 9.15 * self.scale))
        for goal, inward in ((self.left, 1), (self.right, -1)):
            for depth, half in ((16.5, 20.16), (5.5, 9.16)):
                edge = goal + inward * depth * self.scale
                found.append(self._box(goal, along - half * self.scale, edge, along + half * self.scale))
            opening = np.arccos(5.5 / 9.15)  # the part of the circle round the spot that is outside the box
            turn = 0.0 if inward > 0 else np.pi
            found.append(
                _arc(goal + inward * 11 * self.scale, along, 9.15 * self.scale, turn - opening, turn + opening)
            )
            for corner in (self.near, self.far):
                found.append(_arc(goal, corner, 1.5 * self.scale, *self._quarter(inward, corner)))
        return found

    def spots(self) -> list[tuple[float, float]]:
        """Centre and penalty spots."""
        along = self.middle[1]
        return [self.middle, *((x, along) for x in (self.left + 11 * self.scale, self.right - 11 * self.scale))]

    def _quarter(self, inward: int, corner: float) -> tuple[float, float]:
        turn = {(1, True): 0.0, (-1, True): 0.5, (-1, False): 1.0, (1, False): 1.5}[inward, corner == self.near] * np.pi
        return turn, turn + np.pi / 2

    @staticmethod
    def _box(left: float, near: float, right: float, far: float) -> Floats:
        return np.array([[left, near], [right, near], [right, far], [left, far], [left, near]])


def paint(
    rng: np.random.Generator, camera: Camera, area: Area, markings: Markings, look: Look, yaw: float, *, decoys: bool
) -> Backdrop:
    """The still picture for a camera that turns up to ``yaw`` radians to both sides."""
    corners = np.array([[0, 0], [camera.width, 0], [0, camera.height], [camera.width, camera.height]], np.float64)
    seen = np.concatenate(
        [
            cv2.perspectiveTransform(corners[None], np.linalg.inv(camera.turned(turn)))[0]
            for turn in (-yaw, -yaw / 2, 0.0, yaw / 2, yaw)
        ]
    )
    margin = 2 if yaw else 0
    left, top = (np.floor(seen.min(axis=0) + 1e-6) - margin).astype(int)
    right, bottom = (np.ceil(seen.max(axis=0) - 1e-6) + margin).astype(int)
    painter = _Painter(rng, camera, (int(right - left), int(bottom - top)), (int(left), int(top)))
    painter.grass(look, markings)
    painter.lines(look, markings, decoys=decoys)
    painter.stands(look, area.far + 2.5 * max(markings.scale, 0.3), max(0.35, min(1.0, 1.6 * markings.scale)))
    painter.furniture(markings, decoys=decoys)
    return Backdrop(np.asarray(cv2.GaussianBlur(painter.image, (3, 3), 0.6), np.uint8), int(left), int(top))


class _Painter:
    """Draws into the picture in world coordinates."""

    def __init__(
        self, rng: np.random.Generator, camera: Camera, size: tuple[int, int], origin: tuple[int, int]
    ) -> None:
        self.rng, self.camera, self.size, self.origin = rng, camera, size, np.array(origin, np.float64)
        self.image: Image = np.zeros((size[1], size[0], 3), np.uint8)

    def grass(self, look: Look, markings: Markings) -> None:
        """Mown in stripes, worn and uneven; far grass is a little paler."""
        rng = self.rng
        reach = markings.right - markings.left, markings.far - markings.near
        width, height = (int(1.0 + 1.5 * length * _TEXELS_PER_M) for length in reach)
        across = np.arange(width) / _TEXELS_PER_M
        stripe = 5.5 * markings.scale
        shade = 1 + look.stripe * np.clip(6 * np.sin(np.pi * across / stripe), -1, 1)[None, :] / 2
        uneven = sum(
            amount
            * cv2.resize(
                rng.standard_normal((cells, 2 * cells), np.float32), (width, height), interpolation=cv2.INTER_CUBIC
            )
            for cells, amount in ((6, 0.03), (30, 0.025), (120, 0.03))
        )
        grain = rng.standard_normal((height, width), np.float32) * np.float32(0.05)
        texture = np.clip(np.array(look.grass, np.float32) * (shade + uneven + grain)[..., None], 0, 255)
        corner = [markings.left - 0.25 * reach[0], markings.near - 0.25 * reach[1]]
        to_world = np.array([[1 / _TEXELS_PER_M, 0, corner[0]], [0, 1 / _TEXELS_PER_M, corner[1]], [0, 0, 1]])
        move = np.array([[1, 0, -self.origin[0]], [0, 1, -self.origin[1]], [0, 0, 1]])
        self.image = np.asarray(
            cv2.warpPerspective(
                texture.astype(np.uint8),
                move @ self.camera.ground() @ to_world,
                self.size,
                flags=cv2.INTER_LINEAR,
                borderMode=cv2.BORDER_REFLECT_101,
            ),
            np.uint8,
        )

    def lines(self, look: Look, markings: Markings, *, decoys: bool) -> None:
        """White lines and spots, worn in places; with decoys also scraps of white on the grass."""
        cover = np.zeros(self.image.shape[:2], np.uint8)
        wide = max(0.12 * np.sqrt(markings.scale), 0.06)
        for line in markings.lines():
            for start, end in pairwise(line):
                side = np.array([-(end - start)[1], (end - start)[0]]) * (wide / 2 / np.hypot(*(end - start)))
                self._fill(cover, np.array([start + side, end + side, end - side, start - side]), 255)
        if decoys:
            for x, y in markings.spots():
                self._fill(cover, _arc(x, y, 1.3 * wide), 255)
            for x, y in self._scraps(markings):
                self._fill(cover, _arc(x, y, 0.5 * wide), 230)
        worn = cv2.resize(self.rng.uniform(0.75, 1.0, (20, 40)).astype(np.float32), self.size) * look.line
        share = (cover.astype(np.float32) / 255 * worn)[..., None]
        self.image = (self.image * (1 - share) + np.array(WHITE, np.float32) * share).astype(np.uint8)

    def _scraps(self, markings: Markings) -> Floats:
        count = int(self.rng.integers(2, 7))
        share = self.rng.uniform(0, 1, (count, 2))
        low, size = [markings.left, markings.near], [markings.right - markings.left, markings.far - markings.near]
        return np.asarray(low + share * size, np.float64)

    def stands(self, look: Look, y: float, height_m: float) -> None:
        """Boards along the far side, and above them the crowd. What is upright at one distance is a band of rows."""
        base = self._row(y, 0.0)
        top = self._row(y, height_m)
        if base <= 0:
            return
        size = max((base - top) * 0.42, 3.0)
        self._crowd(look, int(top) + 1, size)
        self._boards(look, round(top), round(base))

    def _crowd(self, look: Look, bottom: int, size: float) -> None:
        """Rows of seats with people in them, smaller and darker towards the top."""
        rng, width = self.rng, self.size[0]
        if bottom <= 0:
            return
        self.image[:bottom] = look.seats
        row = -size
        while row < bottom + size:
            for column in np.arange(rng.uniform(-size, 0), width, 1.15 * size):
                if rng.random() < 0.18:
                    continue
                draw = rng.random()
                if draw < 0.45:
                    shirt = np.array(look.supporters[int(draw < 0.2)]) * 0.75
                else:
                    shirt = rng.uniform(25, 190, 3)
                x, y = column + rng.uniform(-0.15, 0.15) * size, row + rng.uniform(-0.15, 0.15) * size
                self._dot(x, y + 0.6 * size, 0.5 * size, tuple((0.7 * shirt).tolist()))
                self._dot(x, y, 0.26 * size, tuple(np.array([95, 120, 160]) * rng.uniform(0.4, 1.0)))
            row += 0.95 * size
        shade = np.linspace(0.45, 0.8, bottom, dtype=np.float32)[:, None, None]
        self.image[:bottom] = cv2.GaussianBlur((self.image[:bottom] * shade).astype(np.uint8), (3, 3), 0.8)

    def _boards(self, look: Look, top: int, bottom: int) -> None:
        """Panels of one colour with a name."""
        top, height = max(top, 0), bottom - max(top, 0)
        column = -int(self.rng.integers(0, 4 * max(height, 1)))
        while column < self.size[0] and height > 0:
            long = int(height * self.rng.uniform(5, 8))
            back = look.boards[int(self.rng.integers(len(look.boards)))]
            ink: Colour = (40, 40, 45) if sum(back) > 420 else (235, 235, 235)
            cv2.rectangle(self.image, (column, top), (column + long, bottom), back, -1)
            scale = height / 34
            if height >= 6:
                name = _BRANDS[int(self.rng.integers(len(_BRANDS)))]
                place = (column + height // 2, bottom - height // 4)
                cv2.putText(
                    self.image,
                    name,
                    place,
                    cv2.FONT_HERSHEY_SIMPLEX,
                    scale,
                    ink,
                    max(1, round(2.2 * scale)),
                    cv2.LINE_AA,
                )
            column += long
        cv2.line(self.image, (0, bottom), (self.size[0], bottom), (40, 60, 45), max(1, height // 10))

    def furniture(self, markings: Markings, *, decoys: bool) -> None:
        """Goals with their nets; with decoys also corner flags."""
        along, scale = markings.middle[1], markings.scale
        half, high, deep = 3.66 * scale, 2.44 * max(scale, 0.5), 2.0 * scale
        for goal, outward in ((markings.left, -1), (markings.right, 1)):
            back = goal + outward * deep
            for share in np.linspace(-1, 1, 13):
                y = along + share * half
                self._line([(goal, y, high), (back, y, 0.6 * high), (back, y, 0)], 0.02, (170, 175, 175))
            for share in np.linspace(0, 1, 6):
                x, z = goal + share * (back - goal), high * (1 - 0.4 * share)
                self._line([(x, along - half, z), (x, along + half, z)], 0.02, (170, 175, 175))
            posts = [
                (goal, along - half, 0),
                (goal, along - half, high),
                (goal, along + half, high),
                (goal, along + half, 0),
            ]
            self._line(posts, 0.1, WHITE)
            if decoys:
                for y in (markings.near, markings.far):
                    self._line([(goal, y, 0), (goal, y, 1.5 * max(scale, 0.4))], 0.04, (60, 215, 240))
                    self._line([(goal, y, 1.4 * max(scale, 0.4)), (goal + 0.3, y, 1.3 * max(scale, 0.4))], 0.22, WHITE)

    def _row(self, y: float, z: float) -> float:
        pixels, _ = self.camera.project(np.array([0.0, y, z]))
        return float(pixels[1] - self.origin[1])

    def _fill(self, image: Image, ground: Floats, value: int) -> None:
        """A polygon on the ground, [N, 2] in metres."""
        pixels, depth = self.camera.project(np.concatenate([ground, np.zeros((len(ground), 1))], axis=1))
        if depth.min() > 0.5:
            cv2.fillPoly(image, [self._fixed(pixels)], value, cv2.LINE_AA, _SHIFT)

    def _line(self, points: Sequence[tuple[float, float, float]], thick_m: float, colour: Colour) -> None:
        pixels, depth = self.camera.project(np.array(points, np.float64))
        if depth.min() > 0.5:
            thick = max(1, round(self.camera.focal_pixels * thick_m / float(depth.mean())))
            cv2.polylines(self.image, [self._fixed(pixels)], False, colour, thick, cv2.LINE_AA, _SHIFT)

    def _dot(self, x: float, y: float, radius: float, colour: Sequence[float]) -> None:
        fixed = 1 << _SHIFT
        cv2.circle(
            self.image, (round(x * fixed), round(y * fixed)), round(radius * fixed), colour, -1, cv2.LINE_AA, _SHIFT
        )

    def _fixed(self, pixels: Floats) -> NDArray[np.int32]:
        """As OpenCV draws: pixel centres at whole numbers, in fixed point."""
        return np.round((pixels - self.origin - 0.5) * (1 << _SHIFT)).astype(np.int32)


def _arc(x: float, y: float, radius: float, start: float = 0.0, end: float = 2 * np.pi) -> Floats:
    turn = np.linspace(start, end, 49)
    return np.stack([x + radius * np.cos(turn), y + radius * np.sin(turn)], axis=1)
