"""The specification's table is the default, mistakes in settings are refused, and no setting reaches nothing."""

from typing import Any

import numpy as np
import pytest
import yaml
from pydantic import ValidationError

from sport_assets.detection.augmentation.geometry import square_sizes
from sport_assets.detection.augmentation.pipeline import Augmentation
from sport_assets.detection.augmentation.sample import Sample
from sport_assets.detection.augmentation.settings import AugmentationSettings
from sport_assets.detection.categories import BALL, PLAYER
from sport_assets_tests.detection.painted import textured

SPECIFICATION = """
horizontal_flip: 0.5
color_jitter: {brightness: 0.2, contrast: 0.2, saturation: 0.2, hue: 0.1}
resize_range: [800, 1333]
motion_blur: {enabled: true, prob: 0.4, max_kernel_size: 20}
gaussian_blur: {enabled: true, prob: 0.3, kernel_size_range: [3, 7], sigma_range: [0.5, 2.0]}
iso_noise: {enabled: true, prob: 0.3, noise_level: [5, 25]}
jpeg_compression: {enabled: true, prob: 0.2, quality_range: [60, 95]}
mixup: {enabled: true, prob: 0.3, alpha: 0.2}
mosaic: {enabled: true, prob: 0.5, min_scale: 0.4, max_scale: 1.0}
copy_paste: {enabled: true, prob: 0.5, max_pastes: 3}
clahe: {enabled: true, clip_limit: 2.0, tile_grid_size: [8, 8]}
"""
OPERATIONS = [name for name in yaml.safe_load(SPECIFICATION) if name not in ("resize_range", "horizontal_flip")]


def test_the_specification_is_the_default() -> None:
    assert AugmentationSettings.model_validate(yaml.safe_load(SPECIFICATION)) == AugmentationSettings()


def test_numbers_given_as_text_are_numbers() -> None:
    """YAML 1.1 reads 1e-4 as text."""
    given = yaml.safe_load("{horizontal_flip: 1e-4, color_jitter: {hue: 5e-2}, motion_blur: {max_kernel_size: '15'}}")
    assert given["horizontal_flip"] == "1e-4"
    settings = AugmentationSettings.model_validate(given)
    assert settings.horizontal_flip == 1e-4
    assert settings.color_jitter.hue == 0.05
    assert settings.motion_blur.max_kernel_size == 15


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"horizontal_flip": 1.2}, "horizontal_flip"),
        ({"horizontal_flip": "often"}, "horizontal_flip"),
        ({"horizontal_flip": True}, "no probability"),
        ({"horizontal_flip": float("nan")}, "horizontal_flip"),
        ({"motion_blur": {"prob": -0.1}}, "motion_blur.prob"),
        ({"motion_blur": {"probability": 0.5}}, "motion_blur.probability"),
        ({"motion_blurr": {}}, "motion_blurr"),
        ({"motion_blur": {"max_kernel_size": 2}}, "motion_blur.max_kernel_size"),
        ({"gaussian_blur": {"kernel_size_range": [7, 3]}}, "the smaller one first"),
        ({"gaussian_blur": {"kernel_size_range": [4, 6]}}, "odd"),
        ({"gaussian_blur": {"sigma_range": [0.5, "wide"]}}, "gaussian_blur.sigma_range"),
        ({"jpeg_compression": {"quality_range": [60, 101]}}, "quality_range"),
        ({"mixup": {"alpha": 0}}, "mixup.alpha"),
        ({"mixup": {"min_box_share": 0.6}}, "mixup.min_box_share"),
        ({"mosaic": {"max_scale": 0.4}}, "mosaic.max_scale"),
        ({"mosaic": {"min_scale": 0.9, "max_scale": 0.8}}, "min_scale, max_scale"),
        ({"copy_paste": {"max_pastes": 0}}, "copy_paste.max_pastes"),
        ({"clahe": {"tile_grid_size": [8, 0]}}, "tile_grid_size"),
        ({"iso_noise": {"noise_level": [5]}}, "iso_noise.noise_level"),
        ({"resize_range": [1333, 800]}, "resize_range"),
    ],
)
def test_mistakes_are_refused_by_name(given: dict[str, Any], named: str) -> None:
    with pytest.raises(ValidationError) as raised:
        AugmentationSettings.model_validate(given)
    places = " ".join(".".join(map(str, error["loc"])) + " " + error["msg"] for error in raised.value.errors())
    assert named in places


