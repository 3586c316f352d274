"""Reading image files: their pixels as they are stored, everywhere in this line.

Belongs here: decoding, and what an orientation tag would make of an image. Must not come here: which images there are,
frames of videos (``frames``).

A camera that is held upright often stores a lying image and a tag (EXIF) by which viewers turn it. Boxes do not say
which of the two they were drawn on, and tools disagree: rfdetr, torchvision and pycocotools know stored pixels alone,
CVAT and Ultralytics turn them. Here a box is always in stored pixels, from import to prediction. An import compares
sizes, and sets aside the image whose labels were made on the turned one, or where sizes cannot tell.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Size = tuple[int, int]
"""Width and height in pixels."""
UPRIGHT = "save the image upright, without an orientation tag, and label it so"
_TAG_IN = (b"Exif", b"eXIf", b"EXIF", b"II*\0", b"MM\0*")  # JPEG, PNG, WebP; TIFF is such a block itself


def decode(data: bytes, *, small_grey: bool = False) -> NDArray[np.uint8] | None:
    """Pixels of an encoded image as it is stored, or None when it is damaged, cut off or none at all.

    [height, width, 3], blue first. ``small_grey``: without colour, at an eighth of the size, which JPEG files are
    decoded to several times as fast.
    """
    import cv2  # with the first image: checks are declared where the definitions are loaded

    mode = cv2.IMREAD_REDUCED_GRAYSCALE_8 if small_grey else cv2.IMREAD_COLOR
    return _decoded(data, mode | cv2.IMREAD_IGNORE_ORIENTATION)


def read_picture(path: Path) -> NDArray[np.uint8] | None:
    """Pixels of an image file as it is stored, or None when it is not there or cannot be decoded."""
    try:
        return decode(path.read_bytes())
    except OSError:
        return None


def shown_size(data: bytes, stored: NDArray[np.uint8]) -> Size | None:
    """The size at which viewers show an encoded image that they turn or mirror by its tag, else None.

    ``stored``: its pixels as ``decode`` gives them.
    """
    if not any(mark in data for mark in _TAG_IN):
        return None
    import cv2

    shown = _decoded(data, cv2.IMREAD_COLOR)
    return None if shown is None or np.array_equal(shown, stored) else (shown.shape[1], shown.shape[0])


def other_size(said: Size, stored: Size, shown: Size | None) -> str:
    """How an image's size differs from what its labels say; that the tag is to blame, where it is."""
    text = f"{said[0]}x{said[1]}, the file has {stored[0]}x{stored[1]}"
    if shown == said:
        text += f": the labels were made on the image as its orientation tag turns it; {UPRIGHT}"
    return text


def _decoded(data: bytes, mode: int) -> NDArray[np.uint8] | None:
    import cv2

    try:
        found = cv2.imdecode(np.frombuffer(data, np.uint8), mode)
    except cv2.error:  # an empty file, or more pixels than can be
        return None
    return None if found is None else np.asarray(found, np.uint8)
