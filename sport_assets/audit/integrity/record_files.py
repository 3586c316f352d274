"""The record files of a home as they lie there, whatever their state, and what was made according to them.

Belongs here: reading and hashing record files without believing them. Must not come here: judging them
(``chain_check``).
"""

import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from sport_assets.audit.chain import name_of
from sport_assets.audit.integrity.snapshot import FileRow, Snapshot
from sport_assets.lineage.digest import sha256_bytes
from sport_assets.lineage.manifest import Event, Materialization, parse_event

_RECORD_FILE = re.compile(r"(\d{8,})-[0-9a-f]{12}\.json")
_AT_A_TIME = 500

Progress = Callable[[str, int, int], None]


def silent(what: str, done: int, total: int) -> None:
    """No progress is shown."""


class RecordFile(NamedTuple):
    """A record file: its name (``<year>/<record id>.json``), hash, and the event in it if one can be read."""

    name: str
    hash: str
    event: Event | None

    @property
    def number(self) -> int | None:
        """Its place in the chain, by its name."""
        return number_of(self.name)


class Entry(NamedTuple):
    """A file of a version or a raw file as recorded; without a size where only the ledger could be asked."""

    path: str
    sha256: str
    size: int | None


@dataclass(frozen=True)
class Made:
    """What a record says was made: from the record itself, or from the ledger where the record cannot be believed."""

    record: str
    key: str
    partition: str | None
    version: str
    files: tuple[Entry, ...]
    raw_files: tuple[Entry, ...]
    inputs: tuple[str, ...]
    ended: datetime
    row_index: str | None

    @property
    def name(self) -> str:
        """The asset with its partition."""
        return name_of(self.key, self.partition)

    @classmethod
    def of(cls, event: Materialization) -> "Made":
        """From a record."""
        return cls(
            event.id,
            event.key,
            event.partition,
            event.version,
            tuple(Entry(file.path, file.sha256, file.size) for file in event.files),
            tuple(Entry(file.path, file.sha256, file.size) for file in event.raw_files),
            tuple(ref.record for ref in event.inputs),
            event.ended,
            event.row_index,
        )

    @classmethod
    def by_ledger(cls, row: Any, index: Snapshot) -> "Made":
        """From the ledger's tables."""
        files: list[FileRow] = index.files([row.seq]).get(row.seq, [])
        return cls(
            row.id,
            row.key,
            row.partition,
            row.version,
            tuple(Entry(file.path, file.sha256, None) for file in files if not file.raw),
            tuple(Entry(file.path, file.sha256, None) for file in files if file.raw),
            tuple(ref.record for ref in index.inputs.get(row.seq, [])),
            datetime.fromisoformat(row.at),
            row.row_index,
        )


class RecordFiles:
    """All record files of a home by name. What is no record file by its name is in ``strays``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.names: set[str] = set()
        self.strays: list[str] = []
        self.numbered: dict[int, list[str]] = defaultdict(list)
        self._read: dict[str, RecordFile] = {}
        for year in sorted(path for path in folder.iterdir() if path.is_dir() and path.name.isdigit()):
            with os.scandir(year) as entries:  # asks for no file's status
                for entry in entries:
                    self._include(f"{year.name}/{entry.name}", entry.is_file())

    def look_again(self, names: Iterable[str]) -> None:
        """Take up files that were written since the folder was listed."""
        for name in names:
            if name not in self.names and (self.folder / name).is_file():
                self._include(name, is_file=True)

    def _include(self, name: str, is_file: bool) -> None:
        number = number_of(name)
        if number is None or not is_file:
            self.strays.append(name)
        else:
            self.names.add(name)
            self.numbered[number].append(name)

    def read(self, name: str) -> RecordFile:
        """One file; without hash and event where it cannot be read."""
        if name not in self._read:
            self._read[name] = self._load(name)
        return self._read[name]

    def read_all(self, progress: Progress) -> None:
        """Read every file, in parallel."""
        waiting = sorted(self.names - self._read.keys())
        parts = [waiting[start : start + _AT_A_TIME] for start in range(0, len(waiting), _AT_A_TIME)]
        with ThreadPoolExecutor() as pool:
            for part in pool.map(lambda names: [self._load(name) for name in names], parts):
                self._read |= {file.name: file for file in part}
                progress("records", len(self._read), len(self.names))

    def at(self, number: int) -> Iterator[RecordFile]:
        """The files whose names claim this place in the chain: normally one."""
        return (self.read(name) for name in sorted(self.numbered.get(number, ())))

    def named(self, record: str) -> str | None:
        """The name of the file of a record, in whatever year."""
        number = number_of(f"/{record}.json")
        names: Iterable[str] = self.numbered.get(number, ()) if number is not None else ()
        return next((name for name in names if name.endswith(f"/{record}.json")), None)

    def holding(self, digest: str) -> str | None:
        """The name of a file with these bytes, among those read so far."""
        return next((name for name, file in self._read.items() if file.hash == digest), None)

    def _load(self, name: str) -> RecordFile:
        try:
            data = (self.folder / name).read_bytes()
        except OSError:
            return RecordFile(name, "", None)
        try:
            event = parse_event(data)
        except ValidationError:
            event = None
        return RecordFile(name, sha256_bytes(data), event)


def number_of(name: str) -> int | None:
    """A record's place in the chain by its file's name; None when it is no record file's name."""
    match = _RECORD_FILE.fullmatch(name.rsplit("/", 1)[-1])
    return int(match[1]) if match else None
