"""Cricket models as training jobs: they learn, their figures are those of the balls, and their weights say whose."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from sport_assets.cricket.batches import EntityTable, InningsSource
from sport_assets.cricket.features import mean_and_deviation, table
from sport_assets.cricket.innings import Innings
from sport_assets.cricket.models import (
    OutcomeModule,
    TorchInnings,
    build,
    job,
    latest,
    load,
    matches_of,
)
from sport_assets.cricket.settings import ModelSettings, resolve
from sport_assets.training.errors import BadSpecError
from sport_assets.training.spec import SpecInput, TrainingSpec
from sport_assets_tests.cricket import several_matches
from sport_assets_tests.cricket.innings_example import settings


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Innings:
    return several_matches.innings(tmp_path_factory.mktemp("matches"), matches=8)


def module(made: Innings, model: ModelSettings) -> tuple[OutcomeModule, TorchInnings]:
    torch.manual_seed(0)
    entities = EntityTable.of(made)
    source = InningsSource(made, table(made), entities)
    found = OutcomeModule(model, entities)
    found.learn_scales(source)
    found.log = lambda *args, **kwargs: None  # type: ignore[method-assign]
    return found, TorchInnings(source)


def test_it_learns_a_batch_by_heart(made: Innings) -> None:
    found, source = module(made, settings("full", hidden_dim=32, layers=2, dropout=0.0, unknown_share=0.0))
    batch = source.batch(np.arange(4))
    optimizer = torch.optim.AdamW(found.parameters(), lr=5e-3)
    losses = []
    for step in range(60):
        loss = found.training_step(batch, step)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[0] < 2.2
    assert losses[-1] < 0.6 * losses[0]


def test_before_training_it_says_about_what_the_base_rates_say(made: Innings) -> None:
    found, source = module(made, settings("base"))
    batch = source.batch(np.arange(len(source)))
    with torch.no_grad():
        loss = found.eval().training_step(batch, 0)
    assert abs(float(loss) - math.log(7)) < 0.4


def test_mean_and_deviation_are_those_of_all_rows_however_they_are_cut() -> None:
    features = np.random.default_rng(0).normal(5.0, 3.0, size=(1003, 4)).astype(np.float32)
    for rows in (7, 1003, 5000):
        mean, scale = mean_and_deviation(features, rows)
        np.testing.assert_allclose(mean, features.astype(np.float64).mean(0), rtol=1e-12)
        np.testing.assert_allclose(scale, features.astype(np.float64).std(0), rtol=1e-12)


@pytest.mark.parametrize("changes", [{}, {"loss": "focal", "class_weights": "balanced"}])
def test_each_member_learns_as_if_it_were_alone(made: Innings, changes: dict[str, Any]) -> None:
    still = {"dropout": 0.0, "unknown_share": 0.0, **changes}
    both, source = module(made, settings("full", members=2, **still))
    batch = source.batch(np.arange(4))
    loss = both.training_step(batch, 0)
    loss.backward()
    losses = []
    for member in both.network.networks:
        one, _ = module(made, settings("full", **still))
        alone = one.network.networks[0]
        assert torch.equal(alone.feature_mean, member.feature_mean) and alone.feature_mean.abs().max() > 0
        assert torch.equal(alone.feature_scale, member.feature_scale)
        alone.load_state_dict(member.state_dict())
        own = one.training_step(batch, 0)
        own.backward()
        losses.append(own.detach())
        wanted, found = ({name: each.grad for name, each in m.named_parameters()} for m in (alone, member))
        assert wanted.keys() == found.keys()
        for name, gradient in wanted.items():
            assert (gradient is None) == (found[name] is None), name
            if gradient is not None:
                torch.testing.assert_close(found[name], gradient / 2, atol=1e-7, rtol=1e-4)
    assert losses[0] != losses[1], "members start from different weights"
    torch.testing.assert_close(loss.detach(), torch.stack(losses).mean())


def test_members_learn_to_the_same_bits_again(made: Innings) -> None:
    trained = []
    for _ in range(2):
        found, source = module(made, settings("full", members=2))
        optimizer = torch.optim.AdamW(found.parameters(), lr=5e-3)
        for step in range(3):
            optimizer.zero_grad()
            found.training_step(source.batch(np.arange(4)), step).backward()
            optimizer.step()
        trained.append(found.state_dict())
    assert all(torch.equal(value, trained[1][name]) for name, value in trained[0].items())


@pytest.mark.parametrize(
    "changes", [{"loss": "focal"}, {"loss": "focal", "focal_gamma": 0.5}, {"class_weights": "balanced"}]
)
def test_the_loss_is_a_choice(made: Innings, changes: dict[str, Any]) -> None:
    plain, source = module(made, settings("base"))
    other, _ = module(made, settings("base", **changes))
    batch = source.batch(np.arange(4))
    with torch.no_grad():
        first, second = (float(each.eval().training_step(batch, 0)) for each in (plain, other))
        same, _ = module(made, settings("base", loss="focal", focal_gamma=0.0))
        assert float(same.eval().training_step(batch, 0)) == pytest.approx(first, abs=1e-6)
    assert abs(first - second) > 1e-3


@pytest.mark.parametrize("members", [1, 2])
def test_validation_counts_every_ball_once_however_it_is_cut(made: Innings, members: int) -> None:
    found, source = module(made, settings("base", members=members))
    found.eval()
    whole: list[dict[str, float]] = []
    found.log_dict = lambda named, **_: whole.append({k: float(v) for k, v in named.items()})  # type: ignore
    found._trainer = type("Trainer", (), {"world_size": 1})()
    for cut in (2, 5, len(source)):
        found.on_validation_epoch_start()
        for number, chosen in enumerate(np.array_split(np.arange(len(source)), cut)):
            with torch.no_grad():
                found.validation_step(source.batch(chosen), number)
        found.on_validation_epoch_end()
    assert whole[0] == pytest.approx(whole[1], abs=1e-6)
    assert whole[0] == pytest.approx(whole[2], abs=1e-6)
    batch = source.batch(np.arange(len(source)))
    known = batch["outcome"] >= 0
    with torch.no_grad():
        slow = torch.nn.functional.cross_entropy(found(batch)[known], batch["outcome"][known])
    assert whole[0]["val_log_loss"] == pytest.approx(float(slow), abs=1e-5)


def spec(folder: Path, made: Innings, part: str = "split", overrides: Any = None) -> TrainingSpec:
    """A spec over innings and a split in a folder."""
    made.save(folder)
    matches = made.match_ids
    fold = {"train": matches[2:], "valid": matches[:2]}
    split = {"train": matches[:4], "valid": matches[4:6], "test": matches[6:], "folds": [fold], "tuning_folds": []}
    (folder / "split.json").write_text(json.dumps(split))
    return TrainingSpec(
        line="cricket",
        model="base",
        builder="sport_assets.cricket.models:build",
        settings=resolve({"variant": "base"}, {"model.hidden_dim": 8, "model.layers": 2, **(overrides or {})}),
        inputs=(
            SpecInput(key="cricket/innings", partition="2023", version="a", path=str(folder)),
            SpecInput(key="cricket/split", version="b", path=str(folder)),
        ),
        part=part,
    )


def test_a_job_of_a_spec(tmp_path: Path, made: Innings) -> None:
    found = build(spec(tmp_path, made))
    assert found.monitor == "val_log_loss" and found.mode == "min"
    assert found.identifiers is not None
    sides = {each.side: {row[0] for row in each.rows} for each in found.identifiers.identifiers()}
    assert sides == {"train": set(made.match_ids[:4]), "valid": set(made.match_ids[4:6])}
    trained = made.select(made.match_ids[:4])
    assert isinstance(found.module, OutcomeModule)
    assert found.module.entities == EntityTable.of(trained)
    assert len(found.train) == len(trained.table)
    few = build(spec(tmp_path, made, overrides={"data.latest_matches": 1}))
    assert len(few.train) == 2
    everything = build(spec(tmp_path, made, part="all"))
    assert everything.valid is None and len(everything.train) == len(made.table)
    assert len(build(spec(tmp_path, made, part="fold:0")).train) == len(made.select(made.match_ids[2:]).table)
    with pytest.raises(BadSpecError, match="has 0 folds"):
        build(spec(tmp_path, made, part="tuning:0"))


@pytest.mark.slow
def test_two_processes_validate_as_one(tmp_path: Path, made: Innings) -> None:
    """The real entry point under DDP: the figures that it logs are those of one process on the same weights."""
    several = {"strategy": "ddp", "devices": 2, "max_epochs": 1, "batch_size": 2, "validation_batch_size": 1}
    plain = spec(tmp_path, made, overrides={f"training.{name}": value for name, value in several.items()})
    plain.save(tmp_path / "spec.json")
    command = [sys.executable, "-m", "sport_assets.training.run", "spec.json", "--trackers", "none"]
    done = subprocess.run(
        [*command, "--work", "work", "--out", "out"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "work" / "result.json").read_text())["processes"] == 2
    [logged] = json.loads((tmp_path / "out" / "curves.json").read_text())
    found = build(plain)
    alone = load(tmp_path / "out")
    assert found.valid is not None and len(found.valid) > 2
    told: dict[str, float] = {}
    alone.log_dict = lambda named, **_: told.update({k: float(v) for k, v in named.items()})  # type: ignore
    alone._trainer = type("Trainer", (), {"world_size": 1})()
    alone.on_validation_epoch_start()
    with torch.no_grad():
        alone.validation_step(found.valid.batch(np.arange(len(found.valid))), 0)
    alone.on_validation_epoch_end()
    assert {name: logged[name] for name in told} == pytest.approx(told, rel=1e-5)
    assert set(told) == {"val_log_loss", "val_accuracy", "val_macro_f1"}


def test_weights_say_whose_they_are(tmp_path: Path, made: Innings) -> None:
    found, source = module(made, settings("full"))
    weights = {name: value.contiguous() for name, value in found.state_dict().items()}
    save_file(weights, tmp_path / "weights.safetensors")
    (tmp_path / "settings.json").write_text(json.dumps({"model": found.settings.model_dump(mode="json")}))
    again = load(tmp_path)
    batch = source.batch(np.arange(3))
    with torch.no_grad():
        assert torch.equal(again(batch), found.eval()(batch))
    assert again.entities == found.entities


def test_the_latest_matches_are_by_date(made: Innings) -> None:
    chosen = latest(made, made.match_ids, 3)
    dates = dict(zip(made.table["match_id"], made.table["date"], strict=True))
    assert len(chosen) == 3
    assert min(dates[match] for match in chosen) >= max(dates[m] for m in made.match_ids if m not in chosen)


def test_parts_of_a_split() -> None:
    split = {"train": ["a"], "valid": ["b"], "test": ["c"], "folds": [{"train": ["a", "c"], "valid": ["b"]}]}
    assert matches_of(split, "all") == (["a", "b", "c"], [])
    assert matches_of(split, "fold:0") == (["a", "c"], ["b"])


def test_sides_without_balls_are_refused(made: Innings) -> None:
    with pytest.raises(BadSpecError, match="training side"):
        job(settings("base"), made, table(made), [], [])
    with pytest.raises(BadSpecError, match="validation side"):
        job(settings("base"), made, table(made), made.match_ids, ["elsewhere"])
