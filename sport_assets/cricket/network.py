"""The cricket network: the graph of an innings to the log odds of every ball's outcome.

Here belongs what maps padded innings to logits. Relations and masks are in ``graph``, building blocks in ``layers``,
what surrounds the graph (entities, parts of the variants) in ``parts``. Losses, training steps and data loading do not
belong here.

What a ball brought is heard from later balls alone, so the states of balls need nothing of what is forecast: they are
made once. Where an innings is played ball by ball, ``ball_memory`` keeps what is heard of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from sport_assets.cricket.graph import CONTEXT, QUERY, Rows, masks
from sport_assets.cricket.labels import OUTCOMES
from sport_assets.cricket.layers import (
    BallAttention,
    BallLayer,
    ContextLayer,
    NodeNorm,
    QueryLayer,
    means,
    weights_of_means,
)
from sport_assets.cricket.nodes import BASE_RATES, FEATURES, HISTORY_FEATURES, NODE_ENTITIES, NODE_FEATURES, RESULT_NODE
from sport_assets.cricket.parts import (
    BATTING_TEAM,
    BOWLER,
    BOWLING_TEAM,
    NON_STRIKER,
    POSITION_CHANNELS,
    STRIKER,
    VENUE,
    Entities,
    Film,
    InningsHeads,
    Matchup,
    PlayerTable,
    hide,
    position,
)
from sport_assets.cricket.settings import ModelSettings

OVER, PHASE, INNINGS = range(3)
"""Columns of `place`."""


class CricketNetwork(nn.Module):
    """One network for all variants: what its settings switch on is made, and nothing else."""

    feature_mean: Tensor
    feature_scale: Tensor

    def __init__(self, settings: ModelSettings, entities: Entities) -> None:
        super().__init__()
        self.settings, self.entities = settings, entities
        width, dropout, embedded = settings.hidden_dim, settings.dropout, settings.embedding_dim
        self.venues = nn.Embedding(entities.venues + 1, embedded)
        self.teams = nn.Embedding(entities.teams + 1, embedded)
        self.batters = PlayerTable(entities, embedded, settings.hierarchical)
        self.bowlers = PlayerTable(entities, embedded, settings.hierarchical)

        sizes = {node: len(NODE_FEATURES[node]) + (embedded if node in NODE_ENTITIES else 0) for node in CONTEXT}
        self.context = nn.ModuleList(nn.Linear(size, width) for size in sizes.values())
        self.context_norm = NodeNorm(len(CONTEXT), width)
        self.query = nn.Linear(len(NODE_FEATURES[QUERY]) + POSITION_CHANNELS, width)
        self.query_norm = nn.LayerNorm(width)
        self.ball = nn.Linear(len(NODE_FEATURES[RESULT_NODE]) + POSITION_CHANNELS + 2 * embedded, width)
        self.ball_norm = nn.LayerNorm(width)

        # the last round is heard by the query alone
        inner = settings.layers - 1
        self.context_layers = nn.ModuleList(ContextLayer(width, dropout) for _ in range(inner))
        self.ball_layers = nn.ModuleList(BallLayer(width, settings.heads, dropout) for _ in range(inner))
        self.query_layers = nn.ModuleList(QueryLayer(width, settings.heads, dropout) for _ in range(settings.layers))
        self.films = nn.ModuleList(Film(width) for _ in range(settings.layers if settings.film else 0))
        self.pool = BallAttention(width, settings.heads) if settings.pooling else None
        self.matchup = Matchup(width) if settings.matchup else None
        parts = 1 + settings.pooling + settings.matchup
        self.heads = InningsHeads(parts * width, width, dropout, 2 if settings.innings_heads else 1)
        self.shortcut = nn.Linear(len(FEATURES), len(OUTCOMES), bias=False) if settings.shortcut else None
        if self.shortcut is not None:
            nn.init.zeros_(self.shortcut.weight)

        self.register_buffer("feature_mean", torch.zeros(len(FEATURES)))
        self.register_buffer("feature_scale", torch.ones(len(FEATURES)))
        used = [settings.history or name not in HISTORY_FEATURES for name in FEATURES]
        self.register_buffer("used", torch.tensor(used), persistent=False)
        self.used: Tensor
        self.rates = [FEATURES.index(name) for name in BASE_RATES]

    def standardise(self, mean: Tensor, scale: Tensor) -> None:
        """Note mean and standard deviation of each feature [len(FEATURES)] over the training balls."""
        self.feature_mean.copy_(mean)
        self.feature_scale.copy_(torch.where(scale > 1e-6, scale, 1.0))

    def forward(
        self, features: Tensor, ball: Tensor, ids: Tensor, persons: Tensor, place: Tensor, mask: Tensor
    ) -> Tensor:
        """Log odds [B, T, 7] of every ball of a batch of innings. Where the mask is False they have no meaning.

        features [B, T, len(nodes.FEATURES)]: known before each ball; ball [B, T, F]: what it brought; ids [B, T, 6]:
        rows of the tables of venue, batting team, bowling team, striker, non-striker, bowler, 0 = unknown; persons
        [B, T, 3]: striker, non-striker and bowler as numbers within the match; place [B, T, 3]: over from 0, phase,
        innings from 1; mask bool [B, T]: False for padding, which follows the balls.
        """
        if self.training and self.settings.unknown_share > 0:
            ids = hide(ids, self.entities, self.settings.unknown_share)
        rows = self.rows(persons, place, mask)
        views = masks(rows)
        states, heard = self._hear(self.encode_balls(ball, ids, rows), views)

        def attend(number: int, attention: BallAttention, query: Tensor) -> Tensor:
            found: Tensor = attention(query, states[number], views["recent"])
            return found

        def pool(attention: BallAttention, query: Tensor) -> Tensor:
            found: Tensor = attention(query, states[-1], views["earlier"])
            return found

        return self.say(features, ids, place, rows, heard, attend, pool)

    def rows(self, persons: Tensor, place: Tensor, mask: Tensor, first: int = 0) -> Rows:
        """Balls or forecasts as `graph.Rows`; the first of them is number `first` of its innings."""
        index = torch.arange(first, first + mask.shape[1], device=mask.device)[None].expand(mask.shape[0], -1)
        return Rows(persons[..., 0], persons[..., 1], persons[..., 2], place[..., OVER], index, mask)

    def _hear(self, balls: Tensor, views: dict[str, Tensor]) -> tuple[list[Tensor], list[dict[str, Tensor]]]:
        """(states [B, T, C] of balls before each round, means of earlier balls that each round but the last hears)."""
        weights = weights_of_means(views, balls.dtype)
        states, heard = [balls], []
        for layer in self.ball_layers:
            heard.append(means(weights, states[-1]))
            states.append(layer(states[-1], states[-1], heard[-1], views["recent"]))
        return states, heard

    def say(
        self,
        features: Tensor,
        ids: Tensor,
        place: Tensor,
        rows: Rows,
        heard: Sequence[dict[str, Tensor]],
        attend: Callable[[int, BallAttention, Tensor], Tensor],
        pool: Callable[[BallAttention, Tensor], Tensor],
    ) -> Tensor:
        """Log odds [B, Q, 7] of balls to come, wherever what is heard of earlier balls comes from.

        features, ids, place and rows: what is known before each, as in `forward`; heard: the means of each round;
        attend: (round, attention, query [B, Q, C]) to what it hears of recent balls; pool: (attention, query) to what
        it hears of all.
        """
        scaled = self._scaled(features)
        nodes, query = self._encode_context(scaled, ids), self._encode_query(scaled, rows)
        for number, query_layer in enumerate(self.query_layers):
            assert isinstance(query_layer, QueryLayer)
            heard_from = nodes
            if number < len(self.context_layers):
                nodes = self.context_layers[number](nodes, heard[number])
            query = query_layer.combine(query, heard_from, attend(number, query_layer.remembered, query))
            if self.settings.film:
                query = self.films[number](query, place[..., PHASE])
        pooled = pool(self.pool, query) if self.pool is not None else None
        return self._read(query, nodes, scaled, place, pooled)

    def _read(
        self,
        query: Tensor,
        nodes: Tensor,
        scaled: Tensor,
        place: Tensor,
        pooled: Tensor | None,
    ) -> Tensor:
        parts = [query]
        if pooled is not None:
            parts.append(pooled)
        if self.matchup is not None:
            parts.append(self.matchup(nodes))
        logits: Tensor = self.heads(torch.cat(parts, -1), place[..., INNINGS])
        if self.shortcut is None:
            return logits
        # the base rates are logarithms of probabilities: all else corrects them
        rates = scaled[..., self.rates] * self.feature_scale[self.rates] + self.feature_mean[self.rates]
        return logits + self.shortcut(scaled) + rates

    def _scaled(self, features: Tensor) -> Tensor:
        # far outliers would be far outside of what was learned
        scaled = ((features - self.feature_mean) / self.feature_scale).clamp(-8.0, 8.0)
        return scaled * self.used.to(scaled.dtype)

    def _encode_context(self, scaled: Tensor, ids: Tensor) -> Tensor:
        """[B, Q, 19, C]"""
        batting, bowling = ids[..., BATTING_TEAM], ids[..., BOWLING_TEAM]
        entities = {
            "venue": self.venues(ids[..., VENUE]),
            "batting_team": self.teams(batting),
            "bowling_team": self.teams(bowling),
            "striker_identity": self.batters(ids[..., STRIKER], batting),
            "non_striker_identity": self.batters(ids[..., NON_STRIKER], batting),
            "bowler_identity": self.bowlers(ids[..., BOWLER], bowling),
        }
        features = dict(zip((*CONTEXT, QUERY), self._by_node(scaled), strict=True))
        found = []
        for node, linear in zip(CONTEXT, self.context, strict=True):
            entity = [entities[node]] if node in entities else []
            found.append(linear(torch.cat([features[node], *entity], -1)))
        nodes: Tensor = self.context_norm(nn.functional.gelu(torch.stack(found, 2)))
        return nodes

    def _encode_query(self, scaled: Tensor, rows: Rows) -> Tensor:
        own = torch.cat([self._by_node(scaled)[-1], position(rows.number).to(scaled.dtype)], -1)
        query: Tensor = self.query_norm(nn.functional.gelu(self.query(own)))
        return query

    def encode_balls(self, ball: Tensor, ids: Tensor, rows: Rows) -> Tensor:
        """Balls before any round of messages [B, T, C]."""
        players = [
            self.batters(ids[..., STRIKER], ids[..., BATTING_TEAM]),
            self.bowlers(ids[..., BOWLER], ids[..., BOWLING_TEAM]),
        ]
        own = torch.cat([ball, position(rows.number).to(ball.dtype), *players], -1)
        balls: Tensor = self.ball_norm(nn.functional.gelu(self.ball(own)))
        return balls

    @staticmethod
    def _by_node(features: Tensor) -> tuple[Tensor, ...]:
        return features.split([len(NODE_FEATURES[node]) for node in (*CONTEXT, QUERY)], dim=-1)
