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
