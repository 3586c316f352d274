"""What a detection data set is about: its videos, by name and by the digest of their files, for the row index.

Belongs here: from the videos of each side to identifiers, and where a data set keeps the digests. Must not come here:
what identifiers are used for (lineage, audit), choosing sides (``dataset_split``).

A name is only what a user called a file: the same video under another name is the same footage, and must not be
evaluated on by what learned from it. Clips of labelled data sets have no file of a video, and so a name alone.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from sport_assets.lineage.row_index import RowIndex
from sport_assets.training.names import SPLIT_FILE

VIDEO, VIDEO_SHA256 = "video", "video_sha256"


def of_videos(sides: Mapping[str, Iterable[str]], sha256: Mapping[str, str]) -> RowIndex:
    """The videos of each side. ``sha256``: of the file of each video that is known to have one."""
    index = RowIndex()
    for side, names in sides.items():
        videos = set(names)
        index.add((VIDEO,), videos, side)
        if files := {sha256[video] for video in videos & sha256.keys()}:
            index.add((VIDEO_SHA256,), files, side)
    return index


def files_of(dataset: Path) -> dict[str, str]:
    """The SHA-256 of the file of each video in a data set, as its split says it; of none where it has no split."""
    path = dataset / SPLIT_FILE
    content = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    found: dict[str, str] = content.get(VIDEO_SHA256, {})
    return found
