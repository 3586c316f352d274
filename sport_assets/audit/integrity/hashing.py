"""SHA-256 of many files at once, at the speed of all cores.

Belongs here: hashing in parallel and how far it is. Must not come here: what the digests ought to be.
"""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sport_assets.lineage.digest import sha256_file


def hash_files(
    paths: Iterable[Path],
    *,
    threads: int | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[Path, str | OSError]:
    """The digest of each file, or why it could not be read. ``progress`` gets bytes done and bytes in all.

    Threads are enough: hashing lets the others run. The largest go first, so that none is left alone at the end.
    """
    sizes = {path: _size(path) for path in paths}
    total, done = sum(sizes.values()), 0
    found: dict[Path, str | OSError] = {}
    progress(0, total)
    with ThreadPoolExecutor(max_workers=threads or cores()) as pool:
        order = sorted(sizes, key=lambda path: -sizes[path])
        for path, digest in zip(order, pool.map(_digest, order), strict=True):
            found[path] = digest
            done += sizes[path]
            progress(done, total)
    return found


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _digest(path: Path) -> str | OSError:
    try:
        return sha256_file(path)
    except OSError as error:
        return error


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
