"""Frames out of a video: source frames per CPU-second for every 30th frame, and what stands beside it.

The video is generated: H.264, 1920x1080, players that move before a still ground. Where SPORT_ASSETS_REAL_DATA is set,
the real clip (HEVC, 3072x1728) is measured, too. Times are CPU time on one thread, the best of some rounds, each
variant in turn in the same process, so that ratios hold on a busy machine. Every variant ends with the same pictures.
"""

import os
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from av.video.stream import VideoStream

from sport_assets.detection.frame_choice import FrameSettings
from sport_assets.detection.frames import Picture, decode, extract_frames
from sport_assets.detection.video_probe import scan

FRAMES = 600
EVERY = 30
ROUNDS = 3
GOAL_FRAMES_PER_CPU_S = 400


def main() -> None:
    """Print the figures."""
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        video = Path(folder) / "match.mp4"
        _write(video)
        _compare(f"generated H.264, 1920x1080 (goal {GOAL_FRAMES_PER_CPU_S})", video, ROUNDS)
    named = os.environ.get("SPORT_ASSETS_REAL_DATA")
    if named:
        clip = Path(named) / "video" / "clips" / "soccertrack_left_3072x1728_25fps_hevc.mp4"
        _compare("real HEVC, 3072x1728 (data: SoccerTrack)", clip, 1)
    else:
        print("SPORT_ASSETS_REAL_DATA is not set: the real clip is left out")


def _compare(title: str, video: Path, rounds: int) -> None:
    facts = scan(video).facts
    print(f"{title}: {facts.frames} frames, every {EVERY}th, one thread")
    variants: dict[str, Callable[[], list[Picture]]] = {
        "decode (ours: scan, then only what is needed)": lambda: _ours(video),
        "OpenCV grab and retrieve": lambda: _grabbed(video),
        "OpenCV full decode": lambda: _read(video),
        "OpenCV seeking": lambda: _sought(video),
    }
    best = dict.fromkeys(variants, float("inf"))
    pictures: dict[str, list[Picture]] = {}
    for _ in range(rounds):
        for name, variant in variants.items():
            start = time.process_time()
            pictures[name] = variant()
            best[name] = min(best[name], time.process_time() - start)
    full = best["OpenCV full decode"]
    for name, seconds in best.items():
        same = all(map(np.array_equal, pictures[name], pictures["OpenCV full decode"]))
        print(
            f"    {name}: {facts.frames / seconds:,.0f} source frames per CPU-second, "
            f"{full / seconds:.2f} times a full decode{'' if same else '; OTHER PICTURES than a full decode'}"
        )
    start = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        settings = FrameSettings(mode="every", every=EVERY)
        extract_frames(video, "match", None, Path(folder), settings, threads=1)
    print(f"    with pictures written as JPEG: {facts.frames / (time.process_time() - start):,.0f}")
    start = time.process_time()
    scan(video)
    print(
        f"    the scan alone (facts, times, whether it is whole): {facts.frames / (time.process_time() - start):,.0f}"
    )


def _ours(video: Path) -> list[Picture]:
    scanned = scan(video)
    return [picture for _, picture in decode(video, scanned, range(0, scanned.facts.frames, EVERY), threads=1)]


def _open(video: Path) -> cv2.VideoCapture:
    return cv2.VideoCapture(str(video), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])


def _grabbed(video: Path) -> list[Picture]:
    capture, number = _open(video), 0
    found: list[Picture] = []
    while capture.grab():
        if number % EVERY == 0:
            found.append(np.asarray(capture.retrieve()[1], np.uint8))
        number += 1
    return found


def _read(video: Path) -> list[Picture]:
    capture, number = _open(video), 0
    found: list[Picture] = []
    while True:
        there, picture = capture.read()
        if not there:
            return found
        if number % EVERY == 0:
            found.append(np.asarray(picture, np.uint8))
        number += 1


def _sought(video: Path) -> list[Picture]:
    capture = _open(video)
    found = []
    for number in range(0, int(capture.get(cv2.CAP_PROP_FRAME_COUNT)), EVERY):
        capture.set(cv2.CAP_PROP_POS_FRAMES, number)
        found.append(np.asarray(capture.read()[1], np.uint8))
    return found


def _write(path: Path) -> None:
    generator = np.random.default_rng(0)
    ground = np.kron(generator.integers(60, 120, (108, 192, 3), np.uint8), np.ones((10, 10, 1), np.uint8))
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=25)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = 1920, 1080, "yuv420p"
        stream.codec_context.options = {"crf": "23", "preset": "fast"}
        for number in range(FRAMES):
            picture = ground.copy()
            for player in range(22):
                left = int(100 + 80 * player + 40 * np.sin(number / 10 + player)) % 1880
                top = int(200 + 30 * player + 20 * np.cos(number / 12 + player)) % 1000
                picture[top : top + 60, left : left + 25] = (200, 30 * (player % 8), 40)
            frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            output.mux(stream.encode(frame))
        output.mux(stream.encode())


if __name__ == "__main__":
    main()
