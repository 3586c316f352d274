"""The checks of a year of deliveries: one name per kind of defect, with counts by rule and the matches concerned.

Belongs here: turning what was found in a year into check results and findings.json. Must not come here: finding it
(``cricsheet``, ``match_rules``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sport_assets.cricket import match_rules
from sport_assets.cricket.schemas import VALUE_RULES
from sport_assets.lineage.checks import SAMPLE_ROWS, CheckResult

QUARANTINE_LIMIT = 0.02
"""Largest share of matches that may be set aside before the year is rejected; a single one never is too many."""
FILE_RULES: dict[str, str] = {
    "unreadable": "the file is no JSON, is cut off, or is not UTF-8",
    "structure": "something that a match file must have is missing or of another kind",
    "not_twenty_overs": "a match of another length: Test, one-day, or of another format",
    "conflicting_files": "two raw files hold different versions of the match; keep one of them",
    "unknown_player": "somebody who is not in the file's registry",
    "type": "a value of another type than its column",
}
"""Rules of match files as a whole, by name."""

_CHECKS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("files_readable", "Every match file is whole and in Cricsheet's format.", ("unreadable", "structure", "type")),
    ("matches_of_twenty_overs", "Every match is of twenty overs a side, of six balls.",
     ("not_twenty_overs", "overs_range", "balls_per_over")),
    ("one_version_of_each_match", "No match is there in two versions.", ("conflicting_files",)),
    ("players_registered", "Everybody is in the registry of the file, with an id.",
     ("unknown_player", "player_id_format")),
    ("values_possible", "No value is missing, and each is one that can be.",
     ("missing_value", "impossible_date", "toss_vocabulary", "result_vocabulary", "over_range", "ball_range",
      "runs_range", "target_range", "wickets_range", "wicket_vocabulary", "innings_range")),
    ("runs_add_up", "Runs and extras add up on every delivery.", ("runs_do_not_add_up", "extras_do_not_add_up")),
    ("people_where_they_can_be", "Teams and players are where they can be.",
     ("batter_at_both_ends", "bowler_bats", "team_not_playing", "same_team_twice")),
    ("innings_in_order", "Each team bats once, overs follow one another, and no more than ten are out.",
     ("third_innings", "team_bats_twice", "overs_out_of_order", "too_many_wickets")),
    ("overs_complete", "Overs have six legal balls, but for those that the file says were miscounted.",
     ("over_of_other_length",)),
    ("length_as_played", "The file says the overs of twenty-over cricket.", ("overs_mislabelled",)),
    ("targets_follow", "A chase has a target, and without a rain rule it is one more than the first innings made.",
     ("chase_without_target", "target_of_other_runs")),
)  # fmt: skip

CHECKS: dict[str, tuple[bool, str]] = {
    "something_left": (
        False,
        "At least one match of the year can be used; where none can, the year is published empty.",
    ),
    "quarantined_share": (True, f"At most {QUARANTINE_LIMIT:.0%} of the matches are set aside (one always may be)."),
    **{name: (False, description) for name, description, _ in _CHECKS},
}
"""Every check of ``process_year``: blocking or not, and its description."""
MEANING = {**FILE_RULES, **VALUE_RULES, **match_rules.RULES, **match_rules.FINDINGS}
"""What each rule means."""


@dataclass(frozen=True)
class YearCounts:
    """Matches of the year that are not withdrawn, and those of them that are kept."""

    matches: int
    kept: int


def findings_content(
    faults: Sequence[Mapping[str, Any]], withdrawn: int, found: Mapping[str, list[dict[str, Any]]]
) -> dict[str, Any]:
    """findings.json: matches set aside and findings by rule, up to 20 of each finding, and what the rules mean."""
    set_aside = _matches_by_rule(faults)
    return {
        "version": 1,
        "quarantined": set_aside,
        "withdrawn": withdrawn,
        "findings": {rule: len(rows) for rule, rows in sorted(found.items())},
        "samples": {rule: rows[:SAMPLE_ROWS] for rule, rows in sorted(found.items())},
        "meaning": {rule: MEANING[rule] for rule in sorted({*set_aside, *found})},
    }


def year_checks(
    counts: YearCounts, faults: Sequence[Mapping[str, Any]], found: Mapping[str, list[dict[str, Any]]]
) -> list[CheckResult]:
    """The results of CHECKS, in their order. ``faults``: quarantined rows; ``found``: findings by rule."""
    by_rule = _matches_by_rule(faults)
    set_aside = len({fault["file"] for fault in faults})
    results = [
        _result(
            "something_left",
            counts.kept > 0,
            checked=counts.matches,
            failed=0 if counts.kept else counts.matches,
            sample=[] if counts.kept else _sample(faults),
        ),
        _result(
            "quarantined_share",
            set_aside <= max(1, QUARANTINE_LIMIT * counts.matches),
            failed=set_aside,
            checked=counts.matches,
            rules=by_rule,
            sample=_sample(faults),
            metadata={"share": round(set_aside / max(counts.matches, 1), 6), "limit": QUARANTINE_LIMIT},
        ),
    ]
    for name, _, rules in _CHECKS:
        broken = {rule: count for rule, count in by_rule.items() if rule in rules}
        broken |= {rule: len(rows) for rule, rows in found.items() if rule in rules}
        sample = _sample([fault for fault in faults if fault["rule"] in rules])
        sample += [row for rule in rules for row in match_rules.samples(found, rule)]
        results.append(
            _result(
                name,
                not broken,
                failed=sum(broken.values()),
                checked=counts.matches,
                rules=broken,
                sample=sample[:SAMPLE_ROWS],
            )
        )
    return results


def _matches_by_rule(faults: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """How many matches break each rule."""
    return dict(sorted(Counter(rule for rule, _ in {(fault["rule"], fault["file"]) for fault in faults}).items()))


def _sample(faults: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [
        {name: fault[name] for name in ("rule", "file", "row", "column", "value")} for fault in faults[:SAMPLE_ROWS]
    ]


def _result(name: str, passed: bool, **more: Any) -> CheckResult:
    blocking, description = CHECKS[name]
    return CheckResult(name, passed, blocking, description, **more)
