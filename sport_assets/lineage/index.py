"""The SQLite file behind the ledger: its tables, and how it is opened.

Belongs here: columns, indexes, the engine's settings. Must not come here: what is entered when (``ledger``).
"""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import sqlalchemy as sa

METADATA = sa.MetaData()

ENTRIES = sa.Table(
    "entries",
    METADATA,
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
    sa.Column("row_index", sa.String, index=True),
    sa.Index("entries_of_partition", "key", "partition", "seq"),
    sa.Index("entries_of_kind", "kind", "seq"),  # withdrawals are few among many materializations
)
INPUTS = sa.Table(
    "inputs",
    METADATA,
    sa.Column("seq", sa.Integer, nullable=False, index=True),
    sa.Column("record", sa.String, nullable=False, index=True),
    sa.Column("key", sa.String, nullable=False),
    sa.Column("partition", sa.String),
    sa.Column("version", sa.String, nullable=False),
)
FILES = sa.Table(
    "files",
    METADATA,
    sa.Column("seq", sa.Integer, nullable=False, index=True),
    sa.Column("raw", sa.Boolean, nullable=False),
    sa.Column("path", sa.String, nullable=False),
    sa.Column("sha256", sa.String, nullable=False, index=True),
)
# What the rows of a version are about; entries that have the same rows share them by the digest of their row index.
ROWS = sa.Table(
    "rows",
    METADATA,
    sa.Column("row_index", sa.String, nullable=False, index=True),
    sa.Column("side", sa.String, nullable=False),
    sa.Column("columns", sa.String, nullable=False),
    sa.Column("value", sa.String, nullable=False),
    sa.Index("rows_by_value", "columns", "value"),
)
# A cache beside the chain, not part of it: what a raw file's bytes hashed to when it had this size and these times.
RAW_DIGESTS = sa.Table(
    "raw_digests",
    METADATA,
    sa.Column("path", sa.String, primary_key=True),
    sa.Column("size", sa.Integer, nullable=False),
    sa.Column("mtime_ns", sa.Integer, nullable=False),
    sa.Column("ctime_ns", sa.Integer, nullable=False),
    sa.Column("sha256", sa.String, nullable=False),
)


def file_traits(stat: os.stat_result) -> dict[str, int]:
    """What tells that a file was written since. The change time cannot be set back, as the modification time can."""
    return {"size": stat.st_size, "mtime_ns": stat.st_mtime_ns, "ctime_ns": stat.st_ctime_ns}


def among(values: Iterable[str]) -> sa.Select[Any]:
    """For ``column.in_()``: texts as one value of the statement.

    SQLite takes some 32,000 values in one statement, and thousands of them take longer to put into it than to look up.
    """
    return sa.select(sa.func.json_each(json.dumps(list(values))).table_valued("value").c.value)


def prepare(connection: sa.Connection) -> None:
    """Make the tables that are missing, and the columns that an older version of this package did not have."""
    present = {row.name for row in connection.exec_driver_sql("PRAGMA table_info(entries)")}
    if present and "row_index" not in present:
        connection.exec_driver_sql("ALTER TABLE entries ADD COLUMN row_index VARCHAR")
        connection.exec_driver_sql("CREATE INDEX ix_entries_row_index ON entries (row_index)")
    METADATA.create_all(connection)


def open_engine(path: Path) -> sa.Engine:
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
