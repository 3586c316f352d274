"""The files of the history and of the split: from the published innings of all years.

Belongs here: making the files of the ``player_history`` and ``split`` assets, with their checks, and reading them
back. Must not come here: how rates are told (``history``), the rules of a split (``split``).

What is published is the past itself, as small as it gets, and not the rates of each ball: they follow from it in
seconds, for any ball of any date, and a model that ships the past forecasts a match of 2015 from what was known then.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from sport_assets.cricket.history import NAMES, Situations, rates
from sport_assets.cricket.innings import Innings
from sport_assets.cricket.labels import OUTCOMES
from sport_assets.cricket.nodes import HISTORY_FEATURES
from sport_assets.cricket.split import LEAKAGE, NO_LEAKAGE, SIDES, identifiers, leakage_check, make_split
from sport_assets.lineage.checks import CheckResult
from sport_assets.lineage.row_index import RowIndex
from sport_assets.training.names import SPLIT_FILE

PAST_FILE, TABLE_FILE = "past.parquet", "history_tables.parquet"
HISTORY_CHECKS: dict[str, tuple[bool, str]] = {
    "has_balls": (True, "Of all years together there are balls to forecast."),
    "rates_sound": (True, "Every rate is a finite number, and the base rates of a ball add up to one."),
    "history_knows_players": (False, "At least half of the balls of the last year have a batter with history."),
}
"""Every check of ``write_history``: blocking or not, and its description."""
SPLIT_CHECKS: dict[str, tuple[bool, str]] = {NO_LEAKAGE: (True, LEAKAGE)}
"""Every check of ``write_split``: blocking or not, and its description."""
_SUM_TOLERANCE = 1e-4


@dataclass(frozen=True)
class Report:
    """Checks, numbers for people, and what the rows are about."""

    checks: tuple[CheckResult, ...]
    metadata: Mapping[str, int | float | str]
    identifiers: RowIndex = field(default_factory=RowIndex)


def write_history(innings: Mapping[str, Path], out: Path) -> Report:
    """past.parquet and history_tables.parquet in ``out``, from the folders of ``innings`` by year."""
    made = Innings.join([Innings.load(folder) for _, folder in sorted(innings.items())])
    past = Situations.of(made)
    (out / PAST_FILE).write_bytes(past.to_bytes())
    found = rates(past)
    tables(past).write_parquet(out / TABLE_FILE)
    index = RowIndex()
    index.add(("match_id",), made.match_ids)
    index.add(("player_id",), made.players)
    metadata: dict[str, int | float | str] = {
        "matches": len(made.match_ids),
        "balls": len(made),
        "players": len(made.players),
        "last_date": str(made.table["date"].max() or ""),
        "features": found.shape[1],
    }
    return Report((_has_balls(made), _sound(found), _known(found, past)), metadata, index)


def read_past(folder: Path) -> Situations:
    """The past from a folder of ``player_history``."""
    return Situations.from_bytes((folder / PAST_FILE).read_bytes())


def tables(past: Situations) -> pl.DataFrame:
    """What is on record of each batter, bowler, team and ground at the end: balls, and how many of each outcome."""
    counts = [(pl.col("outcome") == number).sum().alias(name) for number, name in enumerate(OUTCOMES)]
    parts = []
    for column in NAMES:
        if column == "non_striker":
            continue
        rows = past.rows.filter(pl.col("outcome") >= 0).with_columns(pl.col(column).cast(pl.String))
        found = rows.group_by(column).agg(pl.len().alias("balls"), *counts, last_day=pl.col("day").max())
        parts.append(found.select(pl.lit(column).alias("kind"), pl.col(column).alias("name"), pl.exclude(column)))
    return pl.concat(parts).sort("kind", "name")


def write_split(innings: Mapping[str, Path], out: Path, **settings: Any) -> Report:
    """Split the matches of all years (folders of ``innings`` by year) into ``out``/split.json.

    ``settings`` are those of ``split.make_split``. Raises SplitError when it cannot be made as asked.
    """
    table = pl.concat([pl.read_parquet(folder / "innings.parquet") for _, folder in sorted(innings.items())])
    made = make_split(table.select("match_id", "date"), **settings)
    made.save(out / SPLIT_FILE)
    balls = dict(table.group_by("match_id").agg(pl.col("length").sum()).iter_rows())
    metadata: dict[str, int | float | str] = {
        "matches": len(made.dates),
        **{f"{side}_matches": len(made.side(side)) for side in SIDES},
        **{f"{side}_balls": sum(balls[match] for match in made.side(side)) for side in SIDES},
        "folds": len(made.folds),
    }
    return Report((leakage_check(made),), metadata, identifiers(made))


def _has_balls(made: Innings) -> CheckResult:
    return _result("has_balls", {} if len(made) else {"no_balls": 1}, 1)


def _sound(found: np.ndarray) -> CheckResult:
    infinite = int((~np.isfinite(found)).sum())
    sums = np.exp(found[:, : len(OUTCOMES)]).sum(1)
    apart = int((np.abs(sums - 1) > _SUM_TOLERANCE).sum())
    rules = {"not_finite": infinite, "base_rates_do_not_add_up": apart}
    return _result("rates_sound", {rule: count for rule, count in rules.items() if count}, len(found))


def _known(found: np.ndarray, past: Situations) -> CheckResult:
    day = past.rows["day"].to_numpy()
    last = day > day.max() - 365 if len(day) else np.zeros(0, bool)
    known = found[last][:, HISTORY_FEATURES.index("batter_known")] > 0
    strangers = int((~known).sum())
    rules = {"batter_without_history": strangers} if strangers * 2 > len(known) else {}
    return _result("history_knows_players", rules, len(known))


def _result(name: str, rules: Mapping[str, int], checked: int, sample: Sequence[Mapping[str, Any]] = ()) -> CheckResult:
    blocking, description = HISTORY_CHECKS[name]
    return CheckResult(
        name, not rules, blocking, description, failed=sum(rules.values()), checked=checked, rules=dict(rules),
        sample=list(sample),
    )  # fmt: skip
