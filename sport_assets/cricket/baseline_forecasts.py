"""The files of the ``baselines`` asset: what every baseline says of each held-out ball.

Belongs here: fitting all baselines on the training side once, their forecasts of the validation and test sides, and
reading these back. Must not come here: the baselines themselves (``baselines``).

They depend on the split and not on a model, so they are made once and stand beside every model.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl

from sport_assets.cricket import baselines, metrics
from sport_assets.cricket.balls import Balls
from sport_assets.cricket.baselines import CLASSES, LEVELS, Forecast
from sport_assets.cricket.player_history import Report, read_past
from sport_assets.cricket.split import Split
from sport_assets.lineage.checks import CheckResult
from sport_assets.lineage.row_index import RowIndex
from sport_assets.training.errors import BadSpecError
from sport_assets.training.names import SPLIT_FILE

FORECASTS_FILE = "forecasts.parquet"
REGRESSION, TREES = "logistic_regression", "boosted_trees"
SIDES = ("valid", "test")
BASELINE_CHECKS: dict[str, tuple[bool, str]] = {
    "forecasts_sound": (True, "Every baseline gives each held-out ball finite probabilities that add up to one."),
    "better_than_frequencies": (False, "Regression and trees are better than frequencies on the validation side."),
}
"""Every check of ``write_baselines``: blocking or not, and its description."""
_KEY = ("match_id", "innings", "ball")


def write_baselines(
    split: Path, samples: Mapping[str, Path], player_history: Path, out: Path, *, trees: bool = True
) -> Report:
    """forecasts.parquet in ``out``: match_id, innings, ball (from 0), side, outcome, and each baseline's [7].

    split: folder of ``split``; samples: folders of ``innings`` by year. Fitted on training balls alone; validation says
    how many boosted trees there are. ``trees=False`` leaves these out: they take minutes.
    """
    made = Split.load(split / SPLIT_FILE)
    past = read_past(player_history)

    def balls_of(side: str) -> Balls:
        """One side alone: features of all balls at once, and those of each side beside them, are twice as large."""
        return Balls.load(samples, past, made.side(side)).select(made.side(side), f"the {side} side")

    train, held_out = balls_of("train"), {side: balls_of(side) for side in SIDES}
    fitted = fit(train)
    if trees:
        valid = held_out["valid"]
        fitted[TREES] = baselines.boosted_trees(
            train.scored_features, train.outcome, valid.scored_features, valid.outcome
        )
    tables = []
    for side, balls in held_out.items():
        told = {name: forecast(balls.innings, balls.features).astype(np.float32) for name, forecast in fitted.items()}
        about = keys(balls).with_columns(side=pl.lit(side), outcome=pl.Series(balls.innings.balls["outcome"]))
        columns = [pl.Series(name, p, dtype=pl.Array(pl.Float32, CLASSES)) for name, p in told.items()]
        tables.append(about.with_columns(columns).filter(pl.Series(balls.scored)))
    table = pl.concat(tables)
    table.write_parquet(out / FORECASTS_FILE)
    losses = {f"{side}_{name}": loss for side in SIDES for name, loss in _losses(table, side, list(fitted)).items()}
    index = RowIndex()
    index.add(("match_id",), made.train, "train")
    for side in SIDES:
        index.add(("match_id",), made.side(side), side)
    metadata: dict[str, int | float | str] = {"balls": len(table), "baselines": len(fitted), **losses}
    return Report((_sound(table, list(fitted)), _better(losses, list(fitted))), metadata, index)


def fit(train: Balls) -> dict[str, Forecast]:
    """By name the baselines that need nothing but balls to learn from: frequencies, and regression."""
    fitted = {name: baselines.frequencies(train.innings, train.scored, name) for name in LEVELS}
    return {**fitted, REGRESSION: baselines.logistic_regression(train.scored_features, train.outcome)}


def keys(balls: Balls) -> pl.DataFrame:
    """Which ball each row is: match_id, innings from 1, ball from 0 among the deliveries of the innings."""
    table = balls.innings.table
    index = balls.innings.balls["innings_index"]
    return pl.DataFrame(
        {
            "match_id": table["match_id"].gather(index),
            "innings": table["innings"].gather(index),
            "ball": np.arange(len(index)) - table["start"].to_numpy()[index],
        }
    )


def read_baselines(folder: Path, side: str, balls: Balls) -> dict[str, np.ndarray]:
    """What each baseline says of the scored balls of a side, in their order: float64 [N, 7] by name.

    Raises BadSpecError where the folder's forecasts are not of exactly these balls.
    """
    table = pl.read_parquet(folder / FORECASTS_FILE).filter(pl.col("side") == side)
    wanted = keys(balls).filter(pl.Series(balls.scored))
    found = wanted.join(table, on=list(_KEY), how="left", maintain_order="left")
    if len(table) != len(wanted) or found["outcome"].null_count() or not _same(found["outcome"], balls.outcome):
        raise BadSpecError(
            f"the baselines are not of the balls of the side {side}: run `sport-assets build cricket/baselines`"
        )
    return {name: found[name].to_numpy().astype(np.float64) for name in table.columns[len(_KEY) + 2 :]}


def _same(found: pl.Series, outcome: np.ndarray) -> bool:
    return bool((found.to_numpy() == outcome).all())


def _losses(table: pl.DataFrame, side: str, names: list[str]) -> dict[str, float]:
    rows = table.filter(pl.col("side") == side)
    outcome = rows["outcome"].to_numpy()
    return {name: metrics.log_loss(rows[name].to_numpy(), outcome) for name in names}


def _sound(table: pl.DataFrame, names: list[str]) -> CheckResult:
    rules = {}
    for name in names:
        p = table[name].to_numpy().astype(np.float64)
        wrong = ~np.isfinite(p).all(1) | (p < 0).any(1) | (np.abs(p.sum(1) - 1) > 1e-3)
        if wrong.any():
            rules[f"{name}_no_probabilities"] = int(wrong.sum())
    return _result("forecasts_sound", rules, len(table) * len(names))


def _better(losses: Mapping[str, int | float | str], names: list[str]) -> CheckResult:
    best = min(float(losses[f"valid_{name}"]) for name in LEVELS)
    lost = [name for name in names if name not in LEVELS and not float(losses[f"valid_{name}"]) < best]
    return _result("better_than_frequencies", {f"{name}_not_better": 1 for name in lost}, len(names) - len(LEVELS))


def _result(name: str, rules: Mapping[str, int], checked: int) -> CheckResult:
    blocking, description = BASELINE_CHECKS[name]
    return CheckResult(
        name, not rules, blocking, description, failed=sum(rules.values()), checked=checked, rules=dict(rules)
    )
