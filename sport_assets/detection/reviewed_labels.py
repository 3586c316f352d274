"""Reviewed labels of a video: what a person made of the review queue, as labels of its frames.

Belongs here: the files of the ``reviewed_labels`` asset and its checks. Must not come here: reading what came back
(``reviewed``), formats (``cvat``, ``coco``).
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from sport_assets.detection.categories import CATEGORIES
from sport_assets.detection.coco import Labels, read_coco, write_coco
from sport_assets.detection.errors import BadLabelsError
from sport_assets.detection.pseudo_labels import LABELS_FILE, read_frames
from sport_assets.detection.step_report import StepReport
from sport_assets.detection.teaching_checks import REVIEWED_LABELS, UNUSABLE_LIMIT
from sport_assets.lineage.checks import SAMPLE_ROWS, CheckResult
from sport_assets.lineage.quarantine import QUARANTINE_SCHEMA, write_quarantine
from sport_assets.lineage.row_index import RowIndex

if TYPE_CHECKING:
    from sport_assets.detection.reviewed import Reviewed

REVIEW_FILE = "review.json"
REVIEWER = "reviewer"
"""Column by which what stands on a person's reviews is found."""


def write_reviewed(
    review: Path,
    frames: Path,
    key: str,
    out: Path,
    *,
    queue: Path | None = None,
    reviewer: str | None = None,
    roles: bool = False,
) -> StepReport:
    """Read a review and write the files of the ``reviewed_labels`` asset to the folder ``out``.

    ``review``: CVAT XML, CVAT's zip, or COCO; images are matched to the video's frames by their file names.
    ``frames``: the version folder of the video's frames; ``key``: the video's name; ``queue``: that of its review
    queue, to tell which frames did not come back (without it nothing is known to be missing). ``reviewer``: who
    reviewed, where the file does not say or says it wrongly. ``roles``: keep goalkeepers and referees apart.

    Writes annotations.json (reviewed frames only), review.json (who reviewed which frames, when) and
    quarantine.parquet (images and boxes that could not be used; a frame with one counts as not reviewed).
    Raises ``BadLabelsError`` for a file that cannot be read and for one in which no image is of this video.
    """
    from sport_assets.detection.reviewed import read_reviewed

    asked = _asked(frames, key)
    found = read_reviewed(review, asked, roles=roles, reviewer=reviewer)
    wanted = set(asked.images["file_name"]) if queue is None else _queued(queue)
    came = sorted(found.labels.images["file_name"])
    missing = sorted(wanted - set(came)) if queue is not None else []
    write_coco(found.labels, out / LABELS_FILE)
    frames_of = dict(found.labels.images.select("file_name", "frame").iter_rows())
    content = {
        "version": 1,
        "video": key,
        "file": review.name,
        "task": found.review.task,
        "reviewer": found.review.assignee or found.review.owner,
        "date": found.review.updated,
        "frames": [{"frame": frames_of[name], "file": name} for name in came],
        "not_reviewed": missing,
    }
    (out / REVIEW_FILE).write_text(json.dumps(content, sort_keys=True, indent=1) + "\n", encoding="utf-8")
    rows = [{name: each[name] for name in QUARANTINE_SCHEMA} for each in found.faults]
    quarantined = write_quarantine([pl.DataFrame(rows, schema=QUARANTINE_SCHEMA)], out)
    return _report(found, key, content, quarantined, len(wanted) if queue is not None else 0)


def _asked(frames: Path, key: str) -> Labels:
    """Every frame of the video as one that may come back."""
    rows = [
        {
            "image": number,
            "file_name": row["file"],
            **{name: row[name] for name in ("width", "height", "frame", "time_ms", "sha256")},
            "video": key,
        }
        for number, row in enumerate(read_frames(frames).iter_rows(named=True), start=1)
    ]
    return Labels.of(rows, [], CATEGORIES)


def _queued(queue: Path) -> set[str]:
    if not (queue / LABELS_FILE).is_file():
        raise BadLabelsError(f"{queue}: is no review queue (no {LABELS_FILE}). Give the folder of the video's queue.")
    return set(read_coco(queue / LABELS_FILE).images["file_name"])


def _report(found: "Reviewed", key: str, content: Mapping[str, Any], quarantined: int, queued: int) -> StepReport:
    images, boxes = len(found.labels.images), len(found.labels.boxes)
    rules = Counter(str(each["rule"]) for each in found.faults)
    missing: Sequence[str] = content["not_reviewed"]
    results = [
        _check("has_reviewed_frames", {} if images else {"no_frame": 1}, max(images, 1)),
        _check("labels_usable", rules, images + boxes + len(found.faults), found.faults),
        _check(
            "frames_usable",
            {"image_not_reviewed": len(found.unusable)},
            images + len(found.unusable),
            [{"file": name} for name in found.unusable],
            allowed=max(1, UNUSABLE_LIMIT * (images + len(found.unusable))),
        ),
        _check("queue_reviewed", {"not_reviewed": len(missing)}, queued, [{"file": name} for name in missing]),
        _check("classes_known", dict(found.dropped), boxes + sum(found.dropped.values())),
        _check("reviewer_known", {} if content["reviewer"] else {"unknown_reviewer": 1}, 1),
    ]
    kinds = found.labels.boxes.group_by("category").len().sort("category")
    facts = {
        "frames": images,
        "boxes": {found.labels.categories[kind]: count for kind, count in kinds.iter_rows()},
        "cut_boxes": found.cut,
        "queued": queued,
        "not_reviewed": len(missing),
        "quarantined": quarantined,
        "reviewer": content["reviewer"] or "unknown",
        "date": content["date"] or "unknown",
    }
    index = RowIndex()
    if content["reviewer"]:
        index.add((REVIEWER,), [content["reviewer"]])
    return StepReport(tuple(results), facts, quarantined, index)


def _check(
    name: str,
    rules: Mapping[str, int],
    checked: int,
    sample: Sequence[Mapping[str, Any]] = (),
    allowed: float = 0,
) -> CheckResult:
    blocking, description = REVIEWED_LABELS[name]
    broken = {rule: count for rule, count in sorted(rules.items()) if count}
    failed = sum(broken.values())
    return CheckResult(name, failed <= allowed, blocking, description, failed, checked, broken, sample[:SAMPLE_ROWS])
