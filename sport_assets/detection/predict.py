"""Batch prediction of images and videos with an exported detector; no torch.

Belongs here: the way from files to COCO results, and to an annotated video. Must not come here: the network
(``onnx_detector``), cutting images up (``slicing``), decoding (``frames``).
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sport_assets.detection.annotated_video import AnnotatedVideo
from sport_assets.detection.coco import read_coco
from sport_assets.detection.detections import Detections
from sport_assets.detection.frames import decode
from sport_assets.detection.onnx_detector import OnnxDetector
from sport_assets.detection.slicing import Slicing, sliced_images
from sport_assets.detection.video_probe import scan
from sport_assets.detection.videos import EXTENSIONS
from sport_assets.lineage.durable import write_durably
from sport_assets.training.exported import PredictionError

IMAGE_EXTENSIONS = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
ANNOTATIONS = "_annotations.coco.json"
BATCH = 8
"""Images, or slices of images, that go through the network at once."""
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class PredictionReport:
    """What a prediction wrote, and what was dropped on the way."""

    images: int
    detections: dict[str, int]
    """By name of the category."""
    background: int
    """Answers of the network that were its background class."""
    degenerate: int
    """Boxes without area."""


@dataclass(frozen=True)
class _Picture:
    """An image on its way, with what its results say of it."""

    image: NDArray[np.uint8]
    about: dict[str, Any]


def predict(
    model: Path,
    input_path: Path,
    output: Path,
    *,
    slicing: Slicing | None = None,
    threshold: float = 0.05,
    video: Path | None = None,
    progress: Progress | None = None,
) -> PredictionReport:
    """Detect players and balls and write COCO results: a list of image_id, category_id, bbox, score.

    ``model``: ONNX file of ``detection/exported_model``. ``input_path``: an image, a folder of images, or a video.
    Results of a folder have the ids of its _annotations.coco.json where there is one, else images are numbered from 1
    by name; each result has its ``file_name`` as well. Those of a video have the frame's number from 0 as id, and
    ``frame`` and ``time_ms``. ``slicing``: look at overlapping windows instead of the whole image. ``threshold``: least
    score in the results; a drawn box has at least the score that the model found best for its category. ``video``:
    also write the frames with boxes as a video, of a video. Outputs are written whole or not at all.
    Raises PredictionError for input that cannot be used, ModelError for a model of another kind, BadVideoError.
    """
    for path in (output, video):
        if path is not None and path.is_dir():
            raise PredictionError(f"{path} is a folder: give the name of a file to write")
    if not 0 <= threshold <= 1:
        raise PredictionError(f"threshold is {threshold}: give a score from 0 to 1")
    detector = OnnxDetector(model, threshold)
    is_video = input_path.is_file() and input_path.suffix[1:].lower() in EXTENSIONS
    if video is not None and not is_video:
        raise PredictionError(f"--video draws the frames of a video, and {input_path} is none")
    pictures, total, rate = _video(input_path) if is_video else (*_images(input_path), 0.0)
    categories = detector.categories
    results: list[dict[str, Any]] = []
    counts = dict.fromkeys(categories.values(), 0)
    number = 0
    drawn = None if video is None else AnnotatedVideo(video, rate, categories, detector.thresholds)
    try:
        for number, (picture, found) in enumerate(_detected(detector, pictures, slicing), start=1):
            results += [{**picture.about, **each} for each in _rows(found)]
            for category in found.categories.tolist():
                counts[categories[category]] += 1
            if drawn is not None:
                drawn.add(picture.image, found)
            if progress is not None:
                progress(number, total)
        write_durably(output, (json.dumps(results) + "\n").encode())
        if drawn is not None:
            drawn.finish()
    finally:
        if drawn is not None:
            drawn.close()
    return PredictionReport(number, counts, detector.counts["background"], detector.counts["degenerate"])


def _detected(
    detector: OnnxDetector, pictures: Iterator[_Picture], slicing: Slicing | None
) -> Iterator[tuple[_Picture, Detections]]:
    """Each picture with its detections, in order; a batch of them lies in memory."""
    waiting: deque[_Picture] = deque()

    def images() -> Iterator[NDArray[np.uint8]]:
        for picture in pictures:
            waiting.append(picture)
            yield picture.image

    if slicing is not None:
        for found in sliced_images(detector, images(), slicing):
            yield waiting.popleft(), found.merged
        return
    batch: list[NDArray[np.uint8]] = []
    for image in images():
        batch.append(image)
        if len(batch) == BATCH:
            yield from zip([waiting.popleft() for _ in batch], detector(batch), strict=True)
            batch = []
    yield from zip([waiting.popleft() for _ in batch], detector(batch), strict=True)


def _rows(found: Detections) -> Iterator[dict[str, Any]]:
    for box, score, category in zip(
        found.boxes.tolist(), found.scores.tolist(), found.categories.tolist(), strict=True
    ):
        left, top, right, bottom = box
        yield {"category_id": category, "bbox": [left, top, right - left, bottom - top], "score": score}


def _video(path: Path) -> tuple[Iterator[_Picture], int, float]:
    """Every frame of a video, how many there are, and frames a second."""
    scanned = scan(path)
    frames = scanned.facts.frames

    def pictures() -> Iterator[_Picture]:
        for frame, image in decode(path, scanned, range(frames)):
            yield _Picture(image, {"image_id": frame, "frame": frame, "time_ms": float(scanned.times_ms[frame])})

    return pictures(), frames, scanned.facts.average_frame_rate


def _images(path: Path) -> tuple[Iterator[_Picture], int]:
    """An image, or all images of a folder by name, and how many there are."""
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.suffix.lower() in IMAGE_EXTENSIONS)
    if not files:
        what = "holds no image" if path.is_dir() else "is not there"
        raise PredictionError(
            f"{path} {what}: give an image ({', '.join(IMAGE_EXTENSIONS)}), a folder of them, or a video "
            f"({', '.join(EXTENSIONS)})"
        )
    folder = path if path.is_dir() else path.parent
    names = [file.relative_to(folder).as_posix() for file in files]
    ids = {name: number for number, name in enumerate(names, start=1)}
    if (folder / ANNOTATIONS).is_file():
        labels = read_coco(folder / ANNOTATIONS)
        known = dict(labels.images.select("file_name", "image").iter_rows())
        unknown = [name for name in names if name not in known]
        if unknown:
            raise PredictionError(
                f"{folder / ANNOTATIONS} has no image {unknown[0]}, so it has no id: add or remove it"
            )
        ids = known

    def pictures() -> Iterator[_Picture]:
        for name in names:
            image = cv2.imread(str(folder / name), cv2.IMREAD_COLOR)
            if image is None:
                raise PredictionError(f"{folder / name} is no image that can be read: take it out, or save it again")
            yield _Picture(np.asarray(image, np.uint8), {"image_id": ids[name], "file_name": name})

    return pictures(), len(names)
