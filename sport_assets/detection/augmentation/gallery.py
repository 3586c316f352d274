"""A picture of every operation before and after, with boxes, to be looked at in reports.

Belongs here: drawing. Must not come here: operations. The same samples and settings give the same bytes.
"""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from sport_assets.detection.augmentation.geometry import resize, to_network
from sport_assets.detection.augmentation.pipeline import Augmentation
from sport_assets.detection.augmentation.sample import Image, Sample
from sport_assets.detection.augmentation.settings import AugmentationSettings
from sport_assets.detection.categories import BALL

PANEL_WIDTH_PX, PANEL_HEIGHT_PX = 512, 288
ZOOM = 6
CAPTION_PX, GAP_PX = 22, 6
BALL_COLOUR, PLAYER_COLOUR = (40, 40, 255), (90, 220, 60)
NETWORK_PX = 576
DRAWS = 8
"""Of so many the one that changes most is shown: many draws are hardly to be seen."""


def gallery(samples: Sequence[Sample], settings: AugmentationSettings, out_png: Path) -> None:
    """Write a PNG: one row for each operation that the settings allow, then all of them, then the network's square.

    Columns: the image before and after, and a ball of each (without one, another box, else the middle) ``ZOOM`` times
    as large; after it a new ball where there is one. Operations are drawn from a fixed seed, and come whatever their
    probability; samples take turns.
    """
    if not samples:
        raise ValueError("no sample to show: give at least one")
    augmentation = Augmentation(settings, lambda index: samples[index], len(samples))
    rows: list[tuple[str, Sample, Sample]] = []
    for number, (name, step) in enumerate(augmentation.steps().items()):
        if augmentation.probability(name) > 0:
            before = augmentation.load(number % len(samples))
            draws = [
                augmentation.apply(step, before, np.random.default_rng([number, draw]))[0] for draw in range(DRAWS)
            ]
            after = max(draws, key=lambda drawn: float(cv2.norm(before.image, drawn.image, cv2.NORM_L1)))
            rows.append((name, before, after))
    first = augmentation.load(0)
    varied, _ = augmentation(0, 0, 0)
    rows += [("all, by chance", first, varied), (f"to_network, {NETWORK_PX} px", first, to_network(first, NETWORK_PX))]
    picture = np.concatenate([_row(*row) for row in rows])
    _, encoded = cv2.imencode(".png", picture)
    out_png.write_bytes(encoded.tobytes())


def _row(name: str, before: Sample, after: Sample) -> Image:
    newest = -1 if len(after.balls) > len(before.balls) else 0
    panels = [_whole(before), _whole(after), _zoomed(before, 0), _zoomed(after, newest)]
    gap = np.full((PANEL_HEIGHT_PX, GAP_PX, 3), 255, np.uint8)
    line = np.concatenate([part for panel in panels for part in (panel, gap)], axis=1)
    caption = np.full((CAPTION_PX, line.shape[1], 3), 255, np.uint8)
    texts = [f"{name}: before", f"after ({len(after.balls)} balls, {len(after.boxes) - len(after.balls)} players)"]
    for column, text in enumerate([*texts, "before, ball", "after, ball"]):
        left = sum(panel.shape[1] + GAP_PX for panel in panels[:column])
        cv2.putText(caption, text, (left + 2, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.48, (30, 30, 30), 1, cv2.LINE_AA)
    return np.concatenate([caption, line])


def _whole(sample: Sample) -> Image:
    factor = min(PANEL_WIDTH_PX / sample.width, PANEL_HEIGHT_PX / sample.height)
    small = resize(sample, max(round(sample.width * factor), 2), max(round(sample.height * factor), 2))
    panel = np.full((PANEL_HEIGHT_PX, PANEL_WIDTH_PX, 3), 255, np.uint8)
    panel[: small.height, : small.width] = _drawn(small, outside_px=1)
    return panel


def _zoomed(sample: Sample, which: int) -> Image:
    """What is around a ball, with sharp pixels, so that one sees whether the box fits."""
    boxes = sample.balls if len(sample.balls) else sample.boxes
    x, y = (boxes[which, :2] + boxes[which, 2:]) / 2 if len(boxes) else (sample.width / 2, sample.height / 2)
    side = PANEL_HEIGHT_PX // ZOOM
    left, top = (
        int(np.clip(round(v) - side // 2, 0, max(n - side, 0))) for v, n in ((x, sample.width), (y, sample.height))
    )
    part = sample.image[top : top + side, left : left + side]
    large = cv2.resize(part, None, fx=ZOOM, fy=ZOOM, interpolation=cv2.INTER_NEAREST)
    moved = (sample.boxes - np.array([left, top, left, top])) * ZOOM
    panel = np.full((PANEL_HEIGHT_PX, PANEL_HEIGHT_PX, 3), 255, np.uint8)
    panel[: large.shape[0], : large.shape[1]] = _drawn(Sample(large, moved, sample.categories), outside_px=0)
    return panel


def _drawn(sample: Sample, outside_px: int) -> Image:
    image = sample.image.copy()
    for box, category in zip(np.rint(sample.boxes).astype(int), sample.categories, strict=True):
        corner, opposite = box[:2] - outside_px, box[2:] - 1 + outside_px
        cv2.rectangle(image, corner.tolist(), opposite.tolist(), BALL_COLOUR if category == BALL else PLAYER_COLOUR, 1)
    return image
