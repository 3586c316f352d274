"""The state before the next ball of many innings at once, counted on from ball to ball.

Belongs here: the counts of ``innings.BEFORE`` as they grow, one ball for all innings at a time; equal to
``innings_state``, which counts whole tables of what was played. Must not come here: who bats and bowls next
(``course``), features, probabilities.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

import numpy as np

from sport_assets.cricket.innings import BEFORE, NO_OUTCOME, PLACE
from sport_assets.cricket.innings_state import BOUNDARY_RUNS
from sport_assets.cricket.nodes import LAST_BALLS

Columns = dict[str, np.ndarray]

_PLAIN = (
    *("over", "ball_in_over", "phase", "target", "legal_balls", "runs", "wickets"),
    *("over_legal_balls", "over_runs", "over_wickets", "free_hit", "striker", "non_striker", "bowler"),
    *("partnership_runs", "partnership_balls", "dots_in_a_row", "balls_since_boundary", "balls_since_wicket"),
    *("previous_outcome", "previous_wide", "pair"),
)
_OF_BATTER = ("runs", "balls", "dots", "boundaries", "position")
_OF_BOWLER = ("balls", "runs", "wickets", "dots", "deliveries", "boundaries", "position")
_SUMMED = ("runs", "wickets", "dots", "boundaries")


class Counts:
    """S innings of one match at the same ball. Batters and bowlers are numbers within the innings, from 0."""

    def __init__(self, size: int, batters: int, bowlers: int, *, overs_limit: int, second: bool) -> None:
        self.size, self.batters = size, batters
        self.overs_limit, self.second = overs_limit, second
        self.now: Columns = {name: np.zeros(size, np.int64) for name in _PLAIN}
        for name in ("striker", "non_striker", "bowler", "previous_outcome", "pair"):
            self.now[name][:] = NO_OUTCOME
        self.batter = {name: np.zeros((size, batters), np.int64) for name in _OF_BATTER}
        self.of_bowler = {name: np.zeros((size, bowlers), np.int64) for name in _OF_BOWLER}
        self.sums: deque[np.ndarray] = deque([np.zeros((len(_SUMMED), size), np.int64)], maxlen=max(LAST_BALLS) + 1)
        """Sums of _SUMMED [4, S] before each of the last balls; the last is of now."""

    def face(
        self,
        over: np.ndarray,
        ball_in_over: np.ndarray,
        phase: np.ndarray,
        striker: np.ndarray,
        non_striker: np.ndarray,
        bowler: np.ndarray,
    ) -> None:
        """Say of the next ball where it is and who plays it, each [S]."""
        now, every = self.now, np.arange(self.size)
        new_over = over != now["over"]
        for name in ("over_legal_balls", "over_runs", "over_wickets"):
            now[name] = np.where(new_over, 0, now[name])
        pair = np.minimum(striker, non_striker) * self.batters + np.maximum(striker, non_striker)
        for name in ("partnership_runs", "partnership_balls"):
            now[name] = np.where(pair != now["pair"], 0, now[name])
        now |= {
            "over": over,
            "ball_in_over": ball_in_over,
            "phase": phase,
            "striker": striker,
            "non_striker": non_striker,
            "bowler": bowler,
            "pair": pair,
        }
        for table, player in (
            (self.batter["position"], striker),
            (self.batter["position"], non_striker),
            (self.of_bowler["position"], bowler),
        ):
            arrived = table[every, player] == 0
            table[every[arrived], player[arrived]] = table[arrived].max(1) + 1

    def before(self) -> Columns:
        """The columns ``innings.PLACE`` and ``innings.BEFORE`` of the next ball [S]; teams and ground are 0."""
        now, every = self.now, np.arange(self.size)
        found = {name: np.zeros(self.size, np.int64) for name in PLACE}
        found["second_innings"][:] = self.second
        found |= {name: now[name] for name in BEFORE if name in now}
        found["overs_limit"] = np.full(self.size, self.overs_limit)
        for end in ("striker", "non_striker"):
            found |= {f"{end}_{name}": table[every, now[end]] for name, table in self.batter.items()}
        found |= {f"bowler_{name}": table[every, now["bowler"]] for name, table in self.of_bowler.items()}
        for place, name in enumerate(_SUMMED):
            for balls in LAST_BALLS:
                earlier = self.sums[max(len(self.sums) - 1 - balls, 0)]
                found[f"{name}_last_{balls}"] = self.sums[-1][place] - earlier[place]
        return found

    def advance(self, kind: Mapping[str, np.ndarray]) -> Columns:
        """Count the ball, whose kind is told by ``extras.COLUMNS`` [S]; the columns ``innings.AFTER`` of it."""
        now, every = self.now, np.arange(self.size)
        off_bat, wides, noballs, out = (kind[n] for n in ("runs_batter", "wides", "noballs", "wickets_fallen"))
        total = off_bat + wides + noballs + kind["other"]
        legal = ((wides == 0) & (noballs == 0)).astype(np.int64)
        faced = (wides == 0).astype(np.int64)
        boundary = (off_bat >= BOUNDARY_RUNS).astype(np.int64)
        dot = (total == 0).astype(np.int64)
        striker, bowler = now["striker"], now["bowler"]
        of_striker = {"runs": off_bat, "balls": faced, "dots": faced * (off_bat == 0), "boundaries": boundary}
        of_bowler = {"balls": legal, "runs": off_bat + wides + noballs, "wickets": kind["credited"], "dots": dot}
        of_bowler |= {"deliveries": np.ones_like(dot), "boundaries": boundary}
        for name, added in of_striker.items():
            self.batter[name][every, striker] += added
        for name, added in of_bowler.items():
            self.of_bowler[name][every, bowler] += added
        for name, added in (
            *(("legal_balls", legal), ("runs", total), ("wickets", out)),
            *(("over_legal_balls", legal), ("over_runs", total), ("over_wickets", out)),
            *(("partnership_runs", total), ("partnership_balls", legal)),
        ):
            now[name] = now[name] + added
        for name, happened in (("dots_in_a_row", 1 - dot), ("balls_since_boundary", boundary)):
            now[name] = np.where(happened, 0, now[name] + 1)
        now["balls_since_wicket"] = np.where(out > 0, 0, now["balls_since_wicket"] + 1)
        now["free_hit"] = np.where(legal, 0, now["free_hit"] | (noballs > 0))
        now["previous_outcome"] = kind["outcome"]
        now["previous_wide"] = (wides > 0).astype(np.int64)
        self.sums.append(self.sums[-1] + np.stack([total, out, dot, boundary]))
        return {
            "outcome": kind["outcome"],
            "runs_total": total,
            "runs_batter": off_bat,
            "is_legal": legal,
            "wides": wides,
            "noballs": noballs,
            "wickets_fallen": out,
        }

    def take(self, chosen: np.ndarray) -> None:
        """Go on with some innings alone, in the order of their numbers [S']; one may be taken many times."""
        self.size = len(chosen)
        self.now, self.batter, self.of_bowler = (
            {name: values[chosen] for name, values in table.items()}
            for table in (self.now, self.batter, self.of_bowler)
        )
        self.sums = deque((each[:, chosen] for each in self.sums), maxlen=self.sums.maxlen)
