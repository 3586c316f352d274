"""What a withdrawal does to assets: the check ``untainted`` of each, its results in Dagster.

Belongs here: the check, and showing later results of it. Must not come here: which materializations are tainted
(``audit.taint``), making them again (``again``).
"""

from collections.abc import Iterator

import dagster as dg

from sport_assets.audit.impact import Made
from sport_assets.audit.records import LedgerRecords
from sport_assets.audit.taint import DESCRIPTION, Marked, mark, told
from sport_assets.lineage.checks import UNTAINTED, CheckResult
from sport_assets.lineage.gate import standing, withdrawal
from sport_assets.lineage.manifest import Materialization
from sport_assets.lineage.record import Lineage, Record
from sport_assets.orchestration.checks import Check
from sport_assets.orchestration.console import console_logger

UNTAINTED_CHECK = Check(UNTAINTED, DESCRIPTION)
REOPENED = "what it holds or stands on was restored"


def at_publishing(record: Record) -> CheckResult:
    """Whether what a materialization read may still be read now: it was withdrawn meanwhile, or its own input was."""
    ledger = record.lineage.ledger
    rows = []
    if ledger.withdrawals():
        for read in ledger.several(ref.record for ref in record.inputs):
            assert isinstance(read, Materialization)
            event = withdrawal(ledger, read)
            failed = [check for check in standing(ledger, read).failed if check.name == UNTAINTED]
            if event is not None or failed:
                said = told([event], holds=True) if event is not None else failed[0].description
                rows.append({"asset": read.key, "partition": read.partition, "record": read.id, "because": said})
    return CheckResult(
        UNTAINTED,
        passed=not rows,
        description=f"it was made from what was withdrawn meanwhile: {rows[0]['because']}" if rows else DESCRIPTION,
        failed=len(rows),
        checked=len(record.inputs),
        rules={"withdrawn": len(rows)} if rows else {},
        sample=rows[:20],
    )


def show(lineage: Lineage, marked: Marked) -> int:
    """Show in Dagster what marking closed and opened: a result of ``untainted`` for each partition's newest version.

    Returns how many; none where the home has no Dagster instance yet. They stand under a run of their own: without one,
    Dagster takes a single result for a partition, ever.
    """
    from sport_assets.orchestration.event_log import unhurried
    from sport_assets.orchestration.instance import initialised, instance

    home = lineage.home
    told_of = [*((made, True, REOPENED) for made in marked.opened), *((made, False, s) for made, s in marked.closed)]
    newest = LedgerRecords(lineage).newest({made.key for made, *_ in told_of})
    shown = [one for one in told_of if newest[one[0].key, one[0].partition].record == one[0].record]
    if not shown or not initialised(home):
        return 0

    @dg.op(name="untainted", description="Shows what a withdrawal closed, or a restoration opened.")
    def tell() -> Iterator[dg.AssetCheckEvaluation | dg.Output[None]]:
        for made, passed, said in shown:
            yield _evaluation(made, passed, said)
        yield dg.Output(None)

    job = dg.GraphDefinition("withdrawals", node_defs=[tell]).to_job(logger_defs={"console": console_logger})
    with unhurried(home.dagster), instance(home) as dagster:
        job.execute_in_process(instance=dagster, run_config={"loggers": {"console": {}}})
    return len(shown)


def _evaluation(made: Made, passed: bool, said: str) -> dg.AssetCheckEvaluation:
    return dg.AssetCheckEvaluation(
        asset_key=dg.AssetKey(made.key.split("/")),
        check_name=UNTAINTED,
        passed=passed,
        blocking=False,  # the run that tells of it does not fail
        partition=made.partition,
        description=f"{UNTAINTED} {'passed' if passed else 'FAILED'}: {said}",
        metadata={"record": made.record, "version": made.version},
    )


def heal(lineage: Lineage) -> None:
    """Mark and show what a withdrawal that was cut off, or a run that went on meanwhile, left unmarked."""
    if lineage.ledger.withdrawals():
        show(lineage, mark(lineage.ledger))
