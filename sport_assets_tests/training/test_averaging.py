"""The moving average of the weights: what it is, that it is what is validated and published, and that it resumes."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pydantic
import pytest
import pytorch_lightning as pl
import torch
from safetensors.torch import load_file

from sport_assets.training.checkpoints import STATE
from sport_assets.training.fit import Fitted, fit
from sport_assets.training.job import build_job
from sport_assets.training.progress import SilentReporter
from sport_assets.training.resume import StopRequest
from sport_assets.training.spec import SpecInput, TrainingSpec
from sport_assets.training.state import read_structure
from sport_assets_tests.training.conftest import Trainers, contents
from sport_assets_tests.training.toy import Toy, ToySource

ToySpec = Callable[..., TrainingSpec]
DECAY = 0.7  # reached by the warm-up after 21 steps


class Unheard(StopRequest):
    """Leaves the signals of the test's process alone."""

    def install(self) -> None:
        """Nothing."""


class Recorder(pl.Callback):
    """The weights after every optimizer step, and as they were before the first."""

    def __init__(self) -> None:
        self.seen: list[dict[str, torch.Tensor]] = []
        self._step = 0

    def _take(self, module: pl.LightningModule) -> None:
        self.seen.append({name: value.detach().clone() for name, value in module.state_dict().items()})

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """The first weights."""
        self._take(pl_module)

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *args: Any) -> None:
        """Where a step was taken."""
        if trainer.global_step > self._step:
            self._step = trainer.global_step
            self._take(pl_module)


def trained(spec: TrainingSpec, work: Path) -> tuple[Fitted, Recorder]:
    work.mkdir(exist_ok=True)
    recorder = Recorder()
    return fit(spec, work, SilentReporter(), Unheard(), lambda curves, used: [recorder]), recorder


def saved(files: dict[str, bytes], name: str, folder: Path) -> dict[str, torch.Tensor]:
    (folder / name).write_bytes(files[name])
    return load_file(folder / name)


