"""Small labelled data sets in every format, that say the same: made-up images, and boxes that are known.

Belongs here: what several tests of labels share. Must not come here: tests.
"""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sport_assets.detection.categories import CATEGORIES
from sport_assets.detection.coco import Labels
from sport_assets.lineage.digest import sha256_file

WIDTH, HEIGHT = 96, 64
NAMES = ("a_0001.png", "a_0002.png", "b_0001.png", "b_0002.png")
BOXES: Mapping[str, Sequence[tuple[str, float, float, float, float]]] = {
    "a_0001.png": [("player", 10, 8, 12, 24), ("ball", 40, 50, 6, 4)],
    "a_0002.png": [("goalkeeper", 0, 0, 6, 16)],
    "b_0001.png": [("player", 84, 32, 12, 32), ("ball", 48, 16, 6, 8)],
    "b_0002.png": [],
}
"""Label, left, top, width, height: numbers that are exact as shares of the image."""
SETTINGS = {"clip_from": r"^(?P<clip>\w+)_\d+\.png$"}
Maker = Callable[[Path], Path]


def paint(path: Path, seed: int, width: int = WIDTH, height: int = HEIGHT) -> None:
    """An image that no other seed gives: smooth blobs, so that a perceptual hash has something to go by."""
    path.parent.mkdir(parents=True, exist_ok=True)
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    assert cv2.imwrite(str(path), cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC))


def pixels_of(path: Path, mode: int = cv2.IMREAD_COLOR) -> NDArray[np.uint8]:
    """The pixels of an image file, as OpenCV reads them."""
    pixels = cv2.imread(str(path), mode)
    assert pixels is not None, path
    return pixels.astype(np.uint8)


def _images(folder: Path) -> None:
    for number, name in enumerate(NAMES):
        paint(folder / name, number)


def _settings(folder: Path) -> Path:
    write(folder / "dataset.json", SETTINGS)
    return folder


def write(path: Path, content: Any) -> None:
    """JSON, or the text or bytes as they are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content if isinstance(content, str) else json.dumps(content))


def coco_content() -> dict[str, Any]:
    """The data set as COCO, with the images beside the file."""
    classes = ["ball", "player", "goalkeeper"]
    images = [{"id": n, "file_name": name, "width": WIDTH, "height": HEIGHT} for n, name in enumerate(NAMES, start=10)]
    annotations: list[dict[str, Any]] = []
    for image in images:
        for label, *bbox in BOXES[str(image["file_name"])]:
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image["id"],
                    "category_id": classes.index(label),
                    "bbox": bbox,
                    "area": bbox[2] * bbox[3],
                    "iscrowd": 0,
                }
            )
    categories = [{"id": n, "name": name} for n, name in enumerate(classes)]
    return {"images": images, "annotations": annotations, "categories": categories}


def coco(folder: Path) -> Path:
    _images(folder)
    write(folder / "_annotations.coco.json", coco_content())
    return _settings(folder)


def yolo_line(index: int, left: float, top: float, width: float, height: float) -> str:
    centre = (left + width / 2) / WIDTH, (top + height / 2) / HEIGHT
    return " ".join(map(repr, (index, *centre, width / WIDTH, height / HEIGHT)))


def yolo(folder: Path, images: str = "images/train", labels: str = "labels/train") -> Path:
    classes = ["ball", "player", "goalkeeper"]
    _images(folder / images)
    write(folder / "data.yaml", f"names: {json.dumps(classes)}\nnc: 3\n")
    for name in NAMES:
        lines = [yolo_line(classes.index(label), *box) for label, *box in BOXES[name]]
        write(folder / labels / f"{Path(name).stem}.txt", "\n".join(lines))
    return _settings(folder)


def pascal_voc(folder: Path) -> Path:
    _images(folder / "JPEGImages")
    for name in NAMES:
        objects = "".join(
            f"<object><name>{label}</name><bndbox><xmin>{x}</xmin><ymin>{y}</ymin><xmax>{x + w}</xmax>"
            f"<ymax>{y + h}</ymax></bndbox></object>"
            for label, x, y, w, h in BOXES[name]
        )
        size = f"<size><width>{WIDTH}</width><height>{HEIGHT}</height><depth>3</depth></size>"
        text = f"<annotation><filename>{name}</filename>{size}{objects}</annotation>"
        write(folder / "Annotations" / f"{Path(name).stem}.xml", text)
    return _settings(folder)


def cvat_image(name: str, width: object = WIDTH, height: object = HEIGHT, boxes: str = "") -> str:
    return f'<image id="0" name="{name}" width="{width}" height="{height}">{boxes}</image>'


def cvat_box(label: str, x: float, y: float, w: float, h: float, more: str = "") -> str:
    return f'<box label="{label}" occluded="0" xtl="{x}" ytl="{y}" xbr="{x + w}" ybr="{y + h}" {more}/>'


def cvat(folder: Path) -> Path:
    _images(folder / "images")
    images = "".join(cvat_image(name, boxes="".join(cvat_box(*box) for box in BOXES[name])) for name in NAMES)
    write(folder / "annotations.xml", f"<annotations><version>1.1</version>{images}</annotations>")
    return _settings(folder)


FORMATS: Mapping[str, Maker] = {"coco": coco, "yolo": yolo, "pascal_voc": pascal_voc, "cvat": cvat}


def labels_in(
    folder: Path,
    videos: Mapping[str, int],
    *,
    seed: int = 0,
    source: str | None = None,
    score: float | None = None,
    ball_every: int = 1,
) -> Labels:
    """Labels of made-up frames, and the frames in ``folder``: for each video that many images, each with a player and
    every so many with a ball. Frames of a video follow from its name, the number and the seed."""
    images: list[dict[str, Any]] = []
    boxes: list[dict[str, Any]] = []
    for video in sorted(videos):
        for frame in range(videos[video]):
            name = f"images/{video.replace('/', '_')}/{frame:06d}.png"
            paint(folder / name, int.from_bytes(f"{video} {frame} {seed}".encode(), "big") % 2**63)
            number = len(images) + 1
            images.append(
                {
                    "image": number,
                    "file_name": name,
                    "width": WIDTH,
                    "height": HEIGHT,
                    "video": video,
                    "frame": frame,
                    "time_ms": frame * 40.0,
                    "sha256": sha256_file(folder / name),
                    "source": source,
                }
            )
            shapes = [(1, 20.0, 10.0, 10.0, 30.0)] + [(2, 60.5, 40.25, 5.0, 4.5)] * (frame % ball_every == 0)
            for category, x, y, width, height in shapes:
                box = {"box": len(boxes) + 1, "image": number, "category": category, "score": score}
                boxes.append({**box, "x": x, "y": y, "width": width, "height": height})
    return Labels.of(images, boxes, CATEGORIES)


def bytes_below(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by its path in it."""
    return {
        os.path.relpath(os.path.join(above, name), folder): Path(above, name).read_bytes()
        for above, _, files in os.walk(folder)
        for name in files
    }
