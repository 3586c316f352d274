"""Strategies: what is refused before data is read, and DeepSpeed where it is installed.

DeepSpeed's engine runs on the CPU here, which Lightning does not allow by itself: `on_cpu` takes its checks away. What
a GPU would add (NCCL, its kernels) is not tested.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sport_assets.training import strategies
from sport_assets.training.spec import SpecInput, TrainingSpec
from sport_assets_tests.training.conftest import ROOT, Trainers, contents

ToySpec = Callable[..., TrainingSpec]
HERE = "sport_assets_tests.training.test_strategies"


def on_cpu() -> None:
    """Let Lightning's DeepSpeed strategy run without a GPU, in this process; then train as the command line says."""
    os.environ["DS_ACCELERATOR"] = "cpu"
    from sport_assets.training.process import set_environment

    set_environment(TrainingSpec.load(Path(sys.argv[1])))
    import argparse
    from types import SimpleNamespace

    import pytorch_lightning.strategies.deepspeed as theirs
    from pytorch_lightning.accelerators import CPUAccelerator

    from sport_assets.training import fit, run

    theirs.CUDAAccelerator = CPUAccelerator  # type: ignore[misc, assignment]
    theirs._validate_device_index_selection = lambda parallel_devices: None
    no_gpu = argparse.Namespace(device_rank=-1)
    theirs.argparse = SimpleNamespace(Namespace=lambda device_rank: no_gpu)  # type: ignore[assignment]
    fit.missing_for = lambda name, accelerator, precision="32": strategies.missing_for(name, "cuda", precision)
    sys.exit(run.main())


def test_deepspeed_that_is_not_there_is_named_before_data_is_read(
    toy_spec: ToySpec, trainers: Trainers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # the builder cannot be imported: it is not even looked for
    spec = toy_spec(strategy="deepspeed_stage_2", spec={"builder": "nowhere:build"})
    status, log = trainers.run(spec, tmp_path)
    assert status == 2
    assert "strategy deepspeed_stage_2 needs" in log
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert "pip install deepspeed" in str(strategies.missing_for("deepspeed_stage_1", "cuda"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    assert "needs a CUDA GPU" in str(strategies.missing_for("deepspeed_stage_1", "cpu"))
    assert strategies.missing_for("deepspeed_stage_1", "cuda") is None
    assert "use precision 32" in str(strategies.missing_for("deepspeed_stage_1", "cuda", "bf16-mixed"))
    assert strategies.missing_for("ddp", "cpu") is None


def test_nothing_goes_on_from_a_training_without_optimizer_state(
    toy_spec: ToySpec, trainers: Trainers, tmp_path: Path
) -> None:
    assert trainers.run(toy_spec(), tmp_path / "first")[0] == 0
    out = tmp_path / "first" / "out"
    published = json.loads((out / "training_spec.json").read_text())
    published["settings"]["training"]["strategy"] = "deepspeed_stage_1"
    (out / "training_spec.json").write_text(json.dumps(published))
    start = SpecInput(key="toy/checkpoint", version="b" * 64, path=str(out))
    spec = toy_spec(spec={"inputs": (start,), "resume_from": "b" * 64}, max_epochs=5)
    status, log = trainers.run(spec, tmp_path / "second")
    assert status == 2
    assert "deepspeed_stage_1 keeps no optimizer state" in log


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_deepspeed_trains_what_ddp_trains(toy_spec: ToySpec, tmp_path: Path) -> None:
    pytest.importorskip("deepspeed")
    from safetensors.torch import load_file

    weights = {}
    for strategy in ("ddp", "deepspeed_stage_1", "deepspeed_stage_2"):
        folder = tmp_path / strategy
        folder.mkdir()
        toy_spec(strategy=strategy, devices=2).save(folder / "spec.json")
        module = "sport_assets.training.run" if strategy == "ddp" else HERE
        paths = [folder / "spec.json", "--work", folder / "work", "--out", folder / "out"]
        command = [sys.executable, "-m", module, *map(str, paths), "--trackers", "none"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        weights[strategy] = load_file(folder / "out" / "weights_last.safetensors")
        assert contents(folder / "out").keys() == contents(tmp_path / "ddp" / "out").keys()
        for name, expected in weights["ddp"].items():
            if "running" not in name:  # batch norms' averages are each process's own, and DDP alone sends them around
                assert (weights[strategy][name] - expected).abs().max() < 1e-3, f"{strategy} {name}"


if __name__ == "__main__":
    on_cpu()
