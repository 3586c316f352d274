"""The supplementary table: situation and result of every generated play.

Here belongs everything about a play that is not tracking. Results follow from the movement.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from sport_assets.nfl.synthetic.league import TEAMS, Games, Plays, Rosters, is_man
from sport_assets.nfl.synthetic.movement import Movement

SUPPLEMENTARY_COLUMNS = (
    "game_id", "season", "week", "game_date", "game_time_eastern", "home_team_abbr", "visitor_team_abbr",
    "play_id", "play_description", "quarter", "game_clock", "down", "yards_to_go", "possession_team",
    "defensive_team", "yardline_side", "yardline_number", "pre_snap_home_score", "pre_snap_visitor_score",
    "play_nullified_by_penalty", "pass_result", "pass_length", "offense_formation", "receiver_alignment",
    "route_of_targeted_receiver", "play_action", "dropback_type", "dropback_distance", "pass_location_type",
    "defenders_in_the_box", "team_coverage_man_zone", "team_coverage_type", "penalty_yards",
    "pre_penalty_yards_gained", "yards_gained", "expected_points", "expected_points_added",
    "pre_snap_home_team_win_probability", "pre_snap_visitor_team_win_probability",
    "home_team_win_probability_added", "visitor_team_win_probility_added",
)  # fmt: skip


def named(codes: np.ndarray, names: tuple[str, ...]) -> pl.Series:
    return pl.Series(names).gather(codes)


def _known(texts: np.ndarray, known: np.ndarray) -> pl.Series:
    """The texts, missing where they are not known."""
    return pl.Series(texts.tolist(), dtype=pl.String).set(pl.Series(~known), None)


def supplementary_table(
    rng: np.random.Generator,
    league: Rosters,
    season: int,
    week: int,
    games: Games,
    plays: Plays,
    movement: Movement,
) -> pl.DataFrame:
    """One row a play. The result follows from the movement: how far off the ball was and how near a
    defender."""
    count, every = len(plays), np.arange(len(plays))
    chance = 0.93 - 0.16 * np.maximum(movement.receiver_miss - 0.6, 0) - 0.25 * np.exp(-movement.separation / 0.9)
    luck = rng.random(count)
    caught = luck < np.clip(chance, 0.05, 0.97)
    picked = ~caught & (movement.separation < 1.6) & (rng.random(count) < 0.2)
    length = np.rint(movement.landing[:, 0] - plays.yardline).astype(np.int64)
    room = 110 - plays.yardline
    gained = np.where(caught, np.minimum(length + np.rint(rng.exponential(4.0, count)).astype(np.int64), room), 0)
    first = np.concatenate([[True], plays.game[1:] != plays.game[:-1]])
    number = every - np.maximum.accumulate(np.where(first, every, 0))
    in_game = np.bincount(plays.game)[plays.game]
    elapsed = np.minimum((number + rng.random(count)) / in_game, 0.999) * 3600
    clock = 900 - np.floor(elapsed % 900).astype(np.int64)
    home_points, visitor_points = (_scores(rng, number, in_game) for _ in range(2))
    down = rng.choice((1, 2, 3, 4), count, p=(0.37, 0.335, 0.27, 0.025))
    to_go = np.where((down == 1) & (rng.random(count) < 0.93), 10, rng.integers(1, 13, count))
    to_go = np.maximum(np.minimum(to_go, room), 1)
    home_ball = plays.offence == games.home[plays.game]
    expected = -1.6 + 0.062 * (plays.yardline - 10) - 0.35 * (down - 1) - 0.03 * (to_go - 10)
    touchdown = caught & (gained >= room)
    after = np.where(
        touchdown,
        7.0,
        np.where(picked, -2.2, expected + 0.062 * gained - np.where(gained < to_go, 0.6, -0.2)),
    )
    lead = (home_points - visitor_points) + 0.5 * np.where(home_ball, expected, -expected)
    urgency = 0.12 + 0.25 * elapsed / 3600
    home_win = 1 / (1 + np.exp(-urgency * lead - 0.05))
    added = np.where(home_ball, 1, -1) * (after - expected) * urgency * home_win * (1 - home_win)
    own_half = plays.yardline <= 60
    passer = league.name[plays.offence, plays.offence_places[:, 0]]
    receiver = league.name[plays.offence, movement.places[every, movement.target + 1]]
    depth = np.where(length >= 16, "deep", "short")
    across = (movement.landing[:, 1] - plays.ball_y) / 6.0
    where = np.where(across > 1, "left", np.where(across < -1, "right", "middle"))
    coverage = np.where(is_man(plays.coverage), "MAN_COVERAGE", "ZONE_COVERAGE")
    right, left = np.char.endswith(plays.dropback, "RIGHT"), np.char.endswith(plays.dropback, "LEFT")
    rollout = np.select([right, left], ["OUTSIDE_RIGHT", "OUTSIDE_LEFT"], "INSIDE_BOX")
    six = lambda values: np.round(values, 6) + 0.0  # noqa: E731
    columns: dict[str, Any] = {
        "game_id": games.game_id[plays.game],
        "season": np.full(count, season),
        "week": np.full(count, week),
        "game_date": games.date[plays.game].tolist(),
        "game_time_eastern": games.time[plays.game].tolist(),
        "home_team_abbr": named(games.home[plays.game], tuple(TEAMS)),
        "visitor_team_abbr": named(games.visitor[plays.game], tuple(TEAMS)),
        "play_id": plays.play_id,
        "quarter": (elapsed // 900).astype(np.int64) + 1,
        "game_clock": [f"{seconds // 60:02d}:{seconds % 60:02d}" for seconds in clock.tolist()],
        "down": down,
        "yards_to_go": to_go,
        "possession_team": named(plays.offence, tuple(TEAMS)),
        "defensive_team": named(plays.defence, tuple(TEAMS)),
        "yardline_side": named(np.where(own_half, plays.offence, plays.defence), tuple(TEAMS)),
        "yardline_number": np.where(own_half, plays.yardline - 10, 110 - plays.yardline),
        "pre_snap_home_score": home_points,
        "pre_snap_visitor_score": visitor_points,
        "play_nullified_by_penalty": ["N"] * count,
        "pass_result": np.where(caught, "C", np.where(picked, "IN", "I")).tolist(),
        "pass_length": length,
        "offense_formation": plays.formation.tolist(),
        "receiver_alignment": plays.alignment.tolist(),
        "route_of_targeted_receiver": movement.route[every, movement.target].tolist(),
        "play_action": named(plays.play_action.astype(np.int64), ("FALSE", "TRUE")),
        "dropback_type": plays.dropback.tolist(),
        "dropback_distance": np.round(movement.dropback_distance, 2),
        "pass_location_type": rollout.tolist(),
        "defenders_in_the_box": 11 - plays.defenders + rng.integers(1, 4, count),
        "team_coverage_man_zone": _known(coverage, plays.charted),
        "team_coverage_type": _known(plays.coverage, plays.charted),
        "penalty_yards": pl.Series([None] * count, dtype=pl.Int64),
        "pre_penalty_yards_gained": gained,
        "yards_gained": gained,
        "expected_points": six(expected),
        "expected_points_added": six(after - expected),
        "pre_snap_home_team_win_probability": six(home_win),
        "pre_snap_visitor_team_win_probability": six(1 - home_win),
        "home_team_win_probability_added": six(added),
        "visitor_team_win_probility_added": six(-added),
    }
    columns["play_description"] = [
        _description(*row)
        for row in zip(
            clock.tolist(), plays.formation.tolist(), passer.tolist(), receiver.tolist(), depth.tolist(),
            where.tolist(), columns["pass_result"], gained.tolist(), touchdown.tolist(), strict=True,
        )
    ]  # fmt: skip
    return pl.DataFrame(columns).select(SUPPLEMENTARY_COLUMNS)


def _scores(rng: np.random.Generator, number: np.ndarray, in_game: np.ndarray) -> np.ndarray:
    """Points before each play, growing within a game: a side's drives end in 0, 3 or 7 points."""
    points = rng.choice((0, 3, 7), len(number), p=(0.5, 0.22, 0.28)) * (
        rng.random(len(number)) < np.minimum(10 / in_game, 1)
    )
    total = np.cumsum(points) - points
    start = np.maximum.accumulate(np.where(number == 0, np.arange(len(number)), 0))
    return np.asarray(total - total[start], dtype=np.int64)


def _description(
    clock: int, formation: str, passer: str, receiver: str, depth: str, where: str, result: str, gained: int,
    touchdown: bool,
) -> str:  # fmt: skip
    def short(name: str) -> str:
        first, last = name.split(" ", 1)
        return f"{first[0]}.{last}"

    snap = "" if formation in ("SINGLEBACK", "I_FORM", "PISTOL") else "(Shotgun) "
    start = f"({clock // 60}:{clock % 60:02d}) {snap}{short(passer)} pass "
    if result == "I":
        return f"{start}incomplete {depth} {where} to {short(receiver)}."
    if result == "IN":
        return f"{start}{depth} {where} intended for {short(receiver)} INTERCEPTED."
    ending = ", TOUCHDOWN." if touchdown else "."
    return f"{start}{depth} {where} to {short(receiver)} for {gained} yards{ending}"
