"""Pictures of the stages: the grid, differences as a forest, differences by part of the innings.

Belongs here: drawing. Must not come here: figures. The same input gives the same bytes (see ``training.reports``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from sport_assets.cricket.comparison import BETTER, RESOLUTION, WORSE
from sport_assets.training.reports import drawing, save_picture

COLOURS = {BETTER: "#2f855a", WORSE: "#b3123f"}
GREY, TAKEN, OTHER = "#718096", "#d95f02", "#5a8fc4"
DIFFERENCE = "log-loss beside it, nats per ball (below zero: better)"


def grid(steps: Sequence[tuple[str, Sequence[Mapping[str, Any]]]], path: Path) -> None:
    """A panel for each setting: log-loss by value, the one taken marked.

    steps: the setting, and rows with ``value``, ``log_loss`` and ``taken``.
    """
    with drawing() as figure_class:
        figure = figure_class(figsize=(3.1 * len(steps) + 0.6, 3.6), layout="constrained")
        panels = figure.subplots(1, len(steps), sharey=True, squeeze=False)[0]
        for axes, (setting, rows) in zip(panels, steps, strict=True):
            places = list(range(len(rows)))
            losses = [row["log_loss"] for row in rows]
            axes.plot(places, losses, color="#a0aec0", linewidth=1.2, zorder=2)
            for place, row in zip(places, rows, strict=True):
                colour, size = (TAKEN, 11) if row["taken"] else (OTHER, 7)
                axes.plot(place, row["log_loss"], marker="o", color=colour, markersize=size, zorder=3)
            axes.set_xticks(places, [f"{row['value']:g}" for row in rows])
            axes.set_xlim(-0.5, len(rows) - 0.5)
            axes.set_title(setting.split(".")[-1].replace("_", " "), loc="left", fontsize=11)
            _plain(axes, "y")
        panels[0].set_ylabel("log-loss, nats per ball")
        figure.suptitle("Validation log-loss by setting; orange: taken", x=0.01, ha="left", fontweight="bold")
        save_picture(figure, path)


def forest(rows: Sequence[Mapping[str, Any]], title: str, path: Path) -> None:
    """Differences with their intervals, one below another; the band is what cannot be resolved.

    rows: of ``comparison.Compared``.
    """
    with drawing() as figure_class:
        figure = figure_class(figsize=(9.5, 0.42 * len(rows) + 1.9), layout="constrained")
        axes = figure.add_subplot()
        axes.axvspan(-RESOLUTION, RESOLUTION, color="#edf2f7", zorder=0)
        axes.axvline(0, color="#4a5568", linewidth=1)
        for place, row in enumerate(rows):
            colour = COLOURS.get(row["verdict"], GREY)
            axes.plot([row["low"], row["high"]], [place, place], color=colour, linewidth=2.2, solid_capstyle="round")
            axes.plot(row["difference"], place, marker="o", color=colour, markersize=8)
            axes.annotate(row["verdict"], (1.01, place), xycoords=("axes fraction", "data"), va="center", color=colour)
        axes.set_yticks(range(len(rows)), [row["name"] for row in rows])
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_xlabel(f"{DIFFERENCE}; grey band: under {RESOLUTION}")
        axes.set_title(title, loc="left", fontweight="bold", fontsize=12)
        _plain(axes, "x")
        save_picture(figure, path)


def by_part(rows: Sequence[Mapping[str, Any]], title: str, path: Path) -> None:
    """Differences with their intervals by part of the innings, a colour for each model.

    rows: of ``comparison.Compared``, with ``part``.
    """
    models = list(dict.fromkeys(row["name"] for row in rows))
    parts = list(dict.fromkeys(row["part"] for row in rows))
    with drawing() as figure_class:
        figure = figure_class(figsize=(10.0, 4.4), layout="constrained")
        axes = figure.add_subplot()
        axes.axhspan(-RESOLUTION, RESOLUTION, color="#edf2f7", zorder=0)
        axes.axhline(0, color="#4a5568", linewidth=1)
        for number, (model, colour) in enumerate(zip(models, (TAKEN, OTHER, "#2f855a", GREY), strict=False)):
            own = [row for row in rows if row["name"] == model]
            places = [parts.index(row["part"]) + 0.16 * (number - (len(models) - 1) / 2) for row in own]
            for place, row in zip(places, own, strict=True):
                axes.plot([place, place], [row["low"], row["high"]], color=colour, linewidth=2)
            values = [row["difference"] for row in own]
            axes.plot(places, values, marker="o", linestyle="none", color=colour, markersize=8, label=model)
        axes.set_xticks(range(len(parts)), [part.replace("_", " ") for part in parts])
        axes.set_ylabel("log-loss beside it, nats per ball")
        axes.set_title(title, loc="left", fontweight="bold", fontsize=12)
        axes.legend(frameon=False, ncols=len(models), loc="best")
        _plain(axes, "y")
        save_picture(figure, path)


def rolling(table: pl.DataFrame, names: Sequence[str], path: Path) -> None:
    """Log-loss by fold, a panel for each variant and a line for each forecaster.

    table: of ``rolling_origin``; names: the forecasters, the model first.
    """
    panels = table.partition_by("variant", maintain_order=True)
    with drawing() as figure_class:
        figure = figure_class(figsize=(9.5, 3.7 * len(panels)), layout="constrained")
        for axes, rows in zip(figure.subplots(len(panels), 1, squeeze=False)[:, 0], panels, strict=True):
            for name, colour in zip(names, (TAKEN, "#cbd5e0", "#a0aec0", GREY, "#4a5568", OTHER), strict=False):
                values, width = rows[f"log_loss_{name}"].to_list(), 2.6 if name == names[0] else 1.5
                axes.plot(values, marker="o", color=colour, linewidth=width, label=name.replace("_", " "))
            axes.set_xticks(range(len(rows)), [f"from {day}" for day in rows["from"]])
            axes.set_ylabel("log-loss, nats per ball")
            axes.set_title(f"{rows['variant'][0]}: each fold by what came next", loc="left", fontweight="bold")
            axes.legend(frameon=False, ncols=3, fontsize=9)
            _plain(axes, "y")
        save_picture(figure, path)


def _plain(axes: Any, grid_axis: str) -> None:
    axes.grid(axis=grid_axis, color="#e2e8f0")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
