"""Pictures of the NFL line that a coach can read: plays on a field, error by horizon, a week at a glance.

Here belongs drawing, from arrays to PNG files with the same bytes for the same input. Metrics and choices of what
to show do not belong here; pictures of probabilities are in `plots_distribution`. matplotlib is imported inside the
functions: pictures are no reason to load it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sport_assets.nfl.baselines import FRAME_SECONDS, VELOCITY_X, Batch
from sport_assets.nfl.tensors import PLAY_FEATURES, ROLE_FEATURES, PlayTensors
from sport_assets.training.reports import drawing, save_picture

FIELD_LENGTH_YARDS, FIELD_WIDTH_YARDS, END_ZONE_YARDS = 120.0, 53.3, 10.0
YARDLINE = PLAY_FEATURES.index("absolute_yardline_number")
SHOWN_YARDS = 72.0
INCHES_PER_YARD = 0.145
ROLE_LOOKS: tuple[tuple[str, str, str], ...] = (
    ("Targeted receiver", "#d95f02", "o"),
    ("Other route runner", "#2b6cb0", "o"),
    ("Passer", "#2d3748", "s"),
    ("Defender", "#b3123f", "X"),
)
"""Label, colour and marker by role, in the order of ROLE_FEATURES."""

NAMES = {
    "model": "Model",
    "standing_still": "Standing still",
    "constant_velocity": "Constant velocity",
    "constant_acceleration": "Constant acceleration",
    "damped_landing": "Damped acceleration, receiver to the ball",
}
WEAKEST = ("standing_still", "constant_acceleration")
COLOURS = {
    "model": "#d95f02",
    "standing_still": "#a0aec0",
    "constant_velocity": "#5a8fc4",
    "constant_acceleration": "#7b6bb0",
    "damped_landing": "#2f855a",
}


Overlay = Callable[[Any], list[Any]]
"""Draws more on a field's axes and gives its entries of the legend."""


@dataclass(frozen=True)
class PlayPicture:
    """What is drawn of one play, in standardised yards; A players, T past and H future frames."""

    past: np.ndarray
    """[A, T, 2], NaN where unobserved."""
    roles: np.ndarray
    """int [A], index into ROLE_LOOKS."""
    asked: np.ndarray
    """bool [A]: players to predict."""
    truth: np.ndarray
    """[A, H, 2], NaN where unknown."""
    prediction: np.ndarray
    """[A, H, 2]"""
    baseline: np.ndarray
    """[A, H, 2]"""
    landing: np.ndarray
    """[2]"""
    yardline: float
    ids: tuple[int, int]
    """Game and play."""

    @classmethod
    def of(
        cls, tensors: PlayTensors, play: int, prediction: np.ndarray, baseline: Callable[[Batch], np.ndarray]
    ) -> PlayPicture:
        """Play number `play` with a model's positions [A, H, 2] for it and a baseline to draw beside them."""
        batch = tensors.pad(np.array([play]))
        return cls(
            past=np.where(batch["observed"][0][..., None], batch["history"][0][..., :2], np.nan),
            roles=batch["player"][0][:, : len(ROLE_FEATURES)].argmax(1),
            asked=batch["to_predict"][0],
            truth=np.where(batch["target_mask"][0][..., None], batch["target"][0], np.nan),
            prediction=prediction,
            baseline=baseline(batch)[0],
            landing=batch["play"][0, :2],
            yardline=float(batch["play"][0, YARDLINE]),
            ids=(int(tensors.game_id[play]), int(tensors.play_id[play])),
        )


