"""Batch prediction of images and videos with an exported detector; no torch.

Belongs here: the way from files to COCO results, and to an annotated video. Must not come here: the network
(``onnx_detector``), cutting images up (``slicing``), decoding (``frames``).
"""

from __future__ import annotations

import json
import os
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sport_assets.detection import temporal_filter
from sport_assets.detection.annotated_video import AnnotatedVideo
from sport_assets.detection.categories import BALL, CATEGORIES
from sport_assets.detection.coco import Labels, read_coco
from sport_assets.detection.detections import Detections
from sport_assets.detection.frames import decode
from sport_assets.detection.onnx_detector import OnnxDetector
from sport_assets.detection.pictures import decode as decode_picture
from sport_assets.detection.pictures import other_size, shown_size
from sport_assets.detection.precision_recall import above
from sport_assets.detection.scored_boxes import of_detections
from sport_assets.detection.slicing import Slicing, sliced_images
from sport_assets.detection.video_probe import VideoScan, scan
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
    balls_filtered: dict[str, int] | None
    """Balls that the filter took out, by reason (``temporal_filter.Filtered``); None where it was not asked for."""
    undecodable: int
    """Frames of a video that cannot be decoded: they have no results, and are no ``images``."""
    turned: int
    """Images that viewers turn or mirror by their orientation tag; they were looked at, and have boxes, as stored."""
    device: str
    """``cpu`` or ``cuda``."""


@dataclass(frozen=True)
class _Picture:
    """An image on its way, with what its results say of it."""

    image: NDArray[np.uint8]
    about: dict[str, Any]
    turned: bool = False


@dataclass(frozen=True)
class _Result:
    """What was found in an image of ``width`` x ``height`` px, and what its results say of it."""

    about: dict[str, Any]
    width: int
    height: int
    found: Detections


def predict(
    model: Path,
    input_path: Path,
    output: Path,
    *,
    slicing: Slicing | None = None,
    threshold: float = 0.05,
    video: Path | None = None,
    filter_balls: bool = False,
    categories: Mapping[int, str] | None = None,
    device: str = "cpu",
    threads: int = 1,
    progress: Progress | None = None,
) -> PredictionReport:
    """Detect players and balls and write COCO results: a list of image_id, category_id, bbox, score.

    ``model``: ONNX file of ``detection/exported_model``. ``input_path``: an image, a folder of images, or a video.
    Results of a folder have the ids of its _annotations.coco.json where there is one, else images are numbered from 1
    by name; each result has its ``file_name`` as well. Those of a video have the frame's number from 0 as id, and
    ``frame`` and ``time_ms``. ``slicing``: look at overlapping windows instead of the whole image. ``threshold``: least
    score in the results; a drawn box has at least the score that the model found best for its category. ``video``:
    also write the frames with boxes as an MP4 file, of a video, each when it is shown there. ``filter_balls``: of a
    video, take out believed balls that lie on no smooth path over its frames. ``categories``: for a file that rfdetr
    itself exported. ``device``, ``threads``: as for ``OnnxDetector``. Outputs are written whole or not at all, and
    never over an input.
    Raises PredictionError for input that cannot be used, ModelError for a model of another kind and a device that is
    not there, BadWeightsError for categories that are not the model's, BadVideoError.
    """
    _check_outputs(output, video, model, input_path)
    if not 0 <= threshold <= 1:
        raise PredictionError(f"threshold is {threshold}: give a score from 0 to 1")
    detector = OnnxDetector(model, threshold, categories, device=device, threads=threads)
    is_video = input_path.is_file() and input_path.suffix[1:].lower() in EXTENSIONS
    for asked, what in (
        (video is not None, "--video draws the frames of a video"),
        (filter_balls, "--filter-balls follows the ball over the frames of a video"),
    ):
        if asked and not is_video:
            raise PredictionError(f"{what}, and {input_path} is none")
    names = detector.categories
    if filter_balls and names.get(BALL) != CATEGORIES[BALL]:
        raise PredictionError(f"--filter-balls needs a model whose category {BALL} is {CATEGORIES[BALL]}, not {names}")
    scanned = scan(input_path) if is_video else None
    pictures, total = _images(input_path) if scanned is None else (_frames(input_path, scanned), scanned.facts.frames)
    drawn = None
    if video is not None and scanned is not None:
        times = scanned.times_ms.tolist()
        drawn = AnnotatedVideo(video, times, scanned.facts.average_frame_rate, names, detector.thresholds)
    results: list[_Result] = []
    turned = 0
    removed: dict[str, int] | None = None
    try:
        for picture, found in _detected(detector, pictures, slicing):
            results.append(_Result(picture.about, picture.image.shape[1], picture.image.shape[0], found))
            turned += picture.turned
            if drawn is not None and not filter_balls:
                drawn.add(picture.about["frame"], picture.image, found)
            if progress is not None:
                progress(len(results), total)
        if filter_balls:  # it needs to know all frames before the first can be drawn
            results, removed = _with_smooth_balls(results, detector.thresholds)
            if drawn is not None and scanned is not None:
                for picture, result in zip(_frames(input_path, scanned), results, strict=True):
                    drawn.add(picture.about["frame"], picture.image, result.found)
        rows = [{**result.about, **each} for result in results for each in _rows(result.found)]
        write_durably(output, (json.dumps(rows) + "\n").encode())
        if drawn is not None:
            drawn.finish()
    finally:
        if drawn is not None:
            drawn.close()
    counted = Counter(row["category_id"] for row in rows)
    return PredictionReport(
        images=len(results),
        detections={name: counted[number] for number, name in names.items()},
        background=detector.counts["background"],
        degenerate=detector.counts["degenerate"],
        balls_filtered=removed,
        undecodable=total - len(results),
        turned=turned,
        device=detector.device,
    )


