"""What every test may ask for: a home of its own, and the real data where there is some.

Belongs here: fixtures of general use. Fixtures of one room live in that room's own conftest.py.
"""

import os
from collections import Counter
from pathlib import Path

import pytest

# Before anything imports NumPy or torch: tests run in several processes on few cores, and one thread gives
# the same bits every time.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MKL_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "Agg")

# Settings from the shell that runs the tests never reach a test, and a test that forgets the fixture `home`
# fails instead of writing into the user's.
for name in (
    "DAGSTER_HOME",
    "DAGSTER_MODULE_NAME",
    "MLFLOW_RUN_ID",
    "MLFLOW_TRACKING_URI",
    "SPORT_ASSETS_ALERT_WEBHOOK",
    "SPORT_ASSETS_MLFLOW_PARENT_RUN",
    "SPORT_ASSETS_NFL_SEASONS",
    "SPORT_ASSETS_PROFILE",
    "SPORT_ASSETS_TENSORBOARD",
    "SPORT_ASSETS_TRACEBACK",
    "SPORT_ASSETS_TRACKERS",
):
    os.environ.pop(name, None)
for name in ("SPORT_ASSETS_HOME", "SPORT_ASSETS_DATA"):
    os.environ[name] = "/dev/null/ask-for-the-fixture-home"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests go first, those with the most before the others: none is begun when all others are done."""
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -slow[item.path])


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh `SPORT_ASSETS_HOME` (returned), `SPORT_ASSETS_DATA` beside it, Dagster's home in it.

    All three folders exist. The raw data folder is `home.parent / "data"`.
    """
    folder = tmp_path / "home"
    data = tmp_path / "data"
    dagster = folder / "dagster"
    for path in (data, dagster):
        path.mkdir(parents=True)
    monkeypatch.setenv("SPORT_ASSETS_HOME", str(folder))
    monkeypatch.setenv("SPORT_ASSETS_DATA", str(data))
    monkeypatch.setenv("DAGSTER_HOME", str(dagster))
    return folder


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder that `SPORT_ASSETS_REAL_DATA` names; the test is skipped where there is none."""
    named = os.environ.get("SPORT_ASSETS_REAL_DATA")
    if not named:
        pytest.skip("SPORT_ASSETS_REAL_DATA is not set: no real data here")
    folder = Path(named)
    if not folder.is_dir():
        pytest.fail(f"SPORT_ASSETS_REAL_DATA names {named}, which is not a folder")
    return folder.resolve()
