"""A cricket model with the files that each step after training reads, made of generated matches in seconds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from sport_assets.cricket import features
from sport_assets.cricket.baseline_forecasts import write_baselines
from sport_assets.cricket.innings import Innings
from sport_assets.cricket.models import OutcomeModule, job
from sport_assets.cricket.player_history import write_history
from sport_assets.cricket.settings import ModelSettings, resolve
from sport_assets.cricket.split import Split, make_split
from sport_assets.training.checkpoints import json_bytes, save_weights
from sport_assets_tests.cricket import several_matches


@dataclass(frozen=True)
class Files:
    """Folders of each asset, by its name, and what lies in them."""

    innings: Innings
    split: Split
    checkpoint: Path
    samples: dict[str, Path]
    split_file: Path
    player_history: Path
    baselines: Path
    module: OutcomeModule


def files(root: Path, *, matches: int = 40, variant: str = "full", trees: bool = True, **model: Any) -> Files:
    """Generated matches with a network of random weights, split by date into three sides."""
    made = several_matches.innings(root / "raw", matches=matches)
    dates = sorted(made.table["date"].unique())
    split = make_split(
        made.table.select("match_id", "date"), valid_from=dates[len(dates) * 6 // 10], test_from=dates[-len(dates) // 5]
    )
    folders = {name: root / name for name in ("innings", "split", "player_history", "baselines", "checkpoint")}
    for folder in folders.values():
        folder.mkdir()
    made.save(folders["innings"])
    split.save(folders["split"] / "split.json")
    samples = {"all": folders["innings"]}
    write_history(samples, folders["player_history"])
    write_baselines(folders["split"], samples, folders["player_history"], folders["baselines"], trees=trees)
    settings = resolve({"variant": variant}, {f"model.{name}": v for name, v in {**SMALL, **model}.items()})
    torch.manual_seed(0)
    module = job(
        ModelSettings.model_validate(settings["model"]), made, features.table(made), split.train, split.valid
    ).module
    assert isinstance(module, OutcomeModule)
    save_weights(module, folders["checkpoint"] / "weights.safetensors")
    (folders["checkpoint"] / "settings.json").write_bytes(json_bytes(settings))
    return Files(
        made,
        split,
        folders["checkpoint"],
        samples,
        folders["split"] / "split.json",
        folders["player_history"],
        folders["baselines"],
        module.eval(),
    )


SMALL: dict[str, Any] = {"hidden_dim": 16, "layers": 2}
