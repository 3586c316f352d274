"""Finds the model file that a person means.

Belongs here: reading MODEL as file, version folder, digest or ``line/asset:partition``. Must not come here: what a
model is for.
"""

from pathlib import Path

import sqlalchemy as sa

from sport_assets.lineage.errors import LineageError
from sport_assets.lineage.home import Home
from sport_assets.lineage.ledger import ENTRIES, FILES
from sport_assets.lineage.record import Lineage

MODEL_FILE = "model.onnx"


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
        return _only(_by_digest(lineage, model), model)
    finally:
        lineage.close()


def _by_digest(lineage: Lineage, digest: str) -> Path:
    if not digest or not all(c in "0123456789abcdef" for c in digest):
        raise LineageError(f"{digest}: neither a file, a folder, line/asset:partition, nor a digest in hex")
    models = sa.select(FILES.c.seq).where(FILES.c.raw.is_(False), FILES.c.path.endswith(".onnx"))
    by_file = models.where(FILES.c.sha256.startswith(digest))
    rows = lineage.ledger.entries(
        sa.or_(ENTRIES.c.version.startswith(digest), ENTRIES.c.seq.in_(by_file)),
        ENTRIES.c.seq.in_(models),
        ENTRIES.c.kind.in_(["materialized", "rejected"]),
    )
    versions = {row.version for row in rows}
    if len(versions) != 1:
        raise LineageError(f"{digest}: {len(versions) or 'no'} models' digests begin so; exactly one is needed")
    return lineage.read_record(rows[-1].id).folder


def _only(folder: Path, model: str) -> Path:
    path = folder / MODEL_FILE
    if path.is_file():
        return path
    found = sorted(folder.glob("*.onnx"))
    if len(found) != 1:
        raise LineageError(f"{model}: {folder} holds {len(found)} ONNX files; name the file itself")
    return found[0]
