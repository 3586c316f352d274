"""Balls a second of `predict cricket` on one core, from match files to the CSV: the goal is 1,300 at hidden 128 x 3.

Seconds are CPU seconds of one thread, the file's opening and the telling of history from the whole past included. The
weights are random. Matches are generated; with SPORT_ASSETS_REAL_DATA they are those of 2025 out of all real ones.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from pathlib import Path

import torch

from sport_assets.cricket import archive
from sport_assets.cricket.export import AXES
from sport_assets.cricket.models import INPUTS
from sport_assets.cricket.predict import predict
from sport_assets.cricket.shipped import OUTPUT
from sport_assets.training.export import export_onnx
from sport_assets_tests.benchmarks.bench_cricket_simulation import matches, model
from sport_assets_tests.cricket.innings_example import innings as example

HIDDEN, LAYERS, GOAL = 128, 3, 1300.0
FROM = "2025-01-01"


def main() -> None:
    """Print one line."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as named:
        folder = Path(named)
        _, innings = matches(folder)
        network, shipped = model("full", HIDDEN, LAYERS, innings)
        batch = example([20, 22])
        batch["ids"] = batch["ids"].clamp(max=3)
        inputs = {name: batch[name] for name in INPUTS}
        file = folder / "model.onnx"
        export_onnx(network, inputs, [OUTPUT], AXES, file, shipped.to_metadata({}), keep_names=True)
        print(f"exported: {file.stat().st_size / 2**20:.1f} MiB", flush=True)
        given = folder / "matches"
        real = os.environ.get("SPORT_ASSETS_REAL_DATA")
        if real:
            given.mkdir()
            packed = Path(real) / "cricket" / "t20s_male_json.tar.zst"
            wanted = {member.match_id: member.sha256 for member in archive.list_file(packed, packed.name)}
            for match_id, content in archive.read([(packed.name, packed)], wanted):
                if json.loads(content)["info"]["dates"][0] >= FROM:
                    (given / f"{match_id}.json").write_bytes(content)
        began = time.process_time()
        report = predict(file, given, folder / "out.csv")
        seconds = time.process_time() - began
        rate = report.rows / seconds
        short = "" if rate >= GOAL else ", below the goal"
        print(
            f"full {HIDDEN} x {LAYERS}: {report.rows} balls of {report.matches} matches in {seconds:.1f} s, "
            f"{rate:,.0f} balls/s of {GOAL:,.0f}{short}"
        )


if __name__ == "__main__":
    main()
