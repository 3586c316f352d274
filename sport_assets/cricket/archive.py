"""Match files wherever they lie: loose JSON, or in zip and tar archives; found once, then read one by one.

Belongs here: which matches a raw file holds (by place, digest and year) and reading one's bytes. Must not come here:
what a match file says beyond the date it begins on (``cricsheet``).

A match's identity is its file's stem. The same bytes in two files are one match; different bytes are a conflict that is
told. Archives are listed once for each state of the file (size and times), streaming, one match in memory at a time.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import lzma
import re
import tarfile
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from sport_assets.lineage.errors import RawFileUnreadable

FOLDER = "cricket"
MATCH_SUFFIX = ".json"
ARCHIVE_SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.zst")
LAYOUT = "cricket/**/*.json, or .zip, .tar, .tar.gz or .tar.zst of them"
_BLOCK = 1 << 20
_DATE = re.compile(rb'"dates"\s*:\s*\[\s*"((\d{4})-\d\d-\d\d)"')


@dataclass(frozen=True)
class Member:
    """One match file: its id, the raw file that holds it (relative to the data folder), and where in there."""

    match_id: str
    file: str
    name: str
    """Name within the archive; empty for a file of its own."""
    offset: int
    size: int
    sha256: str
    year: str | None
    """Year of the date it begins on; None where it says none."""
    date: str = ""
    """That date; empty where it says none."""

    @property
    def place(self) -> str:
        """Where it is, for people: ``t20s.zip: t20s/211048.json``."""
        return f"{self.file}: {self.name}" if self.name else self.file


@dataclass(frozen=True)
class YearFiles:
    """The matches that begin in one year, by id; and those of which there are files that differ."""

    members: tuple[Member, ...]
    conflicts: tuple[tuple[Member, ...], ...] = ()

    @property
    def files(self) -> list[str]:
        """The raw files that hold them, sorted."""
        return sorted({m.file for m in self.members} | {m.file for each in self.conflicts for m in each})


@dataclass(frozen=True)
class Library:
    """All match files of a data folder."""

    years: Mapping[str, YearFiles]
    undated: tuple[Member, ...]
    """Files that say no date: they belong to no year, and are told of."""


def library(data: Path) -> Library:
    """The match files below ``data``/cricket. Listed anew only where a file's size or times changed.

    Raises ``RawFileUnreadable`` naming an archive that is damaged.
    """
    return _library(data, tuple(_found(data)))


def list_file(path: Path, name: str) -> list[Member]:
    """The matches in one raw file; ``name`` is what it is called. Raises ``RawFileUnreadable``."""
    return [replace(member, file=name) for member in _members(*_state(path))]


def read(paths: Iterable[tuple[str, Path]], wanted: Mapping[str, str]) -> Iterator[tuple[str, bytes]]:
    """(match id, bytes) of the matches in ``wanted`` (id -> SHA-256), from raw files given as (name, path).

    Raises ``RawFileUnreadable`` for an archive that is damaged, or when some match is in none of the files.
    """
    missing = dict(wanted)
    names = []
    for name, path in paths:
        names.append(name)
        chosen = []
        for member in list_file(path, name):
            if missing.get(member.match_id) == member.sha256:
                del missing[member.match_id]
                chosen.append(member)
        for member, content in _contents(path, chosen):
            if hashlib.sha256(content).hexdigest() != member.sha256:
                raise RawFileUnreadable(f"{path}: changed while it was read; run again")
            yield member.match_id, content
    if missing:
        some = ", ".join(sorted(missing)[:5])
        raise RawFileUnreadable(
            f"{', '.join(names) or 'no raw file'}: {len(missing)} matches are not there with the content that was "
            f"recorded ({some}). Put them back, or build cricket/raw_matches again."
        )


# -- finding ---------------------------------------------------------------------------------------------------------

_State = tuple[str, int, int, int]


def _state(path: Path) -> _State:
    stat = path.stat()
    return str(path), stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


def _found(data: Path) -> Iterator[_State]:
    """The raw files, sorted, each with what tells whether it changed."""
    yield from map(_state, files_below(data / FOLDER))


def files_below(folder: Path) -> Iterator[Path]:
    """The match files and archives in a folder and below it, sorted."""
    for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
        known = path.name.endswith((MATCH_SUFFIX, *ARCHIVE_SUFFIXES)) and _counts(path.relative_to(folder))
        if known and path.is_file():
            yield path


def _counts(name: PurePosixPath | Path) -> bool:
    """Whether it is one of the user's files, not what systems put beside them."""
    return not any(part.startswith(".") or part == "__MACOSX" for part in name.parts)


