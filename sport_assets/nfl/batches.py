"""Training samples out of play tensors: selection by side of the split, mirrored plays, earlier starts.

Here belongs what turns `PlayTensors` into the batches a training step reads, in NumPy. The network, its
losses and the making of features do not belong here.

Augmentation is by enumeration, not by chance: every play times every variant is a sample of its own, so that
an epoch is fully described by the order of its samples and a resumed training needs no further random state.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sport_assets.nfl.baselines import Batch
from sport_assets.nfl.tensors import HISTORY_CHANNELS, PLAY_FEATURES, PlayTensors

FIELD_WIDTH_YARDS = 53.3
CHANNEL_Y = HISTORY_CHANNELS.index("y")
SIGN_CHANGES = (HISTORY_CHANNELS.index("vy"), HISTORY_CHANNELS.index("o_cos"))
LANDING_Y = PLAY_FEATURES.index("ball_land_y")


def mirror(batch: Batch) -> Batch:
    """The same plays seen in a mirror along the field: y -> 53.3 - y.

    Angles are clockwise from +y, so a direction becomes 180 degrees minus itself: the sine (x part) stays and
    the cosine (y part) changes its sign, for the velocity as for the orientation. Padding and unobserved
    frames stay 0. Nothing else of a play knows left from right: receivers are counted by strong and weak
    side.
    """
    history = batch["history"].copy()
    history[..., CHANNEL_Y] = np.where(batch["observed"], FIELD_WIDTH_YARDS - history[..., CHANNEL_Y], 0.0)
    for channel in SIGN_CHANGES:
        history[..., channel] = np.where(batch["observed"], -history[..., channel], 0.0)
    play = batch["play"].copy()
    play[:, LANDING_Y] = FIELD_WIDTH_YARDS - play[:, LANDING_Y]
    mirrored = {**batch, "history": history, "play": play}
    if "target" in batch:
        target = batch["target"].copy()
        target[..., 1] = np.where(batch["target_mask"], FIELD_WIDTH_YARDS - target[..., 1], 0.0)
        mirrored["target"] = target
    return mirrored


def start_earlier(batch: Batch, frames: int) -> Batch:
    """The same plays forecast from `frames` frames before the throw.

    The last frames of the history become the first targets of the players to predict, and the history loses
    as many of its oldest frames. A player not seen before the earlier start keeps no history and gets no
    target.
    """
    if frames == 0:
        return batch
    history, observed = np.zeros_like(batch["history"]), np.zeros_like(batch["observed"])
    history[:, :, frames:] = batch["history"][:, :, :-frames]
    observed[:, :, frames:] = batch["observed"][:, :, :-frames]
    player_mask = batch["player_mask"] & observed.any(-1)
    known = batch["observed"][:, :, -frames:] & batch["to_predict"][:, :, None]
    past = np.where(known[..., None], batch["history"][:, :, -frames:, :2], 0.0)
    mask = np.concatenate([known, batch["target_mask"]], axis=2) & player_mask[:, :, None]
    target = np.concatenate([past, batch["target"]], axis=2) * mask[..., None]
    return {
        **batch,
        "history": history,
        "observed": observed,
        "player_mask": player_mask,
        "to_predict": batch["to_predict"] & player_mask,
        "frames": batch["frames"] + frames,
        "target": target.astype(np.float32),
        "target_mask": mask,
    }


class PlaySource:
    """Samples for the training kernel: `len` of them, and any set of them as one padded batch.

    Sample i is play `i % plays` in variant `i // plays`; variants are each start, as it was and mirrored.
    """

    def __init__(
        self, tensors: PlayTensors, *, mirrored: bool = False, earlier_starts_frames: Sequence[int] = ()
    ) -> None:
        self.tensors = tensors
        flips = (False, True) if mirrored else (False,)
        self.variants = [(start, flip) for start in (0, *earlier_starts_frames) for flip in flips]

    def __len__(self) -> int:
        return len(self.tensors) * len(self.variants)

    def batch(self, indices: np.ndarray) -> Batch:
        """The samples as one padded batch (see `PlayTensors.pad`), in the given order."""
        indices = np.asarray(indices, dtype=np.int64)
        plays, variant = indices % len(self.tensors), indices // len(self.tensors)
        start = np.array([self.variants[v][0] for v in variant])
        flip = np.array([self.variants[v][1] for v in variant])
        padded = self.tensors.pad(plays)
        result: Batch | None = None
        for first in np.unique(start):
            moved = start_earlier(padded, int(first))
            result = moved if result is None else _merge(result, moved, start == first)
        assert result is not None
        return _merge(result, mirror(result), flip)


def _merge(base: Batch, other: Batch, chosen: np.ndarray) -> Batch:
    """Rows of `other` where `chosen`, else of `base`; horizons are widened to the longer of the two."""
    horizon = max(base["target"].shape[2], other["target"].shape[2])

    def widen(batch: Batch, name: str) -> np.ndarray:
        value = batch[name]
        if name not in ("target", "target_mask"):
            return value
        missing = horizon - value.shape[2]
        return np.pad(value, [(0, 0), (0, 0), (0, missing)] + [(0, 0)] * (value.ndim - 3))

    def rows(value: np.ndarray) -> np.ndarray:
        return chosen.reshape(-1, *[1] * (value.ndim - 1))

    return {name: np.where(rows(base[name]), widen(other, name), widen(base, name)) for name in base}
