"""Fixtures of the NFL line's model tests: two made-up weeks, a split, and a checkpoint folder."""

import json
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest

from sport_assets.nfl.split import Split
from sport_assets_tests.nfl.example import plays


class Chain(NamedTuple):
    """What evaluation and export are called with."""

    checkpoint: Path
    split: Path
    samples: dict[str, Path]


def untrained(
    folder: Path, part: str, weeks: tuple[str, ...] = ("2023-w01", "2023-w02"), *, seed: int = 0, **data: str
) -> None:
    """Write a checkpoint folder of a small model that learned nothing, as if it were trained on a part of the data.

    data: settings of the section `data`.
    """
    import torch

    from sport_assets.nfl.models import TENSORS_KEY, TrajectoryModule
    from sport_assets.nfl.settings import ModelSettings
    from sport_assets.training.checkpoints import SPEC, WEIGHTS, save_weights

    folder.mkdir(parents=True)
    settings = ModelSettings(hidden_dim=16, temporal_dim=8)
    torch.manual_seed(seed)
    save_weights(TrajectoryModule(settings), folder / WEIGHTS)
    content = {"model": settings.model_dump(mode="json"), "data": data, "training": {"max_epochs": 1}}
    (folder / "settings.json").write_text(json.dumps(content))
    inputs = [{"key": TENSORS_KEY, "partition": week, "version": "0" * 64} for week in weeks]
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
    untrained(checkpoint, "split", tuple(samples))
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
