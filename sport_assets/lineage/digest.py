"""Digests of bytes, files and folders: the ground that every version and record stands on.

Belongs here: SHA-256 over files, and the rule that makes a folder's version from its files. Must not come here:
where the folders lie (``store``) or what is said about them (``record``).
"""

import hashlib
import json
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict


class FileEntry(BaseModel):
    """One file of a version: path relative to its folder (posix), SHA-256 in hex, size in bytes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str
    sha256: str
    size: int


class Listed(Protocol):
    """What of a file goes into a version, whoever tells it."""

    @property
    def path(self) -> str:
        """Relative to the version's folder (posix)."""

    @property
    def sha256(self) -> str:
        """In hex."""

    @property
    def size(self) -> int | None:
        """In bytes."""


def sha256_file(path: Path) -> str:
    """SHA-256 of a file's bytes in hex, at the speed of the hash (1 MiB reads, no copy into Python objects)."""
    with path.open("rb", buffering=0) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_bytes(data: bytes) -> str:
    """SHA-256 of bytes in hex."""
    return hashlib.sha256(data).hexdigest()


def sha256_text(text: str) -> str:
    """SHA-256 of a text's UTF-8 bytes in hex."""
    return hashlib.sha256(text.encode()).hexdigest()


def canonical_json(value: Any) -> str:
    """JSON that depends on the value alone: sorted keys, no spaces, NaN refused."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def folder_files(folder: Path) -> list[FileEntry]:
    """Every regular file below ``folder``, sorted by relative path. Raises ``ValueError`` on links and devices."""
    entries = []
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        if stat.S_ISDIR(status.st_mode):
            continue
        if not stat.S_ISREG(status.st_mode):
            raise ValueError(f"{path}: a version holds plain files only; write the content instead of a link")
        name = path.relative_to(folder).as_posix()
        entries.append(FileEntry(path=name, sha256=sha256_file(path), size=status.st_size))
    return sorted(entries, key=lambda entry: entry.path)


def version_of(files: Iterable[Listed]) -> str:
    """The version of a folder: SHA-256 over its sorted (relative path, SHA-256, size). Same bytes, same version."""
    return sha256_text(canonical_json(sorted([f.path, f.sha256, f.size] for f in files)))
