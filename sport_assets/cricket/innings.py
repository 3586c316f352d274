"""Innings as flat arrays over their balls: what was known before each ball, and what it brought.

Belongs here: the container (one entry a ball, in play order, innings one after another), its files, joining and
choosing. Must not come here: how the arrays are made from deliveries (``innings_state``), history, features of a model.
No torch: prediction runs on this module.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from sport_assets.cricket.labels import OUTCOMES
from sport_assets.cricket.nodes import LAST_BALLS

BALLS_FILE, TABLE_FILE, NAMES_FILE = "balls.parquet", "innings.parquet", "names.json"
LAYOUT_VERSION = 2
"""Raised when arrays or the names in them change: since 2, grounds go by ``grounds.ground_name``."""
NO_OUTCOME = -1
"""In ``outcome``: the label rule gives the ball none; in ``previous_outcome`` also: it is the first of the innings."""

INNINGS_TYPES: Mapping[str, pl.DataType] = {
    "match_id": pl.String(),
    "date": pl.String(),
    "innings": pl.Int64(),
    "start": pl.Int64(),
    "length": pl.Int64(),
    "batting_team": pl.String(),
    "bowling_team": pl.String(),
    "venue": pl.String(),
    "runs": pl.Int64(),
    "wickets": pl.Int64(),
}
"""Columns of the table of innings, in order: ``start`` and ``length`` are the innings' balls; the last two results."""

BEFORE: Mapping[str, str] = {
    "over": "over from 0",
    "ball_in_over": "deliveries of the over before the ball",
    "phase": "phase of the over",
    "overs_limit": "overs that the innings is known to have",
    "target": "runs to win in a chase; 0 in a first innings",
    "legal_balls": "legal balls of the innings so far",
    "runs": "runs of the innings so far",
    "wickets": "wickets fallen",
    "over_legal_balls": "legal balls of the over so far",
    "over_runs": "runs of the over so far",
    "over_wickets": "wickets of the over so far",
    "free_hit": "1 after a no-ball, until a legal ball is bowled",
    "striker": "the striker's number in ``players``",
    "non_striker": "the same of the batter at the other end",
    "bowler": "the same of the bowler",
    **{
        f"{end}_{name}": f"{what} of the batter {where} in this innings"
        for end, where in (("striker", "on strike"), ("non_striker", "at the other end"))
        for name, what in (
            ("runs", "runs"),
            ("balls", "balls faced (no wides)"),
            ("dots", "balls faced without a run off the bat"),
            ("boundaries", "fours and sixes"),
            ("position", "place in the order of arrival, from 1,"),
        )
    },
    "bowler_balls": "legal balls of the bowler in this innings",
    "bowler_runs": "runs conceded by the bowler: off the bat, wides and no-balls",
    "bowler_wickets": "wickets that count for the bowler",
    "bowler_dots": "the bowler's deliveries that brought no run",
    "bowler_deliveries": "the bowler's deliveries",
    "bowler_boundaries": "fours and sixes hit off the bowler",
    "bowler_position": "the bowler's place in the order of bowlers, from 1",
    "partnership_runs": "runs while these two have batted together",
    "partnership_balls": "legal balls while these two have batted together",
    **{
        f"{name}_last_{balls}": f"{what} of the {balls} deliveries before the ball"
        for name, what in (
            ("runs", "runs"),
            ("wickets", "wickets"),
            ("dots", "deliveries without a run"),
            ("boundaries", "fours and sixes"),
        )
        for balls in LAST_BALLS
    },
    "dots_in_a_row": "deliveries without a run directly before the ball",
    "balls_since_boundary": "deliveries since the last four or six, or since the start",
    "balls_since_wicket": "deliveries since the last wicket, or since the start",
    "previous_outcome": "outcome of the delivery before; -1: none",
    "previous_wide": "1 where the delivery before was a wide",
}
"""What is known before the ball, by name. A value is never looked up from anything later."""

AFTER: Mapping[str, str] = {
    "outcome": f"class by the label rule: {', '.join(OUTCOMES)} from 0; -1: none",
    "runs_total": "runs of the delivery",
    "runs_batter": "runs off the bat",
    "is_legal": "1 where it is neither wide nor no-ball",
    "wides": "runs for a wide",
    "noballs": "runs for a no-ball",
    "wickets_fallen": "batters out",
}
"""What the ball brought."""

PLACE: Mapping[str, str] = {
    "innings_index": "row of the table of innings",
    "day": "days from 1970 to the date of the match",
    "second_innings": "1 in a second innings",
    "batting_team": "number in ``teams``",
    "bowling_team": "number in ``teams``",
    "venue": "number in ``venues``: grounds by their one name (``grounds.ground_name``)",
}
"""Which innings the ball is of, and what was known before it began."""

COLUMNS: Mapping[str, str] = {**PLACE, **BEFORE, **AFTER}
"""All arrays (int32), by name."""
_CODES = {
    "striker": "players", "non_striker": "players", "bowler": "players",
    "batting_team": "teams", "bowling_team": "teams", "venue": "venues",
}  # fmt: skip


class InningsFileError(ValueError):
    """A file of innings that cannot be used; the message says what to do."""


