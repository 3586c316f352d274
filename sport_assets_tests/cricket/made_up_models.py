"""Models with made-up losses on made-up balls, as if they had been trained and measured."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sport_assets.cricket.calibration import Calibration
from sport_assets.cricket.comparison import Candidate, Measured, Rule
from sport_assets.training.reports import write_json
from sport_assets.training.trials import Finished, Study, Trial

MATCHES, BALLS = 120, 200
MATCH = np.repeat(np.arange(MATCHES), BALLS)


def columns(seed: int = 0) -> dict[str, np.ndarray]:
    """Arrays of balls: ten of each phase and innings in every match, and their outcomes."""
    rng = np.random.default_rng(seed)
    place = np.tile(np.arange(BALLS), MATCHES)
    return {
        "outcome": rng.integers(0, 7, MATCHES * BALLS),
        "phase": place // 20 % 5,
        "second_innings": place // 100,
    }


def odds(seed: int, skill: float = 0.0) -> np.ndarray:
    """Log odds of a forecast that knows the outcome a little."""
    noise = np.random.default_rng(seed).normal(0, 0.1, (MATCHES * BALLS, 7))
    return noise + skill * np.eye(7)[columns()["outcome"]]


PLAIN = Rule(Calibration.none(), 0.0, np.full(7, 1 / 7))


def model(name: str, skill: float, *, parameters: int = 100, seeds: int = 1, spread: float = 0.0) -> Candidate:
    """A candidate whose seeds differ in skill by ``spread``."""
    ids = MATCH.astype(str)
    tilts = spread * np.linspace(-1, 1, seeds) if seeds > 1 else [0.0]
    made = [Measured.of(PLAIN, odds(number, skill + tilt), columns(), ids) for number, tilt in enumerate(tilts)]
    return Candidate(name, parameters, tuple(made))


def finished(folder: Path, trial: Trial, skill: float, *, parameters: int = 100, noise: int = 0) -> Finished:
    """A trial as if it had been trained, with a forecast of some skill on either side."""
    measured = {side: folder / trial.name / side for side in ("valid", "test")}
    for number, path in enumerate(measured.values()):
        path.mkdir(parents=True)
        Measured.of(PLAIN, odds(noise + 1000 * number, skill), columns(), MATCH.astype(str)).save(path)
    return Finished(trial, {}, folder, {"parameters": parameters}, measured)


def study(folder: Path, earlier: Mapping[str, Mapping[str, Any]] | None = None, **options: Any) -> Study:
    """What a stage stands on: the decisions of earlier ones, and options beside the defaults."""
    given = {"overrides": {}, "seeds": [], "latest_matches": 600, "max_epochs": 6, **options}
    given = {"grid": {}, "hidden_dim": 64, "layers": 2, **given}
    folders = {}
    for name, decided in (earlier or {}).items():
        folders[name] = folder / name
        folders[name].mkdir(exist_ok=True)
        for file in ("decision.json", "best.json"):
            write_json(folders[name] / file, decided)
    return Study(given, folder, {}, {}, folders)
