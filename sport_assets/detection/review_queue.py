"""The review queue of a video: which frames a person should look at first.

Belongs here: ranking frames for active learning, and the files of the ``review_queue`` asset. Must not come here: the
page that people browse (``review_gallery``), CVAT's format (``cvat``), what comes back (``reviewed_labels``).

A frame is worth a person's time when the teacher was unsure in it (scores of 0.1 to 0.4: Settles 2009, "Active Learning
Literature Survey"), when there is a ball, when two looks at it disagree, and when it is unlike those chosen before it
(the farthest-first traversal of Sener and Savarese 2018, "A Core-Set Approach").
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sport_assets.detection.categories import BALL, CATEGORIES
from sport_assets.detection.coco import Labels, read_coco, write_coco
from sport_assets.detection.errors import BadInputError
from sport_assets.detection.pseudo_labels import LABELS_FILE, LOOKS_FILE, read_frames
from sport_assets.detection.step_report import StepReport
from sport_assets.detection.teaching_checks import REVIEW_QUEUE
from sport_assets.lineage.checks import CheckResult

QUEUE_FILE, PACKAGE_FILE = "queue.parquet", "cvat.zip"
UNSURE_FROM, UNSURE_TO = 0.1, 0.4
"""Scores between which a detection is doubtful."""
BUDGETS = (200, 500)
"""Frames that the specs want a person to look at in a project."""

QUEUE_COLUMNS: Mapping[str, pl.DataType] = {
    "frame": pl.Int64(),  # number in the video
    "rank": pl.Int64(),  # from 1: what to look at first
    "file": pl.String(),  # the picture, relative to the folder of frames
    "worth": pl.Float64(),  # what it was chosen by: the parts by their weights
    "unsure": pl.Float64(),  # share and number of detections in the doubtful band, 0 to 1
    "ball": pl.Float64(),  # 0.5 to 1 for a ball, the surer the less; 0 for none
    "disagreement": pl.Float64(),  # of windows and whole frame, 0 to 1; 0 where unknown
    "event": pl.Float64(),  # 1 near an event, 0 elsewhere
    "unlike": pl.Float64(),  # distance to the nearest frame that ranks before it, 0 to 1
    "detections": pl.Int64(),
    "doubtful": pl.Int64(),  # detections in the band
    "reasons": pl.String(),  # in words, comma-separated
}


@dataclass(frozen=True)
class QueueSettings:
    """How frames are chosen.

    ``budget``: frames in the queue, fewer where there are fewer. The weights say how much each part counts; they need
    not sum to 1. Raises ``BadInputError`` for a budget below 1 and for negative weights, or none.
    """

    budget: int = 300
    unsure: float = 0.35
    ball: float = 0.2
    disagreement: float = 0.15
    event: float = 0.05
    unlike: float = 0.25

    def __post_init__(self) -> None:
        if self.budget < 1:
            raise BadInputError(f"review budget {self.budget}: give at least 1 frame ({BUDGETS[0]} to {BUDGETS[1]} do)")
        weights = (self.unsure, self.ball, self.disagreement, self.event, self.unlike)
        if min(weights) < 0 or not sum(weights):
            raise BadInputError(f"weights of the review queue {weights}: none may be negative, one must be above 0")


def more_than_planned(queued: Mapping[str, int]) -> str | None:
    """What to say where the queues of all videos (frames by video) together ask for more than a person's 500 frames."""
    total = sum(queued.values())
    if total <= BUDGETS[1]:
        return None
    return (
        f"the review queues of {len(queued)} videos ask for {total:,} frames together, and the plan for {BUDGETS[0]} "
        f"to {BUDGETS[1]} in all: budget={max(1, BUDGETS[1] // len(queued))} for each video would be that"
    )


def write_review_queue(
    frames: Path, key: str, out: Path, settings: QueueSettings | None = None, pseudo: Path | None = None
) -> StepReport:
    """Choose and rank frames for review; write the files of the ``review_queue`` asset to the folder ``out``.

    ``frames``: the version folder of the video's frames; ``key``: the video's name; ``pseudo``: that of its
    pseudo-labels, or None: then events, pictures and time alone decide.

    Writes queue.parquet (``QUEUE_COLUMNS``, by rank), annotations.json (the chosen frames and their boxes, by rank),
    cvat.zip (the same with pictures, for CVAT) and gallery.html. The same frames and labels give the same bytes.
    Raises ``BadInputError`` for frames or labels that cannot be used.
    """
    from sport_assets.detection.review_gallery import GALLERY_FILE, write_gallery

    settings = settings or QueueSettings()
    table = read_frames(frames)
    labels, looks = _read_labels(table, key, pseudo)
    parts = score_parts(table, labels, looks)
    pictures = np.stack([describe(frames / name) for name in table["file"]]) if len(table) else np.zeros((0, 1))
    queue = rank_frames(parts, pictures, settings)
    chosen = subset(labels, queue["file"].to_list())
    queue.write_parquet(out / QUEUE_FILE)
    write_coco(chosen, out / LABELS_FILE)
    _write_package(chosen, frames, out / PACKAGE_FILE, key)
    write_gallery(queue, chosen, frames, out / GALLERY_FILE, key)
    return _report(table, queue, chosen, key, settings, pseudo is not None)


