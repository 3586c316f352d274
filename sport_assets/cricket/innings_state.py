"""From deliveries to arrays of innings: the state before each ball, for all matches at once.

Belongs here: sums and counts over what came before a ball, as polars and NumPy over whole tables, and the files and
checks of the ``innings`` asset. Must not come here: the container (``innings``), history over matches, scaled features.

Every value is a sum over the deliveries before the ball, or said of the ball before it is bowled: its over, and who
bats and bowls. Super overs are left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl

from sport_assets.cricket.grounds import ground_name
from sport_assets.cricket.innings import AFTER, COLUMNS, INNINGS_TYPES, NO_OUTCOME, Innings, last_with
from sport_assets.cricket.labels import NOT_OUT_KINDS, OUTCOMES
from sport_assets.cricket.nodes import LAST_BALLS
from sport_assets.lineage.checks import CheckResult
from sport_assets.lineage.row_index import RowIndex

BOWLERS_WICKETS = ("bowled", "caught", "caught and bowled", "hit wicket", "lbw", "stumped")
BOUNDARY_RUNS = 4
CHECKS: dict[str, tuple[bool, str]] = {
    "has_balls": (False, "The year has balls to forecast; one that has none stands empty among the others."),
    "states_possible": (True, "Before every ball at most ten are out, and no count or sum is negative."),
}
"""Every check of ``write_innings``: blocking or not, and its description."""


@dataclass(frozen=True)
class InningsReport:
    """What is known of a year's innings."""

    checks: tuple[CheckResult, ...]
    metadata: Mapping[str, int]
    identifiers: RowIndex = field(default_factory=RowIndex)


def write_innings(deliveries: Path, out: Path) -> InningsReport:
    """A year's innings as arrays in the folder ``out``, from the folder of ``deliveries``."""
    matches = pl.read_parquet(deliveries / "matches.parquet")
    made = build(pl.read_parquet(deliveries / "deliveries.parquet"), matches)
    made.save(out)
    index = RowIndex()
    index.add(("match_id",), made.match_ids)
    people = np.unique(np.concatenate([made.balls[name] for name in ("striker", "non_striker", "bowler")]))
    index.add(("player_id",), [made.players[number] for number in people])
    labelled = made.balls["outcome"] != NO_OUTCOME
    metadata = {
        "matches": len(made.match_ids),
        "innings": len(made.table),
        "balls": len(made),
        "balls_with_outcome": int(labelled.sum()),
        "players": len(people),
        **{f"outcome_{name}": int((made.balls["outcome"] == number).sum()) for number, name in enumerate(OUTCOMES)},
    }
    return InningsReport((_has_balls(made), _possible(made)), metadata, index)


def build(deliveries: pl.DataFrame, matches: pl.DataFrame) -> Innings:
    """Arrays of all innings but super overs, from the tables of deliveries (in play order) and matches."""
    rows = _rows(deliveries, matches)
    table = _table(rows)
    players = _texts(rows, "batter_id", "non_striker_id", "bowler_id")
    teams, venues = _texts(rows, "batting_team", "bowling_team"), _texts(rows, "venue")
    rows = rows.with_columns(
        striker=_number("batter_id", players),
        non_striker=_number("non_striker_id", players),
        bowler=_number("bowler_id", players),
        batting_team=_number("batting_team", teams),
        bowling_team=_number("bowling_team", teams),
        venue=_number("venue", venues),
    )
    rows = _with_batters(_with_bowlers(_with_sums(rows)))
    balls = {name: rows[name].to_numpy() for name in COLUMNS if name in rows.columns}
    balls |= _recent(rows, table)
    return Innings(table, {name: balls[name].astype(np.int32) for name in COLUMNS}, players, teams, venues)


