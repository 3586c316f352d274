"""What dead processes leave behind is ended; what lives is left alone."""

import time
from collections.abc import Callable

import dagster as dg
import psutil
import pytest
from dagster._core.events import EngineEventData

from sport_assets.orchestration import sensors
from sport_assets.orchestration.resources import GPU_POOL
from sport_assets.orchestration.sensors import reap
from sport_assets_tests.orchestration.toy_home import ToyHome
from sport_assets_tests.orchestration.toy_line import DEFS


def begun(dagster: dg.DagsterInstance, pid: int | None) -> dg.DagsterRun:
    """A run that says it has started in process `pid`, and holds a slot of the pool."""
    job = DEFS.resolve_implicit_global_asset_job_def()
    run = dagster.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
    if pid is not None:
        dagster.report_engine_event("here", run, EngineEventData.in_process(pid))
    claim = dagster.event_log_storage.claim_concurrency_slot(GPU_POOL, run.run_id, "step")
    assert claim.is_claimed
    return run


def gone() -> int:
    """The id of a process that has ended."""
    process = psutil.Popen(["true"])
    process.wait()
    return int(process.pid)


@pytest.fixture
def dagster(toy: ToyHome) -> dg.DagsterInstance:
    with toy.instance() as made:
        made.event_log_storage.set_concurrency_slots(GPU_POOL, 2)
        return made


def status(dagster: dg.DagsterInstance, run: dg.DagsterRun) -> dg.DagsterRunStatus:
    found = dagster.get_run_by_id(run.run_id)
    assert found is not None
    return found.status


def test_ends_the_run_of_a_dead_process_and_frees_its_slot(dagster: dg.DagsterInstance) -> None:
    dead, alive = begun(dagster, gone()), begun(dagster, psutil.Process().pid)
    assert reap(dagster, grace_seconds=60) == [], "a run that has just begun is left alone"
    assert reap(dagster, grace_seconds=0) == [dead.run_id]
    assert status(dagster, dead) == dg.DagsterRunStatus.FAILURE
    assert status(dagster, alive) == dg.DagsterRunStatus.STARTED
    info = dagster.event_log_storage.get_concurrency_info(GPU_POOL)
    assert info.active_run_ids == {alive.run_id}
    assert reap(dagster, grace_seconds=0) == []


def test_a_run_that_died_while_it_was_cancelled_ends_as_cancelled(dagster: dg.DagsterInstance) -> None:
    run = begun(dagster, gone())
    dagster.report_run_canceling(run)
    assert reap(dagster, grace_seconds=0) == [run.run_id]
    assert status(dagster, run) == dg.DagsterRunStatus.CANCELED


def test_a_younger_process_with_the_same_id_is_another(
    dagster: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begun(dagster, psutil.Process().pid)
    assert reap(dagster, grace_seconds=0) == []
    monkeypatch.setattr(psutil.Process, "create_time", lambda self: time.time() + 100)
    assert reap(dagster, grace_seconds=0) == [run.run_id]


def test_a_zombie_is_gone(dagster: dg.DagsterInstance) -> None:
    process = psutil.Popen(["true"])
    while process.status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)
    run = begun(dagster, process.pid)
    assert reap(dagster, grace_seconds=0) == [run.run_id]
    process.wait()


def test_a_run_of_which_no_process_ever_spoke_is_given_time(
    dagster: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begun(dagster, None)
    assert reap(dagster, grace_seconds=0) == []
    monkeypatch.setattr(sensors, "LAUNCH_SECONDS", -1.0)
    assert reap(dagster, grace_seconds=0) == [run.run_id]


def test_a_dead_run_leaves_the_queue_of_a_pool_too(dagster: dg.DagsterInstance) -> None:
    """Else it is given the next slot that becomes free, and keeps it for ever."""
    storage = dagster.event_log_storage
    storage.set_concurrency_slots(GPU_POOL, 1)
    holder = begun(dagster, psutil.Process().pid)
    waiting = dagster.create_run_for_job(
        DEFS.resolve_implicit_global_asset_job_def(), status=dg.DagsterRunStatus.STARTED
    )
    dagster.report_engine_event("here", waiting, EngineEventData.in_process(gone()))
    assert not storage.claim_concurrency_slot(GPU_POOL, waiting.run_id, "step").is_claimed
    assert reap(dagster, grace_seconds=0) == [waiting.run_id]
    storage.free_concurrency_slots_for_run(holder.run_id)
    next_one = dagster.create_run_for_job(DEFS.resolve_implicit_global_asset_job_def())
    assert storage.claim_concurrency_slot(GPU_POOL, next_one.run_id, "step").is_claimed


@pytest.mark.parametrize("end", [lambda d, r: d.report_run_failed(r), lambda d, r: d.delete_run(r.run_id)])
def test_slots_of_finished_and_deleted_runs_are_freed(
    dagster: dg.DagsterInstance, end: Callable[[dg.DagsterInstance, dg.DagsterRun], None]
) -> None:
    run = begun(dagster, psutil.Process().pid)
    end(dagster, run)
    reap(dagster, grace_seconds=0)
    assert dagster.event_log_storage.get_concurrency_info(GPU_POOL).active_run_ids == set()


def test_the_sensor_says_what_it_ended(dagster: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> None:
    run = begun(dagster, gone())
    monkeypatch.setattr(sensors, "reap", lambda instance: reap(instance, grace_seconds=0))
    said = sensors.reaper(dg.build_sensor_context(instance=dagster))
    assert isinstance(said, dg.SkipReason)
    assert said.skip_message == "ended 1 Dagster runs and 0 MLflow runs whose process is gone"
    assert status(dagster, run) == dg.DagsterRunStatus.FAILURE
    assert sensors.reaper.default_status == dg.DefaultSensorStatus.RUNNING
