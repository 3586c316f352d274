"""How often each outcome came before: rates of batters, bowlers, pairs, teams and grounds from earlier dates alone.

Belongs here: the rates and how they are smoothed, for any situations, over any balls of the past. Must not come here:
the state within an innings (``innings_state``), files and checks of the asset (``player_history``).

A rate is told as a *lift*: the logarithm of how much more often than expected an outcome came. What is expected comes
from the parent, so that whoever is unknown has a lift of zero:

    all balls > over > over, innings and wickets       (the base rate)
    base > batting team > batter > batter in a phase
    base > bowling team > bowler > bowler in a phase
    base x both teams x batter x bowler > this batter against this bowler
    base > ground

Balls count less the older they are. A match of the same date is not seen, for nobody knows which was first.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from sport_assets.cricket.innings import NO_OUTCOME, Innings
from sport_assets.cricket.labels import OUTCOMES
from sport_assets.cricket.nodes import HISTORY_FEATURES

CLASSES = len(OUTCOMES)
HALF_LIFE_DAYS = 1200.0
"""Age at which a ball counts half."""
STRENGTH: Mapping[str, float] = {
    "all": 7.0,
    "over": 300.0,
    "cell": 300.0,
    "batting_team": 300.0,
    "bowling_team": 300.0,
    "venue": 400.0,
    "batter": 100.0,
    "bowler": 100.0,
    "batter_phase": 100.0,
    "bowler_phase": 100.0,
    "matchup": 100.0,
}
"""How many balls of the parent's rate each rate starts with."""
EXTRA_EVENTS = 3.0
"""Further events, of each outcome alike, that a lift starts with: what is rare says little of anybody."""
KNOWN_SCALE = 7.0
"""``…_known`` is log(1 + balls) divided by this."""

NUMBERS = ("day", "second_innings", "over", "wickets", "phase")
NAMES: Mapping[str, str] = {
    "striker": "players", "non_striker": "players", "bowler": "players",
    "batting_team": "teams", "bowling_team": "teams", "venue": "venues",
}  # fmt: skip
_DAYS = 1 << 16
_MOST = 1 << 20
_REFERENCE_DAY = 12_000


@dataclass(frozen=True)
class Situations:
    """Balls, as far as history looks at them: a table of NUMBERS, NAMES (as texts) and ``outcome``.

    ``outcome`` is -1 where it is not known yet: such balls add nothing to any rate.
    """

    rows: pl.DataFrame

    @classmethod
    def of(cls, innings: Innings) -> Situations:
        """Those of all balls of some innings."""
        columns = {name: pl.Series(innings.balls[name], dtype=pl.Int32) for name in (*NUMBERS, "outcome")}
        texts = {
            name: pl.Series(innings.balls[name], dtype=pl.UInt32).replace_strict(
                list(range(len(getattr(innings, kind)))), list(getattr(innings, kind)), return_dtype=pl.Categorical
            )
            if len(innings)
            else pl.Series(dtype=pl.Categorical)
            for name, kind in NAMES.items()
        }
        return cls(pl.DataFrame({**columns, **texts}))

    @classmethod
    def from_bytes(cls, data: bytes) -> Situations:
        """Read what ``to_bytes`` gave."""
        return cls(pl.read_parquet(io.BytesIO(data)))

    def to_bytes(self) -> bytes:
        """As a Parquet file: what an exported model ships. The same situations give the same bytes."""
        buffer = io.BytesIO()
        self.rows.write_parquet(buffer, compression_level=12)
        return buffer.getvalue()

    def before(self, day: int) -> Situations:
        """Those of earlier dates."""
        return Situations(self.rows.filter(pl.col("day") < day))

    def __len__(self) -> int:
        return len(self.rows)


def rates(past: Situations, asked: Situations | None = None) -> np.ndarray:
    """HISTORY_FEATURES of each situation asked about (by default: of the past ones themselves), float32 [N, F].

    Each is told from the balls of ``past`` of earlier dates alone. Outcomes of ``asked`` are not looked at.
    """
    rows = past.rows
    if asked is not None:
        own = asked.rows.with_columns(outcome=pl.lit(NO_OUTCOME, dtype=pl.Int32))
        text = dict.fromkeys(NAMES, pl.String)
        rows = pl.concat([rows.cast(text), own.select(rows.columns).cast(text)])  # type: ignore[arg-type]
    chain = _Chain(_numbered(rows), 0 if asked is None else len(past))
    return chain.features()


def balls_known(features: np.ndarray, kind: str = "batter") -> np.ndarray:
    """How many balls history holds of each ball's ``kind`` [N], aged, from HISTORY_FEATURES [N, F]."""
    return np.expm1(features[:, HISTORY_FEATURES.index(f"{kind}_known")].astype(np.float64) * KNOWN_SCALE)


