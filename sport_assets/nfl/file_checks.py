"""The checks of raw files as a whole: whether they can be used at all, and whether they seem cut off.

Belongs here: these checks' results, and what is published of files that cannot be used. Does not belong here: reading
the files (``raw_tables``), checks of rows and plays (``week_checks``, ``context``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from sport_assets.lineage.checks import CheckResult
from sport_assets.nfl.raw_tables import FIRST_LINE, RawFileError, RawTable

STRUCTURE = "file_structure"
WHOLE_LINES = "files_end_with_a_whole_line"
UNUSABLE_FILE = "unusable.json"

Declared = Mapping[str, tuple[bool, str]]
"""Checks by name: blocking or not, and description."""

FILE_CHECKS: Declared = {
    STRUCTURE: (True, "Every raw file can be read and has the right columns."),
    WHOLE_LINES: (False, "Every raw file ends with a line break. One that does not may have been cut off."),
}


def file_results(tables: Sequence[RawTable]) -> list[CheckResult]:
    """The results of FILE_CHECKS for files that were read."""
    shapes = {table.file: f"{len(table.frame)} rows, {len(table.frame.columns)} columns" for table in tables}
    cut = [table for table in tables if not table.last_line_whole]
    blocking, description = FILE_CHECKS[WHOLE_LINES]
    return [
        CheckResult(STRUCTURE, True, *FILE_CHECKS[STRUCTURE], checked=len(tables), metadata=shapes),
        CheckResult(
            WHOLE_LINES,
            not cut,
            blocking,
            description,
            failed=len(cut),
            checked=len(tables),
            rules={"no_line_break_at_end": len(cut)} if cut else {},
            sample=[
                {"rule": "no_line_break_at_end", "file": table.file, "line": len(table.frame) + FIRST_LINE - 1}
                for table in cut
            ],
        ),
    ]


def unusable(error: RawFileError, files: int, declared: Declared, out: Path) -> tuple[CheckResult, ...]:
    """The results of all ``declared`` checks where one of ``files`` files cannot be used; the reason also goes to
    ``out``/unusable.json.

    STRUCTURE fails with file, fault and remedy, and blocks. No other check was run: none passes, and none blocks on
    its own account.
    """
    told = {"file": error.file, "what": error.what, "remedy": error.remedy}
    (out / UNUSABLE_FILE).write_text(json.dumps(told, sort_keys=True, indent=1) + "\n", encoding="utf-8")
    failed = CheckResult(
        STRUCTURE,
        passed=False,
        blocking=True,
        description=str(error),
        failed=1,
        checked=files,
        rules={"unusable_file": 1},
        sample=[told],
    )
    return tuple(
        failed
        if name == STRUCTURE
        else CheckResult(
            name,
            passed=False,
            blocking=False,
            description=f"Not run: {error.file} cannot be used. It asks: {description}",
            metadata={"run": False},
        )
        for name, (_, description) in declared.items()
    )
