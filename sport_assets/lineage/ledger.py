"""The append-only, hash-chained index of the records.

Every record file names the hash of the one before it; an entry's hash is the SHA-256 of its record file. So the files
alone hold the chain, and this SQLite index can be rebuilt from them. Belongs here: append, adopt, rebuild, look up.
Must not come here: what may be read (``gate``).
"""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa
from filelock import FileLock
from pydantic import ValidationError

from sport_assets.lineage.digest import sha256_text
from sport_assets.lineage.errors import ChainBroken
from sport_assets.lineage.home import Home
from sport_assets.lineage.manifest import (
    Checked,
    Event,
    Materialization,
    Overridden,
    Restored,
    Withdrawn,
    parse_event,
)

ORPHANED = "orphaned"
_GENESIS = "GENESIS"
_METADATA = sa.MetaData()

ENTRIES = sa.Table(
    "entries",
    _METADATA,
    sa.Column("seq", sa.Integer, primary_key=True),
    sa.Column("id", sa.String, nullable=False, unique=True),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("at", sa.String, nullable=False),
    sa.Column("key", sa.String),
    sa.Column("partition", sa.String),
    sa.Column("version", sa.String, index=True),
    sa.Column("subject", sa.String, index=True),
    sa.Column("run_id", sa.String),
    sa.Column("hash", sa.String, nullable=False, unique=True),
    sa.Column("file", sa.String, nullable=False),
    sa.Index("entries_of_partition", "key", "partition", "seq"),
)
INPUTS = sa.Table(
    "inputs",
    _METADATA,
    sa.Column("seq", sa.Integer, nullable=False, index=True),
    sa.Column("record", sa.String, nullable=False, index=True),
    sa.Column("key", sa.String, nullable=False),
    sa.Column("partition", sa.String),
    sa.Column("version", sa.String, nullable=False),
)
FILES = sa.Table(
    "files",
    _METADATA,
    sa.Column("seq", sa.Integer, nullable=False, index=True),
    sa.Column("raw", sa.Boolean, nullable=False),
    sa.Column("path", sa.String, nullable=False),
    sa.Column("sha256", sa.String, nullable=False, index=True),
)
# A cache beside the chain, not part of it: what a raw file's bytes hashed to when it had this size and time.
RAW_HASHES = sa.Table(
    "raw_hashes",
    _METADATA,
    sa.Column("path", sa.String, primary_key=True),
    sa.Column("size", sa.Integer, nullable=False),
    sa.Column("mtime_ns", sa.Integer, nullable=False),
    sa.Column("sha256", sa.String, nullable=False),
)


class Head(NamedTuple):
    """The end of the chain: how many entries, and the last one's hash."""

    seq: int
    hash: str


@dataclass(frozen=True)
class Reconciled:
    """What opening or rebuilding found in ``records/``: ids adopted, file names set aside, ids whose file is gone."""

    adopted: list[str] = field(default_factory=list)
    orphaned: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


