"""A week of plays: from the two raw files of a week to clean, standardised tables and what was wrong with
them.

Belongs here: reading and cleaning a week, the coordinates in which the offence always moves towards +x (and
the way back), and the files and checks of the ``tracking`` asset. Does not belong here: parsing CSV
(``raw_tables``), the rules themselves (``schemas``, ``findings``), features.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from sport_assets.lineage.checks import CheckResult
from sport_assets.lineage.quarantine import write_quarantine
from sport_assets.lineage.row_index import RowIndex
from sport_assets.nfl import findings
from sport_assets.nfl.file_checks import unusable
from sport_assets.nfl.findings import PLAY_KEY, PLAYER_KEY
from sport_assets.nfl.identifiers import GAME, PLAY, PLAYER, of_table
from sport_assets.nfl.raw_tables import (
    FIRST_LINE,
    RawFileError,
    RawTable,
    Sifted,
    failure_rows,
    read_table,
    sift_table,
)
from sport_assets.nfl.schemas import (
    FIELD_LENGTH_YARDS,
    FIELD_WIDTH_YARDS,
    INPUT,
    MAX_FRAMES,
    OUTPUT,
    ROLES,
    SIDES,
    WITHDRAWN,
)
from sport_assets.nfl.shift import summarise
from sport_assets.nfl.week_checks import CHECKS, CleanWeek, RawWeek, findings_content, week_checks
from sport_assets.nfl.withdrawn import count_withdrawn, withdrawn_rows

TRACKING_FILE, TARGETS_FILE, FINDINGS_FILE, SUMMARY_FILE = (
    "tracking.parquet",
    "targets.parquet",
    "findings.json",
    "summary.json",
)
__all__ = [
    "CHECKS",
    "CleanWeek",
    "RawFileError",
    "RawWeek",
    "WeekReport",
    "clean_week",
    "process_week",
    "read_week",
    "restore_coordinates",
    "standardise",
    "standardise_targets",
]

FRAME_KEY = (*PLAYER_KEY, "frame_id")
WITHDRAWABLE = PLAYER_KEY
"""Columns by which rows of a week can be withdrawn: a game, a play, a player, or a player in one of these."""
_NAME = re.compile(r"^(?:input|output)_(\d{4})_w(\d{2})\.csv(?:\.gz)?$")


@dataclass(frozen=True)
class WeekReport:
    """What is known about a week that was processed."""

    checks: tuple[CheckResult, ...]
    metadata: Mapping[str, int | float]
    """Numbers for people: rows, plays, games, players, quarantined rows, findings, ..."""
    summary: Mapping[str, Any]
    """Distributions of the week, for ``shift.shift``; also in summary.json. Empty for a week that cannot be used."""
    identifiers: RowIndex = field(default_factory=RowIndex)
    """The games, plays and players in the clean table."""


def read_week(input_path: Path, output_path: Path | None = None) -> RawWeek:
    """Read a week's input file and, unless it is for prediction, its output file.

    Raises RawFileError where a file cannot be used as a whole: see ``raw_tables.read_table``; also when the
    names of the two files say different weeks, or when most games of a file are not of the season its name
    says.
    """
    named = _season_and_week(input_path)
    table = read_table(input_path, INPUT, "input file")
    _same_season(table, named)
    if output_path is None:
        return RawWeek(table, None, *named)
    other = _season_and_week(output_path)
    if None not in (*named, *other) and named != other:
        raise RawFileError(
            output_path.name, f"it is not the output of {input_path.name}", "Give the two files of one week."
        )
    outputs = read_table(output_path, OUTPUT, "output file")
    _same_season(outputs, named)
    return RawWeek(table, outputs, *named)


def clean_week(week: RawWeek, withdrawn: Sequence[Mapping[str, str]] = ()) -> CleanWeek:
    """Sort a week's rows by all rules of single rows (``schemas.ROW_RULES``); ``withdrawn`` row sets are set aside."""
    rows = week.input.frame
    defender = pl.col("player_role") == "Defensive Coverage"
    known = pl.col("player_role").is_in(ROLES) & pl.col("player_side").is_in(SIDES)
    extra = [
        failure_rows(
            rows, known & (defender != (pl.col("player_side") == "Defense")), "role_side_mismatch", "player_role"
        )
    ]
    clean = sift_table(
        week.input,
        INPUT,
        pl.concat([*extra, _foreign_games(rows, week.season), withdrawn_rows(rows, withdrawn)]),
        FRAME_KEY,
    )
    if week.output is None:
        return CleanWeek(clean, None)
    outputs = week.output.frame
    orphans = _orphans(outputs, rows, clean.clean)
    found = pl.concat([orphans, _foreign_games(outputs, week.season), withdrawn_rows(outputs, withdrawn)])
    return CleanWeek(clean, sift_table(week.output, OUTPUT, found, FRAME_KEY))