def play(picture: PlayPicture, name: str, ade_yards: float, path: Path, overlay: Overlay | None = None) -> None:
    """Draw one play on the field, offence from left to right, as a PNG."""
    from matplotlib.lines import Line2D

    with drawing() as figure_class:
        low, high = _window(picture)
        frames = picture.prediction.shape[1]
        size = ((high - low) * INCHES_PER_YARD + 0.3, (FIELD_WIDTH_YARDS + 4) * INCHES_PER_YARD + 1.6)
        figure = figure_class(figsize=size, layout="constrained")
        axes = figure.add_subplot()
        _field(axes, low, high)
        axes.axvline(picture.yardline, color="#1a4fa0", linewidth=2, zorder=2)
        axes.text(
            picture.yardline, FIELD_WIDTH_YARDS + 0.6, "line of scrimmage", color="#1a4fa0", ha="center", fontsize=9
        )
        for slot, role in enumerate(picture.roles):
            _player(axes, picture, slot, *ROLE_LOOKS[role][1:])
        axes.plot(*picture.landing, marker="*", markersize=20, color="#f6c500", markeredgecolor="black", zorder=9)
        figure.suptitle(
            f"{name.capitalize()} play of held-out games: mean error {ade_yards:.2f} yards "
            f"over {frames} frames ({frames * FRAME_SECONDS:.1f} s in the air)",
            x=0.015,
            ha="left",
            fontsize=13,
            fontweight="bold",
        )
        axes.text(
            0, 1.015, f"game {picture.ids[0]}, play {picture.ids[1]}; the offence moves to the right",
            transform=axes.transAxes, fontsize=10, color="#4a5568",
        )  # fmt: skip
        present = sorted(set(picture.roles.tolist()))
        handles = [
            Line2D([], [], color=colour, marker=marker, linestyle="none", markersize=8, label=label)
            for label, colour, marker in (ROLE_LOOKS[role] for role in present)
        ]
        line = "#2d3748"
        handles += [
            Line2D([], [], color=line, linewidth=1.2, alpha=0.55, label="2 s before the throw"),
            Line2D([], [], color=line, linewidth=3.0, label="what happened"),
            Line2D([], [], color=line, linewidth=2.0, linestyle=(0, (3, 1.5)), marker="D", markersize=5,
                   markerfacecolor="white", label="model"),
            Line2D([], [], color=line, linewidth=1.2, linestyle=":", alpha=0.6, label="physics baseline"),
            Line2D([], [], color="#f6c500", marker="*", markeredgecolor="black", linestyle="none",
                   markersize=14, label="ball lands"),
        ]  # fmt: skip
        if overlay is not None:
            handles += overlay(axes)
        columns = 5 if overlay is None else 4
        figure.legend(handles=handles, loc="outside lower center", ncols=columns, frameon=False, fontsize=9.5)
        save_picture(figure, path)


def _window(picture: PlayPicture) -> tuple[float, float]:
    """The stretch of the field that is shown: everything that moves, at least SHOWN_YARDS of it."""
    seen = [picture.past[..., 0].ravel(), picture.truth[..., 0].ravel(), picture.landing[:1]]
    seen += [picture.prediction[picture.asked][..., 0].ravel(), np.array([picture.yardline])]
    values = np.concatenate(seen)
    low, high = float(np.nanmin(values)) - 3, float(np.nanmax(values)) + 3
    width = max(SHOWN_YARDS, high - low)
    # what would lie beyond one end of the field is given to the other side
    first = min(max((low + high - width) / 2, -2.0), FIELD_LENGTH_YARDS + 2 - width)
    return max(first, -2.0), min(first + width, FIELD_LENGTH_YARDS + 2)


