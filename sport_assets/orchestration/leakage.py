"""The check of every evaluation: nothing that it measured was learned from, by the model or anything behind it.

Belongs here: the check's declaration and its result. Must not come here: the comparison itself (``audit.leakage``).
"""

from collections.abc import Iterable, Sequence

from sport_assets.audit.chain import walk
from sport_assets.audit.leakage import Comparison, compare, folds_go_on, trainings_behind
from sport_assets.audit.records import LedgerRecords
from sport_assets.lineage.checks import SAMPLE_ROWS, CheckResult
from sport_assets.lineage.record import Lineage
from sport_assets.lineage.row_index import RowIndex
from sport_assets.orchestration.checks import Check

NO_EVALUATION_DATA = Check(
    "no_evaluation_data_in_training",
    "Nothing that the model is judged by was trained on, by it or by any checkpoint behind it: teachers of labels and "
    "pretrained weights included. By folds, each fold's weights are judged by what that fold held out.",
)


def judged_fairly(lineage: Lineage, checkpoint: str, measured: RowIndex) -> CheckResult:
    """Compare what was measured with what every training behind the record ``checkpoint`` (itself included) read.

    Where that cannot be told, since a line names no identifiers, the check does not pass but does not block either.
    """
    records = LedgerRecords(lineage)
    chain = walk(records, checkpoint)
    tested = [found for found in measured.identifiers() if found.side.startswith("test")]
    compared = compare(tested, trainings_behind(chain, checkpoint), folds_go_on(chain, [checkpoint]), records.row_index)
    told = bool(tested) and not compared.unknown
    return CheckResult(
        NO_EVALUATION_DATA.name,
        passed=told and not compared.leaks,
        blocking=bool(compared.leaks) or told,
        description=NO_EVALUATION_DATA.description if told else _untold(compared, bool(tested)),
        failed=sum(len(leak.rows) for leak in compared.leaks),
        checked=compared.compared,
        rules={"measured_and_trained_on": sum(len(leak.rows) for leak in compared.leaks)} if compared.leaks else {},
        sample=[
            {**dict(zip(leak.columns, row, strict=True)), "measured": leak.side, "in": leak.step.name, "as": leak.other}
            for leak in compared.leaks
            for row in leak.rows
        ][:SAMPLE_ROWS],
        metadata={"trainings": compared.trainings},
    )


def learned_from(lineage: Lineage, record_ids: Iterable[str], columns: Sequence[str]) -> set[tuple[str, ...]]:
    """The rows, by ``columns``, that any training behind these records read: they may not be evaluated on."""
    records, found = LedgerRecords(lineage), set()
    for record_id in record_ids:
        for step in trainings_behind(walk(records, record_id), record_id):
            index = records.row_index(step.made.row_index) if step.made.row_index is not None else []
            found |= {row for rows in index if rows.columns == tuple(sorted(columns)) for row in rows.rows}
    return found


def _untold(compared: Comparison, measured: bool) -> str:
    silent = ", ".join(step.name for step in compared.unknown)
    what = f"{silent} does not say what was trained on" if measured else "the evaluation does not say what it measured"
    return f"It cannot be told whether the model is judged by what it learned from: {what}."
