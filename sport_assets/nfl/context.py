"""What was known about a play before the ball was thrown, from the supplementary file.

Belongs here: reading that file and keeping the columns of ``schemas.ALLOWED_PRE_SNAP``, by allow-list. Does
not belong here: features of these columns (``features``), tracking.

The file also says how plays ended, and how the defence was charted: the latter is published in a table of its own
(``labels``). A defect in such a column is reported and nothing else: it neither removes
a row nor changes one, so that nothing outside the allow-list can reach a model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from sport_assets.lineage.checks import SAMPLE_ROWS, CheckResult
from sport_assets.lineage.quarantine import Sifted, write_quarantine
from sport_assets.lineage.row_index import RowIndex
from sport_assets.lineage.table import Table
from sport_assets.nfl.file_checks import FILE_CHECKS, file_results, unusable
from sport_assets.nfl.findings import PLAY_KEY
from sport_assets.nfl.identifiers import GAME, PLAY, of_table
from sport_assets.nfl.labels import CHECK_NAME as LABELS_CHECK
from sport_assets.nfl.labels import DESCRIPTION as LABELS_DESCRIPTION
from sport_assets.nfl.labels import LABELS_FILE, coverage_labels
from sport_assets.nfl.raw_tables import (
    RawFileError,
    RawTable,
    failure_rows,
    read_table,
    sift_table,
)
from sport_assets.nfl.schemas import ALLOWED_PRE_SNAP, CONTEXT_RULES, PLAY_CONTEXT, SUPPLEMENTARY, WITHDRAWN
from sport_assets.nfl.withdrawn import count_withdrawn, withdrawn_rows

CONTEXT_FILE = "play_context.parquet"
QUARANTINE_LIMIT = 0.05
"""Largest share of rows that may be quarantined before the file is rejected. (A play can do without context.)"""

COLUMNS: tuple[str, ...] = (*PLAY_KEY, *ALLOWED_PRE_SNAP)
_OTHERS = Table(
    "nfl_supplementary_unused", {name: column for name, column in SUPPLEMENTARY.columns.items() if name not in COLUMNS}
)
_READING_RULES = ("field_count", "type", "missing_value", "not_finite")

CHECKS: dict[str, tuple[bool, str]] = {
    **FILE_CHECKS,
    "quarantined_share": (True, f"At most {QUARANTINE_LIMIT:.0%} of the rows are quarantined."),
    "columns_and_types": (False, "Every line has all fields, every value its type, none that is needed is missing."),
    "values_in_range": (False, "Values known before the snap are in their ranges and vocabularies."),
    "unique_plays": (False, "No play is there twice."),
    "teams_fit": (False, "Offence and defence are the two teams of the game."),
    "results_and_charting": (
        False,
        "Columns that are not used (results, charting) keep their rules. Rows are kept all the same.",
    ),
    LABELS_CHECK: (False, LABELS_DESCRIPTION),
}
"""Every check of ``process_context``: blocking or not, and its description."""
JOIN_CHECK = ("plays_have_context", "Every tracked play has a row of context. Without one, its context is unknown.")


@dataclass(frozen=True)
class ContextReport:
    """What is known about a supplementary file that was processed, and the games and plays in its clean table."""

    checks: tuple[CheckResult, ...]
    metadata: Mapping[str, int | float]
    identifiers: RowIndex = field(default_factory=RowIndex)


def read_context(path: Path, withdrawn: Sequence[Mapping[str, str]] = ()) -> tuple[pl.DataFrame, Sifted, RawTable]:
    """The play context of a supplementary file: COLUMNS, one row per play, sorted by game and play.

    Rows of ``withdrawn`` row sets (column -> value, of PLAY_KEY) are set aside.

    Also returns what was sorted out, and the file as read. Raises RawFileError where the file as a whole
    cannot be used.
    """
    table = read_table(path, SUPPLEMENTARY, "supplementary file")
    rows = table.frame.select(COLUMNS)
    original = None if table.original is None else table.original.select(COLUMNS)
    usable = RawTable(
        table.file,
        rows,
        table.failures.filter(pl.col("column").is_in([*COLUMNS, ""])),
        original,
        table.last_line_whole,
        table.bytes_read,
    )
    home, visitor = pl.col("home_team_abbr"), pl.col("visitor_team_abbr")
    extra = [
        failure_rows(rows, (pl.col(name) != home) & (pl.col(name) != visitor), f"{name}_not_playing", name)
        for name in ("possession_team", "defensive_team")
    ]
    same = pl.col("possession_team") == pl.col("defensive_team")
    extra.append(failure_rows(rows, same, "same_team_on_both_sides", "defensive_team"))
    extra.append(withdrawn_rows(rows, withdrawn))
    # Two rows of a play are one defect, whatever else they say: the first is kept.
    again = ("duplicate_play", "duplicate_play")
    sifted = sift_table(usable, PLAY_CONTEXT, pl.concat(extra), PLAY_KEY, again)
    return sifted.clean.drop("line").sort(PLAY_KEY), sifted, table


def process_context(path: Path, out: Path, withdrawn: Sequence[Mapping[str, str]] = ()) -> ContextReport:
    """Read and validate a supplementary file; write play_context.parquet, labels.parquet and quarantine.parquet to
    the folder ``out``.

    Rows of ``withdrawn`` row sets are quarantined without what they say, and count neither as defects nor as rows.
    The same file gives the same bytes. Where the file as a whole cannot be used, the check ``file_structure`` fails
    and says why, and unusable.json is all that is written.
    """
    try:
        context, sifted, table = read_context(path, withdrawn)
    except RawFileError as error:
        return ContextReport(unusable(error, 1, CHECKS, out), {"plays": 0, "quarantined_rows": 0})
    context.write_parquet(out / CONTEXT_FILE)
    labels, labels_check = coverage_labels(table, sifted.clean.select("line", *PLAY_KEY))
    labels.write_parquet(out / LABELS_FILE)
    quarantined = write_quarantine([sifted.quarantined], out)
    unused = _unused(table, withdrawn)
    gone = count_withdrawn(sifted)
    rows, defects = len(table.frame) - gone, quarantined - gone
    metadata: dict[str, int | float] = {
        "rows": rows,
        "plays": len(context),
        "games": context["game_id"].n_unique(),
        "columns_kept": len(ALLOWED_PRE_SNAP),
        "columns_left_out": len(SUPPLEMENTARY.columns) - len(COLUMNS),
        "quarantined_rows": quarantined,
        "withdrawn_rows": gone,
        "quarantined_share": round(defects / max(rows, 1), 6),
        **{f"coverage_{name}": share for name, share in labels_check.metadata.items() if name != "plays"},
    }
    checks = (*_checks(table, sifted, unused, defects, rows), labels_check)
    return ContextReport(checks, metadata, of_table(context, GAME, PLAY))


def join_check(plays: pl.DataFrame, context: pl.DataFrame) -> CheckResult:
    """Whether every play (game_id, play_id) has a row of context. Warns: a play without one is usable."""
    wanted = plays.select(PLAY_KEY).unique().sort(PLAY_KEY)
    absent = wanted.join(context, on=PLAY_KEY, how="anti", maintain_order="left")
    name, description = JOIN_CHECK
    return CheckResult(
        name=name,
        passed=absent.is_empty(),
        blocking=False,
        description=description,
        failed=len(absent),
        checked=len(wanted),
        rules={"play_without_context": len(absent)} if len(absent) else {},
        sample=[{"rule": "play_without_context", **row} for row in absent.head(SAMPLE_ROWS).to_dicts()],
    )


def _unused(table: RawTable, withdrawn: Sequence[Mapping[str, str]]) -> Sifted:
    """Failures in the columns that are not used."""
    others = list(_OTHERS.columns)
    return sift_table(
        RawTable(
            table.file,
            table.frame.select(others),
            table.failures.filter(pl.col("column").is_in(others)),
            None if table.original is None else table.original.select(others),
        ),
        _OTHERS,
        withdrawn_rows(table.frame, withdrawn),
    )


def _checks(table: RawTable, sifted: Sifted, unused: Sifted, quarantined: int, rows: int) -> list[CheckResult]:
    def result(name: str, part: Sifted, rules: Mapping[str, int], **more: Any) -> CheckResult:
        blocking, description = CHECKS[name]
        sample = part.quarantined.filter(pl.col("rule").is_in(list(rules))).head(SAMPLE_ROWS).to_dicts()
        values: dict[str, Any] = {
            "passed": not rules,
            "failed": sum(rules.values()),
            "checked": rows,
            "rules": rules,
            "sample": sample,
            **more,
        }
        return CheckResult(name=name, blocking=blocking, description=description, **values)

    def those(*names: str) -> dict[str, int]:
        return {rule: count for rule, count in sifted.rules.items() if rule in names}

    broken = _without_withdrawn(sifted.rules)
    values = {rule: count for rule, count in broken.items() if rule not in (*_READING_RULES, *CONTEXT_RULES)}
    teams = [rule for rule in CONTEXT_RULES if rule != "duplicate_play"]
    return [
        *file_results([table]),
        result(
            "quarantined_share",
            sifted,
            broken,
            passed=quarantined <= QUARANTINE_LIMIT * rows,
            failed=quarantined,
            metadata={"share": round(quarantined / max(rows, 1), 6), "limit": QUARANTINE_LIMIT},
        ),
        result("columns_and_types", sifted, those(*_READING_RULES)),
        result("values_in_range", sifted, values),
        result("unique_plays", sifted, those("duplicate_play")),
        result("teams_fit", sifted, those(*teams)),
        result("results_and_charting", unused, _without_withdrawn(unused.rules)),
    ]


def _without_withdrawn(rules: Mapping[str, int]) -> dict[str, int]:
    return {rule: count for rule, count in rules.items() if rule != WITHDRAWN}
