"""What files of this line are about: the games, plays and players in them, for the row index of a record.

Belongs here: from a table, arrays or a split to its identifiers. Must not come here: what they are used for (lineage,
audit).
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from sport_assets.lineage.row_index import RowIndex
from sport_assets.nfl.split import SIDES, Split
from sport_assets.nfl.tensors import PlayTensors

GAME, PLAY, PLAYER = ("game_id",), ("game_id", "play_id"), ("nfl_id",)


def of_table(rows: pl.DataFrame, *columns: Sequence[str]) -> RowIndex:
    """The distinct values of each set of columns."""
    index = RowIndex()
    for names in columns:
        index.add(names, rows.select(names).unique().iter_rows())
    return index


def of_week(plays: PlayTensors) -> RowIndex:
    """The games, plays and players of a week."""
    index = of_plays({"": plays})
    index.add(PLAYER, sorted(set(plays.nfl_id.tolist())))
    return index


def of_plays(sides: dict[str, PlayTensors]) -> RowIndex:
    """The games and plays on each side."""
    index = RowIndex()
    for side, plays in sides.items():
        index.add(GAME, set(plays.game_id.tolist()), side)
        index.add(PLAY, zip(plays.game_id.tolist(), plays.play_id.tolist(), strict=True), side)
    return index


def of_split(split: Split) -> RowIndex:
    """The games on each side, and on each side of each fold for evaluation: what a fold holds out, it tests."""
    index = RowIndex()
    for side in SIDES:
        index.add(GAME, split.side(side), side)
    for number, (train, held_out) in enumerate(split.folds):
        index.add(GAME, train, f"train fold:{number}")
        index.add(GAME, held_out, f"test fold:{number}")
    return index
