"""Images that look alike though they are on different sides of a split, by perceptual hash.

Belongs here: the hash, and the search for the nearest image on another side. Must not come here: what is done about
them (``dataset_checks``).

The hash is of 64 bits: the signs, against their median, of the lowest 8 x 8 frequencies of the cosine transform of the
image in 32 x 32 grey pixels (Zauner, Implementation and Benchmarking of Perceptual Image Hash Functions, 2010). Scale,
compression and small shifts of colour move a few bits; images that have nothing in common differ in about 32.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sport_assets.detection.errors import BadLabelsError
from sport_assets.detection.pictures import decode

WITHIN_BITS = 4
"""Images that differ in no more bits are near-duplicates."""
_SIDE, _LOW = 32, 8
_BLOCK = 1024


class Pair(NamedTuple):
    """Two images by index, the first before the second, and the number of bits in which their hashes differ."""

    first: int
    second: int
    bits: int


def perceptual_hash(pixels: NDArray[np.uint8]) -> int:
    """The hash of a grey image [H, W]."""
    import cv2  # see pictures.decode

    small = cv2.resize(pixels, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    low = cv2.dct(small)[:_LOW, :_LOW].ravel()
    # the first frequency is the mean brightness: it says nothing of what is in the image
    bits = low > np.median(low[1:])
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def perceptual_hashes(paths: Sequence[Path]) -> NDArray[np.uint64]:
    """The hash of each image file. Raises ``BadLabelsError`` for one that cannot be decoded."""
    found = np.zeros(len(paths), np.uint64)
    for number, path in enumerate(paths):
        pixels = decode(path.read_bytes(), small_grey=True)  # enough for 32 x 32
        if pixels is None:
            raise BadLabelsError(f"{path}: the image cannot be decoded. Make the frames or the import again.")
        found[number] = perceptual_hash(pixels)
    return found


def nearest_across(hashes: NDArray[np.uint64], groups: NDArray[np.integer], *, within: int = WITHIN_BITS) -> list[Pair]:
    """For each image its nearest of another group, where no more than ``within`` bits differ; nearest pairs first.

    Every image of one group is compared with every one of the others, so that none is missed: one pair an image at
    most, however many look alike (a static camera makes all of a match do so).
    """
    found: set[Pair] = set()
    for start in range(0, len(hashes), _BLOCK):
        part = slice(start, start + _BLOCK)
        bits = np.bitwise_count(hashes[part, None] ^ hashes[None, :]).astype(np.uint8)
        bits[groups[part, None] == groups[None, :]] = 255
        nearest = bits.argmin(axis=1)
        distance = bits[np.arange(len(nearest)), nearest]
        for row in np.flatnonzero(distance <= within):
            first, second = sorted((int(row) + start, int(nearest[row])))
            found.add(Pair(first, second, int(distance[row])))
    return sorted(found, key=lambda pair: (pair.bits, pair))
