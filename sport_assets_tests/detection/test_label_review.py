"""A package for CVAT holds what was asked, and what comes back from a review is matched with it."""

import json
import zipfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sport_assets.detection import cvat
from sport_assets.detection.annotation_schemas import MEANING
from sport_assets.detection.categories import CATEGORIES
from sport_assets.detection.coco import Labels, read_coco, write_coco
from sport_assets.detection.errors import BadLabelsError
from sport_assets.detection.reviewed import read_reviewed
from sport_assets_tests.detection.label_sets import HEIGHT, WIDTH, cvat_box, cvat_image, labels_in

META = (
    "<meta><task><name>queue</name><owner><username>ann</username></owner>"
    "<assignee><username>bob</username></assignee><updated>2026-01-02 03:04:05+00:00</updated></task></meta>"
)


@pytest.fixture
def asked(tmp_path: Path) -> Labels:
    return labels_in(tmp_path, {"v": 3}, source="pseudo", score=0.3)


def xml(path: Path, *images: str, meta: str = META) -> Path:
    path.write_text(f"<annotations><version>1.1</version>{meta}{''.join(images)}</annotations>")
    return path


def test_a_package_holds_images_boxes_scores_and_labels(tmp_path: Path, asked: Labels) -> None:
    cvat.write_cvat_package(asked, tmp_path, tmp_path / "package.zip", task="v")
    with zipfile.ZipFile(tmp_path / "package.zip") as package:
        assert package.namelist() == [
            "annotations.xml",
            "labels.json",
            *(f"images/v/{n:06d}.png" for n in range(3)),
        ]
        assert package.read("images/v/000001.png") == (tmp_path / "images/v/000001.png").read_bytes()
        root = ElementTree.fromstring(package.read("annotations.xml"))
        kinds = json.loads(package.read("labels.json"))
    assert [kind["name"] for kind in kinds] == ["player", "ball"] and kinds[0]["attributes"][0]["name"] == "score"
    assert [label.findtext("name") for label in root.iter("label")] == ["player", "ball"]
    assert root.findtext("meta/task/size") == "3" and root.findtext("version") == "1.1"
    image = root.findall("image")[1]
    assert (image.get("name"), image.get("width"), image.get("height")) == ("v/000001.png", str(WIDTH), str(HEIGHT))
    [player, ball] = image.findall("box")
    assert [float(ball.get(edge, "")) for edge in ("xtl", "ytl", "xbr", "ybr")] == [60.5, 40.25, 65.5, 44.75]
    assert player.get("label") == "player" and player.findtext("attribute") == "0.3"
    assert not list(tmp_path.glob(".*"))


def test_packages_of_the_same_labels_have_the_same_bytes(tmp_path: Path, asked: Labels) -> None:
    for name in ("a.zip", "b.zip"):
        cvat.write_cvat_package(asked, tmp_path, tmp_path / name)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_a_package_without_one_of_its_images_is_not_written(tmp_path: Path, asked: Labels) -> None:
    (tmp_path / "images/v/000002.png").unlink()
    with pytest.raises(BadLabelsError, match=r"000002.png: the image is not there"):
        cvat.write_cvat_package(asked, tmp_path, tmp_path / "package.zip")
    assert [path.name for path in tmp_path.iterdir()] == ["images"]


def test_an_untouched_review_gives_the_same_boxes_as_labels_of_a_person(tmp_path: Path, asked: Labels) -> None:
    cvat.write_cvat_package(asked, tmp_path, tmp_path / "package.zip")
    found = read_reviewed(tmp_path / "package.zip", asked, reviewer="cleo")
    assert found.labels.images.drop("source").equals(asked.images.drop("source"))
    assert set(found.labels.images["source"]) == {"reviewed"}
    assert found.labels.boxes.drop("score").equals(asked.boxes.drop("score"))
    assert found.labels.boxes["score"].null_count() == len(asked.boxes)
    assert found.review.assignee == "cleo" and found.review.task == "review" and found.review.owner is None
    assert (found.faults, found.not_reviewed, found.cut) == ([], (), 0)


