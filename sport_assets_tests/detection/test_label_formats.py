"""Data sets of every format say the same once imported, and what is wrong with one is told by name."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from sport_assets.detection.annotation_schemas import MEANING, QUARANTINE
from sport_assets.detection.coco import Labels, read_coco
from sport_assets.detection.errors import BadLabelsError
from sport_assets.detection.label_formats import detect_format
from sport_assets.detection.labelled_frames import CHECKS, labelled_sets, write_labelled
from sport_assets.detection.step_report import StepReport
from sport_assets_tests.detection.label_sets import (
    BOXES,
    FORMATS,
    HEIGHT,
    NAMES,
    WIDTH,
    bytes_below,
    coco,
    coco_content,
    cvat,
    cvat_box,
    cvat_image,
    paint,
    pascal_voc,
    write,
    yolo,
)


def imported(*sets: Path, **options: Any) -> tuple[StepReport, Labels, pl.DataFrame]:
    out = sets[0].parent / "out"
    out.mkdir()
    report = write_labelled(sets, out, **options)
    assert [check.name for check in report.checks] == list(CHECKS)
    return report, read_coco(out / "annotations.json"), pl.read_parquet(out / "quarantine.parquet")


def failed(report: StepReport) -> set[str]:
    return {check.name for check in report.checks if not check.passed}


def said(labels: Labels) -> dict[str, list[tuple[str, float, float, float, float]]]:
    """The boxes of each image by the name of its file."""
    found: dict[str, list[tuple[str, float, float, float, float]]] = {}
    for image in labels.images.iter_rows(named=True):
        rows = labels.boxes.filter(image=image["image"]).iter_rows(named=True)
        found[Path(image["file_name"]).name] = [
            (labels.categories[row["category"]], row["x"], row["y"], row["width"], row["height"]) for row in rows
        ]
    return found


TRUTH = {
    name: [(label.replace("goalkeeper", "player"), *map(float, box)) for label, *box in boxes]
    for name, boxes in BOXES.items()
}
WITH_ROLES = {name: [(label, *map(float, box)) for label, *box in boxes] for name, boxes in BOXES.items()}


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_says_the_same(kind: str, tmp_path: Path) -> None:
    report, labels, quarantine = imported(FORMATS[kind](tmp_path / "set"))
    assert said(labels) == TRUTH
    assert labels.images["video"].to_list() == ["set/a", "set/a", "set/b", "set/b"]
    assert set(labels.images["source"]) == {"labelled"} and labels.images["sha256"].n_unique() == len(NAMES)
    assert (labels.images["width"].unique().item(), labels.images["height"].unique().item()) == (WIDTH, HEIGHT)
    assert not failed(report) and quarantine.is_empty() and report.quarantined == 0
    assert quarantine.schema == QUARANTINE.types
    assert report.facts["sets"]["set"]["format"] == kind and report.facts["images_without_boxes"] == 1
    assert {index.name: index.values() for index in report.identifiers.identifiers()} == {"video": ["set/a", "set/b"]}
    for name in labels.images["file_name"]:
        assert (tmp_path / "out" / name).is_file()


@pytest.mark.parametrize("kind", FORMATS)
def test_roles_stay_apart_by_option(kind: str, tmp_path: Path) -> None:
    assert said(imported(FORMATS[kind](tmp_path / "set"), roles=True)[1]) == WITH_ROLES


@pytest.mark.parametrize(
    ("images", "labels"),
    [("images/train", "labels/train"), ("train/images", "train/labels"), (".", "."), ("images", "labels")],
)
def test_every_layout_of_yolo(images: str, labels: str, tmp_path: Path) -> None:
    assert said(imported(yolo(tmp_path / "set", images, labels))[1]) == TRUTH


@pytest.mark.parametrize("file", ["annotations/annotations.json", "images/_annotations.coco.json", "annotations.json"])
def test_coco_finds_images_beside_it_in_images_and_in_the_specs_layout(file: str, tmp_path: Path) -> None:
    folder = coco(tmp_path / "set")
    for name in NAMES:
        (folder / "images").mkdir(exist_ok=True)
        (folder / name).rename(folder / "images" / name)
    (folder / "_annotations.coco.json").unlink()
    write(folder / file, coco_content())
    assert said(imported(folder)[1]) == TRUTH


@pytest.mark.parametrize("place", ["{}", "images/{}"])
def test_coco_finds_the_images_of_each_subset_in_its_own_folder(place: str, tmp_path: Path) -> None:
    """The layouts of COCO itself and of CVAT's export. Both subsets have a file of that name."""
    folder = coco(tmp_path / "set")
    (folder / "_annotations.coco.json").unlink()
    for subset, names in (("train2017", NAMES[:2]), ("val2017", NAMES[2:])):
        content = coco_content()
        content["images"] = [image for image in content["images"] if image["file_name"] in names]
        numbers = {image["id"] for image in content["images"]}
        content["annotations"] = [box for box in content["annotations"] if box["image_id"] in numbers]
        images = folder / place.format(subset)
        images.mkdir(parents=True)
        for number, image in enumerate(content["images"]):
            (folder / image["file_name"]).rename(images / f"same_{number}.png")
            image["file_name"] = f"same_{number}.png"
        write(folder / f"annotations/instances_{subset}.json", content)
    report, labels, quarantine = imported(folder)
    assert quarantine.is_empty() and report.facts["boxes"] == len(labels.boxes) == sum(map(len, BOXES.values()))
    names_of = [Path(name).relative_to("images/set").as_posix() for name in labels.images["file_name"]]
    assert names_of == [f"{place.format(subset)}/same_{n}.png" for subset in ("train2017", "val2017") for n in (0, 1)]


