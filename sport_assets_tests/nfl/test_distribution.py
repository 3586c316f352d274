"""Scores of forecasts with modes, on truths drawn from known mixtures."""

from typing import Any

import numpy as np
import pytest
import torch
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from sport_assets.nfl import distribution, metrics
from sport_assets.nfl.baselines import Batch, damped_landing
from sport_assets.nfl.distribution import LEVELS, SCALE_BINS, BaselineSpread, Scores
from sport_assets_tests.nfl.example import plays

HORIZONS = {"full": None, "10_frames": 10}
SPREAD = np.full((len(SCALE_BINS), 2), 1.5)


def known_law(count: int, modes: int = 3, seed: int = 0) -> tuple[dict[str, np.ndarray], Batch]:
    """A batch of plays whose truth was drawn, frame by frame, from the mixtures that are forecast."""
    generator = np.random.default_rng(seed)
    batch: Batch = dict(plays(count, seed).pad(np.arange(count)))
    players, horizon = batch["target_mask"].shape[1:]
    means = 50 + generator.normal(0, 4, (count, players, modes, 1, 2)) + np.zeros((horizon, 2))
    scale = generator.uniform(0.4, 1.6, (count, players, modes, horizon, 2))
    probability = generator.dirichlet(np.ones(modes), (count, players))
    chosen = (generator.random((count, players, horizon, 1)) > probability.cumsum(-1)[:, :, None]).sum(-1)
    pick = chosen[:, :, None, :, None]
    truth = np.take_along_axis(means, pick, 2)[:, :, 0]
    truth = truth + np.take_along_axis(scale, pick, 2)[:, :, 0] * generator.normal(size=truth.shape)
    batch["target"] = np.where(batch["target_mask"][..., None], truth, 0.0)
    return {"modes": means, "mode_scale": scale, "mode_probability": probability}, batch


def inside(scores: Scores) -> dict[float, float]:
    shares = distribution.inside(scores.level)
    return {level: share for level, share in zip(LEVELS, shares, strict=True) if share is not None}


def test_regions_of_the_true_law_hold_their_share_and_those_of_others_do_not() -> None:
    outputs, batch = known_law(150)
    right = inside(distribution.score(outputs, batch, SPREAD, HORIZONS))
    frames = int(batch["target_mask"].sum())
    for level, share in right.items():
        assert abs(share - level) < 4 * np.sqrt(level * (1 - level) / frames), level
    narrow = inside(distribution.score({**outputs, "mode_scale": 0.5 * outputs["mode_scale"]}, batch, SPREAD, HORIZONS))
    wide = inside(distribution.score({**outputs, "mode_scale": 2.0 * outputs["mode_scale"]}, batch, SPREAD, HORIZONS))
    assert narrow[0.5] < 0.3 and narrow[0.9] < 0.6
    assert wide[0.5] > 0.6 and wide[0.9] > 0.95


def test_likelihood_is_that_of_torch_and_best_for_the_true_law() -> None:
    outputs, batch = known_law(20)
    scores = distribution.score(outputs, batch, SPREAD, HORIZONS)
    where = torch.from_numpy(np.argwhere(batch["target_mask"])).T
    b, a, h = where
    mean, scale = (torch.from_numpy(outputs[name])[b, a, :, h] for name in ("modes", "mode_scale"))
    probability = torch.from_numpy(outputs["mode_probability"])[b, a]
    law = MixtureSameFamily(Categorical(probability), Independent(Normal(mean, scale), 1))
    np.testing.assert_allclose(scores.nll, -law.log_prob(torch.from_numpy(batch["target"])[b, a, h]).numpy())
    np.testing.assert_array_equal(scores.play, b)
    np.testing.assert_array_equal(scores.frame, h + 1)
    for factor in (0.5, 2.0):
        other = distribution.score({**outputs, "mode_scale": factor * outputs["mode_scale"]}, batch, SPREAD, HORIZONS)
        assert other.nll.mean() > scores.nll.mean()


def test_the_baseline_is_a_gaussian_about_its_path() -> None:
    outputs, batch = known_law(8)
    spread = np.linspace(0.5, 3, 2 * len(SCALE_BINS)).reshape(-1, 2)
    scores = distribution.score(outputs, batch, spread, HORIZONS)
    path = damped_landing(batch)
    for row, (b, a, h) in enumerate(np.argwhere(batch["target_mask"])):
        width = spread[max(i for i, first in enumerate(SCALE_BINS) if first <= h + 1)]
        law = Normal(torch.from_numpy(path[b, a, h]), torch.from_numpy(width))
        assert scores.baseline_nll[row] == pytest.approx(
            -float(law.log_prob(torch.from_numpy(batch["target"][b, a, h])).sum())
        )
        gap = (batch["target"][b, a, h] - path[b, a, h]) / width
        assert scores.baseline_level[row] == pytest.approx(1 - np.exp(-(gap**2).sum() / 2))


