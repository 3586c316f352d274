"""The detection line as a user runs it: videos to an exported, audited and reproduced detector."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import cv2
import dagster as dg
import polars as pl
import pytest

from sport_assets.orchestration.instance import instance
from sport_assets_tests.integration.command import behind, materializations, run, traces
from sport_assets_tests.integration.detection_home import (
    KEYS,
    LABELS,
    SPARE,
    TINY,
    add_spare,
    answer,
    call,
    copied,
    entered,
    newest,
    refusal,
    scenes,
    sides,
    spare,
    videos_of,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
MODEL = "sanity|0"
EXPORTED = f"detection/exported_model:{MODEL}"
BUILD = ("build", "detection/model_card", "--partition", MODEL, *LABELS, *TINY)
BY_VIDEO = ("raw_video", "events", "frames", "pseudo_labels", "review_queue")
STEPS = ("head_checkpoint", "detector_checkpoint", "evaluation", "exported_model", "model_card")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which three generated videos became a tiny detector."""
    folder = tmp_path_factory.mktemp("first")
    scenes(folder)
    run(folder, *BUILD)
    return folder


@pytest.fixture
def own(built: Path, tmp_path: Path) -> Path:
    """A copy of it for one test."""
    return copied(built, tmp_path / "copy")


def test_every_asset_is_recorded_down_to_the_videos(built: Path) -> None:
    made = materializations(built)
    assert set(made) == {
        *((f"detection/{name}", key) for name in BY_VIDEO for key in KEYS),
        ("detection/coco_dataset", None),
        *((f"detection/{name}", MODEL) for name in STEPS),
    }
    seen, raw = behind(made, "detection/model_card", MODEL)
    assert seen == {key for key, _ in made} - {"detection/review_queue"}, "nobody has reviewed anything"
    assert raw == {f"detection/{name}" for key in KEYS for name in (f"videos/{key}.mp4", f"events/{key}.json")}
    for stage in ("head_checkpoint", "detector_checkpoint"):
        assert made[f"detection/{stage}", MODEL].facts["bit_exact"] is True
    starts_from = {ref.key for ref in made["detection/detector_checkpoint", MODEL].inputs}
    assert starts_from == {"detection/coco_dataset", "detection/head_checkpoint"}


def test_files_lie_where_others_look_for_them(built: Path) -> None:
    for key in KEYS:
        frames, labels = newest(built, "frames", key), newest(built, "pseudo_labels", key)
        assert labels.parent == built / "home" / "store" / "detection" / "pseudo_labels" / key
        names = pl.read_parquet(frames / "frames.parquet")["file"].to_list()
        assert {path.relative_to(frames).as_posix() for path in (frames / "images").iterdir()} == set(names)
        content = json.loads((labels / "annotations.json").read_text())
        assert [image["file_name"] for image in content["images"]] == names, "every kept frame, with boxes or without"
        assert len(content["annotations"]) > 10 * len(names)
        assert all(0.1 <= one["score"] <= 1 for one in content["annotations"])
    dataset = newest(built, "coco_dataset")
    for side in ("train", "valid", "test"):
        content = json.loads((dataset / side / "_annotations.coco.json").read_text())
        files = set((dataset / side).iterdir()) - {dataset / side / "_annotations.coco.json"}
        assert {path.name for path in files} == {image["file_name"] for image in content["images"]} != set()
        assert all(path.stat().st_nlink > 1 for path in files), "no second copy of the pictures"
    evaluation = json.loads((newest(built, "evaluation", MODEL) / "evaluation.json").read_text())
    assert {"metrics", "baselines", "samples"} <= set(evaluation)
    assert set(evaluation["metrics"]["player"]["ap50"]) == {"value", "low", "high"}
    card = (newest(built, "model_card", MODEL) / "model_card.md").read_text()
    assert newest(built, "exported_model", MODEL).name[:12] in card


def test_a_second_build_makes_nothing(built: Path) -> None:
    assert answer(built, *BUILD)["made"] == []


