"""A generated scene: frames of a match, each with the exact truth of what is to be seen in it.

Belongs here: putting play, camera, still picture and silhouettes together. Must not come here: shapes, files.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from sport_assets.detection.synthetic.camera import Floats, place
from sport_assets.detection.synthetic.layers import Box, Layer, lay, seen
from sport_assets.detection.synthetic.look import draw_look
from sport_assets.detection.synthetic.pitch import Backdrop, Markings, paint
from sport_assets.detection.synthetic.play import Area, Event, Role, Team, simulate
from sport_assets.detection.synthetic.settings import PLAYER_HEIGHT_M, SceneSettings
from sport_assets.detection.synthetic.silhouettes import draw_ball, draw_person, draw_shadow, motion_kernel, skeletons

Image = NDArray[np.uint8]

_SHUTTER = 0.5
"""The share of a frame's time for which the shutter is open."""
_LARGEST_YAW = np.radians(15.0)
_PAN_SECONDS = 0.8
_NOISE_MARGIN = 128
_SHADOW_DARKNESS = 0.2


@dataclass(frozen=True)
class ObjectTruth:
    """Somebody or the ball in a frame. Lengths are in pixels."""

    identity: int
    """The same in all frames of a scene."""
    role: Role
    team: Team | None
    box: Box | None
    """Of the visible pixels within the image; None where there are none."""
    visible_share: float
    """Of what it covers, blur included: the share inside the image and behind nothing."""
    inside_share: float
    """The share inside the image, whether or not something is before it."""
    size_pixels: float
    """The ball's diameter, a person's height; without blur, whole even if partly outside."""
    speed_pixels: float
    """How far it moves in the image to the next frame, the camera's motion included."""
    blur_pixels: float
    """The length of its blur: 0 without blur."""


@dataclass(frozen=True)
class FrameTruth:
    """All of a frame: everybody by identity, then the ball, also those that are not in the image."""

    frame: int
    time_ms: float
    objects: tuple[ObjectTruth, ...]

    @property
    def ball(self) -> ObjectTruth:
        """The ball."""
        return self.objects[-1]


