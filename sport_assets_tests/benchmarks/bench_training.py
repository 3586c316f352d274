"""Training our production preset against the reference on the same plays: plays per second of a step, and error.

Both go through the same loop on one core, one after the other in turn: the same samples in the same order, optimizer,
schedule and averaging of weights. A step is everything from the data in memory to the optimizer: for us padding,
mirroring and earlier starts; for the reference joining its graphs, which are made before any timing. Seconds are CPU
seconds of one thread, so that other work on the machine changes them little. Epochs may be given as the one argument.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch_geometric.data import Batch

from sport_assets.nfl.batches import PlaySource
from sport_assets.nfl.models import INPUTS, TorchPlays, TrajectoryModule
from sport_assets.nfl.settings import DataSettings, ModelSettings, resolve
from sport_assets.nfl.tensors import PlayTensors
from sport_assets.training.data import epoch_order
from sport_assets.training.optim import adamw_with_schedule
from sport_assets.training.spec import TrainerSettings
from sport_assets_tests.benchmarks import season
from sport_assets_tests.benchmarks.reference import PARAMETERS, PerNodeTransformer, graphs, parameters, truth

EPOCHS = 3
BATCH = 32
WEEKS, PLAYS = 2, 80
TIMED_STEPS = 12
GOAL = 20
REFERENCE_RATE = 3e-4
"""Learning rate of the reference; 1e-3 gave a larger error on the generated plays."""


@dataclass
class Contestant:
    """What is trained: its batches of samples, its loss, and its positions with truth and mask for a batch."""

    name: str
    module: nn.Module
    train: Callable[[np.ndarray], Any]
    test: Callable[[np.ndarray], Any]
    loss: Callable[[Any], Tensor]
    forecast: Callable[[nn.Module, Any], tuple[Tensor, Tensor, Tensor]]
    learning_rate: float
    seconds: list[float] = field(default_factory=list)

    def step(self, indices: np.ndarray, optimizer: Any, schedule: Any, average: AveragedModel) -> None:
        """One step from data to optimizer."""
        began = time.process_time()
        loss = self.loss(self.train(indices))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.module.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        average.update_parameters(self.module)
        self.seconds.append(time.process_time() - began)


def main(epochs: int = EPOCHS) -> None:
    """Print the figures."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for name, tensors in season.sets(WEEKS, PLAYS):
            _compare(name, tensors, epochs)
    finally:
        torch.set_num_threads(threads)


