"""Colours, equalisation, noise and JPEG: that the fast forms do what the slow ones they stand for do."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from sport_assets.detection.augmentation import colour, noise
from sport_assets_tests.detection.painted import textured


def sequential(image: NDArray[np.uint8], brightness: float, contrast: float, saturation: float, hue: float) -> NDArray:
    """torchvision's ColorJitter in that order: each step clipped, hue turned in HSV."""
    pixels = image[..., ::-1].astype(np.float32) / 255

    def grey(values: NDArray) -> NDArray:
        return (values @ np.array([0.299, 0.587, 0.114], np.float32))[..., None]

    pixels = np.clip(pixels * brightness, 0, 1)
    pixels = np.clip(contrast * pixels + (1 - contrast) * grey(pixels).mean(), 0, 1)
    pixels = np.clip(saturation * pixels + (1 - saturation) * grey(pixels), 0, 1)
    hsv = cv2.cvtColor(pixels.astype(np.float32), cv2.COLOR_RGB2HSV)
    hsv[..., 0] = (hsv[..., 0] + 360 * hue) % 360
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)[..., ::-1] * 255


PICTURE = textured(5, 160, 96, [(20, 20, 60, 60)], [1]).image
FACTORS = [(1, 1, 1), (0.8, 1, 1), (1.1, 1, 1), (1, 0.8, 1), (1, 1.2, 1), (1, 1, 0.8), (1, 1, 1.2), (0.9, 1.1, 0.8)]


@pytest.mark.parametrize(("brightness", "contrast", "saturation"), FACTORS)
def test_without_hue_the_matrix_is_the_sequence(brightness: float, contrast: float, saturation: float) -> None:
    """Up to rounding, in a picture in which no step clips."""
    quick = colour.jitter(PICTURE, brightness, contrast, saturation, 0.0)
    slow = sequential(PICTURE, brightness, contrast, saturation, 0.0)
    unclipped = ((slow > 1) & (slow < 254)).all(axis=2)
    assert unclipped.mean() > 0.8
    assert np.abs(quick - slow)[unclipped].max() <= 1.5


@pytest.mark.parametrize("hue", [-0.1, -0.05, 0.05, 0.1])
def test_a_turn_of_hue_comes_near_to_that_in_hsv(hue: float) -> None:
    """In chroma, which is what differs from grey: little is left of what the turn changed. Luminance stays."""

    def chroma(image: NDArray) -> NDArray:
        return image.astype(float) - image.mean(axis=2, keepdims=True)

    quick, slow = colour.jitter(PICTURE, 1, 1, 1, hue), sequential(PICTURE, 1, 1, 1, hue)
    changed = np.abs(chroma(PICTURE) - chroma(slow)).mean()
    assert changed > 5
    assert np.abs(chroma(quick) - chroma(slow)).mean() < 0.25 * changed
    weights = np.array([0.114, 0.587, 0.299])
    inside = ((quick > 0) & (quick < 255)).all(axis=2)
    assert np.abs(quick @ weights - PICTURE @ weights)[inside].max() < 1


def test_red_turns_to_yellow_and_grey_stays() -> None:
    pixels = np.array([[[60, 60, 200], [90, 90, 90]], [[60, 60, 200], [90, 90, 90]]], np.uint8)
    blue, green, red = colour.jitter(pixels, 1, 1, 1, 0.1)[0, 0].astype(int)
    assert green > blue + 30 and red > green
    assert (colour.jitter(pixels, 1, 1, 1, 0.1)[0, 1] == 90).all()
    assert (colour.jitter(pixels, 1, 1, 1, 0)[0] == pixels[0]).all()


def test_equalisation_is_clahe_of_the_luminance_in_ycbcr() -> None:
    quick = colour.equalise(PICTURE, 2.0, (8, 8)).astype(int)
    ycc = cv2.cvtColor(PICTURE, cv2.COLOR_BGR2YCrCb)
    ycc[..., 0] = cv2.createCLAHE(2.0, (8, 8)).apply(np.ascontiguousarray(ycc[..., 0]))
    slow = cv2.cvtColor(ycc, cv2.COLOR_YCrCb2BGR).astype(int)
    assert np.abs(quick - slow).max() <= 3
    assert np.abs(quick - PICTURE).mean() > 3
    assert (colour.equalise(PICTURE, 20.0, (2, 4)) != quick).any()


@pytest.mark.parametrize("level", [5.0, 15.0, 25.0])
def test_noise_has_the_level_and_little_colour(level: float) -> None:
    grey = np.full((300, 400, 3), 128, np.uint8)
    noisy = noise.iso_noise(grey, level, 700, 300).astype(float) - 128
    shared = noisy.mean(axis=2)
    # the mean over channels has a third of each channel's own noise
    assert shared.std() == pytest.approx(level * (1 + noise.CHROMA_SHARE**2 / 3) ** 0.5, rel=0.05)
    own = (noisy - shared[..., None]).std()
    assert own == pytest.approx(level * noise.CHROMA_SHARE * (2 / 3) ** 0.5, rel=0.1)
    assert abs(noisy.mean()) < level / 20


def test_noise_is_cut_from_the_bank_at_its_place_and_repeats_beyond_it() -> None:
    grey = np.full((40, 60, 3), 128, np.uint8)
    here, there = noise.iso_noise(grey, 10, 5, 9), noise.iso_noise(grey, 10, 6, 9)
    assert (here[:, 1:] == there[:, :-1]).all() and (here != there).any()
    large = np.full((noise.BANK_HEIGHT + 30, noise.BANK_WIDTH + 50, 3), 128, np.uint8)
    noisy = noise.iso_noise(large, 10, 100, 200)
    assert (noisy[: noise.BANK_HEIGHT - 200, :40] == noisy[: noise.BANK_HEIGHT - 200, -50:-10]).all()
    assert noisy[-1, -1].tolist() == noise.iso_noise(grey, 10, 149, 229)[0, 0].tolist()


def test_a_lower_jpeg_quality_changes_more() -> None:
    changes = [np.abs(noise.jpeg(PICTURE, quality).astype(int) - PICTURE).mean() for quality in (95, 75, 30)]
    assert 0 < changes[0] < changes[1] < changes[2]