def test_linked_folders_are_followed_and_circles_end(tmp_path: Path) -> None:
    real = coco(tmp_path / "elsewhere")
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "linked").symlink_to(real)
    (real / "round").symlink_to(folder)
    assert len(imported(folder)[1].images) == len(NAMES)


def test_stretched_images_keep_their_pixels_and_tell_their_true_aspect(tmp_path: Path) -> None:
    folder = yolo(tmp_path / "set")
    write(folder / "dataset.json", {"true_size": [1920, 1080], "license": "CC BY 4.0"})
    report, labels, _ = imported(folder)
    assert said(labels) == TRUTH and set(labels.images["true_aspect"]) == {16 / 9}
    assert report.facts["sets"]["set"]["license"] == "CC BY 4.0"


def test_clips_come_from_a_manifest_then_a_rule_and_else_the_set_is_one(tmp_path: Path) -> None:
    folder = coco(tmp_path / "set")
    write(folder / "manifest.csv", "file,source_clip\na_0001.png,first\n")
    assert imported(folder)[1].images["video"].to_list() == ["set/first", "set/a", "set/b", "set/b"]
    other = coco(tmp_path / "two" / "set")
    (other / "dataset.json").unlink()
    report, labels, _ = imported(other)
    assert set(labels.images["video"]) == {"set/set"} and failed(report) == {"clips_known"}
    third = coco(tmp_path / "three" / "set")
    (third / "dataset.json").unlink()
    content = coco_content()
    for number, name in enumerate(NAMES):
        content["images"][number]["file_name"] = f"clip_7_{number}_{number}_png.rf.0a1b2c.png"
        (third / name).rename(third / content["images"][number]["file_name"])
    write(third / "_annotations.coco.json", content)
    assert set(imported(third)[1].images["video"]) == {"set/clip_7"}


def test_the_same_files_give_the_same_bytes_wherever_they_lie(tmp_path: Path) -> None:
    for place in ("x", "y"):
        one = coco(tmp_path / place / "one")
        two = yolo(tmp_path / place / "two")
        for number, name in enumerate(NAMES, start=20):
            paint(two / "images/train" / name, number)
        imported(*((one, two) if place == "x" else (two, one)))
    assert bytes_below(tmp_path / "x" / "out") == bytes_below(tmp_path / "y" / "out")


