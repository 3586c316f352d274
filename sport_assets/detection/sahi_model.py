"""Our detectors as models of sahi, so that its own ``get_sliced_prediction`` can be used with them.

Belongs here: the adapter. Must not come here: slicing of our own (``slicing``). sahi's models import torch, so nothing
that prediction needs may import this module.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sahi.models.base import DetectionModel
from sahi.prediction import ObjectPrediction
from sahi.utils.compatibility import fix_full_shape_list, fix_shift_amount_list

from sport_assets.detection.categories import CATEGORIES
from sport_assets.detection.detections import Detections
from sport_assets.detection.slicing import Detector, Image


class SahiModel(DetectionModel):
    """A detector of ours behind sahi's interface. Windows of one call to sahi go through it in sahi's batches."""

    def load_model(self) -> None:
        """There is nothing to load: the detector is given."""
        raise ValueError("give a detector: sahi_model(detector)")

    def set_model(self, model: Detector, **_: Any) -> None:
        """Take the detector."""
        self.model = model

    def perform_inference(self, image: NDArray[np.uint8]) -> None:
        """Detect in one image [height, width, 3] in RGB, as sahi hands them on."""
        self.perform_batch_inference([image])

    def perform_batch_inference(self, images: list[NDArray[np.uint8]]) -> None:
        """Detect in several images in RGB at once."""
        turned: list[Image] = [np.ascontiguousarray(image[:, :, ::-1]) for image in images]
        self._original_predictions = self.model(turned)

    def _create_object_prediction_list_from_original_predictions(
        self,
        shift_amount_list: list[list[int | float]] | None = None,
        full_shape_list: list[list[int | float]] | None = None,
    ) -> None:
        found: list[Detections] = self._original_predictions
        shifts = fix_shift_amount_list(shift_amount_list if shift_amount_list is not None else [[0, 0]])
        shapes: Sequence[list[int | float] | None] = fix_full_shape_list(full_shape_list) or [None] * len(found)
        self._object_prediction_list_per_image = [
            self._of_one_image(detections, shift, shape)
            for detections, shift, shape in zip(found, shifts, shapes, strict=True)
        ]

    def _of_one_image(self, detections: Detections, shift: Any, shape: Any) -> list[ObjectPrediction]:
        names = self.category_mapping or {}
        kept = (detections.scores >= self.confidence_threshold) & (
            detections.boxes[:, 2:] > detections.boxes[:, :2]
        ).all(axis=1)
        return [
            ObjectPrediction(
                bbox=[float(value) for value in box],
                category_id=int(category),
                category_name=names.get(str(category), str(category)),
                score=float(score),
                shift_amount=shift,
                full_shape=shape,
            )
            for box, score, category in zip(
                detections.boxes[kept], detections.scores[kept], detections.categories[kept], strict=True
            )
        ]


def sahi_model(detector: Detector, *, threshold: float = 0.1, categories: Mapping[int, str] = CATEGORIES) -> SahiModel:
    """A detector as sahi wants it, for ``sahi.predict.get_sliced_prediction``. ``threshold``: least score."""
    return SahiModel(
        model=detector,
        device="cpu",
        confidence_threshold=threshold,
        category_mapping={str(number): name for number, name in categories.items()},
    )
