"""One launcher per test process."""

from collections.abc import Iterator

import pytest

from sport_assets_tests.integration.crash.harness import Launcher


@pytest.fixture(scope="module")
def launcher() -> Iterator[Launcher]:
    """The process that forks the children that die."""
    running = Launcher()
    yield running
    running.close()
