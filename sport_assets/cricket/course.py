"""Who bats and bowls the next ball, and when an innings is over: the laws as far as a simulation keeps them.

Belongs here: rotation of the strike, new batters, overs and their bowlers, the end of an innings; for many innings at
once. Must not come here: counting (``innings_counts``), what a ball brings (``extras``).

* Batters change ends after an odd number of runs that were run, and after every over. Of wides and no-balls the first
  run is no run that was run. A new batter takes the place of who is out; who crossed meanwhile is not asked.
* New batters come in the order that is given. Nobody retires, and nobody comes back.
* A bowler bowls a fifth of the overs at most, rounded up, and never two overs in a row. Among those who may, one is
  drawn by his weight in the phase times the overs that he has left. Where nobody may, the fifth is forgotten.
* An innings is over after its last legal ball, at ten wickets, when no batter is left, or when the target is reached.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil

import numpy as np

from sport_assets.cricket.innings_counts import Counts
from sport_assets.cricket.phases import BALLS_PER_OVER, FULL_OVERS, phase

ALL_OUT = 10
PENALTY_RUNS = 5
_OF_EACH = (
    "over", "ball_in_over", "striker", "non_striker", "bowler", "undrawn", "next_in", "bowled", "targets", "deserted",
    "finished",
)  # fmt: skip
"""What a course holds of each innings."""


@dataclass(frozen=True)
class Attack:
    """Those who may bowl, by number: their weights [phases, bowlers], all positive, and the overs each may bowl."""

    weights: np.ndarray
    most_overs: int

    @classmethod
    def of(cls, weights: np.ndarray, overs_limit: int) -> Attack:
        """With the law's fifth of the overs."""
        return cls(weights, cls.most_of(overs_limit))

    @staticmethod
    def most_of(overs_limit: int) -> int:
        """The overs that one may bowl: a fifth of an innings', rounded up."""
        return ceil(overs_limit / 5)

    def draw(self, phases: np.ndarray, last: np.ndarray, bowled: np.ndarray, uniform: np.ndarray) -> np.ndarray:
        """Bowlers [S] of the next over. phases, last bowlers (-1: none) and numbers in [0, 1) [S]; bowled [S, NB]."""
        others = np.arange(bowled.shape[1]) != last[:, None]
        left = np.maximum(self.most_overs - bowled, 0)
        weights = self.weights[phases] * others
        wanted = np.where((weights * left).sum(1, keepdims=True) > 0, weights * left, weights)
        wanted = np.where(wanted.sum(1, keepdims=True) > 0, wanted, 1.0)  # a single bowler
        after = np.cumsum(wanted, 1)
        place = (after <= (uniform * after[:, -1])[:, None]).sum(1)
        return np.minimum(place, bowled.shape[1] - 1)


def phases_of(overs_limit: int, first_phase: int) -> np.ndarray:
    """Phase of every over from 0 [FULL_OVERS], in an innings in which ``first_phase`` has begun: none ends again."""
    return np.array([max(phase(over, overs_limit), first_phase) for over in range(FULL_OVERS)])


