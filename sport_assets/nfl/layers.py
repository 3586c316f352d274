"""Layers of the trajectory network: one vector per player from his past, and attention between players.

Here belong general building blocks, all made in `__init__`. What features they are fed with and what is decoded from
them does not belong here.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sport_assets.nfl.settings import ModelSettings
from sport_assets.nfl.tensors import HISTORY_CHANNELS

PAST_CHANNELS = len(HISTORY_CHANNELS) + 1
"""Channels of a past frame as the encoder reads it: relative to the player's last position, and whether observed."""


class DenseGATv2(nn.Module):
    """GATv2 (Brody et al., 2022) with edge features on complete graphs, as dense masked attention.

    Equal to PyTorch Geometric's `GATv2Conv(channels, channels // heads, heads, edge_dim=edge_features,
    add_self_loops=False)` on the complete graph with explicit self-loops: a node listens to every real node,
    itself included.
    """

    def __init__(self, channels: int, heads: int, edge_features: int, negative_slope: float = 0.2) -> None:
        super().__init__()
        self.heads = heads
        self.width = channels // heads
        self.negative_slope = negative_slope
        self.source = nn.Linear(channels, channels)
        self.destination = nn.Linear(channels, channels)
        self.edge = nn.Linear(edge_features, channels, bias=False)
        self.attention = nn.Parameter(torch.empty(heads, self.width))
        self.bias = nn.Parameter(torch.zeros(channels))
        nn.init.xavier_uniform_(self.attention)

    def forward(self, nodes: Tensor, edges: Tensor, mask: Tensor) -> Tensor:
        """Nodes [B, A, C], edges [B, A listening, A speaking, E], mask [B, A] -> [B, A, C]."""
        batch, players, _ = nodes.shape
        shape = (batch, players, self.heads, self.width)
        source = self.source(nodes).view(shape)
        destination = self.destination(nodes).view(shape)
        edge = self.edge(edges).view(batch, players, players, self.heads, self.width)
        joint = nn.functional.leaky_relu(destination[:, :, None] + source[:, None] + edge, self.negative_slope)
        score = (joint * self.attention).sum(-1).masked_fill(~mask[:, None, :, None], -1e9)
        weight = torch.softmax(score, dim=2)
        message = torch.einsum("bijh,bjhc->bihc", weight, source)
        return message.reshape(batch, players, -1) + self.bias


class GraphBlock(nn.Module):
    """Pre-normalised graph attention and feed-forward, both residual."""

    def __init__(self, settings: ModelSettings, edge_features: int) -> None:
        super().__init__()
        width = settings.hidden_dim
        self.attention_norm = nn.LayerNorm(width)
        self.attention = DenseGATv2(width, settings.heads, edge_features)
        self.feed_norm = nn.LayerNorm(width)
        self.feed = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        self.dropout = nn.Dropout(settings.dropout)

    def forward(self, nodes: Tensor, edges: Tensor, mask: Tensor) -> Tensor:
        """Nodes [B, A, C] -> [B, A, C]."""
        nodes = nodes + self.dropout(self.attention(self.attention_norm(nodes), edges, mask))
        return nodes + self.dropout(self.feed(self.feed_norm(nodes)))


class TemporalEncoder(nn.Module):
    """One vector per player from his last frames: convolutions over time, then attention pooling.

    Unobserved frames are zeroed before each convolution and left out of the pooling. The position of a frame
    is its learned embedding, counted back from the throw, the same for every item of a batch.
    """

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__()
        width = settings.temporal_dim
        self.past_frames = settings.past_frames
        self.inputs = nn.Linear(PAST_CHANNELS, width)
        self.place = nn.Parameter(0.02 * torch.randn(settings.past_frames, width))
        self.convolutions = nn.ModuleList(
            nn.Conv1d(width, width, kernel_size=3, padding=1) for _ in range(settings.temporal_layers)
        )
        self.score = nn.Linear(width, 1)
        self.outputs = nn.Linear(2 * width, settings.hidden_dim)

    def forward(self, past: Tensor, observed: Tensor) -> Tensor:
        """Past [B, A, T, PAST_CHANNELS], observed [B, A, T] -> [B, A, hidden_dim]."""
        batch, players = past.shape[0], past.shape[1]
        past = past[:, :, -self.past_frames :]
        seen = observed[:, :, -self.past_frames :].to(past.dtype)[..., None]
        nodes = (self.inputs(past) + self.place) * seen
        flat = nodes.reshape(batch * players, self.past_frames, -1)
        flat_seen = seen.reshape(batch * players, self.past_frames, 1)
        for convolution in self.convolutions:
            step = convolution(flat.transpose(1, 2)).transpose(1, 2)
            flat = (flat + nn.functional.gelu(step)) * flat_seen
        score = self.score(flat) + (flat_seen - 1.0) * 1e9
        pooled = (torch.softmax(score, dim=1) * flat_seen * flat).sum(1)
        joined = torch.cat([pooled, flat[:, -1]], dim=-1)
        return self.outputs(joined).view(batch, players, -1)
