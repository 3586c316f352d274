"""Trainings in a process of their own: what their failures say, and how they stop and go on."""

import json
import os
import signal
import sqlite3
import subprocess
import time
from contextlib import closing
from typing import Any

import dagster as dg
import psutil
import pytest

from sport_assets.orchestration.resources import GPU_POOL
from sport_assets.orchestration.sensors import end_mlflow_runs, reap
from sport_assets_tests.orchestration.toy_home import ToyHome, toy_home, wait_for

SMALL = "small|0"
SLOW = {"overrides": {"model.delay_s": 0.15, "training.max_epochs": 4, "training.checkpoint_every_s": 0.1}}
WORKER = """
import json, sys
from sport_assets.lineage.home import Home
from sport_assets_tests.orchestration.toy_home import ToyHome
toy = ToyHome(Home.from_environment())
toy.materialize("toy/checkpoint", "small|0", json.loads(sys.argv[1]), raise_on_error=False)
"""


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Version and spec digest of a training that nobody disturbed."""
    with toy_home(tmp_path_factory.mktemp("undisturbed")) as toy:
        toy.build("toy/split")
        toy.materialize("toy/checkpoint", SMALL, SLOW, raise_on_error=True)
        record = toy.latest("toy/checkpoint", SMALL)
        assert record.facts["resumed_at_step"] is None
        return record.version, str(record.facts["spec_digest"])


def start(toy: ToyHome) -> tuple[subprocess.Popen[str], int]:
    """A run worker in the middle of training: its process, and the id of the training process."""
    toy.build("toy/split")
    worker = toy.python(WORKER, json.dumps(SLOW))

    def steps() -> Any:
        found = list(toy.home.training.glob("*/last.ckpt"))
        progress = list(toy.home.training.glob("*/progress.json"))
        return found and progress and int(json.loads(progress[0].read_text()).get("step", 0)) >= 6

    wait_for(steps, 90, worker)
    [lease] = toy.home.training.glob("*/lease.json")
    return worker, int(json.loads(lease.read_text())["pid"])


def run_of_training(dagster: dg.DagsterInstance) -> dg.DagsterRun:
    return dagster.get_runs(limit=1)[0]


def mlflow_statuses(toy: ToyHome) -> list[str]:
    with closing(sqlite3.connect(toy.home.root / "mlflow.db")) as connection:
        return [status for (status,) in connection.execute("SELECT status FROM runs ORDER BY start_time")]


def goes_on_to_the_same_end(toy: ToyHome, undisturbed: tuple[str, str]) -> None:
    toy.materialize("toy/checkpoint", SMALL, SLOW, raise_on_error=True)
    record = toy.latest("toy/checkpoint", SMALL)
    assert record.facts["resumed_at_step"] >= 5, "it began anew"
    assert (record.version, record.facts["spec_digest"]) == undisturbed


def test_a_failure_is_told_in_the_childs_own_words(toy: ToyHome) -> None:
    toy.build("toy/split")
    with pytest.raises(dg.Failure) as failed:
        toy.materialize("toy/checkpoint", SMALL, {"overrides": {"model.nan_at_step": 2}}, raise_on_error=True)
    assert "step" in str(failed.value.description) and "nan" in str(failed.value.description).lower()
    assert failed.value.metadata["exit_code"].value == 3
    with toy.lineage() as lineage:
        assert lineage.ledger.latest("toy/checkpoint", SMALL) is None
    assert toy.staging_is_empty()
    assert not (toy.home.store / "toy" / "checkpoint").exists()
    assert set(mlflow_statuses(toy)) == {"FAILED"}


@pytest.mark.parametrize("asked", [True, False], ids=["cancelled in the UI", "interrupted"])
def test_a_run_that_is_stopped_stops_at_a_checkpoint_and_goes_on_from_there(
    toy: ToyHome, undisturbed: tuple[str, str], asked: bool
) -> None:
    worker, training = start(toy)
    began = time.monotonic()
    if asked:  # Dagster's launcher says so, then interrupts the worker
        with toy.instance() as dagster:
            dagster.report_run_canceling(run_of_training(dagster))
    worker.send_signal(signal.SIGINT if asked else signal.SIGTERM)
    worker.communicate(timeout=60)
    took = time.monotonic() - began
    assert not psutil.pid_exists(training)
    print(f"stopped within {took:.1f} s")
    assert took < 30  # 3 to 4 s on quiet cores; the trainer's own limit is 30
    with toy.instance() as dagster:
        ended = dg.DagsterRunStatus.CANCELED if asked else dg.DagsterRunStatus.FAILURE
        assert run_of_training(dagster).status == ended
        end_mlflow_runs(dagster, toy.home)  # a tracker that was slow to end leaves its run to the reaper
        assert dagster.event_log_storage.get_concurrency_info(GPU_POOL).active_run_ids == set()
    assert set(mlflow_statuses(toy)) == {"KILLED"}
    assert toy.staging_is_empty()
    with toy.lineage() as lineage:
        assert lineage.ledger.latest("toy/checkpoint", SMALL) is None
    goes_on_to_the_same_end(toy, undisturbed)


def test_a_killed_run_is_reaped_and_goes_on(toy: ToyHome, undisturbed: tuple[str, str]) -> None:
    worker, training = start(toy)
    worker.kill()
    worker.communicate(timeout=60)
    with toy.instance() as dagster:
        run = run_of_training(dagster)
        assert run.status == dg.DagsterRunStatus.STARTED, "nobody told Dagster"
        assert dagster.event_log_storage.get_concurrency_info(GPU_POOL).active_run_ids == {run.run_id}
        assert "RUNNING" in mlflow_statuses(toy)
        assert reap(dagster) == [], "a run that has just begun is left alone"
        assert reap(dagster, grace_seconds=0) == [run.run_id]
        assert run_of_training(dagster).status == dg.DagsterRunStatus.FAILURE
        assert dagster.event_log_storage.get_concurrency_info(GPU_POOL).active_run_ids == set()
        wait_for(lambda: not psutil.pid_exists(training), 40)
        end_mlflow_runs(dagster, toy.home)
        assert set(mlflow_statuses(toy)) == {"KILLED"}
        assert len(mlflow_statuses(toy)) == 2, "the run of Dagster and the training's below it"
        assert end_mlflow_runs(dagster, toy.home) == 0
    goes_on_to_the_same_end(toy, undisturbed)
    assert toy.staging_is_empty()


def test_a_killed_training_process_fails_its_run_with_the_remedy(toy: ToyHome) -> None:
    worker, training = start(toy)
    os.kill(training, signal.SIGKILL)
    worker.communicate(timeout=60)
    with toy.instance() as dagster:
        run = run_of_training(dagster)
        assert run.status == dg.DagsterRunStatus.FAILURE
        [failure] = [
            entry
            for entry in dagster.all_logs(run.run_id)
            if entry.dagster_event and entry.dagster_event.is_step_failure
        ]
    assert failure.dagster_event is not None
    data = failure.dagster_event.step_failure_data.user_failure_data
    assert data is not None and "it goes on from its last checkpoint" in str(data.description)


def test_two_runs_of_the_same_training_at_once_share_its_result(toy: ToyHome, undisturbed: tuple[str, str]) -> None:
    toy.build("toy/split")
    workers = [toy.python(WORKER, json.dumps(SLOW)) for _ in range(2)]
    outputs = [worker.communicate(timeout=120)[0] for worker in workers]
    with toy.instance() as dagster:
        statuses = [run.status for run in dagster.get_runs(limit=2)]
    assert statuses == [dg.DagsterRunStatus.SUCCESS] * 2, "\n".join(outputs)
    assert sum("another trainer" in output for output in outputs) <= 1
    assert toy.latest("toy/checkpoint", SMALL).version == undisturbed[0]
    assert len(list(toy.home.training.iterdir())) == 1
