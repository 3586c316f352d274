"""Existing labelled data sets become one: images and boxes that keep the rules, and what was set aside.

Belongs here: the files of the ``labelled_frames`` asset, its checks and figures. Must not come here: reading formats
(``label_formats``), the rules of boxes (``judging``, ``annotation_schemas``).

Raw images are copied, not linked: what is published is read-only for good, and a link would make the user's file so.
"""

import json
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import polars as pl

from sport_assets.detection.annotation_schemas import MEANING
from sport_assets.detection.coco import IMAGE_COLUMNS, Labels, write_coco
from sport_assets.detection.errors import BadLabelsError
from sport_assets.detection.judging import Judged, categories, judge
from sport_assets.detection.label_entries import BoxEntry, Entries, Fault, ImageFolder, fault, files_below
from sport_assets.detection.label_formats import read_set, read_settings, source_clips
from sport_assets.detection.pictures import other_size
from sport_assets.detection.step_report import StepReport
from sport_assets.lineage.checks import SAMPLE_ROWS, CheckResult
from sport_assets.lineage.quarantine import QUARANTINE_SCHEMA, write_quarantine
from sport_assets.lineage.row_index import RowIndex

ANNOTATIONS_FILE, IMAGES_FOLDER = "annotations.json", "images"
FOOTAGE_FILE = "footage.json"
"""By the name of a clip, the ``video`` of all images that are of it: the same clip in two data sets is one footage. And
by a ``video``, the others that have an image of it."""
RAW_FOLDER = "detection/labelled"
LAYOUT = f"{RAW_FOLDER}/<set>/ with images and labels in COCO, YOLO, Pascal VOC or CVAT"
VIDEO = "video"
WITHDRAWABLE = (VIDEO,)
"""Columns by which rows can be withdrawn: a source clip, as ``<set>/<clip>``."""
QUARANTINE_LIMIT = 0.02
"""Largest share of boxes and labelled images that may be set aside; a single one never is too many."""

_CHECKS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("images_readable", "Every labelled image is there, once, and can be decoded to its end.",
     ("image_missing", "image_unreadable", "image_twice", "image_named_twice")),
    ("labels_fit_their_images", "Images and labels pair up, and the labels were made on images of that size.",
     ("image_size_differs", "image_turned", "image_without_labels", "labels_without_image", "image_set_aside")),
    ("boxes_are_boxes", "Every row of labels is an upright box of a class.",
     ("not_a_number", "not_a_box", "rotated_box", "class_out_of_range", "no_class")),
    ("values_possible", "Every box has an area, lies in its image, and every number is one that can be.",
     ("finite", "no_area", "score_range", "outside_the_image")),
)  # fmt: skip

CHECKS: dict[str, tuple[bool, str]] = {
    "labels_left": (True, "At least one box of our categories is left."),
    "quarantined_share": (True, f"At most {QUARANTINE_LIMIT:.0%} of boxes and labelled images are set aside."),
    "classes_known": (False, "Every class of the data sets is one of ours. Boxes of others are dropped."),
    "clips_known": (False, "Every image says which clip it is of. The others of a set count as one clip."),
    **{name: (False, description) for name, description, _ in _CHECKS},
}
"""Every check of ``write_labelled``: blocking or not, and its description."""


@dataclass
class _Import:
    """What is gathered over all data sets."""

    images: list[dict[str, Any]] = field(default_factory=list)
    boxes: list[pl.DataFrame] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    sources: list[Path] = field(default_factory=list)
    digests: dict[str, tuple[str, str]] = field(default_factory=dict)
    """The name and the ``video`` of the first image with these bytes."""
    dropped: Counter[str] = field(default_factory=Counter)
    without_clip: list[str] = field(default_factory=list)
    footage: dict[str, set[str]] = field(default_factory=dict)
    rows: int = 0
    sets: dict[str, dict[str, Any]] = field(default_factory=dict)


def labelled_sets(data: Path) -> list[Path]:
    """The folders of labelled data sets below the folder of raw files, sorted by name."""
    folder = data / RAW_FOLDER
    return sorted(each for each in folder.iterdir() if each.is_dir()) if folder.is_dir() else []


def labelled_files(data: Path) -> list[str]:
    """Every file of the labelled data sets, relative to the folder of raw files, sorted."""
    return [
        f"{RAW_FOLDER}/{folder.name}/{name}"
        for folder in labelled_sets(data)
        for name in files_below(folder)
        if not any(part.startswith(".") for part in PurePosixPath(name).parts)
    ]