class Ledger:
    """The records of one home. Opening it creates what is missing and adopts or sets aside stray record files."""

    def __init__(self, home: Home) -> None:
        self.home = home
        home.records.mkdir(parents=True, exist_ok=True)
        self._engine = _engine(home.ledger)
        with FileLock(home.root / "ledger.lock"):  # two processes may open a brand-new home at once
            with self._writing() as connection:
                _METADATA.create_all(connection)
            self._genesis = self._read_or_make_genesis()
        self.opened = self._reconcile_if_needed()

    @classmethod
    def rebuilt(cls, home: Home) -> "Ledger":
        """The ledger made anew from the records; an index that SQLite cannot read is set aside first."""
        try:
            ledger = cls(home)
        except sa.exc.DatabaseError:
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
        with self._writing() as connection:
            head = self._head(connection)
            while (stray := self._stray_next(head)) is not None:
                head = self._adopt(connection, head, stray)
            complete = event.model_copy(update={"id": _record_id(head), "previous": head.hash})
            text = complete.model_dump_json(indent=1)
            parse_event(text)  # what cannot be read again must not be written
            path = self._record_path(complete)
            _write_durably(path, text)
            self._insert(connection, head, complete, sha256_text(text), path)
        return complete

    def rebuild(self) -> Reconciled:
        """Make the index anew from ``records/`` alone.

        Raises ``ChainBroken``, and changes nothing, when a record between two others is missing or was altered.
        """
        with self._writing() as connection:
            for table in (ENTRIES, INPUTS, FILES):
                connection.execute(sa.delete(table))
            return self._reconcile(connection, set_aside=False)

    # -- reading ----------------------------------------------------------------------------------------------------

    def head(self) -> Head:
        """The end of the chain."""
        with self._reading() as connection:
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
        found = sha256_text(data.decode("utf-8", "replace"))
        if found != entry.hash:
            raise ChainBroken(f"{path}: altered since it was recorded (expected {entry.hash}, found {found})")
        return parse_event(data)

    def entries(
        self, *conditions: sa.ColumnElement[bool], newest_first: bool = False, limit: int | None = None
    ) -> list[sa.Row[Any]]:
        """Rows of ``ENTRIES`` in the order of the chain."""
        order = ENTRIES.c.seq.desc() if newest_first else ENTRIES.c.seq
        query = sa.select(ENTRIES).where(*conditions).order_by(order).limit(limit)
        with self._reading() as connection:
            return list(connection.execute(query))

    def latest(self, key: str, partition: str | None) -> Materialization | None:
        """The newest materialization of a partition, rejected ones included."""
        rows = self.entries(
            ENTRIES.c.key == key,
            _same(ENTRIES.c.partition, partition),
            ENTRIES.c.kind.in_(["materialized", "rejected"]),
            newest_first=True,
            limit=1,
        )
        event = self.load(rows[0]) if rows else None
        return event if isinstance(event, Materialization) else None

    def partitions(self, key: str) -> list[str | None]:
        """Partitions of ``key`` that were ever published, sorted."""
        query = sa.select(ENTRIES.c.partition).where(
            ENTRIES.c.key == key, ENTRIES.c.kind.in_(["materialized", "rejected"])
        )
        with self._reading() as connection:
            found = {row.partition for row in connection.execute(query.distinct())}
        return sorted(found, key=lambda partition: partition or "")

    def about(self, record_id: str) -> list[Event]:
        """Later events on one record (checks, overrides, restorations), in order."""
        return [self.load(row) for row in self.entries(ENTRIES.c.subject == record_id)]

    def withdrawals(self) -> list[Withdrawn]:
        """Withdrawals that stand (not restored since), in order."""
        restored = {row.subject for row in self.entries(ENTRIES.c.kind == "restored")}
        events = (self.load(row) for row in self.entries(ENTRIES.c.kind == "withdrawn"))
        return [event for event in events if isinstance(event, Withdrawn) and event.id not in restored]

    def raw_hash(self, path: str, size: int, mtime_ns: int) -> str | None:
        """The cached SHA-256 of a raw file that has this size and modification time."""
        query = sa.select(RAW_HASHES.c.sha256).where(
            RAW_HASHES.c.path == path, RAW_HASHES.c.size == size, RAW_HASHES.c.mtime_ns == mtime_ns
        )
        with self._reading() as connection:
            return connection.execute(query).scalar_one_or_none()

    def keep_raw_hash(self, path: str, size: int, mtime_ns: int, sha256: str) -> None:
        """Remember a raw file's SHA-256."""
        with self._writing() as connection:
            connection.execute(sa.delete(RAW_HASHES).where(RAW_HASHES.c.path == path))
            connection.execute(sa.insert(RAW_HASHES).values(path=path, size=size, mtime_ns=mtime_ns, sha256=sha256))

    # -- inside -----------------------------------------------------------------------------------------------------

    @contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        with self._engine.connect().execution_options(writes=True) as connection, connection.begin():
            yield connection

    @contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        with self._engine.connect() as connection:
            yield connection

    def _head(self, connection: sa.Connection) -> Head:
        row = connection.execute(
            sa.select(ENTRIES.c.seq, ENTRIES.c.hash).order_by(ENTRIES.c.seq.desc()).limit(1)
        ).one_or_none()
        return Head(row.seq, row.hash) if row else Head(0, self._genesis)

    def _record_path(self, event: Event) -> Path:
        return self.home.records / f"{event.at.year:04d}" / f"{event.id}.json"

    def _stray_next(self, head: Head) -> Path | None:
        """The record file that follows ``head`` but was never entered: its writer died before the commit."""
        found = list(self.home.records.glob(f"[0-9]*/{_record_id(head)}.json"))
        return found[0] if found else None

    def _adopt(self, connection: sa.Connection, head: Head, path: Path) -> Head:
        text = path.read_text(encoding="utf-8")
        event = parse_event(text)
        if event.previous != head.hash or event.id != path.stem:
            raise ChainBroken(f"{path}: this record does not follow the ledger's head {head.hash}; move it aside")
        return self._insert(connection, head, event, sha256_text(text), path)

    def _insert(self, connection: sa.Connection, head: Head, event: Event, digest: str, path: Path) -> Head:
        seq = head.seq + 1
        subject = event.subject if isinstance(event, Checked | Overridden | Restored) else None
        connection.execute(
            sa.insert(ENTRIES).values(
                seq=seq,
                id=event.id,
                kind=event.kind,
                at=event.at.isoformat(),
                key=getattr(event, "key", None),
                partition=getattr(event, "partition", None),
                version=getattr(event, "version", None),
                subject=subject,
                run_id=getattr(event, "run_id", None),
                hash=digest,
                file=path.relative_to(self.home.records).as_posix(),
            )
        )
        if isinstance(event, Materialization):
            if event.inputs:
                connection.execute(sa.insert(INPUTS), [{"seq": seq, **i.model_dump()} for i in event.inputs])
            files = [{"seq": seq, "raw": False, "path": f.path, "sha256": f.sha256} for f in event.files]
            files += [{"seq": seq, "raw": True, "path": f.path, "sha256": f.sha256} for f in event.raw_files]
            if files:
                connection.execute(sa.insert(FILES), files)
        return Head(seq, digest)

    def _reconcile_if_needed(self) -> Reconciled:
        if self._counts_agree():
            return Reconciled()
        with self._writing() as connection:  # nobody is in the middle of an append from here on
            return self._reconcile(connection, set_aside=True)

    def _counts_agree(self) -> bool:
        with self._reading() as connection:
            entered = connection.execute(sa.select(sa.func.count()).select_from(ENTRIES)).scalar_one()
        return bool(entered == sum(len(os.listdir(year)) for year in self._years()))

    def _years(self) -> list[Path]:
        return sorted(p for p in self.home.records.iterdir() if p.is_dir() and p.name.isdigit())

    def _reconcile(self, connection: sa.Connection, *, set_aside: bool) -> Reconciled:
        known = {row.file: row.id for row in connection.execute(sa.select(ENTRIES.c.file, ENTRIES.c.id))}
        files = {
            path.relative_to(self.home.records).as_posix(): path for year in self._years() for path in year.iterdir()
        }
        stray = {name: path for name, path in files.items() if name not in known}
        adopted: list[str] = []
        head = self._head(connection)
        by_stem = {path.stem: (name, path) for name, path in stray.items() if path.suffix == ".json"}
        while _record_id(head) in by_stem:
            name, path = by_stem.pop(_record_id(head))
            try:
                head = self._adopt(connection, head, path)
            except (ChainBroken, ValidationError, UnicodeDecodeError):
                break
            adopted.append(path.stem)
            del stray[name]
        for name, path in list(stray.items()):
            if path.name.startswith(".") and path.suffix == ".tmp":  # a record whose writing never ended
                path.unlink()
                del stray[name]
        if stray and not set_aside:
            raise ChainBroken(
                f"{len(stray)} of {len(files)} record files do not follow the chain, the first after record "
                f"{head.seq}: {min(stray)}. A record before it is missing or altered. Nothing was changed; restore "
                "the record from a backup, or move these files aside to give them up."
            )
        for name, path in stray.items():
            target = self.home.records / ORPHANED / name.replace("/", "-")
            target.parent.mkdir(exist_ok=True)
            os.replace(path, target)
        return Reconciled(adopted, sorted(stray), sorted(known[name] for name in known.keys() - files.keys()))

    def _read_or_make_genesis(self) -> str:
        path = self.home.records / _GENESIS
        if not path.exists():
            _write_durably(path, secrets.token_hex(32))
        return path.read_text(encoding="utf-8").strip()


def _same(column: sa.Column[Any], value: str | None) -> sa.ColumnElement[bool]:
    return column.is_(None) if value is None else column == value


def _record_id(head: Head) -> str:
    """The id of the record that follows ``head``. Known from the head alone, so a stray one is found by its name."""
    return f"{head.seq + 1:08d}-{head.hash[:12]}"


def _write_durably(path: Path, text: str) -> None:
    """Write a file so that it is there whole, or not at all, also after a power loss."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _engine(path: Path) -> sa.Engine:
    """SQLite in WAL mode whose write transactions take the lock at once (deferred ones fork the chain or fail)."""
    engine = sa.create_engine(f"sqlite:///{path}", connect_args={"timeout": 60.0, "check_same_thread": False})

    @sa.event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # transactions are begun below, not by the driver
        cursor = connection.cursor()
        cursor.execute("PRAGMA busy_timeout=60000")
        cursor.execute("PRAGMA journal_mode=WAL")
        # the record files are fsynced; a lost last entry is adopted again from its file
        cursor.execute("PRAGMA synchronous=NORMAL")
        cursor.close()

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        immediate = connection.get_execution_options().get("writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")

    return engine
