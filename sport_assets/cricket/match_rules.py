"""Rules over several values of a match: runs that add up, overs in order, people where they can be.

Belongs here: the rules that set a whole match aside (a hole in an innings would falsify every ball after it), and
findings that are counted and sampled while the match stays. Must not come here: rules of single values (``schemas``),
reading (``cricsheet``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from sport_assets.cricket.labels import NOT_OUT_KINDS
from sport_assets.cricket.phases import BALLS_PER_OVER, FULL_OVERS
from sport_assets.cricket.years import FIRST_YEAR, LAST_YEAR
from sport_assets.lineage.checks import SAMPLE_ROWS
from sport_assets.lineage.quarantine import FAILURE_SCHEMA

MOST_WICKETS = 10
RULES: dict[str, str] = {
    "runs_do_not_add_up": "runs off the bat and extras are not the runs of the delivery",
    "extras_do_not_add_up": "wides, no-balls, byes, leg byes and penalty runs are not the extras of the delivery",
    "batter_at_both_ends": "the same player bats at both ends",
    "overs_out_of_order": "the overs of an innings do not run 0, 1, 2 …",
    "too_many_wickets": f"more than {MOST_WICKETS} out in an innings",
    "team_not_playing": "a team bats that is none of the two",
    "same_team_twice": "the two teams are the same",
    "third_innings": "an innings after the second that is no super over",
    "team_bats_twice": "the team that bats first bats second as well",
    "impossible_date": "a date that is not written YYYY-MM-DD, that there is not, or in no year from "
    f"{FIRST_YEAR} to {LAST_YEAR}",
}
FINDINGS: dict[str, str] = {
    "bowler_bats": "the bowler is one of the two who bat: the file has one id for two people of one name",
    "over_of_other_length": f"an over within an innings has other than {BALLS_PER_OVER} legal balls, and the file does "
    "not say that it was miscounted",
    "overs_mislabelled": f"a match of twenty-over cricket says more than {FULL_OVERS} overs a side",
    "chase_without_target": "a second innings has no target",
    "target_of_other_runs": "a target over full overs without a rain rule is not one more than the first innings made",
}
"""What is worth a look, by rule; the match stays."""

_OVER = ("match_id", "innings", "over")


def broken(deliveries: pl.DataFrame, matches: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Failures (``FAILURE_SCHEMA``; ``index`` is the row) of RULES in the deliveries, and in the matches."""
    extras = pl.sum_horizontal("wides", "noballs", "byes", "legbyes", "penalty")
    new_innings = pl.col("innings").ne(pl.col("innings").shift(1)) | pl.col("match_id").ne(pl.col("match_id").shift(1))
    step = pl.col("over") - pl.col("over").shift(1)
    in_order = pl.when(new_innings.fill_null(True)).then(pl.col("over") == 0).otherwise(step.is_in([0, 1]))
    out = pl.sum_horizontal(
        (pl.col(kind).is_not_null() & ~pl.col(kind).is_in(NOT_OUT_KINDS)).fill_null(False).cast(pl.Int64)
        for kind in ("wicket_kind", "wicket_kind2")
    )
    teams = deliveries.select("match_id").join(
        matches.select("match_id", "team_a", "team_b"), on="match_id", how="left", maintain_order="left"
    )
    rows = deliveries.with_columns(
        teams["team_a"], teams["team_b"], fallen=out.cum_sum().over("match_id", "innings"), extras_sum=extras
    )
    found = [
        _failures(
            rows,
            pl.col("runs_batter") + pl.col("runs_extras") != pl.col("runs_total"),
            "runs_do_not_add_up",
            "runs_total",
        ),
        _failures(rows, pl.col("extras_sum") != pl.col("runs_extras"), "extras_do_not_add_up", "runs_extras"),
        _failures(rows, pl.col("batter_id") == pl.col("non_striker_id"), "batter_at_both_ends", "batter"),
        _failures(rows, ~in_order, "overs_out_of_order", "over"),
        _failures(rows, pl.col("fallen") > MOST_WICKETS, "too_many_wickets", "player_out"),
        _failures(
            rows,
            (pl.col("batting_team") != pl.col("team_a")) & (pl.col("batting_team") != pl.col("team_b")),
            "team_not_playing",
            "batting_team",
        ),
        _failures(rows, (pl.col("innings") > 2) & ~pl.col("super_over"), "third_innings", "innings"),
        _failures(
            rows,
            (pl.col("innings") == 2)
            & ~pl.col("super_over")
            & (pl.col("batting_team") == pl.col("batting_team").first().over("match_id")),
            "team_bats_twice",
            "batting_team",
        ),
    ]
    date = pl.col("date").str.to_date("%Y-%m-%d", strict=False)
    no_date = ~date.dt.year().is_between(FIRST_YEAR, LAST_YEAR).fill_null(False)
    of_matches = [
        _failures(matches, pl.col("team_a") == pl.col("team_b"), "same_team_twice", "team_b"),
        _failures(matches, no_date, "impossible_date", "date"),
    ]
    return pl.concat(found), pl.concat(of_matches)