def write_labelled(
    sources: Sequence[Path], out: Path, *, roles: bool = False, withdrawn: Sequence[Mapping[str, str]] = ()
) -> StepReport:
    """Import data sets, given by their folders, into the folder ``out``.

    Writes annotations.json (COCO; ``video`` is ``<set>/<clip>``, ``source`` is labelled), images/<set>/…, footage.json
    (clip -> its ``video`` in each data set that does not declare its clips its own; ``video`` -> others that share an
    image with it) and quarantine.parquet. The same files give the same bytes. ``roles``: keep goalkeepers and referees
    apart.
    ``withdrawn``: row sets (column -> value, of WITHDRAWABLE) whose images are left out.
    Raises ``BadLabelsError`` for a data set that cannot be read as one; nothing is half imported then.
    """
    names = [source.name for source in sources]
    if not sources:
        raise BadLabelsError(f"no labelled data set: put a folder of images and labels into {RAW_FOLDER}/ of your data")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise BadLabelsError(f"two data sets are called {twice}: name their folders differently")
    gone = {rows[VIDEO] for rows in withdrawn}
    into = _Import()
    for source in sorted(sources, key=lambda each: each.name):
        _import(source, roles, gone, into)
    boxes = pl.concat(into.boxes)
    labels = Labels(
        pl.DataFrame(into.images, schema=IMAGE_COLUMNS),
        boxes.with_columns(box=pl.int_range(1, len(boxes) + 1, dtype=pl.Int64)),
        categories(roles),
    )
    for row, path in zip(into.images, into.sources, strict=True):
        target = out / row["file_name"]
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    write_coco(labels, out / ANNOTATIONS_FILE)
    footage = {clip: sorted(videos) for clip, videos in into.footage.items()}
    (out / FOOTAGE_FILE).write_text(json.dumps(footage, sort_keys=True, indent=1) + "\n", encoding="utf-8")
    quarantine = pl.DataFrame(into.faults, schema=QUARANTINE_SCHEMA).sort(
        "file", "line", "rule", "column", "value", "row"
    )
    quarantined = write_quarantine([quarantine], out)
    index = RowIndex()
    index.add((VIDEO,), labels.images[VIDEO].unique())
    facts = {
        "images": len(labels.images),
        "boxes": len(labels.boxes),
        "clips": labels.images[VIDEO].n_unique(),
        "images_without_boxes": len(labels.images) - labels.boxes["image"].n_unique(),
        "boxes_by_category": {
            name: labels.boxes.filter(category=number).height for number, name in labels.categories.items()
        },
        "sets": into.sets,
        "set_aside": dict(sorted(Counter(each["rule"] for each in into.faults).items())),
        "meaning": {rule: MEANING[rule] for rule in sorted({each["rule"] for each in into.faults})},
    }
    return StepReport(_checks(into, len(labels.boxes)), facts, quarantined, index)


def _import(source: Path, roles: bool, withdrawn: set[str], into: _Import) -> None:
    settings, files = read_settings(source), ImageFolder(source)
    kind, entries = read_set(source, settings, files)
    if not entries.images:
        raise BadLabelsError(
            f"{source.name}: no image with labels in this {kind} data set. Put the images where the labels name them"
            + (f" (as {entries.faults[0]['value'] or entries.faults[0]['file']})." if entries.faults else ".")
        )
    clip = source_clips(source, settings)
    named = Counter(entry.name for entry in entries.images)
    numbers: dict[str, int] = {}
    gone: set[str] = set()
    rows: list[dict[str, Any]] = []
    faults = list(entries.faults)
    for entry in sorted(entries.images, key=lambda each: (each.name, each.file, each.line)):
        if named[entry.name] > 1:
            faults.append(fault("image_named_twice", entry.file, entry.line, value=entry.name))
            continue
        file = files.read(entry.name)
        known = entry.video or clip(entry.name)
        video = f"{source.name}/{known or source.name}"
        if video in withdrawn:
            gone.add(entry.name)
            faults.append(fault("withdrawn", entry.file, entry.line, VIDEO, video, image=entry.name))
            continue
        if file is None:
            faults.append(fault("image_unreadable", entry.name, value=entry.name, labels=entry.file))
            continue
        stored, said = (file.width, file.height), (entry.width or file.width, entry.height or file.height)
        if said != stored:
            what = other_size(said, stored, file.shown)
            faults.append(fault("image_size_differs", entry.file, entry.line, "width, height", what, image=entry.name))
            continue
        if file.shown is not None and (file.shown == stored or not (entry.width and entry.height)):
            what = f"{stored[0]}x{stored[1]} as it is stored"
            faults.append(fault("image_turned", entry.file, entry.line, "", what, image=entry.name))
            continue
        # said of an image that is there already, too: its clip may be all that ties two others together
        if known is not None and not settings.own_clips:
            into.footage.setdefault(known, set()).add(video)
        name = f"{source.name}/{entry.name}"
        first, its_video = into.digests.setdefault(file.sha256, (name, video))
        if first != name:
            faults.append(fault("image_twice", entry.name, value=first, sha256=file.sha256))
            if its_video != video:
                into.footage.setdefault(its_video, set()).add(video)
            continue
        if known is None:
            into.without_clip.append(name)
        numbers[entry.name] = len(into.images) + len(rows) + 1
        rows.append(
            {
                "image": numbers[entry.name],
                "file_name": f"{IMAGES_FOLDER}/{source.name}/{entry.name}",
                "width": file.width,
                "height": file.height,
                "video": video,
                "frame": entry.frame,
                "time_ms": entry.time_ms,
                "sha256": file.sha256,
                "source": "labelled",
                "true_aspect": settings.aspect,
            }
        )
        into.sources.append(source / entry.name)
    boxes = [box for box in entries.boxes if box.image not in gone]
    judged = judge(_in_order(boxes, numbers), pl.DataFrame(rows, schema=IMAGE_COLUMNS), numbers, roles=roles)
    faults += judged.faults
    into.images += rows
    into.boxes.append(judged.boxes)
    into.faults += [{**each, "file": f"{source.name}/{each['file']}"} for each in faults]
    into.dropped.update(judged.dropped)
    into.rows += len(boxes) + len(entries.images) + len(entries.faults)
    into.sets[source.name] = _figures(kind, settings.license, settings.aspect, rows, judged, entries)


