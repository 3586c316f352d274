"""The data set that a detector is trained on: merged labels, by side, in the layout that rfdetr takes.

Belongs here: the files of the ``coco_dataset`` asset. Must not come here: which source holds (``dataset_merge``), which
video is on which side (``dataset_split``), checks and figures (``dataset_checks``).
"""

import json
import os
import re
import shutil
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import polars as pl

from sport_assets.detection.coco import Labels, read_coco, write_coco
from sport_assets.detection.contact_sheet import contact_sheet
from sport_assets.detection.dataset_checks import CHECKS, COCO_FILE, dataset_checks, read_sides, statistics
from sport_assets.detection.dataset_merge import Kind, Merged, Source, merge
from sport_assets.detection.dataset_split import SIDES, Group, SplitError, SplitSettings, split_sides, units
from sport_assets.detection.errors import BadLabelsError
from sport_assets.detection.labelled_frames import FOOTAGE_FILE
from sport_assets.detection.step_report import StepReport
from sport_assets.detection.video_identifiers import VIDEO_SHA256, of_videos
from sport_assets.training.names import SPLIT_FILE

__all__ = [
    "CHECKS",
    "Kind",
    "Source",
    "SplitError",
    "SplitSettings",
    "read_sides",
    "read_split",
    "write_dataset",
]

Layout = Literal["rfdetr", "spec"]
SHEET_FILE, STATISTICS_FILE = "contact_sheet.png", "statistics.json"
SPLIT_VERSION = 1
_SPEC_SIDES = {"train": "train", "valid": "val", "test": "test"}


ANNOTATIONS_FILE = "annotations.json"
"""Labels of a source, in its folder."""


def write_from_folders(
    sources: Iterable[tuple[Kind, str, Path, Path]],
    out: Path,
    *,
    settings: Mapping[str, Any],
    teacher_videos: Collection[str],
    video_sha256: Mapping[str, str] | None = None,
) -> StepReport:
    """``write_dataset`` from published folders: kind, name, the folder with the labels, the folder of their images.

    ``settings``: those of ``SplitSettings``, ``layout`` and ``least_score``, from which on a pseudo-label is taken.
    ``teacher_videos``, ``video_sha256``: see there.
    """
    found = list(sources)
    split = {name: value for name, value in settings.items() if name not in ("layout", "least_score")}
    lists = {name: tuple(value) for name, value in split.items() if isinstance(value, list)}
    read = [Source(kind, name, read_coco(folder / ANNOTATIONS_FILE), images) for kind, name, folder, images in found]
    read = [_believed(source, settings["least_score"]) if source.kind == "pseudo" else source for source in read]
    return write_dataset(
        read,
        out,
        split=SplitSettings(**{**split, **lists}),
        teacher_videos=teacher_videos,
        layout=settings["layout"],
        same_footage=[videos for kind, _, folder, _ in found if kind == "labelled" for videos in _footage(folder)],
        video_sha256=video_sha256,
    )


def _footage(folder: Path) -> list[list[str]]:
    """The videos and clips that are of one footage, by their names or by an image, where a folder of labels says it."""
    path = folder / FOOTAGE_FILE
    content = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return [[clip, *videos] for clip, videos in content.items()]  # a registered video may have the clip's name


def _believed(source: Source, least_score: float) -> Source:
    """The source without labels of a lower score."""
    boxes = source.labels.boxes.filter(pl.col("score").is_null() | (pl.col("score") >= least_score))
    return replace(source, labels=replace(source.labels, boxes=boxes))


