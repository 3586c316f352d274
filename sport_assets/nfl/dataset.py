"""What models are trained and tested on: each week's arrays, and the split of their games.

Belongs here: making the files of the ``play_tensors`` and ``split`` assets from published folders, with their checks.
Does not belong here: how features are computed (``features``), the rules of a split (``split``).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from sport_assets.lineage.checks import SAMPLE_ROWS, CheckResult
from sport_assets.lineage.row_index import RowIndex
from sport_assets.nfl import duplicates, features, plots, shift
from sport_assets.nfl.context import CONTEXT_FILE, JOIN_CHECK, join_check
from sport_assets.nfl.identifiers import of_split, of_week
from sport_assets.nfl.labels import LABELS_FILE
from sport_assets.nfl.plays import SUMMARY_FILE, TARGETS_FILE, TRACKING_FILE
from sport_assets.nfl.split import DEFAULT_FOLDS, LEAKAGE, leakage_check, make_split
from sport_assets.nfl.tensors import TENSORS_FILE, UNKNOWN_COVERAGE, PlayTensors
from sport_assets.nfl.weeks import season_and_week
from sport_assets.training.names import SPLIT_FILE

NO_LEAKAGE = "no_game_on_two_sides"

TENSOR_CHECKS: dict[str, tuple[bool, str]] = {
    "finite_arrays": (True, "Every feature is a finite number; a target may lack frames (NaN), never be infinite."),
    "has_plays": (True, "The week has plays with something to predict."),
    "players_usable": (False, "Every player to predict is in the arrays; others were left out for what they lack."),
    JOIN_CHECK[0]: (False, JOIN_CHECK[1]),
}
"""Every check of ``write_tensors``: blocking or not, and its description."""
SPLIT_CHECKS: dict[str, tuple[bool, str]] = {
    NO_LEAKAGE: (True, LEAKAGE),
    duplicates.NAME: (True, duplicates.DESCRIPTION),
    shift.CHECK_NAME: (False, shift.DESCRIPTION),
}
"""Every check of ``write_split``: blocking or not, and its description."""


@dataclass(frozen=True)
class DatasetReport:
    """Checks, numbers for people, and what the rows are about."""

    checks: tuple[CheckResult, ...]
    metadata: Mapping[str, int | float]
    identifiers: RowIndex = field(default_factory=RowIndex)


def write_tensors(tracking: Path, context: Path, out: Path, *, title: str) -> DatasetReport:
    """A week's arrays (tensors.safetensors) and its picture from the folders of ``tracking`` and ``play_context``."""
    rows = pl.read_parquet(tracking / TRACKING_FILE)
    plays = pl.read_parquet(context / CONTEXT_FILE)
    labels = pl.read_parquet(context / LABELS_FILE)
    tensors = features.build(rows, pl.read_parquet(tracking / TARGETS_FILE), plays, labels)
    tensors.save(out / TENSORS_FILE)
    plots.week_at_a_glance(tensors, title, out / "week_at_a_glance.png")
    left_out = features.missing(rows, tensors)
    checks = (
        _finite(tensors),
        _has_plays(tensors),
        _usable(left_out, rows),
        join_check(rows, plays),
    )
    metadata = {
        "plays": len(tensors),
        "games": len(np.unique(tensors.game_id)),
        "players": tensors.players,
        "players_to_predict": int(tensors.to_predict.sum()),
        "target_frames": len(tensors.target),
        "plays_with_coverage": int((tensors.coverage != UNKNOWN_COVERAGE).sum()),
    }
    return DatasetReport(checks, metadata, of_week(tensors))