def test_another_form_of_the_model_trains_nothing_again(own: Path) -> None:
    other = answer(own, "build", "detection/exported_model", "--partition", MODEL, *LABELS, *TINY, "--set", "fp16=true")
    assert other["made"] == [EXPORTED]
    facts = materializations(own)["detection/exported_model", MODEL].facts
    folder = newest(own, "exported_model", MODEL)
    assert (folder / "model_fp16.onnx").exists() is facts["fp16_accepted"]
    assert facts["fp16_bytes"] < 0.6 * (folder / "model.onnx").stat().st_size
    assert "int8_accepted" not in facts


def test_versioned_files_carry_no_trace_of_the_machine(built: Path) -> None:
    assert not traces(built)


def test_dagster_knows_every_video(built: Path) -> None:
    with entered(built) as home, instance(home) as dagster:
        assert set(dagster.get_dynamic_partitions("detection_videos")) == set(KEYS)
        for name in BY_VIDEO:
            assert dagster.get_materialized_partitions(dg.AssetKey(["detection", name])) == set(KEYS)


def test_the_model_is_audited_and_verified(built: Path) -> None:
    found = answer(built, "audit", EXPORTED)
    assert {Path(file["path"]).stem for file in found["raw_files"]} == set(KEYS)
    assert found["counts"]["raw_files"] == 2 * len(KEYS)
    assert not [one for one in found["findings"] if one["severity"] == "error" or "leak" in json.dumps(one).lower()]
    assert "all as recorded" in call(built, "verify", EXPORTED).stdout


@pytest.mark.parametrize("side", ["train", "valid", "test"])
def test_a_video_is_followed_to_the_model_on_its_side(built: Path, side: str) -> None:
    [video] = sides(built)[side]
    found = answer(built, "impact", "--row", f"video={video}")["affected"]
    held = {one["name"]: one["sides"] for one in found if one["how"] == "holds"}
    assert not {f"detection/{name}:{video}" for name in BY_VIDEO} & set(held), "they are the video, and closed with it"
    assert held["detection/coco_dataset"] == [side]
    for stage in ("head_checkpoint", "detector_checkpoint"):
        assert held.get(f"detection/{stage}:{MODEL}") == (None if side == "test" else [side])
    assert held.get(f"detection/evaluation:{MODEL}") == (["test"] if side == "test" else None)
    by_file = answer(built, "impact", f"detection/videos/{video}.mp4")["affected"]
    for affected in (found, by_file):
        assert {EXPORTED, f"detection/model_card:{MODEL}"} <= {one["name"] for one in affected}


def test_the_model_is_reproduced_from_the_videos(built: Path, tmp_path: Path) -> None:
    found = json.loads(run(built, "reproduce", EXPORTED, "--into", str(tmp_path / "into"), "--json").stdout)
    assert found["verdict"] == "identical", found
    assert {step["verdict"] for step in found["steps"]} == {"identical"}
    assert len(found["steps"]) == 4 * len(KEYS) + 5
    assert found["steps"][-1]["reproduced_version"] == newest(built, "exported_model", MODEL).name


def test_prediction_needs_no_torch_looks_by_windows_and_draws(built: Path, tmp_path: Path) -> None:
    results, drawn = tmp_path / "results.json", tmp_path / "drawn.mp4"
    arguments = ["--model", EXPORTED, "--input", str(spare(built)), "--output", str(results), "--threshold", "0"]
    sliced = ["--slice", "320", "--overlap", "0.1", "--video", str(drawn)]
    done = run(built, "predict", "detection", *arguments, *sliced, "--json", without_torch=True)
    said = json.loads(done.stdout)
    found = json.loads(results.read_text())
    assert said["images"] == 50 and sum(said["detections"].values()) == len(found) > 50
    assert {one["frame"] for one in found} == set(range(50))
    assert {one["category_id"] for one in found} <= {1, 2}
    assert all(one["bbox"][0] + one["bbox"][2] <= 640.01 and one["bbox"][1] + one["bbox"][3] <= 384.01 for one in found)
    capture = cv2.VideoCapture(str(drawn))
    shown = [int(capture.get(what)) for what in (cv2.CAP_PROP_FRAME_COUNT, cv2.CAP_PROP_FRAME_WIDTH)]
    capture.release()
    assert shown == [50, 640]
    whole = tmp_path / "whole.json"
    answer(built, "predict", "detection", *arguments[:-4], "--output", str(whole), "--threshold", "0")
    assert len(json.loads(whole.read_text())) < len(found), "a window finds what the whole image does not"


