"""What the cricket line's tables hold: columns, units, and the rules that each value must keep.

Belongs here: the tables of matches, deliveries and what was set aside (validated by Pandera on polars). They serve
validation and the column descriptions that people browse. Must not come here: reading files, rules about more than one
value (``match_rules``), Dagster.
"""

from __future__ import annotations

import polars as pl

from sport_assets.cricket.labels import OUTCOMES
from sport_assets.cricket.phases import FULL_OVERS, PHASES
from sport_assets.lineage.quarantine import QUARANTINE_SCHEMA
from sport_assets.lineage.table import Column, Rule, Table

WITHDRAWN = "withdrawn"
"""The rule under which matches are set aside that were withdrawn: they break none of the others."""
MOST_BALLS = 30
"""More balls than any over had, wides and no-balls included; the longest so far had 14."""
DISMISSALS = (
    "bowled",
    "caught",
    "caught and bowled",
    "handled the ball",
    "hit the ball twice",
    "hit wicket",
    "lbw",
    "obstructing the field",
    "retired hurt",
    "retired not out",
    "retired out",
    "run out",
    "stumped",
    "timed out",
)
VALUE_RULES: dict[str, str] = {
    "missing_value": "a value that must be there is missing",
    "toss_vocabulary": "a toss decision that is neither bat nor field",
    "result_vocabulary": "a result that is neither tie, no result nor draw",
    "overs_range": "a match of no overs, or of more than 50",
    "balls_per_over": "overs of other than six balls",
    "over_range": f"an over from 0 that is not below {FULL_OVERS}",
    "ball_range": f"an over of more than {MOST_BALLS} balls",
    "player_id_format": "a registry id that is not eight hexadecimal digits",
    "runs_range": "runs that a delivery cannot bring",
    "target_range": "a target of no runs or overs, or of more than there can be",
    "wickets_range": "more than two wickets on a delivery",
    "wicket_vocabulary": "a kind of wicket that is not known",
    "innings_range": "more innings than a match has, however many super overs",
}
"""Rules of single values, by name."""


def _between(low: float, high: float, rule: str) -> tuple[Rule, ...]:
    return (Rule("in_range", (low, high), rule),)


def _one_of(values: tuple[str, ...], rule: str) -> tuple[Rule, ...]:
    return (Rule("isin", (list(values),), rule),)


def _like(pattern: str, rule: str) -> tuple[Rule, ...]:
    return (Rule("str_matches", (pattern,), rule),)


def _text(description: str, rules: tuple[Rule, ...] = ()) -> Column:
    return Column(pl.String, description, rules)


def _maybe(description: str, rules: tuple[Rule, ...] = ()) -> Column:
    return Column(pl.String, description, rules, nullable=True)


def _number(description: str, low: int, high: int, rule: str) -> Column:
    return Column(pl.Int64, description, _between(low, high, rule))


_MATCH_ID = _text("Match: the stem of its file's name")
_DATE = _text("Date on which the match began, YYYY-MM-DD")
_ID = _like(r"^[0-9a-f]{8}$", "player_id_format")

MATCHES = Table(
    "cricket_matches",
    {
        "match_id": _MATCH_ID,
        "date": _DATE,
        "season": _text("Season, as 2024 or 2024/25"),
        "team_a": _text("The team named first"),
        "team_b": _text("The team named second"),
        "venue": _text("Ground, as the file spells it"),
        "city": _maybe("City"),
        "event": _maybe("Series or tournament"),
        "winner": _maybe("Winning team (result)"),
        "result": _maybe(
            "tie or no result, where nobody won (result)", _one_of(("tie", "no result", "draw"), "result_vocabulary")
        ),
        "method": _maybe("How a result was come by other than by runs or wickets: D/L, Awarded (result)"),
        "eliminator": _maybe("Winner of the super over (result)"),
        "by": _maybe("Margin as JSON: runs or wickets (result)"),
        "toss_winner": _text("Team that won the toss"),
        "toss_decision": _text("What it chose: bat or field", _one_of(("bat", "field"), "toss_vocabulary")),
        "overs": _number("Overs a side that the file says; some say 50 for 20", 1, 50, "overs_range"),
        "bpo": _number("Balls per over", 6, 6, "balls_per_over"),
        "n_innings": Column(pl.Int64, "Innings, super overs included"),
        "n_super": Column(pl.Int64, "Innings that are super overs"),
        "gender": _text("male or female"),
        "team_type": _text("international or club"),
        "data_version": _text("Version of Cricsheet's format"),
        "missing": _maybe("What the file says it lacks, as JSON"),
    },
    "One row a match, by date and id",
)

