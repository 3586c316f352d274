"""What a video file is: codec, size as shown, frames and when each of them is shown.

Belongs here: opening a video with PyAV and telling a good one from a bad one. Must not come here: pictures
(``frames``), where videos lie (``videos``).

All packets are read and the first frame is decoded. That costs little more than reading the file, gives the exact
number of frames and their times also where the frame rate varies, and finds a file that was cut off.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from sport_assets.detection.errors import BadVideoError

CONTAINERS = {
    "mov,mp4,m4a,3gp,3g2,mj2": "MP4 or MOV",
    "matroska,webm": "Matroska or WebM",
    "avi": "AVI",
}
MISSING_SHARE = 0.01
"""Share of a video's length by which it may end early; containers round their lengths."""
_MISSING_S = 0.25
_CONVERT = "Convert it, for example: ffmpeg -i FILE -c:v libx264 -crf 18 FILE.mp4"
_COPY = "Copy or download it again."


@dataclass(frozen=True)
class VideoFacts:
    """A video, as it is shown."""

    codec: str
    pixel_format: str
    width: int
    """In pixels, after rotation. Pixels that are not square are left as they are."""
    height: int
    rotation: int
    """Degrees clockwise by which the stored picture is turned to stand upright: 0, 90, 180 or 270."""
    frames: int
    average_frame_rate: float
    """Frames a second."""
    duration_s: float
    """From the first frame to the end of the last one."""
    variable_frame_rate: bool


@dataclass(frozen=True)
class VideoScan:
    """A video's facts and when each frame is shown.

    ``times_ms`` float64 [frames]: milliseconds from the first frame, ascending; ``ticks`` the same as the container
    has it. ``timed``: whether the container says when each frame is shown; AVI does not where frames are stored in
    another order than they are shown. Then only the order of the frames is sure.
    """

    facts: VideoFacts
    times_ms: NDArray[np.float64]
    ticks: tuple[int, ...]
    timed: bool


def facts(path: Path) -> dict[str, Any]:
    """The facts of a video in the folder of videos, JSON-able.

    Raises ``BadVideoError`` as ``scan`` does, which also says how to go on with the others.
    """
    try:
        return asdict(probe(path))
    except BadVideoError as error:
        raise BadVideoError(f"{error} To go on without it, take it out of the folder.") from error


def probe(path: Path) -> VideoFacts:
    """The facts of a video. Raises ``BadVideoError`` as ``scan`` does."""
    return scan(path).facts


def scan(path: Path) -> VideoScan:
    """Read all packets of a video.

    Raises ``BadVideoError``, which says what is wrong and what to do, for a file that is missing, empty, no video, cut
    off, without a video stream, of a codec that cannot be decoded, or without a frame.
    """
    _there(path)
    first = _first_frame(path)
    with opened(path) as (container, stream):
        shown: list[tuple[int, int]] = []  # when a frame is shown and for how long, in ticks of the stream
        end_s, timed = 0.0, True
        for packet in container.demux():
            tick = packet.dts if packet.pts is None else packet.pts
            if tick is None:
                continue
            end_s = max(end_s, (tick + (packet.duration or 0)) * _tick_s(packet))
            if packet.stream.index != stream.index:
                continue
            if packet.is_corrupt:
                raise BadVideoError(f"{path}: cut off: the file ends inside frame {len(shown):,}. {_COPY}")
            # AVI has packets without content, which repeat a frame; an edit list hides frames before the cut
            if packet.size and not packet.is_discard:
                shown.append((tick, packet.duration or 0))
                timed = timed and packet.pts is not None
        if not shown:
            raise BadVideoError(f"{path}: has a video stream without a single frame. {_CONVERT}")
        shown.sort()
        timed = timed and not (container.format.name == "avi" and stream.codec_context.has_b_frames)
        start = stream.start_time if timed and stream.start_time is not None else shown[0][0]
        tick_ms = 1000 * _tick_s(stream)
        times = (np.asarray([tick for tick, _ in shown], dtype=np.float64) - start) * tick_ms
        steps = np.diff(times)
        step = float(np.median(steps)) if len(steps) else 1000 / float(stream.average_rate or 25)
        end = float(times[-1]) + (shown[-1][1] * tick_ms or step)
        _whole(path, container, stream, end / 1000, end_s)
        turned = -90 * round(first.rotation / 90) % 360
        width, height = (first.height, first.width) if turned in (90, 270) else (first.width, first.height)
        facts = VideoFacts(
            codec=stream.codec_context.name,
            pixel_format=first.format.name,
            width=width,
            height=height,
            rotation=turned,
            frames=len(times),
            average_frame_rate=round(1000 * len(times) / end, 6),
            duration_s=round(end / 1000, 6),
            variable_frame_rate=bool(len(steps) and np.abs(steps - step).max() > 1.5 * tick_ms + 0.01 * step),
        )
        return VideoScan(facts, np.round(times, 3), tuple(tick for tick, _ in shown), timed)


