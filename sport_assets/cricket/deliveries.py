"""A year of matches: from the match files of a year to clean tables of matches and deliveries, and what was wrong.

Belongs here: sorting a year's matches into clean, set aside and withdrawn, and the files of the ``deliveries`` asset.
Must not come here: reading one match (``cricsheet``), the rules (``schemas``, ``match_rules``), their checks
(``year_checks``).

A match is kept or set aside as a whole. So is one that holds a withdrawn player: without his balls, everything after
them in the innings would say something that was not.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import polars as pl

from sport_assets.cricket import archive, match_rules
from sport_assets.cricket.cricsheet import DELIVERY_COLUMNS, Match, MatchFileError, read_match
from sport_assets.cricket.labels import LABEL_RULES, OUTCOMES, LabelRule, outcome
from sport_assets.cricket.schemas import DELIVERIES, MATCHES, WITHDRAWN
from sport_assets.cricket.year_checks import CHECKS, YearCounts, findings_content, year_checks
from sport_assets.cricket.years import YearList
from sport_assets.lineage.checks import CheckResult
from sport_assets.lineage.quarantine import QUARANTINE_SCHEMA, failures, write_quarantine
from sport_assets.lineage.row_index import RowIndex

__all__ = ["CHECKS", "WITHDRAWABLE", "CleanYear", "YearReport", "clean_year", "process_year", "read_year"]

MATCHES_FILE, DELIVERIES_FILE, FINDINGS_FILE = "matches.parquet", "deliveries.parquet", "findings.json"
MATCH, PLAYER = "match_id", "player_id"
WITHDRAWABLE = (MATCH, PLAYER)
"""Columns by which rows can be withdrawn: a match, a player (registry id), or a player in one match."""
_RENAMED = {"not_nullable": "missing_value"}

Fault = dict[str, Any]
"""One way in which a match breaks a rule, by QUARANTINE_SCHEMA, and with ``match_id``."""


@dataclass(frozen=True)
class CleanYear:
    """A year's matches, sorted. Tables are by date and match id; deliveries in play order."""

    matches: pl.DataFrame
    deliveries: pl.DataFrame
    faults: list[Fault]
    withdrawn: list[Fault]
    miscounted: Mapping[str, frozenset[tuple[int, int]]]
    players: frozenset[str]


@dataclass(frozen=True)
class YearReport:
    """What is known about a year that was processed."""

    checks: tuple[CheckResult, ...]
    metadata: Mapping[str, int | str]
    """Numbers for people: matches, deliveries, players, what was set aside; and the label rule."""
    quarantined: int
    """Matches in quarantine, withdrawn ones included."""
    identifiers: RowIndex = field(default_factory=RowIndex)
    """The matches and players in the clean tables."""


def read_year(files: Iterable[tuple[str, bytes]]) -> tuple[list[Match], list[Fault]]:
    """Read match files given as (match id, bytes); those that cannot be read as faults."""
    matches, faults = [], []
    for match_id, data in files:
        try:
            matches.append(read_match(match_id, data))
        except MatchFileError as error:
            faults.append(_fault(match_id, error.rule, "", error.what, error.place, error.line or 0))
    matches.sort(key=lambda match: (match.row["date"], match.match_id))
    return matches, faults


def clean_year(
    read: Sequence[Match], faults: Sequence[Fault] = (), withdrawn: Sequence[Mapping[str, str]] = ()
) -> CleanYear:
    """Sort matches by all rules; ``withdrawn`` row sets (column -> value, of WITHDRAWABLE) take their matches out."""
    unread = {fault[MATCH]: frozenset[str]() for fault in faults}
    there = {**unread, **{match.match_id: match.players for match in read}}
    gone = [fault for each, players in there.items() if (fault := _withdrawn(each, players, withdrawn)) is not None]
    out = {fault[MATCH] for fault in gone}
    faults = [fault for fault in faults if fault[MATCH] not in out]
    read = [match for match in read if match.match_id not in out]
    matches, deliveries = _tables(read)
    by_delivery, by_match = match_rules.broken(deliveries, matches)
    found = [
        *faults,
        *_faults(matches, pl.concat([failures(matches, MATCHES), by_match]), ()),
        *_faults(
            deliveries,
            pl.concat([failures(deliveries, DELIVERIES), by_delivery]),
            ("innings", "over", "ball_in_over"),
        ),
    ]
    bad = {fault[MATCH] for fault in found}
    kept = [match for match in read if match.match_id not in bad]
    return CleanYear(
        matches.filter(~pl.col(MATCH).is_in(bad)),
        deliveries.filter(~pl.col(MATCH).is_in(bad)),
        sorted(found, key=lambda fault: (fault["file"], fault["rule"], fault["row"], fault["column"])),
        gone,
        {match.match_id: match.miscounted for match in kept if match.miscounted},
        frozenset().union(*(match.players for match in kept)),
    )


