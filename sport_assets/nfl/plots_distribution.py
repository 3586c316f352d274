"""Pictures of probabilities: whether regions hold what they promise, and where a play's players may end up.

Here belongs drawing of a forecast with modes, in the manner of `plots`. The figures that are drawn are made in
`distribution`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sport_assets.nfl.mixture import Mixture
from sport_assets.nfl.plots import COLOURS, ROLE_LOOKS, Overlay, PlayPicture
from sport_assets.training.reports import drawing, save_picture

REGIONS = (0.9, 0.5)
TIME_COLOURS = ("#bfd3e6", "#9ebcda", "#8c96c6", "#8c6bb1", "#88419d", "#4d004b")
FEW_FRAMES = 50
GRID_POINTS = 140


@dataclass(frozen=True)
class ModesPicture:
    """The modes of one play's A players over its H frames, in standardised yards."""

    path: np.ndarray
    """[A, K, H, 2]"""
    probability: np.ndarray
    """[A, K]"""
    scale: np.ndarray
    """[A, K, H, 2]"""

    @classmethod
    def of(cls, outputs: Mapping[str, np.ndarray]) -> ModesPicture:
        """From a model's outputs for a batch of that one play."""
        names = ("modes", "mode_probability", "mode_scale")
        return cls(*(outputs[name][0].astype(np.float64) for name in names))


def modes(picture: PlayPicture, drawn: ModesPicture) -> Overlay:
    """Draws each player's modes, the stronger the likelier, and where he is at the end with 50 % and 90 %."""

    def overlay(axes: Any) -> list[Any]:
        from matplotlib.lines import Line2D
        from matplotlib.patches import Patch

        for slot in np.flatnonzero(picture.asked):
            colour = ROLE_LOOKS[picture.roles[slot]][1]
            _region(axes, drawn, int(slot), colour)
            past = picture.past[slot]
            at = past[np.isfinite(past[:, 0])][-1]
            for path, probability in zip(drawn.path[slot], drawn.probability[slot], strict=True):
                line = np.concatenate([at[None], path])
                look = {"color": colour, "alpha": float(0.15 + 0.6 * probability), "zorder": 4}
                axes.plot(*line.T, linewidth=0.6 + 2.4 * float(probability), **look)
                axes.plot(*path[-1], marker="o", markersize=3.5, markeredgewidth=0, **look)
        return [
            Line2D([], [], color="#2d3748", linewidth=1.4, alpha=0.5, marker="o", markersize=3.5,
                   label="modes, the wider the likelier"),
            Patch(color="#2d3748", alpha=0.16, label="at the end: 90 % region"),
            Patch(color="#2d3748", alpha=0.36, label="at the end: 50 % region"),
        ]  # fmt: skip

    return overlay


def _region(axes: Any, drawn: ModesPicture, slot: int, colour: str) -> None:
    """The regions of highest density of one player at the last frame."""
    mean, scale = drawn.path[slot, :, -1], drawn.scale[slot, :, -1]
    mixture = Mixture(drawn.probability[slot][None], mean[None], scale[None])
    heights = [float(mixture.threshold(level)[0]) for level in REGIONS]
    low, high = (mean - 4 * scale).min(0), (mean + 4 * scale).max(0)
    x, y = (np.linspace(low[axis], high[axis], GRID_POINTS) for axis in (0, 1))
    at = np.stack(np.meshgrid(x, y), -1)
    density = mixture.density(at.reshape(1, -1, 2))[0].reshape(at.shape[:2])
    peak = max(float(density.max()), heights[-1]) * 1.01
    for height, alpha in zip(heights, (0.16, 0.24), strict=True):
        axes.contourf(x, y, density, levels=[height, max(peak, height * 1.01)], colors=[colour], alpha=alpha, zorder=2)
    axes.contour(x, y, density, levels=[heights[0]], colors=[colour], linewidths=0.9, alpha=0.7, zorder=3)


