"""Labels as people bring them: reviews of the queue and data sets of others, beside pseudo-labels in one data set."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import polars as pl
import pytest

from sport_assets.detection.categories import BALL
from sport_assets_tests.detection import label_sets
from sport_assets_tests.integration.command import materializations
from sport_assets_tests.integration.detection_home import (
    KEYS,
    LABELS,
    answer,
    copied,
    newest,
    refusal,
    scenes,
    sides,
    videos_of,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
BUILD = ("build", "detection/coco_dataset", *LABELS, "--set", "least_score=0")
KEY = KEYS[0]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which three generated videos became a data set of pseudo-labels."""
    folder = tmp_path_factory.mktemp("first")
    scenes(folder)
    answer(folder, *BUILD)
    return folder


@pytest.fixture
def own(built: Path, tmp_path: Path) -> Path:
    """A copy of it for one test."""
    return copied(built, tmp_path / "copy")


Boxes = dict[str, list[tuple[float, ...]]]


def boxes_in(content: Mapping[str, Any], *, of: Callable[[Mapping[str, Any]], bool] = lambda _: True) -> Boxes:
    """Category and box of every annotation of a COCO file, by digest of the image; of some images."""
    found: Boxes = {image["sha256"]: [] for image in content["images"] if of(image)}
    digests = {image["id"]: image["sha256"] for image in content["images"]}
    for one in content["annotations"]:
        if digests[one["image_id"]] in found:
            found[digests[one["image_id"]]].append((one["category_id"], *(round(edge, 2) for edge in one["bbox"])))
    return {digest: sorted(boxes) for digest, boxes in found.items()}


def with_one_ball(content: Mapping[str, Any]) -> dict[str, Any]:
    """Pseudo-labels without all balls of an image but the one with the best score."""
    best: dict[int, dict[str, Any]] = {}
    for one in content["annotations"]:
        if one["category_id"] == BALL and one["score"] > best.get(one["image_id"], {"score": -1})["score"]:
            best[one["image_id"]] = one
    kept = [one for one in content["annotations"] if one["category_id"] != BALL or one is best[one["image_id"]]]
    return {**content, "annotations": kept}


