"""Whether each record names the hash of the one before it, and the first one the start of the chain.

Belongs here: the chain through the record files. Must not come here: single records and their rows (``chain_check``).
"""

from collections.abc import Collection, Iterable, Set
from pathlib import Path
from typing import Any

from sport_assets.audit.integrity.record_files import RecordFile, RecordFiles, number_of
from sport_assets.audit.integrity.snapshot import Snapshot
from sport_assets.audit.mismatch import Kind, Mismatch, change_time
from sport_assets.lineage.home import Home


def broken_links(
    home: Home, files: RecordFiles, index: Snapshot | None, names: Iterable[str], explained: Set[int]
) -> list[Mismatch]:
    """Breaks before and after the files of these names. Places that are ``explained`` were told of already."""
    rows = {row.seq: row for row in index.rows} if index is not None else {}
    found: list[Mismatch] = []
    numbers = {number for name in names if (number := number_of(name)) is not None}
    for number in sorted(numbers | {number + 1 for number in numbers}):
        if number == 1 or explained & {number, number - 1}:
            continue
        before = next(files.at(number - 1), None)
        for file in files.at(number):
            if file.event is not None:
                found += _link(home, files, file, before, rows.get(number - 1))
    return found + _genesis(home, files, explained)


def _link(home: Home, files: RecordFiles, file: RecordFile, before: RecordFile | None, row: Any) -> list[Mismatch]:
    event = file.event
    assert event is not None
    if before is None and row is None:
        gone = f"{home.records}, record number {(file.number or 0) - 1}"
        said = f"record {event.id} names it as the one before it; its file and its row in the ledger are gone"
        return [Mismatch(Kind.RECORD_MISSING, gone, said, expected=event.previous, good_until=event.at)]
    hash_before = before.hash if before is not None else row.hash
    if event.previous != hash_before:
        return [_broken(files, file, before, row, hash_before)]
    if event.id != Path(file.name).stem:
        path = files.folder / file.name
        said = f"this file holds record {event.id}"
        return [Mismatch(Kind.RECORD_SWAPPED, str(path), said, changed_by=change_time(path), record=event.id)]
    return []


def _broken(files: RecordFiles, file: RecordFile, before: RecordFile | None, row: Any, hash_before: str) -> Mismatch:
    event = file.event
    assert event is not None
    name_before = Path(before.name).stem if before is not None else row.id
    # a record's id ends with the hash of the one before it, and others refer to it by that id
    earlier = before is not None and not Path(file.name).stem.endswith(hash_before[:12])
    changed = name_before if earlier else event.id
    path = files.folder / (before.name if earlier and before is not None else file.name)
    return Mismatch(
        Kind.CHAIN_BROKEN,
        str(path),
        f"record {event.id} does not name the hash of {name_before} before it: {changed} was changed afterwards, and "
        "what the ledger says of it as well",
        expected=event.previous,
        found=hash_before,
        good_until=event.at if earlier else None,
        changed_by=change_time(path),
        record=changed,
    )


def _genesis(home: Home, files: RecordFiles, explained: Collection[int]) -> list[Mismatch]:
    path = home.records / "GENESIS"
    first = next((file.event for file in files.at(1) if file.event is not None), None)
    if first is None or 1 in explained:
        return []
    if not path.is_file():
        said = "the start of the chain is gone; the first record names it, and the next command makes the file anew"
        return [Mismatch(Kind.GENESIS_MISSING, str(path), said, expected=first.previous, good_until=first.at)]
    content = path.read_text(encoding="utf-8", errors="replace").strip()
    if content == first.previous:
        return []
    return [
        Mismatch(
            Kind.GENESIS_ALTERED,
            str(path),
            "the first record names another start of the chain",
            expected=first.previous,
            found=content,
            good_until=first.at,
            changed_by=change_time(path),
            record=first.id,
        )
    ]