@pytest.mark.parametrize("frames", [None, 10])
def test_best_and_most_probable_modes_equal_to_loops(frames: int | None) -> None:
    outputs, batch = known_law(9)
    outputs["modes"] = outputs["modes"] + np.random.default_rng(5).normal(0, 1, outputs["modes"].shape)
    scores = distribution.score(outputs, batch, SPREAD, HORIZONS)
    name = "full" if frames is None else "10_frames"
    path, final, likely = [], [], []
    for b, a in np.argwhere(batch["target_mask"].any(-1)):
        known = np.flatnonzero(batch["target_mask"][b, a][:frames])
        if not len(known):
            continue
        gaps = [np.hypot(*(mode[known] - batch["target"][b, a, known]).T) for mode in outputs["modes"][b, a]]
        path.append(min(gaps, key=np.mean))
        final.append(min(gap[-1] for gap in gaps))
        likely.append(gaps[int(outputs["mode_probability"][b, a].argmax())])
    best, probable = (metrics.summarise(one[name]) for one in (scores.best, scores.likely))
    assert best["ade"] == pytest.approx(np.concatenate(path).mean())
    assert best["rms_distance"] == pytest.approx(np.sqrt((np.concatenate(path) ** 2).mean()))
    assert best["fde"] == pytest.approx(np.mean(final))
    assert best["miss_rate_2yd"] == pytest.approx((np.array(final) > 2).mean())
    assert probable["ade"] == pytest.approx(np.concatenate(likely).mean())
    assert probable["fde"] == pytest.approx(np.mean([gap[-1] for gap in likely]))
    assert best["ade"] < probable["ade"]


def test_collapsed_modes_are_seen() -> None:
    outputs, batch = known_law(60, modes=4)
    used = summary(distribution.score(outputs, batch, SPREAD, HORIZONS), 60)
    assert used["effective_modes"] > 3.5 and used["spread_between_modes_yards"] > 2
    lonely = np.zeros_like(outputs["mode_probability"])
    lonely[..., 2] = 1.0
    single = summary(distribution.score({**outputs, "mode_probability": lonely}, batch, SPREAD, HORIZONS), 60)
    assert single["effective_modes"] == pytest.approx(1) == single["effective_modes_of_a_player"]
    assert single["spread_between_modes_yards"] == pytest.approx(0)
    same = outputs["modes"][:, :, :1].repeat(4, axis=2)
    piled = summary(distribution.score({**outputs, "modes": same}, batch, SPREAD, HORIZONS), 60)
    assert piled["spread_between_modes_yards"] == pytest.approx(0, abs=1e-6)


def summary(scores: Scores, count: int) -> dict[str, Any]:
    return distribution.summary(scores, count, metrics.bootstrap_weights(count, 30, seed=0))


def test_batches_join_to_the_same_summary_and_other_weights_have_modes_of_their_own() -> None:
    outputs, batch = known_law(24)
    whole = distribution.score(outputs, batch, SPREAD, HORIZONS)
    parts = []
    for rows in (slice(0, 7), slice(7, 24)):
        cut = {name: value[rows] for name, value in batch.items()}
        parts.append(distribution.score({n: v[rows] for n, v in outputs.items()}, cut, SPREAD, HORIZONS))
    joined = Scores.join(parts, [7, 17], same_weights=True)
    compare(summary(joined, 24), summary(whole, 24))
    assert Scores.join(parts, [7, 17], same_weights=False).use.shape == (2, 3)


def test_modes_of_different_weights_are_not_mixed_up() -> None:
    """Two models with one mode each in use are collapsed, though not on the same mode."""
    outputs, batch = known_law(12)
    parts = []
    for mode in (0, 1):
        alone = np.zeros_like(outputs["mode_probability"])
        alone[..., mode] = 1.0
        parts.append(distribution.score({**outputs, "mode_probability": alone}, batch, SPREAD, HORIZONS))
    assert summary(Scores.join(parts, [12, 12], same_weights=False), 24)["effective_modes"] == pytest.approx(1)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("modes", np.nan, "NaN or infinite"),
        ("mode_scale", 0.0, "not positive"),
        ("mode_probability", 0.9, "do not sum to 1"),
    ],
)
def test_outputs_that_are_no_mixture_are_refused(name: str, value: float, message: str) -> None:
    outputs, batch = known_law(3)
    broken = np.full_like(outputs[name], value)
    with pytest.raises(ValueError, match=message):
        distribution.score({**outputs, name: broken}, batch, SPREAD, HORIZONS)


def test_the_spread_of_the_baseline_is_learned_by_time_from_the_games_named() -> None:
    tensors = plays(40)
    games = frozenset(int(game) for game in np.unique(tensors.game_id)[:12])
    found = BaselineSpread(tensors).of(games)
    chosen = np.flatnonzero(np.isin(tensors.game_id, sorted(games)))
    batch: Batch = dict(tensors.pad(chosen))
    error = damped_landing(batch) - batch["target"]
    for index, (first, after) in enumerate(zip(SCALE_BINS, [*SCALE_BINS[1:], 1000], strict=True)):
        bins = slice(first - 1, after - 1)
        known = batch["target_mask"][:, :, bins]
        if known.any():
            np.testing.assert_allclose(found[index], np.sqrt((error[:, :, bins][known] ** 2).mean(0)), rtol=1e-9)
        else:
            np.testing.assert_array_equal(found[index], found[index - 1])
    assert (found[1:] >= found[:-1]).mean() > 0.8
    assert not np.array_equal(found, BaselineSpread(tensors).of(frozenset(tensors.game_id.tolist())))
    with pytest.raises(ValueError, match="no play of the games"):
        BaselineSpread(tensors).of(frozenset({1}))


def compare(found: Any, wanted: Any) -> None:
    if isinstance(wanted, dict):
        assert found.keys() == wanted.keys()
        for name in wanted:
            compare(found[name], wanted[name])
    elif isinstance(wanted, list):
        for left, right in zip(found, wanted, strict=True):
            compare(left, right)
    else:
        assert found == (pytest.approx(wanted) if isinstance(wanted, float) else wanted)
