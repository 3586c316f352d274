"""The search over the NFL line's settings: every name and range is the line's own, and no test game is ever read."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sport_assets.nfl import models
from sport_assets.nfl.batches import PlaySource
from sport_assets.nfl.settings import PRESETS, resolve
from sport_assets.nfl.split import Split
from sport_assets.nfl.tensors import PlayTensors
from sport_assets.nfl.tuning import build, folds, space
from sport_assets.training.errors import BadSpecError, NonFiniteLossError
from sport_assets.training.job import build_job
from sport_assets.training.names import TUNING_FILE
from sport_assets.training.progress import SilentReporter
from sport_assets.training.resume import StopRequest
from sport_assets.training.spec import SpecInput, TrainingSpec
from sport_assets.training.tune import FoldTrainer
from sport_assets.training.tuning import Search, TuningPlan
from sport_assets.training.tuning_result import result_files
from sport_assets.training.tuning_space import Range, dotted, fitted_space, read_space
from sport_assets_tests.nfl.example import plays


def corners(range_: Range) -> list[Any]:
    return list(range_.choices) or [range_.low, range_.high]


@pytest.mark.parametrize("preset", PRESETS)
def test_every_value_that_may_be_proposed_is_a_setting_of_the_line(preset: str) -> None:
    settings = resolve({"preset": preset}, {})
    searched = fitted_space(read_space(space(settings)), settings)
    assert len(searched) >= 8
    for name, range_ in searched.items():
        for value in corners(range_):
            value = int(value) if range_.kind == "int" else value
            assert dotted(resolve({"preset": preset}, {name: value}))[name] == value
    assert ("model.modes" in searched) == bool(settings["model"]["modes"])


def test_no_fewer_epochs_are_proposed_than_the_preset_allows() -> None:
    settings = resolve({"preset": "production"}, {"training.max_epochs": 90, "training.min_epochs": 80})
    epochs = read_space(space(settings))["training.max_epochs"]
    assert (epochs.low, epochs.high) == (80, 160)


POISON = np.float32(1e12)


def poisoned(made: PlayTensors, games: tuple[int, ...]) -> PlayTensors:
    """The plays with absurd numbers for all that is known of the given games' plays: whoever reads one shows it."""
    history, target, about = made.history.copy(), made.target.copy(), made.play.copy()
    for play in np.nonzero(np.isin(made.game_id, games))[0]:
        rows = slice(made.play_offset[play], made.play_offset[play + 1])
        history[rows] = POISON
        target[made.target_offset[rows.start] : made.target_offset[rows.stop]] = POISON
        about[play] = POISON
    return replace(made, history=history, target=target, play=about)


def spec_of(folder: Path, leak: bool = False) -> TrainingSpec:
    """Two weeks of 24 plays in 12 games each, whose test games are poisoned; `leak` puts one of them in a fold."""
    weeks = {}
    games: list[int] = []
    for week in (1, 2):
        made = plays(24, seed=week)
        weeks[f"2023-w0{week}"] = made = replace(made, game_id=made.game_id + 100 * week)
        games += sorted({int(game) for game in made.game_id})
    train, valid, test = tuple(games[0::3]), tuple(games[1::3]), tuple(games[2::3])
    learning = sorted(train + valid)
    held_out = [tuple(learning[number::3]) for number in range(3)]
    if leak:
        held_out[1] += test[:1]
    parts = tuple((tuple(sorted(set(learning) - set(out))), out) for out in held_out)
    Split("hash", train=train, valid=valid, test=test, tuning_folds=parts).save(folder / "split.json")
    inputs = [SpecInput(key="nfl/split", version="v", path=str(folder))]
    for name, made in weeks.items():
        (folder / name).mkdir()
        poisoned(made, test).save(folder / name / "tensors.safetensors")
        inputs.append(SpecInput(key="nfl/play_tensors", partition=name, version="v", path=str(folder / name)))
    small = {"training.max_epochs": 2, "training.min_epochs": 1, "model.hidden_dim": 8, "model.temporal_dim": 8}
    return TrainingSpec(
        line="nfl",
        model="tuning sanity",
        builder="sport_assets.nfl.tuning:build",
        settings=resolve({"preset": "sanity"}, small),
        inputs=tuple(inputs),
        part="tuning:0",
    )


