"""Routes, the passer and the throw.

Here belongs what the offence intends: it runs without looking at the defence, so a whole path is known before
the throw.
"""

from __future__ import annotations

import numpy as np

from sport_assets.nfl.synthetic.league import ALIGNMENTS, Floats, Ints, Plays
from sport_assets.nfl.synthetic.motion import (
    FEWEST_FRAMES_BEFORE,
    FEWEST_FRAMES_IN_AIR,
    FIELD_LENGTH_YARDS,
    FIELD_WIDTH_YARDS,
    HORIZON_FRAMES,
    MOST_FRAMES_BEFORE,
    MOST_FRAMES_IN_AIR,
    limit,
    step,
)

# Angles in degrees from downfield, positive to the outside. Columns: stem yards from, to; stem angle; break
# angle from,
# to; yards after the break until the last leg; speed share on the stem, after the break, on the last leg.
_ROUTES: dict[str, tuple[float, ...]] = {
    "HITCH": (4, 9.5, 0, -150, -170, 1.6, 0.90, 0.45, 0.04),
    "OUT": (3, 10, 0, 88, 98, 99, 0.93, 0.93, 0.93),
    "FLAT": (0.5, 2, 25, 74, 90, 99, 0.78, 0.88, 0.88),
    "CROSS": (1.5, 5, 0, -72, -86, 99, 0.87, 0.92, 0.92),
    "GO": (3, 6, 5, -2, 3, 99, 0.95, 1.00, 1.00),
    "IN": (5, 12, 0, -84, -92, 99, 0.94, 0.93, 0.93),
    "SLANT": (1.5, 3.5, 0, -50, -64, 99, 0.85, 0.95, 0.95),
    "POST": (9, 14, 0, -30, -44, 99, 0.95, 0.98, 0.98),
    "ANGLE": (3.5, 5.5, 55, -50, -68, 99, 0.78, 0.88, 0.88),
    "CORNER": (9, 13, -4, 36, 50, 99, 0.94, 0.95, 0.95),
    "SCREEN": (1.0, 2.0, 150, 95, 115, 3.0, 0.45, 0.40, 0.10),
    "WHEEL": (4, 6, 80, 0, 8, 99, 0.78, 0.95, 0.95),
}


ROUTES = tuple(_ROUTES)


_ROUTE_TABLE = np.array(list(_ROUTES.values()))


# Share of each route by where the receiver lines up.
_ROUTE_SHARE = {
    "outside": (0.26, 0.12, 0.00, 0.08, 0.22, 0.11, 0.10, 0.08, 0.00, 0.03, 0.00, 0.00),
    "inside": (0.17, 0.18, 0.12, 0.21, 0.08, 0.10, 0.04, 0.04, 0.00, 0.06, 0.00, 0.00),
    "back": (0.08, 0.00, 0.50, 0.03, 0.00, 0.00, 0.00, 0.00, 0.22, 0.00, 0.10, 0.07),
}


_TARGET_WEIGHT = np.array([1.15, 1.3, 1.25, 1.15, 0.9, 1.1, 1.1, 1.1, 1.1, 1.2, 1.3, 0.9])


_DEEP_ROUTES = np.isin(ROUTES, ("GO", "POST", "CORNER", "WHEEL"))


def choose_routes(rng: np.random.Generator, plays: Plays) -> Ints:
    """Route numbers [plays, 5]; deep routes become short ones where the field ends."""
    empty = np.isin(plays.alignment, ("3x2", "4x1"))
    chosen = np.empty((len(plays), 5), dtype=np.int64)
    for spot in range(5):
        where = "outside" if spot < 2 else "inside" if spot < 4 else "back"
        chosen[:, spot] = rng.choice(len(ROUTES), len(plays), p=_ROUTE_SHARE[where])
    inside = rng.choice(len(ROUTES), len(plays), p=_ROUTE_SHARE["inside"])
    chosen[empty, 4] = inside[empty]
    short = rng.choice([ROUTES.index("SLANT"), ROUTES.index("OUT"), ROUTES.index("HITCH")], chosen.shape)
    tight = (plays.yardline > 92)[:, None]
    return np.where(tight & _DEEP_ROUTES[chosen], short, chosen)


