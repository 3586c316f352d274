"""`python -m sport_assets.training.run spec.json --work DIR --out DIR`: the one way to train.

Belongs here: the command line, trackers and the result folder of one training. Must not be here: the process around it
(`process`, which also lists the exit codes), what training does (`fit`).
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sport_assets.lineage.durable import write_durably
from sport_assets.training.errors import BadSpecError, StoppedError
from sport_assets.training.process import Surroundings, Task, peak_memory, rank, ready_to_train, run_task
from sport_assets.training.spec import TrainingSpec, published_digest

STARTED = time.monotonic()


@dataclass(frozen=True)
class Options:
    """The command line."""

    spec: Path
    work: Path
    """Working files of this spec."""
    out: Path
    """Result folder."""
    wait_s: float
    """Seconds to wait for another trainer of the spec."""
    trackers: str
    """Names with commas, or none."""
    tensorboard: str
    """Details for TensorBoard: names with commas, or empty."""
    profile: bool
    """Profile a few steps, also where the environment does not ask for it."""
    label: str
    """What this training is among several, before every message; may be empty."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Train one spec and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m sport_assets.training.run", description="Train one spec.")
    parser.add_argument("spec", type=Path, help="training spec (JSON, written by TrainingSpec.save)")
    parser.add_argument("--work", type=Path, required=True, help="working files of this spec; kept to resume from")
    parser.add_argument("--out", type=Path, required=True, help="result folder; must be absent or empty")
    parser.add_argument("--wait-s", type=float, default=0.0, help="wait this long for another trainer of the spec")
    parser.add_argument(
        "--trackers",
        default=os.environ.get("SPORT_ASSETS_TRACKERS", "mlflow"),
        help="comma-separated: mlflow, tensorboard, wandb; or none (default: SPORT_ASSETS_TRACKERS, else mlflow)",
    )
    parser.add_argument("--label", default="", help="what this training is among several, before every message")
    parser.add_argument(
        "--tensorboard",
        default=os.environ.get("SPORT_ASSETS_TENSORBOARD", ""),
        help="details beyond the curves, comma-separated: histograms, graph (default: SPORT_ASSETS_TENSORBOARD)",
    )
    parser.add_argument(
        "--profile",
        action="store_true",
        help="profile a few steps of the first epoch into the work folder (also by SPORT_ASSETS_PROFILE=1)",
    )
    options = Options(**vars(parser.parse_args(arguments)))

    def load() -> tuple[TrainingSpec, Task]:
        spec = TrainingSpec.load(options.spec)
        return spec, lambda surroundings: _fit_and_publish(spec, options, surroundings)

    return run_task(load, options.work, wait_s=options.wait_s, label=options.label)


def _fit_and_publish(spec: TrainingSpec, options: Options, surroundings: Surroundings) -> dict[str, Any]:
    from sport_assets.training.checkpoints import json_bytes, publish

    work, reporter = surroundings.work, surroundings.reporter
    out = options.out.resolve()
    if out.exists() and any(out.iterdir()):
        if published_digest(out) == spec.digest:
            reporter.info(f"{out.name} holds the result of this spec already; nothing to do")
            return {"spec_digest": spec.digest, "already_there": True}
        raise BadSpecError(f"the output folder {out} is not empty and holds something else; give another --out")
    stop = ready_to_train(spec)
    from sport_assets.training.details import detail_callbacks, wanted_details
    from sport_assets.training.fit import fit
    from sport_assets.training.profiling import Profile, profile_wanted
    from sport_assets.training.tracking import (
        TENSORBOARD_FOLDER,
        Status,
        TrackingCallback,
        make_tracking,
        run_params,
        run_tags,
    )

    names = [name for name in (part.strip() for part in options.trackers.split(",")) if name and name != "none"]
    details, profiled = wanted_details(options.tensorboard, names), profile_wanted() or options.profile
    tracking = make_tracking(spec, work, names if rank() == 0 else [], reporter)

    def start_tracking(curves: Any, used: dict[str, Any]) -> list[Any]:
        tracking.start(run_params(spec, used), run_tags(spec, used))
        return [
            TrackingCallback(tracking, curves, used["parameters"]),
            *detail_callbacks(details, work / TENSORBOARD_FOLDER, tracking, reporter),
            *([Profile(work / "profile", reporter)] if profiled else []),
        ]

    if rank() == 0:
        spec.save(work / "spec.json")
    started = time.monotonic()
    status: Status = "FAILED"
    result: Path | None = None
    try:
        fitted = fit(spec, work, reporter, stop, start_tracking)
        report = {
            **fitted.report,
            "start_seconds": round(started - STARTED, 3),
            "seconds": round(time.monotonic() - STARTED, 3),
            "peak_memory_bytes": peak_memory(),
        }
        if fitted.files:
            # before the folder appears: whoever finds the folder finds the report
            write_durably(work / "result.json", json_bytes(report))
            publish(out, fitted.files)
            reporter.info(
                f"done: {report['epochs']} epochs, {report['selected']} (epoch {report['published_epoch'] + 1}, "
                f"{report['monitor']} {report['published_value']:.5g})"
                + ("" if report["bit_exact"] else f" (not bit-exact: {report['not_bit_exact_because']})")
            )
        status, result = "FINISHED", out
        return report
    except StoppedError:
        status = "KILLED"
        raise
    finally:
        # a stop must end within seconds, also when a tracker is slow
        tracking.end(status, result, wait_s=5.0 if stop.requested else 60.0)


if __name__ == "__main__":
    sys.exit(main())
