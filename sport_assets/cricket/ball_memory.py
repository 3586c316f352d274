"""The balls of many innings at once, kept so that a further ball costs the same however many there were.

Belongs here: what the network hears of earlier balls, as running sums and the last balls' keys and values instead of
masks over all balls; equal to ``CricketNetwork.forward`` on the whole innings. Must not come here: who bats and bowls
next (``course``), counting (``innings_counts``).

All innings of a memory are at the same ball, and nothing is forecast but the next one.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import Tensor

from sport_assets.cricket.graph import MEANS, MOMENTUM_BALLS, RECENT_BALLS, Rows
from sport_assets.cricket.layers import BallAttention, BallLayer, QueryLayer
from sport_assets.cricket.network import CricketNetwork

OVERS = 20
MOMENTUM = "momentum"
_MORE = 64


class _Kept:
    """Keys and values of balls: the last RECENT_BALLS of them, or all."""

    def __init__(self, size: int, heads: int, each: int, everything: bool) -> None:
        self.everything = everything
        shape = (size, heads, RECENT_BALLS, each)
        self.key, self.value = torch.zeros(shape), torch.zeros(shape)

    def add(self, key: Tensor, value: Tensor, number: int) -> None:
        """Of ball ``number``: [S, heads, 1, each]."""
        if self.everything and number >= self.key.shape[2]:
            grown = (*self.key.shape[:2], _MORE, self.key.shape[3])
            self.key, self.value = (torch.cat([each, each.new_zeros(grown)], 2) for each in (self.key, self.value))
        place = number % self.key.shape[2]
        self.key[:, :, place], self.value[:, :, place] = key[:, :, 0], value[:, :, 0]

    def taken(self, chosen: Tensor) -> _Kept:
        """Those of some innings [S']."""
        made = copy.copy(self)
        made.key, made.value = self.key[chosen], self.value[chosen]
        return made

    def filled(self, number: int) -> Tensor:
        """Mask [S, 1, T] of the places that hold a ball, when ``number`` balls were."""
        places = torch.arange(self.key.shape[2]) < number
        return places.expand(len(self.key), 1, -1)


class BallMemory:
    """Balls of S innings, of ``batters`` and ``bowlers`` who are known by number within each innings."""

    def __init__(self, network: CricketNetwork, size: int, batters: int, bowlers: int) -> None:
        self.network, self.size = network, size
        self.batters, self.bowlers = batters, bowlers
        self.number = 0
        width, heads = network.settings.hidden_dim, network.settings.heads
        inner = len(network.ball_layers)
        parts = [bowlers, batters, batters * bowlers, batters * batters, OVERS]
        self.first_key = torch.tensor([0, *parts]).cumsum(0).tolist()
        """Where the keys of bowler, batter, matchup, pair and over begin."""
        self.keys = self.first_key[-1]
        self.sums = [torch.zeros(size * self.keys, width) for _ in range(inner)]
        self.counts = torch.zeros(size * self.keys)
        self.last = [torch.zeros(size, MOMENTUM_BALLS, width) for _ in range(inner)]
        shape = (size, heads, width // heads)
        self.of_balls = [_Kept(*shape, everything=False) for _ in range(inner)]
        self.of_queries = [_Kept(*shape, everything=False) for _ in range(network.settings.layers)]
        self.of_all = _Kept(*shape, everything=True) if network.pool is not None else None
        self._heard: tuple[Rows, list[dict[str, Tensor]]] | None = None

    def decide(self, features: Tensor, ids: Tensor, place: Tensor, persons: Tensor) -> Tensor:
        """Log odds [S, 7] of the next ball. features [S, F], ids [S, 6], place and persons [S, 3] as the network's.

        Batters and bowlers of ``persons`` are numbers from 0 within the innings, each counted for itself.
        """
        rows = self._rows(place, persons)
        heard = self._means(rows)
        self._heard = rows, heard

        def attend(number: int, attention: BallAttention, query: Tensor) -> Tensor:
            return self._attend(attention, self.of_queries[number], query)

        def pool(attention: BallAttention, query: Tensor) -> Tensor:
            assert self.of_all is not None
            return self._attend(attention, self.of_all, query)

        said = self.network.say(features[:, None], ids[:, None], place[:, None], rows, heard, attend, pool)
        return said[:, 0]

    def extend(self, ball: Tensor, ids: Tensor, place: Tensor, persons: Tensor) -> None:
        """Add the ball that was bowled: ball [S, F], what it brought; the rest as in ``decide``."""
        if self._heard is None:
            rows = self._rows(place, persons)
            self._heard = rows, self._means(rows)
        rows, heard = self._heard
        own = self.network.encode_balls(ball[:, None], ids[:, None], rows)
        keys = self._keys(rows)
        added = torch.stack(
            [keys[name] for name in ("same_bowler", "same_batter", "same_matchup", "pair", "same_over")]
        )
        for number, query_layer in enumerate(self.network.query_layers):
            assert isinstance(query_layer, QueryLayer)
            self.of_queries[number].add(*query_layer.remembered.remember(own), self.number)
            if number < len(self.network.ball_layers):
                layer = self.network.ball_layers[number]
                assert isinstance(layer, BallLayer)
                after = layer.combine(own, self._attend(layer.recent, self.of_balls[number], own), heard[number])
                self.of_balls[number].add(*layer.recent.remember(own), self.number)
                self.sums[number].index_add_(0, added.flatten(), own[:, 0].repeat(len(added), 1))
                self.last[number][:, self.number % MOMENTUM_BALLS] = own[:, 0]
                own = after
        if self.of_all is not None:
            assert self.network.pool is not None
            self.of_all.add(*self.network.pool.remember(own), self.number)
        self.counts.index_add_(0, added.flatten(), torch.ones(added.numel()))
        self.number += 1
        self._heard = None

    def taken(self, chosen: Tensor) -> BallMemory:
        """That of some innings alone, in the order of their numbers [S']; one may be taken many times."""
        made = copy.copy(self)
        made.sums = [each.view(self.size, self.keys, -1)[chosen].flatten(0, 1) for each in self.sums]
        made.counts = self.counts.view(self.size, self.keys)[chosen].flatten()
        made.last = [each[chosen] for each in self.last]
        made.of_balls, made.of_queries = ([each.taken(chosen) for each in k] for k in (self.of_balls, self.of_queries))
        made.of_all = None if self.of_all is None else self.of_all.taken(chosen)
        made.size = len(chosen)
        made._heard = None
        return made

    def _rows(self, place: Tensor, persons: Tensor) -> Rows:
        mask = torch.ones(len(place), 1, dtype=torch.bool)
        return self.network.rows(persons[:, None], place[:, None], mask, first=self.number)

    def _attend(self, attention: BallAttention, kept: _Kept, asking: Tensor) -> Tensor:
        return attention.attend(asking, kept.key, kept.value, kept.filled(self.number))

    def _means(self, rows: Rows) -> list[dict[str, Tensor]]:
        """Means of the balls so far by name [S, 1, C], for each round."""
        if not self.sums:
            return []
        keys = self._keys(rows)
        names = [name for name in MEANS if name != MOMENTUM]
        wanted = torch.stack([keys["pair" if name == "partnership" else name] for name in names])
        divisor = self.counts[wanted].clamp(min=1.0)[..., None]
        recent = max(min(self.number, MOMENTUM_BALLS), 1)
        found = []
        for sums, last in zip(self.sums, self.last, strict=True):
            means = sums[wanted] / divisor
            heard = {name: means[place, :, None] for place, name in enumerate(names)}
            heard[MOMENTUM] = last.sum(1, keepdim=True) / recent
            found.append(heard)
        return found

    def _keys(self, rows: Rows) -> Mapping[str, Tensor]:
        """Places of the sums that the next ball belongs to [S], by mask; also of the batter at the other end."""
        striker, other, bowler, over = (each[:, 0] for each in (rows.striker, rows.non_striker, rows.bowler, rows.over))
        own = torch.arange(self.size) * self.keys
        bowlers, batters, matchups, pairs, overs = (own + first for first in self.first_key[:-1])
        pair = torch.minimum(striker, other) * self.batters + torch.maximum(striker, other)
        return {
            "same_bowler": bowlers + bowler,
            "same_batter": batters + striker,
            "same_matchup": matchups + striker * self.bowlers + bowler,
            "same_over": overs + over,
            "non_striker": batters + other,
            "pair": pairs + pair,
        }
