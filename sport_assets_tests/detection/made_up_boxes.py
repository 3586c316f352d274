"""Random images with true boxes and a detector's answers to them, for the tests of evaluation."""

import numpy as np
import polars as pl

from sport_assets.detection.categories import BALL, PLAYER
from sport_assets.detection.coco import Labels
from sport_assets.detection.scored_boxes import in_order

WIDTH, HEIGHT = 1280, 720


def image_row(image: int, clip: str | None = None, **more: object) -> dict[str, object]:
    return {"image": image, "file_name": f"{image}.jpg", "width": WIDTH, "height": HEIGHT, "video": clip, **more}


def box_row(box: int, image: int, category: int, place: tuple[float, ...], **more: object) -> dict[str, object]:
    return {
        "box": box,
        "image": image,
        "category": category,
        **dict(zip(("x", "y", "width", "height"), place, strict=True)),
        **more,
    }


def scored(rows: list[dict[str, object]]) -> pl.DataFrame:
    """Predictions from rows."""
    return in_order(Labels.of([], rows).boxes)


def random_truth(
    images: int = 40, seed: int = 0, *, players: int = 8, crowds: bool = True, clips: int = 5, balls: bool = True
) -> Labels:
    """Players of 10 to 150 pixels' height, a small ball in most images, some images without any box."""
    rng = np.random.default_rng(seed)
    rows: list[dict[str, object]] = []
    for image in range(1, images + 1):
        if image % 9 == 0:
            continue
        for _ in range(rng.integers(1, players + 1)):
            height = rng.uniform(10, 150)
            place = (*rng.uniform(0, (WIDTH - 80, HEIGHT - 150)), height * rng.uniform(0.3, 0.5), height)
            rows.append(box_row(len(rows) + 1, image, PLAYER, place, crowd=crowds and rng.random() < 0.1))
        if balls and rng.random() < 0.8:
            place = (*rng.uniform(0, (WIDTH - 20, HEIGHT - 20)), *rng.uniform(5, 18, 2))
            rows.append(box_row(len(rows) + 1, image, BALL, place))
    return Labels.of([image_row(image, f"clip {image % clips}") for image in range(1, images + 1)], rows)


def random_answers(truth: Labels, seed: int = 1, *, jitter: float = 0.12, ghosts: int = 3) -> pl.DataFrame:
    """True boxes moved a little, some missed, some twice, some of the other category, and ghosts; scores with ties."""
    rng = np.random.default_rng(seed)
    rows: list[dict[str, object]] = []

    def add(image: int, category: int, place: np.ndarray, score: float) -> None:
        rows.append(box_row(len(rows) + 1, image, category, tuple(place.tolist()), score=round(float(score), 2)))

    for true in truth.boxes.iter_rows(named=True):
        place = np.array([true["x"], true["y"], true["width"], true["height"]])
        side = np.tile(place[2:], 2)
        for _ in range(rng.choice([0, 1, 1, 1, 2])):
            moved = np.abs(place + rng.normal(0, jitter, 4) * side)
            category = true["category"] if rng.random() < 0.95 else 3 - true["category"]
            add(true["image"], category, moved, rng.beta(4, 2))
    for image in truth.images["image"].to_list():
        if image % 7 == 0:
            continue
        for _ in range(rng.integers(0, ghosts + 1)):
            category = int(rng.choice([PLAYER, BALL]))
            size = rng.uniform(5, 16, 2) if category == BALL else rng.uniform(10, 90, 2)
            add(image, category, np.array([*rng.uniform(0, (1100, 600)), *size]), rng.beta(2, 4))
    return scored(rows)


def answers_equal_to(truth: Labels, score: float = 0.9) -> pl.DataFrame:
    """A detector that says exactly what is true."""
    return in_order(truth.boxes.with_columns(score=pl.lit(score), crowd=pl.lit(False)))
