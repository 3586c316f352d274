"""Lines of generated CSV files, to be replaced, removed or added one by one without touching the others.

Here belongs knowing where lines are and where they end up; which lines are damaged how is decided in `defects`.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass, field

Key = tuple[str, str]
"""game_id and play_id, as written."""


@dataclass
class Lines:
    """The lines of one file under repair in reverse: replaced, removed and added lines, by original index."""

    name: str
    lines: list[str]
    first_line: int = 1
    replaced: dict[int, str] = field(default_factory=dict)
    removed: set[int] = field(default_factory=set)
    added: dict[int, list[str]] = field(default_factory=dict)

    @property
    def columns(self) -> list[str]:
        return self.lines[0].split(",")

    def cells(self, index: int) -> list[str]:
        return next(csv.reader([self.replaced.get(index, self.lines[index])]))

    def edited(self, index: int, **values: str) -> str:
        """The line with other values, written as the clean file is."""
        cells = self.cells(index)
        for column, value in values.items():
            cells[self.columns.index(column)] = value
        buffer = io.StringIO()
        csv.writer(buffer, lineterminator="").writerow(cells)
        return buffer.getvalue()

    def set(self, index: int, **values: str) -> None:
        self.replaced[index] = self.edited(index, **values)

    def shifted(self, index: int, column: str, yards: float) -> str:
        """A coordinate moved by `yards`, towards the middle of the field."""
        value = float(self.cells(index)[self.columns.index(column)])
        return str(round(value + (yards if value < 60 else -yards), 2))

    def finish(self) -> tuple[str, dict[int, int], dict[int, list[int]]]:
        """The text, and where the original and the added lines ended up."""
        result: list[str] = []
        kept: dict[int, int] = {}
        new: dict[int, list[int]] = {}
        for index, line in enumerate(self.lines):
            if index not in self.removed:
                result.append(self.replaced.get(index, line))
                kept[index] = len(result) - 1 + self.first_line
            for extra in self.added.get(index, ()):
                result.append(extra)
                new.setdefault(index, []).append(len(result) - 1 + self.first_line)
        return "\n".join(result) + "\n", kept, new


@dataclass(frozen=True)
class Rows:
    """Original line indices: rows of each player of each play, in the input and in the output, and of each
    play."""

    players: dict[Key, dict[str, list[int]]]
    outputs: dict[Key, dict[str, list[int]]]
    plays: dict[Key, int]


def index_rows(files: Mapping[str, Lines]) -> Rows:
    rows: dict[str, dict[Key, dict[str, list[int]]]] = {"input": {}, "output": {}}
    for table in rows:
        nfl_id = files[table].columns.index("nfl_id")
        for index, line in enumerate(files[table].lines[1:], start=1):
            cells = line.split(",", nfl_id + 1)
            rows[table].setdefault((cells[0], cells[1]), {}).setdefault(cells[nfl_id], []).append(index)
    play_id = files["supplementary"].columns.index("play_id")
    plays = {}
    for index, line in enumerate(files["supplementary"].lines[1:], start=1):
        cells = line.split(",", play_id + 1)
        plays[(cells[0], cells[play_id])] = index
    return Rows(rows["input"], rows["output"], plays)
