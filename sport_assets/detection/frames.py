"""Frames out of a video: pictures and the table that says when and why each was taken.

Belongs here: decoding with PyAV and writing the files of the ``frames`` asset. Must not come here: which frames
(``frame_choice``), whether the file is a video (``video_probe``).

A video is read once, in order, and only the chosen frames are turned into pictures. Nothing is sought: after a seek,
decoders give other frames than those asked for. In H.264, frames that no other frame is predicted from are not decoded
where they are not chosen (nal_ref_idc 0; ITU-T H.264, 7.4.1), which leaves all others as they are. In HEVC the mark of
the same name holds within a temporal layer only, so there, as in all other codecs, every frame is decoded.

PyAV and not OpenCV: it gives the same pictures, lets frames be left out, gives each frame's own time, says where the
decoder fails, and converts interlaced frames (OpenCV 5.0 hands out a wrong picture for them, without an error).
"""

import shutil
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import polars as pl
from numpy.typing import NDArray

from sport_assets.detection.errors import BadVideoError
from sport_assets.detection.events import EVENTS_FILE
from sport_assets.detection.frame_choice import AIM, FrameSettings, choose_frames, frame_checks
from sport_assets.detection.schemas import FRAMES
from sport_assets.detection.step_report import StepReport
from sport_assets.detection.video_probe import VideoScan, opened, scan
from sport_assets.lineage.digest import sha256_bytes

FRAMES_FILE, IMAGES_FOLDER = "frames.parquet", "images"
LOST_SHARE = 0.01
"""Share of a video's frames that the decoder may fail at, or that may be missing at its end."""
_PROGRESS_STEP = 250
_TURNS = {
    0: None,
    90: cv2.ROTATE_90_CLOCKWISE,
    180: cv2.ROTATE_180,
    270: cv2.ROTATE_90_COUNTERCLOCKWISE,
}

Picture = NDArray[np.uint8]
Progress = Callable[[int, int], None]
"""Called with how many of how many frames of the video are done."""


def extract(
    video: Path, key: str, events: Path, out: Path, settings: Mapping[str, Any], progress: Progress
) -> StepReport:
    """``extract_frames`` of the files of a partition. ``events``: the folder of its events."""
    table = pl.read_parquet(events / EVENTS_FILE)
    return extract_frames(video, key, table, out, FrameSettings(**settings), progress)


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
    """Take frames out of a video; write images/<key>_f<frame>.jpg and frames.parquet (``FRAMES``) to ``out``.

    events: the table ``EVENTS``, or None for a video without. threads: for decoding; 0 leaves it to FFmpeg. Pictures
    are the same for any number.
    Raises ``BadVideoError`` for a video that ``scan`` refuses, or of which more than ``LOST_SHARE`` cannot be
    decoded; nothing is left in ``out`` then.
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
    return StepReport(frame_checks(choice, len(table)), facts)


def decode(
    video: Path,
    scanned: VideoScan,
    wanted: Collection[int],
    progress: Progress | None = None,
    *,
    threads: int = 0,
) -> Iterator[tuple[int, Picture]]:
    """The wanted frames of a video in order, each with its number, as uint8 [height, width, 3], blue first, upright.

    A frame that cannot be decoded, or only with parts made up, is left out; numbers stay those of ``scanned``. Frames
    that are shown at one time are counted in their order. Raises ``BadVideoError`` as ``extract_frames`` does, in the
    end.
    """
    total, turn = scanned.facts.frames, _TURNS[scanned.facts.rotation]
    numbers_at: dict[int, deque[int]] = {}
    for number, tick in enumerate(scanned.ticks):
        numbers_at.setdefault(tick, deque()).append(number)
    wanted_ticks = {tick for number, tick in enumerate(scanned.ticks) if number in wanted}
    failed = done = 0
    last = -1
    with opened(video) as (container, stream):
        codec = stream.codec_context
        codec.thread_count, codec.thread_type = threads, "AUTO"
        for packet in container.demux(stream):
            if codec.name == "h264":
                # what the scan does not know, an edit list hides; decoding it is rare, and never wrong
                needed = not scanned.timed or packet.pts in wanted_ticks or packet.pts not in numbers_at
                codec.skip_frame = "DEFAULT" if needed else "NONREF"
            try:
                decoded = packet.decode()
            except av.error.FFmpegError:
                failed += 1
                continue
            for frame in decoded:
                assert isinstance(frame, av.VideoFrame)
                if scanned.timed:
                    waiting = numbers_at.get(frame.pts or 0)
                    if not waiting:  # hidden by an edit list
                        continue
                    last = waiting.popleft()
                else:
                    last += 1
                if last in wanted and not frame.is_corrupt:
                    picture = np.asarray(frame.to_ndarray(format="bgr24"), dtype=np.uint8)
                    yield last, picture if turn is None else np.asarray(cv2.rotate(picture, turn), dtype=np.uint8)
            done += 1
            if progress is not None and done % _PROGRESS_STEP == 0:
                progress(min(done, total), total)
    unseen = total - 1 - last
    if max(failed, unseen) > LOST_SHARE * total + 1:
        raise BadVideoError(
            f"{video}: damaged or cut off: {failed:,} of {total:,} frames cannot be decoded, and the last one that can "
            f"is number {last:,}. Copy or download it again, or convert what is good of it to a new file."
        )
    if progress is not None:
        progress(total, total)


def sharpness(picture: Picture) -> float:
    """Variance of the Laplacian of the grey picture, in grey levels squared. Low where a picture is blurred."""
    edges = cv2.Laplacian(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), cv2.CV_16S)
    return round(float(cv2.meanStdDev(edges)[1][0, 0]) ** 2, 3)


def _jpeg(picture: Picture, quality: int) -> bytes:
    done, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise RuntimeError(f"OpenCV could not write a picture of {picture.shape} as JPEG")
    return data.tobytes()
