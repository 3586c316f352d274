"""The tracking tables: movement as rows with sensor noise, in field coordinates, in the competition's
columns.

Here belongs turning arrays into the input and output tables; files are written in `sample`.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from sport_assets.nfl.synthetic.league import ROSTER_POSITION, Floats, Games, Plays, Rosters
from sport_assets.nfl.synthetic.motion import FIELD_LENGTH_YARDS, FIELD_WIDTH_YARDS
from sport_assets.nfl.synthetic.movement import Movement
from sport_assets.nfl.synthetic.supplementary import named

POSITION_NOISE_YARDS = 0.02


_SPEED_NOISE = 0.03  # yards/s, on each component of the measured velocity


_ACCELERATION_NOISE = 0.12  # yards/s^2


INPUT_COLUMNS = (
    "game_id", "play_id", "player_to_predict", "nfl_id", "frame_id", "play_direction",
    "absolute_yardline_number", "player_name", "player_height", "player_weight", "player_birth_date",
    "player_position", "player_side", "player_role", "x", "y", "s", "a", "dir", "o", "num_frames_output",
    "ball_land_x", "ball_land_y",
)  # fmt: skip


OUTPUT_COLUMNS = ("game_id", "play_id", "nfl_id", "frame_id", "x", "y")


_ROLES = ("Defensive Coverage", "Other Route Runner", "Passer", "Targeted Receiver")


def _field(x: Floats, y: Floats, left: np.ndarray) -> tuple[Floats, Floats]:
    """Standardised to field coordinates: a play to the left is turned by 180 degrees."""
    return np.where(left, FIELD_LENGTH_YARDS - x, x), np.where(left, FIELD_WIDTH_YARDS - y, y)


def two_decimals(values: Floats) -> Floats:
    return np.round(values, 2) + 0.0  # adding zero turns -0.0 into 0.0


def _sensor_noise(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Position error along axis 0: 0.02 yards, slowly varying as filtered tracking is, not white."""
    keep = 0.92
    steps = rng.normal(0, POSITION_NOISE_YARDS, shape)
    for frame in range(1, shape[0]):
        steps[frame] = keep * steps[frame - 1] + np.sqrt(1 - keep**2) * steps[frame]
    return steps


def tracking_tables(
    rng: np.random.Generator, league: Rosters, games: Games, plays: Plays, movement: Movement
) -> tuple[pl.DataFrame, pl.DataFrame]:
    count, frames = len(plays), movement.position.shape[0]
    team = np.where(np.arange(14) < 6, plays.offence[:, None], plays.defence[:, None])
    nfl_id = league.nfl_id[team, movement.places]
    order = np.argsort(nfl_id, axis=1)
    measured = movement.velocity + rng.normal(0, _SPEED_NOISE, movement.velocity.shape)
    position = movement.position + _sensor_noise(rng, movement.position.shape)
    acceleration = np.abs(movement.acceleration + rng.normal(0, _ACCELERATION_NOISE, movement.acceleration.shape))
    left = plays.direction_left
    turn = np.where(left, 180.0, 0.0)[None, :, None]
    x, y = _field(position[..., 0], position[..., 1], left[None, :, None])
    angle = np.degrees(np.arctan2(measured[..., 0], measured[..., 1]))
    values = {
        "x": x,
        "y": y,
        "s": np.linalg.norm(measured, axis=-1),
        "a": acceleration,
        "dir": np.mod(angle + turn, 360.0),
        "o": np.mod(movement.facing + turn, 360.0),
    }
    # [frames, plays, 14] to rows in order of play, player (by id), frame.
    by_player = {
        name: np.take_along_axis(value.transpose(1, 2, 0), order[..., None], 1) for name, value in values.items()
    }
    sorted_ = {
        "nfl_id": np.take_along_axis(nfl_id, order, 1),
        "place": np.take_along_axis(movement.places, order, 1),
        "team": np.take_along_axis(team, order, 1),
        "tracked": np.take_along_axis(movement.tracked, order, 1),
        "predict": np.take_along_axis(movement.to_predict, order, 1),
    }
    role = np.where(np.arange(14) < 6, "Other Route Runner", "Defensive Coverage")[None].repeat(count, 0)
    role[:, 0] = "Passer"
    role[np.arange(count), movement.target + 1] = "Targeted Receiver"
    role = np.take_along_axis(role, order, 1)
    frame = np.arange(frames)
    before, in_air = movement.before[:, None, None], movement.in_air[:, None, None]
    given = sorted_["tracked"][..., None] & (frame < before)
    asked = sorted_["predict"][..., None] & (frame >= before) & (frame < before + in_air)
    landing = _field(movement.landing[:, 0], movement.landing[:, 1], left)

    play, player, at = np.nonzero(given)
    who, place = sorted_["team"][play, player], sorted_["place"][play, player]
    input_ = pl.DataFrame(
        {
            "game_id": games.game_id[plays.game[play]],
            "play_id": plays.play_id[play],
            "player_to_predict": named(sorted_["predict"][play, player].astype(np.int64), ("False", "True")),
            "nfl_id": sorted_["nfl_id"][play, player],
            "frame_id": at + 1,
            "play_direction": named(left[play].astype(np.int64), ("right", "left")),
            "absolute_yardline_number": np.where(left[play], 120 - plays.yardline[play], plays.yardline[play]),
            "player_name": _looked_up(league.name, who, place),
            "player_height": _looked_up(league.height, who, place),
            "player_weight": league.weight_pounds[who, place],
            "player_birth_date": _looked_up(league.birth_date, who, place),
            "player_position": named(place, tuple(str(name) for name in ROSTER_POSITION)),
            "player_side": named((role == "Defensive Coverage")[play, player].astype(np.int64), ("Offense", "Defense")),
            "player_role": named(np.searchsorted(_ROLES, role)[play, player], _ROLES),
            **{name: two_decimals(by_player[name][play, player, at]) for name in values},
            "num_frames_output": movement.in_air[play],
            "ball_land_x": two_decimals(landing[0])[play],
            "ball_land_y": two_decimals(landing[1])[play],
        }
    ).select(INPUT_COLUMNS)
    play, player, at = np.nonzero(asked)
    output = pl.DataFrame(
        {
            "game_id": games.game_id[plays.game[play]],
            "play_id": plays.play_id[play],
            "nfl_id": sorted_["nfl_id"][play, player],
            "frame_id": at + 1 - movement.before[play],
            "x": two_decimals(by_player["x"][play, player, at]),
            "y": two_decimals(by_player["y"][play, player, at]),
        }
    )
    return input_, output


def _looked_up(table: np.ndarray, team: np.ndarray, place: np.ndarray) -> pl.Series:
    return pl.Series(table.reshape(-1).tolist()).gather(team * table.shape[1] + place)
