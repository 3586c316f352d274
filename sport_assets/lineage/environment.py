"""What a materialization ran on: host, packages, git commit.

Belongs here: looking at the machine, once per process. Must not come here: anything that enters a digest.
"""

import functools
import getpass
import os
import platform
import socket
import subprocess
import sys
from pathlib import Path

from sport_assets.lineage.manifest import Environment

_SOURCE = Path(__file__).resolve().parents[2]


def environment(device: str = "cpu", threads: int | None = None) -> Environment:
    """The environment of this process."""
    commit, dirty = git_state()
    return Environment(
        host=socket.gethostname(),
        user=_user(),
        platform=platform.platform(),
        python=platform.python_version(),
        device=device,
        threads=threads if threads is not None else (os.cpu_count() or 1),
        packages=packages(),
        git_commit=commit,
        git_dirty=dirty,
    )


@functools.cache
def packages() -> dict[str, str]:
    """Installed distributions and their versions, from the names of their metadata folders (no file is opened)."""
    found: dict[str, str] = {}
    for entry in map(Path, sys.path):
        if entry.name in {"site-packages", "dist-packages"} and entry.is_dir():
            for name in os.listdir(entry):
                stem, dot, suffix = name.rpartition(".")
                if suffix == "dist-info" and dot:
                    package, _, version = stem.partition("-")
                    found.setdefault(package.lower().replace("_", "-"), version)
    return dict(sorted(found.items()))


@functools.cache
def git_state() -> tuple[str | None, bool | None]:
    """Commit and whether the working tree differs from it; (None, None) outside a git checkout.

    Asked once per process: the code that runs is the one that was loaded then.
    """
    if not (_SOURCE / ".git").exists():
        return None, None
    try:
        commit = _git("rev-parse", "HEAD")
        return commit, bool(_git("status", "--porcelain"))
    except (OSError, subprocess.SubprocessError):
        return None, None


def _git(*arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(_SOURCE), *arguments], capture_output=True, text=True, check=True, timeout=20
    )
    return done.stdout.strip()


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container user without a name
        return str(os.getuid())
