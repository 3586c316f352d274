"""Watches over runs and raw files.

Belongs here: the reaper of what dead processes left, and the sensor that takes up new raw files. Must not come here:
heavy imports; sensors are evaluated often.
"""

import socket
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import dagster as dg
import psutil
from dagster import DagsterEventType, DagsterRunStatus

from sport_assets.lineage.errors import RawFileChanged, RawFileMissing, RawFileUnreadable
from sport_assets.lineage.home import Home
from sport_assets.lineage.record import Lineage
from sport_assets.orchestration.assets import DECLARATIONS
from sport_assets.orchestration.raw_presence import all_passed_over, lines
from sport_assets.orchestration.recording import HOST_TAG

_UNFINISHED = [DagsterRunStatus.STARTING, DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING]
# A run that has just begun may not have said yet which process it is.
GRACE_SECONDS = 60.0
# A run of which no process ever spoke in this time was never started.
LAUNCH_SECONDS = 600.0


@dg.sensor(minimum_interval_seconds=30, default_status=dg.DefaultSensorStatus.RUNNING)
def reaper(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Ends runs of Dagster and MLflow whose process is gone, and frees the pool slots they held."""
    ended = reap(context.instance)
    for run_id in ended:
        context.log.warning(f"run {run_id} was ended: its process is gone")
    closed = end_mlflow_runs(context.instance, Home.from_environment())
    return dg.SkipReason(f"ended {len(ended)} Dagster runs and {closed} MLflow runs whose process is gone")


def reap(instance: dg.DagsterInstance, grace_seconds: float = GRACE_SECONDS) -> list[str]:
    """End every unfinished run of this machine whose process is gone; returns their ids.

    A run that a power loss cut off stays STARTED and keeps its pool slot for ever otherwise.
    """
    ended = []
    for record in instance.get_run_records(dg.RunsFilter(statuses=_UNFINISHED)):
        run = record.dagster_run
        began = record.start_time or record.create_timestamp.timestamp()
        elsewhere = run.tags.get(HOST_TAG, socket.gethostname()) != socket.gethostname()
        if elsewhere or time.time() - record.create_timestamp.timestamp() < grace_seconds:
            continue
        if not _is_gone(instance, run.run_id, began):
            continue
        if run.status == DagsterRunStatus.CANCELING:
            instance.report_run_canceled(run, message="The run's process is gone; it was being cancelled.")
        else:
            instance.report_run_failed(
                run, message="The run's process is gone (killed, or the machine went down). Launch it again."
            )
        ended.append(run.run_id)
    for run_id in _slot_holders(instance):
        holder = instance.get_run_by_id(run_id)
        if holder is None or holder.is_finished:
            instance.event_log_storage.free_concurrency_slots_for_run(run_id)
    return ended


def _is_gone(instance: dg.DagsterInstance, run_id: str, began: float) -> bool:
    """Whether the last process that spoke for the run is gone. A process younger than its event is another's."""
    spoke = list(_processes(instance, run_id))
    if not spoke:
        return time.time() - began > LAUNCH_SECONDS  # launched, but nothing ever ran
    for pid, at in spoke:
        try:
            process = psutil.Process(pid)
            if process.status() != psutil.STATUS_ZOMBIE and process.create_time() <= at + 1:
                return False
        except psutil.NoSuchProcess:
            continue
    return True


def _processes(instance: dg.DagsterInstance, run_id: str) -> Iterator[tuple[int, float]]:
    """(process id, time) of every event in which a process of the run named itself."""
    events = instance.all_logs(run_id, of_type={DagsterEventType.ENGINE_EVENT, DagsterEventType.STEP_WORKER_STARTED})
    for event in events:
        data = event.dagster_event.event_specific_data if event.dagster_event else None
        for name, value in (getattr(data, "metadata", None) or {}).items():
            if name == "pid":
                yield int(str(value.value)), event.timestamp


def _slot_holders(instance: dg.DagsterInstance) -> set[str]:
    """Runs that hold a slot of a pool, or stand in its queue: a dead one there may have been given the next slot."""
    storage = instance.event_log_storage
    pools = [storage.get_concurrency_info(pool) for pool in storage.get_concurrency_keys()]
    return {run for pool in pools for run in pool.active_run_ids | pool.pending_run_ids | pool.assigned_run_ids}


def end_mlflow_runs(instance: dg.DagsterInstance, home: Home) -> int:
    """End MLflow runs that stand as RUNNING although their Dagster run is over; returns how many.

    A training's run is a child of its Dagster run's. MLflow is imported only when there is one to end.
    """
    database = home.root / "mlflow.db"
    dead = (
        []
        if not database.exists()
        else [run_id for run_id, dagster_run in _running_mlflow(database) if _is_over(instance, dagster_run)]
    )
    if not dead:
        return 0
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=home.mlflow_uri)
    for run_id in dead:
        client.set_terminated(run_id, status="KILLED")
    return len(dead)


