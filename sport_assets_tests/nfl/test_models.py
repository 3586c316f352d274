import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch_geometric.nn import GATv2Conv

from sport_assets.nfl import baselines, metrics, models
from sport_assets.nfl.models import TrajectoryModule, as_tensors, build
from sport_assets.nfl.network import EDGE_FEATURES, DenseGATv2, TemporalEncoder, TrajectoryNetwork
from sport_assets.nfl.settings import PRESETS, SECTIONS, DataSettings, ModelSettings, preset_path
from sport_assets.nfl.split import Split
from sport_assets.nfl.tensors import PLAY_FEATURES, PLAYER_FEATURES, PlayTensors
from sport_assets.training.errors import BadSpecError
from sport_assets.training.spec import SpecInput, TrainingSpec, resolve_preset
from sport_assets_tests.nfl.example import plays
from sport_assets_tests.nfl.several_processes import TRACE_VARIABLE

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
        positions: torch.Tensor = network(*inputs)
    return positions


def test_dense_attention_equals_pytorch_geometric() -> None:
    torch.manual_seed(1)
    players = [5, 1, 8]
    dense = DenseGATv2(channels=12, heads=3, edge_features=4)
    torch.nn.init.normal_(dense.bias)
    sparse = GATv2Conv(12, 4, heads=3, edge_dim=4, add_self_loops=False)
    with torch.no_grad():
        for ours, theirs in ((dense.source, sparse.lin_l), (dense.destination, sparse.lin_r)):
            theirs.weight.copy_(ours.weight)
            theirs.bias.copy_(ours.bias)
        sparse.lin_edge.weight.copy_(dense.edge.weight)
        sparse.att.copy_(dense.attention[None])
        sparse.bias.copy_(dense.bias)
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


def test_positions_of_frames_in_the_past_are_the_same_for_every_play(tensors: PlayTensors) -> None:
    torch.manual_seed(0)
    encoder = TemporalEncoder(SMALL).double()
    past = torch.randn(1, 1, 20, 8, dtype=torch.float64).expand(3, 2, 20, 8).clone()
    past[0] += 1.0
    seen = torch.ones(3, 2, 20, dtype=torch.bool)
    codes = encoder(past, seen)
    torch.testing.assert_close(codes[1], codes[2])
    torch.testing.assert_close(codes[1], encoder(past[1:], seen[1:])[0])
    assert not torch.allclose(codes[1], encoder(past.flip(2), seen)[1])


CHANGES: dict[str, Any] = {
    "hidden_dim": 24,
    "graph_layers": 3,
    "heads": 2,
    "temporal_dim": 12,
    "temporal_layers": 1,
    "past_frames": 5,
    "basis": 2,
    "dropout": 0.5,
    "use_context": False,
    "context_dropout": 0.1,
    "position_loss": "squared",
    "huber_delta_yards": 0.1,
    "velocity_loss_weight": 2.0,
}


def first_loss(settings: ModelSettings, tensors: PlayTensors) -> float:
    torch.manual_seed(0)
    module = TrajectoryModule(settings)
    module.log_dict = lambda *args, **kwargs: None  # type: ignore[method-assign]
    with torch.no_grad():
        module.network.decoder[-1].weight.normal_()  # type: ignore[operator]
    return float(module.training_step(as_tensors(tensors.pad(np.arange(len(tensors)))), 0).detach())


@pytest.mark.parametrize("name", list(ModelSettings.model_fields))
def test_every_model_setting_has_an_effect(tensors: PlayTensors, name: str) -> None:
    changed = SMALL.model_copy(update={name: CHANGES[name]})
    assert getattr(changed, name) != getattr(SMALL, name)
    assert first_loss(changed, tensors) != first_loss(SMALL, tensors)


def test_layers_are_built_at_once_and_all_are_trained(tensors: PlayTensors) -> None:
    torch.manual_seed(0)
    module = TrajectoryModule(SMALL)
    module.log_dict = lambda *args, **kwargs: None  # type: ignore[method-assign]
    names = [name for name, _ in module.named_parameters()]
    module.training_step(as_tensors(tensors.pad(np.arange(len(tensors)))), 0).backward()
    assert names == [name for name, _ in module.named_parameters()]
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        # the softmax over frames does not see a shift of all scores
        assert parameter.grad.abs().max() > 0 or name == "network.temporal.score.bias", name


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_are_complete_and_refuse_unknown_names(preset: str) -> None:
    settings = resolve_preset(preset_path(preset), sections=SECTIONS)
    assert set(settings) == {"training", "model", "data"}
    with pytest.raises(BadSpecError, match="unknown setting"):
        resolve_preset(preset_path(preset), ["model.hiden_dim=8"], sections=SECTIONS)
    with pytest.raises(BadSpecError, match="does not divide"):
        resolve_preset(preset_path(preset), ["model.heads=5"], sections=SECTIONS)


@pytest.mark.parametrize("starts", [(0,), (11,), (2, 2)])
def test_impossible_earlier_starts_are_refused(starts: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="earlier_starts_frames"):
        DataSettings(earlier_starts_frames=starts)


def spec_of(folder: Path, settings: dict[str, Any], weeks: int = 2) -> TrainingSpec:
    inputs = []
    games: list[int] = []
    for week in range(1, weeks + 1):
        path = folder / f"w{week}"
        path.mkdir()
        made = plays(12, seed=week)
        made = replace(made, game_id=made.game_id + 100 * week)
        made.save(path / "tensors.safetensors")
        games += sorted({int(game) for game in made.game_id})
        inputs.append(SpecInput(key="nfl/play_tensors", partition=f"2023-w{week:02d}", version="v", path=str(path)))
    split = Split("hash", train=tuple(games[0::3]), valid=tuple(games[1::3]), test=tuple(games[2::3]))
    split.save(folder / "split.json")
    inputs.append(SpecInput(key="nfl/split", version="v", path=str(folder)))
    return TrainingSpec(
        line="nfl",
        model="test",
        builder="sport_assets.nfl.models:build",
        settings=settings,
        inputs=tuple(inputs),
    )


