"""What a data set of another tool says, before it is judged: its images, its boxes, and what could not be read.

Belongs here: the types that the readers of formats share, image files of a set, safe XML. Must not come here: any one
format, and what becomes of an entry (``labelled_frames``).
"""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any
from xml.etree import ElementTree

from sport_assets.detection.errors import BadLabelsError
from sport_assets.detection.pictures import Size, decode, shown_size
from sport_assets.lineage.digest import sha256_bytes

IMAGE_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")

Fault = dict[str, Any]
"""A row that is set aside, by ``lineage.quarantine.QUARANTINE_SCHEMA``."""


@dataclass(frozen=True)
class ImageEntry:
    """An image as a file of labels names it. ``name``: relative to the folder of the set, with slashes.

    ``file``, ``line``: where it is named (line from 1, 0 where the file has no lines to speak of); sizes in pixels,
    None where the format gives none.
    """

    name: str
    file: str
    line: int = 0
    width: int | None = None
    height: int | None = None
    video: str | None = None
    frame: int | None = None
    time_ms: float | None = None


@dataclass(frozen=True)
class BoxEntry:
    """A box of an image in its pixels: left, top, width, height; ``label`` is the class's name in the data set."""

    image: str
    label: str
    x: float
    y: float
    width: float
    height: float
    file: str
    line: int = 0
    score: float | None = None
    crowd: bool = False


@dataclass
class Entries:
    """All that one data set says, and the rows that could not be read as an image or a box."""

    images: list[ImageEntry] = field(default_factory=list)
    boxes: list[BoxEntry] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    def add(self, other: "Entries") -> None:
        """Take in what another file of the same data set says."""
        self.images += other.images
        self.boxes += other.boxes
        self.faults += other.faults


def fault(rule: str, file: str, line: int = 0, column: str = "", value: object = "", **row: Any) -> Fault:
    """A row that is set aside: the rule that it breaks, where it stands, and what stands there."""
    return {
        "rule": rule,
        "column": column,
        "value": str(value),
        "file": file,
        "line": line,
        "row": json.dumps(row, sort_keys=True, ensure_ascii=False, default=str),
    }


@dataclass(frozen=True)
class ImageFile:
    """What an image file is: its size as it is stored, its digest, and the size at which viewers show it where an
    orientation tag makes them turn or mirror it."""

    width: int
    height: int
    sha256: str
    shown: Size | None = None


class ImageFolder:
    """The image files below the folder of a data set; each is decoded once, in full."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._known: dict[str, ImageFile | None] = {}

    @cached_property
    def names(self) -> dict[str, None]:
        """All image files, relative to the folder, sorted."""
        return dict.fromkeys(name for name in files_below(self.folder) if name.lower().endswith(IMAGE_SUFFIXES))

    def read(self, name: str) -> ImageFile | None:
        """The file of that name, or None when it cannot be decoded to its end."""
        if name not in self._known:
            data = (self.folder / name).read_bytes()
            pixels = decode(data)
            self._known[name] = (
                None
                if pixels is None
                else ImageFile(pixels.shape[1], pixels.shape[0], sha256_bytes(data), shown_size(data, pixels))
            )
        return self._known[name]

    def find(self, name: str, folders: tuple[str, ...]) -> str | None:
        """The image that a file of labels means by ``name``: the first that lies in one of ``folders``.

        Only files of the data set are found: a name that leads out of it names nothing.
        """
        for folder in folders:
            candidate = os.path.normpath(PurePosixPath(folder, name.replace("\\", "/")))
            if candidate in self.names:
                return candidate
        return None


def files_below(folder: Path) -> list[str]:
    """Every file below a folder, relative to it, sorted. Links to folders are followed, each folder once."""

    def walk() -> Iterator[str]:
        seen: set[str] = set()
        for above, folders, files in os.walk(folder, followlinks=True):
            real = os.path.realpath(above)
            if real in seen:
                folders.clear()
                continue
            seen.add(real)
            for name in files:
                yield Path(above, name).relative_to(folder).as_posix()

    return sorted(walk())


class _NoDoctype(ElementTree.TreeBuilder):
    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        """Called before any entity is read."""
        raise BadLabelsError(
            f"it declares a document type ({name}): such a file can name other files or grow without end. "
            "Files of labels need none: take the DOCTYPE out."
        )


def parse_xml(data: bytes, file: str) -> ElementTree.Element:
    """The root of an XML file. Document types, and so entities, are refused.

    Raises ``BadLabelsError`` that names the file and the line.
    """
    parser = ElementTree.XMLParser(target=_NoDoctype())
    try:
        parser.feed(data)
        root: ElementTree.Element = parser.close()
    except BadLabelsError as error:
        raise BadLabelsError(f"{file}: {error}") from None
    except (ElementTree.ParseError, ValueError, LookupError) as error:  # the latter for encodings
        raise BadLabelsError(f"{file}: broken XML ({error}). Export the labels again.") from error
    return root


def number(text: str | None) -> float | None:
    """A number that a text says, NaN and infinity included; None where it says none."""
    try:
        return float(text) if text is not None else None
    except ValueError:
        return None


def whole(text: str | None) -> int | None:
    """A positive whole number that a text says, or None."""
    value = number(text)
    return int(value) if value is not None and value > 0 and value.is_integer() else None


def read_file(path: Path, file: str) -> bytes:
    """The bytes of a file of labels, or ``BadLabelsError`` with its name."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadLabelsError(f"{file}: cannot be read ({error.strerror or error}). Look at its permissions.") from error


def as_text(data: bytes, file: str) -> str:
    """UTF-8 text of a file of labels, or ``BadLabelsError`` with its name."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadLabelsError(f"{file}: not UTF-8 text ({error}). Save it as UTF-8.") from error


def row_of(box: BoxEntry) -> Mapping[str, Any]:
    """A box as the quarantine shows it."""
    shown = ("image", "label", "x", "y", "width", "height", "score")
    return {name: getattr(box, name) for name in shown}
