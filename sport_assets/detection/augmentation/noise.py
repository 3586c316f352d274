"""What a camera's sensor and a broadcast's encoder add: noise and JPEG's blocks.

Belongs here: disturbances of pixel values. Must not come here: blur, colour. Boxes stay as they are.
"""

import functools

import cv2
import numpy as np

from sport_assets.detection.augmentation.sample import Image

BANK_WIDTH, BANK_HEIGHT = 2048, 1280
_BANK_DEVIATION = 32
"""Standard deviation of the brightness noise in the bank, around 128: four of it still fit into a byte."""
CHROMA_SHARE = 0.3
"""Standard deviation of the noise of each single channel, of the brightness noise's."""


@functools.cache
def noise_bank() -> Image:
    """Noise [BANK_HEIGHT, BANK_WIDTH, 3] around 128, the same in every process.

    Brightness noise that all three channels share, and a smaller one of each channel's own.
    """
    random = np.random.default_rng(20_240_601)
    shape = (BANK_HEIGHT, BANK_WIDTH)
    noise = random.standard_normal((*shape, 1), np.float32) + CHROMA_SHARE * random.standard_normal(
        (*shape, 3), np.float32
    )
    return np.clip(np.rint(128 + _BANK_DEVIATION * noise), 0, 255).astype(np.uint8)


def iso_noise(image: Image, level: float, left: int, top: int) -> Image:
    """Noise whose brightness part has the standard deviation ``level`` (grey levels), as high ISO settings give.

    It is the bank's cut-out at ``left``, ``top`` (px, at random), where it is repeated for images beyond its size:
    drawing fresh numbers would take longer than all other operations together. Noise does not depend on brightness.
    """
    height, width = image.shape[:2]
    bank = noise_bank()
    left, top = left % BANK_WIDTH, top % BANK_HEIGHT
    right, bottom = max(left + width - BANK_WIDTH, 0), max(top + height - BANK_HEIGHT, 0)
    if right or bottom:
        bank = cv2.copyMakeBorder(bank, 0, bottom, 0, right, cv2.BORDER_WRAP)
    share = level / _BANK_DEVIATION
    return cv2.addWeighted(image, 1.0, bank[top : top + height, left : left + width], share, -128 * share)


def jpeg(image: Image, quality: int) -> Image:
    """The image after JPEG compression of that quality (1 to 100)."""
    _, encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = cv2.imdecode(encoded, cv2.IMREAD_COLOR)
    assert decoded is not None  # OpenCV reads what it has written
    return decoded
