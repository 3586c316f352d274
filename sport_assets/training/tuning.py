"""Searches better settings for a preset: Optuna proposes, trials train on the folds for tuning, bad ones are cut short.

Belongs here: the plan of a search, its study, and what one trial does. Must not be here: process matters (`tune`), what
is told to trackers (`tuning_tracking`), what is published (`tuning_result`), any sport.

A search is a study in an SQLite file under the digest of all that decides its values. Killed at any moment it goes on:
a trial that was cut off keeps its settings and the folds it has, and its training resumes from its checkpoint. What is
proposed follows from (seed, number of the trial, trials before it) alone, so a search that was killed ends as an
undisturbed one.
"""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
import pydantic

from sport_assets.lineage.digest import canonical_json, sha256_text
from sport_assets.training.errors import (
    BadSpecError,
    NonFiniteLossError,
    OutOfMemoryError,
    StoppedError,
    TrainingError,
)
from sport_assets.training.spec import TrainingSpec, describe
from sport_assets.training.tuning_space import Range, encoded, fitted_space, with_values

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial, Trial

    from sport_assets.training.progress import Reporter
    from sport_assets.training.resume import StopRequest

STARTUP_TRIALS = 5
"""Whole trials before any is cut short: a median of fewer says little."""
MAX_STARTS = 3
"""A trial in which the process died this often fails: its settings may be what kills it, for lack of memory."""
MAX_FAILURES = 5
"""Failed trials in a row after which the search ends: it would be the same with all others."""
FOLD_VALUES, STARTS, REASON, METRIC = "fold_values", "starts", "reason", "metric"


class TuningPlan(pydantic.BaseModel):
    """What is searched, and how far.

    `spec` is the training of the preset as it stands; its settings are complete, its `part` is replaced by each fold
    for tuning. `fixed` are settings already changed by hand in them, which are not searched.
    """

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    plan_version: Literal[1] = 1
    preset: str
    spec: TrainingSpec
    space: dict[str, Range]
    fixed: dict[str, Any] = pydantic.Field(default_factory=dict)
    folds: int = pydantic.Field(ge=1)
    """Folds for tuning to train, from the first."""
    mode: Literal["min", "max"] = "min"
    """Whether less or more of the monitored metric is better."""
    trials: int = pydantic.Field(ge=1)
    """Finished trials in all, those of earlier searches in the same study included."""
    timeout_s: float | None = pydantic.Field(None, gt=0)
    """Seconds after which the search ends; a trial under way is kept and goes on with the next search."""

    @property
    def seed(self) -> int:
        """Of the proposals and of every training."""
        return self.spec.seed

    @cached_property
    def searched(self) -> dict[str, Range]:
        """The space without what is fixed, each range holding the preset's own value."""
        return fitted_space(self.space, self.spec.identity()["settings"], self.fixed)

    @cached_property
    def digest(self) -> str:
        """Identity of the study: all that decides a trial's value. How many trials, and how long, does not."""
        content = {
            "spec": self.spec.identity(),
            "space": {name: range_.model_dump(mode="json") for name, range_ in self.searched.items()},
            "folds": self.folds,
            "mode": self.mode,
        }
        return sha256_text(canonical_json(content))

    def baseline(self) -> dict[str, Any]:
        """The preset's own values of what is searched."""
        settings = self.spec.identity()["settings"]
        return {name: settings[name.partition(".")[0]][name.partition(".")[2]] for name in self.searched}

    def fold_spec(self, values: Mapping[str, Any], fold: int) -> TrainingSpec:
        """The training of one fold under a trial's values. Raises `BadSpecError` where they contradict one another."""
        content = self.spec.model_dump()
        settings = with_values(self.spec.identity()["settings"], values)
        try:
            return TrainingSpec.model_validate({**content, "settings": settings, "part": f"tuning:{fold}"})
        except pydantic.ValidationError as error:
            raise BadSpecError(f"the settings contradict one another:\n{describe(error)}") from error

    @classmethod
    def load(cls, path: Path) -> TuningPlan:
        """Read a plan; raises `BadSpecError` that names the file and every wrong field."""
        try:
            plan = cls.model_validate(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, json.JSONDecodeError) as error:
            raise BadSpecError(f"cannot read the tuning plan {path}: {error}") from error
        except pydantic.ValidationError as error:
            raise BadSpecError(f"the tuning plan {path} is not valid:\n{describe(error)}") from error
        settings = plan.spec.trainer_settings
        if settings.devices * settings.num_nodes > 1:
            raise BadSpecError("a search trains on one device; set training.devices and training.num_nodes to 1")
        assert plan.searched  # unknown names are refused before anything is trained
        return plan


