"""Tables of standardised plays made into arrays: movement up to the throw, who the players are, what was
known.

Belongs here: ``build``, from the tracking table (and, where they exist, targets and play context) to
``PlayTensors``. Does not belong here: reading and standardising files (``raw_tables``, ``plays``), the container
(``tensors``). No torch: prediction makes its arrays with this module.

A feature holds only what is known when the ball is thrown: movement up to the throw, the landing point and
the number of frames to predict, and the context columns known before the snap (``context``). Frames after the
throw enter as targets alone, charted coverage as a label alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sport_assets.nfl.tensors import (
    COVERAGES,
    FORMATIONS,
    HISTORY_CHANNELS,
    HISTORY_FRAMES,
    PLAY_FEATURES,
    PLAYER_FEATURES,
    POSITION_GROUPS,
    ROLE_FEATURES,
    UNKNOWN_COVERAGE,
    PlayTensors,
)

PLAYER_KEY = ("game_id", "play_id", "nfl_id")
ROLES: dict[str, str] = {
    "Targeted Receiver": "role_targeted_receiver",
    "Other Route Runner": "role_other_route_runner",
    "Passer": "role_passer",
    "Defensive Coverage": "role_defensive_coverage",
}
PLAY_CONSTANTS = (
    "ball_land_x",
    "ball_land_y",
    "absolute_yardline_number",
    "num_frames_output",
    "direction_left",
)

HEIGHT_CENTRE_INCHES, HEIGHT_SCALE_INCHES = 73.0, 3.0
WEIGHT_CENTRE_POUNDS, WEIGHT_SCALE_POUNDS = 220.0, 40.0
YARDS_TO_GO_SCALE = 10.0
SCORE_SCALE = 14.0
QUARTER_S = 900.0

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class _Players:
    """The rows of a table, player after player: row order, and where each player starts and ends in it."""

    order: Ints | None  # None: the table is in this order already
    start: Ints  # [N]
    end: Ints  # [N]
    keys: tuple[Ints, Ints, Ints]  # each [N], sorted

    def rows(self, column: NDArray[np.generic]) -> NDArray[np.generic]:
        """A column of the table in player order."""
        return column if self.order is None else column[self.order]


def build(
    tracking: pl.DataFrame,
    targets: pl.DataFrame | None = None,
    context: pl.DataFrame | None = None,
    labels: pl.DataFrame | None = None,
) -> PlayTensors:
    """Arrays of all plays of a tracking table.

    tracking: clean, standardised input rows (``plays.standardise``); yards, degrees clockwise from +y, 10 Hz.
    targets: standardised output rows of the same plays, or None (prediction): then every player has no
    target. context: rows of ``play_context`` by (game_id, play_id); plays without one get ``context_known`` =
    0. labels: rows of ``labels.parquet`` (coverage by game_id, play_id); plays without one have an unknown coverage.

    Two kinds of rows cannot be used and are left out; ``missing`` names the players it concerns:
    a play whose players disagree about its constants (landing point, frames to predict, direction, line of
    scrimmage), and a player with no frame in the last HISTORY_FRAMES before the throw.
    Target frames beyond the play's number of frames, and targets of players not to predict, are ignored; a
    missing target frame is NaN. Raises ValueError when (game_id, play_id, nfl_id, frame_id) is not unique.
    """
    if tracking.is_empty():
        return _empty()
    players = _players(tracking, "the tracking table")
    last_row = players.end - 1 if players.order is None else players.order[players.end - 1]
    game, play, nfl = players.keys
    frame: Ints = players.rows(tracking["frame_id"].to_numpy()).astype(np.int64, copy=False)
    new_play = np.concatenate([[True], (game[1:] != game[:-1]) | (play[1:] != play[:-1])])
    play_start = np.flatnonzero(new_play)
    play_of_player = np.cumsum(new_play) - 1

    # The throw is the last frame of the play, whoever was seen in it.
    throw = np.maximum.reduceat(frame[players.end - 1], play_start)
    constants = {name: tracking[name].gather(last_row).to_numpy() for name in PLAY_CONSTANTS}
    agreed = np.ones(len(play_start), dtype=bool)
    for values in constants.values():
        agreed &= np.logical_and.reduceat(values == values[play_start][play_of_player], play_start)

    history, observed = _history(tracking, players, frame, throw[play_of_player])
    keep = observed[:, -1] | observed.any(axis=1)
    keep &= agreed[play_of_player]
    kept_plays = np.unique(play_of_player[keep])
    kept_rows = last_row[keep]
    constant = {name: values[play_start[kept_plays]] for name, values in constants.items()}
    counts = np.bincount(play_of_player[keep], minlength=len(play_start))[kept_plays]
    keys = pl.DataFrame({"game_id": game[keep], "play_id": play[keep], "nfl_id": nfl[keep]})
    plays = pl.DataFrame({"game_id": game[play_start[kept_plays]], "play_id": play[play_start[kept_plays]]})
    attributes = tracking.select(
        "player_role", "player_side", "player_position", "player_height", "player_weight", "player_to_predict"
    )[kept_rows]
    to_predict = attributes["player_to_predict"].to_numpy().astype(bool)
    frames = constant["num_frames_output"].astype(np.int64)
    target_offset, target = _target(targets, keys, to_predict, np.repeat(frames, counts))
    everyone = len(keep) == int(keep.sum())
    return PlayTensors(
        play_offset=_offset(counts),
        history=history if everyone else history[keep],
        observed=observed if everyone else observed[keep],
        player=_player_features(attributes),
        to_predict=to_predict,
        play=_play_features(constant, plays, context),
        frames=frames,
        target_offset=target_offset,
        target=target,
        game_id=plays["game_id"].to_numpy(),
        play_id=plays["play_id"].to_numpy(),
        nfl_id=keys["nfl_id"].to_numpy(),
        direction_left=constant["direction_left"].astype(bool),
        coverage=_coverage(plays, labels),
    )


def missing(tracking: pl.DataFrame, tensors: PlayTensors) -> pl.DataFrame:
    """Players to predict (game_id, play_id, nfl_id) of the tracking table that the arrays do not hold;
    sorted."""
    asked = tracking.filter("player_to_predict").select(PLAYER_KEY).unique()
    held = pl.DataFrame(
        {
            "game_id": tensors.game_id[tensors.play_of_player],
            "play_id": tensors.play_id[tensors.play_of_player],
            "nfl_id": tensors.nfl_id,
        }
    )
    return asked.join(held, on=PLAYER_KEY, how="anti").sort(PLAYER_KEY)


# -- rows to players ---------------------------------------------------------------------------------------


def _players(table: pl.DataFrame, name: str) -> _Players:
    """Find each player's rows. Files are usually in order already; then nothing is sorted or copied."""
    game, play, nfl = (table[column].to_numpy() for column in PLAYER_KEY)
    frame = table["frame_id"].to_numpy()
    boundary = np.empty(len(game), dtype=bool)
    boundary[0] = True
    boundary[1:] = (nfl[1:] != nfl[:-1]) | (play[1:] != play[:-1]) | (game[1:] != game[:-1])
    start = np.flatnonzero(boundary)
    end = np.append(start[1:], len(game))
    keys = (game[start], play[start], nfl[start])
    rising = bool(np.all((frame[1:] > frame[:-1]) | boundary[1:]))
    if rising and _ascending(keys):
        return _Players(None, start, end, keys)
    if rising:
        # Each player's rows are in order, and players may be: then only the runs are sorted, not the rows.
        runs = np.lexsort(keys[::-1])
        sorted_keys = (keys[0][runs], keys[1][runs], keys[2][runs])
        if _ascending(sorted_keys):
            lengths = (end - start)[runs]
            new_end = np.cumsum(lengths)
            new_start = new_end - lengths
            order = np.arange(len(game)) + np.repeat(start[runs] - new_start, lengths)
            return _Players(order, new_start, new_end, sorted_keys)
    order = np.lexsort((frame, nfl, play, game))
    game, play, nfl, frame = game[order], play[order], nfl[order], frame[order]
    boundary[1:] = (nfl[1:] != nfl[:-1]) | (play[1:] != play[:-1]) | (game[1:] != game[:-1])
    if not np.all((frame[1:] > frame[:-1]) | boundary[1:]):
        raise ValueError(f"{name} holds a frame of a player twice: validate and quarantine it first")
    start = np.flatnonzero(boundary)
    return _Players(order, start, np.append(start[1:], len(game)), (game[start], play[start], nfl[start]))


