"""Pseudo-labels of a video: what a teacher finds in its kept frames, with scores, as a COCO file.

Belongs here: running a teacher over a folder of frames, the files of the ``pseudo_labels`` asset, its checks. Must not
come here: teachers (``teachers``), choosing what a person looks at (``review_queue``).
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from sport_assets.detection.categories import BALL, CATEGORIES, PLAYER
from sport_assets.detection.coco import Labels, write_coco
from sport_assets.detection.errors import BadInputError
from sport_assets.detection.step_report import StepReport
from sport_assets.detection.teachers import KeptFrames, Taught, Teacher, TeacherSettings, make_teacher
from sport_assets.lineage.checks import CheckResult
from sport_assets.lineage.row_index import RowIndex

LABELS_FILE, TEACHER_FILE, LOOKS_FILE, SHEET_FILE = (
    "annotations.json",
    "teacher.json",
    "looks.parquet",
    "contact_sheet.png",
)
FRAMES_FILE = "frames.parquet"
CHECKS: Mapping[str, tuple[bool, str]] = {
    "has_labels": (True, "The teacher, if any was asked for, found at least one player or ball in the video."),
    "most_frames_have_players": (False, "The teacher found a player in at least nine of ten frames."),
    "ball_found": (False, "The teacher found a ball in at least one frame."),
    "degenerate_boxes_dropped": (False, "No box was without area; those that were are dropped."),
    "background_class_dropped": (False, "No detection was of the background class; those that were are dropped."),
    "boxes_inside": (False, "No box reached beyond its image; those that did are cut at its edge."),
}
"""Every check of ``write_pseudo_labels``: blocking or not, and its description."""
LOOKS_COLUMNS: Mapping[str, pl.DataType] = {"frame": pl.Int64(), "disagreement": pl.Float64()}
"""How much the teacher's looks at windows and at the whole frame differ, 0 to 1; null for a single look."""

Progress = Callable[[int, int], None]
"""Called with frames done and frames in all."""
_FRAME_COLUMNS = ("frame", "time_ms", "file", "width", "height", "sha256")
_PLAYERS_SHARE = 0.9


@dataclass
class _Dropped:
    """What did not become a label."""

    degenerate: int = 0
    cut: int = 0


def write_pseudo_labels(
    frames: Path,
    video: Path,
    key: str,
    out: Path,
    settings: TeacherSettings,
    progress: Progress | None = None,
    teacher: Teacher | None = None,
) -> StepReport:
    """Label a video's kept frames; write the files of the ``pseudo_labels`` asset to the folder ``out``.

    ``frames``: the version folder of the video's frames (frames.parquet, images/); ``key``: the video's name;
    ``teacher``: one that is open already, instead of that of ``settings``.

    Writes annotations.json (COCO with scores; every kept frame is listed), teacher.json (what the labels depend on
    besides the frames), looks.parquet and contact_sheet.png. The same frames and teacher give the same bytes. File
    names in annotations.json are those of frames.parquet, relative to its folder. Raises ``BadInputError`` for frames
    that cannot be used and what the teacher raises; nothing is written then.
    """
    table = read_frames(frames)
    teacher = teacher or make_teacher(settings)
    kept = KeptFrames(video, table["frame"].to_list(), [frames / name for name in table["file"]])
    taught: list[Taught] = []
    for each in teacher.detect(kept):
        taught.append(each)
        if progress is not None:
            progress(len(taught), len(table))
    if len(taught) != len(table):
        raise ValueError(f"the teacher labelled {len(taught)} of {len(table)} frames")
    dropped = _Dropped()
    labels = _labels(table, key, taught, dropped)
    identity = teacher.identity()
    write_coco(labels, out / LABELS_FILE)
    (out / TEACHER_FILE).write_text(json.dumps(identity, sort_keys=True, indent=1) + "\n", encoding="utf-8")
    looks = {"frame": table["frame"], "disagreement": [each.disagreement for each in taught]}
    pl.DataFrame(looks, schema=dict(LOOKS_COLUMNS)).write_parquet(out / LOOKS_FILE)
    _write_sheet(labels, frames, out / SHEET_FILE)
    return _report(labels, key, teacher, identity, dropped)