def windows_of(size: int | None, overlap: float | None) -> Slicing | None:
    """The windows that ``--slice`` and ``--overlap`` ask for, if any.

    Raises PredictionError for an overlap without windows, BadInputError as ``Slicing`` does.
    """
    if size is not None:
        return Slicing(size=size) if overlap is None else Slicing(size=size, overlap=overlap)
    if overlap is not None:
        raise PredictionError(f"--overlap {overlap} is that of windows: give their side as well, --slice 1280")
    return None


def parse_categories(text: str) -> dict[int, str]:
    """Names by id from ``1=player,2=ball``. Raises PredictionError for anything else."""
    found: dict[int, str] = {}
    for part in text.split(","):
        number, _, name = (each.strip() for each in part.partition("="))
        if not number.isdecimal() or not name or int(number) in found:
            raise PredictionError(f"categories {text!r}: give each id once with its name, as 1=player,2=ball")
        found[int(number)] = name
    return dict(sorted(found.items()))


def _check_outputs(output: Path, video: Path | None, model: Path, input_path: Path) -> None:
    """Raise PredictionError for an output that is a folder, no MP4 file, an input, or the other output."""
    outputs = [output] if video is None else [output, video]
    for path in outputs:
        if path.is_dir():
            raise PredictionError(f"{path} is a folder: give the name of a file to write")
    if video is not None and video.suffix.lower() != ".mp4":
        raise PredictionError(f"--video writes MP4, which {video.name} does not say: call it {video.stem}.mp4")
    if video is not None and (output.resolve() == video.resolve() or (output.exists() and _is(video, [output]))):
        raise PredictionError(f"{output} and {video} are the same file: give --output and --video different names")
    inputs = [model, input_path, (input_path if input_path.is_dir() else input_path.parent) / ANNOTATIONS]
    if input_path.is_dir():
        inputs += _image_files(input_path)
    for path in outputs:
        if _is(path, inputs):
            raise PredictionError(f"{path} is read here, and would be overwritten: give another name to write to")


