"""What the network reads of a play's geometry: each player against the ball, the line and the field; pairs of players.

Here belong features made inside the network from positions and velocities, with fixed scales (10 yards, 10 yd/s,
10 yd/s^2, 3 s), so that nothing is estimated from data and nothing can leak from held-out games.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sport_assets.nfl.baselines import ROLE_TARGETED_RECEIVER
from sport_assets.nfl.tensors import PLAY_FEATURES, PLAYER_FEATURES

YARDS = 10.0
"""Scale of lengths, speeds and accelerations."""

SECONDS = 3.0
"""Scale of the time in the air."""

FIELD_LENGTH_YARDS = 120.0
FIELD_WIDTH_YARDS = 53.3
NODE_GEOMETRY = 19
RECEIVER_GEOMETRY = 10
EDGE_FEATURES = 10
YARDLINE = PLAY_FEATURES.index("absolute_yardline_number")
OFFENSE = PLAYER_FEATURES.index("side_offense")


def past_channels(history: Tensor, observed: Tensor, position: Tensor) -> Tensor:
    """The past of each player relative to his last position: [B, A, T, 7] -> [B, A, T, 8], scaled."""
    scale = torch.tensor([YARDS] * 5 + [1.0, 1.0], dtype=history.dtype, device=history.device)
    past = torch.cat([history[..., :2] - position[:, :, None], history[..., 2:]], -1) / scale
    return torch.cat([past, observed.to(history.dtype)[..., None]], -1)


def node_geometry(
    position: Tensor,
    velocity: Tensor,
    acceleration: Tensor,
    age_s: Tensor,
    end: Tensor,
    landing: Tensor,
    duration_s: Tensor,
    play: Tensor,
) -> Tensor:
    """Geometry of each player [B, A, NODE_GEOMETRY] against the ball, the line and the field.

    position, velocity, acceleration [B, A, 2]; age_s [B, A, 1]; end and landing [B, A, 2]: displacements to where the
    physics baseline ends and to where the ball comes down; duration_s [B, 1, 1]; play [B, C].
    """
    distance = landing.square().sum(-1, keepdim=True).add(1e-6).sqrt()
    gap = landing - end
    gap_distance = gap.square().sum(-1, keepdim=True).add(1e-6).sqrt()
    yardline = play[:, None, YARDLINE, None]
    half_width = FIELD_WIDTH_YARDS / 2
    features = [
        velocity / YARDS,
        acceleration / YARDS,
        age_s,
        landing / YARDS,
        distance / YARDS,
        gap / YARDS,
        gap_distance / YARDS,
        landing / duration_s / YARDS,
        (landing / duration_s - velocity) / YARDS,
        (duration_s / SECONDS).expand_as(distance),
        (position[..., :1] - yardline) / YARDS,
        (position[..., 1:] - half_width) / half_width,
        (FIELD_LENGTH_YARDS - position[..., :1]) / FIELD_LENGTH_YARDS,
    ]
    return torch.cat(features, -1)


def receiver_geometry(
    position: Tensor, velocity: Tensor, end: Tensor, landing: Tensor, player: Tensor, player_mask: Tensor
) -> Tensor:
    """Each player [B, A, RECEIVER_GEOMETRY] against the targeted receiver: gaps now and at the end, relative velocity.

    position, velocity, end (the baseline's last position) [B, A, 2]; landing [B, 1, 2]: where the ball comes down;
    player [B, A, S]; player_mask [B, A]. All zero in a play without a targeted receiver.
    """
    targeted = (player[..., ROLE_TARGETED_RECEIVER] * player_mask)[..., None]
    exists = targeted.sum(1, keepdim=True).clamp(max=1.0)

    def receivers(values: Tensor) -> Tensor:
        return (targeted * values).sum(1, keepdim=True)

    def length(values: Tensor) -> Tensor:
        return values.square().sum(-1, keepdim=True).add(1e-6).sqrt()

    now = (receivers(position) - position) / YARDS
    speed = (receivers(velocity) - velocity) / YARDS
    later = (receivers(end) - end) / YARDS
    missed = ((landing - receivers(end)) / YARDS).expand_as(now)
    return torch.cat([now, speed, later, length(now), length(later), missed], -1) * exists


def edge_geometry(position: Tensor, velocity: Tensor, end: Tensor, player: Tensor) -> Tensor:
    """Relative geometry [B, A (listener), A (speaker), EDGE_FEATURES]; zero from a player to himself.

    position, velocity and end (the baseline's last position) [B, A, 2]; player [B, A, S].
    """

    def relative(values: Tensor) -> Tensor:
        return values[:, None] - values[:, :, None]

    def length(values: Tensor) -> Tensor:
        return values.square().sum(-1, keepdim=True)

    now, speed, later = relative(position) / YARDS, relative(velocity) / YARDS, relative(end) / YARDS
    side = player[..., OFFENSE, None]
    opponents = relative(side).square()
    near = torch.exp(-length(now)) - 1.0
    near_later = torch.exp(-length(later)) - 1.0
    closing = (now * speed).sum(-1, keepdim=True)
    return torch.cat([now, speed, later, near, near_later, closing, opponents], -1)
