"""Metrics per epoch by name, as a table and as a drawing, without times.

Belongs here: what the curves hold and how they are written. Must not be here: trackers, timing.
"""

from __future__ import annotations

import io
from typing import Any

import pytorch_lightning as pl

from sport_assets.training.checkpoints import json_bytes
from sport_assets.training.errors import BadSpecError

FIXED = ("epoch", "step", "learning_rate")


class Curves(pl.Callback):
    """One row per epoch: epoch (from 0), step (optimizer steps so far), learning_rate after it, metrics by name."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Add the epoch's row."""
        metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
        if "train_loss" not in metrics:
            known = ", ".join(sorted(metrics)) or "nothing"
            raise BadSpecError(f"{type(pl_module).__name__} must log train_loss in training_step; it logs: {known}")
        rate = trainer.optimizers[0].param_groups[0]["lr"]
        fixed = {"epoch": trainer.current_epoch, "step": trainer.global_step, "learning_rate": rate}
        self.rows.append({**fixed, **dict(sorted(metrics.items()))})

    def state_dict(self) -> dict[str, Any]:
        """The rows so far."""
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Inverse of `state_dict`."""
        self.rows = state_dict["rows"]


def curve_files(rows: list[dict[str, Any]], title: str) -> dict[str, bytes]:
    """curves.parquet, curves.json and curves.svg; the same rows give the same bytes."""
    return {
        "curves.parquet": _parquet(rows),
        "curves.json": json_bytes(rows),
        "curves.svg": draw(rows, title),
    }


def _parquet(rows: list[dict[str, Any]]) -> bytes:
    import polars as pl_frames

    names = [*FIXED, *sorted({name for row in rows for name in row} - set(FIXED))]
    schema = {name: pl_frames.Int64 if name in ("epoch", "step") else pl_frames.Float64 for name in names}
    buffer = io.BytesIO()
    columns = {name: [row.get(name) for row in rows] for name in names}
    pl_frames.DataFrame(columns, schema=schema).write_parquet(buffer, statistics=True)
    return buffer.getvalue()


def draw(rows: list[dict[str, Any]], title: str) -> bytes:
    """SVG with one panel for train_loss and val_loss, one for each further family of metrics, one for the rate."""
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    panels = _panels(sorted({name for row in rows for name in row} - {"epoch", "step"}))
    style: dict[Any, Any] = {
        "svg.hashsalt": "sport_assets",
        "svg.fonttype": "none",
        "axes.grid": True,
        "grid.alpha": 0.3,
    }
    with matplotlib.rc_context(style):
        figure = Figure(figsize=(4.2 * len(panels), 3.4), layout="constrained")
        FigureCanvasSVG(figure)
        figure.suptitle(title)
        axes = figure.subplots(1, len(panels), squeeze=False)[0]
        for axis, (panel, names) in zip(axes, panels.items(), strict=True):
            for name in names:
                points = [(row["epoch"] + 1, row[name]) for row in rows if row.get(name) is not None]
                marker = "o" if len(points) < 30 else None
                axis.plot(*zip(*points, strict=True), label=name, marker=marker, markersize=3)
            axis.set_title(panel)
            axis.set_xlabel("epoch")
            axis.legend(fontsize="small")
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": "sport_assets"})
    return buffer.getvalue()


def _panels(names: list[str]) -> dict[str, list[str]]:
    """Train and validation curves of the same quantity share a panel."""
    panels: dict[str, list[str]] = {}
    for name in names:
        quantity = name.removeprefix("train_").removeprefix("val_").replace("_", " ")
        panels.setdefault(quantity, []).append(name)
    order = sorted(panels, key=lambda quantity: (quantity != "loss", quantity == "learning rate", quantity))
    return {quantity: panels[quantity] for quantity in order}
