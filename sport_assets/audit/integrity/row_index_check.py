"""Compares the row indexes (which games, plays, players are in a version) with their names and the ledger's rows.

Belongs here: ``records/rows``. Must not come here: the records that name them (``chain_check``).
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path

from sport_assets.audit.integrity.record_files import Made
from sport_assets.audit.integrity.snapshot import Snapshot
from sport_assets.audit.mismatch import Kind, Mismatch, change_time
from sport_assets.lineage import row_index
from sport_assets.lineage.digest import sha256_bytes
from sport_assets.lineage.home import Home


def check_row_indexes(
    home: Home, made: Iterable[Made], index: Snapshot | None, *, before: datetime | None
) -> Iterator[Mismatch]:
    """What is not as recorded. When ``made`` is all that there was at one moment (``before``), files that were there
    then and that no record names as well.
    """
    owners = {each.row_index: each for each in sorted(made, key=lambda each: each.record) if each.row_index}
    for digest, owner in sorted(owners.items()):
        path = row_index.index_path(home.records, digest)
        try:
            data = path.read_bytes()
        except OSError:
            yield _of(owner, path, Kind.ROW_INDEX_MISSING, "gone; restore it from a backup", digest, None)
            continue
        found = sha256_bytes(data)
        if found != digest:
            yield _of(owner, path, Kind.ROW_INDEX_ALTERED, "its bytes changed", digest, found)
        elif index is not None:
            yield from _entered(home, owner, path, data.decode(), index)
    if before is not None and (home.records / row_index.ROWS_FOLDER).is_dir():
        for path in sorted((home.records / row_index.ROWS_FOLDER).iterdir()):
            changed = change_time(path)
            if (path.stem not in owners or path.suffix != ".json") and changed is not None and changed < before:
                said = "no record names it: left by a process that was killed before it recorded, or put there"
                yield Mismatch(Kind.ROW_INDEX_UNRECORDED, str(path), said, severity="note", changed_by=changed)


def _entered(home: Home, owner: Made, path: Path, text: str, index: Snapshot) -> Iterator[Mismatch]:
    """Whether the ledger's rows say what the file says."""
    digest = path.stem
    recorded = {
        (found.side, found.name, value)
        for found in row_index.parse(text, digest, str(path))
        for value in found.values()
    }
    entered = index.rows_of(digest)
    if recorded != entered:
        yield Mismatch(
            Kind.LEDGER_ALTERED,
            f"{home.ledger}, rows of row index {digest}",
            f"the ledger lacks {len(recorded - entered)} of its rows and has {len(entered - recorded)} others",
            expected=_first(recorded - entered),
            found=_first(entered - recorded),
            changed_by=change_time(home.ledger),
            name=owner.name,
            record=owner.record,
        )


def _first(rows: set[tuple[str, str, str]]) -> str | None:
    return " ".join(min(rows)) if rows else None


def _of(owner: Made, path: Path, kind: Kind, message: str, expected: str, found: str | None) -> Mismatch:
    ended: datetime = owner.ended
    return Mismatch(
        kind,
        str(path),
        message,
        expected=expected,
        found=found,
        good_until=ended,
        changed_by=change_time(path if path.exists() else path.parent),
        name=owner.name,
        record=owner.record,
    )
