"""evaluation.json of a detector: its figures beside every baseline's on the same images, with intervals over clips.

Belongs here: the form of the report. Arithmetic is in ``average_precision``, ``precision_recall`` and
``clip_bootstrap``; running detectors, files and checks are elsewhere; pictures in ``evaluation_plots``.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import polars as pl

from sport_assets.detection import clip_bootstrap
from sport_assets.detection.average_precision import ALL, SIZE_AREAS, coco_figures
from sport_assets.detection.categories import BALL, PLAYER
from sport_assets.detection.clip_bootstrap import RESAMPLES, SEED, Figures, Name
from sport_assets.detection.coco import Labels
from sport_assets.detection.precision_recall import at_thresholds

VERSION = 1
SPEC_TARGETS: tuple[tuple[str, int | None, str, float], ...] = (
    ("ball_recall_10px", BALL, "recall_10px", 0.80),
    ("ball_ap50", BALL, "ap50", 0.40),
    ("ball_ap75", BALL, "ap75", 0.30),
    ("player_ap50", PLAYER, "ap50", 0.70),
    ("all_ap50", None, "ap50", 0.60),
)
"""Name, category (None: all), metric and what the source document asks (soccertrack_detector.md, phase 6 and success
criteria: ball recall above 80 %, mAP at IoU 0.5 and 0.75)."""


@dataclass(frozen=True)
class Detector:
    """What a detector says of the images, and from which score on it is believed (by category, chosen elsewhere)."""

    predictions: pl.DataFrame
    thresholds: Mapping[int, float]

    @classmethod
    def without_thresholds(cls, predictions: pl.DataFrame, truth: Labels) -> "Detector":
        """Every prediction is believed: for baselines, whose scores order them and say no more."""
        return cls(predictions, dict.fromkeys(truth.categories, 0.0))


def summary(
    truth: Labels,
    model: Detector,
    baselines: Mapping[str, Detector],
    *,
    variants: Mapping[str, Detector] | None = None,
    validation: tuple[Labels, pl.DataFrame] | None = None,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> dict[str, Any]:
    """The report of the test side.

    ``variants``: the same model used otherwise (``sliced``, ``temporal_filter``), each with thresholds of its own.
    ``validation``: labels and predictions that the model's thresholds were chosen on; their counts stand in the report.
    Keys: ``metrics`` (group,
    metric, value, and low and high where there is an interval), ``baselines`` and ``variants`` (by name, each the
    same), ``differences`` (the model less each of them, paired by clip), ``thresholds``, ``by_clip``, ``samples``,
    ``spec_targets``, ``intervals``. Figures that these images do not have (no true box of a size) are null. Raises
    ``BadLabelsError`` for predictions that do not fit the labels.
    """
    others = {**baselines, **(variants or {})}
    measured = {
        name: clip_bootstrap.figures(truth, each.predictions, each.thresholds)
        for name, each in {ALL: model, **others}.items()
    }
    own = measured.pop(ALL)

    def table(detector: Detector, figures: Figures) -> dict[str, dict[str, Any]]:
        intervals = clip_bootstrap.intervals(figures, resamples=resamples, seed=seed)
        return metrics_table(truth, detector, intervals)

    metrics = table(model, own)
    tables = {name: table(each, measured[name]) for name, each in others.items()}
    return {
        "version": VERSION,
        "units": "shares from 0 to 1; 10px: within 10 pixels of the true centre, in pixels of the unstretched image",
        "metrics": metrics,
        "baselines": {name: tables[name] for name in baselines},
        "variants": {name: tables[name] for name in variants or {}},
        "differences": {
            name: _nested(clip_bootstrap.differences(own, figures, resamples=resamples, seed=seed))
            for name, figures in measured.items()
        },
        "thresholds": {
            "model": _thresholds(truth, model),
            "variants": {name: _thresholds(truth, each) for name, each in (variants or {}).items()},
            "chosen_on": None if validation is None else _chosen_on(*validation, model),
            "rule": "the score with the best F1 on validation: the ball within 10 pixels, all else at IoU 0.5",
        },
        "by_clip": clip_bootstrap.by_clip(own).to_dicts(),
        "samples": _samples(truth),
        "headline": [
            *((group, metric) for group in (ALL, *truth.categories.values()) for metric in ("ap", "ap50", "ap75")),
            *((name, metric) for name in truth.categories.values() for metric in ("precision", "recall")),
            *((truth.categories[BALL], f"{metric}_10px") for metric in ("ap", "precision", "recall")),
        ],
        "spec_targets": spec_targets(metrics, truth),
        "intervals": {
            "level": clip_bootstrap.LEVEL,
            "over": "clips",
            "clips": len(own.clips),
            "resamples": resamples,
            "seed": seed,
        },
    }


def metrics_table(
    truth: Labels, detector: Detector, intervals: Mapping[Name, clip_bootstrap.Interval]
) -> dict[str, dict[str, Any]]:
    """Group, metric, {value} or {value, low, high}: COCO's figures, those at thresholds, and the ball's by distance."""
    found: dict[str, dict[str, Any]] = {
        group: {metric: {"value": value} for metric, value in figures.items()}
        for group, figures in coco_figures(truth, detector.predictions).items()
    }
    for (group, metric), interval in intervals.items():
        found[group].setdefault(metric, {"value": interval.value})
        found[group][metric] |= {"low": interval.low, "high": interval.high}
    return found


def spec_targets(metrics: Mapping[str, Mapping[str, Any]], truth: Labels) -> list[dict[str, Any]]:
    """What the source document asks, beside what was reached; ``met`` is null where the figure is not defined."""
    rows = []
    for name, category, metric, target in SPEC_TARGETS:
        group = ALL if category is None else truth.categories.get(category)
        value = metrics[group][metric]["value"] if group is not None else None
        met = None if value is None else value > target
        remark = "" if value is not None else "not defined: no such box in the test side"
        rows.append({"name": name, "good": "above", "target": target, "value": value, "met": met, "remark": remark})
    return rows


def facts(report: Mapping[str, Any]) -> dict[str, Any]:
    """The numbers people ask for first."""
    metrics = report["metrics"]
    wanted = {ALL: ("ap", "ap50", "ap75")}
    wanted |= {name: ("ap50", "precision", "recall") for name in report["samples"]["boxes"] if name in metrics}
    found = {
        f"{group}_{metric}": metrics[group][metric]["value"] for group, names in wanted.items() for metric in names
    }
    by_distance = {
        f"{group}_{metric}": figure["value"]
        for group, figures in metrics.items()
        for metric, figure in figures.items()
        if metric.endswith("_10px")
    }
    targets = {f"{row['name']}_target": row["target"] for row in report["spec_targets"]}
    return {"test_images": report["samples"]["images"], "test_clips": report["samples"]["clips"]} | {
        **found,
        **by_distance,
        **targets,
    }


def _nested(found: Mapping[Name, clip_bootstrap.Interval]) -> dict[str, dict[str, Any]]:
    groups: dict[str, dict[str, Any]] = {}
    for (group, metric), interval in found.items():
        groups.setdefault(group, {})[metric] = asdict(interval)
    return groups


def _thresholds(truth: Labels, model: Detector) -> dict[str, float]:
    return {name: float(model.thresholds[category]) for category, name in truth.categories.items()}


def _chosen_on(labels: Labels, predictions: pl.DataFrame, model: Detector) -> dict[str, Any]:
    """What the thresholds gave where they were chosen: by category and ruler."""
    rows = at_thresholds(labels, predictions, model.thresholds)
    figures = [{name: row[name] for name in row if name != "category"} for row in rows.to_dicts()]
    return {"images": len(labels.images), "figures": figures}


def _samples(truth: Labels) -> dict[str, Any]:
    """Images, clips, images without a box; by category the true boxes, and those of each size as COCO counts it."""
    boxes = truth.boxes.filter(~pl.col("crowd")).with_columns(area=pl.col("width") * pl.col("height"))
    counts: dict[str, dict[str, int]] = {}
    for category, name in truth.categories.items():
        area = boxes.filter(pl.col("category") == category)["area"]
        counts[name] = {ALL: len(area)}
        counts[name] |= {size: int(area.is_between(low, high).sum()) for size, (low, high) in SIZE_AREAS.items()}
    return {
        "images": len(truth.images),
        "images_without_boxes": len(truth.images.join(truth.boxes, on="image", how="anti")),
        "clips": truth.images.select(clip_bootstrap.clip_of_image()).n_unique(),
        "boxes": counts,
        "crowd_boxes": int(truth.boxes["crowd"].sum()),
    }
