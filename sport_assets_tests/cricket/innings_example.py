"""Innings drawn at random as the network reads them: for tests and benchmarks of the network."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from sport_assets.cricket.ensemble import Ensemble
from sport_assets.cricket.labels import OUTCOMES
from sport_assets.cricket.network import CricketNetwork
from sport_assets.cricket.nodes import FEATURES, NODE_FEATURES, RESULT_NODE
from sport_assets.cricket.parts import Entities
from sport_assets.cricket.settings import SECTIONS, ModelSettings, resolve

ENTITIES = Entities(venues=5, teams=4, players=30)
INPUTS = ("features", "ball", "ids", "persons", "place", "mask")
"""Arguments of the network, in order."""


def settings(variant: str, **changes: object) -> ModelSettings:
    """The settings of a variant, small."""
    small = {"hidden_dim": 16, "layers": 3, "embedding_dim": 4, **changes}
    found = resolve({"variant": variant}, {f"model.{name}": value for name, value in small.items()})
    model = SECTIONS["model"].model_validate(found["model"])
    assert isinstance(model, ModelSettings)
    return model


def network(variant: str, seed: int = 0, **changes: object) -> CricketNetwork:
    """A network of a variant in eval mode, with no weight left at zero."""
    torch.manual_seed(seed)
    made = CricketNetwork(settings(variant, **changes), ENTITIES).eval()
    _enliven(made)
    return made


def ensemble(variant: str, seed: int = 0, **changes: object) -> Ensemble:
    """Networks of a variant as one, made as `network` makes one of them."""
    torch.manual_seed(seed)
    made = Ensemble(settings(variant, **changes), ENTITIES).eval()
    for each in made.networks:
        _enliven(each)
    return made


def _enliven(made: CricketNetwork) -> None:
    with torch.no_grad():
        for weight in made.parameters():
            weight.add_(0.05 * torch.randn_like(weight))
        made.feature_mean.normal_()
        made.feature_scale.uniform_(0.5, 2.0)


def innings(lengths: list[int], seed: int = 0, padded_to: int | None = None) -> dict[str, Tensor]:
    """A padded batch of innings; each has two or three batters and three bowlers, and overs of six or seven balls."""
    draw = np.random.default_rng(seed)
    longest = padded_to or max(lengths)
    shape = (len(lengths), longest)
    persons = np.zeros((*shape, 3), dtype=np.int64)
    ids = np.zeros((*shape, 6), dtype=np.int64)
    place = np.zeros((*shape, 3), dtype=np.int64)
    for row, length in enumerate(lengths):
        over = np.arange(length) // int(draw.integers(6, 8))
        batters = np.stack([draw.permutation(3)[:2] for _ in range(length)])
        persons[row, :length] = np.column_stack([batters, 10 + over % 3])
        players = np.concatenate([draw.integers(0, ENTITIES.players + 1, 13)])
        place[row, :length] = np.column_stack([over, np.minimum(over // 4, 4), np.full(length, 1 + row % 2)])
        ids[row, :length, 0] = draw.integers(0, ENTITIES.venues + 1)
        ids[row, :length, 1:3] = draw.permutation(ENTITIES.teams + 1)[:2]
        ids[row, :length, 3:] = players[persons[row, :length]]
    outcome = draw.integers(0, len(OUTCOMES), shape)
    ball = draw.normal(size=(*shape, len(NODE_FEATURES[RESULT_NODE])))
    mask = np.arange(longest) < np.array(lengths)[:, None]
    return {
        "features": torch.from_numpy(draw.normal(size=(*shape, len(FEATURES))) * mask[..., None]).float(),
        "ball": torch.from_numpy(ball * mask[..., None]).float(),
        "ids": torch.from_numpy(ids),
        "persons": torch.from_numpy(persons),
        "place": torch.from_numpy(place),
        "mask": torch.from_numpy(mask),
        "outcome": torch.from_numpy(np.where(mask, outcome, -1)),
    }


def logits(made: nn.Module, batch: dict[str, Tensor]) -> Tensor:
    """What a network, or several as one, says of a batch."""
    with torch.no_grad():
        found: Tensor = made(*(batch[name] for name in INPUTS))
    return found
