"""Models of generated matches for tests of a simulation, without files: random weights, or trained for seconds."""

from __future__ import annotations

import tempfile
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from sport_assets.cricket import innings_state
from sport_assets.cricket.batches import EntityTable, InningsSource
from sport_assets.cricket.calibrated_network import CalibratedNetwork
from sport_assets.cricket.calibration import Calibration
from sport_assets.cricket.extras import Extras
from sport_assets.cricket.features import table
from sport_assets.cricket.history import Situations
from sport_assets.cricket.innings import Innings
from sport_assets.cricket.models import OutcomeModule
from sport_assets.cricket.shipped import Shipped
from sport_assets_tests.cricket import several_matches
from sport_assets_tests.cricket.innings_example import settings
from sport_assets_tests.cricket.model_files import learn


class Ready(NamedTuple):
    """A model in memory, and the matches it knows."""

    network: CalibratedNetwork
    shipped: Shipped
    innings: Innings
    raw: Path


@lru_cache(maxsize=1)
def matches() -> tuple[Innings, Path]:
    """Innings of generated matches and the folder of their files."""
    raw = Path(tempfile.mkdtemp(prefix="cricket-matches-"))
    return innings_state.build(*several_matches.tables(raw, matches=60, seed=5)), raw


def ready(variant: str = "full", steps: int = 0, members: int = 1) -> Ready:
    """Made once a process; trained for some steps of 16 innings."""
    return _ready(variant, steps, members)  # however it is asked for


@lru_cache(maxsize=8)
def _ready(variant: str, steps: int, members: int) -> Ready:
    made, raw = matches()
    torch.manual_seed(0)
    entities = EntityTable.of(made)
    source = InningsSource(made, table(made), entities)
    module = OutcomeModule(settings(variant, layers=2, dropout=0.0, members=members), entities)
    module.learn_scales(source)
    learn(module, source, steps, batch=16)
    random = np.random.default_rng(1)
    plain = Calibration(np.ones(7), np.zeros(7))
    calibration = plain if steps else Calibration(random.uniform(0.9, 1.1, 7), random.normal(0, 0.05, 7))
    shipped = Shipped(module.settings, entities, Situations.of(made), calibration, Extras.learn(made), "batter")
    return Ready(CalibratedNetwork(module.network, calibration).eval(), shipped, made, raw)
