"""Writing generated weeks to files, a week at a time.

Here belong files, order and random streams; what the tables hold is made by `tracking` and `supplementary`.
"""

from __future__ import annotations

import gzip as gzip_format
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from sport_assets.nfl.synthetic import defects as damage
from sport_assets.nfl.synthetic import league as league_of
from sport_assets.nfl.synthetic.league import Rosters
from sport_assets.nfl.synthetic.movement import simulate
from sport_assets.nfl.synthetic.supplementary import SUPPLEMENTARY_COLUMNS, supplementary_table
from sport_assets.nfl.synthetic.tracking import tracking_tables


@dataclass(frozen=True)
class GeneratedSample:
    """What `generate` wrote: the files, the counts before any damage, and the defects with the file that lists
    them."""

    output: Path
    files: tuple[Path, ...]
    weeks: int
    plays: int
    input_rows: int
    output_rows: int
    defects: tuple[damage.Defect, ...] = ()
    manifest: Path | None = None


def generate(
    output: Path,
    *,
    season: int = 2023,
    weeks: int = 2,
    plays_per_week: int = 60,
    seed: int = 0,
    defects: bool = False,
    gzip: bool = False,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> GeneratedSample:
    """Writes weeks 1 to `weeks` of `season` into `output`, one week in memory at a time.

    The same arguments give the same bytes, and a week's rows depend neither on the number of weeks nor on
    `defects` (but for the damaged lines, which `defects.json` lists). Files that are there and say something else are
    kept: FileExistsError, unless `overwrite`; more weeks may be added. `progress` is called with (weeks done, weeks).
    Raises ValueError for a number of weeks outside 1..22, plays_per_week < 1, a negative seed, or too few plays a week
    for the defects.
    """
    if not 1 <= weeks <= league_of.LAST_WEEK:
        raise ValueError(f"weeks must be 1 to {league_of.LAST_WEEK}, not {weeks}")
    if plays_per_week < 1:
        raise ValueError(f"plays_per_week must be at least 1, not {plays_per_week}")
    if seed < 0:
        raise ValueError(f"seed must not be negative, not {seed}")
    train = output / "train"
    train.mkdir(parents=True, exist_ok=True)
    league = league_of.rosters(seed)
    ending = ".csv.gz" if gzip else ".csv"
    files: list[Path] = []
    found: list[damage.Defect] = []
    supplementary: list[str] = []
    plays = input_rows = output_rows = 0
    for week in range(1, weeks + 1):
        tables = _week(league, season, week, plays_per_week, seed)
        text = {name: frame.write_csv(null_value="NA") for name, frame in zip(_TABLES, tables, strict=True)}
        plays, input_rows, output_rows = (
            plays + tables[2].height,
            input_rows + tables[0].height,
            output_rows + tables[1].height,
        )
        paths = {name: train / f"{name}_{season}_w{week:02d}{ending}" for name in ("input", "output")}
        if defects:
            names = {name: str(path.relative_to(output)) for name, path in paths.items()}
            names["supplementary"] = f"supplementary_data{ending}"
            first_line = 2 + sum(part.count("\n") for part in supplementary)
            text, injected = damage.inject(text, names, rng=np.random.default_rng([seed, season, week, 2]),
                                           supplementary_line=first_line)  # fmt: skip
            found.extend(injected)
        for name, path in paths.items():
            _write(path, text[name], overwrite=overwrite)
            files.append(path)
        supplementary.append(text["supplementary"].split("\n", 1)[1])
        if progress is not None:
            progress(week, weeks)
    path = output / f"supplementary_data{ending}"
    _write(path, ",".join(SUPPLEMENTARY_COLUMNS) + "\n" + "".join(supplementary), overwrite=overwrite, grows=True)
    files.append(path)
    manifest = damage.write_manifest(found, output / "defects.json") if defects else None
    return GeneratedSample(output, tuple(files), weeks, plays, input_rows, output_rows, tuple(found), manifest)


_TABLES = ("input", "output", "supplementary")


def _write(path: Path, text: str, *, overwrite: bool, grows: bool = False) -> None:
    """Writes a file, or leaves it where it says the same. `grows`: more rows at the end are no conflict."""
    data = text.encode("utf-8")
    if path.exists() and not overwrite:
        there = path.read_bytes()
        there = gzip_format.decompress(there) if path.suffix == ".gz" else there
        if there == data:
            return
        if not (grows and data.startswith(there)):
            raise FileExistsError(f"{path} is there and differs: choose another folder or seed, or remove it first")
    if path.suffix == ".gz":
        buffer = io.BytesIO()
        with gzip_format.GzipFile(filename="", mode="wb", fileobj=buffer, mtime=0, compresslevel=5) as file:
            file.write(data)
        data = buffer.getvalue()
    path.write_bytes(data)


def _week(
    league: Rosters, season: int, week: int, count: int, seed: int
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """The three tables of one week, from a generator of its own: other weeks never change it."""
    rng = np.random.default_rng([seed, season, week])
    games = league_of.games(rng, season, week, count)
    plays = league_of.plays(rng, games, count)
    movement = simulate(rng, plays, league)
    tracking, targets = tracking_tables(rng, league, games, plays, movement)
    return tracking, targets, supplementary_table(rng, league, season, week, games, plays, movement)
