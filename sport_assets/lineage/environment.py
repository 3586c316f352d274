"""What a materialization ran on: host, packages, git commit.

Belongs here: looking at the machine, once per process. Must not come here: anything that enters a digest.
"""

import functools
import getpass
import os
import platform
import re
import socket
import subprocess
import sys
from pathlib import Path

from sport_assets.lineage.digest import sha256_bytes
from sport_assets.lineage.manifest import Environment

_SOURCE = Path(__file__).resolve().parents[2]
LOCK_FILE = "constraints.txt"
_VECTORS = ("avx512f", "avx2", "avx")
# What installs packages, and this package itself.
_NOT_PINNED = {"pip", "setuptools", "wheel", "sport-assets"}


def environment(device: str = "cpu", threads: int | None = None) -> Environment:
    """The environment of this process."""
    commit, dirty = git_state()
    digest, unpinned = lock_state()
    return Environment(
        host=socket.gethostname(),
        user=_user(),
        platform=f"{platform.platform()}, {processor()}",
        python=platform.python_version(),
        device=device,
        threads=threads if threads is not None else (os.cpu_count() or 1),
        packages=packages(),
        git_commit=commit,
        git_dirty=dirty,
        lock=digest,
        unpinned=unpinned,
    )


@functools.cache
def processor() -> str:
    """Name and widest vector instructions of the processor: what decides which bits a sum has."""
    try:
        told = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return platform.processor() or platform.machine()
    name = re.search(r"^model name\s*:\s*(.+)$", told, re.MULTILINE)
    flags = re.search(r"^flags\s*:(.+)$", told, re.MULTILINE)
    widest = next((each for each in _VECTORS if flags and each in flags[1].split()), "")
    return " ".join(filter(None, (name[1].strip() if name else platform.machine(), widest)))


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
                    found.setdefault(_normal(package), version)
    return dict(sorted(found.items()))


@functools.cache
def lock_state() -> tuple[str | None, list[str]]:
    """Digest of the lock file of the source tree, and the installed packages that are not as it says."""
    path = _SOURCE / LOCK_FILE
    if not path.is_file():
        return None, []
    data = path.read_bytes()
    lines = (line.split("#")[0].split(";")[0].strip() for line in data.decode().splitlines())
    pins = {_normal(name): version for name, _, version in (line.partition("==") for line in lines) if version}
    installed = {name: version for name, version in packages().items() if name not in _NOT_PINNED}
    return sha256_bytes(data), sorted(name for name, version in installed.items() if pins.get(name) != version)


def _normal(package: str) -> str:
    """A package's name as registries compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", package).lower()


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