def _is(path: Path, others: Iterable[Path]) -> bool:
    """Whether a path is there and leads to the same file as one of others, by links as well."""
    if not path.exists():
        return False
    return any(os.path.samestat(path.stat(), other.stat()) for other in others if other.exists())


def _with_smooth_balls(
    results: Sequence[_Result], thresholds: Mapping[int, float]
) -> tuple[list[_Result], dict[str, int]]:
    """Results of consecutive frames without the balls that the temporal filter takes out, and their number by reason.

    It judges what is believed, from ``thresholds`` on; fainter balls stay.
    """
    rows = [
        {"image": number, "width": each.width, "height": each.height, "video": "one", **each.about}
        for number, each in enumerate(results)
    ]
    images = Labels.of(rows, []).images
    table = of_detections({number: each.found for number, each in enumerate(results)})
    removed = temporal_filter.keep_consistent(images, above(table, thresholds)).removed
    last = np.cumsum([len(each.found) for each in results])
    stays = np.ones(int(last[-1]) if len(last) else 0, bool)
    stays[removed["box"].to_numpy() - 1] = False  # ids count from 1 in the order of images and their detections
    kept = [
        _Result(each.about, each.width, each.height, each.found[which])
        for each, which in zip(results, np.split(stays, last[:-1]), strict=True)
    ]
    return kept, dict(sorted(Counter(removed["reason"].to_list()).items()))


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


def _frames(path: Path, scanned: VideoScan) -> Iterator[_Picture]:
    """Every frame of a video that can be decoded."""
    for frame, image in decode(path, scanned, range(scanned.facts.frames)):
        yield _Picture(image, {"image_id": frame, "frame": frame, "time_ms": float(scanned.times_ms[frame])})


def _images(path: Path) -> tuple[Iterator[_Picture], int]:
    """An image, or all images of a folder by name, and how many there are."""
    files = [path] if path.is_file() else _image_files(path)
    if not files:
        what = "holds no image" if path.is_dir() else "is not there"
        raise PredictionError(
            f"{path} {what}: give an image ({', '.join(IMAGE_EXTENSIONS)}), a folder of them, or a video "
            f"({', '.join(EXTENSIONS)})"
        )
    folder = path if path.is_dir() else path.parent
    names = [file.relative_to(folder).as_posix() for file in files]
    ids = {name: number for number, name in enumerate(names, start=1)}
    sizes: dict[str, tuple[int, int]] = {}
    if (folder / ANNOTATIONS).is_file():
        labels = read_coco(folder / ANNOTATIONS)
        known = dict(labels.images.select("file_name", "image").iter_rows())
        unknown = [name for name in names if name not in known]
        if unknown:
            raise PredictionError(
                f"{folder / ANNOTATIONS} has no image {unknown[0]}, so it has no id: add or remove it"
            )
        ids = known
        rows = labels.images.select("file_name", "width", "height").iter_rows()
        sizes = {name: (width, height) for name, width, height in rows}

    def pictures() -> Iterator[_Picture]:
        for name in names:
            try:
                data = (folder / name).read_bytes()
            except OSError as error:
                what = error.strerror or error
                raise PredictionError(
                    f"{folder / name} cannot be read ({what}): put it back, or take it out"
                ) from error
            image = decode_picture(data)
            if image is None:
                raise PredictionError(f"{folder / name} is no image that can be read: take it out, or save it again")
            stored, shown = (image.shape[1], image.shape[0]), shown_size(data, image)
            if sizes.get(name, stored) != stored:
                what = other_size(sizes[name], stored, shown)
                raise PredictionError(f"{folder / ANNOTATIONS}: {name} is {what}. Boxes would be in other pixels.")
            yield _Picture(image, {"image_id": ids[name], "file_name": name}, turned=shown is not None)

    return pictures(), len(names)


def _image_files(folder: Path) -> list[Path]:
    """Images by their names; what is hidden (macOS puts a ``._x.jpg`` beside ``x.jpg``) and folders are none."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in IMAGE_EXTENSIONS
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and not path.is_dir()
    )