def _rows(deliveries: pl.DataFrame, matches: pl.DataFrame) -> pl.DataFrame:
    """The deliveries of innings proper with what follows from their own row, and the match's ground and teams."""
    out = [
        (pl.col(kind).is_not_null() & ~pl.col(kind).is_in(NOT_OUT_KINDS)).fill_null(False).cast(pl.Int64)
        for kind in ("wicket_kind", "wicket_kind2")
    ]
    credited = [
        pl.col(kind).is_in(BOWLERS_WICKETS).fill_null(False).cast(pl.Int64) for kind in ("wicket_kind", "wicket_kind2")
    ]
    grounds = [ground_name(venue, city) for venue, city in matches.select("venue", "city").iter_rows()]
    about = matches.select("match_id", pl.Series("venue", grounds, dtype=pl.String), "team_a", "team_b")
    rows = deliveries.filter(~pl.col("super_over")).join(about, on="match_id", how="left", maintain_order="left")
    return rows.with_columns(
        innings_index=pl.struct("match_id", "innings").rle_id().cast(pl.Int64),
        bowling_team=pl.when(pl.col("batting_team") == pl.col("team_a")).then("team_b").otherwise("team_a"),
        day=pl.col("date").str.to_date("%Y-%m-%d").to_physical(),
        second_innings=(pl.col("innings") == 2).cast(pl.Int64),
        overs_limit="known_overs",
        target=pl.col("known_target").fill_null(0),
        outcome=pl.col("outcome").fill_null(NO_OUTCOME).cast(pl.Int64),
        is_legal=((pl.col("wides") == 0) & (pl.col("noballs") == 0)).cast(pl.Int64),
        wickets_fallen=pl.sum_horizontal(out),
        credited=pl.sum_horizontal(credited),
        faced=(pl.col("wides") == 0).cast(pl.Int64),
        dot=(pl.col("runs_total") == 0).cast(pl.Int64),
        dot_faced=((pl.col("wides") == 0) & (pl.col("runs_batter") == 0)).cast(pl.Int64),
        boundary=(pl.col("runs_batter") >= BOUNDARY_RUNS).cast(pl.Int64),
        conceded=pl.col("runs_batter") + pl.col("wides") + pl.col("noballs"),
        one=pl.lit(1, dtype=pl.Int64),
    )


def _before(column: str, *within: str) -> pl.Expr:
    """Sum of a column over the rows before, among those with the same values of ``within``."""
    return pl.col(column).cum_sum().over(within) - pl.col(column)


def _with_sums(rows: pl.DataFrame) -> pl.DataFrame:
    innings, over = ("innings_index",), ("innings_index", "over")
    rows = rows.with_columns(
        legal_balls=_before("is_legal", *innings),
        runs=_before("runs_total", *innings),
        wickets=_before("wickets_fallen", *innings),
        over_legal_balls=_before("is_legal", *over),
        over_runs=_before("runs_total", *over),
        over_wickets=_before("wickets_fallen", *over),
        previous_outcome=pl.col("outcome").shift(1).over(innings).fill_null(NO_OUTCOME),
        previous_wide=(pl.col("wides").shift(1).over(innings).fill_null(0) > 0).cast(pl.Int64),
        pair=pl.min_horizontal("striker", "non_striker") * 1_000_000 + pl.max_horizontal("striker", "non_striker"),
    )
    apart = (pl.col("pair") != pl.col("pair").shift(1)).fill_null(True)
    rows = rows.with_columns(
        together=apart.cast(pl.Int64).cum_sum().over(innings),
        # no-balls since the last legal ball: such balls have the same number of legal balls before them
        free_hit=(_before("noballs", "innings_index", "legal_balls") > 0).cast(pl.Int64),
    )
    return rows.with_columns(
        partnership_runs=_before("runs_total", "innings_index", "together"),
        partnership_balls=_before("is_legal", "innings_index", "together"),
    )


def _with_bowlers(rows: pl.DataFrame) -> pl.DataFrame:
    within = ("innings_index", "bowler")
    rows = rows.with_row_index("ball")
    first = rows.group_by(within).agg(pl.col("ball").min())
    first = first.with_columns(bowler_position=pl.col("ball").rank("dense").over("innings_index").cast(pl.Int64))
    rows = rows.join(first.drop("ball"), on=list(within), how="left", maintain_order="left")
    return rows.with_columns(
        bowler_balls=_before("is_legal", *within),
        bowler_runs=_before("conceded", *within),
        bowler_wickets=_before("credited", *within),
        bowler_dots=_before("dot", *within),
        bowler_deliveries=_before("one", *within),
        bowler_boundaries=_before("boundary", *within),
    )