def coco(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def of_video(folder: Path, video: str) -> dict[str, Any]:
    """The side of the newest data set that a video is on."""
    [side] = [side for side, videos in sides(folder).items() if video in videos]
    return coco(newest(folder, "coco_dataset") / side / "_annotations.coco.json")


def reviewed_by(folder: Path, person: str) -> tuple[str, list[str]]:
    """A person takes the package of the queue, moves a player, throws a ball out, and leaves the last image undone.

    Returns the name of the changed image and those that come back, as CVAT's export says them.
    """
    with zipfile.ZipFile(newest(folder, "review_queue", KEY) / "cvat.zip") as package:
        root = ElementTree.fromstring(package.read("annotations.xml"))
    task = root.find("meta/task")
    assert task is not None
    ElementTree.SubElement(ElementTree.SubElement(task, "assignee"), "username").text = person
    ElementTree.SubElement(task, "updated").text = "2026-03-04 05:06:07+00:00"
    images = root.findall("image")
    root.remove(images[-1])
    first = images[0]
    player = next(box for box in first.findall("box") if box.get("label") == "player")
    for edge, value in zip(("xtl", "ytl", "xbr", "ybr"), (100.5, 200.25, 116.5, 240.75), strict=True):
        player.set(edge, repr(value))
    first.remove(next(box for box in first.findall("box") if box.get("label") == "ball"))
    export = folder / "data" / "detection" / "reviewed" / f"{KEY}.zip"
    export.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(export, "w") as package:
        package.writestr("annotations.xml", ElementTree.tostring(root))
    return str(first.get("name")), [str(image.get("name")) for image in images[:-1]]


def test_a_review_goes_before_pseudo_labels_and_says_whose_it_is(own: Path) -> None:
    taught = coco(newest(own, "pseudo_labels", KEY) / "annotations.json")
    pseudo = boxes_in(taught)
    changed, came = reviewed_by(own, "ada")
    made = answer(own, *BUILD)["made"]
    assert made == [f"detection/reviewed_labels:{KEY}", "detection/coco_dataset"]
    reviewed = coco(newest(own, "reviewed_labels", KEY) / "annotations.json")
    assert {image["file_name"].removeprefix("images/") for image in reviewed["images"]} == set(came)
    assert not any("score" in one for one in reviewed["annotations"]), "what a person left is a label"
    of_review = boxes_in(reviewed)
    [digest] = [image["sha256"] for image in reviewed["images"] if image["file_name"] == f"images/{changed}"]
    assert (1, 100.5, 200.25, 16.0, 40.5) in of_review[digest]
    assert len(of_review[digest]) == len(pseudo[digest]) - 1
    assert {key: boxes for key, boxes in of_review.items() if key != digest} == {
        key: pseudo[key] for key in of_review if key != digest
    }

    content = of_video(own, KEY)
    sources = {image["sha256"]: image["source"] for image in content["images"] if image["video"] == KEY}
    assert len(sources) == len(pseudo), "no frame is lost"
    assert {key for key, source in sources.items() if source == "reviewed"} == set(of_review)
    [left] = [key for key, source in sources.items() if source == "pseudo"]
    believed = boxes_in(with_one_ball(taught))[left]
    assert boxes_in(content, of=lambda image: image["video"] == KEY) == {**of_review, left: believed}

    review = json.loads((newest(own, "reviewed_labels", KEY) / "review.json").read_text())
    assert (review["reviewer"], review["date"]) == ("ada", "2026-03-04 05:06:07+00:00")
    assert len(review["frames"]) == len(came) and len(review["not_reviewed"]) == 1
    recorded = materializations(own)["detection/reviewed_labels", KEY]
    assert recorded.facts["reviewer"] == "ada"
    stands_on_her = {one["name"]: one["how"] for one in answer(own, "impact", "--row", "reviewer=ada")["affected"]}
    assert stands_on_her == {f"detection/reviewed_labels:{KEY}": "holds", "detection/coco_dataset": "stands on"}
    assert [file.path for file in recorded.raw_files] == [f"detection/reviewed/{KEY}.zip"]
    assert [check.name for check in recorded.checks if not check.passed] == ["queue_reviewed"]
    assert answer(own, *BUILD)["made"] == []
    reviewed_by(own, "bob")
    assert answer(own, *BUILD)["made"] == made, "another review"
    (own / "data" / "detection" / "reviewed" / f"{KEY}.zip").unlink()
    assert answer(own, *BUILD)["made"] == ["detection/coco_dataset"]
    assert {image["source"] for image in of_video(own, KEY)["images"]} == {"pseudo"}


def test_a_review_that_cannot_be_used_is_named_and_changes_nothing(own: Path, tmp_path: Path) -> None:
    before = newest(own, "coco_dataset")
    reviews = own / "data" / "detection" / "reviewed"
    reviews.mkdir()
    (reviews / f"{KEY}.zip").write_bytes(b"no zip")
    assert f"{KEY}.zip: cannot be unpacked" in refusal(own, *BUILD)
    other = newest(own, "review_queue", KEYS[1]) / "cvat.zip"
    (reviews / f"{KEY}.zip").write_bytes(other.read_bytes())
    assert f"{KEY}.zip: none of its images was asked for" in refusal(own, *BUILD)
    (reviews / f"{KEY}.xml").write_text("<annotations/>")
    assert "reviews of one video; keep the last one" in refusal(own, *BUILD)
    for path in reviews.iterdir():
        path.unlink()
    assert answer(own, *BUILD)["made"] == []
    assert newest(own, "coco_dataset") == before


def test_a_review_can_begin_without_a_teacher(own: Path) -> None:
    made = answer(
        own,
        *("build", "detection/review_queue", "--partition", KEY, *LABELS[:2], "--set", "budget=4"),
        *("--set", "detection/pseudo_labels.teacher=none", "--set", "show_pseudo_labels=false"),
    )["made"]
    assert made == [f"detection/pseudo_labels:{KEY}", f"detection/review_queue:{KEY}"]
    queue = newest(own, "review_queue", KEY)
    ranked = pl.read_parquet(queue / "queue.parquet")
    assert len(ranked) == 4 and set(ranked["detections"]) == {0}
    assert "event" in ranked["reasons"][0]
    content = coco(queue / "annotations.json")
    assert [image["file_name"] for image in content["images"]] == ranked["file"].to_list()
    assert content["annotations"] == []


def test_a_labelled_set_joins_by_its_clips_and_one_clip_can_be_withdrawn(own: Path) -> None:
    folder = own / "data" / "detection" / "labelled" / "club"
    label_sets.yolo(folder)
    (folder / "labels" / "train" / "a_0001.txt").open("a").write("\n9 0.5 0.5 0.1 0.1")
    made = answer(own, *BUILD)["made"]
    assert made == ["detection/labelled_frames", "detection/coco_dataset"]
    recorded = materializations(own)["detection/labelled_frames", None]
    assert recorded.facts["images"] == 4 and recorded.facts["boxes"] == 5
    aside = pl.read_parquet(newest(own, "labelled_frames") / "quarantine.parquet")
    assert aside.select("rule", "file", "line").rows() == [("class_out_of_range", "club/labels/train/a_0001.txt", 3)]
    assert videos_of(own) == {*KEYS, "club/a", "club/b"}
    content = of_video(own, "club/a")
    labels = boxes_in(content, of=lambda image: image["video"] == "club/a")
    assert sorted(labels.values()) == [
        [(1, 0.0, 0.0, 6.0, 16.0)],
        [(1, 10.0, 8.0, 12.0, 24.0), (2, 40.0, 50.0, 6.0, 4.0)],
    ]
    assert {image["source"] for image in content["images"] if image["video"] == "club/a"} == {"labelled"}

    answer(own, "withdraw", "--row", "video=club/b", "--reason", "no consent")
    assert answer(own, *BUILD)["made"] == made
    assert videos_of(own) == {*KEYS, "club/a"}
    assert answer(own, *BUILD)["made"] == []


def test_a_labelled_set_of_no_known_form_stops_with_its_name(own: Path) -> None:
    folder = own / "data" / "detection" / "labelled" / "club"
    label_sets.paint(folder / "a.png", 1)
    assert "club: no labels were found" in refusal(own, *BUILD)
    (folder / "a.png").unlink()
    label_sets.yolo(folder)
    for path in (folder / "labels" / "train").iterdir():
        path.write_text("1 1.5 0.5 0.1 0.1\n" * 3)
    said = refusal(own, *BUILD)
    assert "detection/labelled_frames was rejected by its checks" in said and "quarantined_share" in said
