"""What a ball brings: drawn from who bats and bowls, the phase, wickets, the ground and the chase.

Belongs here: one innings, ball by ball. Must not come here: the match around it (`match`), files (`sample`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sport_assets.cricket.synthetic.league import BOWLERS, Player

# dot, single, two, three, four, six, wicket off a fair ball, for each fifth of an innings
_BASE = np.log(
    np.array(
        [
            [0.47, 0.29, 0.05, 0.008, 0.12, 0.03, 0.045],
            [0.37, 0.44, 0.07, 0.006, 0.06, 0.03, 0.05],
            [0.34, 0.44, 0.08, 0.006, 0.07, 0.04, 0.06],
            [0.30, 0.41, 0.09, 0.005, 0.09, 0.06, 0.12],
            [0.26, 0.38, 0.10, 0.005, 0.10, 0.075, 0.12],
        ]
    )
)
_RUNS = (0, 1, 2, 3, 4, 6, 0)
_WICKET = 6
_KINDS = ("caught", "bowled", "lbw", "run out", "caught and bowled", "stumped", "hit wicket")
_KIND_SHARES = (0.62, 0.16, 0.08, 0.07, 0.03, 0.03, 0.01)


@dataclass
class Innings:
    """An innings in play: who bats, who bowls, how long it may last, what it chases, and what happens on purpose.

    ``events``: by (over, ball in over), what a delivery must bring besides; see `match`.
    """

    batting: Sequence[Player]
    bowling: Sequence[Player]
    overs: int
    ground: float
    target: int | None = None
    tie: bool = False
    stop_after: int | None = None
    """Legal balls after which rain ends it."""
    most_wickets: int = 10
    events: dict[tuple[int, int], str] = field(default_factory=dict)
    runs: int = 0
    wickets: int = 0
    legal: int = 0
    over_list: list[dict[str, Any]] = field(default_factory=list)

    def play(self, rng: np.random.Generator) -> None:
        """Play it to its end."""
        ends, left = [self.batting[0], self.batting[1]], list(self.batting[2:])
        faced: dict[str, int] = {}
        for over in range(self.overs):
            bowler = self.bowling[(over * 2 + over // BOWLERS) % BOWLERS] if self.overs > 1 else self.bowling[0]
            deliveries: list[dict[str, Any]] = []
            self.over_list.append({"over": over, "deliveries": deliveries})
            legal = 0
            allowed = 5 if self.events.get((over, 0)) == "miscounted" else 6
            while legal < allowed:
                event = self.events.get((over, len(deliveries)), "")
                delivery, fair, out = self._ball(rng, ends, bowler, over, faced, event)
                deliveries.append(delivery)
                legal += fair
                self.legal += fair
                crossed = delivery["runs"]["batter"] + sum(
                    delivery.get("extras", {}).get(name, 0) for name in ("byes", "legbyes")
                )
                if crossed % 2:
                    ends.reverse()
                for player in out:
                    if not left:
                        return
                    ends[ends.index(player)] = left.pop(0)
                if self._over():
                    return
            ends.reverse()

    def _over(self) -> bool:
        done = self.wickets >= self.most_wickets or (self.stop_after is not None and self.legal >= self.stop_after)
        return done or (self.target is not None and self.runs >= self.target)

    def _ball(
        self,
        rng: np.random.Generator,
        ends: Sequence[Player],
        bowler: Player,
        over: int,
        faced: dict[str, int],
        event: str,
    ) -> tuple[dict[str, Any], bool, list[Player]]:
        """The delivery, whether it counts as one of the over, and who leaves."""
        striker, partner = ends
        extras: dict[str, int] = {}
        draw = rng.random()
        outcome = int(rng.choice(7, p=self._chances(striker, bowler, over, faced.get(striker.id, 0))))
        bat = 0
        if draw < 0.035 and not event:
            extras["wides"] = 1 if rng.random() < 0.9 else 5
            outcome = 0
        elif draw < 0.039 and not event:
            extras["noballs"] = 1
            outcome = 0 if outcome == _WICKET else outcome
        elif draw < 0.06 and not event and outcome < 3:
            extras["legbyes" if draw < 0.055 else "byes"] = max(outcome, 1)
            outcome = 0
        if event:
            outcome = 0
        bat = {"five": 5, "seven": 7, "four run": 4}.get(event, _RUNS[outcome])
        if event == "penalty":
            extras["penalty"] = 5
        if self.tie and self.target is not None:
            bat = min(bat, max(self.target - 1 - self.runs - sum(extras.values()), 0))
            if self.runs + sum(extras.values()) >= self.target:
                extras = {}
        total = bat + sum(extras.values())
        delivery: dict[str, Any] = {"batter": striker.name, "bowler": bowler.name}
        if extras:
            delivery["extras"] = extras
        delivery |= {"non_striker": partner.name, "runs": {"batter": bat, "extras": total - bat, "total": total}}
        if event == "four run":
            delivery["runs"]["non_boundary"] = True
        fair = not extras.keys() & {"wides", "noballs"}
        faced[striker.id] = faced.get(striker.id, 0) + int("wides" not in extras)
        out: list[Player] = []
        if event == "retired hurt":
            delivery["wickets"] = [{"kind": "retired hurt", "player_out": striker.name}]
            out = [striker]
        elif outcome == _WICKET or event == "two wickets":
            kind = str(rng.choice(_KINDS, p=_KIND_SHARES))
            out = [partner if kind == "run out" and rng.random() < 0.4 else striker]
            delivery["wickets"] = [{"player_out": out[0].name, "kind": kind}]
            self.wickets += 1
            if event == "two wickets":
                other = partner if out[0] is striker else striker
                delivery["wickets"].append({"player_out": other.name, "kind": "retired hurt"})
                out.append(other)
        self.runs += total
        return delivery, fair, out

    def _chances(self, striker: Player, bowler: Player, over: int, faced: int) -> np.ndarray:
        """How likely each outcome of a fair ball is."""
        logits = _BASE[min(over * 5 // max(self.overs, 1), 4)].copy()
        settled = min(faced, 20) / 20
        attack = striker.power + 0.3 * settled + self.ground
        if self.target is not None:
            wanted = 6 * (self.target - self.runs) / max(6 * self.overs - self.legal, 1)
            attack += 0.06 * float(np.clip(wanted - 8, -4, 8))
        caution = 0.05 * self.wickets
        logits[0] += bowler.economy - 0.3 * striker.skill
        logits[4] += attack + 0.3 * striker.skill - bowler.economy - caution
        logits[5] += 1.3 * attack - bowler.economy - 2 * caution
        logits[_WICKET] += bowler.strike + 0.4 * attack - 0.6 * striker.skill - 0.4 * settled
        chances = np.exp(logits - logits.max())
        return np.asarray(chances / chances.sum())
