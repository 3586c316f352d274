"""The ball as a small bright spot that moves: candidates in each frame, and which of them lie on a path.

Belongs here: candidates off the players and at their feet, support by the frames before and after, scores. Must not
come here: the foreground and the players (``moving_players``).

In a single frame a ball of 8 pixels is not to be told from a white sock. Over five frames it is: it goes its own way.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from sport_assets.detection.background import Mask
from sport_assets.detection.moving_players import Foreground, Parts, Players, PlayerSize
from sport_assets.detection.slicing import Image

_SMALLEST, _LARGEST = 0.05, 0.36
"""The ball's diameter as shares of a player's height where it is: 0.125 in reality; wide, since drawn scenes differ."""
_REAL_SIZE = 0.14
"""The same of a real ball, a little blurred."""
_LEAST_PIXELS = 2.5
_LEAST_BRIGHTER = 12.0
"""Grey levels by which a ball is brighter than the grass behind it."""
_FASTEST = 0.9 * 25
"""Players' heights a second: about 40 m/s."""
_MOVES = 0.04
"""Players' heights a frame (of 25 a second) from which a spot moves: 2 m/s. Who sits beside the pitch fidgets."""
_BESIDE = 0.6
"""How far apart from a player a part of the mask is that was counted as his: it may be a foot or the ball at it."""
_AT_FEET_SHARES = (0.13, 0.19, 0.26)
_HELD = np.array([1.0, 1.0, 0.9, 0.6, 0.25, 0.1, 0.05, 0.0, 0.0], np.float32)
"""How much a spot looks like a ball when the mask goes on in none, one, two and so on of eight directions."""
_PER_PLAYER = 3
NEIGHBOURS = (-2, -1, 1, 2)
"""Frames, counted from the one in question, in which a ball is looked for as well."""


@dataclass(frozen=True)
class Candidates:
    """What may be the ball in one frame.

    ``centres`` float64 [N, 2] and ``diameters`` float64 [N, 2] (across, down) in pixels; ``looks`` float64 [N]: 0 to 1
    by contrast and roundness; ``apart`` float64 [N]: 1 for a part of the mask off all players, less for one that was
    counted as a part of a player, 0 for a spot within one; ``yardsticks`` float64 [N]: a player's height there.
    """

    centres: NDArray[np.float64]
    diameters: NDArray[np.float64]
    looks: NDArray[np.float64]
    apart: NDArray[np.float64]
    yardsticks: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.looks)

    @classmethod
    def none(cls) -> "Candidates":
        """No candidate."""
        return cls(np.zeros((0, 2)), np.zeros((0, 2)), np.zeros(0), np.zeros(0), np.zeros(0))


def ball_candidates(
    mask: Mask, rows: Image, picture: Image, parts: Parts, players: Players, size: PlayerSize, foreground: Foreground
) -> Candidates:
    """What may be the ball in a frame: parts of the mask that are small, bright and round, and spots at players."""
    grey, behind = (cv2.cvtColor(image, cv2.COLOR_BGR2GRAY) for image in (rows, picture))
    brighter = np.asarray(cv2.subtract(grey, behind), np.uint8)
    found = _free(brighter, parts, players, size, foreground)
    for box in players.boxes:
        found += _at_feet(brighter, mask, box, size)
    found = _distinct(found)
    if not found:
        return Candidates.none()
    table = np.array(found, np.float64)
    return Candidates(table[:, :2], table[:, 2:4], table[:, 4], table[:, 5], table[:, 6])


def usual_size(seen: Sequence[tuple[Candidates, Mapping[int, Candidates]]], frame_rate: float) -> float | None:
    """The ball's diameter as a share of a player's height, from those that surely are balls; None where none is.

    Sure are spots off the players that all frames around agree with. The scene decides: balls look larger where they
    are blurred or were drawn large.
    """
    shares: list[float] = []
    for now, near in seen:
        for number in np.flatnonzero(now.apart == 1).tolist():
            support, _ = _support(number, now, near, frame_rate)
            if support > 0.8 * len(NEIGHBOURS):
                shares.append(float(now.diameters[number].min() / now.yardsticks[number]))
    return float(np.median(shares)) if len(shares) >= 3 else None


