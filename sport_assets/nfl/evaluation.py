"""A trained model's errors on plays that it never saw, beside every baseline, with intervals and pictures.

Here belong what an evaluation reads and publishes, and its checks. Which weights may forecast which plays is in
`held_out`, running them in `measuring`, figures in `report`, forecasts to beat in `baselines`, drawing in `plots` and
`plots_distribution`. The same inputs give the same bytes: no times, paths or hosts are written.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from sport_assets.lineage.checks import SAMPLE_ROWS, CheckResult
from sport_assets.lineage.row_index import RowIndex
from sport_assets.nfl import distribution, plots, plots_distribution, report
from sport_assets.nfl.baselines import BASELINES, Batch
from sport_assets.nfl.held_out import HeldOut, held_out, method, plays_by_length, torch_forecast
from sport_assets.nfl.identifiers import of_plays
from sport_assets.nfl.measuring import HORIZONS, Measured, measure
from sport_assets.nfl.predict import rows_to_predict
from sport_assets.nfl.schemas import PREDICTIONS_FILE
from sport_assets.nfl.split import Split
from sport_assets.nfl.tensors import PlayTensors
from sport_assets.training.names import BEATS_BASELINES, SPEC_FILE
from sport_assets.training.reports import write_json

CHECKED_METRICS = ("ade", "rmse")
"""Metrics in which a model must be better than every baseline, at both horizons."""

RESAMPLES = 2000


def evaluate(
    checkpoint: Path, split: Path, samples: Mapping[str, Path], out: Path, *, resamples: int = RESAMPLES
) -> tuple[dict[str, Any], list[CheckResult], RowIndex]:
    """Evaluate a checkpoint folder over the weeks `samples` (folders) as `data.evaluate_by` of its settings says.

    `holdout`: its weights on the test side of `split` (file). `folds`: every game by the weights of the fold that
    never saw it, and besides the same forecasts on the test side alone, which no tuning has seen.
    Writes to `out`: evaluation.json, predictions.parquet (original coordinates), error_by_horizon.png and
    play_best.png, play_median.png, play_worst.png; reliability.png for a model with modes. Returns facts (numbers by
    name), the checks, and the games and plays that were measured (`test`, or `test fold:0` …). Raises BadSpecError
    where there is no play to judge by, LeakageError where weights would be judged by a game that they saw.
    """
    from sport_assets.nfl.models import tensors_path

    weeks = {week: PlayTensors.load(tensors_path(folder)) for week, folder in samples.items()}
    made = Split.load(split)
    how, parts = method(checkpoint), held_out(checkpoint, made, weeks)
    each = run(parts, weeks)
    measured = Measured.join(each)
    found = report.summary(measured, resamples)
    found |= {"evaluated_by": how, "fit": fit(checkpoint, made, weeks), "weeks": sorted(samples)}
    if how == "folds":
        found["folds"] = report.by_folds(each, [valid for _, valid in made.folds])
        found["held_out_side"] = report.of_games(measured, made.test, resamples)
    found["examples"] = report.examples(measured)
    write_json(out / "evaluation.json", found)
    predictions(measured).write_parquet(out / PREDICTIONS_FILE, statistics=True)
    draw(parts, measured, found, out)
    sides = ("test",) if how == "holdout" else tuple(f"test fold:{number}" for number in range(len(parts)))
    judged_by = of_plays({side: one.plays for side, one in zip(sides, each, strict=True)})
    return report.facts(found), [beats_baselines(found), regions_calibrated(found)], judged_by


def run(parts: list[HeldOut], weeks: Mapping[str, PlayTensors]) -> list[Measured]:
    """What each part's weights give on the plays that they never saw."""
    games = tuple(sorted({int(game) for tensors in weeks.values() for game in np.unique(tensors.game_id)}))

    @cache
    def spread() -> distribution.BaselineSpread:
        return distribution.BaselineSpread(plays_by_length(weeks, games, "any side"))

    each = []
    for part in parts:
        with torch_forecast(part.checkpoint) as forecast:
            each.append(measure(part.plays, forecast, cache(lambda part=part: spread().of(part.learned_from))))
    return each


def fit(checkpoint: Path, split: Split, weeks: Mapping[str, PlayTensors]) -> dict[str, Any]:
    """What the weights that are exported were fitted on: part of the data set, weeks, games and plays."""
    from sport_assets.nfl.models import TENSORS_KEY

    spec = json.loads((checkpoint / SPEC_FILE).read_text(encoding="utf-8"))
    read = sorted(item["partition"] for item in spec["inputs"] if item["key"] == TENSORS_KEY)
    games = split.train if spec["part"] == "split" else (*split.train, *split.valid, *split.test)
    plays = plays_by_length({week: weeks[week] for week in read}, games, f"the part {spec['part']!r}")
    return {"part": spec["part"], "weeks": read, "games": len(np.unique(plays.game_id)), "plays": len(plays)}


