"""Trained models beside one another: what was measured of each, how sure a difference is, and which is taken.

Belongs here: the tables of a measurement, sums over them, and the one rule by which all stages decide. Must not come
here: which models are compared (``stage_*``), pictures, running a model (``trials``). No torch.

The rule: the least log-loss on validation is best. A difference counts only where it is *resolved*: its interval leaves
out zero, also when corrected for being one of several (Holm), and it is not smaller than RESOLUTION, under which a
training of another seed or another half-year of matches says otherwise. Of those whose difference from the best is
unresolved, the simplest is taken: fewest parameters, then least log-loss.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from sport_assets.cricket import calibration, metrics
from sport_assets.cricket.calibration import CALIBRATION_FILE, Calibration
from sport_assets.cricket.phases import PHASES
from sport_assets.cricket.resampling import LEVEL, RESAMPLES, Difference, holm, interval, two_way

RESOLUTION = 0.002
"""Nats per ball: what some 180 to 340 matches can tell apart at best."""
LEAST_SEEDS = 5
"""Fewer trainings of each model show too little of how much seeds differ: nothing is concluded from them."""
BETTER, WORSE, UNRESOLVED = "better", "worse", "unresolved"
CELLS_FILE, DECISIONS_FILE, RULE_FILE = "losses.parquet", "decisions.parquet", "decision_rule.json"
PLACE = ["match_id", "innings", "phase"]
RULES = ("argmax", "tuned")


@dataclass(frozen=True)
class Rule:
    """What turns log odds into a forecast and into a decided class; fitted on validation balls alone."""

    calibration: Calibration
    power: float
    """Of ``metrics.decide``: the one with the best macro F1."""
    prior: np.ndarray
    """How often each class came [7]."""

    @classmethod
    def tuned(cls, odds: np.ndarray, outcome: np.ndarray) -> Rule:
        """The rule of log odds [N, 7] and outcomes [N] of validation balls."""
        fitted = calibration.fit(odds, outcome, "vector")
        prior = np.bincount(outcome, minlength=metrics.CLASSES) / len(outcome)
        return cls(fitted, metrics.tune_power(np.exp(fitted.apply(odds)), outcome, prior), prior)

    def save(self, folder: Path) -> None:
        """Write calibration.json and decision_rule.json."""
        self.calibration.save(folder / CALIBRATION_FILE)
        content = {"power": self.power, "prior": self.prior.tolist()}
        (folder / RULE_FILE).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Rule:
        """Read what ``save`` wrote."""
        content = json.loads((folder / RULE_FILE).read_text(encoding="utf-8"))
        return cls(Calibration.load(folder / CALIBRATION_FILE), content["power"], np.array(content["prior"]))


@dataclass(frozen=True)
class Measured:
    """A model on the balls of a side, summed as far as no report needs them apart."""

    losses: pl.DataFrame
    """A row for each PLACE that has balls, sorted: ``balls``, ``log_loss`` (their sum, nats)."""
    decisions: pl.DataFrame
    """``rule``, ``innings``, ``phase``, ``outcome``, ``decision`` (class numbers), ``balls``."""

    @classmethod
    def of(cls, rule: Rule, odds: np.ndarray, columns: Mapping[str, np.ndarray], match: np.ndarray) -> Measured:
        """From log odds [N, 7], the balls' arrays (outcome, phase, second_innings) and their match ids [N]."""
        outcome = columns["outcome"]
        probabilities = np.exp(rule.calibration.apply(odds))
        frame = pl.DataFrame(
            {
                "match_id": match.astype(str),
                "innings": columns["second_innings"].astype(np.int64) + 1,
                "phase": columns["phase"].astype(np.int64),
                "outcome": outcome.astype(np.int64),
                "log_loss": metrics.losses(probabilities, outcome),
                "argmax": metrics.decide(probabilities),
                "tuned": metrics.decide(probabilities, rule.power, rule.prior),
            }
        )
        losses = frame.group_by(PLACE).agg(balls=pl.len().cast(pl.Int64), log_loss=pl.col("log_loss").sum())
        by = ["innings", "phase", "outcome"]
        decisions = pl.concat(
            frame.group_by([*by, pl.col(name).cast(pl.Int64).alias("decision")])
            .agg(balls=pl.len().cast(pl.Int64))
            .select(pl.lit(name).alias("rule"), *by, "decision", "balls")
            for name in RULES
        )
        return cls(losses.sort(PLACE), decisions.sort("rule", *by, "decision"))

    def save(self, folder: Path) -> None:
        """Write losses.parquet and decisions.parquet."""
        self.losses.write_parquet(folder / CELLS_FILE)
        self.decisions.write_parquet(folder / DECISIONS_FILE)

    @classmethod
    def load(cls, folder: Path) -> Measured:
        """Read what ``save`` wrote."""
        return cls(pl.read_parquet(folder / CELLS_FILE), pl.read_parquet(folder / DECISIONS_FILE))

    def only(self, where: pl.Expr) -> Measured:
        """The part in some innings and phases."""
        return Measured(self.losses.filter(where), self.decisions.filter(where))

    @property
    def balls(self) -> int:
        """Scored balls."""
        return int(self.losses["balls"].sum())

    @property
    def log_loss(self) -> float:
        """Mean per ball, in nats."""
        return float(self.losses["log_loss"].sum()) / self.balls

    def f1(self, rule: str) -> dict[str, float]:
        """``macro_f1`` and ``weighted_f1`` of one of RULES."""
        rows = self.decisions.filter(pl.col("rule") == rule)
        decision, outcome = (
            np.repeat(rows[name].to_numpy(), rows["balls"].to_numpy()) for name in ("decision", "outcome")
        )
        return {"macro_f1": metrics.macro_f1(decision, outcome), "weighted_f1": metrics.weighted_f1(decision, outcome)}

    def figures(self) -> dict[str, float]:
        """Log-loss, and F1 by either rule."""
        tuned = {f"{name}_tuned": value for name, value in self.f1("tuned").items()}
        return {"log_loss": self.log_loss, **self.f1("argmax"), **tuned}


