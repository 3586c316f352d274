"""Frames out of a video: pictures and the table that says when and why each was taken.

Belongs here: decoding with OpenCV and writing the files of the ``frames`` asset. Must not come here: which frames
(``frame_choice``), whether the file is a video (``video_probe``).

The video is decoded once, in order, and only the chosen frames are turned into pictures. Nothing is sought: after a
seek, decoders give other frames than those asked for. All of it is decoded, so that a damaged end is found.
"""

import os
import shutil
from collections.abc import Callable, Collection, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import polars as pl
from numpy.typing import NDArray

from sport_assets.detection.errors import BadVideoError
from sport_assets.detection.frame_choice import AIM, FrameSettings, choose_frames, frame_checks
from sport_assets.detection.schemas import FRAMES
from sport_assets.detection.step_report import StepReport
from sport_assets.detection.video_probe import VideoScan, scan
from sport_assets.lineage.digest import sha256_bytes
from sport_assets.lineage.row_index import RowIndex

FRAMES_FILE, IMAGES_FOLDER = "frames.parquet", "images"
LOST_SHARE = 0.01
"""Share of a video's frames that the decoder may leave out before the video counts as damaged."""
_LEADING = 16
"""Frames that may be missing at the start: a clip cut without encoding begins with frames that lean on lost ones, and
no more than these are held back for showing (H.264, A.3.1: MaxDpbFrames)."""
_SAME_MS = 0.5
_PROGRESS_STEP = 250

Picture = NDArray[np.uint8]
Progress = Callable[[int, int], None]
"""Called with how many of how many source frames are done."""


def extract_frames(
    video: Path,
    key: str,
    events: pl.DataFrame | None,
    out: Path,
    settings: FrameSettings,
    progress: Progress | None = None,
    *,
    threads: int = 0,
) -> StepReport:
    """Take frames out of a video; write images/<key>_f<frame>.jpg and frames.parquet (``FRAMES``) to the folder ``out``.

    events: the table ``EVENTS``, or None for a video without. threads: for decoding; 0 leaves it to FFmpeg. Pictures
    are the same for any number.
    Raises ``BadVideoError`` for a video that ``scan`` refuses, or of which the decoder leaves out more than
    ``LOST_SHARE``; nothing is left in ``out`` then.
    """
    scanned = scan(video)
    times = [] if events is None else events["time_ms"].to_list()
    choice = choose_frames(scanned.times_ms, times, settings)
    images = out / IMAGES_FOLDER
    images.mkdir(parents=True)
    reasons = dict(zip(choice.frames, choice.reasons, strict=True))
    rows = []
    try:
        for frame, picture in decode(video, scanned, reasons, progress, threads=threads):
            name = f"{IMAGES_FOLDER}/{key}_f{frame:07d}.jpg"
            data = _jpeg(picture, settings.jpeg_quality)
            (out / name).write_bytes(data)
            rows.append(
                {
                    "frame": frame,
                    "time_ms": float(scanned.times_ms[frame]),
                    "reason": reasons[frame],
                    "file": name,
                    "width": picture.shape[1],
                    "height": picture.shape[0],
                    "bytes": len(data),
                    "sha256": sha256_bytes(data),
                    "sharpness": sharpness(picture),
                }
            )
        table = pl.DataFrame(rows, schema=FRAMES.types)
        table.write_parquet(out / FRAMES_FILE)
    except BaseException:
        shutil.rmtree(images)
        (out / FRAMES_FILE).unlink(missing_ok=True)
        raise
    index = RowIndex()
    index.add(("video",), [key])
    index.add(("video", "frame"), [(key, frame) for frame in table["frame"]])
    facts: dict[str, Any] = {
        "frames": len(table),
        "chosen": len(choice.frames),
        "wanted_before_cap": choice.wanted,
        "aim": f"{AIM[0]}-{AIM[1]}",
        "reasons": dict(table["reason"].value_counts().sort("reason").iter_rows()),
        "picture_bytes": int(table["bytes"].sum()),
        "settings": settings.model_dump(),
        "video": asdict(scanned.facts),
    }
    return StepReport(frame_checks(choice, len(table)), facts, identifiers=index)


def decode(
    video: Path,
    scanned: VideoScan,
    wanted: Collection[int],
    progress: Progress | None = None,
    *,
    threads: int = 0,
) -> Iterator[tuple[int, Picture]]:
    """The wanted frames of a video in order, each with its number, as uint8 [height, width, 3], blue first, upright.

    A frame that the decoder leaves out is left out here, too; numbers stay those of ``scanned``. Raises
    ``BadVideoError`` as ``extract_frames`` does, in the end.
    """
    capture = _open(video, threads)
    total = scanned.facts.frames
    frame, decoded, leading = -1, 0, 0
    try:
        while capture.grab():
            frame += 1
            if scanned.timed:
                time_ms = capture.get(cv2.CAP_PROP_POS_MSEC)
                while frame + 1 < total and scanned.times_ms[frame] < time_ms - _SAME_MS:
                    frame += 1
            if frame >= total:
                break
            if not decoded:
                leading = frame if frame <= _LEADING else 0
            decoded += 1
            if frame in wanted:
                there, picture = capture.retrieve()
                if there:
                    yield frame, picture
            if progress is not None and decoded % _PROGRESS_STEP == 0:
                progress(frame + 1, total)
    finally:
        capture.release()
    lost = total - decoded - leading
    if lost > LOST_SHARE * total:
        raise BadVideoError(
            f"{video}: damaged or cut off: only {decoded:,} of {total:,} frames can be decoded (the last one is number "
            f"{max(frame, 0):,}). Copy or download it again, or convert what is good of it to a new file."
        )
    if progress is not None:
        progress(total, total)


def sharpness(picture: Picture) -> float:
    """Variance of the Laplacian of the grey picture, in grey levels squared. Low where a picture is blurred."""
    edges = cv2.Laplacian(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), cv2.CV_16S)
    return round(float(cv2.meanStdDev(edges)[1][0, 0]) ** 2, 3)


def _open(video: Path, threads: int) -> cv2.VideoCapture:
    # what FFmpeg says of damaged frames goes to stderr line by line; what matters of it is said in the errors here
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    options = [cv2.CAP_PROP_ORIENTATION_AUTO, 1]
    if threads:
        options += [cv2.CAP_PROP_N_THREADS, threads]
    capture = cv2.VideoCapture(str(video), cv2.CAP_FFMPEG, options)
    if not capture.isOpened():
        raise BadVideoError(
            f"{video}: OpenCV cannot decode it. Convert it, for example: ffmpeg -i FILE -c:v libx264 -crf 18 FILE.mp4"
        )
    return capture


def _jpeg(picture: Picture, quality: int) -> bytes:
    done, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise RuntimeError(f"OpenCV could not write a picture of {picture.shape} as JPEG")
    return data.tobytes()