def reference(seen: list[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    average = {name: value.double() for name, value in seen[0].items()}
    for number, weights in enumerate(seen[1:]):
        decay = min(DECAY, (1 + number) / (10 + number))
        for name, value in weights.items():
            average[name] = decay * average[name] + (1 - decay) * value if value.is_floating_point() else value
    return average


@pytest.mark.parametrize("part", ["split", "fold:0"])
def test_the_average_is_what_is_validated_and_published(part: str, toy_spec: ToySpec, tmp_path: Path) -> None:
    spec = toy_spec(
        spec={"part": part}, weight_averaging=DECAY, max_epochs=6, accumulate_grad_batches=2, learning_rate=0.02
    )
    fitted, recorder = trained(spec, tmp_path)
    published = fitted.report["published_epoch"]
    steps = [row["step"] for row in fitted.rows]
    assert len(recorder.seen) == steps[-1] + 1 == 31, "5 steps of 2 batches in each of 6 epochs, and the start"
    for name, epoch in (("weights.safetensors", published), ("weights_last.safetensors", 5)):
        weights = saved(fitted.files, name, tmp_path)
        expected = reference(recorder.seen[: steps[epoch] + 1])
        for key, value in weights.items():
            torch.testing.assert_close(value.double(), expected[key].double(), rtol=1e-5, atol=1e-7)
    # training went on with the raw weights, and the state to continue from holds them
    raw = recorder.seen[-1]
    last = saved(fitted.files, "weights_last.safetensors", tmp_path)
    assert not torch.equal(last["net.0.weight"], raw["net.0.weight"])
    (tmp_path / STATE).write_bytes(fitted.files[STATE])
    assert torch.equal(read_structure(tmp_path / STATE)["state_dict"]["net.0.weight"], raw["net.0.weight"])
    # the curve's error is the average's
    module = Toy({})
    module.load_state_dict(saved(fitted.files, "weights.safetensors", tmp_path))
    valid = build_job(spec).valid
    assert isinstance(valid, ToySource)
    with torch.no_grad():
        error = (module.eval().net(torch.from_numpy(valid.x)) - torch.from_numpy(valid.y)).norm(dim=-1).mean()
    assert float(error) == pytest.approx(fitted.rows[published]["val_ade"], rel=1e-5)


def test_it_does_not_touch_the_training(toy_spec: ToySpec, tmp_path: Path) -> None:
    with_average, without = (
        trained(toy_spec(max_epochs=2, weight_averaging=decay), tmp_path / str(decay))[1].seen[-1]
        for decay in (DECAY, None)
    )
    assert all(torch.equal(with_average[name], value) for name, value in without.items())


@pytest.mark.crash
def test_a_crash_at_any_durable_step_changes_no_bit_of_the_average(
    toy_spec: ToySpec, trainers: Trainers, tmp_path: Path
) -> None:
    spec = toy_spec(weight_averaging=DECAY, max_epochs=2, accumulate_grad_batches=2, checkpoint_every_s=1e-6)
    count = tmp_path / "count"
    assert trainers.run(spec, tmp_path / "whole", count=str(count))[0] == 0
    chosen = random.Random(1)
    for trial in range(4):
        crash = {"at": chosen.randint(1, int(count.read_text())), "when": chosen.choice(["before", "after"])}
        assert trainers.run(spec, tmp_path / str(trial), crash=crash)[0] == -9
        status, log = trainers.run(spec, tmp_path / str(trial))
        assert status == 0, log
        assert contents(tmp_path / str(trial) / "out") == contents(tmp_path / "whole" / "out"), crash


def test_a_stop_within_a_validation_keeps_average_and_weights_apart(
    toy_spec: ToySpec, trainers: Trainers, tmp_path: Path
) -> None:
    common: dict[str, Any] = {"weight_averaging": DECAY, "max_epochs": 2, "validation_batch_size": 2}
    assert trainers.run(toy_spec(model={"valid_delay_s": 0.0}, **common), tmp_path / "whole")[0] == 0
    spec = toy_spec(model={"valid_delay_s": 0.15}, checkpoint_every_s=1000.0, **common)
    status, log = trainers.run(spec, tmp_path / "cut", delay_s=1.0, signal="SIGTERM")
    assert status == 75, log
    assert "(epoch 0) with a checkpoint" in log
    assert trainers.run(spec, tmp_path / "cut")[0] == 0
    for name in ("weights.safetensors", "weights_last.safetensors", "curves.json"):
        assert (tmp_path / "cut/out" / name).read_bytes() == (tmp_path / "whole/out" / name).read_bytes()


def test_a_finished_training_goes_on_with_its_average(toy_spec: ToySpec, trainers: Trainers, tmp_path: Path) -> None:
    same: dict[str, Any] = {"weight_averaging": DECAY, "schedule": "constant", "warmup_epochs": 0}
    assert trainers.run(toy_spec(max_epochs=2, **same), tmp_path / "short")[0] == 0
    assert trainers.run(toy_spec(max_epochs=3, **same), tmp_path / "long")[0] == 0
    finished = SpecInput(key="toy/checkpoint", version="b" * 64, path=str(tmp_path / "short" / "out"))
    more = toy_spec(spec={"resume_from": "b" * 64, "inputs": (finished,)}, max_epochs=3, **same)
    status, log = trainers.run(more, tmp_path / "more")
    assert status == 0, log
    for name in ("weights.safetensors", "weights_last.safetensors", "curves.json"):
        assert (tmp_path / "more/out" / name).read_bytes() == (tmp_path / "long/out" / name).read_bytes(), name


@pytest.mark.parametrize("decay", [0.0, 1.0, -0.5])
def test_a_decay_is_between_0_and_1(decay: float, toy_spec: ToySpec) -> None:
    with pytest.raises(pydantic.ValidationError, match="weight_averaging"):
        toy_spec(weight_averaging=decay)
