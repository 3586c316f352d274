"""Seconds of 10,000 courses of a whole first innings on one core, and peak memory.

Seconds are CPU seconds of one thread. Goals: under 60 s at hidden 64 and 2 layers, under 360 s at 128 and 3, peak
memory under 3 GB. Weights are random, so courses are shorter or longer than real ones: seconds are also told for each
million balls. Arguments: variants, and a number of simulations. Matches are generated; those of the folder
SPORT_ASSETS_REAL_DATA are taken where it is set, and so is their past.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from sport_assets.cricket import archive
from sport_assets.cricket.batches import EntityTable
from sport_assets.cricket.calibrated_network import CalibratedNetwork
from sport_assets.cricket.calibration import Calibration
from sport_assets.cricket.deliveries import clean_year, read_year
from sport_assets.cricket.ensemble import Ensemble
from sport_assets.cricket.extras import Extras
from sport_assets.cricket.history import Situations
from sport_assets.cricket.innings import Innings
from sport_assets.cricket.innings_state import build
from sport_assets.cricket.labels import outcome
from sport_assets.cricket.parts import Entities
from sport_assets.cricket.settings import VARIANTS, ModelSettings, resolve
from sport_assets.cricket.shipped import Shipped
from sport_assets.cricket.simulate import run
from sport_assets.cricket.situation import At, read_situation
from sport_assets.cricket.synthetic import generate
from sport_assets.training.process import peak_memory

SIZES = {(64, 2): 60.0, (128, 3): 360.0}
"""Goals in seconds by hidden size and layers."""
MOST_MEMORY_GB = 3.0
GB = 2**30


def matches(folder: Path) -> tuple[Path, Innings]:
    """The latest match's file, and the innings of all."""
    real = os.environ.get("SPORT_ASSETS_REAL_DATA")
    if real:
        packed = Path(real) / "cricket" / "t20s_male_json.tar.zst"
    else:
        generate(folder / "matches", matches=120, seed=1)
    files = [packed] if real else sorted((folder / "matches").glob("*.json"))
    members = {m.match_id: m.sha256 for file in files for m in archive.list_file(file, file.name)}
    contents = dict(archive.read([(file.name, file) for file in files], members))
    clean = clean_year(read_year(contents.items())[0])
    latest = clean.matches.filter(clean.matches["overs"] == 20)["match_id"][-1]
    file = folder / f"{latest}.json"
    file.write_bytes(contents[latest])
    return file, build(clean.deliveries.with_columns(outcome()), clean.matches)


def model(variant: str, hidden: int, layers: int, innings: Innings) -> tuple[CalibratedNetwork, Shipped]:
    """A model with random weights that knows everybody."""
    made = resolve({"variant": variant}, {"model.hidden_dim": hidden, "model.layers": layers})
    settings = ModelSettings.model_validate(made["model"])
    table = EntityTable.of(innings)
    torch.manual_seed(0)
    network = Ensemble(settings, Entities(len(table.venues), len(table.teams), len(table.players)))
    calibration = Calibration(np.ones(7), np.zeros(7))
    shipped = Shipped(settings, table, Situations.of(innings), calibration, Extras.learn(innings), "batter")
    return CalibratedNetwork(network, calibration).eval(), shipped


def main() -> None:
    """Print a line for each variant and size."""
    torch.set_num_threads(1)
    counts = [int(each) for each in sys.argv[1:] if each.isdigit()]
    simulations = counts[0] if counts else 10_000
    with tempfile.TemporaryDirectory() as folder:
        file, innings = matches(Path(folder))
        for variant in [name for name in sys.argv[1:] if name in VARIANTS] or ["full"]:
            for (hidden, layers), goal in SIZES.items():
                network, shipped = model(variant, hidden, layers, innings)
                situation = read_situation(file, At(1, 0, 0))
                began = time.process_time()
                found = run(
                    "random", network, shipped, situation, {}, simulations=simulations, seed=0, innings_only=True
                )
                seconds = time.process_time() - began
                balls = found.courses.innings[0].legal_balls.mean()
                peak = peak_memory() / GB
                wanted = goal * simulations / 10_000
                short = "" if seconds <= wanted and peak <= MOST_MEMORY_GB else ", beyond the goals"
                print(
                    f"{variant} {hidden} x {layers}: {simulations} innings of {balls:.0f} legal balls in "
                    f"{seconds:.1f} s of {wanted:.0f}, {seconds / (simulations * balls) * 1e6:.1f} s a million balls, "
                    f"peak {peak:.2f} GB{short}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
