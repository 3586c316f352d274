"""A training that is killed at any moment ends with the bits of the undisturbed one."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sport_assets.training.spec import SpecInput, TrainingSpec
from sport_assets_tests.training.conftest import Trainers, contents

TRIALS = max(4, int(os.environ.get("SPORT_ASSETS_CRASH_TRIALS", "50")) // 4)
ToySpec = Callable[..., TrainingSpec]


@pytest.fixture(scope="module")
def undisturbed(trainers: Trainers, tmp_path_factory: pytest.TempPathFactory) -> tuple[TrainingSpec, Path, int]:
    """Spec (dropout, shuffling, accumulation, a checkpoint at every step), its result, and its durable calls."""
    training = {
        "max_epochs": 3,
        "batch_size": 8,
        "accumulate_grad_batches": 2,
        "warmup_epochs": 1,
        "checkpoint_every_s": 1e-6,
        "save_top_k": 2,
        "also_best": {"train_loss": "max"},
        "save_last": True,
    }
    spec = TrainingSpec(
        line="toy",
        model="mlp",
        builder="sport_assets_tests.training.toy:build",
        settings={"training": training, "model": {"delay_s": 0.01}},
        seed=3,
    )
    folder = tmp_path_factory.mktemp("undisturbed")
    status, log = trainers.run(spec, folder, count=str(folder / "count"))
    assert status == 0, log
    return spec, folder / "out", int((folder / "count").read_text())


@pytest.mark.crash
def test_a_crash_at_any_durable_step_changes_no_bit(
    undisturbed: tuple[TrainingSpec, Path, int], trainers: Trainers, tmp_path: Path
) -> None:
    spec, expected, calls = undisturbed
    chosen = random.Random(TRIALS)
    for trial in range(TRIALS):
        crash = {"at": chosen.randint(1, calls), "when": chosen.choice(["before", "after"])}
        folder = tmp_path / str(trial)
        status, _ = trainers.run(spec, folder, crash=crash)
        assert status == -9, f"the crash at {crash} did not happen"
        status, log = trainers.run(spec, folder)
        assert status == 0, log
        assert contents(folder / "out") == contents(expected), crash
        assert (folder / "work" / "result.json").exists(), crash
        assert not list((folder).glob("*.part"))


@pytest.mark.crash
def test_kills_at_random_moments_change_no_bit(
    undisturbed: tuple[TrainingSpec, Path, int], trainers: Trainers, tmp_path: Path
) -> None:
    spec, expected, _ = undisturbed
    chosen = random.Random(TRIALS)
    killed = resumed = 0
    for trial in range(max(2, TRIALS // 4)):
        folder = tmp_path / str(trial)
        status = -9
        for _ in range(4):
            status, log = trainers.run(spec, folder, delay_s=chosen.uniform(0.1, 0.9), signal="SIGKILL")
            assert status in (-9, 0), log
            killed += status == -9
            resumed += "resumes from" in log
        if status != 0:
            status, log = trainers.run(spec, folder)
            assert status == 0, log
            resumed += "resumes from" in log
        assert contents(folder / "out") == contents(expected)
    assert killed
    assert resumed, "no trial was killed after its first checkpoint"


def test_sigterm_leaves_a_checkpoint_within_seconds(toy_spec: ToySpec, trainers: Trainers, tmp_path: Path) -> None:
    # checkpoint_every_s is long: what is resumed from is the stop's own checkpoint, in the middle of an epoch
    spec = toy_spec(model={"delay_s": 0.02}, max_epochs=3, accumulate_grad_batches=2)
    assert trainers.run(spec, tmp_path / "whole")[0] == 0
    status, log = trainers.run(spec, tmp_path / "cut", delay_s=0.45, signal="SIGTERM")
    assert status == 75, log
    assert "start the same spec again" in log
    assert not (tmp_path / "cut" / "out").exists()
    status, log = trainers.run(spec, tmp_path / "cut")
    assert status == 0
    assert "resumes from last.ckpt" in log
    assert contents(tmp_path / "cut" / "out") == contents(tmp_path / "whole" / "out")


def test_sigterm_during_validation(toy_spec: ToySpec, trainers: Trainers, tmp_path: Path) -> None:
    spec = toy_spec(model={"valid_delay_s": 0.15}, max_epochs=2, validation_batch_size=2, checkpoint_every_s=1000.0)
    whole = toy_spec(model={"valid_delay_s": 0.0}, max_epochs=2, validation_batch_size=2)
    assert trainers.run(whole, tmp_path / "whole")[0] == 0
    status, log = trainers.run(spec, tmp_path / "cut", delay_s=1.0, signal="SIGTERM")
    assert status == 75, log
    assert "(epoch 0) with a checkpoint" in log
    status, log = trainers.run(spec, tmp_path / "cut", delay_s=1.0, signal="SIGTERM")
    assert status == 75, log
    assert trainers.run(spec, tmp_path / "cut")[0] == 0
    for name in ("weights.safetensors", "weights_last.safetensors", "curves.json"):
        assert (tmp_path / "cut/out" / name).read_bytes() == (tmp_path / "whole/out" / name).read_bytes()


@pytest.mark.parametrize("damage", ["truncate", "flip", "empty"])
def test_a_torn_checkpoint_falls_back_to_the_previous_one(
    damage: str, undisturbed: tuple[TrainingSpec, Path, int], trainers: Trainers, tmp_path: Path
) -> None:
    spec, expected, calls = undisturbed
    assert trainers.run(spec, tmp_path, crash={"at": calls // 2, "when": "after"})[0] == -9
    last = tmp_path / "work" / "last.ckpt"
    if not last.exists():  # killed between the two renames of a rotation
        (tmp_path / "work" / "previous.ckpt").rename(last)
    raw = bytearray(last.read_bytes())
    if damage == "flip":
        raw[len(raw) // 2] ^= 1
    last.write_bytes({"truncate": bytes(raw[: len(raw) // 2]), "flip": bytes(raw), "empty": b""}[damage])
    status, log = trainers.run(spec, tmp_path)
    assert status == 0, log
    assert "last.ckpt is" in log
    assert contents(tmp_path / "out") == contents(expected)


def test_a_finished_training_goes_on_as_if_it_had_never_ended(
    toy_spec: ToySpec, trainers: Trainers, tmp_path: Path
) -> None:
    # with a constant rate the schedule does not depend on max_epochs, so the bits must be those of one long run
    training: dict[str, Any] = {"schedule": "constant", "warmup_epochs": 0}
    short, long = toy_spec(max_epochs=2, **training), toy_spec(max_epochs=4, **training)
    assert trainers.run(short, tmp_path / "short")[0] == 0
    assert trainers.run(long, tmp_path / "long")[0] == 0
    finished = SpecInput(key="toy/checkpoint", version="b" * 64, path=str(tmp_path / "short" / "out"))
    more = toy_spec(spec={"resume_from": "b" * 64, "inputs": (finished,)}, max_epochs=4, **training)
    assert more.digest != long.digest
    status, log = trainers.run(more, tmp_path / "more")
    assert status == 0, log
    assert "continues the finished training" in log
    for name in ("weights.safetensors", "weights_last.safetensors", "curves.json", "curves.svg"):
        same = (tmp_path / "more/out" / name).read_bytes() == (tmp_path / "long/out" / name).read_bytes()
        assert same, name


def test_continuing_refuses_what_it_cannot_continue(toy_spec: ToySpec, trainers: Trainers, tmp_path: Path) -> None:
    assert trainers.run(toy_spec(max_epochs=2), tmp_path / "short")[0] == 0
    finished = SpecInput(key="toy/checkpoint", version="b" * 64, path=str(tmp_path / "short" / "out"))
    status, log = trainers.run(
        toy_spec(spec={"resume_from": "b" * 64, "inputs": (finished,)}, max_epochs=2), tmp_path / "same"
    )
    assert status == 2
    assert "has 2 epochs already" in log
    status, log = trainers.run(
        toy_spec(spec={"resume_from": "c" * 64, "inputs": (finished,)}, max_epochs=4), tmp_path / "other"
    )
    assert status == 2
    assert "none of the inputs" in log
