"""MLflow's database: opening it safely, and finding trainings in it by spec digest.

Belongs here: what is asked of MLflow outside a training. Must not be here: what a training tells it (`tracking`).
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sport_assets.training.errors import BadSpecError

DIGEST_TAG = "sport_assets.spec_digest"


def tracking_uri(work: Path) -> str:
    """MLFLOW_TRACKING_URI, else mlflow.db in SPORT_ASSETS_HOME, else in the work folder."""
    home = os.environ.get("SPORT_ASSETS_HOME")
    folder = Path(home).resolve() if home else work.resolve()
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{folder / 'mlflow.db'}"


def open_client(uri: str) -> Any:
    """An MLflow client; makes an SQLite database alone, since two processes making one break it."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    for name in ("alembic", "mlflow"):
        logging.getLogger(name).setLevel(logging.WARNING)
    from mlflow import MlflowClient

    with _alone(uri):
        client = MlflowClient(tracking_uri=uri)
        client.search_experiments(max_results=1)
    return client


def find_run(spec_digest: str, uri: str) -> str | None:
    """Id of the newest MLflow run of a spec, in any experiment."""
    client = open_client(uri)
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    runs = client.search_runs(experiments, filter_string=f"tags.`{DIGEST_TAG}` = '{spec_digest}'", max_results=1)
    return str(runs[0].info.run_id) if runs else None


def fetch_weights(spec_digest: str, uri: str, folder: Path) -> Path:
    """Download a tracked training's weights into `folder`; load them with `checkpoints.load_weights`."""
    run_id = find_run(spec_digest, uri)
    if run_id is None:
        raise BadSpecError(f"no MLflow run has the tag {DIGEST_TAG} = {spec_digest}")
    folder.mkdir(parents=True, exist_ok=True)
    return Path(open_client(uri).download_artifacts(run_id, "model/weights.safetensors", str(folder)))


def log_onnx_model(spec_digest: str, onnx_path: Path, uri: str) -> str:
    """Put an exported model into the run of its training; returns a URI for `mlflow.pyfunc.load_model`."""
    import mlflow.onnx
    import onnx

    run_id = find_run(spec_digest, uri)
    if run_id is None:
        raise BadSpecError(f"no MLflow run has the tag {DIGEST_TAG} = {spec_digest}")
    with tempfile.TemporaryDirectory() as folder:
        # requirements are given: inferring them would load the model in another environment
        mlflow.onnx.save_model(
            onnx.load(str(onnx_path)),
            str(Path(folder) / "model"),
            pip_requirements=["onnxruntime"],
            save_as_external_data=False,
        )
        client = open_client(uri)
        client.log_artifacts(run_id, str(Path(folder) / "model"), "exported_model")
    return f"{client.get_run(run_id).info.artifact_uri}/exported_model"


def experiment_id(client: Any, name: str, uri: str) -> str:
    """Id of the experiment of that name, made where it is missing, with its artifacts beside an SQLite database.

    `client` is one that `open_client(uri)` gave; two processes that ask at once get the same id.
    """
    found = client.get_experiment_by_name(name)
    if found is not None:
        return str(found.experiment_id)
    database = _database(uri)
    # without a location MLflow would write artifacts below the current folder
    location = None if database is None else (database.parent / "mlflow_artifacts").as_uri()
    with _alone(uri):
        found = client.get_experiment_by_name(name)
        if found is not None:
            return str(found.experiment_id)
        return str(client.create_experiment(name, artifact_location=location and f"{location}/{name}"))


def _database(uri: str) -> Path | None:
    return Path(uri.removeprefix("sqlite:///")).resolve() if uri.startswith("sqlite:///") else None


@contextlib.contextmanager
def _alone(uri: str) -> Iterator[None]:
    database = _database(uri)
    if database is None:
        yield
        return
    database.parent.mkdir(parents=True, exist_ok=True)
    with open(database.with_name(f".{database.name}.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
