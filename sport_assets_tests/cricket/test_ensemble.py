"""Networks as one: their probabilities are averaged, and each is a network of its own."""

from __future__ import annotations

import pytest
import torch

from sport_assets_tests.cricket.innings_example import INPUTS, ensemble, innings, logits, network


@pytest.mark.parametrize("members", [2, 3])
def test_probabilities_are_the_mean_of_the_members(members: int) -> None:
    made, batch = ensemble("full", members=members), innings([30, 12])
    said, alone = logits(made, batch), [logits(each, batch) for each in made.networks]
    assert len(alone) == members and (alone[0] - alone[1]).abs().max() > 1e-2
    mean = torch.stack([each.softmax(-1) for each in alone]).mean(0)
    torch.testing.assert_close(said, mean.log(), atol=1e-5, rtol=1e-5)
    # so that losses, calibration and metrics, which take log odds, take them as they are
    torch.testing.assert_close(said.log_softmax(-1), said, atol=1e-6, rtol=1e-6)


def test_one_member_says_what_it_says_alone() -> None:
    batch = innings([30, 12])
    assert torch.equal(logits(ensemble("full"), batch), logits(network("full"), batch))


@pytest.mark.parametrize(("dropout", "unknown_share"), [(0.0, 0.5), (0.5, 0.0)])
def test_each_member_hides_and_drops_for_itself(dropout: float, unknown_share: float) -> None:
    made = ensemble("full", members=2, dropout=dropout, unknown_share=unknown_share)
    batch = innings([30, 12])
    first, second = made.networks
    second.load_state_dict(first.state_dict())
    inputs = [batch[name] for name in INPUTS]
    for training in (False, True):
        one, other = made.train(training).forecasts(*inputs)
        assert torch.equal(one, other) != training