def run_routes(
    rng: np.random.Generator, plays: Plays, routes: Ints, top: Floats, push: Floats
) -> tuple[Floats, Floats, Floats, Ints]:
    """Receivers on their routes as if nothing were thrown: position, velocity, acceleration [frames, plays,
    5, 2]
    and the frame of the break [plays, 5]."""
    count = len(plays)
    spots = np.array([ALIGNMENTS[str(name)] for name in plays.alignment])  # [plays, 5, 2]
    y = plays.ball_y[:, None] + plays.strong_side[:, None] * (spots[..., 0] + rng.normal(0, 1.0, (count, 5)))
    x = plays.yardline[:, None] - spots[..., 1] - np.abs(rng.normal(0, 0.2, (count, 5)))
    position = np.stack([x, np.clip(y, 2.5, FIELD_WIDTH_YARDS - 2.5)], -1)
    outside = np.where(position[..., 1] >= plays.ball_y[:, None], 1.0, -1.0)
    table = _ROUTE_TABLE[routes]
    stem = rng.uniform(table[..., 0], table[..., 1])
    room = np.maximum(116.0 - plays.yardline, 4.0)[:, None]
    stem = np.minimum(stem, 0.55 * room)
    turn = rng.uniform(np.minimum(table[..., 3], table[..., 4]), np.maximum(table[..., 3], table[..., 4]))
    angles = np.stack([table[..., 2] + rng.normal(0, 3, (count, 5)), turn, turn], -1)  # [plays, 5, 3]
    shares = table[..., 6:9] * rng.uniform(0.93, 1.0, (count, 5, 1))
    shares[..., 2] = np.where(table[..., 8] < 0.2, table[..., 8], shares[..., 2])
    sharp = np.abs(angles[..., 1] - angles[..., 0]) > 60
    velocity = np.zeros_like(position)
    motion = (rng.random((count, 5)) < 0.03) & (np.arange(5) >= 2)
    velocity[..., 1] = np.where(motion, -outside * rng.uniform(1.5, 3.5, (count, 5)), 0.0)
    velocity += rng.normal(0, 0.05, velocity.shape)
    acceleration = np.zeros_like(position)
    start_delay = rng.integers(0, 3, (count, 5))
    travelled = np.zeros((count, 5))
    broke = np.full((count, 5), HORIZON_FRAMES, dtype=np.int64)
    positions, velocities, accelerations = (np.empty((HORIZON_FRAMES, count, 5, 2)) for _ in range(3))
    for frame in range(HORIZON_FRAMES):
        positions[frame], velocities[frame], accelerations[frame] = position, velocity, acceleration
        leg = (travelled >= stem).astype(np.int64) + (travelled >= stem + table[..., 5])
        broke = np.where((leg > 0) & (broke == HORIZON_FRAMES), frame, broke)
        angle = np.radians(np.take_along_axis(angles, leg[..., None], -1)[..., 0])
        share = np.take_along_axis(shares, leg[..., None], -1)[..., 0]
        # A sharp break is prepared: the last two yards of the stem are slowed down for it.
        share = np.where(sharp & (leg == 0) & (travelled > stem - 1.8), 0.55 * share, share)
        wanted = (top * share)[..., None] * np.stack([np.cos(angle), outside * np.sin(angle)], -1)
        wanted = np.where((frame < start_delay)[..., None], velocity, wanted)
        before = position
        position, velocity, acceleration = step(position, velocity, acceleration, wanted, top, push)
        travelled = travelled + np.linalg.norm(position - before, axis=-1)
    return positions, velocities, accelerations, broke