SAMPLES = [
    textured(seed, 96, 64, [(10 + 3 * seed, 20, 24 + 3 * seed, 50), (60, 30 - seed, 66, 36 - seed)], [PLAYER, BALL])
    for seed in range(6)
]


def outcomes(settings: AugmentationSettings) -> list[bytes]:
    augmentation = Augmentation(settings, SAMPLES.__getitem__, len(SAMPLES))
    made = [augmentation(index, 0, 0)[0] for index in range(len(SAMPLES))]
    return [sample.image.tobytes() + sample.boxes.tobytes() for sample in made]


@pytest.mark.parametrize(
    ("operation", "name", "value"),
    [
        *((name, "enabled", False) for name in OPERATIONS),
        *((name, "prob", 0.0) for name in OPERATIONS),
        *(("color_jitter", name, 0.9) for name in ("brightness", "contrast", "saturation")),
        ("color_jitter", "hue", 0.4),
        ("motion_blur", "max_kernel_size", 5),
        ("gaussian_blur", "kernel_size_range", [9, 9]),
        ("gaussian_blur", "sigma_range", [3, 3]),
        ("iso_noise", "noise_level", [40, 40]),
        ("jpeg_compression", "quality_range", [10, 10]),
        ("mixup", "alpha", 5),
        ("mixup", "min_box_share", 0.0),
        ("mosaic", "min_scale", 0.8),
        ("mosaic", "max_scale", 0.6),
        ("copy_paste", "max_pastes", 30),
        ("copy_paste", "bank_images", 1),
        ("clahe", "clip_limit", 10),
        ("clahe", "tile_grid_size", [2, 2]),
    ],
)
def test_no_setting_reaches_nothing(operation: str, name: str, value: Any) -> None:
    plain = AugmentationSettings.only(operation)
    section = {**getattr(plain, operation).model_dump(), name: value}
    changed = AugmentationSettings.model_validate({**plain.model_dump(), operation: section})
    assert outcomes(changed) != outcomes(plain)


def test_the_three_settings_without_section_reach_something() -> None:
    assert outcomes(AugmentationSettings.only("horizontal_flip")) != outcomes(AugmentationSettings.none())
    plain = AugmentationSettings.only("mosaic").model_dump()
    kept = {
        share: outcomes(AugmentationSettings.model_validate({**plain, "min_visible_share": share})) for share in (0, 1)
    }
    assert kept[0] != kept[1]
    assert square_sizes(576, (800, 1333)) != square_sizes(576, (1000, 1000))


def test_all_parametrised_settings_are_all_there_are() -> None:
    """A new setting needs a line above that shows what it changes."""
    (mark,) = [m for m in test_no_setting_reaches_nothing.pytestmark if m.name == "parametrize"]
    shown = {(operation, name) for operation, name, _ in mark.args[1]}
    there = {
        (operation, name)
        for operation, section in AugmentationSettings()
        if hasattr(section, "probability")
        for name in type(section).model_fields
    }
    assert shown == there


def test_none_changes_nothing() -> None:
    augmentation = Augmentation(AugmentationSettings.none(), SAMPLES.__getitem__, len(SAMPLES))
    sample, counts = augmentation(3, 1, 2)
    assert not counts
    assert isinstance(sample, Sample) and np.array_equal(sample.image, SAMPLES[3].image)
    assert np.array_equal(sample.boxes, SAMPLES[3].boxes)
    assert square_sizes(576, AugmentationSettings.none().resize_range) == [576]
    with pytest.raises(ValueError, match="no operation blur: there are color_jitter"):
        AugmentationSettings.only("blur")


@pytest.mark.parametrize(
    ("resolution", "sizes"),
    [
        (576, [448, 480, 512, 544, 576, 608, 640, 672, 704]),
        (384, [320, 352, 384, 416, 448]),
        (96, [96]),
        (64, [64]),
    ],
)
def test_square_sizes(resolution: int, sizes: list[int]) -> None:
    assert square_sizes(resolution) == sizes


@pytest.mark.parametrize("resolution", [0, 100, 575])
def test_sizes_that_the_network_cannot_take_are_refused(resolution: int) -> None:
    with pytest.raises(ValueError, match="multiples of 32"):
        square_sizes(resolution)
