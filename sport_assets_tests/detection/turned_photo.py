"""A photo that viewers turn: a JPEG with an orientation tag, for the tests of who reads it how."""

import struct
from pathlib import Path

import cv2
import numpy as np


def write_turned(path: Path, width: int = 120, height: int = 60, orientation: int = 6) -> None:
    """A JPEG of that size as it is stored; orientation 6 makes viewers turn it by 90 degrees."""
    picture = np.full((height, width, 3), 90, np.uint8)
    picture[: height // 2, : width // 3] = (30, 200, 60)
    jpeg = cv2.imencode(".jpg", picture)[1].tobytes()
    tag = b"MM\0*" + struct.pack(">IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0)
    exif = b"\xff\xe1" + struct.pack(">H", 8 + len(tag)) + b"Exif\0\0" + tag
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(jpeg[:2] + exif + jpeg[2:])
