"""Pictures of a detector's worst cases: the whole image and a close look at the gravest mistake, truth and prediction.

Belongs here: drawing from the table of errors to a PNG with the same bytes for the same input. Must not come here:
which cases are the worst (``error_report``), curves and bars (``evaluation_plots``). matplotlib is imported when
drawing.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import polars as pl
from numpy.typing import NDArray

from sport_assets.detection.coco import Labels
from sport_assets.detection.error_report import ReadImage
from sport_assets.detection.scored_boxes import horizontal_stretch
from sport_assets.training.reports import drawing, save_picture

TRUTH_COLOUR, PREDICTION_COLOUR = "#00e5ff", "#ff2d95"
WHOLE_WIDTH_PX = 480
CLOSE_UP_PX = 360
LEAST_WINDOW_PX = 64
WINDOW_SIDES = 5
"""The close-up shows so many times the larger side of the box in question."""
CASES_A_ROW = 2
LONGEST_NAME = 40


def draw_cases(cases: pl.DataFrame, errors: pl.DataFrame, truth: Labels, read_image: ReadImage, path: Path) -> None:
    """Draw ``cases`` (``error_report.worst_cases``) to a PNG, two a row, each whole and close up.

    ``errors``: the table that the cases are from, made of ``truth``; ``read_image`` gives the picture of an image id
    (blue, green, red). Right boxes are thin. Stretched images are shown in their true aspect. Without cases the picture
    says so.
    """
    from matplotlib.lines import Line2D

    stretch = dict(horizontal_stretch(truth.images).iter_rows())
    rows = max(1, -(-len(cases) // CASES_A_ROW))
    with drawing() as figure_class:
        figure = figure_class(figsize=(7.2 * CASES_A_ROW, 2.75 * rows + 0.8), layout="constrained")
        axes = figure.subplots(rows, 2 * CASES_A_ROW, width_ratios=[1.78, 1] * CASES_A_ROW, squeeze=False).flat
        for axis in axes:
            axis.set_axis_off()
        for number, case in enumerate(cases.iter_rows(named=True)):
            picture = read_image(case["image"])
            boxes = errors.filter(pl.col("image") == case["image"])
            whole, close = axes[2 * number], axes[2 * number + 1]
            _draw(whole, picture, boxes, (0, 0, picture.shape[1], picture.shape[0]), WHOLE_WIDTH_PX)
            _draw(close, picture, boxes, _window(case, picture, stretch[case["image"]]), CLOSE_UP_PX)
            for axis in (whole, close):
                axis.set_aspect(1 / stretch[case["image"]])
            score = "" if case["score"] is None else f", score {case['score']:.2f}"
            mistakes = "1 mistake" if case["mistakes"] == 1 else f"{case['mistakes']} mistakes"
            whole.set_title(f"{_short(case['file_name'])}: {mistakes}", fontsize=8, loc="left")
            kind = case["kind"].replace("_", " ")
            close.set_title(f"{kind} {truth.categories[case['category']]}{score}", fontsize=8, loc="left")
        if not len(cases):
            axes[0].text(0, 0.5, "No mistakes.", va="center")
        handles = [
            Line2D([], [], color=colour, linewidth=2, label=label)
            for label, colour in (("true box", TRUTH_COLOUR), ("prediction with its score", PREDICTION_COLOUR))
        ]
        figure.legend(handles=handles, loc="outside upper left", ncols=2, frameon=False)
        save_picture(figure, path)


def _short(name: str) -> str:
    """A file name that fits over its picture."""
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"


def _window(case: Mapping[str, Any], picture: NDArray[np.uint8], stretch: float) -> tuple[int, int, int, int]:
    """left, top, right, bottom of what is a square around the mistake in the true aspect, moved into the picture."""
    height, width = picture.shape[:2]
    side = max(LEAST_WINDOW_PX, WINDOW_SIDES * max(case["width"] * stretch, case["height"]))
    side = min(side, height, width * stretch)
    found = []
    for start, size, most, length in (
        ("x", "width", width, max(1, int(side / stretch))),
        ("y", "height", height, int(side)),
    ):
        low = int(np.clip(case[start] + case[size] / 2 - length / 2, 0, most - length))
        found.append((low, low + length))
    return found[0][0], found[1][0], found[0][1], found[1][1]


def _draw(
    axis: Any, picture: NDArray[np.uint8], boxes: pl.DataFrame, window: tuple[int, int, int, int], width_px: int
) -> None:
    """A part of the picture with the boxes that reach into it, at a fixed width in pixels."""
    from matplotlib.patches import Rectangle

    left, top, right, bottom = window
    scale = width_px / (right - left)
    size = (width_px, max(1, round((bottom - top) * scale)))
    # small balls must stay visible: enlarged without smoothing, made smaller by area
    part = cv2.resize(
        picture[top:bottom, left:right], size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST
    )
    axis.imshow(cv2.cvtColor(part, cv2.COLOR_BGR2RGB), interpolation="none")
    inside = boxes.filter(
        (pl.col("x") < right)
        & (pl.col("x") + pl.col("width") > left)
        & (pl.col("y") < bottom)
        & (pl.col("y") + pl.col("height") > top)
    )
    close_up = scale > 1
    for box in inside.iter_rows(named=True):
        colour = TRUTH_COLOUR if box["of"] == "truth" else PREDICTION_COLOUR
        x, y = (box["x"] - left) * scale, (box["y"] - top) * scale
        thick = (1.6 if close_up else 1.0) * (0.5 if box["kind"] in ("correct", "ignored") else 1.0)
        axis.add_patch(
            Rectangle(
                (x, y), box["width"] * scale, box["height"] * scale, fill=False, edgecolor=colour, linewidth=thick,
                clip_on=True,
            )
        )  # fmt: skip
        if close_up and box["of"] == "prediction":
            ground = {"facecolor": "black", "edgecolor": "none", "alpha": 0.6, "pad": 0.8}
            axis.text(x, y - 3, f"{box['score']:.2f}", color=colour, fontsize=6, va="bottom", clip_on=True, bbox=ground)
    axis.set_xlim(-0.5, size[0] - 0.5)
    axis.set_ylim(size[1] - 0.5, -0.5)
