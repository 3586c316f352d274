"""Innings of generated matches for tests, and the same state counted ball by ball."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from sport_assets.cricket import innings_state
from sport_assets.cricket.deliveries import clean_year, read_year
from sport_assets.cricket.innings import Innings
from sport_assets.cricket.labels import NOT_OUT_KINDS, outcome
from sport_assets.cricket.nodes import LAST_BALLS
from sport_assets.cricket.synthetic import generate


def tables(folder: Path, matches: int = 24, seed: int = 3) -> tuple[pl.DataFrame, pl.DataFrame]:
    """(deliveries, matches) of generated matches."""
    made = generate(folder, matches=matches, seed=seed)
    read, faults = read_year((path.stem, path.read_bytes()) for path in made.files)
    assert not faults
    clean = clean_year(read)
    return clean.deliveries.with_columns(outcome()), clean.matches


def innings(folder: Path, matches: int = 24, seed: int = 3) -> Innings:
    """Innings of generated matches."""
    return innings_state.build(*tables(folder, matches, seed))


def slow_state(rows: list[dict[str, Any]]) -> list[dict[str, int]]:
    """The state before each ball of one innings, counted from the rows before it alone."""
    return [_state(rows[:number], row) for number, row in enumerate(rows)]


def _outs(row: dict[str, Any], kinds: tuple[str, ...] | None = None) -> int:
    found = [row[name] for name in ("wicket_kind", "wicket_kind2") if row[name] is not None]
    return sum(kind in kinds if kinds else kind not in NOT_OUT_KINDS for kind in found)


def _since(flags: list[bool]) -> int:
    count = 0
    for flag in reversed(flags):
        if flag:
            break
        count += 1
    return count


def _state(past: list[dict[str, Any]], row: dict[str, Any]) -> dict[str, int]:
    def legal(rows: list[dict[str, Any]]) -> int:
        return sum(not each["wides"] and not each["noballs"] for each in rows)

    over = [each for each in past if each["over"] == row["over"]]
    state = {
        "over": row["over"],
        "ball_in_over": len(over),
        "phase": row["phase"],
        "overs_limit": row["known_overs"],
        "target": row["known_target"] or 0,
        "legal_balls": legal(past),
        "runs": sum(each["runs_total"] for each in past),
        "wickets": sum(map(_outs, past)),
        "over_legal_balls": legal(over),
        "over_runs": sum(each["runs_total"] for each in over),
        "over_wickets": sum(map(_outs, over)),
        "dots_in_a_row": _since([each["runs_total"] > 0 for each in past]),
        "balls_since_boundary": _since([each["runs_batter"] >= 4 for each in past]),
        "balls_since_wicket": _since([_outs(each) > 0 for each in past]),
        "previous_outcome": past[-1]["outcome"] if past else -1,
        "previous_wide": int(bool(past) and past[-1]["wides"] > 0),
    }
    free = False
    for each in past:
        free = each["noballs"] > 0 or (free and each["wides"] > 0)
    state["free_hit"] = int(free)
    pair = {row["batter_id"], row["non_striker_id"]}
    together = []
    for each in reversed(past):
        if {each["batter_id"], each["non_striker_id"]} != pair:
            break
        together.append(each)
    state["partnership_runs"] = sum(each["runs_total"] for each in together)
    state["partnership_balls"] = legal(together)
    arrivals = list(
        dict.fromkeys(name for each in [*past, row] for name in (each["batter_id"], each["non_striker_id"]))
    )
    for end, player in (("striker", row["batter_id"]), ("non_striker", row["non_striker_id"])):
        own = [each for each in past if each["batter_id"] == player]
        state[f"{end}_runs"] = sum(each["runs_batter"] for each in own)
        state[f"{end}_balls"] = sum(not each["wides"] for each in own)
        state[f"{end}_dots"] = sum(not each["wides"] and not each["runs_batter"] for each in own)
        state[f"{end}_boundaries"] = sum(each["runs_batter"] >= 4 for each in own)
        state[f"{end}_position"] = arrivals.index(player) + 1
    own = [each for each in past if each["bowler_id"] == row["bowler_id"]]
    bowlers = list(dict.fromkeys(each["bowler_id"] for each in [*past, row]))
    state |= {
        "bowler_balls": legal(own),
        "bowler_runs": sum(each["runs_batter"] + each["wides"] + each["noballs"] for each in own),
        "bowler_wickets": sum(_outs(each, innings_state.BOWLERS_WICKETS) for each in own),
        "bowler_dots": sum(not each["runs_total"] for each in own),
        "bowler_deliveries": len(own),
        "bowler_boundaries": sum(each["runs_batter"] >= 4 for each in own),
        "bowler_position": bowlers.index(row["bowler_id"]) + 1,
    }
    for balls in LAST_BALLS:
        last = past[-balls:]
        state[f"runs_last_{balls}"] = sum(each["runs_total"] for each in last)
        state[f"wickets_last_{balls}"] = sum(map(_outs, last))
        state[f"dots_last_{balls}"] = sum(not each["runs_total"] for each in last)
        state[f"boundaries_last_{balls}"] = sum(each["runs_batter"] >= 4 for each in last)
    return state


def at(made: Innings, match_id: str, number: int) -> slice:
    """The balls of one innings."""
    [row] = made.table.filter((pl.col("match_id") == match_id) & (pl.col("innings") == number)).to_dicts()
    return slice(row["start"], row["start"] + row["length"])


def arrays_equal(one: Innings, other: Innings, names: list[str], balls: slice) -> None:
    """The same values before these balls."""
    for name in names:
        np.testing.assert_array_equal(one.balls[name][balls], other.balls[name][balls], name)
