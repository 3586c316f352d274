"""Exported models of generated matches for tests: small, untrained or trained for seconds."""

from __future__ import annotations

import json
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from sport_assets.cricket import player_history
from sport_assets.cricket.batches import EntityTable, InningsSource
from sport_assets.cricket.calibration import CALIBRATION_FILE, Calibration
from sport_assets.cricket.export import export
from sport_assets.cricket.features import table
from sport_assets.cricket.innings import Innings
from sport_assets.cricket.models import OutcomeModule, TorchInnings
from sport_assets.cricket.split import make_split
from sport_assets.training.checkpoints import WEIGHTS, save_weights
from sport_assets.training.names import SPLIT_FILE
from sport_assets_tests.cricket import several_matches
from sport_assets_tests.cricket.innings_example import settings

MATCHES, SEED = 40, 3


class Chain(NamedTuple):
    """What export is called with, and where it wrote."""

    checkpoint: Path
    split: Path
    samples: dict[str, Path]
    evaluation: Path
    player_history: Path
    out: Path
    raw: Path
    """Folder of the match files."""

    @property
    def model(self) -> Path:
        """The exported file."""
        return self.out / "model.onnx"

    def export(self, out: Path) -> None:
        """Export once more, to another folder."""
        out.mkdir()
        _, [check] = export(
            self.checkpoint,
            self.split,
            self.samples,
            evaluation=self.evaluation,
            player_history=self.player_history,
            out=out,
        )
        assert check.passed and check.blocking and check.name == "parity", check


def innings_of(chain: Chain) -> Innings:
    """All innings of a chain."""
    return Innings.join([Innings.load(folder) for _, folder in sorted(chain.samples.items())])


def chain(variant: str = "full", steps: int = 0, layers: int = 2, hidden_dim: int = 16, members: int = 1) -> Chain:
    """A model of generated matches of two years, made once a process; trained for some steps of 8 innings."""
    return _chain(variant, steps, layers, hidden_dim, members)  # however it is asked for


@lru_cache(maxsize=8)
def _chain(variant: str, steps: int, layers: int, hidden_dim: int, members: int) -> Chain:
    folder = Path(tempfile.mkdtemp(prefix="cricket-model-"))
    for name in ("checkpoint", "evaluation", "history"):
        (folder / name).mkdir()
    made = several_matches.innings(folder / "raw", matches=MATCHES, seed=SEED)
    samples: dict[str, Path] = {}
    dates = dict(zip(made.table["match_id"], made.table["date"], strict=True))
    for year in sorted({date[:4] for date in dates.values()}):
        samples[year] = folder / year
        samples[year].mkdir()
        made.select({match for match, date in dates.items() if date[:4] == year}).save(samples[year])
    days = sorted(set(dates.values()))
    split = make_split(
        made.table.select("match_id", "date"), valid_from=days[len(days) // 2], test_from=days[3 * len(days) // 4]
    )
    split.save(folder / SPLIT_FILE)
    player_history.write_history(samples, folder / "history")
    random = np.random.default_rng(0)
    Calibration(random.uniform(0.8, 1.1, 7), random.normal(0, 0.1, 7)).save(folder / "evaluation" / CALIBRATION_FILE)
    module = _module(made, set(split.train), variant, steps, layers=layers, hidden_dim=hidden_dim, members=members)
    save_weights(module, folder / "checkpoint" / WEIGHTS)
    content = {"model": module.settings.model_dump(mode="json")}
    (folder / "checkpoint" / "settings.json").write_text(json.dumps(content))
    found = Chain(
        folder / "checkpoint",
        folder / SPLIT_FILE,
        samples,
        folder / "evaluation",
        folder / "history",
        folder / "out",
        folder / "raw",
    )
    found.export(found.out)
    return found


def _module(made: Innings, train: set[str], variant: str, steps: int, **size: int) -> OutcomeModule:
    torch.manual_seed(0)
    learning = made.select(train)
    entities = EntityTable.of(learning)
    source = InningsSource(learning, table(made)[made.of_matches(train)], entities)
    module = OutcomeModule(settings(variant, **size), entities)
    module.learn_scales(source)
    learn(module, source, steps, batch=8)
    return module.eval()


def learn(module: OutcomeModule, source: InningsSource, steps: int, batch: int) -> None:
    """Train for so many steps; for none, move every weight off zero, so that none of them is without effect."""
    if not steps:
        with torch.no_grad():
            for weight in module.network.parameters():
                weight.add_(0.02 * torch.randn_like(weight))
        return
    module.log = lambda *args, **kwargs: None  # type: ignore[method-assign]
    optimizer = torch.optim.AdamW(module.parameters(), lr=3e-3)
    draw = np.random.default_rng(0)
    for step in range(steps):
        optimizer.zero_grad()
        module.training_step(TorchInnings(source).batch(draw.integers(0, len(source), batch)), step).backward()
        optimizer.step()
