"""A COCO data set of drawn images, small enough to train on in seconds: tall boxes as players, small discs as balls."""

from pathlib import Path

import cv2
import numpy as np

from sport_assets.detection.categories import BALL, PLAYER
from sport_assets.detection.coco import Labels, write_coco


def tiny_dataset(
    folder: Path, *, train: int = 16, valid: int = 8, test: int = 8, width: int = 96, height: int = 64
) -> Path:
    """Sides train, valid and test in the layout of detection/coco_dataset; a video of its own for each four images."""
    for seed, (side, count) in enumerate((("train", train), ("valid", valid), ("test", test))):
        random = np.random.default_rng(seed)
        (folder / side).mkdir(parents=True)
        images, boxes = [], []
        for number in range(1, count + 1):
            name = f"{side}_{number:03d}.png"
            picture = np.full((height, width, 3), (60, 140, 60), np.uint8)
            for _ in range(int(random.integers(1, 4))):
                x, y = int(random.integers(2, width - 14)), int(random.integers(2, height - 24))
                cv2.rectangle(picture, (x, y), (x + 9, y + 19), (40, 40, 200), -1)
                boxes.append((number, PLAYER, x, y, 10, 20))
            x, y = int(random.integers(4, width - 4)), int(random.integers(4, height - 4))
            cv2.circle(picture, (x, y), 3, (250, 250, 250), -1)
            boxes.append((number, BALL, x - 3, y - 3, 7, 7))
            cv2.imwrite(str(folder / side / name), picture)
            video = f"{side}_{(number - 1) // 4}"
            images.append({"image": number, "file_name": name, "width": width, "height": height, "video": video})
        keys = ("image", "category", "x", "y", "width", "height")
        rows = [{"box": n, **dict(zip(keys, box, strict=True))} for n, box in enumerate(boxes, start=1)]
        write_coco(Labels.of(images, rows), folder / side / "_annotations.coco.json")
    return folder
