"""What MLflow is told of a search: one run for the study, below it one for each trial, with settings, curves and state.

Belongs here: these runs, found again by study and trial number. Must not be here: trainings by themselves (`tracking`).
MLflow is a view of the study: what it missed while it was away, or the process was dead, is told at the next start.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sport_assets.training.progress import Reporter
from sport_assets.training.tracked import experiment_id, open_client, tracking_uri
from sport_assets.training.tracking import PARENT_VARIABLE, Status, Tracking
from sport_assets.training.tuning import TuningPlan
from sport_assets.training.tuning_result import Trial

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

STUDY_TAG, TRIAL_TAG, STATE_TAG = "sport_assets.study", "sport_assets.trial", "sport_assets.state"
DAGSTER_TAG = "dagster_run_id"
"""Dagster's reaper ends runs with this tag, and those below them, when their Dagster run is over."""


class StudyRuns:
    """A tracker (`tracking.Backend`) of a whole search; every call comes from the tracking thread."""

    def __init__(self, plan: TuningPlan, uri: str, dagster_run: str | None) -> None:
        self._plan, self._uri, self._dagster_run = plan, uri, dagster_run
        self._client: Any = None
        self._experiment = ""
        self._study_run = ""
        self._told: set[int] = set()
        self._trial_runs: dict[int, str] = {}
        """Runs by trial, of trials that have not been told of as finished."""

    def start(self, params: Mapping[str, Any], tags: Mapping[str, str]) -> None:
        """Find the study's run, or create it below the parent run."""
        self._client = open_client(self._uri)
        self._experiment = experiment_id(self._client, self._plan.spec.line, self._uri)
        own = {STUDY_TAG: self._plan.digest, **tags}
        if self._dagster_run is not None:
            own[DAGSTER_TAG] = self._dagster_run
        parent = os.environ.get(PARENT_VARIABLE)
        if parent:
            own["mlflow.parentRunId"] = parent
        found = self._find(f"tags.`{STUDY_TAG}` = '{self._plan.digest}'")
        studies = [run for run in found if TRIAL_TAG not in run.data.tags]
        trials = {int(run.data.tags[TRIAL_TAG]): run for run in found if TRIAL_TAG in run.data.tags}
        self._told = {number for number, run in trials.items() if STATE_TAG in run.data.tags}
        self._trial_runs = {number: run.info.run_id for number, run in trials.items() if number not in self._told}
        name = f"{self._plan.spec.line} tuning {self._plan.preset} seed {self._plan.seed}"
        self._study_run = self._begin(studies[0].info.run_id if studies else None, name, own)
        self._params(self._study_run, params)

    def trial(self, number: int, values: Mapping[str, Any]) -> None:
        """A trial begins, or goes on."""
        tags = {
            STUDY_TAG: self._plan.digest,
            TRIAL_TAG: str(number),
            "sport_assets.preset": self._plan.preset,
            "mlflow.parentRunId": self._study_run,
        }
        name = f"trial {number + 1}" + (" (the preset)" if number == 0 else "")
        self._trial_runs[number] = self._begin(self._trial_runs.get(number), name, tags)
        self._params(self._trial_runs[number], values)

    def fold(self, number: int, fold: int, rows: list[dict[str, Any]], mean: float) -> None:
        """A fold's curves, as `fold_0/val_ade` by epoch, and the mean over the folds so far."""
        for row in rows:
            values = {f"fold_{fold}/{name}": value for name, value in row.items() if name not in ("epoch", "step")}
            self._log(self._trial_runs[number], values, int(row["epoch"]))
        self._log(self._trial_runs[number], {"mean_of_folds": mean}, fold)

    def finished(self, trial: Trial) -> None:
        """How a trial ended."""
        run = self._trial_runs[trial.number]
        if trial.value is not None:
            self._log(run, {"value": trial.value}, 0)
        if trial.reason is not None:
            self._client.set_tag(run, "sport_assets.reason", trial.reason[:500])
        self._client.set_tag(run, STATE_TAG, trial.state)
        self._client.set_terminated(run, "FAILED" if trial.state == "failed" else "FINISHED")
        self._trial_runs.pop(trial.number)

    def missed(self, trials: list[Trial]) -> None:
        """Tell what happened while nobody listened."""
        for trial in trials:
            if trial.number in self._told:
                continue
            self.trial(trial.number, trial.values)
            for fold, _ in enumerate(trial.fold_values):
                so_far = trial.fold_values[: fold + 1]
                self._log(self._trial_runs[trial.number], {"mean_of_folds": sum(so_far) / len(so_far)}, fold)
            self.finished(trial)

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        """Numbers of the whole study."""
        self._log(self._study_run, values, step)

    def end(self, status: Status, result: Path | None) -> None:
        """End the study's run, with its result, and that of a trial that was cut off."""
        try:
            if result is not None:
                for path in sorted(result.iterdir()):
                    self._client.log_artifact(self._study_run, str(path))
            for run in self._trial_runs.values():
                self._client.set_terminated(run, "KILLED")
        finally:
            self._client.set_terminated(self._study_run, status)

    def _find(self, filter_string: str) -> list[Any]:
        found: list[Any] = []
        token = None
        while True:
            page = self._client.search_runs([self._experiment], filter_string=filter_string, page_token=token)
            found += page
            token = page.token
            if not token:
                return found

    def _begin(self, run_id: str | None, name: str, tags: Mapping[str, str]) -> str:
        if run_id is None:
            return str(self._client.create_run(self._experiment, tags=dict(tags), run_name=name).info.run_id)
        self._client.update_run(run_id, status="RUNNING")
        for key, value in tags.items():
            self._client.set_tag(run_id, key, value)
        return run_id

    def _params(self, run_id: str, params: Mapping[str, Any]) -> None:
        from mlflow.entities import Param

        known = self._client.get_run(run_id).data.params  # a parameter cannot be changed once logged
        fresh = [Param(key, str(value)[:6000]) for key, value in params.items() if key not in known]
        for first in range(0, len(fresh), 100):
            self._client.log_batch(run_id, params=fresh[first : first + 100])

    def _log(self, run_id: str, values: Mapping[str, float], step: int) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        metrics = [Metric(name, float(value), now, step) for name, value in values.items() if value is not None]
        self._client.log_batch(run_id, metrics=metrics)


