"""Seconds and peak memory of the cricket baselines: frequencies, logistic regression, LightGBM, fitted and asked.

One thread, CPU seconds. Goal: peak memory under 3 GB. Matches are generated; those of the folder SPORT_ASSETS_REAL_DATA
are taken where it is set. LightGBM takes minutes on these: run as a module of its own
(``python -m sport_assets_tests.benchmarks.bench_cricket_baselines no-trees``) it is left out.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from sport_assets.cricket.baseline_forecasts import write_baselines
from sport_assets.cricket.player_history import write_history
from sport_assets.cricket.split import make_split
from sport_assets.training.names import SPLIT_FILE
from sport_assets.training.process import peak_memory
from sport_assets_tests.benchmarks.bench_cricket_simulation import GB, MOST_MEMORY_GB, matches


def main() -> None:
    """Print one line, and the log-loss of each baseline on the test side."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        _, innings = matches(root)
        folders = {each: root / each for each in ("innings", "split", "history", "out")}
        for folder in folders.values():
            folder.mkdir()
        innings.save(folders["innings"])
        balls = len(innings)
        make_split(innings.table.select("match_id", "date")).save(folders["split"] / SPLIT_FILE)
        del innings
        samples = {"all": folders["innings"]}
        write_history(samples, folders["history"])
        before = peak_memory() / GB
        began = time.process_time()
        trees = "no-trees" not in sys.argv[1:]
        report = write_baselines(folders["split"], samples, folders["history"], folders["out"], trees=trees)
        seconds, peak = time.process_time() - began, peak_memory() / GB
    short = "" if peak <= MOST_MEMORY_GB else ", beyond the goal"
    print(f"{balls:,} balls: {seconds:.0f} s, peak {peak:.2f} GB of {MOST_MEMORY_GB:.0f} ({before:.2f} before){short}")
    for key, value in sorted(report.metadata.items()):
        if key.startswith("test_"):
            print(f"  {key.removeprefix('test_')}: log-loss {value:.4f}")


if __name__ == "__main__":
    main()
