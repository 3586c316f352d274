"""The worm of a simulated match: runs after each over, what was seen as a line, what may follow as a fan.

Belongs here: drawing, to the same bytes for the same courses. Must not come here: numbers (``simulate``). matplotlib is
imported when it draws.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np

from sport_assets.cricket.simulate import Courses, Result
from sport_assets.cricket.simulation import Played, worm_of

FORMATS = (".svg", ".png")
BANDS = ((0.05, 0.95, 0.18), (0.25, 0.75, 0.32))
"""Lower and upper quantile of a band of the fan, and how dense it is drawn."""
COLOURS = ("#2b6cb0", "#d95f02")
"""Of the team that bats first, and of the other."""
STYLE: Any = {
    "font.family": "DejaVu Sans", "font.size": 10, "svg.hashsalt": "sport_assets", "svg.fonttype": "path",
    "axes.spines.top": False, "axes.spines.right": False,
}  # fmt: skip


def check_format(path: Path) -> None:
    """Raise ValueError for a file that is neither SVG nor PNG."""
    if path.suffix not in FORMATS:
        raise ValueError(f"{path.name}: a plot is written as {' or '.join(FORMATS)}")


def draw_worm(result: Result, suffix: str) -> bytes:
    """The picture as SVG or PNG. The what-if, where there is one, is a dashed line of medians."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(8, 5), layout="constrained")
        axes = figure.subplots()
        courses = result.courses
        situation = courses.situation
        for place, played in enumerate(courses.innings):
            number = situation.at.innings + place
            other = None if result.other is None else result.other.innings[place]
            _innings(axes, courses, played, other, number, observed=place == 0)
        if situation.target:
            axes.axhline(situation.target, color="#718096", linewidth=1, linestyle=":")
            axes.annotate(f"target {situation.target}", (0.1, situation.target), va="bottom", color="#4a5568")
        axes.set_xlabel("Overs")
        axes.set_ylabel("Runs")
        axes.set_xlim(0, situation.overs_limit)
        axes.set_ylim(bottom=0)
        axes.set_xticks(range(0, situation.overs_limit + 1, 2 if situation.overs_limit > 10 else 1))
        axes.grid(axis="y", color="#e2e8f0", linewidth=0.8)
        axes.set_axisbelow(True)
        axes.legend(loc="upper left", frameon=False)
        axes.set_title(_title(courses), loc="left", fontsize=11)
        buffer = io.BytesIO()
        metadata = {"Date": None} if suffix == ".svg" else {"Software": None}
        figure.savefig(buffer, format=suffix[1:], dpi=140, metadata=metadata)
    return buffer.getvalue()


def _innings(axes: Any, courses: Courses, played: Played, other: Played | None, number: int, *, observed: bool) -> None:
    situation, colour = courses.situation, COLOURS[number - 1]
    team = courses.teams[number - 1]
    balls = situation.played.balls
    begun = float(balls["is_legal"].sum()) / 6 if observed else 0.0
    now = float(balls["runs_total"].sum()) if observed else 0.0
    if observed and len(situation.played):
        seen = worm_of(situation.played)[: situation.at.over]
        axes.plot(
            [0, *range(1, len(seen) + 1), begun], [0, *seen, now], color=colour, linewidth=2.2, label=f"{team}, seen"
        )
    overs = np.arange(int(begun) + 1, situation.overs_limit + 1)
    runs = played.worm[:, overs - 1]
    across = [begun, *overs]
    for low, high, density in BANDS:
        bounds = np.quantile(runs, (low, high), axis=0)
        label = f"{team}, {round(100 * (high - low))} % of courses"
        axes.fill_between(
            across, [now, *bounds[0]], [now, *bounds[1]], color=colour, alpha=density, linewidth=0, label=label
        )
    axes.plot(across, [now, *np.median(runs, 0)], color=colour, linewidth=1.4, label=f"{team}, median")
    if other is not None:
        median = np.median(other.worm[:, overs - 1], 0)
        axes.plot(across, [now, *median], color=colour, linewidth=1.4, linestyle="--", label=f"{team}, median: what if")


def _title(courses: Courses) -> str:
    situation = courses.situation
    first, other = courses.teams
    chances = ", ".join(f"{name} {won.mean():.0%}" for name, won in courses.chances().items())
    return f"{first} v {other}, from {situation.at}" + (f"\n{chances}" if chances else "")
