"""The whole build of the cheap assets, from raw files to the split, of a season of 18 weeks: time a step, and memory.

The season is generated: about 280,000 input rows a week, as in the competition. The build runs in a fresh process on
two cores. Another number of weeks may be given as the one argument.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

WEEKS = 18
PLAYS = 840
CORES = 2
TARGET = "nfl/split"
GOAL_S = 180
EARLY = 3
"""The week whose peak memory the last week's is held against."""


def main(weeks: int = WEEKS) -> None:
    """Print the figures."""
    from sport_assets.nfl.synthetic import generate

    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        sample = generate(Path(folder) / "data" / "nfl", weeks=weeks, plays_per_week=PLAYS, seed=0)
        seconds = time.perf_counter() - began
        print(f"generated {weeks} weeks of {sample.input_rows // weeks:,} input rows in {seconds:.0f} s")
        load = os.getloadavg()[0]
        found = _build(Path(folder))
        again = _build(Path(folder))
    steps = found["steps"]
    print(
        f"built {TARGET} from raw, {len(steps)} steps: {found['wall_s']:.0f} s on {CORES} cores "
        f"(goal under {GOAL_S} for {WEEKS} weeks), {found['cpu_s']:.0f} CPU-s; load of the machine was {load:.1f}"
    )
    before = found["wall_s"] - sum(step["wall_s"] for step in steps)
    print(f"    starting: {before:.1f} s, {found['cpu_s'] - sum(step['cpu_s'] for step in steps):.1f} CPU-s")
    for key in dict.fromkeys(step["key"] for step in steps):
        own = [step for step in steps if step["key"] == key]
        print(
            f"    {key}: {len(own)} steps of {sum(s['wall_s'] for s in own) / len(own):.2f} s, "
            f"{sum(s['cpu_s'] for s in own) / len(own):.2f} CPU-s, peak {max(s['peak_mb'] for s in own):.0f} MB"
        )
        if len(own) > EARLY:
            early, late = (max(s["peak_mb"] for s in part) for part in (own[:EARLY], own[EARLY:]))
            print(
                f"        peak memory {early:.0f} MB in the first {EARLY} weeks, {late:.0f} MB in the later "
                f"{len(own) - EARLY}: ratio {late / early:.2f}"
            )
    print(f"built once more, all current: {again['wall_s']:.1f} s, {again['cpu_s']:.1f} CPU-s")


def _build(folder: Path) -> dict[str, Any]:
    """A build in a process of its own; with the home and the raw files below ``folder``."""
    environment = {
        **os.environ,
        "SPORT_ASSETS_HOME": str(folder / "home"),
        "SPORT_ASSETS_DATA": str(folder / "data"),
        "POLARS_MAX_THREADS": str(CORES),
        "OMP_NUM_THREADS": str(CORES),
    }
    command = [sys.executable, "-m", "sport_assets_tests.benchmarks.bench_build", "child"]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _child() -> dict[str, Any]:
    """Builds in this process, and notes time and peak memory of each step."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    started, started_cpu = time.perf_counter(), time.process_time()
    from sport_assets.definitions import defs
    from sport_assets.lineage.home import Home
    from sport_assets.orchestration.build import Builder, Step

    steps: list[dict[str, Any]] = []

    def end_last() -> None:
        if steps:
            last = steps[-1]
            last["wall_s"] = time.perf_counter() - last["wall_s"]
            last["cpu_s"] = time.process_time() - last["cpu_s"]
            last["peak_mb"] = _peak_mb()

    def observe(step: Step, _reason: str, _number: int, _total: int) -> None:
        end_last()
        _forget_peak()
        steps.append({"key": step.key, "wall_s": time.perf_counter(), "cpu_s": time.process_time()})

    Builder(defs, Home.from_environment()).run(TARGET, None, observe)
    end_last()
    return {
        "steps": steps,
        "wall_s": time.perf_counter() - started,
        "cpu_s": time.process_time() - started_cpu,
    }


def _peak_mb() -> float:
    """Peak memory of this process since ``_forget_peak``; 0 where there is no ``/proc``."""
    status = Path("/proc/self/status")
    if not status.exists():
        return 0.0
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def _forget_peak() -> None:
    forget = Path("/proc/self/clear_refs")
    if forget.exists():
        forget.write_text("5")


if __name__ == "__main__":
    if sys.argv[1:] == ["child"]:
        print(json.dumps(_child()))
    else:
        main(*(int(argument) for argument in sys.argv[1:2]))
