"""Version folders on disk: written aside, fsynced, renamed into place, read-only from then on.

Belongs here: the layout ``<line>/<asset>/<partition>/<version>/`` and the atomic publish. Must not come here: records
of who published what (``ledger``).
"""

import os
import shutil
import stat
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from filelock import FileLock, Timeout

from sport_assets.lineage.digest import FileEntry, folder_files, version_of
from sport_assets.lineage.durable import make_missing, sync, sync_all
from sport_assets.lineage.errors import StoreDamaged

STAGING = ".staging"
NO_PARTITION = "_"


def partition_folder(partition: str | None) -> str:
    """A partition key as one folder name: percent-encoded, ``_`` where there is none."""
    if partition is None:
        return NO_PARTITION
    if not partition:
        raise ValueError("a partition's key cannot be empty")
    encoded = quote(partition, safe="")
    if encoded == NO_PARTITION or not encoded.strip("."):
        return "".join(f"%{byte:02X}" for byte in partition.encode())
    return encoded


class Store:
    """The folder of published versions."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.staging = root / STAGING

    def folder(self, key: str, partition: str | None, version: str) -> Path:
        """Where a version lies."""
        return self.root / key / partition_folder(partition) / version

    @contextmanager
    def stage(self) -> Iterator[Path]:
        """A fresh folder to write into, on the store's filesystem; whatever is left in it at the end is deleted.

        A file lock beside it lives as long as the process, so that the leftovers of a killed one can be told from the
        work of a live one.
        """
        self.staging.mkdir(parents=True, exist_ok=True)
        self._sweep()
        folder = self.staging / uuid.uuid4().hex
        lock = FileLock(folder.with_suffix(".lock"))
        with lock:
            folder.mkdir()
            try:
                yield folder
            finally:
                _delete(folder)
                Path(lock.lock_file).unlink(missing_ok=True)

    def publish(self, staged: Path, key: str, partition: str | None) -> tuple[str, list[FileEntry]]:
        """Make a staged folder a read-only version; returns its version and files.

        The same bytes published before are left as they are. Raises ``StoreDamaged`` when what lies there under their
        version has other bytes.
        """
        files = folder_files(staged)
        version = version_of(files)
        target = self.folder(key, partition, version)
        if not target.exists():
            above = make_missing(target.parent)
            sync_all([staged, *staged.rglob("*"), *above])
            staged.chmod(0o755)  # renaming a folder writes to it
            try:
                os.rename(staged, target)
            except OSError:
                if not target.exists():  # another writer was first with the same bytes
                    raise
        sync(target.parent)  # also when another writer renamed it: it may not have come to this yet
        if staged.exists() and folder_files(target) != files:
            raise StoreDamaged(
                f"{target}: this version's files are not those of its content any more. Move the folder aside and "
                "materialize again; `sport-assets ledger log` tells who made it."
            )
        _make_read_only(target)
        return version, files

    def _sweep(self) -> None:
        """Delete what killed processes left in staging (their locks are free)."""
        for leftover in self.staging.glob("*.lock"):
            lock = FileLock(leftover)
            try:
                with lock.acquire(blocking=False):
                    _delete(leftover.with_suffix(""))
                    leftover.unlink(missing_ok=True)
            except Timeout:
                continue


def _make_read_only(folder: Path) -> None:
    for path in [*folder.rglob("*"), folder]:
        mode = 0o555 if path.is_dir() else 0o444
        if stat.S_IMODE(path.stat().st_mode) != mode:  # another user's version is read-only already
            path.chmod(mode)


def _delete(folder: Path) -> None:
    if folder.exists():
        for path in [folder, *folder.rglob("*")]:
            if path.is_dir() and not path.is_symlink():
                path.chmod(0o755)
        shutil.rmtree(folder)
