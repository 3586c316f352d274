"""`python -m sport_assets.training.tune plan.json --work DIR --out DIR`: one search for better settings.

Belongs here: the command line, and the training of one fold in this process. Must not be here: the process around it,
which ends, stops and reports as that of one training does (`process`); what is proposed and compared (`tuning`).
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sport_assets.training.errors import BadSpecError, StoppedError
from sport_assets.training.process import Surroundings, Task, ready_to_train, run_task, understood
from sport_assets.training.spec import TrainingSpec
from sport_assets.training.tuning import PrunedError, Search, TuningPlan

if TYPE_CHECKING:
    from sport_assets.training.progress import Reporter
    from sport_assets.training.resume import StopRequest

EPOCH_LINE_S = 15.0
"""Seconds between the lines of a training under way; each of its own, every second, would drown the trials."""


@dataclass(frozen=True)
class Options:
    """The command line."""

    plan: Path
    work: Path
    """Working files of this study."""
    out: Path
    """Result folder."""
    wait_s: float
    """Seconds to wait for another search in the study."""
    trackers: str
    """Names with commas, or none; only mlflow counts."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Search, and return the exit code (those of `process`)."""
    parser = argparse.ArgumentParser(prog="python -m sport_assets.training.tune", description="Search settings.")
    parser.add_argument("plan", type=Path, help="tuning plan (JSON of a TuningPlan)")
    parser.add_argument("--work", type=Path, required=True, help="working files of this study; kept to go on from")
    parser.add_argument("--out", type=Path, required=True, help="result folder; its files are written anew")
    parser.add_argument("--wait-s", type=float, default=0.0, help="wait this long for another search in the study")
    parser.add_argument(
        "--trackers",
        default=os.environ.get("SPORT_ASSETS_TRACKERS", "mlflow"),
        help="mlflow or none (default: SPORT_ASSETS_TRACKERS, else mlflow)",
    )
    options = Options(**vars(parser.parse_args(arguments)))

    def load() -> tuple[TrainingSpec, Task]:
        plan = TuningPlan.load(options.plan)
        return plan.spec, lambda surroundings: _search(plan, options, surroundings)

    return run_task(load, options.work, wait_s=options.wait_s)


def _search(plan: TuningPlan, options: Options, surroundings: Surroundings) -> dict[str, Any]:
    work, reporter = surroundings.work, surroundings.reporter
    stop = ready_to_train(plan.spec)
    from sport_assets.training.tracking import Status
    from sport_assets.training.tuning_result import result_files
    from sport_assets.training.tuning_tracking import make_tracking

    trackers = [part.strip() for part in options.trackers.split(",")]
    tracking = make_tracking(plan, work, trackers, surroundings.run_id, reporter)
    trainer = FoldTrainer(plan, reporter, stop)
    search = Search(plan, work, reporter, stop, trainer, tracking)
    tracking.begin(search.finished())
    status: Status = "FAILED"
    try:
        finished = search.run()
        files = result_files(plan, search.study, finished, metric=search.metric)
        options.out.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (options.out / name).write_bytes(content)
        status = "FINISHED"
        return {"study": plan.digest, "timed_out": search.timed_out, "metric": search.metric}
    except StoppedError:
        status = "KILLED"
        raise
    finally:
        tracking.end(status, options.out if status == "FINISHED" else None, wait_s=5.0 if status == "KILLED" else 60.0)


class FoldTrainer:
    """Trains one fold after another in this process: loading torch takes longer than many a training (`tuning.Train`).

    A training out of memory raises `OutOfMemoryError`; the process goes on with the next trial.
    """

    def __init__(self, plan: TuningPlan, reporter: Reporter, stop: StopRequest) -> None:
        self._mode, self._reporter, self._stop = plan.mode, reporter, stop

    def __call__(
        self, spec: TrainingSpec, work: Path, half: Callable[[float], None]
    ) -> tuple[str, float, list[dict[str, Any]]]:
        """The monitored metric's name, its value at the end, and the curves."""
        from sport_assets.training.fit import fit

        work.mkdir(parents=True, exist_ok=True)
        trial, fold = int(work.parent.name) + 1, spec.part.partition(":")[2]
        reporter = _Quiet(self._reporter, f"trial {trial}  fold {int(fold) + 1}: ")
        try:
            fitted = fit(spec, work, reporter, self._stop, lambda curves, used: [half_way(spec, self._mode, half)])
        except (StoppedError, PrunedError):
            raise
        except Exception as error:
            known = understood(error, spec)
            if known is error:
                raise
            raise known from error
        metric = str(fitted.report["monitor"])
        return metric, float(fitted.rows[-1][metric]), fitted.rows


def half_way(spec: TrainingSpec, mode: str, tell: Callable[[float], None]) -> Any:
    """A callback that tells the monitored metric after half of the epochs.

    By share of the epochs and not by their number: the learning rate falls over all of them, so epoch 10 of 20 and
    epoch 10 of 100 say nothing of one another.
    """
    import pytorch_lightning as pl

    from sport_assets.training.monitor import Monitor

    middle = spec.trainer_settings.max_epochs // 2

    class HalfWay(pl.Callback):
        def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
            [monitor] = [callback for callback in trainer.callbacks if isinstance(callback, Monitor)]  # type: ignore[attr-defined]
            if monitor.mode != mode:
                raise BadSpecError(f"the search takes {mode} of {monitor.monitor} for better, the model {monitor.mode}")
            if trainer.current_epoch + 1 == middle:
                tell(float(trainer.callback_metrics[monitor.monitor]))

    return HalfWay()


class _Quiet:
    """A training's own lines, now and then; its warnings always."""

    def __init__(self, reporter: Reporter, prefix: str) -> None:
        self._reporter, self._prefix = reporter, prefix
        self._next = time.monotonic() + EPOCH_LINE_S

    def info(self, message: str) -> None:
        """Where some time has passed."""
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + EPOCH_LINE_S
            self._reporter.info(self._prefix + message)

    def warning(self, message: str) -> None:
        """Told."""
        self._reporter.warning(self._prefix + message)

    def result(self, content: Mapping[str, Any]) -> None:
        """Nothing: the search reports its own."""


if __name__ == "__main__":
    sys.exit(main())
