"""Compares the version folders of the store, and the row indexes, with what the records say.

Belongs here: what lies in the store. Must not come here: raw files (``raw_check``), the records (``chain_check``).
"""

import os
import re
import stat
from collections import ChainMap, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path

from sport_assets.audit.integrity.record_files import Entry, Made
from sport_assets.audit.mismatch import Kind, Mismatch, change_time
from sport_assets.lineage.digest import version_of
from sport_assets.lineage.store import STAGING, Store

_VERSION = re.compile(r"[0-9a-f]{64}")
_WRITABLE = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True)
class Version:
    """A version folder: what the newest of its ``records`` says of it, and what lies there (links not followed)."""

    folder: Path
    made: Made
    records: tuple[str, ...]
    good_until: datetime
    collected: bool
    there: Mapping[str, os.stat_result] | OSError | None  # None: no folder

    @property
    def contents(self) -> Mapping[str, os.stat_result]:
        """What could be seen in it."""
        return self.there if isinstance(self.there, Mapping) else {}

    def path(self, name: str) -> str:
        """One file of it, or the folder itself where the name is empty."""
        return f"{self._root}/{name}" if name else self._root

    def plain(self) -> dict[str, int]:
        """Its plain files, recorded or not, with their sizes in bytes."""
        return {self.path(name): found.st_size for name, found in self.contents.items() if stat.S_ISREG(found.st_mode)}

    @cached_property
    def _root(self) -> str:
        return str(self.folder)


def versions(store: Store, made: Iterable[Made], collected: Mapping[tuple[str, str | None, str], str]) -> list[Version]:
    """Every version among ``made``. ``collected``: the last record that freed a version's files."""
    groups: dict[tuple[str, str | None, str], list[Made]] = defaultdict(list)
    for each in made:
        groups[each.key, each.partition, each.version].append(each)
    found = []
    for identity, group in groups.items():
        newest = max(group, key=lambda each: each.record)
        folder = store.folder(*identity)
        records = tuple(each.record for each in group)
        # publishing a version again hashes what lies there
        good_until = max(each.ended for each in group)
        gone = collected.get(identity, "") > newest.record
        found.append(Version(folder, newest, records, good_until, gone, _contents(folder)))
    return found


def check_versions(
    found: Iterable[Version], digests: Mapping[str, str | OSError], known: Mapping[str, str]
) -> Iterator[Mismatch]:
    """What is not as recorded. ``known``: the names of recorded files by digest."""
    known_names = dict(known)
    for version in found:
        if (mismatch := _wrong_version(version)) is not None:
            yield mismatch
        if version.there is None:
            if not version.collected:
                yield _of(version, Kind.VERSION_MISSING, "", "the version's folder is gone", seen=version.folder.parent)
            continue
        if isinstance(version.there, OSError):
            yield _of(version, Kind.FILE_UNREADABLE, "", f"cannot be read: {version.there.strerror}")
            continue
        if version.collected:
            said = "its files were to be freed and are still there; gc --apply ends what was cut off"
            yield _of(version, Kind.VERSION_COLLECTED, "", said, note=True)
        expected = {entry.path: entry for entry in version.made.files}
        names = ChainMap({entry.sha256: entry.path for entry in version.made.files}, known_names)
        for entry in expected.values():
            path = version.path(entry.path)
            if digests.get(path) != entry.sha256:  # only what is a plain file has a digest
                yield from _file(version, entry, digests.get(path), names)
        for name in sorted(version.there.keys() - expected.keys()):
            if stat.S_ISDIR(version.there[name].st_mode):
                continue  # a version is its files; folders do not count
            digest = digests.get(version.path(name))
            found_digest = digest if isinstance(digest, str) else None
            said = _bytes_of(found_digest, names) or "no record knows these bytes"
            yield _of(version, Kind.FILE_ADDED, name, f"not recorded; {said}", found=found_digest)
        writable = [name for name in expected if name in version.there and version.there[name].st_mode & _WRITABLE]
        if not version.collected and (writable or version.folder.stat().st_mode & _WRITABLE):
            said = f"permissions allow writing: {', '.join(writable) or 'the folder'}; published versions are read-only"
            yield _of(version, Kind.FILE_WRITABLE, writable[0] if writable else "", said, note=True)


