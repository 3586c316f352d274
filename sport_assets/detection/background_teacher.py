"""The teacher that needs no weights: what moves in front of a static camera's background.

Belongs here: reading the video in order, the background of each stretch of it, putting players and ball of a frame
together. Must not come here: background (``background``), players (``moving_players``), ball (``moving_ball``).

The video is read twice, frame by frame and never by seeking (which misses the frame it is sent to in many files): once
ahead for the background of a stretch of five minutes, once behind for the kept frames and their neighbours.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sport_assets.detection.background import build_background
from sport_assets.detection.categories import BALL, PLAYER
from sport_assets.detection.detections import Detections
from sport_assets.detection.errors import BadVideoError
from sport_assets.detection.frames import decode
from sport_assets.detection.moving_ball import NEIGHBOURS, Candidates, ball_candidates, scored, usual_size
from sport_assets.detection.moving_players import Foreground, Players, PlayerSize, fit_size, parts_of, players_in
from sport_assets.detection.slicing import Image
from sport_assets.detection.teachers import KeptFrames, Taught
from sport_assets.detection.video_probe import VideoScan, scan

ALGORITHM = 1
"""Counts up when the same video would get other labels."""
_STRETCH_S, _SAMPLES, _LEAST_S = 300.0, 49, 20.0
"""Length of a stretch with one background, frames it is made of, and how much of a longer video it needs at least."""
_BALLS = 3


@dataclass(frozen=True)
class _Seen:
    """One frame: players, what may be the ball, and the first row of what was looked at."""

    players: Players
    balls: Candidates
    top: int


class BackgroundTeacher:
    """Labels players and ball by background differencing, for static cameras. ``threshold``: least score."""

    def __init__(self, threshold: float = 0.1) -> None:
        self.threshold = threshold
        self._counts: Counter[str] = Counter()
        self._shift = 0.0
        self._unmoved = 0

    def identity(self) -> dict[str, Any]:
        """Name and settings; there are no weights."""
        return {"name": "background", "algorithm": ALGORITHM, "threshold": self.threshold}

    @property
    def counts(self) -> dict[str, int]:
        """Boxes without area that were dropped."""
        return {"degenerate": self._counts["degenerate"], "background": 0}

    @property
    def facts(self) -> dict[str, Any]:
        """How far the camera moved at most (pixels), and stretches in which nobody moved."""
        return {
            "largest_camera_shift_pixels": round(self._shift, 2),
            "stretches_without_motion": self._unmoved,
            "frames_not_decoded": self._counts["undecoded"],
        }

    def detect(self, kept: KeptFrames) -> Iterator[Taught]:
        """Players and ball in each kept frame, in order.

        Raises ``BadVideoError`` for a damaged video, one that ends before the last kept frame, one without a pitch
        and one whose camera moves.
        """
        numbers = list(kept.numbers)
        if not numbers:
            return
        scanned = scan(kept.video)
        rate, total = scanned.facts.average_frame_rate, scanned.facts.frames
        if numbers[-1] >= total:
            raise BadVideoError(
                f"{kept.video}: has {total:,} frames, but frame {numbers[-1]:,} was kept of it: it is not the video "
                "that the frames were taken from. Make the frames again."
            )
        stretches = [
            (begin, end) for begin, end in _stretches(numbers, rate, total) if any(begin <= n < end for n in numbers)
        ]
        samples = [
            number for begin, end in stretches for number in np.linspace(begin, end - 1, _SAMPLES).astype(int).tolist()
        ]
        ahead = _InOrder(kept.video, scanned, samples)
        behind = _InOrder(kept.video, scanned, _with_neighbours(numbers, stretches))
        for begin, end in stretches:
            where = f"{kept.video}: frames {begin:,} to {end - 1:,}"
            background = build_background((frame for _, frame in ahead.before(end)), where)
            self._shift = max(self._shift, background.largest_shift)
            foreground = Foreground(background)
            foreground.leave_out_busy_places(background.examples)
            size = fit_size(foreground, background.examples)
            self._unmoved += size is None
            seen = {number: _look(frame, foreground, size) for number, frame in behind.before(end)}
            yield from self._stretch([number for number in numbers if begin <= number < end], seen, rate)

    def _stretch(self, numbers: Sequence[int], seen: Mapping[int, "_Seen"], frame_rate: float) -> Iterator[Taught]:
        """Each kept frame of a stretch, once all of it was seen."""
        around = {
            number: {offset: seen[number + offset].balls for offset in NEIGHBOURS if number + offset in seen}
            for number in numbers
        }
        there = [number for number in numbers if number in seen]
        usual = usual_size([(seen[number].balls, around[number]) for number in there], frame_rate)
        for number in numbers:
            if number in seen:
                yield self._taught(seen[number], scored(seen[number].balls, around[number], frame_rate, usual))
            else:
                self._counts["undecoded"] += 1
                yield Taught(Detections.none())

    def _taught(self, here: _Seen, scores: NDArray[np.float64]) -> Taught:
        best = np.argsort(-scores, kind="stable")[:_BALLS]
        half = here.balls.diameters[best] / 2
        balls = np.column_stack([here.balls.centres[best] - half, here.balls.centres[best] + half])
        boxes = np.concatenate([here.players.boxes, balls]) + np.array([0, here.top, 0, here.top])
        found = Detections(
            boxes.astype(np.float32),
            np.concatenate([here.players.scores, scores[best]]).astype(np.float32),
            np.repeat(np.array([PLAYER, BALL], np.int64), [len(here.players.boxes), len(best)]),
        )
        flat = (found.boxes[:, 2:] <= found.boxes[:, :2]).any(axis=1)
        self._counts["degenerate"] += int(flat.sum())
        found = found[~flat & (found.scores >= self.threshold)]
        return Taught(found[np.argsort(-found.scores, kind="stable")])


def _look(frame: Image, foreground: Foreground, size: PlayerSize | None) -> _Seen:
    if size is None:
        return _Seen(Players.none(), Candidates.none(), foreground.top)
    mask, rows, picture = foreground.of(frame)
    parts = parts_of(mask)
    players = players_in(mask, rows, picture, parts, size, foreground)
    return _Seen(players, ball_candidates(mask, rows, picture, parts, players, size, foreground), foreground.top)


def _with_neighbours(numbers: Sequence[int], stretches: Sequence[tuple[int, int]]) -> set[int]:
    """The kept frames and those around them in the same stretch."""
    return {
        number + offset
        for begin, end in stretches
        for number in numbers
        if begin <= number < end
        for offset in (0, *NEIGHBOURS)
        if begin <= number + offset < end
    }


def _stretches(numbers: Sequence[int], frame_rate: float, frames: int) -> list[tuple[int, int]]:
    """Stretches (first frame, end) of about five minutes that hold all kept frames, with enough video for each."""
    last = max(numbers) + 1
    end = max(last, min(frames, last + round(_LEAST_S * frame_rate)))
    count = max(1, round(end / (_STRETCH_S * frame_rate)))
    edges = [round(end * number / count) for number in range(count + 1)]
    return list(pairwise(edges))


class _InOrder:
    """The wanted frames of a video, handed out stretch by stretch."""

    def __init__(self, video: Path, scanned: VideoScan, wanted: Iterable[int]) -> None:
        self._frames = decode(video, scanned, set(wanted))
        self._next: tuple[int, Image] | None = None

    def before(self, end: int) -> Iterator[tuple[int, Image]]:
        """Those not handed out yet whose number is below ``end``."""
        while True:
            if self._next is None:
                self._next = next(self._frames, None)
            if self._next is None or self._next[0] >= end:
                return
            frame, self._next = self._next, None
            yield frame
