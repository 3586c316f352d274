"""A side of a COCO data set as what a network learns from: images with boxes, batches of network inputs and targets.

Belongs here: reading images, weights of images, making batches. Must not come here: torch, augmentation itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sport_assets.detection.augmentation.geometry import square_sizes, to_network
from sport_assets.detection.augmentation.pipeline import Augmentation
from sport_assets.detection.augmentation.sample import MIN_SIDE_PX, Sample
from sport_assets.detection.augmentation.settings import AugmentationSettings
from sport_assets.detection.categories import BALL
from sport_assets.detection.coco import Labels, read_coco
from sport_assets.detection.errors import BadLabelsError
from sport_assets.detection.network_input import label_of, network_input
from sport_assets.detection.pictures import Size, other_size, read_picture
from sport_assets.detection.scored_boxes import corners
from sport_assets.detection.settings import DataSettings

ANNOTATIONS = "_annotations.coco.json"
Batch = dict[str, NDArray[np.generic]]
D = TypeVar("D")
T = TypeVar("T")


class Side:
    """The images of one side (``train``, ``valid``, ``test``) of a COCO data set, by number."""

    def __init__(self, folder: Path, side: str) -> None:
        self.folder = folder / side
        self.labels: Labels = read_coco(self.folder / ANNOTATIONS)
        self._files: list[str] = self.labels.images["file_name"].to_list()
        self._sizes: list[Size] = list(self.labels.images.select("width", "height").iter_rows())
        ids = self.labels.images["image"].to_list()
        # a crowd is no object to learn
        boxes = self.labels.boxes.filter(~pl.col("crowd")).sort("image", "box")
        rectangles = corners(boxes)
        owners, categories = boxes["image"].to_numpy(), boxes["category"].to_numpy()
        first = np.searchsorted(owners, ids, "left")
        last = np.searchsorted(owners, ids, "right")
        self._boxes = [rectangles[a:b] for a, b in zip(first, last, strict=True)]
        self._categories = [categories[a:b] for a, b in zip(first, last, strict=True)]

    def __len__(self) -> int:
        return len(self._files)

    def image(self, number: int) -> NDArray[np.uint8]:
        """The pixels as they are stored, BGR: boxes do not know how a viewer would turn them.

        Raises BadLabelsError where the file cannot be read, or has another size than its labels say.
        """
        path = self.folder / self._files[number]
        image = read_picture(path)
        if image is None:
            raise BadLabelsError(f"{path}: not there, or no image; make detection/coco_dataset again")
        stored = (image.shape[1], image.shape[0])
        if stored != self._sizes[number]:
            what = other_size(self._sizes[number], stored, None)
            raise BadLabelsError(f"{path}: its labels say {what}. Make detection/coco_dataset again.")
        return image

    def sample(self, number: int) -> Sample:
        """Image and boxes."""
        return Sample(self.image(number), self._boxes[number], self._categories[number])

    def videos(self) -> list[str]:
        """The videos that the images are of, each once."""
        return self.labels.images["video"].drop_nulls().unique().sort().to_list()

    def has_ball(self) -> NDArray[np.bool_]:
        """Of each image."""
        return np.array([bool((categories == BALL).any()) for categories in self._categories])

    def balls_seen(self, resolution: int) -> int:
        """Balls that are at least a pixel wide and high when the images are squashed to that side."""
        sizes = self.labels.images.select("image", image_width="width", image_height="height")
        balls = self.labels.boxes.filter((pl.col("category") == BALL) & ~pl.col("crowd")).join(sizes, on="image")
        across = pl.col("width") * resolution / pl.col("image_width")
        down = pl.col("height") * resolution / pl.col("image_height")
        return len(balls.filter((across >= MIN_SIDE_PX) & (down >= MIN_SIDE_PX)))

    def weights(self, ball_weight: float) -> NDArray[np.float64]:
        """How often each image is drawn, relative to the others: ``ball_weight`` with a ball, 1 without."""
        return np.where(self.has_ball(), ball_weight, 1.0)


class TrainingImages:
    """Training samples of a side: augmented anew each time, by (seed, epoch, number, occurrence in it) alone."""

    def __init__(
        self,
        side: Side,
        resolution: int,
        data: DataSettings,
        augmentation: AugmentationSettings,
        seed: int,
        epoch: int = 0,
        *,
        varied: Augmentation | None = None,
    ) -> None:
        self._side, self._resolution, self._data = side, resolution, data
        self._settings, self._seed, self._epoch = augmentation, seed, epoch
        self._augmentation = varied or Augmentation(
            augmentation, side.sample, len(side), with_ball=np.flatnonzero(side.has_ball()).tolist()
        )
        self._sizes = square_sizes(resolution, augmentation.resize_range)
        self._labels = label_of(side.labels.categories)

    def __len__(self) -> int:
        return len(self._side)

    def in_epoch(self, epoch: int) -> TrainingImages:
        """The samples as they are in one epoch."""
        return TrainingImages(
            self._side, self._resolution, self._data, self._settings, self._seed, epoch, varied=self._augmentation
        )

    def batch(self, indices: NDArray[np.int64], occurrences: NDArray[np.int64] | None = None) -> Batch:
        """Network inputs and targets of the samples, all of one size, which varies from batch to batch.

        ``occurrences``: how often the epoch saw each sample before; by default it is the first time of all.
        ``augmented_balls`` float32 [B, 2]: balls that augmentation and resizing lost in each image, and those added.
        """
        size = self._sizes[0]
        if len(self._sizes) > 1:
            draw = np.random.default_rng([self._seed, self._epoch, *map(int, indices)])
            size = int(draw.choice(self._sizes))

        def one(draw: tuple[int, int]) -> tuple[Sample, NDArray[np.float32]]:
            number, occurrence = draw
            varied, counts = self._augmentation(number, self._epoch, self._seed, occurrence)
            lost, added = (
                sum(getattr(tally, what) for tally in counts.values()) for what in ("balls_lost", "balls_added")
            )
            seen = to_network(varied, size)
            lost += len(varied.balls) - len(seen.balls)  # under a pixel
            return seen, np.array([lost, added], np.float32)

        before = np.zeros_like(indices) if occurrences is None else occurrences
        made = _threads(self._data.workers, one, list(zip(indices.tolist(), before.tolist(), strict=True)))
        batch = collate([sample for sample, _ in made], size, self._labels)
        return {**batch, "augmented_balls": np.stack([balls for _, balls in made])}


class ValidationImages:
    """The images of a side as they are, with their numbers in the side."""

    def __init__(self, side: Side, resolution: int, data: DataSettings) -> None:
        self._side, self._resolution, self._data = side, resolution, data
        self._labels = label_of(side.labels.categories)

    def __len__(self) -> int:
        return len(self._side)

    def batch(self, indices: NDArray[np.int64]) -> Batch:
        """Network inputs and targets; ``number`` [B]: in the side, ``size`` [B, 2]: width and height of the image."""
        samples = _threads(self._data.workers, self._side.sample, indices.tolist())
        squares = [to_network(sample, self._resolution) for sample in samples]
        sizes = np.array([[sample.width, sample.height] for sample in samples], np.int64)
        return {**collate(squares, self._resolution, self._labels), "number": np.asarray(indices), "size": sizes}


def collate(squares: list[Sample], size: int, labels: dict[int, int]) -> Batch:
    """Samples of ``size`` x ``size`` px as one batch.

    ``images`` float32 [B, 3, size, size]; ``boxes`` float32 [B, M, 4]: centre x, centre y, width, height as shares of
    the image, padded with zeros; ``labels`` int64 [B, M], padded with -1.
    """
    most = max((len(sample.categories) for sample in squares), default=0)
    images = np.stack([network_input(sample.image, size) for sample in squares])
    boxes = np.zeros((len(squares), most, 4), np.float32)
    columns = np.full((len(squares), most), -1, np.int64)
    for row, sample in enumerate(squares):
        count = len(sample.categories)
        corner, far = sample.boxes[:, :2] / size, sample.boxes[:, 2:] / size
        boxes[row, :count] = np.concatenate([(corner + far) / 2, far - corner], axis=1)
        columns[row, :count] = [labels[int(category)] for category in sample.categories]
    return {"images": images, "boxes": boxes, "labels": columns}


def _threads(workers: int, work: Callable[[D], T], draws: Sequence[D]) -> list[T]:
    """The samples in order, made by so many threads: OpenCV and NumPy let others work meanwhile."""
    if workers == 1:
        return [work(draw) for draw in draws]
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(work, draws))
