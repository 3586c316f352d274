"""Balls per second of the cricket network on one core: a training step (forward, backward, optimizer) and a forecast.

Seconds are CPU seconds of one thread, so that other work on the machine changes them little. Goals at hidden 128 and 3
layers: 500 balls a second in training, 1,300 forward. Variants may be given as arguments; `full` else.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import torch

from sport_assets.cricket.network import CricketNetwork
from sport_assets.cricket.parts import Entities
from sport_assets.cricket.settings import VARIANTS, ModelSettings, resolve
from sport_assets_tests.cricket.innings_example import INPUTS, innings

SIZES = ((128, 3), (64, 2))
INNINGS = 16
REPEATS = 4
GOALS = {"training": 500.0, "forecast": 1300.0}


def rate(step: Callable[[], object], balls: int) -> float:
    """Balls per CPU second, best of some repeats."""
    step()
    best = 0.0
    for _ in range(REPEATS):
        began = time.thread_time()
        step()
        best = max(best, balls / (time.thread_time() - began))
    return best


def measure(variant: str, hidden: int, layers: int) -> dict[str, float]:
    """Balls per second of training and forecast of a variant at a size."""
    made = resolve({"variant": variant}, {"model.hidden_dim": hidden, "model.layers": layers})
    network = CricketNetwork(ModelSettings.model_validate(made["model"]), Entities(100, 100, 3000))
    batch = innings([124 - number % 8 for number in range(INNINGS)])
    batch["ids"] = batch["ids"].clamp(max=3)
    optimizer = torch.optim.AdamW(network.parameters())
    balls = int(batch["mask"].sum())

    def train() -> None:
        optimizer.zero_grad()
        logits = network(*(batch[name] for name in INPUTS))
        torch.nn.functional.cross_entropy(logits.flatten(0, 1), batch["outcome"].flatten(), ignore_index=-1).backward()
        optimizer.step()

    def forecast() -> None:
        with torch.no_grad():
            network(*(batch[name] for name in INPUTS))

    found = {"training": rate(train, balls)}
    network.eval()
    found["forecast"] = rate(forecast, balls)
    return {**found, "parameters": float(sum(weight.numel() for weight in network.parameters()))}


def main() -> None:
    """Print a line for each variant and size."""
    torch.set_num_threads(1)
    for variant in [name for name in sys.argv[1:] if name in VARIANTS] or ["full"]:
        for hidden, layers in SIZES:
            found = measure(variant, hidden, layers)
            goals = ", ".join(f"{name} {found[name]:,.0f} balls/s" for name in GOALS)
            met = all(found[name] >= goal for name, goal in GOALS.items())
            short = "" if met else ", below the goals"
            print(f"{variant} {hidden} x {layers}: {goals}, {found['parameters']:,.0f} parameters{short}")


if __name__ == "__main__":
    main()
