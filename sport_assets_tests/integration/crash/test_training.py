"""A training process is killed at random moments; run again until it is done, it ends with the same bits.

The deterministic crash points of training are in ``sport_assets_tests/training/test_resume.py``. Here one trial in
six kills the real command, from its first import to its last file; loading torch twice takes most of its time, so the
others kill a trainer that is forked from a process that has torch loaded.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sport_assets.training.spec import TrainingSpec
from sport_assets_tests.integration.crash.harness import REPOSITORY, TRAINING_TRIALS
from sport_assets_tests.training.conftest import Trainers, contents

pytestmark = pytest.mark.crash

SPEC = TrainingSpec(
    line="toy",
    model="mlp",
    builder="sport_assets_tests.training.toy:build",
    settings={
        # dropout and shuffling are the toy's own; a checkpoint is written every few batches
        "training": {"max_epochs": 3, "batch_size": 8, "checkpoint_every_s": 0.05, "save_last": True},
        "model": {"delay_s": 0.02},
    },
    seed=5,
)


COMMANDS = max(1, TRAINING_TRIALS // 6)


@dataclass(frozen=True)
class Undisturbed:
    """The result folder of a training that nobody killed, and how long it took to its first checkpoint and its end."""

    out: Path
    checkpoint_s: float
    total_s: float


def _start(folder: Path) -> subprocess.Popen[str]:
    folder.mkdir(parents=True, exist_ok=True)
    SPEC.save(folder / "spec.json")
    command = [sys.executable, "-m", "sport_assets.training.run", str(folder / "spec.json"), "--trackers", "none"]
    command += ["--work", str(folder / "work"), "--out", str(folder / "out")]
    log = (folder / "log.txt").open("a", encoding="utf-8")
    with log:
        return subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, text=True, cwd=REPOSITORY)


def _await_checkpoint(process: subprocess.Popen[str], folder: Path) -> None:
    while process.poll() is None and not (folder / "work" / "last.ckpt").exists():
        time.sleep(0.005)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """One training from start to end."""
    folder = tmp_path_factory.mktemp("undisturbed")
    started = time.monotonic()
    process = _start(folder)
    _await_checkpoint(process, folder)
    first = time.monotonic() - started
    assert process.wait(timeout=240) == 0, (folder / "log.txt").read_text(encoding="utf-8")
    return Undisturbed(folder / "out", first, time.monotonic() - started)


@pytest.fixture(scope="module")
def trainers() -> Iterator[Trainers]:
    """The process that forks trainers."""
    process = Trainers()
    yield process
    process.close()


@pytest.mark.parametrize("number", range(TRAINING_TRIALS - COMMANDS))
def test_a_trainer_is_killed(undisturbed: Undisturbed, trainers: Trainers, number: int, tmp_path: Path) -> None:
    """Killed up to three times, then run to its end.

    Every second time the first kill comes at a random moment after the first checkpoint; then, and whenever else a
    checkpoint is there, the last run must begin at it: from the start it would reach the same bits, too.
    """
    chosen = random.Random(number)
    last = tmp_path / "work" / "last.ckpt"
    killed = 0
    for _ in range(12):
        moment: dict[str, Any] = {"delay_s": chosen.uniform(0.05, 0.9)}
        if number % 2 == 0 and not killed:
            moment = {"delay_s": chosen.uniform(0.0, 0.4), "after": str(last)}
        status, log = trainers.run(SPEC, tmp_path, **moment, signal="SIGKILL")
        assert status in (-signal.SIGKILL, 0), log
        killed += status != 0
        if status == 0 and not killed:  # done before its moment came: from the start again
            (tmp_path / "out").rename(tmp_path / f"done-{time.monotonic_ns()}")
            (tmp_path / "work").rename(tmp_path / f"work-{time.monotonic_ns()}")
        elif killed == 3 or status == 0:
            break
    assert killed, "no crash happened"
    saved = last.exists() or last.with_name("previous.ckpt").exists()
    assert saved or number % 2 == 1, "it was killed after its first checkpoint"
    finished = (tmp_path / "out").exists()  # by the run that was killed, as its last act
    status, log = trainers.run(SPEC, tmp_path)
    assert status == 0, log
    if saved:
        assert ("already" if finished else "resumes from") in log, "the checkpoint was there, and was not used"
        report = json.loads((tmp_path / "work" / "result.json").read_text(encoding="utf-8"))
        assert finished or report["resumed_at_step"] > 0
    assert contents(tmp_path / "out") == contents(undisturbed.out)
    assert not list(tmp_path.glob(".*.part"))


@pytest.mark.parametrize("number", range(COMMANDS))
def test_the_command_is_killed(undisturbed: Undisturbed, number: int, tmp_path: Path) -> None:
    """Every second time anywhere from its start on, else after its first checkpoint, which must then be used."""
    chosen = random.Random(number)
    moment = chosen.random()
    for _ in range(5):
        process = _start(tmp_path)
        if number % 2 == 1:
            time.sleep(moment * undisturbed.total_s)
        else:
            _await_checkpoint(process, tmp_path)
            time.sleep(moment * (undisturbed.total_s - undisturbed.checkpoint_s))
        os.kill(process.pid, signal.SIGKILL)
        status = process.wait(timeout=60)
        if status == -signal.SIGKILL:
            break
        # faster than the undisturbed one: it was done before its moment came
        (tmp_path / "out").rename(tmp_path / f"done-{moment}")
        (tmp_path / "work").rename(tmp_path / f"work-{moment}")
        moment *= 0.6
    assert status == -signal.SIGKILL, "no crash happened"
    out = tmp_path / "out"
    assert not out.exists() or contents(out) == contents(undisturbed.out), "half a result is visible"

    again = _start(tmp_path)
    assert again.wait(timeout=240) == 0, (tmp_path / "log.txt").read_text(encoding="utf-8")
    assert "weights.safetensors" in contents(out) and contents(out) == contents(undisturbed.out)
    assert not list(tmp_path.glob(".*.part"))
    if number % 2 == 0:
        text = (tmp_path / "log.txt").read_text(encoding="utf-8")
        assert "resumes from" in text or "already" in text, "the checkpoint was there, and was not used"
