"""`sport-assets …` as a user types it, in a process of its own, and the records that it leaves."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from sport_assets.lineage.home import Home
from sport_assets.lineage.ledger import ENTRIES
from sport_assets.lineage.manifest import Materialization
from sport_assets.lineage.record import Lineage


def run(
    folder: Path, *arguments: str, check: bool = True, without_torch: bool = False, seasons: str = "2023"
) -> subprocess.CompletedProcess[str]:
    """Run the command with home and data below `folder`.

    ``without_torch``: importing torch fails, as on a machine that has none. ``seasons``: those of the NFL line.
    """
    environment = {
        **os.environ,
        "SPORT_ASSETS_HOME": str(folder / "home"),
        "SPORT_ASSETS_DATA": str(folder / "data"),
        "SPORT_ASSETS_NFL_SEASONS": seasons,
        "OMP_NUM_THREADS": "1",
    }
    if without_torch:
        blocked = folder / "blocked"
        blocked.mkdir(exist_ok=True)
        (blocked / "torch.py").write_text("raise ImportError('torch must not be imported here')\n")
        environment["PYTHONPATH"] = os.pathsep.join([str(blocked), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, "-m", "sport_assets.cli", *arguments], env=environment, capture_output=True, text=True
    )
    if check:
        assert done.returncode == 0, done.stderr + done.stdout
    return done


def lineage_of(folder: Path) -> Lineage:
    """The home below `folder`, opened."""
    return Lineage(Home(folder / "home", folder / "data"))


def materializations(folder: Path) -> dict[tuple[str, str | None], Materialization]:
    """The newest record of every partition."""
    lineage = lineage_of(folder)
    try:
        found = {}
        for row in lineage.ledger.entries(ENTRIES.c.kind == "materialized"):
            event = lineage.ledger.load(row)
            assert isinstance(event, Materialization)
            found[event.key, event.partition] = event
        return found
    finally:
        lineage.close()


def behind(made: dict[tuple[str, str | None], Materialization], key: str, partition: str) -> tuple[set[str], set[str]]:
    """(keys of the assets, paths of the raw files) that a materialization stands on, itself included."""
    by_record = {event.id: event for event in made.values()}
    seen: set[str] = set()
    raw: set[str] = set()
    todo = [made[key, partition]]
    while todo:
        event = todo.pop()
        seen.add(event.key)
        raw |= {file.path for file in event.raw_files}
        todo += [by_record[ref.record] for ref in event.inputs]
    return seen, raw


def traces(folder: Path) -> list[Path]:
    """Versioned files that name this machine or the folder they were made in."""
    marks = [mark for mark in (str(folder).encode(), os.uname().nodename.encode()) if len(mark) > 3]
    files = [path for path in (folder / "home" / "store").rglob("*") if path.is_file()]
    return [path for path in files if any(mark in path.read_bytes() for mark in marks)]