def _there(path: Path) -> None:
    """Raises for what is no file with content."""
    if not path.exists():
        gone = f"links to {path.readlink()}, which is not there" if path.is_symlink() else "there is no such file"
        raise BadVideoError(f"{path}: {gone}. Put the video back, or remove the link and add the video again.")
    if not path.is_file():
        raise BadVideoError(f"{path}: a folder, not a video file. Give the file itself.")
    if path.stat().st_size == 0:
        raise BadVideoError(f"{path}: empty (0 bytes). {_COPY}")


@contextmanager
def opened(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """The container and its video stream. What FFmpeg says against the file becomes a ``BadVideoError``."""
    try:
        container = av.open(str(path))
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise BadVideoError(f"{path}: {_unopened(path, error)}") from error
    with container:
        if container.format.name not in CONTAINERS:
            raise BadVideoError(
                f"{path}: not a video, or one in a container that is not read ({container.format.long_name}); "
                f"{', '.join(CONTAINERS.values())} are. {_CONVERT}"
            )
        streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
        if not streams:
            what = "sound only" if container.streams.audio else "no video stream"
            raise BadVideoError(f"{path}: {what}: there is no picture to take frames from. Give the video itself.")
        stream = streams[0]
        if stream.codec_context is None:
            raise BadVideoError(f"{path}: its codec is not known here, so no frame can be decoded. {_CONVERT}")
        try:
            yield container, stream
        except av.error.FFmpegError as error:
            raise BadVideoError(f"{path}: damaged: {error.strerror}. {_COPY}") from error


def _unopened(path: Path, error: Exception) -> str:
    """Why a file could not be opened at all."""
    if isinstance(error, PermissionError):
        return "may not be read. Change its permissions."
    with path.open("rb") as file:
        head = file.read(16)
    if head[4:8] == b"ftyp":
        return f"cut off: its index (moov atom), which recorders write last, is missing or incomplete. {_COPY}"
    if head[:4] in (b"\x1aE\xdf\xa3", b"RIFF"):
        return f"cut off or damaged: its header is incomplete. {_COPY}"
    return f"not a video ({getattr(error, 'strerror', None) or error}). Give an MP4, MOV, Matroska, WebM or AVI file."


def _first_frame(path: Path) -> VideoFrame:
    """The first frame that can be decoded; it knows the rotation."""
    failed = 0
    with opened(path) as (container, stream):
        for packet in container.demux(stream):
            try:
                for frame in packet.decode():
                    assert isinstance(frame, VideoFrame)
                    return frame
            except av.error.FFmpegError:
                # a clip that was cut without encoding may begin with frames that lean on lost ones
                failed += 1
    if failed:
        raise BadVideoError(f"{path}: damaged: none of its frames can be decoded ({failed:,} tried). {_COPY}")
    raise BadVideoError(f"{path}: has a video stream without a single frame. {_CONVERT}")


def _tick_s(timed: Packet | VideoStream) -> float:
    """Seconds that a tick of the stream lasts."""
    assert timed.time_base is not None  # there for all that was read from a file
    return float(timed.time_base)


def _whole(path: Path, container: InputContainer, stream: VideoStream, length_s: float, end_s: float) -> None:
    """Raises for a video that ends before its container says.

    ``length_s``: from the first frame of the stream to its end; ``end_s``: when the last of all streams ends.
    """
    declared, found = 0.0, length_s
    if container.format.name == "avi":
        # FFmpeg corrects the duration of an AVI that was cut off; the header's count of ticks stays
        declared = stream.frames * _tick_s(stream)
    elif stream.duration is not None:
        declared = stream.duration * _tick_s(stream)
    elif container.duration is not None:
        declared, found = container.duration / av.time_base, end_s
    # a recording that was streamed says no length
    if found < declared - max(_MISSING_S, MISSING_SHARE * declared):
        raise BadVideoError(f"{path}: cut off: it ends at {found:.1f} s of {declared:.1f} s. {_COPY}")