def write_split(
    tensors: Mapping[str, Path], tracking: Mapping[str, Path], out: Path, *, folds: int = DEFAULT_FOLDS, **settings: Any
) -> DatasetReport:
    """Split the games of all weeks (folders of ``play_tensors`` and ``tracking`` by week) into ``out``/split.json.

    ``folds`` and ``settings`` are those of ``split.make_split``. Raises SplitError when it cannot be made as asked.
    """
    plays_of_weeks = {week: PlayTensors.load(folder / TENSORS_FILE) for week, folder in tensors.items()}
    games = games_of(plays_of_weeks)
    made = make_split(games, k=folds, **settings)
    made.save(out / SPLIT_FILE)
    summaries = {week: shift.load(folder / SUMMARY_FILE) for week, folder in tracking.items()}
    plays = {
        f"{side}_plays": int(games.filter(pl.col("game_id").is_in(made.side(side)))["plays"].sum())
        for side in ("train", "valid", "test")
    }
    metadata = {
        "weeks": len(tensors),
        "games": games["game_id"].n_unique(),
        "plays": int(games["plays"].sum()),
        **plays,
        "folds": len(made.folds),
        "tuning_folds": len(made.tuning_folds),
    }
    checks = (
        leakage_check(made, games, name=NO_LEAKAGE),
        duplicates.duplicates_check(made, plays_of_weeks),
        shift_of_weeks(summaries),
    )
    return DatasetReport(checks, metadata, of_split(made))


def games_of(weeks: Mapping[str, PlayTensors]) -> pl.DataFrame:
    """The games of each week: game_id, season, week, plays; sorted."""
    tables = []
    for key, tensors in weeks.items():
        season, week = season_and_week(key)
        ids, plays = np.unique(tensors.game_id, return_counts=True)
        tables.append(pl.DataFrame({"game_id": ids, "plays": plays}).with_columns(season=season, week=week))
    return pl.concat(tables).select("game_id", "season", "week", "plays").sort("game_id", "week")


def shift_of_weeks(summaries: Mapping[str, Mapping[str, Any]]) -> CheckResult:
    """Compare each week with all others, in one warning check that names the weeks."""
    results = {
        week: shift.shift(summary, [other for name, other in summaries.items() if name != week])
        for week, summary in summaries.items()
        if len(summaries) > 1
    }
    sample = [{"week_key": week, **row} for week, result in results.items() for row in result.sample]
    rules: dict[str, int] = {}
    for row in sample:
        rules[row["rule"]] = rules.get(row["rule"], 0) + 1
    return CheckResult(
        name=shift.CHECK_NAME,
        passed=all(result.passed for result in results.values()),
        blocking=False,
        description=shift.DESCRIPTION,
        failed=sum(result.failed for result in results.values()),
        checked=sum(result.checked for result in results.values()),
        rules=dict(sorted(rules.items())),
        sample=tuple(sample[:SAMPLE_ROWS]),
    )


def _finite(tensors: PlayTensors) -> CheckResult:
    counts = {
        "history": int((~np.isfinite(tensors.history)).sum()),
        "player": int((~np.isfinite(tensors.player)).sum()),
        "play": int((~np.isfinite(tensors.play)).sum()),
        "target": int(np.isinf(tensors.target).sum()),
    }
    bad = {name: count for name, count in counts.items() if count}
    checked = sum(int(values.size) for values in (tensors.history, tensors.player, tensors.play, tensors.target))
    return _result("finite_arrays", failed=sum(bad.values()), checked=checked, rules=bad)


def _has_plays(tensors: PlayTensors) -> CheckResult:
    usable = int(len(tensors.target) > 0)
    return _result("has_plays", failed=1 - usable, checked=1, rules={} if usable else {"no_targets": 1})


def _usable(left_out: pl.DataFrame, tracking: pl.DataFrame) -> CheckResult:
    asked = tracking.filter("player_to_predict").select("game_id", "play_id", "nfl_id").n_unique()
    found = _result(
        "players_usable",
        failed=len(left_out),
        checked=asked,
        rules={"player_left_out": len(left_out)} if len(left_out) else {},
    )
    return replace(found, sample=tuple(left_out.head(SAMPLE_ROWS).to_dicts()))


def _result(name: str, *, failed: int, checked: int, rules: Mapping[str, int]) -> CheckResult:
    blocking, description = TENSOR_CHECKS[name]
    return CheckResult(
        name=name,
        passed=not failed,
        blocking=blocking,
        description=description,
        failed=failed,
        checked=checked,
        rules=rules,
    )
