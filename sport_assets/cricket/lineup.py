"""Who may bat and bowl in the innings to be simulated, and what history says of each of them.

Belongs here: the orders of batters and bowlers by number, their rows in the model's tables, and rates of every
situation that they may come to. Must not come here: the course of the innings (``course``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from sport_assets.cricket.batches import ID_COLUMNS, EntityTable
from sport_assets.cricket.course import ALL_OUT, Attack, phases_of
from sport_assets.cricket.history import HALF_LIFE_DAYS, NUMBERS, Situations, rates
from sport_assets.cricket.innings import NO_OUTCOME
from sport_assets.cricket.nodes import HISTORY_FEATURES
from sport_assets.cricket.phases import FULL_OVERS, PHASES, PLAYERS

BOWLERS = 6
"""How many may bowl where nobody else has: more than the five that the law makes necessary."""
KNOWN_WEIGHT = 24.0
"""Balls on record that count for who has bowled in this innings: he is one of the attack, whatever is on record."""
LEAST_WEIGHT = 0.5
PHASE_SHARE = 0.75
"""How much of a bowler's weight is his record in the phase; the rest is his whole record, spread over the phases."""
PLACE_HALF_LIFE_DAYS = 180.0
"""Age at which an innings counts half for a batter's place: orders change within a year."""
PLACE_UNKNOWN = 7.0
"""Wickets fallen when who has never batted comes in: mostly he has not because he bats late."""
PLACE_START = 0.25
"""How many innings at PLACE_UNKNOWN each batter starts with."""
_TEAMS = ("batting_team", "bowling_team")


@dataclass(frozen=True)
class Lineup:
    """An innings' people by number, of one match."""

    batters: tuple[str, ...]
    """Ids in the order in which they came in, then in which they are expected to."""
    bowlers: tuple[str, ...]
    batting_team: str
    bowling_team: str
    venue: str
    day: int
    innings: int
    overs_limit: int
    first_phase: int
    """The phase that has begun: none before it comes any more."""
    attack: Attack
    next_in: int = 2
    """Number of the batter who comes in next: those before him are at the crease, or were and do not come back."""

    def asked(self) -> pl.DataFrame:
        """Every situation of over, wickets, batter and bowler, as ``history.Situations`` has them."""
        shape = (FULL_OVERS, ALL_OUT, len(self.batters), len(self.bowlers))
        over, wickets, batter, bowler = (each.ravel() for each in np.indices(shape))
        count = len(over)
        phases = phases_of(self.overs_limit, self.first_phase)
        numbers = {"day": self.day, "second_innings": self.innings - 1}
        columns = {name: np.full(count, value) for name, value in numbers.items()}
        columns |= {"over": over, "wickets": wickets, "phase": phases[over], "outcome": np.full(count, NO_OUTCOME)}
        frame = pl.DataFrame({name: columns[name] for name in (*NUMBERS, "outcome")}).cast(pl.Int32)
        batters, bowlers = np.array(self.batters)[batter], np.array(self.bowlers)[bowler]
        return frame.with_columns(
            pl.Series("striker", batters),
            pl.Series("non_striker", batters),
            pl.Series("bowler", bowlers),
            batting_team=pl.lit(self.batting_team),
            bowling_team=pl.lit(self.bowling_team),
            venue=pl.lit(self.venue),
        )


class IdRows:
    """Rows of the model's tables of a lineup's people."""

    def __init__(self, lineup: Lineup, table: EntityTable) -> None:
        rows = {
            kind: {text: number for number, text in enumerate(getattr(table, kind), start=1)}
            for kind in dict.fromkeys(ID_COLUMNS.values())
        }
        teams = [rows["teams"].get(team, 0) for team in (lineup.batting_team, lineup.bowling_team)]
        self.constant = np.array([rows["venues"].get(lineup.venue, 0), *teams], dtype=np.int64)
        self.batters, self.bowlers = (
            np.array([rows["players"].get(each, 0) for each in people], dtype=np.int64)
            for people in (lineup.batters, lineup.bowlers)
        )

    def of(self, persons: np.ndarray) -> np.ndarray:
        """Rows [S, 6] by batches.ID_COLUMNS, of strikers, others and bowlers [S, 3] by number."""
        striker, other, bowler = persons.T
        constant = np.broadcast_to(self.constant, (len(persons), 3))
        return np.column_stack([constant, self.batters[striker], self.batters[other], self.bowlers[bowler]])


class HistoryTable:
    """HISTORY_FEATURES of every situation of a lineup; the same numbers as ``history.rates`` says of each ball."""

    _OTHER = [number for number, name in enumerate(HISTORY_FEATURES) if name.startswith("non_striker_")]

    def __init__(self, values: np.ndarray, lineup: Lineup) -> None:
        shape = (FULL_OVERS, ALL_OUT, len(lineup.batters), len(lineup.bowlers), len(HISTORY_FEATURES))
        self.values = values.reshape(shape)

    def of(self, over: np.ndarray, wickets: np.ndarray, persons: np.ndarray) -> np.ndarray:
        """Features [S, F] of balls: over, wickets [S], and striker, other and bowler [S, 3] by number."""
        over, wickets = np.minimum(over, FULL_OVERS - 1), np.minimum(wickets, ALL_OUT - 1)
        striker, other, bowler = persons.T
        found: np.ndarray = self.values[over, wickets, striker, bowler]
        # he who stands at the other end is told of as if he were on strike
        found[:, self._OTHER] = self.values[over, wickets, other, bowler][:, self._OTHER]
        return found


