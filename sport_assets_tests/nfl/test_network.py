from dataclasses import replace

import numpy as np
import pytest
import torch
from torch_geometric.nn import TransformerConv

from sport_assets.nfl import baselines, models
from sport_assets.nfl.geometry import EDGE_FEATURES, edge_geometry
from sport_assets.nfl.layers import DenseTransformerConv, PastEncoder
from sport_assets.nfl.models import as_tensors
from sport_assets.nfl.network import TrajectoryNetwork
from sport_assets.nfl.settings import ModelSettings
from sport_assets.nfl.tensors import PLAY_FEATURES, PLAYER_FEATURES, PlayTensors
from sport_assets_tests.nfl.example import plays

SMALL = ModelSettings(hidden_dim=16, temporal_dim=8, dropout=0.0)


@pytest.fixture
def tensors() -> PlayTensors:
    return plays()


def lively(settings: ModelSettings = SMALL, seed: int = 0) -> TrajectoryNetwork:
    """An untrained network in double precision whose residuals are yards, not zero."""
    torch.manual_seed(seed)
    network = TrajectoryNetwork(settings).double().eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return network


def run(network: TrajectoryNetwork, batch: baselines.Batch) -> torch.Tensor:
    given = as_tensors(batch)
    inputs = [given[name].double() if given[name].is_floating_point() else given[name] for name in models.INPUTS]
    with torch.no_grad():
        positions: torch.Tensor = network(*inputs)[0]
    return positions


def test_dense_attention_equals_pytorch_geometric() -> None:
    torch.manual_seed(1)
    players = [5, 1, 8]
    dense = DenseTransformerConv(channels=12, heads=3, edge_features=4)
    sparse = TransformerConv(12, 4, heads=3, edge_dim=4, root_weight=False)
    with torch.no_grad():
        pairs = ((dense.query, sparse.lin_query), (dense.key, sparse.lin_key), (dense.value, sparse.lin_value))
        for ours, theirs in pairs:
            theirs.weight.copy_(ours.weight)
            theirs.bias.copy_(ours.bias)
        sparse.lin_edge.weight.copy_(dense.edge.weight)
    nodes, edges = torch.randn(3, 8, 12), torch.randn(3, 8, 8, 4)
    mask = torch.arange(8) < torch.tensor(players)[:, None]
    found = dense(nodes, edges, mask)
    for play, count in enumerate(players):
        speaker, listener = (grid.flatten() for grid in torch.meshgrid(*[torch.arange(count)] * 2, indexing="ij"))
        wanted = sparse(nodes[play, :count], torch.stack([speaker, listener]), edge_attr=edges[play, listener, speaker])
        torch.testing.assert_close(found[play, :count], wanted, atol=1e-5, rtol=0)


def test_physics_equals_the_numpy_baseline(tensors: PlayTensors) -> None:
    batch = tensors.pad(np.arange(len(tensors)))
    given = as_tensors(batch)
    network = TrajectoryNetwork(SMALL)
    path, _ = network.physics(*(given[name] for name in models.INPUTS if name != "player_mask"))
    position = network.physics.state(given["history"], given["observed"])[0]
    wanted = baselines.damped_landing(batch)
    found = (position[:, :, None] + path).numpy()
    # beyond a play's own frames the forecast has no meaning, but both say the same there too
    np.testing.assert_allclose(found[batch["player_mask"]], wanted[batch["player_mask"]], atol=1e-4)


def test_an_untrained_network_is_near_the_physics_baseline(tensors: PlayTensors) -> None:
    batch = tensors.pad(np.arange(len(tensors)))
    error = run(TrajectoryNetwork(SMALL).double().eval(), batch).numpy() - baselines.damped_landing(batch)
    assert np.abs(error[batch["target_mask"]]).max() < 0.3


def test_the_same_alone_and_in_any_batch(tensors: PlayTensors) -> None:
    network = lively()
    order = np.array([3, 0, 5, 1, 4, 2])
    together = run(network, tensors.pad(order, players=12, horizon=25))
    residual = together - torch.from_numpy(baselines.damped_landing(tensors.pad(order, players=12, horizon=25)))
    assert residual.abs()[0, 0, :5].max() > 0.1
    for row, play in enumerate(order):
        alone = run(network, tensors.pad(np.array([play])))[0]
        players, frames = alone.shape[0], int(tensors.frames[play])
        torch.testing.assert_close(alone[:, :frames], together[row, :players, :frames], atol=1e-5, rtol=0)


def test_the_same_under_any_order_of_the_players(tensors: PlayTensors) -> None:
    network = lively()
    batch = tensors.pad(np.arange(len(tensors)))
    wanted = run(network, batch)
    order = np.random.default_rng(0).permutation(wanted.shape[1])
    shuffled = dict(batch)
    for name in ("history", "observed", "player", "player_mask", "to_predict", "target", "target_mask"):
        shuffled[name] = batch[name][:, order]
    torch.testing.assert_close(run(network, shuffled), wanted[:, order], atol=1e-5, rtol=0)


def test_padding_and_unobserved_frames_are_not_read(tensors: PlayTensors) -> None:
    network = lively()
    batch: baselines.Batch = dict(tensors.pad(np.arange(len(tensors))))
    spoilt = {name: value.copy() for name, value in batch.items()}
    spoilt["history"][~batch["observed"]] = 55.0
    spoilt["player"][~batch["player_mask"]] = 1.0
    real = torch.from_numpy(batch["player_mask"])
    torch.testing.assert_close(run(network, spoilt)[real], run(network, batch)[real], atol=1e-9, rtol=0)


