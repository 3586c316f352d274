import numpy as np
import pytest

from sport_assets.nfl import metrics


@pytest.fixture
def truth() -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(3)
    target = generator.uniform(0, 100, (7, 5, 16, 2)).astype(np.float32)
    lengths = generator.integers(0, 17, (7, 5))
    lengths[0, 0] = 16
    return target, np.arange(16) < lengths[:, :, None]


@pytest.mark.parametrize("frames", [None, 10])
def test_truth_as_prediction_has_no_error(truth: tuple[np.ndarray, np.ndarray], frames: int | None) -> None:
    target, mask = truth
    values = metrics.summarise(metrics.play_errors(target.copy(), target, mask, frames))
    assert {name: float(value) for name, value in values.items()} == dict.fromkeys(metrics.METRICS, 0.0)


@pytest.mark.parametrize("frames", [None, 10])
def test_equal_to_loops(truth: tuple[np.ndarray, np.ndarray], frames: int | None) -> None:
    target, mask = truth
    prediction = target + np.random.default_rng(4).normal(0, 1.2, target.shape)
    distances, finals, squares = [], [], []
    for play in range(7):
        for slot in range(5):
            path = []
            for frame in range(16 if frames is None else frames):
                if mask[play, slot, frame]:
                    dx, dy = prediction[play, slot, frame] - target[play, slot, frame].astype(float)
                    path.append(np.hypot(dx, dy))
                    squares.append(dx * dx + dy * dy)
            distances += path
            finals += path[-1:]
    values = metrics.summarise(metrics.play_errors(prediction, target, mask, frames))
    assert values["ade"] == pytest.approx(np.mean(distances))
    assert values["fde"] == pytest.approx(np.mean(finals))
    assert values["miss_rate_2yd"] == pytest.approx(np.mean([final > 2 for final in finals]))
    assert values["rmse"] == pytest.approx(np.sqrt(sum(squares) / (2 * len(squares))))
    assert values["rms_distance"] == pytest.approx(np.sqrt(np.mean(squares)))
    assert 0 < values["miss_rate_2yd"] < 1


def test_what_is_masked_has_no_effect(truth: tuple[np.ndarray, np.ndarray]) -> None:
    target, mask = truth
    prediction = target + 1.0
    spoilt = np.where(mask[..., None], prediction, np.nan)
    before = metrics.summarise(metrics.play_errors(prediction, target, mask))
    assert before == metrics.summarise(metrics.play_errors(spoilt, target, mask))


def test_a_prediction_that_is_no_number_is_refused(truth: tuple[np.ndarray, np.ndarray]) -> None:
    target, mask = truth
    prediction = target.copy()
    prediction[0, 0, 0, 0] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        metrics.play_errors(prediction, target, mask)


def test_intervals_hold_the_value_and_are_seeded(truth: tuple[np.ndarray, np.ndarray]) -> None:
    target, mask = truth
    prediction = target + np.random.default_rng(5).normal(0, 1, target.shape)
    weights = metrics.bootstrap_weights(7, 500, seed=1)
    assert (weights.sum(1) == 7).all()
    np.testing.assert_array_equal(weights, metrics.bootstrap_weights(7, 500, seed=1))
    assert not np.array_equal(weights, metrics.bootstrap_weights(7, 500, seed=2))
    row = metrics.intervals(metrics.play_errors(prediction, target, mask), weights)
    for name in metrics.METRICS:
        assert row[name]["low"] < row[name]["value"] < row[name]["high"], name


def test_a_resample_is_the_metric_of_the_plays_drawn(truth: tuple[np.ndarray, np.ndarray]) -> None:
    target, mask = truth
    prediction = target + np.random.default_rng(5).normal(0, 1, target.shape)
    weights = metrics.bootstrap_weights(7, 3, seed=1)
    resampled = metrics.summarise(metrics.play_errors(prediction, target, mask), weights)
    for row, drawn in enumerate(weights):
        chosen = np.repeat(np.arange(7), drawn.astype(int))
        values = metrics.summarise(metrics.play_errors(prediction[chosen], target[chosen], mask[chosen]))
        for name in metrics.METRICS:
            assert resampled[name][row] == pytest.approx(values[name]), name


def test_paired_difference_of_equal_predictions_is_zero(truth: tuple[np.ndarray, np.ndarray]) -> None:
    target, mask = truth
    weights = metrics.bootstrap_weights(7, 50, seed=1)
    good, bad = (metrics.play_errors(target + shift, target, mask) for shift in (0.1, 0.4))
    assert metrics.paired_difference(good, good, weights) == {"value": 0.0, "low": 0.0, "high": 0.0}
    assert metrics.paired_difference(good, bad, weights)["high"] < 0