def test_a_video_is_added_by_its_name_once(own: Path, tmp_path: Path) -> None:
    add_spare(own)
    link = own / "data" / "detection" / "videos" / f"{SPARE}.mp4"
    assert link.is_symlink() and link.resolve() == spare(own).resolve(), "the file is not copied"
    with entered(own) as home, instance(home) as dagster:
        assert set(dagster.get_dynamic_partitions("detection_videos")) == {*KEYS, SPARE}, "before anything is made"
    [again] = answer(own, "add-video", str(spare(own)))
    assert not again["new"]
    other = tmp_path / "other" / f"{SPARE}.mp4"
    other.parent.mkdir()
    other.write_bytes(spare(own).read_bytes())
    assert f"the key '{SPARE}' is taken by" in refusal(own, "add-video", str(other))
    spaced = other.rename(other.with_name("two words.mp4"))
    assert "cannot be the key of a video" in refusal(own, "add-video", str(spaced))
    assert "there is no such file" in refusal(own, "add-video", str(other))
    made = answer(own, "build", "detection/frames", "--partition", SPARE, *LABELS[:2])["made"]
    assert made == [f"detection/{name}:{SPARE}" for name in ("raw_video", "events", "frames")]


def test_the_sensor_asks_for_a_new_video_once_it_is_settled(own: Path) -> None:
    from sport_assets.definitions import defs

    sensor = defs.get_repository_def().get_sensor_def("detection_raw_files")

    def asked() -> dg.SensorResult:
        with entered(own) as home, instance(home) as dagster:
            result = sensor(dg.build_sensor_context(instance=dagster))
        assert isinstance(result, dg.SensorResult)
        return result

    assert not asked().run_requests, "all are recorded"
    file = own / "data" / "detection" / "videos" / f"{SPARE}.mp4"
    file.write_bytes(spare(own).read_bytes())
    assert not asked().run_requests, "it may still be being copied"
    os.utime(file, times=(time.time() - 60, time.time() - 60))
    result = asked()
    [request] = result.run_requests or []
    assert request.partition_key == SPARE
    assert request.asset_selection == [dg.AssetKey(["detection", name]) for name in ("raw_video", "events")]
    [new] = result.dynamic_partitions_requests or []
    assert (new.partitions_def_name, list(new.partition_keys)) == ("detection_videos", [SPARE])


def test_a_bad_video_is_named_and_the_others_stay_built(own: Path) -> None:
    videos = own / "data" / "detection" / "videos"
    cut = videos / "a_cut_off.mp4"
    cut.write_bytes(spare(own).read_bytes()[:300_000])
    said = refusal(own, *BUILD)
    assert f"{cut}: cut off" in said and "take it out of the folder" in said
    assert answer(own, "build", "detection/pseudo_labels", "--partition", KEYS[0], *LABELS[:2])["made"] == []
    assert call(own, "verify", EXPORTED).exit_code == 0
    cut.unlink()
    (videos / "no_video.mkv").write_text("a letter")
    assert "no_video.mkv: not a video" in refusal(own, *BUILD)
    (videos / "no_video.mkv").unlink()
    assert answer(own, *BUILD)["made"] == [], "it left nothing behind"


