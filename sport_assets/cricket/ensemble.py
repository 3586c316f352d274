"""Several cricket networks as one: they learn apart, and their probabilities are averaged.

Here belongs how members stand beside one another. What one of them does is in ``network``, its loss in ``models``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from sport_assets.cricket.network import CricketNetwork
from sport_assets.cricket.parts import Entities
from sport_assets.cricket.settings import ModelSettings


class Ensemble(nn.Module):
    """`settings.members` networks that start from different weights, trained side by side on the same batches.

    Each hides entities and drops values for itself, so that they err differently.
    """

    def __init__(self, settings: ModelSettings, entities: Entities) -> None:
        super().__init__()
        self.settings = settings
        self.members = nn.ModuleList(CricketNetwork(settings, entities) for _ in range(settings.members))

    @property
    def networks(self) -> list[CricketNetwork]:
        """The members, for whoever keeps something of each."""
        return [cast(CricketNetwork, member) for member in self.members]

    def standardise(self, mean: Tensor, scale: Tensor) -> None:
        """As `CricketNetwork.standardise`, for every member."""
        for network in self.networks:
            network.standardise(mean, scale)

    def forecasts(self, *inputs: Tensor) -> list[Tensor]:
        """Log odds [B, T, 7] of each member, for its loss; inputs as in `forward`."""
        return [network(*inputs) for network in self.networks]

    def forward(
        self, features: Tensor, ball: Tensor, ids: Tensor, persons: Tensor, place: Tensor, mask: Tensor
    ) -> Tensor:
        """Log odds [B, T, 7] of the members together (see `averaged`); inputs as in `CricketNetwork.forward`."""
        return averaged(self.forecasts(features, ball, ids, persons, place, mask))


def averaged(forecasts: Sequence[Tensor]) -> Tensor:
    """Log odds [..., 7] whose probabilities are the mean of those of each forecast [..., 7]; of one, as they are.

    Of several they are natural logarithms of probabilities, which are log odds as well: softmax gives them back.
    """
    if len(forecasts) == 1:
        return forecasts[0]
    return torch.stack([each.log_softmax(-1) for each in forecasts]).logsumexp(0) - math.log(len(forecasts))