@dataclass(frozen=True)
class Innings:
    """Balls of some innings: ``table`` has a row an innings (INNINGS_TYPES), ``balls`` an int32 array per COLUMNS."""

    table: pl.DataFrame
    balls: Mapping[str, np.ndarray]
    players: tuple[str, ...]
    """Registry ids, sorted; the arrays hold their numbers. So with teams and venues."""
    teams: tuple[str, ...]
    venues: tuple[str, ...]

    def __len__(self) -> int:
        """How many balls."""
        return len(self.balls["outcome"])

    @property
    def match_ids(self) -> list[str]:
        """The matches, in order."""
        return self.table["match_id"].unique(maintain_order=True).to_list()

    @property
    def match_of_balls(self) -> np.ndarray:
        """The match id of each ball [N]."""
        return np.asarray(self.table["match_id"].to_numpy()[self.balls["innings_index"]])

    @property
    def label_rule(self) -> str:
        """The rule (``labels.LABEL_RULES``) that gave the balls their outcomes: which of them have none tells it."""
        none = self.balls["outcome"] == NO_OUTCOME
        if (none & (self.balls["noballs"] > 0)).any():
            return "legal"
        return "without_wides" if none.any() else "batter"

    def of_matches(self, match_ids: Sequence[str] | set[str]) -> np.ndarray:
        """Mask [N] of the balls of these matches."""
        wanted = self.table["match_id"].is_in(list(match_ids)).to_numpy()
        return wanted[self.balls["innings_index"]]

    def select(self, match_ids: Sequence[str] | set[str]) -> Innings:
        """The innings of these matches, in the order they stand. Numbers of players, teams and venues stay."""
        kept = self.of_matches(match_ids)
        balls = {name: values[kept] for name, values in self.balls.items()}
        table = self.table.filter(pl.col("match_id").is_in(list(match_ids)))
        return Innings(*_renumbered(table, balls), self.players, self.teams, self.venues)

    @classmethod
    def join(cls, parts: Sequence[Innings]) -> Innings:
        """Several sets of innings one after another. Raises InningsFileError where an innings is in two of them."""
        texts = {
            name: tuple(sorted({text for part in parts for text in getattr(part, name)}))
            for name in ("players", "teams", "venues")
        }
        arrays: dict[str, list[np.ndarray]] = {name: [] for name in COLUMNS}
        for part in parts:
            numbers = {
                name: np.searchsorted(np.array(found), np.array(getattr(part, name))).astype(np.int32)
                for name, found in texts.items()
            }
            for name, values in part.balls.items():
                arrays[name].append(numbers[_CODES[name]][values] if name in _CODES and len(values) else values)
        table = pl.concat([part.table for part in parts]) if parts else pl.DataFrame(schema=INNINGS_TYPES)
        twice = table.filter(pl.struct("match_id", "innings").is_duplicated())
        if len(twice):
            raise InningsFileError(f"match {twice['match_id'][0]} is in two of the sets that are to be joined")
        balls = {name: np.concatenate(found) if found else np.zeros(0, np.int32) for name, found in arrays.items()}
        return cls(*_renumbered(table, balls), texts["players"], texts["teams"], texts["venues"])

    def save(self, folder: Path) -> None:
        """Write balls.parquet, innings.parquet and names.json; the same innings give the same bytes."""
        pl.DataFrame(dict(self.balls), schema=dict.fromkeys(self.balls, pl.Int32)).write_parquet(folder / BALLS_FILE)
        self.table.write_parquet(folder / TABLE_FILE)
        names = {"version": LAYOUT_VERSION, "players": self.players, "teams": self.teams, "venues": self.venues}
        (folder / NAMES_FILE).write_text(json.dumps(names, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Innings:
        """Read what ``save`` wrote. Raises InningsFileError for another layout."""
        names = json.loads((folder / NAMES_FILE).read_text(encoding="utf-8"))
        frame = pl.read_parquet(folder / BALLS_FILE)
        if names.get("version") != LAYOUT_VERSION or set(frame.columns) != set(COLUMNS):
            raise InningsFileError(
                f"{folder}: its innings have not the layout of version {LAYOUT_VERSION}: "
                "make them again with `sport-assets build cricket/innings`"
            )
        balls = {name: frame[name].to_numpy() for name in COLUMNS}
        table = pl.read_parquet(folder / TABLE_FILE)
        return cls(table, balls, tuple(names["players"]), tuple(names["teams"]), tuple(names["venues"]))


def last_with(flag: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Deliveries since the last one before each ball with ``flag``; since the innings' start where there is none.

    flag: bool [N]; start: index of the first ball of each ball's innings [N]. 0 directly after such a ball.
    """
    index = np.arange(len(flag))
    last = np.maximum.accumulate(np.where(flag, index, -1)) if len(flag) else index
    before = np.concatenate([[-1], last[:-1]]) if len(flag) else index
    return index - 1 - np.maximum(before, start - 1)


def _renumbered(table: pl.DataFrame, balls: dict[str, np.ndarray]) -> tuple[pl.DataFrame, dict[str, np.ndarray]]:
    lengths = table["length"].to_numpy()
    starts = np.cumsum(lengths) - lengths
    index = np.repeat(np.arange(len(table), dtype=np.int32), lengths)
    return table.with_columns(pl.Series("start", starts, dtype=pl.Int64)), {**balls, "innings_index": index}
