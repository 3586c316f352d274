"""A tiny match on a textured pitch, with its exact truth: for tests of what stands in front of a static camera.

Players are two-coloured figures of ellipses that are taller the nearer they are; the ball is a white disc.
"""

from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT, FAR_ROW = 640, 360, 90
Image = NDArray[np.uint8]


def pitch(seed: int = 0) -> Image:
    """Grass with stripes and a line, a dark stand above."""
    generator = np.random.default_rng(seed)
    image = np.zeros((HEIGHT, WIDTH, 3), np.float32)
    image[:] = (60, 130, 70)
    image[:, (np.arange(WIDTH) // 80) % 2 == 0] = (52, 118, 60)
    image += cv2.GaussianBlur(generator.normal(0, 6, (HEIGHT, WIDTH, 1)).astype(np.float32), (0, 0), 1.2)[:, :, None]
    image[200:203] = (215, 220, 215)
    stand = generator.uniform(20, 90, (18, 128, 1)).astype(np.float32)
    image[:FAR_ROW] = cv2.resize(stand, (WIDTH, FAR_ROW))[:, :, None]
    return np.clip(image, 0, 255).astype(np.uint8)


def size_at(foot: float) -> float:
    """A player's height in pixels."""
    return 14 + 0.16 * (foot - FAR_ROW)


class MovingScene:
    """Frames of so many players who walk about, and of a ball that flies across again and again."""

    def __init__(self, frames: int = 75, players: int = 8, seed: int = 0, pan: float = 0.0) -> None:
        self.frames, self.pan = frames, pan
        self._generator = np.random.default_rng(seed)
        self._grass = np.hstack([pitch(seed)] * 3) if pan else pitch(seed)
        places = np.linspace(60, WIDTH - 60, players)
        self._starts = np.column_stack([places, self._generator.uniform(FAR_ROW + 25, HEIGHT - 20, players)])
        self._ways = self._generator.uniform(1.2, 2.2, (players, 2)) * self._generator.choice([-1, 1], (players, 2))

    def feet(self, number: int) -> NDArray[np.float64]:
        """Where players stand [P, 2]: they bounce inside the pitch."""
        low, high = np.array([25.0, FAR_ROW + 22]), np.array([WIDTH - 25.0, HEIGHT - 8])
        way = (self._starts - low + self._ways * number) % (2 * (high - low))
        return low + np.minimum(way, 2 * (high - low) - way)

    def ball(self, number: int) -> tuple[float, float, float]:
        """Centre and diameter."""
        y = 150 + 60 * np.sin(number / 9)
        return 20 + (number * 11.0) % (WIDTH - 40), float(y), float(0.2 * size_at(y))

    def frame(self, number: int) -> tuple[Image, NDArray[np.float64], tuple[float, float]]:
        """Picture, boxes of players [P, 4], centre of the ball."""
        shift = round(self.pan * number)
        image = self._grass[:, shift : shift + WIDTH].copy()
        boxes = []
        for index in np.argsort(self.feet(number)[:, 1]).tolist():
            x, y = self.feet(number)[index].tolist()
            tall = size_at(y)
            shadow = image.copy()
            cv2.ellipse(shadow, (round(x + 0.2 * tall), round(y)), (round(0.25 * tall), 2), 0, 0, 360, (0, 0, 0), -1)
            image = np.asarray(cv2.addWeighted(image, 0.7, shadow, 0.3, 0), np.uint8)
            shirt = ((40, 40, 220), (210, 190, 60))[index % 2]
            wide = max(2, round(0.17 * tall))
            cv2.ellipse(image, _at(x, y - 0.62 * tall), (wide, round(0.22 * tall)), 0, 0, 360, shirt, -1)
            cv2.ellipse(
                image, _at(x, y - 0.22 * tall), (round(0.8 * wide), round(0.22 * tall)), 0, 0, 360, (30, 25, 25), -1
            )
            cv2.circle(image, _at(x, y - 0.91 * tall), max(1, round(0.09 * tall)), (90, 120, 180), -1)
            boxes.append([x - wide, y - tall, x + wide, y])
        x, y, across = self.ball(number)
        cv2.circle(image, (round(x * 16), round(y * 16)), round(across * 8), (245, 245, 245), -1, cv2.LINE_AA, 4)
        noise = np.random.default_rng([1, number]).normal(0, 2, image.shape)
        return np.clip(image + noise, 0, 255).astype(np.uint8), np.array(boxes), (x, y)

    def write(self, path: Path) -> Path:
        """The scene as an H.264 video."""
        with av.open(str(path), "w") as container:
            stream = container.add_stream("libx264", rate=25, options={"crf": "16", "preset": "ultrafast"})
            stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
            for number in range(self.frames):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(self.frame(number)[0], format="bgr24")))
            container.mux(stream.encode())
        return path


def _at(x: float, y: float) -> tuple[int, int]:
    return round(x), round(y)
