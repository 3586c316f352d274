"""The append-only, hash-chained index of the records.

Every record file names the hash of the one before it; an entry's hash is the SHA-256 of its record file. So the files
alone hold the chain, and this SQLite index can be rebuilt from them. Belongs here: append, adopt, rebuild.
Must not come here: looking up (``lookup``), what may be read (``gate``).
"""

import itertools
import logging
import os
import re
import secrets
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa
from filelock import FileLock
from pydantic import ValidationError

from sport_assets.lineage import row_index
from sport_assets.lineage.digest import sha256_bytes
from sport_assets.lineage.durable import make_folders, write_durably
from sport_assets.lineage.errors import ChainBroken, LedgerDamaged
from sport_assets.lineage.home import Home
from sport_assets.lineage.index import ENTRIES, FILES, INPUTS, RAW_DIGESTS, ROWS, file_traits, open_engine, prepare
from sport_assets.lineage.lookup import Head, Lookup
from sport_assets.lineage.manifest import (
    Checked,
    Event,
    Materialization,
    Overridden,
    Restored,
    parse_event,
)

_LOG = logging.getLogger(__name__)
ORPHANED = "orphaned"
_GENESIS = "GENESIS"
_INPUT_COLUMNS = {"key", "partition", "version", "record"}
_RECORD_FILE = re.compile(r"(\d{8,})-[0-9a-f]{12}\.json")


class _Entry(NamedTuple):
    """A record on its way into the index: its place, its file's hash, the event itself and the file."""

    seq: int
    hash: str
    event: Event
    path: Path


@dataclass(frozen=True)
class Reconciled:
    """What opening or rebuilding found in ``records/``: ids adopted, file names set aside, ids whose file is gone."""

    adopted: list[str] = field(default_factory=list)
    orphaned: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    def tell(self, records: Path) -> None:
        """Report what a person should look at."""
        if self.orphaned:
            _LOG.warning(
                "%d record files did not follow the chain and lie in %s now, the first %s",
                len(self.orphaned),
                records / ORPHANED,
                self.orphaned[0],
            )
        if self.missing:
            _LOG.warning(
                "the files of %d records are gone from %s, the first %s: restore them from a backup",
                len(self.missing),
                records,
                self.missing[0],
            )


