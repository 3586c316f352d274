"""Tells people what went wrong: failed runs, non-finite losses, rejected versions, models that fell behind.

Belongs here: what is worth an alert, and the sensor that tells each one once. Must not come here: how it is sent
(``webhook``), heavy imports.

Two sources are read after a cursor: Dagster's failed runs and the ledger's records. All is told to the log; to the
webhook of ``SPORT_ASSETS_ALERT_WEBHOOK`` as well, where there is one. What the webhook does not take waits in the
cursor and is sent again at the next tick, for a day at most; the log never waits for it.
"""

import math
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Literal

import dagster as dg
import pydantic
from dagster import DagsterEventType

from sport_assets.lineage.errors import ChainBroken
from sport_assets.lineage.home import Home
from sport_assets.lineage.index import ENTRIES
from sport_assets.lineage.ledger import Ledger
from sport_assets.lineage.manifest import Checked, Materialization, RecordedCheck
from sport_assets.orchestration.console import cause
from sport_assets.orchestration.webhook import WEBHOOK_VARIABLE, DeliveryFailed, post, shown_url
from sport_assets.training.errors import EXIT_NON_FINITE, NonFiniteLossError
from sport_assets.training.names import BEATS_BASELINES

RUNS_PER_TICK = 50
RECORDS_PER_TICK = 500
# One tick may take a minute; whatever is left is sent by the next one.
DELIVERY_SECONDS = 20.0
KEEP_SECONDS = 86_400.0
KEEP_ALERTS = 100
TEXT_LENGTH = 1500


@dataclass(frozen=True)
class Metric:
    """A fact of an asset's records that must not fall behind its predecessor's.

    ``tolerance`` is relative: 0.05 lets 1.00 become 1.05 where lower is better, or 0.95 where higher is.
    """

    fact: str
    better: Literal["lower", "higher"] = "lower"
    tolerance: float = 0.05

    def fell(self, before: Any, now: Any) -> bool:
        """Whether ``now`` is worse than ``before`` by more than the tolerance. No number is worse than any."""
        old, new = _number(before), _number(now)
        if old is None:
            return False
        if new is None:
            return True
        loss = new - old if self.better == "lower" else old - new
        return loss > self.tolerance * abs(old)


class Alert(pydantic.BaseModel):
    """One message; also the JSON that a webhook gets. ``text`` is for people, and all that Slack shows."""

    kind: Literal[
        "run_failed", "non_finite_loss", "rejected", "behind_baseline", "behind_predecessor", "record_damaged"
    ]
    text: str
    asset: str | None = None
    partition: str | None = None
    run_id: str | None = None
    record: str | None = None
    details: dict[str, Any] = pydantic.Field(default_factory=dict)

    @pydantic.field_validator("text")
    @classmethod
    def _short(cls, text: str) -> str:
        return text if len(text) <= TEXT_LENGTH else text[: TEXT_LENGTH - 1] + "…"


class Waiting(pydantic.BaseModel):
    """An alert that the webhook has not taken yet, and since when (seconds since 1970)."""

    alert: Alert
    since: float


class Cursor(pydantic.BaseModel):
    """Where both sources were read up to, and what the webhook still has to get."""

    model_config = pydantic.ConfigDict(ser_json_inf_nan="strings")

    runs: str
    records: int
    waiting: list[Waiting] = pydantic.Field(default_factory=list)