def test_raw_images_are_copied_so_that_publishing_leaves_them_as_they_were(tmp_path: Path) -> None:
    folder = coco(tmp_path / "set")
    labels = imported(folder)[1]
    for name in labels.images["file_name"]:
        assert (tmp_path / "out" / name).stat().st_nlink == 1


def test_an_image_that_two_sets_have_is_used_once(tmp_path: Path) -> None:
    report, labels, quarantine = imported(coco(tmp_path / "one"), yolo(tmp_path / "two"))
    assert len(labels.images) == len(NAMES) and set(labels.images["video"]) == {"one/a", "one/b"}
    twice = quarantine.filter(rule="image_twice")
    assert twice["value"].to_list() == [f"one/{name}" for name in NAMES]
    assert quarantine.filter(rule="image_set_aside").height == sum(map(len, BOXES.values()))
    assert {"images_readable", "quarantined_share"} <= failed(report)


def test_classes_that_are_not_ours_are_dropped_and_counted_by_name(tmp_path: Path) -> None:
    folder = coco(tmp_path / "set")
    content = coco_content()
    content["categories"][1]["name"] = "crowd barrier"
    write(folder / "_annotations.coco.json", content)
    report, _, quarantine = imported(folder)
    assert report.facts["sets"]["set"]["dropped_classes"] == {"crowd barrier": 2} and quarantine.is_empty()
    [check] = [check for check in report.checks if check.name == "classes_known"]
    assert (check.passed, check.rules) == (False, {"crowd barrier": 2})
    assert report.facts["boxes_by_category"] == {"player": 1, "ball": 2}


def test_a_withdrawn_clip_is_left_out_and_counted(tmp_path: Path) -> None:
    report, labels, quarantine = imported(coco(tmp_path / "set"), withdrawn=[{"video": "set/a"}])
    assert set(labels.images["video"]) == {"set/b"} and not failed(report)
    assert quarantine["rule"].to_list() == ["withdrawn", "withdrawn"] and report.quarantined == 2


def test_boxes_within_a_pixel_of_the_edge_are_cut_there(tmp_path: Path) -> None:
    folder = coco(tmp_path / "set")
    content = coco_content()
    content["annotations"][0]["bbox"] = [-0.5, 10, 20.5, HEIGHT - 9.5]
    write(folder / "_annotations.coco.json", content)
    report, labels, _ = imported(folder)
    assert said(labels)["a_0001.png"][0] == ("player", 0, 10, 20, HEIGHT - 10)
    assert report.facts["sets"]["set"]["boxes_cut_at_the_edge"] == 1


def test_pascal_voc_corners_from_one_include_the_last_pixel(tmp_path: Path) -> None:
    folder = pascal_voc(tmp_path / "set")
    write(folder / "dataset.yaml", "voc_one_based: true\nclip_from: ^(a|b)_\n")
    (folder / "dataset.json").unlink()
    assert said(imported(folder)[1])["a_0001.png"][0] == ("player", 9, 7, 13, 25)


def test_formats_are_told_apart_and_an_ambiguous_folder_is_refused(tmp_path: Path) -> None:
    folder = coco(tmp_path / "set")
    write(folder / "data.yaml", "names: [ball]\n")
    with pytest.raises(BadLabelsError, match=r"several formats \(coco: _annotations.coco.json; yolo: data.yaml\)"):
        detect_format(folder)
    assert detect_format(folder, "coco") == ("coco", ["_annotations.coco.json"])
    with pytest.raises(BadLabelsError, match="no files of the format cvat"):
        detect_format(folder, "cvat")


