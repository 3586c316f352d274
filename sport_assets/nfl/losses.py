"""Losses of trajectory models, in yards, with names.

Here belong functions from predictions, truth and mask to scalars. Layers, metrics for reports and training
steps do not belong here; nothing here has parameters.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from sport_assets.nfl.baselines import FRAME_SECONDS

PositionLoss = Literal["huber", "euclidean", "squared"]


def _distance(difference: Tensor, mask: Tensor, floor: float) -> Tensor:
    """Length of [..., 2] where `mask`, else `floor`; the floor keeps the gradient finite at zero."""
    squared = difference.square().sum(-1)
    return (torch.where(mask, squared, 0.0) + floor**2).sqrt()


def position_loss(
    prediction: Tensor, target: Tensor, mask: Tensor, kind: PositionLoss = "huber", delta_yards: float = 1.0
) -> Tensor:
    """Mean over the true frames of the position error.

    prediction and target [B, A, H, 2] in yards, mask [B, A, H] -> scalar. `huber` is the smooth (pseudo)
    Huber loss of the distance: quadratic well under `delta_yards`, linear above; `euclidean` is the
    distance, `squared` its square. Zero where no frame counts.
    """
    difference = prediction - target
    if kind == "squared":
        values = torch.where(mask, difference.square().sum(-1), 0.0)
    elif kind == "euclidean":
        values = _distance(difference, mask, 1e-3) - 1e-3
    else:
        values = delta_yards * (_distance(difference, mask, delta_yards) - delta_yards)
    weight = mask.to(prediction.dtype)
    return (values * weight).sum() / weight.sum().clamp(min=1.0)


def velocity_loss(prediction: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Mean length of the error of the velocity between neighbouring true frames, in yd/s.

    prediction and target [B, A, H, 2] in yards, mask [B, A, H] -> scalar. Keeps paths smooth and their speed
    right: a constant offset costs nothing here. Zero where no two neighbouring frames count.
    """
    difference = prediction - target
    change = (difference[:, :, 1:] - difference[:, :, :-1]) / FRAME_SECONDS
    both = mask[:, :, 1:] & mask[:, :, :-1]
    weight = both.to(prediction.dtype)
    return ((_distance(change, both, 1e-2) - 1e-2) * weight).sum() / weight.sum().clamp(min=1.0)