def _ascending(keys: tuple[Ints, Ints, Ints]) -> bool:
    """Whether the keys rise strictly, read as tuples."""
    game, play, nfl = (np.diff(key) for key in keys)
    return bool(np.all((game > 0) | ((game == 0) & ((play > 0) | ((play == 0) & (nfl > 0))))))


def _history(
    tracking: pl.DataFrame, players: _Players, frame: Ints, throw: Ints
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Channels [N, T, 7] and mask [N, T] of the last frames before the throw, aligned on the play's last
    frame."""
    lengths = players.end - players.start
    slot = frame - np.repeat(throw - (HISTORY_FRAMES - 1), lengths)
    recent = np.flatnonzero(slot >= 0)
    cell = np.repeat(np.arange(len(lengths)) * HISTORY_FRAMES, lengths)[recent] + slot[recent]
    source = recent if players.order is None else players.order[recent]

    def values(column: str) -> NDArray[np.float32]:
        return tracking[column].to_numpy()[source].astype(np.float32)

    speed = values("s")
    direction, orientation = np.radians(values("dir")), np.radians(values("o"))
    channels = (
        values("x"),
        values("y"),
        speed * np.sin(direction),
        speed * np.cos(direction),
        values("a"),
        np.sin(orientation),
        np.cos(orientation),
    )
    flat = np.zeros((len(lengths) * HISTORY_FRAMES, len(HISTORY_CHANNELS)), dtype=np.float32)
    for channel, column in enumerate(channels):
        flat[cell, channel] = column
    observed = np.zeros(len(flat), dtype=bool)
    observed[cell] = True
    return (
        flat.reshape(len(lengths), HISTORY_FRAMES, len(HISTORY_CHANNELS)),
        observed.reshape(len(lengths), HISTORY_FRAMES),
    )


def _target(
    targets: pl.DataFrame | None, keys: pl.DataFrame, to_predict: NDArray[np.bool_], frames: Ints
) -> tuple[Ints, NDArray[np.float32]]:
    """Offsets [N + 1] and positions [M, 2]: from frame 1 to each player's last known frame, NaN where one
    lacks."""
    lengths = np.zeros(len(keys), dtype=np.int64)
    if targets is None or targets.is_empty():
        return _offset(lengths), np.zeros((0, 2), dtype=np.float32)
    wanted = keys.with_columns(index=pl.int_range(pl.len()), limit=pl.Series(frames), wanted=pl.Series(to_predict))
    used = targets.join(wanted.filter("wanted"), on=PLAYER_KEY, how="inner", maintain_order="left").filter(
        pl.col("frame_id").is_between(1, pl.col("limit"))
    )
    index, step = used["index"].to_numpy(), used["frame_id"].to_numpy() - 1
    np.maximum.at(lengths, index, step + 1)
    offset = _offset(lengths)
    target = np.full((int(offset[-1]), 2), np.nan, dtype=np.float32)
    rows = offset[index] + step
    if len(np.unique(rows)) != len(rows):
        raise ValueError("the targets table holds a frame of a player twice: validate and quarantine it first")
    target[rows] = used.select("x", "y").to_numpy()
    return offset, target


def _coverage(plays: pl.DataFrame, labels: pl.DataFrame | None) -> NDArray[np.int8]:
    """[P]: the label of each play, as ``PlayTensors.coverage``."""
    if labels is None:
        return np.full(len(plays), UNKNOWN_COVERAGE, dtype=np.int8)
    if labels.select("game_id", "play_id").is_duplicated().any():
        raise ValueError("the labels table holds a play twice: validate and quarantine it first")
    rows = plays.join(labels, on=["game_id", "play_id"], how="left", maintain_order="left")
    codes = rows["coverage"].replace_strict(COVERAGES, default=UNKNOWN_COVERAGE, return_dtype=pl.Int8)
    return codes.fill_null(UNKNOWN_COVERAGE).to_numpy().astype(np.int8)


# -- features ----------------------------------------------------------------------------------------------


def _player_features(attributes: pl.DataFrame) -> NDArray[np.float32]:
    """[N, S]: PLAYER_FEATURES."""
    feet = pl.col("player_height").str.extract(r"^(\d)-(\d{1,2})$", 1).cast(pl.Float64)
    inches = feet * 12 + pl.col("player_height").str.extract(r"^(\d)-(\d{1,2})$", 2).cast(pl.Float64)
    pounds = pl.col("player_weight").cast(pl.Float64)
    role = {feature: label for label, feature in ROLES.items()}
    expressions = {
        **{feature: pl.col("player_role") == role[feature] for feature in ROLE_FEATURES},
        "side_offense": pl.col("player_side") == "Offense",
        **{
            f"position_{group}": pl.col("player_position").is_in(list(positions))
            for group, positions in POSITION_GROUPS.items()
        },
        "height_scaled": (inches - HEIGHT_CENTRE_INCHES) / HEIGHT_SCALE_INCHES,
        "height_known": inches.is_not_null(),
        "weight_scaled": (pounds - WEIGHT_CENTRE_POUNDS) / WEIGHT_SCALE_POUNDS,
        "weight_known": pounds.is_not_null(),
    }
    return _matrix(attributes, expressions, PLAYER_FEATURES)


def _play_features(
    constants: dict[str, NDArray[np.generic]], plays: pl.DataFrame, context: pl.DataFrame | None
) -> NDArray[np.float32]:
    """[P, C]: PLAY_FEATURES."""
    names = ("ball_land_x", "ball_land_y", "absolute_yardline_number")
    known = np.stack([constants[name].astype(np.float32) for name in names], axis=1)
    rest = PLAY_FEATURES[len(names) :]
    if context is None or context.is_empty():
        return np.concatenate([known, np.zeros((len(plays), len(rest)), dtype=np.float32)], axis=1)
    if context.select("game_id", "play_id").is_duplicated().any():
        raise ValueError("the context table holds a play twice: validate and quarantine it first")
    rows = plays.join(
        context.with_columns(context_known=pl.lit(True)),
        on=["game_id", "play_id"],
        how="left",
        maintain_order="left",
    )
    sides = pl.col("receiver_alignment").str.extract_groups(r"^(\d)x(\d)$")
    one, other = sides.struct.field("1").cast(pl.Float64), sides.struct.field("2").cast(pl.Float64)
    minutes = pl.col("game_clock").str.extract(r"^(\d{1,2}):(\d{2})", 1).cast(pl.Float64)
    seconds = pl.col("game_clock").str.extract(r"^(\d{1,2}):(\d{2})", 2).cast(pl.Float64)
    home_margin = (pl.col("pre_snap_home_score") - pl.col("pre_snap_visitor_score")).cast(pl.Float64)
    margin = (
        pl.when(pl.col("possession_team") == pl.col("home_team_abbr"))
        .then(home_margin)
        .when(pl.col("possession_team") == pl.col("visitor_team_abbr"))
        .then(-home_margin)
    )
    box = pl.col("defenders_in_the_box").cast(pl.Float64)
    expressions = {
        "context_known": pl.col("context_known"),
        "quarter_scaled": (pl.col("quarter").cast(pl.Float64) - 1) / 4,
        "clock_scaled": (minutes * 60 + seconds) / QUARTER_S,
        **{f"down_{down}": pl.col("down") == down for down in (1, 2, 3, 4)},
        "yards_to_go_scaled": pl.col("yards_to_go").cast(pl.Float64) / YARDS_TO_GO_SCALE,
        "score_margin_scaled": margin / SCORE_SCALE,
        **{f"formation_{name.lower()}": pl.col("offense_formation") == name for name in FORMATIONS},
        "receivers_strong_side": pl.max_horizontal(one, other) / 3,
        "receivers_weak_side": pl.min_horizontal(one, other) / 3,
        "alignment_known": one.is_not_null(),
        "defenders_in_the_box_scaled": (box - 6) / 2,
        "defenders_in_the_box_known": box.is_not_null(),
    }
    return np.concatenate([known, _matrix(rows, expressions, rest)], axis=1)


def _matrix(table: pl.DataFrame, expressions: dict[str, pl.Expr], names: tuple[str, ...]) -> NDArray[np.float32]:
    """The named features as columns; unknown values are 0."""
    chosen = [expressions[name].cast(pl.Float32).fill_null(0.0).alias(name) for name in names]
    return np.ascontiguousarray(table.select(chosen).to_numpy(), dtype=np.float32)


def _offset(counts: Ints) -> Ints:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def _empty() -> PlayTensors:
    none, start = np.zeros(0, dtype=np.int64), np.zeros(1, dtype=np.int64)
    return PlayTensors(
        play_offset=start,
        history=np.zeros((0, HISTORY_FRAMES, len(HISTORY_CHANNELS)), dtype=np.float32),
        observed=np.zeros((0, HISTORY_FRAMES), dtype=bool),
        player=np.zeros((0, len(PLAYER_FEATURES)), dtype=np.float32),
        to_predict=np.zeros(0, dtype=bool),
        play=np.zeros((0, len(PLAY_FEATURES)), dtype=np.float32),
        frames=none,
        target_offset=start,
        target=np.zeros((0, 2), dtype=np.float32),
        game_id=none,
        play_id=none,
        nfl_id=none,
        direction_left=np.zeros(0, dtype=bool),
        coverage=np.zeros(0, dtype=np.int8),
    )
