import numpy as np
import pytest
import torch
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from sport_assets.nfl.mixture import Mixture, effective, log_normal


def mixtures(count: int, modes: int, seed: int = 0) -> Mixture:
    generator = np.random.default_rng(seed)
    return Mixture(
        generator.dirichlet(np.ones(modes), count),
        generator.normal(0, 3, (count, modes, 2)) + 50,
        generator.uniform(0.2, 2.0, (count, modes, 2)),
    )


def drawn(mixture: Mixture, seed: int = 1) -> np.ndarray:
    """One point of each mixture, by chance."""
    generator = np.random.default_rng(seed)
    chosen = (generator.random((len(mixture.mean), 1)) > mixture.probability.cumsum(1)).sum(1)
    rows = np.arange(len(chosen))
    return mixture.mean[rows, chosen] + mixture.scale[rows, chosen] * generator.normal(size=(len(chosen), 2))


def reference(mixture: Mixture) -> MixtureSameFamily:
    mean, scale = torch.from_numpy(mixture.mean), torch.from_numpy(mixture.scale)
    return MixtureSameFamily(Categorical(torch.from_numpy(mixture.probability)), Independent(Normal(mean, scale), 1))


def test_densities_are_those_of_torch() -> None:
    mixture = mixtures(40, 5)
    at = drawn(mixture)
    wanted = reference(mixture).log_prob(torch.from_numpy(at)).numpy()
    np.testing.assert_allclose(np.logaddexp.reduce(mixture.log_densities(at), axis=1), wanted, rtol=1e-10)
    np.testing.assert_allclose(mixture.density(at[:, None])[:, 0], np.exp(wanted), rtol=1e-10)


def test_far_from_every_mode_the_log_density_stays_a_number() -> None:
    mixture = mixtures(3, 2)
    found = np.logaddexp.reduce(mixture.log_densities(mixture.mean[:, 0] + 1e3), axis=1)
    assert np.isfinite(found).all() and (found < -1e4).all()
    np.testing.assert_array_equal(mixture.levels(mixture.mean[:, 0] + 1e3), 1.0)


def test_the_level_of_a_single_gaussian_is_known() -> None:
    """Within r standard deviations of a Gaussian in the plane lies 1 - exp(-r^2 / 2) of it."""
    radius = np.linspace(0, 4, 200)
    angle = np.linspace(0, 20, 200)
    scale = np.tile([0.5, 3.0], (200, 1, 1))
    mixture = Mixture(np.ones((200, 1)), np.zeros((200, 1, 2)), scale)
    at = (radius * np.stack([np.cos(angle), np.sin(angle)])).T * scale[:, 0]
    np.testing.assert_allclose(mixture.levels(at), 1 - np.exp(-(radius**2) / 2), atol=0.5 / 64 + 1e-9)


def test_levels_are_those_of_many_random_points() -> None:
    mixture = mixtures(30, 4)
    at = drawn(mixture)
    torch.manual_seed(0)
    law = reference(mixture)
    points = law.sample(torch.Size([20_000]))
    wanted = (law.log_prob(points) >= law.log_prob(torch.from_numpy(at))).double().mean(0).numpy()
    np.testing.assert_allclose(mixture.levels(at), wanted, atol=0.03)
    assert abs((mixture.levels(at) - wanted).mean()) < 0.005


def test_the_edge_of_a_region_holds_its_share() -> None:
    mixture = mixtures(6, 3)
    torch.manual_seed(0)
    law = reference(mixture)
    density = law.log_prob(law.sample(torch.Size([20_000]))).exp().numpy()
    for level in (0.5, 0.9):
        np.testing.assert_allclose((density >= mixture.threshold(level)).mean(0), level, atol=0.015)


def test_chunks_do_not_change_levels(monkeypatch: pytest.MonkeyPatch) -> None:
    mixture = mixtures(25, 3)
    whole = mixture.levels(drawn(mixture))
    monkeypatch.setattr("sport_assets.nfl.mixture.CHUNK_FRAMES", 7)
    np.testing.assert_array_equal(mixture.levels(drawn(mixture)), whole)


def test_effective_number_of_modes() -> None:
    shares = np.array([[0.25] * 4, [1.0, 0, 0, 0], [0.5, 0.5, 0, 0]])
    np.testing.assert_allclose(effective(shares), [4, 1, 2])


def test_log_normal_integrates_to_one() -> None:
    grid = np.stack(np.meshgrid(np.arange(-9, 9, 0.05), np.arange(-9, 9, 0.05)), -1)
    assert np.exp(log_normal(grid, np.array([0.7, 1.5]))).sum() * 0.05**2 == pytest.approx(1, abs=1e-3)
