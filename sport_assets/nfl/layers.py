"""Layers of the trajectory network: one vector per player from his past, and attention between players.

Here belong general building blocks, all made in `__init__`. What features they are fed with and what is decoded from
them does not belong here.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from sport_assets.nfl.settings import ModelSettings
from sport_assets.nfl.tensors import HISTORY_CHANNELS

PAST_CHANNELS = len(HISTORY_CHANNELS) + 1
"""Channels of a past frame as the encoder reads it: relative to the player's last position, and whether observed."""


class DenseTransformerConv(nn.Module):
    """Graph transformer attention (Shi et al., 2021) with edge features on complete graphs, as dense masked attention.

    Equal to PyTorch Geometric's `TransformerConv(channels, channels // heads, heads, edge_dim=edge_features,
    root_weight=False)` on the complete graph with explicit self-loops: a node listens to every real node, itself
    included. An edge's part of keys and values is linear in its features, so it is taken out of the sums over nodes,
    and no array of players x players x channels is ever made.
    """

    def __init__(self, channels: int, heads: int, edge_features: int) -> None:
        super().__init__()
        self.heads = heads
        self.width = channels // heads
        self.query = nn.Linear(channels, channels)
        self.key = nn.Linear(channels, channels)
        self.value = nn.Linear(channels, channels)
        self.edge = nn.Linear(edge_features, channels, bias=False)

    def forward(self, nodes: Tensor, edges: Tensor, mask: Tensor) -> Tensor:
        """Nodes [B, A, C], edges [B, A listening, A speaking, E], mask [B, A] -> [B, A, C]."""
        batch, players, _ = nodes.shape
        shape = (batch, players, self.heads, self.width)
        query, key, value = (layer(nodes).view(shape) for layer in (self.query, self.key, self.value))
        edge = self.edge.weight.view(self.heads, self.width, -1)
        asked = torch.einsum("bihd,hde->bihe", query, edge)
        score = torch.einsum("bihd,bjhd->bhij", query, key) + torch.einsum("bihe,bije->bhij", asked, edges)
        score = (score / math.sqrt(self.width)).masked_fill(~mask[:, None, None, :], -1e9)
        weight = torch.softmax(score, dim=-1)
        heard = torch.einsum("bhij,bije->bihe", weight, edges)
        message = torch.einsum("bhij,bjhd->bihd", weight, value) + torch.einsum("bihe,hde->bihd", heard, edge)
        return message.reshape(batch, players, -1)


class GraphBlock(nn.Module):
    """Pre-normalised graph attention and feed-forward, both residual."""

    def __init__(self, settings: ModelSettings, edge_features: int) -> None:
        super().__init__()
        width = settings.hidden_dim
        self.attention_norm = nn.LayerNorm(width)
        self.attention = DenseTransformerConv(width, settings.heads, edge_features)
        self.mix = nn.Linear(width, width)
        self.feed_norm = nn.LayerNorm(width)
        self.feed = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        self.dropout = nn.Dropout(settings.dropout)

    def forward(self, nodes: Tensor, edges: Tensor, mask: Tensor) -> Tensor:
        """Nodes [B, A, C] -> [B, A, C]."""
        nodes = nodes + self.dropout(self.mix(self.attention(self.attention_norm(nodes), edges, mask)))
        return nodes + self.dropout(self.feed(self.feed_norm(nodes)))


class EdgeEncoder(nn.Module):
    """Edge features with nonlinear ones of their own beside them, the same for all blocks."""

    def __init__(self, features: int, extra: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(features, extra), nn.GELU(), nn.Linear(extra, extra))

    def forward(self, edges: Tensor) -> Tensor:
        """[B, A, A, E] -> [B, A, A, E + extra]."""
        return torch.cat([edges, self.layers(edges)], -1)


class PastEncoder(nn.Module):
    """One vector per player from his last frames, all read at once; unobserved frames are zero.

    (Convolutions over time with attention pooling took twice the time of the whole network and were no better.)
    """

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__()
        self.past_frames = settings.past_frames
        width = settings.temporal_dim
        sizes = [PAST_CHANNELS * settings.past_frames, *[width] * settings.temporal_layers]
        layers: list[nn.Module] = []
        for size, following in pairwise(sizes):
            layers += [nn.Linear(size, following), nn.GELU()]
        self.layers = nn.Sequential(*layers, nn.Linear(sizes[-1], settings.hidden_dim))

    def forward(self, past: Tensor, observed: Tensor) -> Tensor:
        """Past [B, A, T, PAST_CHANNELS], observed [B, A, T] -> [B, A, hidden_dim]."""
        recent = past[:, :, -self.past_frames :]
        seen = observed[:, :, -self.past_frames :, None].to(past.dtype)
        found: Tensor = self.layers((recent * seen).flatten(2))
        return found
