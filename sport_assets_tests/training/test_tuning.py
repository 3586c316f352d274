"""The search with a scripted objective, and with real trainings of the toy model: what is proposed, cut short, kept."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from sport_assets.training.errors import BadSpecError, NonFiniteLossError, StoppedError, TrainingError
from sport_assets.training.names import TUNING_FILE
from sport_assets.training.progress import SilentReporter
from sport_assets.training.resume import StopRequest
from sport_assets.training.spec import TrainingSpec
from sport_assets.training.tuning import MAX_STARTS, STARTUP_TRIALS, Search, TuningPlan
from sport_assets.training.tuning_result import Trial, result_files
from sport_assets.training.tuning_space import Range, fitted_space, read_space, with_values
from sport_assets_tests.training.conftest import ROOT

ToySpec = Callable[..., TrainingSpec]
SPACE = {
    "training.learning_rate": {"kind": "log", "low": 1e-4, "high": 1e-1},
    "training.max_epochs": {"kind": "int", "low": 1, "high": 9},
    "model.hidden": {"kind": "categorical", "choices": [4, 8]},
}
Report = Callable[[float], None]
Rows = list[dict[str, Any]]


@pytest.fixture
def plan(toy_spec: ToySpec) -> Callable[..., TuningPlan]:
    def make(space: dict[str, Any] | None = None, fixed: dict[str, Any] | None = None, **fields: Any) -> TuningPlan:
        training = {"max_epochs": 3, "learning_rate": 0.01, **fields.pop("training", {})}
        spec = toy_spec(model={"hidden": 8, "samples": 24, "valid_samples": 8, **fields.pop("model", {})}, **training)
        spec = TrainingSpec.model_validate({**spec.model_dump(), "settings": with_values(spec.settings, fixed or {})})
        given = {"preset": "small", "spec": spec, "folds": 3, "trials": 8, "fixed": fixed or {}, **fields}
        return TuningPlan(space=read_space(space or SPACE), **given)

    return make


class Script:
    """An objective without training: the learning rate's distance from 0.02, and each fold's own difficulty."""

    def __init__(self, half: bool = False) -> None:
        self.half = half
        self.specs: list[TrainingSpec] = []
        self.interrupt: Callable[[TrainingSpec, int], None] = lambda spec, count: None

    def __call__(self, spec: TrainingSpec, work: Path, half: Report) -> tuple[str, float, Rows]:
        self.specs.append(spec)
        self.interrupt(spec, len(self.specs))
        import math

        value = abs(math.log10(spec.trainer_settings.learning_rate / 0.02)) + 10 * int(spec.part[-1])
        if self.half:
            half(value + 5)
        return "val_ade", value, [{"epoch": 0, "step": 1, "val_ade": value}]


def search(plan: TuningPlan, folder: Path, train: Any) -> Search:
    return Search(plan, folder, SilentReporter(), StopRequest(), train)


def files(made: Search) -> dict[str, bytes]:
    return result_files(made.plan, made.study, made.finished(), made.metric)


def test_the_preset_is_first_and_the_result_stands_beside_it(plan: Callable[..., TuningPlan], tmp_path: Path) -> None:
    made = search(plan(trials=11), tmp_path, Script())
    assert len(made.run()) == 11
    out = files(made)
    best = json.loads(out[TUNING_FILE])
    assert best["preset"] == "small" and best["metric"] == "val_ade"
    assert best["baseline_settings"] == {
        "training.learning_rate": 0.01,
        "training.max_epochs": 3,
        "model.hidden": 8,
    }
    assert best["baseline_fold_values"] == pytest.approx([0.30103, 10.30103, 20.30103], abs=1e-5)
    assert best["value"] < best["baseline_value"]
    assert set(best["overrides"]) == set(SPACE)
    assert sum(best["trials"].values()) == 11
    table = pl.read_parquet(io.BytesIO(out["trials.parquet"]))
    assert table["trial"].to_list() == list(range(11))
    assert set(table.columns) >= {"state", "value", "fold_0", "fold_2", *SPACE}
    assert table.filter(pl.col("state") == "complete")["value"].min() == best["value"]
    assert {name for name in out if name.endswith(".svg")} == {"history.svg", "settings.svg"}
    for name, content in out.items():
        assert str(tmp_path).encode() not in content, name


def test_the_same_plan_gives_the_same_bytes_in_another_folder(plan: Callable[..., TuningPlan], tmp_path: Path) -> None:
    made = [search(plan(), tmp_path / name, Script()) for name in ("a", "b")]
    assert [len(each.run()) for each in made] == [8, 8]
    assert files(made[0]) == files(made[1])
    other = search(plan(spec=plan().spec.model_copy(update={"seed": 4})), tmp_path / "c", Script())
    other.run()
    assert files(other)["trials.parquet"] != files(made[0])["trials.parquet"]


def test_a_nothing_better_result_is_the_preset_itself(plan: Callable[..., TuningPlan], tmp_path: Path) -> None:
    made = search(plan(training={"learning_rate": 0.02}, trials=4), tmp_path, Script())
    made.run()
    best = json.loads(files(made)[TUNING_FILE])
    assert (best["trial"], best["overrides"], best["value"]) == (0, {}, best["baseline_value"])


def test_more_trials_are_added_to_those_there(plan: Callable[..., TuningPlan], tmp_path: Path) -> None:
    script = Script()
    search(plan(trials=3), tmp_path, script).run()
    assert search(plan(trials=3), tmp_path, script).run() and len(script.specs) == 9
    made = search(plan(trials=5), tmp_path, script)
    assert len(made.run()) == 5
    first_three = {spec.digest for spec in script.specs[:9]}
    assert not first_three & {spec.digest for spec in script.specs[9:]}, "new proposals, not the first ones again"
    whole = search(plan(trials=5), tmp_path / "at once", Script())
    whole.run()
    assert files(whole) == files(made)


def test_other_data_space_or_seed_is_another_study(plan: Callable[..., TuningPlan]) -> None:
    base = plan()
    assert plan(trials=99, timeout_s=5).digest == base.digest
    item = base.spec.inputs[0].model_copy(update={"version": "b" * 64})
    others = [
        plan(spec=base.spec.model_copy(update={"inputs": (item,)})),
        plan(space={"training.weight_decay": {"kind": "float", "low": 0, "high": 1}}),
        plan(spec=base.spec.model_copy(update={"seed": 9})),
        plan(folds=2),
        plan(model={"hidden": 4}),
    ]
    assert len({base.digest, *(other.digest for other in others)}) == 6
    moved = base.spec.inputs[0].model_copy(update={"path": "/elsewhere"})
    assert plan(spec=base.spec.model_copy(update={"inputs": (moved,)})).digest == base.digest


def test_bad_trials_are_cut_short_between_folds_and_half_way(plan: Callable[..., TuningPlan], tmp_path: Path) -> None:
    for half in (False, True):
        script = Script(half)
        made = search(plan(trials=14), tmp_path / str(half), script)
        trials = [Trial.of(trial, made.plan) for trial in made.run()]
        cut = [trial for trial in trials if trial.state == "pruned"]
        assert cut and len(script.specs) == sum(len(t.fold_values) for t in trials) + sum(
            not t.fold_values for t in cut
        )
        assert {len(trial.fold_values) for trial in cut} == ({0} if half else {1}), "as soon as it can be told"
        assert all(trial.state == "complete" for trial in trials[:STARTUP_TRIALS])
        assert all(trial.value is None for trial in cut)
        # the first fold is the easiest by far: an earlier value of a trial's own must not save it
        medians = sorted(trial.fold_values[0] for trial in trials if trial.state == "complete")
        assert medians[0] == min(trial.fold_values[0] for trial in trials if trial.fold_values)


def test_a_trial_that_was_cut_off_goes_on_with_its_settings_and_folds(
    plan: Callable[..., TuningPlan], tmp_path: Path
) -> None:
    whole = search(plan(), tmp_path / "whole", Script())
    whole.run()
    script = Script()

    class Killed(BaseException):
        pass

    def kill(spec: TrainingSpec, count: int) -> None:
        if count == 8:
            raise Killed

    script.interrupt = kill
    with pytest.raises(Killed):
        search(plan(), tmp_path / "cut", script).run()
    again = Script()
    made = search(plan(), tmp_path / "cut", again)
    made.run()
    assert again.specs[0] == script.specs[-1], "the second fold of the third trial"
    assert files(made) == files(whole)


def test_a_trial_that_kills_the_process_fails_in_the_end(plan: Callable[..., TuningPlan], tmp_path: Path) -> None:
    class Killed(BaseException):
        pass

    script = Script()
    preset = plan().spec.trainer_settings.learning_rate

    def kill(spec: TrainingSpec, count: int) -> None:
        if spec.trainer_settings.learning_rate != preset:
            raise Killed

    script.interrupt = kill
    for _ in range(MAX_STARTS):
        with pytest.raises(Killed):
            search(plan(trials=3), tmp_path, script).run()
    trials = [Trial.of(trial, plan()) for trial in search(plan(trials=3), tmp_path, Script()).run()]
    assert [trial.state for trial in trials] == ["complete", "failed", "complete", "complete"]
    assert "the process died 3 times" in str(trials[1].reason)


def test_a_failed_trial_does_not_count_and_many_end_the_search(plan: Callable[..., TuningPlan], tmp_path: Path) -> None:
    script = Script()
    preset = plan().spec.trainer_settings.learning_rate

    def fail(spec: TrainingSpec, count: int) -> None:
        if count in (4, 8):
            raise NonFiniteLossError(f"the loss is nan at step {count}")

    script.interrupt = fail
    made = search(plan(trials=3), tmp_path / "a", script)
    trials = [Trial.of(trial, made.plan) for trial in made.run()]
    assert [trial.state for trial in trials] == ["complete", "failed", "complete", "failed", "complete"]
    assert json.loads(files(made)[TUNING_FILE])["trials"] == {"complete": 3, "pruned": 0, "failed": 2}
    table = pl.read_parquet(io.BytesIO(files(made)["trials.parquet"]))
    assert table["reason"].to_list()[1] == "the loss is nan at step 4"

    def always(spec: TrainingSpec, count: int) -> None:
        if spec.trainer_settings.learning_rate != preset:
            raise NonFiniteLossError("the loss is nan")

    script = Script()
    script.interrupt = always
    with pytest.raises(TrainingError, match=r"the last 5 trials failed.*the loss is nan"):
        search(plan(), tmp_path / "b", script).run()

    def preset_too(spec: TrainingSpec, count: int) -> None:
        raise NonFiniteLossError("the preset's loss is nan")

    script.interrupt = preset_too
    with pytest.raises(NonFiniteLossError, match="the preset's loss"):
        search(plan(), tmp_path / "c", script).run()


def test_time_is_up(plan: Callable[..., TuningPlan], tmp_path: Path) -> None:
    script = Script()
    script.interrupt = lambda spec, count: time.sleep(0.1)
    made = search(plan(trials=500, timeout_s=1.0), tmp_path / "a", script)
    finished = made.run()
    assert made.timed_out and 1 <= len(finished) < 500
    assert json.loads(files(made)[TUNING_FILE])["trials"]["complete"] >= 1
    short = search(plan(timeout_s=0.05), tmp_path / "b", script)
    short.run()
    with pytest.raises(TrainingError, match="before the preset itself was trained"):
        files(short)

    def stopped(spec: TrainingSpec, count: int) -> None:
        raise StoppedError("on request")

    script.interrupt = stopped
    with pytest.raises(StoppedError):
        search(plan(trials=600), tmp_path / "a", script).run()


def test_what_is_fixed_by_hand_is_not_searched_and_belongs_to_the_result(
    plan: Callable[..., TuningPlan], tmp_path: Path
) -> None:
    script = Script()
    made = search(plan(fixed={"training.max_epochs": 2}, trials=3), tmp_path, script)
    made.run()
    assert {spec.trainer_settings.max_epochs for spec in script.specs} == {2}
    best = json.loads(files(made)[TUNING_FILE])
    assert best["overrides"]["training.max_epochs"] == 2
    assert "training.max_epochs" not in best["space"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({}, "not empty"),
        ({"training.learning_rate": {"kind": "log", "low": 0, "high": 1}}, "log needs low above 0"),
        ({"training.learning_rate": {"kind": "log", "low": 1, "high": 0.1}}, "must be below high"),
        ({"training.max_epochs": {"kind": "int", "low": 1.5, "high": 3}}, "whole numbers"),
        ({"training.max_epochs": {"kind": "int", "low": 1}}, "takes low and high"),
        ({"training.schedule": {"kind": "categorical", "choices": ["cosine"]}}, "two or more"),
        ({"training.schedule": {"kind": "categorical", "choices": [1, 2], "low": 1}}, "neither low nor high"),
        ({"training.schedule": {"kind": "normal"}}, "training.schedule:\n  kind: "),
        ({"training.learning_rate": {"kind": "log", "low": 1, "high": 2, "step": 3}}, "step"),
    ],
)
def test_a_wrong_space_is_refused(content: dict[str, Any], words: str) -> None:
    with pytest.raises(BadSpecError) as refused:
        read_space(content, "space.yaml")
    assert "space.yaml" in str(refused.value) and words in str(refused.value)


def test_a_space_is_fitted_to_the_settings() -> None:
    settings = {"training": {"learning_rate": 0.5, "max_epochs": 3, "clip": None}, "model": {"starts": [2, 4]}}
    space = {
        "training.learning_rate": Range(kind="log", low=1e-3, high=0.1),
        "training.max_epochs": Range(kind="int", low=4, high=8),
        "model.starts": Range(kind="categorical", choices=([], [2])),
    }
    fitted = fitted_space(space, settings)
    assert fitted["training.learning_rate"].high == 0.5 and fitted["training.max_epochs"].low == 3
    assert fitted["model.starts"].choices == ([], [2], [2, 4]), "each holds the preset's own value"
    assert fitted_space(fitted, settings) == fitted
    with pytest.raises(BadSpecError, match=r"unknown settings: model.start; known settings: model.starts, training"):
        fitted_space({**space, "model.start": Range(kind="int", low=1, high=2)}, settings)
    with pytest.raises(BadSpecError, match=r"training\.clip as float, but the preset has None"):
        fitted_space({"training.clip": Range(kind="float", low=1, high=2)}, settings)
    with pytest.raises(BadSpecError, match="nothing is left to search"):
        fitted_space(space, settings, fixed=list(space))
    assert with_values(settings, {"model.starts": []})["model"] == {"starts": []} and settings["model"] != {
        "starts": []
    }


def command(plan: TuningPlan, folder: Path, *more: str) -> list[str]:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "plan.json").write_text(plan.model_dump_json())
    paths = [folder / "plan.json", "--work", folder / "work", "--out", folder / "out", *more]
    return [sys.executable, "-m", "sport_assets.training.tune", *map(str, paths)]


def run(plan: TuningPlan, folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "MLFLOW_TRACKING_URI": f"sqlite:///{folder / 'mlflow.db'}"}
    return subprocess.run(
        command(plan, folder, *more), cwd=ROOT, env=environment, capture_output=True, text=True, timeout=400
    )


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_search_trains_is_tracked_and_killed_it_goes_on_to_the_same_end(
    plan: Callable[..., TuningPlan], tmp_path: Path
) -> None:
    model = {"delay_s": 0.05}
    small = plan(trials=3, folds=2, space={name: SPACE[name] for name in list(SPACE)[:2]}, model=model)
    done = run(small, tmp_path / "whole")
    assert done.returncode == 0, done.stderr
    best = json.loads((tmp_path / "whole" / "out" / TUNING_FILE).read_text())
    assert best["trials"] == {"complete": 3, "pruned": 0, "failed": 0} and best["metric"] == "val_ade"
    assert "trial 3 complete  (3 of 3)  best " in done.stderr
    assert not list((tmp_path / "whole" / "work" / "trials").iterdir()), "working files of finished trials go"
    assert_tracked(tmp_path / "whole", best)

    # stopped, then killed, each within a training
    cut = tmp_path / "cut"
    for number, expected in ((signal.SIGTERM, 75), (signal.SIGKILL, -signal.SIGKILL)):
        began = time.time()
        process = subprocess.Popen(command(small, cut, "--trackers", "none"), cwd=ROOT, stderr=subprocess.PIPE)
        while not saved_since(cut, began) and process.poll() is None and time.time() - began < 200:
            time.sleep(0.02)
        process.send_signal(number)
        assert process.stderr is not None
        log = process.stderr.read().decode()
        assert process.wait(60) == expected, log
    done = run(small, cut, "--trackers", "none")
    assert done.returncode == 0, done.stderr
    assert contents(cut / "out") == contents(tmp_path / "whole" / "out")
    again = run(small, cut, "--trackers", "none")
    assert again.returncode == 0 and "fold" not in again.stderr, "nothing is trained again"


def saved_since(folder: Path, moment: float) -> bool:
    try:
        return any(path.stat().st_mtime > moment for path in (folder / "work" / "trials").glob("*/*/last.ckpt"))
    except FileNotFoundError:  # a fold that has just ended
        return False


def assert_tracked(folder: Path, best: dict[str, Any]) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{folder / 'mlflow.db'}")
    runs = client.search_runs([experiment.experiment_id for experiment in client.search_experiments()])
    [study] = [run for run in runs if "sport_assets.trial" not in run.data.tags]
    trials = {int(run.data.tags["sport_assets.trial"]): run for run in runs if run is not study}
    assert study.info.status == "FINISHED" and study.data.tags["sport_assets.study"] == best["study"]
    assert TUNING_FILE in {item.path for item in client.list_artifacts(study.info.run_id)}
    assert sorted(trials) == [0, 1, 2]
    for run in trials.values():
        assert (run.info.status, run.data.tags["sport_assets.state"]) == ("FINISHED", "complete")
        assert run.data.tags["mlflow.parentRunId"] == study.info.run_id
        assert set(run.data.params) == set(best["space"])
        assert run.data.metrics["value"] == pytest.approx(run.data.metrics["mean_of_folds"])
        assert {"fold_0/val_ade", "fold_1/train_loss"} <= set(run.data.metrics)
    assert trials[best["trial"]].data.metrics["value"] == pytest.approx(best["value"])


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"space": {"model.width": {"kind": "int", "low": 1, "high": 3}}}, "unknown settings: model.width"),
        ({"training": {"devices": 2, "strategy": "ddp"}}, "trains on one device"),
        ({"mode": "max"}, "takes max of val_ade for better, the model min"),
        ({"model": {"nan_at_step": 2}}, "nan at step 2"),
    ],
)
def test_what_cannot_be_searched_is_said(
    plan: Callable[..., TuningPlan], tmp_path: Path, fields: dict[str, Any], words: str
) -> None:
    done = run(plan(**fields), tmp_path, "--trackers", "none")
    assert done.returncode in (2, 3)
    assert words in done.stderr and "Traceback" not in done.stderr
