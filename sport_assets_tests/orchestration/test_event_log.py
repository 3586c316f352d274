"""Dagster's SQLite files: fewer waits for the disk while a build runs, and nothing lost for it."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from sport_assets.orchestration import event_log
from sport_assets.orchestration.event_log import unhurried
from sport_assets_tests.orchestration.toy_home import ROOT

FULL, NORMAL = 2, 1
KILLED = """
import os, sys
from pathlib import Path
import sqlalchemy as sa
from sport_assets.orchestration.event_log import unhurried
with unhurried(Path(sys.argv[1])):
    engine = sa.create_engine(f"sqlite:///{sys.argv[1]}/runs.db", poolclass=sa.NullPool)
    for statement in ("CREATE TABLE events (name TEXT)", "INSERT INTO events VALUES ('made')"):
        with engine.begin() as connection:
            connection.exec_driver_sql(statement)
    os._exit(9)
"""


def _engine(path: Path) -> sa.Engine:
    return sa.create_engine(f"sqlite:///{path}", poolclass=sa.NullPool)


def _synchronous(path: Path) -> int:
    with _engine(path).begin() as connection:
        return int(connection.exec_driver_sql("PRAGMA synchronous").scalar_one())


def _add(path: Path, name: str) -> None:
    with _engine(path).begin() as connection:
        connection.exec_driver_sql("CREATE TABLE IF NOT EXISTS events (name TEXT)")
        connection.exec_driver_sql("INSERT INTO events VALUES (?)", (name,))


def _journal(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def _names(path: Path) -> list[str]:
    connection = sqlite3.connect(path)
    try:
        return [name for (name,) in connection.execute("SELECT name FROM events")]
    finally:
        connection.close()


def test_files_below_the_root_are_opened_so_and_no_others(tmp_path: Path) -> None:
    inside, outside = tmp_path / "dagster" / "runs.db", tmp_path / "ledger.sqlite"
    inside.parent.mkdir()
    with unhurried(inside.parent):
        assert (_synchronous(inside), _synchronous(outside)) == (NORMAL, FULL)
    assert _synchronous(inside) == FULL


def test_the_journal_stays_open_between_connections_and_is_written_in_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    with unhurried(tmp_path):
        for name in ("one", "two"):
            _add(path, name)
            assert _journal(path).stat().st_size > 0
        assert _names(path) == ["one", "two"]
    assert not _journal(path).exists()
    assert _names(path) == ["one", "two"]


def test_only_the_files_of_the_last_runs_are_held_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_log, "_OPEN_AT_MOST", 2)
    paths = [tmp_path / f"run{number}.db" for number in range(4)]
    with unhurried(tmp_path):
        for path in paths:
            _add(path, "made")
        assert [_journal(path).exists() for path in paths] == [False, False, True, True]
    assert [_names(path) for path in paths] == [["made"]] * 4


def test_a_killed_process_loses_nothing(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], cwd=ROOT, check=False, timeout=60)
    assert done.returncode == 9
    assert _names(tmp_path / "runs.db") == ["made"]
