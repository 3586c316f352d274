"""`python -m sport_assets.training.run spec.json --work DIR --out DIR`: the one way to train.

Belongs here: environment, signals, lease, reporter, exit code. Must not be here: what training does (`fit`).

Exit codes: 0 done, 1 failed, 2 bad spec, 3 non-finite loss, 4 out of memory, 5 another trainer holds the spec,
75 stopped at a checkpoint (start the same spec again and it goes on). Started by Dagster Pipes it talks to Dagster,
else to the terminal. On Linux it ends when its parent does (SIGTERM by PR_SET_PDEATHSIG, so with a checkpoint).
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import os
import signal
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sport_assets.lineage.durable import write_durably
from sport_assets.training.errors import (
    EXIT_BAD_SPEC,
    EXIT_DONE,
    EXIT_FAILED,
    BadSpecError,
    OutOfMemoryError,
    StoppedError,
    TrainingError,
)
from sport_assets.training.lease import lease
from sport_assets.training.spec import TrainingSpec, memory_advice, published_digest

if TYPE_CHECKING:
    from sport_assets.training.progress import Reporter

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
    die_with_parent()
    try:
        spec = TrainingSpec.load(options.spec)
    except BadSpecError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        with _pipes() as context:
            if context is not None:
                context.log.error(str(error))
                context.report_custom_message({"training": _failure(error, EXIT_BAD_SPEC)})
        return EXIT_BAD_SPEC
    set_environment(spec)
    with _pipes() as context:
        return _train(spec, options, context)


def _train(spec: TrainingSpec, options: Options, context: Any) -> int:
    from sport_assets.training.progress import LabelledReporter, PipesReporter, SilentReporter, TerminalReporter

    first = rank() == 0
    reporter: Reporter
    if not first:
        reporter = SilentReporter()
    else:
        reporter = TerminalReporter() if context is None else PipesReporter(context)
        reporter = LabelledReporter(reporter, options.label) if options.label else reporter
    try:
        work = options.work.resolve()
        work.mkdir(parents=True, exist_ok=True)
        # only the first process of a training holds the lease; the others belong to it
        own = lease(work / "lease.json", wait_s=options.wait_s, say=reporter.info)
        with own if first else contextlib.nullcontext():
            report = _fit_and_publish(spec, work, options, reporter)
        reporter.result({"exit_code": EXIT_DONE, **report})
        return EXIT_DONE
    except BaseException as raised:  # noqa: BLE001 - the process ends here, with a code and a message
        error = _understood(raised, spec)
        code = error.exit_code if isinstance(error, TrainingError) else EXIT_FAILED
        if not isinstance(error, TrainingError):
            traceback.print_exception(raised)
        message = str(error) or type(error).__name__
        stopped = isinstance(error, StoppedError)
        if first or not stopped:
            where = "" if first else f" (process {rank()})"
            print(f"{'stopped' if stopped else 'error'}{where}: {message}", file=sys.stderr, flush=True)
        if context is not None and first:
            (context.log.warning if stopped else context.log.error)(f"{options.label}: {message}".removeprefix(": "))
        reporter.result(_failure(error, code))
        # ranks that Lightning started must not look like a crash when all ranks stop together
        return EXIT_DONE if stopped and not first else code


def _fit_and_publish(spec: TrainingSpec, work: Path, options: Options, reporter: Reporter) -> dict[str, Any]:
    from sport_assets.training.checkpoints import json_bytes, publish

    out = options.out.resolve()
    if out.exists() and any(out.iterdir()):
        if published_digest(out) == spec.digest:
            reporter.info(f"{out.name} holds the result of this spec already; nothing to do")
            return {"spec_digest": spec.digest, "already_there": True}
        raise BadSpecError(f"the output folder {out} is not empty and holds something else; give another --out")
    from sport_assets.training.resume import StopRequest

    stop = StopRequest()
    stop.install()
    import torch

    torch.set_num_threads(spec.threads)
    with contextlib.suppress(RuntimeError):  # only settable once per process
        torch.set_num_interop_threads(1)
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


def set_environment(spec: TrainingSpec) -> None:
    """Variables that must be set before torch is imported, for the same bits every time."""
    wanted = {name: str(spec.threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    wanted |= {"MKL_CBWR": "COMPATIBLE", "CUBLAS_WORKSPACE_CONFIG": ":4096:8"}
    if "torch" in sys.modules and any(os.environ.get(name) != value for name, value in wanted.items()):
        raise RuntimeError(f"torch was imported before {', '.join(wanted)} were set; train in a process of its own")
    os.environ.update(wanted)


def die_with_parent() -> None:
    """Ask Linux for a SIGTERM when the parent ends; elsewhere the child ends at its next message at the latest."""
    parent = os.getppid()
    if not sys.platform.startswith("linux"):
        return
    pr_set_pdeathsig = 1
    if ctypes.CDLL(None, use_errno=True).prctl(pr_set_pdeathsig, signal.SIGTERM, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != parent:
        raise SystemExit("the parent ended while the trainer was starting")


def rank() -> int:
    """Global rank as torchrun or Lightning's launcher tells it; 0 alone."""
    return int(os.environ.get("RANK") or os.environ.get("LOCAL_RANK") or 0)


@contextlib.contextmanager
def _pipes() -> Iterator[Any]:
    """Dagster Pipes' context where this process was started under it, else None."""
    from dagster_pipes import PipesEnvVarParamsLoader, open_dagster_pipes

    if rank() == 0 and PipesEnvVarParamsLoader().is_dagster_pipes_process():
        with open_dagster_pipes() as context:
            yield context
    else:
        yield None


def _understood(error: BaseException, spec: TrainingSpec) -> BaseException:
    """Turn torch's many ways of running out of memory into one error with a remedy."""
    if isinstance(error, TrainingError):
        return error
    text = f"{type(error).__name__}: {error}".lower()
    signs = ("outofmemory", "memoryerror", "out of memory", "can't allocate memory", "cannot allocate memory")
    if any(sign in text for sign in signs):
        what = str(error).splitlines()[0] if str(error) else type(error).__name__
        advice = memory_advice(spec.trainer_settings, spec.wanted_precision)
        return OutOfMemoryError(f"out of memory ({what}). {advice}")
    return error


def _failure(error: BaseException, code: int) -> dict[str, Any]:
    return {"exit_code": code, "error": type(error).__name__, "message": str(error)}


if __name__ == "__main__":
    sys.exit(main())
