"""A week unlike the others: told where it is, and rarely by chance."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from sport_assets.nfl.plays import process_week
from sport_assets.nfl.shift import psi, shift, summarise
from sport_assets.nfl.synthetic import generate


def test_weeks_of_one_kind_do_not_shift_and_changed_ones_do(tmp_path: Path) -> None:
    generate(tmp_path, weeks=4, plays_per_week=60, seed=1)
    summaries, tables = [], []
    for week in (1, 2, 3, 4):
        train = tmp_path / "train"
        paths = (train / f"input_2023_w{week:02d}.csv", train / f"output_2023_w{week:02d}.csv")
        summaries.append(process_week(*paths, tmp_path).summary)
        tables.append([pl.read_parquet(tmp_path / f"{name}.parquet") for name in ("tracking", "targets")])
    for index, summary in enumerate(summaries):
        assert shift(summary, summaries[:index] + summaries[index + 1 :]).passed
    tracking, targets = tables[0]
    slow = summarise(tracking.with_columns(pl.col("s") * 0.5, pl.col("num_frames_output") + 9), targets)
    result = shift(slow, summaries[1:])
    assert not result.passed
    assert not result.blocking
    assert set(result.rules) == {"frames_to_predict_shifted", "mean_speed_at_throw_yards_per_s_shifted"}
    assert shift(slow, []).passed


def test_chance_alone_rarely_counts_as_shift() -> None:
    generator = np.random.default_rng(0)
    shares = np.array([0.1, 0.3, 0.4, 0.15, 0.05])
    weeks = generator.multinomial(12, shares, 400)
    others = generator.multinomial(200, shares, 400)
    over = [index > limit for index, limit in (psi(list(w), list(o)) for w, o in zip(weeks, others, strict=True))]
    assert np.mean(over) <= 0.005
    index, limit = psi([0, 0, 10, 90, 100], [20, 60, 80, 30, 10])
    assert index > limit