@dataclass(frozen=True)
class Candidate:
    """A model of one or several seeds, measured on the same balls."""

    name: str
    parameters: int
    seeds: tuple[Measured, ...]

    @property
    def log_loss(self) -> float:
        """Mean over the seeds."""
        return float(np.mean([each.log_loss for each in self.seeds]))

    def figures(self) -> dict[str, float]:
        """Means over the seeds."""
        each = [measured.figures() for measured in self.seeds]
        return {name: float(np.mean([found[name] for found in each])) for name in each[0]}

    def only(self, where: pl.Expr) -> Candidate:
        """The part in some innings and phases."""
        return Candidate(self.name, self.parameters, tuple(each.only(where) for each in self.seeds))


@dataclass(frozen=True)
class Compared:
    """A candidate's log-loss minus another's, per ball, and what may be said of it."""

    name: str
    other: str
    difference: Difference
    p_corrected: float
    """By Holm, among all that were compared at once."""

    @property
    def verdict(self) -> str:
        """``better`` (less log-loss than the other), ``worse``, or ``unresolved``."""
        found = self.difference
        if not found.resolved or self.p_corrected >= LEVEL or abs(found.value) < RESOLUTION:
            return UNRESOLVED
        return BETTER if found.value < 0 else WORSE

    def row(self) -> dict[str, Any]:
        """As tables and JSON have it."""
        return {
            "name": self.name,
            "other": self.other,
            **{("difference" if key == "value" else key): value for key, value in asdict(self.difference).items()},
            "p_corrected": self.p_corrected,
            "verdict": self.verdict,
        }


def compare(candidates: Sequence[Candidate], other: Candidate, *, resamples: int = RESAMPLES) -> list[Compared]:
    """Each candidate against ``other``, by a paired bootstrap over matches, and over seeds where both have several.

    Raises ValueError where two were measured on other balls.
    """
    found = {each.name: _difference(each, other, resamples) for each in candidates}
    corrected = holm({name: difference.p_value for name, difference in found.items()})
    return [Compared(name, other.name, difference, corrected[name]) for name, difference in found.items()]