def write_dataset(
    sources: Sequence[Source],
    out: Path,
    *,
    split: SplitSettings | None = None,
    teacher_videos: Collection[str] = (),
    layout: Layout = "rfdetr",
    same_footage: Sequence[Collection[str]] = (),
    video_sha256: Mapping[str, str] | None = None,
    seed: int = 0,
) -> StepReport:
    """Merge sources, put whole videos on sides, and write the data set into the folder ``out``.

    Writes {train,valid,test}/_annotations.coco.json with the images beside it (hard links, copies where there can be
    none), test only when it was asked for; split.json, statistics.json and contact_sheet.png. ``layout="spec"`` writes
    {train,val,test}/images and {train,val,test}/annotations/annotations.json as well. The same sources and settings
    give the same bytes.

    ``split``: as 80/20 by default; ``teacher_videos``: videos that a teacher of the pseudo-labels was trained on, which
    stay on train; ``same_footage``: sets of videos that stay on one side, besides those that share images;
    ``video_sha256``: of the file of each registered video, since videos of the same file are of the same footage;
    ``seed``: which images the contact sheet shows.
    Raises ``BadLabelsError`` (see ``merge``) and ``SplitError`` (see ``split_sides``).
    """
    split = split or SplitSettings()
    merged = merge(sources)
    if merged.labels.boxes.is_empty():
        raise BadLabelsError(
            f"{len(merged.labels.images)} images and not one box: look at the labels of "
            f"{', '.join(sorted({source.name for source in sources})[:5])}"
        )
    groups = _groups(merged.labels)
    files = {video: digest for video, digest in sorted((video_sha256 or {}).items()) if video in groups}
    copies = [[video for video in files if files[video] == digest] for digest in files.values()]
    together = [unit for unit in units(groups, [*merged.same_footage, *same_footage, *copies]) if len(unit) > 1]
    side_of = split_sides(groups, split, teacher_videos=teacher_videos, same_footage=together)
    placed = merged.labels.images.with_columns(
        side=pl.col("video").replace_strict(side_of, return_dtype=pl.String),
        file_name=pl.Series(_file_names(merged), dtype=pl.String),
    )
    for side in SIDES:
        if side in side_of.values():
            _write_side(side, placed, merged, out, layout)
    sides = read_sides(out)
    shown = placed.with_columns(file_name=pl.concat_str(["side", "file_name"], separator="/"))
    contact_sheet(Labels(shown, merged.labels.boxes, merged.labels.categories), out, out / SHEET_FILE, seed=seed)
    videos = {side: sorted(video for video, its in side_of.items() if its == side) for side in sides}
    taught = sorted(set(teacher_videos) & set(side_of))
    figures = statistics(sides)
    _write_json(
        out / SPLIT_FILE,
        {
            "version": SPLIT_VERSION,
            "settings": asdict(split),
            "sides": videos,
            "counts": {side: {name: figures[side][name] for name in ("videos", "images", "boxes")} for side in sides},
            "teacher_videos": taught,
            "same_footage": together,
            VIDEO_SHA256: files,
        },
    )
    _write_json(out / STATISTICS_FILE, {**merged.counts, **figures})
    facts = {"images": len(placed), **merged.counts, **figures, "videos_by_side": videos, "teacher_videos": taught}
    return StepReport(dataset_checks(out, teacher_videos), facts, identifiers=of_videos(videos, files))


def read_split(folder: Path) -> dict[str, list[str]]:
    """The videos of each side of a data set. Raises ``BadLabelsError`` for a split of another version."""
    content = json.loads((folder / SPLIT_FILE).read_text(encoding="utf-8"))
    if content.get("version") != SPLIT_VERSION:
        raise BadLabelsError(f"{SPLIT_FILE} is not a split of version {SPLIT_VERSION}: make the data set again")
    sides: dict[str, list[str]] = content["sides"]
    return sides


def link_or_copy(source: Path, target: Path) -> None:
    """Put a file at ``target`` without a second copy of its bytes, where the filesystem allows it."""
    try:
        os.link(source, target)
    except FileExistsError:
        raise
    except OSError:  # another filesystem, too many links, or links not allowed
        shutil.copyfile(source, target)


def _groups(labels: Labels) -> dict[str, Group]:
    videos = labels.images.select("image", "video")
    images = dict(videos["video"].value_counts().iter_rows())
    boxes: dict[str, dict[int, int]] = {video: {} for video in images}
    counted = labels.boxes.join(videos, on="image").group_by("video", "category").len()
    for video, category, count in counted.iter_rows():
        boxes[video][category] = count
    return {video: Group(images[video], boxes[video]) for video in sorted(images)}


def _file_names(merged: Merged) -> list[str]:
    """A file name for each image that no other has: source, video, and its name of before."""
    taken: set[str] = set()
    names = []
    for row in merged.labels.images.iter_rows(named=True):
        path = PurePosixPath(row["file_name"])
        stem = "__".join((row["source"], *row["video"].split("/"), path.stem))
        stem = re.sub(r"[^A-Za-z0-9._-]", "_", stem)
        name, count = f"{stem}{path.suffix}", 1
        while name.lower() in taken:  # not all filesystems tell upper and lower case apart
            count += 1
            name = f"{stem}-{count}{path.suffix}"
        taken.add(name.lower())
        names.append(name)
    return names


def _write_side(side: str, placed: pl.DataFrame, merged: Merged, out: Path, layout: Layout) -> None:
    images = placed.filter(side=side).with_row_index("number", offset=1).cast({"number": pl.Int64})
    boxes = merged.labels.boxes.join(images.select("image", "number"), on="image", maintain_order="left")
    labels = Labels(
        images.with_columns(image="number").select(merged.labels.images.columns),
        boxes.with_columns(image="number", box=pl.int_range(1, pl.len() + 1, dtype=pl.Int64)).select(
            merged.labels.boxes.columns
        ),
        merged.labels.categories,
    )
    folders = [(out / side, out / side / COCO_FILE)]
    if layout == "spec":
        folder = out / _SPEC_SIDES[side]
        folders.append((folder / "images", folder / "annotations" / "annotations.json"))
    for folder, file in folders:
        for each in (folder, file.parent):
            each.mkdir(parents=True, exist_ok=True)
        write_coco(labels, file)
        for number, name in images.select("image", "file_name").iter_rows():
            link_or_copy(merged.paths[number - 1], folder / name)


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, sort_keys=True, indent=1) + "\n", encoding="utf-8")