class Ledger(Lookup):
    """The records of one home. Opening it creates what is missing and adopts or sets aside stray record files.

    Raises ``LedgerDamaged`` when the index is no SQLite file any more, and ``ChainBroken``, changing nothing, when
    records are ahead of the index but do not follow it: the index was lost or is an old copy, and a record as well.
    """

    def __init__(self, home: Home) -> None:
        self.home = home
        make_folders(home.records)
        self._engine = open_engine(home.ledger)
        try:
            with FileLock(home.root / "ledger.lock"):  # two processes may open a brand-new home at once
                with self._writing() as connection:
                    prepare(connection)
                self._genesis = self._read_or_make_genesis()
            self.opened = self._reconcile_if_needed()
            self.opened.tell(home.records)
        except (sa.exc.DatabaseError, sqlite3.DatabaseError) as error:
            if isinstance(error, sa.exc.OperationalError | sqlite3.OperationalError):
                raise  # busy, full or read-only: not damaged
            raise LedgerDamaged(
                f"{home.ledger}: damaged ({error.args[0]}). Move it aside, with its -wal and -shm if they are "
                "there; the next command makes it anew from the records."
            ) from error

    @classmethod
    def rebuilt(cls, home: Home) -> "Ledger":
        """The ledger made anew from the records; an index that SQLite cannot read is set aside first."""
        try:
            ledger = cls(home)
        except LedgerDamaged:  # never a busy one: another process may be writing it
            for path in home.root.glob(f"{home.ledger.name}*"):
                os.replace(path, path.with_name(f"damaged-{secrets.token_hex(4)}-{path.name}"))
            return cls(home)
        ledger.rebuild()
        return ledger

    def close(self) -> None:
        """Release the connections."""
        self._engine.dispose()

    # -- writing ----------------------------------------------------------------------------------------------------

    def append(self, event: Event) -> Event:
        """Add one event to the chain; returns it with its ``id`` and ``previous`` set.

        One write transaction holds the whole step: read the head, write and fsync the record file, insert, commit.
        Killed in between, the record file stands alone and names the head: the next to come adopts it.
        """
        path: Path | None = None
        try:
            with self._writing() as connection:
                head = self._head(connection)
                while (stray := self._stray_next(head)) is not None:
                    head = self._insert(connection, [self._next(head, stray)])
                complete = event.model_copy(update={"id": _record_id(head), "previous": head.hash})
                data = complete.model_dump_json(indent=1).encode()
                parse_event(data)  # what cannot be read again must not be written
                path = self._record_path(complete)
                write_durably(path, data)
                self._insert(connection, [_Entry(head.seq + 1, sha256_bytes(data), complete, path)])
        except BaseException:
            if path is not None:
                self._take_back(path)
            raise
        return complete

    def _take_back(self, path: Path) -> None:
        """Remove a record file whose entry failed: the caller is told so, and nobody may adopt it any more."""
        with self._writing() as connection:
            entered = connection.execute(sa.select(ENTRIES.c.seq).where(ENTRIES.c.id == path.stem)).first()
            if entered is None:
                path.unlink(missing_ok=True)

    def rebuild(self) -> Reconciled:
        """Make the index anew from ``records/`` alone.

        Raises ``ChainBroken``, and changes nothing, when a record between two others is missing or was altered, or
        when the index remembers a record that is gone or had another content.
        """
        with self._writing() as connection:
            remembered = self._hashes(connection)
            for table in (ENTRIES, INPUTS, FILES, ROWS):
                connection.execute(sa.delete(table))
            found = self._reconcile(connection, set_aside=False)
            now = self._hashes(connection)
            lost = sorted(record_id for record_id, digest in remembered.items() if now.get(record_id) != digest)
            if lost:
                raise ChainBroken(
                    f"{len(lost)} records that the index remembers are gone or altered, the first {lost[0]}. Nothing "
                    "was changed. Restore them from a backup; or, to give them up, move ledger.sqlite aside: the next "
                    "command makes it anew from the records."
                )
        return found

    # -- raw files' digests ----------------------------------------------------------------------------------------

    def raw_digest(self, path: str, stat: os.stat_result) -> str | None:
        """The kept SHA-256 of a raw file that has this size and these times."""
        query = sa.select(RAW_DIGESTS.c.sha256).where(
            RAW_DIGESTS.c.path == path, *(RAW_DIGESTS.c[name] == value for name, value in file_traits(stat).items())
        )
        with self.reading() as connection:
            return connection.execute(query).scalar_one_or_none()

    def keep_raw_digest(self, path: str, stat: os.stat_result, sha256: str) -> None:
        """Remember a raw file's SHA-256."""
        with self._writing() as connection:
            connection.execute(sa.delete(RAW_DIGESTS).where(RAW_DIGESTS.c.path == path))
            connection.execute(sa.insert(RAW_DIGESTS).values(path=path, sha256=sha256, **file_traits(stat)))

    # -- inside -----------------------------------------------------------------------------------------------------

    @contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        with self._engine.connect().execution_options(writes=True) as connection, connection.begin():
            yield connection

    def _record_path(self, event: Event) -> Path:
        return self.home.records / f"{event.at.year:04d}" / f"{event.id}.json"

    def _stray_next(self, head: Head) -> Path | None:
        """The record file that follows ``head`` but was never entered: its writer died before the commit."""
        found = list(self.home.records.glob(f"[0-9]*/{_record_id(head)}.json"))
        return found[0] if found else None

    def _hashes(self, connection: sa.Connection) -> dict[str, str]:
        return {row.id: row.hash for row in connection.execute(sa.select(ENTRIES.c.id, ENTRIES.c.hash))}

    def _next(self, head: Head, path: Path) -> _Entry:
        """A record file as the entry after ``head``. Raises ``ChainBroken`` when it is not."""
        data = path.read_bytes()
        event = _parse(path, data)
        if event.previous != head.hash or event.id != path.stem:
            raise ChainBroken(f"{path}: this record does not follow the ledger's head {head.hash}; move it aside")
        return _Entry(head.seq + 1, sha256_bytes(data), event, path)

    def _follow(self, head: Head, strays: dict[str, Path]) -> Iterator[_Entry]:
        """The records that follow ``head`` one after the other, as far as they do (``strays``: files by record id)."""
        while (path := strays.get(_record_id(head))) is not None:
            try:
                entry = self._next(head, path)
            except ChainBroken:
                return
            yield entry
            head = Head(entry.seq, entry.hash)

    def _insert(self, connection: sa.Connection, added: list[_Entry]) -> Head:
        """Enter records in bulk; the last one becomes the head."""
        inputs: list[dict[str, Any]] = []
        files: list[dict[str, Any]] = []
        indexes: set[str] = set()
        for seq, _, event, _ in added:
            if isinstance(event, Materialization):
                indexes |= {event.row_index} if event.row_index is not None else set()
                inputs += [{"seq": seq, **ref.model_dump(include=_INPUT_COLUMNS)} for ref in event.inputs]
                files += [{"seq": seq, "raw": False, "path": f.path, "sha256": f.sha256} for f in event.files]
                files += [{"seq": seq, "raw": True, "path": f.path, "sha256": f.sha256} for f in event.raw_files]
        rows = [self._row(entry) for entry in added]
        for table, values in ((ENTRIES, rows), (INPUTS, inputs), (FILES, files)):
            if values:
                connection.execute(sa.insert(table), values)
        self._insert_rows(connection, indexes)
        return Head(added[-1].seq, added[-1].hash)

    def _insert_rows(self, connection: sa.Connection, indexes: set[str]) -> None:
        """Enter the rows of row indexes that are not there yet: versions made again share theirs."""
        for digest in sorted(indexes):
            if connection.execute(sa.select(ROWS.c.value).where(ROWS.c.row_index == digest).limit(1)).first():
                continue
            rows = [
                {"row_index": digest, "side": found.side, "columns": found.name, "value": value}
                for found in row_index.load(self.home.records, digest)
                for value in found.values()
            ]
            if rows:
                connection.execute(sa.insert(ROWS), rows)

    def _row(self, entry: _Entry) -> dict[str, Any]:
        event = entry.event
        return {
            "seq": entry.seq,
            "id": event.id,
            "kind": event.kind,
            "at": event.at.isoformat(),
            "key": getattr(event, "key", None),
            "partition": getattr(event, "partition", None),
            "version": getattr(event, "version", None),
            "subject": event.subject if isinstance(event, Checked | Overridden | Restored) else None,
            "run_id": getattr(event, "run_id", None),
            "hash": entry.hash,
            "file": _file_name(entry.path),
            "row_index": getattr(event, "row_index", None),
        }

    def _reconcile_if_needed(self) -> Reconciled:
        if self._counts_agree():
            return Reconciled()
        with self._writing() as connection:  # nobody is in the middle of an append from here on
            return self._reconcile(connection, set_aside=True)

    def _counts_agree(self) -> bool:
        with self.reading() as connection:
            entered = connection.execute(sa.select(sa.func.count()).select_from(ENTRIES)).scalar_one()
        return bool(entered == sum(len(os.listdir(year)) for year in self._years()))

    def _years(self) -> list[Path]:
        return sorted(p for p in self.home.records.iterdir() if p.is_dir() and p.name.isdigit())

    def _reconcile(self, connection: sa.Connection, *, set_aside: bool) -> Reconciled:
        known = {row.file: row.id for row in connection.execute(sa.select(ENTRIES.c.file, ENTRIES.c.id))}
        files = {_file_name(path): path for year in self._years() for path in year.iterdir()}
        stray = {name: path for name, path in files.items() if name not in known}
        for name, path in list(stray.items()):
            if path.name.startswith(".") and path.suffix == ".tmp":  # a record whose writing never ended
                path.unlink()
                del stray[name]
        head = self._head(connection)
        adopted: list[str] = []
        for batch in _batches(
            self._follow(head, {path.stem: path for path in stray.values() if path.suffix == ".json"})
        ):
            head = self._insert(connection, batch)
            adopted += [entry.event.id for entry in batch]
            for entry in batch:
                del stray[_file_name(entry.path)]
        if stray and (not set_aside or _left_behind(stray, head, bool(known))):
            raise ChainBroken(
                f"{len(stray)} of {len(files)} record files do not follow the chain, the first after record "
                f"{head.seq}: {min(stray)}. A record before it is missing or altered. Nothing was changed; restore "
                "the record from a backup, or move these files aside to give them up."
            )
        for name, path in stray.items():
            self._set_aside(name, path)
        return Reconciled(adopted, sorted(stray), sorted(known[name] for name in known.keys() - files.keys()))

    def _set_aside(self, name: str, path: Path) -> None:
        folder = self.home.records / ORPHANED
        folder.mkdir(exist_ok=True)
        target, number = folder / name.replace("/", "-"), 1
        while target.exists():  # an earlier one of this name is kept as well
            target, number = folder / f"{name.replace('/', '-')}.{number}", number + 1
        os.rename(path, target)

    def _read_or_make_genesis(self) -> str:
        """The hash that the first record names. Lost, it is found in that record again; only a new home makes one."""
        path = self.home.records / _GENESIS
        if not path.exists():
            first = next(self.home.records.glob("[0-9]*/00000001-*.json"), None)
            genesis = _parse(first, first.read_bytes()).previous if first else secrets.token_hex(32)
            write_durably(path, genesis.encode())
        return path.read_text(encoding="utf-8").strip()


def _record_id(head: Head) -> str:
    """The id of the record that follows ``head``. Known from the head alone, so a stray one is found by its name."""
    return f"{head.seq + 1:08d}-{head.hash[:12]}"


def _parse(path: Path, data: bytes) -> Event:
    try:
        return parse_event(data)
    except ValidationError as error:
        raise ChainBroken(f"{path}: altered or torn, no record can be read from it; move it aside") from error


def _file_name(path: Path) -> str:
    """How an entry names its record file: ``<year>/<record id>.json``."""
    return f"{path.parent.name}/{path.name}"


def _batches(entries: Iterable[_Entry], size: int = 2000) -> Iterator[list[_Entry]]:
    remaining = iter(entries)
    while batch := list(itertools.islice(remaining, size)):
        yield batch


def _left_behind(stray: Iterable[str], head: Head, has_entries: bool) -> bool:
    """Whether stray files are a later part of this chain, which must not be set aside: a record before them is lost.

    A single record after the head that does not follow is none; with an index that was lost, every record is.
    """
    numbers = [int(match[1]) for name in stray if (match := _RECORD_FILE.fullmatch(name.rsplit("/", 1)[-1]))]
    return any(number > head.seq + 1 or not has_entries for number in numbers)
