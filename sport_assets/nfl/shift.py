"""Whether a week's plays are distributed like those of the other weeks.

Belongs here: a week's summary (counts per bin of some quantities of its plays) and the comparison of
summaries. Does not belong here: rules that a row or play breaks by itself (``schemas``, ``findings``).

The measure is the population stability index (PSI): the sum over bins of (p - q) ln(p / q), p being the
week's share of a bin and q that of all other weeks together; 0.1 is commonly called a small, 0.25 a large
shift. One value per play is counted, since rows of a play are not independent. A small week differs by chance
alone: for equal distributions PSI is about chi-squared with (bins - 1) degrees of freedom times (1/n + 1/m).
So a quantity has shifted when its PSI exceeds 0.25 plus the value that chance would exceed in one of a
thousand comparisons.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from sport_assets.lineage.checks import SAMPLE_ROWS, CheckResult

CHECK_NAME = "distribution_shift"
DESCRIPTION = "The week's plays are distributed like those of the other weeks (population stability index)."
LARGE_SHIFT = 0.25
NORMAL_QUANTILE_999 = 3.0902
SMOOTHING = 0.5  # added to each bin, so that an empty bin does not make PSI infinite

EDGES: dict[str, tuple[float, ...]] = {
    "frames_to_predict": (7, 10, 13, 17, 24),
    "frames_before_throw": (20, 26, 32, 40),
    "players": (10, 12, 13, 14, 16),
    "players_to_predict": (2, 3, 4, 6),
    "line_of_scrimmage_yards": (30, 50, 70, 90),
    "pass_depth_yards": (0, 5, 10, 20, 30),
    "landing_y_yards": (10, 20, 33.3, 43.3),
    "mean_speed_at_throw_yards_per_s": (2.5, 3.5, 4.5, 5.5),
    "mean_acceleration_at_throw_yards_per_s2": (1.5, 2.5, 3.5, 4.5),
    "direction_left": (0.5,),
    "targeted_receiver_to_landing_yards": (5, 10, 15, 25),
    "mean_displacement_in_the_air_yards": (3, 5, 8, 12),
}
"""Upper bounds of the bins of each quantity, one value per play; the last bin is open."""


def summarise(tracking: pl.DataFrame, targets: pl.DataFrame) -> dict[str, Any]:
    """Counts per bin of a week's plays, and quantiles for people. Standardised tables; JSON-able,
    deterministic."""
    key = ["game_id", "play_id"]
    throw = tracking.filter(pl.col("frame_id") == pl.col("frame_id").max().over(key))
    distance = ((pl.col("x") - pl.col("ball_land_x")).pow(2) + (pl.col("y") - pl.col("ball_land_y")).pow(2)).sqrt()
    targeted = pl.col("player_role") == "Targeted Receiver"
    plays = throw.group_by(key).agg(
        frames_to_predict=pl.col("num_frames_output").first().cast(pl.Float64),
        frames_before_throw=pl.col("frame_id").first().cast(pl.Float64),
        players=pl.len().cast(pl.Float64),
        players_to_predict=pl.col("player_to_predict").sum().cast(pl.Float64),
        line_of_scrimmage_yards=pl.col("absolute_yardline_number").first().cast(pl.Float64),
        pass_depth_yards=(pl.col("ball_land_x") - pl.col("absolute_yardline_number")).first(),
        landing_y_yards=pl.col("ball_land_y").first(),
        mean_speed_at_throw_yards_per_s=pl.col("s").mean(),
        mean_acceleration_at_throw_yards_per_s2=pl.col("a").mean(),
        direction_left=pl.col("direction_left").first().cast(pl.Float64),
        targeted_receiver_to_landing_yards=distance.filter(targeted).first(),
    )
    ends = targets.filter(pl.col("frame_id") == pl.col("frame_id").max().over([*key, "nfl_id"]))
    starts = throw.select(*key, "nfl_id", pl.col("x", "y").name.prefix("from_"))
    moved = ((pl.col("x") - pl.col("from_x")).pow(2) + (pl.col("y") - pl.col("from_y")).pow(2)).sqrt()
    air = ends.join(starts, on=[*key, "nfl_id"]).group_by(key).agg(mean_displacement_in_the_air_yards=moved.mean())
    values = plays.join(air, on=key, how="left").sort(key)
    quantities = {}
    for name, edges in EDGES.items():
        known = values[name].drop_nulls().sort().to_numpy()
        bins = np.bincount(
            np.searchsorted(np.asarray(edges, dtype=float), known, side="right"), minlength=len(edges) + 1
        )
        quantiles = np.quantile(known, (0.05, 0.25, 0.5, 0.75, 0.95)) if len(known) else []
        quantities[name] = {
            "counts": [int(count) for count in bins],
            "missing": int(len(values) - len(known)),
            "quantiles": [round(float(value), 4) for value in quantiles],
        }
    return {"version": 1, "plays": len(values), "quantities": quantities}


def psi(counts: Sequence[int], others: Sequence[int]) -> tuple[float, float]:
    """Population stability index of two histograms, and the limit above which it is called a shift."""
    bins = len(counts)
    size, other_size = sum(counts), sum(others)
    p = (np.asarray(counts) + SMOOTHING) / (size + SMOOTHING * bins)
    q = (np.asarray(others) + SMOOTHING) / (other_size + SMOOTHING * bins)
    index = float(np.sum((p - q) * np.log(p / q)))
    noise = _chi_squared_999(bins - 1) * (1 / max(size, 1) + 1 / max(other_size, 1))
    return index, LARGE_SHIFT + noise


def shift(summary: Mapping[str, Any], others: Sequence[Mapping[str, Any]]) -> CheckResult:
    """Compare a week's summary with those of the other weeks. Warns, never blocks; passes where there are
    none."""
    found: list[dict[str, Any]] = []
    measured: dict[str, float] = {}
    for name in EDGES:
        counts = summary["quantities"][name]["counts"]
        pooled = [sum(bin_) for bin_ in zip(*(other["quantities"][name]["counts"] for other in others), strict=True)]
        if not sum(counts) or not sum(pooled):
            continue
        index, limit = psi(counts, pooled)
        measured[name] = round(index, 4)
        if index > limit:
            found.append(
                {
                    "rule": f"{name}_shifted",
                    "psi": round(index, 4),
                    "limit": round(limit, 4),
                    "week": _shares(counts),
                    "other_weeks": _shares(pooled),
                }
            )
    return CheckResult(
        name=CHECK_NAME,
        passed=not found,
        blocking=False,
        description=DESCRIPTION,
        failed=len(found),
        checked=len(measured),
        rules={row["rule"]: 1 for row in found},
        sample=tuple(found[:SAMPLE_ROWS]),
        metadata={"weeks compared with": len(others), **{f"psi {name}": value for name, value in measured.items()}},
    )


def _shares(counts: Sequence[int]) -> str:
    """Shares of a histogram as text for people."""
    total = sum(counts)
    return ", ".join(f"{count / total:.0%}" for count in counts)


def _chi_squared_999(degrees: int) -> float:
    """The value chi-squared exceeds with probability 0.001 (Wilson and Hilferty's approximation)."""
    spread = 2 / (9 * degrees)
    return degrees * (1 - spread + NORMAL_QUANTILE_999 * math.sqrt(spread)) ** 3


def load(path: Path) -> dict[str, Any]:
    """A week's summary as written to summary.json."""
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content