def draw(parts: list[HeldOut], measured: Measured, found: Mapping[str, Any], out: Path) -> None:
    """The pictures of an evaluation."""
    plots.error_by_horizon(found["error_by_frame"], out / "error_by_horizon.png")
    for name, example in found["examples"].items():
        play = example["index"]
        physics = BASELINES[distribution.BASELINE]
        picture = plots.PlayPicture.of(measured.plays, play, measured.positions[play], physics)
        overlay = None
        if measured.scores is not None:
            overlay = plots_distribution.modes(picture, _modes(parts, measured.plays.select(np.array([play]))))
        plots.play(picture, name, example["ade_yards"], out / f"play_{name}.png", overlay)
    if "distribution" in found:
        plots_distribution.reliability(found["distribution"], out / "reliability.png")


def _modes(parts: list[HeldOut], play: PlayTensors) -> plots_distribution.ModesPicture:
    """The modes of one play, again by the weights that never saw its game."""
    [part] = [part for part in parts if play.game_id[0] in part.plays.game_id]
    with torch_forecast(part.checkpoint) as forecast:
        return plots_distribution.ModesPicture.of(forecast(dict(play.pad(np.array([0])))))


def predictions(measured: Measured) -> pl.DataFrame:
    """One row per player to predict and frame: ids, x and y, true_x and true_y (null where unknown), error_yards.

    Original coordinates, yards; by game, play, player and frame.
    """
    plays, known = measured.plays, []
    for play in range(len(plays)):
        batch: Batch = dict(plays.pad(np.array([play])))
        known.append(np.where(batch["target_mask"][0, ..., None], batch["target"][0].astype(np.float64), np.nan))
    found = rows_to_predict(plays, measured.positions)
    true = rows_to_predict(plays, known).select(true_x="x", true_y="y").fill_nan(None)
    gap = (pl.col("x") - pl.col("true_x")) ** 2 + (pl.col("y") - pl.col("true_y")) ** 2
    table = pl.concat([found, true], how="horizontal").with_columns(error_yards=gap.sqrt())
    return table.sort("game_id", "play_id", "nfl_id", "frame_id")


def beats_baselines(found: Mapping[str, Any]) -> CheckResult:
    """Whether the model is better than every baseline in CHECKED_METRICS at both horizons.

    And, where it has modes, whether its likelihood is better than that of the baseline with a Gaussian.
    """
    lost = []
    compared = [
        (name, horizon, metric, found["metrics"][horizon][metric]["value"], table[horizon][metric]["value"])
        for name, table in found["baselines"].items()
        for horizon in HORIZONS
        for metric in CHECKED_METRICS
    ]
    if "distribution" in found:
        likelihood = found["distribution"]["negative_log_likelihood"]
        values = likelihood["model"]["value"], likelihood["baseline"]["value"]
        compared.append((distribution.BASELINE, "full", "negative_log_likelihood", *values))
    for name, horizon, metric, model, baseline in compared:
        if not model < baseline:
            lost.append(
                {"baseline": name, "horizon": horizon, "metric": metric, "model": model, "baseline_value": baseline}
            )
    return CheckResult(
        name=BEATS_BASELINES,
        passed=not lost,
        description="The model's ADE and RMSE on held-out games are below every baseline's, at 10 frames and over "
        "the full horizon; where it has modes, so is its negative log likelihood.",
        failed=len(lost),
        checked=len(compared),
        rules={"not_better_than_baseline": len(lost)} if lost else {},
        sample=tuple(lost[:SAMPLE_ROWS]),
        metadata=report.facts(found),
    )


def regions_calibrated(found: Mapping[str, Any]) -> CheckResult:
    """Whether the 50 % and 90 % regions hold their share of the truth; passed by a model that has none."""
    name, description = distribution.REGIONS_CHECK
    if "distribution" not in found:
        said = {"distribution": "none: the model gives one path for each player"}
        return CheckResult(name, passed=True, blocking=False, description=description, metadata=said)
    shares = {
        level: found["distribution"]["regions"][f"inside_{round(100 * level)}"]["value"]
        for level in distribution.CHECKED_LEVELS
    }
    wrong = [
        {"region": level, "inside": share, "off_by": share - level}
        for level, share in shares.items()
        if abs(share - level) > distribution.CALIBRATED_WITHIN
    ]
    return CheckResult(
        name,
        passed=not wrong,
        blocking=False,
        description=description,
        failed=len(wrong),
        checked=len(shares),
        rules={"share_of_truths_off": len(wrong)} if wrong else {},
        sample=tuple(wrong),
        metadata={f"inside_{level:.0%}": share for level, share in shares.items()},
    )
