"""The detector as one object in a program of one's own: ``LocalDetector(model_path, confidence_threshold)``.

Belongs here: the Python interface that the specification local_detector names. Must not come here: the work
(``onnx_detector``, ``slicing``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sport_assets.detection.detections import Detections
from sport_assets.detection.onnx_detector import OnnxDetector
from sport_assets.detection.slicing import Slicing, sliced_images
from sport_assets.training.exported import ModelError


class LocalDetector:
    """An exported detector on this machine; needs no torch.

    ``model_path``: model.onnx of ``detection/exported_model``, or the folder that holds it. ``confidence_threshold``:
    least score of a detection. ``slicing``: look at overlapping windows of large images. ``categories``: names by id,
    for a file that rfdetr itself exported. ``device``: cpu, cuda, cuda:N, or auto; ``threads`` of the processor.
    Raises ModelError for a file that is none and a device that is not there, ValueError for a threshold that is no
    share.

    ::

        detector = LocalDetector("model.onnx", confidence_threshold=0.5)
        for box, score, name in detector.named(frame):
            ...
    """

    def __init__(
        self,
        model_path: str | Path,
        confidence_threshold: float = 0.5,
        *,
        slicing: Slicing | None = None,
        categories: Mapping[int, str] | None = None,
        device: str = "cpu",
        threads: int = 1,
    ) -> None:
        if not 0 <= confidence_threshold <= 1:
            raise ValueError(f"confidence_threshold is {confidence_threshold}: give a score from 0 to 1")
        path = Path(model_path)
        path = path / "model.onnx" if path.is_dir() else path
        if path.suffix in (".pth", ".pt", ".ckpt", ".safetensors"):
            raise ModelError(
                f"{path.name} holds weights alone: export it (detection/exported_model) and give model.onnx"
            )
        self._detector = OnnxDetector(path, confidence_threshold, categories, device=device, threads=threads)
        self._slicing = slicing
        self.categories = dict(self._detector.categories)

    def detect(self, image: NDArray[np.uint8]) -> Detections:
        """Detections in one image (BGR, uint8 [H, W, 3])."""
        return self.detect_batch([image])[0]

    def detect_batch(self, images: Sequence[NDArray[np.uint8]]) -> list[Detections]:
        """Detections in each image, all in one batch (or batches of windows)."""
        if self._slicing is None:
            return self._detector(images)
        return [found.merged for found in sliced_images(self._detector, images, self._slicing)]

    def named(self, image: NDArray[np.uint8]) -> list[tuple[tuple[float, float, float, float], float, str]]:
        """Detections as (left, top, right, bottom), score and name, best score first."""
        found = self.detect(image)
        return [
            ((left, top, right, bottom), float(score), self.categories[int(category)])
            for (left, top, right, bottom), score, category in zip(
                found.boxes.tolist(), found.scores, found.categories, strict=True
            )
        ]
