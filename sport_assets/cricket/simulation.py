"""Many courses of one innings at once: drawn ball by ball from a model, each ball from all that came before it.

Belongs here: the loop over balls, and how an innings in progress is taken up. Must not come here: what the network
hears (``ball_memory``), counting (``innings_counts``), the laws (``course``), what is told (``simulate``).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
import torch

from sport_assets.cricket.ball_memory import BallMemory
from sport_assets.cricket.calibrated_network import CalibratedNetwork
from sport_assets.cricket.course import Course
from sport_assets.cricket.ensemble import averaged
from sport_assets.cricket.extras import Extras
from sport_assets.cricket.features import results, table
from sport_assets.cricket.innings import INNINGS_TYPES, NO_OUTCOME, Innings
from sport_assets.cricket.innings_counts import Columns, Counts
from sport_assets.cricket.lineup import HistoryTable, IdRows, Lineup
from sport_assets.cricket.phases import FULL_OVERS
from sport_assets.cricket.situation import Situation

AT_ONCE = 1000
"""Courses in step with one another. Part of what a seed means: another number draws other courses."""
STILL_PLAYED = 0.8
"""Courses that are over are left out when fewer than this share is still played."""

Draw = Callable[[int], np.ndarray]
"""From the number of a ball to numbers in [0, 1) [S, 3]: for outcome, kind of delivery, next bowler."""


@dataclass(frozen=True)
class Model:
    """What a simulation needs of an exported model."""

    network: CalibratedNetwork
    extras: Extras


@dataclass(frozen=True)
class Scene:
    """An innings to play: its people, their rows in the model's tables, what history says of them."""

    lineup: Lineup
    rows: IdRows
    history: HistoryTable


@dataclass(frozen=True)
class Played:
    """How innings ended, each [S]; and runs after each over [S, overs], the last ones repeated once it is over."""

    runs: np.ndarray
    wickets: np.ndarray
    legal_balls: np.ndarray
    worm: np.ndarray

    @classmethod
    def joined(cls, parts: list[Played]) -> Played:
        """One after another."""
        names = ("runs", "wickets", "legal_balls", "worm")
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


@dataclass(frozen=True)
class _Next:
    """What is known of the next ball before it is bowled: its columns, and ids, place and persons as the network's."""

    before: Columns
    ids: torch.Tensor
    place: torch.Tensor
    persons: torch.Tensor


class InPlay:
    """S courses of an innings at the same ball, from its start."""

    def __init__(self, model: Model, scene: Scene, targets: np.ndarray) -> None:
        lineup, size = scene.lineup, len(targets)
        batters, bowlers = len(lineup.batters), len(lineup.bowlers)
        self.model, self.scene = model, scene
        second = lineup.innings == 2
        self.counts = Counts(size, batters, bowlers, overs_limit=lineup.overs_limit, second=second)
        self.counts.now["target"] = targets.astype(np.int64)
        self.course = Course(self.counts, lineup.attack, lineup.first_phase, targets)
        self.memories = [BallMemory(each, size, batters, bowlers) for each in model.network.network.networks]
        self.waiting: _Next | None = None
        """The ball that was forecast and is not bowled yet."""

    def log_probabilities(self) -> torch.Tensor:
        """Of the outcomes of the next ball [S, 7]. Who plays it must have been told (``Course.face``)."""
        self.waiting = ball = self._next()
        before = ball.before
        rates = self.scene.history.of(before["over"], before["wickets"], ball.persons.numpy())
        features = torch.from_numpy(table(_container(before), history=rates))
        known = (features, ball.ids, ball.place, ball.persons)
        return self.model.network.calibrated(averaged([each.decide(*known) for each in self.memories]))

    def add(self, kind: Mapping[str, np.ndarray]) -> None:
        """Count the next ball, whose kind is told (``extras.COLUMNS``), and remember it."""
        ball = self.waiting or self._next()
        self.waiting = None
        after = self.counts.advance(kind)
        brought = torch.from_numpy(results(_container({**ball.before, **after})))
        for memory in self.memories:
            memory.extend(brought, ball.ids, ball.place, ball.persons)

    def many(self, size: int) -> InPlay:
        """So many courses that go on from this one; this one stays as it is."""
        made = copy.copy(self)
        made.course = copy.copy(self.course)
        made.counts = made.course.counts = copy.copy(self.counts)
        made.take(np.zeros(size, np.int64))
        return made

    def take(self, chosen: np.ndarray) -> None:
        """Go on with some courses alone [S']; one may be taken many times."""
        self.waiting = None
        self.course.take(chosen)
        self.memories = [each.taken(torch.from_numpy(chosen)) for each in self.memories]

    def _next(self) -> _Next:
        before = self.counts.before()
        persons = np.column_stack([before[name] for name in ("striker", "non_striker", "bowler")])
        place = np.column_stack([before["over"], before["phase"], np.full(len(persons), self.scene.lineup.innings)])
        ids = self.scene.rows.of(persons)
        return _Next(before, torch.from_numpy(ids), torch.from_numpy(place), torch.from_numpy(persons))


