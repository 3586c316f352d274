"""Limited speed and acceleration: one step of many players at once.

Here belong the units, the field and the kinematics that offence and defence share; nothing about football.
"""

from __future__ import annotations

import numpy as np

from sport_assets.nfl.synthetic.league import Floats

FRAME_S = 0.1


FIELD_LENGTH_YARDS, FIELD_WIDTH_YARDS = 120.0, 53.3


FEWEST_FRAMES_BEFORE, MOST_FRAMES_BEFORE = 15, 45


FEWEST_FRAMES_IN_AIR, MOST_FRAMES_IN_AIR = 5, 40


_SUBSTEPS = 2


HORIZON_FRAMES = MOST_FRAMES_BEFORE + MOST_FRAMES_IN_AIR + 1

RESPONSE_S = 0.28


def unit(vector: Floats) -> Floats:
    return vector / np.maximum(np.linalg.norm(vector, axis=-1, keepdims=True), 1e-6)


def limit(vector: Floats, most: Floats) -> Floats:
    size = np.linalg.norm(vector, axis=-1)
    return vector * np.minimum(1.0, most / np.maximum(size, 1e-9))[..., None]


def _keep_inside(position: Floats, wanted: Floats) -> Floats:
    """Players slow down before the lines: outward speed is limited to what they can brake (3 yards/s^2)."""
    high = np.array([FIELD_LENGTH_YARDS - 1.2, FIELD_WIDTH_YARDS - 1.0])
    low = np.array([1.2, 1.0])
    ahead = np.sqrt(6.0 * np.maximum(high - position, 0.0))
    behind = np.sqrt(6.0 * np.maximum(position - low, 0.0))
    kept = np.clip(wanted, -behind, ahead)
    lost = np.abs(wanted[..., 1] - kept[..., 1])  # who runs out of width turns upfield
    kept[..., 0] = np.clip(kept[..., 0] + 0.6 * lost * np.sign(wanted[..., 0] + 0.3), -behind[..., 0], ahead[..., 0])
    return kept


def step(
    position: Floats,
    velocity: Floats,
    acceleration: Floats,
    wanted: Floats,
    top: Floats,
    push: Floats,
    *,
    response_s: float = RESPONSE_S,
    build_up_s: float = 0.14,
) -> tuple[Floats, Floats, Floats]:
    """One frame towards a wanted velocity; all vectors are [..., 2], `top` (yards/s) and `push` (yards/s^2) [...].

    The faster a player runs, the less there is left to speed up with; braking and turning use all of `push`.
    The wanted velocity is approached within about `response_s`, acceleration itself builds up over `build_up_s`.
    """
    wanted = limit(_keep_inside(position, wanted), top)
    dt = FRAME_S / _SUBSTEPS
    for _ in range(_SUBSTEPS):
        speed = np.linalg.norm(velocity, axis=-1)
        heading = unit(velocity)
        need = (wanted - velocity) / response_s
        along = (need * heading).sum(-1)
        room = push * np.clip(1.08 - speed / top, 0.0, 1.0)
        need = need + (np.minimum(along, room) - along)[..., None] * heading * (speed > 0.3)[..., None]
        need = limit(need, push)
        acceleration = acceleration + (need - acceleration) * (dt / build_up_s)
        moved = velocity + acceleration * dt
        position = position + 0.5 * (velocity + moved) * dt
        velocity = moved
    return position, velocity, acceleration
