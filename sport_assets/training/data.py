"""Batches in an order that follows from (seed, epoch) alone, resumable within an epoch, sliced by DDP rank.

Belongs here: which sample is in which batch on which rank. Must not be here: what a sample is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from sport_assets.training.errors import BadSpecError
from sport_assets.training.job import BatchSource, EpochSource


def epoch_order(samples: int, seed: int, epoch: int, weights: np.ndarray | None = None) -> np.ndarray:
    """Sample numbers (int64 [samples]) of an epoch: a permutation, or with `weights` (float [samples]) draws with
    replacement in their proportions. The same on every machine and rank."""
    generator = np.random.Generator(np.random.PCG64([seed, epoch]))
    if weights is None:
        return generator.permutation(samples).astype(np.int64)
    return generator.choice(samples, samples, p=weights / weights.sum()).astype(np.int64)


def occurrences(order: np.ndarray) -> np.ndarray:
    """How often the sample at each place of an order came before (int64, as many): 0 for the first time."""
    by_sample = np.argsort(order, kind="stable")
    grouped = order[by_sample]
    found = np.empty(len(order), np.int64)
    found[by_sample] = np.arange(len(order)) - np.searchsorted(grouped, grouped)
    return found


class EpochLoader:
    """Training batches of one rank.

    The order is padded with its own first samples until every rank has as many (at most `world - 1` repeats), since
    ranks must take the same number of steps. `state_dict` is the number of batches handed out in this epoch;
    Lightning stores it with the loop's state, and the next iteration after `load_state_dict` starts there.
    """

    def __init__(
        self,
        source: BatchSource,
        *,
        batch_size: int,
        seed: int,
        epoch: Callable[[], int],
        rank: Callable[[], int] = lambda: 0,
        world: int = 1,
        weights: np.ndarray | None = None,
    ) -> None:
        self._source = source
        self._weights = weights
        self._batch_size = batch_size
        self._seed = seed
        # asked for lazily: Lightning makes the iterator of a resumed epoch before it knows the epoch
        self._epoch = epoch
        self._rank = rank
        self._world = world
        self._position = 0
        self._start = 0

    def __len__(self) -> int:
        return math.ceil(math.ceil(len(self._source) / self._world) / self._batch_size)

    def __iter__(self) -> Iterator[Any]:
        start, self._start = self._start, 0
        self._position = start
        epoch = self._epoch()
        varied = self._source.in_epoch(epoch) if isinstance(self._source, EpochSource) else None
        order = epoch_order(len(self._source), self._seed, epoch, self._weights)
        padding = -len(order) % self._world
        order = np.resize(order, len(order) + padding)
        # counted over the whole epoch, so that neither the rank nor where a resumed run begins changes a sample
        mine, before = (each[self._rank() :: self._world] for each in (order, occurrences(order)))
        for number in range(start, len(self)):
            here = slice(number * self._batch_size, (number + 1) * self._batch_size)
            self._position = number + 1
            yield self._source.batch(mine[here]) if varied is None else varied.batch(mine[here], before[here])

    def state_dict(self) -> dict[str, int]:
        """Batches handed out in this epoch; 0 when it is over."""
        return {"position": self._position % len(self)}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Start the next iteration after that many batches."""
        self._start = state["position"]


class ValidationLoader:
    """Validation batches of one rank, in order: every sample on exactly one rank, as many batches on each.

    Batches differ in size by at most one sample. As many batches on each rank are needed because DDP synchronises
    buffers at every forward; so there must be at least as many samples as ranks.
    """

    def __init__(
        self, source: BatchSource, *, batch_size: int, rank: Callable[[], int] = lambda: 0, world: int = 1
    ) -> None:
        if len(source) < world:
            raise BadSpecError(
                f"{len(source)} validation samples cannot be divided among {world} processes; use fewer devices"
            )
        self._source = source
        self._rank = rank
        self._world = world
        per_rank = len(source) / world
        self._batches = min(math.ceil(math.ceil(per_rank) / batch_size), math.floor(per_rank))

    def __len__(self) -> int:
        return self._batches

    def indices(self) -> list[np.ndarray]:
        """Sample numbers of this rank's batches."""
        mine = np.arange(self._rank(), len(self._source), self._world, dtype=np.int64)
        return np.array_split(mine, self._batches)

    def __iter__(self) -> Iterator[Any]:
        for indices in self.indices():
            yield self._source.batch(indices)
