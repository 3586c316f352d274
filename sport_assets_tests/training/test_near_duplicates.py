"""Near-duplicates among samples: copies with noise and mirrored ones are found, in one group they are let be."""

import numpy as np
import pytest

from sport_assets.training.near_duplicates import near_duplicates

SIGNS = np.array([1.0, -1.0, 1.0, -1.0, 1.0])


def samples(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Features 10 apart on average, and a group for each ten samples."""
    return np.random.default_rng(0).normal(0, 10, (count, 5)), np.arange(count) // 10


def test_copies_are_found_across_blocks_and_nothing_else() -> None:
    features, groups = samples(2500)
    features[2100] = features[3] + 0.01
    features[1500] = features[40] * SIGNS
    features[7] = features[5]  # in one group: two takes of a game
    found = near_duplicates(features, groups, within=0.1, signs=[SIGNS])
    assert [(pair.first, pair.second) for pair in found] == [(40, 1500), (3, 2100)], "the nearest first"
    assert found[0].distance == 0 and found[1].distance == pytest.approx(0.01)
    assert [pair.second for pair in near_duplicates(features, groups, within=0.1)] == [2100], "no mirror was asked for"


def test_the_distance_is_the_root_of_the_mean_square_and_its_bound_is_kept() -> None:
    features = np.array([[1e6, 0.0], [1e6 + 3.0, 4.0]])
    groups = np.array([0, 1])
    [pair] = near_duplicates(features, groups, within=3.6)
    assert pair.distance == pytest.approx(np.sqrt(12.5))
    assert near_duplicates(features, groups, within=3.5) == []


def test_nothing_to_compare_and_what_cannot_be_compared() -> None:
    assert near_duplicates(np.empty((0, 3)), np.empty(0, dtype=int), within=1.0) == []
    with pytest.raises(ValueError, match="finite"):
        near_duplicates(np.array([[np.nan]]), np.array([0]), within=1.0)
