"""How a partition stands, in words and as one of five levels, and how an asset stands whose partitions are folded.

Belongs here: which state is worse than which. Must not come here: finding faults (``findings`` of the audit).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sport_assets.lineage.checks import UNTAINTED

# The worst first.
LEVELS = ("error", "warning", "note", "passed", "unchecked")
# State -> level, and how one partition and several are said to be in it.
STATES: dict[str, tuple[str, str, str]] = {
    "withdrawn": ("error", "withdrawn", "withdrawn"),
    "tainted": ("error", "stands on withdrawn data", "standing on withdrawn data"),
    "rejected": ("error", "check failed", "with failed checks"),
    "overridden": ("warning", "failed check overridden", "with overridden checks"),
    "warned": ("warning", "check warns", "with warnings of checks"),
    "newer": ("note", "newer version exists", "with a newer version"),
    "finding_error": ("error", "error found", "with errors found"),
    "finding_warning": ("warning", "warning found", "with warnings found"),
    "finding_note": ("note", "note", "with notes"),
    "passed": ("passed", "all checks passed", "with all checks passed"),
    "unchecked": ("unchecked", "no checks of its own", "without checks of their own"),
}


@dataclass(frozen=True)
class Status:
    """The worst level, and every state that holds."""

    level: str
    states: tuple[str, ...]


def status_of(node: Mapping[str, Any], severities: Iterable[str], tainted: bool) -> Status:
    """How one node of a report stands, with findings of these severities. ``tainted``: it stands on a withdrawn one."""
    found = set(severities)
    checks: Sequence[Mapping[str, Any]] = node.get("checks") or ()
    # that it stands on withdrawn data is a state of its own
    failed = [check for check in checks if not check["passed"] and check["name"] != UNTAINTED]
    tainted = tainted or any(check["name"] == UNTAINTED and not check["passed"] for check in checks)
    states = []
    if node.get("withdrawn"):
        states.append("withdrawn")
    elif tainted:
        states.append("tainted")
    if any(check["blocking"] and not check.get("overridden_by") for check in failed):
        states.append("rejected")
    if any(check.get("overridden_by") for check in failed):
        states.append("overridden")
    if any(not check["blocking"] and not check.get("overridden_by") for check in failed):
        states.append("warned")
    if node.get("newer_version"):
        states.append("newer")
    told = {STATES[state][0] for state in states}
    # what a check or a mark says already needs no second word
    states += [f"finding_{level}" for level in LEVELS[:3] if level in found and level not in told]
    if not failed and not node.get("withdrawn") and not tainted:
        states.append("passed" if checks else "unchecked")
    levels = [STATES[state][0] for state in states]
    return Status(min(levels, key=LEVELS.index), tuple(states))


def folded(statuses: Sequence[Status]) -> tuple[str, list[tuple[str, str]]]:
    """The worst level of several, and how many of them are in which state: (level, words), the worst first."""
    if len(statuses) == 1:
        [only] = statuses
        bad = [state for state in only.states if STATES[state][0] not in ("passed", "unchecked")]
        return only.level, [STATES[state][:2] for state in bad or only.states]
    counts = {state: sum(state in status.states for status in statuses) for state in STATES}
    level = min((status.level for status in statuses), key=LEVELS.index)
    bad = [state for state in STATES if counts[state] and STATES[state][0] not in ("passed", "unchecked")]
    if not bad:
        return level, [STATES["passed" if counts["passed"] == len(statuses) else "unchecked"][:2]]
    bad.sort(key=lambda state: LEVELS.index(STATES[state][0]))
    return level, [(STATES[state][0], f"{counts[state]:,} of {len(statuses):,} {STATES[state][2]}") for state in bad]
