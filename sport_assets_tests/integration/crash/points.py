"""Crash points: every call of a process that changes the disk, counted; the process dies at the one it was told.

Belongs here: wrapping the calls from outside, so that the code under test holds no hooks. Must not come here: what the
process does (``scenarios``), or what must be left afterwards (``aftermath``).
"""

import builtins
import io
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine.default import DefaultDialect

Side = Literal["before", "after"]
Result = TypeVar("Result")

# what changes folders and files, and what makes the change last
_CALLS = ("rename", "replace", "fsync", "mkdir", "chmod", "unlink", "rmdir")


class Points:
    """Counts the calls. With ``index`` (from 1) the process kills itself before or after that call."""

    def __init__(self, root: Path, marker: Path, index: int | None = None, side: Side = "before") -> None:
        self.names: list[str] = []
        self._root, self._marker, self._index, self._side = root, marker, index, side
        self._lock = threading.Lock()
        self._kill, self._open, self._fsync = os.kill, os.open, os.fsync

    def reach(self, name: str, call: Callable[[], Result], torn: Callable[[], object] | None = None) -> Result:
        """Pass one point. ``torn`` is what a call leaves when the process dies in the middle of it."""
        number = self._count(name)
        if number == self._index and self._side == "before":
            if torn is not None:
                torn()
            self._die(name)
        try:
            return call()
        finally:  # also when it raised: a folder that exists already, say
            if number == self._index:
                self._die(name)

    def _count(self, name: str) -> int:
        with self._lock:
            self.names.append(name)
            return len(self.names)

    def _die(self, name: str) -> None:
        """Leave word of the point that was reached, then stop dead: no cleanup, no ``finally``."""
        descriptor = self._open(self._marker, os.O_CREAT | os.O_WRONLY)
        os.write(descriptor, f"{self._index} {self._side} {name}".encode())
        self._kill(os.getpid(), signal.SIGKILL)

    def install(self) -> None:
        """Wrap the calls of this whole process, until it ends."""
        for name in _CALLS:
            self._wrap_os(name)
        self._wrap_open()
        self._wrap_sql()

    def _wrap_os(self, name: str) -> None:
        real = getattr(os, name)

        def wrapped(*arguments: Any, **options: Any) -> Any:
            return self.reach(f"os.{name}", lambda: real(*arguments, **options))

        setattr(os, name, wrapped)

    def _wrap_open(self) -> None:
        real = io.open

        def wrapped(file: Any, mode: str = "r", *arguments: Any, **options: Any) -> Any:
            opened = real(file, mode, *arguments, **options)
            inside = isinstance(file, str | os.PathLike) and self._root in Path(os.fspath(file)).parents
            return _Writer(opened, self) if inside and set(mode) & set("wax+") else opened

        io.open = wrapped
        builtins.open = wrapped

    def _wrap_sql(self) -> None:
        def before(_c: Any, _cursor: Any, statement: str, _p: Any, context: Any, _many: bool) -> None:
            if not _reads(statement):
                number = self._count(f"sql {statement[:24]}")
                context_numbers[id(context)] = number
                if number == self._index and self._side == "before":
                    self._die(self.names[number - 1])

        def after(_c: Any, _cursor: Any, statement: str, _p: Any, context: Any, _many: bool) -> None:
            if not _reads(statement) and context_numbers.pop(id(context)) == self._index:
                self._die(self.names[(self._index or 1) - 1])

        context_numbers: dict[int, int] = {}
        sa.event.listen(sa.Engine, "before_cursor_execute", before)
        sa.event.listen(sa.Engine, "after_cursor_execute", after)
        commit = DefaultDialect.do_commit

        def do_commit(dialect: Any, connection: Any) -> None:
            self.reach("sql COMMIT", lambda: commit(dialect, connection))

        DefaultDialect.do_commit = do_commit  # type: ignore[method-assign]


class _Writer:
    """A file open for writing, inside the home: dies with half of a text written, or before it is flushed to disk."""

    def __init__(self, file: Any, points: Points) -> None:
        self._file, self._points = file, points

    def write(self, data: Any) -> int:
        def torn() -> None:
            self._file.write(data[: len(data) // 2])
            self._file.flush()

        def whole() -> int:
            written: int = self._file.write(data)
            self._file.flush()
            return written

        return self._points.reach("write", whole, torn)

    def __enter__(self) -> "_Writer":
        return self

    def __exit__(self, *_exception: object) -> None:
        self._file.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def _reads(statement: str) -> bool:
    return statement.lstrip().upper().startswith(("SELECT", "PRAGMA")) or statement == "BEGIN"
