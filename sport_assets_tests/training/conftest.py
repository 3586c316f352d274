"""Fixtures of the training tests: specs of the toy model and a process that forks trainers."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sport_assets.training.spec import SpecInput, TrainingSpec

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def toy_spec() -> Callable[..., TrainingSpec]:
    """Spec of the toy model; keywords are training settings, `model` the toy's, `spec` fields of the spec."""

    def make(model: dict[str, Any] | None = None, spec: dict[str, Any] | None = None, **training: Any) -> TrainingSpec:
        settings = {"max_epochs": 3, "batch_size": 8, "save_last": True, **training}
        return TrainingSpec(
            **{
                "line": "toy",
                "model": "mlp",
                "builder": "sport_assets_tests.training.toy:build",
                "settings": {"training": settings, "model": model or {}},
                "seed": 3,
                "inputs": (SpecInput(key="toy/numbers", version="a" * 64),),
                **(spec or {}),
            }
        )

    return make


class Trainers:
    """Forks trainers and says how each ended (negative: the signal)."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "sport_assets_tests.training.zygote"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"

    def run(self, spec: TrainingSpec, folder: Path, trackers: str = "none", **order: Any) -> tuple[int, str]:
        """Train `spec` with its work and result folders below `folder`: exit status, and stderr of this run."""
        folder.mkdir(parents=True, exist_ok=True)
        spec.save(folder / "spec.json")
        log = folder / "stderr.txt"
        log.unlink(missing_ok=True)
        args = [folder / "spec.json", "--work", folder / "work", "--out", folder / "out", "--trackers", trackers]
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps({"args": [str(arg) for arg in args], "log": str(log), **order}), file=self._process.stdin)
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        return answer["status"], log.read_text()

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10)


@pytest.fixture(scope="module")
def trainers() -> Iterator[Trainers]:
    """One forking process per test module."""
    process = Trainers()
    yield process
    process.close()


def contents(folder: Path) -> dict[str, bytes]:
    """Bytes of every file of a result folder."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
