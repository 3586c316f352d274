"""Changes to the disk that outlive a power loss.

Belongs here: fsync of files and folders, and writing a small file whole or not at all. Must not come here: what the
files hold, and where they lie.
"""

import os
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

# What waits for the disk at the same time is written in one go: four wait a quarter as long as one after the other.
# More of them gain nothing, and starting a thread takes as long as syncing a small file.
_SYNCING = 4


def sync(path: Path) -> None:
    """Wait until a file's content, or a folder's list of names, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_all(paths: Collection[Path]) -> None:
    """Wait until all of these are on the disk."""
    with ThreadPoolExecutor(max_workers=min(_SYNCING, len(paths))) as pool:
        list(pool.map(sync, paths))


def make_folders(folder: Path) -> None:
    """Make ``folder`` and what is missing above it; the new names are on the disk before anything is put into it."""
    for path in make_missing(folder):
        sync(path)


def make_missing(folder: Path) -> list[Path]:
    """As ``make_folders``, but nothing is waited for: returns the folders, outermost first, that are to be synced."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    for path in reversed(missing):
        path.mkdir(exist_ok=True)  # another process may be first
    return [path.parent for path in reversed(missing)]


def write_durably(path: Path, data: bytes, aside: Path | None = None) -> None:
    """Write a file so that it is there whole, or not at all, also after a power loss.

    Where several processes may write the same path at once, each gives a folder of its own on the same filesystem,
    ``aside``, for the unfinished file.
    """
    make_folders(path.parent)
    temporary = (aside or path.parent) / f".{path.name}.tmp"
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync(path.parent)
