"""The trajectory network: temporal encoding, graph attention over the players of a play, smooth residuals, heads.

Here belongs what maps padded arrays to positions, modes and coverage. Building blocks are in `layers`, the physics it
corrects in `physics`, features of geometry in `geometry`. Losses, training steps, settings files and data loading do
not belong here.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from sport_assets.nfl import baselines
from sport_assets.nfl.geometry import (
    EDGE_FEATURES,
    NODE_GEOMETRY,
    OFFENSE,
    RECEIVER_GEOMETRY,
    YARDS,
    edge_geometry,
    node_geometry,
    past_channels,
    receiver_geometry,
)
from sport_assets.nfl.layers import EdgeEncoder, GraphBlock, PastEncoder
from sport_assets.nfl.physics import LANDING, PhysicsBaseline
from sport_assets.nfl.settings import ModelSettings
from sport_assets.nfl.tensors import PLAY_FEATURES, PLAYER_FEATURES

PRE_THROW_FEATURES = 3
"""Leading channels of `play` that are always known: landing point and line of scrimmage. The context follows."""

SCALE_TERMS = 3
"""Terms of the logarithm of a mode's scale: constant, logarithm of the time, share of the time gone."""

LOG_SCALE_RANGE = (-5.0, 2.5)
"""A mode's scale stays between 7 millimetres (in yards: exp(-5)) and 12 yards."""


class Forecast(NamedTuple):
    """What one member says of a batch. B plays, A players, H frames, K modes; standardised yards."""

    positions: Tensor
    """[B, A, H, 2]: the point forecast."""
    modes: Tensor | None
    """[B, A, K, H, 2]: mean path of each mode; the first is the point forecast itself."""
    log_probability: Tensor | None
    """[B, A, K]"""
    scale: Tensor | None
    """[B, A, K, H, 2]: standard deviations along x and y, yards."""
    man_logit: Tensor | None
    """[B]: log odds of man coverage."""


class Scene(NamedTuple):
    """What all members read of a batch: nothing in it is learned, so it is made once. Scaled where it is a feature."""

    past: Tensor
    """[B, A, T, 8]: see `geometry.past_channels`."""
    observed: Tensor
    """[B, A, T]"""
    nodes: Tensor
    """[B, A, N]: geometry of each player, and his features."""
    edges: Tensor
    """[B, A, A, EDGE_FEATURES]"""
    context: Tensor
    """[B, C - 3]: what was known of the play before the snap."""
    player_mask: Tensor
    """[B, A]"""
    defenders: Tensor
    """bool [B, A]"""
    physics: Tensor
    """[B, A, H, 2]: the physics baseline, standardised yards."""
    time_s: Tensor
    """[H]: seconds after the throw."""
    share: Tensor
    """[B, H, 1]: share of the time in the air that is gone, at most 1."""
    reach: Tensor
    """[B, 1, 1] yards: what a coefficient of 1 means."""


class TrajectoryMember(nn.Module):
    """One network: the physics baseline plus a learned smooth residual, and what else is asked of it.

    The residual is a sum of `basis` polynomials of the share of time gone, all starting with value and slope
    zero at the throw, with coefficients per player from the graph. It is linear in them, so it is cheap for
    any horizon. Equivariant to the order of the players; padded players and frames change nothing.
    """

    powers: Tensor

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__()
        self.settings = settings
        width = settings.hidden_dim
        self.past = PastEncoder(settings)
        play_width = len(PLAY_FEATURES) - PRE_THROW_FEATURES if settings.use_context else 0
        self.nodes = nn.Linear(NODE_GEOMETRY + RECEIVER_GEOMETRY + len(PLAYER_FEATURES) + play_width, width)
        self.edges = EdgeEncoder(EDGE_FEATURES, settings.edge_dim)
        edge_width = EDGE_FEATURES + settings.edge_dim
        self.blocks = nn.ModuleList(GraphBlock(settings, edge_width) for _ in range(settings.graph_layers))
        self.norm = nn.LayerNorm(width)
        last = nn.Linear(width, 2 * settings.basis)
        self.decoder = nn.Sequential(nn.Linear(width, width), nn.GELU(), last)
        self.dropout = nn.Dropout(settings.dropout)
        # The untrained network is the physics baseline.
        nn.init.zeros_(last.bias)
        nn.init.normal_(last.weight, std=1e-3)
        self.register_buffer("powers", torch.arange(settings.basis, dtype=torch.float32), persistent=False)
        self.mixture = MixtureHead(settings) if settings.modes else None
        self.coverage = CoverageHead(width) if settings.coverage_head else None

    def forward(self, scene: Scene) -> Forecast:
        """What this member says of a scene."""
        parts = [scene.nodes]
        if self.settings.use_context:
            parts.append(self._context(scene.context)[:, None].expand(-1, scene.nodes.shape[1], -1))
        hidden = self.past(scene.past, scene.observed) + self.nodes(torch.cat(parts, -1))
        edges = self.edges(scene.edges)
        for block in self.blocks:
            hidden = block(hidden, edges, scene.player_mask)
        hidden = self.dropout(self.norm(hidden))

        basis = scene.share.square() * (2.0 * scene.share - 1.0).pow(self.powers)
        coefficients = self.decoder(hidden).view(*hidden.shape[:2], self.settings.basis, 2)
        residual = torch.einsum("bhk,bakc->bahc", basis, coefficients * scene.reach[..., None])
        positions = scene.physics + residual

        modes = log_probability = scale = None
        if self.mixture is not None:
            offsets, log_probability, scale = self.mixture(hidden, basis, scene)
            modes = positions[:, :, None] + offsets
        man_logit = None if self.coverage is None else self.coverage(hidden, scene.defenders)
        return Forecast(positions, modes, log_probability, scale, man_logit)

    def _context(self, context: Tensor) -> Tensor:
        """Pre-snap context [B, C - 3]; in training hidden for whole plays at once, as where no file has it."""
        if self.training and self.settings.context_dropout > 0:
            kept = torch.rand(context.shape[0], 1, device=context.device) >= self.settings.context_dropout
            context = context * kept.to(context.dtype)
        return context


