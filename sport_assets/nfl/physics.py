"""The strongest baseline as a torch module: what the network adds its residual to.

Here belongs the torch twin of `baselines.damped_landing`, held equal to it by a test. Nothing here learns.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sport_assets.nfl import baselines

LANDING = slice(0, 2)
"""Channels of `play` with the landing point of the ball."""


class PhysicsBaseline(nn.Module):
    """Damped acceleration with the targeted receiver bent to the ball, as `baselines.damped_landing`."""

    slope_time: Tensor

    def __init__(self) -> None:
        super().__init__()
        window = torch.arange(baselines.ACCELERATION_FRAMES) * baselines.FRAME_SECONDS
        self.register_buffer("slope_time", window[:, None], persistent=False)

    def state(self, history: Tensor, observed: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Last position, velocity, acceleration, all [B, A, 2], and seconds since last seen [B, A, 1]."""
        frames = history.shape[2]
        order = torch.arange(1, frames + 1, device=history.device, dtype=history.dtype)
        last = (observed.to(history.dtype) * order).amax(2, keepdim=True)
        choose = (order == last).to(history.dtype)[..., None]
        state = (history * choose).sum(2)
        age_s = (frames - torch.where(last > 0, last, float(frames))) * baselines.FRAME_SECONDS
        window = history[:, :, -baselines.ACCELERATION_FRAMES :, 2:4]
        weight = observed[:, :, -baselines.ACCELERATION_FRAMES :, None].to(history.dtype)
        count = weight.sum(2, keepdim=True).clamp(min=1.0)
        centred = (self.slope_time - (weight * self.slope_time).sum(2, keepdim=True) / count) * weight
        spread = centred.square().sum(2)
        known = spread > 1e-6
        slope = (centred * window).sum(2) / torch.where(known, spread, 1.0)
        return state[..., :2], state[..., 2:4], torch.where(known, slope, 0.0), age_s

    @staticmethod
    def gain(elapsed_s: Tensor) -> Tensor:
        """See `baselines.damping_gain`."""
        damping = baselines.DAMPING_S
        return damping * (elapsed_s - damping * (1.0 - torch.exp(-elapsed_s / damping)))

    def forward(
        self, history: Tensor, observed: Tensor, player: Tensor, play: Tensor, frames: Tensor, time_s: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Displacements from the last position, in yards: path [B, A, H, 2] and its end [B, A, 2]."""
        position, velocity, acceleration, age_s = self.state(history, observed)
        duration_s = frames.to(history.dtype).clamp(min=1.0)[:, None, None] * baselines.FRAME_SECONDS
        elapsed_s = (time_s[None, None, :] + age_s)[..., None]
        last_s = duration_s + age_s
        path = velocity[:, :, None] * elapsed_s + acceleration[:, :, None] * self.gain(elapsed_s)
        end = velocity * last_s + acceleration * self.gain(last_s)
        gap = play[:, None, LANDING] - position - end
        targeted = player[..., baselines.ROLE_TARGETED_RECEIVER, None]
        bend = baselines.LANDING_SHARE * targeted * gap
        progress = (time_s[None, None, :] / duration_s).clamp(max=1.0).square()[..., None]
        return path + bend[:, :, None] * progress, end + bend
