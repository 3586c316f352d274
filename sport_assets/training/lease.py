"""One trainer per spec at a time, by a lock that the operating system frees when its holder dies.

Belongs here: the lease. Must not be here: heavy imports. Linux and macOS (it uses `flock`).
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from sport_assets.training.errors import LeaseHeldError


@contextlib.contextmanager
def lease(path: Path, *, wait_s: float = 0.0, say: Callable[[str], None] = lambda message: None) -> Iterator[None]:
    """Hold the lock file `path`; the file names the holder (process, host) while it is held.

    Waits up to `wait_s` seconds for another holder, then raises `LeaseHeldError` that names it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + wait_s
    said = False
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                holder = holder_of(path)
                if time.monotonic() >= deadline:
                    raise LeaseHeldError(
                        f"another trainer holds this spec: {holder}. Wait for it, or stop it "
                        "(SIGTERM leaves a checkpoint) and start again; nothing was changed."
                    ) from None
                if not said:
                    say(f"waiting up to {wait_s:.0f} s for another trainer of the same spec: {holder}")
                    said = True
                time.sleep(0.2)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps({"pid": os.getpid(), "host": socket.gethostname()}).encode(), 0)
        try:
            yield
        finally:
            os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def holder_of(path: Path) -> str:
    """The holder that the lock file names, for messages."""
    try:
        content = json.loads(path.read_text())
        return f"process {content['pid']} on {content['host']}"
    except (OSError, ValueError, KeyError):
        return "a process that is just starting"
