"""A real clip from its file to a reviewed COCO data set, beside real frames that others have labelled."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import pytest

from sport_assets.detection.coco import read_coco
from sport_assets_tests.integration.command import materializations
from sport_assets_tests.integration.detection_home import answer, call, newest, sides

pytestmark = [pytest.mark.real_data, pytest.mark.slow, pytest.mark.timeout(900)]
CLIP = "soccertrack_left_3072x1728_25fps_hevc"
CLIPS = ("08fd33", "121364", "4b770a")
"""Of the labelled frames, those that are taken: clips by another camera."""
SETTINGS = ("--set", "mode=every", "--set", "every=60")


@pytest.fixture
def folder(real_data: Path, tmp_path: Path) -> Path:
    """A home beside the clip and some labelled frames."""
    call(tmp_path, "init")
    [added] = answer(tmp_path, "add-video", str(real_data / "video" / "clips" / f"{CLIP}.mp4"))
    assert added["key"] == CLIP
    frames, labelled = real_data / "video" / "frames", tmp_path / "data" / "detection" / "labelled" / "frames"
    for kind in ("images", "labels"):
        (labelled / kind).mkdir(parents=True)
        for path in (frames / kind).iterdir():
            if path.name.startswith(CLIPS):
                shutil.copyfile(path, labelled / kind / path.name)
    shutil.copyfile(frames / "data.yaml", labelled / "data.yaml")
    return tmp_path


def review(folder: Path) -> int:
    """Somebody agrees with the package but for one player, which is none; returns how many boxes come back."""
    with zipfile.ZipFile(newest(folder, "review_queue", CLIP) / "cvat.zip") as package:
        root = ElementTree.fromstring(package.read("annotations.xml"))
    task = root.find("meta/task")
    assert task is not None
    ElementTree.SubElement(ElementTree.SubElement(task, "assignee"), "username").text = "anna"
    image = next(image for image in root.findall("image") if image.findall("box"))
    image.remove(next(box for box in image.findall("box") if box.get("label") == "player"))
    export = folder / "data" / "detection" / "reviewed" / f"{CLIP}.zip"
    export.parent.mkdir()
    with zipfile.ZipFile(export, "w") as package:
        package.writestr("annotations.xml", ElementTree.tostring(root))
    return len(root.findall("image/box"))


def test_from_the_real_clip_to_a_reviewed_data_set(folder: Path) -> None:
    answer(folder, "build", "detection/review_queue", *SETTINGS)
    taught = materializations(folder)["detection/pseudo_labels", CLIP].facts
    assert taught["frames"] == 5 and 15 <= taught["median_players_per_frame"] <= 26
    assert len(read_coco(newest(folder, "review_queue", CLIP) / "annotations.json").images) == 5
    boxes = review(folder)
    answer(folder, "build", "detection/coco_dataset", *SETTINGS, "--set", "least_score=0")

    made = materializations(folder)
    reviewed = made["detection/reviewed_labels", CLIP]
    assert reviewed.facts["reviewer"] == "anna" and sum(reviewed.facts["boxes"].values()) == boxes
    dataset = made["detection/coco_dataset", None]
    assert all(check.passed for check in dataset.checks), [c.name for c in dataset.checks if not c.passed]
    placed = sides(folder)
    assert sorted(video for videos in placed.values() for video in videos) == sorted(
        [CLIP, *(f"frames/{clip}" for clip in CLIPS)]
    )
    [side] = [side for side, videos in placed.items() if CLIP in videos]
    content = json.loads((newest(folder, "coco_dataset") / side / "_annotations.coco.json").read_text())
    ours = {image["id"] for image in content["images"] if image["video"] == CLIP}
    assert {image["source"] for image in content["images"] if image["id"] in ours} == {"reviewed"} and len(ours) == 5
    assert sum(one["image_id"] in ours for one in content["annotations"]) == boxes
    affected = answer(folder, "impact", "--row", "reviewer=anna")["affected"]
    assert [one["name"] for one in affected] == [f"detection/reviewed_labels:{CLIP}", "detection/coco_dataset"]
