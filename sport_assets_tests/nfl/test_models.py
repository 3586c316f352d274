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

from sport_assets.nfl import metrics, models
from sport_assets.nfl.models import TrajectoryModule, as_tensors, build
from sport_assets.nfl.settings import PRESETS, SECTIONS, DataSettings, ModelSettings, preset_path
from sport_assets.nfl.split import Split, folds
from sport_assets.nfl.tensors import PlayTensors
from sport_assets.training.errors import BadSpecError
from sport_assets.training.spec import SpecInput, TrainingSpec, resolve_preset
from sport_assets_tests.nfl.example import plays
from sport_assets_tests.nfl.several_processes import TRACE_VARIABLE

SMALL = ModelSettings(hidden_dim=16, temporal_dim=8, dropout=0.0)
# every part of the network in use, so that every setting can show its effect
FULL = SMALL.model_copy(update={"modes": 3})


@pytest.fixture
def tensors() -> PlayTensors:
    return plays()


CHANGES: dict[str, Any] = {
    "hidden_dim": 24,
    "graph_layers": 3,
    "heads": 2,
    "edge_dim": 5,
    "temporal_dim": 12,
    "temporal_layers": 2,
    "past_frames": 5,
    "basis": 2,
    "dropout": 0.5,
    "use_context": False,
    "context_dropout": 0.1,
    "position_loss": "squared",
    "huber_delta_yards": 0.1,
    "velocity_loss_weight": 2.0,
    "acceleration_loss_weight": 0.5,
    "modes": 5,
    "likelihood_loss_weight": 0.7,
    "members": 2,
    "coverage_head": False,
    "coverage_loss_weight": 3.0,
}


def quiet(settings: ModelSettings, data: DataSettings | None = None, labels: int = 4) -> TrajectoryModule:
    """A module whose decoders say something, and that logs nowhere."""
    torch.manual_seed(0)
    module = TrajectoryModule(settings, data)
    module.knows_labels(labels, labels)
    module.log_dict = lambda *args, **kwargs: None  # type: ignore[method-assign]
    with torch.no_grad():
        for member in module.network.members:
            member.decoder[-1].weight.normal_()  # type: ignore[union-attr,index]
    return module


def first_loss(settings: ModelSettings, tensors: PlayTensors, data: DataSettings | None = None) -> float:
    batch = as_tensors(tensors.pad(np.arange(len(tensors))))
    return float(quiet(settings, data).training_step(batch, 0).detach())


@pytest.mark.parametrize("name", list(ModelSettings.model_fields))
def test_every_model_setting_has_an_effect(tensors: PlayTensors, name: str) -> None:
    changed = FULL.model_copy(update={name: CHANGES[name]})
    assert getattr(changed, name) != getattr(FULL, name)
    assert first_loss(changed, tensors) != first_loss(FULL, tensors)


@pytest.mark.parametrize("name", ["position_noise_yards", "velocity_noise_yards_s", "rotation_degrees"])
def test_variation_changes_training_and_nothing_else(tensors: PlayTensors, name: str) -> None:
    varied = DataSettings.model_validate({name: 0.3})
    assert first_loss(SMALL, tensors, varied) != first_loss(SMALL, tensors)
    batch = as_tensors(tensors.pad(np.arange(len(tensors))))
    with torch.no_grad():
        assert torch.equal(quiet(SMALL, varied).eval()(batch)["positions"], quiet(SMALL).eval()(batch)["positions"])


@pytest.mark.parametrize("settings", [SMALL, FULL, FULL.model_copy(update={"members": 2})])
def test_layers_are_built_at_once_and_all_are_trained(tensors: PlayTensors, settings: ModelSettings) -> None:
    torch.manual_seed(0)
    module = TrajectoryModule(settings)
    module.log_dict = lambda *args, **kwargs: None  # type: ignore[method-assign]
    names = [name for name, _ in module.named_parameters()]
    module.training_step(as_tensors(tensors.pad(np.arange(len(tensors)))), 0).backward()
    assert names == [name for name, _ in module.named_parameters()]
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        # the softmax over speakers does not see a shift of all keys
        assert parameter.grad.abs().max() > 0 or name.endswith("attention.key.bias"), name


def test_the_parts_of_the_loss_are_logged_by_name(tensors: PlayTensors) -> None:
    logged: dict[str, torch.Tensor] = {}
    module = quiet(FULL)
    module.log_dict = lambda named, **kwargs: logged.update(named)  # type: ignore[method-assign]
    batch = as_tensors(tensors.pad(np.arange(len(tensors))))
    loss = module.training_step(batch, 0)
    assert set(logged) == {f"train_{part}" for part in ("loss", "pos_loss", "vel_loss", "acc_loss", "nll", "cov_loss")}
    weights = {
        "pos_loss": 1.0,
        "vel_loss": FULL.velocity_loss_weight,
        "acc_loss": FULL.acceleration_loss_weight,
        "nll": FULL.likelihood_loss_weight,
        "cov_loss": FULL.coverage_loss_weight,
    }
    whole = sum(weight * float(logged[f"train_{part}"].detach()) for part, weight in weights.items())
    assert float(loss.detach()) == pytest.approx(whole, rel=1e-5)
    module.knows_labels(0, 0)
    logged.clear()
    module.training_step(batch, 0)
    assert "train_cov_loss" not in logged, "without labels it is no number to show"


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
    train, valid, test = (tuple(games[side::3]) for side in range(3))
    split = Split(
        "hash",
        train=train,
        valid=valid,
        test=test,
        folds=tuple(folds(games, 3)),
        tuning_folds=tuple(folds([*train, *valid], 2)),
    )
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


