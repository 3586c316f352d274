"""Labels of several sources become a data set by side: what is in it, and what its checks find."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import polars as pl
import pytest

from sport_assets.detection.categories import BALL, CATEGORIES, PLAYER, ROLE_CATEGORIES
from sport_assets.detection.coco import Labels, read_coco, write_coco
from sport_assets.detection.dataset import (
    Source,
    SplitError,
    SplitSettings,
    link_or_copy,
    read_sides,
    read_split,
    write_dataset,
    write_from_folders,
)
from sport_assets.detection.dataset_checks import CHECKS, COCO_FILE, dataset_checks, statistics
from sport_assets.detection.dataset_merge import Kind, merge
from sport_assets.detection.errors import BadLabelsError
from sport_assets.detection.labelled_frames import write_labelled
from sport_assets.detection.near_duplicates import nearest_across, perceptual_hash, perceptual_hashes
from sport_assets.detection.step_report import StepReport
from sport_assets.detection.video_identifiers import files_of, of_videos
from sport_assets.lineage.checks import CheckResult
from sport_assets_tests.detection import label_sets
from sport_assets_tests.detection.label_sets import bytes_below, labels_in, paint, pixels_of

VIDEOS = {"match_1": 4, "match_2": 3, "match_3": 2, "match_4": 1}


def source(kind: Kind, folder: Path, videos: dict[str, int], **more: Any) -> Source:
    return Source(kind, folder.name, labels_in(folder, videos, **more), folder)


def written(folder: Path, *sources: Source, **options: Any) -> StepReport:
    folder.mkdir()
    return write_dataset(sources, folder, **options)


def failed(checks: tuple[CheckResult, ...]) -> dict[str, CheckResult]:
    assert [check.name for check in checks] == list(CHECKS)
    assert all((check.blocking, check.description) == CHECKS[check.name] for check in checks)
    return {check.name: check for check in checks if not check.passed}


@pytest.fixture
def pseudo(tmp_path: Path) -> Source:
    return source("pseudo", tmp_path / "pseudo", VIDEOS, score=0.4)


def test_the_layout_ids_and_sides(tmp_path: Path, pseudo: Source) -> None:
    out = tmp_path / "out"
    report = written(out, pseudo)
    assert not failed(report.checks)
    assert sorted(path.name for path in out.iterdir()) == [
        "contact_sheet.png",
        "split.json",
        "statistics.json",
        "train",
        "valid",
    ]
    split, sides = read_split(out), read_sides(out)
    assert sorted(split["train"] + split["valid"]) == sorted(VIDEOS) and split["train"] and split["valid"]
    assert sum(VIDEOS[video] for video in split["valid"]) == 2  # 20 % of 10
    for side, labels in sides.items():
        assert set(labels.images["video"]) == set(split[side])
        for ids in (labels.images["image"], labels.boxes["box"]):
            assert ids.to_list() == list(range(1, len(ids) + 1))
        assert {path.name for path in (out / side).iterdir()} == {COCO_FILE, *labels.images["file_name"]}
        for row in labels.images.iter_rows(named=True):
            before = tmp_path / "pseudo" / "images" / row["video"] / f"{row['frame']:06d}.png"
            assert os.path.samefile(out / side / row["file_name"], before)
            assert row["file_name"] == f"pseudo__{row['video']}__{row['frame']:06d}.png"
    assert {(index.side, *index.values()) for index in report.identifiers.identifiers()} == {
        (side, *videos) for side, videos in split.items()
    }


def test_boxes_stay_with_their_images(tmp_path: Path, pseudo: Source) -> None:
    boxes = pseudo.labels.boxes.with_columns(x=pl.col("image").cast(pl.Float64))
    marked = Source("pseudo", "p", Labels(pseudo.labels.images, boxes, CATEGORIES), pseudo.images)
    expected = dict(pseudo.labels.images.select("sha256", pl.col("image").cast(pl.Float64)).iter_rows())
    written(tmp_path / "out", marked, split=SplitSettings(test_share=0.2))
    seen = 0
    for labels in read_sides(tmp_path / "out").values():
        joined = labels.boxes.join(labels.images.select("image", "sha256"), on="image")
        assert joined["x"].to_list() == [expected[digest] for digest in joined["sha256"]]
        assert set(joined["score"]) == {0.4}
        seen += len(joined)
    assert seen == len(pseudo.labels.boxes)


def test_a_test_side_is_there_only_when_asked_for(tmp_path: Path, pseudo: Source) -> None:
    written(tmp_path / "out", pseudo, split=SplitSettings(test_share=0.3))
    assert set(read_split(tmp_path / "out")) == {"train", "valid", "test"}
    assert read_sides(tmp_path / "out")["test"].images["video"].n_unique() >= 1


def test_the_specs_layout_stands_beside_by_option(tmp_path: Path, pseudo: Source) -> None:
    out = tmp_path / "out"
    assert not failed(written(out, pseudo, layout="spec", split=SplitSettings(test_share=0.2)).checks)
    for side, name in (("train", "train"), ("valid", "val"), ("test", "test")):
        content = out / name / "annotations" / "annotations.json"
        assert content.read_bytes() == (out / side / COCO_FILE).read_bytes()
        named = set(read_coco(content).images["file_name"])
        assert named == {path.name for path in (out / name / "images").iterdir()}
    assert {path.name for path in (out / "val").iterdir()} == {"images", "annotations"}


def test_the_same_sources_give_the_same_bytes_wherever_they_lie(tmp_path: Path) -> None:
    for place in ("x", "y"):
        made = [
            source("pseudo", tmp_path / place / "one", VIDEOS),
            source("labelled", tmp_path / place / "two", {"set/a": 2}),
        ]
        written(tmp_path / place / "out", *(made if place == "x" else reversed(made)))
    assert bytes_below(tmp_path / "x" / "out") == bytes_below(tmp_path / "y" / "out")


# -- merging ---------------------------------------------------------------------------------------------------------


def test_reviewed_goes_before_labelled_before_pseudo_by_frame_and_by_content(tmp_path: Path) -> None:
    pseudo = source("pseudo", tmp_path / "p", {"v": 4, "w": 1}, score=0.5)
    # another file of the same frames: 0 and 1 of v
    reviewed = source("reviewed", tmp_path / "r", {"v": 2}, seed=1)
    # the same file as frame 2 of v, in a data set that knows nothing of frames
    path = tmp_path / "l" / "some.png"
    path.parent.mkdir()
    shutil.copyfile(pseudo.images / "images/v/000002.png", path)
    image = {"image": 1, "file_name": "some.png", "width": 96, "height": 64, "video": "set/clip"}
    box = {"box": 1, "image": 1, "category": BALL, "x": 1, "y": 2, "width": 3, "height": 4}
    labelled = Source("labelled", "set", Labels.of([image], [box]), path.parent)
    merged = merge([pseudo, labelled, reviewed])
    by_source = merged.labels.images.group_by("source").len().sort("source").rows()
    assert by_source == [("labelled", 1), ("pseudo", 2), ("reviewed", 2)]
    assert merged.counts["images_by_source"] == {"reviewed": 2, "labelled": 1, "pseudo": 2}
    assert merged.counts["images_superseded"] == {"pseudo by labelled": 1, "pseudo by reviewed": 2}
    assert merged.same_footage == (frozenset({"set/clip", "v"}),)
    scores = merged.labels.boxes.join(merged.labels.images, on="image").group_by("source").agg(pl.col("score").count())
    assert dict(scores.iter_rows()) == {"reviewed": 0, "labelled": 0, "pseudo": 4}
    for row, path in zip(merged.labels.images.iter_rows(named=True), merged.paths, strict=True):
        assert path.parts[len(tmp_path.parts)] == row["source"][0]
    report = written(tmp_path / "out", pseudo, labelled, reviewed)
    sides = read_split(tmp_path / "out")
    assert any({"set/clip", "v"} <= set(videos) for videos in sides.values())
    assert report.facts["images_by_source"]["labelled"] == 1


def test_file_names_stay_unique_however_videos_are_called(tmp_path: Path) -> None:
    made = source("labelled", tmp_path / "s", {"a/b": 1, "a__b": 1, "A__B": 1, "c": 1})
    written(tmp_path / "out", made, split=SplitSettings(valid_videos=("c",)))
    names = sorted(read_sides(tmp_path / "out")["train"].images["file_name"])
    assert names == ["labelled__A__B__000000.png", "labelled__a__b__000000-2.png", "labelled__a__b__000000-3.png"]


def changed(**values: Any) -> Callable[[Source], Source]:
    def apply(made: Source) -> Source:
        table = made.labels.images if set(values) & {"video", "sha256"} else made.labels.boxes
        new = table.with_columns(**{name: pl.lit(value).cast(table.schema[name]) for name, value in values.items()})
        images, boxes = (new, made.labels.boxes) if table is made.labels.images else (made.labels.images, new)
        return Source(made.kind, made.name, Labels(images, boxes, made.labels.categories), made.images)

    return apply


def without_file(made: Source) -> Source:
    (made.images / "images/match_1/000000.png").unlink()
    return made


REFUSED: dict[str, tuple[Callable[[Source], Source], str]] = {
    "no video": (changed(video=None), "is of no video"),
    "no file": (without_file, "000000.png is not there"),
    "box outside": (changed(x=90.0), "box 1 breaks the rule outside_the_image"),
    "no area": (changed(width=0.0), "box 1 breaks the rule no_area"),
    "NaN": (changed(y=float("nan")), "box 1 breaks the rule finite"),
    "score": (changed(score=1.5), "breaks the rule score_range"),
    "box twice": (changed(box=1), "breaks the rule box_id_twice"),
    "category": (changed(category=9), "breaks the rule category_unknown"),
    "image unknown": (changed(image=99), "breaks the rule image_unknown"),
    "no boxes": (
        lambda made: Source(
            made.kind, "m", Labels(made.labels.images, made.labels.boxes.clear(), CATEGORIES), made.images
        ),
        "10 images and not one box: look at the labels of m",
    ),
    "no images": (
        lambda made: Source(made.kind, "m", Labels.of([], []), made.images),
        "no labels: add a video",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_labels_that_cannot_be_used_are_refused_before_anything_is_written(
    what: str, tmp_path: Path, pseudo: Source
) -> None:
    change, message = REFUSED[what]
    with pytest.raises(BadLabelsError, match=message):
        written(tmp_path / "out", change(pseudo))
    assert not list((tmp_path / "out").iterdir())


def test_sources_of_other_categories_are_refused(tmp_path: Path, pseudo: Source) -> None:
    roles = Source("reviewed", "r", Labels(pseudo.labels.images, pseudo.labels.boxes, ROLE_CATEGORIES), pseudo.images)
    with pytest.raises(BadLabelsError, match="same option for roles"):
        merge([pseudo, roles])


def test_a_damaged_image_is_refused_by_name(tmp_path: Path, pseudo: Source) -> None:
    (pseudo.images / "images/match_2/000001.png").write_bytes(b"no image")
    with pytest.raises(BadLabelsError, match=r"000001.png: the image .*cannot be decoded"):
        written(tmp_path / "out", pseudo)


def test_a_teachers_videos_are_kept_from_evaluation_and_the_check_proves_it(tmp_path: Path, pseudo: Source) -> None:
    report = written(tmp_path / "out", pseudo, teacher_videos=["match_1", "match_3", "match_4"])
    assert read_split(tmp_path / "out")["valid"] == ["match_2"]
    assert report.facts["teacher_videos"] == ["match_1", "match_3", "match_4"]
    found = failed(dataset_checks(tmp_path / "out", teacher_videos=["match_2"]))
    assert set(found) == {"teacher_videos_not_evaluated_on"}
    with pytest.raises(SplitError, match="a teacher was trained on"):
        written(tmp_path / "two", pseudo, split=SplitSettings(valid_videos=("match_1",)), teacher_videos=["match_1"])


def test_where_links_cannot_be_files_are_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    (tmp_path / "a").write_bytes(b"content")
    monkeypatch.setattr(os, "link", no_links)
    link_or_copy(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == b"content" and (tmp_path / "b").stat().st_nlink == 1


# -- checks ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def dataset(tmp_path: Path, pseudo: Source) -> Path:
    written(tmp_path / "out", pseudo, split=SplitSettings(valid_videos=("match_2",)))
    return tmp_path / "out"


def edit(folder: Path, side: str, change: Callable[[dict[str, Any]], object]) -> None:
    path = folder / side / COCO_FILE
    content = json.loads(path.read_text())
    change(content)
    path.unlink()
    path.write_text(json.dumps(content))


def test_files_without_entries_and_entries_without_files_are_found(dataset: Path) -> None:
    gone = next((dataset / "train").glob("*000000.png"))
    gone.unlink()
    paint(dataset / "valid" / "more.png", 999)
    check = failed(dataset_checks(dataset))["files_and_entries_agree"]
    assert check.rules == {"entry_without_file": 1, "file_without_entry": 1}
    assert [row["file_name"] for row in check.sample] == [gone.name, "more.png"]
    edit(dataset, "train", lambda content: content["images"][1].update(file_name=content["images"][2]["file_name"]))
    assert failed(dataset_checks(dataset))["files_and_entries_agree"].rules["file_named_twice"] == 1


def test_a_video_that_was_moved_is_found(dataset: Path) -> None:
    edit(dataset, "valid", lambda content: content["images"][0].update(video="match_1"))
    assert set(failed(dataset_checks(dataset))) == {"no_video_on_two_sides"}


def test_boxes_that_break_a_rule_are_found_with_their_id(dataset: Path) -> None:
    def change(content: dict[str, Any]) -> None:
        content["annotations"][0]["bbox"][0] = 95
        content["annotations"][1]["bbox"][2] = 0

    edit(dataset, "valid", change)
    check = failed(dataset_checks(dataset))["annotations_keep_the_rules"]
    assert check.rules == {"no_area": 1, "outside_the_image": 1}
    assert [(row["side"], row["box"]) for row in check.sample] == [("valid", 1), ("valid", 2)]


def test_a_side_without_balls_or_boxes_is_found(dataset: Path) -> None:
    def no_ball(content: dict[str, Any]) -> None:
        content["annotations"] = [each for each in content["annotations"] if each["category_id"] == PLAYER]

    edit(dataset, "train", no_ball)
    assert set(failed(dataset_checks(dataset))) == {"categories_in_train", "categories_on_every_side"}
    edit(dataset, "valid", lambda content: content["annotations"].clear())
    found = failed(dataset_checks(dataset))
    assert found["annotations_left"].sample == [{"rule": "no_annotations", "side": "valid"}]
    assert found["annotations_left"].blocking and not found["categories_on_every_side"].blocking


def test_the_same_and_nearly_the_same_image_on_two_sides_are_found(dataset: Path) -> None:
    [one, two] = sorted((dataset / "train").glob("*match_1*.png"))[:2]
    [other, another] = sorted((dataset / "valid").glob("*.png"))[:2]
    shutil.copyfile(one, dataset / "copy")
    os.replace(dataset / "copy", other)
    pixels = pixels_of(two)
    brighter = np.clip(pixels.astype(np.int16) + 6, 0, 255).astype(np.uint8)
    another.unlink()
    cv2.imwrite(str(another), brighter)
    found = failed(dataset_checks(dataset))
    assert set(found) == {"no_identical_image_on_two_sides", "no_near_duplicates_across_sides"}
    identical, near = found.values()
    assert identical.blocking and identical.sample[0]["images"] == [f"train/{one.name}", f"valid/{other.name}"]
    assert not near.blocking and near.failed == 2
    assert near.sample[1]["images"] == [f"train/{two.name}", f"valid/{another.name}"]


def test_only_the_best_ball_of_an_images_pseudo_labels_is_taken(tmp_path: Path) -> None:
    """A background teacher offers up to three candidates; a person may well have seen three balls."""

    def three_balls(kind: Kind, videos: dict[str, int], scores: tuple[float | None, ...]) -> Source:
        plain = source(kind, tmp_path / kind, videos, seed=len(kind))
        rows = [
            {"box": 4 * image + n, "image": image, "category": category, "x": 9 * n, "y": 3, "width": 5, "height": 5}
            | {"score": score}
            for image in plain.labels.images["image"]
            for n, (category, score) in enumerate(zip((BALL, BALL, PLAYER, BALL), scores, strict=True))
        ]
        return Source(kind, kind, Labels.of(plain.labels.images.to_dicts(), rows), plain.images)

    person = (None, None, None, None)
    merged = merge(
        [
            three_balls("pseudo", {"a": 3, "b": 1}, (0.5, 0.9, 0.4, 0.9)),
            three_balls("reviewed", {"a": 1}, person),
            three_balls("labelled", {"c": 1}, person),
        ]
    )
    boxes = merged.labels.boxes.join(merged.labels.images.select("image", "source"), on="image")
    pseudo = boxes.filter(source="pseudo")
    assert pseudo.filter(category=BALL).select("score", "x").rows() == [(0.9, 9.0)] * 3, "the first of equal scores"
    assert len(pseudo.filter(category=PLAYER)) == 3
    assert len(boxes.filter(pl.col("source") != "pseudo", category=BALL)) == 6
    assert merged.counts["pseudo_balls_left_out"] == 6, "of images that are reviewed none is counted"


def test_statistics_count_what_is_there(tmp_path: Path) -> None:
    made = source("pseudo", tmp_path / "s", {"a": 4, "b": 2}, ball_every=2)
    report = written(tmp_path / "out", made, split=SplitSettings(valid_videos=("b",)))
    train = report.facts["train"]
    assert (train["images"], train["images_with_ball"], train["images_without_ball"], train["boxes"]) == (4, 2, 2, 6)
    assert train["by_category"]["ball"]["by_size"] == {"tiny": 2, "small": 0, "medium": 0, "large": 0}
    # 10 x 30 pixels: the square root of the area is 17.3
    assert train["by_category"]["player"]["by_size"] == {"tiny": 0, "small": 4, "medium": 0, "large": 0}
    assert train["by_category"]["player"]["histogram"] == [0, 0, 0, 0, 4] + [0] * 8
    assert train["by_category"]["ball"]["median_width_px"] == 5 and report.facts["valid"]["videos"] == 1
    assert json.loads((tmp_path / "out/statistics.json").read_text())["train"] == train
    sizes = [(15.9, "tiny"), (16, "small"), (32, "medium"), (96, "large")]
    for side, name in sizes:
        image = {"image": 1, "file_name": "x", "width": 200, "height": 200}
        box = {"box": 1, "image": 1, "category": BALL, "x": 0, "y": 0, "width": side, "height": side}
        figures = statistics({"train": Labels.of([image], [box])})["train"]["by_category"]["ball"]
        assert figures["by_size"][name] == 1 and sum(figures["histogram"]) == 1


# -- near-duplicates -------------------------------------------------------------------------------------------------


def test_the_hash_outlives_scale_compression_and_brightness_and_tells_images_apart(tmp_path: Path) -> None:
    paths = []
    for seed in range(6):
        paint(tmp_path / f"{seed}.png", seed, 640, 384)
        pixels = pixels_of(tmp_path / f"{seed}.png")
        cv2.imwrite(str(tmp_path / f"{seed}.jpg"), cv2.resize(pixels, (400, 240)), [cv2.IMWRITE_JPEG_QUALITY, 60])
        paths += [tmp_path / f"{seed}.png", tmp_path / f"{seed}.jpg"]
    hashes = perceptual_hashes(paths)
    bits = np.bitwise_count(hashes[:, None] ^ hashes[None, :])
    for seed in range(6):
        assert bits[2 * seed, 2 * seed + 1] <= 4
        others = [n for n in range(12) if n // 2 != seed]
        assert bits[2 * seed, others].min() > 10
    grey = pixels_of(paths[0], cv2.IMREAD_GRAYSCALE)
    assert (perceptual_hash(grey) ^ perceptual_hash(grey // 2)).bit_count() <= 4


def test_the_search_finds_what_comparing_every_pair_finds() -> None:
    generator = np.random.default_rng(0)
    hashes = generator.integers(0, 2**63, 2500, dtype=np.uint64)  # more than two blocks
    groups = generator.integers(0, 3, len(hashes))
    for _ in range(60):
        one, other = generator.integers(0, len(hashes), 2)
        flipped = sum(1 << int(bit) for bit in generator.choice(64, generator.integers(0, 6), replace=False))
        hashes[other] = hashes[one] ^ np.uint64(flipped)
    found = nearest_across(hashes, groups, within=4)
    bits = np.bitwise_count(hashes[:, None] ^ hashes[None, :])
    close = (bits <= 4) & (groups[:, None] != groups[None, :])
    assert {n for pair in found for n in pair[:2]} >= set(np.flatnonzero(close.any(axis=1)).tolist())
    assert found and all(
        close[first, second] and bits[first, second] == b and first < second for first, second, b in found
    )
    assert [pair.bits for pair in found] == sorted(pair.bits for pair in found)
    assert nearest_across(hashes[:0], groups[:0]) == []


# -- real frames -----------------------------------------------------------------------------------------------------


@pytest.mark.real_data
def test_real_frames_become_a_data_set_whose_clips_are_on_one_side(real_data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "raw" / "frames"
    folder.mkdir(parents=True)
    for name in ("images", "labels", "data.yaml"):
        (folder / name).symlink_to(real_data / "video" / "frames" / name)
    (folder / "dataset.json").write_text('{"true_size": [1920, 1080], "license": "CC BY 4.0"}')
    imported = tmp_path / "imported"
    imported.mkdir()
    report = write_labelled([folder], imported)
    assert all(check.passed for check in report.checks) and report.quarantined == 0
    assert (report.facts["images"], report.facts["clips"]) == (114, 10)  # clips by the rule of Roboflow's names
    labels = read_coco(imported / "annotations.json")
    assert set(labels.images["true_aspect"]) == {16 / 9}
    rows = pl.read_csv(real_data / "video" / "frames" / "manifest.csv")
    counted = {
        "player": rows.select("player", "goalkeeper", "referee").sum_horizontal().sum(),
        "ball": rows["ball"].sum(),
    }
    assert report.facts["boxes_by_category"] == counted
    made = written(
        tmp_path / "out", Source("labelled", "frames", labels, imported), split=SplitSettings(test_share=0.2)
    )
    assert not failed(made.checks)
    for side in ("valid", "test"):
        assert 0.15 <= made.facts[side]["images"] / 114 <= 0.25


def test_a_copy_of_a_video_under_another_name_changes_nothing(tmp_path: Path, pseudo: Source) -> None:
    first = next(iter(VIDEOS))
    images = pseudo.labels.images.filter(pl.col("video") == first)
    boxes = pseudo.labels.boxes.filter(pl.col("image").is_in(images["image"].to_list()))
    again = Labels(images.with_columns(video=pl.lit("zz_copy")), boxes, pseudo.labels.categories)
    report = written(tmp_path / "out", pseudo, Source("pseudo", "zz_copy", again, pseudo.images))
    sides = report.facts["videos_by_side"]
    assert sorted(video for videos in sides.values() for video in videos) == sorted(VIDEOS)


def test_only_pseudo_labels_need_a_score(tmp_path: Path) -> None:
    settings = {"valid_share": 0.2, "test_share": 0.0, "valid_videos": [], "test_videos": [], "layout": "rfdetr"}
    counts = []
    for kind, least in (("pseudo", 0.3), ("pseudo", 0.5), ("labelled", 0.5)):
        made = source("pseudo", tmp_path / f"{kind}_{least}_in", VIDEOS, score=0.4)
        write_coco(made.labels, made.images / "annotations.json")
        out = tmp_path / f"{kind}_{least}"
        out.mkdir()
        given: list[tuple[Kind, str, Path, Path]] = [(kind, "m", made.images, made.images)]  # type: ignore[list-item]
        try:
            report = write_from_folders(given, out, settings={**settings, "least_score": least}, teacher_videos=())
            counts.append(sum(report.facts[side]["boxes"] for side in ("train", "valid")))
        except BadLabelsError:
            counts.append(0)
    assert counts[1] == 0 < counts[0] == counts[2]


@pytest.mark.parametrize("own", [False, True])
def test_a_clip_in_two_labelled_sets_is_one_footage_unless_they_say_otherwise(tmp_path: Path, own: bool) -> None:
    """Two exports of the same clips, encoded anew: no image is the same, and the footage is."""
    for number, name in enumerate(("v1", "v2")):
        folder = label_sets.coco(tmp_path / name)
        for place, image in enumerate(label_sets.NAMES):
            paint(folder / image, 10 * number + place)
        label_sets.write(folder / "dataset.json", label_sets.SETTINGS | ({"own_clips": True} if own else {}))
    imported, out = tmp_path / "imported", tmp_path / "out"
    imported.mkdir()
    out.mkdir()
    write_labelled([tmp_path / "v1", tmp_path / "v2"], imported)
    settings = {"valid_share": 0.0, "test_share": 0.0, "layout": "rfdetr", "least_score": 0.0}
    given: list[tuple[Kind, str, Path, Path]] = [("labelled", "detection", imported, imported)]
    write_from_folders(given, out, settings={**settings, "valid_videos": ["v1/a"]}, teacher_videos=())
    content = json.loads((out / "split.json").read_text())
    together = [["v1/a", "v2/a"], ["v1/b", "v2/b"]]
    assert content["same_footage"] == ([] if own else together)
    assert content["sides"]["valid"] == (["v1/a"] if own else ["v1/a", "v2/a"])


@pytest.mark.parametrize("all_of_it", [False, True])
def test_clips_that_share_an_image_stay_on_one_side_even_through_a_clip_that_is_left_out(
    tmp_path: Path, all_of_it: bool
) -> None:
    """One clip of each of two sets is cut from the same footage, as the third shows: it has images of both."""
    for number, name in enumerate(("one", "two", "zero")):
        folder = label_sets.coco(tmp_path / name)
        for place, image in enumerate(label_sets.NAMES):
            paint(folder / image, 10 * number + place)
        label_sets.write(folder / "dataset.json", label_sets.SETTINGS | {"own_clips": True})
    (tmp_path / "zero/dataset.json").unlink()  # all of it is one clip
    shared = {"a_0001.png": "one/a_0001.png", "a_0002.png": "two/b_0001.png"}
    if all_of_it:
        shared |= {"b_0001.png": "one/a_0002.png", "b_0002.png": "two/b_0002.png"}
    for image, same in shared.items():
        shutil.copyfile(tmp_path / same, tmp_path / "zero" / image)
    imported, out = tmp_path / "imported", tmp_path / "out"
    imported.mkdir()
    out.mkdir()
    write_labelled([tmp_path / "one", tmp_path / "two", tmp_path / "zero"], imported)
    settings = {"valid_share": 0.0, "test_share": 0.0, "layout": "rfdetr", "least_score": 0.0}
    given: list[tuple[Kind, str, Path, Path]] = [("labelled", "detection", imported, imported)]
    write_from_folders(given, out, settings={**settings, "valid_videos": ["one/a"]}, teacher_videos=())
    content = json.loads((out / "split.json").read_text())
    together = ["one/a", "two/b"] + ["zero/zero"] * (not all_of_it)
    assert content["same_footage"] == [together]
    assert content["sides"] == {"train": ["one/b", "two/a"], "valid": together}


def test_a_video_under_two_names_is_one_footage_and_its_file_identifies_it(tmp_path: Path, pseudo: Source) -> None:
    """Other frames were taken under the other name, so that no image is the same."""
    files = {video: video for video in VIDEOS} | {"match_3": "match_1", "not here": "match_2"}
    settings = SplitSettings(valid_share=0, valid_videos=("match_1",))
    report = written(tmp_path / "out", pseudo, split=settings, video_sha256=files)
    content = json.loads((tmp_path / "out/split.json").read_text())
    assert content["same_footage"] == [["match_1", "match_3"]]
    assert content["sides"]["valid"] == ["match_1", "match_3"]
    found = {(each.name, each.side): each.values() for each in report.identifiers.identifiers()}
    assert found["video", "valid"] == ["match_1", "match_3"] and found["video_sha256", "valid"] == ["match_1"]
    assert files_of(tmp_path / "out") == {video: files[video] for video in VIDEOS}
    assert not files_of(tmp_path / "pseudo"), "no split was made there"


def test_a_clip_without_a_file_is_known_by_its_name_alone() -> None:
    [found] = of_videos({"test": ["set/clip"]}, {"match_1": "digest"}).identifiers()
    assert (found.name, found.side, found.values()) == ("video", "test", ["set/clip"])
