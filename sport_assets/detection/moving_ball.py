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
_LEAST_PIXELS = 2.5
_LEAST_BRIGHTER = 12.0
"""Grey levels by which a ball is brighter than the grass behind it."""
_FASTEST = 0.9 * 25
"""Players' heights a second: about 40 m/s."""
_MOVES = 0.04
"""Players' heights a frame (of 25 a second) from which a spot surely moves: 2 m/s. Who sits beside the pitch fidgets."""
_AT_FEET_SHARES = (0.13, 0.19, 0.26)
_HELD = np.array([1.0, 1.0, 0.9, 0.6, 0.25, 0.1, 0.05, 0.0, 0.0], np.float32)
"""How much a spot looks like a ball when the mask goes on in none, one, two and so on of eight directions."""
_PER_PLAYER = 2
NEIGHBOURS = (-2, -1, 1, 2)
"""Frames, counted from the one in question, in which a ball is looked for as well."""


@dataclass(frozen=True)
class Candidates:
    """What may be the ball in one frame.

    ``centres`` float64 [N, 2] and ``diameters`` float64 [N, 2] (across, down) in pixels; ``looks`` float64 [N]: 0 to 1
    by contrast and roundness; ``at_feet`` [N]: found next to a player; ``yardsticks`` float64 [N]: a player's height
    there.
    """

    centres: NDArray[np.float64]
    diameters: NDArray[np.float64]
    looks: NDArray[np.float64]
    at_feet: NDArray[np.bool_]
    yardsticks: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.looks)


def ball_candidates(
    mask: Mask, rows: Image, picture: Image, parts: Parts, players: Players, size: PlayerSize, foreground: Foreground
) -> Candidates:
    """What may be the ball in a frame: parts of the mask that are small, bright and round, and spots at players."""
    brighter = cv2.subtract(cv2.cvtColor(rows, cv2.COLOR_BGR2GRAY), cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY))
    found = _free(brighter, parts, size, foreground)
    for box in players.boxes:
        found += _at_feet(brighter, mask, box, size)
    found = _distinct(found)
    if not found:
        return Candidates(np.zeros((0, 2)), np.zeros((0, 2)), np.zeros(0), np.zeros(0, bool), np.zeros(0))
    table = np.array(found, np.float64)
    return Candidates(table[:, :2], table[:, 2:4], table[:, 4], table[:, 5] > 0, table[:, 6])


def usual_size(seen: Sequence[tuple[Candidates, Mapping[int, Candidates]]], frame_rate: float) -> float | None:
    """The ball's diameter as a share of a player's height, from those that surely are balls; None where none is.

    Sure are spots off the players that all frames around agree with. The scene decides: balls look larger where they
    are blurred or were drawn large.
    """
    shares: list[float] = []
    for now, near in seen:
        for number in np.flatnonzero(~now.at_feet).tolist():
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
        if usual is not None:
            off = np.log(now.diameters[number].min() / now.yardsticks[number] / usual)
            looks *= float(np.exp(-(off**2) / 0.18))
        if now.at_feet[number]:
            scores[number] = 0.05 + 0.3 * looks + 0.2 * share + 0.3 * min(1.0, 2 * free)
        else:
            scores[number] = 0.1 + 0.35 * looks + 0.45 * share
    return np.clip(scores, 0.1, 0.9)


Row = tuple[float, float, float, float, float, float, float]


def _free(brighter: NDArray[np.uint8], parts: Parts, size: PlayerSize, foreground: Foreground) -> list[Row]:
    """Parts of the mask, also those so near to a player that they were counted as a foot of his."""
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
        inside = parts.labels[top:bottom, left:right] == number + 1
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
        found.append((*middle, float(wide), float(tall), looks, 0.0, yardstick))
    return found


