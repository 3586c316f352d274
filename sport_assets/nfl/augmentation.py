"""Training plays varied by chance: turned about the landing point, and measured with noise.

Here belong variations drawn anew each time, on torch tensors and from torch's generator, which a resumed training
restores. Variations that are counted out (mirrored plays, earlier starts) are samples of their own, in `batches`.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from sport_assets.nfl.baselines import VELOCITY_X
from sport_assets.nfl.physics import LANDING
from sport_assets.nfl.settings import DataSettings
from sport_assets.nfl.tensors import HISTORY_CHANNELS

ORIENTATION_X = HISTORY_CHANNELS.index("o_sin")
"""Channel of `history` with the x part of the orientation (angles are clockwise from +y); the y part follows it."""


def vary(batch: dict[str, Tensor], settings: DataSettings) -> dict[str, Tensor]:
    """A batch (see `PlayTensors.pad`) turned and with noise as the settings say; the given one is left as it is."""
    if settings.rotation_degrees:
        angle = (
            2.0 * torch.rand(len(batch["frames"]), device=batch["history"].device) - 1.0
        ) * settings.rotation_degrees
        batch = turn(batch, angle * (math.pi / 180.0))
    if settings.position_noise_yards or settings.velocity_noise_yards_s:
        batch = with_noise(batch, settings.position_noise_yards, settings.velocity_noise_yards_s)
    return batch


def turn(batch: dict[str, Tensor], angle: Tensor) -> dict[str, Tensor]:
    """Each play turned by its angle [B] (radians, from +x to +y) about the point where its ball comes down.

    Movement towards the ball and between players stays what it was; only how it lies on the field changes, so a play
    may reach over a line. Padding and unobserved frames stay 0.
    """
    cosine, sine = angle.cos()[:, None, None], angle.sin()[:, None, None]

    def turned(vectors: Tensor) -> Tensor:
        x, y = vectors[..., 0], vectors[..., 1]
        return torch.stack([cosine * x - sine * y, sine * x + cosine * y], -1)

    centre = batch["play"][:, None, None, LANDING]
    history = batch["history"].clone()
    seen = batch["observed"][..., None]
    history[..., :2] = torch.where(seen, turned(history[..., :2] - centre) + centre, 0.0)
    for first in (VELOCITY_X, ORIENTATION_X):
        history[..., first : first + 2] = turned(history[..., first : first + 2])
    known = batch["target_mask"][..., None]
    target = torch.where(known, turned(batch["target"] - centre) + centre, 0.0)
    return {**batch, "history": history, "target": target}


def with_noise(batch: dict[str, Tensor], position_yards: float, velocity_yards_s: float) -> dict[str, Tensor]:
    """Normal noise of these standard deviations on each observed past position and velocity."""
    history = batch["history"].clone()
    seen = batch["observed"][..., None].to(history.dtype)
    for first, scale in ((0, position_yards), (VELOCITY_X, velocity_yards_s)):
        part = history[..., first : first + 2]
        history[..., first : first + 2] = part + scale * torch.randn_like(part) * seen
    return {**batch, "history": history}
