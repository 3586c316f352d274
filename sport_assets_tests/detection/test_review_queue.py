"""The review queue: what is doubtful, has a ball, or is unlike the rest comes first, and comes back reviewed."""

import json
import os
import shutil
import zipfile
from pathlib import Path

import cv2
import numpy as np
import polars as pl
import pytest

from sport_assets.detection.coco import Labels, read_coco, write_coco
from sport_assets.detection.errors import BadInputError, BadLabelsError
from sport_assets.detection.pseudo_labels import write_pseudo_labels
from sport_assets.detection.review_gallery import MOST_BYTES
from sport_assets.detection.review_queue import (
    QueueSettings,
    more_than_planned,
    rank_frames,
    score_parts,
    write_review_queue,
)
from sport_assets.detection.reviewed_labels import write_reviewed
from sport_assets.detection.teachers import TeacherSettings
from sport_assets.detection.teaching_checks import REVIEWED_LABELS
from sport_assets_tests.detection.frame_folders import SayingTeacher, make_frames
from sport_assets_tests.detection.label_sets import cvat_image

SURE, DOUBTFUL = (10, 120, 30, 160, 0.9, 1), (60, 120, 80, 160, 0.25, 1)
BALL = (200, 150, 206, 156, 0.5, 2)
SAID = [[SURE], [SURE, DOUBTFUL], [SURE, BALL], [SURE], [SURE, DOUBTFUL, DOUBTFUL, BALL], [SURE]]


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six frames, the last one near an event."""
    return make_frames(tmp_path_factory.mktemp("frames") / "left", reasons=("every",) * 5 + ("event",))


@pytest.fixture(scope="module")
def pseudo(frames: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Their pseudo-labels."""
    out = tmp_path_factory.mktemp("pseudo")
    teacher = SayingTeacher(SAID, looks=[0, 0, 0, 0.9, 0, 0])
    write_pseudo_labels(frames, Path("left.mp4"), "left", out, TeacherSettings(), teacher=teacher)
    return out


def queue_of(frames: Path, pseudo: Path | None, **settings: float) -> pl.DataFrame:
    """The ranked frames."""
    table = pl.read_parquet(frames / "frames.parquet")
    labels = read_coco(pseudo / "annotations.json") if pseudo else Labels.of([], [])
    looks = dict(pl.read_parquet(pseudo / "looks.parquet").iter_rows()) if pseudo else {}
    parts = score_parts(table, labels, looks)
    return rank_frames(parts, np.zeros((len(table), 1)), QueueSettings(**settings))  # type: ignore[arg-type]


def only(part: str) -> dict[str, float]:
    """Settings in which one part alone counts."""
    return {name: float(name == part) for name in ("unsure", "ball", "disagreement", "event", "unlike")}


@pytest.mark.parametrize(
    ("part", "first"), [("unsure", [20, 5]), ("ball", [10, 20]), ("disagreement", [15]), ("event", [25])]
)
def test_each_part_ranks_its_frames_first(frames: Path, pseudo: Path, part: str, first: list[int]) -> None:
    queue = queue_of(frames, pseudo, **only(part))
    assert sorted(queue["frame"].to_list()[: len(first)]) == sorted(first)
    assert queue["rank"].to_list() == [1, 2, 3, 4, 5, 6]


def test_unlike_frames_spread_over_the_video(frames: Path) -> None:
    queue = queue_of(frames, None, **only("unlike"))
    assert queue["frame"].to_list()[:3] in ([0, 15, 25], [0, 25, 10], [0, 25, 15], [0, 20, 10])


def test_pictures_unlike_the_others_come_early() -> None:
    table = pl.DataFrame(
        {"frame": range(20), "file": [f"{n}.jpg" for n in range(20)], "width": 9, "height": 9, "time_ms": 0.0}
    )
    images = [{"image": n + 1, "file_name": f"{n}.jpg", "width": 9, "height": 9} for n in range(20)]
    pictures = np.random.default_rng(0).normal(0, 0.01, (20, 4))
    pictures[13] += 5
    queue = rank_frames(score_parts(table, Labels.of(images, []), {}), pictures, QueueSettings(**only("unlike")))  # type: ignore[arg-type]
    assert 13 in queue["frame"].to_list()[:3]