def test_nothing_of_the_target_reaches_the_prediction(tensors: PlayTensors) -> None:
    network = lively()
    changed = replace(tensors, target=tensors.target[::-1].copy(), to_predict=tensors.to_predict)
    plays_all = np.arange(len(tensors))
    assert torch.equal(run(network, tensors.pad(plays_all)), run(network, changed.pad(plays_all)))


def test_every_input_reaches_the_prediction(tensors: PlayTensors) -> None:
    """Each channel and feature has an effect; a feature that the network drops would be dead weight."""
    network = lively()
    batch: baselines.Batch = dict(tensors.pad(np.arange(len(tensors))))
    before = run(network, batch)
    edits: list[tuple[str, int]] = [("history", channel) for channel in range(7)]
    edits += [("player", channel) for channel in range(len(PLAYER_FEATURES))]
    edits += [("play", channel) for channel in range(len(PLAY_FEATURES))]
    for name, channel in edits:
        changed = {**batch, name: batch[name].copy()}
        changed[name][..., channel] += 0.5
        assert (run(network, changed) - before).abs().max() > 1e-6, (name, channel)


def test_the_past_is_read_in_order_and_only_where_it_was_seen() -> None:
    torch.manual_seed(0)
    encoder = PastEncoder(SMALL).double()
    past = torch.randn(1, 2, 20, 8, dtype=torch.float64)
    seen = torch.ones(1, 2, 20, dtype=torch.bool)
    assert not torch.allclose(encoder(past, seen), encoder(past.flip(2), seen))
    seen[0, 0, -4] = False
    spoilt = past.clone()
    spoilt[0, 0, -4] = 7.0
    spoilt[:, :, : 20 - SMALL.past_frames] = 9.0
    assert torch.equal(encoder(past, seen), encoder(spoilt, seen))


def test_edges_from_a_player_to_himself_are_zero(tensors: PlayTensors) -> None:
    given = as_tensors(tensors.pad(np.arange(2)))
    position, velocity = given["history"][:, :, -1, :2], given["history"][:, :, -1, 2:4]
    edges = edge_geometry(position, velocity, position + 1.0, given["player"])
    assert edges.shape[-1] == EDGE_FEATURES
    assert (torch.diagonal(edges, dim1=1, dim2=2) == 0).all()
    assert edges.abs().amax((0, 1, 2)).min() > 0


def outputs(network: TrajectoryNetwork, batch: baselines.Batch) -> dict[str, torch.Tensor]:
    given = as_tensors(batch)
    inputs = [given[name].double() if given[name].is_floating_point() else given[name] for name in models.INPUTS]
    with torch.no_grad():
        return dict(zip(network.outputs, network(*inputs), strict=True))


def with_heads(members: int = 1, seed: int = 0) -> TrajectoryNetwork:
    network = lively(SMALL.model_copy(update={"modes": 4, "members": members}), seed)
    network.count_labels(10)
    return network


def test_outputs_are_named_shaped_and_sound(tensors: PlayTensors) -> None:
    batch = tensors.pad(np.arange(len(tensors)))
    found = outputs(with_heads(), batch)
    assert list(found) == ["positions", "modes", "mode_probability", "mode_scale", "man_probability"]
    plays_, players, horizon = batch["target_mask"].shape
    assert found["modes"].shape == found["mode_scale"].shape == (plays_, players, 4, horizon, 2)
    torch.testing.assert_close(
        found["mode_probability"].sum(-1), torch.ones(plays_, players, dtype=torch.float64), atol=1e-12, rtol=0
    )
    assert (found["mode_scale"] > 0).all()
    assert ((found["man_probability"] > 0) & (found["man_probability"] < 1)).all()
    torch.testing.assert_close(found["modes"][:, :, 0], found["positions"])
    ends = found["modes"][:, :, :, -1]
    gaps = (ends[:, :, :, None] - ends[:, :, None]).norm(dim=-1)
    real = torch.from_numpy(batch["player_mask"])
    assert gaps[real][:, ~torch.eye(4, dtype=torch.bool)].min() > 1e-3, "no two modes are the same path"


def test_heads_do_not_see_padding_or_the_order_of_players(tensors: PlayTensors) -> None:
    network = with_heads()
    alone = outputs(network, tensors.pad(np.array([2])))
    batch = tensors.pad(np.array([2, 0]), players=12, horizon=25)
    padded = outputs(network, batch)
    frames, players = int(tensors.frames[2]), alone["modes"].shape[1]
    torch.testing.assert_close(padded["man_probability"][:1], alone["man_probability"])
    torch.testing.assert_close(padded["modes"][:1, :players, :, :frames], alone["modes"][:, :, :, :frames])
    torch.testing.assert_close(padded["mode_scale"][:1, :players, :, :frames], alone["mode_scale"][:, :, :, :frames])
    order = np.random.default_rng(0).permutation(12)
    swapped = {n: v[:, order] if n in ("history", "observed", "player", "player_mask") else v for n, v in batch.items()}
    torch.testing.assert_close(outputs(network, swapped)["man_probability"], padded["man_probability"])


def test_members_are_averaged_and_their_modes_joined(tensors: PlayTensors) -> None:
    network = with_heads(members=2)
    batch = tensors.pad(np.arange(len(tensors)))
    both = outputs(network, batch)
    alone = []
    for member in network.members:
        one = with_heads()
        one.members[0].load_state_dict(member.state_dict())
        alone.append(outputs(one, batch))
    assert not torch.equal(alone[0]["positions"], alone[1]["positions"]), "members start from different weights"
    for name in ("positions", "man_probability"):
        torch.testing.assert_close(both[name], (alone[0][name] + alone[1][name]) / 2)
    torch.testing.assert_close(both["modes"], torch.cat([one["modes"] for one in alone], 2))
    halves = torch.cat([one["mode_probability"] / 2 for one in alone], 2)
    torch.testing.assert_close(both["mode_probability"], halves)