def test_a_review_says_who_what_and_which_images_it_leaves_out(tmp_path: Path, asked: Labels) -> None:
    boxes = cvat_box("ball", 1, 2, 3, 4) + cvat_box("referee", 10, 10, 5, 9) + cvat_box("dog", 1, 1, 2, 2)
    path = xml(tmp_path / "back.xml", cvat_image("v/000001.png", boxes=boxes), cvat_image("000000.png"))
    found = read_reviewed(path, asked)
    assert found.review == cvat.Review("queue", "ann", "bob", "2026-01-02 03:04:05+00:00")
    assert found.not_reviewed == ("images/v/000002.png",) and found.dropped == {"dog": 1}
    assert found.labels.images["frame"].to_list() == [0, 1]
    rows = found.labels.boxes.select("image", "category", "x", "y", "width", "height").rows()
    assert rows == [(2, 2, 1.0, 2.0, 3.0, 4.0), (2, 1, 10.0, 10.0, 5.0, 9.0)]
    assert read_reviewed(path, asked, roles=True).labels.boxes["category"].to_list() == [2, 4]


@pytest.mark.parametrize("kind", ["job", "project"])
def test_exports_of_jobs_and_projects_say_who_reviewed_too(kind: str, tmp_path: Path, asked: Labels) -> None:
    path = xml(tmp_path / "back.xml", cvat_image("000000.png"), meta=META.replace("task>", f"{kind}>"))
    assert read_reviewed(path, asked).review.assignee == "bob"
    path = xml(tmp_path / "back.xml", cvat_image("000000.png"), meta="")
    assert read_reviewed(path, asked).review == cvat.Review()


@pytest.mark.parametrize("packed", [True, False])
def test_coco_comes_back_by_names_of_images_and_categories(packed: bool, tmp_path: Path, asked: Labels) -> None:
    content = {
        # CVAT numbers categories anew and drops the folder that all images share
        "categories": [{"id": 1, "name": "ball"}, {"id": 2, "name": "player"}],
        "images": [{"id": 5, "file_name": "000002.png", "width": WIDTH, "height": HEIGHT}],
        "annotations": [{"id": 9, "image_id": 5, "category_id": 1, "bbox": [3, 4, 5, 6], "score": 0.2}],
    }
    path = tmp_path / ("back.zip" if packed else "back.json")
    if packed:
        with zipfile.ZipFile(path, "w") as package:
            package.writestr("annotations/instances_default.json", json.dumps(content))
    else:
        path.write_text(json.dumps(content))
    found = read_reviewed(path, asked, reviewer="dora")
    assert found.review == cvat.Review(assignee="dora")
    [row] = found.labels.boxes.iter_rows(named=True)
    assert (row["image"], row["category"], row["score"]) == (3, 2, None)
    assert found.labels.images["time_ms"].to_list() == [80.0]


def test_rows_of_a_review_that_cannot_be_used_are_told(tmp_path: Path, asked: Labels) -> None:
    path = xml(
        tmp_path / "back.xml",
        cvat_image("v/000000.png", boxes=cvat_box("ball", 1, 1, 0, 4) + cvat_box("ball", 90, 1, 9, 4)),
        cvat_image("v/000001.png", width=WIDTH * 2, boxes=cvat_box("ball", 1, 1, 4, 4)),
        cvat_image("elsewhere.png"),
    )
    found = read_reviewed(path, asked)
    assert sorted(each["rule"] for each in found.faults) == [
        "image_missing",
        "image_not_reviewed",
        "image_set_aside",
        "image_size_differs",
        "no_area",
        "outside_the_image",
    ]
    assert found.labels.boxes.is_empty() and found.labels.images.is_empty(), "not: nothing is in frame 0"
    assert found.unusable == ("images/v/000000.png", "images/v/000001.png")


POINT = '<points label="ball" points="3,4"/>'


@pytest.mark.parametrize("shape", [POINT, cvat_box("ball", 1, 2, 3, 4, 'rotation="10"'), cvat_box("", 1, 2, 3, 4)])
def test_a_frame_with_an_unusable_shape_is_not_taken_as_reviewed(shape: str, tmp_path: Path, asked: Labels) -> None:
    good = cvat_box("player", 10, 10, 5, 9)
    path = xml(
        tmp_path / "back.xml",
        cvat_image("v/000000.png", boxes=shape + good),
        cvat_image("v/000001.png"),
        cvat_image("v/000002.png", boxes=good),
    )
    found = read_reviewed(path, asked)
    assert found.labels.images["frame"].to_list() == [1, 2], "a frame without any shape says that nobody is there"
    assert found.labels.boxes.select("box", "image", "category").rows() == [(1, 3, 1)]
    assert (found.unusable, found.not_reviewed) == (("images/v/000000.png",), ())
    assert [each["rule"] for each in found.faults][1:] == ["image_not_reviewed"]
    assert {each["rule"] for each in found.faults} <= set(MEANING)


