"""Compares record files, their chain and the ledger's rows with one another.

Belongs here: which of them was changed, as far as the others tell. Must not come here: the files that the records are
about (``store_check``, ``raw_check``), the head kept elsewhere (``kept_head``).

Three things tell of each record: its own file, the ledger's row with the file's hash, and the next record, which names
that hash. Where one departs from the two others, that one was changed.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from sport_assets.audit.integrity.links import broken_links
from sport_assets.audit.integrity.record_files import Made, RecordFile, RecordFiles, number_of
from sport_assets.audit.integrity.snapshot import FileRow, InputRow, Snapshot
from sport_assets.audit.mismatch import Kind, Mismatch, change_time
from sport_assets.lineage.home import Home
from sport_assets.lineage.manifest import Checked, Event, Materialization, Overridden, Restored

_SHOWN = 3


class ChainCheck:
    """The comparison over ``records`` (ids), or over all when it is None. Without ``index``, of the files alone."""

    def __init__(self, home: Home, files: RecordFiles, index: Snapshot | None, records: Collection[str] | None) -> None:
        self._home, self._files, self._index, self._records = home, files, index, records
        self._tables = index.files(self._seqs()) if index is not None else {}
        self._row_by_hash = {row.hash: row for row in index.rows} if index is not None else {}
        self._explained: set[int] = set()  # places in the chain at which something was found already
        self.believed: dict[str, Event] = {}
        self.found: list[Mismatch] = []

    def run(self) -> list[Mismatch]:
        """All that does not fit."""
        rows = self._rows()
        claimed = {row.file for row in rows}
        for row in rows:
            self._entry(row)
        every = {row.file for row in self._index.rows} if self._index is not None else set()
        for name in sorted(self._scope_names() - claimed - every):
            file = self._files.read(name)
            if self._index is None:
                self._believe(file)
            elif not self._renamed(name):
                self._added(file, self._row_by_hash.get(file.hash))
        self.found += broken_links(self._home, self._files, self._index, self._scope_names(), self._explained)
        if self._records is None:
            self.found += [self._stray(name) for name in self._files.strays]
        return self.found

    def made(self) -> list[Made]:
        """The materializations in question: from the records, or from the ledger where these cannot be believed."""
        found = {event.id: Made.of(event) for event in self.believed.values() if isinstance(event, Materialization)}
        for row in self._rows():
            if row.id not in self.believed and self._index is not None and row.kind in ("materialized", "rejected"):
                found[row.id] = Made.by_ledger(row, self._index)
        return list(found.values())

    # -- one record -------------------------------------------------------------------------------------------------

    def _entry(self, row: Any) -> None:
        name = row.file
        if name not in self._files.names:
            named = self._files.named(row.id)
            if named is None:
                self._missing(row)
                return
            self._report(
                row,
                Kind.LEDGER_ALTERED,
                f"{self._home.ledger}, entries.file of record {row.id}",
                "the ledger names a file that is not there; the record's own file is",
                named,
                name,
            )
            name = named
        file = self._files.read(name)
        if file.hash != row.hash and not self._other_hash(row, file):
            return
        if file.event is None:
            self._report(
                row,
                Kind.RECORD_ALTERED,
                self._path(name),
                "no record can be read from it, though its bytes "
                "are those that the ledger names: both were changed, or a newer version wrote it",
            )
            return
        self.believed[file.event.id] = file.event
        self._compare(row, file, file.event)

    def _missing(self, row: Any) -> None:
        where = self._files.holding(row.hash)
        said = f"its content lies in {where}" if where else "restore it from a backup"
        self._report(
            row,
            Kind.RECORD_MISSING,
            self._path(row.file),
            f"the ledger names it and it is gone; {said}",
            row.hash,
            None,
        )

    def _other_hash(self, row: Any, file: RecordFile) -> bool:
        """Say why the file's hash is not the ledger's; whether the file is right all the same."""
        other = self._row_by_hash.get(file.hash)
        number = number_of(file.name) or row.seq
        follower = next((each.event.previous for each in self._files.at(number + 1) if each.event is not None), None)
        if other is not None:
            self._report(
                row,
                Kind.RECORD_SWAPPED,
                self._path(file.name),
                f"this file holds record {other.id}",
                row.hash,
                file.hash,
            )
            return False
        if follower == file.hash:
            self._report(
                row,
                Kind.LEDGER_ALTERED,
                f"{self._home.ledger}, entries.hash of record {row.id}",
                "the next record names the hash that the file has, so the ledger's row was changed",
                file.hash,
                row.hash,
            )
            return True
        why = (
            "the next record names the hash of the ledger, so the file was changed"
            if follower == row.hash
            else "the file or the ledger's row was changed; no record follows that would tell which"
            if follower is None
            else "the next record names a third hash: more than one of them was changed"
        )
        self._report(row, Kind.RECORD_ALTERED, self._path(file.name), why, row.hash, file.hash)
        return False

    def _compare(self, row: Any, file: RecordFile, event: Event) -> None:
        """Whether the ledger's rows say what the record says."""
        for column, wanted in expected_row(file, event).items():
            found = getattr(row, column)
            if column not in ("hash", "file") and found != wanted:
                self._report(
                    row,
                    Kind.LEDGER_ALTERED,
                    f"{self._home.ledger}, entries.{column} of record {event.id}",
                    "the ledger does not say what the record says",
                    str(wanted),
                    str(found),
                )
        index = self._index
        if index is None or not isinstance(event, Materialization):
            return
        inputs = [InputRow(ref.key, ref.partition, ref.version, ref.record) for ref in event.inputs]
        files = [FileRow(False, each.path, each.sha256) for each in event.files]
        files += [FileRow(True, each.path, each.sha256) for each in event.raw_files]
        self._same_rows(row, "inputs", inputs, index.inputs.get(row.seq, []))
        self._same_rows(row, "files", files, self._tables.get(row.seq, []))

    def _same_rows(
        self, row: Any, table: str, wanted: Sequence[tuple[Any, ...]], there: Sequence[tuple[Any, ...]]
    ) -> None:
        if wanted == there:  # nearly always, and counting takes longer
            return
        missing, extra = Counter(wanted), Counter(there)
        if missing != extra:
            self._report(
                row,
                Kind.LEDGER_ALTERED,
                f"{self._home.ledger}, {table} of record {row.id}",
                "the ledger does not say what the record says",
                _shown(missing - extra),
                _shown(extra - missing),
            )

    # -- files without an entry -------------------------------------------------------------------------------------

    def _added(self, file: RecordFile, owner: Any) -> None:
        """A file that the ledger does not name. ``owner``: the row of the record whose bytes it has, if any."""
        number = file.number or 0
        self._explained.add(number)
        path = self._path(file.name)
        kind = Kind.RECORD_ADDED
        if owner is not None:
            kind, said = Kind.RECORD_SWAPPED, f"holds record {owner.id}, which the ledger looks for in {owner.file}"
        elif any(each.event is not None and each.event.previous == file.hash for each in self._files.at(number + 1)):
            kind, said = Kind.LEDGER_ALTERED, "the next record names its hash, but the ledger has no row of it any more"
            self._believe(file)
        elif file.event is not None and file.event.previous in {each.hash for each in self._files.at(number - 1)}:
            said = "the ledger has no row of it, though it follows the last record: added, or its row was removed; "
            said += "or its writer died before entering it, then the next command enters it"
            self._believe(file)
        else:
            said = "the ledger has no row of it, and it follows no record"
        name = file.event.key if isinstance(file.event, Materialization) else None
        changed = change_time(Path(path))
        record = Path(file.name).stem
        self.found.append(
            Mismatch(kind, path, said, found=file.hash or None, changed_by=changed, name=name, record=record)
        )

    def _renamed(self, name: str) -> bool:
        """Whether the ledger looks for the record of this file under another name (told already)."""
        row = self._index.by_id.get(Path(name).stem) if self._index is not None else None
        return row is not None and row.file not in self._files.names and self._files.named(row.id) == name

    def _stray(self, name: str) -> Mismatch:
        torn = Path(name).name.startswith(".") and name.endswith(".tmp")
        said = (
            "the writing of a record that never ended; the next command removes it"
            if torn
            else "no record file by its name; the next command that finds it moves it aside"
        )
        return Mismatch(
            Kind.RECORD_STRAY if torn else Kind.RECORD_ADDED,
            self._path(name),
            said,
            severity="note" if torn else "error",
            changed_by=change_time(self._files.folder / name),
        )

    def _believe(self, file: RecordFile) -> None:
        if file.event is not None:
            self.believed[file.event.id] = file.event

    # -- helpers ----------------------------------------------------------------------------------------------------

    def _rows(self) -> list[Any]:
        if self._index is None:
            return []
        return [row for row in self._index.rows if self._records is None or row.id in self._records]

    def _seqs(self) -> list[int] | None:
        return None if self._records is None else [row.seq for row in self._rows()]

    def _scope_names(self) -> set[str]:
        if self._records is None:
            return self._files.names
        return {name for record in self._records if (name := self._files.named(record)) is not None}

    def _path(self, name: str) -> str:
        return str(self._files.folder / name)

    def _report(
        self, row: Any, kind: Kind, place: str, message: str, expected: str | None = None, found: str | None = None
    ) -> None:
        self._explained |= {row.seq, number_of(row.file) or row.seq}
        of_file = kind not in (Kind.LEDGER_ALTERED, Kind.RECORD_MISSING)
        self.found.append(
            Mismatch(
                kind,
                place,
                message,
                expected=expected,
                found=found,
                good_until=_moment(row.at),
                changed_by=change_time(Path(place) if of_file else self._home.ledger)
                if kind is not Kind.RECORD_MISSING
                else None,
                name=row.key if row.key is None or row.partition is None else f"{row.key}:{row.partition}",
                record=row.id,
            )
        )


def expected_row(file: RecordFile, event: Event) -> dict[str, Any]:
    """What the ledger's entry of a record must say."""
    return {
        "seq": number_of(f"/{event.id}.json"),
        "id": event.id,
        "kind": event.kind,
        "at": event.at.isoformat(),
        "key": getattr(event, "key", None),
        "partition": getattr(event, "partition", None),
        "version": getattr(event, "version", None),
        "subject": event.subject if isinstance(event, Checked | Overridden | Restored) else None,
        "run_id": getattr(event, "run_id", None),
        "hash": file.hash,
        "file": file.name,
        "row_index": getattr(event, "row_index", None),
    }


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _shown(rows: Counter[tuple[Any, ...]]) -> str | None:
    texts = [" ".join(str(value) for value in row) for row in rows]
    more = f" and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
    return ("; ".join(texts[:_SHOWN]) + more) or None
