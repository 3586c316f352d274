"""Reading a week and making its arrays: input rows per CPU-second and peak memory, with what stands beside it.

The week is generated: about 280,000 input rows, as a week of the competition has. Times are CPU time of all threads.
Every figure comes from a fresh process, so that its peak memory is its own.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROWS = 280_000
PLAYS = 820
REPEATS = 7
GOAL_ROWS_PER_CPU_S = 1_000_000
GOAL_PEAK_MB = 500


def main() -> None:
    """Print the figures."""
    from sport_assets.nfl.synthetic import generate

    with tempfile.TemporaryDirectory() as folder:
        sample = generate(Path(folder), weeks=1, plays_per_week=PLAYS, seed=0)
        print(f"a generated week: {sample.input_rows:,} input rows, {PLAYS} plays, 2 files of plain CSV")
        reading = _measure("read", folder)
        rate = reading["rows"] / reading["best_s"]
        print(
            f"reader and features: {rate:,.0f} input rows per CPU-second at best of {REPEATS} "
            f"({reading['rows'] / reading['median_s']:,.0f} at the median; goal {GOAL_ROWS_PER_CPU_S:,}): "
            f"read {reading['read_s']:.3f} s, standardise {reading['standardise_s']:.3f} s, "
            f"arrays {reading['build_s']:.3f} s"
        )
        once = _measure("once", folder)
        print(f"    peak memory of one such run: {once['peak_mb']:.0f} MB (goal under {GOAL_PEAK_MB})")
        for name, what in (
            ("gunzip", "gunzip of the input file"),
            ("hash", "SHA-256 of the input file"),
            ("validate", "validation of single rows"),
            ("findings", "rules between rows"),
            ("process", "whole tracking asset: read, validate, standardise, write"),
            ("arrays", "arrays of the published week with targets, written"),
        ):
            found = _measure(name, folder)
            print(f"beside it: {what}: {found['best_s']:.3f} CPU-s (peak {found['peak_mb']:.0f} MB)")


def _measure(name: str, folder: str) -> dict[str, float]:
    command = [sys.executable, "-m", "sport_assets_tests.benchmarks.bench_reader", name, folder]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _timed(function: Callable[[], object], repeats: int = 3) -> dict[str, float]:
    times = []
    for _ in range(repeats):
        start = time.process_time()
        function()
        times.append(time.process_time() - start)
    return {"best_s": min(times)}


def _child(name: str, folder: Path) -> dict[str, float]:
    """Runs one measurement in this process."""
    import polars as pl

    from sport_assets.nfl import features, findings, plays

    source, output = (folder / "train" / f"{kind}_2023_w01.csv" for kind in ("input", "output"))
    out = folder / "out"
    out.mkdir(exist_ok=True)

    def arrays() -> tuple[float, float, float, int]:
        start = time.process_time()
        week = plays.read_week(source)
        read = time.process_time()
        tracking = plays.standardise(week.input.frame)
        standardised = time.process_time()
        features.build(tracking)
        return read - start, standardised - read, time.process_time() - standardised, len(tracking)

    if name == "once":
        arrays()
        return {}
    if name == "read":
        runs = [arrays() for _ in range(REPEATS)]
        best = min(runs, key=lambda run: sum(run[:3]))
        return {
            "rows": best[3],
            "best_s": sum(best[:3]),
            "median_s": statistics.median(sum(run[:3]) for run in runs),
            "read_s": best[0],
            "standardise_s": best[1],
            "build_s": best[2],
        }
    if name == "gunzip":
        packed = gzip.compress(source.read_bytes(), 6)
        return _timed(lambda: gzip.decompress(packed))
    if name == "hash":
        with source.open("rb") as file:
            return _timed(lambda: (file.seek(0), hashlib.file_digest(file, "sha256")))
    if name == "process":
        return _timed(lambda: plays.process_week(source, output, out))
    if name == "arrays":
        plays.process_week(source, output, out)
        return _timed(
            lambda: features.build(
                pl.read_parquet(out / plays.TRACKING_FILE), pl.read_parquet(out / plays.TARGETS_FILE)
            ).save(out / "tensors.safetensors")
        )
    week = plays.read_week(source, output)
    if name == "validate":
        return _timed(lambda: plays.clean_week(week))
    clean = plays.clean_week(week)
    assert name == "findings" and week.output is not None and clean.output is not None
    rows, outputs = clean.input.clean, clean.output.clean
    keyed = [table.frame.with_row_index("line", offset=2) for table in (week.input, week.output)]
    return _timed(
        lambda: findings.find(keyed[0], rows, keyed[1], outputs, files=("input", "output"), season=2023, week=1)
    )


def _peak_mb() -> float:
    """Peak memory of this process alone. (On Linux getrusage counts what its parent had before it was started.)"""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    result = _child(sys.argv[1], Path(sys.argv[2]))
    print(json.dumps({**result, "peak_mb": _peak_mb()}))