def _in_order(boxes: Sequence[BoxEntry], numbers: Mapping[str, int]) -> list[BoxEntry]:
    """By image, then as the files have them."""
    return sorted(boxes, key=lambda box: (numbers.get(box.image, 0), box.file, box.line))


def _figures(
    kind: str, license_: str, aspect: float | None, rows: Sequence[Mapping[str, Any]], judged: Judged, entries: Entries
) -> dict[str, Any]:
    return {
        "format": kind,
        "license": license_,
        "true_aspect": aspect,
        "images": len(rows),
        "images_named": len(entries.images),
        "boxes": len(judged.boxes),
        "boxes_set_aside": len(_set_aside(judged.faults)),
        "boxes_cut_at_the_edge": judged.cut,
        "dropped_classes": dict(judged.dropped),
        "clips": len({row["video"] for row in rows}),
    }


def _set_aside(faults: Sequence[Fault]) -> set[tuple[str, int, str]]:
    """The rows that are set aside, each once however many rules it breaks."""
    return {(each["file"], each["line"], each["row"]) for each in faults}


def _checks(into: _Import, boxes: int) -> tuple[CheckResult, ...]:
    unlabelled = [each for each in into.faults if each["rule"] == "image_without_labels"]
    bad = [each for each in into.faults if each["rule"] not in ("image_without_labels", "withdrawn")]
    rows, count = max(into.rows - len(unlabelled), 1), len(_set_aside(bad))
    results = [
        _result("labels_left", boxes > 0, failed=0 if boxes else into.rows, checked=into.rows),
        _result(
            "quarantined_share",
            count <= max(1, QUARANTINE_LIMIT * rows),
            failed=count,
            checked=rows,
            rules=_by_rule(bad),
            sample=_sample(bad),
            metadata={"share": round(count / rows, 6), "limit": QUARANTINE_LIMIT},
        ),
        _result(
            "classes_known",
            not into.dropped,
            failed=sum(into.dropped.values()),
            checked=into.rows,
            rules=dict(sorted(into.dropped.items())),
        ),
        _result(
            "clips_known",
            not into.without_clip,
            failed=len(into.without_clip),
            checked=len(into.images),
            rules={"no_clip": len(into.without_clip)} if into.without_clip else {},
            sample=[{"rule": "no_clip", "image": name} for name in into.without_clip[:SAMPLE_ROWS]],
        ),
    ]
    for name, _, rules in _CHECKS:
        broken = [each for each in into.faults if each["rule"] in rules]
        results.append(
            _result(
                name,
                not broken,
                failed=len(_set_aside(broken)),
                checked=into.rows,
                rules=_by_rule(broken),
                sample=_sample(broken),
            )
        )
    return tuple(results)


def _by_rule(faults: Sequence[Fault]) -> dict[str, int]:
    return dict(sorted(Counter(each["rule"] for each in faults).items()))


def _sample(faults: Sequence[Fault]) -> list[Mapping[str, Any]]:
    return [{name: each[name] for name in ("rule", "file", "line", "column", "value")} for each in faults[:SAMPLE_ROWS]]


def _result(name: str, passed: bool, **more: Any) -> CheckResult:
    blocking, description = CHECKS[name]
    return CheckResult(name, passed, blocking, description, **more)