def test_sets_are_found_by_folder(tmp_path: Path) -> None:
    assert labelled_sets(tmp_path) == []
    for name in ("b", "a"):
        (tmp_path / "detection/labelled" / name).mkdir(parents=True)
    write(tmp_path / "detection/labelled/readme.txt", "")
    assert [path.name for path in labelled_sets(tmp_path)] == ["a", "b"]
    with pytest.raises(BadLabelsError, match="no labelled data set: put a folder"):
        write_labelled([], tmp_path)
    with pytest.raises(BadLabelsError, match="two data sets are called a"):
        write_labelled([tmp_path / "detection/labelled/a", tmp_path / "other/a"], tmp_path)


# -- bad input -------------------------------------------------------------------------------------------------------

Change = Callable[[Path], object]


def change_coco(change: Callable[[dict[str, Any]], object]) -> Change:
    def apply(folder: Path) -> None:
        content = coco_content()
        change(content)
        write(folder / "_annotations.coco.json", content)

    return apply


def box(**values: object) -> Change:
    return change_coco(lambda content: content["annotations"][0].update(values))


def image(**values: object) -> Change:
    return change_coco(lambda content: content["images"][0].update(values))


def file(name: str, content: Any) -> Change:
    return lambda folder: write(folder / name, content)


def gone(name: str) -> Change:
    return lambda folder: (folder / name).unlink()


def text_of(name: str, before: str, after: str) -> Change:
    def apply(folder: Path) -> None:
        text = (folder / name).read_text()
        assert before in text
        (folder / name).write_text(text.replace(before, after, 1))

    return apply


def cut_off(name: str) -> Change:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:-40])


def cvat_with(boxes: str) -> Change:
    return file("annotations.xml", f"<annotations>{cvat_image(NAMES[0], boxes=boxes)}</annotations>")


YOLO, VOC, CVAT_XML, COCO_JSON = (
    "labels/train/a_0001.txt",
    "Annotations/a_0001.xml",
    "annotations.xml",
    "_annotations.coco.json",
)
BOMB = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>'
STEAL = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>'

