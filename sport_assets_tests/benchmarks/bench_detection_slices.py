"""CPU-seconds to look at a frame of 3072 x 1728 by windows: per batch of windows, beside the whole frame in one look.

The detector is RF-DETR Nano as it is exported, with random weights: its time does not depend on them, and what it finds
is no matter here. Times are CPU time of all threads, the best of two.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np

from sport_assets.detection.detections import Detections
from sport_assets.detection.onnx_detector import OnnxDetector
from sport_assets.detection.slicing import Image, Slicing, sliced, windows

WIDTH, HEIGHT = 3072, 1728
RESOLUTION = 384
"""Of RF-DETR Nano."""
BATCHES = (1, 4, 8)
REPEATS = 2


class Timed:
    """A detector that notes how long each batch takes."""

    def __init__(self, detector: OnnxDetector) -> None:
        self.detector = detector
        self.seconds: list[float] = []

    def __call__(self, images: list[Image]) -> list[Detections]:
        start = time.process_time()
        found = self.detector(images)
        self.seconds.append(time.process_time() - start)
        return found


def exported(folder: Path) -> Path:
    """An exported detector of random weights."""
    import torch

    from sport_assets.detection.export import write_model
    from sport_assets.detection.models import DetectorModule
    from sport_assets.detection.settings import ModelSettings

    torch.manual_seed(0)
    module = DetectorModule(ModelSettings(size="nano", resolution=RESOLUTION))
    write_model(module, dict.fromkeys(module.categories.values(), 0.5), "", folder / "model.onnx")
    return folder / "model.onnx"


def main() -> None:
    """Print the figures."""
    frame = np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        detector = OnnxDetector(exported(Path(folder)), 0.3)
        whole = min(_seconds(detector, frame, None)[0] for _ in range(REPEATS))
        print(f"whole frame, squashed to {RESOLUTION} x {RESOLUTION}: {whole:.2f} CPU-s")
        for size in (1280, 640):
            looks = len(windows(HEIGHT, WIDTH, Slicing(size))) + 1
            for batch in BATCHES:
                total, seconds = min(_seconds(detector, frame, Slicing(size, batch=batch)) for _ in range(REPEATS))
                full = [one for number, one in enumerate(seconds) if (number + 1) * batch <= looks]
                print(
                    f"windows of {size} px, {looks} looks, {batch} at once: {total:.2f} CPU-s a frame "
                    f"({total / whole:.1f} x the whole frame), {np.mean(full or seconds):.2f} CPU-s a full batch, "
                    f"{total / looks:.3f} a look"
                )


def _seconds(detector: OnnxDetector, frame: Image, slicing: Slicing | None) -> tuple[float, list[float]]:
    """CPU-seconds of a frame, and of each batch of windows."""
    timed, start = Timed(detector), time.process_time()
    if slicing is None:
        timed([frame])
    else:
        sliced(timed, frame, slicing)
    return time.process_time() - start, timed.seconds


if __name__ == "__main__":
    main()
