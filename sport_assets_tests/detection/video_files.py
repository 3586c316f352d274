"""Small videos whose frames can be told apart, and damaged ones.

Belongs here: writing test videos with PyAV. Each picture shows its number as eight bars, black or white, so that it can
be read back after any encoding.
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.stream import VideoStream
from numpy.typing import NDArray

WIDTH, HEIGHT = 160, 96
HEVC = {"preset": "ultrafast", "x265-params": "log-level=none:pools=none:frame-threads=1:bframes=3"}
"""Options of libx265: quiet, quick and on one thread."""
_BITS = 8
_TICK = Fraction(1, 1000)


def numbered(number: int) -> NDArray[np.uint8]:
    """A picture [HEIGHT, WIDTH, 3] of a number below 256: bars above, grey below, noise in between."""
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    bar = WIDTH // _BITS
    for bit in range(_BITS):
        picture[: HEIGHT // 2, bit * bar : (bit + 1) * bar] = 255 * (number >> bit & 1)
    picture[HEIGHT // 2 :] = number * 3 % 256
    picture[HEIGHT // 2 : HEIGHT * 3 // 4] = np.random.default_rng(number).integers(0, 256, (HEIGHT // 4, WIDTH, 3))
    return picture


def number_in(picture: NDArray[np.uint8]) -> int:
    """The number that an upright picture shows."""
    bar = WIDTH // _BITS
    return sum(int(picture[HEIGHT // 4, bit * bar + bar // 2, 0] > 127) << bit for bit in range(_BITS))


def write_video(
    path: Path,
    frames: int = 60,
    *,
    codec: str = "libx264",
    rate: int = 25,
    times_ms: Sequence[int] | None = None,
    rotation: int = 0,
    sound: bool = False,
    codec_options: Mapping[str, str] | None = None,
    **container: str,
) -> Path:
    """Write a video of numbered pictures.

    times_ms: when each frame is shown, for a variable frame rate; rotation: degrees counter-clockwise by which a player
    turns the pictures; container: options of the container, such as ``movflags``.
    """
    with av.open(str(path), "w", options=dict(container)) as output:
        stream = output.add_stream(codec, rate=rate)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.gop_size = 12
        stream.codec_context.time_base = _TICK if times_ms else Fraction(1, rate)
        stream.codec_context.options = dict(codec_options or {})
        if rotation:
            stream.set_display_rotation(rotation)
        voice = output.add_stream("aac", rate=8000) if sound else None
        output.start_encoding()
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(numbered(number), format="bgr24")
            frame.pts = times_ms[number] if times_ms else number
            frame.time_base = stream.codec_context.time_base
            output.mux(stream.encode(frame))
        output.mux(stream.encode())
        if voice is not None:
            speak(output, voice, frames / rate)
    return path


def write_sound(path: Path, seconds: float = 1.0) -> Path:
    """Write a file of sound alone."""
    with av.open(str(path), "w") as output:
        speak(output, output.add_stream("aac", rate=8000), seconds)
    return path


def cut(path: Path, share: float, name: str | None = None) -> Path:
    """The first part of a file, as a copy that was broken off leaves it."""
    data = path.read_bytes()
    target = path.with_name(name or f"cut_{path.name}")
    target.write_bytes(data[: int(len(data) * share)])
    return target


def damage(path: Path, start: float, end: float) -> Path:
    """An MP4 with its index in front, with zeros from one share of its frames' bytes to another."""
    data = bytearray(path.read_bytes())
    first = data.index(b"mdat") + 4
    low, high = (first + int((len(data) - first) * share) for share in (start, end))
    data[low:high] = bytes(high - low)
    target = path.with_name(f"damaged_{path.name}")
    target.write_bytes(data)
    return target


def with_unknown_codec(path: Path) -> Path:
    """An H.264 MP4 that says it is of a codec that does not exist."""
    target = path.with_name(f"unknown_{path.name}")
    data = path.read_bytes()
    assert data.count(b"avc1") >= 1
    target.write_bytes(data.replace(b"avc1", b"zzz9").replace(b"avcC", b"zzzC"))
    return target


def from_packet(path: Path, first: int, name: str, shift: int = 0, **container: str) -> Path:
    """A copy without encoding that begins at a packet, all times moved down by so many frames of 1/25 s."""
    target = path.with_name(name)
    with av.open(str(path)) as source, av.open(str(target), "w", options=dict(container)) as output:
        stream = source.streams.video[0]
        copied = output.add_stream_from_template(stream)
        assert stream.time_base is not None
        moved = int(shift / 25 / stream.time_base)
        for number, packet in enumerate(source.demux(stream)):
            if packet.dts is not None and packet.pts is not None and number >= first:
                packet.pts, packet.dts = packet.pts - moved, packet.dts - moved
                packet.stream = copied
                output.mux(packet)
    return target


def speak(output: av.container.OutputContainer, stream: av.AudioStream, seconds: float) -> None:
    """Write silence into a stream of sound."""
    samples = np.zeros((1, 1024), np.float32)
    for number in range(int(seconds * 8000 / 1024)):
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 8000, number * 1024, Fraction(1, 8000)
        output.mux(stream.encode(frame))
    output.mux(stream.encode())
