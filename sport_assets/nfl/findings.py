"""Rules about whole plays and players: frames in sequence, outputs that belong to inputs, values that must
not vary.

Belongs here: finding and naming what is wrong between rows that are each right in themselves. Such rows are
not deleted: every finding is counted and sampled with file and line, and the features mask or leave out what
cannot be used. Does not belong here: rules of single rows (``schemas``), reading.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import polars as pl

from sport_assets.lineage.checks import SAMPLE_ROWS

GAME_KEY, PLAY_KEY, PLAYER_KEY = ("game_id",), ("game_id", "play_id"), ("game_id", "play_id", "nfl_id")
MAX_STEP_YARDS = 3.0
"""Farthest a player can get in one frame (0.1 s): twice the stated top speed. Real tracking has up to 1.1,
and up to 2.9 in four of 440,000 rows."""
MAX_PLAYERS = 22

PLAY_CONSTANTS = ("num_frames_output", "ball_land_x", "ball_land_y", "play_direction", "absolute_yardline_number")
PLAYER_CONSTANTS = (
    "player_to_predict",
    "player_role",
    "player_side",
    "player_position",
    "player_name",
    "player_height",
    "player_weight",
)

RULES: dict[str, str] = {
    "frame_gap": "frames of a player are missing between two others",
    "first_frame_not_1": "a player's frames do not start at 1",
    "frame_counts_differ": "a player's frames end before those of the other players of the play",
    "output_frame_gap": "output frames of a player are missing between two others",
    "output_first_frame_not_1": "a player's output frames do not start at 1",
    "play_without_output": "a play with players to predict has no output at all",
    "player_without_output": "a player to predict has no output, though others of the play have",
    "num_frames_output_mismatch": "the last output frame of a play is not its num_frames_output",
    "output_of_unflagged_player": "output of a player who is not to be predicted",
    "several_targeted_receivers": "a play with more than one targeted receiver",
    "no_targeted_receiver": "a play without a targeted receiver",
    "several_passers": "a play with more than one passer",
    "too_many_players": f"a play with more than {MAX_PLAYERS} players",
    **{f"{name}_varies": f"{name} is not the same in all rows of a play" for name in PLAY_CONSTANTS},
    **{f"{name}_varies": f"{name} is not the same in all frames of a player" for name in PLAYER_CONSTANTS},
    "position_jump": f"a player moves more than {MAX_STEP_YARDS} yards from one frame to the next",
    "jump_at_throw": f"a player moves more than {MAX_STEP_YARDS} yards between the last input and first output frame",
    "game_of_another_week": "a game whose date is not in the week that the file's name says",
}


@dataclass(frozen=True)
class Finding:
    """Everything found of one rule: how many, and up to 20 of them with file and line."""

    rule: str
    count: int
    sample: tuple[dict[str, Any], ...]
    plays: frozenset[tuple[int, int]]
    """(game_id, play_id) concerned."""


def find(
    keyed_input: pl.DataFrame,
    clean_input: pl.DataFrame,
    keyed_output: pl.DataFrame | None,
    clean_output: pl.DataFrame | None,
    *,
    files: tuple[str, str],
    season: int | None = None,
    week: int | None = None,
) -> list[Finding]:
    """All findings of a week, in the order of RULES; rules without any are left out.

    keyed_*: every row of the file whose ids and frame are readable, quarantined for another reason or not:
    what is absent from these was never in the file. clean_*: the clean rows. All have a column ``line``.
    Coordinates are the file's own. files: names of the input and the output file.
    """
    found: dict[str, pl.DataFrame] = {}
    players = _players(keyed_input)
    found |= _sequences(keyed_input, players, "frame_gap", "first_frame_not_1")
    ends = pl.col("last") < pl.col("last").max().over(PLAY_KEY)
    found["frame_counts_differ"] = _say(
        players.filter(ends).with_columns(line="last_line"), "ends at frame {}, others later", "last"
    )
    found |= _roles(clean_input)
    for keys, columns in ((PLAY_KEY, PLAY_CONSTANTS), (PLAYER_KEY, PLAYER_CONSTANTS)):
        found |= _varying(clean_input, keys, columns)
    found["position_jump"] = _jumps(clean_input)
    found["game_of_another_week"] = _other_week(keyed_input, season, week)
    outputs: dict[str, pl.DataFrame] = {}
    if keyed_output is not None and clean_output is not None:
        receivers = _players(keyed_output)
        outputs |= _sequences(keyed_output, receivers, "output_frame_gap", "output_first_frame_not_1")
        flags = clean_input.group_by(PLAYER_KEY, maintain_order=True).agg(
            pl.col("player_to_predict", "num_frames_output", "line").first()
        )
        found |= _without_output(flags, receivers)
        outputs |= _unexpected_output(flags, receivers)
        outputs["jump_at_throw"] = _jumps_at_throw(clean_input, clean_output)
    result = []
    for rule in RULES:
        for tables, file in ((found, files[0]), (outputs, files[1])):
            if rule in tables and len(tables[rule]):
                result.append(_finding(rule, tables[rule], file))
    return result


def week_dates(season: int, week: int) -> tuple[date, date]:
    """First and last day on which games of a week are played, with a day's margin on either side.

    Week 1 starts on the Thursday after Labor Day (the first Monday of September). The Super Bowl is week 22
    of the files; up to 2020 it is the 22nd calendar week of the season, since 2021 (18 regular weeks) the
    23rd.
    """
    labor_day = date(season, 9, 1)
    labor_day += timedelta(days=(7 - labor_day.weekday()) % 7)
    calendar_week = week + 1 if season >= 2021 and week >= 22 else week
    thursday = labor_day + timedelta(days=3 + 7 * (calendar_week - 1))
    return thursday - timedelta(days=2), thursday + timedelta(days=6)


def _players(rows: pl.DataFrame) -> pl.DataFrame:
    """One row per player of a play: first and last frame, with their lines."""
    return rows.group_by(PLAYER_KEY, maintain_order=True).agg(
        first=pl.col("frame_id").min(),
        last=pl.col("frame_id").max(),
        line=pl.col("line").first(),
        last_line=pl.col("line").max(),
    )


def _sequences(rows: pl.DataFrame, players: pl.DataFrame, gap: str, first: str) -> dict[str, pl.DataFrame]:
    same = pl.all_horizontal(pl.col(key) == pl.col(key).shift(1) for key in PLAYER_KEY)
    before = pl.col("frame_id").shift(1)
    gaps = _in_order(rows.select(*PLAYER_KEY, "frame_id", "line")).filter(same & (pl.col("frame_id") > before + 1))
    start = players.filter(pl.col("first") != 1)
    return {
        gap: _say(gaps, "frames missing before {}", "frame_id"),
        first: _say(start, "starts at frame {}", "first"),
    }


def _in_order(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.sort(*PLAYER_KEY, "frame_id", maintain_order=True)


def _roles(rows: pl.DataFrame) -> dict[str, pl.DataFrame]:
    roles = rows.group_by(*PLAYER_KEY, maintain_order=True).agg(pl.col("player_role", "line").first())

    def named(role: str) -> pl.Expr:
        return (pl.col("player_role") == role).sum()

    plays = roles.group_by(PLAY_KEY, maintain_order=True).agg(
        targeted=named("Targeted Receiver"), passers=named("Passer"), players=pl.len(), line=pl.col("line").min()
    )

    def those(condition: pl.Expr, column: str) -> pl.DataFrame:
        return plays.filter(condition).with_columns(value=pl.col(column).cast(pl.String))

    return {
        "several_targeted_receivers": those(pl.col("targeted") > 1, "targeted"),
        "no_targeted_receiver": those(pl.col("targeted") == 0, "targeted"),
        "several_passers": those(pl.col("passers") > 1, "passers"),
        "too_many_players": those(pl.col("players") > MAX_PLAYERS, "players"),
    }


def _varying(rows: pl.DataFrame, keys: Iterable[str], columns: Iterable[str]) -> dict[str, pl.DataFrame]:
    """Groups in which a column has more than one value, with the line of the first row that leaves the most
    common value."""
    keys, columns = list(keys), list(columns)
    varies = rows.group_by(keys).agg(
        (pl.col(name).ne_missing(pl.col(name).first())).any().alias(name) for name in columns
    )
    found = {}
    for name in columns:
        groups = varies.filter(pl.col(name)).select(keys)
        if groups.is_empty():
            continue
        usual = pl.col(name).mode(maintain_order=True).first().over(keys)
        odd = rows.join(groups, on=keys, how="semi", maintain_order="left").filter(pl.col(name).ne_missing(usual))
        found[f"{name}_varies"] = odd.group_by(keys, maintain_order=True).agg(
            line=pl.col("line").first(),
            value=pl.col(name).first().cast(pl.String).fill_null("nothing"),
        )
    return found


def _jumps(rows: pl.DataFrame) -> pl.DataFrame:
    same = pl.all_horizontal(pl.col(key) == pl.col(key).shift(1) for key in PLAYER_KEY)
    step = (pl.col("x").diff().pow(2) + pl.col("y").diff().pow(2)).sqrt()
    ordered = _in_order(rows.select(*PLAYER_KEY, "frame_id", "x", "y", "line"))
    next_frame = pl.col("frame_id") == pl.col("frame_id").shift(1) + 1
    jumps = ordered.with_columns(step=step).filter(same & next_frame & (step > MAX_STEP_YARDS))
    return _say(jumps, "{:.2f} yards", "step")


def _jumps_at_throw(rows: pl.DataFrame, outputs: pl.DataFrame) -> pl.DataFrame:
    last = rows.group_by(PLAYER_KEY).agg(pl.col("x", "y").sort_by("frame_id").last().name.prefix("last_"),
                                         pl.col("frame_id").max().alias("last_frame"))  # fmt: skip
    # Only players who were seen in the play's last frame: others may have moved on unseen.
    last = last.filter(pl.col("last_frame") == pl.col("last_frame").max().over(PLAY_KEY))
    step = ((pl.col("x") - pl.col("last_x")).pow(2) + (pl.col("y") - pl.col("last_y")).pow(2)).sqrt()
    first = outputs.filter(pl.col("frame_id") == 1).join(last, on=PLAYER_KEY, maintain_order="left")
    jumps = first.with_columns(step=step).filter(pl.col("step") > MAX_STEP_YARDS)
    return _say(jumps, "{:.2f} yards", "step")


def _without_output(flags: pl.DataFrame, receivers: pl.DataFrame) -> dict[str, pl.DataFrame]:
    absent = flags.filter("player_to_predict").join(receivers, on=PLAYER_KEY, how="anti", maintain_order="left")
    absent = absent.with_columns(value=pl.lit("no output"))
    whole = absent.join(receivers, on=PLAY_KEY, how="anti", maintain_order="left")
    single = absent.join(receivers, on=PLAY_KEY, how="semi", maintain_order="left")
    plays = whole.group_by(PLAY_KEY, maintain_order=True).agg(pl.col("line", "value").first())
    return {"play_without_output": plays, "player_without_output": single}


def _unexpected_output(flags: pl.DataFrame, receivers: pl.DataFrame) -> dict[str, pl.DataFrame]:
    both = receivers.join(flags.drop("line"), on=PLAYER_KEY, maintain_order="left")
    unflagged = both.filter(~pl.col("player_to_predict"))
    other = both.filter(pl.col("player_to_predict") & (pl.col("last") != pl.col("num_frames_output")))
    return {
        "output_of_unflagged_player": unflagged.with_columns(value=pl.lit("player_to_predict is False")),
        "num_frames_output_mismatch": _say(other, "{} announced, {} there", "num_frames_output", "last")
        .group_by(PLAY_KEY, maintain_order=True)
        .agg(pl.col("nfl_id", "line", "value").first()),
    }


def _other_week(rows: pl.DataFrame, season: int | None, week: int | None) -> pl.DataFrame:
    games = rows.group_by("game_id", maintain_order=True).agg(pl.col("play_id", "line").first())
    if season is None or week is None:
        return games.clear().with_columns(value=pl.lit(""))
    first, last = (int(day.strftime("%Y%m%d")) for day in week_dates(season, week))
    played = pl.col("game_id") // 100
    foreign = games.with_columns(played=played).filter(~played.is_between(first, last))
    return _say(foreign, f"played on {{}}, week {week} is {first} to {last}", "played")


def _say(rows: pl.DataFrame, text: str, *columns: str) -> pl.DataFrame:
    """The (few) rows with a column ``value`` for people. Written in Python: polars 2.1's ``format`` panics on some
    empty tables."""
    texts = [text.format(*row) for row in rows.select(columns).iter_rows()]
    return rows.with_columns(pl.Series("value", texts, dtype=pl.String))


def _finding(rule: str, rows: pl.DataFrame, file: str) -> Finding:
    ordered = rows.sort("line")
    columns = [name for name in (*PLAYER_KEY, "line", "value") if name in rows.columns]
    sample = ordered.head(SAMPLE_ROWS).select(columns).to_dicts()
    return Finding(
        rule=rule,
        count=len(rows),
        sample=tuple({"rule": rule, "file": file, **row} for row in sample),
        plays=frozenset(rows.select(PLAY_KEY).unique().iter_rows()),
    )
