"""What the NFL line's tables hold: columns, units, and the rules that each row must keep.

Belongs here: the tables of the raw files and of the assets (validated by Pandera on polars), and the names of all
rules. They serve validation and the column descriptions that people browse. Does not belong here: reading
files, rules about more than one row (``findings``), Dagster.

Bounds are stated with a margin over what real tracking of the seasons 2019 and 2023 holds: x 0.04 to 120.83
and y -2.15 to 53.72 yards, speed to 10.1 yd/s, acceleration to 13.8 yd/s^2, landing points to y 53.82, 94
frames in the air. The fastest sprint ever measured is 13.6 yd/s.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import polars as pl

from sport_assets.lineage.table import Column, Rule, Table
from sport_assets.nfl.tensors import FORMATIONS

FIELD_LENGTH_YARDS, FIELD_WIDTH_YARDS = 120.0, 53.3
FIELD_MARGIN_YARDS = 5.0
BALL_MARGIN_YARDS = 20.0  # a pass thrown away lands farther out than players run
MAX_SPEED_YARDS_PER_S = 15.0
MAX_ACCELERATION_YARDS_PER_S2 = 25.0
MAX_FRAMES = 600  # 60 s: no play is longer
MAX_OUTPUT_FRAMES = 200  # 20 s in the air

DIRECTIONS = ("left", "right")
SIDES = ("Offense", "Defense")
ROLES = ("Targeted Receiver", "Other Route Runner", "Passer", "Defensive Coverage")

WITHDRAWN = "withdrawn"
"""The rule under which rows are set aside that were withdrawn: they break none of those below."""
ROW_RULES: dict[str, str] = {
    "field_count": "the line has more or fewer fields than the header (a truncated or joined line)",
    "type": "the text is not a value of the column's type",
    "missing_value": "a value that must be there is missing",
    "not_finite": "NaN or infinity where a number is wanted",
    "id_not_positive": "an id below 1",
    "frame_id_range": f"a frame number outside 1 to {MAX_FRAMES}",
    "x_off_field": f"x more than {FIELD_MARGIN_YARDS} yards off the field (0 to {FIELD_LENGTH_YARDS})",
    "y_off_field": f"y more than {FIELD_MARGIN_YARDS} yards off the field (0 to {FIELD_WIDTH_YARDS})",
    "speed_range": f"speed outside 0 to {MAX_SPEED_YARDS_PER_S} yards per second",
    "acceleration_range": f"acceleration outside 0 to {MAX_ACCELERATION_YARDS_PER_S2} yards per s^2",
    "dir_range": "direction of movement outside 0 to 360 degrees",
    "o_range": "orientation outside 0 to 360 degrees",
    "yardline_range": "line of scrimmage outside the end lines (10 to 110 yards)",
    "num_frames_output_range": f"a number of frames to predict outside 1 to {MAX_OUTPUT_FRAMES}",
    "ball_land_x_range": f"landing point more than {BALL_MARGIN_YARDS} yards beyond an end line",
    "ball_land_y_range": f"landing point more than {BALL_MARGIN_YARDS} yards beyond a side line",
    "play_direction_vocabulary": "a direction of play other than left or right",
    "player_side_vocabulary": "a side other than Offense or Defense",
    "player_role_vocabulary": "a role that is none of the four of the competition",
    "player_height_format": "a height that is not feet-inches, as 6-1",
    "player_weight_range": "a weight outside 120 to 450 pounds",
    "role_side_mismatch": "a coverage role on offence, or an offensive role on defence",
    "duplicate_frame": "a frame of a player again, with the same values (the first is kept)",
    "conflicting_frame": "a frame of a player again, with other values (the first is kept)",
    "game_of_another_season": "a game whose date is not in the season that the file's name says",
    "output_without_input_play": "an output row of a play that the input file does not have",
    "output_without_input_player": "an output row of a player whom the input file does not have in that play",
    "output_of_quarantined_play": "an output row of a play of which no input row is clean",
}
"""Rules of single rows: a row that breaks one is quarantined under that name."""

_RENAMED = {"not_nullable": "missing_value", "finite": "not_finite"}


def rule_name(name: str) -> str:
    """The name under which this line counts a failure that Pandera or the quarantine found."""
    return _RENAMED.get(name, name)


def _column(dtype: type[pl.DataType], text: str, *rules: Rule, nullable: bool = False) -> Column:
    return Column(dtype, text, rules, nullable)


def _between(low: float, high: float, rule: str) -> Rule:
    return Rule("in_range", (low, high), rule)


def _one_of(values: tuple[str, ...], rule: str) -> Rule:
    return Rule("isin", (list(values),), rule)


def _like(pattern: str, rule: str) -> Rule:
    return Rule("str_matches", (pattern,), rule)


def _positive() -> Rule:
    return Rule("ge", (1,), "id_not_positive")


def _schema(name: str, columns: Mapping[str, Column], text: str) -> Table:
    return Table(name, dict(columns), text)


_X = _between(-FIELD_MARGIN_YARDS, FIELD_LENGTH_YARDS + FIELD_MARGIN_YARDS, "x_off_field")
_Y = _between(-FIELD_MARGIN_YARDS, FIELD_WIDTH_YARDS + FIELD_MARGIN_YARDS, "y_off_field")
_BALL_X = _between(-BALL_MARGIN_YARDS, FIELD_LENGTH_YARDS + BALL_MARGIN_YARDS, "ball_land_x_range")
_BALL_Y = _between(-BALL_MARGIN_YARDS, FIELD_WIDTH_YARDS + BALL_MARGIN_YARDS, "ball_land_y_range")

_KEYS = {
    "game_id": _column(pl.Int64, "Game: date and number of the day, YYYYMMDDNN", _positive()),
    "play_id": _column(pl.Int64, "Play, unique within its game", _positive()),
}
_PLAYER = {"nfl_id": _column(pl.Int64, "Player", _positive())}

INPUT = _schema(
    "nfl_input",
    {
        **_KEYS,
        "player_to_predict": _column(pl.Boolean, "Whether the player's movement after the throw is asked for"),
        **_PLAYER,
        "frame_id": _column(
            pl.Int64,
            "Frame from the snap on, 10 per second, from 1",
            _between(1, MAX_FRAMES, "frame_id_range"),
        ),
        "play_direction": _column(
            pl.String,
            "Where the offence moves: left or right",
            _one_of(DIRECTIONS, "play_direction_vocabulary"),
        ),
        "absolute_yardline_number": _column(
            pl.Int64, "Line of scrimmage, yards from the left end line", _between(10, 110, "yardline_range")
        ),
        "player_name": _column(pl.String, "Player's name", nullable=True),
        "player_height": _column(
            pl.String,
            "Player's height, feet-inches",
            _like(r"^\d-\d{1,2}$", "player_height_format"),
            nullable=True,
        ),
        "player_weight": _column(
            pl.Int64, "Player's weight in pounds", _between(120, 450, "player_weight_range"), nullable=True
        ),
        "player_birth_date": _column(pl.String, "Player's date of birth", nullable=True),
        "player_position": _column(pl.String, "Player's position, as WR or CB", nullable=True),
        "player_side": _column(pl.String, "Offense or Defense", _one_of(SIDES, "player_side_vocabulary")),
        "player_role": _column(
            pl.String,
            "What the player does on this play: Targeted Receiver, Other Route Runner, Passer, Defensive Coverage",
            _one_of(ROLES, "player_role_vocabulary"),
        ),
        "x": _column(pl.Float64, "Position along the field, yards from the left end line", _X),
        "y": _column(pl.Float64, "Position across the field, yards from the lower side line", _Y),
        "s": _column(pl.Float64, "Speed, yards per second", _between(0, MAX_SPEED_YARDS_PER_S, "speed_range")),
        "a": _column(
            pl.Float64,
            "Acceleration, yards per second squared",
            _between(0, MAX_ACCELERATION_YARDS_PER_S2, "acceleration_range"),
        ),
        "dir": _column(pl.Float64, "Direction of movement, degrees clockwise from +y", _between(0, 360, "dir_range")),
        "o": _column(pl.Float64, "Direction the player faces, degrees clockwise from +y", _between(0, 360, "o_range")),
        "num_frames_output": _column(
            pl.Int64,
            "Number of frames after the throw",
            _between(1, MAX_OUTPUT_FRAMES, "num_frames_output_range"),
        ),
        "ball_land_x": _column(pl.Float64, "Where the ball lands, x in yards", _BALL_X),
        "ball_land_y": _column(pl.Float64, "Where the ball lands, y in yards", _BALL_Y),
    },
    "Tracking of one week from the snap to the throw, as in the NFL Big Data Bowl 2026",
)

OUTPUT = _schema(
    "nfl_output",
    {
        **_KEYS,
        **_PLAYER,
        "frame_id": _column(
            pl.Int64,
            "Frame after the throw, 10 per second, from 1",
            _between(1, MAX_FRAMES, "frame_id_range"),
        ),
        "x": _column(pl.Float64, "Position along the field, yards from the left end line", _X),
        "y": _column(pl.Float64, "Position across the field, yards from the lower side line", _Y),
    },
    "Tracking of one week while the ball is in the air, players to predict only",
)

_DIRECTION_LEFT = {"direction_left": _column(pl.Boolean, "The offence moved towards -x in the original coordinates")}
_STANDARDISED = "; standardised: the offence moves towards +x"


def _standardised(columns: Mapping[str, Column], names: tuple[str, ...]) -> dict[str, Column]:
    """The columns with standardised coordinates described as such."""

    return {
        name: replace(column, description=f"{column.description}{_STANDARDISED}") if name in names else column
        for name, column in columns.items()
    }


STANDARDISED_COLUMNS = ("x", "y", "dir", "o", "absolute_yardline_number", "ball_land_x", "ball_land_y")

TRACKING = _schema(
    "nfl_tracking",
    {**_standardised(INPUT.columns, STANDARDISED_COLUMNS), **_DIRECTION_LEFT},
    "Clean, standardised tracking from the snap to the throw",
)
TARGETS = _schema(
    "nfl_targets",
    {**_standardised(OUTPUT.columns, STANDARDISED_COLUMNS), **_DIRECTION_LEFT},
    "Clean, standardised tracking while the ball is in the air",
)

QUARANTINE = _schema(
    "nfl_quarantine",
    {
        "rule": _column(pl.String, "Rule that the row breaks; a row that breaks two stands here twice"),
        "column": _column(pl.String, "Column that breaks it"),
        "value": _column(pl.String, "The value as the file has it"),
        "file": _column(pl.String, "Name of the raw file"),
        "line": _column(pl.Int64, "Line in that file; the header is line 1"),
        "row": _column(pl.String, "The whole row as JSON"),
    },
    "Rows that break a rule",
)

_YARDS_OFF = Rule("ge", (0,), "negative_distance")

PREDICTIONS_FILE = "predictions.parquet"
PREDICTIONS = _schema(
    "nfl_predictions",
    {
        **OUTPUT.columns,
        "x": _column(pl.Float64, "Predicted position along the field, yards from the left end line"),
        "y": _column(pl.Float64, "Predicted position across the field, yards from the lower side line"),
        "true_x": _column(pl.Float64, "Position in the output file, x in yards, where it has one", nullable=True),
        "true_y": _column(pl.Float64, "Position in the output file, y in yards, where it has one", nullable=True),
        "error_yards": _column(pl.Float64, "Distance of the two, yards", _YARDS_OFF, nullable=True),
    },
    "Predicted and true movement on held-out games, in the coordinates of the raw files",
)

# -- supplementary file ------------------------------------------------------------------------------------

_TEAM = r"^[A-Z]{2,3}$"
_PROBABILITY_CHANGE = (-1.0, 1.0)


def _number(text: str, low: float, high: float, rule: str, dtype: type[pl.DataType] = pl.Int64) -> Column:
    return _column(dtype, text, _between(low, high, rule), nullable=True)


def _team(text: str, *, nullable: bool = False) -> Column:
    return _column(pl.String, text, _like(_TEAM, "team_format"), nullable=nullable)


SUPPLEMENTARY = _schema(
    "nfl_supplementary",
    {
        "game_id": _KEYS["game_id"],
        "season": _column(pl.Int64, "Season (year of its first game)", _between(1999, 2100, "season_range")),
        "week": _column(pl.Int64, "Week of the season", _between(1, 23, "week_range")),
        "game_date": _column(pl.String, "Date, MM/DD/YYYY", nullable=True),
        "game_time_eastern": _column(pl.String, "Kick-off, US Eastern time", nullable=True),
        "home_team_abbr": _team("Home team"),
        "visitor_team_abbr": _team("Visiting team"),
        "play_id": _KEYS["play_id"],
        "play_description": _column(pl.String, "What happened, in words (result)", nullable=True),
        "quarter": _column(pl.Int64, "Quarter, 5 and up is overtime", _between(1, 7, "quarter_range")),
        "game_clock": _column(
            pl.String,
            "Time left in the quarter, MM:SS",
            _like(r"^\d{1,2}:\d{2}(:\d{2})?$", "game_clock_format"),
        ),
        "down": _number("Down", 1, 4, "down_range"),
        "yards_to_go": _number("Yards to a first down", 0, 99, "yards_to_go_range"),
        "possession_team": _team("Team on offence"),
        "defensive_team": _team("Team on defence"),
        "yardline_side": _team("Team whose half the line of scrimmage is in", nullable=True),
        "yardline_number": _number("Yard line of the line of scrimmage", 0, 50, "yardline_number_range"),
        "pre_snap_home_score": _number("Home score before the snap", 0, 150, "score_range"),
        "pre_snap_visitor_score": _number("Visiting score before the snap", 0, 150, "score_range"),
        "play_nullified_by_penalty": _column(
            pl.String, "Nullified by a penalty: Y or N (result)", _one_of(("Y", "N"), "yes_no"), nullable=True
        ),
        "pass_result": _column(
            pl.String,
            "C complete, I incomplete, IN intercepted, S sack, R scramble (result)",
            _one_of(("C", "I", "IN", "S", "R"), "pass_result_vocabulary"),
            nullable=True,
        ),
        "pass_length": _number("Air yards of the pass (result)", -60, 110, "pass_length_range"),
        "offense_formation": _column(
            pl.String,
            "Formation of the offence",
            _one_of(FORMATIONS, "offense_formation_vocabulary"),
            nullable=True,
        ),
        "receiver_alignment": _column(
            pl.String,
            "Receivers on either side of the ball, as 3x1",
            _like(r"^\dx\d$", "receiver_alignment_format"),
            nullable=True,
        ),
        "route_of_targeted_receiver": _column(pl.String, "Route of the targeted receiver (result)", nullable=True),
        "play_action": _column(pl.Boolean, "Play action, seen after the snap", nullable=True),
        "dropback_type": _column(pl.String, "Dropback, charted after the snap", nullable=True),
        "dropback_distance": _number(
            "Depth of the dropback, yards, charted after the snap",
            -30,
            60,
            "dropback_distance_range",
            pl.Float64,
        ),
        "pass_location_type": _column(pl.String, "Where the passer threw from (result)", nullable=True),
        "defenders_in_the_box": _number("Defenders near the line at the snap", 0, 11, "defenders_range"),
        "team_coverage_man_zone": _column(
            pl.String, "MAN_COVERAGE or ZONE_COVERAGE, charted afterwards: a label, never a feature", nullable=True
        ),
        "team_coverage_type": _column(pl.String, "Coverage, as COVER_3_ZONE (charted afterwards)", nullable=True),
        "penalty_yards": _number("Penalty, yards (result)", -120, 120, "yards_range"),
        "pre_penalty_yards_gained": _number("Yards before penalties (result)", -120, 120, "yards_range"),
        "yards_gained": _number("Yards gained (result)", -120, 120, "yards_range"),
        "expected_points": _number(
            "Expected points (by an outside model)", -20, 20, "expected_points_range", pl.Float64
        ),
        "expected_points_added": _number(
            "Expected points added (result)", -30, 30, "expected_points_range", pl.Float64
        ),
        "pre_snap_home_team_win_probability": _number(
            "Home team's win probability (by an outside model)", 0, 1, "probability_range", pl.Float64
        ),
        "pre_snap_visitor_team_win_probability": _number(
            "Visiting team's win probability (by an outside model)", 0, 1, "probability_range", pl.Float64
        ),
        "home_team_win_probability_added": _number(
            "Change for the home team (result)", *_PROBABILITY_CHANGE, "probability_range", pl.Float64
        ),
        # spelled so in the source
        "visitor_team_win_probility_added": _number(
            "Change for the visiting team (result)", *_PROBABILITY_CHANGE, "probability_range", pl.Float64
        ),
    },
    "One row per play: situation before the snap, charting, and result",
)

ALLOWED_PRE_SNAP: tuple[str, ...] = (
    "home_team_abbr",
    "visitor_team_abbr",
    "quarter",
    "game_clock",
    "down",
    "yards_to_go",
    "possession_team",
    "defensive_team",
    "yardline_side",
    "yardline_number",
    "pre_snap_home_score",
    "pre_snap_visitor_score",
    "offense_formation",
    "receiver_alignment",
    "defenders_in_the_box",
)
"""Columns known when the ball is snapped: all that play context may hold.

