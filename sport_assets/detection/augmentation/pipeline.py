"""All operations one after another, drawn by chance: what a training sees of its images.

Belongs here: the order of operations, drawing their strength, counting lost boxes. Must not come here: what an
operation does to pixels and boxes.

The order is that of a recording: scenes are put together, then colour and light, then the lens, then the sensor, then
the encoder.
"""

import math
from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np

from sport_assets.detection.augmentation import blur, colour, geometry, noise
from sport_assets.detection.augmentation.balls import BallPatch, ball_bank, find_place, paste
from sport_assets.detection.augmentation.mixing import draw_tile, mix_up, mosaic
from sport_assets.detection.augmentation.sample import Counts, Sample, Tally
from sport_assets.detection.augmentation.settings import AugmentationSettings
from sport_assets.detection.errors import BadLabelsError

Step = Callable[[Sample, np.random.Generator], tuple[Sample, list[Sample]]]
"""An operation of random strength: to the new sample and the other samples that went into it."""

_PASTE_SCALES = (0.8, 1.25)


class Augmentation:
    """Samples of a data set, varied. Can be pickled where ``samples`` can, so each worker may have one.

    What comes out follows from seed, epoch, index and occurrence alone: not from the worker, nor from what was asked
    for before.
    For one thread per worker, call ``cv2.setNumThreads(1)`` in it (2 threads gain little here).
    """

    def __init__(
        self,
        settings: AugmentationSettings,
        samples: Callable[[int], Sample],
        count: int,
        balls: Sequence[BallPatch] | None = None,
        with_ball: Sequence[int] | None = None,
    ) -> None:
        """``samples(index)`` gives sample 0 to ``count`` - 1. It may cache: samples are not written to.

        ``balls``: what to paste; by default the bank of these samples (``balls.ball_bank``), made when first asked for.
        ``with_ball``: the samples that have a ball, where that is known: no other is searched for the bank then.
        """
        self.settings = settings
        self._samples = samples
        self._count = count
        self._given_balls = balls
        self._with_ball = range(count) if with_ball is None else with_ball

    @cached_property
    def balls(self) -> Sequence[BallPatch]:
        """The balls that are pasted. Ask before workers start, and they share them; without any, none is pasted."""
        if self._given_balls is not None:
            return self._given_balls
        return ball_bank(self.load, self._with_ball, self.settings.copy_paste.bank_images)

    def __call__(self, index: int, epoch: int, seed: int, occurrence: int = 0) -> tuple[Sample, Counts]:
        """Sample ``index`` as epoch ``epoch`` of a training of that seed sees it, and what became of its boxes.

        ``occurrence``: how often the epoch saw it before; a sample that is drawn again is varied in another way.
        """
        sample = self.load(index)
        counts: dict[str, Tally] = {}
        steps = self.steps()
        # a stream for each operation: with one switched off, the others still draw what they drew
        again = [occurrence] if occurrence else []
        streams = np.random.default_rng([seed, epoch, index, *again]).spawn(len(steps))
        for (name, step), random in zip(steps.items(), streams, strict=True):
            if random.random() < self.probability(name):
                sample, counts[name] = self.apply(step, sample, random)
        return sample, counts

    def load(self, index: int) -> Sample:
        """A sample without variation, its boxes cut to its image.

        Raises ``BadLabelsError`` for a box that is not finite, has no area or lies outside.
        """
        sample = self._samples(index)
        boxes = sample.boxes
        bounded = np.isfinite(boxes).all(axis=1) & (boxes[:, :2] < boxes[:, 2:]).all(axis=1)
        inside = (boxes[:, 2:] > 0).all(axis=1) & (boxes[:, :2] < [sample.width, sample.height]).all(axis=1)
        wrong = np.flatnonzero(~(bounded & inside))
        if len(wrong):
            raise BadLabelsError(
                f"sample {index}, box {wrong[0]}: left, top, right, bottom are {boxes[wrong[0]].tolist()} in an image "
                f"of {sample.width} x {sample.height} px. Correct or remove this box of the data set."
            )
        limits = np.array([sample.width, sample.height] * 2, dtype=np.float64)
        return Sample(sample.image, np.clip(boxes, 0.0, limits), sample.categories)

    def steps(self) -> dict[str, Step]:
        """The operations by their names in the settings, in the order in which they are applied."""
        return {
            "mosaic": self._mosaic,
            "mixup": self._mixup,
            "copy_paste": self._copy_paste,
            "horizontal_flip": lambda sample, random: (geometry.flip(sample), []),
            "color_jitter": self._color_jitter,
            "clahe": self._clahe,
            "motion_blur": self._motion_blur,
            "gaussian_blur": self._gaussian_blur,
            "iso_noise": self._iso_noise,
            "jpeg_compression": self._jpeg_compression,
        }

    @staticmethod
    def apply(step: Step, sample: Sample, random: np.random.Generator) -> tuple[Sample, Tally]:
        """One operation on one sample, counted."""
        result, others = step(sample, random)
        return result, Tally.of([sample, *others], result)

    def probability(self, name: str) -> float:
        """Of an operation of ``steps``, as the settings have it."""
        setting = getattr(self.settings, name)
        return float(setting) if isinstance(setting, float) else float(setting.probability)

    def _another(self, random: np.random.Generator) -> Sample:
        return self.load(int(random.integers(self._count)))

    def _mosaic(self, sample: Sample, random: np.random.Generator) -> tuple[Sample, list[Sample]]:
        settings = self.settings.mosaic
        others = [self._another(random) for _ in range(3)]
        samples = [sample, *others]
        random.shuffle(samples)
        # no part may be larger than the largest scale fills
        nearest = max(1 - settings.max_scale, min(settings.min_scale, 0.5))
        place = random.uniform(nearest, 1 - nearest, size=2)
        width, height = sample.width, sample.height
        column, row = (
            int(np.clip(round(place[axis] * side), 1, side - 1)) for axis, side in enumerate((width, height))
        )
        shown = [(x / width, y / height) for y in (row, height - row) for x in (column, width - column)]
        scales = (settings.min_scale, settings.max_scale)
        tiles = [draw_tile(one, part, scales, random) for one, part in zip(samples, shown, strict=True)]
        return mosaic(tiles, (column, row), width, height, self.settings.min_visible_share), others

    def _mixup(self, sample: Sample, random: np.random.Generator) -> tuple[Sample, list[Sample]]:
        settings = self.settings.mixup
        drawn = float(random.beta(settings.alpha, settings.alpha))
        # the sample asked for is the stronger one: it was drawn for its balls, maybe
        share = min(drawn, 1 - drawn)
        if share < 1 / 255:
            # not to be seen, which is a third of all draws at alpha 0.2
            return sample, []
        other = self._another(random)
        return mix_up(sample, other, share, settings.min_box_share), [other]

    def _copy_paste(self, sample: Sample, random: np.random.Generator) -> tuple[Sample, list[Sample]]:
        if self.balls:
            for _ in range(random.integers(1, self.settings.copy_paste.max_pastes, endpoint=True)):
                patch = self.balls[int(random.integers(len(self.balls)))]
                patch = patch.scaled(random.uniform(*_PASTE_SCALES), bool(random.random() < 0.5))
                place = find_place(sample, patch, random)
                if place is not None:
                    sample = paste(sample, patch, *place)
        return sample, []

    def _color_jitter(self, sample: Sample, random: np.random.Generator) -> tuple[Sample, list[Sample]]:
        settings = self.settings.color_jitter
        widths = (settings.brightness, settings.contrast, settings.saturation)
        brightness, contrast, saturation = (random.uniform(1 - width, 1 + width) for width in widths)
        hue = random.uniform(-settings.hue, settings.hue)
        return sample.with_image(colour.jitter(sample.image, brightness, contrast, saturation, hue)), []

    def _clahe(self, sample: Sample, random: np.random.Generator) -> tuple[Sample, list[Sample]]:
        settings = self.settings.clahe
        return sample.with_image(colour.equalise(sample.image, settings.clip_limit, settings.tile_grid_size)), []

    def _motion_blur(self, sample: Sample, random: np.random.Generator) -> tuple[Sample, list[Sample]]:
        length = int(random.integers(3, self.settings.motion_blur.max_kernel_size, endpoint=True))
        return blur.motion_blur(sample, length, random.uniform(0, math.pi)), []

    def _gaussian_blur(self, sample: Sample, random: np.random.Generator) -> tuple[Sample, list[Sample]]:
        settings = self.settings.gaussian_blur
        low, high = settings.kernel_size_range
        size = int(random.choice(np.arange(low, high + 1, 2)))
        return sample.with_image(blur.gaussian_blur(sample.image, size, random.uniform(*settings.sigma_range))), []

    def _iso_noise(self, sample: Sample, random: np.random.Generator) -> tuple[Sample, list[Sample]]:
        # where the cut-out fits into the bank: repeating the bank means copying it
        spare = max(noise.BANK_WIDTH - sample.width, 0), max(noise.BANK_HEIGHT - sample.height, 0)
        left, top = (int(random.integers(pixels, endpoint=True)) for pixels in spare)
        level = random.uniform(*self.settings.iso_noise.noise_level)
        return sample.with_image(noise.iso_noise(sample.image, level, left, top)), []

    def _jpeg_compression(self, sample: Sample, random: np.random.Generator) -> tuple[Sample, list[Sample]]:
        quality = int(random.integers(*self.settings.jpeg_compression.quality_range, endpoint=True))
        return sample.with_image(noise.jpeg(sample.image, quality)), []
