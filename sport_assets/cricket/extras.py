"""What a ball brings besides its outcome: wides, no-balls, byes, overthrows, who is out. Learned from innings.

Belongs here: the kinds of delivery behind each of the seven outcomes, how often each comes by phase, and drawing them.
Must not come here: the outcomes' probabilities (a model's), the course of an innings (``course``).

A model forecasts the batter's outcome. A simulated innings needs more: whether a dot was a wide and is bowled again,
whether a wicket was a run out at the other end. What was seen in the training innings is drawn from, as often as it was
seen in the phase; nothing is assumed of the laws but that every outcome has its plain kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from sport_assets.cricket.innings import Innings
from sport_assets.cricket.labels import OUTCOMES, WICKET
from sport_assets.cricket.phases import PHASES

COLUMNS = (
    "outcome",
    "runs_batter",
    "wides",
    "noballs",
    "other",
    "wickets_fallen",
    "credited",
    "non_striker_out",
)
"""What makes a kind of delivery: class, runs off the bat, for a wide, for a no-ball, byes and the like; batters out,
wickets that count for the bowler, and whether it is the batter at the other end who is out."""
PLAIN_RUNS = (0, 1, 2, 3, 4, 6, 0)
"""Runs of each outcome when nothing else happens."""
PRIOR_BALLS = 500.0
"""Balls of a class's frequencies over all phases that those of a phase start with."""
MOST_KINDS = 24
"""Kinds kept of a class, the most frequent; what is rarer than all of them is left out."""


@dataclass(frozen=True)
class Extras:
    """Kinds of delivery, int64 [K, len(COLUMNS)] by class, and their share of the class's balls [phases, K]."""

    kinds: np.ndarray
    shares: np.ndarray

    @classmethod
    def learn(cls, innings: Innings) -> Extras:
        """From the balls of some innings. Wickets of which it cannot be seen who left are not counted."""
        rows, phase = _seen(innings)
        plain = np.array([_plain(number) for number in range(len(OUTCOMES))], dtype=np.int64)
        kinds, place = np.unique(np.concatenate([plain, rows]), axis=0, return_inverse=True)
        # a plain kind that was never seen counts once, so that every outcome can be drawn
        weight = np.concatenate([np.ones(len(plain)), np.ones(len(rows))])
        total = np.bincount(place, weight, len(kinds))
        kept = np.zeros(len(kinds), bool)
        for number in range(len(OUTCOMES)):
            own = np.flatnonzero(kinds[:, 0] == number)
            kept[own[np.argsort(-total[own], kind="stable")[:MOST_KINDS]]] = True
            kept[place[number]] = True
        counts = np.zeros((len(PHASES), len(kinds)))
        np.add.at(counts, (phase, place[len(plain) :]), 1.0)
        kinds, total, counts = kinds[kept], total[kept], counts[:, kept]
        of_class = kinds[:, :1] == np.arange(len(OUTCOMES))
        overall = total / (total @ of_class)[kinds[:, 0]]
        in_phase = (counts @ of_class)[:, kinds[:, 0]]
        return cls(kinds, (counts + PRIOR_BALLS * overall) / (in_phase + PRIOR_BALLS))

    @classmethod
    def from_content(cls, content: Mapping[str, Any]) -> Extras:
        """Read what ``content`` gave. Raises ValueError where its columns are others than this code's."""
        if tuple(content["columns"]) != COLUMNS:
            raise ValueError(f"kinds of delivery have the columns {content['columns']}, not {list(COLUMNS)}")
        return cls(np.array(content["kinds"], dtype=np.int64), np.array(content["shares"], dtype=np.float64))

    def content(self) -> dict[str, Any]:
        """As JSON values."""
        return {"columns": list(COLUMNS), "kinds": self.kinds.tolist(), "shares": self.shares.round(9).tolist()}

    def draw(self, outcome: np.ndarray, phase: np.ndarray, uniform: np.ndarray) -> dict[str, np.ndarray]:
        """Kinds of delivery by COLUMNS, int64 [S], of outcomes and phases [S], by numbers in [0, 1) [S]."""
        first = np.searchsorted(self.kinds[:, 0], np.arange(len(OUTCOMES) + 1))
        after = np.cumsum(self.shares, 1)
        before = np.hstack([np.zeros((len(after), 1)), after])
        begin, end = before[phase, first[outcome]], before[phase, first[outcome + 1]]
        wanted = begin + uniform * (end - begin)
        place = np.clip((after[phase] <= wanted[:, None]).sum(1), first[outcome], first[outcome + 1] - 1)
        return {name: self.kinds[place, number] for number, name in enumerate(COLUMNS)}


def _plain(outcome: int) -> tuple[int, ...]:
    out = int(outcome == WICKET)
    return (outcome, PLAIN_RUNS[outcome], 0, 0, 0, out, out, 0)


def _seen(innings: Innings) -> tuple[np.ndarray, np.ndarray]:
    """Rows by COLUMNS of the balls with an outcome of which all is known, and their phases."""
    b = innings.balls
    out = b["wickets_fallen"] > 0
    after = np.minimum(np.arange(len(innings)) + 1, max(len(innings) - 1, 0))
    last = (b["innings_index"] != b["innings_index"][after]) | (after == np.arange(len(innings)))
    stays = [
        (b[end] == b["striker"][after]) | (b[end] == b["non_striker"][after]) for end in ("striker", "non_striker")
    ]
    one_left = (stays[0] != stays[1]) & ~last
    credited, known = _credited(innings)
    usable = (b["outcome"] >= 0) & np.where(out, (b["wickets_fallen"] == 1) & one_left & known, b["outcome"] != WICKET)
    other = b["runs_total"] - b["runs_batter"] - b["wides"] - b["noballs"]
    columns = {
        "outcome": b["outcome"],
        "runs_batter": b["runs_batter"],
        "wides": b["wides"],
        "noballs": b["noballs"],
        "other": other,
        "wickets_fallen": b["wickets_fallen"],
        "credited": np.where(out, credited, 0),
        "non_striker_out": out & ~stays[1],
    }
    rows = np.column_stack([columns[name] for name in COLUMNS]).astype(np.int64)
    return rows[usable], b["phase"][usable].astype(np.int64)


def _credited(innings: Innings) -> tuple[np.ndarray, np.ndarray]:
    """Wickets of each ball that count for its bowler, as his next ball tells; and whether there is a next one."""
    b = innings.balls
    order = np.lexsort((np.arange(len(innings)), b["bowler"], b["innings_index"]))
    found, known = np.zeros(len(innings), np.int64), np.zeros(len(innings), bool)
    now, then = order[:-1], order[1:]
    same = (b["bowler"][now] == b["bowler"][then]) & (b["innings_index"][now] == b["innings_index"][then])
    found[now[same]] = (b["bowler_wickets"][then] - b["bowler_wickets"][now])[same]
    known[now[same]] = True
    return found, known