def _field(axes: Any, low: float, high: float) -> None:
    """Grass, yard lines every 5 yards, hash marks, numbers every 10, end zones."""
    from matplotlib.patches import Rectangle

    axes.set_facecolor("#eef5ea")
    for start in (0.0, FIELD_LENGTH_YARDS - END_ZONE_YARDS):
        axes.add_patch(Rectangle((start, 0), END_ZONE_YARDS, FIELD_WIDTH_YARDS, color="#d3e3cb", zorder=0))
    for x in np.arange(END_ZONE_YARDS, FIELD_LENGTH_YARDS - END_ZONE_YARDS + 1, 5):
        goal = x in (END_ZONE_YARDS, FIELD_LENGTH_YARDS - END_ZONE_YARDS)
        axes.plot([x, x], [0, FIELD_WIDTH_YARDS], color="#9db894", linewidth=2.4 if goal else 1.0, zorder=1)
    for x in np.arange(END_ZONE_YARDS + 1, FIELD_LENGTH_YARDS - END_ZONE_YARDS, 1):
        for y in (0.0, 22.9, 29.7, FIELD_WIDTH_YARDS - 0.7):
            axes.plot([x, x], [y, y + 0.7], color="#9db894", linewidth=0.8, zorder=1)
    for x in range(20, 101, 10):
        if low + 1 < x < high - 1:
            number = str(50 - abs(x - 60))
            for y in (5.0, FIELD_WIDTH_YARDS - 5.0):
                axes.text(
                    x, y, number, color="#86a57c", fontsize=17, fontweight="bold", ha="center", va="center", zorder=1
                )
    for y in (0.0, FIELD_WIDTH_YARDS):
        axes.plot([0, FIELD_LENGTH_YARDS], [y, y], color="#6f8f66", linewidth=2.4, zorder=1)
    axes.set_xlim(low, high)
    axes.set_ylim(-2, FIELD_WIDTH_YARDS + 2)
    axes.set_aspect("equal")
    axes.set_xticks([])
    axes.set_yticks([])
    for side in axes.spines.values():
        side.set_visible(False)


def _player(axes: Any, picture: PlayPicture, slot: int, colour: str, marker: str) -> None:
    past = picture.past[slot]
    known = np.isfinite(past[:, 0])
    asked = bool(picture.asked[slot])
    strength = 1.0 if asked else 0.45
    axes.plot(*past[known].T, color=colour, linewidth=1.2, alpha=0.55 * strength, zorder=3)
    at = past[known][-1]
    axes.plot(*at, marker=marker, color=colour, markersize=9, alpha=strength, markeredgecolor="white", zorder=6)
    if not asked:
        return

    def path(positions: np.ndarray, **look: Any) -> None:
        whole = np.concatenate([at[None], positions[np.isfinite(positions[:, 0])]])
        axes.plot(*whole.T, color=colour, **look)

    path(picture.baseline[slot], linewidth=1.2, linestyle=":", alpha=0.6, zorder=4)
    path(picture.truth[slot], linewidth=3.0, alpha=0.9, zorder=5, solid_capstyle="round")
    path(
        picture.prediction[slot], linewidth=2.0, linestyle=(0, (3, 1.5)), zorder=7, marker="D", markersize=6,
        markevery=[picture.prediction.shape[1]], markerfacecolor="white", path_effects=_outline(),
    )  # fmt: skip


def _outline() -> list[Any]:
    from matplotlib import patheffects

    return [patheffects.Stroke(linewidth=4.0, foreground="white"), patheffects.Normal()]


def error_by_horizon(curves: Mapping[str, Any], path: Path) -> None:
    """Mean error at each frame after the throw, of the model and every baseline, over the players that have it.

    curves: `frame`, `players` and `error_yards` by name, as in evaluation.json.
    """
    with drawing() as figure_class:
        figure = figure_class(figsize=(9.5, 6.6), layout="constrained")
        axes, counts = figure.subplots(2, 1, sharex=True, height_ratios=[4, 1])
        time_s = np.array(curves["frame"]) * FRAME_SECONDS
        errors = curves["error_yards"]
        for name in sorted(errors, key=lambda key: -errors[key][-1]):
            main = name == "model"
            axes.plot(
                time_s, errors[name], color=COLOURS.get(name, "#4a5568"), linewidth=3 if main else 1.7,
                zorder=5 if main else 3, label=NAMES.get(name, name),
            )  # fmt: skip
        # The weakest are so far off that the others would be a bundle at the bottom: they leave the picture.
        others = [max(values) for name, values in errors.items() if name not in WEAKEST]
        axes.set_ylim(0, 1.4 * max(others))
        axes.set_ylabel("mean error, yards")
        axes.set_title("Error by time after the throw, held-out games", fontsize=13, fontweight="bold", loc="left")
        axes.legend(frameon=False, loc="upper left")
        counts.bar(time_s, curves["players"], width=0.8 * FRAME_SECONDS, color="#cbd5e0")
        counts.set_ylabel("players")
        counts.set_xlabel("seconds after the throw")
        for one in (axes, counts):
            one.grid(axis="y", color="#e2e8f0")
            one.set_axisbelow(True)
            one.spines[["top", "right"]].set_visible(False)
        save_picture(figure, path)