def score_parts(table: pl.DataFrame, labels: Labels, looks: Mapping[int, float]) -> pl.DataFrame:
    """What speaks for each frame on its own: a row a frame of ``table``, in its order.

    ``looks``: disagreement by frame number, where it is known.
    """
    of_frame: dict[str, list[tuple[int, float]]] = {name: [] for name in table["file"]}
    names = dict(labels.images.select("image", "file_name").iter_rows())
    for image, category, score in labels.boxes.select("image", "category", "score").iter_rows():
        of_frame[names[image]].append((category, 1.0 if score is None else score))
    reasons = table["reason"].to_list() if "reason" in table.columns else [""] * len(table)
    rows = []
    for row, why in zip(table.iter_rows(named=True), reasons, strict=True):
        found = of_frame[row["file"]]
        doubtful = sum(UNSURE_FROM <= score <= UNSURE_TO for _, score in found)
        # few detections in doubt among many count less than the only one, and three doubts more than one
        unsure = 0.5 * doubtful / len(found) + 0.5 * (1 - 0.6**doubtful) if found else 0.0
        ball = max((score for category, score in found if category == BALL), default=None)
        rows.append(
            {
                "frame": row["frame"],
                "file": row["file"],
                "unsure": unsure,
                "ball": 0.0 if ball is None else 1 - 0.5 * ball,
                "disagreement": looks.get(row["frame"], 0.0),
                "event": float(why in ("event", "both")),
                "detections": len(found),
                "doubtful": doubtful,
            }
        )
    types = {name: kind for name, kind in QUEUE_COLUMNS.items() if name not in ("rank", "worth", "unlike", "reasons")}
    return pl.DataFrame(rows, schema=types)


def describe(picture: Path) -> NDArray[np.float64]:
    """What a picture looks like, roughly: 8 x 8 grey cells and a histogram of its colours; float64 [112].

    Raises ``BadInputError`` for a picture that cannot be read.
    """
    import cv2  # see pictures.decode

    image = cv2.imread(str(picture), cv2.IMREAD_REDUCED_COLOR_8)
    if image is None:
        raise BadInputError(f"{picture}: the picture cannot be read. Make the frames again.")
    cells = cv2.resize(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), (8, 8), interpolation=cv2.INTER_AREA) / 255
    colours = [cv2.calcHist([image], [channel], None, [16], [0, 256]).ravel() for channel in range(3)]
    shares = np.concatenate(colours) / (image.shape[0] * image.shape[1])
    return np.concatenate([cells.ravel() / 8, shares]).astype(np.float64)


def rank_frames(parts: pl.DataFrame, pictures: NDArray[np.float64], settings: QueueSettings) -> pl.DataFrame:
    """The queue: one frame after the other, each the one worth most given those before it.

    ``parts``: see ``score_parts``; ``pictures`` [N, D]: see ``describe``. How unlike a frame is counts pictures and
    time alike: a static camera's pictures are all alike, and then time spreads the choice.
    """
    alone = sum(
        (getattr(settings, name) * parts[name].to_numpy() for name in ("unsure", "ball", "disagreement", "event")),
        np.zeros(len(parts)),
    )
    times = parts["frame"].to_numpy().astype(np.float64)
    spread = max(float(np.ptp(times)), 1.0) if len(times) else 1.0
    far = _typical_distance(pictures)
    nearest = np.ones(len(parts))
    left = np.ones(len(parts), bool)
    order: list[int] = []
    worths: list[float] = []
    unlikes: list[float] = []
    for _ in range(min(settings.budget, len(parts))):
        worth = alone + settings.unlike * nearest
        best = int(np.argmax(np.where(left, worth, -np.inf)))
        order.append(best)
        worths.append(float(worth[best]))
        unlikes.append(float(nearest[best]))
        left[best] = False
        look = np.minimum(np.linalg.norm(pictures - pictures[best], axis=1) / far, 1)
        # half of the video away is far; a twentieth is near
        time = np.minimum(np.abs(times - times[best]) / (0.5 * spread), 1)
        nearest = np.minimum(nearest, 0.5 * look + 0.5 * time)
    chosen = parts[order].with_columns(
        rank=pl.int_range(1, len(order) + 1, dtype=pl.Int64),
        worth=pl.Series(worths, dtype=pl.Float64).round(6),
        unlike=pl.Series(unlikes, dtype=pl.Float64).round(6),
        unsure=pl.col("unsure").round(6),
        ball=pl.col("ball").round(6),
        disagreement=pl.col("disagreement").round(6),
    )
    reasons = pl.Series("reasons", [_reasons(row) for row in chosen.iter_rows(named=True)], dtype=pl.String)
    return chosen.with_columns(reasons).select(list(QUEUE_COLUMNS))


