"""Fixtures of the NFL line's model tests: two made-up weeks, a split, and a checkpoint folder."""

import json
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest

from sport_assets.nfl.split import Split, folds
from sport_assets_tests.nfl.example import plays


class Chain(NamedTuple):
    """What evaluation and export are called with."""

    checkpoint: Path
    split: Path
    samples: dict[str, Path]


def untrained(folder: Path, part: str, *, seed: int = 0, modes: int = 0, coverage_labels: int = 0, **data: str) -> None:
    """Write a checkpoint folder of a small model that learned nothing, as if it were trained on a part of the data.

    modes, coverage_labels: of the model; data: settings of the section `data`.
    """
    import torch

    from sport_assets.nfl.models import TENSORS_KEY, TrajectoryModule
    from sport_assets.nfl.settings import ModelSettings
    from sport_assets.training.checkpoints import SPEC, WEIGHTS, save_weights

    folder.mkdir(parents=True)
    settings = ModelSettings(hidden_dim=16, temporal_dim=8, modes=modes)
    torch.manual_seed(seed)
    module = TrajectoryModule(settings)
    module.network.count_labels(coverage_labels)
    save_weights(module, folder / WEIGHTS)
    content = {"model": settings.model_dump(mode="json"), "data": data, "training": {"max_epochs": 1}}
    (folder / "settings.json").write_text(json.dumps(content))
    inputs = [{"key": TENSORS_KEY, "partition": week, "version": "0" * 64} for week in ("2023-w01", "2023-w02")]
    (folder / SPEC).write_text(json.dumps({"part": part, "seed": 0, "settings": content, "inputs": inputs}))


@pytest.fixture(scope="session")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    """Weeks 2023-w01 and w02 of 24 plays each, a third of the games on each side, an untrained small model."""
    folder = tmp_path_factory.mktemp("chain")
    games: list[int] = []
    samples = {}
    for week in (1, 2):
        made = plays(24, seed=week)
        made = replace(made, game_id=made.game_id + 100 * week)
        samples[f"2023-w0{week}"] = folder / f"w{week}"
        samples[f"2023-w0{week}"].mkdir()
        made.save(folder / f"w{week}" / "tensors.safetensors")
        games += sorted({int(game) for game in made.game_id})
    split = Split("hash", train=tuple(games[0::3]), valid=tuple(games[1::3]), test=tuple(games[2::3]))
    split.save(folder / "split.json")
    checkpoint = folder / "checkpoint"
    untrained(checkpoint, "split")
    return Chain(checkpoint, folder / "split.json", samples)


@pytest.fixture(scope="session")
def exported(chain: Chain, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the chain's exported model, whose check has passed."""
    from sport_assets.nfl.export import export

    out = tmp_path_factory.mktemp("exported")
    _, (check,) = export(*chain, out)
    assert check.passed and check.blocking and check.name == "parity"
    assert check.metadata["max_abs_error_yards"] < 1e-4
    return out


FOLDS = 3


@pytest.fixture(scope="session")
def folded(chain: Chain, tmp_path_factory: pytest.TempPathFactory) -> Chain:
    """The chain's data, its games dealt into folds, and a checkpoint with modes and coverage, other for each fold."""
    folder = tmp_path_factory.mktemp("folded")
    split = Split.load(chain.split)
    dealt = folds(split.train + split.valid + split.test, FOLDS)
    replace(split, folds=tuple(dealt)).save(folder / "split.json")
    for number in range(-1, FOLDS):
        place, part = ("", "all") if number < 0 else (f"fold_{number}", f"fold:{number}")
        untrained(folder / "checkpoint" / place, part, seed=number + 1, modes=3, coverage_labels=9, evaluate_by="folds")
    return Chain(folder / "checkpoint", folder / "split.json", chain.samples)


@pytest.fixture(scope="session")
def evaluated(chain: Chain, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The evaluation folder of the chain: by hold-out, without modes."""
    return _evaluate(chain, tmp_path_factory.mktemp("evaluation"))


@pytest.fixture(scope="session")
def evaluated_by_folds(folded: Chain, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The evaluation folder of the folded chain: with modes and coverage."""
    return _evaluate(folded, tmp_path_factory.mktemp("evaluation_by_folds"))


def _evaluate(chain: Chain, out: Path) -> Path:
    from sport_assets.nfl.evaluation import evaluate

    evaluate(*chain, out, resamples=50)
    return out


@pytest.fixture(scope="session")
def exported_by_folds(folded: Chain, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the folded chain's exported model, with modes and coverage."""
    from sport_assets.nfl.export import export

    out = tmp_path_factory.mktemp("exported_by_folds")
    _, (check,) = export(*folded, out)
    assert check.passed
    return out
