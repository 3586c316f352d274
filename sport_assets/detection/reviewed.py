"""Reviewed labels come back: CVAT XML, CVAT's zip or COCO, matched with the images that were sent to review.

Belongs here: whose boxes hold for which image after a review, and who reviewed. Must not come here: choosing what is
reviewed, the formats themselves (``cvat``, ``coco``).
"""

import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import polars as pl

from sport_assets.detection import cvat
from sport_assets.detection.coco import Labels, parse_coco
from sport_assets.detection.errors import BadLabelsError
from sport_assets.detection.judging import categories, judge
from sport_assets.detection.label_entries import Entries, Fault, fault, read_file
from sport_assets.detection.label_formats import coco_entries

REVIEWS_FOLDER = "detection/reviewed"
LAYOUT = f"{REVIEWS_FOLDER}/<video>.zip, .xml or .json: what CVAT exports, or COCO"
_EXTENSIONS = (".zip", ".xml", ".json")
_UNPACKING = (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError)


def review_files(data: Path, key: str) -> list[str]:
    """The file of a video's review, relative to the folder of raw files; empty where there is none.

    Raises ``BadLabelsError`` where there are several.
    """
    names = [f"{key}{extension}" for extension in _EXTENSIONS]
    found = [f"{REVIEWS_FOLDER}/{name}" for name in names if (data / REVIEWS_FOLDER / name).is_file()]
    if len(found) > 1:
        raise BadLabelsError(f"{' and '.join(found)}: reviews of one video; keep the last one")
    return found


@dataclass(frozen=True)
class Reviewed:
    """What a review brought back."""

    labels: Labels
    """The reviewed images, with their numbers and file names of before; ``source`` is reviewed, no box has a score."""
    review: cvat.Review
    faults: list[Fault]
    """Rows that could not be used, by ``QUARANTINE_SCHEMA``."""
    not_reviewed: tuple[str, ...]
    """File names of images that were asked for and are not in the file."""
    unusable: tuple[str, ...]
    """File names of images that came back and do not count as reviewed: of another size, or with a shape that cannot be
    used. Without it they would say that there is less in them than the person saw."""
    dropped: Mapping[str, int]
    """Boxes of classes that are not ours, by the name of the class."""
    cut: int
    """Boxes that were cut at the edge of their image."""


def read_reviewed(path: Path, asked: Labels, *, roles: bool = False, reviewer: str | None = None) -> Reviewed:
    """Read a review of the images of ``asked``.

    ``path``: CVAT for images 1.1 (.xml, or the .zip that CVAT exports) or COCO (.json, or a .zip with one in it), whose
    image names are those of the package (``cvat.write_cvat_package``). COCO does not say who reviewed: ``reviewer``,
    which also goes before the assignee that CVAT names. What a person left as it was has no score any more: it is a
    label now. Raises ``BadLabelsError`` for a file that is neither, and for one of other images.
    """
    file = path.name
    data, inside = _content(path)
    find = cvat.images_by_package_name(asked)
    review = cvat.Review()
    if inside.lower().endswith(".xml"):
        entries, review = cvat.read_cvat(data, file, find)
    else:
        entries = coco_entries(*parse_coco(data, file, foreign=True), file, find)
    if reviewer is not None:
        review = replace(review, assignee=reviewer)
    if not entries.images:
        raise BadLabelsError(
            f"{file}: none of its images was asked for (as {', '.join(asked.images['file_name'].to_list()[:1])}). "
            "Bring the review of this very package, and leave the image names as they are."
        )
    images, faults = _images(entries, asked, file)
    numbers = _numbers(images)
    boxes = sorted((replace(box, score=None) for box in entries.boxes), key=lambda box: numbers.get(box.image, 0))
    faults = [*entries.faults, *faults, *judge(boxes, images, numbers, roles=roles).faults]
    # a person looked at the image, but what of it is left here is not what they saw: not even that nobody is there
    unusable = {json.loads(each["row"]).get("image") for each in faults} & numbers.keys()
    faults += [fault("image_not_reviewed", file, value=name, image=name) for name in sorted(unusable)]
    images = images.filter(~pl.col("file_name").is_in(list(unusable)))
    numbers = _numbers(images)
    judged = judge([box for box in boxes if box.image in numbers], images, numbers, roles=roles)
    came = {entry.name for entry in entries.images}
    return Reviewed(
        Labels(images.with_columns(source=pl.lit("reviewed")), judged.boxes, categories(roles)),
        review,
        faults,
        tuple(name for name in asked.images["file_name"] if name not in came),
        tuple(sorted(came - numbers.keys())),
        judged.dropped,
        judged.cut,
    )


def _numbers(images: pl.DataFrame) -> dict[str, int]:
    return dict(images.select("file_name", "image").iter_rows())


def _content(path: Path) -> tuple[bytes, str]:
    """The labels in a file and the name that tells their format."""
    data = read_file(path, path.name)
    kind = path.suffix.lower()
    if kind in (".xml", ".json"):
        return data, path.name
    if kind != ".zip":
        raise BadLabelsError(
            f"{path.name}: neither .xml, .json nor .zip. Export as CVAT for images 1.1 or as COCO 1.0."
        )
    try:
        with zipfile.ZipFile(path) as package:
            names = [name for name in package.namelist() if name.lower().endswith((".xml", ".json"))]
            names = [name for name in names if PurePosixPath(name).name != "labels.json"]
            if len(names) != 1:
                raise BadLabelsError(
                    f"{path.name}: {len(names)} files of labels in it ({', '.join(names[:5]) or 'none'}); one is wanted"
                )
            return package.read(names[0]), names[0]
    except _UNPACKING as error:  # damaged, encrypted, or packed otherwise
        raise BadLabelsError(f"{path.name}: cannot be unpacked ({error}). Export it again.") from error


def _images(entries: Entries, asked: Labels, file: str) -> tuple[pl.DataFrame, list[Fault]]:
    """The rows of ``asked`` that were reviewed, and entries that do not fit them."""
    known = {row["file_name"]: row for row in asked.images.iter_rows(named=True)}
    faults: list[Fault] = []
    found: set[str] = set()
    for entry in entries.images:
        row = known[entry.name]
        if entry.name in found:
            raise BadLabelsError(f"{file}: {entry.name} is there twice. Export one task at a time.")
        if (entry.width, entry.height) != (row["width"], row["height"]):
            said = f"{entry.width}x{entry.height}, sent were {row['width']}x{row['height']}"
            faults.append(fault("image_size_differs", file, entry.line, "width, height", said, image=entry.name))
            continue
        found.add(entry.name)
    return asked.images.filter(pl.col("file_name").is_in(list(found))), faults