def test_build_takes_each_part_of_the_split(tmp_path: Path) -> None:
    spec = spec_of(tmp_path, {"data": {"mirror": False}})
    split = Split.load(tmp_path / "split.json")

    def games(part: str) -> list[set[int]]:
        job = build(spec.model_copy(update={"part": part}))
        sides = [side for side in (job.train, job.valid) if side is not None]
        return [set(side.source.tensors.game_id) for side in sides if isinstance(side, models.TorchPlays)]

    assert games("fold:1") == [set(side) for side in split.folds[1]]
    assert games("tuning:0") == [set(side) for side in split.tuning_folds[0]]
    assert not set().union(*games("tuning:1")) & set(split.test), "tuning never sees a test game"
    assert games("all") == [{*split.train, *split.valid, *split.test}], "no validation"
    with pytest.raises(BadSpecError, match="3 folds"):
        build(spec.model_copy(update={"part": "fold:3"}))


def test_a_fold_without_plays_in_the_chosen_weeks_has_no_curve_of_validation(tmp_path: Path) -> None:
    spec = spec_of(tmp_path, {})
    split = Split.load(tmp_path / "split.json")
    held_out = tuple(game for game in split.folds[0][0] if game < 2023090700 + 200)
    rest = tuple(game for game in {*split.folds[0][0], *split.folds[0][1]} if game not in held_out)
    replace(split, folds=((rest, held_out), split.folds[1])).save(tmp_path / "split.json")
    second_week = spec.model_copy(update={"part": "fold:0", "inputs": spec.inputs[1:]})
    assert build(second_week).valid is None
    with pytest.raises(BadSpecError, match="training side"):
        replace(split, folds=((held_out, rest),)).save(tmp_path / "split.json")
        build(second_week)


@pytest.mark.parametrize(
    ("name", "value", "samples"),
    [("mirror", True, 2.0), ("earlier_starts_frames", [1, 2], 3.0)],
)
def test_every_data_setting_has_an_effect(tmp_path: Path, name: str, value: Any, samples: float) -> None:
    elsewhere = {"weeks", "evaluate_by", "rotation_degrees", "position_noise_yards", "velocity_noise_yards_s"}
    assert set(DataSettings.model_fields) == {"mirror", "earlier_starts_frames", *elsewhere}, "each has its own test"
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
        prediction = module(as_tensors(batch))["positions"].numpy()
        module.on_validation_epoch_start()
        for part in (np.array([0, 1, 2, 3]), np.array([4, 5])):
            module.validation_step(as_tensors(tensors.pad(part)), 0)
        module.on_validation_epoch_end()
    wanted = metrics.summarise(metrics.play_errors(prediction, batch["target"], batch["target_mask"]))
    assert {name: float(value) for name, value in logged.items()} == pytest.approx(
        {f"val_{name}": float(value) for name, value in wanted.items()}, rel=1e-4
    )


def validate(module: TrajectoryModule, tensors: PlayTensors, parts: list[np.ndarray]) -> dict[str, float]:
    logged: dict[str, torch.Tensor] = {}
    module.log_dict = lambda named, **kwargs: logged.update(named)  # type: ignore[method-assign]
    module._trainer = type("Alone", (), {"world_size": 1})()
    with torch.no_grad():
        module.on_validation_epoch_start()
        for part in parts:
            module.validation_step(as_tensors(tensors.pad(part)), 0)
        module.on_validation_epoch_end()
    return {name: float(value) for name, value in logged.items()}


def test_validation_of_modes_and_coverage_is_that_of_the_whole_side(tensors: PlayTensors) -> None:
    module = quiet(FULL).eval()
    found = validate(module, tensors, [np.array([0, 1, 2, 3]), np.array([4, 5])])
    batch = as_tensors(tensors.pad(np.arange(len(tensors))))
    with torch.no_grad():
        said = module(batch)
    mask, target = batch["target_mask"], batch["target"]
    mixture = torch.distributions.MixtureSameFamily(
        torch.distributions.Categorical(said["mode_probability"][:, :, None].expand(-1, -1, mask.shape[2], -1)),
        torch.distributions.Independent(
            torch.distributions.Normal(said["modes"].transpose(2, 3), said["mode_scale"].transpose(2, 3)), 1
        ),
    )
    assert found["val_nll"] == pytest.approx(float(-mixture.log_prob(target)[mask].mean()), rel=1e-4)
    paths = (said["modes"] - target[:, :, None]).norm(dim=-1) * mask[:, :, None]
    assert found["val_min_ade"] == pytest.approx(float(paths.sum(-1).amin(-1).sum() / mask.sum()), rel=1e-4)
    known = batch["coverage"] >= 0
    right = ((said["man_probability"] > 0.5) == (batch["coverage"] == 1))[known].float().mean()
    assert found["val_cov_acc"] == pytest.approx(float(right))
    cross_entropy = torch.nn.functional.binary_cross_entropy(
        said["man_probability"][known], batch["coverage"][known].float()
    )
    assert found["val_cov_loss"] == pytest.approx(float(cross_entropy), rel=1e-4)


def test_without_labels_nothing_is_said_of_coverage(tensors: PlayTensors) -> None:
    module = quiet(SMALL, labels=0).eval()
    assert module.network.outputs == ("positions",)
    assert "val_cov_acc" not in validate(module, tensors, [np.arange(len(tensors))])


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
        prediction = module(as_tensors(batch))["positions"].numpy()
    alone = metrics.summarise(metrics.play_errors(prediction, batch["target"], batch["target_mask"]))
    for name, value in alone.items():
        assert first["metrics"][f"val_{name}"] == pytest.approx(float(value), rel=1e-5), name
