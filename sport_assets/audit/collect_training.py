"""Frees the working files of trainings that have ended: checkpoints and logs, of which the store has what counts.

Belongs here: finding and deleting finished ones. Must not come here: versions (``collect``). A training that did not
end stays: it goes on from its files when it is started again.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sport_assets.audit.collect import disk_usage
from sport_assets.lineage.home import Home

_LEASE = "lease.json"
_RESULT = "result.json"
_FREED = ".freed-"


@dataclass(frozen=True)
class WorkingFiles:
    """The folder of one finished training, or what an earlier run did not come to delete."""

    folder: Path
    bytes: int


def finished_trainings(home: Home, older_than: timedelta) -> list[WorkingFiles]:
    """Trainings that wrote their result, are held by nobody, and were not touched for that long."""
    before = (datetime.now(UTC) - older_than).timestamp()
    folders = []
    for folder in sorted(home.training.glob("*")):
        if folder.name.startswith(_FREED):
            folders.append(folder)
        elif (folder / _RESULT).is_file() and _touched(folder) <= before:
            with _held(folder) as free:
                folders += [folder] if free else []
    sizes = disk_usage(folders)
    return [WorkingFiles(folder, sizes[folder]) for folder in folders]


def free_trainings(found: list[WorkingFiles]) -> int:
    """Delete them; the bytes freed. Renamed first, so that none that is half deleted looks finished."""
    freed = 0
    for each in found:
        aside = each.folder
        if not aside.name.startswith(_FREED):
            with _held(each.folder) as free:
                if not free:
                    continue
                aside = each.folder.with_name(f"{_FREED}{each.folder.name}")
                os.rename(each.folder, aside)
        shutil.rmtree(aside)
        freed += each.bytes
    return freed


def _touched(folder: Path) -> float:
    return max(path.lstat().st_mtime for path in [folder, *folder.rglob("*")])


@contextmanager
def _held(folder: Path) -> Iterator[bool]:
    """Hold the training's lease, if nobody else does. It is a lock that ends with its holder."""
    path = folder / _LEASE
    if not path.exists():
        yield True
        return
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)
