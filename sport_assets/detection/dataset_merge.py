"""Labels of several sources become one: for each image those of the source that is most to be trusted.

Belongs here: which source's labels hold for an image. Must not come here: sides (``dataset_split``), files
(``dataset``).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import polars as pl

from sport_assets.detection.annotation_schemas import BOXES, IMAGES, clipped, relation_failures
from sport_assets.detection.categories import BALL
from sport_assets.detection.coco import BOX_COLUMNS, IMAGE_COLUMNS, Labels
from sport_assets.detection.errors import BadLabelsError
from sport_assets.lineage.digest import sha256_file
from sport_assets.lineage.quarantine import failures

Kind = Literal["reviewed", "labelled", "pseudo"]
PRECEDENCE: tuple[Kind, ...] = ("reviewed", "labelled", "pseudo")
"""Most to be trusted first: a person looked at it twice, once, or not at all."""


@dataclass(frozen=True)
class Source:
    """Labels of one kind. ``name`` is for people (a video, a data set); ``images``: the folder that file names are
    relative to."""

    kind: Kind
    name: str
    labels: Labels
    images: Path


@dataclass(frozen=True)
class Merged:
    """One set of labels, numbered from 1 by video, frame and file name."""

    labels: Labels
    paths: tuple[Path, ...]
    """The file of each image, in the order of ``labels.images``."""
    same_footage: tuple[frozenset[str], ...]
    """Videos that share an image, though they are called differently."""
    counts: Mapping[str, Any]
    """By source: images used; by pair of sources: images for which the first was preferred; boxes cut at an edge; balls
    of pseudo-labels beyond the best one of their image."""


def merge(sources: Sequence[Source]) -> Merged:
    """Join sources: for each image, labels of the first source in ``PRECEDENCE`` that has it.

    Two images are the same when they are of the same frame of the same video, or their files have the same bytes. A
    match has one ball: of an image's pseudo-labels only the ball with the best score is taken.
    Raises ``BadLabelsError`` for no images, images without a video or without a file, labels that break a rule, and
    sources with different categories.
    """
    ordered = sorted(sources, key=lambda source: (PRECEDENCE.index(source.kind), source.name))
    categories = _categories(ordered)
    seen: dict[tuple[object, ...], tuple[str, str]] = {}
    rows: list[dict[str, Any]] = []
    boxes: list[pl.DataFrame] = []
    used: Counter[str] = Counter()
    superseded: Counter[str] = Counter()
    footage: set[frozenset[str]] = set()
    cut = spare_balls = 0
    for place, source in enumerate(ordered):
        _keeps_the_rules(source)
        inside, over = clipped(source.labels.boxes, source.labels.images)
        cut += over
        kept: set[int] = set()
        for row in source.labels.images.iter_rows(named=True):
            path = source.images / row["file_name"]
            if row["video"] is None:
                raise BadLabelsError(
                    f"{source.kind} {source.name}: {row['file_name']} is of no video, so no side can be chosen for it. "
                    "Say in the labels of which video or clip each image is."
                )
            if not path.is_file():
                raise BadLabelsError(f"{source.kind} {source.name}: {path} is not there. Make its images again.")
            digest = row["sha256"] or sha256_file(path)
            names: list[tuple[object, ...]] = [("file", digest)]
            if row["frame"] is not None:
                names.append(("frame", row["video"], row["frame"]))
            before = [seen[name] for name in names if name in seen]
            for _, video in before:
                if video != row["video"]:
                    footage.add(frozenset((video, row["video"])))
            winner = before[0][0] if before else source.kind
            for name in names:
                seen.setdefault(name, (winner, row["video"]))
            if before:
                superseded[f"{source.kind} by {winner}"] += 1
                continue
            kept.add(row["image"])
            used[source.kind] += 1
            rows.append({**row, "sha256": digest, "source": source.kind, "path": path, "from": (place, row["image"])})
        taken = inside.filter(pl.col("image").is_in(list(kept)))
        if source.kind == "pseudo":
            every, taken = taken, _one_ball(taken)
            spare_balls += len(every) - len(taken)
        boxes.append(taken.with_columns(place=pl.lit(place)))
    if not rows:
        raise BadLabelsError(
            "no labels: add a video (sport-assets add-video FILE), put a labelled data set into detection/labelled/, "
            "or make some (sport-assets sample-data detection)"
        )
    rows.sort(key=lambda row: (row["video"], row["frame"] is None, row["frame"] or 0, row["file_name"], row["sha256"]))
    numbers = pl.DataFrame(
        [(*row["from"], number) for number, row in enumerate(rows, start=1)],
        schema={"place": pl.Int32, "image": pl.Int64, "number": pl.Int64},
        orient="row",
    )
    joined = (
        pl.concat(boxes)
        .join(numbers, on=["place", "image"])
        .sort("number", "place", "box")
        .with_columns(image="number", box=pl.int_range(1, pl.len() + 1, dtype=pl.Int64))
        .select(list(BOX_COLUMNS))
    )
    images = [{**row, "image": number} for number, row in enumerate(rows, start=1)]
    counts = {
        "images_by_source": {kind: used[kind] for kind in PRECEDENCE},
        "images_superseded": dict(sorted(superseded.items())),
        "boxes_cut_at_the_edge": cut,
        "pseudo_balls_left_out": spare_balls,
    }
    table = pl.DataFrame([{name: row[name] for name in IMAGE_COLUMNS} for row in images], schema=IMAGE_COLUMNS)
    paths = tuple(row["path"] for row in rows)
    return Merged(Labels(table, joined, categories), paths, tuple(sorted(footage, key=sorted)), counts)


def _one_ball(boxes: pl.DataFrame) -> pl.DataFrame:
    """The boxes without all balls of an image but that with the best score; of equal ones the first by id."""
    balls = boxes.filter(pl.col("category") == BALL).sort("score", "box", descending=[True, False], nulls_last=True)
    spare = balls.filter(pl.int_range(pl.len()).over("image") > 0)
    return boxes.join(spare, on="box", how="anti", maintain_order="left")


def _categories(sources: Sequence[Source]) -> dict[int, str]:
    found: dict[int, str] = {}
    for source in sources:
        if found and dict(source.labels.categories) != found:
            raise BadLabelsError(
                f"{source.kind} {source.name} has the categories {', '.join(source.labels.categories.values())}; "
                f"others have {', '.join(found.values())}. Make all labels with the same option for roles."
            )
        found = dict(source.labels.categories)
    return found


def _keeps_the_rules(source: Source) -> None:
    """Labels come here from assets that set aside what breaks a rule; what still does was altered since."""
    labels = source.labels
    for what, number, table in (
        ("image", "image", failures(labels.images, IMAGES)),
        ("box", "box", failures(labels.boxes, BOXES)),
        ("box", "box", relation_failures(labels.boxes, labels.images, labels.categories)),
    ):
        for row in table.head(1).iter_rows(named=True):
            rows = labels.images if what == "image" else labels.boxes
            which = "" if row["index"] is None else f" {rows[number][row['index']]}"
            raise BadLabelsError(
                f"{source.kind} {source.name}: {what}{which} breaks the rule {row['rule']} ({row['column']} is "
                f"{row['value']}), one of {len(table)}. Make these labels again."
            )
