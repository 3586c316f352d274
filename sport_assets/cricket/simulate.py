"""`simulate cricket`: the rest of a match, many times over, and what it comes to.

Belongs here: the innings of a match one after the other, what-if, and what is told of the courses: scores, wickets,
chances of winning. Must not come here: one innings (``simulation``), reading a match (``situation``), drawing the worm
(``worm``).

A what-if is paired: the same random numbers with the other player, so that the difference is told far more exactly than
either side. That a target is revised (rain) while the match is played on is not modelled.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sport_assets.cricket import what_if
from sport_assets.cricket.calibrated_network import CalibratedNetwork, read_model
from sport_assets.cricket.course import ALL_OUT
from sport_assets.cricket.lineup import IdRows, Lineup, attack, batting_order, history_tables
from sport_assets.cricket.shipped import Shipped
from sport_assets.cricket.simulation import (
    AT_ONCE,
    InPlay,
    Model,
    Played,
    Scene,
    next_persons,
    play_out,
    taken_up,
    worm_of,
)
from sport_assets.cricket.situation import At, Situation, read_situation
from sport_assets.training.exported import ModelError
from sport_assets.training.threads import one_thread

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
DRAWN = 3
"""Random numbers a ball."""
Persons = tuple[str, str, str | None]


@dataclass(frozen=True)
class Courses:
    """A match played on many times."""

    situation: Situation
    persons: Persons
    """Ids of who plays the next ball; the bowler None where he is drawn."""
    innings: tuple[Played, ...]
    """The innings in play, and the chase where that is the first."""

    @property
    def decided(self) -> bool:
        """Whether the courses go to the end of the match."""
        return len(self.innings) == 2 or self.situation.at.innings == 2

    @property
    def first_wins(self) -> np.ndarray:
        """Bool [S]: the team that bats first wins."""
        return self._margin() > 0

    @property
    def ties(self) -> np.ndarray:
        """Bool [S]: both make the same runs; a super over is not played."""
        return self._margin() == 0

    def chances(self) -> dict[str, np.ndarray]:
        """Who wins, bool [S] by team and ``tie``; empty where the courses end before."""
        if not self.decided:
            return {}
        first, other = self.teams
        return {first: self.first_wins, "tie": self.ties, other: ~self.first_wins & ~self.ties}

    def _margin(self) -> np.ndarray:
        """Runs of the team that bats first beyond the other's [S]."""
        if len(self.innings) == 2:
            return self.innings[0].runs - self.innings[1].runs
        return self.situation.target - 1 - self.innings[0].runs

    @property
    def teams(self) -> tuple[str, str]:
        """The team that bats first, and the other."""
        one, other = self.situation.batting, self.situation.bowling
        return (one, other) if self.situation.at.innings == 1 else (other, one)


@dataclass(frozen=True)
class Result:
    """A simulation, and its what-if where one was asked for."""

    model: str
    seed: int
    courses: Courses
    other: Courses | None = None
    settings: dict[str, Any] = field(default_factory=dict)

    def content(self) -> dict[str, Any]:
        """As JSON values."""
        situation = self.courses.situation
        found: dict[str, Any] = {
            "model": self.model,
            "match_id": situation.match_id,
            "at": str(situation.at),
            "simulations": len(self.courses.innings[0].runs),
            "seed": self.seed,
            "notes": list(situation.notes),
            **_told(self.courses),
        }
        if self.other is not None:
            found["what_if"] = {**self.settings, **_told(self.other), "difference": _difference(self)}
        return found


def simulate(
    model: Path,
    match: Path,
    at: At | None = None,
    *,
    simulations: int = 10_000,
    seed: int = 0,
    bowler: str | None = None,
    batter: str | None = None,
    innings_only: bool = False,
) -> Result:
    """Play the rest of a match many times from before the ball ``at`` (by default after its last delivery).

    model: ONNX file of ``cricket/exported_model``. match: a match file, maybe no longer than the match so far. bowler:
    name or id of who bowls the next ball instead, and to the end of the over; batter: of who faces it instead.
    innings_only: leave out the chase that follows a first innings; nothing is then told of winning. The same seed
    gives the same courses. Raises ModelError and SituationError.
    """
    network, shipped = read_model(model)
    situation = read_situation(match, at)
    settings = {name: value for name, value in (("bowler", bowler), ("batter", batter)) if value is not None}
    return run(
        model.name, network, shipped, situation, settings, simulations=simulations, seed=seed, innings_only=innings_only
    )


