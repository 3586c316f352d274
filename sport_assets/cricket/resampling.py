"""How sure a difference is: bootstrap over matches, and over matches and seeds; several tests at once.

Belongs here: resampling of summed losses, in NumPy. Must not come here: the losses themselves (``metrics``).

Balls of a match are alike, and so are models of one seed: whoever resamples balls alone finds differences that are
none. The unit here is the match; for models of several seeds, both are resampled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import erfc, sqrt

import numpy as np

RESAMPLES = 2000
LEVEL = 0.05


@dataclass(frozen=True)
class Difference:
    """Mean difference per ball, its interval of 95 %, and the two-sided p-value of there being none."""

    value: float
    low: float
    high: float
    p_value: float

    @property
    def resolved(self) -> bool:
        """Whether the interval leaves out zero."""
        return self.low > 0 or self.high < 0


def match_sums(values: np.ndarray, match: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(sum of the values of each match [..., M], balls of each match [M]) from values [..., N] and match [N]."""
    _, place = np.unique(match, return_inverse=True)
    balls = np.bincount(place)
    flat = values.reshape(-1, values.shape[-1])
    sums = np.stack([np.bincount(place, row, len(balls)) for row in flat])
    return sums.reshape(*values.shape[:-1], len(balls)), balls


def interval(values: np.ndarray, match: np.ndarray, *, resamples: int = RESAMPLES, seed: int = 0) -> Difference:
    """Mean of values [N] per ball, by a bootstrap over matches. For paired differences, give those of each ball."""
    return interval_of_sums(*match_sums(np.asarray(values, np.float64), match), resamples=resamples, seed=seed)


def interval_of_sums(sums: np.ndarray, balls: np.ndarray, *, resamples: int = RESAMPLES, seed: int = 0) -> Difference:
    """The same from sums over the balls of each match [M] and how many these are [M]."""
    weights = _resampled(np.random.default_rng(seed), len(balls), resamples)
    return _difference(float(sums.sum() / balls.sum()), (weights @ sums) / (weights @ balls))


def skill_interval(
    losses: np.ndarray, reference: np.ndarray, match: np.ndarray, *, resamples: int = RESAMPLES, seed: int = 0
) -> Difference:
    """Skill of losses [N] over those of a reference on the same balls, 1 less their ratio: both in the same matches."""
    sums, _ = match_sums(np.stack([losses, reference]).astype(np.float64), match)
    of_resamples = _resampled(np.random.default_rng(seed), sums.shape[1], resamples) @ sums.T
    own, other = sums.sum(1)
    return _difference(float(1 - own / other), 1 - of_resamples[:, 0] / of_resamples[:, 1])


def two_way(
    one: np.ndarray, other: np.ndarray, match: np.ndarray, *, resamples: int = RESAMPLES, seed: int = 0
) -> Difference:
    """Mean of ``one`` minus ``other`` per ball, over matches and seeds.

    Losses [S, N] of models of S seeds on the same balls; the two sets of seeds are resampled apart, for a seed says
    nothing of another model's. Its variance is the sum of three: of matches, and of either set of seeds (widened by
    S / (S - 1), for few seeds show less than their spread); the interval is Student's of S - 1 degrees beside the
    normal one, in the share that each part has (Satterthwaite).
    Raises ValueError for fewer than two seeds.
    """
    one, other = np.atleast_2d(one), np.atleast_2d(other)
    if min(len(one), len(other)) < 2:
        raise ValueError(f"{min(len(one), len(other))} seed: a difference over seeds needs at least two, better five")
    (ones, balls), (others, _) = match_sums(one, match), match_sums(other, match)
    value = float(ones.sum() / balls.sum() / len(ones) - others.sum() / balls.sum() / len(others))
    rng = np.random.default_rng(seed)
    weights = _resampled(rng, len(balls), resamples)
    mean = ones.mean(0) - others.mean(0)
    of_matches = float(((weights @ mean) / (weights @ balls)).var())
    parts = [(of_matches, float(max(len(balls) - 1, 1)))]
    for sums in (ones, others):
        of_seed = sums.sum(1) / balls.sum()
        picks = rng.integers(len(sums), size=(resamples, len(sums)))
        parts.append((float(of_seed[picks].mean(1).var()) * len(sums) / (len(sums) - 1), len(sums) - 1.0))
    variance = sum(part for part, _ in parts)
    if variance <= 0:
        return Difference(value, value, value, 1.0 if value == 0 else 0.0)
    freedom = variance**2 / sum(part**2 / degrees for part, degrees in parts if part > 0)
    error = sqrt(variance)
    half = _student_quantile(freedom) * error
    return Difference(value, value - half, value + half, _student_p(abs(value) / error, freedom))


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """p-values corrected for being several (Holm): each may be compared with the level as if it stood alone."""
    names = sorted(p_values, key=lambda name: p_values[name])
    found: dict[str, float] = {}
    largest = 0.0
    for number, name in enumerate(names):
        largest = max(largest, min(1.0, p_values[name] * (len(names) - number)))
        found[name] = largest
    return {name: found[name] for name in p_values}


def _resampled(rng: np.random.Generator, matches: int, resamples: int) -> np.ndarray:
    """How often each match is drawn [resamples, M]."""
    return rng.multinomial(matches, np.full(matches, 1 / matches), size=resamples)


def _difference(value: float, means: Sequence[float] | np.ndarray) -> Difference:
    low, high = np.quantile(means, [LEVEL / 2, 1 - LEVEL / 2])
    error = float(np.std(means))
    p_value = erfc(abs(value) / error / sqrt(2)) if error > 0 else float(value == 0)
    return Difference(value, float(low), float(high), p_value)


def _student_p(statistic: float, freedom: float) -> float:
    from scipy.stats import t

    return float(2 * t.sf(statistic, freedom))


def _student_quantile(freedom: float) -> float:
    from scipy.stats import t

    return float(t.ppf(1 - LEVEL / 2, freedom))