def next_persons(situation: Situation, lineup: Lineup) -> tuple[str, str, str | None]:
    """Ids of striker, other batter and bowler of the next ball: as the file says, or as it follows from the balls.

    The bowler is None where an over begins and the file does not say who bowls it.
    """
    if situation.next_persons is not None:
        return situation.next_persons
    size, people = 1, (len(lineup.batters), len(lineup.bowlers))
    counts = Counts(size, *people, overs_limit=lineup.overs_limit, second=lineup.innings == 2)
    course = Course(counts, lineup.attack, lineup.first_phase, np.array([situation.target]))
    _replay(course, situation, lineup, counts.advance)
    bowler = lineup.bowlers[course.bowler[0]] if situation.at.ball_in_over else None
    return lineup.batters[course.striker[0]], lineup.batters[course.non_striker[0]], bowler


def taken_up(model: Model, scene: Scene, situation: Situation, persons: tuple[str, str, str | None]) -> InPlay:
    """One course of an innings in progress, after the balls that were played.

    persons: who plays the next ball; the scene's lineup must count them among those who have come in.
    """
    lineup = scene.lineup
    play = InPlay(model, scene, np.array([situation.target]))
    _replay(play.course, situation, lineup, play.add)
    striker, other = (lineup.batters.index(each) for each in persons[:2])
    bowler = None if persons[2] is None else lineup.bowlers.index(persons[2])
    at = situation.at
    # where the file says who plays on, somebody has come back
    deserted = situation.next_persons is None and bool(play.course.deserted[0])
    play.course.place(at.over, at.ball_in_over, (striker, other, bowler), lineup.next_in, deserted=deserted)
    return play


def _replay(course: Course, situation: Situation, lineup: Lineup, count: Callable[[Columns], object]) -> None:
    """Play the balls that were played."""
    balls, players = situation.played.balls, situation.played.players
    batters, bowlers = ({each: number for number, each in enumerate(p)} for p in (lineup.batters, lineup.bowlers))
    arrived = 0
    for ball in range(len(situation.played)):
        striker, other = (batters[players[balls[end][ball]]] for end in ("striker", "non_striker"))
        bowler = bowlers[players[balls["bowler"][ball]]]
        arrived = max(arrived, striker + 1, other + 1)
        course.place(int(balls["over"][ball]), int(balls["ball_in_over"][ball]), (striker, other, bowler), arrived)
        course.face()
        kind = {name: values[ball : ball + 1] for name, values in situation.kinds.items()}
        count(kind)
        course.after(kind, None)


def play_out(play: InPlay, draw: Draw, worm: np.ndarray) -> Played:
    """Play all courses to their ends. worm [FULL_OVERS]: runs after the overs so far, 0 for those to come."""
    size, course = play.counts.size, play.course
    where = np.arange(size)
    ends = {name: play.counts.now[name].copy() for name in ("runs", "wickets", "legal_balls")}
    worms = np.tile(worm, (size, 1))
    number = 0
    course.next_bowler(draw(number)[:, 2])
    while not course.finished.all():
        live = ~course.finished
        if live.mean() < STILL_PLAYED:
            play.take(np.flatnonzero(live))
            where, live = where[live], live[live]
        number += 1
        uniform = draw(number)[where]
        course.face()
        over = play.counts.now["over"]
        outcome = _drawn(play.log_probabilities().numpy(), uniform[:, 0])
        kind = play.model.extras.draw(outcome, play.counts.now["phase"], uniform[:, 1])
        play.add(kind)
        course.after(kind, uniform[:, 2])
        for name, values in ends.items():
            values[where[live]] = play.counts.now[name][live]
        worms[where[live], over[live]] = play.counts.now["runs"][live]
    # what is not bowled any more adds nothing
    return Played(ends["runs"], ends["wickets"], ends["legal_balls"], np.maximum.accumulate(worms, 1))


def _drawn(log_probability: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    """Outcomes [S] by numbers in [0, 1)."""
    after = np.cumsum(np.exp(log_probability.astype(np.float64)), 1)
    place = (after <= (uniform * after[:, -1])[:, None]).sum(1)
    return np.minimum(place, after.shape[1] - 1)


def worm_of(innings: Innings) -> np.ndarray:
    """Runs after each over of an innings' balls so far [FULL_OVERS], that of an over in progress included."""
    found = np.zeros(FULL_OVERS, np.int64)
    balls = innings.balls
    np.maximum.at(found, balls["over"], balls["runs"].astype(np.int64) + balls["runs_total"])
    return found


_NO_TABLE = pl.DataFrame(schema=INNINGS_TYPES)


def _container(columns: Columns) -> Innings:
    unknown = np.full(len(columns["over"]), NO_OUTCOME)
    return Innings(_NO_TABLE, {"outcome": unknown, **columns}, (), (), ())
