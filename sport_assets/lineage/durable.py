"""Changes to the disk that outlive a power loss.

Belongs here: fsync of files and folders, and writing a small file whole or not at all. Must not come here: what the
files hold, and where they lie.
"""

import os
from pathlib import Path


def sync(path: Path) -> None:
    """Wait until a file's content, or a folder's list of names, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folders(folder: Path) -> None:
    """Make ``folder`` and what is missing above it; each new name is on the disk before anything is put below it."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    for path in reversed(missing):
        path.mkdir(exist_ok=True)  # another process may be first
        sync(path.parent)


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
