"""What is varied, how often and how strongly: the settings of the augmentations.

Belongs here: the pydantic models, with the table of the specification (soccertrack_detector, section 2.3) as defaults
and under its names, so that its YAML can be given as it stands. Must not come here: OpenCV and NumPy; settings are read
with the definitions.

Numbers given as text are numbers (``1e-4`` without a point is text in YAML 1.1); text that is none is refused.
"""

from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator


def _no_flag(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError(f"{str(value).lower()} is no probability: give a number from 0 to 1")
    return value


Probability = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False), BeforeValidator(_no_flag)]
Number = Annotated[float, Field(allow_inf_nan=False)]


def _ordered(name: str, values: tuple[float, float], least: float, most: float) -> None:
    low, high = values
    if not least <= low <= high <= most:
        raise ValueError(f"{name} is {low}, {high}: give two numbers from {least} to {most}, the smaller one first")


class Section(BaseModel):
    """Unknown names are refused: a setting that reaches nothing is a mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Chance(Section):
    """An operation that comes with a probability."""

    enabled: bool = True
    prob: Probability

    @property
    def probability(self) -> float:
        """Of the operation, 0 where it is switched off."""
        return self.prob if self.enabled else 0.0


class ColourJitter(Chance):
    """Brightness, contrast and saturation: a factor of 1 +- so much. Hue: turned by +- that share of the circle."""

    prob: Probability = 1.0
    brightness: Annotated[Number, Field(ge=0, le=1)] = 0.2
    contrast: Annotated[Number, Field(ge=0, le=1)] = 0.2
    saturation: Annotated[Number, Field(ge=0, le=1)] = 0.2
    hue: Annotated[Number, Field(ge=0, le=0.5)] = 0.1


class MotionBlur(Chance):
    """A smear along a straight line of random direction, 3 to ``max_kernel_size`` px long."""

    prob: Probability = 0.4
    max_kernel_size: int = Field(default=20, ge=3, le=99)


class GaussianBlur(Chance):
    """Kernel sizes (odd, px) and standard deviations (px) are drawn from these ranges, both ends included."""

    prob: Probability = 0.3
    kernel_size_range: tuple[int, int] = (3, 7)
    sigma_range: tuple[Number, Number] = (0.5, 2.0)

    @model_validator(mode="after")
    def _ranges(self) -> Self:
        _ordered("kernel_size_range", self.kernel_size_range, 3, 31)
        if not (self.kernel_size_range[0] % 2 and self.kernel_size_range[1] % 2):
            raise ValueError(f"kernel_size_range is {self.kernel_size_range}: kernels have odd sizes")
        _ordered("sigma_range", self.sigma_range, 0.1, 20)
        return self


class IsoNoise(Chance):
    """Standard deviation of the brightness noise in grey levels (of 255) is drawn from this range."""

    prob: Probability = 0.3
    noise_level: tuple[Number, Number] = (5, 25)

    @model_validator(mode="after")
    def _range(self) -> Self:
        _ordered("noise_level", self.noise_level, 0, 64)
        return self


class JpegCompression(Chance):
    """JPEG quality is drawn from this range, both ends included."""

    prob: Probability = 0.2
    quality_range: tuple[int, int] = (60, 95)

    @model_validator(mode="after")
    def _range(self) -> Self:
        _ordered("quality_range", self.quality_range, 1, 100)
        return self


class MixUp(Chance):
    """Two images blended by shares from Beta(alpha, alpha).

    The boxes of the fainter image stay where its share is at least ``min_box_share``. At most 0.5, since RF-DETR has no
    soft labels: the stronger image must keep its boxes.
    """

    prob: Probability = 0.3
    alpha: Annotated[Number, Field(gt=0, le=100)] = 0.2
    min_box_share: Annotated[Number, Field(ge=0, le=0.5)] = 0.3


class Mosaic(Chance):
    """Four images side by side, each at a scale (1: as large as it would be alone) from this range.

    ``max_scale`` is at least 0.5: four smaller images do not cover the picture.
    """

    prob: Probability = 0.5
    min_scale: Annotated[Number, Field(ge=0.05, le=1)] = 0.4
    max_scale: Annotated[Number, Field(ge=0.5, le=4)] = 1.0

    @model_validator(mode="after")
    def _range(self) -> Self:
        _ordered("min_scale, max_scale", (self.min_scale, self.max_scale), 0, 4)
        return self


class CopyPaste(Chance):
    """One to ``max_pastes`` balls of other images are pasted in.

    ``bank_images``: how many images, spread evenly over those that have a ball, are searched for balls to paste.
    """

    prob: Probability = 0.5
    max_pastes: int = Field(default=3, ge=1, le=50)
    bank_images: int = Field(default=128, ge=1)


class Clahe(Chance):
    """Local equalisation of brightness (contrast limited adaptive histogram equalization).

    The specification says enabled and no probability. 0.5: prediction does not apply it, so a network that saw nothing
    else would meet pictures of another kind there; and it costs more than most other operations.
    """

    prob: Probability = 0.5
    clip_limit: Annotated[Number, Field(gt=0, le=40)] = 2.0
    tile_grid_size: tuple[int, int] = (8, 8)

    @model_validator(mode="after")
    def _tiles(self) -> Self:
        if not all(1 <= tiles <= 64 for tiles in self.tile_grid_size):
            raise ValueError(f"tile_grid_size is {self.tile_grid_size}: give 1 to 64 tiles across and down")
        return self


class AugmentationSettings(Section):
    """All operations. The defaults are the specification's; see the sections for what they mean."""

    horizontal_flip: Probability = 0.5
    color_jitter: ColourJitter = ColourJitter()
    resize_range: tuple[int, int] = (800, 1333)
    """Shortest and longest side of DETR's resizing; see ``geometry.square_sizes`` for what they are for RF-DETR."""
    motion_blur: MotionBlur = MotionBlur()
    gaussian_blur: GaussianBlur = GaussianBlur()
    iso_noise: IsoNoise = IsoNoise()
    jpeg_compression: JpegCompression = JpegCompression()
    mixup: MixUp = MixUp()
    mosaic: Mosaic = Mosaic()
    copy_paste: CopyPaste = CopyPaste()
    clahe: Clahe = Clahe()
    min_visible_share: Probability = 0.25
    """A box that a border cuts stays where at least this share of its area is still inside, and 1 px each way."""

    @model_validator(mode="after")
    def _range(self) -> Self:
        _ordered("resize_range", self.resize_range, 32, 10_000)
        return self

    @classmethod
    def none(cls) -> Self:
        """Nothing is varied; also the size stays the same."""
        return cls.only()

    @classmethod
    def only(cls, *names: str) -> Self:
        """Nothing is varied but the named operations, which come always and as strongly as by default."""
        sections = {name: field.annotation for name, field in cls.model_fields.items() if _is_chance(field.annotation)}
        unknown = set(names) - {*sections, "horizontal_flip"}
        if unknown:
            raise ValueError(f"no operation {', '.join(sorted(unknown))}: there are {', '.join(sections)}")
        chosen = {name: {"prob": 1.0} if name in names else {"enabled": False} for name in sections}
        flip = float("horizontal_flip" in names)
        return cls.model_validate({**chosen, "horizontal_flip": flip, "resize_range": (1000, 1000)})


def _is_chance(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Chance)