@pytest.mark.parametrize(("budget", "expected"), [(300, 6), (4, 4), (1, 1)])
def test_budget(frames: Path, pseudo: Path, budget: int, expected: int) -> None:
    assert len(queue_of(frames, pseudo, budget=budget)) == expected


@pytest.mark.parametrize("settings", [{"budget": 0}, {"unsure": -1.0}, only("nothing")])
def test_bad_settings(settings: dict[str, float]) -> None:
    with pytest.raises(BadInputError, match=r"budget|weights"):
        QueueSettings(**settings)  # type: ignore[arg-type]


def test_files_of_the_queue(frames: Path, pseudo: Path, tmp_path: Path) -> None:
    report = write_review_queue(frames, "left", tmp_path, QueueSettings(budget=4), pseudo)
    names = ["annotations.json", "cvat.zip", "gallery.html", "queue.parquet"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    queue, labels = pl.read_parquet(tmp_path / "queue.parquet"), read_coco(tmp_path / "annotations.json")
    assert labels.images["file_name"].to_list() == queue["file"].to_list()
    assert queue.row(0, named=True)["frame"] == 20 and "2 doubtful of 4, ball" in queue["reasons"][0]
    with zipfile.ZipFile(tmp_path / "cvat.zip") as package:
        assert sum(name.endswith(".jpg") for name in package.namelist()) == 4
    assert all(check.passed for check in report.checks)
    assert report.facts["queued"] == 4 and report.facts["queued_with_ball"] == 2
    page = (tmp_path / "gallery.html").read_text()
    assert "http://" not in page.replace("http://www.w3.org/2000/svg", "") and "https://" not in page
    assert len(page) < MOST_BYTES


def test_event_frames_alone_make_a_queue(frames: Path, tmp_path: Path) -> None:
    report = write_review_queue(frames, "left", tmp_path, QueueSettings(budget=3))
    queue = pl.read_parquet(tmp_path / "queue.parquet")
    assert len(queue) == 3 and 25 in queue["frame"].to_list()
    assert not len(read_coco(tmp_path / "annotations.json").boxes)
    assert all(check.passed for check in report.checks) and not report.facts["with_pseudo_labels"]


def test_same_bytes_again(frames: Path, pseudo: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write_review_queue(frames, "left", tmp_path / name, None, pseudo)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes(), path.name


def test_labels_of_other_frames_are_refused(pseudo: Path, tmp_path: Path) -> None:
    other = make_frames(tmp_path / "other", count=6, step=4)
    (tmp_path / "out").mkdir()
    with pytest.raises(BadInputError, match="labels of other frames"):
        write_review_queue(other, "left", tmp_path / "out", None, pseudo)


def test_queues_that_ask_for_more_than_planned_in_all_are_told_of() -> None:
    assert more_than_planned({"a": 300, "b": 200}) is None
    said = str(more_than_planned({f"v{number}": 300 for number in range(10)}))
    assert "10 videos ask for 3,000 frames together" in said and "budget=50 for each video" in said


def test_review_comes_back(frames: Path, pseudo: Path, tmp_path: Path) -> None:
    queue, out = tmp_path / "queue", tmp_path / "out"
    queue.mkdir()
    out.mkdir()
    write_review_queue(frames, "left", queue, QueueSettings(budget=4), pseudo)
    sent = read_coco(queue / "annotations.json")
    kept = sent.images.head(3)
    returned = Labels(kept, sent.boxes.filter(pl.col("image").is_in(kept["image"].to_list())), sent.categories)
    write_coco(returned, tmp_path / "review.json")
    report = write_reviewed(tmp_path / "review.json", frames, "left", out, queue=queue, reviewer="ada")
    labels, review = read_coco(out / "annotations.json"), json.loads((out / "review.json").read_text())
    assert set(labels.images["file_name"]) == set(kept["file_name"]) and set(labels.images["source"]) == {"reviewed"}
    assert labels.boxes["score"].null_count() == len(labels.boxes) == len(returned.boxes)
    assert review["reviewer"] == "ada" and len(review["frames"]) == 3
    assert review["not_reviewed"] == [sent.images["file_name"][3]]
    checks = {check.name: check for check in report.checks}
    assert checks["queue_reviewed"].failed == 1 and not checks["queue_reviewed"].passed
    assert checks["reviewer_known"].passed and checks["has_reviewed_frames"].passed
    assert report.facts["reviewer"] == "ada"
    [who] = report.identifiers.identifiers()
    assert (who.columns, who.values()) == (("reviewer",), ["ada"])


def test_unknown_images_of_a_review_are_quarantined(frames: Path, pseudo: Path, tmp_path: Path) -> None:
    sent = read_coco(pseudo / "annotations.json")
    names = sent.images["file_name"].to_list()
    renamed = sent.images.with_columns(pl.col("file_name").replace({names[0]: "images/somewhere_else.jpg"}))
    write_coco(Labels(renamed, sent.boxes, sent.categories), tmp_path / "review.json")
    out = tmp_path / "out"
    out.mkdir()
    report = write_reviewed(tmp_path / "review.json", frames, "left", out)
    assert len(read_coco(out / "annotations.json").images) == 5
    assert report.quarantined >= 1 and len(pl.read_parquet(out / "quarantine.parquet")) >= 1
    checks = {check.name: check for check in report.checks}
    assert not checks["labels_usable"].passed and not checks["reviewer_known"].passed
    assert not report.identifiers


@pytest.mark.parametrize(("spoiled", "passed"), [(1, True), (2, False), (6, False)])
def test_a_review_with_many_frames_that_cannot_be_used_is_rejected(
    spoiled: int, passed: bool, frames: Path, pseudo: Path, tmp_path: Path
) -> None:
    """As where a person drew balls as points: what is left would be the frames without a ball."""
    sent = read_coco(pseudo / "annotations.json")
    rows = [
        cvat_image(name, 640, 360, '<points label="ball" points="3,4"/>' if number < spoiled else "")
        for number, name in enumerate(sent.images["file_name"])
    ]
    (tmp_path / "review.xml").write_text(f"<annotations>{''.join(rows)}</annotations>")
    out = tmp_path / "out"
    out.mkdir()
    report = write_reviewed(tmp_path / "review.xml", frames, "left", out, reviewer="ada")
    checks = {check.name: check for check in report.checks}
    check = checks["frames_usable"]
    assert (check.passed, check.blocking, check.failed, check.checked) == (passed, True, spoiled, 6)
    assert list(checks) == list(REVIEWED_LABELS)
    assert len(read_coco(out / "annotations.json").images) == report.facts["frames"] == 6 - spoiled
    assert checks["has_reviewed_frames"].passed == (spoiled < 6)
    assert report.quarantined == report.facts["quarantined"] == 2 * spoiled, "each point, and its frame"


def test_reviews_of_another_video_are_refused(frames: Path, tmp_path: Path) -> None:
    other = [{"image": 1, "file_name": "images/x.jpg", "width": 640, "height": 360}]
    write_coco(Labels.of(other, []), tmp_path / "review.json")
    (tmp_path / "out").mkdir()
    with pytest.raises(BadLabelsError, match=r"review.json"):
        write_reviewed(tmp_path / "review.json", frames, "left", tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


def test_gallery_of_many_large_pictures_stays_small(
    frames: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "noisy"
    shutil.copytree(frames, folder)
    for path in (folder / "images").iterdir():
        cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 256, (360, 640, 3), np.uint8))
    monkeypatch.setattr("sport_assets.detection.review_gallery.MOST_BYTES", 450_000)
    (tmp_path / "out").mkdir()
    write_review_queue(folder, "left", tmp_path / "out")
    assert (tmp_path / "out" / "gallery.html").stat().st_size < 450_000


@pytest.mark.browser
def test_gallery_in_a_browser(frames: Path, pseudo: Path, tmp_path: Path) -> None:
    if not os.path.exists("/usr/bin/chromium"):
        pytest.skip("no Chromium at /usr/bin/chromium")
    from playwright.sync_api import sync_playwright

    write_review_queue(frames, "left", tmp_path, None, pseudo)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu", "--disable-sync"]
        )
        page = browser.new_page()
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto((tmp_path / "gallery.html").as_uri())
        assert page.locator("figure").count() == 6
        page.locator("#ball").check()
        assert page.locator("figure").count() == 2
        page.locator("#doubt").check()
        assert page.locator("figure").count() == 1
        assert page.locator("#count").inner_text() == "1 of 6 frames"
        browser.close()
    assert not errors
