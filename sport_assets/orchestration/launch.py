"""Starts trainings in processes of their own through Dagster Pipes and brings back their finished folders.

Belongs here: the commands, their environment, several at once, and what their ends mean to a Dagster run. Must not come
here: training, which parts of a data set are trained on (``model_training``).
"""

import json
import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg

from sport_assets.lineage.home import Home
from sport_assets.training.errors import EXIT_DONE, EXIT_STOPPED
from sport_assets.training.spec import TrainingSpec, memory_advice, published_digest

# How long a cancelled training may take to write its checkpoint before it is killed.
STOP_SECONDS = 60
# How long to wait for another trainer of the same spec: its result is this one's as well. The lease is free as soon as
# its holder ends, however it ends.
LEASE_WAIT_SECONDS = 86_400
POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Training:
    """One training of a run, and what it is among several (empty where it is alone)."""

    spec: TrainingSpec
    label: str = ""

    @property
    def work(self) -> Path:
        """Its working files, under the digest of its spec."""
        return Home.from_environment().training / self.spec.digest

    @property
    def out(self) -> Path:
        """Its finished folder."""
        return self.work / "result"

    def done(self) -> bool:
        """Whether it was finished before."""
        return published_digest(self.out) == self.spec.digest and (self.work / "result.json").exists()

    def result(self) -> tuple[Path, dict[str, Any]]:
        """The finished folder, and what was reported of it (``result.json``)."""
        return self.out, json.loads((self.work / "result.json").read_text(encoding="utf-8"))


def train(
    context: dg.AssetExecutionContext,
    trainings: Sequence[Training],
    environment: Mapping[str, str],
    *,
    parallel: int = 1,
) -> list[tuple[Path, dict[str, Any]]]:
    """Train in child processes, ``parallel`` of them at a time; each one's finished folder and report, in order.

    Working files lie under each spec's digest: a training that was killed goes on where it was, and one that is done is
    not done again. Cancelling the run stops all children at a checkpoint, and so does the first failure; the others go
    on when the run is repeated. Raises ``dg.Failure`` with the child's own message.
    """
    warnings.filterwarnings("ignore", category=dg.PreviewWarning)  # Dagster says it of its own Pipes reader
    waiting = []
    for training in trainings:
        if training.done():
            context.log.info(_labelled(training, "finished before; nothing to do"))
        else:
            waiting.append(training)
    running: list[_Child] = []
    try:
        # this thread starts them: a child asks the system for a signal when the thread that made it ends
        while waiting or running:
            while waiting and len(running) < parallel:
                running.append(_Child(waiting.pop(0)))
                running[-1].start(context, environment)
            ended = [child for child in running if child.ended()]
            for child in ended:
                running.remove(child)
                child.close()
                child.check()
            if not ended:
                time.sleep(POLL_SECONDS)
    finally:
        _stop(running)
    return [training.result() for training in trainings]


class _Child:
    """A training process and its Pipes session."""

    def __init__(self, training: Training) -> None:
        self.training = training
        self.process: subprocess.Popen[bytes] | None = None
        self._open = ExitStack()
        self._session: Any = None

    def start(self, context: dg.AssetExecutionContext, environment: Mapping[str, str]) -> None:
        """Start it, once it is among those that are stopped when this run is."""
        training = self.training
        spec, work = training.spec, training.work
        work.mkdir(parents=True, exist_ok=True)
        spec.save(work / "spec.json")
        context.log.info(
            _labelled(training, f"training spec {spec.digest[:12]} on {spec.device}; working files in {work}")
        )
        command = [sys.executable, "-m", "sport_assets.training.run", str(work / "spec.json")]
        command += ["--work", str(work), "--out", str(training.out), "--wait-s", str(LEASE_WAIT_SECONDS)]
        command += ["--label", training.label]
        self._session = self._open.enter_context(
            dg.open_pipes_session(
                context=context,
                context_injector=dg.PipesTempFileContextInjector(),
                message_reader=dg.PipesTempFileMessageReader(),
            )
        )
        variables = {**os.environ, **environment, **self._session.get_bootstrap_env_vars()}
        self.process = subprocess.Popen(command, env=variables)

    def ended(self) -> bool:
        """Whether the process is over."""
        return self.process is None or self.process.poll() is not None

    def stop(self) -> None:
        """Ask for a checkpoint and the end."""
        if self.process is not None and not self.ended():
            self.process.send_signal(signal.SIGTERM)

    def close(self, wait_s: float = 0.0) -> None:
        """Wait for the end, kill what takes longer, and take in the last messages."""
        if self.process is not None:
            try:
                self.process.wait(timeout=max(0.0, wait_s))
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._open.close()

    def check(self) -> None:
        """Raise ``dg.Failure`` where the process, which has ended, did not end well."""
        assert self.process is not None
        code, spec = self.process.returncode, self.training.spec
        if code == EXIT_DONE:
            return
        told = [message["training"] for message in self._session.get_custom_messages() if "training" in message]
        raise dg.Failure(
            description=_labelled(self.training, _reason(code, told, spec)),
            metadata={
                "work": dg.MetadataValue.path(str(self.training.work)),
                "spec_digest": spec.digest,
                "exit_code": code,
            },
        )


def _labelled(training: Training, text: str) -> str:
    return f"{training.label}: {text}" if training.label else text


def _stop(children: Sequence[_Child]) -> None:
    """Let children that still run (the run was cancelled, or one failed) write their checkpoints; kill the slow."""
    for child in children:
        child.stop()
    deadline = time.monotonic() + STOP_SECONDS
    for child in children:
        child.close(deadline - time.monotonic())


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
