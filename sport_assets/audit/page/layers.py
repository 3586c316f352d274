"""Where the boxes of the graph stand: rows from the raw files down to the model, ordered so that few edges cross.

Belongs here: rows and their order. Must not come here: pixels; the browser knows how wide a box is.

An asset graph has a few dozen boxes, for which the layered layout of Sugiyama in its simplest form does: the row is the
longest way to the model, an edge that passes rows gets a lane in each of them (one for all edges of a source), and
rows are ordered by the mean place of their neighbours.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

SWEEPS = 8


@dataclass(frozen=True)
class Cell:
    """A box, or the lane on which edges of a box pass this row."""

    box: int
    lane: bool


@dataclass(frozen=True)
class Row:
    """The lanes left of all boxes, the boxes with what lies between them, and the lanes right of all.

    Apart, because boxes stand in the middle of the page however many lanes pass on either side.
    """

    left: list[Cell]
    middle: list[Cell]
    right: list[Cell]


def layers(reads: Sequence[set[int]]) -> list[Row]:
    """Rows from top to bottom. ``reads`` gives for each box the boxes that it is made from."""
    upstream = _without_circles(reads)
    row = _rows(upstream)
    if not row:
        return []
    deepest = {box: max((row[reader] for reader, ups in enumerate(upstream) if box in ups), default=0) for box in row}
    cells: list[list[Cell]] = [[] for _ in range(max(row.values()) + 1)]
    for box, own in sorted(row.items(), key=lambda item: (-deepest[item[0]], item[0])):
        cells[own].append(Cell(box, False))
        for passed in range(own + 1, deepest[box]):
            cells[passed].append(Cell(box, True))
    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        order = range(1, len(cells)) if down else range(len(cells) - 2, -1, -1)
        for number in order:
            cells[number] = _by_neighbours(cells[number], cells[number - 1 if down else number + 1], upstream, down)
    return [_row(own) for own in cells]


def _row(cells: list[Cell]) -> Row:
    places = [place for place, cell in enumerate(cells) if not cell.lane]
    first, last = places[0], places[-1] + 1
    return Row(cells[:first], cells[first:last], cells[last:])


def _without_circles(reads: Sequence[set[int]]) -> list[set[int]]:
    """Without the edges that close a circle: an asset may stand on an earlier version of itself."""
    upstream = [ups - {box} for box, ups in enumerate(reads)]
    while True:
        try:
            TopologicalSorter(dict(enumerate(upstream))).prepare()
        except CycleError as error:
            circle = error.args[1]
            upstream[circle[1]].discard(circle[0])
        else:
            return upstream


def _rows(upstream: Sequence[set[int]]) -> dict[int, int]:
    """The longest way down decides, so that a source stands right above the first that reads it."""
    readers: list[list[int]] = [
        [other for other, ups in enumerate(upstream) if box in ups] for box in range(len(upstream))
    ]
    height: dict[int, int] = {}
    for box in reversed(list(TopologicalSorter(dict(enumerate(upstream))).static_order())):
        height[box] = max((height[reader] + 1 for reader in readers[box]), default=0)
    return {box: max(height.values()) - own for box, own in height.items()}


def _by_neighbours(own: list[Cell], fixed: list[Cell], upstream: Sequence[set[int]], down: bool) -> list[Cell]:
    places = {cell: (place + 0.5) / len(fixed) for place, cell in enumerate(fixed)}

    def joined(upper: Cell, lower: Cell) -> bool:
        return upper.box == lower.box if lower.lane else upper.box in upstream[lower.box]

    def mean(cell: Cell) -> float:
        near = [place for other, place in places.items() if (joined(other, cell) if down else joined(cell, other))]
        return sum(near) / len(near) if near else (own.index(cell) + 0.5) / len(own)

    return sorted(own, key=mean)
