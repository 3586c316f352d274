"""Losses of trajectory models, with names and units.

Here belong functions from predictions, truth and mask to scalars. Layers, metrics for reports and training
steps do not belong here; nothing here has parameters.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn

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


def acceleration_loss(prediction: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Mean length of the error of the acceleration over three true frames in a row, in yd/s^2.

    prediction and target [B, A, H, 2] in yards, mask [B, A, H] -> scalar. A constant offset and a constant error of
    the speed cost nothing here. Zero where no three frames in a row count.
    """
    difference = prediction - target
    bend = (difference[:, :, 2:] - 2.0 * difference[:, :, 1:-1] + difference[:, :, :-2]) / FRAME_SECONDS**2
    all_three = mask[:, :, 2:] & mask[:, :, 1:-1] & mask[:, :, :-2]
    weight = all_three.to(prediction.dtype)
    return ((_distance(bend, all_three, 1e-1) - 1e-1) * weight).sum() / weight.sum().clamp(min=1.0)


def mixture_log_density(modes: Tensor, log_probability: Tensor, scale: Tensor, target: Tensor) -> Tensor:
    """Log density of each true position under its mixture of Gaussians, nats (yards^-2): [B, A, H].

    modes [B, A, K, H, 2] in yards, log_probability [B, A, K], scale [B, A, K, H, 2] (standard deviations along x and
    y in yards), target [B, A, H, 2] in yards. A frame's density is that of the mixture at this frame alone.
    """
    standard = (target[:, :, None] - modes) / scale
    component = -0.5 * standard.square().sum(-1) - scale.log().sum(-1) - math.log(2.0 * math.pi)
    return torch.logsumexp(log_probability[..., None] + component, dim=2)


def likelihood_loss(log_density: Tensor, mask: Tensor) -> Tensor:
    """Mean negative log density over the true frames, in nats. log_density and mask [B, A, H] -> scalar.

    Zero where no frame counts.
    """
    weight = mask.to(log_density.dtype)
    return -(torch.where(mask, log_density, 0.0) * weight).sum() / weight.sum().clamp(min=1.0)


def coverage_loss(logit: Tensor, label: Tensor) -> Tensor:
    """Binary cross-entropy of man coverage, in nats, over the plays whose label is known.

    logit float [B]; label int [B]: 1 man, 0 zone, -1 unknown -> scalar. Zero where no label is known.
    """
    known = label >= 0
    values = nn.functional.binary_cross_entropy_with_logits(logit, label.clamp(min=0).to(logit.dtype), reduction="none")
    weight = known.to(logit.dtype)
    return (values * weight).sum() / weight.sum().clamp(min=1.0)