def test_a_withdrawn_video_is_left_out_and_closes_what_stands_on_it(own: Path, tmp_path: Path) -> None:
    add_spare(own)
    [video] = sides(own)["train"]
    told = answer(own, "withdraw", f"detection/raw_video:{video}", "--reason", "its licence ended", "--by", "ada")
    closed = {one["name"] for one in told["closed"]}
    assert {EXPORTED, "detection/coco_dataset", f"detection/model_card:{MODEL}"} <= closed
    predict = ("predict", "detection", "--model", EXPORTED, "--input", str(spare(own)))
    said = refusal(own, *predict, "--output", str(tmp_path / "no.json"))
    assert f"it stands on detection/raw_video:{video}, withdrawn by ada" in said
    assert call(own, "audit", EXPORTED, "--fail-on", "error").exit_code == 1
    rest = {*KEYS, SPARE} - {video}
    made = answer(own, "build", "detection/coco_dataset", *LABELS)
    assert made["withdrawn"] == {f"detection/raw_video:{video}": "its licence ended"}
    assert videos_of(own) == rest
    said = refusal(own, "build", "detection/frames", "--partition", video)
    assert (
        f"cannot be made: detection/raw_video:{video} is withdrawn, by ada" in said and "sport-assets restore" in said
    )
    affected = answer(own, "impact", "--row", f"video={video}")["affected"]
    current = {one["asset"] for one in affected if one["newest"] and one["how"] == "holds"}
    assert "detection/coco_dataset" not in current
    restored = answer(own, "restore", told["record"], "--reason", "it was renewed")
    assert EXPORTED in {one["name"] for one in restored["opened"]}
    answer(own, "build", "detection/coco_dataset", *LABELS)
    assert videos_of(own) == {*KEYS, SPARE}


def agree(folder: Path, video: str) -> None:
    """A person agrees with all that is in the queue of a video."""
    review = folder / "data" / "detection" / "reviewed" / f"{video}.zip"
    review.parent.mkdir(exist_ok=True)
    review.write_bytes((newest(folder, "review_queue", video) / "cvat.zip").read_bytes())


def test_what_a_teacher_learned_from_is_never_evaluated_on(own: Path) -> None:
    before, version = sides(own), newest(own, "exported_model", MODEL).name
    learned = sorted(before["train"] + before["valid"])
    teacher = ("teacher=rfdetr", f"teacher_model={version[:12]}", "threshold=0")  # it is hardly trained
    taught = [part for each in teacher for part in ("--set", f"detection/pseudo_labels.{each}")]
    taught += ["--set", "least_score=0"]
    dataset = ("build", "detection/coco_dataset", *LABELS, *taught)
    for key in KEYS:  # reviewed before, so that both classes are there whatever so weak a teacher sees
        agree(own, key)
    assert f"a teacher was trained on {learned[0]}, {learned[1]}, which can only train" in refusal(own, *dataset)
    add_spare(own)
    answer(own, *dataset)
    assert sides(own)["train"] == learned
    assert sorted(sides(own)["valid"] + sides(own)["test"]) == sorted([*before["test"], SPARE])
    asked_for = (*dataset, "--set", f'test_videos=["{learned[0]}"]')
    assert f"{learned[0]} cannot be on test: a teacher was trained on it" in refusal(own, *asked_for)
    assert answer(own, *dataset)["made"] == []
    for student in (f"detection/pseudo_labels:{SPARE}", "detection/coco_dataset"):
        found = answer(own, "audit", student)
        assert EXPORTED in {f"{one['asset']}:{one['partition']}" for one in found["nodes"]}, (
            "the teacher is an ancestor"
        )
        assert {one["name"] for one in found["training"]} == {
            f"detection/{stage}:{MODEL}" for stage in ("head_checkpoint", "detector_checkpoint")
        }
    identity = json.loads((newest(own, "pseudo_labels", SPARE) / "teacher.json").read_text())
    [model] = [
        file for file in materializations(own)["detection/exported_model", MODEL].files if file.path == "model.onnx"
    ]
    assert identity["sha256"] == model.sha256
    agree(own, SPARE)
    answer(own, *dataset, "--set", "detection/coco_dataset.use_pseudo_labels=false")
    assert sides(own)["train"] == learned, "reviewed labels began with the teacher's"
