"""A process that writes the ledger is stopped dead at each of its steps, alone and beside a live one."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sport_assets.lineage.ledger import Ledger
from sport_assets_tests.integration.crash.aftermath import judge
from sport_assets_tests.integration.crash.harness import LEDGER_TRIALS, NEIGHBOUR_TRIALS, Launcher, Trials
from sport_assets_tests.integration.crash.scenarios import LEDGER, PUBLISHING

pytestmark = pytest.mark.crash


@pytest.fixture(scope="module")
def trials(tmp_path_factory: pytest.TempPathFactory, launcher: Launcher) -> Iterator[Trials]:
    """All crash points of the ledger's own work."""
    folder = tmp_path_factory.mktemp("ledger")
    yield Trials(LEDGER, folder, launcher)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory, launcher: Launcher) -> Iterator[Trials]:
    """Crash points of a publishing process that is not alone."""
    folder = tmp_path_factory.mktemp("crowded")
    found = Trials({"publish": PUBLISHING["publish"]}, folder, launcher)
    append = max(n for n, point in enumerate(found.points) if point.call == "sql BEGIN IMMEDIATE") - 1
    # half of the trials on the append, where both processes meet
    found.points = found.points[append:] + found.points[:append:3]
    yield found
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize("number", range(LEDGER_TRIALS))
def test_killed_while_writing_the_ledger(trials: Trials, number: int) -> None:
    """Appending, adopting, sweeping and rebuilding can each be interrupted anywhere."""
    point = trials.choose(number, LEDGER_TRIALS)
    crash = trials.crash(point, f"trial-{number}")
    judge(crash, trials.undisturbed[point.scenario])


@pytest.mark.parametrize("number", range(NEIGHBOUR_TRIALS))
def test_killed_beside_a_live_process(crowded: Trials, launcher: Launcher, number: int, tmp_path: Path) -> None:
    """The other process goes on publishing, and everything it published is in the one chain."""
    point = crowded.choose(number, NEIGHBOUR_TRIALS)
    log, stop = tmp_path / "log", tmp_path / "stop"
    name = f"trial-{number}"

    home = crowded.copy(point.scenario, name)
    neighbour = launcher.order(do="neighbour", root=home.root, data=home.data, log=log, stop=stop)
    try:
        _wait_for(log, 1)
        crash = crowded.crash_in(home, point, name, alone=False)
        at_crash = len(log.read_text(encoding="utf-8").splitlines())
        _wait_for(log, at_crash + 2)
    finally:
        stop.touch()
        status = launcher.order(do="wait", process=neighbour)
    assert status == 0
    published = [line.split() for line in log.read_text(encoding="utf-8").splitlines()]
    ledger = Ledger(home)
    for record_id, version in published:
        event = ledger.event(record_id)
        assert getattr(event, "version", None) == version
    ledger.close()
    judge(crash, crowded.undisturbed[point.scenario], neighbours=len(published))


def _wait_for(log: Path, lines: int) -> None:
    deadline = time.monotonic() + 60
    while not log.exists() or len(log.read_text(encoding="utf-8").splitlines()) < lines:
        assert time.monotonic() < deadline, "the live process stands still"
        time.sleep(0.005)
