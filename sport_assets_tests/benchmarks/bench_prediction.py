"""Prediction, the model only, on one core: eager torch, torch.compile, ONNX Runtime and the reference; memory.

Our production preset without training (the weights do not change the time) on inputs that are ready. Plays of the
competition have about 13 players, the real highlights here 22: both are measured, on generated plays, for 22 filled up
with the players of the next play. Every variant runs in a process of its own, so that its peak memory is its own.
Rates are plays per CPU-second.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

BATCHES = (1, 32, 64, 128)
PLAYERS = (13, 22)
SECONDS = 0.7
"""CPU time of a measurement."""

GOAL = 2_000
VARIANTS = {
    "eager": "eager torch",
    "compiled": "torch.compile",
    "onnx": "ONNX Runtime",
    "eager-one": "eager torch, one member",
    "onnx-one": "ONNX Runtime, one member",
    "reference": "reference, eager, every node",
    "asked": "reference, eager, only the players to predict",
}


def main() -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as folder:
        _prepare(Path(folder))
        print(f"plays per CPU-second (goal {GOAL:,} at {BATCHES[1]} and more); load {os.getloadavg()[0]:.1f}")
        for variant, title in VARIANTS.items():
            for players in PLAYERS:
                found = _run(variant, folder, str(players))
                rates = ", ".join(f"{rate:,.0f} at {batch}" for batch, rate in found["rates"].items())
                warm = f"; first calls took {found['warm_s']:.1f} s" if found["warm_s"] > 1 else ""
                more = found["peak_mb"] - found["loaded_mb"]
                print(
                    f"    {title}, {players} players: {rates}{warm}; peak {found['peak_mb']:.0f} MB, "
                    f"{more:.0f} more than with the model just loaded"
                )


def _prepare(folder: Path) -> None:
    """An exported model, its settings, and inputs by number of players and batch."""
    from sport_assets.nfl import export
    from sport_assets.nfl.models import TrajectoryModule
    from sport_assets.nfl.settings import ModelSettings, resolve
    from sport_assets.nfl.split import Split
    from sport_assets.training.checkpoints import WEIGHTS, save_weights
    from sport_assets_tests.benchmarks import season

    week = folder / "week"
    week.mkdir()
    tensors = season.generated(1, 2 * max(BATCHES))
    tensors.save(week / "tensors.safetensors")
    games = tuple(sorted({int(game) for game in tensors.game_id}))
    Split("hash", train=games[:1], valid=games[1:-1], test=games[-1:]).save(folder / "split.json")
    print(f"generated: {season.describe(tensors)}")
    for name, overrides in (("all", {}), ("one", {"model.members": 1})):
        settings = resolve({"preset": "production", "seed": "0"}, overrides)
        checkpoint, out = folder / name / "checkpoint", folder / name / "exported"
        for made in (checkpoint, out):
            made.mkdir(parents=True)
        module = TrajectoryModule(ModelSettings.model_validate(settings["model"]))
        save_weights(module, checkpoint / WEIGHTS)
        (checkpoint / "settings.json").write_text(json.dumps(settings))
        facts, _ = export.export(checkpoint, folder / "split.json", {"2023-w01": week}, out)
        print(
            f"model.onnx of {settings['model']['members']} member(s): {facts['onnx_bytes'] / 1000:,.0f} kB, "
            f"{facts['parameters']:,} parameters"
        )
    for players in PLAYERS:
        filled = _filled(dict(tensors.pad(np.arange(2 * max(BATCHES)))), players)
        save_file({name: np.ascontiguousarray(value) for name, value in filled.items()}, folder / f"{players}.batch")


def _filled(batch: dict[str, np.ndarray], players: int) -> dict[str, np.ndarray]:
    """The first half of the plays with as many players each: cut off, or filled up from the play further on."""
    half = len(batch["frames"]) // 2
    filled = dict(batch)
    for name in ("history", "observed", "player", "player_mask", "to_predict", "target", "target_mask"):
        value = batch[name]
        filled[name] = np.concatenate([value[:half], value[half:]], 1)
    present = filled["player_mask"]
    order = np.argsort(~present, axis=1, kind="stable")[:, :players]
    for name in ("history", "observed", "player", "player_mask", "to_predict", "target", "target_mask"):
        value = filled[name]
        filled[name] = np.take_along_axis(value, order.reshape(*order.shape, *[1] * (value.ndim - 2)), 1)
    filled["play"], filled["frames"] = batch["play"][:half], batch["frames"][:half]
    assert filled["player_mask"].all()
    return {name: filled[name] for name in batch if len(filled[name]) == half}


def _run(variant: str, folder: str, players: str) -> dict[str, Any]:
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS"), "1")
    command = [sys.executable, "-m", "sport_assets_tests.benchmarks.bench_prediction", variant, folder, players]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **threads}, check=False)
    if done.returncode:
        raise RuntimeError(f"{variant} failed: {done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _child(variant: str, folder: Path, players: str) -> dict[str, Any]:
    """Measures one variant in this process."""
    predict = _predictor(variant, folder)
    inputs = load_file(folder / f"{players}.batch")
    loaded_mb = _peak_mb()
    rates, warm_s = {}, 0.0
    for batch in BATCHES:
        run = predict({name: value[:batch] for name, value in inputs.items()})
        began = time.perf_counter()
        run()
        warm_s += time.perf_counter() - began
        run()
        rates[batch] = batch / _seconds(run)
    return {"rates": rates, "warm_s": warm_s, "peak_mb": _peak_mb(), "loaded_mb": loaded_mb}


def _seconds(run: Callable[[], object]) -> float:
    """CPU seconds of a call at the median."""
    times: list[float] = []
    while sum(times) < SECONDS or len(times) < 5:
        began = time.process_time()
        run()
        times.append(time.process_time() - began)
    return statistics.median(times)


def _predictor(variant: str, folder: Path) -> Callable[[dict[str, np.ndarray]], Callable[[], object]]:
    """From a batch of arrays to a call that predicts it; what is asked of all variants is every player's path."""
    kind, _, members = variant.partition("-")
    trained = folder / (members or "all")
    if kind == "onnx":
        return _onnx(trained / "exported" / "model.onnx")
    import torch

    torch.set_num_threads(1)
    if kind in ("reference", "asked"):
        return _reference(asked_only=kind == "asked")
    from sport_assets.nfl import models

    network: Any = models.load(trained / "checkpoint").network
    if kind == "compiled":
        network = torch.compile(network, dynamic=True)

    def predict(batch: dict[str, np.ndarray]) -> Callable[[], object]:
        tensors = models.as_tensors(batch)
        inputs = [tensors[name] for name in models.INPUTS]

        def run() -> object:
            with torch.inference_mode():
                return network(*inputs)

        return run

    return predict


