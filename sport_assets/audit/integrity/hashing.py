"""SHA-256 of many files at once, at the speed of all cores.

Belongs here: hashing in parallel and how far it is. Must not come here: what the digests ought to be.
"""

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from threading import Lock

_BUFFER = 2**20
_PART_BYTES = 32 * 2**20
_PART_FILES = 100


Progress = Callable[[int, int], None]


def hash_files(
    sizes: Mapping[str, int], *, threads: int | None = None, progress: Progress = lambda done, total: None
) -> dict[str, str | OSError]:
    """The digest of each file, or why it could not be read. ``progress`` gets bytes done and bytes in all, from any
    thread.

    ``sizes`` are the files with their sizes in bytes as whoever listed them saw them: asking again, like making a
    ``Path`` of each, takes a good part of the time that hashing a small file takes. They only order the work.

    Threads are enough: hashing lets the others run. The largest go first, so that none is left alone at the end; small
    ones go many at a time, since handing them over takes as long as hashing them.
    """
    total, done = sum(sizes.values()), 0
    counting = Lock()

    def advance(count: int) -> None:
        nonlocal done
        with counting:
            done = min(done + count, total)
            progress(done, total)

    advance(0)
    found: dict[str, str | OSError] = {}
    with ThreadPoolExecutor(max_workers=threads or cores()) as pool:
        for digests in pool.map(lambda part: _digests(part, advance), _parts(sizes)):
            found |= digests
    return found


def _parts(sizes: Mapping[str, int]) -> Iterator[list[str]]:
    part: list[str] = []
    size = 0
    for path in sorted(sizes, key=sizes.__getitem__, reverse=True):
        part.append(path)
        size += sizes[path]
        if size >= _PART_BYTES or len(part) >= _PART_FILES:
            yield part
            part, size = [], 0
    if part:
        yield part


def _digests(paths: list[str], advance: Callable[[int], None]) -> dict[str, str | OSError]:
    found: dict[str, str | OSError] = {}
    buffer = bytearray(_BUFFER)  # made once: for small files that takes longer than reading them
    view = memoryview(buffer)
    unsaid = 0
    for path in paths:
        digest = hashlib.sha256()
        try:
            # a file object costs as much as hashing 64 KiB
            descriptor = os.open(path, os.O_RDONLY)
            try:
                while count := os.readv(descriptor, [buffer]):
                    digest.update(view[:count])
                    unsaid += count
                    if unsaid >= _PART_BYTES:
                        advance(unsaid)
                        unsaid = 0
                    if count < len(buffer):
                        break  # the end; another read would say no more
            finally:
                os.close(descriptor)
            found[path] = digest.hexdigest()
        except OSError as error:
            found[path] = error
    advance(unsaid)
    return found


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
