"""Starts a training in a process of its own through Dagster Pipes and brings back its finished folder.

Belongs here: the command, its environment and what its exit code means to a Dagster run. Must not come here: training.
"""

import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from sport_assets.lineage.home import Home
from sport_assets.training.errors import EXIT_STOPPED
from sport_assets.training.spec import TrainingSpec


def train(
    context: dg.AssetExecutionContext, spec: TrainingSpec, environment: Mapping[str, str]
) -> tuple[Path, dict[str, Any]]:
    """Train ``spec`` in a child process; returns its finished folder and the metadata it reported.

    Working files lie under the spec's digest: a training that was killed goes on where it was, and one that is done is
    not done again. Cancelling the run interrupts the child, which stops at a checkpoint. Raises ``dg.Failure`` with
    the child's own message.
    """
    work = Home.from_environment().training / spec.digest
    work.mkdir(parents=True, exist_ok=True)
    spec_path, out = work / "spec.json", work / "result"
    spec.save(spec_path)
    command = [
        sys.executable,
        "-m",
        "sport_assets.training.run",
        str(spec_path),
        "--work",
        str(work),
        "--out",
        str(out),
    ]
    context.log.info(f"training spec {spec.digest[:12]} on {spec.device}; working files in {work}")
    client = dg.PipesSubprocessClient(termination_timeout_seconds=60)
    try:
        done = client.run(context=context, command=command, env=dict(environment))
    except dg.DagsterPipesExecutionError as error:
        raise dg.Failure(
            description=_reason(work, str(error)),
            metadata={"work": dg.MetadataValue.path(str(work)), "spec_digest": spec.digest},
            allow_retries=str(error).endswith(f" {EXIT_STOPPED}") or str(-signal.SIGKILL) in str(error),
        ) from error
    return out, dict(done.get_custom_messages()[-1]) if done.get_custom_messages() else {}


def _reason(work: Path, fallback: str) -> str:
    """The child's last words, if it could say any."""
    path = work / "failure.txt"
    return path.read_text(encoding="utf-8").strip() if path.exists() else fallback
