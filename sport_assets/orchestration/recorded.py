"""What is known of a model that is to be made again: its chain, and where the recorded files lie.

Belongs here: getting at it, from the home or from a bundle. Must not come here: making it again (``reproduce``).
"""

import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sport_assets.audit.chain import Chain, walk
from sport_assets.audit.records import FileRecords, LedgerRecords
from sport_assets.lineage.errors import LineageError
from sport_assets.lineage.home import Home
from sport_assets.lineage.manifest import Materialization
from sport_assets.lineage.models import find_record
from sport_assets.lineage.record import Lineage
from sport_assets.lineage.store import Store


@dataclass(frozen=True)
class Recorded:
    """A chain. ``stores`` are searched for files of its versions, ``records`` holds ``rows/``, ``data`` raw files."""

    chain: Chain
    stores: Sequence[Store]
    records: Path
    data: Path

    def folder(self, made: Materialization) -> Path:
        """Where the files of a version lie; in the home where they lie nowhere."""
        folders = [store.folder(made.key, made.partition, made.version) for store in self.stores]
        return next((folder for folder in folders if folder.is_dir()), folders[0])


@contextmanager
def recorded(home: Home, model: str) -> Iterator[Recorded]:
    """A model of this home, or the one that a bundle (``.zip``) holds. Raises ``LineageError`` when it is not sound."""
    path = Path(model)
    if path.suffix == ".zip" and path.is_file():
        with tempfile.TemporaryDirectory(prefix="sport-assets-bundle-") as folder:
            yield _unpacked(home, path, Path(folder))
        return
    if not home.ledger.exists():
        raise LineageError(f"{home.root} has no ledger, so nothing is recorded in it. Is SPORT_ASSETS_HOME right?")
    with closing(Lineage(home)) as lineage:
        chain = walk(LedgerRecords(lineage), find_record(lineage.ledger, model).id)
    yield Recorded(chain, [Store(home.store)], home.records, home.data)


def _unpacked(home: Home, path: Path, folder: Path) -> Recorded:
    """Records and the model's own files of a bundle that was found sound; other files are taken from the home."""
    from sport_assets.audit.bundle import names
    from sport_assets.audit.bundle.archive import open_archive
    from sport_assets.audit.bundle.verify import inspect_bundle
    from sport_assets.audit.mismatch import errors

    wrong = errors(inspect_bundle(path).mismatches)
    if wrong:
        raise LineageError(f"{path}: {wrong[0].place} {wrong[0].message}; sport-assets verify {path} tells all")
    opened = open_archive(path)
    for name, data in opened.texts(lambda name: name.startswith(names.RECORDS)):
        _write(folder / name, data)
    records = FileRecords(folder / names.RECORDS)
    chain = walk(records, json.loads(opened.text(names.INDEX))["model"]["record"])
    store, target = Store(folder / "store"), chain.target.made
    own = store.folder(target.key, target.partition, target.version)
    for name, data in opened.texts(lambda name: name.startswith(names.MODEL)):
        _write(own / name.removeprefix(names.MODEL), data)
    for step in chain.steps:
        # of what the model stands on, a bundle holds the evaluation's figures
        digests = {file.path: file.sha256 for file in step.made.files}
        if opened.digests.get(names.EVALUATION) == digests.get(names.EVALUATION, ""):
            within = store.folder(step.made.key, step.made.partition, step.made.version)
            _write(within / names.EVALUATION, opened.text(names.EVALUATION))
    return Recorded(chain, [Store(home.store), store], folder / names.RECORDS, home.data)


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
