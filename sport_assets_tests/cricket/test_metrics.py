"""Metrics against reference implementations, and what the truth itself scores."""

import numpy as np
import pytest

from sport_assets.cricket import metrics
from sport_assets.cricket.labels import WICKET


@pytest.fixture(scope="module")
def balls() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    p = rng.dirichlet([4, 4, 1, 0.3, 1, 0.5, 0.4], size=3000)
    y = (p.cumsum(1) > rng.random((3000, 1))).argmax(1)
    return p, y


def test_against_references(balls: tuple[np.ndarray, np.ndarray]) -> None:
    from sklearn import metrics as reference

    p, y = balls
    found = metrics.summarise(p, y)
    plain = p.argmax(1)
    assert found["log_loss"] == pytest.approx(reference.log_loss(y, p, labels=list(range(7))))
    assert found["wicket_auc"] == pytest.approx(reference.roc_auc_score(y == WICKET, p[:, WICKET]))
    assert found["accuracy"] == pytest.approx(reference.accuracy_score(y, plain))
    assert found["macro_f1"] == pytest.approx(reference.f1_score(y, plain, average="macro"))
    assert found["weighted_f1"] == pytest.approx(reference.f1_score(y, plain, average="weighted"))
    one_by_one = [((row - np.eye(7)[label]) ** 2).sum() for row, label in zip(p, y, strict=True)]
    assert found["brier"] == pytest.approx(np.mean(one_by_one))
    score = 0.0
    place = {kind: number for number, kind in enumerate(metrics.RUN_ORDER)}
    for row, label in zip(p, y, strict=True):
        for step in range(6):
            below = sum(row[kind] for kind in metrics.RUN_ORDER[: step + 1])
            score += (below - (place[label] <= step)) ** 2
    assert found["ranked_probability_score"] == pytest.approx(score / 6 / len(y))
    runs = np.array([0, 1, 2, 3, 4, 6, 0])
    assert found["run_bias"] == pytest.approx((p @ runs - runs[y]).mean())


def test_calibration_in_bins_of_equal_mass(balls: tuple[np.ndarray, np.ndarray]) -> None:
    p, y = balls
    from sklearn.calibration import calibration_curve

    for kind, error in enumerate(metrics.calibration_errors(p, y)):
        frequency, forecast = calibration_curve(y == kind, p[:, kind], n_bins=10, strategy="quantile")
        assert error == pytest.approx(np.abs(frequency - forecast).mean(), abs=1e-3)
    assert metrics.calibration_error(p, y) < 0.02
    table = metrics.reliability(p, y)
    assert len(table) == 70 and table["balls"].sum() == 7 * len(y)
    wrong = np.roll(p, 1, axis=1)
    assert metrics.calibration_error(wrong, y) > 0.05


def test_the_truth_scores_best(balls: tuple[np.ndarray, np.ndarray]) -> None:
    _, y = balls
    found = metrics.summarise(np.eye(7)[y], y, reference=np.full((len(y), 7), 1 / 7))
    best_is_one = {"wicket_auc", "accuracy", "macro_f1", "weighted_f1", "macro_f1_tuned", "weighted_f1_tuned"}
    for name, value in found.items():
        assert value == pytest.approx(1.0 if name in {*best_is_one, "skill_over"} else 0.0, abs=1e-9), name


def test_the_decision_rule_moves_f1_and_no_probability(balls: tuple[np.ndarray, np.ndarray]) -> None:
    rng = np.random.default_rng(1)
    prior = np.array([0.37, 0.36, 0.07, 0.005, 0.1, 0.04, 0.055])
    p = rng.dirichlet(prior * 40, size=4000)
    y = (p.cumsum(1) > rng.random((4000, 1))).argmax(1)
    power = metrics.tune_power(p, y, prior)
    assert power > 0
    found = metrics.summarise(p, y, power=power, prior=prior)
    assert found["macro_f1_tuned"] > found["macro_f1"] + 0.02
    assert metrics.summarise(p, y)["macro_f1_tuned"] == found["macro_f1"]


def test_groups(balls: tuple[np.ndarray, np.ndarray]) -> None:
    p, y = balls
    loss = metrics.losses(p, y)
    first = np.arange(len(y)) < 100
    table = metrics.by_group(loss, {"first": first, "rest": ~first, "none": np.zeros(len(y), bool)})
    assert table["group"].to_list() == ["first", "rest"] and table["balls"].to_list() == [100, 2900]
    assert np.average(table["log_loss"], weights=table["balls"]) == pytest.approx(metrics.log_loss(p, y))


def test_every_ball_is_in_one_phase_one_innings_and_one_group_of_experience() -> None:
    rng = np.random.default_rng(2)
    state = {"phase": rng.integers(5, size=500), "second_innings": rng.integers(2, size=500)}
    faced = np.where(rng.random(500) < 0.2, 0.0, rng.exponential(300, 500))
    found = metrics.groups(state, faced)
    for kind in ("phase_", "innings_", "batter_"):
        masks = [mask for name, mask in found.items() if name.startswith(kind)]
        assert (np.sum(masks, axis=0) == 1).all(), kind
    assert (found["batter_unknown"] == (faced == 0)).all()


def test_what_are_no_probabilities_is_refused(balls: tuple[np.ndarray, np.ndarray]) -> None:
    p, y = balls
    for wrong in (p[:, :6], p * 2, np.where(p > 0.9, np.nan, p) - 1, p[:5]):
        with pytest.raises(ValueError, match=r"probabilities|forecast"):
            metrics.log_loss(wrong, y)
    with pytest.raises(ValueError, match="without an outcome"):
        metrics.log_loss(p, np.where(np.arange(len(y)) == 3, -1, y))
    assert np.isnan(metrics.wicket_auc(p, np.zeros(len(y), int)))