def week_at_a_glance(tensors: PlayTensors, title: str, path: Path) -> None:
    """One picture of a week: counts, speeds at the throw, time in the air, where the passes come down."""
    with drawing() as figure_class:
        figure = figure_class(figsize=(13.0, 6.6), layout="constrained")
        grid = figure.add_gridspec(2, 2, width_ratios=[1.25, 1])
        landing = figure.add_subplot(grid[:, 0])
        speeds, air = figure.add_subplot(grid[0, 1]), figure.add_subplot(grid[1, 1])
        figure.suptitle(
            f"{title}: {len(np.unique(tensors.game_id))} games, {len(tensors):,} plays, "
            f"{tensors.players:,} players tracked, {int(tensors.to_predict.sum()):,} to predict",
            fontsize=13, fontweight="bold", x=0.01, ha="left",
        )  # fmt: skip
        last = tensors.history[np.arange(tensors.players), tensors.last_observed()]
        speed = np.hypot(last[:, VELOCITY_X], last[:, VELOCITY_X + 1])
        role = tensors.player[:, : len(ROLE_FEATURES)].argmax(1)
        bins = np.arange(0, 12.5, 0.5)
        kept = list(range(len(ROLE_LOOKS)))
        speeds.hist(
            [np.clip(speed[role == index], 0, 12) for index in kept], bins=bins, stacked=True,
            color=[ROLE_LOOKS[index][1] for index in kept], label=[ROLE_LOOKS[index][0] for index in kept],
        )  # fmt: skip
        speeds.set_xlabel("speed at the throw, yards per second")
        speeds.set_ylabel("players")
        speeds.legend(frameon=False, fontsize=9)
        time_s = tensors.frames * FRAME_SECONDS
        air.hist(time_s, bins=np.arange(0, max(4.0, float(time_s.max(initial=0))) + 0.2, 0.2), color="#5a8fc4")
        air.set_xlabel("time in the air, seconds")
        air.set_ylabel("plays")
        deep = tensors.play[:, 0] - tensors.play[:, YARDLINE]
        landing.scatter(deep, tensors.play[:, 1], s=16, color="#d95f02", alpha=0.55, linewidths=0)
        landing.axvline(0, color="#1a4fa0", linewidth=2)
        landing.set_ylim(0, FIELD_WIDTH_YARDS)
        landing.set_aspect("equal")
        landing.set_xlim(min(-12.0, float(deep.min(initial=0)) - 2), max(45.0, float(deep.max(initial=0)) + 2))
        landing.set_yticks([0, 26.65, 53.3], ["right sideline", "middle", "left sideline"])
        landing.set_title("Where the passes come down", loc="left", fontsize=11)
        landing.set_xlabel("yards past the line of scrimmage (blue)")
        landing.grid(axis="x", color="#e2e8f0")
        for axes in (speeds, air):
            axes.grid(axis="y", color="#e2e8f0")
            axes.set_axisbelow(True)
            axes.spines[["top", "right"]].set_visible(False)
        save_picture(figure, path)