class Scene:
    """Frames [H, W, 3] uint8 (blue, green, red) with their truth, by iterating or one by one.

    The same seed and settings give the same bits, in whatever order frames are asked for. Raises ValueError for a
    negative seed, IndexError for a frame that the scene does not have.
    """

    def __init__(self, seed: int, settings: SceneSettings | None = None) -> None:
        if seed < 0:
            raise ValueError(f"seed must not be negative, not {seed}")
        self.seed, self.settings = seed, settings or SceneSettings()
        wanted = self.settings
        play_rng, look_rng = self._random(0), self._random(1)
        self.camera, near, far = place(wanted)
        panning = wanted.camera == "panning"
        wide = 1.6 if panning else 0.95
        self.area = Area(
            near, far, wide * float(self.camera.half_width_m(near)), wide * float(self.camera.half_width_m(far))
        )
        self.play = simulate(play_rng, wanted, self.area)
        self.yaws = self._pan() if panning else np.zeros(wanted.frames + 1)
        self.look = draw_look(look_rng, players=wanted.players, decoys=wanted.decoys)
        edge = 0.02 * (far - near)
        half = 1.3 * float(self.area.half((near + far) / 2))
        middle = float(look_rng.uniform(-0.2, 0.2)) * half
        self.markings = Markings(middle - half, middle + half, near - edge, far + edge)
        ways = np.hypot(*np.diff(self.play.ball[:, :2], axis=0).T)
        self._rolled = np.cumsum(ways) / (wanted.ball_diameter_m / 2)  # radians that the ball has turned
        self._heights = np.array([person.height_m for person in self.look.people])

    def __len__(self) -> int:
        return self.settings.frames

    def __iter__(self) -> Iterator[tuple[Image, FrameTruth]]:
        for number in range(len(self)):
            yield self.frame(number)

    @cached_property
    def backdrop(self) -> Backdrop:
        """What does not move, painted when it is first wanted."""
        return paint(
            self._random(2),
            self.camera,
            self.area,
            self.markings,
            self.look,
            float(np.abs(self.yaws).max()),
            decoys=self.settings.decoys,
        )

    @property
    def events(self) -> tuple[Event, ...]:
        """What happens to the ball, in order."""
        return self.play.events

    def frame(self, number: int) -> tuple[Image, FrameTruth]:
        """One frame and its truth."""
        layers, order, sizes, moves = self._layers(number)
        found = seen(layers, self.settings.width, self.settings.height)
        of = dict(zip(order, found, strict=True))
        speeds = np.hypot(*moves.T)
        blurs = speeds * _SHUTTER * self.settings.blur
        objects = tuple(
            ObjectTruth(
                identity,
                role,
                team,
                of[index].box,
                round(of[index].visible_share, 4),
                round(of[index].inside_share, 4),
                round(float(sizes[index]), 3),
                round(float(speeds[index]), 3),
                round(float(blurs[index]), 3),
            )
            for index, (identity, role, team) in enumerate(self._everything())
        )
        image = self._image(number, layers)
        return image, FrameTruth(number, number * 1000 / self.settings.frame_rate, objects)

    def render(self, number: int, *, without: Collection[int] = (), noise: bool = True) -> Image:
        """One frame without the silhouettes of some identities (their shadows stay), and with or without noise."""
        layers, order, _, _ = self._layers(number)
        names = [identity for identity, _, _ in self._everything()]
        kept = [layer for layer, index in zip(layers, order, strict=True) if names[index] not in without]
        return self._image(number, kept, noise=noise)

    def _everything(self) -> list[tuple[int, Role, Team | None]]:
        people = self.play.people
        return [*((each.identity, each.role, each.team) for each in people), (len(people) + 1, "ball", None)]

    def _image(self, number: int, layers: list[Layer], *, noise: bool = True) -> Image:
        image = self._background(number)
        for layer in (*(self._shadows(number) if self.settings.shadows else ()), *layers):
            lay(image, layer)
        if noise and self.settings.noise:
            across, down = self._random(4, number).integers(0, _NOISE_MARGIN, 2)
            part = self._noise[down : down + self.settings.height, across : across + self.settings.width]
            image = np.asarray(cv2.add(image, part, dtype=cv2.CV_8U), np.uint8)
        return image

    def _background(self, number: int) -> Image:
        """What the camera sees of what does not move, smeared along its own motion."""
        wanted, still = self.settings, self.backdrop
        if wanted.camera == "static":
            rows = slice(-still.top, -still.top + wanted.height)
            return still.image[rows, -still.left : -still.left + wanted.width].copy()
        move = np.array([[1, 0, still.left], [0, 1, still.top], [0, 0, 1.0]])
        image = cv2.warpPerspective(
            still.image,
            self.camera.turned(float(self.yaws[number])) @ move,
            (wanted.width, wanted.height),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        turn = self.yaws[number + 1] - self.yaws[number]
        smear = abs(turn) * self.camera.focal_pixels * np.cos(self.camera.tilt) * _SHUTTER
        if wanted.blur and smear > 0.5:
            row = motion_kernel(round(4 * float(smear)), 0).sum(axis=0)
            image = cv2.sepFilter2D(image, -1, row, np.ones(1, np.float32), borderType=cv2.BORDER_REPLICATE)
        return np.asarray(image, np.uint8)

    def _layers(self, number: int) -> tuple[list[Layer], list[int], Floats, Floats]:
        """Silhouettes, the farthest first; whose they are; sizes and motions (pixels) of everything, in its order."""
        if not 0 <= number < len(self):
            raise IndexError(f"frame {number} of a scene of {len(self)}")
        play, camera, wanted = self.play, self.camera, self.settings
        now, then = ((number + ahead, float(self.yaws[number + ahead])) for ahead in (0, 1))
        joints, depths = camera.project(
            skeletons(
                play.positions[now[0]], play.headings[now[0]], play.speeds[now[0]], play.strides[now[0]], self._heights
            ),
            now[1],
        )
        ball, ball_depth = camera.project(play.ball[now[0]], now[1])
        moves = np.zeros((len(joints) + 1, 2))
        for (index, yaw), sign in ((then, 1), (now, -1)):
            centres = np.concatenate([play.positions[index], np.full((len(joints), 1), PLAYER_HEIGHT_M / 2)], axis=1)
            moves += sign * camera.project(np.concatenate([centres, play.ball[index][None]]), yaw)[0]
        blurs = moves * _SHUTTER * wanted.blur
        scales = camera.focal_pixels / depths.mean(axis=1)
        diameter = camera.focal_pixels * wanted.ball_diameter_m / float(ball_depth)
        grounds = np.concatenate([play.positions[now[0]], play.ball[now[0], :2][None]])
        _, distances = camera.project(np.concatenate([grounds, np.zeros((len(grounds), 1))], axis=1), now[1])
        order = np.argsort(-distances, kind="stable").tolist()
        layers = [
            draw_ball(ball, diameter, float(self._rolled[number]), blurs[-1], panels=wanted.decoys)
            if index == len(joints)
            else draw_person(joints[index], float(scales[index]), self.look.people[index], blurs[index])
            for index in order
        ]
        return layers, order, np.append(scales * self._heights, diameter), moves

    def _shadows(self, number: int) -> list[Layer]:
        """Soft, below everybody and the ball, as under a cloudy sky or many floodlights."""
        places = [(*place, 0.34, 1.0) for place in self.play.positions[number]]
        x, y, z = self.play.ball[number]
        height = z - self.settings.ball_diameter_m / 2
        places.append((x, y, 0.6 * self.settings.ball_diameter_m, 1 / (1 + height)))
        turn = np.linspace(0, 2 * np.pi, 13)[:-1]
        found = []
        for x, y, radius, strength in places:
            ring = np.stack([x + radius * np.cos(turn), y + radius * np.sin(turn), np.zeros(12)], axis=1)
            outline, _ = self.camera.project(ring, float(self.yaws[number]))
            found.append(draw_shadow(outline, _SHADOW_DARKNESS * strength))
        return found

    def _pan(self) -> Floats:
        """Yaw [F+1]: after the ball, as a camera man does, late and smoothly."""
        away = (self.area.near + self.area.far) / 2
        aims = np.clip(np.arctan2(self.play.ball[:, 0], away), -_LARGEST_YAW, _LARGEST_YAW)
        share = 1 / (self.settings.frame_rate * _PAN_SECONDS / 2)
        yaws, first, second = np.empty(len(aims)), float(aims[0]) * 0.7, float(aims[0]) * 0.7
        for number, aim in enumerate(aims):
            first += share * (float(aim) - first)
            second += share * (first - second)
            yaws[number] = second
        return yaws

    @cached_property
    def _noise(self) -> NDArray[np.int8]:
        """Noise of which each frame takes another part: mostly brightness, a little colour."""
        rng, wanted = self._random(3), self.settings
        size = (wanted.height + _NOISE_MARGIN, wanted.width + _NOISE_MARGIN, 1)
        bright = rng.standard_normal(size, np.float32)
        colour = rng.standard_normal((*size[:2], 3), np.float32)
        field = wanted.noise * (0.9 * bright + 0.44 * colour)
        return np.clip(np.round(field), -127, 127).astype(np.int8)

    def _random(self, *stream: int) -> np.random.Generator:
        """A generator of its own for each use, so that none changes with what another draws."""
        return np.random.default_rng([self.seed, *stream])