def _is_over(instance: dg.DagsterInstance, run_id: str) -> bool:
    run = instance.get_run_by_id(run_id)
    return run is None or run.is_finished


def _running_mlflow(database: Path) -> list[tuple[str, str]]:
    """(MLflow run, Dagster run) of running MLflow runs: those dagster-mlflow tagged, and their children."""
    query = """
        SELECT r.run_uuid, t.value FROM runs r JOIN tags t ON t.run_uuid = r.run_uuid
        WHERE r.status = 'RUNNING' AND t.key = 'dagster_run_id'
        UNION
        SELECT r.run_uuid, d.value FROM runs r
        JOIN tags p ON p.run_uuid = r.run_uuid AND p.key = 'mlflow.parentRunId'
        JOIN tags d ON d.run_uuid = p.value AND d.key = 'dagster_run_id'
        WHERE r.status = 'RUNNING'
    """
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=10)) as connection:
        try:
            return [(str(run), str(dagster)) for run, dagster in connection.execute(query)]
        except sqlite3.OperationalError:  # another process is just making the tables
            return []


def raw_files_sensor(
    line: str, source: str, follow: Sequence[str] = (), *, settle_seconds: float = 0.0
) -> dg.SensorDefinition:
    """A sensor that materializes ``source`` (and ``follow``, of the same partitions) for each partition whose raw
    files are new or changed since they were recorded. Off until it is switched on in the UI. What is there and cannot
    be taken up is named: as the reason of a tick that asks for nothing, else in its log.

    Files that were written to within ``settle_seconds`` are waited for: large ones may still be being copied.
    """
    keys = [dg.AssetKey(key.split("/")) for key in (source, *follow)]

    @dg.sensor(
        name=f"{line}_raw_files",
        target=dg.AssetSelection.assets(*keys),
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description=f"Takes up new and changed raw files of {source}.",
    )
    def watch(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        home = Home.from_environment()
        requests = [
            # the record it replaces is part of the key: a file that gets its former content back is new as well
            dg.RunRequest(run_key=f"{source}:{partition}:{digest}", partition_key=partition, asset_selection=keys)
            for partition, digest in changed_partitions(home, source, settle_seconds)
        ]
        passed_over = lines(source, all_passed_over(home.data, DECLARATIONS[source]))
        if not requests:
            return dg.SensorResult(skip_reason="\n".join(passed_over) or f"no new or changed raw files of {source}")
        for line in passed_over:
            context.log.warning(line)
        definition = DECLARATIONS[source].partitions_def
        if not isinstance(definition, dg.DynamicPartitionsDefinition):
            return dg.SensorResult(run_requests=requests)
        new = definition.build_add_request([str(request.partition_key) for request in requests])
        return dg.SensorResult(run_requests=requests, dynamic_partitions_requests=[new])

    return watch


def _unsettled(path: Path, seconds: float) -> bool:
    """Whether a file was written to a moment ago. A time in the far future, of another clock, holds nothing back."""
    return abs(time.time() - path.stat().st_mtime) < seconds


def changed_partitions(home: Home, source: str, settle_seconds: float = 0.0) -> Iterator[tuple[str, str]]:
    """(partition, digest of the change) where all raw files are there, settled, and differ from the recorded ones."""
    declared = DECLARATIONS[source]
    raw_paths: Callable[[str | None], Sequence[str]] | None = declared.raw_paths
    if raw_paths is None or declared.partitions_def is None:
        return
    with closing(Lineage(home)) as lineage:
        for partition in declared.partitions():
            try:
                paths = raw_paths(partition)
                if any(_unsettled(home.data / path, settle_seconds) for path in paths):
                    continue
                files = [lineage.raw.register(path) for path in paths]
            except (OSError, RawFileMissing, RawFileChanged, RawFileUnreadable):
                continue  # not there yet, or just being written: the next tick looks again
            if not files:
                continue  # raw_paths names those that are there
            latest = lineage.ledger.latest(source, partition)
            if latest is None or sorted(f.sha256 for f in latest.raw_files) != sorted(f.sha256 for f in files):
                digests = [file.sha256[:12] for file in files]
                yield partition, "-".join([*digests, "after", latest.id if latest is not None else "nothing"])
