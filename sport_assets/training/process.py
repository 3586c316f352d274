"""The process around a training or a search: how it begins, whom it tells, and what it ends with.

Belongs here: environment, signals, lease, reporter, exit code. Must not be here: command lines and what they ask for
(`run`, `tune`); heavy imports, since the environment is set before torch is loaded.

Exit codes: 0 done, 1 failed, 2 bad spec, 3 non-finite loss, 4 out of memory, 5 another trainer holds the spec,
75 stopped at a checkpoint (start the same again and it goes on). Started by Dagster Pipes it talks to Dagster, else to
the terminal. On Linux it ends when its parent does (SIGTERM by PR_SET_PDEATHSIG, so with a checkpoint).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import resource
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sport_assets.lineage.errors import LineageError
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
from sport_assets.training.spec import TrainingSpec

if TYPE_CHECKING:
    from sport_assets.training.progress import Reporter
    from sport_assets.training.resume import StopRequest


@dataclass(frozen=True)
class Surroundings:
    """What a task is given by its process."""

    work: Path
    """Working files, under the lease."""
    reporter: Reporter
    run_id: str | None
    """The Dagster run that started the process; none from a terminal."""


# AUTO: the fastest code path for the kind of processor, always the same one; STRICT: wherever an array lies in memory.
# COMPATIBLE would be one path for all kinds, at half the speed; torch's own kernels differ among kinds all the same.
SAME_BITS = {"MKL_CBWR": "AUTO,STRICT", "CUBLAS_WORKSPACE_CONFIG": ":4096:8"}
"""Variables of a training process that make the same sums in the same order every time."""

Task = Callable[[Surroundings], dict[str, Any]]
"""Does the work and returns what is reported of it."""


def run_task(load: Callable[[], tuple[TrainingSpec, Task]], work: Path, *, wait_s: float = 0.0, label: str = "") -> int:
    """Load a task, do it under the lease of its working folder, say how it ended, and return the exit code.

    `wait_s`: seconds to wait for another process in the folder. `label`: what this one is among several, before every
    message.
    """
    die_with_parent()
    try:
        spec, task = load()
    except BadSpecError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        with pipes() as context:
            if context is not None:
                context.log.error(str(error))
                context.report_custom_message({"training": failure(error, EXIT_BAD_SPEC)})
        return EXIT_BAD_SPEC
    set_environment(spec)
    with pipes() as context:
        return _under_lease(spec, task, work, wait_s, label, context)


def _under_lease(spec: TrainingSpec, task: Task, work: Path, wait_s: float, label: str, context: Any) -> int:
    from sport_assets.training.progress import LabelledReporter, PipesReporter, SilentReporter, TerminalReporter

    first = rank() == 0
    reporter: Reporter
    if not first:
        reporter = SilentReporter()
    else:
        reporter = TerminalReporter() if context is None else PipesReporter(context)
        reporter = LabelledReporter(reporter, label) if label else reporter
    try:
        work = work.resolve()
        work.mkdir(parents=True, exist_ok=True)
        # only the first process of a training holds the lease; the others belong to it
        own = lease(work / "lease.json", wait_s=wait_s, say=reporter.info)
        with own if first else contextlib.nullcontext():
            report = task(Surroundings(work, reporter, None if context is None else context.run_id))
        reporter.result({"exit_code": EXIT_DONE, **report})
        return EXIT_DONE
    except BaseException as raised:  # noqa: BLE001 - the process ends here, with a code and a message
        error = understood(raised, spec)
        code = error.exit_code if isinstance(error, TrainingError) else EXIT_FAILED
        if not isinstance(error, TrainingError):
            traceback.print_exception(raised)
        message = str(error) or type(error).__name__
        stopped = isinstance(error, StoppedError)
        if first or not stopped:
            where = "" if first else f" (process {rank()})"
            print(f"{'stopped' if stopped else 'error'}{where}: {message}", file=sys.stderr, flush=True)
        if context is not None and first:
            (context.log.warning if stopped else context.log.error)(f"{label}: {message}".removeprefix(": "))
        reporter.result(failure(error, code))
        # ranks that Lightning started must not look like a crash when all ranks stop together
        return EXIT_DONE if stopped and not first else code


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


def set_environment(spec: TrainingSpec) -> None:
    """Variables that must be set before torch is imported, for the same bits every time."""
    wanted = {name: str(spec.threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    wanted |= SAME_BITS
    if "torch" in sys.modules and any(os.environ.get(name) != value for name, value in wanted.items()):
        raise RuntimeError(f"torch was imported before {', '.join(wanted)} were set; train in a process of its own")
    os.environ.update(wanted)


def ready_to_train(spec: TrainingSpec) -> StopRequest:
    """From here on a signal asks for a stop at a checkpoint; torch takes the spec's threads."""
    from sport_assets.training.resume import StopRequest

    stop = StopRequest()
    stop.install()
    import torch

    torch.set_num_threads(spec.threads)
    with contextlib.suppress(RuntimeError):  # only settable once per process
        torch.set_num_interop_threads(1)
    return stop


def rank() -> int:
    """Global rank as torchrun or Lightning's launcher tells it; 0 alone."""
    return int(os.environ.get("RANK") or os.environ.get("LOCAL_RANK") or 0)


def peak_memory() -> int:
    """Most memory that this process has held so far, in bytes: on the GPU where it used one, else its own."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized():
        return int(torch.cuda.max_memory_allocated())
    # not ru_maxrss on Linux: there a process begins with the most that its parent has held
    with contextlib.suppress(OSError):
        held = re.search(r"^VmHWM:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
        if held:
            return int(held[1]) * 1024
    held_before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return held_before if sys.platform == "darwin" else held_before * 1024  # Linux counts in KiB


@contextlib.contextmanager
def pipes() -> Iterator[Any]:
    """Dagster Pipes' context where this process was started under it, else None."""
    from dagster_pipes import PipesEnvVarParamsLoader, open_dagster_pipes

    if rank() == 0 and PipesEnvVarParamsLoader().is_dagster_pipes_process():
        with open_dagster_pipes() as context:
            yield context
    else:
        yield None


def understood(error: BaseException, spec: TrainingSpec) -> BaseException:
    """Turn torch's many ways of running out of memory, and what a line says of its input, into errors of training."""
    if isinstance(error, TrainingError):
        return error
    if isinstance(error, LineageError):  # a line's own words on its data or weights
        return BadSpecError(str(error))
    text = f"{type(error).__name__}: {error}".lower()
    signs = ("outofmemory", "memoryerror", "out of memory", "can't allocate memory", "cannot allocate memory")
    if any(sign in text for sign in signs):
        what = str(error).splitlines()[0] if str(error) else type(error).__name__
        return OutOfMemoryError(f"out of memory ({what}). {spec.memory_advice}")
    return error


def failure(error: BaseException, code: int) -> dict[str, Any]:
    """What is reported of a training that failed or was stopped."""
    return {"exit_code": code, "error": type(error).__name__, "message": str(error)}