def history_tables(past: Situations, lineups: Sequence[Lineup]) -> list[HistoryTable]:
    """A table for each lineup of one match, from the past of earlier dates."""
    asked = [lineup.asked() for lineup in lineups]
    day = lineups[0].day
    found = rates(past.before(day), Situations(pl.concat(asked)))
    ends = np.cumsum([len(each) for each in asked])
    parts = np.split(found, ends[:-1])
    return [HistoryTable(part, lineup) for part, lineup in zip(parts, lineups, strict=True)]


def batting_order(past: Situations, day: int, first: Sequence[str], eleven: Sequence[str]) -> tuple[str, ...]:
    """Who comes ``first``, such as those who have come in, then the rest of the eleven as earlier matches let expect.

    In what order ``eleven`` is given is not looked at: a match file lists players as they went on to bat. Unknown ones
    are added up to eleven.
    """
    places = expected_places(past, day, eleven)
    rest = sorted(eleven, key=lambda each: (places[each], each))
    order = list(dict.fromkeys([*first, *rest]))
    unknown = (f"unknown batter {number}" for number in range(1, PLAYERS + 1))
    return (*order, *(next(unknown) for _ in range(len(order), PLAYERS)))


def expected_places(past: Situations, day: int, people: Sequence[str]) -> dict[str, float]:
    """Wickets fallen when each has come in, the mean over his innings before a day; later innings count for more."""
    ends = [
        past.rows.select(pl.col(end).cast(pl.String).alias("player"), "day", "second_innings", "wickets", *_TEAMS)
        for end in ("striker", "non_striker")
    ]
    seen = pl.concat(ends).filter((pl.col("day") < day) & pl.col("player").is_in(sorted(set(people))))
    innings = seen.group_by("player", "day", "second_innings", *_TEAMS).agg(pl.col("wickets").min())
    weights, sums = (dict.fromkeys(people, start) for start in (PLACE_START, PLACE_START * PLACE_UNKNOWN))
    for player, on, wickets in innings.select("player", "day", "wickets").sort(pl.all()).iter_rows():
        weight = 0.5 ** ((day - on) / PLACE_HALF_LIFE_DAYS)
        weights[player] += weight
        sums[player] += weight * wickets
    return {each: sums[each] / weights[each] for each in weights}


def attack(
    past: Situations,
    day: int,
    bowled: Sequence[str],
    eleven: Sequence[str],
    overs_limit: int,
    also: Sequence[str] = (),
) -> tuple[tuple[str, ...], Attack]:
    """The bowlers and their weights: who has bowled in this innings, and those of the eleven with most on record.

    A weight is the number of balls on record in the phase, aged as history ages them. Of those with as many, such as
    none, those bowl who bat last. In what order ``eleven`` is given is not looked at. ``also`` may bowl as well.
    """
    record = _record(past, day, {*bowled, *eleven, *also})
    nobody = np.zeros(len(PHASES))
    places = expected_places(past, day, eleven)
    listed = sorted(eleven, key=lambda each: (-record.get(each, nobody).sum(), -places[each], each))
    chosen = list(dict.fromkeys([*bowled, *also]))
    chosen += [each for each in listed if each not in chosen][: max(BOWLERS - len(chosen), 0)]
    chosen += [f"unknown bowler {number}" for number in range(1, BOWLERS - len(chosen) + 1)]
    weights = np.empty((len(PHASES), len(chosen)))
    for number, each in enumerate(chosen):
        own = record.get(each, nobody)
        known = KNOWN_WEIGHT if each in bowled else LEAST_WEIGHT
        weights[:, number] = PHASE_SHARE * own + (1 - PHASE_SHARE) * own.mean() + known
    return tuple(chosen), Attack.of(weights, overs_limit)


def _record(past: Situations, day: int, people: set[str]) -> dict[str, np.ndarray]:
    """Balls bowled by phase, aged, of those on record before a day."""
    rows = past.before(day).rows.with_columns(pl.col("bowler").cast(pl.String))
    rows = rows.filter(pl.col("bowler").is_in(sorted(people)))
    weight = (0.5 ** ((day - pl.col("day")) / HALF_LIFE_DAYS)).alias("weight")
    sums = rows.with_columns(weight).group_by("bowler", "phase").agg(pl.col("weight").sum())
    found: dict[str, np.ndarray] = {}
    for bowler, number, total in sums.iter_rows():
        found.setdefault(bowler, np.zeros(len(PHASES)))[number] = total
    return found