@lru_cache(maxsize=4)
def _library(data: Path, states: tuple[_State, ...]) -> Library:
    by_id: dict[str, list[Member]] = defaultdict(list)
    undated = []
    for state in states:
        name = Path(state[0]).relative_to(data).as_posix()
        for member in _members(*state):
            member = replace(member, file=name)
            if member.year is None:
                undated.append(member)
            else:
                by_id[member.match_id].append(member)
    members: dict[str, list[Member]] = defaultdict(list)
    conflicts: dict[str, list[tuple[Member, ...]]] = defaultdict(list)
    for _, found in sorted(by_id.items()):
        if len({member.sha256 for member in found}) == 1:
            members[str(found[0].year)].append(found[0])
        else:
            conflicts[min(str(member.year) for member in found)].append(tuple(found))
    years = {year: YearFiles(tuple(members[year]), tuple(conflicts[year])) for year in sorted({*members, *conflicts})}
    return Library(years, tuple(undated))


@lru_cache(maxsize=20_000)
def _members(path: str, size: int, modified: int, changed: int) -> tuple[Member, ...]:
    """The matches in one raw file. The file's state is part of the call, so that a changed file is listed anew."""
    file = Path(path)
    if file.name.endswith(MATCH_SUFFIX):
        return (_member("", file.stem, 0, file.read_bytes()),)
    found = []
    with _told(file):
        for name, offset, content in _walk(file):
            found.append(_member(name, PurePosixPath(name).stem, offset, content))
    return tuple(found)


def _member(name: str, match_id: str, offset: int, content: bytes) -> Member:
    date = _DATE.search(content)
    day, year = (date[1].decode(), date[2].decode()) if date else ("", None)
    return Member(match_id, "", name, offset, len(content), hashlib.sha256(content).hexdigest(), year, day)


# -- archives --------------------------------------------------------------------------------------------------------


def _walk(path: Path) -> Iterator[tuple[str, int, bytes]]:
    """(name, offset, bytes) of every match file in an archive, in its order."""
    if path.name.endswith(".zip"):
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                if not info.is_dir() and _is_match(info.filename):
                    yield info.filename, 0, archive.read(info)
        return
    with _tar_stream(path) as stream, tarfile.open(fileobj=stream, mode="r|") as tar:
        for entry in tar:
            if entry.isfile() and _is_match(entry.name):
                content = cast(IO[bytes], tar.extractfile(entry)).read()
                yield entry.name, entry.offset_data, content
        if cast(Any, tar.fileobj).pos <= tar.offset:  # tarfile takes one cut off between two files for whole
            raise EOFError("it has no end")


def _is_match(name: str) -> bool:
    return name.endswith(MATCH_SUFFIX) and _counts(PurePosixPath(name))


def _contents(path: Path, members: Sequence[Member]) -> Iterator[tuple[Member, bytes]]:
    """The bytes of some matches of one raw file, read by place: nothing else is looked at."""
    if not members:
        return
    if path.name.endswith(MATCH_SUFFIX):
        yield members[0], path.read_bytes()
        return
    with _told(path):
        if path.name.endswith(".zip"):
            with zipfile.ZipFile(path) as archive:
                for member in members:
                    yield member, archive.read(member.name)
            return
        with _tar_stream(path) as stream:
            at = 0
            for member in sorted(members, key=lambda each: each.offset):
                _skip(stream, member.offset - at)
                at = member.offset + member.size
                yield member, stream.read(member.size)


def _skip(stream: IO[bytes], size: int) -> None:
    """Go forward: a compressed stream can only be read over."""
    if stream.seekable():
        stream.seek(size, io.SEEK_CUR)
        return
    while size > 0 and (read := len(stream.read(min(size, _BLOCK)))):
        size -= read


@contextmanager
def _tar_stream(path: Path) -> Iterator[IO[bytes]]:
    """The tar file's bytes, decompressed on the way."""
    if path.name.endswith(".tar.zst"):
        import zstandard

        with path.open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as stream:
            yield cast(IO[bytes], io.BufferedReader(cast(io.RawIOBase, stream), _BLOCK))
    elif path.name.endswith((".tar.gz", ".tgz")):
        with gzip.open(path) as unpacked:
            yield cast(IO[bytes], unpacked)
    else:
        with path.open("rb") as file:
            yield file


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Faults of an archive, with its name and the remedy."""
    import zstandard

    faults = (tarfile.TarError, zipfile.BadZipFile, zstandard.ZstdError, zlib.error, lzma.LZMAError)
    try:
        yield
    except (*faults, EOFError, gzip.BadGzipFile, NotImplementedError, RuntimeError) as error:
        raise RawFileUnreadable(
            f"{path}: the archive is damaged, cut off or of a kind that cannot be read ({error}). "
            "Download or copy it again, or unpack it beside."
        ) from error
