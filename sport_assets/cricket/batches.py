"""Training samples out of innings: each innings one sample, padded together into batches; and the tables of entities.

Here belongs what turns arrays of innings and their features into what the network reads, in NumPy. The network, its
losses and the making of features do not belong here. No torch: prediction runs on this module.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sport_assets.cricket.features import results
from sport_assets.cricket.innings import NO_OUTCOME, Innings

Batch = dict[str, np.ndarray]

ID_COLUMNS: Mapping[str, str] = {
    "venue": "venues",
    "batting_team": "teams",
    "bowling_team": "teams",
    "striker": "players",
    "non_striker": "players",
    "bowler": "players",
}
"""Columns of `ids`, in order, with the table each is looked up in."""
PERSONS = ("striker", "non_striker", "bowler")
"""Columns of `persons`."""


@dataclass(frozen=True)
class EntityTable:
    """Who and what a model has rows for: those of its training innings. Rows count from 1, 0 is unknown."""

    venues: tuple[str, ...]
    teams: tuple[str, ...]
    players: tuple[str, ...]

    @classmethod
    def of(cls, innings: Innings) -> EntityTable:
        """Those that take part in some innings."""
        seen: dict[str, set[int]] = {"venues": set(), "teams": set(), "players": set()}
        for column, kind in ID_COLUMNS.items():
            seen[kind] |= set(np.unique(innings.balls[column]).tolist())
        texts = {kind: tuple(sorted(getattr(innings, kind)[number] for number in seen[kind])) for kind in seen}
        return cls(texts["venues"], texts["teams"], texts["players"])

    def rows(self, innings: Innings) -> np.ndarray:
        """Rows of the tables behind every ball, int64 [N, 6] by ID_COLUMNS; 0 for who is not in them."""
        found = []
        for column, kind in ID_COLUMNS.items():
            row = {text: number for number, text in enumerate(getattr(self, kind), start=1)}
            numbers = np.array([row.get(text, 0) for text in getattr(innings, kind)] or [0], dtype=np.int64)
            found.append(numbers[innings.balls[column]])
        return np.column_stack(found)

    def to_bytes(self) -> bytes:
        """As JSON; the same table gives the same bytes."""
        return json.dumps({"venues": self.venues, "teams": self.teams, "players": self.players}).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> EntityTable:
        """Read what `to_bytes` gave."""
        texts = json.loads(data)
        return cls(tuple(texts["venues"]), tuple(texts["teams"]), tuple(texts["players"]))


class InningsSource:
    """Samples for the training kernel: one an innings, and any set of them as one padded batch.

    features: `features.table` of every ball of the innings [N, F].
    """

    def __init__(self, innings: Innings, features: np.ndarray, table: EntityTable) -> None:
        # the innings themselves are not kept: beside what the network reads they are as large as half of it again
        self.starts = innings.table["start"].to_numpy()
        self.lengths = innings.table["length"].to_numpy()
        balls = innings.balls
        place = [balls["over"], balls["phase"], balls["second_innings"] + 1]
        self.columns: dict[str, np.ndarray] = {
            "features": features.astype(np.float32, copy=False),
            "ball": results(innings),
            "ids": table.rows(innings),
            "persons": np.column_stack([balls[name] for name in PERSONS]).astype(np.int64),
            "place": np.column_stack(place).astype(np.int64),
            "outcome": balls["outcome"].astype(np.int64),
        }

    def __len__(self) -> int:
        """How many innings."""
        return len(self.lengths)

    def batch(self, indices: Sequence[int] | np.ndarray) -> Batch:
        """The innings as one batch in the given order, padded with zeros (`outcome`: -1) to the longest, and `mask`."""
        chosen = np.asarray(indices, dtype=np.int64)
        lengths = self.lengths[chosen]
        number = np.arange(int(lengths.max()))
        mask = number < lengths[:, None]
        place = np.where(mask, self.starts[chosen][:, None] + number, 0)
        padded = {}
        for name, values in self.columns.items():
            found = values[place]
            found[~mask] = NO_OUTCOME if name == "outcome" else 0
            padded[name] = found
        return {**padded, "mask": mask}