Left out on purpose: results (pass_result, pass_length, yards, expected points added, ...); what is charted
after the play (coverage, route, dropback, pass location); play_action, which shows only after the snap;
expected points and win probabilities, which come from outside models of unknown training data; season, week,
date and time, which name a game but say nothing about a play.
"""

PLAY_CONTEXT = _schema(
    "nfl_play_context",
    {name: SUPPLEMENTARY.columns[name] for name in ("game_id", "play_id", *ALLOWED_PRE_SNAP)},
    "What was known about a play when the ball was snapped",
)

COVERAGE_LABELS: dict[str, str] = {"ZONE_COVERAGE": "zone", "MAN_COVERAGE": "man"}
"""Charted coverage as the supplementary file and as ``labels.parquet`` write it."""

PLAY_LABELS = _schema(
    "nfl_play_labels",
    {
        **_KEYS,
        "coverage": _column(
            pl.String,
            "man or zone coverage, charted after the play; nothing where it is unknown",
            _one_of(tuple(COVERAGE_LABELS.values()), "coverage_vocabulary"),
            nullable=True,
        ),
    },
    "What was charted after a play: to learn from and to test against, never a feature",
)

CONTEXT_RULES: dict[str, str] = {
    "duplicate_play": "a play again (the first is kept)",
    "possession_team_not_playing": "a team on offence that is neither home nor visiting team",
    "defensive_team_not_playing": "a team on defence that is neither home nor visiting team",
    "same_team_on_both_sides": "the same team on offence and defence",
}
"""Rules over several columns or rows of the supplementary file, beside those of its schema's columns."""


def column_types(schema: Table) -> dict[str, pl.DataType]:
    """The polars type of each column."""
    return {name: column.dtype() for name, column in schema.columns.items()}
