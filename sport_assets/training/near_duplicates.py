"""Samples that are nearly the same though they are of different games, matches or videos.

Belongs here: the search among numbers that describe samples. Must not come here: which numbers those are (the lines),
what is done with a pair.

Every pair of groups is compared, block by block as a matrix product: 14,000 samples of 31 numbers take seconds, so no
index of neighbours is needed, and none can miss a pair. Copies that are exact, or differ by rounding, are the pairs at
a distance of about nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_BLOCK = 1024


class Pair(NamedTuple):
    """Two samples by index, the first before the second, and the root of their mean squared difference."""

    first: int
    second: int
    distance: float


def near_duplicates(
    features: NDArray[np.floating],
    groups: NDArray[np.integer],
    *,
    within: float,
    signs: Sequence[NDArray[np.floating]] = (),
) -> list[Pair]:
    """Pairs of samples of different groups that are ``within`` a distance of each other, nearest first.

    ``features`` [n, d] describe the samples so that what does not matter (where on the field, in which order the
    players stand) changes nothing, in one unit; ``groups`` [n] says what belongs together. Each of ``signs`` [d], of -1
    and 1, turns the features of a sample into those of its mirror image, in which it is looked for as well.
    Raises ValueError for features that are not finite.
    """
    values = np.asarray(features, dtype=np.float64)
    if not np.isfinite(values).all():
        raise ValueError("features of samples must be finite numbers to look for near-duplicates")
    if not len(values):
        return []
    best: dict[tuple[int, int], float] = {}
    for turned in (values, *(values * sign for sign in signs)):
        for start in range(0, len(values), _BLOCK):
            for first, second in _close(values, turned, start, groups, within):
                distance = float(np.sqrt(np.mean((values[first] - turned[second]) ** 2)))
                pair = (min(first, second), max(first, second))
                if distance <= within:
                    best[pair] = min(distance, best.get(pair, within))
    return sorted((Pair(*pair, distance) for pair, distance in best.items()), key=lambda pair: (pair[2], pair[:2]))


def _close(
    values: NDArray[np.float64], others: NDArray[np.float64], start: int, groups: NDArray[np.integer], within: float
) -> list[tuple[int, int]]:
    """Candidates: samples of the block that begins at ``start``, and samples of ``others`` from there on.

    In single precision, whose rounding errors are allowed for: the caller measures again. A pair is as far apart where
    the other of the two is mirrored, so those before the block were compared with it already.
    """
    part, rest = values[start : start + _BLOCK].astype(np.float32), others[start:].astype(np.float32)
    squares = (part**2).sum(1)[:, None] + (rest**2).sum(1)[None, :]
    near = squares - 2 * part @ rest.T <= within**2 * part.shape[1] + 1e-5 * squares
    near &= groups[start : start + len(part), None] != groups[None, start:]
    return [(int(first) + start, int(second) + start) for first, second in zip(*np.nonzero(near), strict=True)]
