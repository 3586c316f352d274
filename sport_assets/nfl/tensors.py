"""The container of a week's plays as contiguous arrays: layout, file format, selection and padding.

Belongs here: what the arrays are, how they are saved, joined, chosen from and padded into dense batches.
Does not belong here: how they are made from tables (``features.build``), and anything of a model; no torch,
since prediction runs on this module alone.

Plays lie one after another, and so do the players of a play (sorted by ``nfl_id``); there is
no Python object per play.
Units: yards, yards per second, yards per second squared; the offence always moves towards +x.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import save_file

TENSORS_FILE = "tensors.safetensors"
LAYOUT_VERSION = 1
"""Rises when what a model reads changes: exported models compare it. A label is nothing a model reads."""
FRAMES_PER_SECOND = 10
HISTORY_FRAMES = 20
"""Frames kept before the throw (2 s at 10 Hz); the last one is the last frame before the throw."""

HISTORY_CHANNELS: tuple[str, ...] = ("x", "y", "vx", "vy", "a", "o_sin", "o_cos")

ROLE_FEATURES: tuple[str, ...] = (
    "role_targeted_receiver",
    "role_other_route_runner",
    "role_passer",
    "role_defensive_coverage",
)
POSITION_GROUPS: dict[str, tuple[str, ...]] = {
    "quarterback": ("QB",),
    "running_back": ("RB", "HB", "FB"),
    "wide_receiver": ("WR",),
    "tight_end": ("TE",),
    "offensive_line": ("C", "G", "T", "OL", "OT", "OG"),
    "defensive_line": ("DE", "DT", "NT", "DL"),
    "linebacker": ("LB", "ILB", "MLB", "OLB"),
    "cornerback": ("CB", "DB"),
    "safety": ("FS", "SS", "S"),
}
PLAYER_FEATURES: tuple[str, ...] = (
    *ROLE_FEATURES,
    "side_offense",
    *(f"position_{group}" for group in POSITION_GROUPS),
    "height_scaled",  # (inches - 73) / 3
    "height_known",
    "weight_scaled",  # (pounds - 220) / 40
    "weight_known",
)

FORMATIONS: tuple[str, ...] = ("SHOTGUN", "EMPTY", "SINGLEBACK", "PISTOL", "I_FORM", "JUMBO", "WILDCAT")
PLAY_FEATURES: tuple[str, ...] = (
    "ball_land_x",
    "ball_land_y",
    "absolute_yardline_number",
    "context_known",  # 0: no row in the context table, all that follows is 0
    "quarter_scaled",  # (quarter - 1) / 4; overtime is 1
    "clock_scaled",  # seconds left in the quarter / 900
    "down_1",
    "down_2",
    "down_3",
    "down_4",
    "yards_to_go_scaled",  # yards / 10
    "score_margin_scaled",  # offence minus defence before the snap / 14
    *(f"formation_{name.lower()}" for name in FORMATIONS),
    "receivers_strong_side",  # receivers on the side with more of them / 3
    "receivers_weak_side",  # receivers on the other side / 3
    "alignment_known",
    "defenders_in_the_box_scaled",  # (defenders - 6) / 2
    "defenders_in_the_box_known",
)

COVERAGES: dict[str, int] = {"zone": 0, "man": 1}
UNKNOWN_COVERAGE = -1

Batch = dict[str, NDArray[np.generic]]


class LayoutError(ValueError):
    """Arrays or a file that do not have this module's layout."""


