"""What comes beside the outcome: learned as it was seen, drawn as often."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sport_assets.cricket.extras import COLUMNS, PLAIN_RUNS, Extras
from sport_assets.cricket.innings import Innings
from sport_assets.cricket.labels import OUTCOMES, WICKET
from sport_assets_tests.cricket import several_matches


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Innings:
    return several_matches.innings(tmp_path_factory.mktemp("matches"), matches=40)


@pytest.fixture(scope="module")
def extras(made: Innings) -> Extras:
    return Extras.learn(made)


def test_shares_are_of_the_class_in_the_phase(extras: Extras) -> None:
    for number in range(len(OUTCOMES)):
        own = extras.kinds[:, 0] == number
        np.testing.assert_allclose(extras.shares[:, own].sum(1), 1)
    assert extras.shares.min() > 0


def test_drawn_as_often_as_seen(made: Innings, extras: Extras) -> None:
    dots = made.balls["outcome"] == 0
    seen = (made.balls["wides"][dots] > 0).mean()
    draw = np.random.default_rng(0)
    count = 40_000
    phase = made.balls["phase"][dots][draw.integers(0, dots.sum(), count)]
    found = extras.draw(np.zeros(count, np.int64), phase, draw.random(count))
    assert set(found) == set(COLUMNS)
    assert (found["wides"] > 0).mean() == pytest.approx(seen, abs=0.01)
    wickets = extras.draw(np.full(count, WICKET), phase, draw.random(count))
    assert (wickets["wickets_fallen"] == 1).all()
    assert 0.005 < wickets["non_striker_out"].mean() < 0.1
    assert 0.8 < wickets["credited"].mean() < 0.99


def test_each_draw_is_of_its_class(extras: Extras) -> None:
    outcome = np.repeat(np.arange(len(OUTCOMES)), 101)
    uniform = np.tile(np.linspace(0, 1, 102)[:-1], len(OUTCOMES))
    found = extras.draw(outcome, np.full(len(outcome), 2), uniform)
    np.testing.assert_array_equal(found["outcome"], outcome)


def test_nothing_seen_leaves_the_plain_kinds(made: Innings) -> None:
    extras = Extras.learn(made.select(set()))
    assert extras.kinds[:, :2].tolist() == [[number, runs] for number, runs in enumerate(PLAIN_RUNS)]
    assert (extras.shares == 1).all()


def test_read_back(extras: Extras, tmp_path: Path) -> None:
    again = Extras.from_content(extras.content())
    np.testing.assert_array_equal(again.kinds, extras.kinds)
    np.testing.assert_allclose(again.shares, extras.shares, atol=1e-9)
    with pytest.raises(ValueError, match="columns"):
        Extras.from_content({**extras.content(), "columns": ["outcome"]})
