"""The entry point: exit codes with their messages, the lease, Pipes, fallbacks, several processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sport_assets.training.errors import LeaseHeldError
from sport_assets.training.lease import lease
from sport_assets.training.spec import TrainingSpec
from sport_assets_tests.training.conftest import ROOT, Trainers, contents

ToySpec = Callable[..., TrainingSpec]


def result(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "work" / "result.json").read_text())
    return content


def command(spec: TrainingSpec, folder: Path, *more: str) -> list[str]:
    folder.mkdir(parents=True, exist_ok=True)
    spec.save(folder / "spec.json")
    paths = [folder / "spec.json", "--work", folder / "work", "--out", folder / "out", "--trackers", "none", *more]
    return [sys.executable, "-m", "sport_assets.training.run", *map(str, paths)]


def test_the_result_folder(toy_spec: ToySpec, trainers: Trainers, tmp_path: Path) -> None:
    spec = toy_spec(spec={"code_version": "abc"})
    status, log = trainers.run(spec, tmp_path / "a")
    assert status == 0, log
    files = contents(tmp_path / "a" / "out")
    assert sorted(files) == [
        "curves.json",
        "curves.parquet",
        "curves.svg",
        "settings.json",
        "training_spec.json",
        "training_state.safetensors",
        "weights.safetensors",
        "weights_last.safetensors",
    ]
    published = json.loads(files["training_spec.json"])
    assert published["digest"] == spec.digest
    assert published["code_version"] == "abc"
    for name, content in files.items():
        assert str(tmp_path).encode() not in content, name
    rows = json.loads(files["curves.json"])
    assert [row["epoch"] for row in rows] == [0, 1, 2]
    assert {"train_loss", "train_mean_error", "val_ade", "learning_rate", "step"} <= set(rows[0])
    assert rows[0]["train_loss"] == pytest.approx(rows[0]["train_mean_error"])
    report = result(tmp_path / "a")
    assert report["bit_exact"] is True
    assert report["best_value"] == min(row["val_ade"] for row in rows)
    assert rows[report["best_epoch"]]["val_ade"] == report["best_value"]
    progress = json.loads((tmp_path / "a" / "work" / "progress.json").read_text())
    assert (progress["epoch"], progress["epochs"], progress["step"]) == (3, 3, rows[-1]["step"])
    # another folder, the same bytes; and a finished one is left alone
    assert trainers.run(spec, tmp_path / "b")[0] == 0
    assert contents(tmp_path / "b" / "out") == files
    status, log = trainers.run(spec, tmp_path / "b")
    assert status == 0
    assert "already" in log


def test_the_best_epoch_is_published(toy_spec: ToySpec, trainers: Trainers, tmp_path: Path) -> None:
    # the error grows with the epochs here, so the first is best by min and the last by max
    for mode in ("min", "max"):
        spec = toy_spec(monitor_mode=mode, max_epochs=4, learning_rate=0.02)
        assert trainers.run(spec, tmp_path / mode)[0] == 0
        values = [row["val_ade"] for row in json.loads((tmp_path / mode / "out" / "curves.json").read_text())]
        assert result(tmp_path / mode)["best_value"] == {"min": min, "max": max}[mode](values)
    best, worst = (tmp_path / mode / "out" / "weights.safetensors" for mode in ("min", "max"))
    assert best.read_bytes() != worst.read_bytes()


def test_the_best_epochs_are_published_by_place(toy_spec: ToySpec, trainers: Trainers, tmp_path: Path) -> None:
    assert trainers.run(toy_spec(save_top_k=3, max_epochs=4), tmp_path / "a")[0] == 0
    out = tmp_path / "a" / "out"
    values = [row["val_ade"] for row in json.loads((out / "curves.json").read_text())]
    by_place = sorted(range(4), key=lambda epoch: values[epoch])
    assert result(tmp_path / "a")["top_epochs"] == by_place[:3]
    published = ["weights.safetensors", "weights_top2.safetensors", "weights_top3.safetensors"]
    assert sorted(path.name for path in out.glob("weights*")) == sorted([*published, "weights_last.safetensors"])
    assert len({(out / name).read_bytes() for name in published}) == 3
    if 3 in by_place[:3]:
        place = by_place.index(3)
        assert (out / published[place]).read_bytes() == (out / "weights_last.safetensors").read_bytes()
    # no more files than epochs
    assert trainers.run(toy_spec(save_top_k=9, max_epochs=2, save_last=False), tmp_path / "b")[0] == 0
    assert len(list((tmp_path / "b" / "out").glob("weights*"))) == 2


def test_the_best_epoch_by_another_metric_is_kept_and_chooses_nothing(
    toy_spec: ToySpec, trainers: Trainers, tmp_path: Path
) -> None:
    assert trainers.run(toy_spec(max_epochs=4), tmp_path / "a")[0] == 0
    assert trainers.run(toy_spec(max_epochs=4, also_best={"train_loss": "max"}), tmp_path / "b")[0] == 0
    one, other = tmp_path / "a" / "out", tmp_path / "b" / "out"
    losses = [row["train_loss"] for row in json.loads((other / "curves.json").read_text())]
    worst = max(range(4), key=lambda epoch: losses[epoch])
    assert result(tmp_path / "b")["best_epochs_by"] == {"train_loss": worst}
    for name in ("weights.safetensors", "weights_last.safetensors"):
        assert (one / name).read_bytes() == (other / name).read_bytes()
    kept = (other / "weights_best_train_loss.safetensors").read_bytes()
    assert (kept == (other / "weights.safetensors").read_bytes()) == (worst == result(tmp_path / "b")["best_epoch"])
    status, log = trainers.run(toy_spec(also_best={"val_fde": "min"}), tmp_path / "c")
    assert status == 2 and "val_fde" in log


def test_early_stopping_waits_for_min_epochs(toy_spec: ToySpec, trainers: Trainers, tmp_path: Path) -> None:
    patient: dict[str, Any] = {"early_stopping_patience": 1, "early_stopping_min_delta": 100.0, "max_epochs": 8}
    assert trainers.run(toy_spec(**patient), tmp_path / "a")[0] == 0
    assert (result(tmp_path / "a")["epochs"], result(tmp_path / "a")["stopped_early"]) == (2, True)
    assert trainers.run(toy_spec(**patient, min_epochs=5), tmp_path / "b")[0] == 0
    assert result(tmp_path / "b")["epochs"] == 5


@pytest.mark.parametrize(
    ("model", "training", "code", "words"),
    [
        ({"nan_at_step": 12}, {}, 3, ["nan at step 12 (epoch 1", "learning_rate", "last good checkpoint is kept"]),
        ({"nan_in_validation": 1}, {}, 3, ["val_ade is nan after epoch 1"]),
        ({}, {"learning_rate": 1e30, "gradient_clip_val": None}, 3, ["step", "learning_rate"]),
        ({"raise": "[enforce fail] DefaultCPUAllocator: can't allocate memory"}, {}, 4, ["batch_size (now 8; 4"]),
        ({"raise": "CUDA out of memory. Tried"}, {}, 4, ["accumulate_grad_batches 2", "bf16-mixed", "hidden"]),
        ({"raise": "other"}, {}, 1, ["RuntimeError: other"]),
        ({}, {"monitor": "val_fde"}, 2, ["does not log the monitored metric 'val_fde'", "val_ade"]),
        ({"samples": 0}, {}, 2, ["no training samples"]),
    ],
)
def test_failures_have_a_code_and_a_remedy(
    model: dict[str, Any],
    training: dict[str, Any],
    code: int,
    words: list[str],
    toy_spec: ToySpec,
    trainers: Trainers,
    tmp_path: Path,
) -> None:
    status, log = trainers.run(toy_spec(model=model, **training), tmp_path)
    assert status == code, log
    for word in words:
        assert word in log
    assert not (tmp_path / "out").exists()


def test_a_bad_loss_keeps_the_last_good_checkpoint(toy_spec: ToySpec, trainers: Trainers, tmp_path: Path) -> None:
    spec = toy_spec(model={"nan_at_step": 12}, checkpoint_every_s=1e-6)
    assert trainers.run(spec, tmp_path)[0] == 3
    last = (tmp_path / "work" / "last.ckpt").read_bytes()
    status, log = trainers.run(spec, tmp_path)
    assert status == 3
    assert "resumes from last.ckpt" in log
    assert (tmp_path / "work" / "last.ckpt").read_bytes() == last
    from sport_assets.training.state import unpack, unseal

    state = unpack(unseal(tmp_path / "work" / "last.ckpt"))
    assert state["global_step"] == 12
    assert all(bool(value.isfinite().all()) for value in state["state_dict"].values())


def test_bad_specs(toy_spec: ToySpec, trainers: Trainers, tmp_path: Path) -> None:
    status, log = trainers.run(toy_spec(spec={"builder": "sport_assets_tests.training.toy:nothing"}), tmp_path / "a")
    assert (status, "cannot be imported" in log) == (2, True)
    status, log = trainers.run(toy_spec(spec={"device": "cuda:9"}), tmp_path / "b")
    assert (status, "cuda:9" in log) == (2, True)
    (tmp_path / "c" / "out").mkdir(parents=True)
    (tmp_path / "c" / "out" / "mine").write_text("precious")
    status, log = trainers.run(toy_spec(), tmp_path / "c")
    assert (status, "not empty" in log) == (2, True)
    assert (tmp_path / "c" / "out" / "mine").read_text() == "precious"
    status, log = trainers.run(toy_spec(), tmp_path / "d", trackers="mlfow")
    assert (status, "unknown tracker 'mlfow'" in log) == (2, True)


def test_half_precision_falls_back_on_the_cpu_and_says_so(
    toy_spec: ToySpec, trainers: Trainers, tmp_path: Path
) -> None:
    status, log = trainers.run(toy_spec(precision="16-mixed"), tmp_path / "a")
    assert status == 0
    assert "training with 32 on the CPU" in log
    assert result(tmp_path / "a")["precision"] == "32"
    assert result(tmp_path / "a")["precision_wanted"] == "16-mixed"
    assert trainers.run(toy_spec(precision="bf16-mixed"), tmp_path / "b")[0] == 0
    assert result(tmp_path / "b")["precision"] == "bf16-mixed"


def test_without_validation_the_training_loss_decides(toy_spec: ToySpec, trainers: Trainers, tmp_path: Path) -> None:
    status, log = trainers.run(toy_spec(model={"no_validation": True}), tmp_path)
    assert status == 0, log
    assert result(tmp_path)["monitor"] == "train_loss"


def test_two_trainers_of_one_spec(toy_spec: ToySpec, trainers: Trainers, tmp_path: Path) -> None:
    with lease(tmp_path / "work" / "lease.json"):
        status, log = trainers.run(toy_spec(), tmp_path)
    assert status == 5
    assert f"another trainer holds this spec: process {os.getpid()} on" in log


def test_pipes_messages(toy_spec: ToySpec, tmp_path: Path) -> None:
    from dagster_pipes import encode_param

    data = {
        "asset_keys": ["toy/checkpoint"],
        "code_version_by_asset_key": {"toy/checkpoint": None},
        "provenance_by_asset_key": {"toy/checkpoint": None},
        "partition_key": None,
        "partition_key_range": None,
        "partition_time_window": None,
        "run_id": "r",
        "job_name": None,
        "retry_number": 0,
        "extras": {},
    }
    environment = {
        **os.environ,
        "DAGSTER_PIPES_CONTEXT": encode_param({"data": data}),
        "DAGSTER_PIPES_MESSAGES": encode_param({"path": str(tmp_path / "messages")}),
    }
    spec = toy_spec(model={"nan_at_step": 3})
    done = subprocess.run(command(spec, tmp_path), env=environment, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 3, done.stderr
    messages = [json.loads(line) for line in (tmp_path / "messages").read_text().splitlines()]
    logged = [message["params"]["message"] for message in messages if message["method"] == "log"]
    assert any(text.startswith("epoch 1/3") for text in logged)
    custom = [m["params"]["payload"] for m in messages if m["method"] == "report_custom_message"]
    assert custom[0]["training"]["exit_code"] == 3
    assert "nan at step 3" in custom[0]["training"]["message"]


def test_the_trainer_dies_with_its_parent(toy_spec: ToySpec, tmp_path: Path) -> None:
    spec = toy_spec(model={"delay_s": 0.1}, max_epochs=1000)
    arguments = command(spec, tmp_path)
    code = f"import subprocess, time; p = subprocess.Popen({arguments!r}); print(p.pid, flush=True); time.sleep(600)"
    parent = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=ROOT
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    deadline = time.monotonic() + 60
    while not (tmp_path / "work" / "progress.json").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    killed = time.monotonic()
    # the lease is free when the process is gone, whoever reaps it
    while time.monotonic() < killed + 20:
        try:
            with lease(tmp_path / "work" / "lease.json"):
                break
        except LeaseHeldError:
            time.sleep(0.1)
    else:
        os.kill(child, signal.SIGKILL)
        pytest.fail("the trainer outlived its parent")
    assert time.monotonic() - killed < 10
    assert (tmp_path / "work" / "last.ckpt").exists(), "it stopped at a checkpoint"


def test_two_processes_agree(toy_spec: ToySpec, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    trace.mkdir()
    spec = toy_spec(
        model={"trace": str(trace), "samples": 71, "valid_samples": 23},
        strategy="ddp",
        devices=2,
        max_epochs=6,
        early_stopping_patience=1,
        early_stopping_min_delta=100.0,
        checkpoint_every_s=1e-6,
    )
    done = subprocess.run(command(spec, tmp_path), cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    ranks = [json.loads((trace / f"rank{rank}.json").read_text()) for rank in (0, 1)]
    mine = ("train_mean_error",)  # a torchmetric is not reduced before it is computed
    assert {k: v for k, v in ranks[0].items() if k not in mine} == {k: v for k, v in ranks[1].items() if k not in mine}
    assert ranks[0]["val_samples"] == 23, "every validation sample once"
    assert ranks[0]["epochs"] == 2, "both stopped early"
    report = result(tmp_path)
    assert (report["bit_exact"], report["not_bit_exact_because"]) == (False, "2 processes")
    assert (report["devices"], report["processes"]) == (["cpu", "cpu"], 2)
    assert (
        report["effective_batch_size"] == 16
        and "effective batch 16: 8 samples on each of 2" in done.stderr + done.stdout
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "spec.json", "trace", "work"]


def test_several_processes_need_synchronised_metrics(toy_spec: ToySpec, tmp_path: Path) -> None:
    spec = toy_spec(model={"unsynchronised": True}, strategy="ddp", devices=2, max_epochs=1)
    done = subprocess.run(command(spec, tmp_path), cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2, done.stderr
    assert "train_loss is logged without sync_dist=True" in done.stderr


def test_a_bad_loss_of_one_process_is_told_as_its_own(toy_spec: ToySpec, tmp_path: Path) -> None:
    spec = toy_spec(model={"nan_at_step": 2, "nan_on_rank": 1}, strategy="ddp", devices=2, max_epochs=1)
    done = subprocess.run(command(spec, tmp_path), cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 3, done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("error") and "the loss is" in line]
    assert errors
    for line in errors:
        assert "the loss is nan at step 2" in line
        assert "process 1 of 2 counted from 0" in line


@pytest.mark.slow
def test_two_processes_stop_together_and_go_on_under_torchrun(toy_spec: ToySpec, tmp_path: Path) -> None:
    model = {"samples": 71, "delay_s": 0.1}
    training: dict[str, Any] = {"accumulate_grad_batches": 2, "weight_averaging": 0.9}
    spec = toy_spec(model=model, strategy="ddp", devices=2, checkpoint_every_s=1e-6, **training)
    done = subprocess.run(command(spec, tmp_path / "whole"), cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    cut = subprocess.Popen(command(spec, tmp_path / "cut"), cwd=ROOT, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 100
    while not (tmp_path / "cut" / "work" / "last.ckpt").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    cut.send_signal(signal.SIGTERM)
    assert cut.stderr is not None
    log = cut.stderr.read()
    assert cut.wait(30) == 75, log
    assert log.count("stopped on request at step") == 1
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m"]
    arguments = launcher + command(spec, tmp_path / "cut")[2:]
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "resumes from" in done.stderr
    # gloo's sums of two numbers do not depend on their order
    assert contents(tmp_path / "cut" / "out") == contents(tmp_path / "whole" / "out")