@dataclass(frozen=True)
class PlayTensors:
    """P plays with N players in all, T = HISTORY_FRAMES past frames and M target frames in all.

    Sorted by (game_id, play_id), and within a play by nfl_id; both are unique.
    """

    play_offset: NDArray[np.int64]
    """[P + 1]: the players of play p are the rows play_offset[p] : play_offset[p + 1]."""
    history: NDArray[np.float32]
    """[N, T, 7]: HISTORY_CHANNELS; index T - 1 is the last frame before the throw; unobserved: 0."""
    observed: NDArray[np.bool_]
    """[N, T]: which past frames exist; every player has at least one."""
    player: NDArray[np.float32]
    """[N, S]: PLAYER_FEATURES."""
    to_predict: NDArray[np.bool_]
    """[N]: players whose movement after the throw is asked for."""
    play: NDArray[np.float32]
    """[P, C]: PLAY_FEATURES."""
    frames: NDArray[np.int64]
    """[P]: number of frames after the throw to predict (10 per second)."""
    target_offset: NDArray[np.int64]
    """[N + 1]: target rows of player n; frame f after the throw is row target_offset[n] + f - 1."""
    target: NDArray[np.float32]
    """[M, 2]: x, y in yards; NaN where a frame is missing or was quarantined."""
    game_id: NDArray[np.int64]
    """[P]"""
    play_id: NDArray[np.int64]
    """[P]"""
    nfl_id: NDArray[np.int64]
    """[N]"""
    direction_left: NDArray[np.bool_]
    """[P]: the offence moved towards -x in the original coordinates."""
    coverage: NDArray[np.int8]
    """[P]: charted coverage, 0 zone, 1 man, -1 unknown. A label: charted after the play, no feature is made of it."""

    def __post_init__(self) -> None:
        plays, players = len(self.game_id), len(self.nfl_id)
        expected = {
            "play_offset": (np.int64, (plays + 1,)),
            "history": (np.float32, (players, HISTORY_FRAMES, len(HISTORY_CHANNELS))),
            "observed": (np.bool_, (players, HISTORY_FRAMES)),
            "player": (np.float32, (players, len(PLAYER_FEATURES))),
            "to_predict": (np.bool_, (players,)),
            "play": (np.float32, (plays, len(PLAY_FEATURES))),
            "frames": (np.int64, (plays,)),
            "target_offset": (np.int64, (players + 1,)),
            "target": (np.float32, (int(self.target_offset[-1]), 2)),
            "game_id": (np.int64, (plays,)),
            "play_id": (np.int64, (plays,)),
            "nfl_id": (np.int64, (players,)),
            "direction_left": (np.bool_, (plays,)),
            "coverage": (np.int8, (plays,)),
        }
        for name, (dtype, shape) in expected.items():
            array = getattr(self, name)
            if array.dtype != dtype or array.shape != shape:
                raise LayoutError(f"{name} is {array.dtype}{array.shape}, expected {np.dtype(dtype)}{shape}")
        if self.play_offset[0] != 0 or self.play_offset[-1] != players or np.any(np.diff(self.play_offset) < 0):
            raise LayoutError("play_offset does not run from 0 to the number of players")
        if self.target_offset[0] != 0 or np.any(np.diff(self.target_offset) < 0):
            raise LayoutError("target_offset does not rise from 0")
        if not np.isin(self.coverage, (UNKNOWN_COVERAGE, *COVERAGES.values())).all():
            raise LayoutError("coverage holds values other than -1 (unknown), 0 (zone) and 1 (man)")

    def __len__(self) -> int:
        """Number of plays."""
        return len(self.game_id)

    @property
    def players(self) -> int:
        """Number of players of all plays together."""
        return len(self.nfl_id)

    @property
    def play_of_player(self) -> NDArray[np.int64]:
        """[N]: the index of each player's play."""
        return np.repeat(np.arange(len(self), dtype=np.int64), np.diff(self.play_offset))

    def trainable(self) -> NDArray[np.int64]:
        """Indices of the plays that have at least one target frame of a player to predict."""
        rows = np.diff(self.target_offset) > 0
        finite = np.concatenate([[0], np.cumsum(np.isfinite(self.target).all(axis=1))])
        known = (finite[self.target_offset[1:]] - finite[self.target_offset[:-1]]) > 0
        usable = rows & known & self.to_predict
        return np.unique(self.play_of_player[usable])

    def last_observed(self) -> NDArray[np.int64]:
        """[N]: index (0 .. T - 1) of each player's last observed frame."""
        return HISTORY_FRAMES - 1 - np.argmax(self.observed[:, ::-1], axis=1)

    # -- files ---------------------------------------------------------------------------------------------

    def save(self, path: Path) -> None:
        """Write one safetensors file; the same arrays give the same bytes."""
        arrays = {field.name: np.ascontiguousarray(getattr(self, field.name)) for field in fields(self)}
        save_file(arrays, str(path), metadata={"layout": _layout()})

    @classmethod
    def load(cls, path: Path) -> PlayTensors:
        """Read a file written by :meth:`save`.

        Raises LayoutError if it was written for other channels, features or another version of the layout.
        """
        with safe_open(str(path), framework="numpy") as file:
            found = (file.metadata() or {}).get("layout", "")
            if found != _layout():
                raise LayoutError(f"{path.name} has another layout than this version of the code: make it again")
            missing = {field.name for field in fields(cls)} - set(file.keys())
            if missing:
                raise LayoutError(f"{path.name} lacks the arrays {sorted(missing)}: make it again")
            return cls(**{field.name: file.get_tensor(field.name) for field in fields(cls)})

    # -- selection and joining -----------------------------------------------------------------------------

    def select(self, plays: NDArray[np.integer]) -> PlayTensors:
        """The given plays, in the given order."""
        plays = np.asarray(plays, dtype=np.int64)
        players, play_offset = _gather(self.play_offset, plays)
        targets, target_offset = _gather(self.target_offset, players)
        return PlayTensors(
            play_offset=play_offset,
            history=self.history[players],
            observed=self.observed[players],
            player=self.player[players],
            to_predict=self.to_predict[players],
            play=self.play[plays],
            frames=self.frames[plays],
            target_offset=target_offset,
            target=self.target[targets],
            game_id=self.game_id[plays],
            play_id=self.play_id[plays],
            nfl_id=self.nfl_id[players],
            direction_left=self.direction_left[plays],
            coverage=self.coverage[plays],
        )

    @classmethod
    def concatenate(cls, parts: Sequence[PlayTensors]) -> PlayTensors:
        """Several sets of plays as one, in the given order. An empty list is a ValueError."""
        if not parts:
            raise ValueError("nothing to concatenate: the list of tensors is empty")
        joined: dict[str, Any] = {}
        for field in fields(cls):
            arrays = [getattr(part, field.name) for part in parts]
            if field.name.endswith("_offset"):
                starts = np.cumsum([0] + [int(array[-1]) for array in arrays])
                shifted = [array[:-1] + start for array, start in zip(arrays, starts, strict=False)]
                joined[field.name] = np.concatenate([*shifted, starts[-1:]]).astype(np.int64)
            else:
                joined[field.name] = np.concatenate(arrays)
        return cls(**joined)

    # -- batches -------------------------------------------------------------------------------------------

    def pad(self, plays: NDArray[np.integer], *, players: int | None = None, horizon: int | None = None) -> Batch:
        """Dense arrays of B plays, A players and H future frames; padding is 0 and masked.

        ``players`` fixes A (default: the most players of a play in the batch; fewer is a ValueError).
        ``horizon`` fixes H (default: the most frames to predict in the batch); later frames are cut off.

        history [B, A, T, 7], observed [B, A, T], player [B, A, S], player_mask [B, A], to_predict [B, A],
        play [B, C], frames [B], target [B, A, H, 2], target_mask [B, A, H]: the frames that exist of players
        to predict; coverage [B]: the label, -1 where it is unknown.
        """
        plays = np.asarray(plays, dtype=np.int64)
        counts = self.play_offset[plays + 1] - self.play_offset[plays]
        most = int(counts.max(initial=0))
        width = most if players is None else players
        if width < most:
            raise ValueError(f"a play of the batch has {most} players, more than players={width}")
        length = int(self.frames[plays].max(initial=0)) if horizon is None else horizon
        batch = len(plays)

        slots = np.arange(width)
        player_mask = slots[None, :] < counts[:, None]
        rows = (self.play_offset[plays][:, None] + slots[None, :])[player_mask]

        def spread(values: NDArray[np.generic], shape: tuple[int, ...]) -> NDArray[np.generic]:
            dense = np.zeros((batch, width, *shape), dtype=values.dtype)
            dense[player_mask] = values
            return dense

        steps = np.arange(length)
        first = self.target_offset[rows]
        known = steps[None, :] < (self.target_offset[rows + 1] - first)[:, None]
        known &= self.to_predict[rows][:, None]
        values = np.zeros((len(rows), length, 2), dtype=np.float32)
        values[known] = self.target[(first[:, None] + steps[None, :])[known]]
        known &= np.isfinite(values).all(axis=-1)
        values[~known] = 0.0

        return {
            "history": spread(self.history[rows], self.history.shape[1:]),
            "observed": spread(self.observed[rows], self.observed.shape[1:]),
            "player": spread(self.player[rows], self.player.shape[1:]),
            "player_mask": player_mask,
            "to_predict": spread(self.to_predict[rows], ()),
            "play": self.play[plays],
            "frames": self.frames[plays],
            "target": spread(values, (length, 2)),
            "target_mask": spread(known, (length,)),
            "coverage": self.coverage[plays],
        }


def _gather(offset: NDArray[np.int64], groups: NDArray[np.integer]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of the given groups one after another, and the groups' new offsets."""
    counts = offset[groups + 1] - offset[groups]
    fresh = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    rows = np.arange(fresh[-1], dtype=np.int64) + np.repeat(offset[groups] - fresh[:-1], counts)
    return rows, fresh


def _layout() -> str:
    return json.dumps(
        {
            "version": LAYOUT_VERSION,
            "history_frames": HISTORY_FRAMES,
            "history": HISTORY_CHANNELS,
            "player": PLAYER_FEATURES,
            "play": PLAY_FEATURES,
        },
        sort_keys=True,
    )
