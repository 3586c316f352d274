import pytest
import torch

from sport_assets.nfl import losses


@pytest.fixture
def case() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    target = torch.rand(3, 4, 9, 2, generator=generator, dtype=torch.float64) * 50
    error = torch.randn(3, 4, 9, 2, generator=generator, dtype=torch.float64)
    lengths = torch.tensor([[9, 3, 0, 1]] * 3)
    return target + error, target, torch.arange(9) < lengths[..., None]


KINDS: list[losses.PositionLoss] = ["huber", "euclidean", "squared"]


@pytest.mark.parametrize("kind", KINDS)
def test_position_loss_equals_a_loop(
    case: tuple[torch.Tensor, torch.Tensor, torch.Tensor], kind: losses.PositionLoss
) -> None:
    prediction, target, mask = case
    values = []
    for index in mask.nonzero().tolist():
        square = float((prediction[tuple(index)] - target[tuple(index)]).square().sum())
        formulas = {
            "huber": 0.7 * ((square + 0.49) ** 0.5 - 0.7),
            "euclidean": square**0.5,
            "squared": square,
        }
        values.append(formulas[kind])
    assert float(losses.position_loss(*case, kind, 0.7)) == pytest.approx(sum(values) / len(values), rel=2e-3)


def test_velocity_loss_equals_a_loop(case: tuple[torch.Tensor, torch.Tensor, torch.Tensor]) -> None:
    prediction, target, mask = case
    values = []
    for play, slot, frame in mask.nonzero().tolist():
        if frame and mask[play, slot, frame - 1]:
            now, before = (
                (prediction - target)[play, slot, frame],
                (prediction - target)[play, slot, frame - 1],
            )
            values.append(float((now - before).norm()) * 10)
    assert float(losses.velocity_loss(*case)) == pytest.approx(sum(values) / len(values), rel=1e-2)


def test_a_constant_offset_costs_no_velocity(case: tuple[torch.Tensor, torch.Tensor, torch.Tensor]) -> None:
    _, target, mask = case
    assert float(losses.velocity_loss(target + 3.0, target, mask)) == pytest.approx(0.0, abs=1e-9)
    assert float(losses.position_loss(target + 3.0, target, mask, "euclidean")) > 4


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_finite_at_zero_error_and_ignore_padding(
    case: tuple[torch.Tensor, torch.Tensor, torch.Tensor], kind: losses.PositionLoss
) -> None:
    _, target, mask = case
    prediction = target.clone().requires_grad_()
    loss = losses.position_loss(prediction, target, mask, kind) + losses.velocity_loss(prediction, target, mask)
    loss.backward()
    assert prediction.grad is not None
    assert torch.isfinite(prediction.grad).all()
    wrong = target + 2.0
    wrong.requires_grad_()
    losses.position_loss(wrong, target, mask, kind).backward()
    assert wrong.grad is not None
    assert (wrong.grad[~mask] == 0).all()
    assert (wrong.grad[mask] != 0).all()


def test_no_true_frame_gives_zero(case: tuple[torch.Tensor, torch.Tensor, torch.Tensor]) -> None:
    prediction, target, mask = case
    nothing = torch.zeros_like(mask)
    assert float(losses.position_loss(prediction, target, nothing)) == 0.0
    assert float(losses.velocity_loss(prediction, target, nothing)) == 0.0


def test_acceleration_loss_equals_a_loop(case: tuple[torch.Tensor, torch.Tensor, torch.Tensor]) -> None:
    prediction, target, mask = case
    error = prediction - target
    values = []
    for play, slot, frame in mask.nonzero().tolist():
        if frame >= 2 and mask[play, slot, frame - 2 : frame].all():
            bend = error[play, slot, frame] - 2 * error[play, slot, frame - 1] + error[play, slot, frame - 2]
            values.append(float(bend.norm()) * 100)
    assert float(losses.acceleration_loss(*case)) == pytest.approx(sum(values) / len(values), rel=1e-2)


def test_velocity_and_acceleration_losses_forgive_what_they_say(
    case: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
) -> None:
    _, target, mask = case
    drift = torch.arange(9, dtype=torch.float64)[:, None] * torch.tensor([0.3, -0.2])
    assert float(losses.velocity_loss(target + 3.0, target, mask)) == pytest.approx(0, abs=1e-6)
    assert float(losses.acceleration_loss(target + 3.0 + drift, target, mask)) == pytest.approx(0, abs=1e-6)
    assert float(losses.velocity_loss(target + drift, target, mask)) > 1


def test_mixture_density_equals_torch_distributions(case: tuple[torch.Tensor, torch.Tensor, torch.Tensor]) -> None:
    _, target, mask = case
    generator = torch.Generator().manual_seed(1)
    modes = target[:, :, None] + torch.randn(3, 4, 5, 9, 2, generator=generator, dtype=torch.float64)
    scale = torch.rand(3, 4, 5, 9, 2, generator=generator, dtype=torch.float64) + 0.2
    logits = torch.randn(3, 4, 5, generator=generator, dtype=torch.float64).log_softmax(-1)
    found = losses.mixture_log_density(modes, logits, scale, target)
    wanted = torch.distributions.MixtureSameFamily(
        torch.distributions.Categorical(logits=logits[:, :, None].expand(-1, -1, 9, -1)),
        torch.distributions.Independent(torch.distributions.Normal(modes.transpose(2, 3), scale.transpose(2, 3)), 1),
    ).log_prob(target)
    torch.testing.assert_close(found, wanted)
    assert float(losses.likelihood_loss(found, mask)) == pytest.approx(-float(wanted[mask].mean()))
    assert float(losses.likelihood_loss(found, torch.zeros_like(mask))) == 0


def test_coverage_loss_leaves_out_unknown_labels() -> None:
    logit = torch.tensor([2.0, -1.0, 0.5, 3.0], requires_grad=True)
    label = torch.tensor([1, 0, -1, -1], dtype=torch.int8)
    wanted = torch.nn.functional.binary_cross_entropy_with_logits(logit[:2], torch.tensor([1.0, 0.0]))
    found = losses.coverage_loss(logit, label)
    assert float(found.detach()) == pytest.approx(float(wanted.detach()))
    found.backward()
    assert logit.grad is not None and (logit.grad[2:] == 0).all() and (logit.grad[:2] != 0).all()
    assert float(losses.coverage_loss(logit, torch.full((4,), -1)).detach()) == 0
