"""Calibration finds the scaling that made log odds wrong, never makes the fitted balls worse, and keeps its bytes."""

from pathlib import Path

import numpy as np
import pytest

from sport_assets.cricket.calibration import Calibration, Method, fit, log_softmax
from sport_assets.cricket.metrics import calibration_error, log_loss


@pytest.fixture(scope="module")
def true_odds() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(40_000, 7)) + np.array([2.0, 1.5, 0.0, -2.5, 0.5, -0.5, -0.2])


@pytest.fixture(scope="module")
def outcome(true_odds: np.ndarray) -> np.ndarray:
    rng = np.random.default_rng(1)
    return np.asarray((log_softmax(true_odds) + rng.gumbel(size=true_odds.shape)).argmax(1))


def test_a_temperature_is_found(true_odds: np.ndarray, outcome: np.ndarray) -> None:
    found = fit(true_odds * 2.0, outcome, "temperature")
    assert found.scale == pytest.approx(np.full(7, 0.5), abs=0.02) and not found.shift.any()
    assert log_loss(np.exp(found.apply(true_odds * 2.0)), outcome) < log_loss(
        np.exp(log_softmax(2 * true_odds)), outcome
    )


def test_a_vector_mends_what_a_temperature_cannot(true_odds: np.ndarray, outcome: np.ndarray) -> None:
    wrong = true_odds * 1.3 + np.array([0.4, 0, 0, 0, 0, -0.6, 0.5])
    errors = {}
    methods: tuple[Method, ...] = ("none", "temperature", "vector")
    for method in methods:
        errors[method] = calibration_error(np.exp(fit(wrong, outcome, method).apply(wrong)), outcome)
    # bins of 4,000 balls are off by about 0.005 by chance
    assert errors["vector"] < 0.008 < 0.015 < errors["temperature"] < errors["none"]


def test_what_is_right_stays_and_few_balls_change_little(true_odds: np.ndarray, outcome: np.ndarray) -> None:
    found = fit(true_odds, outcome, "vector")
    assert np.abs(found.scale - 1).max() < 0.05 and np.abs(found.shift).max() < 0.05
    few = fit(true_odds[:20] * 5, outcome[:20], "vector")
    assert np.abs(few.scale - 1).max() < 0.1 and np.abs(few.shift).max() < 0.1
    assert fit(true_odds[:0], outcome[:0], "vector").scale.tolist() == [1.0] * 7


def test_it_is_read_as_it_was_written(true_odds: np.ndarray, outcome: np.ndarray, tmp_path: Path) -> None:
    found = fit(true_odds, outcome, "vector")
    found.save(tmp_path / "a.json")
    again = Calibration.load(tmp_path / "a.json")
    again.save(tmp_path / "b.json")
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert np.array_equal(again.apply(true_odds), found.apply(true_odds))
    assert np.exp(found.apply(true_odds)).sum(1) == pytest.approx(np.ones(len(true_odds)))
