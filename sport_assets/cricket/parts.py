"""What surrounds the graph of an innings: tables of entities, and the parts that tell the variants apart.

Here belong embeddings and their unknown rows, FiLM by phase, the network over a matchup and the heads. Messages between
nodes are in ``layers``.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from sport_assets.cricket.graph import CONTEXT
from sport_assets.cricket.labels import OUTCOMES
from sport_assets.cricket.phases import PHASES

VENUE, BATTING_TEAM, BOWLING_TEAM, STRIKER, NON_STRIKER, BOWLER = range(6)
"""Columns of `ids`."""

POSITION_CHANNELS = 16
"""Sines and cosines of a ball's place in the innings, of 4 to 512 balls."""


class Entities(NamedTuple):
    """How many of each the tables hold; their rows count from 1, 0 is who is unknown."""

    venues: int
    teams: int
    players: int


def hide(ids: Tensor, entities: Entities, share: float) -> Tensor:
    """The ids [B, T, 6] with a share of the entities of each innings, drawn at random, as unknown all through it."""
    batch = ids.shape[0]

    def kept(count: int, columns: Tensor) -> Tensor:
        shown = torch.rand(batch, count + 1, device=ids.device) >= share
        return columns * shown.gather(1, columns.flatten(1)).view_as(columns)

    return torch.cat(
        [
            kept(entities.venues, ids[..., VENUE : VENUE + 1]),
            kept(entities.teams, ids[..., BATTING_TEAM : BOWLING_TEAM + 1]),
            kept(entities.players, ids[..., STRIKER : BOWLER + 1]),
        ],
        -1,
    )


def position(index: Tensor) -> Tensor:
    """Places in an innings [B, T] as sines and cosines [B, T, POSITION_CHANNELS]."""
    lengths = 2.0 ** torch.arange(2, POSITION_CHANNELS // 2 + 2, device=index.device)
    angle = index[..., None].to(torch.float32) * (2.0 * torch.pi / lengths)
    return torch.cat([angle.sin(), angle.cos()], -1)


class PlayerTable(nn.Module):
    """A vector for each player in one role; unknown players share one.

    Hierarchical: the vector of his team plus what sets him apart. Of an unknown player the team is still known.
    """

    def __init__(self, entities: Entities, width: int, hierarchical: bool) -> None:
        super().__init__()
        self.players = nn.Embedding(entities.players + 1, width)
        self.teams = nn.Embedding(entities.teams + 1, width) if hierarchical else None
        if hierarchical:
            # what sets a player apart begins small: the team speaks first
            nn.init.normal_(self.players.weight, std=0.1)

    def forward(self, player: Tensor, team: Tensor) -> Tensor:
        """Ids [...] -> [..., width]"""
        own: Tensor = self.players(player)
        return own if self.teams is None else own + self.teams(team)


class Film(nn.Module):
    """Scale and shift of a vector by the phase (Perez et al., 2018); nothing at first."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.change = nn.Embedding(len(PHASES), 2 * width)
        nn.init.zeros_(self.change.weight)

    def forward(self, query: Tensor, phase: Tensor) -> Tensor:
        """[B, Q, C], phase [B, Q] -> [B, Q, C]"""
        scale, shift = self.change(phase).chunk(2, -1)
        changed: Tensor = query * (1.0 + scale) + shift
        return changed


class Matchup(nn.Module):
    """Striker and bowler together: what they are, how they stand, and the product of the two."""

    NODES = ("striker_identity", "striker_state", "bowler_identity", "bowler_state")

    def __init__(self, width: int) -> None:
        super().__init__()
        self.places = [CONTEXT.index(node) for node in self.NODES]
        self.layers = nn.Sequential(nn.Linear(5 * width, width), nn.GELU(), nn.Linear(width, width))

    def forward(self, nodes: Tensor) -> Tensor:
        """[B, Q, 19, C] -> [B, Q, C]"""
        chosen = [nodes[:, :, place] for place in self.places]
        found: Tensor = self.layers(torch.cat([*chosen, chosen[0] * chosen[2]], -1))
        return found


class InningsHeads(nn.Module):
    """From what is known of a ball to the log odds of its outcomes; with two heads, by the innings."""

    def __init__(self, width_in: int, width: int, dropout: float, heads: int) -> None:
        super().__init__()
        self.heads = nn.ModuleList(
            nn.Sequential(nn.Linear(width_in, width), nn.GELU(), nn.Dropout(dropout), nn.Linear(width, len(OUTCOMES)))
            for _ in range(heads)
        )

    def forward(self, hidden: Tensor, innings: Tensor) -> Tensor:
        """[B, Q, W], innings [B, Q] from 1 -> [B, Q, 7]"""
        first: Tensor = self.heads[0](hidden)
        return first if len(self.heads) == 1 else torch.where((innings >= 2)[..., None], self.heads[1](hidden), first)
