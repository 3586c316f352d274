"""Physics baselines: where the players go if nobody learned anything.

Here belong forecasts that need no training, as vectorised NumPy over the padded batches of
`PlayTensors.pad`. Learned models, metrics and plots do not belong here. The torch twin of the strongest
baseline, which the network adds its residual to, is `network.PhysicsBaseline`; a test holds the two equal.

The constants of the damped forecast were chosen by ADE on the training side of the default split of the 2019
highlights (145 of 211 plays), of two to four frames, 0.4 to 1.0 s and shares of 0.7 to 0.95.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sport_assets.nfl.tensors import FRAMES_PER_SECOND, HISTORY_CHANNELS, PLAYER_FEATURES

Batch = dict[str, np.ndarray]
"""Padded arrays as `PlayTensors.pad` makes them."""

FRAME_SECONDS = 1.0 / FRAMES_PER_SECOND
"""Seconds between two frames of the tracking."""

ACCELERATION_FRAMES = 2
"""Frames before the throw over which the slope of the velocity is taken."""

DAMPING_S = 0.8
"""Time constant with which the acceleration at the throw dies away."""

LANDING_SHARE = 0.8
"""Share of the gap to the landing point that the targeted receiver closes by the last frame."""

VELOCITY_X = HISTORY_CHANNELS.index("vx")
"""Channel of `history` with the first component of the velocity; the second follows it. x, y are 0 and 1."""

ROLE_TARGETED_RECEIVER = PLAYER_FEATURES.index("role_targeted_receiver")
"""Channel of `player` that marks the targeted receiver."""


def horizon_times(horizon: int) -> np.ndarray:
    """Seconds after the throw of output frames 1 to `horizon`, float32 [H]."""
    return (np.arange(1, horizon + 1) * FRAME_SECONDS).astype(np.float32)


def batch_horizon(batch: Batch) -> int:
    """The longest horizon of a batch, in frames; the width of its `target` where it has one."""
    if "target_mask" in batch:
        return int(batch["target_mask"].shape[2])
    return int(batch["frames"].max())


def acceleration(batch: Batch) -> np.ndarray:
    """Acceleration at the throw [B, A, 2] in yd/s^2: least-squares slope of the last observed velocities.

    Players with fewer than two observed frames in the window get zero.
    """
    window = batch["history"][:, :, -ACCELERATION_FRAMES:, VELOCITY_X : VELOCITY_X + 2].astype(np.float64)
    weight = batch["observed"][:, :, -ACCELERATION_FRAMES:, None].astype(np.float64)
    time_s = (np.arange(ACCELERATION_FRAMES) * FRAME_SECONDS)[:, None]
    count = np.maximum(weight.sum(2, keepdims=True), 1.0)
    centred = (time_s - (weight * time_s).sum(2, keepdims=True) / count) * weight
    spread = (centred**2).sum(2)
    slope = (centred * window).sum(2) / np.where(spread > 0, spread, 1.0)
    return np.where(spread > 0, slope, 0.0)


def last_state(batch: Batch) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Each player's last observed position and velocity, [B, A, 2], and its age at the throw [B, A] in s.

    The age is 0 for a player seen in the last frame before the throw.
    """
    age_frames = np.argmax(batch["observed"][:, :, ::-1], axis=2)
    index = (batch["history"].shape[2] - 1 - age_frames)[:, :, None, None]
    last = np.take_along_axis(batch["history"], index, axis=2)[:, :, 0].astype(np.float64)
    return last[..., :2], last[..., VELOCITY_X : VELOCITY_X + 2], age_frames * FRAME_SECONDS


def _elapsed(batch: Batch, age_s: np.ndarray) -> np.ndarray:
    """Seconds since each player was last seen, at each output frame: [B, A, H, 1]."""
    time_s = np.arange(1, batch_horizon(batch) + 1) * FRAME_SECONDS
    return (time_s + age_s[:, :, None])[..., None]


def damping_gain(elapsed_s: np.ndarray) -> np.ndarray:
    """Seconds squared that a unit acceleration, dying away as exp(-t / DAMPING_S), adds to the path."""
    return DAMPING_S * (elapsed_s - DAMPING_S * (1.0 - np.exp(-elapsed_s / DAMPING_S)))


def standing_still(batch: Batch) -> np.ndarray:
    """Every player stays where he was last seen. Returns [B, A, H, 2], standardised yards."""
    position, _, age_s = last_state(batch)
    return position[:, :, None] + 0.0 * _elapsed(batch, age_s)


def constant_velocity(batch: Batch) -> np.ndarray:
    """Every player keeps his speed and direction. Returns [B, A, H, 2], standardised yards."""
    position, velocity, age_s = last_state(batch)
    return position[:, :, None] + velocity[:, :, None] * _elapsed(batch, age_s)


def constant_acceleration(batch: Batch) -> np.ndarray:
    """Every player keeps his acceleration. Returns [B, A, H, 2], standardised yards."""
    elapsed_s = _elapsed(batch, last_state(batch)[2])
    return constant_velocity(batch) + 0.5 * acceleration(batch)[:, :, None] * elapsed_s**2


def damped_acceleration(batch: Batch) -> np.ndarray:
    """The acceleration dies away as exp(-t / DAMPING_S). Returns [B, A, H, 2], standardised yards."""
    gain = damping_gain(_elapsed(batch, last_state(batch)[2]))
    return constant_velocity(batch) + acceleration(batch)[:, :, None] * gain


def damped_landing(batch: Batch) -> np.ndarray:
    """Damped acceleration, the targeted receiver bent to the landing point of the ball.

    The bend is a constant extra acceleration, so it starts smoothly and closes `LANDING_SHARE` of the
    remaining gap by the play's last frame. Returns [B, A, H, 2], standardised yards.
    """
    position, velocity, age_s = last_state(batch)
    duration_s = np.maximum(batch["frames"], 1) * FRAME_SECONDS
    last_elapsed_s = (duration_s[:, None] + age_s)[..., None]
    end = position + velocity * last_elapsed_s + acceleration(batch) * damping_gain(last_elapsed_s)
    gap = batch["play"][:, None, :2].astype(np.float64) - end
    time_s = np.arange(1, batch_horizon(batch) + 1) * FRAME_SECONDS
    progress = np.minimum(time_s[None] / duration_s[:, None], 1.0) ** 2
    targeted = batch["player"][:, :, ROLE_TARGETED_RECEIVER].astype(np.float64)
    bend = LANDING_SHARE * (targeted[..., None] * gap)[:, :, None] * progress[:, None, :, None]
    return damped_acceleration(batch) + bend


BASELINES: dict[str, Callable[[Batch], np.ndarray]] = {
    "standing_still": standing_still,
    "constant_velocity": constant_velocity,
    "constant_acceleration": constant_acceleration,
    "damped_landing": damped_landing,
}
"""Baselines that stand beside every model, by name, weakest first."""
