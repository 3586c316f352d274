"""The trajectory network: temporal encoding, graph attention over the players of a play, smooth residuals.

Here belong torch modules that map padded arrays to positions; all layers are built in `__init__`. Losses,
training steps, settings files and data loading do not belong here.

Features use fixed scales (10 yards, 10 yd/s, 10 yd/s^2, 3 s), so nothing is estimated from data and nothing
can leak from the held-out games; the other player and play features arrive scaled from `features`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sport_assets.nfl import baselines
from sport_assets.nfl.settings import ModelSettings
from sport_assets.nfl.tensors import HISTORY_CHANNELS, PLAY_FEATURES, PLAYER_FEATURES

YARDS = 10.0
"""Scale of lengths, speeds and accelerations."""

SECONDS = 3.0
"""Scale of the time in the air."""

FIELD_LENGTH_YARDS = 120.0
FIELD_WIDTH_YARDS = 53.3
EDGE_FEATURES = 10
NODE_GEOMETRY = 17
LANDING = slice(0, 2)
YARDLINE = PLAY_FEATURES.index("absolute_yardline_number")
OFFENSE = PLAYER_FEATURES.index("side_offense")
PAST_CHANNELS = len(HISTORY_CHANNELS) + 1


class PhysicsBaseline(nn.Module):
    """Damped acceleration with the targeted receiver bent to the ball, as `baselines.damped_landing`."""

    slope_time: Tensor

    def __init__(self) -> None:
        super().__init__()
        window = torch.arange(baselines.ACCELERATION_FRAMES) * baselines.FRAME_SECONDS
        self.register_buffer("slope_time", window[:, None], persistent=False)

    def state(self, history: Tensor, observed: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Last position, velocity, acceleration, all [B, A, 2], and seconds since last seen [B, A, 1]."""
        frames = history.shape[2]
        order = torch.arange(1, frames + 1, device=history.device, dtype=history.dtype)
        last = (observed.to(history.dtype) * order).amax(2, keepdim=True)
        choose = (order == last).to(history.dtype)[..., None]
        state = (history * choose).sum(2)
        age_s = (frames - torch.where(last > 0, last, float(frames))) * baselines.FRAME_SECONDS
        window = history[:, :, -baselines.ACCELERATION_FRAMES :, 2:4]
        weight = observed[:, :, -baselines.ACCELERATION_FRAMES :, None].to(history.dtype)
        count = weight.sum(2, keepdim=True).clamp(min=1.0)
        centred = (self.slope_time - (weight * self.slope_time).sum(2, keepdim=True) / count) * weight
        spread = centred.square().sum(2)
        known = spread > 1e-6
        slope = (centred * window).sum(2) / torch.where(known, spread, 1.0)
        return state[..., :2], state[..., 2:4], torch.where(known, slope, 0.0), age_s

    @staticmethod
    def gain(elapsed_s: Tensor) -> Tensor:
        """See `baselines.damping_gain`."""
        damping = baselines.DAMPING_S
        return damping * (elapsed_s - damping * (1.0 - torch.exp(-elapsed_s / damping)))

    def forward(
        self, history: Tensor, observed: Tensor, player: Tensor, play: Tensor, frames: Tensor, time_s: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Displacements from the last position, in yards: path [B, A, H, 2] and its end [B, A, 2]."""
        position, velocity, acceleration, age_s = self.state(history, observed)
        duration_s = frames.to(history.dtype).clamp(min=1.0)[:, None, None] * baselines.FRAME_SECONDS
        elapsed_s = (time_s[None, None, :] + age_s)[..., None]
        last_s = duration_s + age_s
        path = velocity[:, :, None] * elapsed_s + acceleration[:, :, None] * self.gain(elapsed_s)
        end = velocity * last_s + acceleration * self.gain(last_s)
        gap = play[:, None, LANDING] - position - end
        targeted = player[..., baselines.ROLE_TARGETED_RECEIVER, None]
        bend = baselines.LANDING_SHARE * targeted * gap
        progress = (time_s[None, None, :] / duration_s).clamp(max=1.0).square()[..., None]
        return path + bend[:, :, None] * progress, end + bend


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

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__()
        width = settings.hidden_dim
        self.attention_norm = nn.LayerNorm(width)
        self.attention = DenseGATv2(width, settings.heads, EDGE_FEATURES)
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


class TrajectoryNetwork(nn.Module):
    """Positions after the throw: the physics baseline plus a learned smooth residual.

    The residual is a sum of `basis` polynomials of the share of time gone, all starting with value and slope
    zero at the throw, with coefficients per player from the graph. It is linear in them, so it is cheap for
    any horizon. Equivariant to the order of the players; padded players and frames change nothing.
    """

    powers: Tensor

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__()
        self.settings = settings
        width = settings.hidden_dim
        self.physics = PhysicsBaseline()
        self.temporal = TemporalEncoder(settings)
        play_width = len(PLAY_FEATURES) - 3 if settings.use_context else 0
        self.nodes = nn.Linear(NODE_GEOMETRY + len(PLAYER_FEATURES) + play_width, width)
        self.blocks = nn.ModuleList(GraphBlock(settings) for _ in range(settings.graph_layers))
        self.norm = nn.LayerNorm(width)
        last = nn.Linear(width, 2 * settings.basis)
        self.decoder = nn.Sequential(nn.Linear(width, width), nn.GELU(), last)
        self.dropout = nn.Dropout(settings.dropout)
        # The untrained network is the physics baseline.
        nn.init.zeros_(last.bias)
        nn.init.normal_(last.weight, std=1e-3)
        self.register_buffer("powers", torch.arange(settings.basis, dtype=torch.float32), persistent=False)

    def forward(
        self,
        history: Tensor,
        observed: Tensor,
        player: Tensor,
        player_mask: Tensor,
        play: Tensor,
        frames: Tensor,
        time_s: Tensor,
    ) -> Tensor:
        """Standardised positions [B, A, H, 2] in yards at `time_s` [H] seconds after the throw.

        history [B, A, T, 7], observed [B, A, T], player [B, A, S], player_mask [B, A], play [B, C],
        frames [B]: as padded by `PlayTensors.pad`. What lies beyond a play's own `frames` has no meaning.
        """
        position, velocity, acceleration, age_s = self.physics.state(history, observed)
        path, end = self.physics(history, observed, player, play, frames, time_s)
        duration_s = frames.to(history.dtype).clamp(min=1.0)[:, None, None] * baselines.FRAME_SECONDS
        landing = play[:, None, LANDING] - position

        past = torch.cat([history[..., :2] - position[:, :, None], history[..., 2:]], -1)
        past = torch.cat([past / self._scale(history), observed.to(history.dtype)[..., None]], -1)
        encoded = self.temporal(past, observed)

        nodes = self._nodes(position, velocity, acceleration, age_s, end, landing, duration_s, play)
        parts = [nodes, player]
        if self.settings.use_context:
            parts.append(self._context(play)[:, None].expand(-1, player.shape[1], -1))
        hidden = encoded + self.nodes(torch.cat(parts, -1))
        edges = self._edges(position, velocity, position + end, player)
        for block in self.blocks:
            hidden = block(hidden, edges, player_mask)
        coefficients = self.decoder(self.dropout(self.norm(hidden)))
        coefficients = coefficients.view(*hidden.shape[:2], self.settings.basis, 2)

        share = (time_s[None, :] / duration_s[:, :, 0]).clamp(max=1.0)[..., None]
        basis = share.square() * (2.0 * share - 1.0).pow(self.powers)
        residual = torch.einsum("bhk,bakc->bahc", basis, coefficients * duration_s[..., None] * YARDS / 2.0)
        return position[:, :, None] + path + residual

    def _context(self, play: Tensor) -> Tensor:
        """Pre-snap context [B, C - 3]; in training hidden for whole plays at once, as where no file has it."""
        context = play[:, 3:]
        if self.training and self.settings.context_dropout > 0:
            kept = torch.rand(play.shape[0], 1, device=play.device) >= self.settings.context_dropout
            context = context * kept.to(context.dtype)
        return context

    @staticmethod
    def _scale(history: Tensor) -> Tensor:
        return torch.tensor([YARDS] * 5 + [1.0, 1.0], dtype=history.dtype, device=history.device)

    @staticmethod
    def _nodes(
        position: Tensor,
        velocity: Tensor,
        acceleration: Tensor,
        age_s: Tensor,
        end: Tensor,
        landing: Tensor,
        duration_s: Tensor,
        play: Tensor,
    ) -> Tensor:
        """Geometry of each player [B, A, NODE_GEOMETRY] against the ball, the line and the field."""
        distance = landing.square().sum(-1, keepdim=True).add(1e-6).sqrt()
        gap = landing - end
        gap_distance = gap.square().sum(-1, keepdim=True).add(1e-6).sqrt()
        yardline = play[:, None, YARDLINE, None]
        half_width = FIELD_WIDTH_YARDS / 2
        features = [
            velocity / YARDS,
            acceleration / YARDS,
            age_s,
            landing / YARDS,
            distance / YARDS,
            gap / YARDS,
            gap_distance / YARDS,
            landing / duration_s / YARDS,
            (duration_s / SECONDS).expand_as(distance),
            (position[..., :1] - yardline) / YARDS,
            (position[..., 1:] - half_width) / half_width,
            (FIELD_LENGTH_YARDS - position[..., :1]) / FIELD_LENGTH_YARDS,
        ]
        return torch.cat(features, -1)

    @staticmethod
    def _edges(position: Tensor, velocity: Tensor, end: Tensor, player: Tensor) -> Tensor:
        """Relative geometry [B, A (listener), A (speaker), EDGE_FEATURES]; zero from a player to himself."""

        def relative(values: Tensor) -> Tensor:
            return values[:, None] - values[:, :, None]

        def length(values: Tensor) -> Tensor:
            return values.square().sum(-1, keepdim=True)

        now, speed, later = relative(position) / YARDS, relative(velocity) / YARDS, relative(end) / YARDS
        side = player[..., OFFENSE, None]
        opponents = relative(side).square()
        near = torch.exp(-length(now)) - 1.0
        near_later = torch.exp(-length(later)) - 1.0
        closing = (now * speed).sum(-1, keepdim=True)
        return torch.cat([now, speed, later, near, near_later, closing, opponents], -1)


def example_horizon(frames: int) -> Tensor:
    """`time_s` of output frames 1 to `frames`, float32 [H]."""
    return torch.from_numpy(baselines.horizon_times(frames))
