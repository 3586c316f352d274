"""Order, position and rank slices of batches; the warm-up."""

from __future__ import annotations

import itertools
from functools import partial
from typing import Any

import numpy as np
import pytest

from sport_assets.training.data import EpochLoader, ValidationLoader, epoch_order, occurrences
from sport_assets.training.errors import BadSpecError
from sport_assets.training.job import EpochBatches
from sport_assets.training.optim import learning_rate_share
from sport_assets.training.spec import TrainerSettings


class Numbers:
    """Batches are the indices themselves."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def batch(self, indices: np.ndarray) -> Any:
        return indices.tolist()


def loader(count: int, batch_size: int, epoch: int = 0, rank: int = 0, world: int = 1) -> EpochLoader:
    return EpochLoader(
        Numbers(count), batch_size=batch_size, seed=5, epoch=lambda: epoch, rank=lambda: rank, world=world
    )


def test_the_order_follows_from_seed_and_epoch() -> None:
    first, again, second = list(loader(20, 6)), list(loader(20, 6)), list(loader(20, 6, epoch=1))
    assert first == again
    assert first != second
    assert sorted(index for batch in first for index in batch) == list(range(20))
    assert [len(batch) for batch in first] == [6, 6, 6, 2]
    assert not np.array_equal(epoch_order(20, 5, 0), epoch_order(20, 6, 0))


def test_an_epoch_goes_on_where_it_was() -> None:
    whole = list(loader(20, 6))
    cut = loader(20, 6)
    batches = iter(cut)
    assert [next(batches), next(batches)] == whole[:2]
    state = cut.state_dict()
    resumed = loader(20, 6)
    resumed.load_state_dict(state)
    assert list(resumed) == whole[2:]
    assert list(resumed) == whole, "only the first epoch after a resume is partial"
    assert resumed.state_dict() == {"position": 0}


@pytest.mark.parametrize(("count", "batch_size", "world"), [(23, 4, 2), (7, 2, 3), (5, 1, 2), (64, 8, 4), (3, 8, 3)])
def test_ranks_share_the_samples(count: int, batch_size: int, world: int) -> None:
    train = [list(loader(count, batch_size, rank=rank, world=world)) for rank in range(world)]
    assert len({len(batches) for batches in train}) == 1
    seen = [index for batches in train for batch in batches for index in batch]
    assert set(seen) == set(range(count))
    assert len(seen) - count < world
    valid = [
        list(ValidationLoader(Numbers(count), batch_size=batch_size, rank=partial(int, rank), world=world))
        for rank in range(world)
    ]
    assert len({len(batches) for batches in valid}) == 1
    assert all(batch for batches in valid for batch in batches)
    assert sorted(index for batches in valid for batch in batches for index in batch) == list(range(count))


def test_more_ranks_than_validation_samples_are_refused() -> None:
    with pytest.raises(BadSpecError, match="2 validation samples cannot be divided among 3"):
        ValidationLoader(Numbers(2), batch_size=1, world=3)


def test_the_warmup_is_linear_and_the_cosine_ends_at_its_floor() -> None:
    settings = TrainerSettings(max_epochs=10, warmup_epochs=2, final_learning_rate_share=0.1)
    share = learning_rate_share(settings, steps_per_epoch=5)
    shares = [share(step) for step in range(50)]
    assert shares[:10] == pytest.approx([(step + 1) / 11 for step in range(10)])
    assert shares[10] == 1.0
    assert all(left > right for left, right in itertools.pairwise(shares[10:]))
    assert shares[-1] == pytest.approx(0.1)
    assert share(30) == pytest.approx(0.1 + 0.9 * 0.5 * (1 + np.cos(np.pi * 20 / 39)))
    constant = learning_rate_share(TrainerSettings(max_epochs=3, schedule="constant"), steps_per_epoch=5)
    assert {constant(step) for step in range(15)} == {1.0}


def test_weights_draw_with_replacement_in_their_proportions() -> None:
    weights = np.array([3.0] * 100 + [1.0] * 100)
    drawn = epoch_order(200, 5, 0, weights)
    assert np.array_equal(drawn, epoch_order(200, 5, 0, weights))
    assert not np.array_equal(drawn, epoch_order(200, 5, 1, weights))
    share = np.mean([(epoch_order(200, 5, epoch, weights) < 100).mean() for epoch in range(50)])
    assert share == pytest.approx(0.75, abs=0.02)


class Growing(Numbers):
    """Samples that are their index plus a hundred for each epoch and a thousand for each time they came before."""

    def in_epoch(self, epoch: int) -> EpochBatches:
        class Now:
            def batch(self, indices: np.ndarray, occurrences: np.ndarray) -> Any:
                return (indices + 100 * epoch + 1000 * occurrences).tolist()

        return Now()


def test_samples_of_an_epoch_are_asked_for_with_its_number() -> None:
    epoch = 0
    batches = EpochLoader(Growing(6), batch_size=6, seed=5, epoch=lambda: epoch)
    assert sorted(next(iter(batches))) == [0, 1, 2, 3, 4, 5]
    epoch = 2
    assert sorted(next(iter(batches))) == [200, 201, 202, 203, 204, 205]


def test_occurrences_count_what_came_before() -> None:
    assert occurrences(np.array([4, 2, 4, 4, 0, 2])).tolist() == [0, 0, 1, 2, 0, 1]
    assert not len(occurrences(np.array([], np.int64)))
    assert not occurrences(epoch_order(50, 5, 0)).any(), "a permutation has each sample once"


@pytest.mark.parametrize("world", [1, 2])
def test_each_draw_of_a_sample_has_its_number_whatever_the_rank_and_wherever_a_run_resumes(world: int) -> None:
    weights = np.array([5.0, 1, 1, 1, 1, 1, 1])

    def of(rank: int) -> EpochLoader:
        growing = Growing(7)
        return EpochLoader(
            growing, batch_size=2, seed=5, epoch=lambda: 0, rank=lambda: rank, world=world, weights=weights
        )

    whole = [list(of(rank)) for rank in range(world)]
    drawn = [draw for batches in whole for batch in batches for draw in batch]
    assert len(set(drawn)) == len(drawn) > len({draw % 1000 for draw in drawn}), "no draw is a copy of another"
    assert max(drawn) // 1000 == sum(draw % 1000 == 0 for draw in drawn) - 1, "the first one is drawn most"
    resumed = of(world - 1)
    resumed.load_state_dict({"position": 1})
    assert list(resumed) == whole[world - 1][1:]
