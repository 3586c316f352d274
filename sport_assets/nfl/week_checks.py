"""The checks of a week of tracking: one name per kind of defect, with counts by rule and failing rows.

Belongs here: turning what was found in a week (quarantined rows, findings) into check results and
findings.json. Does not belong here: finding it (``raw_tables``, ``findings``), writing files (``plays``).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import polars as pl

from sport_assets.lineage.checks import SAMPLE_ROWS, CheckResult
from sport_assets.lineage.quarantine import Sifted
from sport_assets.nfl import findings
from sport_assets.nfl.file_checks import FILE_CHECKS, file_results
from sport_assets.nfl.findings import Finding
from sport_assets.nfl.raw_tables import RawTable
from sport_assets.nfl.schemas import ROW_RULES, WITHDRAWN

QUARANTINE_LIMIT = 0.01
"""Largest share of rows that may be quarantined before the week is rejected."""
DAMAGED_PLAYS_LIMIT = 0.5
"""Largest share of plays with a finding before the week is rejected: beyond it, the file is not what it
seems."""

_CHECKS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    (
        "columns_and_types",
        "Every line has all fields, and every value the type of its column.",
        ("field_count", "type"),
    ),
    ("no_missing_values", "No value that must be there is missing.", ("missing_value",)),
    ("finite_numbers", "No NaN and no infinity.", ("not_finite",)),
    ("ids_and_frames", "Ids are positive and frame numbers plausible.", ("id_not_positive", "frame_id_range")),
    ("games_of_the_season", "Games are of the season that the file's name says.", ("game_of_another_season",)),
    (
        "coordinates_on_field",
        "Positions and landing points are on the field or a stated margin around it.",
        ("x_off_field", "y_off_field", "ball_land_x_range", "ball_land_y_range", "yardline_range"),
    ),
    ("speed_and_acceleration", "No one is faster than people can be.", ("speed_range", "acceleration_range")),
    ("angles", "Angles are from 0 to 360 degrees.", ("dir_range", "o_range")),
    (
        "vocabularies",
        "Directions, sides and roles are the known ones and fit together.",
        (
            "play_direction_vocabulary",
            "player_side_vocabulary",
            "player_role_vocabulary",
            "role_side_mismatch",
        ),
    ),
    ("player_measures", "Heights and weights can be read.", ("player_height_format", "player_weight_range")),
    ("frames_to_predict", "The number of frames to predict is plausible.", ("num_frames_output_range",)),
    ("unique_frames", "No frame of a player is there twice.", ("duplicate_frame", "conflicting_frame")),
    (
        "outputs_have_inputs",
        "Every output row belongs to a player of the input file.",
        ("output_without_input_play", "output_without_input_player", "output_of_quarantined_play"),
    ),
    (
        "frame_sequences",
        "The frames of a player follow one another, as long as those of the others.",
        (
            "frame_gap",
            "first_frame_not_1",
            "frame_counts_differ",
            "output_frame_gap",
            "output_first_frame_not_1",
        ),
    ),
    (
        "outputs_complete",
        "Players to predict, and they alone, have as many output frames as announced.",
        (
            "play_without_output",
            "player_without_output",
            "num_frames_output_mismatch",
            "output_of_unflagged_player",
        ),
    ),
    (
        "roles_in_play",
        "A play has one targeted receiver, at most one passer and 22 players.",
        ("several_targeted_receivers", "no_targeted_receiver", "several_passers", "too_many_players"),
    ),
    (
        "constant_in_play",
        "What holds for a whole play is the same in all its rows.",
        tuple(f"{name}_varies" for name in findings.PLAY_CONSTANTS),
    ),
    (
        "constant_for_player",
        "What holds for a player is the same in all his frames of a play.",
        tuple(f"{name}_varies" for name in findings.PLAYER_CONSTANTS),
    ),
    ("movement_continuous", "No one jumps from frame to frame.", ("position_jump", "jump_at_throw")),
    ("games_of_the_week", "Games are of the week that the file's name says.", ("game_of_another_week",)),
)

CHECKS: dict[str, tuple[bool, str]] = {
    **FILE_CHECKS,
    "quarantined_share": (True, f"At most {QUARANTINE_LIMIT:.0%} of the rows are quarantined."),
    "damaged_plays_share": (True, f"At most {DAMAGED_PLAYS_LIMIT:.0%} of the plays have a finding."),
    **{name: (False, description) for name, description, _ in _CHECKS},
}
"""Every check of ``process_week``: blocking or not, and its description."""


@dataclass(frozen=True)
class RawWeek:
    """The files of a week as read. season and week are those of the files' names, None where they say
    none."""

    input: RawTable
    output: RawTable | None
    season: int | None = None
    week: int | None = None


@dataclass(frozen=True)
class CleanWeek:
    """A week's rows sorted into clean and quarantined; clean tables have the column ``line`` in front."""

    input: Sifted
    output: Sifted | None