_RUNS = "runs_range"
_TARGET = "target_range"

DELIVERIES = Table(
    "cricket_deliveries",
    {
        "match_id": _MATCH_ID,
        "date": _DATE,
        "innings": _number("Innings from 1; super overs are 3 and up", 1, 30, "innings_range"),
        "super_over": Column(pl.Boolean, "Whether it is a super over"),
        "batting_team": _text("Team that bats"),
        "target_runs": Column(
            pl.Int64,
            "Runs to win, as last set: maybe after this ball. Never a feature; see known_target",
            _between(1, 500, _TARGET),
            nullable=True,
        ),
        "target_overs": Column(
            pl.Float64,
            "Overs of the chase, as last set (5.3: five overs, three balls). Never a feature; see known_overs",
            _between(0.1, 50, _TARGET),
            nullable=True,
        ),
        "over": _number("Over from 0", 0, FULL_OVERS - 1, "over_range"),
        "ball_in_over": _number("Ball in the over from 0, wides and no-balls counted", 0, MOST_BALLS - 1, "ball_range"),
        "batter": _text("Striker's name"),
        "bowler": _text("Bowler's name"),
        "non_striker": _text("Name of the batter at the other end"),
        "batter_id": _text("Striker's registry id", _ID),
        "bowler_id": _text("Bowler's registry id", _ID),
        "non_striker_id": _text("Registry id of the batter at the other end", _ID),
        "runs_batter": _number("Runs off the bat (result)", 0, 10, _RUNS),
        "runs_extras": _number("Extras (result)", 0, 15, _RUNS),
        "runs_total": _number("Runs in all (result)", 0, 20, _RUNS),
        "non_boundary": Column(pl.Boolean, "Whether four or six were run, not hit over the boundary (result)"),
        "wides": _number("Runs for a wide; 0: none was bowled (result)", 0, 10, _RUNS),
        "noballs": _number("Runs for a no-ball; 0: none was bowled (result)", 0, 10, _RUNS),
        "byes": _number("Byes (result)", 0, 10, _RUNS),
        "legbyes": _number("Leg byes (result)", 0, 10, _RUNS),
        "penalty": _number("Penalty runs (result)", 0, 10, _RUNS),
        "n_wickets": _number("Entries among its wickets, also of those who retired (result)", 0, 2, "wickets_range"),
        "wicket_kind": _maybe("Kind of the first of them (result)", _one_of(DISMISSALS, "wicket_vocabulary")),
        "player_out": _maybe("Name of who was out or retired first (result)"),
        "wicket_kind2": _maybe("Kind of the second (result)", _one_of(DISMISSALS, "wicket_vocabulary")),
        "outcome": Column(
            pl.Int8,
            f"Class of the ball, by the recorded label rule; missing where it gives none: {', '.join(OUTCOMES)} "
            "from 0 (result)",
            nullable=True,
        ),
        "phase": Column(pl.Int8, f"Phase of the over, as known before the ball: {', '.join(PHASES)} from 0"),
        "known_overs": Column(pl.Int64, "Overs that the innings is known to have before the ball"),
        "known_target": Column(
            pl.Int64,
            "Runs to win in the second innings as known before the ball: one more than the first innings made",
            nullable=True,
        ),
    },
    "One row a delivery in play order, matches by date and id",
)

_QUARANTINE_TEXTS = {
    "rule": "Rule that the match breaks",
    "column": "Column or part of the file that breaks it",
    "value": "What stands there",
    "file": "Name of the match file",
    "line": "Line of the file's text where it cannot be read; 0 elsewhere",
    "row": "Where in the match, as JSON: innings from 1, over and ball in over from 0",
}
QUARANTINE = Table(
    "cricket_quarantine",
    {name: Column(type(dtype), _QUARANTINE_TEXTS[name]) for name, dtype in QUARANTINE_SCHEMA.items()},
    "Matches that were set aside, one row for each way in which they break a rule",
)
