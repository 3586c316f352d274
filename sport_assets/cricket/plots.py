"""Pictures of the cricket line: reliability of each outcome, log-loss by phase, innings and experience.

Here belongs drawing, from the tables of a report to PNG files with the same bytes for the same input. Metrics and
choices of what to show do not belong here. matplotlib is imported inside the functions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from sport_assets.cricket.labels import OUTCOMES
from sport_assets.training.reports import drawing, save_picture

MODEL_COLOUR, BASELINE_COLOUR = "#d95f02", "#2b6cb0"


def reliability(table: pl.DataFrame, path: Path) -> None:
    """Frequency against forecast of each outcome, one panel each: outcome, balls, forecast, frequency of the bins."""
    with drawing() as figure_class:
        figure = figure_class(figsize=(13, 6.4), layout="constrained")
        axes = figure.subplots(2, 4).flat
        for outcome, axis in zip(OUTCOMES, axes, strict=False):
            rows = table.filter(pl.col("outcome") == outcome)
            forecast, frequency = rows["forecast"].to_numpy(), rows["frequency"].to_numpy()
            most = float(max(forecast.max(), frequency.max())) * 1.08 if len(rows) else 1.0
            axis.plot([0, most], [0, most], color="#a0aec0", linewidth=1)
            # two standard errors of a frequency of so many balls
            error = 2 * (frequency * (1 - frequency) / rows["balls"].to_numpy()) ** 0.5
            axis.errorbar(forecast, frequency, yerr=error, color=MODEL_COLOUR, marker="o", markersize=4, linewidth=1.2)
            axis.set_title(outcome)
            axis.set_xlim(0, most)
            axis.set_ylim(0, most)
            axis.locator_params(nbins=5)
            axis.grid(alpha=0.3)
        *_, legend = axes
        legend.axis("off")
        legend.text(
            0,
            0.5,
            "Across: forecast probability,\nten bins of equally many balls.\nUp: how often it came,\nwith two standard "
            "errors.\nOn the line: well calibrated.",
            va="center",
        )
        save_picture(figure, path)


def by_group(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """The model's gain over the best baseline of each group, with its interval over matches, and the group's balls."""
    with drawing() as figure_class:
        figure = figure_class(figsize=(9, 0.42 * len(rows) + 1.6), layout="constrained")
        axis = figure.subplots()
        places = range(len(rows))
        values = [row["difference"]["value"] for row in rows]
        spread = [
            [max(v - row["difference"]["low"], 0.0) for v, row in zip(values, rows, strict=True)],
            [max(row["difference"]["high"] - v, 0.0) for v, row in zip(values, rows, strict=True)],
        ]
        axis.errorbar(values, places, xerr=spread, fmt="o", color=MODEL_COLOUR)
        axis.axvline(0, color="#a0aec0", linewidth=1)
        names = [f"{row['group'].replace('_', ' ')} ({row['balls']:,})" for row in rows]
        axis.set_yticks(places, names)
        axis.invert_yaxis()
        axis.set_xlabel("log-loss of the model less that of the best baseline, nats per ball (left: better)")
        axis.grid(axis="x", alpha=0.3)
        save_picture(figure, path)
