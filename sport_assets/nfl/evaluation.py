"""A trained model's errors on the test side, beside every baseline, with intervals and pictures.

Here belong running a checkpoint over held-out plays and what is published of it. Metrics' arithmetic is in
`metrics`, forecasts to beat in `baselines`, drawing in `plots`. The same inputs give the same bytes: no times,
paths or hosts are written.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from sport_assets.lineage.checks import SAMPLE_ROWS, CheckResult
from sport_assets.nfl import metrics, plots
from sport_assets.nfl.baselines import BASELINES, ROLE_TARGETED_RECEIVER, Batch
from sport_assets.nfl.metrics import PlayErrors
from sport_assets.nfl.predict import rows_to_predict
from sport_assets.nfl.schemas import PREDICTIONS_FILE
from sport_assets.nfl.split import Split
from sport_assets.nfl.tensors import PlayTensors
from sport_assets.training.names import BEATS_BASELINES

MODEL = "model"
HORIZONS: dict[str, int | None] = {"full": None, "10_frames": 10}
ROLES = ("targeted_receiver", "defensive_coverage")
CHECKED_METRICS = ("ade", "rmse")
"""Metrics in which a model must be better than every baseline, at both horizons."""

BATCH_PLAYS = 128
RESAMPLES = 2000
BOOTSTRAP_SEED = 20260

Forecast = Callable[[Batch], np.ndarray]


@dataclass
class Errors:
    """Errors of one forecast over all test plays: sums per play by horizon and role, and sums by frame."""

    by_horizon: dict[str, PlayErrors]
    by_role: dict[str, PlayErrors]
    distance_by_frame: np.ndarray
    """float64 [H]: sums over players."""


def evaluate(
    checkpoint: Path, split: Path, samples: Mapping[str, Path], out: Path, *, resamples: int = RESAMPLES
) -> tuple[dict[str, Any], list[CheckResult]]:
    """Evaluate a checkpoint folder on the test side of `split` (file) over the weeks `samples` (folders).

    Writes to `out`: evaluation.json, predictions.parquet (original coordinates), error_by_horizon.png and
    play_best.png, play_median.png, play_worst.png. Returns facts (numbers by name) and the check
    `beats_baselines`. Raises BadSpecError where no play is on the test side.
    """
    from sport_assets.nfl.models import side, tensors_path

    weeks = {week: PlayTensors.load(tensors_path(folder)) for week, folder in samples.items()}
    test = side(weeks, Split.load(split), "test")
    with torch_forecast(checkpoint) as forecast:
        errors, rows = measure(test, {MODEL: forecast, **BASELINES})
    weights = metrics.bootstrap_weights(len(test), resamples, BOOTSTRAP_SEED)
    report = summary(test, errors, weights, resamples)
    report["weeks"] = sorted(samples)
    report["examples"] = examples(test, errors[MODEL].by_horizon["full"])
    write_json(out / "evaluation.json", report)
    predictions(test, rows).write_parquet(out / PREDICTIONS_FILE, statistics=True)
    plots.error_by_horizon(report["error_by_frame"], out / "error_by_horizon.png")
    for name, example in report["examples"].items():
        play = example["index"]
        picture = plots.PlayPicture.of(test, play, rows[play], BASELINES["damped_landing"])
        plots.play(picture, name, example["ade_yards"], out / f"play_{name}.png")
    return facts(report), [beats_baselines(report)]


@contextmanager
def torch_forecast(checkpoint: Path) -> Iterator[Forecast]:
    """The model of a checkpoint folder as a forecast of padded batches, on one CPU thread (for equal bits)."""
    import torch

    from sport_assets.nfl.models import as_tensors, load

    threads = torch.get_num_threads()
    module = load(checkpoint)

    def forecast(batch: Batch) -> np.ndarray:
        with torch.no_grad():
            positions: np.ndarray = module(as_tensors(batch)).numpy()
        return positions

    torch.set_num_threads(1)
    try:
        yield forecast
    finally:
        torch.set_num_threads(threads)


def measure(
    tensors: PlayTensors, forecasts: Mapping[str, Forecast], model: str = MODEL
) -> tuple[dict[str, Errors], list[np.ndarray]]:
    """Errors of each forecast over all plays, and the positions [A, frames, 2] that `model` gives each play."""
    horizon = int(tensors.frames.max())
    parts: dict[str, list[tuple[dict[str, PlayErrors], dict[str, PlayErrors]]]] = {n: [] for n in forecasts}
    by_frame = {name: np.zeros(horizon) for name in forecasts}
    rows: list[np.ndarray] = []
    for first in range(0, len(tensors), BATCH_PLAYS):
        chosen = np.arange(first, min(first + BATCH_PLAYS, len(tensors)))
        batch: Batch = dict(tensors.pad(chosen))
        target, mask = batch["target"], batch["target_mask"]
        targeted = batch["player"][..., ROLE_TARGETED_RECEIVER, None] > 0
        for name, forecast in forecasts.items():
            found = forecast(batch)
            distance = metrics.distances(found, target, mask)
            by_frame[name][: distance.shape[2]] += distance.sum((0, 1))
            horizons = {key: metrics.play_errors(found, target, mask, n) for key, n in HORIZONS.items()}
            roles = {
                role: metrics.play_errors(found, target, mask & (targeted == (role == ROLES[0]))) for role in ROLES
            }
            parts[name].append((horizons, roles))
            if name == model:
                counts = batch["player_mask"].sum(1)
                rows += [found[i, : counts[i], : batch["frames"][i]] for i in range(len(chosen))]
    errors = {
        name: Errors(
            {key: _join([horizons[key] for horizons, _ in made]) for key in HORIZONS},
            {key: _join([roles[key] for _, roles in made]) for key in ROLES},
            by_frame[name],
        )
        for name, made in parts.items()
    }
    return errors, rows


def _join(parts: list[PlayErrors]) -> PlayErrors:
    names = [field.name for field in fields(PlayErrors)]
    return PlayErrors(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})


def summary(tensors: PlayTensors, errors: Mapping[str, Errors], weights: np.ndarray, resamples: int) -> dict[str, Any]:
    """evaluation.json without the examples: metrics of the model and of each baseline in the same form."""
    base = errors[MODEL]
    tables = {
        name: {key: metrics.intervals(one.by_horizon[key], weights) for key in HORIZONS} for name, one in errors.items()
    }
    mask = tensors.pad(np.arange(len(tensors)))["target_mask"]
    players = mask.sum((0, 1))
    shown = np.nonzero(players)[0]
    return {
        "version": 1,
        "units": "yards; the miss rate is a share",
        "metrics": tables[MODEL],
        "baselines": {name: table for name, table in tables.items() if name != MODEL},
        "difference_of_ade": {
            name: {
                key: metrics.paired_difference(base.by_horizon[key], one.by_horizon[key], weights) for key in HORIZONS
            }
            for name, one in errors.items()
            if name != MODEL
        },
        "by_role": {
            role: {
                "players": int(base.by_role[role].players.sum()),
                **{name: _plain(metrics.summarise(one.by_role[role])) for name, one in errors.items()},
            }
            for role in ROLES
            if base.by_role[role].players.sum() > 0
        },
        "samples": {
            "games": len(np.unique(tensors.game_id)),
            "plays": len(tensors),
            **{
                key: {
                    "players": int(base.by_horizon[key].players.sum()),
                    "frames": int(base.by_horizon[key].frames.sum()),
                }
                for key in HORIZONS
            },
        },
        "intervals": {"level": 0.95, "over": "plays", "resamples": resamples, "seed": BOOTSTRAP_SEED},
        "error_by_frame": {
            "frame": [int(frame) + 1 for frame in shown],
            "players": [int(players[frame]) for frame in shown],
            "error_yards": {
                name: [float(one.distance_by_frame[frame] / players[frame]) for frame in shown]
                for name, one in errors.items()
            },
        },
    }


def _plain(values: Mapping[str, np.ndarray]) -> dict[str, float]:
    return {name: float(value) for name, value in values.items()}


def examples(tensors: PlayTensors, errors: PlayErrors) -> dict[str, dict[str, Any]]:
    """The plays with the least, the middle and the largest mean error; ties by game and play."""
    ade = errors.distance / errors.frames
    order = np.lexsort((tensors.play_id, tensors.game_id, ade))
    chosen = {"best": order[0], "median": order[(len(order) - 1) // 2], "worst": order[-1]}
    return {
        name: {
            "index": int(play),
            "game_id": int(tensors.game_id[play]),
            "play_id": int(tensors.play_id[play]),
            "frames": int(tensors.frames[play]),
            "ade_yards": float(ade[play]),
        }
        for name, play in chosen.items()
    }


def predictions(tensors: PlayTensors, rows: list[np.ndarray]) -> pl.DataFrame:
    """One row per player to predict and frame: ids, x and y, true_x and true_y (null where unknown), error_yards.

    Original coordinates, yards.
    """
    batch: Batch = dict(tensors.pad(np.arange(len(tensors))))
    truth = np.where(batch["target_mask"][..., None], batch["target"].astype(np.float64), np.nan)
    counts = batch["player_mask"].sum(1)
    known = [truth[i, : counts[i], : batch["frames"][i]] for i in range(len(tensors))]
    found = rows_to_predict(tensors, rows)
    true = rows_to_predict(tensors, known).select(true_x="x", true_y="y").fill_nan(None)
    gap = (pl.col("x") - pl.col("true_x")) ** 2 + (pl.col("y") - pl.col("true_y")) ** 2
    return pl.concat([found, true], how="horizontal").with_columns(error_yards=gap.sqrt())


def beats_baselines(report: Mapping[str, Any]) -> CheckResult:
    """Whether the model is better than every baseline in CHECKED_METRICS at both horizons."""
    lost = []
    for name, table in report["baselines"].items():
        for horizon in HORIZONS:
            for metric in CHECKED_METRICS:
                model, baseline = report["metrics"][horizon][metric]["value"], table[horizon][metric]["value"]
                if not model < baseline:
                    row = {"baseline": name, "horizon": horizon, "metric": metric}
                    lost.append({**row, "model_yards": model, "baseline_yards": baseline})
    checked = len(report["baselines"]) * len(HORIZONS) * len(CHECKED_METRICS)
    return CheckResult(
        name=BEATS_BASELINES,
        passed=not lost,
        description="The model's ADE and RMSE on held-out games are below every baseline's, at 10 frames and over "
        "the full horizon.",
        failed=len(lost),
        checked=checked,
        rules={"not_better_than_baseline": len(lost)} if lost else {},
        sample=tuple(lost[:SAMPLE_ROWS]),
        metadata=facts(report),
    )


def facts(report: Mapping[str, Any]) -> dict[str, Any]:
    """The numbers people ask for first."""
    found: dict[str, Any] = {"test_plays": report["samples"]["plays"], "test_games": report["samples"]["games"]}
    for horizon in HORIZONS:
        for metric in metrics.METRICS:
            found[f"{metric}_{horizon}"] = report["metrics"][horizon][metric]["value"]
        best = min(report["baselines"], key=lambda name: report["baselines"][name][horizon]["ade"]["value"])
        found[f"best_baseline_{horizon}"] = best
        found[f"best_baseline_ade_{horizon}"] = report["baselines"][best][horizon]["ade"]["value"]
    return found


def write_json(path: Path, content: Any) -> None:
    """Readable JSON with sorted keys; NaN is refused, so that every reader can read it."""
    path.write_text(json.dumps(content, indent=1, sort_keys=True, allow_nan=False) + "\n", encoding="utf-8")