def standardise(rows: pl.DataFrame) -> pl.DataFrame:
    """Input rows in coordinates in which the offence moves towards +x, with ``direction_left``.

    For ``play_direction`` left the field is turned by half a circle: x -> 120 - x, y -> 53.3 - y, angles +
    180, line of scrimmage and landing point accordingly. Units stay yards and degrees.
    """
    left = pl.col("play_direction") == "left"

    def turned(name: str, length: float) -> pl.Expr:
        return pl.when(left).then(length - pl.col(name)).otherwise(pl.col(name)).alias(name)

    def rotated(name: str) -> pl.Expr:
        angle = pl.when(left).then(pl.col(name) + 180.0).otherwise(pl.col(name))
        return pl.when(angle >= 360.0).then(angle - 360.0).otherwise(angle).alias(name)

    return rows.with_columns(
        turned("x", FIELD_LENGTH_YARDS),
        turned("y", FIELD_WIDTH_YARDS),
        rotated("dir"),
        rotated("o"),
        turned("ball_land_x", FIELD_LENGTH_YARDS),
        turned("ball_land_y", FIELD_WIDTH_YARDS),
        turned("absolute_yardline_number", int(FIELD_LENGTH_YARDS)),
        direction_left=left,
    )


def standardise_targets(rows: pl.DataFrame, tracking: pl.DataFrame) -> pl.DataFrame:
    """Output rows in the same coordinates; a play's direction is that of its first row in ``tracking``."""
    directions = tracking.group_by(PLAY_KEY, maintain_order=True).agg(pl.col("direction_left").first())
    return _turn(rows.join(directions, on=PLAY_KEY, how="inner", maintain_order="left"))


def restore_coordinates(rows: pl.DataFrame) -> pl.DataFrame:
    """Standardised x and y (yards) back in the file's own coordinates, by the column ``direction_left``."""
    return _turn(rows)


def process_week(
    input_path: Path, output_path: Path, out: Path, withdrawn: Sequence[Mapping[str, str]] = ()
) -> WeekReport:
    """Read, validate and standardise a week; write the files of the ``tracking`` asset to the folder ``out``.

    tracking.parquet, targets.parquet (clean rows in the files' order), quarantine.parquet (every quarantined
    row with rule, file and line), findings.json (what is wrong between rows), summary.json (distributions).
    Rows of ``withdrawn`` row sets (column -> value, of WITHDRAWABLE) are quarantined without what they say, and count
    neither as defects nor as rows. The same input files give the same bytes. Where a file cannot be used as a whole,
    the check ``file_structure`` fails and says why, and unusable.json is all that is written.
    """
    try:
        week = read_week(input_path, output_path)
        clean = clean_week(week, withdrawn)
        _something_left(week, clean)
    except RawFileError as error:
        return WeekReport(unusable(error, 2, CHECKS, out), {"clean_input_rows": 0, "quarantined_rows": 0}, {})
    assert week.output is not None and clean.output is not None
    found = findings.find(
        _keyed(week.input, clean.input, week.season),
        clean.input.clean,
        _keyed(week.output, clean.output, week.season),
        clean.output.clean,
        files=(week.input.file, week.output.file),
        season=week.season,
        week=week.week,
    )
    tracking = standardise(clean.input.clean.drop("line"))
    targets = standardise_targets(clean.output.clean.drop("line"), tracking)
    tracking.write_parquet(out / TRACKING_FILE)
    targets.write_parquet(out / TARGETS_FILE)
    quarantined = write_quarantine([clean.input.quarantined, clean.output.quarantined], out)
    summary = summarise(tracking, targets)
    _write_json(out / SUMMARY_FILE, summary)
    _write_json(out / FINDINGS_FILE, findings_content(week, clean, found))

    gone = count_withdrawn(clean.input, clean.output)
    rows, defects = len(week.input.frame) + len(week.output.frame) - gone, quarantined - gone
    plays = tracking.select(PLAY_KEY).n_unique()
    damaged = len({play for finding in found for play in finding.plays})
    metadata: dict[str, int | float] = {
        "input_rows": len(week.input.frame),
        "output_rows": len(week.output.frame),
        "clean_input_rows": len(tracking),
        "clean_output_rows": len(targets),
        "quarantined_rows": quarantined,
        "withdrawn_rows": gone,
        "quarantined_share": round(defects / rows, 6),
        "games": tracking["game_id"].n_unique(),
        "plays": plays,
        "players": tracking["nfl_id"].n_unique(),
        "players_to_predict": targets.select(PLAYER_KEY).n_unique(),
        "findings": sum(finding.count for finding in found),
        "plays_with_findings": damaged,
    }
    checks = week_checks(week, clean, found, defects, rows, plays, damaged)
    return WeekReport(tuple(checks), metadata, summary, of_table(tracking, GAME, PLAY, PLAYER))