def reliability(found: Mapping[str, Any], path: Path) -> None:
    """How much of the truth lies inside the regions of each level: over all frames, and by time after the throw.

    found: `distribution` of evaluation.json. Times with fewer than FEW_FRAMES frames are left out: they say nothing.
    """
    with drawing() as figure_class:
        figure = figure_class(figsize=(13.0, 6.6), layout="constrained")
        grid = figure.add_gridspec(2, 2, width_ratios=[1.1, 1], height_ratios=[2.4, 1])
        curve = figure.add_subplot(grid[:, 0])
        by_time = figure.add_subplot(grid[0, 1])
        counts = figure.add_subplot(grid[1, 1], sharex=by_time)
        times = [one for one in found["by_time"] if one["frames"] >= FEW_FRAMES]
        _curves(curve, found["regions"], times)
        _by_time(by_time, found["regions"]["levels"], times)
        counts.bar(range(len(times)), [one["frames"] for one in times], width=0.6, color="#cbd5e0")
        counts.set_ylabel("frames")
        counts.set_xlabel("seconds after the throw")
        counts.set_xticks(range(len(times)), [_span(one) for one in times])
        for axes in (curve, by_time, counts):
            axes.grid(axis="y", color="#e2e8f0")
            axes.set_axisbelow(True)
            axes.spines[["top", "right"]].set_visible(False)
        save_picture(figure, path)


def _curves(axes: Any, regions: Mapping[str, Any], times: list[Mapping[str, Any]]) -> None:
    levels = 100 * np.array(regions["levels"])

    def share(values: list[float]) -> np.ndarray:
        return 100 * np.array(values)

    axes.plot([0, 100], [0, 100], color="#4a5568", linewidth=1.2, linestyle=(0, (4, 3)), label="as promised")
    for one, colour in zip(times, TIME_COLOURS[len(TIME_COLOURS) - len(times) :], strict=True):
        axes.plot(levels, share(one["inside"]), color=colour, linewidth=1.3, label=f"model, {_span(one)} s")
    axes.plot(
        levels, share(regions["baseline_inside"]), color=COLOURS["damped_landing"], linewidth=2,
        label="baseline with a Gaussian",
    )  # fmt: skip
    axes.plot(levels, share(regions["inside"]), color=COLOURS["model"], linewidth=3.2, marker="o", markersize=4,
              zorder=5, label="model, all frames")  # fmt: skip
    axes.set_xlim(0, 100)
    axes.set_ylim(0, 100)
    axes.set_aspect("equal")
    axes.set_xlabel("probability that the region is said to hold, %")
    axes.set_ylabel("true positions inside it, %")
    axes.set_title("Do the regions hold what they promise?", loc="left", fontsize=13, fontweight="bold")
    axes.text(3, 64, "above the dashed line:\nregions are too wide", fontsize=9, color="#718096")
    axes.text(66, 10, "below the dashed line:\nregions are too narrow", fontsize=9, color="#718096")
    axes.legend(frameon=False, loc="upper left", fontsize=9)


def _by_time(axes: Any, levels: list[float], times: list[Mapping[str, Any]]) -> None:
    place = np.arange(len(times))
    for level, marker in zip((0.9, 0.5), ("s", "o"), strict=True):
        index = levels.index(level)
        axes.axhline(100 * level, color="#4a5568", linewidth=1.2, linestyle=(0, (4, 3)))
        for name, label in (("damped_landing", "baseline"), ("model", "model")):
            values = [one["inside" if name == "model" else "baseline_inside"][index] for one in times]
            axes.plot(
                place, 100 * np.array(values), color=COLOURS[name], marker=marker, markersize=7,
                linewidth=2.4 if name == "model" else 1.4, label=f"{label}, {level:.0%} region",
            )  # fmt: skip
    axes.set_ylim(0, 100)
    axes.set_ylabel("true positions inside, %")
    axes.set_title("By time after the throw", loc="left", fontsize=11)
    axes.tick_params(labelbottom=False)
    axes.legend(frameon=False, loc="lower left", fontsize=9, ncols=2)


def _span(one: Mapping[str, Any]) -> str:
    return f"{one['after_s']:g} to {one['to_s']:g}" if one["to_s"] is not None else f"over {one['after_s']:g}"
