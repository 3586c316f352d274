"""Generated data sets of single images in COCO's layout, for trainings, tests and benchmarks.

Belongs here: which scenes and frames go to which side, files. Must not come here: what is in a scene (``scene``).
"""

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import cv2

from sport_assets.detection.categories import BALL
from sport_assets.detection.coco import write_coco
from sport_assets.detection.synthetic.coco_truth import TruthLabels
from sport_assets.detection.synthetic.scene import Scene
from sport_assets.detection.synthetic.settings import CameraKind, Difficulty, SceneSettings

SIDES = ("train", "valid", "test")
_FRAMES_APART = 12
"""Half a second at 25 frames a second: enough for everybody to have moved."""
_SEEDS_APART = 100_000


@dataclass(frozen=True)
class ImageSet:
    """What `write_dataset` wrote: the folder, and by side the numbers of images, clips and boxes of balls."""

    folder: Path
    images: dict[str, int]
    clips: dict[str, int]
    balls: dict[str, int]


def small_settings(size: tuple[int, int], difficulty: Difficulty = "hard") -> SceneSettings:
    """Settings for images (width, height) so small that a ball of real proportions would vanish in them.

    Balls are 4 to 12 pixels wide, players five balls high; the smaller the image, the fewer players.
    """
    width, height = size
    smallest = min(max(width / 40, 4.0), 5.0)
    largest = min(2.6 * smallest, height / 7, 12.0)
    return SceneSettings.of(
        difficulty,
        width=width,
        height=height,
        players=min(11, max(3, width // 48)),
        ball_pixels=(smallest, largest),
        players_per_ball=5.0,
        frame_rate=25.0,
    )


def write_dataset(
    folder: Path,
    *,
    train: int,
    valid: int,
    test: int,
    seed: int = 0,
    size: tuple[int, int] = (320, 192),
    difficulty: Difficulty = "hard",
    settings: SceneSettings | None = None,
    cameras: tuple[CameraKind, ...] = ("static", "panning"),
    images_per_clip: int = 8,
    image_format: Literal["jpg", "png"] = "jpg",
    progress: Callable[[int, int], None] | None = None,
) -> ImageSet:
    """Writes ``folder/{train,valid,test}/_annotations.coco.json`` with the images beside it.

    ``train``, ``valid``, ``test``: numbers of images; a side of 0 is left out. Each side has scenes ("clips", the
    column ``video``) of its own, of ``images_per_clip`` images half a second apart, at least two where the side has two
    images or more; ``cameras`` take turns. Players, goalkeepers and referees are category 1, the ball is 2.
    ``settings``, if given, goes before ``size`` and ``difficulty``; its ``camera`` and ``frames`` are set here.
    The same arguments give the same bytes. Raises FileExistsError where a side's folder is already there, and
    ValueError for numbers that make no sense; then nothing is written.
    """
    wanted = dict(zip(SIDES, (train, valid, test), strict=True))
    if min(wanted.values()) < 0 or not any(wanted.values()):
        raise ValueError(f"numbers of images must not be negative, and not all 0: {wanted}")
    if seed < 0 or images_per_clip < 1 or not cameras:
        raise ValueError("seed must not be negative, images_per_clip at least 1, and there must be a camera")
    for side in SIDES:
        if wanted[side] and (folder / side).exists():
            raise FileExistsError(f"{folder / side} is already there: choose another folder, or remove it first")
    base = settings or small_settings(size, difficulty)
    folder.mkdir(parents=True, exist_ok=True)
    total, done = sum(wanted.values()), 0
    made = ImageSet(folder, {}, {}, {})
    with tempfile.TemporaryDirectory(dir=folder, prefix=".being_written_") as name:
        aside = Path(name)
        number = 0
        for side, images in wanted.items():
            if not images:
                continue
            (aside / side).mkdir()
            truth = TruthLabels(roles=False)
            lengths = _clip_lengths(images, images_per_clip)
            for length in lengths:
                clip = f"clip_{number + 1:04d}"
                frames = (length - 1) * _FRAMES_APART + 1
                look = replace(base, camera=cameras[number % len(cameras)], frames=frames)
                scene = Scene(seed * _SEEDS_APART + number, look)
                for frame in range(0, frames, _FRAMES_APART):
                    image, seen = scene.frame(frame)
                    file = f"{clip}_f{frame:07d}.{image_format}"
                    options = [cv2.IMWRITE_JPEG_QUALITY, 95] if image_format == "jpg" else []
                    if not cv2.imwrite(str(aside / side / file), image, options):
                        raise OSError(f"{folder / side / file} cannot be written")
                    truth.add(seen, file_name=file, video=clip, width=look.width, height=look.height)
                    done += 1
                    if progress is not None:
                        progress(done, total)
                number += 1
            labels = truth.labels
            write_coco(labels, aside / side / "_annotations.coco.json")
            made.images[side], made.clips[side] = images, len(lengths)
            made.balls[side] = labels.boxes.filter(category=BALL).height
        for side in made.images:
            shutil.move(aside / side, folder / side)
    return made


def _clip_lengths(images: int, most: int) -> list[int]:
    """Numbers of images of the clips of a side: as even as can be, at least two clips where there are two images."""
    clips = max(-(-images // most), min(images, 2))
    return [images // clips + (clip < images % clips) for clip in range(clips)]
