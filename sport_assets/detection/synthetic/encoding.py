"""Frames as a video file whose bytes follow from the frames alone.

Belongs here: encoding. Must not come here: decoding, what is in the frames.
"""

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

_OPTIONS = {"crf": "18", "preset": "veryfast", "threads": "1", "x264-params": "mbtree=0"}
"""Good quality. One thread, since the bytes depend on how many there are. Without x264's macroblock tree: with it the
same frames gave other bytes from call to call, as what its fast code reads depends on what was in memory before."""


def write_video(path: Path, frames: Iterable[NDArray[np.uint8]], frame_rate: float) -> int:
    """Write frames [H, W, 3] uint8 (blue, green, red; even sizes) as H.264 of a constant rate; gives their number.

    Raises ValueError for odd sizes, which yuv420p does not have, and where there is no frame.
    """
    rate = Fraction(frame_rate).limit_denominator(1001)
    count = 0
    with av.open(str(path), "w", format="mp4", options={"fflags": "+bitexact", "movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=rate, options=_OPTIONS)
        stream.codec_context.thread_count = 1
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            height, width = frame.shape[:2]
            if width % 2 or height % 2:
                raise ValueError(f"a video of {width}x{height} cannot be written: width and height must be even")
            if not count:
                stream.width, stream.height = width, height
                stream.codec_context.time_base = 1 / rate
            picture = av.VideoFrame.from_ndarray(frame, format="bgr24")
            picture.pts, picture.time_base = count, 1 / rate
            for packet in stream.encode(picture):
                container.mux(packet)
            count += 1
        if not count:
            raise ValueError(f"{path.name}: a video without frames cannot be written")
        for packet in stream.encode():
            container.mux(packet)
    return count


def write_sound(path: Path, seconds: float) -> None:
    """Write a file that holds a tone and no picture."""
    rate, block = 48_000, 1024
    with av.open(str(path), "w", format="mp4", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("aac", rate=rate, layout="mono")
        stream.codec_context.thread_count = 1
        for start in range(0, int(seconds * rate), block):
            wave = 0.2 * np.sin(2 * np.pi * 440 * (np.arange(block) + start) / rate)
            frame = av.AudioFrame.from_ndarray(wave.astype(np.float32)[None], format="fltp", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
            for packet in stream.encode(frame):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
