"""The teacher that needs no weights: what moves in front of a static camera's background.

Belongs here: reading the video in order, the background of each stretch of it, putting players and ball of a frame
together. Must not come here: background (``background``), players (``moving_players``), ball (``moving_ball``).

The video is read twice, frame by frame and never by seeking (which misses the frame it is sent to in many files): once
ahead for the background of a stretch of five minutes, once behind for the kept frames and their neighbours.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sport_assets.detection.background import build_background
from sport_assets.detection.categories import BALL, PLAYER
from sport_assets.detection.detections import Detections
from sport_assets.detection.errors import BadVideoError
from sport_assets.detection.moving_ball import NEIGHBOURS, Candidates, ball_candidates, scored, usual_size
from sport_assets.detection.moving_players import Foreground, Players, PlayerSize, fit_size, parts_of, players_in
from sport_assets.detection.slicing import Image
from sport_assets.detection.teachers import KeptFrames, Taught

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
        return {"largest_camera_shift_pixels": round(self._shift, 2), "stretches_without_motion": self._unmoved}

    def detect(self, kept: KeptFrames) -> Iterator[Taught]:
        """Players and ball in each kept frame, in order.

        Raises ``BadVideoError`` for a video that ends before the last kept frame, one without a pitch, and one whose
        camera moves.
        """
        numbers = list(kept.numbers)
        if not numbers:
            return
        ahead, behind = _Reader(kept.video), _Reader(kept.video)
        for begin, end in _stretches(numbers, ahead.frame_rate, ahead.frames):
            mine = [number for number in numbers if begin <= number < end]
            if not mine:
                continue
            where = f"{kept.video}: frames {begin:,} to {end - 1:,}"
            samples = np.unique(np.linspace(begin, end - 1, _SAMPLES).astype(int)).tolist()
            background = build_background((frame for _, frame in ahead.take(samples)), where)
            self._shift = max(self._shift, background.largest_shift)
            foreground = Foreground(background)
            size = fit_size(foreground, background.examples)
            if size is None:
                self._unmoved += 1
                behind.skip_to(mine[-1] + 1)
                yield from (Taught(Detections.none()) for _ in mine)
                continue
            around = {number + offset for number in mine for offset in (0, *NEIGHBOURS)} & set(range(begin, end))
            yield from self._stretch(mine, sorted(around), behind, foreground, size)

    def _stretch(
        self,
        numbers: Sequence[int],
        wanted: Sequence[int],
        reader: "_Reader",
        foreground: Foreground,
        size: PlayerSize,
    ) -> Iterator[Taught]:
        """Each kept frame of a stretch, once all of it was seen. ``wanted``: the kept frames with their neighbours."""
        seen = {number: _look(frame, foreground, size) for number, frame in reader.take(wanted, needed=set(numbers))}
        around = {
            number: {offset: seen[number + offset].balls for offset in NEIGHBOURS if number + offset in seen}
            for number in numbers
        }
        usual = usual_size([(seen[number].balls, near) for number, near in around.items()], reader.frame_rate)
        for number in numbers:
            yield self._taught(seen[number], scored(seen[number].balls, around[number], reader.frame_rate, usual))

    def _taught(self, here: _Seen, scores: NDArray[np.float64]) -> Taught:
        best = np.argsort(-scores, kind="stable")[:_BALLS]
        half = here.balls.diameters[best] / 2
        balls = np.column_stack([here.balls.centres[best] - half, here.balls.centres[best] + half])
        boxes = np.concatenate([here.players.boxes, balls]) + [0, here.top, 0, here.top]
        found = Detections(
            boxes.astype(np.float32),
            np.concatenate([here.players.scores, scores[best]]).astype(np.float32),
            np.repeat(np.array([PLAYER, BALL], np.int64), [len(here.players.boxes), len(best)]),
        )
        flat = (found.boxes[:, 2:] <= found.boxes[:, :2]).any(axis=1)
        self._counts["degenerate"] += int(flat.sum())
        found = found[~flat & (found.scores >= self.threshold)]
        return Taught(found[np.argsort(-found.scores, kind="stable")])


def _look(frame: Image, foreground: Foreground, size: PlayerSize) -> _Seen:
    mask, rows, picture = foreground.of(frame)
    parts = parts_of(mask)
    players = players_in(mask, rows, picture, parts, size, foreground)
    return _Seen(players, ball_candidates(mask, rows, picture, parts, players, size, foreground), foreground.top)


def _stretches(numbers: Sequence[int], frame_rate: float, frames: int) -> list[tuple[int, int]]:
    """Stretches (first frame, end) of about five minutes that hold all kept frames, with enough video for each."""
    last = max(numbers) + 1
    end = max(last, min(frames, last + round(_LEAST_S * frame_rate)))
    count = max(1, round(end / (_STRETCH_S * frame_rate)))
    edges = [round(end * number / count) for number in range(count + 1)]
    return list(zip(edges[:-1], edges[1:], strict=True))


class _Reader:
    """The frames of a video, in order of showing and upright, those between skipped without being converted."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._capture = cv2.VideoCapture(str(path))
        if not self._capture.isOpened():
            raise BadVideoError(f"{path}: cannot be opened as a video. Give an MP4, MOV, Matroska, WebM or AVI file.")
        rate = float(self._capture.get(cv2.CAP_PROP_FPS))
        self.frame_rate = rate if 1 <= rate <= 1000 else 25.0
        self.frames = max(0, int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT)))
        self._next = 0

    def skip_to(self, number: int) -> bool:
        """Go on to a frame; False where the video ends before."""
        while self._next < number:
            if not self._capture.grab():
                return False
            self._next += 1
        return True

    def take(self, numbers: Iterable[int], needed: Iterable[int] = ()) -> Iterator[tuple[int, Image]]:
        """The frames of those numbers, ascending; the video may end before, unless they are among the needed ones.

        Raises ``BadVideoError`` where a needed frame cannot be read.
        """
        must = set(needed)
        for number in numbers:
            there = self.skip_to(number) and self._capture.grab()
            ok, frame = self._capture.retrieve() if there else (False, None)
            if not ok or frame is None:
                if any(one >= number for one in must):
                    raise BadVideoError(
                        f"{self._path}: ends after {self._next:,} frames, but frame {max(must):,} was kept of it. "
                        "The video is not the one that the frames were taken from, or was cut off since: make the "
                        "frames again."
                    )
                return
            self._next += 1
            yield number, np.asarray(frame, np.uint8)