def test_a_search_never_reads_a_test_game(tmp_path: Path) -> None:
    spec = spec_of(tmp_path)
    silent, stop = SilentReporter(), StopRequest()
    everything = models.build(spec.model_copy(update={"part": "all"}))
    assert everything.train.batch(np.arange(len(everything.train)))["target"].max() > 1e11
    ranges = {name: space(spec.settings)[name] for name in ("training.learning_rate", "model.dropout")}
    number, check = folds(tmp_path)
    assert (number, check.passed, check.checked) == (3, True, 16)
    plan = TuningPlan(preset="sanity", spec=spec, space=read_space(ranges), folds=number, trials=2)
    trainer = FoldTrainer(plan, silent, stop)
    losses: list[float] = []

    def train(spec: TrainingSpec, work: Path, half: Callable[[float], None]) -> tuple[str, float, list[dict[str, Any]]]:
        metric, value, rows = trainer(spec, work, half)
        losses.extend(row["train_loss"] for row in rows)
        return metric, value, rows

    search = Search(plan, tmp_path / "study", silent, stop, train)
    best = json.loads(result_files(plan, search.study, search.run(), search.metric)[TUNING_FILE])
    assert best["metric"] == "val_ade" and best["trials"]["complete"] == 2
    assert all(0 < value < 50 for value in [*best["fold_values"], *best["baseline_fold_values"]])
    assert len(losses) == 12 and all(0 < loss < 50 for loss in losses)
    # the poison is deadly to whoever reads it
    leaking = spec.model_copy(update={"builder": f"{__name__}:leaky"})
    with pytest.raises(NonFiniteLossError, match="val_ade is nan"):
        trainer(leaking, tmp_path / "0" / "leak", lambda value: None)


def leaky(spec: TrainingSpec) -> Any:
    """A builder that validates on test games."""
    split = Split.load(spec.input_path(models.SPLIT_KEY) / "split.json")
    job = models.build(spec)
    weeks = [PlayTensors.load(Path(i.path) / "tensors.safetensors") for i in spec.inputs if i.partition and i.path]
    tensors = PlayTensors.concatenate(weeks)
    chosen = np.nonzero(np.isin(tensors.game_id, split.test))[0]
    job.valid = models.TorchPlays(PlaySource(tensors.select(chosen)))
    return job


def test_each_fold_reads_its_games_and_no_others(tmp_path: Path) -> None:
    spec = spec_of(tmp_path)
    split = Split.load(tmp_path / "split.json")
    for number, (train, valid) in enumerate(split.tuning_folds):
        job = build_job(spec.model_copy(update={"part": f"tuning:{number}"}))
        assert isinstance(job.train, models.TorchPlays) and isinstance(job.valid, models.TorchPlays)
        assert set(job.train.source.tensors.game_id) == set(train)
        assert set(job.valid.source.tensors.game_id) == set(valid)
        assert not (set(train) | set(valid)) & set(split.test)


def test_a_leak_is_refused_twice(tmp_path: Path) -> None:
    spec = spec_of(tmp_path, leak=True)
    _, check = folds(tmp_path)
    assert not check.passed and check.blocking and check.rules == {"test_game_in_a_tuning_fold": 1}
    with pytest.raises(BadSpecError, match="test games would be read to tune settings"):
        build(spec.model_copy(update={"part": "tuning:1"}))


@pytest.mark.parametrize("part", ["split", "all", "fold:0"])
def test_other_parts_of_the_data_are_refused(tmp_path: Path, part: str) -> None:
    with pytest.raises(BadSpecError, match="folds for tuning alone"):
        build(spec_of(tmp_path).model_copy(update={"part": part}))