def run(
    name: str,
    network: CalibratedNetwork,
    shipped: Shipped,
    situation: Situation,
    settings: Mapping[str, str],
    *,
    simulations: int,
    seed: int,
    innings_only: bool,
) -> Result:
    """As ``simulate``, of what was read; settings: bowler and batter of the what-if, where there is one."""
    if shipped.label_rule != "batter":
        raise ModelError(
            f"{name} was trained with label_rule={shipped.label_rule}, which gives some deliveries no outcome: "
            "a simulation needs a model of the rule batter"
        )
    if simulations < 1:
        raise ValueError(f"{simulations} simulations: at least one must be played")
    ready = Model(network, shipped.extras)
    plans = _plans(situation, shipped, settings.get("bowler"), settings.get("batter"), innings_only)
    tables = iter(history_tables(shipped.past, [lineup for plan in plans for lineup in plan.lineups]))
    courses = []
    _keep_memory()
    with one_thread(), torch.inference_mode():
        for plan in plans:
            scenes = [Scene(each, IdRows(each, shipped.entities), next(tables)) for each in plan.lineups]
            courses.append(_courses(ready, situation, plan.persons, scenes, simulations, seed))
    return Result(name, seed, courses[0], courses[1] if len(courses) > 1 else None, dict(settings))


@dataclass(frozen=True)
class _Plan:
    persons: Persons
    lineups: tuple[Lineup, ...]


def _plans(
    situation: Situation, shipped: Shipped, bowler: str | None, batter: str | None, innings_only: bool
) -> list[_Plan]:
    """Who plays as things stand; and, where one is asked for, in the what-if."""
    bowls = None if bowler is None else what_if.bowler_of(situation, shipped, bowler)
    also = () if bowls is None else (bowls,)
    as_told = _lineup(situation, shipped, situation.next_persons, also)
    persons = next_persons(situation, as_told)
    plans = [_plan(situation, shipped, persons, also, innings_only)]
    if bowler is not None or batter is not None:
        striker, other, as_before = persons
        faces = striker if batter is None else what_if.batter_of(situation, shipped, batter, other)
        changed = (faces, other, bowls or as_before)
        plans.append(_plan(situation, shipped, changed, also, innings_only, striker))
    return plans


def _plan(
    situation: Situation,
    shipped: Shipped,
    persons: Persons,
    also: tuple[str, ...],
    innings_only: bool,
    striker: str | None = None,
) -> _Plan:
    """striker: who faces as things stand."""
    now = _lineup(situation, shipped, persons, also, striker)
    if situation.at.innings == 2 or innings_only:
        return _Plan(persons, (now,))
    return _Plan(persons, (now, _chase(situation, shipped, now)))


def _lineup(
    situation: Situation,
    shipped: Shipped,
    persons: Persons | None,
    also: tuple[str, ...],
    striker: str | None = None,
) -> Lineup:
    balls, players = situation.played.balls, situation.played.players
    both = np.column_stack([balls["striker"], balls["non_striker"]]).ravel()
    next_two = persons[:2] if persons else ()
    come = list(dict.fromkeys([*(players[number] for number in both), *next_two]))
    # whose place another takes is not out, and comes in next
    waits = [] if striker is None or striker in next_two else [striker]
    come = [each for each in come if each not in waits]
    bowled = [players[number] for number in balls["bowler"]]
    if persons is not None and persons[2] is not None:
        bowled.append(persons[2])
    day = _day(situation, shipped)
    bowlers, weights = attack(
        shipped.past, day, bowled, situation.elevens.get(situation.bowling, ()), situation.overs_limit, also
    )
    order = batting_order(shipped.past, day, [*come, *waits], situation.elevens.get(situation.batting, ()))
    return Lineup(
        order,
        bowlers,
        situation.batting,
        situation.bowling,
        situation.venue,
        day,
        situation.at.innings,
        situation.overs_limit,
        situation.phase,
        weights,
        next_in=max(len(come), 2),
    )


def _chase(situation: Situation, shipped: Shipped, first: Lineup) -> Lineup:
    elevens = situation.elevens
    bowlers, weights = attack(shipped.past, first.day, (), elevens.get(first.batting_team, ()), first.overs_limit)
    return Lineup(
        batting_order(shipped.past, first.day, (), elevens.get(first.bowling_team, ())),
        bowlers,
        first.bowling_team,
        first.batting_team,
        first.venue,
        first.day,
        2,
        first.overs_limit,
        0,
        weights,
    )


def _day(situation: Situation, shipped: Shipped) -> int:
    """The match's day; without one, the day after the last that the model knows."""
    if situation.day is not None:
        return situation.day
    last = shipped.past.rows["day"].max()
    return int(last) + 1 if isinstance(last, int) else 0


