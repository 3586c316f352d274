"""What each ingredient of the production preset brings on real plays: five folds over games, several seeds.

Every variant is the preset with a setting or two changed, trained by the kernel on each fold and judged on the games
that it never saw, beside the baselines on the same plays. Needs SPORT_ASSETS_REAL_DATA (the real plays of 2019).
`python -m sport_assets_tests.benchmarks.bench_accuracy [SEEDS [VARIANT ...]]` runs some of it; two trainings at a time.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sport_assets.nfl import metrics, models
from sport_assets.nfl.baselines import BASELINES
from sport_assets.nfl.settings import resolve
from sport_assets.nfl.split import Split, folds
from sport_assets.nfl.tensors import TENSORS_FILE, PlayTensors
from sport_assets.training.spec import SpecInput, TrainingSpec
from sport_assets_tests.benchmarks import season

SEEDS = 3
FOLDS = 5
SHORT_FRAMES = 10
SHOWN = ("ade", "rms_distance", "ade_10_frames")

VARIANTS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "production": ("production", {}),
    "one member": ("production", {"model.members": 1}),
    "one member, not turned": ("production", {"model.members": 1, "data.rotation_degrees": 0}),
    "one member, not mirrored": ("production", {"model.members": 1, "data.mirror": False}),
    "one member, no earlier starts": ("production", {"model.members": 1, "data.earlier_starts_frames": []}),
    "one member, weights not averaged": ("production", {"model.members": 1, "training.weight_averaging": None}),
    "one member, no velocity loss": ("production", {"model.members": 1, "model.velocity_loss_weight": 0.0}),
    "one member, no context": ("production", {"model.members": 1, "model.use_context": False}),
    "probabilistic": ("probabilistic", {}),
}
"""Preset and changed settings by name."""


@dataclass(frozen=True)
class Outcome:
    """Errors of one variant and seed over all plays (each forecast by its fold's model), and of each fold alone."""

    whole: dict[str, float]
    folds: list[dict[str, float]]


def main(seeds: int = SEEDS, names: Sequence[str] = ()) -> None:
    """Print the table."""
    tensors = season.real()
    if tensors is None:
        print("    skipped: SPORT_ASSETS_REAL_DATA is not set")
        return
    games = sorted({int(game) for game in tensors.game_id})
    split = Split("hash", train=tuple(games), valid=(), test=(), folds=tuple(folds(games, FOLDS)))
    print(f"    {season.describe(tensors)}; {FOLDS} folds over games, {seeds} seeds; yards; mean ± spread over seeds")
    print(f"    {'':36}" + "".join(f"{name.replace('_', ' '):>18}" for name in (*SHOWN, "ade over folds")))
    for name, forecast in BASELINES.items():
        batch = dict(tensors.pad(np.arange(len(tensors))))
        whole = _figures(forecast(batch), batch)
        print(f"    {name:36}" + "".join(f"{whole[figure]:18.3f}" for figure in SHOWN), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        data.mkdir()
        tensors.save(data / TENSORS_FILE)
        split.save(data / "split.json")
        for name in names or VARIANTS:
            found = _variant(name, tensors, split, data, Path(folder) / "training", seeds)
            cells = []
            for figure in SHOWN:
                values = [outcome.whole[figure] for outcome in found]
                cells.append(f"{np.mean(values):.3f} ± {np.std(values):.3f}")
            spread = np.std([[fold["ade"] for fold in outcome.folds] for outcome in found], axis=1).mean()
            print(f"    {name:36}" + "".join(f"{cell:>18}" for cell in cells) + f"{spread:>17.3f}s", flush=True)


def _variant(name: str, tensors: PlayTensors, split: Split, data: Path, work: Path, seeds: int) -> list[Outcome]:
    preset, overrides = VARIANTS[name]
    settings = resolve({"preset": preset, "seed": "0"}, overrides)
    inputs = (
        SpecInput(key=models.TENSORS_KEY, partition="2019-w01", version="real", path=str(data)),
        SpecInput(key=models.SPLIT_KEY, version="real", path=str(data)),
    )
    specs = [
        TrainingSpec(
            line="nfl",
            model=name,
            builder="sport_assets.nfl.models:build",
            settings=settings,
            seed=seed,
            inputs=inputs,
            part=f"fold:{fold}",
        )
        for seed in range(seeds)
        for fold in range(len(split.folds))
    ]
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        results = list(pool.map(lambda spec: _train(spec, work), specs))
    return [
        _outcome(tensors, split, results[seed * len(split.folds) : (seed + 1) * len(split.folds)])
        for seed in range(seeds)
    ]


def _train(spec: TrainingSpec, work: Path) -> Path:
    """The result folder of a spec, trained in a process of its own."""
    folder = work / spec.digest
    folder.mkdir(parents=True, exist_ok=True)
    spec.save(folder / "spec.json")
    command = [sys.executable, "-m", "sport_assets.training.run", str(folder / "spec.json"), "--work", str(folder)]
    done = subprocess.run(
        [*command, "--out", str(folder / "result"), "--trackers", "none"], capture_output=True, text=True
    )
    if done.returncode:
        sys.exit(f"training {spec.model} {spec.part} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return folder / "result"


def _outcome(tensors: PlayTensors, split: Split, results: Sequence[Path]) -> Outcome:
    import torch

    horizon = int(tensors.frames.max())
    batch = dict(tensors.pad(np.arange(len(tensors)), horizon=horizon))
    positions = np.full(batch["target"].shape, np.nan, np.float32)
    each = []
    for (_, held_out), result in zip(split.folds, results, strict=True):
        rows = np.flatnonzero(np.isin(tensors.game_id, held_out))
        module = models.load(result)
        part = dict(tensors.pad(rows, players=batch["target"].shape[1], horizon=horizon))
        with torch.no_grad():
            positions[rows] = module(models.as_tensors(part))["positions"].numpy()
        each.append(_figures(positions[rows], part))
    return Outcome(_figures(positions, batch), each)


def _figures(positions: np.ndarray, batch: Mapping[str, np.ndarray]) -> dict[str, float]:
    whole = metrics.summarise(metrics.play_errors(positions, batch["target"], batch["target_mask"]))
    short = metrics.summarise(metrics.play_errors(positions, batch["target"], batch["target_mask"], SHORT_FRAMES))
    return {
        "ade": float(whole["ade"]),
        "rms_distance": float(whole["rms_distance"]),
        "ade_10_frames": float(short["ade"]),
    }


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else SEEDS, sys.argv[2:])
