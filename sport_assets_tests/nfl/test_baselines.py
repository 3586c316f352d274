from pathlib import Path

import numpy as np
import pytest

from sport_assets.nfl import baselines, features, metrics
from sport_assets.nfl import plays as plays_of
from sport_assets.nfl.baselines import Batch
from sport_assets.nfl.tensors import PlayTensors
from sport_assets_tests.nfl.example import plays


@pytest.fixture
def batch() -> Batch:
    tensors = plays()
    return tensors.pad(np.arange(len(tensors)))


def one_player(batch: Batch, play: int, slot: int, name: str) -> np.ndarray:
    """A scalar loop over the formulas of the baselines, for one player of one play."""
    history, observed = batch["history"][play, slot].astype(float), batch["observed"][play, slot]
    last = max(np.nonzero(observed)[0])
    seen = [t for t in range(20 - baselines.ACCELERATION_FRAMES, 20) if observed[t]]
    acceleration = np.zeros(2)
    if len(seen) >= 2:
        for axis in range(2):
            acceleration[axis] = np.polyfit([t / 10 for t in seen], history[seen, 2 + axis], 1)[0]
    age = (19 - last) / 10
    position, velocity = history[last, :2], history[last, 2:4]
    tau = baselines.DAMPING_S

    def damped(elapsed: float) -> np.ndarray:
        gain = tau * (elapsed - tau * (1 - np.exp(-elapsed / tau)))
        return position + velocity * elapsed + acceleration * gain

    path = []
    duration = batch["frames"][play] / 10
    for frame in range(1, batch["target"].shape[2] + 1):
        elapsed = frame / 10 + age
        if name == "standing_still":
            path.append(position)
        elif name == "constant_velocity":
            path.append(position + velocity * elapsed)
        elif name == "constant_acceleration":
            path.append(position + velocity * elapsed + acceleration * elapsed**2 / 2)
        else:
            there = damped(elapsed)
            if batch["player"][play, slot, 0]:
                gap = batch["play"][play, :2] - damped(duration + age)
                there = there + baselines.LANDING_SHARE * gap * min(frame / 10 / duration, 1) ** 2
            path.append(there)
    return np.array(path)


@pytest.mark.parametrize("name", list(baselines.BASELINES))
def test_equal_to_a_loop_over_players(batch: Batch, name: str) -> None:
    forecast = baselines.BASELINES[name](batch)
    assert forecast.shape == batch["target"].shape
    for play, slot in np.argwhere(batch["player_mask"]):
        np.testing.assert_allclose(forecast[play, slot], one_player(batch, play, slot, name), atol=1e-5)


def test_some_players_were_not_seen_at_the_throw(batch: Batch) -> None:
    assert (~batch["observed"][:, :, -1] & batch["player_mask"]).any()


def test_the_targeted_receiver_closes_the_stated_share_of_the_gap(batch: Batch) -> None:
    with_landing = baselines.damped_landing(batch)
    without = baselines.damped_acceleration(batch)
    for play, frames in enumerate(batch["frames"]):
        landing = batch["play"][play, :2]
        gap = landing - without[play, 0, frames - 1]
        left = landing - with_landing[play, 0, frames - 1]
        np.testing.assert_allclose(left, (1 - baselines.LANDING_SHARE) * gap, atol=1e-6)
        np.testing.assert_array_equal(with_landing[play, 1:], without[play, 1:])


def test_a_straight_run_is_forecast_without_error() -> None:
    tensors = plays(late=False)
    batch = tensors.pad(np.arange(len(tensors)))
    batch["history"][..., 2:4] = [6.0, -2.0]
    batch["history"][..., :2] = 40 + np.arange(-19, 1)[:, None] / 10 * np.array([6.0, -2.0])
    ahead = 40 + baselines.horizon_times(batch["target"].shape[2])[:, None] * np.array([6.0, -2.0])
    for name in ("constant_velocity", "constant_acceleration"):
        forecast = baselines.BASELINES[name](batch)[batch["player_mask"]]
        np.testing.assert_allclose(forecast, np.broadcast_to(ahead, forecast.shape), atol=1e-4)


@pytest.mark.real_data
def test_figures_on_the_highlights_of_2019(real_data: Path) -> None:
    """ADE over all 211 plays, full horizon and 10 frames; better constants are welcome, worse ones are not."""
    train = real_data / "nfl" / "ngs_highlights" / "train"
    parts = []
    for file in sorted(train.glob("input_*")):
        clean = plays_of.clean_week(plays_of.read_week(file, train / file.name.replace("input", "output")))
        assert clean.output is not None
        tracking = plays_of.standardise(clean.input.clean)
        parts.append(features.build(tracking, plays_of.standardise_targets(clean.output.clean, tracking)))
    tensors = PlayTensors.concatenate(parts)
    batch = tensors.pad(np.arange(len(tensors)))
    assert len(tensors) == 211
    for name, limits in {
        "constant_velocity": (1.33, 0.56),
        "constant_acceleration": (1.15, 0.29),
        "damped_landing": (0.62, 0.27),
    }.items():
        forecast = baselines.BASELINES[name](batch)
        for frames, limit in zip((None, 10), limits, strict=True):
            errors = metrics.play_errors(forecast, batch["target"], batch["target_mask"], frames)
            assert limit - 0.03 < metrics.summarise(errors)["ade"] < limit, (name, frames)