def _courses(
    model: Model, situation: Situation, persons: Persons, scenes: list[Scene], simulations: int, seed: int
) -> Courses:
    begun = taken_up(model, scenes[0], situation, persons)
    worm = worm_of(situation.played)
    parts: list[list[Played]] = []
    for block, first in enumerate(range(0, simulations, AT_ONCE)):
        size = min(AT_ONCE, simulations - first)
        played = [play_out(begun.many(size), _draw(seed, situation.at.innings, block, size), worm)]
        if len(scenes) == 2:
            chase = InPlay(model, scenes[1], played[0].runs + 1)
            played.append(play_out(chase, _draw(seed, 2, block, size), np.zeros_like(worm)))
        parts.append(played)
    return Courses(situation, persons, tuple(Played.joined(list(each)) for each in zip(*parts, strict=True)))


def _draw(seed: int, innings: int, block: int, size: int) -> Any:
    """Random numbers by ball: whatever courses are over, those that go on have the same ones."""

    def draw(number: int) -> np.ndarray:
        return np.random.default_rng([seed, innings, block, number]).random((AT_ONCE, DRAWN))[:size]

    return draw


def _keep_memory() -> None:
    """Let the C library keep memory that was given back: asking for it again at each ball took a fifth of the time."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # glibc alone has it
    if mallopt is not None:
        trim_threshold, top_pad, mmap_threshold = -1, -2, -3
        for option, size in ((trim_threshold, 1 << 29), (top_pad, 1 << 26), (mmap_threshold, 1 << 25)):
            mallopt(option, size)


# -- what is told ----------------------------------------------------------------------------------------------------


def _told(courses: Courses) -> dict[str, Any]:
    situation, names = courses.situation, courses.situation.names
    balls = situation.played.balls
    striker, partner, bowler = courses.persons
    return {
        "standing": {
            "innings": situation.at.innings,
            "batting": situation.batting,
            "runs": int(balls["runs_total"].sum()),
            "wickets": int(balls["wickets_fallen"].sum()),
            "legal_balls": int(balls["is_legal"].sum()),
            "overs": situation.overs_limit,
            "target": situation.target or None,
            "striker": names.get(striker, striker),
            "non_striker": names.get(partner, partner),
            "bowler": None if bowler is None else names.get(bowler, bowler),
        },
        "win": {
            name: {"probability": float(won.mean()), "standard_error": _error(won)}
            for name, won in courses.chances().items()
        },
        "innings": [
            _innings(played, situation.at.innings + number, courses.teams[situation.at.innings + number - 1])
            for number, played in enumerate(courses.innings)
        ],
    }


def _innings(played: Played, number: int, team: str) -> dict[str, Any]:
    scores, counts = np.unique(played.runs, return_counts=True)
    wickets = np.bincount(np.minimum(played.wickets, ALL_OUT), minlength=ALL_OUT + 1) / len(played.wickets)
    return {
        "innings": number,
        "batting": team,
        "runs": {
            "mean": float(played.runs.mean()),
            "standard_deviation": float(played.runs.std()),
            "quantiles": _quantiles(played.runs),
            "distribution": {
                str(score): float(count / len(played.runs)) for score, count in zip(scores, counts, strict=True)
            },
        },
        "wickets": {
            "mean": float(played.wickets.mean()),
            "distribution": {str(place): float(share) for place, share in enumerate(wickets)},
        },
        "legal_balls_mean": float(played.legal_balls.mean()),
        "runs_after_over": [_quantiles(after) for after in played.worm.T],
    }


def _difference(result: Result) -> dict[str, Any]:
    """What the what-if changes, by pairs of courses with the same random numbers."""
    assert result.other is not None
    one, other = result.courses, result.other
    before, after = one.chances(), other.chances()
    return {
        "win": {team: _change(before[team], after[team]) for team in before},
        "runs": _change(one.innings[0].runs, other.innings[0].runs),
        "wickets": _change(one.innings[0].wickets, other.innings[0].wickets),
    }


def _change(before: np.ndarray, after: np.ndarray) -> dict[str, float]:
    by = after.astype(np.float64) - before
    return {"mean": float(by.mean()), "standard_error": _error(by)}


def _error(values: np.ndarray) -> float:
    """Monte-Carlo standard error of the mean of independent courses."""
    return float(values.std() / np.sqrt(len(values)))


def _quantiles(values: np.ndarray) -> dict[str, float]:
    found = np.quantile(values, QUANTILES)
    return {str(round(100 * share)): float(value) for share, value in zip(QUANTILES, found, strict=True)}