@dataclass(frozen=True)
class Choice:
    """Which candidate is taken, and why."""

    chosen: Candidate
    best: Candidate
    compared: tuple[Compared, ...]
    """All others against the best."""

    @property
    def why(self) -> str:
        """In words."""
        ties = [each.name for each in self.compared if each.verdict == UNRESOLVED]
        said = f"`{self.best.name}` has the least log-loss on validation, {self.best.log_loss:.4f}"
        if not self.compared:
            return f"{said}; nothing else was tried."
        if not ties:
            return f"{said}, and every difference from it is resolved."
        named = ", ".join(f"`{name}`" for name in ties)
        if self.chosen.name == self.best.name:
            return f"{said}; its difference from {named} is unresolved, and none of these is simpler."
        return (
            f"{said}, but its difference from {named} is unresolved; of these `{self.chosen.name}` is taken "
            f"({self.chosen.parameters:,} parameters, log-loss {self.chosen.log_loss:.4f}): the simplest, for "
            "nothing shows that more would be better."
        )

    def content(self) -> dict[str, Any]:
        """For decision.json."""
        return {
            "chosen": self.chosen.name,
            "least_log_loss": self.best.name,
            "compared_with_least": [each.row() for each in self.compared],
            "why": self.why,
        }


def choose(candidates: Sequence[Candidate], *, resamples: int = RESAMPLES) -> Choice:
    """By the rule of this module. Raises ValueError for no candidate."""
    best = min(candidates, key=lambda each: (each.log_loss, each.parameters))
    compared = compare([each for each in candidates if each is not best], best, resamples=resamples)
    tied = {each.name for each in compared if each.verdict == UNRESOLVED} | {best.name}
    simplest = min((c for c in candidates if c.name in tied), key=lambda each: (each.parameters, each.log_loss))
    return Choice(simplest, best, tuple(compared))


def parts() -> dict[str, pl.Expr]:
    """Phases and innings by name, as conditions on the tables of a measurement."""
    found = {name: pl.col("phase") == number for number, name in enumerate(PHASES)}
    return found | {f"innings_{number}": pl.col("innings") == number for number in (1, 2)}


def table(candidates: Sequence[Candidate]) -> pl.DataFrame:
    """The sums behind a report: a row for each model, seed (by its place) and PLACE."""
    rows = [
        each.losses.select(pl.lit(one.name).alias("model"), pl.lit(number).alias("seed_number"), pl.all())
        for one in candidates
        for number, each in enumerate(one.seeds)
    ]
    return pl.concat(rows)


def from_table(sums: pl.DataFrame, name: str, parameters: int) -> Candidate:
    """A candidate of ``table`` again, without its decisions. Raises ValueError where it is not in it."""
    rows = sums.filter(pl.col("model") == name)
    if rows.is_empty():
        raise ValueError(f"no model {name!r} in the table of losses")
    empty = pl.DataFrame(schema=dict.fromkeys(("innings", "phase", "outcome", "decision", "balls"), pl.Int64))
    empty = empty.select(pl.lit("").alias("rule"), pl.all())
    seeds = rows.partition_by("seed_number", maintain_order=True, include_key=False)
    return Candidate(name, parameters, tuple(Measured(each.drop("model"), empty) for each in seeds))


def _difference(one: Candidate, other: Candidate, resamples: int) -> Difference:
    places = [each.losses.select(*PLACE, "balls") for each in (*one.seeds, *other.seeds)]
    if any(not place.equals(places[0]) for place in places):
        raise ValueError(f"{one.name} and {other.name} were not measured on the same balls")
    # bootstraps over matches know sums alone: as many balls of the mean of their place give the same sums
    balls = places[0]["balls"].to_numpy()
    match = np.repeat(places[0]["match_id"].rank("dense").to_numpy(), balls)
    ones, others = (
        np.stack([np.repeat(seed.losses["log_loss"].to_numpy() / balls, balls) for seed in each.seeds])
        for each in (one, other)
    )
    if min(len(ones), len(others)) > 1:
        return two_way(ones, others, match, resamples=resamples)
    return interval(ones.mean(0) - others.mean(0), match, resamples=resamples)
