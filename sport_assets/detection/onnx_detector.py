"""An exported detector at work: images in, detections out, on ONNX Runtime alone. No torch.

Belongs here: opening the file, what it says of itself, running it in batches. Must not come here: slicing
(``slicing``), files of images and videos (``predict``), writing the model (``export``).

What goes in and what comes out is RF-DETR's export (rfdetr 1.11, ``RFDETR.export``): ``input`` float32 [B, 3, R, R],
see ``network_input``; ``dets`` [B, Q, 4], boxes as centre, width and height in shares of the image; ``labels``
[B, Q, C + 1], raw log odds of C categories in ascending order of their ids and, last, of the background. What makes
detections of them stays outside of the file (``network_input.detections``), so that thresholds and the number of
detections can be chosen where it is used. Overlapping boxes are not suppressed: a DETR answers once for each object.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sport_assets.detection.detections import Detections
from sport_assets.detection.errors import BadWeightsError
from sport_assets.detection.network_input import detections, network_input, rfdetr_input
from sport_assets.lineage.digest import canonical_json, sha256_file
from sport_assets.training.exported import METADATA_KEY, ModelError, check_origin, device_of, open_session, shipped

LINE, ASSET = "detection", "detection/exported_model"
INPUT, OUTPUTS = "input", ("dets", "labels")
LAYOUT: Mapping[str, Any] = {
    "version": 1,
    "input": "square, by area where it shrinks below half, red first, ImageNet's mean and deviation",
    "dets": "centre and size as shares",
    "labels": "log odds by category id, background last",
}
"""What this code makes of an image and of the answer; a file of another layout is refused."""

Image = NDArray[np.uint8]


@dataclass(frozen=True)
class Shipped:
    """What a file of ours says of itself. ``thresholds``: least score by category, best F1 on validation images."""

    categories: Mapping[int, str]
    keep: int
    thresholds: Mapping[int, float]

    def to_metadata(self, parameters: int, weights_sha256: str) -> dict[str, str]:
        """As entries of an ONNX file's metadata; with the digest of the checkpoint's weights."""
        content = {
            "line": LINE,
            "layout": dict(LAYOUT),
            "categories": {str(number): name for number, name in self.categories.items()},
            "keep": self.keep,
            "thresholds": {str(number): value for number, value in self.thresholds.items()},
            "inputs": [INPUT],
            "outputs": list(OUTPUTS),
            "parameters": parameters,
            "weights_sha256": weights_sha256,
        }
        return {METADATA_KEY: canonical_json(content)}

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str], name: str) -> Shipped | None:
        """None for a file that says nothing, as rfdetr's own exports. Raises ModelError for one of another line."""
        try:
            content = shipped(metadata)
        except json.JSONDecodeError as error:
            raise ModelError(f"{name}: its metadata is damaged ({error}): export it again") from error
        if not content:
            return None
        check_origin(content, name, LINE, LAYOUT)
        return cls(
            {int(number): str(label) for number, label in content["categories"].items()},
            int(content["keep"]),
            {int(number): float(value) for number, value in content["thresholds"].items()},
        )


class OnnxDetector:
    """A detector that can be called with a list of images. Counts what it dropped in ``counts``.

    ``threshold``: detections below this score are left out. ``categories``: names by id, in ascending order the columns
    of the file; only for files that do not say it themselves (plain exports of rfdetr). ``device``, ``threads``: as for
    ``open_session``. Its attribute ``thresholds`` says from which score on a detection is believed, by category, and
    ``device`` where it runs.

    Raises ModelError for a file that is not there, no ONNX, or of another line or layout, and for a device that is not
    there; ``BadWeightsError`` for other inputs and outputs, and where categories are missing or too many.
    """

    def __init__(
        self,
        path: Path,
        threshold: float = 0.1,
        categories: Mapping[int, str] | None = None,
        *,
        device: str = "cpu",
        threads: int = 1,
    ) -> None:
        self.path, self.threshold = path, threshold
        self.counts: Counter[str] = Counter()
        self._session = open_session(path, ASSET, device=device, threads=threads)
        self.device = device_of(self._session)
        said = Shipped.from_metadata(self._session.get_modelmeta().custom_metadata_map, path.name)
        self.resolution, self._fixed_batch = self._input_shape()
        self.categories = self._categories(None if said is None else said.categories, categories)
        self.thresholds = dict(said.thresholds) if said is not None else dict.fromkeys(self.categories, 0.5)
        self.keep = said.keep if said is not None else None
        # a file that says nothing is rfdetr's own
        self._prepare = network_input if said is not None else rfdetr_input
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

    def __call__(self, images: Sequence[Image]) -> list[Detections]:
        """Detections of each image, best first, boxes in its pixels. Images may differ in size."""
        found: list[Detections] = []
        size = self._fixed_batch or max(len(images), 1)
        for begin in range(0, len(images), size):
            some = images[begin : begin + size]
            batch = np.stack([self._prepare(image, self.resolution) for image in some])
            if self._fixed_batch is not None and len(some) < size:
                batch = np.concatenate([batch, np.zeros((size - len(some), *batch.shape[1:]), np.float32)])
            boxes, logits = self._session.run(list(OUTPUTS), {INPUT: batch})
            for number, image in enumerate(some):
                said = detections(
                    boxes[number],
                    logits[number],
                    image.shape[1],
                    image.shape[0],
                    sorted(self.categories),
                    keep=self.keep or len(boxes[number]),
                    dropped=self.counts,
                )
                found.append(said[said.scores >= self.threshold])
        return found

    def _input_shape(self) -> tuple[int, int | None]:
        """Side of the square input, and the number of images it takes at once where that is fixed."""
        inputs = {each.name: each.shape for each in self._session.get_inputs()}
        outputs = {each.name: each.shape for each in self._session.get_outputs()}
        if set(inputs) != {INPUT} or not set(OUTPUTS) <= set(outputs):
            raise BadWeightsError(
                f"{self.path.name}: inputs {sorted(inputs)} and outputs {sorted(outputs)} are not those of an RF-DETR "
                f"detector (input; dets, labels). Give the model.onnx of {ASSET} or an export of rfdetr."
            )
        shape = inputs[INPUT]
        if len(shape) != 4 or shape[1] != 3 or shape[2] != shape[3] or not isinstance(shape[2], int):
            raise BadWeightsError(f"{self.path.name}: its input is {shape}, not a batch of square images of fixed size")
        self._columns = outputs["labels"][-1]
        return shape[2], shape[0] if isinstance(shape[0], int) else None

    def _categories(self, own: Mapping[int, str] | None, given: Mapping[int, str] | None) -> dict[int, str]:
        if own is not None and given is not None and dict(own) != dict(given):
            raise BadWeightsError(f"{self.path.name}: detects {own}, but {dict(given)} were asked for")
        found = own if own is not None else given
        if found is None:
            raise BadWeightsError(
                f"{self.path.name}: does not say what it detects (an export of rfdetr itself?): give its categories "
                "in the order of its training (predict detection --categories 1=player,2=ball). As a teacher give its "
                "checkpoint (.pth), which says them"
            )
        if isinstance(self._columns, int) and self._columns != len(found) + 1:
            raise BadWeightsError(
                f"{self.path.name}: detects {self._columns - 1} categories, but {len(found)} are named "
                f"({', '.join(found.values())}): it was trained for others"
            )
        return dict(found)