def _onnx(path: Path) -> Callable[[dict[str, np.ndarray]], Callable[[], object]]:
    import onnxruntime

    from sport_assets.nfl import baselines

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = [entry.name for entry in session.get_inputs()]

    def predict(batch: dict[str, np.ndarray]) -> Callable[[], object]:
        arrays = {**batch, "time_s": baselines.horizon_times(batch["target"].shape[2])}
        feed = {name: np.ascontiguousarray(arrays[name]) for name in names}
        return lambda: session.run(None, feed)

    return predict


def _reference(*, asked_only: bool) -> Callable[[dict[str, np.ndarray]], Callable[[], object]]:
    import torch
    from torch_geometric.data import Batch

    from sport_assets_tests.benchmarks.reference import PerNodeTransformer, graphs_of

    module = PerNodeTransformer().eval()

    def predict(batch: dict[str, np.ndarray]) -> Callable[[], object]:
        joined = Batch.from_data_list(graphs_of(batch, batch["target"].shape[2]))

        def run() -> object:
            with torch.inference_mode():
                return module(joined, asked_only)

        return run

    return predict


def _peak_mb() -> float:
    status = Path("/proc/self/status")
    if not status.exists():
        return 0.0
    return int(next(line for line in status.read_text().splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


if __name__ == "__main__":
    if len(sys.argv) == 4:
        print(json.dumps(_child(sys.argv[1], Path(sys.argv[2]), sys.argv[3])))
    else:
        main()
