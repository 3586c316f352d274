"""What every test may ask for: a home of its own, and the real data where there is some.

Belongs here: fixtures of general use. Fixtures of one room live in that room's own conftest.py.
"""

import os
from pathlib import Path

# Before anything imports NumPy or torch: tests run in several processes on few cores, and one thread gives
# the same bits every time.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MKL_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "Agg")

import pytest

VARIABLES_OF_A_USER = (
    "SPORT_ASSETS_NFL_SEASONS",
    "DAGSTER_HOME",
    "DAGSTER_MODULE_NAME",
    "MLFLOW_TRACKING_URI",
    "MLFLOW_RUN_ID",
)


@pytest.fixture(autouse=True)
def _no_settings_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings from the shell that runs the tests never reach a test."""
    for name in VARIABLES_OF_A_USER:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, _no_settings_of_the_user: None) -> Path:
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
