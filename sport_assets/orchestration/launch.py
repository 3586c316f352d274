"""Starts a training in a process of its own through Dagster Pipes and brings back its finished folder.

Belongs here: the command, its environment and what its end means to a Dagster run. Must not come here: training.
"""

import json
import os
import signal
import subprocess
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from sport_assets.lineage.home import Home
from sport_assets.training.errors import EXIT_DONE, EXIT_STOPPED
from sport_assets.training.spec import TrainingSpec, memory_advice

# How long a cancelled training may take to write its checkpoint before it is killed.
STOP_SECONDS = 60
# How long to wait for another trainer of the same spec: its result is this one's as well. The lease is free as soon as
# its holder ends, however it ends.
LEASE_WAIT_SECONDS = 86_400


def train(
    context: dg.AssetExecutionContext, spec: TrainingSpec, environment: Mapping[str, str]
) -> tuple[Path, dict[str, Any]]:
    """Train ``spec`` in a child process; returns its finished folder and what it reported (``result.json``).

    Working files lie under the spec's digest: a training that was killed goes on where it was, and one that is done is
    not done again. Cancelling the run stops the child at a checkpoint. Raises ``dg.Failure`` with the child's own
    message.
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
    command += ["--wait-s", str(LEASE_WAIT_SECONDS)]
    context.log.info(f"training spec {spec.digest[:12]} on {spec.device}; working files in {work}")
    warnings.filterwarnings("ignore", category=dg.PreviewWarning)  # Dagster says it of its own Pipes reader
    with dg.open_pipes_session(
        context=context,
        context_injector=dg.PipesTempFileContextInjector(),
        message_reader=dg.PipesTempFileMessageReader(),
    ) as session:
        child = subprocess.Popen(command, env={**os.environ, **environment, **session.get_bootstrap_env_vars()})
        try:
            code = child.wait()
        finally:
            _stop(child)
    if code != EXIT_DONE:
        messages = [message["training"] for message in session.get_custom_messages() if "training" in message]
        raise dg.Failure(
            description=_reason(code, messages, spec),
            metadata={"work": dg.MetadataValue.path(str(work)), "spec_digest": spec.digest, "exit_code": code},
        )
    return out, json.loads((work / "result.json").read_text(encoding="utf-8"))


def _stop(child: subprocess.Popen[bytes]) -> None:
    """Let a child that still runs (this run was cancelled) write its checkpoint; kill it when it takes too long."""
    if child.poll() is not None:
        return
    child.send_signal(signal.SIGTERM)
    try:
        child.wait(timeout=STOP_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _reason(code: int, messages: list[dict[str, Any]], spec: TrainingSpec) -> str:
    if messages and messages[-1].get("message"):
        return str(messages[-1]["message"])
    again = "Materialize it again: it goes on from its last checkpoint."
    if code == EXIT_STOPPED:
        return f"The training was stopped at a checkpoint. {again}"
    if code == -signal.SIGKILL:
        advice = memory_advice(spec.trainer_settings, spec.wanted_precision)
        return (
            f"The training was killed. {again} If it was the system for lack of memory (see its kernel log): {advice}"
        )
    return f"The training ended with code {code}; its error output is in this run's stderr. {again}"
