"""Plays for the benchmarks of the trajectory model: generated ones, and real ones where there are any.

Belongs here: raw weeks as play tensors, and a plain cut by game. Nothing here is timed.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl

from sport_assets.nfl import context, features, plays
from sport_assets.nfl.synthetic import generate
from sport_assets.nfl.tensors import PlayTensors
from sport_assets.nfl.weeks import SUPPLEMENTARY, plain_or_gzip


def generated(weeks: int, plays_per_week: int) -> PlayTensors:
    """Generated plays with targets."""
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder), weeks=weeks, plays_per_week=plays_per_week, seed=0)
        return load(Path(folder) / "train")


def real() -> PlayTensors | None:
    """The real pass plays of 2019, None where ``SPORT_ASSETS_REAL_DATA`` is not set."""
    named = os.environ.get("SPORT_ASSETS_REAL_DATA")
    return load(Path(named) / "nfl" / "ngs_highlights" / "train") if named else None


def sets(weeks: int, plays_per_week: int) -> Iterator[tuple[str, PlayTensors]]:
    """What to measure on, by name."""
    yield "generated plays", generated(weeks, plays_per_week)
    found = real()
    if found is not None:
        yield "real plays of 2019", found


def load(train: Path) -> PlayTensors:
    """All weeks of a folder of raw files, with targets, and with the context where the file of it lies beside."""
    parts = []
    beside = train.parent / plain_or_gzip(train.parent, SUPPLEMENTARY)
    known = context.read_context(beside)[0] if beside.is_file() else None
    for source in sorted(train.glob("input_*")):
        output = source.with_name(re.sub("^input", "output", source.name))
        with tempfile.TemporaryDirectory() as folder:
            plays.process_week(source, output, Path(folder))
            names = (plays.TRACKING_FILE, plays.TARGETS_FILE)
            tracking, targets = (pl.read_parquet(Path(folder) / name) for name in names)
        parts.append(features.build(tracking, targets, known))
    joined = PlayTensors.concatenate(parts)
    return joined.select(joined.trainable())


def cut(tensors: PlayTensors, share: float = 0.2) -> tuple[PlayTensors, PlayTensors]:
    """Train and test plays: a share of the games is held out."""
    games = np.random.default_rng(0).permutation(np.unique(tensors.game_id))
    held = np.isin(tensors.game_id, games[: max(1, round(share * len(games)))])
    return tensors.select(np.flatnonzero(~held)), tensors.select(np.flatnonzero(held))


def describe(tensors: PlayTensors) -> str:
    """How many plays, players and frames, for the reader of a figure."""
    return (
        f"{len(tensors)} plays of {tensors.players / len(tensors):.1f} players "
        f"and {tensors.frames.mean():.1f} frames on average"
    )
