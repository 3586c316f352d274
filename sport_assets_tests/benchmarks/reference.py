"""The reference that the trajectory model is timed against: a transformer decoder per node, on PyTorch Geometric.

Belongs here: the model, its graphs and its loss. Written as one would write it with the library, and not to lose: the
graphs are made once, before any timing; attention is PyTorch's own; it adds its residual to the same physics baseline
as our model and reads the same past, players, ball and time. What differs is the design: graphs joined to a batch,
attention over time and a decoder that goes through every output frame of every player.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch_geometric.data import Data
from torch_geometric.nn import GATv2Conv

from sport_assets.nfl import baselines, losses
from sport_assets.nfl.batches import PlaySource
from sport_assets.nfl.tensors import HISTORY_CHANNELS, PLAY_FEATURES, PLAYER_FEATURES

PARAMETERS = 810_000
PAST_FRAMES = 10
RESIDUAL_SCALE = 1.0
"""Yards per second of a residual of one."""

LONGEST_FRAMES = 128
PAST_CHANNELS = len(HISTORY_CHANNELS) + 1
NODE_FEATURES = len(PLAYER_FEATURES) + 15
EDGE_FEATURES = 7
YARDLINE = PLAY_FEATURES.index("absolute_yardline_number")
OFFENSE = PLAYER_FEATURES.index("side_offense")


class PerNodeTransformer(nn.Module):
    """Past by a transformer, players by GATv2, then a transformer decoder over the output frames of each node.

    A learned query for each output frame attends to the other frames and to the node's encoded past and vector. The
    residual grows with time, so the path starts where the player is.
    """

    def __init__(
        self, width: int = 128, heads: int = 4, graph_layers: int = 2, decoder_layers: int = 2, dropout: float = 0.1
    ) -> None:
        super().__init__()
        self.past = nn.Linear(PAST_CHANNELS, width)
        self.place = nn.Parameter(0.02 * torch.randn(PAST_FRAMES, width))
        layer = nn.TransformerEncoderLayer(width, heads, 4 * width, dropout, "gelu", batch_first=True, norm_first=True)
        self.temporal = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
        self.nodes = nn.Linear(NODE_FEATURES, width)
        self.graph = nn.ModuleList(
            GATv2Conv(width, width // heads, heads, edge_dim=EDGE_FEATURES) for _ in range(graph_layers)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(graph_layers))
        self.queries = nn.Parameter(0.02 * torch.randn(LONGEST_FRAMES, width))
        step = nn.TransformerDecoderLayer(width, heads, 4 * width, dropout, "gelu", batch_first=True, norm_first=True)
        self.decoder = nn.TransformerDecoder(step, decoder_layers, norm=nn.LayerNorm(width))
        self.head = nn.Linear(width, 2)
        nn.init.normal_(self.head.weight, std=1e-3)
        nn.init.zeros_(self.head.bias)

    def forward(self, batch: Any, asked_only: bool = False) -> Tensor:
        """Positions [nodes, H, 2] in standardised yards; H is the longest horizon of the batch's plays.

        With ``asked_only`` the decoder runs for the players to predict alone, and only their rows are returned.
        """
        past = self.temporal(self.past(batch.past) + self.place)
        hidden = self.nodes(batch.x) + past[:, -1]
        for convolution, norm in zip(self.graph, self.norms, strict=True):
            hidden = hidden + nn.functional.gelu(convolution(norm(hidden), batch.edge_index, batch.edge_attr))
        unseen, frames, baseline = ~batch.seen, batch.frames, batch.baseline
        if asked_only:
            asked = batch.asked
            past, hidden, unseen, frames = past[asked], hidden[asked], unseen[asked], frames[asked]
            baseline = baseline[asked]
        horizon = int(frames.max())
        memory = torch.cat([past, hidden[:, None]], 1)
        hide = torch.cat([unseen, torch.zeros_like(unseen[:, :1])], 1)
        over = torch.arange(horizon, device=frames.device)[None] >= frames[:, None]
        queries = self.queries[:horizon] + hidden[:, None]
        decoded = self.decoder(queries, memory, tgt_key_padding_mask=over, memory_key_padding_mask=hide)
        time_s = torch.arange(1, horizon + 1, device=frames.device) * baselines.FRAME_SECONDS
        return baseline[:, :horizon] + self.head(decoded) * RESIDUAL_SCALE * time_s[:, None]

    def loss(self, batch: Any, delta_yards: float, velocity_weight: float, asked_only: bool = False) -> Tensor:
        """The same losses as our model's, over the same frames."""
        found = self(batch, asked_only)[None]
        target, mask = truth(batch, found.shape[2], asked_only)
        position = losses.position_loss(found, target, mask, "huber", delta_yards)
        return position + velocity_weight * losses.velocity_loss(found, target, mask)