def run_passer(
    rng: np.random.Generator, plays: Plays, top: Floats, push: Floats
) -> tuple[Floats, Floats, Floats, Floats]:
    """The passer's drop, rollout or scramble: position, velocity, acceleration [frames, plays, 2] and drop
    depth."""
    count = len(plays)
    shotgun = np.isin(plays.formation, ("SHOTGUN", "EMPTY", "PISTOL"))
    depth = np.where(shotgun, 4.8, 1.2)
    position = np.stack([plays.yardline - depth, plays.ball_y + rng.normal(0, 0.1, count)], -1)
    drop = np.where(shotgun, rng.normal(7.4, 0.9, count), rng.normal(7.8, 1.2, count))
    side = np.where(
        np.char.endswith(plays.dropback, "RIGHT"),
        -1.0,
        np.where(np.char.endswith(plays.dropback, "LEFT"), 1.0, 0.0),
    )
    scramble = np.char.startswith(plays.dropback, "SCRAMBLE")
    side = np.where((side == 0) & scramble, rng.choice((-1.0, 1.0), count), side)
    spot = np.stack([plays.yardline - drop, plays.ball_y + rng.normal(0, 0.4, count)], -1)
    moved = spot + np.stack([np.where(scramble, 1.5, 0.5), side * 9.0], -1)
    leaves = np.where(
        side == 0, HORIZON_FRAMES, np.where(scramble, rng.integers(18, 26, count), rng.integers(5, 9, count))
    )
    drift = rng.normal(0, 0.4, (2, count))
    velocity, acceleration = np.zeros_like(position), np.zeros_like(position)
    positions, velocities, accelerations = (np.empty((HORIZON_FRAMES, count, 2)) for _ in range(3))
    for frame in range(HORIZON_FRAMES):
        positions[frame], velocities[frame], accelerations[frame] = position, velocity, acceleration
        climb = spot + np.stack([0.05 * np.maximum(frame - 20, 0) * (1 + drift[0]), drift[1] * frame * 0.03], -1)
        goal = np.where((frame >= leaves)[:, None], moved, climb)
        wanted = limit((goal - position) / 0.45, np.where(frame >= leaves, 6.0, 4.0))
        position, velocity, acceleration = step(position, velocity, acceleration, wanted, top, push)
    return positions, velocities, accelerations, drop


def choose_throws(
    rng: np.random.Generator, plays: Plays, routes: Ints, path: Floats, passer: Floats, broke: Ints
) -> tuple[Ints, Ints, Ints, Floats]:
    """Who is thrown to, when (frames before), how long the ball flies (frames) and where it lands."""
    count, every = len(plays), np.arange(len(plays))
    weight = _TARGET_WEIGHT[routes] * plays.receivers * rng.gamma(2.0, 1.0, (count, 5))
    target = weight.argmax(1)
    route = routes[every, target]
    brk = broke[every, target]
    late = np.where(np.isin(np.array(ROUTES)[route], ("GO",)), rng.normal(15, 4, count), rng.normal(4, 3.5, count))
    scramble = np.char.startswith(plays.dropback, "SCRAMBLE")
    before = brk + late + np.where(scramble, 12, 0) + rng.exponential(2.0, count)
    before = np.maximum(before, rng.normal(20, 4, count))
    before = np.clip(np.rint(before), FEWEST_FRAMES_BEFORE, MOST_FRAMES_BEFORE).astype(np.int64)
    origin = passer[before - 1, every]
    in_air = np.full(count, 10, dtype=np.int64)
    touch = rng.normal(0, 1.1, count)
    for _ in range(4):
        aim = path[before - 1 + in_air, every, target]
        distance = np.linalg.norm(aim - origin, axis=-1)
        seconds = 0.2 + 0.036 * distance + 0.00022 * distance**2
        in_air = np.clip(np.rint(10 * seconds + touch), FEWEST_FRAMES_IN_AIR, MOST_FRAMES_IN_AIR).astype(np.int64)
    aim = path[before - 1 + in_air, every, target]
    spread = 0.45 + 0.032 * np.linalg.norm(aim - origin, axis=-1)
    landing = aim + rng.normal(0, 1.0, (count, 2)) * spread[:, None]
    wild = (rng.random(count) < 0.05)[:, None]  # throws away and under pressure
    landing = landing + wild * rng.normal(0, 2.5, (count, 2))
    landing = np.clip(landing, (0.5, 0.0), (FIELD_LENGTH_YARDS - 0.3, FIELD_WIDTH_YARDS))
    return target.astype(np.int64), before, in_air, landing
