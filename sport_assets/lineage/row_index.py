"""What the rows of a version are about: the games, plays, players, matches or videos in it, by identifying column.

Belongs here: the index of one materialization and its file. Must not come here: looking up across materializations
(``ledger``), what a column means (the lines).

The index is a file of its own beside the records, named by its content, so that a version that is made again shares it,
and what was in a version can still be said when its files were freed.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sport_assets.lineage.digest import canonical_json, sha256_text
from sport_assets.lineage.durable import make_folders, write_durably
from sport_assets.lineage.errors import ChainBroken, LineageError

ROWS_FOLDER = "rows"
_JOINER = ","


@dataclass(frozen=True, order=True)
class Identifiers:
    """Distinct values of one or several columns together, as texts. ``side``: train, test … or empty."""

    columns: tuple[str, ...]
    side: str
    rows: tuple[tuple[str, ...], ...]

    @property
    def name(self) -> str:
        """The columns as one text, by which they are looked up."""
        return _JOINER.join(self.columns)

    def in_part(self, part: str) -> "Identifiers":
        """The same, with a part (``fold:0``) put behind the name of the side."""
        return replace(self, side=f"{self.side} {part}".strip())

    def values(self) -> list[str]:
        """Each row as one text."""
        return [_JOINER.join(row) for row in self.rows]


class RowIndex:
    """The identifiers of one materialization on its way."""

    def __init__(self) -> None:
        self._rows: dict[tuple[tuple[str, ...], str], set[tuple[str, ...]]] = {}

    def add(self, columns: Sequence[str], values: Iterable[object], side: str = "") -> None:
        """Add rows: tuples of as many values as there are columns, or the values of a single column.

        Raises ``LineageError`` for a tuple of another length and for values that are missing.
        """
        order = sorted(range(len(columns)), key=lambda number: columns[number])
        names = tuple(columns[number] for number in order)
        found = self._rows.setdefault((names, side), set())
        for value in values:
            row = tuple(value) if isinstance(value, tuple | list) else (value,)
            if len(row) != len(names) or any(each is None for each in row):
                raise LineageError(f"the row index wants a value for each of {', '.join(columns)}; got {value!r}")
            found.add(tuple(str(row[number]) for number in order))

    def __bool__(self) -> bool:
        return bool(self._rows)

    def identifiers(self) -> list[Identifiers]:
        """All that was added, sorted."""
        return sorted(Identifiers(names, side, tuple(sorted(rows))) for (names, side), rows in self._rows.items())


def save(records: Path, index: RowIndex, aside: Path | None = None) -> str:
    """Write the index into ``records``/rows, if it is not there, and return its digest (``aside``: `write_durably`)."""
    content = [
        {"columns": list(found.columns), "side": found.side, "rows": [list(row) for row in found.rows]}
        for found in index.identifiers()
    ]
    text = canonical_json(content)
    digest = sha256_text(text)
    path = index_path(records, digest)
    if not path.exists():
        make_folders(path.parent)
        write_durably(path, text.encode(), aside)
    return digest


def load(records: Path, digest: str) -> list[Identifiers]:
    """The index of that digest. Raises ``ChainBroken`` when its file is gone or altered."""
    path = index_path(records, digest)
    if not path.exists():
        raise ChainBroken(f"{path}: the row index is gone; restore it from a backup")
    return parse(path.read_text(encoding="utf-8"), digest, str(path))


def parse(text: str, digest: str, name: str) -> list[Identifiers]:
    """An index from its text. Raises ``ChainBroken`` when it is not the one of that digest."""
    if sha256_text(text) != digest:
        raise ChainBroken(f"{name}: altered since it was recorded (expected {digest}, found {sha256_text(text)})")
    return [
        Identifiers(tuple(found["columns"]), found["side"], tuple(tuple(row) for row in found["rows"]))
        for found in json.loads(text)
    ]


def index_path(records: Path, digest: str) -> Path:
    """Where the index of that digest lies."""
    return records / ROWS_FOLDER / f"{digest}.json"


def wanted(row: Mapping[str, str]) -> tuple[str, str]:
    """Columns and values of a row set as they are looked up."""
    names = sorted(row)
    return _JOINER.join(names), _JOINER.join(row[name] for name in names)
