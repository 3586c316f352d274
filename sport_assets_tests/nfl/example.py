"""A few made-up plays as `PlayTensors`, for tests that need the layout and not the football."""

import numpy as np

from sport_assets.nfl.tensors import HISTORY_FRAMES, PLAY_FEATURES, PLAYER_FEATURES, PlayTensors


def plays(count: int = 6, seed: int = 0, *, late: bool = True) -> PlayTensors:
    """`count` plays of 4 to 9 players on smooth curves; the first player of each is the targeted receiver.

    Two to four players of each play are to be predicted, over 5 to 14 frames. Some lack early frames and,
    where `late`, one player of each play lacks the last two frames before the throw. Coverage is unknown, zone
    and man in turn.
    """
    generator = np.random.default_rng(seed)
    players = generator.integers(4, 10, count)
    frames = generator.integers(5, 15, count)
    total = int(players.sum())
    offset = np.concatenate([[0], np.cumsum(players)])
    start = generator.uniform([30, 5], [90, 48], (total, 2))
    speed = generator.uniform(-7, 7, (total, 2))
    bend = generator.uniform(-3, 3, (total, 2))
    time_s = (np.arange(HISTORY_FRAMES) - HISTORY_FRAMES + 1) / 10

    def position(at: np.ndarray) -> np.ndarray:
        curve = start[:, None] + speed[:, None] * at[:, None] + 0.5 * bend[:, None] * at[:, None] ** 2
        return curve + 0.3 * np.sin(at)[:, None] ** 3 * bend[:, None]

    history = np.zeros((total, HISTORY_FRAMES, 7), np.float32)
    history[..., :2] = position(time_s)
    history[..., 2:4] = speed[:, None] + bend[:, None] * time_s[:, None]
    history[..., 4] = np.linalg.norm(bend, axis=1)[:, None]
    angle = generator.uniform(0, 2 * np.pi, (total, 1))
    history[..., 5], history[..., 6] = np.sin(angle), np.cos(angle)
    observed = np.arange(HISTORY_FRAMES) >= generator.integers(0, 15, total)[:, None]
    player = np.zeros((total, len(PLAYER_FEATURES)), np.float32)
    to_predict = np.zeros(total, bool)
    target, lengths = [], np.zeros(total, np.int64)
    for play in range(count):
        first = offset[play]
        player[first, 0] = 1
        player[first + 1 : offset[play + 1], 3] = 1
        player[first : first + 2, PLAYER_FEATURES.index("side_offense")] = 1
        to_predict[first : first + 2 + play % 3] = True
        if late:
            observed[first + 3, -2:] = False
    history[~observed] = 0
    about = np.zeros((count, len(PLAY_FEATURES)), np.float32)
    about[:, 3:] = generator.uniform(0, 1, (count, len(PLAY_FEATURES) - 3))
    about[:, :2] = start[offset[:-1]] + generator.uniform(-8, 8, (count, 2))
    about[:, 2] = 45
    play_of = np.repeat(np.arange(count), players)
    for row in np.nonzero(to_predict)[0]:
        ahead = frames[play_of[row]]
        target.append(position(np.arange(1, ahead + 1) / 10)[row])
        lengths[row] = ahead
    return PlayTensors(
        play_offset=offset.astype(np.int64),
        history=history,
        observed=observed,
        player=player,
        to_predict=to_predict,
        play=about,
        frames=frames.astype(np.int64),
        target_offset=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        target=np.concatenate(target).astype(np.float32),
        game_id=np.arange(count, dtype=np.int64) // 2 + 2023090700,
        play_id=np.arange(count, dtype=np.int64) * 10 + 55,
        nfl_id=np.arange(total, dtype=np.int64) + 40000,
        direction_left=np.arange(count) % 2 == 1,
        coverage=(np.arange(count, dtype=np.int8) % 3) - np.int8(1),
    )
