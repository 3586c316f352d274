"""Finds the record that a person means by MODEL, in a read-only view of the ledger.

Belongs here: reading MODEL as file, folder of the store, digest, or ``key:partition``. Must not come here: what is done
with it. What lies in the store is known by its place, so that an altered model is found, too.
"""

from pathlib import Path
from typing import Any

from sport_assets.audit.integrity.snapshot import Snapshot
from sport_assets.lineage.digest import folder_files, sha256_file, version_of
from sport_assets.lineage.errors import LineageError
from sport_assets.lineage.home import Home
from sport_assets.lineage.lookup import MADE
from sport_assets.lineage.models import NOTHING_GIVEN
from sport_assets.lineage.store import partition_folder


def find_entry(home: Home, index: Snapshot, model: str) -> Any:
    """The ledger's row of the materialization that ``model`` names.

    Raises ``LineageError`` saying what was looked for when there is none, or several.
    """
    if not model:
        raise LineageError(NOTHING_GIVEN)
    path = Path(model)
    if path.exists():
        return _in_store(home, index, path.resolve()) or _by_content(index, path)
    if model in index.by_id:
        return _one([index.by_id[model]], model)
    if ":" in model or "/" in model:
        key, _, partition = model.partition(":")
        rows = [row for row in index.rows if row.key == key and row.partition == (partition or None)]
        rows = [row for row in rows if row.kind in MADE]
        if not rows:
            raise LineageError(f"{model}: neither a file nor a folder, and nothing was recorded under this name")
        return rows[-1]
    return _by_digest(index, model)


def _in_store(home: Home, index: Snapshot, path: Path) -> Any:
    """The newest record of the version that a file or folder lies in."""
    places = {path, *path.parents}
    rows = [row for row in index.rows if row.kind in MADE and row.version in {place.name for place in places}]
    store = home.store.resolve()
    return next(
        (row for row in reversed(rows) if store / row.key / partition_folder(row.partition) / row.version in places),
        None,
    )


def _by_content(index: Snapshot, path: Path) -> Any:
    """A file or folder that was copied elsewhere."""
    if path.is_dir():
        version = version_of(folder_files(path))
        rows = [row for row in index.rows if row.kind in MADE and row.version == version]
        said = f"{path}: no record names a version of this content ({version}): altered, or made elsewhere"
    else:
        digest = sha256_file(path)
        rows = index.publishing(digest)
        said = f"{path}: no record names a file with its SHA-256 {digest}: altered, or made elsewhere"
    if not rows:
        raise LineageError(said)
    return [row for row in rows if row.key == rows[0].key][-1]  # a file that several share is the first one's own


def _by_digest(index: Snapshot, digest: str) -> Any:
    if not digest or not all(c in "0123456789abcdef" for c in digest):
        raise LineageError(f"{digest}: neither a file, a folder, line/asset:partition, a record, nor a digest in hex")
    rows = [row for row in index.rows if row.kind in MADE and row.version.startswith(digest)]
    return _one(rows or index.publishing(digest), digest)


def _one(rows: list[Any], asked: str) -> Any:
    """The newest of the rows of one version."""
    versions = {(row.key, row.partition, row.version) for row in rows if row.kind in MADE}
    if len(versions) != 1:
        raise LineageError(f"{asked}: {len(versions) or 'no'} recorded versions go by this; exactly one is needed")
    return rows[-1]
