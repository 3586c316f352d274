"""Years as partitions: their keys, the raw files behind each, and the list of its matches that is published.

Belongs here: which matches a year holds, by digest. Must not come here: what is in them (``cricsheet``), finding files
(``archive``).

A year's version is the list of its matches and their digests, not of the archives they came in: a new download of the
whole archive leaves the years alone in which nothing changed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sport_assets.cricket.archive import Member, YearFiles, library
from sport_assets.lineage.checks import SAMPLE_ROWS, CheckResult
from sport_assets.lineage.digest import canonical_json

FIRST_YEAR, LAST_YEAR = 2003, 2040
"""Cricket of twenty overs a side was first played in 2003."""
MATCHES_FILE = "matches.json"
CHECKS: dict[str, tuple[bool, str]] = {
    "one_version_of_each_match": (False, "No two raw files hold different versions of the same match."),
    "files_have_a_date": (False, "Every match file says on which date it begins. One that does not is in no year."),
    "dates_possible": (
        False,
        f"Every match begins in a year from {FIRST_YEAR} to {LAST_YEAR}. One that does not is in no partition.",
    ),
}
"""Every check of a year's raw files: blocking or not, and its description."""


@dataclass(frozen=True)
class YearList:
    """The matches of a year as published: id -> SHA-256; and (id, what differs where) of those that are in conflict."""

    matches: Mapping[str, str]
    conflicts: tuple[tuple[str, str], ...]

    @classmethod
    def load(cls, path: Path) -> YearList:
        """Read what ``write_year`` wrote."""
        content = json.loads(path.read_text(encoding="utf-8"))
        return cls(
            {each["match_id"]: each["sha256"] for each in content["matches"]},
            tuple((each["match_id"], each["where"]) for each in content["conflicts"]),
        )


@dataclass(frozen=True)
class YearReport:
    """What is known of a year's raw files."""

    files: list[str]
    """The raw files, relative to the data folder."""
    checks: tuple[CheckResult, ...]
    metadata: Mapping[str, int]


def year_keys() -> list[str]:
    """Partition keys: the years in which matches may begin."""
    return [str(year) for year in range(FIRST_YEAR, LAST_YEAR + 1)]


def year_files(data: Path, year: str) -> list[str]:
    """The raw files that hold matches of a year, relative to ``data``; none where there are no such matches."""
    found = library(data).years.get(year)
    return found.files if found is not None else []


def present_years(data: Path) -> list[str]:
    """Years of which there are matches."""
    return [year for year in library(data).years if _possible(year)]


def write_year(data: Path, year: str, out: Path) -> YearReport:
    """List the matches of a year, by id and digest, in ``out`` (JSON).

    A match of which there are several versions is listed as a conflict, with all of them, and is not used.
    """
    found = library(data)
    files = found.years.get(year, YearFiles(()))
    content = {
        "matches": [{"match_id": m.match_id, "sha256": m.sha256, "size": m.size} for m in files.members],
        "conflicts": [{"match_id": same[0].match_id, "where": _where(same)} for same in files.conflicts],
    }
    out.write_text(canonical_json(content) + "\n", encoding="utf-8")
    conflicts = [
        {"rule": "conflicting_files", "match_id": same[0].match_id, "where": _where(same)} for same in files.conflicts
    ]
    undated = [{"rule": "no_date", "file": member.place} for member in found.undated]
    misdated = [
        {"rule": "impossible_year", "file": member.place, "date": member.date}
        for other, held in found.years.items()
        if not _possible(other)
        for member in (*held.members, *(each for same in held.conflicts for each in same))
    ]
    count = len(files.members) + len(conflicts)
    return YearReport(
        files.files,
        (
            _result("one_version_of_each_match", conflicts, count),
            _result("files_have_a_date", undated, count + len(undated)),
            _result("dates_possible", misdated, count + len(misdated)),
        ),
        {
            "matches": len(files.members),
            "bytes": sum(member.size for member in files.members),
            "conflicts": len(conflicts),
            "files_without_a_date": len(undated),
            "files_of_an_impossible_year": len(misdated),
        },
    )


def _possible(year: str) -> bool:
    return FIRST_YEAR <= int(year) <= LAST_YEAR


def _where(same: tuple[Member, ...]) -> str:
    return " and ".join(f"{member.place} ({member.sha256[:12]})" for member in same)


def _result(name: str, found: list[dict[str, Any]], checked: int) -> CheckResult:
    rules = {found[0]["rule"]: len(found)} if found else {}
    return CheckResult(
        name, not found, *CHECKS[name], failed=len(found), checked=checked, rules=rules, sample=found[:SAMPLE_ROWS]
    )