def _compare(name: str, tensors: PlayTensors, epochs: int) -> None:
    train, test = season.cut(tensors)
    settings = resolve({"preset": "production", "seed": "0"}, {})
    data = DataSettings.model_validate(settings["data"])
    source = PlaySource(train, mirrored=data.mirror, earlier_starts_frames=data.earlier_starts_frames)
    held = PlaySource(test)
    trainer = TrainerSettings.model_validate(settings["training"])
    print(f"{name}: {season.describe(tensors)}; {len(train)} train, as {len(source)} samples, {len(test)} test")
    print(f"    load of the machine: {os.getloadavg()[0]:.1f}", flush=True)

    made = graphs(source), graphs(held)
    single = {**settings, "model": {**settings["model"], "members": 1}}
    makers: dict[str, Callable[[], Contestant]] = {
        "ours": lambda: _ours(source, held, settings, trainer),
        "ours, one member": lambda: _ours(source, held, single, trainer),
        "reference": lambda: _reference(*made, settings, asked_only=False),
        "reference that decodes only the players to predict": lambda: _reference(*made, settings, asked_only=True),
    }
    rates = _rates({maker: make() for maker, make in makers.items()}, len(source), trainer)
    ours, one = rates["ours"], rates["ours, one member"]
    for maker, rate in rates.items():
        count = parameters(makers[maker]().module)
        ratio = f": ours is {ours / rate:.1f} times as fast, one member {one / rate:.1f} times (goal {GOAL})"
        print(
            f"    {maker} ({count:,} parameters): {rate:,.0f} plays per CPU-second of a step at batch {BATCH}"
            f"{ratio if maker.startswith('reference') else ''}"
        )

    steps = epochs * -(-len(source) // BATCH)
    fast = "reference that decodes only the players to predict"  # the same losses and so the same weights, sooner
    for maker, own, what in (
        ("ours", steps, f"{epochs} epochs"),
        ("ours, one member", steps, f"{epochs} epochs"),
        (fast, steps, f"{epochs} epochs"),
        (fast, max(1, round(steps * rates[fast] / ours)), "as many CPU-seconds as ours"),
        ("reference", max(1, round(steps * rates["reference"] / ours)), "as many CPU-seconds as ours"),
    ):
        contestant = makers[maker]()
        error = _train(contestant, own, len(source), len(held), trainer)
        print(
            f"    {maker}, {what}: ADE {error:.3f} yards on held-out games after {own} steps, "
            f"{sum(contestant.seconds):.0f} CPU-s"
        )
    untrained = _error(makers["reference"](), nn.Module(), len(held), physics=True)
    print(f"    the physics baseline that all add to: ADE {untrained:.3f} yards")


def _ours(source: PlaySource, held: PlaySource, settings: dict[str, Any], trainer: TrainerSettings) -> Contestant:
    torch.manual_seed(0)
    module = TrajectoryModule(
        ModelSettings.model_validate(settings["model"]), DataSettings.model_validate(settings["data"])
    )
    module.log_dict = lambda *_, **__: None  # type: ignore[method-assign]  # there is no trainer to log to

    def forecast(said: nn.Module, batch: Any) -> tuple[Tensor, Tensor, Tensor]:
        assert isinstance(said, TrajectoryModule)
        found = said.network(*(batch[name] for name in INPUTS))
        positions = dict(zip(said.network.outputs, found, strict=True))["positions"]
        return positions, batch["target"], batch["target_mask"]

    return Contestant(
        "ours",
        module,
        TorchPlays(source).batch,
        TorchPlays(held).batch,
        lambda batch: module.training_step(batch, 0),
        forecast,
        trainer.learning_rate,
    )


def _reference(train: list[Any], test: list[Any], settings: dict[str, Any], *, asked_only: bool) -> Contestant:
    torch.manual_seed(0)
    module = PerNodeTransformer()
    assert abs(parameters(module) / PARAMETERS - 1) <= 0.02
    model = settings["model"]

    def forecast(said: nn.Module, batch: Any) -> tuple[Tensor, Tensor, Tensor]:
        found = said(batch, asked_only)[None]
        return found, *truth(batch, found.shape[2], asked_only)

    return Contestant(
        "reference",
        module,
        lambda indices: Batch.from_data_list([train[i] for i in indices]),
        lambda indices: Batch.from_data_list([test[i] for i in indices]),
        lambda batch: module.loss(
            batch, model["huber_delta_yards"], model["velocity_loss_weight"], asked_only=asked_only
        ),
        forecast,
        REFERENCE_RATE,
    )


def _prepared(contestant: Contestant, steps: int, trainer: TrainerSettings) -> tuple[Any, Any, AveragedModel]:
    """Optimizer and schedule over that many steps, and the average of weights."""
    shorter = trainer.model_copy(
        update={
            "max_epochs": 1,
            "learning_rate": contestant.learning_rate,
            "warmup_epochs": trainer.warmup_epochs / trainer.max_epochs,
        }
    )
    made = adamw_with_schedule(contestant.module, shorter, steps)
    # as many steps as the training allows: an average over more would still hold the first weights
    average = get_ema_multi_avg_fn(min(0.99, 1 - 5 / max(steps, 10)))
    return (
        made["optimizer"],
        made["lr_scheduler"]["scheduler"],
        AveragedModel(contestant.module, multi_avg_fn=average, use_buffers=True),
    )


def _order(samples: int, steps: int) -> Iterator[np.ndarray]:
    for number in range(steps):
        per_epoch = -(-samples // BATCH)
        epoch, place = divmod(number, per_epoch)
        yield epoch_order(samples, 0, epoch)[place * BATCH : (place + 1) * BATCH]


def _rates(contestants: dict[str, Contestant], samples: int, trainer: TrainerSettings) -> dict[str, float]:
    """Plays per CPU-second at the median of the timed steps; the contestants take turns."""
    ready = {name: _prepared(contestant, TIMED_STEPS, trainer) for name, contestant in contestants.items()}
    orders = [order for order in _order(samples, 2 * TIMED_STEPS) if len(order) == BATCH][:TIMED_STEPS]
    for indices in orders:
        for name, contestant in contestants.items():
            contestant.module.train()
            contestant.step(indices, *ready[name])
    return {name: BATCH / statistics.median(one.seconds[2:]) for name, one in contestants.items()}


def _train(contestant: Contestant, steps: int, samples: int, held: int, trainer: TrainerSettings) -> float:
    """Trains for that many steps; ADE in yards of the averaged weights on the held-out games."""
    optimizer, schedule, average = _prepared(contestant, steps, trainer)
    contestant.module.train()
    for indices in _order(samples, steps):
        contestant.step(indices, optimizer, schedule, average)
    return _error(contestant, average.module, held)


def _error(contestant: Contestant, module: nn.Module, held: int, *, physics: bool = False) -> float:
    module.eval()
    distance = frames = 0.0
    with torch.inference_mode():
        for start in range(0, held, BATCH):
            batch = contestant.test(np.arange(start, min(start + BATCH, held)))
            if physics:
                horizon = int(batch.frames.max())
                found, (target, mask) = batch.baseline[None, :, :horizon], truth(batch, horizon)
            else:
                found, target, mask = contestant.forecast(module, batch)
            distance += float(((found - target).norm(dim=-1) * mask).sum())
            frames += float(mask.sum())
    return distance / frames


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    main(*(int(argument) for argument in sys.argv[1:2]))
