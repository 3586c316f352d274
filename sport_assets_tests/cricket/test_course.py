"""The laws as far as a simulation keeps them: strike, new batters, overs, bowlers, the end of an innings."""

from __future__ import annotations

import numpy as np
import pytest

from sport_assets.cricket.course import Attack, Course, phases_of
from sport_assets.cricket.extras import COLUMNS
from sport_assets.cricket.innings_counts import Counts


def course(size: int = 1, batters: int = 11, overs: int = 20, target: int = 0) -> Course:
    counts = Counts(size, batters, 6, overs_limit=overs, second=target > 0)
    made = Course(counts, Attack.of(np.ones((5, 6)), overs), 0, np.full(size, target))
    made.next_bowler(np.full(size, 0.1))
    return made


def play(made: Course, **kind: int) -> None:
    size = made.counts.size
    told = {name: np.full(size, kind.get(name, 0)) for name in COLUMNS}
    made.face()
    made.counts.advance(told)
    made.after(told, np.linspace(0.05, 0.95, size))


def at_the_crease(made: Course) -> tuple[int, int]:
    return int(made.striker[0]), int(made.non_striker[0])


@pytest.mark.parametrize(
    ("kind", "crossed"),
    [
        ({"runs_batter": 1}, True),
        ({"runs_batter": 4}, False),
        ({"runs_batter": 3}, True),
        ({"wides": 1}, False),
        ({"wides": 2}, True),
        ({"wides": 5}, False),
        ({"noballs": 1}, False),
        ({"noballs": 1, "runs_batter": 1}, True),
        ({"other": 1}, True),
        ({"other": 5}, False),
    ],
)
def test_batters_change_ends_after_odd_runs_that_were_run(kind: dict[str, int], crossed: bool) -> None:
    made = course()
    play(made, **kind)
    assert at_the_crease(made) == ((1, 0) if crossed else (0, 1))


def test_a_new_batter_takes_the_place_of_who_is_out() -> None:
    made = course()
    play(made, wickets_fallen=1)
    assert at_the_crease(made) == (2, 1)
    play(made, wickets_fallen=1, non_striker_out=1)
    assert at_the_crease(made) == (2, 3)


def test_an_over_has_six_legal_balls_and_another_bowler() -> None:
    made = course()
    first = int(made.bowler[0])
    for wides in (0, 0, 1, 0, 0, 0):
        play(made, wides=wides)
    assert (made.over[0], made.ball_in_over[0], int(made.bowler[0])) == (0, 6, first)
    play(made)
    assert (made.over[0], made.ball_in_over[0]) == (1, 0)
    assert int(made.bowler[0]) != first and at_the_crease(made) == (1, 0)


def test_bowlers_keep_to_the_law() -> None:
    made = course(size=200)
    bowlers = []
    for _ in range(20):
        bowlers.append(made.bowler.copy())
        for _ in range(6):
            play(made)
    each = np.stack(bowlers, 1)
    assert made.finished.all()
    assert (each[:, 1:] != each[:, :-1]).all()
    most = np.stack([(each == number).sum(1) for number in range(6)], 1).max(1)
    assert (most <= 4).mean() > 0.98 and len(np.unique(each[:, 1])) > 1


def test_who_may_not_bowl_does_so_where_nobody_else_can() -> None:
    alone = Attack.of(np.ones((5, 2)), 20)
    phases, bowled = np.zeros(2, np.int64), np.array([[4, 4], [9, 9]])
    assert alone.draw(phases, np.array([0, 1]), bowled, np.array([0.3, 0.9])).tolist() == [1, 0]
    one = Attack.of(np.ones((5, 1)), 20)
    assert one.draw(phases[:1], np.array([0]), np.array([[3]]), np.array([0.5])).tolist() == [0]


def test_weights_tell_who_bowls() -> None:
    made = Attack.of(np.array([[3.0, 1.0, 1e-9]] * 5), 20)
    uniform = np.linspace(0, 1, 4001)[:-1]
    drawn = made.draw(np.zeros(4000, np.int64), np.full(4000, -1), np.zeros((4000, 3), np.int64), uniform)
    np.testing.assert_allclose(np.bincount(drawn, minlength=3) / 4000, [0.75, 0.25, 0], atol=0.002)


@pytest.mark.parametrize(
    ("kinds", "target", "overs"),
    [
        ([{}] * 6, 0, 1),
        ([{"wickets_fallen": 1}] * 10, 0, 20),
        ([{"runs_batter": 6}] * 2, 12, 20),
    ],
)
def test_an_innings_ends(kinds: list[dict[str, int]], target: int, overs: int) -> None:
    made = course(target=target, overs=overs)
    for kind in kinds:
        assert not made.finished[0]
        play(made, **kind)
    assert made.finished[0]


def test_an_innings_that_nobody_can_go_on_with_stays_over() -> None:
    made = course(size=2, batters=3)
    for _ in range(2):
        assert not made.finished.any()
        play(made, wickets_fallen=1)
    assert made.finished.all()
    play(made, runs_batter=1)
    assert made.finished.all()
    made.take(np.array([1]))
    play(made)
    assert made.finished.all()
    made.place(0, 4, (0, 1, 0), 3)
    assert not made.finished.any(), "who was told to play on has come back"


def test_who_bowled_the_over_before_does_not_bowl_where_a_simulation_starts() -> None:
    made = course(size=500)
    made.place(2, 0, (0, 1, 3), 2)
    made.place(3, 0, (0, 1, None), 2)
    made.next_bowler(np.linspace(0, 0.999, 500))
    assert set(made.bowler.tolist()) == {0, 1, 2, 4, 5}
    assert (made.bowled.sum(1) == 3).all() and not made.undrawn.any()


def test_a_phase_does_not_come_back() -> None:
    assert phases_of(20, 0).tolist() == [0] * 6 + [1] * 5 + [2] * 5 + [3] * 2 + [4] * 2
    assert phases_of(20, 2)[:8].tolist() == [2] * 8
