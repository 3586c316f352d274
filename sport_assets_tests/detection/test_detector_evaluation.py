"""The rows of an evaluation compare like with like: windows with faint boxes, their own thresholds, and the filter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from sport_assets.detection import evaluation
from sport_assets.detection.categories import BALL, PLAYER
from sport_assets.detection.coco import Labels, write_coco
from sport_assets.detection.detections import Detections
from sport_assets.detection.slicing import Image

WIDTH, HEIGHT = 192, 128
Answer = Callable[[Image], Detections]
MEASURED = {"video": ["test0", "test1"], "video_sha256": ["b"]}
"""Of which one video has a file: a student must be found to be judged by it under whatever name."""
Row = Sequence[float]
"""Category, score, left, top, right, bottom."""


def dataset(folder: Path, images: int = 4) -> Path:
    """Three sides with red players and a white ball that touch nothing else; returns split.json's place."""
    for seed, side in enumerate(("train", "valid", "test")):
        random = np.random.default_rng(seed)
        (folder / side).mkdir(parents=True)
        rows, boxes = [], []
        for number in range(1, images + 1):
            picture = np.full((HEIGHT, WIDTH, 3), (60, 140, 60), np.uint8)
            cells = random.permutation(24)[:7]
            for place, cell in enumerate(cells):
                x, y = (
                    int(cell % 6) * 32 + int(random.integers(2, 14)),
                    int(cell // 6) * 32 + int(random.integers(1, 8)),
                )
                size, colour = ((12, 22), (0, 0, 200)) if place else ((6, 6), (250, 250, 250))
                cv2.rectangle(picture, (x, y), (x + size[0] - 1, y + size[1] - 1), colour, -1)
                boxes.append((number, PLAYER if place else BALL, x, y, *size))
            cv2.imwrite(str(folder / side / f"{number}.png"), picture)
            rows.append(
                {
                    "image": number,
                    "file_name": f"{number}.png",
                    "width": WIDTH,
                    "height": HEIGHT,
                    "video": f"{side}{number % 2}",
                }
            )
        keys = ("image", "category", "x", "y", "width", "height")
        write_coco(
            Labels.of(rows, [{"box": n, **dict(zip(keys, box, strict=True))} for n, box in enumerate(boxes, start=1)]),
            folder / side / "_annotations.coco.json",
        )
    return folder / "split.json"


def painted(image: Image, score: float) -> list[Row]:
    """Exactly what is painted in an image or in a window of it."""
    rows: list[Row] = []
    for category, mask in ((PLAYER, image[:, :, 1] < 70), (BALL, image[:, :, 0] > 200)):
        count, _, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
        rows += [(category, score, x, y, x + w, y + h) for x, y, w, h, _ in stats[1:count].astype(float).tolist()]
    return rows


def answer(rows: Sequence[Row]) -> Detections:
    """Rows as detections, best score first."""
    table = np.array(rows, np.float32).reshape(-1, 6)
    found = Detections(table[:, 2:], table[:, 1], table[:, 0].astype(np.int64))
    return found[np.argsort(-found.scores, kind="stable")]


def evaluated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, detect: Answer) -> dict[str, Any]:
    """evaluation.json of a detector that answers so."""

    class Made(evaluation.TorchDetector):
        def __init__(self, _: object) -> None:
            pass

        def __call__(self, images: list[Image]) -> list[Detections]:
            return [detect(image) for image in images]

    written: dict[str, Any] = {}
    monkeypatch.setattr(evaluation, "TorchDetector", Made)
    monkeypatch.setattr(evaluation, "load", lambda _: None)
    monkeypatch.setattr(evaluation, "write_json", lambda _, report: written.update(report))
    (tmp_path / "out").mkdir()
    split = dataset(tmp_path / "data")
    split.write_text('{"video_sha256": {"train0": "a", "test0": "b"}}')
    _, _, index = evaluation.evaluate(tmp_path, split, {}, out=tmp_path / "out")
    assert {each.name: each.values() for each in index.identifiers()} == MEASURED
    return written


def with_faint_boxes(image: Image) -> Detections:
    """What is painted, and the spare boxes of a network that answers once for each of its queries."""
    random = np.random.default_rng(int(image.sum()) % 1000)
    corners = np.sort(random.uniform(0, 1, (40, 2, 2)), axis=1) * (image.shape[1], image.shape[0])
    faint = [(int(random.integers(1, 3)), random.uniform(0.001, 0.05), *each.ravel().tolist()) for each in corners]
    return answer([*painted(image, 0.9), *faint])


def test_faint_boxes_do_not_spoil_what_is_found_by_windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report = evaluated(tmp_path, monkeypatch, with_faint_boxes)
    assert report["slicing"]["window_px"] < WIDTH
    for table in (report["metrics"], report["variants"][evaluation.SLICED]):
        for group in ("player", "ball"):
            assert table[group]["ap50"]["value"] == pytest.approx(1.0), group
            assert table[group]["ap75"]["value"] == pytest.approx(1.0), group


def test_a_filter_that_acts_on_nothing_changes_no_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unsure(image: Image) -> Detections:
        """Some true balls get a score below that of ghosts: a table without them has another AP."""
        found = answer([*painted(image, 0.9), *((BALL, 0.1, 20 * n, 0, 20 * n + 5, 5) for n in range(8))])
        low = (found.categories == BALL) & (found.scores > 0.5) & (found.boxes[:, 0] > WIDTH / 3)
        return Detections(found.boxes, np.where(low, 0.06, found.scores).astype(np.float32), found.categories)

    report = evaluated(tmp_path, monkeypatch, unsure)
    assert report["temporal_filter"]["images_acted_on"] == 0
    assert 0 < report["metrics"]["ball"]["recall"]["value"] < 1, "some true balls are not believed"
    assert report["variants"][evaluation.FILTERED] == report["metrics"]
    gaps = report["differences"][evaluation.FILTERED]
    assert {gap["value"] for group in gaps.values() for gap in group.values()} <= {0.0, None}


def test_the_thresholds_for_windows_are_chosen_through_windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def surer_by_windows(image: Image) -> Detections:
        whole = image.shape[:2] == (HEIGHT, WIDTH)
        ghost = (PLAYER, 0.2 if whole else 0.6, 0, 0, 9, 9)
        return answer([*painted(image, 0.3 if whole else 0.9), ghost])

    report = evaluated(tmp_path, monkeypatch, surer_by_windows)
    assert report["thresholds"]["model"]["player"] == pytest.approx(0.3)
    assert report["thresholds"]["variants"][evaluation.SLICED]["player"] == pytest.approx(0.9)
    assert report["thresholds"]["variants"][evaluation.FILTERED] == report["thresholds"]["model"]
    assert report["variants"][evaluation.SLICED]["player"]["precision"]["value"] == 1.0