class MixtureHead(nn.Module):
    """Where else a player may go: `modes` paths around the point forecast, each with its probability and scale.

    A mode's scale is exp of a sum of SCALE_TERMS terms of the time, so it grows smoothly. The first mode's path is the
    point forecast; the others start spread evenly around it, so that no two begin alike.
    """

    free: Tensor

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__()
        width, count, basis = settings.hidden_dim, settings.modes, settings.basis
        self.count, self.basis = count, basis
        self.parts = [2 * basis, 2 * SCALE_TERMS, 1]
        last = nn.Linear(width, count * sum(self.parts))
        self.layers = nn.Sequential(nn.Linear(width, width), nn.GELU(), last)
        nn.init.normal_(last.weight, std=1e-2)
        bias = torch.zeros(count, sum(self.parts))
        angle = torch.arange(count - 1) * (2.0 * math.pi / max(1, count - 1))
        bias[1:, :2] = 0.06 * torch.stack([angle.cos(), angle.sin()], -1)
        first = 2 * basis
        bias[:, first : first + 2] = math.log(0.4)
        bias[:, first + 2 : first + 4] = 1.3
        with torch.no_grad():
            last.bias.copy_(bias.flatten())
        free = torch.ones(count, 1, 1)
        free[0] = 0.0
        self.register_buffer("free", free, persistent=False)

    def forward(self, hidden: Tensor, basis: Tensor, scene: Scene) -> tuple[Tensor, Tensor, Tensor]:
        """Offsets from the point forecast [B, A, K, H, 2], log probabilities [B, A, K], scales [B, A, K, H, 2].

        hidden [B, A, C]; basis [B, H, `basis`].
        """
        batch, players, _ = hidden.shape
        found = self.layers(hidden).view(batch, players, self.count, -1)
        offset, scale, logit = found.split(self.parts, dim=-1)
        offset = offset.reshape(batch, players, self.count, self.basis, 2) * self.free
        offsets = torch.einsum("bhn,bakne->bakhe", basis, offset * scene.reach[..., None, None])
        log_time = (scene.time_s + 0.05).log()[None, :].expand(batch, -1)
        terms = torch.stack([torch.ones_like(log_time), log_time, scene.share[..., 0] - 0.5], -1)
        log_scale = torch.einsum("bhn,bakne->bakhe", terms, scale.reshape(batch, players, self.count, SCALE_TERMS, 2))
        return offsets, logit[..., 0].log_softmax(-1), log_scale.clamp(*LOG_SCALE_RANGE).exp()


