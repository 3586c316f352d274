import math

import numpy as np
import pytest
import torch

from sport_assets.nfl import baselines
from sport_assets.nfl.augmentation import turn, vary, with_noise
from sport_assets.nfl.models import as_tensors
from sport_assets.nfl.settings import DataSettings
from sport_assets_tests.nfl.example import plays

Batch = dict[str, torch.Tensor]


@pytest.fixture
def batch() -> Batch:
    return as_tensors(plays().pad(np.arange(6)))


def as_numpy(batch: Batch) -> baselines.Batch:
    return {name: value.numpy() for name, value in batch.items()}


def test_physics_turns_with_the_play(batch: Batch) -> None:
    """A forecast of a turned play is the turned forecast: positions, velocities and the landing point agree."""
    angle = torch.linspace(-3, 3, 6)
    centre = batch["play"][:, None, None, :2].double().numpy()
    before = baselines.damped_landing(as_numpy(batch)) - centre
    cosine, sine = (f(angle.double()).numpy()[:, None, None] for f in (torch.cos, torch.sin))
    wanted = np.stack(
        [cosine * before[..., 0] - sine * before[..., 1], sine * before[..., 0] + cosine * before[..., 1]], -1
    )
    found = baselines.damped_landing(as_numpy(turn(batch, angle))) - centre
    real = batch["player_mask"].numpy()
    np.testing.assert_allclose(found[real], wanted[real], atol=1e-3)


def test_a_turn_keeps_distances_and_padding(batch: Batch) -> None:
    turned = turn(batch, torch.full((6,), 1.2))
    mask, seen = batch["target_mask"], batch["observed"]
    last = batch["history"][:, :, -1, :2], turned["history"][:, :, -1, :2]
    both = seen[:, :, -1]
    gaps = [torch.cdist(one, one)[both[:, :, None] & both[:, None]] for one in last]
    torch.testing.assert_close(gaps[1], gaps[0], atol=1e-4, rtol=0)
    moved = [
        (one["target"][:, :, 1:] - one["target"][:, :, :-1]).norm(dim=-1)[mask[:, :, 1:]] for one in (batch, turned)
    ]
    torch.testing.assert_close(moved[1], moved[0], atol=1e-4, rtol=0)
    assert (turned["target"][~mask] == 0).all() and (turned["history"][~seen] == 0).all()
    # the acceleration has no direction; orientation is clockwise from +y, so a turn from +x to +y takes from it
    orientation = torch.atan2(batch["history"][..., 5], batch["history"][..., 6])
    after = torch.atan2(turned["history"][..., 5], turned["history"][..., 6])
    difference = torch.remainder(after - orientation + 1.2 + math.pi, 2 * math.pi) - math.pi
    assert difference[seen].abs().max() < 1e-4
    assert torch.equal(turned["history"][..., 4], batch["history"][..., 4])
    torch.testing.assert_close(turn(turned, torch.full((6,), -1.2))["target"], batch["target"], atol=1e-4, rtol=0)


def test_noise_reaches_what_it_names_alone(batch: Batch) -> None:
    torch.manual_seed(0)
    before = batch["history"].clone()
    seen = batch["observed"]
    moved = with_noise(batch, 0.3, 0.1)["history"] - before
    assert torch.equal(batch["history"], before), "the given batch is left as it is"
    assert (moved[~seen] == 0).all()
    assert float(moved[seen][:, :2].std()) == pytest.approx(0.3, rel=0.15)
    assert float(moved[seen][:, 2:4].std()) == pytest.approx(0.1, rel=0.15)
    assert (moved[seen][:, 4:] == 0).all()


def test_plays_turn_by_angles_of_their_own_within_the_limit(batch: Batch) -> None:
    torch.manual_seed(0)
    turned = vary(batch, DataSettings(rotation_degrees=20))
    arms = [one["history"][:, 0, -1, 2:4] for one in (batch, turned)]
    angles = torch.atan2(arms[1][:, 1], arms[1][:, 0]) - torch.atan2(arms[0][:, 1], arms[0][:, 0])
    degrees = torch.rad2deg(torch.remainder(angles + math.pi, 2 * math.pi) - math.pi)
    assert degrees.abs().max() <= 20.01 and degrees.std() > 3
    assert vary(batch, DataSettings()) is batch