# -- parts -------------------------------------------------------------------------------------------------


def _season_and_week(path: Path) -> tuple[int | None, int | None]:
    match = _NAME.match(path.name)
    return (int(match[1]), int(match[2])) if match else (None, None)


def _in_season(season: int) -> pl.Expr:
    """Games from August to the February after: the id begins with the date."""
    return (pl.col("game_id") // 100).is_between(season * 10_000 + 801, (season + 1) * 10_000 + 229)


def _same_season(table: RawTable, named: tuple[int | None, int | None]) -> None:
    season = named[0]
    if season is None:
        return
    games = table.frame.select("game_id").drop_nulls().unique()
    foreign = games.filter(~_in_season(season))
    if len(foreign) * 2 > len(games):
        years = sorted(foreign.select((pl.col("game_id") // 1_000_000).unique()).to_series().to_list())
        raise RawFileError(
            table.file,
            f"its games are not of season {season} (game ids begin with {', '.join(map(str, years[:5]))})",
            "Rename the file to the season its games are of, or put the right file in its place.",
        )


def _foreign_games(rows: pl.DataFrame, season: int | None) -> pl.DataFrame:
    outside = pl.lit(False) if season is None else ~_in_season(season) & (pl.col("game_id") > 0)
    return failure_rows(rows, outside, "game_of_another_season", "game_id")


def _orphans(outputs: pl.DataFrame, inputs: pl.DataFrame, clean: pl.DataFrame) -> pl.DataFrame:
    """Output rows without a play or player in the input file, or without any clean row of the play."""

    def known(rows: pl.DataFrame, keys: tuple[str, ...], name: str) -> pl.DataFrame:
        return rows.select(keys).unique().with_columns(pl.lit(True).alias(name))

    marked = outputs.select(PLAYER_KEY)
    for rows, keys, name in (
        (inputs, PLAY_KEY, "play"),
        (inputs, PLAYER_KEY, "player"),
        (clean, PLAY_KEY, "clean"),
    ):
        marked = marked.join(known(rows, keys, name), on=keys, how="left", maintain_order="left")
    marked = marked.with_columns(pl.col("play", "player", "clean").fill_null(False))
    readable = pl.all_horizontal(pl.col(PLAYER_KEY).is_not_null())
    return pl.concat(
        [
            failure_rows(marked, readable & ~pl.col("play"), "output_without_input_play", "play_id"),
            failure_rows(
                marked, readable & pl.col("play") & ~pl.col("player"), "output_without_input_player", "nfl_id"
            ),
            failure_rows(
                marked, readable & pl.col("player") & ~pl.col("clean"), "output_of_quarantined_play", "play_id"
            ),
        ]
    )


def _something_left(week: RawWeek, clean: CleanWeek) -> None:
    if clean.input.clean.is_empty() and WITHDRAWN in clean.input.rules:
        raise RawFileError(
            week.input.file,
            "all of its rows are withdrawn, or quarantined",
            "Withdraw the week as a whole: sport-assets withdraw nfl/raw_tracking:WEEK --reason TEXT.",
        )


def _keyed(table: RawTable, sifted: Sifted, season: int | None) -> pl.DataFrame:
    """Rows whose ids and frame are possible, with their line: what is absent here was never in the file.

    Withdrawn rows are as if they never were: what lacks them is no defect.
    """
    possible = pl.all_horizontal(pl.col(PLAYER_KEY) > 0) & pl.col("frame_id").is_between(1, MAX_FRAMES)
    if season is not None:
        possible &= _in_season(season)
    rows = table.frame.select(FRAME_KEY).with_row_index("line", offset=FIRST_LINE).filter(possible)
    gone = sifted.quarantined.filter(pl.col("rule") == WITHDRAWN).select(pl.col("line").cast(rows["line"].dtype))
    return rows.join(gone, on="line", how="anti", maintain_order="left")


def _turn(rows: pl.DataFrame) -> pl.DataFrame:
    left = pl.col("direction_left")
    return rows.with_columns(
        pl.when(left).then(FIELD_LENGTH_YARDS - pl.col("x")).otherwise(pl.col("x")).alias("x"),
        pl.when(left).then(FIELD_WIDTH_YARDS - pl.col("y")).otherwise(pl.col("y")).alias("y"),
    )


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, sort_keys=True, indent=1) + "\n", encoding="utf-8")
