"""Batch prediction from raw input files with an exported ONNX model; no torch.

Here belongs the way from files to tables of positions, modes and coverage. Reading and cleaning files is in `plays`
and `context`, arrays in `features`; training code must not be imported here, nor anything that loads torch.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from sport_assets.nfl import context, features, plays
from sport_assets.nfl.baselines import FRAME_SECONDS, horizon_times
from sport_assets.nfl.findings import PLAYER_KEY
from sport_assets.nfl.tensors import (
    HISTORY_CHANNELS,
    HISTORY_FRAMES,
    LAYOUT_VERSION,
    PLAY_FEATURES,
    PLAYER_FEATURES,
    PlayTensors,
)
from sport_assets.nfl.weeks import SUPPLEMENTARY, plain_or_gzip
from sport_assets.training.exported import PredictionError, check_origin, open_session, shipped

BATCH_PLAYS = 64
COLUMNS = ("game_id", "play_id", "nfl_id", "frame_id", "x", "y")
MODE_COLUMNS = (*COLUMNS[:4], "mode", "probability", "x", "y", "sigma_x", "sigma_y")
MODE_TYPES = {"mode": pl.Int32, **dict.fromkeys(("probability", "x", "y", "sigma_x", "sigma_y"), pl.Float32)}
MODE_OUTPUTS = ("modes", "mode_probability", "mode_scale")
COVERAGE_OUTPUT = "man_probability"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PredictionReport:
    """What a prediction wrote, and what it could not use."""

    rows: int
    """Rows of positions written, one per player and frame."""
    rows_quarantined: int
    """Input rows that break a rule and were not used."""
    players_left_out: int
    """Players to predict (each play counts) without a prediction, for what their rows lack."""
    mode_rows: int | None = None
    """Rows of modes written, one per player, frame and mode; None where they were not asked for."""
    coverage_rows: int | None = None
    """Plays whose coverage was written; None where it was not asked for."""


def layout() -> dict[str, Any]:
    """What a model must have been exported for, to be fed by this version of the code."""
    return {
        "version": LAYOUT_VERSION,
        "history_frames": HISTORY_FRAMES,
        "history": list(HISTORY_CHANNELS),
        "player": list(PLAYER_FEATURES),
        "play": list(PLAY_FEATURES),
        "frame_seconds": FRAME_SECONDS,
    }


def predict(
    model: Path, input_path: Path, output: Path, *, modes: Path | None = None, coverage: Path | None = None
) -> PredictionReport:
    """Predict every player to predict of the raw input files and write the tables that are asked for.

    model: ONNX file of `nfl/exported_model`. input_path: a file input_*.csv[.gz], or a folder that has such
    files or a folder `train` with them; supplementary_data.csv[.gz] beside them, or beside `train`, is used where
    there is one. output, a CSV: game_id, play_id, nfl_id, frame_id (from 1), x, y in yards and the original
    coordinates, by file, then game, play, player and frame. modes, a Parquet file: MODE_COLUMNS, each mode's
    mean position, standard deviations along x and y (yards) and probability, mode from 1. coverage, a CSV: game_id,
    play_id, p_man, the probability of man coverage.
    All files are written, each whole, or none. Raises PredictionError, also where the model has no modes or tells no
    coverage that is asked for, or `plays.RawFileError` for a raw file that cannot be read.
    """
    asked = [path for path in (output, modes, coverage) if path is not None]
    if len({path.absolute() for path in asked}) < len(asked):
        raise PredictionError("two of the files to write have the same name: give each its own")
    session = open_model(model)
    wanted = _wanted_outputs(session, model, modes=modes is not None, coverage=coverage is not None)
    files = input_files(input_path)
    supplementary = supplementary_file(files[0])
    known = None if supplementary is None else context.read_context(supplementary)[0]
    parts = [_predict_file(session, file, known, wanted) for file in files]
    positions, of_modes, of_plays = (
        pl.concat([part.tables[name] for part in parts]) if name in parts[0].tables else None
        for name in ("positions", "modes", "coverage")
    )
    assert positions is not None
    writes: dict[Path, Callable[[Path], Any]] = {output: partial(positions.write_csv, float_precision=4)}
    if modes is not None and of_modes is not None:
        writes[modes] = of_modes.write_parquet
    if coverage is not None and of_plays is not None:
        writes[coverage] = partial(of_plays.write_csv, float_precision=6)
    write_all(writes)
    return PredictionReport(
        rows=len(positions),
        rows_quarantined=sum(part.rows_quarantined for part in parts),
        players_left_out=sum(part.players_left_out for part in parts),
        mode_rows=None if of_modes is None else len(of_modes),
        coverage_rows=None if of_plays is None else len(of_plays),
    )


def write_all(writes: Mapping[Path, Callable[[Path], Any]]) -> None:
    """Write files whole and all of them, or none: each beside its place, and only then all moved to their places."""
    temporary = {path: path.with_name(f".{path.name}.{os.getpid()}") for path in writes}
    placed: list[Path] = []
    try:
        for path, write in writes.items():
            if path.is_dir():
                raise PredictionError(f"{path} is a folder: give the name of a file to write")
            path.parent.mkdir(parents=True, exist_ok=True)
            write(temporary[path])
        for path, made in temporary.items():
            os.replace(made, path)
            placed.append(path)
    finally:
        if len(placed) < len(writes):
            for path in (*temporary.values(), *placed):
                path.unlink(missing_ok=True)


def _wanted_outputs(session: Any, model: Path, *, modes: bool, coverage: bool) -> list[str]:
    """The outputs to ask a model for. Raises PredictionError for one that it does not have."""
    present = {entry.name for entry in session.get_outputs()}
    wanted = ["positions"]
    if modes:
        if not present.issuperset(MODE_OUTPUTS):
            raise PredictionError(
                f"{model.name} gives one path for each player and no modes: leave out --modes, or use a model with "
                "modes, as of the preset probabilistic"
            )
        wanted += MODE_OUTPUTS
    if coverage:
        if not shipped(session.get_modelmeta().custom_metadata_map).get("coverage_labels"):
            raise PredictionError(
                f"{model.name} was trained on no play whose coverage is labelled and says nothing of it: leave out "
                "--coverage, or train on weeks whose supplementary file has team_coverage_man_zone"
            )
        if COVERAGE_OUTPUT not in present:
            raise PredictionError(f"{model.name} has no output {COVERAGE_OUTPUT}: leave out --coverage")
        wanted.append(COVERAGE_OUTPUT)
    return wanted


def open_model(path: Path) -> Any:
    """An ONNX Runtime session of an exported trajectory model, on one CPU thread.

    Raises ModelError where the file is absent, is no such model, or was exported for another layout.
    """
    session = open_session(path, "nfl/exported_model")
    check_origin(shipped(session.get_modelmeta().custom_metadata_map), path.name, "nfl", layout())
    return session


def input_files(path: Path) -> list[Path]:
    """The input files that a path names, by name. Raises PredictionError where there are none."""
    if path.is_file():
        return [path]
    for folder in (path, path / "train"):
        files = [*folder.glob("input_*.csv"), *folder.glob("input_*.csv.gz")]
        stems = sorted({file.name.partition(".csv")[0] for file in files})
        if stems:
            return [_one_form(folder, stem) for stem in stems]
    raise PredictionError(f"no input_*.csv or input_*.csv.gz in {path} or {path / 'train'}")


def supplementary_file(input_file: Path) -> Path | None:
    """The supplementary file beside an input file, or beside its folder `train`.

    Raises PredictionError where it is there both plain and compressed.
    """
    folders = [input_file.parent]
    if input_file.parent.name == "train":
        folders.append(input_file.parent.parent)
    for folder in folders:
        file = _one_form(folder, SUPPLEMENTARY)
        if file.is_file():
            return file
    return None


def _one_form(folder: Path, stem: str) -> Path:
    try:
        return folder / plain_or_gzip(folder, stem)
    except ValueError as error:
        raise PredictionError(str(error)) from error


@dataclass(frozen=True)
class _Predicted:
    """What comes of one input file."""

    tables: dict[str, pl.DataFrame]
    """positions; modes and coverage where they were asked for."""
    rows_quarantined: int
    players_left_out: int


def _predict_file(session: Any, file: Path, known: pl.DataFrame | None, wanted: Sequence[str]) -> _Predicted:
    week = plays.read_week(file)
    cleaned = plays.clean_week(week).input
    tensors = features.build(plays.standardise(cleaned.clean), None, known)
    found = forecast(session, tensors, wanted)
    rows = rows_to_predict(tensors, found["positions"])
    asked = week.input.frame.filter("player_to_predict").select(PLAYER_KEY).drop_nulls().unique(maintain_order=True)
    absent = asked.join(rows, on=PLAYER_KEY, how="anti", maintain_order="left")
    if cleaned.quarantined_rows:
        log.warning("%s: %d rows break a rule and are not used", file.name, cleaned.quarantined_rows)
    if len(absent):
        log.warning("%s: %d players to predict cannot be, first %s", file.name, len(absent), absent.row(0))
    tables = {"positions": rows}
    if "modes" in found:
        tables["modes"] = mode_rows(tensors, found)
    if COVERAGE_OUTPUT in found:
        tables["coverage"] = coverage_rows(tensors, found[COVERAGE_OUTPUT])
    return _Predicted(tables, cleaned.quarantined_rows, len(absent))


def forecast(session: Any, tensors: PlayTensors, wanted: Sequence[str]) -> dict[str, list[np.ndarray]]:
    """The wanted outputs of each play by name, cut to its players and frames. Plays of like length share a batch."""
    inputs = {entry.name for entry in session.get_inputs()}
    result: dict[str, list[np.ndarray]] = {name: [np.zeros(0, np.float32)] * len(tensors) for name in wanted}
    order = np.argsort(tensors.frames, kind="stable")
    for first in range(0, len(order), BATCH_PLAYS):
        chosen = order[first : first + BATCH_PLAYS]
        batch = dict(tensors.pad(chosen))
        batch["time_s"] = horizon_times(int(batch["frames"].max()))
        found = session.run(list(wanted), {name: value for name, value in batch.items() if name in inputs})
        counts = batch["player_mask"].sum(1)
        for name, values in zip(wanted, found, strict=True):
            for row, play in enumerate(chosen):
                one = values[row] if values.ndim == 1 else values[row, : counts[row]]
                # paths [..., H, 2] are padded to the longest of the batch; copied, or each would keep it all
                result[name][play] = one if one.ndim < 3 else one[..., : tensors.frames[play], :].copy()
    return result


def mode_rows(tensors: PlayTensors, found: Mapping[str, Sequence[np.ndarray]]) -> pl.DataFrame:
    """The modes of each play as MODE_COLUMNS in original coordinates: by play, player, frame and mode (from 1).

    found: modes and mode_scale [A, K, frames, 2], mode_probability [A, K] of each play, standardised.
    """
    path, scale = (_of_players(tensors, [v.swapaxes(1, 2) for v in found[name]]) for name in ("modes", "mode_scale"))
    shares = [
        np.broadcast_to(values[:, None], (len(values), frames, values.shape[1]))
        for values, frames in zip(found["mode_probability"], tensors.frames, strict=True)
    ]
    probability = _of_players(tensors, shares)
    if not len(probability):
        return pl.DataFrame(schema={name: MODE_TYPES.get(name, pl.Int64) for name in MODE_COLUMNS})
    rows, modes = probability.shape
    table = _keys(tensors)[np.repeat(np.arange(rows), modes)].with_columns(
        mode=np.tile(np.arange(1, modes + 1), rows),
        probability=probability.ravel(),
        x=path[..., 0].ravel().astype(np.float64),
        y=path[..., 1].ravel().astype(np.float64),
        sigma_x=scale[..., 0].ravel(),
        sigma_y=scale[..., 1].ravel(),
    )
    return plays.restore_coordinates(table).select(
        pl.col(name).cast(MODE_TYPES.get(name, pl.Int64)) for name in MODE_COLUMNS
    )


def coverage_rows(tensors: PlayTensors, man_probability: Sequence[np.ndarray]) -> pl.DataFrame:
    """One row per play: game_id, play_id, p_man."""
    found = np.array([float(value) for value in man_probability])
    return pl.DataFrame({"game_id": tensors.game_id, "play_id": tensors.play_id, "p_man": found})


def rows_to_predict(tensors: PlayTensors, found: Sequence[np.ndarray]) -> pl.DataFrame:
    """Positions of each play [A, frames, 2], standardised, as COLUMNS in original coordinates.

    One row per player to predict and frame, by play, player and frame.
    """
    xy = np.concatenate([np.zeros((0, 2)), _of_players(tensors, found)]).astype(np.float64)
    return plays.restore_coordinates(_keys(tensors).with_columns(x=xy[:, 0], y=xy[:, 1])).select(COLUMNS)


def _of_players(tensors: PlayTensors, found: Sequence[np.ndarray]) -> np.ndarray:
    """Values of each play [A, frames, ...] for the players to predict: one row per player and frame, [rows, ...]."""
    play_of = tensors.play_of_player
    players = np.flatnonzero(tensors.to_predict)
    slots = players - tensors.play_offset[play_of[players]]
    chosen = [found[play][slot] for play, slot in zip(play_of[players], slots, strict=True)]
    return np.concatenate(chosen) if chosen else np.zeros((0, 2))


def _keys(tensors: PlayTensors) -> pl.DataFrame:
    """game_id, play_id, nfl_id, frame_id and direction_left of each player to predict and frame."""
    players = np.flatnonzero(tensors.to_predict)
    frames = tensors.frames[tensors.play_of_player[players]]
    player = np.repeat(players, frames)
    play = tensors.play_of_player[player]
    starts = np.cumsum(frames) - frames
    return pl.DataFrame(
        {
            "game_id": tensors.game_id[play],
            "play_id": tensors.play_id[play],
            "nfl_id": tensors.nfl_id[player],
            "frame_id": np.arange(len(player)) - np.repeat(starts, frames) + 1,
            "direction_left": tensors.direction_left[play],
        }
    )