REFUSED: dict[str, tuple[str, Change, str]] = {
    "coco: no JSON": ("coco", file(COCO_JSON, "{"), "not JSON"),
    "coco: not UTF-8": ("coco", file(COCO_JSON, b'{"images": "\xff\xfe"}'), "not JSON"),
    "coco: nested without end": ("coco", file(COCO_JSON, "[" * 200_000), "not JSON"),
    "coco: a list of results": ("coco", file(COCO_JSON, []), "a list where COCO has an object"),
    "coco: key missing": ("coco", change_coco(lambda c: c.pop("categories")), "no list 'categories'"),
    "coco: wrong type of key": ("coco", change_coco(lambda c: c.update(images={})), "no list 'images'"),
    "coco: entry is no object": ("coco", change_coco(lambda c: c["images"].append(3)), r"images\[4\]: id is None"),
    "coco: text for a width": ("coco", image(width="96"), "width is '96', not int"),
    "coco: half a pixel": ("coco", image(width=95.5), "width is 95.5, not int"),
    "coco: no width": ("coco", image(width=0), "width is 0"),
    "coco: true for an id": ("coco", image(id=True), "id is True, not int"),
    "coco: an id too large": ("coco", image(id=10**30), "too large"),
    "coco: image twice": ("coco", image(id=11), "image id 11 is there twice"),
    "coco: box twice": ("coco", box(id=2), "annotation id 2 is there twice"),
    "coco: box of no image": ("coco", box(image_id=99), "image 99, which is not among the images"),
    "coco: unknown category": ("coco", box(category_id=99), "category 99"),
    "coco: category without a name": ("coco", change_coco(lambda c: c["categories"][0].pop("name")), "has no name"),
    "coco: category twice": ("coco", change_coco(lambda c: c["categories"][1].update(id=0)), "two categories"),
    "coco: score above 1": ("coco", box(score=1.5), "score is 1.5"),
    "coco: score is text": ("coco", box(score="high"), "score is 'high'"),
    "coco: score is true": ("coco", box(score=True), "score is True"),
    "coco: crowd is text": ("coco", box(iscrowd="no"), "iscrowd is 'no'"),
    "coco: no images": ("coco", change_coco(lambda c: c.update(images=[], annotations=[])), "no image with labels"),
    "coco: none of the images is there": (
        "coco",
        change_coco(lambda c: [each.update(file_name=f"x/{each['file_name']}") for each in c["images"]]),
        "no image with labels .*as x/a_0001.png",
    ),
    "coco: names lead out of the set": (
        "coco",
        change_coco(lambda c: [each.update(file_name="../../../etc/passwd") for each in c["images"]]),
        "no image with labels",
    ),
    "yolo: no YAML": ("yolo", file("data.yaml", "names: ["), "data.yaml: not YAML"),
    "yolo: no names": ("yolo", file("data.yaml", "nc: 3"), "no names of classes"),
    "yolo: names without numbers": ("yolo", file("data.yaml", "names: {ball: 0}"), "not the number of a class"),
    "yolo: other count": ("yolo", file("data.yaml", "names: [ball]\nnc: 2"), "nc is 2, but there are 1 names"),
    "yolo: not UTF-8": ("yolo", file(YOLO, b"0 \xff"), "not UTF-8"),
    "voc: broken XML": ("pascal_voc", file(VOC, "<annotation><filename>"), "a_0001.xml: broken XML"),
    "voc: entity bomb": ("pascal_voc", file(VOC, f"{BOMB}<annotation>&b;</annotation>"), "declares a document type"),
    "voc: reads other files": ("pascal_voc", file(VOC, f"{STEAL}<annotation>&a;</annotation>"), "document type"),
    "cvat: broken XML": ("cvat", file(CVAT_XML, "<annotations>"), "annotations.xml: broken XML"),
    "cvat: entity bomb": ("cvat", file(CVAT_XML, f"{BOMB}<annotations>&b;</annotations>"), "document type"),
    "cvat: tracks": ("cvat", file(CVAT_XML, "<annotations><track/></annotations>"), "holds tracks"),
    "cvat: another root": ("cvat", file(CVAT_XML, "<page/>"), "no labels were found"),
    "cvat: no size": (
        "cvat",
        file(CVAT_XML, f"<annotations>{cvat_image(NAMES[0], width='wide')}</annotations>"),
        "width 'wide'",
    ),
    "no labels at all": ("coco", gone(COCO_JSON), "no labels were found. Looked for: COCO"),
    "two formats": ("coco", file("x.xml", "<annotation/>"), "labels of several formats"),
    "two data.yaml": ("yolo", file("data.yml", "names: [a]"), "both data.yaml and data.yml"),
    "two settings": ("coco", file("dataset.yaml", "{}"), "both dataset.json and dataset.yaml"),
    "settings: no YAML": ("coco", file("dataset.json", "{:"), "neither JSON nor YAML"),
    "settings: unknown key": ("coco", file("dataset.json", {"aspect": 1}), "aspect: Extra inputs.*It may hold format"),
    "settings: not an object": ("coco", file("dataset.json", [1]), "dataset.json"),
    "settings: no size": (
        "coco",
        file("dataset.json", {"true_size": [0, 9]}),
        "true_size must be a width",
    ),
    "settings: no expression": ("coco", file("dataset.json", {"clip_from": "("}), "not a regular expression"),
    "settings: no group": ("coco", file("dataset.json", {"clip_from": "a+"}), "the expression has no group"),
    "manifest: no column": ("coco", file("manifest.csv", "file\na\n"), "no column source_clip"),
    "manifest: two clips": ("coco", file("manifest.csv", "file,source_clip\na,b\na,c\n"), "line 3: a was there before"),
}


FOREIGN: dict[str, dict[str, object]] = {
    "whole numbers as floats": {"width": float(WIDTH), "height": float(HEIGHT), "id": 10.0},
    "other things under our optional names": {"frame": "000", "video": 5, "time_ms": "0:01", "source": {"cam": 1}},
}