class StudyTracking(Tracking):
    """Tells a search to MLflow from a thread of its own: it can neither stop nor delay it (a `tuning.Follower`)."""

    def __init__(self, plan: TuningPlan, runs: StudyRuns | None, reporter: Reporter) -> None:
        super().__init__({} if runs is None else {"mlflow": runs}, reporter)
        self._plan = plan

    def begin(self, earlier: list[FrozenTrial]) -> None:
        """The study's run, and what happened in it before."""
        plan = self._plan
        params = {"preset": plan.preset, "seed": plan.seed, "folds": plan.folds, "builder": plan.spec.builder}
        for name, range_ in plan.searched.items():
            params[f"space.{name}"] = range_.model_dump_json(exclude_defaults=True)
        self.start(params, {"sport_assets.preset": plan.preset, "sport_assets.code_version": plan.spec.code_version})
        told = [Trial.of(trial, plan) for trial in earlier]
        self._tell(lambda runs: runs.missed(told))

    def began(self, number: int, values: Mapping[str, Any]) -> None:
        """A trial's run."""
        told = dict(values)
        self._tell(lambda runs: runs.trial(number, told))

    def fold_done(self, number: int, fold: int, rows: list[dict[str, Any]], mean: float) -> None:
        """Its curves."""
        told = list(rows)
        self._tell(lambda runs: runs.fold(number, fold, told, mean))

    def ended(self, trial: FrozenTrial) -> None:
        """Its end."""
        told = Trial.of(trial, self._plan)
        self._tell(lambda runs: runs.finished(told))

    def _tell(self, job: Callable[[StudyRuns], None]) -> None:
        self._jobs.put(lambda backend: job(backend) if isinstance(backend, StudyRuns) else None)


def make_tracking(
    plan: TuningPlan, folder: Path, names: list[str], dagster_run: str | None, reporter: Reporter
) -> StudyTracking:
    """MLflow where it is among the trackers. TensorBoard and W&B have no trials below a study; they are left out."""
    runs = StudyRuns(plan, tracking_uri(folder), dagster_run) if "mlflow" in names else None
    return StudyTracking(plan, runs, reporter)
