import numpy as np
import pytest

from sport_assets.nfl import baselines, batches
from sport_assets.nfl.baselines import Batch
from sport_assets.nfl.tensors import HISTORY_FRAMES, PlayTensors
from sport_assets_tests.nfl.example import plays


@pytest.fixture
def tensors() -> PlayTensors:
    return plays()


@pytest.fixture
def batch(tensors: PlayTensors) -> Batch:
    return tensors.pad(np.arange(len(tensors)))


def test_mirrored_angles_are_180_degrees_minus_themselves(batch: Batch) -> None:
    mirrored = batches.mirror(batch)
    seen = batch["observed"]
    for x, y, turned in ((2, 3, "velocity"), (5, 6, "orientation")):
        before = np.degrees(np.arctan2(batch["history"][seen][:, x], batch["history"][seen][:, y]))
        after = np.degrees(np.arctan2(mirrored["history"][seen][:, x], mirrored["history"][seen][:, y]))
        np.testing.assert_allclose((180 - before - after + 180) % 360, 180, atol=1e-3, err_msg=turned)
    np.testing.assert_allclose(mirrored["history"][seen][:, 1], 53.3 - batch["history"][seen][:, 1], atol=1e-5)
    np.testing.assert_array_equal(mirrored["history"][~seen], 0)


def test_mirroring_twice_changes_nothing(batch: Batch) -> None:
    twice = batches.mirror(batches.mirror(batch))
    for name, value in batch.items():
        np.testing.assert_allclose(twice[name], value, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("name", list(baselines.BASELINES))
def test_the_forecast_of_a_mirrored_play_is_the_mirrored_forecast(batch: Batch, name: str) -> None:
    forecast = baselines.BASELINES[name](batch)
    forecast[..., 1] = batches.FIELD_WIDTH_YARDS - forecast[..., 1]
    mirrored = baselines.BASELINES[name](batches.mirror(batch))
    np.testing.assert_allclose(mirrored[batch["player_mask"]], forecast[batch["player_mask"]], atol=1e-4)


@pytest.mark.parametrize("frames", [1, 4, 10])
def test_an_earlier_start_asks_for_the_frames_it_hides(batch: Batch, frames: int) -> None:
    earlier = batches.start_earlier(batch, frames)
    assert earlier["target"].shape[2] == batch["target"].shape[2] + frames
    np.testing.assert_array_equal(earlier["frames"], batch["frames"] + frames)
    asked = 0
    for play, slot in np.argwhere(earlier["to_predict"]):
        for step in range(earlier["target"].shape[2]):
            at = HISTORY_FRAMES - frames + step
            if step < frames:
                known, truth = batch["observed"][play, slot, at], batch["history"][play, slot, at, :2]
            else:
                known = batch["target_mask"][play, slot, step - frames]
                truth = batch["target"][play, slot, step - frames]
            assert earlier["target_mask"][play, slot, step] == known
            if known:
                np.testing.assert_array_equal(earlier["target"][play, slot, step], truth)
                asked += 1
        for at in range(HISTORY_FRAMES):
            seen = at >= frames and batch["observed"][play, slot, at - frames]
            assert earlier["observed"][play, slot, at] == seen
            if seen:
                np.testing.assert_array_equal(
                    earlier["history"][play, slot, at], batch["history"][play, slot, at - frames]
                )
    assert asked == earlier["target_mask"].sum() > 0


def test_an_earlier_start_shows_nothing_of_what_comes_after(batch: Batch) -> None:
    """Whatever happens in the hidden frames, the inputs of the earlier forecast are the same."""
    changed = {**batch, "history": batch["history"].copy()}
    changed["history"][:, :, -4:] += 7.0
    for name in ("history", "observed", "player", "player_mask", "play", "frames"):
        np.testing.assert_array_equal(batches.start_earlier(batch, 4)[name], batches.start_earlier(changed, 4)[name])


def test_a_source_holds_every_play_in_every_variant(tensors: PlayTensors) -> None:
    source = batches.PlaySource(tensors, mirrored=True, earlier_starts_frames=(2, 5))
    assert len(source) == len(tensors) * 6
    for index in range(len(source)):
        start, flip = source.variants[index // len(tensors)]
        wanted = batches.start_earlier(tensors.pad(np.array([index % len(tensors)])), start)
        wanted = batches.mirror(wanted) if flip else wanted
        single = source.batch(np.array([index]))
        for name, value in wanted.items():
            np.testing.assert_array_equal(single[name], value, err_msg=name)


def test_samples_of_different_variants_share_a_batch(tensors: PlayTensors) -> None:
    source = batches.PlaySource(tensors, mirrored=True, earlier_starts_frames=(2, 5))
    together = source.batch(np.arange(len(source))[::-1])
    for row, index in enumerate(np.arange(len(source))[::-1]):
        single = source.batch(np.array([index]))
        players, horizon = single["target"].shape[1:3]
        np.testing.assert_array_equal(together["target"][row, :players, :horizon], single["target"][0])
        np.testing.assert_array_equal(together["target_mask"][row].sum(), single["target_mask"].sum())
        np.testing.assert_array_equal(together["history"][row, :players], single["history"][0])