@pytest.mark.parametrize("values", FOREIGN.values(), ids=list(FOREIGN))
def test_coco_of_other_tools_is_read(values: dict[str, object], tmp_path: Path) -> None:
    folder = coco(tmp_path / "set")
    image(**values)(folder)
    report, labels, _ = imported(folder)
    assert said(labels) == TRUTH and not failed(report)
    assert labels.images["video"][0] == "set/a" and labels.images["frame"][0] is None


@pytest.mark.parametrize(
    ("change", "message"),
    [(box(bbox=[1, 2, 3]), "bbox is .1, 2, 3., not four finite numbers"), (image(frame="7"), "frame is '7'")],
)
def test_coco_of_our_own_is_refused_where_anything_is_amiss(change: Change, message: str, tmp_path: Path) -> None:
    change(tmp_path)
    with pytest.raises(BadLabelsError, match=message):
        read_coco(tmp_path / COCO_JSON)


def test_yolo_of_other_tools_is_read(tmp_path: Path) -> None:
    folder = yolo(tmp_path / "set")
    write(folder / "data.yaml", "names: {'0': ball, '1': player, '2': goalkeeper}")
    (folder / YOLO).rename(folder / YOLO.replace(".txt", ".TXT"))
    report, labels, quarantine = imported(folder)
    assert said(labels) == TRUTH and not failed(report) and quarantine.is_empty()


@pytest.mark.parametrize("what", REFUSED)
def test_files_that_are_not_of_their_format_are_refused(what: str, tmp_path: Path) -> None:
    kind, change, message = REFUSED[what]
    folder = FORMATS[kind](tmp_path / "set")
    change(folder)
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(BadLabelsError, match=message) as error:
        write_labelled([folder], out)
    assert "set" in str(error.value) and not list(out.iterdir())


