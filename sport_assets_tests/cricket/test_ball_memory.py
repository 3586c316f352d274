"""Balls kept as sums and rings: step by step the same as the network on the whole innings, for every variant."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from sport_assets.cricket.ball_memory import BallMemory
from sport_assets.cricket.network import CricketNetwork
from sport_assets.cricket.settings import MAIN_VARIANTS
from sport_assets_tests.cricket.innings_example import innings, logits, network

BATTERS, BOWLERS, FIRST_BOWLER = 3, 3, 10


def at(batch: dict[str, Tensor], ball: int) -> dict[str, Tensor]:
    """One ball of each innings; bowlers counted for themselves."""
    one = {name: value[:, ball] for name, value in batch.items()}
    return {**one, "persons": one["persons"] - torch.tensor([0, 0, FIRST_BOWLER])}


def said(memory: BallMemory, one: dict[str, Tensor]) -> Tensor:
    return memory.decide(*(one[name] for name in ("features", "ids", "place", "persons")))


def add(memory: BallMemory, one: dict[str, Tensor]) -> None:
    memory.extend(*(one[name] for name in ("ball", "ids", "place", "persons")))


def step_by_step(made: CricketNetwork, batch: dict[str, Tensor]) -> Tensor:
    memory = BallMemory(made, len(batch["mask"]), BATTERS, BOWLERS)
    found = []
    with torch.no_grad():
        for ball in range(batch["mask"].shape[1]):
            found.append(said(memory, at(batch, ball)))
            add(memory, at(batch, ball))
    return torch.stack(found, 1)


@pytest.mark.parametrize("variant", MAIN_VARIANTS)
@pytest.mark.parametrize("layers", [1, 2, 3])
def test_kept_balls_say_what_the_whole_innings_says(variant: str, layers: int) -> None:
    made, batch = network(variant, layers=layers), innings([113, 113, 113])
    torch.testing.assert_close(step_by_step(made, batch), logits(made, batch), atol=1e-5, rtol=1e-5)


def test_some_go_on_alone_and_one_becomes_many() -> None:
    made, batch = network("full"), innings([60, 60, 60])
    whole = logits(made, batch)
    memory = BallMemory(made, 3, BATTERS, BOWLERS)
    chosen = torch.tensor([2, 0, 2, 2])
    with torch.no_grad():
        for ball in range(40):
            add(memory, at(batch, ball))
        every, memory = memory, memory.taken(chosen)
        for ball in range(40, 60):
            one = {name: value[chosen] for name, value in at(batch, ball).items()}
            torch.testing.assert_close(said(memory, one), whole[chosen, ball], atol=1e-5, rtol=1e-5)
            add(memory, one)
        # those that they were taken from are still before that ball
        torch.testing.assert_close(said(every, at(batch, 40)), whole[:, 40], atol=1e-5, rtol=1e-5)
