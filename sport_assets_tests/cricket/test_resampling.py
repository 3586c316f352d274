"""Intervals that cover, and tests that find what is not there in at most 7 of 100 cases."""

import numpy as np
import pytest

from sport_assets.cricket.resampling import holm, interval, match_sums, skill_interval, two_way

MATCHES, BALLS, SEEDS = 120, 30, 5


def losses(rng: np.random.Generator, effect: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Losses of two models of several seeds: matches and seeds are alike within, balls are noisy."""
    match = np.repeat(np.arange(MATCHES), BALLS)
    shared = rng.normal(0, 1, len(match))
    found = []
    for added in (0.0, effect):
        by_match = rng.normal(0, 0.02, MATCHES)[match]
        by_seed = rng.normal(0, 0.004, (SEEDS, 1)) + rng.normal(0, 0.01, (SEEDS, MATCHES))[:, match]
        found.append(shared + by_match + by_seed + added + rng.normal(0, 0.05, (SEEDS, len(match))))
    return found[0], found[1], match


def test_false_positives_are_seven_in_a_hundred_at_most() -> None:
    rng = np.random.default_rng(7)
    trials = 600
    wrong = sum(two_way(*losses(rng), resamples=200).p_value < 0.05 for _ in range(trials))
    assert wrong / trials <= 0.07
    assert wrong / trials >= 0.01, "a test that never finds anything is none"


def test_holm_keeps_the_rate_over_a_family() -> None:
    rng = np.random.default_rng(8)
    wrong = 0
    for _ in range(100):
        family = {str(number): two_way(*losses(rng), resamples=100).p_value for number in range(4)}
        wrong += min(holm(family).values()) < 0.05
    assert wrong <= 10


def test_a_test_on_balls_would_find_much_that_is_not_there() -> None:
    rng = np.random.default_rng(9)
    wrong = 0
    for _ in range(100):
        one, other, match = losses(rng)
        difference = one[0] - other[0]
        wrong += abs(difference.mean()) > 1.96 * difference.std() / np.sqrt(len(match))
    assert wrong > 20


def test_a_true_difference_is_found() -> None:
    rng = np.random.default_rng(10)
    found = [two_way(*losses(rng, effect=-0.03), resamples=200) for _ in range(20)]
    assert sum(each.resolved and each.value > 0 for each in found) >= 18


def test_an_interval_over_matches_covers() -> None:
    rng = np.random.default_rng(11)
    match = np.repeat(np.arange(MATCHES), BALLS)
    covered = 0
    for _ in range(200):
        values = 0.3 + rng.normal(0, 0.2, MATCHES)[match] + rng.normal(0, 1, len(match))
        found = interval(values, match, resamples=300)
        covered += found.low <= 0.3 <= found.high
    assert 180 <= covered <= 199


def test_values_and_sums() -> None:
    match = np.array(["b", "a", "b"])
    sums, balls = match_sums(np.array([[1.0, 2.0, 3.0]]), match)
    assert sums.tolist() == [[2.0, 4.0]] and balls.tolist() == [1, 2]
    assert interval(np.array([1.0, 2.0, 3.0]), match, resamples=50).value == 2.0
    same = np.ones((3, 3))
    found = two_way(same, same, match, resamples=20)
    assert (found.value, found.p_value, found.resolved) == (0.0, 1.0, False)
    with pytest.raises(ValueError, match="needs at least two"):
        two_way(same[:1], same, match)


def test_skill_is_one_less_the_ratio_of_losses_in_the_same_matches() -> None:
    rng = np.random.default_rng(3)
    match = np.repeat(np.arange(30), rng.integers(5, 60, 30))
    reference = rng.gamma(2.0, 0.7, len(match)) * (1 + match / 30)
    own = reference * 0.9 + rng.normal(0, 0.02, len(match))
    found = skill_interval(own, reference, match, resamples=400, seed=8)
    assert found.value == pytest.approx(1 - own.mean() / reference.mean())
    drawn = np.random.default_rng(8).multinomial(30, np.full(30, 1 / 30), size=400)
    told = [1 - (own * times[match]).sum() / (reference * times[match]).sum() for times in drawn]
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(told, [0.025, 0.975])))
    assert found.high - found.low < 0.1 * (interval(own, match).high - interval(own, match).low), "they are paired"
    exact = skill_interval(reference, reference, match)
    assert (exact.value, exact.low, exact.high) == (0, 0, 0)


def test_holm_against_the_definition() -> None:
    assert holm({"a": 0.01, "b": 0.04, "c": 0.03}) == pytest.approx({"a": 0.03, "b": 0.06, "c": 0.06})
    assert holm({}) == {} and holm({"a": 0.9, "b": 0.8}) == {"a": 1.0, "b": 1.0}
