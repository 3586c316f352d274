"""Dagster's SQLite files without a wait for the disk at each of the hundred events of a run.

Dagster opens a connection for every event and closes it again, and the last one to close writes the journal into the
database: several syncs an event, a second a run. Here belongs how this process opens these files. Must not come here:
what stands in them.

A crash of the process loses nothing. A crash of the whole machine may lose the last events that the UI shows, never
more: what was made stands in the ledger, which syncs each record.
"""

import sqlite3
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

import sqlalchemy as sa

_OPEN_AT_MOST = 8


@contextmanager
def unhurried(root: Path) -> Iterator[None]:
    """Within it, SQLite files below ``root`` are synced now and then, as their journals fill, and at its end."""
    root = root.resolve()
    held: OrderedDict[str, sqlite3.Connection] = OrderedDict()
    lock = Lock()

    def opened(connection: Any, _record: Any) -> None:
        path = _file(connection)
        if path is None or root not in Path(path).parents:
            return
        connection.execute("PRAGMA synchronous=NORMAL")
        with lock:
            if path not in held:
                connection.execute("PRAGMA journal_mode=WAL")
                held[path] = sqlite3.connect(path, timeout=30, check_same_thread=False)
            held.move_to_end(path)
            with closing(held[path].execute("PRAGMA schema_version")) as cursor:
                cursor.fetchall()  # one that never read does not keep the journal open
            while len(held) > _OPEN_AT_MOST:
                held.popitem(last=False)[1].close()

    sa.event.listen(sa.Engine, "connect", opened)
    try:
        yield
    finally:
        sa.event.remove(sa.Engine, "connect", opened)
        for connection in held.values():
            connection.close()


def _file(connection: Any) -> str | None:
    """The database file of a driver's connection; None for another database, or one in memory."""
    if not isinstance(connection, sqlite3.Connection):
        return None
    with closing(connection.execute("PRAGMA database_list")) as cursor:
        return next((file for _, name, file in cursor if name == "main" and file), None)