class Follower(Protocol):
    """Who is told of a search as it goes (`tuning_tracking.StudyTracking`)."""

    def began(self, number: int, values: Mapping[str, Any]) -> None:
        """A trial starts, or goes on."""

    def fold_done(self, number: int, fold: int, rows: list[dict[str, Any]], mean: float) -> None:
        """A fold was trained, with these curves; `mean` is over the folds so far."""

    def ended(self, trial: FrozenTrial) -> None:
        """A trial is finished: complete, pruned or failed."""


class PrunedError(Exception):
    """A trial that is cut short in the middle of a training."""


Train = Callable[[TrainingSpec, Path, Callable[[float], None]], tuple[str, float, list[dict[str, Any]]]]
"""Trains one fold in a folder: the monitored metric's name and its value at the end, and the curves by epoch. It may
tell the metric half-way."""


class Search:
    """One search over an opened study. `train` is what trains a fold (`tune.FoldTrainer`, or a test's own)."""

    def __init__(
        self,
        plan: TuningPlan,
        folder: Path,
        reporter: Reporter,
        stop: StopRequest,
        train: Train,
        follower: Follower | None = None,
    ) -> None:
        self.plan = plan
        self.timed_out = False
        self.study = open_study(plan, folder)
        self._folder, self._reporter, self._stop, self._train = folder, reporter, stop, train
        self._follower = follower
        self._deadline: float | None = None
        self._note_best(self.finished())

    def run(self) -> list[FrozenTrial]:
        """Train until `trials` are finished or time is up; returns all finished trials by number.

        Raises `StoppedError` on request (start again and it goes on), and the preset's own error where not even the
        preset can be trained.
        """
        if self.plan.timeout_s is not None:
            self._deadline = time.monotonic() + self.plan.timeout_s
        while len(self._trials("COMPLETE", "PRUNED")) < self.plan.trials and not self._time_is_up():
            self._give_up_where_all_fail()
            trial = self._next()
            try:
                self._run_trial(trial)
            except StoppedError:
                if not self.timed_out:
                    raise
        if self.timed_out:
            self._reporter.info(f"time is up ({self.plan.timeout_s:g} s)")
        return self.finished()

    @property
    def metric(self) -> str:
        """The monitored metric's name; known once a fold was trained."""
        return str(self.study.user_attrs.get(METRIC, "value"))

    def finished(self) -> list[FrozenTrial]:
        """All finished trials by number: complete, pruned and failed."""
        return self._trials("COMPLETE", "PRUNED", "FAIL")

    def _trials(self, *states: str) -> list[FrozenTrial]:
        return [trial for trial in self.study.get_trials(deepcopy=False) if trial.state.name in states]

    def _time_is_up(self) -> bool:
        self.timed_out = self.timed_out or (self._deadline is not None and time.monotonic() >= self._deadline)
        return self.timed_out

    def _give_up_where_all_fail(self) -> None:
        last = self.finished()[-MAX_FAILURES:]
        if len(last) == MAX_FAILURES and all(trial.state.name == "FAIL" for trial in last):
            reason = last[-1].user_attrs[REASON]
            raise TrainingError(f"the last {MAX_FAILURES} trials failed, so the search ends; the last one: {reason}")

    def _next(self) -> Trial:
        """The trial that was cut off, else a new one. The lease says that nobody else works on it."""
        from optuna.trial import Trial

        cut_off = self._trials("RUNNING")
        trial = Trial(self.study, cut_off[0]._trial_id) if cut_off else self.study.ask()
        self.study.sampler = _sampler(self.plan.seed, trial.number)
        return trial

    def _run_trial(self, trial: Trial) -> None:
        starts = int(trial.user_attrs.get(STARTS, 0))
        if starts >= MAX_STARTS:
            self._fail(trial, f"the process died {starts} times in this trial; perhaps for lack of memory")
            return
        trial.set_user_attr(STARTS, starts + 1)
        values = self._values(trial)
        if self._follower is not None:
            self._follower.began(trial.number, values)
        try:
            mean = self._folds(trial, values)
        except StoppedError:
            trial.set_user_attr(STARTS, starts)  # it did not die
            raise
        except (PrunedError, NonFiniteLossError, OutOfMemoryError, BadSpecError) as error:
            if trial.number == 0:
                raise  # the preset itself: nothing could be compared with
            self._fail(trial, str(error)) if isinstance(error, TrainingError) else self._end(trial, "PRUNED")
        else:
            self._end(trial, "COMPLETE", mean)

    def _values(self, trial: Trial) -> dict[str, Any]:
        """What the trial tries; kept in the study as soon as it is drawn."""
        values: dict[str, Any] = {}
        for name, range_ in self.plan.searched.items():
            if range_.kind == "categorical":
                choices = [encoded(choice) for choice in range_.choices]
                values[name] = json.loads(trial.suggest_categorical(name, choices))
            elif range_.kind == "int":
                assert range_.low is not None and range_.high is not None
                values[name] = trial.suggest_int(name, int(range_.low), int(range_.high))
            else:
                assert range_.low is not None and range_.high is not None
                values[name] = trial.suggest_float(name, range_.low, range_.high, log=range_.kind == "log")
        return values

    def _folds(self, trial: Trial, values: Mapping[str, Any]) -> float:
        """Train the folds that are missing; the mean of the monitored metric over all."""
        done: list[float] = list(trial.user_attrs.get(FOLD_VALUES, []))
        for fold in range(self.plan.folds):
            if fold == len(done):
                done.append(self._fold(trial, values, fold, done))
            mean = sum(done[: fold + 1]) / (fold + 1)
            if fold + 1 < self.plan.folds:
                self._report(trial, mean, step=fold + 1)
        return mean

    def _fold(self, trial: Trial, values: Mapping[str, Any], fold: int, before: list[float]) -> float:
        if self._time_is_up():
            raise StoppedError("time is up")
        spec = self.plan.fold_spec(values, fold)
        work = self._folder / "trials" / f"{trial.number:04d}" / f"fold_{fold}"

        def half(value: float) -> None:
            if fold == 0:
                self._report(trial, value, step=0)

        with self._clock():
            metric, value, rows = self._train(spec, work, half)
        if not np.isfinite(value):
            raise NonFiniteLossError(f"{metric} is {value} on fold {fold}")
        if METRIC not in self.study.user_attrs:
            self.study.set_user_attr(METRIC, metric)
        done = [*before, value]
        trial.set_user_attr(FOLD_VALUES, done)
        shutil.rmtree(work, ignore_errors=True)
        mean = sum(done) / len(done)
        where = f"trial {trial.number + 1}  fold {fold + 1}/{self.plan.folds}"
        self._reporter.info(f"{where}  {metric} {value:.5g}  mean {mean:.5g}{self._best}")
        if self._follower is not None:
            self._follower.fold_done(trial.number, fold, rows, mean)
        return value

    def _clock(self) -> _Clock:
        return _Clock(self._deadline, self._on_time)

    def _on_time(self) -> None:
        self.timed_out = True
        self._stop.requested = True  # the training stops at a checkpoint

    def _report(self, trial: Trial, value: float, step: int) -> None:
        """Tell the study a value on the way; raises `PrunedError` where it is worse than half of the whole trials."""
        trials = self.study.get_trials(deepcopy=False)
        if step not in trials[trial.number].intermediate_values:  # else told before the process was killed
            trial.report(value, step)
        if hopeless(value, step, [other for other in trials if other.state.name == "COMPLETE"], self.plan.mode):
            raise PrunedError

    def _fail(self, trial: Trial, reason: str) -> None:
        trial.set_user_attr(REASON, reason)
        self._reporter.warning(f"trial {trial.number + 1} failed: {reason}")
        self._end(trial, "FAIL")

    def _end(self, trial: Trial, state: str, value: float | None = None) -> None:
        from optuna.trial import TrialState

        frozen = self.study.tell(trial, value, state=TrialState[state])
        shutil.rmtree(self._folder / "trials" / f"{trial.number:04d}", ignore_errors=True)
        if state != "FAIL":
            finished = self._trials("COMPLETE", "PRUNED")
            self._note_best(finished)
            count = f"({len(finished)} of {self.plan.trials})"
            self._reporter.info(f"trial {trial.number + 1} {state.lower()}  {count}{self._best}")
        if self._follower is not None:
            self._follower.ended(frozen)

    def _note_best(self, finished: Sequence[FrozenTrial]) -> None:
        values = [trial.value for trial in finished if trial.state.name == "COMPLETE" and trial.value is not None]
        self._best = f"  best {(min if self.plan.mode == 'min' else max)(values):.5g}" if values else ""


