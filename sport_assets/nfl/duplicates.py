"""Plays that are nearly copies of one another, and the check that none is on two sides of a split.

Belongs here: what describes a play whatever its game, place and left or right, and the check. Must not come here: the
search itself (``training.near_duplicates``), the rules of a split (``split``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sport_assets.lineage.checks import SAMPLE_ROWS, CheckResult
from sport_assets.nfl.split import SIDES, Split
from sport_assets.nfl.tensors import PLAY_FEATURES, PLAYER_FEATURES, PlayTensors
from sport_assets.training.near_duplicates import near_duplicates

NAME = "no_near_duplicate_on_two_sides"
ALIKE_YARDS = 0.6
"""Plays whose descriptions differ by less (root mean square) are looked at player by player."""
WITHIN_YARDS = 0.6
"""Plays whose players run within this of one another's paths, on average, are one play with measuring noise."""
DESCRIPTION = (
    f"No play on one side of the split or of a fold is a copy of a play of another game on the other side: shifted, "
    f"mirrored, or with every player within about {WITHIN_YARDS} yards of one there."
)
_FRAMES = (-1, -6, -11)
_LANDING = (PLAY_FEATURES.index("ball_land_x"), PLAY_FEATURES.index("ball_land_y"))
_OFFENCE = PLAYER_FEATURES.index("side_offense")
_TARGETED = PLAYER_FEATURES.index("role_targeted_receiver")


def describe(plays: PlayTensors) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What a play looks like, [P, 31] in yards, and the signs [31] that make its mirror image of it.

    At the throw, 0.5 s and 1 s before: where offence and defence stand, on average and how far apart, and where the
    targeted receiver is, all seen from the landing point; and how many frames the ball is in the air.
    """
    play = plays.play_of_player
    seen_from = plays.play[:, _LANDING].astype(np.float64)[play]
    columns: list[NDArray[np.float64]] = [plays.frames.astype(np.float64)]
    signs = [1.0]
    sides = plays.player[:, _OFFENCE] > 0
    targeted = plays.player[:, _TARGETED] > 0
    for frame in _FRAMES:
        position = plays.history[:, frame, :2].astype(np.float64) - seen_from
        here = plays.observed[:, frame]
        for chosen, spread in ((sides, True), (~sides, True), (targeted, False)):
            mean = _mean(position, play, here & chosen, len(plays))
            columns += [mean[:, 0], mean[:, 1]]
            signs += [1.0, -1.0]
            if spread:
                squared = _mean((position - mean[play]) ** 2, play, here & chosen, len(plays))
                columns += [np.sqrt(squared[:, 0]), np.sqrt(squared[:, 1])]
                signs += [1.0, 1.0]
    return np.stack(columns, axis=1), np.array(signs)


def duplicates_check(split: Split, weeks: Mapping[str, PlayTensors]) -> CheckResult:
    """Whether near-copies of plays of different games are kept on one side, of the split and of each of its folds."""
    plays = PlayTensors.concatenate([weeks[week] for week in sorted(weeks)])
    features, signs = describe(plays)
    alike = near_duplicates(features, plays.game_id, within=ALIKE_YARDS, signs=[signs])
    measured = [pair._replace(distance=between(plays, pair.first, pair.second)) for pair in alike]
    found = [pair for pair in measured if pair.distance <= WITHIN_YARDS]
    rows: list[dict[str, Any]] = []
    for pair in found:
        games = int(plays.game_id[pair.first]), int(plays.game_id[pair.second])
        for where in _apart(split, *games):
            rows.append(
                {
                    "rule": "near_duplicate_on_two_sides",
                    "game_id": games[0],
                    "play_id": int(plays.play_id[pair.first]),
                    "other_game_id": games[1],
                    "other_play_id": int(plays.play_id[pair.second]),
                    "sides": where,
                    "distance_yards": round(pair.distance, 4),
                }
            )
    return CheckResult(
        NAME,
        passed=not rows,
        description=DESCRIPTION,
        failed=len({(row["game_id"], row["play_id"], row["other_game_id"], row["other_play_id"]) for row in rows}),
        checked=len(plays),
        rules={"near_duplicate_on_two_sides": len(rows)} if rows else {},
        sample=tuple(rows[:SAMPLE_ROWS]),
        metadata={"pairs_across_games": len(found)},
    )


def between(plays: PlayTensors, first: int, second: int) -> float:
    """How far apart the paths before the throw of two plays' players are, in yards: each player to the nearest path of
    the other play, on average, as it is or mirrored. Infinite where the plays have other numbers of players."""
    one, other = _paths(plays, first), _paths(plays, second)
    if len(one) != len(other):
        return float("inf")
    return min(_to_nearest(one, other), _to_nearest(one, other * (1.0, -1.0)))


def _paths(plays: PlayTensors, play: int) -> NDArray[np.float64]:
    """[A, T, 2]: the players' positions seen from the landing point; NaN where unobserved."""
    rows = slice(plays.play_offset[play], plays.play_offset[play + 1])
    found = plays.history[rows, :, :2].astype(np.float64) - plays.play[play, _LANDING]
    found[~plays.observed[rows]] = np.nan
    return found


def _to_nearest(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    apart = np.sqrt(((one[:, None] - other[None, :]) ** 2).sum(-1))
    both = np.isfinite(apart)
    mean = np.where(both, apart, 0.0).sum(-1) / np.maximum(both.sum(-1), 1)
    mean[~both.any(-1)] = np.inf
    return float(max(mean.min(0).mean(), mean.min(1).mean()))


def _apart(split: Split, game: int, other: int) -> Iterator[str]:
    """Where two games are on different sides."""
    sides = {g: next((side for side in SIDES if g in split.side(side)), "") for g in (game, other)}
    if sides[game] != sides[other]:
        yield f"{sides[game]}, {sides[other]}"
    for kind, parts in (("fold", split.folds), ("tuning fold", split.tuning_folds)):
        for number, (train, held_out) in enumerate(parts):
            if (game in train and other in held_out) or (other in train and game in held_out):
                yield f"{kind} {number}"


def _mean(
    values: NDArray[np.float64], play: NDArray[np.int64], chosen: NDArray[np.bool_], count: int
) -> NDArray[np.float64]:
    """The mean of the chosen players' values by play; 0 where a play has none."""
    total = np.zeros((count, values.shape[1]))
    np.add.at(total, play[chosen], values[chosen])
    return total / np.maximum(np.bincount(play[chosen], minlength=count), 1)[:, None]
