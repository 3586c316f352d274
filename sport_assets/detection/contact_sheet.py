"""A contact sheet: a grid of images with their boxes, balls enlarged, to see at a glance what labels are worth.

Belongs here: drawing it. Must not come here: choosing what to train on, figures.
"""

import hashlib
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from sport_assets.detection.categories import BALL, PLAYER
from sport_assets.detection.coco import Labels
from sport_assets.detection.errors import BadLabelsError
from sport_assets.detection.pictures import decode

MOST_BYTES = 500_000
_WIDTHS = (360, 300, 240, 180, 120)  # of a cell, in pixels: the first whose sheet is small enough
_COLOURS = {PLAYER: (255, 160, 0), BALL: (0, 0, 255)}  # blue, green, red
_OTHER_COLOUR = (0, 220, 255)
_INSET_SHARE, _INSET_ZOOM = 0.3, 3.0
_GAP = 3

Pixels = NDArray[np.uint8]


def contact_sheet(labels: Labels, folder: Path, out_png: Path, rows: int = 4, cols: int = 4, seed: int = 0) -> int:
    """Draw up to ``rows`` x ``cols`` images as a PNG of at most about 500 kB; returns how many were drawn.

    ``folder``: the folder that file names are relative to. Players are blue, balls red, other roles yellow; the first
    ball of an image is enlarged in a corner. Images that were stretched are shown in their true aspect. Which images
    are shown follows from ``seed`` and their names: as many videos as there is room for, images with a ball first.
    Raises ``BadLabelsError`` for an image that cannot be decoded.
    """
    chosen = _choose(labels, rows * cols, seed)
    images = {number: _read(folder / name) for number, name, _ in chosen}
    sheet = np.full((_GAP, _GAP, 3), 255, np.uint8)
    encoded = b""
    for width in _WIDTHS:
        cells = [_cell(images[number], labels, number, aspect, width) for number, _, aspect in chosen]
        if cells:
            sheet = _grid(cells, cols)
        # four bits of each colour are enough to see boxes by, and take a third of the bytes
        ok, png = cv2.imencode(".png", (sheet & 0xF0) | 0x08, [cv2.IMWRITE_PNG_COMPRESSION, 6])
        if not ok:
            raise BadLabelsError(f"{out_png}: the sheet could not be encoded as PNG")
        encoded = png.tobytes()
        if len(encoded) <= MOST_BYTES:
            break
    out_png.write_bytes(encoded)
    return len(chosen)


def _choose(labels: Labels, count: int, seed: int) -> list[tuple[int, str, float]]:
    """Number, file name and aspect (width / height as to be shown) of the images to draw."""
    balls = set(labels.boxes.filter(category=BALL)["image"])
    of_video: dict[object, int] = {}
    ranked: list[tuple[int, int, tuple[int, str, float]]] = []
    rows = labels.images.iter_rows(named=True)
    for row in sorted(rows, key=lambda row: (row["image"] not in balls, _hash(seed, row["file_name"]))):
        place = of_video[row["video"]] = of_video.get(row["video"], -1) + 1
        aspect = row["true_aspect"] or row["width"] / row["height"]
        ranked.append((place, len(ranked), (row["image"], row["file_name"], aspect)))
    return [chosen for _, _, chosen in sorted(ranked)[:count]]


def _hash(seed: int, name: str) -> str:
    return hashlib.sha256(f"{seed} {name}".encode()).hexdigest()


def _read(path: Path) -> Pixels:
    pixels = decode(path.read_bytes()) if path.is_file() else None
    if pixels is None:
        raise BadLabelsError(f"{path}: the image is not there or cannot be decoded. Make the data set again.")
    return pixels


def _cell(pixels: Pixels, labels: Labels, number: int, aspect: float, width: int) -> Pixels:
    height = max(1, round(width / aspect))
    scale_x, scale_y = width / pixels.shape[1], height / pixels.shape[0]
    cell: Pixels = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA).astype(np.uint8)
    boxes = labels.boxes.filter(image=number).sort("category")
    for box in boxes.iter_rows(named=True):
        # a pixel around the box, so that what is in it can be seen
        corner = round(box["x"] * scale_x) - 1, round(box["y"] * scale_y) - 1
        other = round((box["x"] + box["width"]) * scale_x), round((box["y"] + box["height"]) * scale_y)
        cv2.rectangle(cell, corner, other, _COLOURS.get(box["category"], _OTHER_COLOUR), 1)
    for ball in boxes.filter(category=BALL).head(1).iter_rows(named=True):
        centre = ball["x"] + ball["width"] / 2, ball["y"] + ball["height"] / 2
        _inset(cell, pixels, centre, (ball["width"], ball["height"]), (scale_x, scale_y))
    return cell


def _inset(
    cell: Pixels, pixels: Pixels, centre: tuple[float, float], size: tuple[float, float], scale: tuple[float, float]
) -> None:
    """Enlarge the surroundings of a ball into the corner of the cell that is farthest from it."""
    height, width = cell.shape[:2]
    side = max(8, round(_INSET_SHARE * height))
    # in the cell's scale, so that a stretched image is upright here as well
    shown = max(size[0] * scale[0], size[1] * scale[1]) * _INSET_ZOOM
    left, top = centre[0] - shown / 2 / scale[0], centre[1] - shown / 2 / scale[1]
    grow = side / shown
    matrix = np.array(
        [[scale[0] * grow, 0, -left * scale[0] * grow], [0, scale[1] * grow, -top * scale[1] * grow]], np.float64
    )
    inset = cv2.warpAffine(pixels, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    ball_side = np.array(size) * scale * grow / 2
    corner, other = (tuple(int(v) for v in np.rint(side / 2 + sign * ball_side)) for sign in (-1, 1))
    cv2.rectangle(inset, corner, other, _COLOURS[BALL], 1)
    cv2.rectangle(inset, (0, 0), (side - 1, side - 1), (255, 255, 255), 1)
    x = width - side if centre[0] * scale[0] < width / 2 else 0
    y = height - side if centre[1] * scale[1] < height / 2 else 0
    cell[y : y + side, x : x + side] = inset


def _grid(cells: list[Pixels], cols: int) -> Pixels:
    """Cells in rows, in the order given, with white between them; images of other heights are centred in their row."""
    bands = []
    for start in range(0, len(cells), cols):
        row = cells[start : start + cols]
        high = max(cell.shape[0] for cell in row)
        band = np.full((high + _GAP, cols * (row[0].shape[1] + _GAP) + _GAP, 3), 255, np.uint8)
        for place, cell in enumerate(row):
            x, y = _GAP + place * (cell.shape[1] + _GAP), (high - cell.shape[0]) // 2
            band[y : y + cell.shape[0], x : x + cell.shape[1]] = cell
        bands.append(band)
    return np.concatenate([np.full((_GAP, bands[0].shape[1], 3), 255, np.uint8), *bands])
