"""A process that publishes is stopped dead at each of its steps."""

import shutil
from collections.abc import Iterator

import pytest

from sport_assets_tests.integration.crash.aftermath import judge
from sport_assets_tests.integration.crash.harness import PUBLISHING_TRIALS, Launcher, Trials
from sport_assets_tests.integration.crash.scenarios import PUBLISHING

pytestmark = pytest.mark.crash


@pytest.fixture(scope="module")
def trials(tmp_path_factory: pytest.TempPathFactory, launcher: Launcher) -> Iterator[Trials]:
    """All crash points of publishing."""
    folder = tmp_path_factory.mktemp("publishing")
    yield Trials(PUBLISHING, folder, launcher)
    shutil.rmtree(folder, ignore_errors=True)


def test_every_step_of_publishing_is_a_crash_point(trials: Trials) -> None:
    """The undisturbed run shows the steps that the design names, so that the trials cover them."""
    calls = [point.call for point in trials.points if point.scenario == "publish" and point.side == "before"]
    order = ["write", "os.fsync", "os.rename", "os.chmod", "sql BEGIN IMMEDIATE", "write", "os.replace"]
    order += ["sql INSERT INTO entries", "sql COMMIT"]
    found = 0
    for call in calls:
        if found < len(order) and call.startswith(order[found]):
            found += 1
    assert found == len(order), f"{order[found]} is missing or out of order in {calls}"


@pytest.mark.parametrize("number", range(PUBLISHING_TRIALS))
def test_killed_while_publishing(trials: Trials, number: int) -> None:
    """Nothing lost, nothing half-written, the chain whole, the next run as if nothing had been."""
    point = trials.choose(number, PUBLISHING_TRIALS)
    crash = trials.crash(point, f"trial-{number}")
    judge(crash, trials.undisturbed[point.scenario])
