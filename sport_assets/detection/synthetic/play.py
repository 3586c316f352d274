"""The play of a generated scene: where everyone and the ball are, and what happens to the ball. No pixels.

Belongs here: movement, possession, events. Must not come here: the camera's motion, pictures.

Everybody moves all the time (each drifts round a place of their own, follows the ball a little, keeps apart from the
others), so that nobody becomes part of the background of a static camera.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sport_assets.detection.synthetic.settings import SceneSettings

Floats = NDArray[np.float64]
Team = Literal["left", "right"]
Role = Literal["player", "goalkeeper", "referee", "ball"]

_GRAVITY = 9.81
_REACH_M = 1.2
_HOLD_FOR_DRIVE_S = 0.9
_SHOT, _LOFTED, _INTERCEPTED = 0.12, 0.3, 0.15
_USUAL_DEPTH_M = 30.0
"""On a pitch that is less deep everything is slower, else a ball would cross it within a frame."""


@dataclass(frozen=True)
class Area:
    """Where is played: from ``near`` to ``far`` (y, metres), and there ``near_half`` and ``far_half`` to both sides."""

    near: float
    far: float
    near_half: float
    far_half: float

    def half(self, y: Floats | float) -> Floats:
        """Half of the width at a distance, in metres."""
        share = (np.asarray(y) - self.near) / (self.far - self.near)
        return np.asarray(self.near_half + share * (self.far_half - self.near_half))

    def inside(self, points: Floats) -> Floats:
        """Points [..., 2], moved to the nearest place inside."""
        y = np.clip(points[..., 1], self.near, self.far)
        half = self.half(y)
        return np.stack([np.clip(points[..., 0], -half, half), y], axis=-1)


@dataclass(frozen=True)
class Person:
    """Somebody on the pitch: ``identity`` from 1; a referee has no team."""

    identity: int
    role: Role
    team: Team | None


@dataclass(frozen=True)
class Event:
    """What happened to the ball: the label as SoccerTrack has it, the frame it begins in, who did it."""

    label: Literal["PASS", "DRIVE", "SHOT"]
    frame: int
    team: Team


@dataclass(frozen=True)
class Play:
    """F frames and one more, for the motion within the last.

    ``positions`` [F+1, P, 2], ``headings`` [F+1, P] (radians, 0 to the right, to the left of it away), ``speeds``
    [F+1, P] (m/s), ``strides`` [F+1, P] (radians of a step), ``ball`` [F+1, 3]: its centre.
    """

    people: tuple[Person, ...]
    positions: Floats
    headings: Floats
    speeds: Floats
    strides: Floats
    ball: Floats
    events: tuple[Event, ...]


@dataclass
class _Flight:
    """A kicked ball on its way from ``start`` to ``target`` (on the ground) within ``seconds``."""

    start: Floats
    target: Floats
    seconds: float
    apex_m: float
    receiver: int
    passed: float = 0.0

    def at(self) -> tuple[Floats, float]:
        """Where it is now: on the ground, and how far above."""
        share = min(self.passed / self.seconds, 1.0)
        eased = share if self.apex_m else share * (1.4 - 0.4 * share)  # a ball that rolls becomes slower
        return self.start + (self.target - self.start) * eased, 4 * self.apex_m * share * (1 - share)


def people(players: int) -> tuple[Person, ...]:
    """Both sides, goalkeepers first, and the referee."""
    sides: tuple[Team, Team] = ("left", "right")
    found = [
        Person(side * players + number + 1, "player" if number else "goalkeeper", team)
        for side, team in enumerate(sides)
        for number in range(players)
    ]
    return (*found, Person(2 * players + 1, "referee", None))


def simulate(rng: np.random.Generator, settings: SceneSettings, area: Area) -> Play:
    """A play of that many frames inside an area. The same generator gives the same play."""
    match = _Match(rng, settings, area)
    for _ in range(round(rng.uniform(2.0, 5.0) * settings.frame_rate)):  # so that it begins in the midst of a match
        match.step()
    begin, match.rows = match.frame, []
    for _ in range(settings.frames + 1):
        match.step()
    positions, headings, speeds, strides, ball = (np.array(rows) for rows in zip(*match.rows, strict=True))
    events = tuple(
        replace(event, frame=event.frame - begin)
        for event in match.events
        if 0 <= event.frame - begin < settings.frames
    )
    return Play(match.people, positions, headings, speeds, strides, ball, events)


def _apart(places: Floats, scale: float) -> Floats:
    """Which way [P, 2] each is pushed by those who are close. Seen from the camera those behind one another cover one
    another long before they are close, so that three steps in depth count as much as one across."""
    away = (places[:, None] - places[None]) / ([1.0, 3.0] * np.array(max(scale, 0.5)))
    distance = np.maximum(np.hypot(away[..., 0], away[..., 1]), 0.05)
    push = away / distance[..., None] * np.clip(1.7 - distance, 0, None)[..., None]
    return np.asarray(push.sum(axis=1) * scale)


class _Match:
    """The state of a play from frame to frame."""

    def __init__(self, rng: np.random.Generator, settings: SceneSettings, area: Area) -> None:
        self.rng, self.area, self.step_s = rng, area, 1 / settings.frame_rate
        self.side = settings.players
        self.people = people(settings.players)
        self.radius = settings.ball_diameter_m / 2
        self.scale = min(1.0, (area.far - area.near) / _USUAL_DEPTH_M)
        self.homes = self._homes()
        count = len(self.people)
        self.periods = rng.uniform(5.0, 9.0, (count, 2))
        self.phases = rng.uniform(0, 2 * np.pi, (count, 2))
        self.amplitudes = rng.uniform(2.2, 3.6, (count, 2)) * self.scale
        self.amplitudes[[0, self.side]] *= [0.45, 0.9]  # goalkeepers shift along the goal line
        self.paces = rng.uniform(0.9, 1.1, count)
        self.positions = area.inside(self.homes)
        self.velocities = np.zeros((count, 2))
        self.headings = np.where(np.arange(count) < self.side, 0.0, np.pi)
        self.strides = rng.uniform(0, 2 * np.pi, count)
        self.owner: int | None = int(rng.integers(1, self.side))
        self.flight: _Flight | None = None
        self.chaser = self.owner
        self.ball = np.array([*self.positions[self.owner], self.radius])
        self.frame, self.held_s, self.hold_s = 0, 0.0, float(rng.uniform(0.2, 0.8))
        self.goal = self.ball[:2].copy()
        self.events: list[Event] = []
        self.rows: list[tuple[Floats, Floats, Floats, Floats, Floats]] = []

    def _homes(self) -> Floats:
        """Where each one belongs: goalkeepers at the ends, the others in lines, the referee in the middle."""
        rng, area = self.rng, self.area
        across, along = [], []
        for direction in (-1, 1):
            outfield = self.side - 1
            lines = np.array_split(np.arange(outfield), min(3, outfield))
            places = [(-0.93, 0.55)]
            for line, depth in zip(lines, (-0.62, -0.1, 0.38), strict=False):
                places += [(depth, (number + 0.5) / len(line)) for number in range(len(line))]
            across += [-direction * (place + rng.uniform(-0.06, 0.06) * (place > -0.9)) for place, _ in places]
            along += [share + rng.uniform(-0.05, 0.05) for _, share in places]
        y = area.near + (0.04 + 0.92 * np.clip([*along, 0.45], 0, 1)) * (area.far - area.near)
        homes = np.stack([np.array([*across, 0.05]) * area.half(y), y], axis=-1)
        for _ in range(40):
            homes = area.inside(homes + 0.3 * _apart(homes, self.scale))
        return homes

    def step(self) -> None:
        """Note where everything is, then go on by one frame."""
        speeds = np.hypot(*self.velocities.T)
        self.rows.append((self.positions.copy(), self.headings.copy(), speeds, self.strides.copy(), self.ball.copy()))
        self._move_people()
        if self.flight is not None:
            self._fly(self.flight)
        elif self.owner is not None:
            self._carry(self.owner)
        else:
            self._loose()
        self.frame += 1

    def _move_people(self) -> None:
        time = self.frame * self.step_s
        drift = self.amplitudes * np.sin(2 * np.pi * time / self.periods + self.phases)
        ball = self.ball[:2]
        wanted = self.homes + drift + 0.15 * (ball - self.homes) * np.array([1.0, 0.6])
        wanted[[0, self.side]] = (self.homes + drift)[[0, self.side]] + [[0, 0.12 * (ball[1] - self.homes[0, 1])]] * 2
        wanted[-1] = (ball + 3 * self.homes[-1]) / 4 + drift[-1]
        wanted = self.area.inside(wanted)
        if self.flight is not None:
            wanted[self.flight.receiver] = self.flight.target
        elif self.owner is not None:
            wanted[self.owner] = self.goal
        elif self.chaser is not None:
            wanted[self.chaser] = ball
        push = _apart(self.positions, self.scale)
        fastest = np.full((len(wanted), 1), 5.0) * self.paces[:, None] * np.sqrt(self.scale)
        aim = 1.6 * (wanted - self.positions) + 8.0 * push
        speed = np.maximum(np.hypot(*aim.T), 1e-6)[:, None]
        aim *= np.minimum(1.0, fastest / speed)
        self.velocities += np.clip(aim - self.velocities, -1, 1) * min(1.0, 6.0 * self.step_s)
        self.positions = self.positions + self.velocities * self.step_s
        faced = np.arctan2(self.velocities[:, 1], self.velocities[:, 0])
        turn = (faced - self.headings + np.pi) % (2 * np.pi) - np.pi
        speeds = np.hypot(*self.velocities.T)
        self.headings = self.headings + np.clip(turn, -5 * self.step_s, 5 * self.step_s) * (speeds > 0.3)
        self.strides = self.strides + 2 * np.pi * self.step_s * (0.5 + 0.32 * speeds / np.sqrt(self.scale))

    def _fly(self, flight: _Flight) -> None:
        flight.passed += self.step_s
        place, above = flight.at()
        self.ball = np.array([*place, self.radius + above])
        if flight.passed >= flight.seconds:
            self.flight, self.chaser = None, flight.receiver

    def _loose(self) -> None:
        distance = np.hypot(*(self.positions[:-1] - self.ball[:2]).T)
        nearest = int(distance.argmin())
        self.chaser = nearest
        if distance[nearest] < _REACH_M:
            self.owner, self.held_s = nearest, 0.0
            self.hold_s = float(
                self.rng.choice([self.rng.uniform(0.05, 0.3), self.rng.uniform(0.9, 1.6)], p=[0.75, 0.25])
            )
            ahead = np.array([self._forward(nearest) * self.rng.uniform(1, 6), self.rng.uniform(-4, 4)]) * self.scale
            self.goal = self.area.inside(self.positions[nearest] + ahead)
            if self.hold_s >= _HOLD_FOR_DRIVE_S:
                self._happened("DRIVE", nearest)

    def _carry(self, owner: int) -> None:
        """The ball is touched ahead, again and again; after a while it is kicked."""
        self.held_s += self.step_s
        heading = np.array([np.cos(self.headings[owner]), np.sin(self.headings[owner])])
        touch = self.radius + (0.6 + 0.45 * (1 + np.sin(self.strides[owner] / 2))) * max(self.scale, 0.6)
        way = self.positions[owner] + heading * touch - self.ball[:2]
        most = (4.0 + float(np.hypot(*self.velocities[owner]))) * self.step_s
        way *= min(1.0, most / max(float(np.hypot(*way)), 1e-9))
        self.ball = np.array([*(self.ball[:2] + way), self.radius])
        if self.held_s >= self.hold_s:
            self._kick(owner)

    def _kick(self, owner: int) -> None:
        rng, keeper = self.rng, self.side if owner < self.side else 0
        start, apex = self.ball[:2].copy(), 0.0
        shot = owner % self.side != 0 and rng.random() < _SHOT
        if shot:
            receiver, speed = keeper, rng.uniform(18, 25)
        else:
            receiver, speed = self._receiver(owner), rng.uniform(6, 12)
        target = self.area.inside(self.positions[receiver] + self.velocities[receiver] * 0.5)
        distance = float(np.hypot(*(target - start)))
        if not shot and distance > 9 * self.scale and rng.random() < _LOFTED:
            speed = rng.uniform(11, 16)
        seconds = max(distance / (speed * self.scale), 0.2)
        if (not shot and speed > 10 and distance > 9 * self.scale) or (shot and rng.random() < 0.5):
            apex = min(_GRAVITY * seconds**2 / 8, 3.0) * self.scale
        self.flight, self.owner = _Flight(start, target, seconds, apex, receiver), None
        self._happened("SHOT" if shot else "PASS", owner)

    def _receiver(self, owner: int) -> int:
        """A team-mate, rather one at a usual distance and ahead; now and then an opponent who comes between."""
        first = 0 if owner < self.side else self.side
        mates = np.array([number for number in range(first, first + self.side) if number != owner])
        away = self.positions[mates] - self.positions[owner]
        distance = np.hypot(*away.T)
        weight = np.exp(-(((distance - 14 * self.scale) / (6 * self.scale + 0.5)) ** 2)) + 0.02
        weight *= 1 + 0.5 * np.tanh(away[:, 0] * self._forward(owner) / 5)
        weight[mates % self.side == 0] *= 0.3
        receiver = int(self.rng.choice(mates, p=weight / weight.sum()))
        if self.rng.random() < _INTERCEPTED:
            others = np.arange(self.side - first, 2 * self.side - first)
            receiver = int(others[np.hypot(*(self.positions[others] - self.positions[receiver]).T).argmin()])
        return receiver

    def _forward(self, number: int) -> int:
        return 1 if number < self.side else -1

    def _happened(self, label: Literal["PASS", "DRIVE", "SHOT"], number: int) -> None:
        team = self.people[number].team
        if team is not None:
            self.events.append(Event(label, self.frame, team))