def scored(
    now: Candidates, near: Mapping[int, Candidates], frame_rate: float, usual: float | None
) -> NDArray[np.float64]:
    """Scores [N], 0.1 to 0.9, of a frame's candidates.

    ``near``: candidates of the frames before and after, by their distance in frames (``NEIGHBOURS``; those beyond the
    video's ends are absent). A candidate is supported by each of them that has one where this one would have come from
    or got to at a constant speed. ``usual``: see ``usual_size``.
    """
    scores = np.zeros(len(now))
    for number in range(len(now)):
        support, surely = _support(number, now, near, frame_rate)
        share, free = support / max(len(near), 1), surely / max(len(near), 1)
        looks = float(now.looks[number])
        off = np.log(now.diameters[number].min() / now.yardsticks[number] / (usual or _REAL_SIZE))
        looks *= float(np.exp(-(off**2) / (0.18 if usual else 0.72)))
        apart = float(now.apart[number])
        scores[number] = apart * (0.1 + 0.35 * looks + 0.45 * share)
        scores[number] += (1 - apart) * (0.05 + 0.3 * looks + 0.2 * share + 0.3 * min(1.0, 2 * free))
    return np.clip(scores, 0.1, 0.9)


Row = tuple[float, float, float, float, float, float, float]


def _free(
    brighter: NDArray[np.uint8], parts: Parts, players: Players, size: PlayerSize, foreground: Foreground
) -> list[Row]:
    """Parts of the mask, also those so near to a player that they were counted as a foot of his."""
    of_players = set(players.parts.tolist())
    found: list[Row] = []
    inner = foreground.inner
    for number in range(len(parts.areas)):
        left, top, right, bottom = parts.boxes[number].astype(int).tolist()
        wide, tall, area = right - left, bottom - top, float(parts.areas[number])
        yardstick = float(size.of_boxes(parts.boxes[number : number + 1])[0])
        across = float(np.sqrt(4 * area / np.pi))
        if not max(_LEAST_PIXELS, _SMALLEST * yardstick) <= across <= _LARGEST * yardstick:
            continue
        long, short = max(wide, tall), min(wide, tall)
        inside = parts.labels[top:bottom, left:right] == parts.numbers[number]
        gain = float(np.percentile(brighter[top:bottom, left:right][inside], 75))
        if long > 4 * short or gain < _LEAST_BRIGHTER:
            continue
        if not inner[(top + bottom) // 2, (left + right) // 2]:
            continue
        roundness = min(1.0, area / (0.785 * wide * tall)) * min(1.0, 1.6 * short / long)
        looks = 0.55 * min(1.0, gain / 90) + 0.45 * roundness
        weights = brighter[top:bottom, left:right] * inside
        y, x = np.indices(weights.shape)
        total = max(float(weights.sum()), 1.0)
        middle = (left + 0.5 + float((x * weights).sum()) / total, top + 0.5 + float((y * weights).sum()) / total)
        found.append((*middle, float(wide), float(tall), looks, _BESIDE if number in of_players else 1.0, yardstick))
    return found


def _at_feet(brighter: NDArray[np.uint8], mask: Mask, box: NDArray[np.float64], size: PlayerSize) -> list[Row]:
    """Bright round spots in and beside a player, to whom the mask may join the ball; rather at his legs than above.

    Brighter than what lies a diameter away all round, but for two of eight directions, where his foot may be; and with
    little of the mask there: a leg goes on to both sides, a ball hangs at him by a thread.
    """
    yardstick = float(size.of_boxes(box[None])[0])
    height, width = brighter.shape
    left, right = int(max(0, box[0] - 0.4 * yardstick)), int(min(width, box[2] + 0.4 * yardstick))
    top, bottom = int(max(0, box[1] - 0.3 * yardstick)), int(min(height, box[3] + 0.2 * yardstick))
    likely = np.where(np.arange(top, bottom) < box[1] + 0.5 * yardstick, 0.6, 1.0)[:, None]
    found: list[Row] = []
    for share in _AT_FEET_SHARES:
        across = max(3, round(share * yardstick))
        if bottom - top < 2 * across or right - left < 2 * across:
            continue
        inner = max(1, round(0.7 * across)) | 1
        level, filled = (
            np.asarray(cv2.blur(values[top:bottom, left:right].astype(np.float32), (side, side)), np.float32)
            for values, side in ((brighter, inner), (mask, 3))
        )
        step = round(0.9 * across + 1.5)
        stands_out = level - _third_largest(_around(level, step))
        stands_out[filled < 127] = 0
        held = (_around(filled, step) > 127).sum(axis=0)
        looks = likely * np.clip(stands_out / 90, 0, 1) * _HELD[held]
        for _ in range(_PER_PLAYER):
            y, x = np.unravel_index(int(looks.argmax()), looks.shape)
            if stands_out[y, x] < _LEAST_BRIGHTER or looks[y, x] < 0.05:
                break
            found.append(
                (left + x + 0.5, top + y + 0.5, float(across), float(across), float(looks[y, x]), 0.0, yardstick)
            )
            looks[max(0, y - across) : y + across + 1, max(0, x - across) : x + across + 1] = 0
    return found


def _around(values: NDArray[np.float32], step: int) -> NDArray[np.float32]:
    """Values [8, height, width] at that distance in eight directions."""
    height, width = values.shape
    padded = cv2.copyMakeBorder(values, step, step, step, step, cv2.BORDER_REPLICATE)
    slant = round(step * 0.71)
    ways = [(0, step), (0, -step), (step, 0), (-step, 0)]
    ways += [(down, along) for down in (slant, -slant) for along in (slant, -slant)]
    return np.stack(
        [padded[step + down : step + down + height, step + along : step + along + width] for down, along in ways]
    )


def _third_largest(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """The third largest [height, width] of values [8, height, width]. Sorting them takes ten times as long."""
    first = second = third = np.full_like(values[0], -np.inf)
    for value in values:
        first, value = np.maximum(first, value), np.minimum(first, value)
        second, value = np.maximum(second, value), np.minimum(second, value)
        third = np.maximum(third, value)
    return third


def _distinct(found: Sequence[Row]) -> list[Row]:
    """Candidates by their looks, without those in the place of a better one.

    A part of the mask counts as better than a spot, and the larger of two spots if they look alike: a disc is as bright
    in its middle as it is as a whole.
    """
    rows = sorted(found, key=lambda row: (-row[5], -row[4] * (1 + row[2] / row[6]), row[0], row[1]))
    if not rows:
        return []
    table = np.array(rows)
    distance = np.hypot(table[:, None, 0] - table[None, :, 0], table[:, None, 1] - table[None, :, 1])
    same = distance <= 0.6 * np.maximum(table[:, None, 2], table[None, :, 2])
    gone = np.zeros(len(rows), bool)
    for number in range(len(rows)):
        if not gone[number]:
            gone[number + 1 :] |= same[number, number + 1 :]
    return [row for row, out in zip(rows, gone, strict=True) if not out]


def _support(number: int, now: Candidates, near: Mapping[int, Candidates], frame_rate: float) -> tuple[float, float]:
    """How many of the frames around have a candidate on the same straight path, and how many have one off the players.

    Those that look alike and are off the players count fully.
    """
    here, yardstick = now.centres[number], float(now.yardsticks[number])
    diameter = float(now.diameters[number].max())
    ways = np.concatenate(
        [np.zeros((0, 2)), *((candidates.centres - here) / other for other, candidates in near.items())]
    )
    speeds = np.hypot(ways[:, 0], ways[:, 1])
    possible = speeds <= _FASTEST * yardstick / frame_rate
    ways, speeds = ways[possible], speeds[possible]
    if not len(ways):
        return 0.0, 0.0
    tolerance = 0.35 * diameter + 0.2 * speeds + 0.5
    total, surely = np.zeros(len(ways)), np.zeros(len(ways))
    for other, candidates in near.items():
        if not len(candidates):
            continue
        off = candidates.centres[None] - (here + ways * other)[:, None]  # [ways, candidates, 2]
        distance = np.hypot(off[..., 0], off[..., 1]) / (tolerance * abs(other) ** 0.5)[:, None]
        largest = candidates.diameters.max(axis=1)
        alike = np.minimum(largest, diameter) / np.maximum(largest, diameter)
        fit = np.clip(1.3 - distance, 0, 1) * np.minimum(1, 1.5 * alike)
        total += (fit * np.maximum(candidates.apart, 0.7 * candidates.looks)).max(axis=1)
        surely += (fit * candidates.apart).max(axis=1)
    moves = 0.25 + 0.75 * np.minimum(1.0, speeds / (_MOVES * yardstick * 25 / frame_rate))
    best = int(np.argmax(moves * total))
    return float(moves[best] * total[best]), float(moves[best] * surely[best])
