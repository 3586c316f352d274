"""Batch prediction from raw input files with an exported ONNX model; no torch.

Here belongs the way from files to a CSV of positions. Reading and cleaning files is in `plays` and `context`,
arrays in `features`; training code must not be imported here, nor anything that loads torch.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
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

METADATA_KEY = "sport_assets"
BATCH_PLAYS = 64
COLUMNS = ("game_id", "play_id", "nfl_id", "frame_id", "x", "y")

log = logging.getLogger(__name__)


class PredictionError(ValueError):
    """Input or model that cannot be predicted with; the message says which and what to do."""


@dataclass(frozen=True)
class PredictionReport:
    """What a prediction wrote, and what it could not use."""

    rows: int
    """Rows written, one per player and frame."""
    rows_quarantined: int
    """Input rows that break a rule and were not used."""
    players_left_out: int
    """Players to predict (each play counts) without a prediction, for what their rows lack."""


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


def predict(model: Path, input_path: Path, output: Path) -> PredictionReport:
    """Predict every player to predict of the raw input files and write one CSV.

    model: ONNX file of `nfl/exported_model`. input_path: a file input_*.csv[.gz], or a folder that has such
    files or a folder `train` with them; supplementary_data.csv[.gz] beside them, or beside `train`, is used where
    there is one. output: game_id, play_id, nfl_id, frame_id (from 1), x, y in yards and the original coordinates,
    by file, then game, play, player and frame; written whole or not at all.
    Raises PredictionError, or `plays.RawFileError` for a raw file that cannot be read.
    """
    session = open_model(model)
    files = input_files(input_path)
    supplementary = supplementary_file(files[0])
    known = None if supplementary is None else context.read_context(supplementary)[0]
    parts = [_predict_file(session, file, known) for file in files]
    table = pl.concat([part for part, _, _ in parts])
    output.parent.mkdir(parents=True, exist_ok=True)
    temporary = output.with_name(f".{output.name}.{os.getpid()}")
    try:
        table.write_csv(temporary, float_precision=4)
        os.replace(temporary, output)
    finally:
        temporary.unlink(missing_ok=True)
    return PredictionReport(len(table), sum(bad for _, bad, _ in parts), sum(absent for _, _, absent in parts))


def open_model(path: Path) -> Any:
    """An ONNX Runtime session of an exported trajectory model, on one CPU thread.

    Raises PredictionError where the file is absent, is no such model, or was exported for another layout.
    """
    import onnxruntime

    if not path.is_file():
        raise PredictionError(f"{path} is not a file: give the model.onnx of nfl/exported_model")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise PredictionError(f"{path.name} is not a readable ONNX model: {error}") from error
    text = session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
    about = json.loads(text) if text else {}
    if about.get("line") != "nfl":
        raise PredictionError(f"{path.name} is not a model of the nfl line: export one with nfl/exported_model")
    if about.get("layout") != layout():
        raise PredictionError(
            f"{path.name} was exported for other features than this version of the code makes: export it again"
        )
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


def _predict_file(session: Any, file: Path, known: pl.DataFrame | None) -> tuple[pl.DataFrame, int, int]:
    """The predictions of a file, how many of its rows were not used, and how many players left out."""
    week = plays.read_week(file)
    cleaned = plays.clean_week(week).input
    tensors = features.build(plays.standardise(cleaned.clean), None, known)
    rows = rows_to_predict(tensors, positions(session, tensors))
    asked = week.input.frame.filter("player_to_predict").select(PLAYER_KEY).drop_nulls().unique(maintain_order=True)
    absent = asked.join(rows, on=PLAYER_KEY, how="anti", maintain_order="left")
    if cleaned.quarantined_rows:
        log.warning("%s: %d rows break a rule and are not used", file.name, cleaned.quarantined_rows)
    if len(absent):
        log.warning("%s: %d players to predict cannot be, first %s", file.name, len(absent), absent.row(0))
    return rows, cleaned.quarantined_rows, len(absent)


def positions(session: Any, tensors: PlayTensors) -> list[np.ndarray]:
    """Standardised positions [A, frames, 2] of each play, in yards. Plays of like length share a batch."""
    wanted = {entry.name for entry in session.get_inputs()}
    result: list[np.ndarray] = [np.zeros((0, 0, 2), np.float32)] * len(tensors)
    order = np.argsort(tensors.frames, kind="stable")
    for first in range(0, len(order), BATCH_PLAYS):
        chosen = order[first : first + BATCH_PLAYS]
        batch = dict(tensors.pad(chosen))
        batch["time_s"] = horizon_times(int(batch["frames"].max()))
        (found,) = session.run(None, {name: value for name, value in batch.items() if name in wanted})
        counts = batch["player_mask"].sum(1)
        for row, play in enumerate(chosen):
            result[play] = found[row, : counts[row], : tensors.frames[play]]
    return result


def rows_to_predict(tensors: PlayTensors, found: Sequence[np.ndarray]) -> pl.DataFrame:
    """Positions of each play [A, frames, 2], standardised, as COLUMNS in original coordinates.

    One row per player to predict and frame, by play, player and frame.
    """
    play_of = tensors.play_of_player
    players = np.flatnonzero(tensors.to_predict)
    frames = tensors.frames[play_of[players]]
    slots = players - tensors.play_offset[play_of[players]]
    chosen = [found[play][slot] for play, slot in zip(play_of[players], slots, strict=True)]
    xy = np.concatenate([np.zeros((0, 2)), *chosen]).astype(np.float64)
    row_player = np.repeat(players, frames)
    row_play = play_of[row_player]
    starts = np.cumsum(frames) - frames
    table = pl.DataFrame(
        {
            "game_id": tensors.game_id[row_play],
            "play_id": tensors.play_id[row_play],
            "nfl_id": tensors.nfl_id[row_player],
            "frame_id": np.arange(len(row_player)) - np.repeat(starts, frames) + 1,
            "x": xy[:, 0],
            "y": xy[:, 1],
            "direction_left": tensors.direction_left[row_play],
        }
    )
    return plays.restore_coordinates(table).select(COLUMNS)
