"""The check of every evaluation: nothing that it measured was learned from, by the model or anything behind it.

Belongs here: the check's declaration and its result, and noting where weights that a user brings come from. Must not
come here: the comparison itself (``audit.leakage``).
"""

from collections.abc import Iterable, Sequence
from typing import Any

from sport_assets.audit.chain import Chain, walk
from sport_assets.audit.leakage import Comparison, compare, folds_go_on, trainings_behind
from sport_assets.audit.records import LedgerRecords
from sport_assets.lineage.checks import SAMPLE_ROWS, CheckResult
from sport_assets.lineage.record import Lineage, Record
from sport_assets.lineage.row_index import RowIndex
from sport_assets.orchestration.checks import Check

NO_EVALUATION_DATA = Check(
    "no_evaluation_data_in_training",
    "Nothing that the model is judged by was trained on, by it or by any checkpoint of this home behind it, as teacher "
    "of labels or as weights to begin with. What weights from elsewhere learned from is in no record: it is not "
    "compared. By folds, each fold's weights are judged by what that fold held out.",
)
FROM_ELSEWHERE = "weights_from_elsewhere"
"""The fact that names files of weights, of a teacher or to begin with, of whose training no record here tells."""


def weights_behind(record: Record, name: str, sha256: str) -> dict[str, Any]:
    """Note what published a file of weights that a user brings, as an input: what that learned from counts then.

    Where nothing of this home published it, what it learned from is not known, and the facts to record say so.
    """
    if record.read_publisher(sha256) is not None:
        return {}
    return {FROM_ELSEWHERE: [{"file": name, "sha256": sha256}]}


def from_elsewhere(chain: Chain) -> list[dict[str, str]]:
    """The files of weights in a chain of whose training no record tells, each once, by name and SHA-256."""
    found = [file for step in chain.steps for file in step.made.facts.get(FROM_ELSEWHERE, [])]
    return [dict(names) for names in sorted({tuple(sorted(file.items())) for file in found})]


def judged_fairly(lineage: Lineage, checkpoint: str, measured: RowIndex) -> CheckResult:
    """Compare what was measured with what every training behind the record ``checkpoint`` (itself included) read.

    Where that cannot be told, since a line names no identifiers, the check does not pass but does not block either.
    Weights from elsewhere are named in its metadata.
    """
    records = LedgerRecords(lineage)
    chain = walk(records, checkpoint)
    tested = [found for found in measured.identifiers() if found.side.startswith("test")]
    compared = compare(tested, trainings_behind(chain, checkpoint), folds_go_on(chain, [checkpoint]), records.row_index)
    told = bool(tested) and not compared.unknown
    unknown = from_elsewhere(chain)
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
        metadata={"trainings": compared.trainings} | ({FROM_ELSEWHERE: unknown} if unknown else {}),
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