def _at_feet(brighter: NDArray[np.uint8], mask: Mask, box: NDArray[np.float64], size: PlayerSize) -> list[Row]:
    """Bright round spots in and beside the lower half of a player, to whom the mask may join the ball.

    Brighter than what lies a diameter away all round, but for two of eight directions, where his foot may be; and with
    little of the mask there: a leg goes on to both sides, a ball hangs at him by a thread.
    """
    yardstick = float(size.of_boxes(box[None])[0])
    height, width = brighter.shape
    left, right = int(max(0, box[0] - 0.4 * yardstick)), int(min(width, box[2] + 0.4 * yardstick))
    top, bottom = int(max(0, box[1] + 0.55 * yardstick)), int(min(height, box[3] + 0.2 * yardstick))
    found: list[Row] = []
    for share in _AT_FEET_SHARES:
        across = max(3, round(share * yardstick))
        if bottom - top < 2 * across or right - left < 2 * across:
            continue
        inner = max(1, round(0.7 * across)) | 1
        level = cv2.blur(brighter[top:bottom, left:right].astype(np.float32), (inner, inner))
        filled = cv2.blur(mask[top:bottom, left:right].astype(np.float32) / 255, (3, 3))
        step = round(0.9 * across + 1.5)
        stands_out = level - np.sort(_around(level, step), axis=0)[-3]
        stands_out[filled < 0.5] = 0
        held = (_around(filled, step) > 0.5).sum(axis=0)
        looks = np.clip(stands_out / 90, 0, 1) * _HELD[held]
        for _ in range(_PER_PLAYER):
            y, x = np.unravel_index(int(looks.argmax()), looks.shape)
            if stands_out[y, x] < _LEAST_BRIGHTER or looks[y, x] < 0.05:
                break
            found.append(
                (left + x + 0.5, top + y + 0.5, float(across), float(across), float(looks[y, x]), 1.0, yardstick)
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


def _distinct(found: Sequence[Row]) -> list[Row]:
    """Candidates by their looks, without those in the place of a better one; a part of the mask counts as better."""
    kept: list[Row] = []
    for row in sorted(found, key=lambda row: (row[5], -row[4], row[0], row[1])):
        if all(np.hypot(row[0] - one[0], row[1] - one[1]) > 0.6 * max(row[2], one[2]) for one in kept):
            kept.append(row)
    return kept


def _support(number: int, now: Candidates, near: Mapping[int, Candidates], frame_rate: float) -> tuple[float, float]:
    """How many of the frames around have a candidate on the same straight path, and how many have one off the players.

    Those that look alike and are off the players count fully.
    """
    here, yardstick = now.centres[number], float(now.yardsticks[number])
    diameter = float(now.diameters[number].max())
    fastest = _FASTEST * yardstick / frame_rate
    best = (0.0, 0.0)
    for offset in (-1, 1, -2, 2):
        if offset not in near or not len(near[offset]):
            continue
        ways = (near[offset].centres - here) / offset
        speeds = np.hypot(ways[:, 0], ways[:, 1])
        for way, speed in zip(ways[speeds <= fastest], speeds[speeds <= fastest], strict=True):
            moves = 0.25 + 0.75 * min(1.0, float(speed) / (_MOVES * yardstick * 25 / frame_rate))
            tolerance = 0.35 * diameter + 0.2 * float(speed) + 0.5
            total = surely = 0.0
            for other, candidates in near.items():
                if not len(candidates):
                    continue
                off = candidates.centres - (here + way * other)
                distance = np.hypot(off[:, 0], off[:, 1]) / (tolerance * abs(other) ** 0.5)
                largest = candidates.diameters.max(axis=1)
                alike = np.minimum(largest, diameter) / np.maximum(largest, diameter)
                fit = np.clip(1.3 - distance, 0, 1) * np.minimum(1, 1.5 * alike)
                total += float(np.max(fit * np.where(candidates.at_feet, 0.7 * candidates.looks, 1.0)))
                surely += float(np.max(fit * ~candidates.at_feet))
            best = max(best, (moves * total, moves * surely))
    return best