class Course:
    """The next ball of S innings: where it is, who plays it, and whether it is played at all."""

    def __init__(self, counts: Counts, attack: Attack, first_phase: int, targets: np.ndarray) -> None:
        self.counts, self.attack = counts, attack
        size, bowlers = counts.size, attack.weights.shape[1]
        self.phase_of = phases_of(counts.overs_limit, first_phase)
        self.over, self.ball_in_over = np.zeros(size, np.int64), np.zeros(size, np.int64)
        self.striker, self.non_striker = np.zeros(size, np.int64), np.ones(size, np.int64)
        self.bowler = np.full(size, -1)
        """Who bowls, or bowled the over before where the next one's bowler is still to be drawn; -1: nobody yet."""
        self.undrawn = np.ones(size, bool)
        """Whether an over begins whose bowler is not known."""
        self.next_in = np.full(size, 2)
        self.bowled = np.zeros((size, bowlers), np.int64)
        """Overs that each has begun."""
        self.targets = targets
        """Runs to win [S]; 0 in a first innings."""
        self.deserted = np.zeros(size, bool)
        """Whether a batter is out in whose place nobody can come."""
        self.finished = np.zeros(size, bool)

    def place(
        self,
        over: int,
        ball_in_over: int,
        persons: tuple[int, int, int | None],
        arrived: int,
        *,
        deserted: bool = False,
    ) -> None:
        """Say of all innings where and who, as it was played.

        persons: striker, the batter at the other end, and the bowler, None where he of a new over is to be drawn.
        arrived: batters who have come in, these two included.
        """
        striker, non_striker, bowler = persons
        self.undrawn[:] = bowler is None
        if bowler is not None:
            if ball_in_over == 0 or self.bowler[0] != bowler:
                self.bowled[:, bowler] += 1
            self.bowler[:] = bowler
        self.over[:], self.ball_in_over[:] = over, ball_in_over
        self.striker[:], self.non_striker[:], self.next_in[:] = striker, non_striker, arrived
        self.deserted[:] = deserted
        self._end()

    def face(self) -> None:
        """Tell the counts of the next ball."""
        over = np.minimum(self.over, FULL_OVERS - 1)  # of innings that are over
        self.counts.face(
            over, self.ball_in_over, self.phase_of[over], self.striker, self.non_striker, np.maximum(self.bowler, 0)
        )

    def after(self, kind: Mapping[str, np.ndarray], uniform: np.ndarray | None) -> None:
        """The course after a ball that was counted. uniform [S] draws the bowlers of overs; None: none are drawn."""
        out = kind["wickets_fallen"] > 0
        away = kind["non_striker_out"] > 0
        newcomer = np.minimum(self.next_in, self.counts.batters - 1)
        self.deserted = self.deserted | (out & (self.next_in >= self.counts.batters))
        self.striker = np.where(out & ~away, newcomer, self.striker)
        self.non_striker = np.where(out & away, newcomer, self.non_striker)
        self.next_in = self.next_in + out
        over_done = self.counts.now["over_legal_balls"] >= BALLS_PER_OVER
        swap = (runs_run(kind) % 2 == 1) ^ over_done
        self.striker, self.non_striker = (
            np.where(swap, self.non_striker, self.striker),
            np.where(swap, self.striker, self.non_striker),
        )
        self.over = self.over + over_done
        self.ball_in_over = np.where(over_done, 0, self.ball_in_over + 1)
        self.undrawn = self.undrawn | over_done
        self._end()
        if uniform is not None:
            self.next_bowler(uniform)

    def next_bowler(self, uniform: np.ndarray) -> None:
        """Draw the bowler, by numbers in [0, 1) [S], where an over begins and he is not known."""
        wanted = self.undrawn
        if not wanted.any():
            return
        over = np.minimum(self.over, FULL_OVERS - 1)
        drawn = self.attack.draw(self.phase_of[over], self.bowler, self.bowled, uniform)
        self.bowler = np.where(wanted, drawn, self.bowler)
        self.bowled[np.flatnonzero(wanted), drawn[wanted]] += 1
        self.undrawn = np.zeros_like(wanted)

    def take(self, chosen: np.ndarray) -> None:
        """Go on with some innings alone, in the order of their numbers [S'], and so do their counts."""
        for name in _OF_EACH:
            setattr(self, name, getattr(self, name)[chosen])
        self.counts.take(chosen)

    def _end(self) -> None:
        now = self.counts.now
        self.finished = (
            (now["legal_balls"] >= self.counts.overs_limit * BALLS_PER_OVER)
            | (now["wickets"] >= ALL_OUT)
            | ((self.targets > 0) & (now["runs"] >= self.targets))
            | self.deserted
        )


def runs_run(kind: Mapping[str, np.ndarray]) -> np.ndarray:
    """Runs for which the batters changed ends [S]: those of wides and no-balls but the first; no penalty runs."""
    beyond = [np.maximum(kind[name] - 1, 0) for name in ("wides", "noballs")]
    other = np.where(kind["other"] == PENALTY_RUNS, 0, kind["other"])
    found: np.ndarray = kind["runs_batter"] + other + beyond[0] + beyond[1]
    return found
