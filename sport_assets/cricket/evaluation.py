"""A trained model's forecasts of balls that it never saw, calibrated, beside every baseline, with intervals.

Here belong what an evaluation reads and publishes, and its checks. Figures are in ``report``, calibration in
``calibration``, pictures in ``plots``. The same inputs give the same bytes: no times, paths or hosts are written.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from sport_assets.cricket import calibration, measuring, metrics, plots, report
from sport_assets.cricket.balls import Balls
from sport_assets.cricket.baseline_forecasts import keys, read_baselines
from sport_assets.cricket.calibration import (
    CALIBRATED_CHECK,
    CALIBRATION_FILE,
    MOST_CALIBRATION_ERROR,
    MOST_RUN_BIAS,
    Calibration,
)
from sport_assets.cricket.labels import OUTCOMES
from sport_assets.cricket.phases import PHASES
from sport_assets.cricket.player_history import read_past
from sport_assets.cricket.report import GROUP, MODEL, UNCALIBRATED, Judged
from sport_assets.cricket.split import Split
from sport_assets.lineage.checks import SAMPLE_ROWS, CheckResult
from sport_assets.lineage.row_index import RowIndex
from sport_assets.training.names import BEATS_BASELINES, EVALUATION_FILE
from sport_assets.training.reports import write_json

PREDICTIONS_FILE = "predictions.parquet"


def evaluate(
    checkpoint: Path,
    split: Path,
    samples: Mapping[str, Path],
    *,
    baselines: Path,
    player_history: Path,
    out: Path,
) -> tuple[dict[str, Any], list[CheckResult], RowIndex]:
    """Judge a checkpoint folder by the test side of `split` (file), over the years `samples` (folders).

    Its log odds are calibrated on the validation side (`model.calibration`); so is the decision rule of the tuned F1.
    Writes to `out`: evaluation.json, calibration.json, predictions.parquet, reliability.png, log_loss_by_group.png.
    Returns facts, checks, and the matches that were measured. Raises BadSpecError where a side has no ball.
    """
    settings = json.loads((checkpoint / "settings.json").read_text(encoding="utf-8"))
    made = Split.load(split)
    every = Balls.load(samples, read_past(player_history), {*made.valid, *made.test})
    sides = {side: every.select(made.side(side), f"the {side} side") for side in ("valid", "test")}
    logits = {side: measuring.log_odds(checkpoint, balls)[balls.scored] for side, balls in sides.items()}
    method = settings["model"]["calibration"]
    fitted = calibration.fit(logits["valid"], sides["valid"].outcome, method)
    fitted.save(out / CALIBRATION_FILE)

    valid, test = sides["valid"], sides["test"]
    told, raw = ({side: np.exp(each.apply(logits[side])) for side in sides} for each in (fitted, Calibration.none()))
    prior = np.bincount(valid.outcome, minlength=len(OUTCOMES)) / len(valid.outcome)
    power = metrics.tune_power(told["valid"], valid.outcome, prior)
    rivals = read_baselines(baselines, "test", test)
    judged = Judged(test, {MODEL: told["test"], UNCALIBRATED: raw["test"], **rivals}, tuple(rivals))
    found = report.summary(judged, power=power, prior=prior)
    found["validation"] = {
        "balls": len(valid.outcome),
        "log_loss": metrics.log_loss(told["valid"], valid.outcome),
        "uncalibrated_log_loss": metrics.log_loss(raw["valid"], valid.outcome),
        "calibration": {"method": method, "scale": fitted.scale.tolist(), "shift": fitted.shift.tolist()},
    }
    found["split"] = {"years": sorted(samples), **{name: made.settings[name] for name in ("valid_from", "test_from")}}
    found["label_rule"] = every.innings.label_rule
    write_json(out / EVALUATION_FILE, found)
    predictions(judged).write_parquet(out / PREDICTIONS_FILE, statistics=True)
    plots.reliability(metrics.reliability(judged.forecasts[MODEL], judged.outcome), out / "reliability.png")
    plots.by_group(found["by_group"], out / "log_loss_by_group.png")
    index = RowIndex()
    index.add(("match_id",), test.innings.match_ids, "test")
    facts = {**report.facts(found), "valid_log_loss": found["validation"]["log_loss"]}
    return facts, [beats_baselines(found), calibrated(found)], index


def predictions(judged: Judged) -> pl.DataFrame:
    """One row a scored ball: match_id, innings, ball, over, ball_in_over, phase, outcome, p_dot … p_wicket.

    Phase and outcome are names (``phases.PHASES``, ``labels.OUTCOMES``).
    """
    balls = judged.balls
    about = keys(balls).with_columns(pl.Series(name, balls.innings.balls[name]) for name in ("over", "ball_in_over"))
    about = about.with_columns(
        phase=pl.Series([PHASES[number] for number in balls.innings.balls["phase"]], dtype=pl.String)
    )
    told = judged.forecasts[MODEL].astype(np.float32)
    return (
        about.filter(pl.Series(balls.scored))
        .with_columns(outcome=pl.Series([OUTCOMES[number] for number in judged.outcome], dtype=pl.String))
        .with_columns(pl.Series(f"p_{name}", told[:, number]) for number, name in enumerate(OUTCOMES))
    )


def beats_baselines(found: Mapping[str, Any]) -> CheckResult:
    """Whether the model's log-loss is below every baseline's."""
    own = found["metrics"][GROUP]["log_loss"]["value"]
    lost = [
        {"baseline": name, "log_loss": table[GROUP]["log_loss"]["value"], "model": own}
        for name, table in found["baselines"].items()
        if not own < table[GROUP]["log_loss"]["value"]
    ]
    return CheckResult(
        BEATS_BASELINES,
        passed=not lost,
        description="The model's log-loss on held-out balls is below every baseline's.",
        failed=len(lost),
        checked=len(found["baselines"]),
        rules={"not_better_than_baseline": len(lost)} if lost else {},
        sample=lost[:SAMPLE_ROWS],
        metadata=report.facts(found),
    )


def calibrated(found: Mapping[str, Any]) -> CheckResult:
    """Whether probabilities can be taken at their word."""
    name, description = CALIBRATED_CHECK
    own = found["metrics"][GROUP]
    error, bias = own["calibration_error"]["value"], own["run_bias"]["value"]
    rules = {}
    if not error <= MOST_CALIBRATION_ERROR:
        rules["calibration_error"] = 1
    if not abs(bias) <= MOST_RUN_BIAS:
        rules["run_bias"] = 1
    return CheckResult(
        name,
        passed=not rules,
        blocking=False,
        description=description,
        failed=len(rules),
        checked=2,
        rules=rules,
        metadata={"calibration_error": error, "run_bias": bias},
    )
