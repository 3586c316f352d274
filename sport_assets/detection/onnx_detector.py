"""An exported detector at work: images in, detections out, on ONNX Runtime. No torch.

Belongs here: opening the file, what it ships, running it in batches. Must not come here: slicing (``slicing``), files of
images and videos (``predict``), writing the model (``export``).

The file's input is ``input``, float32 [batch, 3, R, R]: see ``network_input``. Its outputs are ``dets`` [batch, Q, 4]
and ``labels`` [batch, Q, C + 1], raw: what makes detections of them stays outside of the file (``network_input
.detections``), so that thresholds and the number of detections can be chosen where it is used. Two detections of one
category never come from one query, and the network is trained to answer once for each object: nothing is suppressed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sport_assets.detection.detections import Detections
from sport_assets.detection.network_input import Dropped, detections, network_input
from sport_assets.lineage.digest import canonical_json, sha256_file
from sport_assets.training.exported import METADATA_KEY, ModelError, check_origin, open_session, shipped

LINE = "detection"
INPUT, OUTPUTS = "input", ("dets", "labels")
LAYOUT: Mapping[str, Any] = {
    "version": 1,
    "input": "square, by area where it shrinks, red first, ImageNet's mean and deviation",
    "boxes": "centre and size as shares",
}
"""What this code makes of an image and of the answer; a file of another layout is refused."""


@dataclass(frozen=True)
class Shipped:
    """What a detector's file says of itself. ``thresholds``: least score by category, best F1 on validation images."""

    resolution: int
    categories: Mapping[int, str]
    keep: int
    thresholds: Mapping[int, float]

    def to_metadata(self, parameters: int) -> dict[str, str]:
        """As entries of an ONNX file's metadata."""
        content = {
            "line": LINE,
            "layout": dict(LAYOUT),
            "resolution": self.resolution,
            "categories": {str(number): name for number, name in self.categories.items()},
            "keep": self.keep,
            "thresholds": {str(number): value for number, value in self.thresholds.items()},
            "inputs": [INPUT],
            "outputs": list(OUTPUTS),
            "parameters": parameters,
        }
        return {METADATA_KEY: canonical_json(content)}

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str], name: str) -> Shipped:
        """Raises ModelError for a file of another line or layout."""
        try:
            content = shipped(metadata)
        except json.JSONDecodeError as error:
            raise ModelError(f"{name}: its metadata is damaged ({error}): export it again") from error
        check_origin(content, name, LINE, LAYOUT)
        return cls(
            int(content["resolution"]),
            {int(number): str(label) for number, label in content["categories"].items()},
            int(content["keep"]),
            {int(number): float(value) for number, value in content["thresholds"].items()},
        )


@dataclass
class OnnxDetector:
    """A detector of a file. ``threshold``: least score of what is given back; ``dropped`` counts what was no detection.

    Raises ModelError for a file that is absent, unreadable or no detector of this line.
    """

    path: Path
    threshold: float = 0.0
    dropped: Dropped = field(default_factory=Dropped)

    def __post_init__(self) -> None:
        self._session = open_session(self.path, "detection/exported_model")
        metadata = self._session.get_modelmeta().custom_metadata_map
        self.shipped = Shipped.from_metadata(metadata, self.path.name)

    def identity(self) -> dict[str, Any]:
        """What detections depend on besides the pictures."""
        return {"model": "onnx", "sha256": sha256_file(self.path), "threshold": self.threshold}

    def __call__(self, images: Sequence[NDArray[np.uint8]]) -> list[Detections]:
        """Detections in each image (BGR, uint8 [H, W, 3], of any sizes), all run as one batch."""
        if not images:
            return []
        batch = np.stack([network_input(image, self.shipped.resolution) for image in images])
        boxes, logits = self._session.run(list(OUTPUTS), {INPUT: batch})
        categories = sorted(self.shipped.categories)
        found = []
        for image, its_boxes, its_logits in zip(images, boxes, logits, strict=True):
            height, width = image.shape[:2]
            said = detections(
                its_boxes, its_logits, width, height, categories, keep=self.shipped.keep, dropped=self.dropped
            )
            found.append(said[said.scores >= self.threshold])
        return found