class CoverageHead(nn.Module):
    """Whether the defence plays man or zone coverage, from the mean and the maximum over its players."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(2 * width, width), nn.GELU(), nn.Linear(width, 1))

    def forward(self, hidden: Tensor, defenders: Tensor) -> Tensor:
        """hidden [B, A, C], defenders bool [B, A] -> log odds of man coverage [B]."""
        chosen = defenders[..., None].to(hidden.dtype)
        mean = (hidden * chosen).sum(1) / chosen.sum(1).clamp(min=1.0)
        # far below any normalised value, yet finite where a play has no defender
        largest = (hidden * chosen + (chosen - 1.0) * 1e3).amax(1).clamp(min=-1e2)
        logit: Tensor = self.layers(torch.cat([mean, largest], -1))
        return logit[..., 0]


class TrajectoryNetwork(nn.Module):
    """`members` networks that start from different weights, trained side by side on the same batches; one model.

    Their point forecasts are averaged; their modes are joined, each member's at an equal share.
    """

    coverage_labels: Tensor

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__()
        self.settings = settings
        self.physics = PhysicsBaseline()
        self.members = nn.ModuleList(TrajectoryMember(settings) for _ in range(settings.members))
        # part of the weights, so that whoever has them knows whether coverage was learned at all
        self.register_buffer("coverage_labels", torch.zeros((), dtype=torch.int64))
        self.outputs: tuple[str, ...] = ()
        """Names of what `forward` returns, in order. Coverage only where it was learned from labels."""
        self._name_outputs()
        self.register_load_state_dict_post_hook(lambda network, _: network._name_outputs())

    def count_labels(self, plays: int) -> None:
        """Note how many plays with a coverage label are trained on; without one the network says nothing of it."""
        self.coverage_labels.fill_(plays)
        self._name_outputs()

    def _name_outputs(self) -> None:
        names = ["positions"]
        if self.settings.modes:
            names += ["modes", "mode_probability", "mode_scale"]
        if self.settings.coverage_head and int(self.coverage_labels) > 0:
            names.append("man_probability")
        self.outputs = tuple(names)

    def forecasts(self, *inputs: Tensor) -> list[Forecast]:
        """What each member says, for the losses; inputs as in `forward`."""
        scene = self.scene(*inputs)
        return [member(scene) for member in self.members]

    def scene(
        self,
        history: Tensor,
        observed: Tensor,
        player: Tensor,
        player_mask: Tensor,
        play: Tensor,
        frames: Tensor,
        time_s: Tensor,
    ) -> Scene:
        """What the members read, of inputs as in `forward`."""
        position, velocity, acceleration, age_s = self.physics.state(history, observed)
        path, end = self.physics(history, observed, player, play, frames, time_s)
        duration_s = frames.to(history.dtype).clamp(min=1.0)[:, None, None] * baselines.FRAME_SECONDS
        ball = play[:, None, LANDING]
        nodes = [
            node_geometry(position, velocity, acceleration, age_s, end, ball - position, duration_s, play),
            receiver_geometry(position, velocity, position + end, ball, player, player_mask),
            player,
        ]
        return Scene(
            past=past_channels(history, observed, position),
            observed=observed,
            nodes=torch.cat(nodes, -1),
            edges=edge_geometry(position, velocity, position + end, player),
            context=play[:, PRE_THROW_FEATURES:],
            player_mask=player_mask,
            defenders=player_mask & (player[..., OFFENSE] == 0),
            physics=position[:, :, None] + path,
            time_s=time_s,
            share=(time_s[None, :] / duration_s[:, :, 0]).clamp(max=1.0)[..., None],
            reach=duration_s * YARDS / 2.0,
        )

    def forward(
        self,
        history: Tensor,
        observed: Tensor,
        player: Tensor,
        player_mask: Tensor,
        play: Tensor,
        frames: Tensor,
        time_s: Tensor,
    ) -> tuple[Tensor, ...]:
        """The forecast of a batch: tensors as named by `outputs`, in standardised yards.

        history [B, A, T, 7], observed [B, A, T], player [B, A, S], player_mask [B, A], play [B, C],
        frames [B]: as padded by `PlayTensors.pad`; time_s [H]: seconds after the throw. What lies beyond a play's own
        `frames` has no meaning.

        positions [B, A, H, 2]; with modes also modes [B, A, K, H, 2], mode_probability [B, A, K] (sums to 1) and
        mode_scale [B, A, K, H, 2] (standard deviations along x and y), K being modes times members; with coverage
        learned also man_probability [B].
        """
        said = self.forecasts(history, observed, player, player_mask, play, frames, time_s)
        return combine(said, self.outputs)


def combine(said: list[Forecast], names: tuple[str, ...]) -> tuple[Tensor, ...]:
    """The members' forecasts as one: the named outputs of `TrajectoryNetwork.forward`."""

    def mean(values: list[Tensor]) -> Tensor:
        return values[0] if len(values) == 1 else torch.stack(values).mean(0)

    def joined(values: list[Tensor | None]) -> Tensor:
        present = [value for value in values if value is not None]
        return present[0] if len(present) == 1 else torch.cat(present, 2)

    found = {"positions": mean([one.positions for one in said])}
    if "modes" in names:
        found["modes"] = joined([one.modes for one in said])
        found["mode_probability"] = joined([one.log_probability for one in said]).exp() / len(said)
        found["mode_scale"] = joined([one.scale for one in said])
    if "man_probability" in names:
        found["man_probability"] = mean([one.man_logit.sigmoid() for one in said if one.man_logit is not None])
    return tuple(found[name] for name in names)