SET_ASIDE: dict[str, tuple[str, Change, dict[str, int]]] = {
    "coco: box outside": ("coco", box(bbox=[90, 8, 12, 24]), {"outside_the_image": 1}),
    "coco: box just beyond": ("coco", box(bbox=[-0.9, 8, 0.5, 24]), {"outside_the_image": 1}),
    "coco: bbox missing": ("coco", change_coco(lambda c: c["annotations"][0].pop("bbox")), {"not_a_box": 1}),
    "coco: bbox empty": ("coco", box(bbox=[]), {"not_a_box": 1}),
    "coco: bbox of three": ("coco", box(bbox=[1, 2, 3]), {"not_a_box": 1}),
    "coco: text in bbox": ("coco", box(bbox=[1, 2, 3, "4"]), {"not_a_number": 1}),
    "coco: true in bbox": ("coco", box(bbox=[1, 2, 3, True]), {"not_a_number": 1}),
    "coco: NaN in bbox": ("coco", box(bbox=[1, 2, 3, float("nan")]), {"finite": 1}),
    "coco: infinity in bbox": ("coco", box(bbox=[1, 2, float("inf"), 3]), {"finite": 1}),
    "coco: a huge number in bbox": ("coco", box(bbox=[1, 2, 10**400, 3]), {"finite": 1}),
    "coco: negative size": ("coco", box(bbox=[10, 8, -2, 24]), {"no_area": 1}),
    "coco: no area": ("coco", box(bbox=[10, 8, 0, 0]), {"no_area": 2}),
    "coco: image missing": ("coco", gone(NAMES[0]), {"image_missing": 1, "image_set_aside": 2}),
    "coco: image unreadable": ("coco", file(NAMES[0], "no image"), {"image_unreadable": 1, "image_set_aside": 2}),
    "coco: image empty": ("coco", file(NAMES[0], b""), {"image_unreadable": 1, "image_set_aside": 2}),
    "coco: image cut off": ("coco", cut_off(NAMES[0]), {"image_unreadable": 1, "image_set_aside": 2}),
    "coco: other size": ("coco", image(width=960), {"image_size_differs": 1, "image_set_aside": 2}),
    "coco: image that nothing is said of": (
        "coco",
        lambda folder: paint(folder / "more.png", 9),
        {"image_without_labels": 1},
    ),
    "coco: a file named twice": (
        "coco",
        image(file_name=NAMES[1]),
        {"image_named_twice": 2, "image_set_aside": 3, "image_without_labels": 1},
    ),
    "coco: a name that leads out": (
        "coco",
        image(file_name="../../etc/passwd"),
        {"image_missing": 1, "image_set_aside": 2, "image_without_labels": 1},
    ),
    "yolo: class out of range": ("yolo", file(YOLO, "3 .5 .5 .1 .1"), {"class_out_of_range": 1}),
    "yolo: class negative": ("yolo", file(YOLO, "-1 .5 .5 .1 .1"), {"class_out_of_range": 1}),
    "yolo: class is half": ("yolo", file(YOLO, "0.5 .5 .5 .1 .1"), {"class_out_of_range": 1}),
    "yolo: text": ("yolo", file(YOLO, "0 .5 left .1 .1"), {"not_a_number": 1}),
    "yolo: NaN": ("yolo", file(YOLO, "0 .5 nan .1 .1"), {"finite": 1}),
    "yolo: infinite": ("yolo", file(YOLO, "0 .5 .5 inf .1"), {"finite": 2}),
    "yolo: polygon": ("yolo", file(YOLO, "0 .1 .1 .2 .1 .2 .2 .1 .2"), {"not_a_box": 1}),
    "yolo: short line": ("yolo", file(YOLO, "0 .5 .5"), {"not_a_box": 1}),
    "yolo: pixels for shares": ("yolo", file(YOLO, "0 48 32 10 10"), {"outside_the_image": 1}),
    "yolo: score above 1": ("yolo", file(YOLO, "0 .5 .5 .1 .1 7"), {"score_range": 1}),
    "yolo: labels without image": ("yolo", file("labels/train/zz.txt", ""), {"labels_without_image": 1}),
    "yolo: image without labels": ("yolo", gone(YOLO), {"image_without_labels": 1}),
    "yolo: image unreadable": ("yolo", file("images/train/a_0001.png", "x"), {"image_unreadable": 1}),
    "voc: image missing": (
        "pascal_voc",
        gone("JPEGImages/a_0001.png"),
        {"labels_without_image": 1},
    ),
    "voc: no file name": (
        "pascal_voc",
        text_of(VOC, "<filename>a_0001.png</filename>", ""),
        {"labels_without_image": 1, "image_without_labels": 1},
    ),
    "voc: other size": (
        "pascal_voc",
        text_of(VOC, "<width>96", "<width>95"),
        {"image_size_differs": 1, "image_set_aside": 2},
    ),
    "voc: text": ("pascal_voc", text_of(VOC, "<xmin>10", "<xmin>ten"), {"not_a_number": 1}),
    "voc: corner missing": ("pascal_voc", text_of(VOC, "<xmin>10</xmin>", ""), {"not_a_box": 1}),
    "voc: no class": ("pascal_voc", text_of(VOC, "<name>player</name>", ""), {"no_class": 1}),
    "voc: corners swapped": ("pascal_voc", text_of(VOC, "<xmax>22", "<xmax>2"), {"no_area": 1}),
    "cvat: polygon": ("cvat", cvat_with('<polygon label="ball" points="1,2;3,4"/>'), {"not_a_box": 1}),
    "cvat: text": ("cvat", cvat_with('<box label="ball" xtl="a" ytl="1" xbr="2" ybr="3"/>'), {"not_a_number": 1}),
    "cvat: edge missing": ("cvat", cvat_with('<box label="ball" xtl="1" ytl="1" xbr="2"/>'), {"not_a_number": 1}),
    "cvat: no class": ("cvat", cvat_with('<box xtl="1" ytl="1" xbr="2" ybr="3"/>'), {"no_class": 1}),
    "cvat: turned": ("cvat", cvat_with(cvat_box("ball", 1, 1, 5, 5, 'rotation="30"')), {"rotated_box": 1}),
    "cvat: other size": (
        "cvat",
        text_of(CVAT_XML, 'height="64"', 'height="63"'),
        {"image_size_differs": 1, "image_set_aside": 2},
    ),
    "cvat: image missing": ("cvat", gone("images/a_0001.png"), {"image_missing": 1}),
}