def test_build_takes_each_side_from_the_split(tmp_path: Path) -> None:
    spec = spec_of(tmp_path, {"data": {"mirror": False}})
    job = build(spec)
    split = json.loads((tmp_path / "split.json").read_text())
    assert isinstance(job.train, models.TorchPlays) and isinstance(job.valid, models.TorchPlays)
    assert set(job.train.source.tensors.game_id) == set(split["train"])
    assert set(job.valid.source.tensors.game_id) == set(split["valid"])


@pytest.mark.parametrize(
    ("name", "value", "samples"),
    [("mirror", True, 2.0), ("earlier_starts_frames", [1, 2], 3.0)],
)
def test_every_data_setting_has_an_effect(tmp_path: Path, name: str, value: Any, samples: float) -> None:
    assert set(DataSettings.model_fields) == {"mirror", "earlier_starts_frames", "weeks"}, "weeks chooses the inputs"
    for case in ("plain", "changed"):
        (tmp_path / case).mkdir()
    plain = build(spec_of(tmp_path / "plain", {"data": {"mirror": False}}))
    changed = build(spec_of(tmp_path / "changed", {"data": {"mirror": False, name: value}}))
    assert len(changed.train) == samples * len(plain.train)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"model": {"hidden": 3}}, "hidden"),
        ({"data": {"weeks": "some"}}, "weeks"),
        ({"modell": {}}, "unknown sections"),
    ],
)
def test_wrong_settings_are_refused(tmp_path: Path, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(BadSpecError, match=message):
        build(spec_of(tmp_path, settings))


def test_validation_logs_the_metrics_of_the_whole_side(tensors: PlayTensors) -> None:
    torch.manual_seed(0)
    module = TrajectoryModule(SMALL).eval()
    logged: dict[str, torch.Tensor] = {}
    module.log_dict = lambda named, **kwargs: logged.update(named)  # type: ignore[method-assign]
    module._trainer = type("Alone", (), {"world_size": 1})()
    batch = tensors.pad(np.arange(len(tensors)))
    with torch.no_grad():
        prediction = module(as_tensors(batch)).numpy()
        module.on_validation_epoch_start()
        for part in (np.array([0, 1, 2, 3]), np.array([4, 5])):
            module.validation_step(as_tensors(tensors.pad(part)), 0)
        module.on_validation_epoch_end()
    wanted = metrics.summarise(metrics.play_errors(prediction, batch["target"], batch["target_mask"]))
    assert {name: float(value) for name, value in logged.items()} == pytest.approx(
        {f"val_{name}": float(value) for name, value in wanted.items()}, rel=1e-4
    )


def test_edges_from_a_player_to_himself_are_zero(tensors: PlayTensors) -> None:
    given = as_tensors(tensors.pad(np.arange(2)))
    position, velocity = given["history"][:, :, -1, :2], given["history"][:, :, -1, 2:4]
    edges = TrajectoryNetwork._edges(position, velocity, position + 1.0, given["player"])
    assert edges.shape[-1] == EDGE_FEATURES
    assert (torch.diagonal(edges, dim1=1, dim2=2) == 0).all()
    assert edges.abs().amax((0, 1, 2)).min() > 0


@pytest.mark.slow
def test_two_processes_train_as_one(tmp_path: Path) -> None:
    """The real builder under DDP: the same numbers on both ranks, and those of one process on the same weights."""
    training = {"max_epochs": 2, "batch_size": 4, "strategy": "ddp", "devices": 2, "save_last": True}
    plain = spec_of(tmp_path, {"training": training, "model": SMALL.model_dump(mode="json")})
    spec = plain.model_copy(update={"builder": "sport_assets_tests.nfl.several_processes:build"})
    spec.save(tmp_path / "spec.json")
    command = [sys.executable, "-m", "sport_assets.training.run", "spec.json", "--trackers", "none"]
    done = subprocess.run(
        [*command, "--work", "work", "--out", "out"],
        cwd=tmp_path,
        env={**os.environ, TRACE_VARIABLE: str(tmp_path), "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    first, second = (json.loads((tmp_path / f"rank{rank}.json").read_text()) for rank in (0, 1))
    assert first["metrics"] == second["metrics"]
    assert first["weights"] == second["weights"]

    job = build(plain)
    assert isinstance(job.valid, models.TorchPlays)
    epochs = 2
    assert first["validated"] and second["validated"]
    assert sorted(first["validated"] + second["validated"]) == sorted([*range(len(job.valid))] * epochs)

    (tmp_path / "last").mkdir()
    (tmp_path / "out" / "weights_last.safetensors").rename(tmp_path / "last" / "weights.safetensors")
    (tmp_path / "out" / "settings.json").rename(tmp_path / "last" / "settings.json")
    module = models.load(tmp_path / "last")
    batch = job.valid.source.batch(np.arange(len(job.valid)))
    with torch.no_grad():
        prediction = module(as_tensors(batch)).numpy()
    alone = metrics.summarise(metrics.play_errors(prediction, batch["target"], batch["target_mask"]))
    for name, value in alone.items():
        assert first["metrics"][f"val_{name}"] == pytest.approx(float(value), rel=1e-5), name
