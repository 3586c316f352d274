"""Finds what a person means by MODEL: a file, a version folder, a digest or ``line/asset:partition``.

Belongs here: from that text to a record, and to the ONNX file that prediction loads. Must not come here: what a model
is for.
"""

from pathlib import Path
from typing import Any

import sqlalchemy as sa

from sport_assets.lineage.digest import folder_files, sha256_file, version_of
from sport_assets.lineage.errors import LineageError
from sport_assets.lineage.home import Home
from sport_assets.lineage.index import ENTRIES, FILES
from sport_assets.lineage.lookup import MADE, Lookup
from sport_assets.lineage.manifest import Materialization
from sport_assets.lineage.record import Lineage

MODEL_FILE = "model.onnx"
NOTHING_GIVEN = "nothing is given: name a file, a folder, line/asset:partition, a record or a digest"


def find_model(home: Home, model: str) -> Path:
    """The ONNX file behind ``model``: a file, a version folder, a digest (unambiguous prefix) of a version or of a
    file, or ``line/asset:partition``, which goes through the gate. Raises ``LineageError`` naming what was tried.
    """
    path = Path(model)
    if path.is_file():
        return path
    if path.is_dir():
        return _only(path, model)
    if not home.ledger.exists():
        raise LineageError(f"{model}: no such file, and {home.root} has no records to look it up in")
    lineage = Lineage(home)
    try:
        if ":" in model:
            key, _, partition = model.partition(":")
            return _only(lineage.read(key, partition).folder, model)
        return _only(lineage.read_record(_by_digest(lineage.ledger, model, only_models=True).id).folder, model)
    finally:
        lineage.close()


def find_record(ledger: Lookup, model: str) -> Materialization:
    """The newest materialization that ``model`` means, whether or not it may be read.

    A file or folder is found by its content, so also where it was copied to. A digest (unambiguous prefix) is one of a
    version or of a file in it. ``line/asset:partition`` (without a partition: ``line/asset``) is the newest there, and
    a record id that record. Raises ``LineageError`` that says what was tried.
    """
    if not model:
        raise LineageError(NOTHING_GIVEN)
    path = Path(model)
    if path.is_file():
        return _by_file(ledger, path)
    if path.is_dir():
        return _by_folder(ledger, path)
    if "/" in model:
        key, _, partition = model.partition(":")
        made = ledger.latest(key, partition or None)
        if made is None:
            raise LineageError(
                f"{model}: no such file, and nothing of that name was ever published; {_has(ledger, key)}"
            )
        return made
    rows = ledger.entries(ENTRIES.c.id == model, ENTRIES.c.kind.in_(MADE))
    return _load(ledger, rows[0]) if rows else _by_digest(ledger, model)


def _by_file(ledger: Lookup, path: Path) -> Materialization:
    sha256 = sha256_file(path)
    made = ledger.publisher(sha256)
    if made is None:
        raise LineageError(
            f"{path}: no version in {ledger.home.root} has a file of this content (SHA-256 {sha256}). It was altered, "
            "or made in another home: set SPORT_ASSETS_HOME to that one."
        )
    return made


def _by_folder(ledger: Lookup, path: Path) -> Materialization:
    version = version_of(folder_files(path))
    rows = ledger.entries(ENTRIES.c.version == version, ENTRIES.c.kind.in_(MADE))
    if not rows:
        raise LineageError(f"{path}: no record in {ledger.home.root} of a version of this content ({version})")
    return _load(ledger, rows[-1])


def _by_digest(ledger: Lookup, digest: str, *, only_models: bool = False) -> Materialization:
    if not digest or not all(c in "0123456789abcdef" for c in digest):
        raise LineageError(f"{digest}: neither a file, a folder, line/asset:partition, nor a digest in hex")
    files = sa.select(FILES.c.seq).where(FILES.c.raw.is_(False))
    if only_models:
        files = files.where(FILES.c.path.endswith(".onnx"))
    rows = ledger.entries(
        sa.or_(ENTRIES.c.version.startswith(digest), ENTRIES.c.seq.in_(files.where(FILES.c.sha256.startswith(digest)))),
        ENTRIES.c.seq.in_(files),
        ENTRIES.c.kind.in_(MADE),
    )
    versions = {row.version for row in rows}
    if len(versions) != 1:
        what = "models'" if only_models else "versions'"
        raise LineageError(f"{digest}: {len(versions) or 'no'} {what} digests begin so; exactly one is needed")
    return _load(ledger, rows[-1])


def _has(ledger: Lookup, key: str) -> str:
    partitions = [str(partition) for partition in ledger.partitions(key)]
    return f"{key} has {', '.join(partitions[:8])}" if partitions else f"there is no {key} in {ledger.home.root}"


def _load(ledger: Lookup, row: sa.Row[Any]) -> Materialization:
    made = ledger.load(row)
    assert isinstance(made, Materialization)
    return made


def _only(folder: Path, model: str) -> Path:
    path = folder / MODEL_FILE
    if path.is_file():
        return path
    found = sorted(folder.glob("*.onnx"))
    if len(found) != 1:
        raise LineageError(f"{model}: {folder} holds {len(found)} ONNX files; name the file itself")
    return found[0]
