"""Baselines: frequencies as counted by hand, learning from train alone, and better the more they see."""

import tracemalloc

import numpy as np
import pytest

from sport_assets.cricket import baselines, features, metrics
from sport_assets.cricket.innings import Innings
from sport_assets_tests.cricket.several_matches import innings


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Innings:
    return innings(tmp_path_factory.mktemp("matches"), matches=60)


@pytest.fixture(scope="module")
def train(made: Innings) -> np.ndarray:
    return made.of_matches(made.match_ids[:45])


@pytest.fixture(scope="module")
def table(made: Innings) -> np.ndarray:
    return features.table(made)


def test_frequencies_as_counted_by_hand(made: Innings, train: np.ndarray) -> None:
    b = made.balls
    marginal = (np.bincount(b["outcome"][train], minlength=7) + 1) / (train.sum() + 7)
    found = {name: baselines.frequencies(made, train, name)(made, np.empty(0)) for name in baselines.LEVELS}
    np.testing.assert_allclose(found["marginal"], np.tile(marginal, (len(made), 1)))
    rng = np.random.default_rng(0)
    for ball in rng.integers(len(made), size=40):
        rate = marginal
        cell = train.copy()
        for name in ("over", "second_innings", "wickets"):
            cell = cell & (b[name] == b[name][ball])
            counts = np.bincount(b["outcome"][cell], minlength=7)
            rate = (counts + 50 * rate) / (counts.sum() + 50)
            if name == "over":
                np.testing.assert_allclose(found["over"][ball], rate)
        np.testing.assert_allclose(found["over_innings_wickets"][ball], rate)
        in_phase = np.bincount(b["outcome"][train & (b["phase"] == b["phase"][ball])], minlength=7)
        np.testing.assert_allclose(found["phase"][ball], (in_phase + 50 * marginal) / (in_phase.sum() + 50))


def test_held_out_balls_teach_nothing(made: Innings, train: np.ndarray, table: np.ndarray) -> None:
    outcome = made.balls["outcome"]
    other = Innings(
        made.table,
        {**made.balls, "outcome": np.where(train, outcome, 6).astype(np.int32)},
        made.players,
        made.teams,
        made.venues,
    )
    for name in baselines.LEVELS:
        one, two = (baselines.frequencies(each, train, name)(made, table) for each in (made, other))
        np.testing.assert_array_equal(one, two)


def test_the_more_is_seen_the_better(made: Innings, train: np.ndarray, table: np.ndarray) -> None:
    outcome = made.balls["outcome"]
    forecasts = {name: baselines.frequencies(made, train, name) for name in ("marginal", "over")}
    forecasts["regression"] = baselines.logistic_regression(table[train], outcome[train])
    test = made.select(made.match_ids[45:])
    loss = {
        name: metrics.log_loss(forecast(test, table[~train]), outcome[~train]) for name, forecast in forecasts.items()
    }
    assert loss["over"] < loss["marginal"] < np.log(7)
    assert loss["regression"] < loss["marginal"]


def test_a_class_that_training_never_saw_has_a_column(made: Innings, table: np.ndarray) -> None:
    outcome = made.balls["outcome"]
    some = outcome != 3
    found = baselines.logistic_regression(table[some][:2000], outcome[some][:2000])(made, table[:10])
    assert found.shape == (10, 7) and not found[:, 3].any()
    np.testing.assert_allclose(found.sum(1), 1, rtol=1e-5)


def test_regression_gives_the_same_bits_wherever_its_numbers_lie(
    made: Innings, train: np.ndarray, table: np.ndarray
) -> None:
    """Another version of the forecasts, and with it of all that stands on them, would come from the same input else."""
    features, outcome = table[train], made.balls["outcome"][train]
    expected = baselines.logistic_regression(features, outcome)(made, table[:500])
    for shift in (4, 12):  # bytes by which the copy is out of line
        room = np.empty(features.nbytes + 64, np.uint8)
        moved = room[shift : shift + features.nbytes].view(np.float32).reshape(features.shape)
        moved[:] = features
        assert np.array_equal(baselines.logistic_regression(moved, outcome)(made, table[:500]), expected)


def test_boosted_trees(made: Innings, train: np.ndarray, table: np.ndarray) -> None:
    outcome = made.balls["outcome"]
    first = made.of_matches(made.match_ids[:35])
    valid = train & ~first
    forecast = baselines.boosted_trees(table[first], outcome[first], table[valid], outcome[valid])
    found = forecast(made, table[~train])
    marginal = baselines.frequencies(made, train, "marginal")(made, table)[~train]
    assert metrics.log_loss(found, outcome[~train]) < metrics.log_loss(marginal, outcome[~train])


def test_a_regression_holds_its_features_once_in_double_precision(
    made: Innings, table: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(baselines, "REGRESSION_STEPS", 1)
    features = np.tile(table[:3000], (20, 1))
    outcome = np.tile(made.balls["outcome"][:3000], 20)
    baselines.logistic_regression(features[:50], outcome[:50])
    tracemalloc.start()
    baselines.logistic_regression(features, outcome)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.4 * features.size * 8