def _with_batters(rows: pl.DataFrame) -> pl.DataFrame:
    """What each of the two batters has done in the innings: every ball has two rows, of which one adds to it."""
    counted = {"runs": "runs_batter", "balls": "faced", "dots": "dot_faced", "boundaries": "boundary"}
    striker = rows.select("ball", "innings_index", pl.col("striker").alias("player"), end=pl.lit(0), **counted)
    other = rows.select(
        "ball",
        "innings_index",
        pl.col("non_striker").alias("player"),
        end=pl.lit(1),
        **{name: pl.lit(0, dtype=pl.Int64) for name in counted},
    )
    both = pl.concat([striker, other]).sort("ball", "end")
    within = ("innings_index", "player")
    first = both.group_by(within).agg(arrival=(pl.col("ball") * 2 + pl.col("end")).min())
    first = first.with_columns(position=pl.col("arrival").rank("dense").over("innings_index").cast(pl.Int64))
    both = both.join(first.drop("arrival"), on=list(within), how="left", maintain_order="left")
    both = both.with_columns(_before(name, *within).alias(name) for name in counted)
    names = [*counted, "position"]
    ends = [
        both.filter(pl.col("end") == number).select(pl.col(name).alias(f"{end}_{name}") for name in names)
        for number, end in enumerate(("striker", "non_striker"))
    ]
    return pl.concat([rows, *ends], how="horizontal")


def _recent(rows: pl.DataFrame, table: pl.DataFrame) -> dict[str, np.ndarray]:
    """Sums over the last deliveries, and how long it is since something happened."""
    index = np.arange(len(rows))
    start = table["start"].to_numpy()[rows["innings_index"].to_numpy()]
    found: dict[str, np.ndarray] = {}
    counted = {"runs": "runs_total", "wickets": "wickets_fallen", "dots": "dot", "boundaries": "boundary"}
    for name, column in counted.items():
        total = np.concatenate([[0], np.cumsum(rows[column].to_numpy())])
        for balls in LAST_BALLS:
            found[f"{name}_last_{balls}"] = total[index] - total[np.maximum(start, index - balls)]
    found["dots_in_a_row"] = last_with(rows["dot"].to_numpy() == 0, start)
    found["balls_since_boundary"] = last_with(rows["boundary"].to_numpy() > 0, start)
    found["balls_since_wicket"] = last_with(rows["wickets_fallen"].to_numpy() > 0, start)
    return found


def _table(rows: pl.DataFrame) -> pl.DataFrame:
    table = rows.group_by("innings_index", maintain_order=True).agg(
        pl.col("match_id", "date", "innings", "batting_team", "bowling_team", "venue").first(),
        length=pl.len().cast(pl.Int64),
        runs=pl.col("runs_total").sum(),
        wickets=pl.col("wickets_fallen").sum(),
    )
    table = table.with_columns(start=pl.col("length").cum_sum() - pl.col("length"))
    return table.select(list(INNINGS_TYPES)).cast(dict(INNINGS_TYPES))  # type: ignore[arg-type]


def _texts(rows: pl.DataFrame, *columns: str) -> tuple[str, ...]:
    return tuple(sorted({text for column in columns for text in rows[column].unique()}))


def _number(column: str, texts: tuple[str, ...]) -> pl.Expr:
    if not texts:
        return pl.lit(0, dtype=pl.Int64)
    return pl.col(column).replace_strict(list(texts), list(range(len(texts))), return_dtype=pl.Int64)


def _has_balls(made: Innings) -> CheckResult:
    empty = not len(made)
    return _result("has_balls", {"no_balls": 1} if empty else {}, 1)


def _possible(made: Innings) -> CheckResult:
    negative = sum(
        int((values < 0).sum())
        for name, values in made.balls.items()
        if name not in (*AFTER, "previous_outcome", "day")
    )
    found = {"ten_out": int((made.balls["wickets"] > 10).sum()), "negative": negative}
    return _result("states_possible", {rule: count for rule, count in found.items() if count}, len(made))


def _result(name: str, rules: Mapping[str, int], checked: int) -> CheckResult:
    return CheckResult(name, not rules, *CHECKS[name], failed=sum(rules.values()), checked=checked, rules=dict(rules))
