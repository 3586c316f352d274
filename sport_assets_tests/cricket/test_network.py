"""The cricket network: no ball sees itself or what comes after, batches change nothing, balls can be kept."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from sport_assets.cricket.nodes import FEATURES, HISTORY_FEATURES
from sport_assets.cricket.parts import PlayerTable, hide
from sport_assets.cricket.settings import VARIANTS
from sport_assets_tests.cricket.graph_reference import reference_logits
from sport_assets_tests.cricket.innings_example import ENTITIES, INPUTS, innings, logits, network


@pytest.mark.parametrize("variant", VARIANTS)
def test_fast_form_is_the_graph(variant: str) -> None:
    made, batch = network(variant, layers=2), innings([40, 44])
    with torch.no_grad():
        expected = reference_logits(made, batch, 0)
    torch.testing.assert_close(logits(made, batch)[0, :40], expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("layers", [1, 3])
def test_fast_form_is_the_graph_at_any_depth(layers: int) -> None:
    made, batch = network("full", layers=layers), innings([30])
    with torch.no_grad():
        torch.testing.assert_close(logits(made, batch)[0], reference_logits(made, batch, 0), atol=1e-5, rtol=1e-5)


def changed_from(batch: dict[str, Tensor], ball: int) -> dict[str, Tensor]:
    """Another course of the innings from a ball on: its outcome, and all that is known, and who plays, after it."""
    other = innings([batch["mask"].shape[1]] * len(batch["mask"]), seed=99)
    found = {name: value.clone() for name, value in batch.items()}
    found["ball"][:, ball:] = other["ball"][:, ball:]
    for name in ("features", "ids", "persons", "place"):
        found[name][:, ball + 1 :] = other[name][:, ball + 1 :]
    return found


@pytest.mark.parametrize("variant", VARIANTS)
def test_what_happens_at_a_ball_or_after_it_is_not_known_before(variant: str) -> None:
    made, batch = network(variant), innings([41, 41])
    before = logits(made, batch)
    assert torch.isfinite(before).all()
    for ball in (0, 1, 7, 20, 40):
        after = logits(made, changed_from(batch, ball))
        torch.testing.assert_close(after[:, : ball + 1], before[:, : ball + 1], atol=1e-6, rtol=0)
        if ball < 40:
            assert (after[:, ball + 1] - before[:, ball + 1]).abs().max() > 1e-4


@pytest.mark.parametrize("variant", ["base", "pooling", "full"])
def test_each_ball_has_a_gradient_from_earlier_outcomes_alone(variant: str) -> None:
    made, batch = network(variant), innings([30])
    batch["ball"].requires_grad_()
    found = made(*(batch[name] for name in INPUTS))
    for ball in (0, 1, 12, 29):
        (gradient,) = torch.autograd.grad(found[0, ball].square().sum(), batch["ball"], retain_graph=True)
        heard = gradient[0].abs().sum(-1) > 0
        assert heard[:ball].all()
        assert not heard[ball:].any()


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_batch_changes_nothing(variant: str) -> None:
    made = network(variant)
    lengths = [33, 1, 50]
    together = innings(lengths)
    found = logits(made, together)
    for number, length in enumerate(lengths):
        alone = {name: value[number : number + 1, :length] for name, value in together.items()}
        torch.testing.assert_close(logits(made, alone)[0], found[number, :length], atol=2e-6, rtol=0)
    more = {
        name: torch.nn.functional.pad(value, (0, 0) * (value.ndim - 2) + (0, 9)) for name, value in together.items()
    }
    torch.testing.assert_close(logits(made, more)[:, :50][together["mask"]], found[together["mask"]], atol=2e-6, rtol=0)


def test_the_team_of_an_unseen_player_counts_where_it_is_hierarchical() -> None:
    unseen, teams = torch.zeros(2, dtype=torch.long), torch.tensor([1, 2])
    plain, by_team = PlayerTable(ENTITIES, 4, False)(unseen, teams), PlayerTable(ENTITIES, 4, True)(unseen, teams)
    assert torch.equal(plain[0], plain[1])
    assert not torch.equal(by_team[0], by_team[1])


def test_hierarchical_learns_from_team_mates_what_to_say_of_an_unseen_player() -> None:
    made, batch = network("full_only_hierarchical").train(), innings([30])
    batch["ids"][..., 3:] = 1 + batch["ids"][..., 3:] % ENTITIES.players
    made(*(batch[name] for name in INPUTS)).square().sum().backward()
    assert made.batters.teams is not None
    gradient = made.batters.teams.weight.grad
    assert gradient is not None and gradient[batch["ids"][0, 0, 1]].abs().sum() > 0


def test_the_unknown_row_is_trained_by_hiding_players() -> None:
    batch = innings([40] * 8)
    batch["ids"][..., 3:] = 1 + batch["ids"][..., 3:] % ENTITIES.players
    trained = {}
    for variant in ("full", "full_no_unknown_player"):
        torch.manual_seed(0)
        made = network(variant).train()
        made(*(batch[name] for name in INPUTS)).square().sum().backward()
        gradient = made.batters.players.weight.grad
        assert gradient is not None
        trained[variant] = bool(gradient[0].abs().sum() > 0)
    assert trained == {"full": True, "full_no_unknown_player": False}


def test_who_is_hidden_is_hidden_through_the_innings() -> None:
    ids = innings([60] * 40)["ids"]
    torch.manual_seed(0)
    hidden = hide(ids, ENTITIES, 0.3)
    assert torch.equal(hidden[hidden > 0], ids[hidden > 0])
    known = ids[..., 3:] > 0
    assert 0.2 < float((hidden[..., 3:][known] == 0).float().mean()) < 0.4
    for row, columns in zip(ids[..., 3:], hidden[..., 3:], strict=True):
        for player in row[row > 0].unique():
            assert len((columns[row == player] == 0).unique()) == 1


def test_unknown_players_that_differ_are_not_taken_for_one() -> None:
    made, batch = network("base"), innings([30])
    batch["ids"][..., 3:] = 0
    one = {**batch, "persons": batch["persons"].clone()}
    one["persons"][..., 2] = 10
    assert (logits(made, one) - logits(made, batch)).abs().max() > 1e-4


def test_without_history_its_features_change_nothing() -> None:
    batch = innings([20])
    other = {**batch, "features": batch["features"].clone()}
    columns = [FEATURES.index(name) for name in HISTORY_FEATURES]
    other["features"][..., columns] += 1.0
    without, having = network("full_no_history"), network("full")
    assert torch.equal(logits(without, other), logits(without, batch))
    assert (logits(having, other) - logits(having, batch)).abs().max() > 1e-3


def test_the_parts_of_the_variants_are_heard() -> None:
    batch = innings([20])
    later = {**batch, "place": batch["place"].clone()}
    later["place"][..., 2] = 2
    phase = {**batch, "place": batch["place"].clone()}
    phase["place"][..., 1] = 4 - phase["place"][..., 1]
    for variant, other in (("innings_conditional", later), ("phase_modulated", phase)):
        assert (logits(network(variant), other) - logits(network(variant), batch)).abs().max() > 1e-3
        assert torch.equal(logits(network("hybrid"), other), logits(network("hybrid"), batch))
    assert (logits(network("pooling"), batch) - logits(network("base"), batch)).abs().max() > 1e-3
