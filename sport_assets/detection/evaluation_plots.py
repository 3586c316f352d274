"""Pictures of a detector's figures: precision and recall by score, recall by size, scores of right and wrong boxes.

Belongs here: drawing, to PNG files with the same bytes for the same input. Must not come here: figures; pictures with
pixels of the images (``error_pictures``). matplotlib is imported inside the functions.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from sport_assets.detection.average_precision import SIZE_AREAS
from sport_assets.detection.categories import BALL
from sport_assets.detection.coco import Labels
from sport_assets.detection.matching import BALL_RULER, HALF_OVERLAP, Pooled, match, ruler_of
from sport_assets.detection.precision_recall import average_precision, curve
from sport_assets.training.reports import drawing, save_picture

COLOURS: Mapping[str, str] = {"player": "#2b6cb0", "ball": "#d95f02"}
OTHER_COLOURS = ("#2f855a", "#805ad5", "#718096")
RIGHT_COLOUR, WRONG_COLOUR = "#2f855a", "#c53030"
SCORE_BINS = np.linspace(0, 1, 41)


def precision_recall(truth: Labels, predictions: pl.DataFrame, thresholds: Mapping[int, float], path: Path) -> None:
    """Precision against recall: each category at IoU 0.5, the ball also within 10 pixels; a dot at the threshold."""
    by_overlap, by_distance = (match(truth, predictions, ruler) for ruler in (HALF_OVERLAP, BALL_RULER))
    lines = [(category, by_overlap, "IoU 0.5", "-") for category in truth.categories]
    lines += [(BALL, by_distance, "within 10 px", "--")] if BALL in truth.categories else []
    with drawing() as figure_class:
        figure = figure_class(figsize=(7, 5.4), layout="constrained")
        axis = figure.subplots()
        for category, matches, ruler, style in lines:
            name, colour, pooled = truth.categories[category], _colour(truth, category), matches.pooled(category)
            average = average_precision(pooled)
            if average is None:
                axis.plot([], [], style, color=colour, label=f"{name}, {ruler}: no true box")
                continue
            found = curve(pooled)
            label = f"{name}, {ruler}: average precision {average:.2f}"
            axis.plot(found.recall, found.precision, style, color=colour, linewidth=1.6, label=label)
            taken = np.flatnonzero(found.score >= thresholds[category])
            if len(taken):
                place = taken[-1]
                axis.plot(found.recall[place], found.precision[place], "o", color=colour, markersize=8)
        axis.set_xlim(0, 1.02)
        axis.set_ylim(0, 1.02)
        axis.set_xlabel("recall: share of the true boxes that are found")
        axis.set_ylabel("precision: share of the predictions that are right")
        axis.set_title("Dots: at the threshold chosen on validation", fontsize=10)
        axis.grid(alpha=0.3)
        axis.legend(loc="lower left", fontsize=9)
        save_picture(figure, path)


def recall_by_size(errors_by_category: Mapping[str, Mapping[str, Mapping[str, Any]]], path: Path) -> None:
    """Bars of the recall at the threshold by size of the true box, with counts.

    ``errors_by_category``: category, size, {boxes, found, recall}, as ``error_report.summarise`` gives ``by_size``.
    """
    sizes = list(SIZE_AREAS)
    with drawing() as figure_class:
        figure = figure_class(figsize=(8, 4), layout="constrained")
        axis = figure.subplots()
        width = 0.8 / max(len(errors_by_category), 1)
        for number, (name, by_size) in enumerate(errors_by_category.items()):
            places = [place for place, size in enumerate(sizes) if size in by_size]
            rows = [by_size[sizes[place]] for place in places]
            across = [place + (number - (len(errors_by_category) - 1) / 2) * width for place in places]
            colour = COLOURS.get(name, OTHER_COLOURS[number % len(OTHER_COLOURS)])
            axis.bar(across, [row["recall"] for row in rows], width * 0.92, color=colour, label=name)
            for x, row in zip(across, rows, strict=True):
                text = f"{row['recall']:.2f}\n{row['found']:,} of {row['boxes']:,}"
                axis.text(x, row["recall"] + 0.015, text, ha="center", va="bottom", fontsize=8)
        names = ("tiny\nunder 16 px", "small\n16 to 32 px", "medium\n32 to 96 px", "large\n96 px and more")
        axis.set_xticks(range(len(sizes)), names)
        axis.set_xlim(-0.5, len(sizes) - 0.5)
        axis.set_ylim(0, 1.2)
        axis.set_yticks(np.linspace(0, 1, 6))
        axis.set_ylabel("recall")
        axis.set_xlabel("root of the true box's area")
        axis.grid(axis="y", alpha=0.3)
        axis.set_axisbelow(True)
        if errors_by_category:
            axis.legend(loc="upper left", fontsize=9, ncols=4)
        save_picture(figure, path)


def score_histograms(truth: Labels, predictions: pl.DataFrame, thresholds: Mapping[int, float], path: Path) -> None:
    """Scores of right and wrong predictions, a panel for each category, with the threshold. Counts on a log scale."""
    from matplotlib.ticker import ScalarFormatter

    with drawing() as figure_class:
        figure = figure_class(figsize=(4.6 * len(truth.categories), 3.8), layout="constrained")
        for axis, (category, name) in zip(
            figure.subplots(1, len(truth.categories), squeeze=False).flat, truth.categories.items(), strict=True
        ):
            pooled = match(truth, predictions, ruler_of(category)).pooled(category)
            for label, scores, colour in _right_and_wrong(pooled):
                axis.hist(scores, SCORE_BINS, histtype="stepfilled", color=colour, alpha=0.45, label=label)
                axis.hist(scores, SCORE_BINS, histtype="step", color=colour)
            axis.axvline(thresholds[category], color="black", linewidth=1.2, linestyle="--", label="threshold")
            ruler = "within 10 px" if category == BALL else "IoU 0.5"
            axis.set_title(f"{name}, {ruler}")
            axis.set_yscale("symlog", linthresh=1)
            axis.yaxis.set_major_formatter(ScalarFormatter())
            axis.set_ylim(bottom=0)
            axis.set_xlim(0, 1)
            axis.set_xlabel("score")
            axis.set_ylabel("predictions")
            axis.grid(alpha=0.3)
            axis.legend(fontsize=8)
        save_picture(figure, path)


def _right_and_wrong(pooled: Pooled) -> list[tuple[str, np.ndarray, str]]:
    right, wrong = pooled.score[pooled.correct], pooled.score[~pooled.correct]
    return [(f"wrong ({len(wrong):,})", wrong, WRONG_COLOUR), (f"right ({len(right):,})", right, RIGHT_COLOUR)]


def _colour(truth: Labels, category: int) -> str:
    name = truth.categories[category]
    return COLOURS.get(name, OTHER_COLOURS[list(truth.categories).index(category) % len(OTHER_COLOURS)])
