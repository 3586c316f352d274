"""evaluation.json: the figures of a model beside every baseline's, from what was measured on held-out plays.

Here belongs the form of the report. Running models is in `measuring`, arithmetic in `metrics`, `distribution` and
`coverage_metrics`, files and checks in `evaluation`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sport_assets.nfl import coverage_metrics, distribution, metrics, spec_targets
from sport_assets.nfl.measuring import HORIZONS, MODEL, ROLES, Errors, Measured
from sport_assets.nfl.metrics import PlayErrors

VERSION = 2
BOOTSTRAP_SEED = 20260


def summary(measured: Measured, resamples: int) -> dict[str, Any]:
    """What holds of any set of held-out plays: metrics, baselines, roles, counts, error by frame, modes, coverage."""
    errors, weights = measured.errors, metrics.bootstrap_weights(len(measured.plays), resamples, BOOTSTRAP_SEED)
    tables = {name: _table(one, weights) for name, one in errors.items()}
    model, baselines = tables[MODEL], {name: table for name, table in tables.items() if name != MODEL}
    coverage = coverage_metrics.summary(measured.man_probability, measured.plays.coverage)
    report = {
        "version": VERSION,
        "units": "yards; the miss rate is a share",
        "metrics": model,
        "baselines": baselines,
        "difference_of_ade": _differences(errors, weights),
        "by_role": _by_role(errors),
        "samples": _samples(measured, np.arange(len(measured.plays))),
        "intervals": {"level": 0.95, "over": "plays", "resamples": resamples, "seed": BOOTSTRAP_SEED},
        "error_by_frame": _by_frame(measured),
        "coverage": coverage,
        "spec_targets": spec_targets.table(model, baselines, coverage),
    }
    if measured.scores is not None:
        report["distribution"] = distribution.summary(measured.scores, len(measured.plays), weights)
    return report


def by_folds(measured: Sequence[Measured], games: Sequence[Sequence[int]]) -> dict[str, Any]:
    """Each fold's own metrics, and their mean and standard deviation over the folds.

    measured: what each fold's weights gave, in the order of the folds; games: the held-out games of each.
    """
    rows: list[dict[str, Any]] = []
    for number, one in enumerate(measured):
        values = {key: _plain(metrics.summarise(one.errors[MODEL].by_horizon[key])) for key in HORIZONS}
        rows.append({"fold": number, "games": len(games[number]), "plays": len(one.plays), "metrics": values})
    spread = {
        key: {
            name: {
                "mean": float(np.mean([row["metrics"][key][name] for row in rows])),
                "standard_deviation": float(np.std([row["metrics"][key][name] for row in rows], ddof=1)),
            }
            for name in metrics.METRICS
        }
        for key in HORIZONS
    }
    return {"count": len(rows), "over_folds": spread, "each": rows}


def of_games(measured: Measured, games: Sequence[int], resamples: int) -> dict[str, Any] | None:
    """The same forecasts judged by the plays of some games alone; None where they have none."""
    chosen = np.flatnonzero(np.isin(measured.plays.game_id, games))
    if not len(chosen):
        return None
    weights = metrics.bootstrap_weights(len(chosen), resamples, BOOTSTRAP_SEED)
    errors = {
        name: Errors({key: one.by_horizon[key].select(chosen) for key in HORIZONS}, {}, one.distance_by_frame[:0])
        for name, one in measured.errors.items()
    }
    tables = {name: _table(one, weights) for name, one in errors.items()}
    return {
        "samples": _samples(measured, chosen),
        "metrics": tables.pop(MODEL),
        "baselines": tables,
        "difference_of_ade": _differences(errors, weights),
    }


def examples(measured: Measured) -> dict[str, dict[str, Any]]:
    """The plays with the least, the middle and the largest mean error; ties by game and play."""
    plays, errors = measured.plays, measured.errors[MODEL].by_horizon["full"]
    ade = errors.distance / errors.frames
    order = np.lexsort((plays.play_id, plays.game_id, ade))
    chosen = {"best": order[0], "median": order[(len(order) - 1) // 2], "worst": order[-1]}
    return {
        name: {
            "index": int(play),
            "game_id": int(plays.game_id[play]),
            "play_id": int(plays.play_id[play]),
            "frames": int(plays.frames[play]),
            "ade_yards": float(ade[play]),
        }
        for name, play in chosen.items()
    }


def facts(report: Mapping[str, Any]) -> dict[str, Any]:
    """The numbers people ask for first."""
    found: dict[str, Any] = {
        "evaluated_by": report["evaluated_by"],
        "test_plays": report["samples"]["plays"],
        "test_games": report["samples"]["games"],
    }
    for horizon in HORIZONS:
        for metric in metrics.METRICS:
            found[f"{metric}_{horizon}"] = report["metrics"][horizon][metric]["value"]
        best = min(report["baselines"], key=lambda name: report["baselines"][name][horizon]["ade"]["value"])
        found[f"best_baseline_{horizon}"] = best
        found[f"best_baseline_ade_{horizon}"] = report["baselines"][best][horizon]["ade"]["value"]
    if "distribution" in report:
        likelihood, regions = report["distribution"]["negative_log_likelihood"], report["distribution"]["regions"]
        found |= {f"negative_log_likelihood_{name}": likelihood[name]["value"] for name in ("model", "baseline")}
        found |= {name: regions[name]["value"] for name in ("inside_50", "inside_90")}
    if report["coverage"].get("accuracy") is not None:
        found |= {f"coverage_{name}": report["coverage"][name] for name in ("accuracy", "majority_class_share")}
    return found


def _table(errors: Errors, weights: np.ndarray) -> dict[str, dict[str, dict[str, float]]]:
    return {key: metrics.intervals(errors.by_horizon[key], weights) for key in HORIZONS}


def _differences(errors: Mapping[str, Errors], weights: np.ndarray) -> dict[str, Any]:
    model = errors[MODEL].by_horizon
    return {
        name: {key: metrics.paired_difference(model[key], one.by_horizon[key], weights) for key in HORIZONS}
        for name, one in errors.items()
        if name != MODEL
    }


def _by_role(errors: Mapping[str, Errors]) -> dict[str, Any]:
    counts = {role: int(errors[MODEL].by_role[role].players.sum()) for role in ROLES}
    return {
        role: {
            "players": count,
            **{name: _plain(metrics.summarise(one.by_role[role])) for name, one in errors.items()},
        }
        for role, count in counts.items()
        if count
    }


def _samples(measured: Measured, chosen: np.ndarray) -> dict[str, Any]:
    def counts(errors: PlayErrors) -> dict[str, int]:
        return {"players": int(errors.players[chosen].sum()), "frames": int(errors.frames[chosen].sum())}

    return {
        "games": len(np.unique(measured.plays.game_id[chosen])),
        "plays": len(chosen),
        **{key: counts(measured.errors[MODEL].by_horizon[key]) for key in HORIZONS},
    }


def _by_frame(measured: Measured) -> dict[str, Any]:
    players = measured.players_by_frame
    shown = np.flatnonzero(players)
    return {
        "frame": [int(frame) + 1 for frame in shown],
        "players": [int(players[frame]) for frame in shown],
        "error_yards": {
            name: [float(value) for value in one.distance_by_frame[shown] / players[shown]]
            for name, one in measured.errors.items()
        },
    }


def _plain(values: Mapping[str, np.ndarray]) -> dict[str, float]:
    return {name: float(value) for name, value in values.items()}
