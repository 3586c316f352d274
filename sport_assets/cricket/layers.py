"""Layers of the cricket network: means of and attention to earlier balls, and one linear map for each listening type.

Here belong building blocks. Which node listens to which is in ``graph``; what is decoded from the query is in
``network``.

A relation with a single neighbour is a linear map, whatever attention it is given: the softmax over one neighbour is
one. So all that a type hears from the nodes of its own forecast, from itself and from means of earlier balls is one
linear map of all of it together.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from sport_assets.cricket.graph import CONTEXT, MEANS, means_heard, speakers
from sport_assets.cricket.nodes import RESULT_NODE


def weights_of_means(masks: dict[str, Tensor], dtype: torch.dtype) -> Tensor:
    """The masks of ``graph.MEANS`` [B, Q, T] as weights of means, one below the other: [B, Q * len(MEANS), T].

    Who hears no ball hears zero.
    """
    found = torch.cat([masks[name] for name in MEANS], 1).to(dtype)
    return found / found.sum(-1, keepdim=True).clamp(min=1.0)


def means(weights: Tensor, balls: Tensor) -> dict[str, Tensor]:
    """Means of the balls [B, T, C] by the weights of `weights_of_means`: name -> [B, Q, C]."""
    heard = (weights @ balls).unflatten(1, (len(MEANS), -1))
    return dict(zip(MEANS, heard.unbind(1), strict=True))


class BallAttention(nn.Module):
    """Attention to earlier balls: `TransformerConv(C, C // heads, heads, root_weight=False)` as dense masked attention.

    Who may look at no ball hears zero.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.memory = nn.Linear(width, 2 * width)

    def forward(self, asking: Tensor, balls: Tensor, mask: Tensor) -> Tensor:
        """Asking [B, Q, C], balls [B, T, C], mask bool [B, Q, T] -> [B, Q, C]."""
        key, value = self.remember(balls)
        return self.attend(asking, key, value, mask)

    def remember(self, balls: Tensor) -> tuple[Tensor, Tensor]:
        """What asking rows look at, of balls [B, T, C]: keys and values, each [B, heads, T, C // heads]."""
        each = balls.shape[-1] // self.heads
        key, value = self.memory(balls).unflatten(-1, (2, self.heads, each)).permute(2, 0, 3, 1, 4).unbind(0)
        return key, value

    def attend(self, asking: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
        """As `forward`, of what `remember` gave."""
        each = asking.shape[-1] // self.heads
        query = (self.query(asking) / math.sqrt(each)).unflatten(-1, (self.heads, each)).transpose(1, 2)
        score = (query @ key.transpose(-1, -2)).masked_fill(~mask[:, None], -1e9)
        heard = torch.softmax(score, -1) @ value
        return heard.transpose(1, 2).flatten(2) * mask.any(-1, keepdim=True).to(heard.dtype)


class NodeNorm(nn.Module):
    """Layer normalisation of stacked nodes, each type with its own scale and shift."""

    def __init__(self, types: int, width: int) -> None:
        super().__init__()
        self.width = width
        self.scale = nn.Parameter(torch.ones(types, width))
        self.shift = nn.Parameter(torch.zeros(types, width))

    def forward(self, nodes: Tensor) -> Tensor:
        """[..., types, width]"""
        return torch.addcmul(self.shift, nn.functional.layer_norm(nodes, (self.width,)), self.scale)


class ContextLayer(nn.Module):
    """One round of messages to the context nodes: a linear map for each type of all that it hears."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.heard = [[CONTEXT.index(source) for source in (node, *speakers(node))] for node in CONTEXT]
        self.from_balls = [means_heard(node) for node in CONTEXT]
        self.maps = nn.ModuleList(
            nn.Linear((len(near) + len(far)) * width, width)
            for near, far in zip(self.heard, self.from_balls, strict=True)
        )
        self.norm = NodeNorm(len(CONTEXT), width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, nodes: Tensor, heard: dict[str, Tensor]) -> Tensor:
        """Nodes [B, Q, 19, C], means of earlier balls by name [B, Q, C] -> [B, Q, 19, C]."""
        each = nodes.unbind(2)
        found = []
        for near, far, linear in zip(self.heard, self.from_balls, self.maps, strict=True):
            parts = [*(each[place] for place in near), *(heard[name] for name in far)]
            found.append(linear(parts[0] if len(parts) == 1 else torch.cat(parts, -1)))
        return self.norm(nodes + self.dropout(nn.functional.gelu(torch.stack(found, 2))))


class BallLayer(nn.Module):
    """One round of messages from earlier balls to balls."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.from_balls = means_heard(RESULT_NODE)
        self.map = nn.Linear((1 + len(self.from_balls)) * width, width)
        self.recent = BallAttention(width, heads)
        self.norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, own: Tensor, balls: Tensor, heard: dict[str, Tensor], mask: Tensor) -> Tensor:
        """Own [B, Q, C] of the listening balls, balls [B, T, C] they may hear, `recent` [B, Q, T] -> [B, Q, C]."""
        return self.combine(own, self.recent(own, balls, mask), heard)

    def combine(self, own: Tensor, recent: Tensor, heard: dict[str, Tensor]) -> Tensor:
        """As `forward`, of what attention to recent balls gave [B, Q, C]."""
        message = self.map(torch.cat([own, *(heard[name] for name in self.from_balls)], -1))
        message = message + recent
        found: Tensor = self.norm(own + self.dropout(nn.functional.gelu(message)))
        return found


class QueryLayer(nn.Module):
    """One round of messages to the query: from all context nodes and, by attention, from recent balls."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.context = nn.Linear(len(CONTEXT) * width, width)
        self.own = nn.Linear(width, width, bias=False)
        self.remembered = BallAttention(width, heads)
        self.norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, query: Tensor, nodes: Tensor, balls: Tensor, mask: Tensor) -> Tensor:
        """Query [B, Q, C], nodes [B, Q, 19, C], balls [B, T, C], mask [B, Q, T] -> [B, Q, C]."""
        return self.combine(query, nodes, self.remembered(query, balls, mask))

    def combine(self, query: Tensor, nodes: Tensor, remembered: Tensor) -> Tensor:
        """As `forward`, of what attention to recent balls gave [B, Q, C]."""
        message = self.context(nodes.flatten(2)) + self.own(query) + remembered
        found: Tensor = self.norm(query + self.dropout(nn.functional.gelu(message)))
        return found