class _Chain:
    """All situations at once; ``first``: the row from which on features are wanted."""

    def __init__(self, columns: dict[str, np.ndarray], first: int) -> None:
        self.columns = columns
        self.first = first
        self.day = columns["day"].astype(np.int64)
        outcome = columns["outcome"]
        self.counted = outcome >= 0
        self.observed = np.zeros((len(outcome), CLASSES))
        self.observed[self.counted, outcome[self.counted]] = 1.0

    def features(self) -> np.ndarray:
        found: dict[str, np.ndarray] = {}
        base = self._base()
        found["base"] = self._wanted(np.log(base))
        column = self.columns
        phase = column["phase"].astype(np.int64)

        def lift(kind: str, key: np.ndarray, expected: np.ndarray) -> np.ndarray:
            """Expected rates under what is known of the key; its lifts are kept for the features."""
            sums = self._earlier(key, np.hstack([self.observed, expected * self.counted[:, None]]))
            told, values = self._lifts(kind, sums, expected)
            found[kind] = self._wanted(told)
            return _normalised(expected * np.exp(values))

        with_batting = lift("batting_team", column["batting_team"], base)
        with_bowling = lift("bowling_team", column["bowling_team"], base)
        lift("venue", column["venue"], base)
        with_batter = self._batters(found, with_batting)
        with_bowler = lift("bowler", column["bowler"], with_bowling)
        lift("batter_phase", _pair(column["striker"], phase), with_batter)
        lift("bowler_phase", _pair(column["bowler"], phase), with_bowler)
        lift("matchup", _pair(column["striker"], column["bowler"]), _normalised(with_batter * with_bowler / base))
        features = np.hstack(_ordered(found))
        assert features.shape[1] == len(HISTORY_FEATURES)
        return features

    def _wanted(self, values: np.ndarray) -> np.ndarray:
        """Of the rows that were asked about; kept no longer than that, for the past is large."""
        return values[self.first :].astype(np.float32)

    def _base(self) -> np.ndarray:
        over, second = self.columns["over"].astype(np.int64), self.columns["second_innings"].astype(np.int64)
        cell = (over * 2 + second) * 16 + self.columns["wickets"]
        rate = np.full((1, CLASSES), 1.0 / CLASSES)
        for kind, key in (("all", np.zeros_like(over)), ("over", over), ("cell", cell)):
            sums = self._earlier(key, self.observed)
            rate = (sums + STRENGTH[kind] * rate) / (sums.sum(1, keepdims=True) + STRENGTH[kind])
        return rate

    def _batters(self, found: dict[str, np.ndarray], expected: np.ndarray) -> np.ndarray:
        """Rates of the striker, and of the batter at the other end as if he were on strike."""
        balls = len(expected)
        values = np.hstack([self.observed, expected * self.counted[:, None]])
        keys = np.concatenate([self.columns["striker"], self.columns["non_striker"]])
        sums = self._earlier(keys, values)
        told, lifts = self._lifts("batter", sums[:balls], expected)
        found["batter"] = self._wanted(told)
        found["non_striker"] = self._wanted(self._lifts("batter", sums[balls:], expected)[0])
        return _normalised(expected * np.exp(lifts))

    def _lifts(self, kind: str, sums: np.ndarray, expected: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(features, lifts) from sums of what was observed and expected."""
        start = STRENGTH[kind] * expected + EXTRA_EVENTS
        lifts = np.log((sums[:, :CLASSES] + start) / (sums[:, CLASSES:] + start))
        known = np.log1p(sums[:, :CLASSES].sum(1, keepdims=True)) / KNOWN_SCALE
        return np.hstack([lifts, known]), lifts

    def _earlier(self, keys: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Sum of ``values`` [N, C] over the rows of earlier dates with the same key, aged to the row's date.

        There may be more keys than values (twice as many, of the same days): the further ones add nothing.
        """
        days = np.concatenate([self.day] * (len(keys) // max(len(self.day), 1))) if len(self.day) else self.day
        places, inverse = np.unique(keys.astype(np.int64) * _DAYS + days, return_inverse=True)
        own = inverse[: len(values)]
        weight = np.exp2((places % _DAYS - _REFERENCE_DAY) / HALF_LIFE_DAYS)
        earlier = np.empty((len(places), values.shape[1]))
        first = np.searchsorted(places, places // _DAYS * _DAYS)
        for number in range(values.shape[1]):
            added = np.bincount(own, values[:, number], len(places)) * weight
            total = np.concatenate([[0.0], np.cumsum(added)])
            earlier[:, number] = np.maximum(total[:-1] - total[first], 0.0) / weight
        return earlier[inverse]


def _ordered(found: dict[str, np.ndarray]) -> list[np.ndarray]:
    """In the order of HISTORY_FEATURES."""
    kinds = dict.fromkeys(name.rsplit("_lift_", 1)[0] for name in HISTORY_FEATURES if "_lift_" in name)
    return [found["base"], *(found[kind] for kind in kinds)]


def _numbered(rows: pl.DataFrame) -> dict[str, np.ndarray]:
    """Columns as numbers; players, teams and grounds each counted through."""
    columns = {name: rows[name].to_numpy() for name in (*NUMBERS, "outcome")}
    for kind in ("players", "teams", "venues"):
        names = [name for name, of in NAMES.items() if of == kind]
        codes = pl.concat([rows[name].cast(pl.String) for name in names]).cast(pl.Categorical).to_physical()
        dense = codes.rank("dense").cast(pl.Int64).to_numpy() - 1
        if len(dense) and dense.max() >= _MOST:
            raise ValueError(f"{dense.max() + 1} {kind}: more than history can tell apart ({_MOST})")
        for number, name in enumerate(names):
            columns[name] = dense[number * len(rows) : (number + 1) * len(rows)]
    return columns


def _pair(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return one.astype(np.int64) * _MOST + other


def _normalised(values: np.ndarray) -> np.ndarray:
    return values / values.sum(1, keepdims=True)
