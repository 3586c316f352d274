"""The ledger's tables as they stand, read without changing anything on disk.

Opening a ``Ledger`` adopts and sets aside stray records; whoever looks for traces must not. Belongs here: opening the
index read-only and reading its tables. Must not come here: judging what they say.
"""

import contextlib
import shutil
import sqlite3
import tempfile
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa

from sport_assets.lineage.home import Home
from sport_assets.lineage.index import ENTRIES, FILES, INPUTS, RAW_DIGESTS, ROWS, among

_AT_A_TIME = 10_000


class InputRow(NamedTuple):
    """A row of ``INPUTS`` without its number."""

    key: str
    partition: str | None
    version: str
    record: str


class FileRow(NamedTuple):
    """A row of ``FILES`` without its number."""

    raw: bool
    path: str
    sha256: str


class KeptDigest(NamedTuple):
    """A raw file's digest as the ledger keeps it, with the size and times the file had then."""

    sha256: str
    traits: dict[str, int]


@dataclass(frozen=True)
class _Index:
    connection: sa.Connection
    present: frozenset[str]  # names of tables and table.column

    def select(self, table: sa.Table, *where: sa.ColumnElement[bool]) -> Sequence[Any]:
        """Rows of a table; a table that is not there has none, a column that is not there is empty."""
        if table.name not in self.present:
            return ()
        columns = [
            column if f"{table.name}.{column.name}" in self.present else sa.null().label(column.name)
            for column in table.c
        ]
        return self.connection.execute(sa.select(*columns).where(*where)).all()


class Snapshot:
    """The index of one home at one moment. Raises ``sqlalchemy.exc.DatabaseError`` where SQLite cannot read it.

    An index of an older version of this package has tables and columns missing; they count as empty.
    """

    def __init__(self, index: _Index) -> None:
        self._index = index
        self.rows = sorted(index.select(ENTRIES), key=lambda row: row.seq)
        self.by_id = {row.id: row for row in self.rows}
        self.inputs: dict[int, list[InputRow]] = defaultdict(list)
        for seq, record, key, partition, version in index.select(INPUTS):
            self.inputs[seq].append(InputRow(key, partition, version, record))

    def files(self, seqs: Iterable[int] | None = None) -> dict[int, list[FileRow]]:
        """Files by entry's number: of these entries, or of all."""
        found: dict[int, list[FileRow]] = defaultdict(list)
        for condition in _parts(FILES.c.seq, seqs):
            for seq, raw, path, sha256 in self._index.select(FILES, *condition):
                found[seq].append(FileRow(bool(raw), path, sha256))
        return found

    def took_up_last(self, records: Collection[str]) -> set[str]:
        """The newest record that took up each of the raw files of these, whatever these held then."""
        own = self.files(self.by_id[record].seq for record in records if record in self.by_id)
        paths = {file.path for files in own.values() for file in files if file.raw}
        rows = self._index.select(FILES, FILES.c.raw.is_(True), FILES.c.path.in_(among(paths))) if paths else ()
        last: dict[str, int] = {}
        for row in rows:
            last[row.path] = max(last.get(row.path, 0), row.seq)
        seqs = set(last.values())
        return {row.id for row in self.rows if row.seq in seqs}

    def publishing(self, sha256: str) -> list[sa.Row[Any]]:
        """Entries that published a file whose digest begins so, oldest first."""
        files = self._index.select(FILES, FILES.c.raw.is_(False), FILES.c.sha256.startswith(sha256))
        seqs = {row.seq for row in files}
        return [row for row in self.rows if row.seq in seqs]

    def rows_of(self, row_index: str) -> set[tuple[str, str, str]]:
        """What the index says of one row index: side, columns, value."""
        return {(row.side, row.columns, row.value) for row in self._index.select(ROWS, ROWS.c.row_index == row_index)}

    def kept_digests(self) -> dict[str, KeptDigest]:
        """The kept digests of raw files by path."""
        return {
            row.path: KeptDigest(row.sha256, {n: getattr(row, n) for n in ("size", "mtime_ns", "ctime_ns")})
            for row in self._index.select(RAW_DIGESTS)
        }


@contextmanager
def snapshot(home: Home) -> Iterator[Snapshot]:
    """The index of a home, read-only, while the block lasts."""
    with _readable(home.ledger) as address:
        engine = sa.create_engine(
            "sqlite://",
            creator=lambda: sqlite3.connect(address, uri=True, timeout=60.0, isolation_level=None),
            poolclass=sa.NullPool,
        )
        with engine.connect() as connection:
            connection.exec_driver_sql("BEGIN")  # all tables as of one moment
            present = set()
            for table in connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'table'").scalars():
                present.add(table)
                for column in connection.exec_driver_sql(f'PRAGMA table_info("{table}")'):
                    present.add(f"{table}.{column.name}")
            yield Snapshot(_Index(connection, frozenset(present)))


def traits(ledger: Path) -> tuple[tuple[int, int] | None, ...]:
    """Sizes and times of the index's files: other ones mean that somebody wrote meanwhile."""
    found = []
    for path in (ledger, ledger.with_name(f"{ledger.name}-wal")):
        with contextlib.suppress(FileNotFoundError):
            stat = path.stat()
            found.append((stat.st_size, stat.st_mtime_ns) if stat.st_size else None)
    return tuple(found)


@contextmanager
def _readable(ledger: Path) -> Iterator[str]:
    """The index's address for SQLite such that opening it makes no file beside it.

    Without a write-ahead log, SQLite is told that nobody writes; with one that is in use, its files are there already;
    one that was left alone (by a kill, or in a copy) is read from a copy.
    """
    log, shared = (ledger.with_name(f"{ledger.name}-{suffix}") for suffix in ("wal", "shm"))
    if not log.exists() or not log.stat().st_size:
        yield f"{ledger.absolute().as_uri()}?mode=ro&immutable=1"
    elif shared.exists():
        yield f"{ledger.absolute().as_uri()}?mode=ro"
    else:
        with tempfile.TemporaryDirectory() as folder:
            for path in (ledger, log):
                shutil.copyfile(path, Path(folder) / path.name)
            yield f"{(Path(folder) / ledger.name).as_uri()}?mode=ro"


def _parts(column: sa.Column[Any], values: Iterable[int] | None) -> Iterator[list[sa.ColumnElement[bool]]]:
    if values is None:
        yield []
        return
    wanted = sorted(set(values))
    for start in range(0, len(wanted), _AT_A_TIME):
        yield [column.in_(wanted[start : start + _AT_A_TIME])]
