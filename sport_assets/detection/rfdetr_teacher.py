"""The teacher that is a trained detector: an RF-DETR by its exported file, its checkpoint or its published folder.

Belongs here: opening weights of each kind as a detector, and looking at the kept frames by windows. Must not come
here: the exported file itself (``onnx_detector``), slicing (``slicing``). rfdetr and torch are imported only for
weights that need them.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sport_assets.detection.categories import CATEGORIES, category_of
from sport_assets.detection.detections import Detections
from sport_assets.detection.errors import BadInputError, BadWeightsError
from sport_assets.detection.onnx_detector import OnnxDetector
from sport_assets.detection.pictures import read_picture
from sport_assets.detection.slicing import Image, Slicing, disagreement, sliced_images
from sport_assets.detection.teachers import KeptFrames, Taught
from sport_assets.lineage.digest import sha256_file
from sport_assets.lineage.models import MODEL_FILE

_BACKGROUND = "__background__"
_CHECKPOINTS = (".pth", ".ckpt", ".pt")


class RfdetrTeacher:
    """Labels frames with an RF-DETR.

    ``weights``: an ONNX file, a checkpoint of rfdetr (.pth, .ckpt) or a published folder. Classes are taken by their
    names: whatever is no player and no ball is dropped and counted. ``device`` and ``compiled`` (by torch.compile) are
    for checkpoints alone. Raises ``BadWeightsError`` for weights that cannot be used, or not in this way.
    """

    def __init__(
        self,
        weights: Path,
        *,
        threshold: float = 0.1,
        slicing: Slicing | None = None,
        device: str = "cpu",
        compiled: bool = False,
    ) -> None:
        self.slicing = slicing or Slicing()
        self._detector: TorchDetector | _OurClasses
        opened = open_detector(weights, threshold=threshold, device=device)
        if isinstance(opened, OnnxDetector):
            if compiled or device != "cpu":
                what = "compile" if compiled else f"teacher_device={device}"
                raise BadWeightsError(
                    f"{weights.name}: {what} is for checkpoints of rfdetr (.pth); an ONNX file runs as it is, on the "
                    "processor"
                )
            self._detector = _OurClasses(opened)
        else:
            self._detector = opened
            if compiled:
                opened.compile(self.slicing.batch)

    def identity(self) -> dict[str, Any]:
        """The digest of the weights, and how frames were looked at."""
        how = self.slicing
        return {
            "name": "rfdetr",
            **self._detector.identity(),
            # the batch decides nothing
            "slicing": {
                "size": how.size,
                "overlap": how.overlap,
                "whole_image": how.whole_image,
                "merge": how.merge,
                "metric": how.metric,
                "threshold": how.threshold,
            },
        }

    @property
    def counts(self) -> dict[str, int]:
        """What was dropped so far: the background class, boxes without area, classes that are not ours."""
        return {name: self._detector.counts[name] for name in ("background", "degenerate", "other_class")}

    @property
    def facts(self) -> dict[str, Any]:
        """Nothing is noticed about the video."""
        return {}

    def detect(self, kept: KeptFrames) -> Iterator[Taught]:
        """What it finds in each kept frame, in order; windows of several frames share a batch.

        Raises ``BadInputError`` for a picture that cannot be read.
        """
        for found in sliced_images(self._detector, map(_read, kept.pictures), self.slicing):
            yield Taught(found.merged, disagreement(found))


def open_detector(
    weights: Path, *, threshold: float = 0.1, device: str = "cpu", categories: Mapping[int, str] | None = None
) -> "OnnxDetector | TorchDetector":
    """A detector of weights of any kind. ``categories``: only for plain ONNX exports of rfdetr, which do not say them.

    Raises ``BadWeightsError``, which names the file and what is wrong with it.
    """
    if weights.suffix.lower() == ".onnx":
        return OnnxDetector(weights, threshold, categories)
    if weights.is_dir():
        if (weights / MODEL_FILE).is_file():
            return OnnxDetector(weights / MODEL_FILE, threshold, categories)
        raise BadWeightsError(f"{weights}: a folder without {MODEL_FILE}. Give that of detection/exported_model.")
    if not weights.is_file():
        raise BadWeightsError(f"{weights}: there is no such file. Give the weights of a detector.")
    if weights.suffix.lower() in _CHECKPOINTS:
        return TorchDetector.of_checkpoint(weights, threshold, device)
    raise BadWeightsError(
        f"{weights}: neither .onnx nor a checkpoint ({', '.join(_CHECKPOINTS)}) nor a published folder"
    )


class _OurClasses:
    """An exported detector whose classes are taken by their names: one that keeps roles apart has more than ours."""

    def __init__(self, detector: OnnxDetector) -> None:
        self.identity, self.counts = detector.identity, detector.counts
        self._detector = detector
        by_name = _by_name(detector.categories.values())
        self._ours = {number: by_name.get(name, 0) for number, name in detector.categories.items()}

    def __call__(self, images: list[Image]) -> list[Detections]:
        """Detections of each image, best first, of our classes alone."""
        return [self._read(found) for found in self._detector(images)]

    def _read(self, found: Detections) -> Detections:
        ids = np.array([self._ours[number] for number in found.categories.tolist()], np.int64)
        self.counts["other_class"] += int((ids == 0).sum())
        return _once_each(Detections(found.boxes, found.scores, ids)[ids > 0])


def _by_name(names: Iterable[str]) -> dict[str, int]:
    """Our category of each class of a detector that has one. Raises ``BadWeightsError`` where none has."""
    told = list(names)
    found = {name: number for name in told if (number := category_of(name)) is not None}
    if not found:
        raise BadWeightsError(
            f"these weights detect {', '.join(told[:8])}: neither players nor a ball among them. "
            "Give a detector that was trained on this line's labels."
        )
    return found


def _once_each(found: Detections) -> Detections:
    """Without the later of two equal boxes of a category: a query that may be player or goalkeeper is one player."""
    if not len(found):
        return found
    rows = np.column_stack([found.boxes, found.categories])
    return found[np.sort(np.unique(rows, axis=0, return_index=True)[1])]


class TorchDetector:
    """An rfdetr model that can be called with a list of images, as ``OnnxDetector`` can. Make it by ``of_…``."""

    def __init__(self, model: Any, names: Sequence[str], digest: str, kind: str, threshold: float) -> None:
        self.threshold = threshold
        self.counts: Counter[str] = Counter()
        self._model, self._digest, self._kind = model, digest, kind
        self._compiled_batch: int | None = None
        self._ours = _by_name(names)

    @classmethod
    def of_checkpoint(cls, path: Path, threshold: float, device: str) -> "TorchDetector":
        """From a file that rfdetr's training wrote. Only tensors and plain values are unpickled."""
        import rfdetr

        from sport_assets.detection.pretrained import check_readable

        check_readable(path)
        try:
            model = rfdetr.from_checkpoint(str(path), device=device)
        except Exception as error:
            said = (str(error).splitlines() or [type(error).__name__])[0][:300]
            raise BadWeightsError(
                f"{path.name}: no checkpoint of rfdetr that can be read: {said}. Give checkpoint_best_total.pth of a "
                "training, or an exported model.onnx."
            ) from error
        return cls(model, list(model.class_names), sha256_file(path), "rfdetr checkpoint", threshold)

    def compile(self, batch: int) -> None:
        """Compile the network by torch.compile for this many images at once; takes about a minute."""
        self._model.inference(compile=True, batch_size=batch, compile_backend="inductor")
        self._compiled_batch = batch

    def identity(self) -> dict[str, Any]:
        """Digest of the weights, and what else detections depend on."""
        return {
            "sha256": self._digest,
            "format": self._kind,
            "resolution": int(self._model.model.resolution),
            "threshold": self.threshold,
            "categories": {str(number): name for number, name in CATEGORIES.items() if number in self._ours.values()},
        }

    def __call__(self, images: list[Image]) -> list[Detections]:
        """Detections of each image, best first, boxes in its pixels."""
        size = self._compiled_batch or max(len(images), 1)
        found: list[Detections] = []
        for begin in range(0, len(images), size):
            turned = [np.ascontiguousarray(image[:, :, ::-1]) for image in images[begin : begin + size]]
            count = len(turned)
            if self._compiled_batch is not None:  # it takes no other number of images
                turned += [np.zeros_like(turned[0])] * (size - count)
            said = self._model.predict(turned, threshold=self.threshold, include_source_image=False)
            said = said if isinstance(said, list) else [said]
            found += [self._read(each) for each in said[:count]]
        return found

    def _read(self, found: Any) -> Detections:
        boxes = np.asarray(found.xyxy, np.float32).reshape(-1, 4)
        # by name: COCO's own weights number their classes with gaps, trained ones without
        names = [str(name) for name in found.data.get("class_name", [])]
        ids = np.array([self._ours.get(name, 0) for name in names], np.int64)
        background = np.array([name == _BACKGROUND for name in names], bool)
        whole = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
        self.counts["background"] += int(background.sum())
        self.counts["other_class"] += int((~background & (ids == 0)).sum())
        self.counts["degenerate"] += int((~whole & (ids > 0)).sum())
        kept = whole & (ids > 0)
        scores = np.asarray(found.confidence, np.float32)[kept]
        return _once_each(Detections(boxes[kept], scores, ids[kept])[np.argsort(-scores, kind="stable")])


def _read(path: Path) -> Image:
    image = read_picture(path)
    if image is None:
        raise BadInputError(f"{path}: the picture cannot be read. Make the frames again.")
    return image