def read_frames(frames: Path) -> pl.DataFrame:
    """The table of a folder of frames, by frame number.

    Raises ``BadInputError`` where it is missing, lacks a column, or names pictures that are not there.
    """
    path = frames / FRAMES_FILE
    if not path.is_file():
        raise BadInputError(f"{path}: is missing. Give the folder of a video's frames, or make them again.")
    try:
        table = pl.read_parquet(path)
    except pl.exceptions.PolarsError as error:
        raise BadInputError(f"{path}: cannot be read ({error}). Make the frames again.") from error
    absent = [name for name in _FRAME_COLUMNS if name not in table.columns]
    if absent:
        raise BadInputError(f"{path}: has no column {', '.join(absent)}. Make the frames again.")
    gone = [name for name in table["file"] if not (frames / name).is_file()]
    if gone:
        raise BadInputError(f"{path}: {len(gone)} pictures are missing, {gone[0]} first. Make the frames again.")
    return table.sort("frame")


def _labels(table: pl.DataFrame, key: str, taught: list[Taught], dropped: _Dropped) -> Labels:
    images: list[dict[str, Any]] = []
    boxes: list[dict[str, Any]] = []
    for number, (row, each) in enumerate(zip(table.iter_rows(named=True), taught, strict=True), start=1):
        images.append(
            {
                "image": number,
                "file_name": row["file"],
                **{name: row[name] for name in ("width", "height", "frame", "time_ms", "sha256")},
                "video": key,
                "source": "pseudo",
            }
        )
        found = each.detections
        for box, score, category in zip(found.boxes.tolist(), found.scores, found.categories.tolist(), strict=True):
            edges = [min(max(edge, 0.0), float(row[side])) for edge, side in zip(box, _SIDES, strict=True)]
            left, top, right, bottom = (round(edge, 2) for edge in edges)
            if right <= left or bottom <= top:
                dropped.degenerate += 1
                continue
            dropped.cut += edges != box
            boxes.append(
                {
                    "box": len(boxes) + 1,
                    "image": number,
                    "category": category,
                    "x": left,
                    "y": top,
                    "width": round(right - left, 2),
                    "height": round(bottom - top, 2),
                    "score": round(float(score), 4),
                }
            )
    return Labels.of(images, boxes, CATEGORIES)


_SIDES = ("width", "height", "width", "height")


def _write_sheet(labels: Labels, frames: Path, path: Path) -> None:
    from sport_assets.detection.contact_sheet import contact_sheet

    if len(labels.images):
        contact_sheet(labels, frames, path, rows=3, cols=3)


def _report(labels: Labels, key: str, teacher: Teacher, identity: Mapping[str, Any], dropped: _Dropped) -> StepReport:
    boxes, images = labels.boxes, len(labels.images)
    counts = teacher.counts
    with_player, with_ball = (boxes.filter(pl.col("category") == kind)["image"].n_unique() for kind in (PLAYER, BALL))
    players = labels.images.join(
        boxes.filter(pl.col("category") == PLAYER).group_by("image").len("players"), on="image", how="left"
    )["players"].fill_null(0)
    labelled = len(boxes) > 0 or identity["name"] == "none"
    degenerate = dropped.degenerate + counts.get("degenerate", 0)
    background = counts.get("background", 0)
    results = [
        _check("has_labels", labelled, 0 if labelled else images, images),
        _check("most_frames_have_players", with_player >= _PLAYERS_SHARE * images, images - with_player, images),
        _check("ball_found", with_ball > 0, images if not with_ball else 0, images),
        _check("degenerate_boxes_dropped", not degenerate, degenerate, degenerate + len(boxes)),
        _check("background_class_dropped", not background, background, background + len(boxes)),
        _check("boxes_inside", not dropped.cut, dropped.cut, len(boxes)),
    ]
    facts = {
        "frames": images,
        "players": len(boxes.filter(pl.col("category") == PLAYER)),
        "balls": len(boxes.filter(pl.col("category") == BALL)),
        "frames_with_players": with_player,
        "frames_with_ball": with_ball,
        "median_players_per_frame": float(players.median() or 0) if images else 0.0,  # type: ignore[arg-type]
        "dropped": dict(sorted({**counts, "degenerate": degenerate}.items())),
        "teacher": dict(identity),
        **({"noticed": dict(teacher.facts)} if teacher.facts else {}),
    }
    index = RowIndex()
    index.add(("video",), [key])
    index.add(("video", "frame"), [(key, frame) for frame in labels.images["frame"]])
    return StepReport(tuple(results), facts, identifiers=index)


def _check(name: str, passed: bool, failed: int, checked: int) -> CheckResult:
    blocking, description = CHECKS[name]
    return CheckResult(
        name, passed, blocking, description, failed=failed, checked=checked, rules={name: failed} if failed else {}
    )