@pytest.mark.parametrize("what", SET_ASIDE)
def test_rows_that_break_a_rule_are_set_aside_with_file_place_and_rule(what: str, tmp_path: Path) -> None:
    kind, change, expected = SET_ASIDE[what]
    folder = FORMATS[kind](tmp_path / "set")
    change(folder)
    report, labels, quarantine = imported(folder)
    rules = dict(quarantine["rule"].value_counts().iter_rows())
    if what.startswith("cvat") and len(labels.images) == 1:  # the change left the other images out of the file
        assert rules.pop("image_without_labels") == len(NAMES) - 1
    assert rules == expected == {rule: count for rule, count in report.facts["set_aside"].items() if rule in expected}
    assert set(expected) <= set(MEANING) and all(name.startswith("set/") for name in quarantine["file"])
    assert all(isinstance(json.loads(row), dict) for row in quarantine["row"])
    told = {rule for check in report.checks if check.name != "quarantined_share" for rule in check.rules}
    assert told == set(quarantine["rule"])
    assert report.quarantined == quarantine.select("file", "line", "row").n_unique()


def test_the_lists_of_bad_inputs_are_as_long_as_they_are_said_to_be() -> None:
    assert len(REFUSED) + len(SET_ASIDE) >= 90


def test_a_place_in_a_text_file_is_its_line_and_in_coco_the_id(tmp_path: Path) -> None:
    folder = yolo(tmp_path / "set")
    write(folder / YOLO, "1 .5 .5 .1 .1\n\n0 .5 .5 .1 x\n")
    assert imported(folder)[2].select("file", "line").rows() == [(f"set/{YOLO}", 3)]
    other = coco(tmp_path / "two" / "set")
    change_coco(lambda content: content["annotations"][3].update(id=77, bbox=[0, 0, 0, 5]))(other)
    [row] = imported(other)[2].iter_rows(named=True)
    assert (row["line"], row["column"], row["value"]) == (77, "width", "0.0")
    assert json.loads(row["row"])["label"] == "player"


def test_one_bad_row_never_rejects_and_more_than_the_share_does(tmp_path: Path) -> None:
    folder = yolo(tmp_path / "set")
    write(folder / YOLO, "9 .5 .5 .1 .1\n1 .5 .5 .1 .1")
    assert failed(imported(folder)[0]) == {"boxes_are_boxes"}
    other = yolo(tmp_path / "two" / "set")
    write(other / YOLO, "9 .5 .5 .1 .1\n9 .4 .4 .1 .1")
    assert failed(imported(other)[0]) == {"boxes_are_boxes", "quarantined_share"}


def test_every_missing_image_of_a_cvat_file_counts(tmp_path: Path) -> None:
    folder = cvat(tmp_path / "set")
    for name in NAMES[:2]:
        (folder / "images" / name).unlink()
    report, _, _ = imported(folder)
    assert report.quarantined == 2 and "quarantined_share" in failed(report)


def test_no_box_at_all_is_rejected(tmp_path: Path) -> None:
    folder = cvat(tmp_path / "set")
    write(folder / CVAT_XML, f"<annotations>{''.join(map(cvat_image, NAMES))}</annotations>")
    report, labels, _ = imported(folder)
    [check] = [check for check in report.checks if check.name == "labels_left"]
    assert not check.passed and check.blocking and len(labels.images) == len(NAMES)