def alert_sensor(metrics: Mapping[str, Sequence[Metric]]) -> dg.SensorDefinition:
    """The sensor ``alerts``. ``metrics`` says, by asset, which facts are compared with the version before.

    What happened before its first tick is not told.
    """

    @dg.sensor(
        name="alerts",
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Tells of failed runs, non-finite losses, rejected versions and models that fell behind: to the "
        f"log, and to the webhook that {WEBHOOK_VARIABLE} names.",
    )
    def alerts(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        with closing(Ledger(Home.from_environment())) as ledger:
            if not context.cursor:
                context.update_cursor(_now(context.instance, ledger).model_dump_json())
                return dg.SkipReason("tells what happens from now on")
            cursor = Cursor.model_validate_json(context.cursor)
            found = [*_of_runs(context.instance, ledger, cursor), *_of_records(ledger, cursor, metrics)]
        for alert in found:
            grave = alert.kind in ("run_failed", "non_finite_loss", "record_damaged")
            (context.log.error if grave else context.log.warning)(alert.text)
        cursor.waiting += [Waiting(alert=alert, since=time.time()) for alert in found]
        cursor.waiting = _send(context, cursor.waiting)
        context.update_cursor(cursor.model_dump_json())
        waiting = f"; {len(cursor.waiting)} wait for the webhook" if cursor.waiting else ""
        return dg.SkipReason(f"{len(found)} new alerts{waiting}")

    return alerts


def _now(instance: dg.DagsterInstance, ledger: Ledger) -> Cursor:
    newest = instance.fetch_run_status_changes(DagsterEventType.RUN_FAILURE, limit=1)
    return Cursor(runs=newest.cursor, records=ledger.head().seq)


# -- failed runs ------------------------------------------------------------------------------------------------------


def _of_runs(instance: dg.DagsterInstance, ledger: Ledger, cursor: Cursor) -> Iterator[Alert]:
    """Alerts of the runs that failed after the cursor, which moves on."""
    failed = instance.fetch_run_status_changes(
        DagsterEventType.RUN_FAILURE, limit=RUNS_PER_TICK, cursor=cursor.runs, ascending=True
    )
    for record in failed.records:
        entry = record.event_log_entry
        run = instance.get_run_by_id(entry.run_id)
        about = {"run_id": entry.run_id, "partition": run.tags.get("dagster/partition") if run else None}
        steps = instance.all_logs(entry.run_id, of_type=DagsterEventType.STEP_FAILURE) if run else []
        for step in steps:
            event = step.get_dagster_event()
            asset = (event.step_key or "").replace("__", "/")
            if not _told_by_record(ledger, entry.run_id, asset, event.step_failure_data):
                yield _failed_step(asset, event.step_failure_data, about)
        if not steps:
            said = entry.dagster_event.message if entry.dagster_event else None
            yield Alert(kind="run_failed", text=f"Run {entry.run_id} failed: {said or 'no step says why'}", **about)
    cursor.runs = failed.cursor


def _failed_step(asset: str, failure: Any, about: Mapping[str, Any]) -> Alert:
    metadata = failure.user_failure_data.metadata if failure.user_failure_data else {}
    details = {name: value.value for name, value in metadata.items()}
    described = failure.user_failure_data.description if failure.user_failure_data else None
    message = described or (cause(failure.error) if failure.error is not None else "no message")
    name = f"{asset} {about['partition'] or ''}".rstrip()
    if details.get("exit_code") == EXIT_NON_FINITE:
        text = f"Training of {name} ended with a non-finite loss ({NonFiniteLossError.__name__}): {message}"
        return Alert(kind="non_finite_loss", text=text, asset=asset, details=details, **about)
    return Alert(kind="run_failed", text=f"{name} failed: {message}", asset=asset, details=details, **about)


def _told_by_record(ledger: Ledger, run_id: str, asset: str, failure: Any) -> bool:
    """Whether a step failed only for the blocking check that its record tells of."""
    if failure.error is None or failure.error.cls_name != "DagsterAssetCheckFailedError":
        return False
    return bool(
        ledger.entries(ENTRIES.c.run_id == run_id, ENTRIES.c.key == asset, ENTRIES.c.kind == "rejected", limit=1)
    )


# -- records ----------------------------------------------------------------------------------------------------------


def _of_records(ledger: Ledger, cursor: Cursor, metrics: Mapping[str, Sequence[Metric]]) -> Iterator[Alert]:
    """Alerts of the records after the cursor, which moves on."""
    cursor.records = min(cursor.records, ledger.head().seq)  # a ledger that was begun anew is shorter
    for entry in ledger.entries(ENTRIES.c.seq > cursor.records, limit=RECORDS_PER_TICK):
        try:
            event = ledger.load(entry) if entry.kind in ("materialized", "rejected", "checked") else None
            if isinstance(event, Materialization):
                yield from _failed_checks(event, event.checks, rejected=event.kind == "rejected")
                yield from _behind_predecessor(ledger, entry.seq, event, metrics.get(event.key, ()))
            elif isinstance(event, Checked):
                made = ledger.event(event.subject)
                assert isinstance(made, Materialization)
                yield from _failed_checks(made, [event.check], rejected=event.check.blocking)
        except ChainBroken as error:  # the others must still be told
            yield Alert(kind="record_damaged", text=f"The ledger is damaged: {error}", record=entry.id)
        cursor.records = entry.seq


def _failed_checks(made: Materialization, checks: Sequence[RecordedCheck], *, rejected: bool) -> Iterator[Alert]:
    """One alert for a lost comparison with the baselines, one for all blocking checks that failed besides."""
    failed = [check for check in checks if not check.passed and (check.blocking or check.name == BEATS_BASELINES)]
    name = f"{made.key} {made.partition or ''}".rstrip()
    end = "; it is rejected, and nothing downstream may read it" if rejected else ""
    for check in failed:
        if check.name == BEATS_BASELINES:
            lost = f" in {check.failed} of {check.checked} comparisons" if check.checked else ""
            yield _of(made, "behind_baseline", f"{name} fell behind a baseline{lost}{end}", [check])
    others = [check for check in failed if check.name != BEATS_BASELINES]
    if others:
        said = ", ".join(f"{check.name} ({check.failed} of {check.checked})" for check in others)
        yield _of(made, "rejected", f"{name} failed {said}{end}", others)


def _of(made: Materialization, kind: Any, text: str, checks: Sequence[RecordedCheck]) -> Alert:
    # the whole result, with its sample, is in the record
    details = {
        check.name: check.model_dump(mode="json", include={"blocking", "failed", "checked", "rules"})
        for check in checks
    }
    return Alert(kind=kind, text=text, details=details, **_about(made))


def _behind_predecessor(ledger: Ledger, seq: int, made: Materialization, metrics: Sequence[Metric]) -> Iterator[Alert]:
    """Against the last version of the same partition that was not rejected."""
    if not metrics:
        return
    same = ENTRIES.c.partition.is_(None) if made.partition is None else ENTRIES.c.partition == made.partition
    earlier = ledger.entries(
        ENTRIES.c.key == made.key,
        same,
        ENTRIES.c.kind == "materialized",
        ENTRIES.c.seq < seq,
        newest_first=True,
        limit=1,
    )
    before = ledger.load(earlier[0]) if earlier else None
    if not isinstance(before, Materialization):
        return
    fallen = {
        metric.fact: {
            "before": before.facts.get(metric.fact),
            "now": made.facts.get(metric.fact),
            "better": metric.better,
            "tolerance": metric.tolerance,
        }
        for metric in metrics
        if metric.fell(before.facts.get(metric.fact), made.facts.get(metric.fact))
    }
    if fallen:
        said = ", ".join(
            f"{name} from {_shown(fact['before'])} to {_shown(fact['now'])}" for name, fact in fallen.items()
        )
        name = f"{made.key} {made.partition or ''}".rstrip()
        yield Alert(
            kind="behind_predecessor",
            text=f"{name} fell behind the version before: {said}",
            details={"metrics": fallen, "predecessor": before.id},
            **_about(made),
        )


def _about(made: Materialization) -> dict[str, Any]:
    return {"asset": made.key, "partition": made.partition, "run_id": made.run_id or None, "record": made.id}


def _number(value: Any) -> float | None:
    """A finite number, or None; records hold NaN as text."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _shown(value: Any) -> str:
    number = _number(value)
    return f"{number:.4g}" if number is not None else "missing" if value is None else str(value)


# -- the webhook ------------------------------------------------------------------------------------------------------


def _send(context: dg.SensorEvaluationContext, waiting: Sequence[Waiting]) -> list[Waiting]:
    """Send what waits, oldest first; returns what must be tried again at the next tick."""
    url = os.environ.get(WEBHOOK_VARIABLE)
    if not url or not waiting:
        return []
    left: list[Waiting] = []
    refusal: DeliveryFailed | None = None
    began = time.monotonic()
    for number, item in enumerate(waiting):
        if (refusal is not None and refusal.unreachable) or time.monotonic() - began > DELIVERY_SECONDS:
            left += waiting[number:]
            break
        try:
            shown_url(url)
            post(url, item.alert.model_dump(mode="json"))
        except DeliveryFailed as error:
            refusal = error
            left.append(item)
    kept = [item for item in left if time.time() - item.since < KEEP_SECONDS][-KEEP_ALERTS:]
    if refusal is not None:
        given_up = f"; {len(left) - len(kept)} are given up" if len(kept) < len(left) else ""
        context.log.warning(
            f"the webhook did not take an alert: {refusal}. {len(kept)} wait for the next try{given_up}"
        )
    return kept