def truth(batch: Any, horizon: int, asked_only: bool = False) -> tuple[Tensor, Tensor]:
    """Targets [1, nodes, H, 2] and their mask [1, nodes, H]."""
    target, mask = batch.target[:, :horizon], batch.mask[:, :horizon]
    if asked_only:
        target, mask = target[batch.asked], mask[batch.asked]
    return target[None], mask[None]


def graphs(source: PlaySource) -> list[Data]:
    """One complete graph a sample, in the source's order; paths padded to the longest of them."""
    parts = [dict(source.batch(np.arange(i, min(i + 64, len(source))))) for i in range(0, len(source), 64)]
    longest = max(part["target"].shape[2] for part in parts)
    return [graph for part in parts for graph in graphs_of(part, longest)]


def graphs_of(batch: dict[str, np.ndarray], longest: int) -> list[Data]:
    """One complete graph for each play of a padded batch, its paths padded to `longest` frames."""
    position, velocity, age_s = (value.astype(np.float32) for value in baselines.last_state(batch))
    path = baselines.damped_landing(batch).astype(np.float32)
    landing = batch["play"][:, None, :2] - position
    duration_s = np.broadcast_to(batch["frames"][:, None, None] * baselines.FRAME_SECONDS, landing[..., :1].shape)
    last = np.maximum(batch["frames"], 1)[:, None, None, None] - 1
    end = np.take_along_axis(path, np.broadcast_to(last, (*path.shape[:2], 1, 1)), 2)[:, :, 0]
    geometry = [
        velocity / 10,
        baselines.acceleration(batch) / 10,
        landing / 10,
        landing / duration_s / 10,
        (batch["play"][:, None, :2] - end) / 10,
        np.linalg.norm(landing, axis=-1, keepdims=True) / 10,
        duration_s / 3,
        age_s[..., None],
        (position[..., :1] - batch["play"][:, None, YARDLINE, None]) / 10,
        (position[..., 1:] - 53.3 / 2) / (53.3 / 2),
    ]
    nodes = np.concatenate([batch["player"], *geometry], -1).astype(np.float32)
    seen = batch["observed"][:, :, -PAST_FRAMES:]
    past = batch["history"][:, :, -PAST_FRAMES:].copy()
    past[..., :2] -= position[:, :, None]
    past[..., :5] /= 10
    past = np.concatenate([past, np.ones_like(past[..., :1])], -1) * seen[..., None]

    def padded(values: np.ndarray) -> np.ndarray:
        missing = longest - values.shape[1]
        return np.pad(values, [(0, 0), (0, missing)] + [(0, 0)] * (values.ndim - 2))

    found = []
    for play, chosen in enumerate(batch["player_mask"]):
        count = int(chosen.sum())
        sender, receiver = (1 - np.eye(count)).nonzero()

        def relative(values: np.ndarray, sender: np.ndarray = sender, receiver: np.ndarray = receiver) -> np.ndarray:
            return values[sender] - values[receiver]

        apart = relative(position[play][chosen]) / 10
        speed = relative(velocity[play][chosen]) / 10
        distance = np.linalg.norm(apart, axis=-1, keepdims=True)
        closing = (apart * speed).sum(-1, keepdims=True)
        opponents = relative(batch["player"][play][chosen][:, OFFENSE, None]) ** 2
        edges = np.concatenate([apart, speed, distance, closing, opponents], -1).astype(np.float32)
        arrays = {
            "x": nodes[play][chosen],
            "past": past[play][chosen].astype(np.float32),
            "seen": seen[play][chosen],
            "edge_index": np.stack([sender, receiver]).astype(np.int64),
            "edge_attr": edges,
            "baseline": padded(path[play][chosen]),
            "target": padded(batch["target"][play][chosen]),
            "mask": padded(batch["target_mask"][play][chosen]),
            "asked": batch["to_predict"][play][chosen],
            "frames": np.full(count, batch["frames"][play]),
        }
        found.append(Data(**{name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in arrays.items()}))
    return found


def parameters(module: nn.Module) -> int:
    """Number of trained values."""
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)
