"""Trackers: what MLflow and TensorBoard hold afterwards, one run per spec, and failures that stop nothing."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sport_assets.training.checkpoints import load_weights
from sport_assets.training.errors import BadSpecError
from sport_assets.training.export import export_onnx
from sport_assets.training.progress import SilentReporter
from sport_assets.training.spec import TrainingSpec
from sport_assets.training.tracked import fetch_weights, find_run, log_onnx_model, open_client
from sport_assets.training.tracking import Status, Tracking, make_tracking
from sport_assets_tests.training.conftest import Trainers, contents
from sport_assets_tests.training.toy import Toy

ToySpec = Callable[..., TrainingSpec]


def test_one_mlflow_run_per_spec_with_all_that_was_used(
    toy_spec: ToySpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    client = open_client(uri)
    parent = client.create_run(client.create_experiment("dagster")).info.run_id
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setenv("SPORT_ASSETS_MLFLOW_PARENT_RUN", parent)
    trainers = Trainers()
    try:
        spec = toy_spec(model={"delay_s": 0.02}, max_epochs=3)
        status, log = trainers.run(spec, tmp_path / "a", "mlflow,tensorboard", delay_s=0.5, signal="SIGTERM")
        assert status == 75, log
        status, log = trainers.run(spec, tmp_path / "a", "mlflow,tensorboard")
        assert status == 0, log
        assert trainers.run(spec, tmp_path / "untracked")[0] == 0
    finally:
        trainers.close()
    assert "warning" not in log
    assert contents(tmp_path / "a" / "out") == contents(tmp_path / "untracked" / "out")

    experiment = client.get_experiment_by_name("toy")
    runs = client.search_runs([experiment.experiment_id])
    assert len(runs) == 1, "a resumed training goes on in the same run"
    run = runs[0]
    assert run.info.run_id == find_run(spec.digest, uri)
    assert run.info.status == "FINISHED"
    assert run.data.tags["mlflow.parentRunId"] == parent
    assert run.data.tags["sport_assets.input.toy/numbers:_"] == "a" * 64
    assert run.data.params["training.max_epochs"] == "3"
    assert run.data.params["used.precision"] == "32"
    expected = {
        "train_loss",
        "train_mean_error",
        "val_ade",
        "learning_rate",
        "samples_per_second",
        "ram_mb",
        "parameters",
    }
    assert expected <= set(run.data.metrics)
    rows = json.loads((tmp_path / "a" / "out" / "curves.json").read_text())
    assert run.data.metrics["val_ade"] == rows[-1]["val_ade"]
    steps = {metric.step for metric in client.get_metric_history(run.info.run_id, "val_ade")}
    assert steps == {row["step"] for row in rows}
    assert {item.path for item in client.list_artifacts(run.info.run_id)} >= {"curves.svg", "settings.json", "model"}
    assert str(tmp_path) in run.info.artifact_uri, "artifacts lie beside the database"

    weights = fetch_weights(spec.digest, uri, tmp_path / "fetched")
    assert weights.read_bytes() == (tmp_path / "a" / "out" / "weights.safetensors").read_bytes()
    assert isinstance(load_weights(Toy({}), weights), torch.nn.Module)
    assert list((tmp_path / "a" / "work" / "tensorboard").glob("events.*"))

    numbers = torch.arange(12.0).reshape(2, 6)
    toy = Toy({})
    load_weights(toy, weights)
    net = toy.net.eval()
    export_onnx(net, {"input": numbers}, ["output"], {"input": {0: "batch"}}, tmp_path / "model.onnx")
    import mlflow

    loaded = mlflow.pyfunc.load_model(log_onnx_model(spec.digest, tmp_path / "model.onnx", uri))
    with torch.no_grad():
        expected_output = net(numbers).numpy()
    assert np.allclose(loaded.predict({"input": numbers.numpy()})["output"], expected_output, atol=1e-5)


def test_a_failing_tracker_is_reported_and_nothing_else(
    toy_spec: ToySpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:////dev/null/nowhere/mlflow.db")
    trainers = Trainers()
    try:
        status, log = trainers.run(toy_spec(), tmp_path, "mlflow")
    finally:
        trainers.close()
    assert status == 0, log
    assert log.count("tracking by mlflow failed and is left out") == 1
    assert (tmp_path / "out" / "weights.safetensors").exists()


def test_uninstalled_trackers_are_named_before_training(
    toy_spec: ToySpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(BadSpecError, match="pip install wandb"):
        make_tracking(toy_spec(), tmp_path, ["wandb"], None)  # type: ignore[arg-type]


class Heard(SilentReporter):
    """Keeps the warnings."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def warning(self, message: str) -> None:
        """One more."""
        self.warnings.append(message)


class Hanging:
    """A tracker that never comes to its end."""

    def __init__(self) -> None:
        self.go_on = threading.Event()

    def start(self, params: Mapping[str, Any], tags: Mapping[str, str]) -> None:
        """Nothing."""

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        """Nothing."""

    def end(self, status: str, result: Path | None) -> None:
        """Wait for the test's end."""
        self.go_on.wait(30)


@pytest.mark.parametrize(
    ("status", "said"),
    [("FINISHED", "training is complete"), ("FAILED", "training itself failed"), ("KILLED", "stopped on request")],
)
def test_a_tracker_that_hangs_is_given_up_with_a_true_word_on_the_training(status: Status, said: str) -> None:
    reporter = Heard()
    hanging = Hanging()
    tracking = Tracking({"hanging": hanging}, reporter)
    tracking.start({}, {})
    tracking.end(status, wait_s=0.05)
    hanging.go_on.set()
    assert len(reporter.warnings) == 1
    assert "given up" in reporter.warnings[0]
    assert said in reporter.warnings[0]
    assert ("complete" in reporter.warnings[0]) == (status == "FINISHED")
