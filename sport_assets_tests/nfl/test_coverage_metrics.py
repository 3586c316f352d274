import numpy as np
import pytest

from sport_assets.nfl import coverage_metrics

LABELS = np.array([1, 0, -1, 0, 1, 0, 0, -1], np.int8)
FOUND = np.array([0.9, 0.2, 0.99, 0.6, 0.6, 0.1, 0.3, 0.0])


def test_equal_to_counting() -> None:
    """Of the six plays with a label, five are told right; of the eight pairs, one is a tie."""
    found = coverage_metrics.summary(FOUND, LABELS)
    given = [0.9, 0.8, 0.4, 0.6, 0.9, 0.7]
    assert found == {
        "predicted": True,
        "labelled_plays": 6,
        "man_plays": 2,
        "zone_plays": 4,
        "accuracy": pytest.approx(5 / 6),
        "majority_class_share": pytest.approx(4 / 6),
        "balanced_accuracy": pytest.approx((1 + 3 / 4) / 2),
        "auc": pytest.approx(7.5 / 8),
        "log_loss": pytest.approx(-np.log(given).mean()),
        "log_loss_of_shares": pytest.approx(-(np.log(2 / 6) * 2 + np.log(4 / 6) * 4) / 6),
    }


def test_auc_is_the_share_of_pairs_in_order() -> None:
    generator = np.random.default_rng(0)
    for digits in (1, 8):
        score = generator.random(60).round(digits)
        positive = generator.random(60) < 0.3
        pairs = [(a > b) + 0.5 * (a == b) for a in score[positive] for b in score[~positive]]
        assert coverage_metrics.auc(score, positive) == pytest.approx(np.mean(pairs))
    with pytest.raises(ValueError, match="both classes"):
        coverage_metrics.auc(score, np.ones(60, bool))


def test_without_labels_or_without_a_model_there_are_counts_alone() -> None:
    unknown = np.full(3, -1, np.int8)
    counts = {"labelled_plays": 0, "man_plays": 0, "zone_plays": 0}
    assert coverage_metrics.summary(FOUND[:3], unknown) == {"predicted": True, **counts}
    assert coverage_metrics.summary(None, unknown) == {"predicted": False, **counts}
    assert coverage_metrics.summary(None, LABELS)["labelled_plays"] == 6


def test_one_class_alone_has_no_auc() -> None:
    found = coverage_metrics.summary(FOUND[[1, 3]], LABELS[[1, 3]])
    assert (found["auc"], found["balanced_accuracy"], found["majority_class_share"]) == (None, None, 1.0)


@pytest.mark.parametrize("value", [np.nan, 1.5, -0.1])
def test_what_is_no_probability_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="from 0 to 1"):
        coverage_metrics.summary(np.array([value]), np.array([1]))
