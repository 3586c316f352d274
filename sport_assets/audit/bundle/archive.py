"""The zip file around a bundle: the same files give the same bytes, and a strange archive is refused.

Belongs here: writing and reading the archive. Must not come here: what its files say.
"""

import hashlib
import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

Source = bytes | Path

MAX_FILES: Final = 1_000_000
MAX_BYTES: Final = 64 * 2**30
MAX_TEXT: Final = 512 * 2**20  # of a file that is read as a whole
_CHUNK: Final = 2**20
_NAME_AND_EXTRA: Final = 26  # where a local header says how long its name and extra field are, which end it
# a fixed time, since the archive is about content; 1980 is the first year that a zip can name
_TIME: Final = (1980, 1, 1, 0, 0, 0)
# compressed again they would only cost time
_PACKED: Final = (".png", ".jpg", ".jpeg", ".parquet", ".zip", ".gz", ".zst", ".mp4", ".pt2", ".onnx", ".safetensors")


def write_archive(target: Path, files: Mapping[str, Source]) -> None:
    """Write ``files`` sorted by name, with fixed times, modes and compression."""
    with zipfile.ZipFile(target, "w") as archive:
        for name in sorted(files):
            _write(archive, name, files[name])


def _write(archive: zipfile.ZipFile, name: str, source: Source) -> None:
    entry = zipfile.ZipInfo(name, _TIME)
    entry.create_system = 3  # Unix, wherever it is written
    entry.external_attr = (stat.S_IFREG | 0o444) << 16
    packed = name.lower().endswith(_PACKED)
    entry.compress_type = zipfile.ZIP_STORED if packed else zipfile.ZIP_DEFLATED
    entry.file_size = len(source) if isinstance(source, bytes) else source.stat().st_size
    with archive.open(entry, "w") as out:
        if isinstance(source, bytes):
            out.write(source)
            return
        with source.open("rb") as file:
            while chunk := file.read(_CHUNK):
                out.write(chunk)


@dataclass
class Opened:
    """An archive that is safe to read: sizes and digests by name, and what was strange about it."""

    path: Path
    digests: dict[str, str] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    strange: list[tuple[str, str]] = field(default_factory=list)

    def text(self, name: str) -> bytes:
        """One file as a whole. Raises ``KeyError`` when it is not there, ``ValueError`` when it is too large."""
        if self.sizes[name] > MAX_TEXT:
            raise ValueError(f"{name}: {self.sizes[name]:,} bytes are too many for a document")
        with zipfile.ZipFile(self.path) as archive:
            return archive.read(name)

    def unpack(self, name: str, target: Path) -> None:
        """Write one file of any size to ``target``, whose folder exists."""
        with zipfile.ZipFile(self.path) as archive, archive.open(name) as file, target.open("wb") as out:
            shutil.copyfileobj(file, out, _CHUNK)

    def texts(self, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
        """The documents whose names are wanted, each as a whole, sorted; larger files are left out (``unpack``)."""
        with zipfile.ZipFile(self.path) as archive:
            for name in sorted(filter(wanted, self.digests)):
                if self.sizes[name] <= MAX_TEXT:
                    yield name, archive.read(name)


def open_archive(path: Path) -> Opened:
    """Look at every entry and hash what is sound; nothing is written and no more is read than an entry says it has."""
    opened = Opened(path)
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            total = sum(entry.file_size for entry in entries)
            if len(entries) > MAX_FILES or total > MAX_BYTES:
                opened.strange.append((path.name, f"claims {len(entries):,} files of {total:,} bytes: not unpacked"))
                return opened
            _look_for_gaps(opened, archive, entries)
            for entry in entries:
                _take(opened, archive, entry)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, ValueError, OverflowError, struct.error) as error:
        opened.strange.append((path.name, f"is no sound zip archive: {error}"))
    return opened


def _take(opened: Opened, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> None:
    name = entry.filename
    if name in opened.digests:
        opened.strange.append((name, "is in the archive twice"))
        return
    fault = _fault(entry)
    if fault is not None:
        opened.strange.append((entry.orig_filename, fault))
        return
    try:
        digest, size = _hash(archive, entry)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError) as error:
        opened.strange.append((name, f"cannot be unpacked: {error}"))
        return
    opened.digests[name], opened.sizes[name] = digest, size


def _fault(entry: zipfile.ZipInfo) -> str | None:
    """Why an entry must not be unpacked, if so."""
    name = entry.orig_filename
    parts = name.split("/")
    if name.startswith("/") or "\\" in name or ":" in parts[0] or "\0" in name or {"", ".", ".."} & set(parts):
        return "is a path that leads out of the folder it is unpacked into, or is none"
    mode = entry.external_attr >> 16
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        return "is no plain file"
    if entry.flag_bits & 0x1:
        return "is encrypted"
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return f"is compressed in a way that bundles are not ({entry.compress_type})"
    return None


def _hash(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> tuple[str, int]:
    """SHA-256 and size of what is unpacked; zipfile stops at the size that the entry claims and compares its CRC."""
    digest, size = hashlib.sha256(), 0
    with archive.open(entry) as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
    if size != entry.file_size:
        raise zipfile.BadZipFile(f"{size:,} bytes instead of {entry.file_size:,}")
    return digest.hexdigest(), size


def _look_for_gaps(opened: Opened, archive: zipfile.ZipFile, entries: list[zipfile.ZipInfo]) -> None:
    """Bytes that no entry covers, or two do: another program could unpack something else from them."""
    place = 0
    with opened.path.open("rb") as file:
        for entry in sorted(entries, key=lambda each: each.header_offset):
            if entry.header_offset != place:
                hidden = "does not follow the entry before it: bytes hidden or shared"
                opened.strange.append((entry.orig_filename, hidden))
            file.seek(entry.header_offset + _NAME_AND_EXTRA)
            lengths = struct.unpack("<HH", file.read(4))
            place = entry.header_offset + _NAME_AND_EXTRA + 4 + sum(lengths) + entry.compress_size
    if place != archive.start_dir:
        opened.strange.append((opened.path.name, "holds bytes that belong to no file"))
    if archive.comment:
        opened.strange.append((opened.path.name, "carries a comment"))
