"""Looking up records: by id, by partition, by what they are about.

Belongs here: questions to the index, and reading the record files that answer them. Must not come here: writing
(``ledger``), what may be read (``gate``).
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import sqlalchemy as sa

from sport_assets.lineage.digest import sha256_bytes
from sport_assets.lineage.errors import ChainBroken
from sport_assets.lineage.home import Home
from sport_assets.lineage.index import ENTRIES, FILES, ROWS, among
from sport_assets.lineage.manifest import Event, Materialization, Withdrawn, parse_event
from sport_assets.lineage.row_index import wanted

MADE = ("materialized", "rejected")


class Head(NamedTuple):
    """The end of the chain: how many entries, and the last one's hash."""

    seq: int
    hash: str


class RowHit(NamedTuple):
    """A materialization whose rows hold what was asked for, and on which side (empty where it has none)."""

    entry: sa.Row[Any]
    side: str


class Lookup:
    """The reading half of a ledger."""

    home: Home
    _engine: sa.Engine
    _genesis: str

    def head(self) -> Head:
        """The end of the chain."""
        with self.reading() as connection:
            return self._head(connection)

    def event(self, record_id: str) -> Event:
        """One record by id. Raises ``KeyError`` when the ledger has none, ``ChainBroken`` when its file was altered."""
        rows = self.entries(ENTRIES.c.id == record_id)
        if not rows:
            raise KeyError(f"no record {record_id} in {self.home.ledger}")
        return self.load(rows[0])

    def load(self, entry: sa.Row[Any]) -> Event:
        """The record behind an entry, after comparing its bytes with the chained hash."""
        path = self.home.records / entry.file
        if not path.exists():
            raise ChainBroken(f"{path}: the record file of {entry.id} is gone; restore it from a backup")
        data = path.read_bytes()
        found = sha256_bytes(data)
        if found != entry.hash:
            raise ChainBroken(
                f"{path}: altered since it was recorded (expected {entry.hash}, found {found}). sport-assets verify "
                "--all tells what else was"
            )
        return parse_event(data)

    def entries(
        self, *conditions: sa.ColumnElement[bool], newest_first: bool = False, limit: int | None = None
    ) -> list[sa.Row[Any]]:
        """Rows of ``ENTRIES`` in the order of the chain."""
        order = ENTRIES.c.seq.desc() if newest_first else ENTRIES.c.seq
        query = sa.select(ENTRIES).where(*conditions).order_by(order).limit(limit)
        with self.reading() as connection:
            return list(connection.execute(query))

    def latest(self, key: str, partition: str | None) -> Materialization | None:
        """The newest materialization of a partition, rejected ones included."""
        rows = self.entries(
            ENTRIES.c.key == key,
            _same(ENTRIES.c.partition, partition),
            ENTRIES.c.kind.in_(MADE),
            newest_first=True,
            limit=1,
        )
        event = self.load(rows[0]) if rows else None
        return event if isinstance(event, Materialization) else None

    def publisher(self, sha256: str) -> Materialization | None:
        """The newest materialization that published a file of this content; None where none ever did.

        Of a file that several assets share, it is the first asset's.
        """
        holding = sa.select(FILES.c.seq).where(FILES.c.raw.is_(False), FILES.c.sha256 == sha256)
        rows = self.entries(ENTRIES.c.seq.in_(holding), ENTRIES.c.kind.in_(MADE))
        own = [row for row in rows if row.key == rows[0].key]
        event = self.load(own[-1]) if own else None
        return event if isinstance(event, Materialization) else None

    def partitions(self, key: str) -> list[str | None]:
        """Partitions of ``key`` that were ever published, sorted."""
        query = sa.select(ENTRIES.c.partition).where(ENTRIES.c.key == key, ENTRIES.c.kind.in_(MADE)).distinct()
        with self.reading() as connection:
            return sorted(connection.execute(query).scalars(), key=lambda partition: partition or "")

    def newest(self, keys: Iterable[str]) -> list[sa.Row[Any]]:
        """The entry of the newest materialization, rejected ones included, of every partition of these assets."""
        last = (
            sa.select(sa.func.max(ENTRIES.c.seq))
            .where(ENTRIES.c.key.in_(sorted(set(keys))), ENTRIES.c.kind.in_(MADE))
            .group_by(ENTRIES.c.key, ENTRIES.c.partition)
        )
        return self.entries(ENTRIES.c.seq.in_(last))

    def about(self, record_id: str) -> list[Event]:
        """Later events on one record (checks, overrides, restorations), in order."""
        return [self.load(row) for row in self.entries(ENTRIES.c.subject == record_id)]

    def withdrawals(self) -> list[Withdrawn]:
        """Withdrawals that stand (not restored since), in order."""
        withdrawn = self.entries(ENTRIES.c.kind == "withdrawn")
        if not withdrawn:  # the gate asks at every reading
            return []
        restored = {row.subject for row in self.entries(ENTRIES.c.kind == "restored")}
        events = (self.load(row) for row in withdrawn)
        return [event for event in events if isinstance(event, Withdrawn) and event.id not in restored]

    def several(self, record_ids: Iterable[str]) -> list[Event]:
        """Records by id, in order of the chain; those that the ledger does not have are left out."""
        return [self.load(row) for row in self._entries_in(ENTRIES.c.id, record_ids)]

    def about_several(self, record_ids: Iterable[str]) -> list[Event]:
        """Later events on any of these records, in order."""
        return [self.load(row) for row in self._entries_in(ENTRIES.c.subject, record_ids)]

    def rows_with(self, row: Mapping[str, str]) -> list[RowHit]:
        """Materializations whose row index holds this row set (column -> value), oldest first.

        Raises ``KeyError`` when no row index has just these columns together.
        """
        columns, value = wanted(row)
        query = (
            sa.select(ENTRIES, ROWS.c.side)
            .join(ROWS, ROWS.c.row_index == ENTRIES.c.row_index)
            .where(ROWS.c.columns == columns, ROWS.c.value == value)
            .order_by(ENTRIES.c.seq, ROWS.c.side)
        )
        with self.reading() as connection:
            hits = [RowHit(found, found.side) for found in connection.execute(query)]
        if not hits and columns not in self.row_columns():
            raise KeyError(columns)
        return hits

    def has_rows(self, row_index: str | None, row: Mapping[str, str]) -> bool:
        """Whether a row index holds this row set."""
        columns, value = wanted(row)
        query = sa.select(ROWS.c.side).where(
            ROWS.c.columns == columns, ROWS.c.value == value, ROWS.c.row_index == row_index
        )
        with self.reading() as connection:
            return row_index is not None and connection.execute(query.limit(1)).first() is not None

    def row_columns(self) -> list[str]:
        """The columns, comma-joined where several go together, by which rows can be looked up."""
        with self.reading() as connection:
            return sorted(connection.execute(sa.select(ROWS.c.columns).distinct()).scalars())

    def _entries_in(self, column: sa.Column[Any], values: Iterable[str]) -> list[sa.Row[Any]]:
        return self.entries(column.in_(among(values)))

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A connection to ask the index's tables with."""
        with self._engine.connect() as connection:
            yield connection

    def _head(self, connection: sa.Connection) -> Head:
        row = connection.execute(
            sa.select(ENTRIES.c.seq, ENTRIES.c.hash).order_by(ENTRIES.c.seq.desc()).limit(1)
        ).one_or_none()
        return Head(row.seq, row.hash) if row else Head(0, self._genesis)


def _same(column: sa.Column[Any], value: str | None) -> sa.ColumnElement[bool]:
    return column.is_(None) if value is None else column == value
