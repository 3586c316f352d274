"""Deliveries that were bowled, by the columns of ``extras``: what a simulation counts on from.

Belongs here: from a table of deliveries to their kinds. Must not come here: how often each kind comes (``extras``).
"""

from __future__ import annotations

import numpy as np
import polars as pl

from sport_assets.cricket.extras import COLUMNS
from sport_assets.cricket.innings import NO_OUTCOME
from sport_assets.cricket.innings_state import BOWLERS_WICKETS
from sport_assets.cricket.labels import NOT_OUT_KINDS

_KINDS = ("wicket_kind", "wicket_kind2")


def kinds_of(deliveries: pl.DataFrame) -> dict[str, np.ndarray]:
    """Columns of ``extras.COLUMNS``, int64 [N], of deliveries with their outcomes."""

    def count(wanted: pl.Expr) -> pl.Expr:
        return wanted.fill_null(False).cast(pl.Int64)

    out = [count(pl.col(kind).is_not_null() & ~pl.col(kind).is_in(NOT_OUT_KINDS)) for kind in _KINDS]
    credited = [count(pl.col(kind).is_in(BOWLERS_WICKETS)) for kind in _KINDS]
    rows = deliveries.select(
        "runs_batter",
        "wides",
        "noballs",
        outcome=pl.col("outcome").fill_null(NO_OUTCOME).cast(pl.Int64),
        other=pl.col("byes") + pl.col("legbyes") + pl.col("penalty"),
        wickets_fallen=pl.sum_horizontal(out),
        credited=pl.sum_horizontal(credited),
        non_striker_out=count(pl.col("player_out") == pl.col("non_striker")),
    )
    return {name: rows[name].to_numpy().astype(np.int64) for name in COLUMNS}