def findings(
    deliveries: pl.DataFrame, matches: pl.DataFrame, miscounted: Mapping[str, frozenset[tuple[int, int]]]
) -> dict[str, list[dict[str, Any]]]:
    """What is worth a look in matches that are kept, by rule of FINDINGS; rules without any are left out.

    ``miscounted``: (innings, over) by match of which the file says that the umpires miscounted.
    """
    played = deliveries.filter(~pl.col("super_over"))
    overs = played.group_by(_OVER, maintain_order=True).agg(
        legal=((pl.col("wides") == 0) & (pl.col("noballs") == 0)).sum()
    )
    last = pl.col("over") == pl.col("over").max().over("match_id", "innings")
    odd = overs.filter((pl.col("legal") > BALLS_PER_OVER) | ((pl.col("legal") < BALLS_PER_OVER) & ~last))
    chases = (
        played.filter(pl.col("innings") == 2)
        .group_by("match_id", maintain_order=True)
        .agg(pl.col("target_runs", "target_overs", "known_target").first())
        .join(matches.select("match_id", "method", "overs"), on="match_id", how="left", maintain_order="left")
    )
    other = chases.filter(
        (pl.col("target_runs") != pl.col("known_target"))
        & pl.col("method").is_null()
        & (pl.col("target_overs") == pl.col("overs"))
    )
    both = (pl.col("bowler_id") == pl.col("batter_id")) | (pl.col("bowler_id") == pl.col("non_striker_id"))
    found = {
        "bowler_bats": deliveries.filter(both)
        .unique("match_id", keep="first", maintain_order=True)
        .select("match_id", "innings", "over", "ball_in_over", "bowler")
        .to_dicts(),
        "over_of_other_length": [
            {"match_id": match, "innings": innings, "over": over, "legal_balls": legal}
            for match, innings, over, legal in odd.iter_rows()
            if (innings, over) not in miscounted.get(match, ())
        ],
        "overs_mislabelled": matches.filter(pl.col("overs") > FULL_OVERS).select("match_id", "overs").to_dicts(),
        "chase_without_target": chases.filter(pl.col("target_runs").is_null()).select("match_id").to_dicts(),
        "target_of_other_runs": other.select("match_id", "target_runs", "known_target").to_dicts(),
    }
    return {rule: rows for rule, rows in found.items() if rows}


def samples(found: Mapping[str, list[dict[str, Any]]], rule: str) -> list[dict[str, Any]]:
    """Some of what was found by a rule."""
    return [{"rule": rule, **row} for row in found.get(rule, [])[:SAMPLE_ROWS]]


def _failures(frame: pl.DataFrame, bad: pl.Expr, rule: str, column: str) -> pl.DataFrame:
    """Failures of one rule: the rows where ``bad`` is true, with the value of ``column``."""
    return (
        frame.lazy()
        .with_row_index("index")
        .filter(bad)
        .select(
            pl.col("index").cast(pl.UInt32),
            pl.lit(rule).alias("rule"),
            pl.lit(column).alias("column"),
            pl.col(column).cast(pl.String).fill_null("null").alias("value"),
        )
        .collect()
        .cast(FAILURE_SCHEMA)  # type: ignore[arg-type]
    )
