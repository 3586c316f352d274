"""What a step of the line knows of its own output, for the record of it.

Belongs here: the report type. Must not come here: how a step finds what it reports.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sport_assets.lineage.checks import CheckResult
from sport_assets.lineage.row_index import RowIndex


@dataclass(frozen=True)
class StepReport:
    """Checks of an output, numbers for people, rows set aside and what the rows are about."""

    checks: tuple[CheckResult, ...]
    facts: Mapping[str, Any]
    """JSON-able; no time, host or absolute path, since it may be compared between machines."""
    quarantined: int = 0
    identifiers: RowIndex = field(default_factory=RowIndex)
