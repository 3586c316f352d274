"""Teachers that a user brings: by video, by a file, and by a file that this home itself has trained."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from sport_assets.detection.coco import read_coco
from sport_assets.lineage.digest import sha256_file
from sport_assets.orchestration.leakage import FROM_ELSEWHERE, learned_from
from sport_assets_tests.detection.onnx_files import shipped_content, write_constant_detector
from sport_assets_tests.detection.video_files import write_video
from sport_assets_tests.integration.command import lineage_of, materializations
from sport_assets_tests.integration.detection_home import answer, call, newest, refusal

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
WEIGHTS = "detection/weights/teacher.onnx"
BUILD = (
    *("build", "detection/pseudo_labels", "--set", "mode=every", "--set", "every=20"),
    *("--set", "teacher=none", "--set", f"weights={WEIGHTS}"),
)


def test_weights_are_for_the_videos_of_a_detector_and_say_what_they_learned_from(tmp_path: Path) -> None:
    call(tmp_path, "init")
    data = tmp_path / "data" / "detection"
    for folder in ("videos", "weights"):
        (data / folder).mkdir(parents=True)
    for key in ("pan", "still"):
        write_video(data / "videos" / f"{key}.mp4", 25)
    said = data / "videos" / "pan.settings.json"
    said.write_text('{"teacher": "rfdetr"}')
    file = write_constant_detector(
        tmp_path / "data" / WEIGHTS, [[0.5, 0.5, 0.2, 0.4]], [[2.0, -9.0, -9.0]], content=shipped_content()
    )

    assert "detection/pseudo_labels:pan" in answer(tmp_path, *BUILD)["made"]
    assert answer(tmp_path, *BUILD)["made"] == [], "the file is as it was"
    assert not len(read_coco(newest(tmp_path, "pseudo_labels", "still") / "annotations.json").boxes)
    assert len(read_coco(newest(tmp_path, "pseudo_labels", "pan") / "annotations.json").boxes) == 2
    made = materializations(tmp_path)["detection/pseudo_labels", "pan"]
    assert [each.path for each in made.raw_files] == [WEIGHTS]
    [unknown] = made.facts[FROM_ELSEWHERE]
    assert unknown == {"file": "teacher.onnx", "sha256": made.raw_files[0].sha256}

    # as if this very file had been trained and exported here, on a video that had another name
    video = sha256_file(data / "videos" / "pan.mp4")
    with closing(lineage_of(tmp_path)) as lineage:
        with lineage.record("detection/detector_checkpoint", "sanity|0", code_version="1") as record:
            record.index_rows(["video"], ["elsewhere"], "train")
            record.index_rows(["video_sha256"], [video], "train")
            record.output("weights.safetensors").write_bytes(b"weights")
            record.publish(facts={"spec_digest": "a" * 64})
        with lineage.record("detection/exported_model", "sanity|0", code_version="1") as record:
            record.read("detection/detector_checkpoint")
            record.output("model.onnx").write_bytes(file.read_bytes())
            record.publish()
    assert answer(tmp_path, *BUILD, "--set", "threshold=0.2")["made"] == [
        "detection/pseudo_labels:pan",
        "detection/pseudo_labels:still",
    ]
    made = materializations(tmp_path)["detection/pseudo_labels", "pan"]
    assert [ref.key for ref in made.inputs if ref.pinned] == ["detection/exported_model"]
    assert FROM_ELSEWHERE not in made.facts
    with closing(lineage_of(tmp_path)) as lineage:
        assert learned_from(lineage, [made.id], ["video"]) == {("elsewhere",)}
    dataset = ("build", "detection/coco_dataset", *BUILD[2:], "--set", "threshold=0.2", "--set", "test_share=0")
    said_no = refusal(tmp_path, *dataset, "--set", 'valid_videos=["pan"]')
    assert "pan cannot be on valid: a teacher was trained on it" in said_no

    said.unlink()
    assert "weights: set, but only teacher=rfdetr has a use for it" in refusal(tmp_path, *BUILD)
