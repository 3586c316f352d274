"""Mixtures of Gaussians on the field: their density, and the regions of highest density.

Here belongs arithmetic on mixtures in NumPy and float64, a few frames at a time. What they are compared with, and what
is reported, is in `distribution`.

The region of a level (50 %) is the smallest set that holds that share of the probability: where the density is highest.
A point lies within it if the share of the probability that is denser than the point, its level, is at most 50 %.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

POINTS = 64
"""Points that stand for each mode where the share of a mixture above a density is wanted."""

CHUNK_FRAMES = 64


@dataclass(frozen=True)
class Mixture:
    """Gaussian mixtures of N frames with K modes: what may be where."""

    probability: np.ndarray
    """[N, K], each row sums to 1."""
    mean: np.ndarray
    """[N, K, 2] yards"""
    scale: np.ndarray
    """[N, K, 2] standard deviations along x and y, yards, positive."""

    def log_densities(self, at: np.ndarray) -> np.ndarray:
        """Logarithm of probability times density of each mode at `at` [N, 2]: [N, K], per square yard."""
        with np.errstate(divide="ignore"):
            weight = np.log(self.probability)
        return weight + log_normal(at[:, None] - self.mean, self.scale)

    def levels(self, at: np.ndarray) -> np.ndarray:
        """Share of the probability that is at least as dense as `at` [N, 2]: [N], from 0 (the peak) to 1.

        Every mode is stood for by the same POINTS points around it, which share its probability equally, so the same
        mixture gives the same number; what they miss is about 1 / (2 POINTS) at one frame and averages out.
        """
        found = np.empty(len(at))
        spiral = _spiral()
        for rows in _chunks(len(at)):
            part = Mixture(self.probability[rows], self.mean[rows], self.scale[rows])
            own = part.density(at[rows][:, None])
            points = part.mean[:, :, None] + part.scale[:, :, None] * spiral
            denser = (part._everywhere(points) >= own[:, :, None]).mean(-1)
            found[rows] = (part.probability * denser).sum(-1)
        return np.minimum(found, 1.0)

    def threshold(self, level: float) -> np.ndarray:
        """Density that the share `level` of the probability exceeds, the edge of its region: [N], per square yard."""
        spiral = _spiral(16 * POINTS)
        points = self.mean[:, :, None] + self.scale[:, :, None] * spiral
        density = self._everywhere(points).reshape(len(self.mean), -1)
        share = np.repeat(self.probability / len(spiral), len(spiral), axis=1)
        order = np.argsort(-density, axis=1, kind="stable")
        held = np.cumsum(np.take_along_axis(share, order, 1), axis=1)
        last = np.minimum((held < level * held[:, -1:]).sum(1), density.shape[1] - 1)
        return np.take_along_axis(density, np.take_along_axis(order, last[:, None], 1), 1)[:, 0]

    def density(self, at: np.ndarray) -> np.ndarray:
        """Density at points `at` [N, M, 2]: [N, M], per square yard."""
        return self._everywhere(at[:, None])[:, 0]

    def _everywhere(self, points: np.ndarray) -> np.ndarray:
        """Density at points [N, J, M, 2]: [N, J, M]."""
        height = self.probability / (2 * np.pi * self.scale.prod(-1))
        # x and y apart: a sum over an axis of two is slow
        x, y = np.ascontiguousarray(points[..., 0]), np.ascontiguousarray(points[..., 1])
        density = np.zeros(x.shape)
        for mode in range(self.mean.shape[1]):
            centre, width = self.mean[:, mode, :, None, None], self.scale[:, mode, :, None, None]
            along = (x - centre[:, 0]) / width[:, 0]
            across = (y - centre[:, 1]) / width[:, 1]
            density += height[:, mode, None, None] * np.exp(-0.5 * (across * across + along * along))
        return density


def log_normal(offset: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Logarithm of the density of independent Gaussians along x and y, `offset` [..., 2] from their mean."""
    return -0.5 * ((offset / scale) ** 2).sum(-1) - np.log(scale).sum(-1) - np.log(2 * np.pi)


def _spiral(points: int = POINTS) -> np.ndarray:
    """Points [M, 2] of a standard Gaussian, each for the same share of it: a sunflower's seeds."""
    place = np.arange(points)
    radius = np.sqrt(-2.0 * np.log1p(-(place + 0.5) / points))
    angle = place * np.pi * (3.0 - np.sqrt(5.0))
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], -1)


def _chunks(count: int) -> Iterator[slice]:
    return (slice(first, first + CHUNK_FRAMES) for first in range(0, count, CHUNK_FRAMES))


def effective(shares: np.ndarray) -> np.ndarray:
    """Effective number of modes from shares [..., K] that sum to 1: exp of their entropy, from 1 to K."""
    entropy = -(shares * np.log(np.where(shares > 0, shares, 1.0))).sum(-1)
    return np.asarray(np.exp(entropy))
