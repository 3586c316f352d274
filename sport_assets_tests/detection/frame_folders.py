"""Folders of frames as the `frames` asset has them, with pictures of a tiny match."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import polars as pl

from sport_assets.detection.detections import Detections
from sport_assets.detection.teachers import KeptFrames, Taught
from sport_assets.lineage.digest import sha256_file
from sport_assets_tests.detection.moving_scene import HEIGHT, WIDTH, MovingScene


def make_frames(folder: Path, count: int = 6, step: int = 5, reasons: Sequence[str] = ("every",)) -> Path:
    """A folder with frames.parquet and images/ of every so many frames of a scene."""
    (folder / "images").mkdir(parents=True)
    scene, rows = MovingScene(frames=count * step, players=4), []
    for place in range(count):
        number, name = place * step, f"images/left_f{place * step:07d}.jpg"
        cv2.imwrite(str(folder / name), scene.frame(number)[0])
        rows.append(
            {
                "frame": number,
                "time_ms": number * 40.0,
                "reason": reasons[place % len(reasons)],
                "file": name,
                "width": WIDTH,
                "height": HEIGHT,
                "bytes": (folder / name).stat().st_size,
                "sha256": sha256_file(folder / name),
                "sharpness": 100.0,
            }
        )
    pl.DataFrame(rows).write_parquet(folder / "frames.parquet")
    return folder


class SayingTeacher:
    """A teacher that says what it was told to, frame by frame."""

    def __init__(
        self,
        said: Sequence[Sequence[tuple[float, float, float, float, float, int]]],
        looks: Sequence[float | None] = (),
        counts: dict[str, int] | None = None,
    ) -> None:
        self._said, self._looks = said, looks
        self.counts = counts or {}
        self.facts: dict[str, Any] = {}

    def identity(self) -> dict[str, Any]:
        """A name."""
        return {"name": "saying", "sha256": "ab" * 32}

    def detect(self, kept: KeptFrames) -> Iterator[Taught]:
        """What was said, (left, top, right, bottom, score, category) each."""
        for place, rows in enumerate(self._said[: len(kept.numbers)]):
            table = np.array(rows, np.float64).reshape(-1, 6)
            found = Detections(
                table[:, :4].astype(np.float32), table[:, 4].astype(np.float32), table[:, 5].astype(np.int64)
            )
            yield Taught(found, self._looks[place] if self._looks else None)