class _Clock:
    """Calls `ring` at the deadline unless what is timed ended before."""

    def __init__(self, deadline: float | None, ring: Callable[[], None]) -> None:
        self._timer = None if deadline is None else threading.Timer(max(0.0, deadline - time.monotonic()), ring)

    def __enter__(self) -> None:
        if self._timer is not None:
            self._timer.daemon = True
            self._timer.start()

    def __exit__(self, *raised: object) -> None:
        if self._timer is not None:
            self._timer.cancel()


def hopeless(value: float, step: int, whole: Sequence[FrozenTrial], mode: str) -> bool:
    """Whether a trial's newest value is worse than the median of the whole trials at the same step.

    Not Optuna's MedianPruner: it takes the best of a trial's values so far, and where the first fold is an easy one,
    that is the first fold's for ever, which is then set against means over more folds.
    """
    others = [other.intermediate_values[step] for other in whole if step in other.intermediate_values]
    if len(others) < STARTUP_TRIALS:
        return False
    median = float(np.median(others))
    return value > median if mode == "min" else value < median


def open_study(plan: TuningPlan, folder: Path) -> optuna.Study:
    """The plan's study in `folder`/study.db, made where it is missing, with the preset as its first trial."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    folder.mkdir(parents=True, exist_ok=True)
    study = optuna.create_study(
        study_name=plan.digest,
        storage=f"sqlite:///{folder / 'study.db'}",
        direction="minimize" if plan.mode == "min" else "maximize",
        pruner=optuna.pruners.NopPruner(),  # `hopeless` decides
        load_if_exists=True,
    )
    if not study.get_trials(deepcopy=False):
        preset = plan.baseline()
        study.enqueue_trial(
            {
                name: encoded(preset[name]) if range_.kind == "categorical" else preset[name]
                for name, range_ in plan.searched.items()
            }
        )
    return study


def _sampler(seed: int, number: int) -> Any:
    """A sampler for one trial. One for the whole search would propose its first settings again after every restart."""
    from optuna.samplers import TPESampler

    state = int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
    return TPESampler(seed=state, multivariate=True, constant_liar=False)
