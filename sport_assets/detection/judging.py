"""Boxes of another tool become ours: categories by name, every rule asked, what breaks one set aside.

Belongs here: what becomes of a box entry, for data sets that are imported and for reviewed labels alike. Must not come
here: reading formats, image files.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from sport_assets.detection.annotation_schemas import BOXES, clipped, relation_failures
from sport_assets.detection.categories import CATEGORIES, ROLE_CATEGORIES, category_of
from sport_assets.detection.coco import BOX_COLUMNS
from sport_assets.detection.label_entries import BoxEntry, Fault, fault, row_of
from sport_assets.lineage.quarantine import failures


@dataclass(frozen=True)
class Judged:
    """Boxes that keep every rule (``BOX_COLUMNS``, numbered from 1 in the order given), and what became of the rest."""

    boxes: pl.DataFrame
    faults: list[Fault]
    dropped: Mapping[str, int]
    """Boxes of classes that are not ours, by the name of the class."""
    cut: int
    """Boxes that reached over the edge of their image by less than the tolerance and were cut there."""


def categories(roles: bool) -> Mapping[int, str]:
    """The categories that labels have, with goalkeepers and referees apart or not."""
    return ROLE_CATEGORIES if roles else CATEGORIES


def judge(entries: Sequence[BoxEntry], images: pl.DataFrame, numbers: Mapping[str, int], *, roles: bool) -> Judged:
    """Sort boxes by the rules of ``annotation_schemas``.

    ``images``: the images that are used, in ``IMAGE_COLUMNS``; ``numbers``: their numbers by the name in entries.
    A box of any other image is set aside with it.
    """
    dropped: Counter[str] = Counter()
    faults: list[Fault] = []
    kept: list[BoxEntry] = []
    rows = []
    for entry in entries:
        category = category_of(entry.label, roles=roles)
        if category is None:
            dropped[entry.label] += 1
        elif entry.image not in numbers:
            faults.append(fault("image_set_aside", entry.file, entry.line, "image", entry.image, **row_of(entry)))
        else:
            kept.append(entry)
            rows.append(
                {
                    "box": len(kept),
                    "image": numbers[entry.image],
                    "category": category,
                    **{name: getattr(entry, name) for name in ("x", "y", "width", "height", "score", "crowd")},
                }
            )
    boxes = pl.DataFrame(rows, schema=BOX_COLUMNS)
    found = pl.concat([failures(boxes, BOXES), relation_failures(boxes, images, categories(roles))])
    bad = set()
    for row in found.sort("index", "rule", "column").iter_rows(named=True):
        entry = kept[row["index"]]
        bad.add(row["index"])
        faults.append(fault(row["rule"], entry.file, entry.line, row["column"], row["value"], **row_of(entry)))
    good = boxes.filter(~pl.Series([number in bad for number in range(len(boxes))], dtype=pl.Boolean))
    inside, cut = clipped(good, images)
    renumbered = inside.with_columns(box=pl.int_range(1, len(inside) + 1, dtype=pl.Int64))
    return Judged(renumbered, faults, dict(sorted(dropped.items())), cut)
