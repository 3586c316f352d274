"""Starts trainings and searches in processes of their own through Dagster Pipes.

Belongs here: the commands, their environment, several at once, and what their ends mean to a Dagster run. Must not come
here: training, which parts of a data set are trained on (``model_training``), what a search asks for (``tuning``).
"""

import json
import os
import signal
import subprocess
import sys
import time
import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import dagster as dg

from sport_assets.lineage.home import Home
from sport_assets.training.errors import EXIT_DONE, EXIT_STOPPED
from sport_assets.training.spec import TrainingSpec, published_digest

# How long a cancelled child may take to write its checkpoint before it is killed.
STOP_SECONDS = 60
# How long to wait for another child in the same working folder: its result is this one's as well. The lease is free as
# soon as its holder ends, however it ends.
LEASE_WAIT_SECONDS = 86_400
POLL_SECONDS = 0.2


class Job(ABC):
    """What a child process is asked to do, and what is said of it in a Dagster run."""

    noun: ClassVar[str]
    again: ClassVar[str]
    """What happens when it is started again."""
    label: str = ""
    """What it is among several."""

    @property
    @abstractmethod
    def work(self) -> Path:
        """Its working files, from which it goes on."""

    @abstractmethod
    def command(self) -> list[str]:
        """Module and arguments; what the child is to read is written into ``work``, which exists."""

    @abstractmethod
    def announcement(self) -> str:
        """What is said when it starts."""

    @abstractmethod
    def facts(self) -> Mapping[str, Any]:
        """What else is told of a failure."""

    def reason(self, code: int, told: str) -> str:
        """Why it ended with a ``code`` other than done; ``told`` are its own words, where it had any."""
        return told or f"The {self.noun} ended with code {code}; its error output is in this run's stderr. {self.again}"

    def labelled(self, text: str) -> str:
        """The text, behind what the job is among several."""
        return f"{self.label}: {text}" if self.label else text


@dataclass(frozen=True)
class Training(Job):
    """One training of a run, and what it is among several (empty where it is alone)."""

    noun = "training"
    again = "Materialize it again: it goes on from its last checkpoint."

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

    def command(self) -> list[str]:
        """One training."""
        spec = self.work / "spec.json"
        self.spec.save(spec)
        paths = [str(spec), "--work", str(self.work), "--out", str(self.out)]
        return ["sport_assets.training.run", *paths, "--label", self.label]

    def announcement(self) -> str:
        """Its spec, device and folder."""
        return f"training spec {self.spec.digest[:12]} on {self.spec.device}; working files in {self.work}"

    def facts(self) -> dict[str, Any]:
        """Its spec."""
        return {"spec_digest": self.spec.digest}

    def reason(self, code: int, told: str) -> str:
        """With what can be lowered, where it may have been killed for lack of memory."""
        if code == EXIT_STOPPED and not told:
            return f"The training was stopped at a checkpoint. {self.again}"
        if code == -signal.SIGKILL and not told:
            remedy = f"If it was the system for lack of memory (see its kernel log): {self.spec.memory_advice}"
            return f"The training was killed. {self.again} {remedy}"
        return super().reason(code, told)


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
    waiting = []
    for training in trainings:
        if training.done():
            context.log.info(training.labelled("finished before; nothing to do"))
        else:
            waiting.append(training)
    run_jobs(context, waiting, environment, parallel=parallel)
    return [training.result() for training in trainings]


def run_jobs(
    context: dg.AssetExecutionContext, jobs: Sequence[Job], environment: Mapping[str, str], *, parallel: int = 1
) -> None:
    """Do jobs in child processes, ``parallel`` of them at a time.

    Cancelling the run stops all children at a checkpoint, and so does the first failure. Raises ``dg.Failure`` with the
    child's own message.
    """
    warnings.filterwarnings("ignore", category=dg.PreviewWarning)  # Dagster says it of its own Pipes reader
    waiting = list(jobs)
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


class _Child:
    """The process of a job and its Pipes session."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.process: subprocess.Popen[bytes] | None = None
        self._open = ExitStack()
        self._session: Any = None

    def start(self, context: dg.AssetExecutionContext, environment: Mapping[str, str]) -> None:
        """Start it, once it is among those that are stopped when this run is."""
        self.job.work.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", *self.job.command(), "--wait-s", str(LEASE_WAIT_SECONDS)]
        context.log.info(self.job.labelled(self.job.announcement()))
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
        code = self.process.returncode
        if code == EXIT_DONE:
            return
        told = [message["training"] for message in self._session.get_custom_messages() if "training" in message]
        words = str(told[-1].get("message") or "") if told else ""
        raise dg.Failure(
            description=self.job.labelled(self.job.reason(code, words)),
            metadata={"work": dg.MetadataValue.path(str(self.job.work)), **self.job.facts(), "exit_code": code},
        )


def _stop(children: Sequence[_Child]) -> None:
    """Let children that still run (the run was cancelled, or one failed) write their checkpoints; kill the slow."""
    for child in children:
        child.stop()
    deadline = time.monotonic() + STOP_SECONDS
    for child in children:
        child.close(deadline - time.monotonic())