def subset(labels: Labels, files: Sequence[str]) -> Labels:
    """The labels of some images, numbered anew in the order of ``files``."""
    place = {name: number for number, name in enumerate(files, start=1)}
    old = {
        row["image"]: place[row["file_name"]]
        for row in labels.images.iter_rows(named=True)
        if row["file_name"] in place
    }
    images = labels.images.filter(pl.col("image").is_in(list(old))).with_columns(
        pl.col("image").replace_strict(old, return_dtype=pl.Int64)
    )
    boxes = labels.boxes.filter(pl.col("image").is_in(list(old))).with_columns(
        pl.col("image").replace_strict(old, return_dtype=pl.Int64)
    )
    boxes = boxes.sort("image", "box").with_columns(box=pl.int_range(1, pl.len() + 1, dtype=pl.Int64))
    return Labels(images.sort("image"), boxes, labels.categories)


def _read_labels(table: pl.DataFrame, key: str, pseudo: Path | None) -> tuple[Labels, dict[int, float]]:
    """Labels of exactly the frames of the table (without boxes where there are none), and disagreements."""
    fields = ("width", "height", "frame", "time_ms", "sha256")
    images = [
        {
            "image": number,
            "file_name": row["file"],
            **{name: row[name] for name in fields},
            "video": key,
            "source": "pseudo" if pseudo is not None else None,
        }
        for number, row in enumerate(table.iter_rows(named=True), start=1)
    ]
    if pseudo is None:
        return Labels.of(images, [], CATEGORIES), {}
    read = read_coco(pseudo / LABELS_FILE)
    digests = dict(read.images.select("file_name", "sha256").iter_rows())
    other = [
        row["file"] for row in table.iter_rows(named=True) if digests.get(row["file"], row["sha256"]) != row["sha256"]
    ]
    unknown = sorted(set(digests) - set(table["file"]))
    if other or unknown:
        raise BadInputError(
            f"{pseudo / LABELS_FILE}: labels of other frames ({(other or unknown)[0]} first): make the pseudo-labels "
            "of these frames again"
        )
    looks = pl.read_parquet(pseudo / LOOKS_FILE) if (pseudo / LOOKS_FILE).is_file() else None
    known = {} if looks is None else dict(looks.drop_nulls("disagreement").select("frame", "disagreement").iter_rows())
    numbers = {row["file_name"]: row["image"] for row in images}
    of_old = {number: numbers[name] for number, name in read.images.select("image", "file_name").iter_rows()}
    boxes = [{**row, "image": of_old[row["image"]]} for row in read.boxes.iter_rows(named=True)]
    return Labels.of(images, boxes, read.categories), known


def _typical_distance(pictures: NDArray[np.float64]) -> float:
    """Twice the median distance of pictures to their mean: farther than that is as unlike as can be."""
    if not len(pictures):
        return 1.0
    away = np.linalg.norm(pictures - pictures.mean(axis=0), axis=1)
    return max(2 * float(np.median(away)), 1e-9)


def _reasons(row: Mapping[str, Any]) -> str:
    said = []
    if row["doubtful"]:
        said.append(f"{row['doubtful']} doubtful of {row['detections']}")
    if row["ball"]:
        said.append("ball")
    if row["disagreement"] >= 0.2:
        said.append("windows and whole frame disagree")
    if row["event"]:
        said.append("event")
    if row["unlike"] >= 0.3:
        said.append("unlike those before")
    return ", ".join(said) or "fills the budget"


def _write_package(labels: Labels, frames: Path, path: Path, key: str) -> None:
    from sport_assets.detection.cvat import write_cvat_package

    write_cvat_package(labels, frames, path, task=f"review of {key}")


def _report(
    table: pl.DataFrame, queue: pl.DataFrame, chosen: Labels, key: str, settings: QueueSettings, labelled: bool
) -> StepReport:
    balls = chosen.boxes.filter(pl.col("category") == BALL)["image"].n_unique()
    empty = int((queue["detections"] == 0).sum())
    failed = {
        "has_frames": 0 if len(queue) else 1,
        "balls_in_queue": len(queue) if labelled and not balls else 0,
        "detections_in_all_frames": empty if labelled else 0,
    }
    results = []
    for name, (blocking, description) in REVIEW_QUEUE.items():
        count = failed[name]
        rules = {name: count} if count else {}
        results.append(CheckResult(name, not count, blocking, description, count, max(len(queue), 1), rules))
    facts = {
        "frames": len(table),
        "queued": len(queue),
        "budget": settings.budget,
        "usual_budget": f"{BUDGETS[0]}-{BUDGETS[1]}",
        "with_pseudo_labels": labelled,
        "queued_with_ball": balls,
        "queued_with_doubt": int((queue["doubtful"] > 0).sum()),
        "queued_without_detection": empty,
    }
    return StepReport(tuple(results), facts)