def quarantine_counts(clean: CleanWeek) -> dict[str, int]:
    """How often each rule of single rows was broken in both files, by rule."""
    counts: Counter[str] = Counter(clean.input.rules)
    counts.update(clean.output.rules if clean.output else {})
    return dict(sorted(counts.items()))


def findings_content(week: RawWeek, clean: CleanWeek, found: list[Finding]) -> dict[str, Any]:
    """findings.json: season, week, files, counts by rule of quarantined rows and of findings, up to 20 of each
    finding with file and line, and what the rules mean."""
    explained = {**ROW_RULES, **findings.RULES, WITHDRAWN: "withdrawn by name and reason; what they say is not kept"}
    rules = {**quarantine_counts(clean), **_counts(found)}
    return {
        "version": 1,
        "season": week.season,
        "week": week.week,
        "files": [table.file for table in (week.input, week.output) if table],
        "quarantined": quarantine_counts(clean),
        "findings": _counts(found),
        "samples": {rule: _samples(found, {rule}) for rule in sorted(_counts(found))},
        "meaning": {rule: explained[rule] for rule in sorted(rules)},
    }


def _counts(found: list[Finding]) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for finding in found:
        counts[finding.rule] += finding.count
    return dict(sorted(counts.items()))


def _samples(found: list[Finding], rules: set[str]) -> list[dict[str, Any]]:
    return [row for finding in found if finding.rule in rules for row in finding.sample][:SAMPLE_ROWS]


def week_checks(
    week: RawWeek,
    clean: CleanWeek,
    found: list[Finding],
    quarantined: int,
    rows: int,
    plays: int,
    damaged: int,
) -> list[CheckResult]:
    """The results of CHECKS for a week that was read, in their order.

    quarantined of rows: distinct rows of both files, without those that are withdrawn; damaged of plays: plays with a
    finding.
    """
    tables = [table for table in (week.input, week.output) if table]
    broken = {rule: count for rule, count in quarantine_counts(clean).items() if rule != WITHDRAWN}
    table = pl.concat([part.quarantined for part in (clean.input, clean.output) if part])
    between = _counts(found)

    def result(name: str, passed: bool, **more: Any) -> CheckResult:
        blocking, description = CHECKS[name]
        return CheckResult(name, passed, blocking, description, **more)

    results = [
        *file_results(tables),
        result(
            "quarantined_share",
            quarantined <= QUARANTINE_LIMIT * rows,
            failed=quarantined,
            checked=rows,
            rules=broken,
            sample=_quarantine_samples(table, set(broken)),
            metadata={"share": round(quarantined / rows, 6), "limit": QUARANTINE_LIMIT},
        ),
        result(
            "damaged_plays_share",
            damaged <= DAMAGED_PLAYS_LIMIT * plays,
            failed=damaged,
            checked=plays,
            rules=between,
            metadata={"share": round(damaged / max(plays, 1), 6), "limit": DAMAGED_PLAYS_LIMIT},
        ),
    ]
    for name, _, rules in _CHECKS:
        counts = {rule: count for rule, count in {**broken, **between}.items() if rule in rules}
        of_rows = any(rule in ROW_RULES for rule in rules)
        results.append(
            result(
                name,
                not counts,
                failed=sum(counts.values()),
                checked=rows if of_rows else plays,
                rules=counts,
                sample=_quarantine_samples(table, set(rules)) if of_rows else _samples(found, set(rules)),
            )
        )
    return results


def _quarantine_samples(table: pl.DataFrame, rules: set[str]) -> list[dict[str, Any]]:
    return table.filter(pl.col("rule").is_in(list(rules))).head(SAMPLE_ROWS).to_dicts()
