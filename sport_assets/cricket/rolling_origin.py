"""A rolling origin: models trained up to several dates, each judged by the matches that came next.

Belongs here: the trials, what is measured of each fold, and the report. Must not come here: the folds themselves
(``split``), the baselines (``baselines``).

One half-year of test matches is one draw. Here every fold of the split trains on matches before a date (baselines on
all of them, the network on as many of the latest as the options say), and is judged on those from then to the next.
Nothing is chosen: a fold publishes the weights of its last epoch, and its forecasts are not calibrated, for it has no
matches to calibrate by. No test match is trained on or judged.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from pydantic import Field

from sport_assets.cricket import metrics, stage_plots, stages
from sport_assets.cricket.balls import Balls
from sport_assets.cricket.baseline_forecasts import REGRESSION, fit
from sport_assets.cricket.baselines import REFERENCE
from sport_assets.cricket.calibration import log_softmax
from sport_assets.cricket.measuring import log_odds
from sport_assets.cricket.player_history import read_past
from sport_assets.cricket.resampling import Difference, interval_of_sums
from sport_assets.cricket.split import Split
from sport_assets.lineage.checks import SAMPLE_ROWS, CheckResult
from sport_assets.lineage.row_index import Identifiers, RowIndex
from sport_assets.training.errors import BadSpecError
from sport_assets.training.names import SPLIT_FILE
from sport_assets.training.reports import markdown_table
from sport_assets.training.spec import fold_part
from sport_assets.training.trials import NO_TEST_DATA, Finished, Study, Trial

MODEL = "model"
FOLDS_FILE = "folds.parquet"
_ELSEWHERE = "match_of_another_side"


class RollingPreset(stages.SizedPreset):
    """Small models of some variants."""

    variants: tuple[str, ...] = Field(min_length=1)


PRESET = stages.read_preset(stages.preset_path("rolling_origin"), RollingPreset)


def trials(study: Study, finished: Sequence[Finished]) -> list[Trial]:
    """Every variant on every fold with every seed. Raises BadSpecError where the split has no fold."""
    if finished:
        return []
    split = Split.load(study.dataset / SPLIT_FILE)
    if not split.folds:
        raise BadSpecError(
            "the split has no folds: say the dates on which they begin, as in `sport-assets build "
            'cricket/rolling_origin --set \'cricket/split.folds=["2023-01-01", "2024-01-01"]\'`'
        )
    size = stages.size(study)
    return [
        stages.trial(study, f"{variant}, {first_day(split, number)}", variant, size, seed, part=fold_part(number))
        for variant in study.options["variants"]
        for number in range(len(split.folds))
        for seed in stages.seeds(study, PRESET.seeds)
    ]


def first_day(split: Split, number: int) -> str:
    """The date from which on a fold is judged."""
    return str(split.settings["folds"][number])


def guard(dataset: Path, read: Iterable[Identifiers]) -> CheckResult:
    """Whether all that was read of a fold is on that very side of it; no fold holds a test match (``split``)."""
    split = Split.load(dataset / SPLIT_FILE)
    sides: dict[str, set[str]] = {}
    for number, (train, later) in enumerate(split.folds):
        sides |= {f"train {fold_part(number)}": set(train), f"valid {fold_part(number)}": set(later)}
    checked, wrong = 0, []
    for rows in read:
        checked += len(rows.rows)
        allowed = sides.get(rows.side, set()) - set(split.test)
        wrong += [{"rule": _ELSEWHERE, "side": rows.side, "match_id": r[0]} for r in rows.rows if r[0] not in allowed]
    return CheckResult(
        NO_TEST_DATA,
        not wrong,
        failed=len(wrong),
        checked=checked,
        rules={_ELSEWHERE: len(wrong)} if wrong else {},
        sample=wrong[:SAMPLE_ROWS],
    )


def measure(study: Study, side: str, made: Sequence[tuple[Finished, Path]]) -> RowIndex:
    """Write losses.parquet for each trained model: the log-loss of its fold's later matches, and that of baselines.

    A row a match: ``match_id``, ``balls``, and for the model and each baseline the sum over its balls (nats). Baselines
    are fitted on all matches before the fold's date.
    """
    split = Split.load(study.dataset / SPLIT_FILE)
    matches = {match for train, later in split.folds for match in (*train, *later)}
    every = Balls.load(study.samples, read_past(study.further["player_history"]), matches)
    rows = RowIndex()
    for number, (train, later) in enumerate(split.folds):
        own = [(finished, out) for finished, out in made if finished.trial.part == fold_part(number)]
        if not own:
            continue
        judged = every.select(later, f"the fold from {first_day(split, number)}")
        before = every.select(train, f"the training side of the fold from {first_day(split, number)}")
        told = {name: forecast(judged.innings, judged.features) for name, forecast in fit(before).items()}
        for finished, out in own:
            said = {MODEL: np.exp(log_softmax(log_odds(finished.checkpoint, judged))), **told}
            _sums(judged, said).write_parquet(out / stages.LOSSES_FILE)
        rows.add(("match_id",), before.innings.match_ids, f"train {fold_part(number)}")
        rows.add(("match_id",), judged.innings.match_ids, f"{side} {fold_part(number)}")
    return rows


def _sums(balls: Balls, said: Mapping[str, np.ndarray]) -> pl.DataFrame:
    """The table of ``measure`` from probabilities [N, 7] of all balls, by forecaster; those without outcome are out."""
    scored = balls.scored
    columns = {name: metrics.losses(told[scored], balls.outcome) for name, told in said.items()}
    table = pl.DataFrame({"match_id": balls.innings.match_of_balls[scored].astype(str), **columns})
    return table.group_by("match_id").agg(pl.len().cast(pl.Int64).alias("balls"), pl.all().sum()).sort("match_id")


def summarise(study: Study, finished: Sequence[Finished], out: Path) -> tuple[dict[str, Any], list[CheckResult]]:
    """folds.parquet (a row for each variant and fold), losses.parquet (by match), report.md, folds.png."""
    split = Split.load(study.dataset / SPLIT_FILE)
    sums = _joined(split, finished)
    sums.write_parquet(out / stages.LOSSES_FILE)
    variants = sums["variant"].unique(maintain_order=True).to_list()
    names = sums.columns[sums.columns.index(MODEL) :]
    rows: list[dict[str, Any]] = []
    overall: dict[str, Difference] = {}
    for variant in variants:
        own = sums.filter(pl.col("variant") == variant)
        for number, (train, _) in enumerate(split.folds):
            fold = own.filter(pl.col("fold") == number)
            known = {"variant": variant, "from": first_day(split, number), "matches_before": len(train)}
            rows.append({**known, "matches": len(fold), **_figures(fold, names)})
        overall[variant] = _beside_regression(own)
    table = pl.DataFrame(rows)
    table.write_parquet(out / FOLDS_FILE)
    (out / stages.REPORT_FILE).write_text(_report(table, names, overall, study) + "\n", encoding="utf-8")
    stage_plots.rolling(table, names, out / "folds.png")
    facts = {variant: {**over_folds(table, variant), "difference": overall[variant].value} for variant in variants}
    return {"folds": len(split.folds), "variants": facts}, []


def over_folds(table: pl.DataFrame, variant: str) -> dict[str, float]:
    """Mean and standard deviation over folds of a variant's log-loss; of one fold, the mean alone."""
    losses = table.filter(pl.col("variant") == variant)["log_loss_model"].to_numpy()
    spread = {"log_loss_deviation": float(losses.std(ddof=1))} if len(losses) > 1 else {}
    return {"log_loss": float(losses.mean()), **spread}


