"""Augmentations of the detection line at 1280 x 720 on one core: images per CPU-second of the default mix, each
operation alone, and what the faster forms save.

CPU time of the process, so other programs hardly matter. Decoding is left out: the generated scenes are in memory.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from sport_assets.detection.augmentation import blur, colour, noise
from sport_assets.detection.augmentation.geometry import resized, to_network
from sport_assets.detection.augmentation.pipeline import Augmentation
from sport_assets.detection.augmentation.sample import Sample, total
from sport_assets.detection.augmentation.settings import AugmentationSettings
from sport_assets.detection.categories import BALL, PLAYER

WIDTH, HEIGHT, SCENES, IMAGES, ROUNDS = 1280, 720, 12, 240, 3
TARGET = 40


def main() -> None:
    """Print the figures."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        scenes = [_scene(seed) for seed in range(SCENES)]
        augmentation = Augmentation(AugmentationSettings(), scenes.__getitem__, SCENES)
        _mix(augmentation)
        _operations(augmentation, scenes)
        _savings(scenes[0].image)
    finally:
        cv2.setNumThreads(threads)


def _mix(augmentation: Augmentation) -> None:
    augmentation(0, 0, 0)  # the banks of noise and of balls are made once in a process
    done = [augmentation(number % SCENES, number // SCENES, 0) for number in range(IMAGES)]
    rates = []
    for _ in range(ROUNDS):
        start = time.process_time()
        for number in range(IMAGES):
            augmentation(number % SCENES, number // SCENES, 0)
        rates.append(IMAGES / (time.process_time() - start))
    squares = _seconds(lambda: to_network(done[0][0], 576))
    rate = sorted(rates)[ROUNDS // 2]
    print(
        f"default mix at {WIDTH} x {HEIGHT}: {rate:.0f} images per CPU-second (target {TARGET}; rounds "
        f"{min(rates):.0f} to {max(rates):.0f}); with the square of 576 px {1 / (1 / rate + squares):.0f}"
    )
    counts = total(counts for _, counts in done)
    for name in ("mosaic", "mixup", "copy_paste"):
        tally = counts[name]
        print(
            f"    {name}: {tally.balls_lost} of {tally.balls} balls and {tally.players_lost} of {tally.players} "
            f"players lost, {tally.balls_added} balls new, in {tally.applied} of {IMAGES} images"
        )


def _operations(augmentation: Augmentation, scenes: list[Sample]) -> None:
    print("each operation alone, whenever it comes:")
    for name, step in augmentation.steps().items():
        random = np.random.default_rng(0)
        start = time.process_time()
        for number in range(40):
            step(scenes[number % SCENES], random)
        seconds = (time.process_time() - start) / 40
        probability = augmentation.probability(name)
        print(
            f"    {name:18} {1e3 * seconds:6.2f} ms, {1 / seconds:6.0f} images/s; "
            f"probability {probability:.1f}: {1e3 * seconds * probability:5.2f} ms of each image"
        )
    print(f"    {'to_network (576)':18} {1e3 * _seconds(lambda: to_network(scenes[0], 576)):6.2f} ms")


def _savings(image: NDArray) -> None:
    print("what the faster forms save:")
    level = np.zeros((15, 15), np.float32)
    level[7] = 1 / 15
    _ratio("level motion blur, 15 px: 15 x 15 kernel", lambda: cv2.filter2D(image, -1, level), "as 1 x 15",
           lambda: blur.filtered(image, level[7:8]))  # fmt: skip
    line = blur.line_kernel(*blur.smear(20, np.pi / 4))
    full = np.zeros((21, 21), np.float32)
    down, across = (21 - line.shape[0]) // 2, (21 - line.shape[1]) // 2
    full[down : down + line.shape[0], across : across + line.shape[1]] = line
    _ratio("oblique motion blur, 20 px: 21 x 21 kernel", lambda: cv2.filter2D(image, -1, full), "trimmed, in halves",
           lambda: blur.filtered(image, line))  # fmt: skip
    _ratio("colour jitter step by step, hue in HSV", lambda: _sequential(image), "as one matrix",
           lambda: colour.jitter(image, 1.1, 0.9, 1.1, 0.05))  # fmt: skip
    _ratio("CLAHE in Lab", lambda: _clahe_lab(image), "added to B, G and R",
           lambda: colour.equalise(image, 2.0, (8, 8)))  # fmt: skip
    random = np.random.default_rng(0)
    _ratio("noise drawn anew", lambda: _fresh_noise(image, random), "from the bank",
           lambda: noise.iso_noise(image, 15, 100, 100))  # fmt: skip
    _ratio("a quarter of the picture by INTER_AREA",
           lambda: cv2.resize(image[:576, :1024], (640, 360), interpolation=cv2.INTER_AREA), "linear",
           lambda: resized(image[:576, :1024], 640, 360))  # fmt: skip


def _ratio(slow_name: str, slow: Callable[[], object], quick_name: str, quick: Callable[[], object]) -> None:
    before, after = _seconds(slow), _seconds(quick)
    print(f"    {slow_name} {1e3 * before:.2f} ms, {quick_name} {1e3 * after:.2f} ms: {before / after:.1f} times")


def _seconds(action: Callable[[], object], times: int = 9) -> float:
    """Median CPU time."""
    action()
    taken = []
    for _ in range(times):
        start = time.process_time()
        action()
        taken.append(time.process_time() - start)
    return sorted(taken)[times // 2]


def _sequential(image: NDArray) -> NDArray:
    brighter = cv2.convertScaleAbs(image, alpha=1.1)
    mean = cv2.mean(cv2.cvtColor(brighter, cv2.COLOR_BGR2GRAY))[0]
    contrast = cv2.convertScaleAbs(brighter, alpha=0.9, beta=0.1 * mean)
    grey = cv2.cvtColor(cv2.cvtColor(contrast, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    hsv = cv2.cvtColor(cv2.addWeighted(contrast, 1.1, grey, -0.1, 0), cv2.COLOR_BGR2HSV)
    hsv[..., 0] = (hsv[..., 0].astype(np.int16) + 9) % 180
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR)


def _clahe_lab(image: NDArray) -> NDArray:
    lab = cv2.cvtColor(image, cv2.COLOR_BGR2LAB)
    lab[..., 0] = cv2.createCLAHE(2.0, (8, 8)).apply(cv2.extractChannel(lab, 0))
    return cv2.cvtColor(lab, cv2.COLOR_LAB2BGR)


def _fresh_noise(image: NDArray, random: np.random.Generator) -> NDArray:
    drawn = random.standard_normal((*image.shape[:2], 1), np.float32) + 0.3 * random.standard_normal(
        image.shape, np.float32
    )
    return np.clip(image + 15 * drawn, 0, 255).astype(np.uint8)


def _scene(seed: int) -> Sample:
    """A pitch with texture like a broadcast's (JPEG and CLAHE take longer on it), 22 players and a ball."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 60, (HEIGHT // 6, WIDTH // 6, 3)).astype(np.uint8)
    image = cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC) + np.array([30, 90, 40], np.uint8)
    stripes = (np.arange(WIDTH) // 80 % 2 * 12).astype(np.uint8)
    image = cv2.add(image, np.broadcast_to(stripes[None, :, None], image.shape).copy())
    boxes, categories = [], []
    for _ in range(22):
        left, top = random.integers(40, WIDTH - 60), random.integers(120, HEIGHT - 90)
        boxes.append((left, top, left + 18, top + 46))
        categories.append(PLAYER)
        cv2.rectangle(
            image, (int(left), int(top)), (int(left) + 17, int(top) + 45), random.integers(0, 256, 3).tolist(), -1
        )
    left, top = random.integers(40, WIDTH - 60), random.integers(120, HEIGHT - 90)
    cv2.circle(image, (int(left) + 5, int(top) + 5), 5, (240, 245, 245), -1, cv2.LINE_AA)
    boxes.append((left, top, left + 11, top + 11))
    categories.append(BALL)
    return Sample(image, np.array(boxes, dtype=np.float64), np.array(categories, dtype=np.int64))