def process_year(
    listed: Path,
    raw: Iterable[tuple[str, Path]],
    out: Path,
    *,
    withdrawn: Sequence[Mapping[str, str]] = (),
    label_rule: LabelRule = "batter",
) -> YearReport:
    """Read, validate and label a year; write the files of the ``deliveries`` asset to the folder ``out``.

    listed: the year's list of matches (``years.write_year``); raw: the raw files that hold them, as (name, path).
    Writes matches.parquet, deliveries.parquet, quarantine.parquet (what was set aside, with rule, file and place) and
    findings.json. The same match files give the same bytes, wherever they lie.
    Raises ``RawFileUnreadable`` where a listed match is not in the raw files any more.
    """
    year = YearList.load(listed)
    read, faults = read_year(archive.read(raw, year.matches))
    faults += [_fault(match, "conflicting_files", "", where) for match, where in year.conflicts]
    clean = clean_year(read, faults, withdrawn)
    deliveries = clean.deliveries.with_columns(outcome(label_rule)).select(list(DELIVERIES.columns))
    clean.matches.write_parquet(out / MATCHES_FILE)
    deliveries.write_parquet(out / DELIVERIES_FILE)
    write_quarantine([_quarantine([*clean.withdrawn, *clean.faults])], out)
    set_aside = len({fault[MATCH] for fault in clean.faults})
    found = match_rules.findings(deliveries, clean.matches, clean.miscounted)
    there = len(year.matches) + len(year.conflicts) - len(clean.withdrawn)
    counts = YearCounts(there, len(clean.matches))
    content = findings_content(clean.faults, len(clean.withdrawn), found)
    (out / FINDINGS_FILE).write_text(json.dumps(content, sort_keys=True, indent=1) + "\n", encoding="utf-8")
    metadata: dict[str, int | str] = {
        "matches": len(clean.matches),
        "deliveries": len(deliveries),
        "deliveries_with_outcome": len(deliveries) - deliveries["outcome"].null_count(),
        "players": len(clean.players),
        "innings": deliveries.select(MATCH, "innings").n_unique(),
        "quarantined_matches": set_aside,
        "withdrawn_matches": len(clean.withdrawn),
        "findings": sum(map(len, found.values())),
        "label_rule": label_rule,
        "label_rule_text": LABEL_RULES[label_rule],
        "outcomes": ", ".join(OUTCOMES),
    }
    index = RowIndex()
    index.add((MATCH,), clean.matches[MATCH])
    index.add((PLAYER,), clean.players)
    checks = tuple(year_checks(counts, clean.faults, found))
    return YearReport(checks, metadata, set_aside + len(clean.withdrawn), index)


# -- parts -----------------------------------------------------------------------------------------------------------


def _tables(read: Sequence[Match]) -> tuple[pl.DataFrame, pl.DataFrame]:
    matches = pl.DataFrame([match.row for match in read], schema=MATCHES.types)
    columns: dict[str, list[Any]] = {
        MATCH: [match.match_id for match in read for _ in range(match.balls)],
        "date": [match.row["date"] for match in read for _ in range(match.balls)],
    }
    for name in DELIVERY_COLUMNS:
        columns[name] = list(chain.from_iterable([match.deliveries[name] for match in read]))
    types = DELIVERIES.types
    deliveries = pl.DataFrame([pl.Series(name, values, dtype=types[name]) for name, values in columns.items()])
    empty = pl.lit(None, dtype=types["outcome"]).alias("outcome")
    return matches, deliveries.with_columns(empty).select(list(types))


def _withdrawn(match_id: str, players: frozenset[str], withdrawn: Sequence[Mapping[str, str]]) -> Fault | None:
    for rows in withdrawn:
        if rows.get(MATCH, match_id) == match_id and (PLAYER not in rows or rows[PLAYER] in players):
            names = sorted(rows)
            said = ", ".join(rows[name] for name in names)
            return {**_fault(match_id, WITHDRAWN, ", ".join(names), said), "row": ""}
    return None


def _faults(frame: pl.DataFrame, found: pl.DataFrame, place: Sequence[str]) -> list[Fault]:
    """Failures of a table's rows: the first by match, rule and column, with its place.

    Raises ``ValueError`` for a failure of the table itself.
    """
    whole = found.filter(pl.col("index").is_null())
    if len(whole):
        raise ValueError(f"the table does not fit its schema: {whole.head(3).to_dicts()}")
    found = found.with_columns(frame[MATCH].gather(found["index"]))
    found = found.sort("index", maintain_order=True).unique(
        [MATCH, "rule", "column"], keep="first", maintain_order=True
    )
    rows = frame.select(MATCH, *place)[found["index"].to_list()]
    return [
        _fault(
            str(row[MATCH]),
            _RENAMED.get(failure["rule"], failure["rule"]),
            failure["column"],
            failure["value"],
            {name: row[name] for name in place},
        )
        for failure, row in zip(found.iter_rows(named=True), rows.iter_rows(named=True), strict=True)
    ]


def _fault(
    match_id: str, rule: str, column: str, value: str, place: Mapping[str, int] | None = None, line: int = 0
) -> Fault:
    return {
        MATCH: match_id,
        "rule": rule,
        "column": column,
        "value": value,
        "file": f"{match_id}{archive.MATCH_SUFFIX}",
        "line": line,
        "row": json.dumps(place or {}),
    }


def _quarantine(faults: Sequence[Fault]) -> pl.DataFrame:
    rows = [{name: fault[name] for name in QUARANTINE_SCHEMA} for fault in faults]
    return pl.DataFrame(rows, schema=QUARANTINE_SCHEMA)