def _joined(split: Split, finished: Sequence[Finished]) -> pl.DataFrame:
    """Sums by variant, fold and match: means over the seeds of a model."""
    numbers = {fold_part(number): number for number in range(len(split.folds))}
    tables = []
    for each in finished:
        known = (
            pl.lit(each.trial.dimensions["variant"]).alias("variant"),
            pl.lit(numbers[each.trial.part]).alias("fold"),
        )
        tables.append(pl.read_parquet(each.measured["valid"] / stages.LOSSES_FILE).select(*known, pl.all()))
    by = ["variant", "fold", "match_id", "balls"]
    return pl.concat(tables).group_by(by, maintain_order=True).agg(pl.all().mean())


def _figures(fold: pl.DataFrame, names: Sequence[str]) -> dict[str, Any]:
    balls = int(fold["balls"].sum())
    losses = {name: float(fold[name].sum()) / balls for name in names}
    beside = _beside_regression(fold)
    return {
        "balls": balls,
        **{f"log_loss_{name}": loss for name, loss in losses.items()},
        "skill": metrics.skill(losses[MODEL], losses[REFERENCE]),
        "difference": beside.value,
        "low": beside.low,
        "high": beside.high,
    }


def _beside_regression(sums: pl.DataFrame) -> Difference:
    """The model's log-loss per ball minus that of the regression, over matches."""
    return interval_of_sums((sums[MODEL] - sums[REGRESSION]).to_numpy(), sums["balls"].to_numpy())


def _report(table: pl.DataFrame, names: Sequence[str], overall: Mapping[str, Difference], study: Study) -> str:
    latest = study.options["latest_matches"]
    so_many = f"the network on the latest {latest} of them" if latest else "the network as well"
    seeds = len(stages.seeds(study, PRESET.seeds))
    texts = [
        "# Rolling origin",
        f"Each row: baselines are fitted on all matches before the date, {so_many}; both are judged by those from then "
        "to the next. Log-loss per ball, nats; weights of the last epoch, not calibrated. Intervals are over matches "
        + ("alone: one training of each." if seeds == 1 else f"alone, of the mean over {seeds} seeds."),
    ]
    head = ["from", "before it", "judged by", *names, f"skill beside {REFERENCE}", "model less regression (95 %)"]
    for variant, difference in overall.items():
        own = table.filter(pl.col("variant") == variant)
        cells = [
            [
                row["from"],
                f"{row['matches_before']:,} matches",
                f"{row['matches']:,} matches, {row['balls']:,} balls",
                *(f"{row[f'log_loss_{name}']:.4f}" for name in names),
                f"{row['skill']:+.4f}",
                f"{row['difference']:+.4f} ({row['low']:+.4f} to {row['high']:+.4f})",
            ]
            for row in own.to_dicts()
        ]
        over = over_folds(table, variant)
        spread = f" ± {over['log_loss_deviation']:.4f} (standard deviation)" if len(own) > 1 else ""
        texts += [
            f"## {variant}",
            markdown_table(head, cells),
            f"Over folds {over['log_loss']:.4f}{spread}; over all their matches "
            f"{difference.value:+.4f} ({difference.low:+.4f} to {difference.high:+.4f}) beside the regression.",
        ]
    return "\n\n".join(texts)
