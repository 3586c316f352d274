"""What is forecast of a ball: its outcome in seven classes, by a stated rule.

Belongs here: the classes and the rules that give each delivery one, or none. Must not come here: what is known before
the ball (``phases``).
"""

from __future__ import annotations

from typing import Literal

import polars as pl

OUTCOMES = ("dot", "single", "two", "three", "four", "six", "wicket")
"""The classes, in the order of their numbers."""
WICKET = OUTCOMES.index("wicket")
NOT_OUT_KINDS = ("retired hurt", "retired not out")
"""Entries among a delivery's wickets that are no dismissal."""

LabelRule = Literal["batter", "without_wides", "legal"]
DEFAULT_RULE: LabelRule = "batter"
LABEL_RULES: dict[str, str] = {
    "batter": "the batter's outcome on every delivery: an entry among its wickets other than retired hurt or retired "
    "not out is a wicket, else runs off the bat, 5 as four and 7 as six; wides, byes and leg byes are dots",
    "without_wides": "as batter, and wides have no outcome",
    "legal": "as batter, and wides and no-balls have no outcome",
}
"""The rules, by name: what each does."""


def outcome(rule: str = "batter") -> pl.Expr:
    """Class number of a delivery, Int8, from the columns of the table of deliveries; null where the rule gives none.

    Raises ``ValueError`` for a rule that is not known.
    """
    if rule not in LABEL_RULES:
        raise ValueError(f"label_rule={rule!r}: choose one of {', '.join(LABEL_RULES)}")
    runs = pl.col("runs_batter")
    by_runs = (
        pl.when(runs <= 3).then(runs).when(runs <= 5).then(OUTCOMES.index("four")).otherwise(OUTCOMES.index("six"))
    )
    label = pl.when(_dismissal("wicket_kind") | _dismissal("wicket_kind2")).then(WICKET).otherwise(by_runs)
    apart = {"batter": [], "without_wides": ["wides"], "legal": ["wides", "noballs"]}[rule]
    for extra in apart:
        label = pl.when(pl.col(extra) > 0).then(None).otherwise(label)
    return label.cast(pl.Int8).alias("outcome")


def _dismissal(column: str) -> pl.Expr:
    return (pl.col(column).is_not_null() & ~pl.col(column).is_in(NOT_OUT_KINDS)).fill_null(False)
