"""Plans and runs crash trials: which point of which scenario, in which copy of which home.

Belongs here: the number of trials, the launcher process, templates of homes. Must not come here: what must be true
afterwards (``aftermath``).
"""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sport_assets.lineage.home import Home
from sport_assets.lineage.ledger import Ledger
from sport_assets.lineage.manifest import Materialization
from sport_assets_tests.integration.crash.points import Side
from sport_assets_tests.integration.crash.scenarios import TARGET, Scenario, write_raw

TRIALS = int(os.environ.get("SPORT_ASSETS_CRASH_TRIALS") or 50)
# A training trial takes seconds where the others take a fraction of one: 6 of 50, 18 of 500.
TRAINING_TRIALS = max(1, min(TRIALS * 12 // 100, 5 + TRIALS // 38))
NEIGHBOUR_TRIALS = max(1, TRIALS // 10)
LEDGER_TRIALS = max(1, (TRIALS - TRAINING_TRIALS - NEIGHBOUR_TRIALS) * 2 // 5)
PUBLISHING_TRIALS = max(1, TRIALS - TRAINING_TRIALS - NEIGHBOUR_TRIALS - LEDGER_TRIALS)

REPOSITORY = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Point:
    """Die before (in the middle of, for a write) or after the ``index``-th call that changes the disk."""

    scenario: str
    index: int
    side: Side
    call: str

    @property
    def marker(self) -> str:
        """What the process leaves behind when it reaches this point."""
        return f"{self.index} {self.side} {self.call}"


@dataclass(frozen=True)
class Crash:
    """A trial's home after its process died, and what it was before.

    ``template`` is for looking at its files: opening it could adopt and sweep, and so change it for other trials.
    """

    point: Point
    home: Home
    template: Home
    target_before: Materialization | None


class Launcher:
    """The process that forks the children that die."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "sport_assets_tests.integration.crash.launcher"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=REPOSITORY,
        )

    def order(self, **order: Any) -> int:
        """Give one order and wait for its answer."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(order, default=str) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, "the launcher ended"
        return int(json.loads(answer))

    def close(self) -> None:
        """Let it end."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=30)


class Trials:
    """The crash points of some scenarios, found by watching an undisturbed run of each."""

    def __init__(self, scenarios: Mapping[str, Scenario], folder: Path, launcher: Launcher) -> None:
        self._folder, self._launcher = folder, launcher
        self._data = folder / "data"
        write_raw(self._data)
        self.templates: dict[str, Home] = {}
        self.undisturbed: dict[str, Home] = {}
        self.targets: dict[str, Materialization | None] = {}
        self.points: list[Point] = []
        for number, (name, scenario) in enumerate(scenarios.items()):
            self.templates[name] = self._home(f"template-{number}")
            scenario.prepare(self.templates[name])
            self.undisturbed[name] = self.copy(name, f"undisturbed-{number}")
            as_found = Ledger(self.copy(name, f"as-found-{number}"))  # opening it may adopt and sweep
            self.targets[name] = as_found.latest(*TARGET)
            as_found.close()
            for index, call in enumerate(self._watch(name), start=1):
                self.points += [Point(name, index, "before", call), Point(name, index, "after", call)]

    def choose(self, number: int, total: int) -> Point:
        """The point of a trial: spread evenly over all points; with more trials than points, every one in turn."""
        if total >= len(self.points):
            return self.points[number % len(self.points)]
        return self.points[number * len(self.points) // total]

    def crash(self, point: Point, name: str) -> Crash:
        """Let a process die at ``point`` in a fresh copy of the scenario's home."""
        return self.crash_in(self.copy(point.scenario, name), point, name)

    def crash_in(self, home: Home, point: Point, name: str, *, alone: bool = True) -> Crash:
        """Let a process die at ``point`` in ``home``. Proves that it did, and there.

        Not ``alone``, it may sweep after its neighbour, so that the call of this number is another one.
        """
        marker = self._folder / f"{name}.marker"
        status = self._launcher.order(
            do="act",
            scenario=point.scenario,
            root=home.root,
            data=home.data,
            marker=marker,
            passed=self._folder / f"{name}.passed",
            index=point.index,
            side=point.side,
        )
        assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL, f"{point} was survived: {status}"
        reached = marker.read_text(encoding="utf-8")
        assert reached == point.marker if alone else reached.startswith(f"{point.index} {point.side} ")
        return Crash(point, home, self.templates[point.scenario], self.targets[point.scenario])

    def copy(self, scenario: str, name: str) -> Home:
        """A fresh copy of a scenario's home."""
        home = self._home(name)
        if self.templates[scenario].root.exists():
            shutil.copytree(self.templates[scenario].root, home.root)
        return home

    def _watch(self, scenario: str) -> list[str]:
        home = self.undisturbed[scenario]
        passed = self._folder / f"{home.root.name}.passed"
        status = self._launcher.order(
            do="act", scenario=scenario, root=home.root, data=home.data, marker=f"{passed}.marker", passed=passed
        )
        assert status == 0, f"{scenario} failed without any crash"
        return list(json.loads(passed.read_text(encoding="utf-8")))

    def _home(self, name: str) -> Home:
        return Home(root=self._folder / name, data=self._data)