def zipped(path: Path, *names: str) -> None:
    with zipfile.ZipFile(path, "w") as package:
        for name in names:
            package.writestr(name, "{}")


BAD: dict[str, tuple[str, Any, str]] = {
    "other images": ("x.xml", lambda path: xml(path, cvat_image("zz.png")), "none of its images was asked for"),
    "an image twice": ("x.xml", lambda path: xml(path, *[cvat_image("000000.png")] * 2), "is there twice"),
    "another root": ("x.xml", lambda path: path.write_text("<a/>"), "its root is <a>"),
    "another kind": ("x.txt", lambda path: path.write_text(""), "neither .xml, .json nor .zip"),
    "no COCO": ("x.json", lambda path: path.write_text("[]"), "x.json: a list where COCO"),
    "no zip": ("x.zip", lambda path: path.write_text("no"), "cannot be unpacked"),
    "an empty zip": ("x.zip", lambda path: zipped(path), "0 files of labels in it"),
    "two files in a zip": ("x.zip", lambda path: zipped(path, "a.xml", "b.json"), "2 files of labels in it"),
    "nothing there": ("x.xml", lambda path: None, "cannot be read"),
}


@pytest.mark.parametrize("what", BAD)
def test_files_that_are_no_review_are_refused(what: str, tmp_path: Path, asked: Labels) -> None:
    name, make, message = BAD[what]
    make(tmp_path / name)
    with pytest.raises(BadLabelsError, match=message) as error:
        read_reviewed(tmp_path / name, asked)
    assert name in str(error.value)


# -- round trips -----------------------------------------------------------------------------------------------------

_number = st.floats(0, 50, allow_nan=False, width=32).map(lambda value: round(value, 3))
_size = st.floats(0.5, 12, allow_nan=False, width=32).map(lambda value: round(value, 3))
_score = st.none() | st.floats(0, 1, allow_nan=False)
_box = st.tuples(st.integers(0, 2), st.sampled_from(sorted(CATEGORIES)), _number, _number, _size, _size, _score)
_video = st.none() | st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1, max_size=8)


@st.composite
def any_labels(draw: st.DrawFn) -> Labels:
    images = [
        {
            "image": number,
            "file_name": f"images/{number}.png",
            "width": WIDTH,
            "height": HEIGHT,
            "video": draw(_video),
            "frame": draw(st.none() | st.integers(0, 10**6)),
            "time_ms": draw(st.none() | st.floats(0, 1e7)),
            "sha256": draw(st.none() | st.just("0" * 64)),
            "source": draw(st.none() | st.sampled_from(["reviewed", "labelled", "pseudo"])),
            "true_aspect": draw(st.none() | st.floats(0.1, 10)),
        }
        for number in range(1, 4)
    ]
    boxes = [
        dict(zip(("image", "category", "x", "y", "width", "height", "score"), row, strict=True))
        | {"box": number, "image": row[0] + 1, "crowd": draw(st.booleans())}
        for number, row in enumerate(draw(st.lists(_box, max_size=8)), start=1)
    ]
    return Labels.of(images, boxes)


FAST = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@FAST
@given(labels=any_labels())
def test_coco_gives_back_what_was_written(labels: Labels, tmp_path: Path) -> None:
    path = tmp_path / "labels.json"
    write_coco(labels, path)
    found = read_coco(path)
    assert found.images.equals(labels.images) and found.boxes.equals(labels.boxes)
    assert found.categories == labels.categories
    before = path.read_bytes()
    write_coco(found, path)
    assert path.read_bytes() == before


@FAST
@given(labels=any_labels())
def test_cvat_gives_back_what_was_written(labels: Labels, tmp_path: Path) -> None:
    for name in labels.images["file_name"]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    cvat.write_cvat_package(labels, tmp_path, tmp_path / "package.zip")
    with zipfile.ZipFile(tmp_path / "package.zip") as package:
        entries, _ = cvat.read_cvat(package.read("annotations.xml"), "x", cvat.images_by_package_name(labels))
    assert [image.name for image in entries.images] == labels.images["file_name"].to_list() and not entries.faults
    names = dict(labels.images.select("image", "file_name").iter_rows())
    ordered = labels.boxes.sort("image", "box")
    assert [(box.image, box.label, box.score) for box in entries.boxes] == [
        (names[row["image"]], labels.categories[row["category"]], row["score"]) for row in ordered.iter_rows(named=True)
    ]
    for side in ("x", "y", "width", "height"):
        found = [getattr(box, side) for box in entries.boxes]
        assert found == pytest.approx(ordered[side].to_list(), abs=1e-9)