def unrecorded(store: Store, folders: set[Path], before: datetime) -> Iterator[Mismatch]:
    """Folders and files in the store that no record names, and that were there before the records were read."""
    for path in foreign(store.root, folders):
        changed = change_time(path)
        if changed is None or changed >= before:
            continue
        is_version = _VERSION.fullmatch(path.name) is not None and path.is_dir()
        said = "no record names this version: left by a process that was killed before it recorded it, or put there"
        yield Mismatch(
            Kind.VERSION_UNRECORDED if is_version else Kind.STORE_STRAY,
            str(path),
            f"{said}; nothing reads it, and gc --apply frees it" if is_version else "no record names it",
            severity="note",
            changed_by=changed,
        )


def _file(version: Version, entry: Entry, digest: str | OSError | None, known: Mapping[str, str]) -> Iterator[Mismatch]:
    """Why a file has not the digest it was recorded with."""
    there = version.contents.get(entry.path)
    if there is None:
        yield _of(version, Kind.FILE_MISSING, entry.path, "gone from its version", entry.sha256, seen=version.folder)
        return
    if not stat.S_ISREG(there.st_mode):
        what = {stat.S_IFLNK: "a link", stat.S_IFDIR: "a folder"}.get(stat.S_IFMT(there.st_mode), "no plain file")
        yield _of(version, Kind.FILE_REPLACED, entry.path, f"{what} lies in the file's place", entry.sha256, what)
        return
    if isinstance(digest, OSError):
        said = f"cannot be read: {digest.strerror}"
        yield _of(version, Kind.FILE_UNREADABLE, entry.path, said, entry.sha256)
        return
    other = _bytes_of(digest, known)
    size = "" if entry.size is None else size_change(entry.size, there.st_size)
    kind = Kind.FILE_SWAPPED if other else Kind.FILE_ALTERED
    yield _of(version, kind, entry.path, other or f"its bytes changed{size}", entry.sha256, digest)


def _wrong_version(version: Version) -> Mismatch | None:
    if any(entry.size is None for entry in version.made.files):
        return None  # known from the ledger alone, without sizes; the altered record was told of
    wanted = version_of(version.made.files)
    if wanted == version.made.version:
        return None
    said = "the record's version is not the digest of the files it lists: it was not written by this package"
    return _of(version, Kind.VERSION_WRONG, "", said, wanted, version.made.version)


def size_change(expected: int, found: int) -> str:
    """The change of a size in words, empty when there is none."""
    if expected == found:
        return ", at the same size"
    how = "longer" if found > expected else "shorter"
    return f", {abs(found - expected):,} bytes {how} than the {expected:,} recorded"


def _bytes_of(digest: str | None, known: Mapping[str, str]) -> str | None:
    return f"it holds the bytes of {known[digest]}" if digest is not None and digest in known else None


def _of(
    version: Version,
    kind: Kind,
    name: str,
    message: str,
    expected: str | None = None,
    found: str | None = None,
    *,
    note: bool = False,
    seen: Path | None = None,
) -> Mismatch:
    place = Path(version.path(name))
    return Mismatch(
        kind,
        str(place),
        message,
        severity="note" if note else "error",
        expected=expected,
        found=found,
        good_until=version.good_until,
        changed_by=change_time(seen or place),
        name=version.made.name,
        record=version.made.record,
        records=version.records,
    )


def _contents(folder: Path) -> dict[str, os.stat_result] | OSError | None:
    """All that lies below a version: relative path and status. None when it is no folder."""
    if folder.is_symlink() or not folder.is_dir():
        return None
    found: dict[str, os.stat_result] = {}
    waiting = [""]
    try:
        while waiting:
            above = waiting.pop()
            with os.scandir(f"{folder}/{above}") as entries:
                for entry in entries:
                    status = found[above + entry.name] = entry.stat(follow_symlinks=False)
                    if stat.S_ISDIR(status.st_mode):
                        waiting.append(f"{above}{entry.name}/")
    except OSError as error:
        return error
    return found


def foreign(root: Path, recorded: set[Path]) -> Iterator[Path]:
    """What lies in the store beside recorded versions and staging, not looking into versions."""
    waiting = [root] if root.is_dir() else []
    while waiting:
        for path in sorted(waiting.pop().iterdir()):
            if path in recorded or path == root / STAGING:
                continue
            if path.is_dir() and not path.is_symlink() and not _VERSION.fullmatch(path.name):
                waiting.append(path)
            else:
                yield path
