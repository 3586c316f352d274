"""A detector from its exported ONNX file: from images to boxes in their pixels, on onnxruntime alone. No torch.

Belongs here: preparing images, running the file, reading its outputs. Must not come here: slicing (``slicing``),
writing the file.

What goes in and what comes out is RF-DETR's export (rfdetr 1.11, ``RFDETR.export``): ``input`` float32 [B, 3, R, R];
``dets`` [B, Q, 4], boxes as centre, width and height in shares of the image; ``labels`` [B, Q, C + 1], raw logits of C
categories in ascending order of their ids and, last, of the background, which stays unused under the sigmoid.

What is made of it, as in rfdetr's own ``PostProcess``: a sigmoid of each logit; of all pairs of query and column the
best Q, ties by their order; pairs of the background column dropped; boxes scaled by the image's own width and height
and cut at its edges; boxes without area dropped. There is no suppression of overlapping boxes: a DETR needs none.
"""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sport_assets.detection.detections import Detections
from sport_assets.detection.errors import BadWeightsError
from sport_assets.detection.slicing import Image
from sport_assets.lineage.digest import sha256_file
from sport_assets.training.exported import ModelError, check_origin, open_session, shipped

LINE, ASSET = "detection", "detection/exported_model"
LAYOUT: Mapping[str, Any] = {
    "input": "rgb, square resize, imagenet mean and deviation",
    "dets": "centre x, centre y, width, height as shares",
    "labels": "logits by category id, background last",
}
"""What an exported file must say under ``layout`` to be read here: the convention above."""
MEAN = np.array([0.485, 0.456, 0.406], np.float32)
DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)
"""ImageNet's, for red, green, blue between 0 and 1, as rfdetr has them."""
_OUTPUTS = ("dets", "labels")


class OnnxDetector:
    """A detector that can be called with a list of images. Counts what it dropped in ``counts``.

    ``threshold``: detections at or below this score are left out. ``categories``: names by id, in ascending order the
    columns of the file; only for files that do not say it themselves (plain exports of rfdetr).

    Raises ``BadWeightsError`` for a file that is not there, no ONNX, of another line or layout, or of other inputs and
    outputs, and where categories are missing or too many.
    """

    def __init__(self, path: Path, threshold: float = 0.1, categories: Mapping[int, str] | None = None) -> None:
        self.path, self.threshold = path, threshold
        self.counts: Counter[str] = Counter()
        try:
            self._session = open_session(path, ASSET)
            said = shipped(self._session.get_modelmeta().custom_metadata_map)
            if said:
                check_origin(said, path.name, LINE, LAYOUT)
        except ModelError as error:
            raise BadWeightsError(str(error)) from error
        self.resolution, self._fixed_batch = self._input_shape()
        self.categories = self._categories(said.get("categories"), categories)
        self._ids = np.array(sorted(self.categories), np.int64)
        self._digest: str | None = None

    def identity(self) -> dict[str, Any]:
        """Digest of the file, and what else its detections depend on."""
        if self._digest is None:
            self._digest = sha256_file(self.path)
        return {
            "sha256": self._digest,
            "format": "onnx",
            "resolution": self.resolution,
            "threshold": self.threshold,
            "categories": {str(number): name for number, name in sorted(self.categories.items())},
        }

    def __call__(self, images: list[Image]) -> list[Detections]:
        """Detections of each image, best first, boxes in its pixels. Images may differ in size."""
        if not images:
            return []
        size = self._fixed_batch or len(images)
        found: list[Detections] = []
        for begin in range(0, len(images), size):
            some = images[begin : begin + size]
            batch = np.stack([prepare(image, self.resolution) for image in some])
            if len(some) < size:
                batch = np.concatenate([batch, np.zeros((size - len(some), *batch.shape[1:]), np.float32)])
            boxes, logits = self._session.run(list(_OUTPUTS), {"input": batch})
            found += [
                self._read(boxes[number], logits[number], image.shape[1], image.shape[0])
                for number, image in enumerate(some)
            ]
        return found

    def _read(self, boxes: NDArray[np.float32], logits: NDArray[np.float32], width: int, height: int) -> Detections:
        """Detections from the raw outputs [Q, 4] and [Q, C + 1] of one image."""
        scores = 1 / (1 + np.exp(-logits.astype(np.float64)))
        best = np.argsort(-scores.ravel(), kind="stable")[: len(boxes)]
        best = best[scores.ravel()[best] > self.threshold]
        query, column = best // logits.shape[1], best % logits.shape[1]
        real = column < len(self._ids)
        self.counts["background"] += int((~real).sum())
        query, column, best = query[real], column[real], best[real]
        centre, half = boxes[query, :2], boxes[query, 2:] / 2
        scale = np.array([width, height, width, height], np.float32)
        corners = np.clip(np.concatenate([centre - half, centre + half], axis=1) * scale, 0, scale)
        whole = (corners[:, 2:] > corners[:, :2]).all(axis=1)
        self.counts["degenerate"] += int((~whole).sum())
        return Detections(
            corners[whole].astype(np.float32),
            scores.ravel()[best[whole]].astype(np.float32),
            self._ids[column[whole]],
        )

    def _input_shape(self) -> tuple[int, int | None]:
        """Side of the square input, and the number of images it takes at once where that is fixed."""
        inputs = {each.name: each.shape for each in self._session.get_inputs()}
        outputs = {each.name: each.shape for each in self._session.get_outputs()}
        if set(inputs) != {"input"} or not set(_OUTPUTS) <= set(outputs):
            raise BadWeightsError(
                f"{self.path.name}: inputs {sorted(inputs)} and outputs {sorted(outputs)} are not those of an RF-DETR "
                f"detector (input; dets, labels). Give the model.onnx of {ASSET} or an export of rfdetr."
            )
        shape = inputs["input"]
        if len(shape) != 4 or shape[1] != 3 or shape[2] != shape[3] or not isinstance(shape[2], int):
            raise BadWeightsError(f"{self.path.name}: its input is {shape}, not a batch of square images of fixed size")
        self._columns = outputs["labels"][-1]
        return shape[2], shape[0] if isinstance(shape[0], int) else None

    def _categories(self, said: Mapping[str, str] | None, given: Mapping[int, str] | None) -> dict[int, str]:
        own = None if said is None else {int(number): name for number, name in said.items()}
        if own is not None and given is not None and own != dict(given):
            raise BadWeightsError(f"{self.path.name}: detects {own}, but {dict(given)} were asked for")
        found = own if own is not None else given
        if found is None:
            raise BadWeightsError(
                f"{self.path.name}: does not say what it detects (an export of rfdetr itself?): give its categories, "
                "in the order of its training"
            )
        if isinstance(self._columns, int) and self._columns != len(found) + 1:
            raise BadWeightsError(
                f"{self.path.name}: detects {self._columns - 1} categories, but {len(found)} are named "
                f"({', '.join(found.values())}): it was trained for others"
            )
        return dict(found)


def prepare(image: Image, resolution: int) -> NDArray[np.float32]:
    """An image as the network takes it: float32 [3, R, R].

    Red, green, blue; squeezed to a square by bilinear interpolation without antialiasing (as in rfdetr's ``predict``,
    and before rounding, so that both agree to 2e-4); normalised.
    """
    square = cv2.resize(image.astype(np.float32), (resolution, resolution), interpolation=cv2.INTER_LINEAR)
    return np.ascontiguousarray(((square[:, :, ::-1] / 255 - MEAN) / DEVIATION).transpose(2, 0, 1), np.float32)
