"""An exported detector: says what the trained one says, in images, by windows and in videos, without torch."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from sport_assets.detection import reduced_precision
from sport_assets.detection.categories import BALL, PLAYER
from sport_assets.detection.errors import BadVideoError
from sport_assets.detection.local_detector import LocalDetector
from sport_assets.detection.onnx_detector import OnnxDetector
from sport_assets.detection.predict import predict
from sport_assets.detection.reduced_precision import Precision
from sport_assets.detection.samples import Side
from sport_assets.detection.slicing import Slicing
from sport_assets.training.exported import ModelError, PredictionError
from sport_assets_tests.detection.tiny_dataset import tiny_dataset

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders data, checkpoint (random weights), evaluation and out of an export."""
    import torch

    from sport_assets.detection.export import export
    from sport_assets.detection.models import DetectorModule
    from sport_assets.detection.settings import ModelSettings
    from sport_assets.training.checkpoints import save_weights

    folder = tmp_path_factory.mktemp("exported")
    settings = ModelSettings(
        size="nano", resolution=64, queries=12, keep=12, groups=2, decoder_layers=1, encoder_layers=4
    )
    torch.manual_seed(0)
    for name in ("checkpoint", "evaluation", "out"):
        (folder / name).mkdir()
    save_weights(DetectorModule(settings), folder / "checkpoint" / "weights.safetensors")
    (folder / "checkpoint" / "settings.json").write_text(json.dumps({"model": settings.model_dump()}))
    thresholds = {"thresholds": {"model": {"player": 0.4, "ball": 0.3}}}
    (folder / "evaluation" / "evaluation.json").write_text(json.dumps(thresholds))
    split = tiny_dataset(folder / "data", train=4, valid=4, test=6) / "split.json"
    facts, [parity] = export(folder / "checkpoint", split, {}, evaluation=folder / "evaluation", out=folder / "out")
    assert parity.passed, parity
    assert facts["parity_batches"] >= 3
    assert facts["thresholds"] == {"player": 0.4, "ball": 0.3}
    return folder


@pytest.fixture(scope="module")
def model(exported: Path) -> Path:
    return exported / "out" / "model.onnx"


def test_two_exports_have_the_same_bytes(exported: Path, model: Path, tmp_path: Path) -> None:
    from sport_assets.detection.export import export

    split = exported / "data" / "split.json"
    export(exported / "checkpoint", split, {}, evaluation=exported / "evaluation", out=tmp_path)
    assert (tmp_path / "model.onnx").read_bytes() == model.read_bytes()


def test_it_detects_what_the_trained_one_detects(exported: Path, model: Path) -> None:
    from sport_assets.detection.evaluation import TorchDetector
    from sport_assets.detection.models import load

    side = Side(exported / "data", "test")
    images = [side.image(number) for number in range(len(side))]
    trained, shipped = TorchDetector(load(exported / "checkpoint"))(images), OnnxDetector(model, 0.0)(images)
    for one, other in zip(trained, shipped, strict=True):
        assert len(one) > 3
        np.testing.assert_array_equal(one.categories, other.categories)
        np.testing.assert_allclose(one.boxes, other.boxes, atol=1e-3)
        np.testing.assert_allclose(one.scores, other.scores, atol=1e-5)


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_fewer_bits_are_kept_where_the_ball_does_not_suffer(
    exported: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, precision: Precision
) -> None:
    from sport_assets.detection.export import export

    side = Side(exported / "data", "valid")
    forms = {"fp16": precision == "fp16", "int8": precision == "int8"}
    split, evaluation = exported / "data" / "split.json", exported / "evaluation"
    found, _ = export(exported / "checkpoint", split, {}, evaluation=evaluation, out=tmp_path, **forms)
    assert found[f"{precision}_accepted"] is True
    assert found[f"{precision}_bytes"] < 0.6 * model.stat().st_size
    assert {path.name for path in tmp_path.iterdir()} == {"model.onnx", f"model_{precision}.onnx"}
    assert (tmp_path / "model.onnx").read_bytes() == model.read_bytes()
    small = OnnxDetector(tmp_path / f"model_{precision}.onnx", 0.0)
    one, other = (detector([side.image(0)])[0] for detector in (OnnxDetector(model, 0.0), small))
    assert len(one) == len(other) and not np.array_equal(one.scores, other.scores)
    np.testing.assert_allclose(one.scores, other.scores, atol=0.01)
    ball = {model: 0.6}
    monkeypatch.setattr(reduced_precision, "_ball_precision", lambda path, side: ball.get(path, 0.59))
    (tmp_path / "refused").mkdir()
    refused = reduced_precision.add_reduced([precision], model, side, tmp_path / "refused")
    assert refused[f"{precision}_accepted"] is False
    assert not list((tmp_path / "refused").iterdir())


def results(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(path.read_text())
    return found


def test_a_folder_of_images_gives_coco_results(exported: Path, model: Path, tmp_path: Path) -> None:
    report = predict(model, exported / "data" / "test", tmp_path / "r.json", threshold=0.0)
    found = results(tmp_path / "r.json")
    assert report.images == 6
    assert sum(report.detections.values()) == len(found) > 20
    assert {each["image_id"] for each in found} == {1, 2, 3, 4, 5, 6}, "the ids of the labels beside the images"
    assert all(set(each) == {"image_id", "file_name", "category_id", "bbox", "score"} for each in found)
    assert {each["category_id"] for each in found} <= {PLAYER, BALL}
    for each in found:
        left, top, width, height = each["bbox"]
        assert width > 0 and height > 0 and left >= 0 and top >= 0 and left + width <= 96.01 and top + height <= 64.01


def test_one_window_that_covers_an_image_is_the_whole_image(exported: Path, model: Path, tmp_path: Path) -> None:
    images = exported / "data" / "test"
    predict(model, images, tmp_path / "whole.json", threshold=0.0)
    predict(model, images, tmp_path / "sliced.json", slicing=Slicing(size=128), threshold=0.0)
    assert results(tmp_path / "whole.json") == results(tmp_path / "sliced.json")
    report = predict(model, images, tmp_path / "small.json", slicing=Slicing(size=48, overlap=0.2), threshold=0.0)
    assert report.images == 6
    assert results(tmp_path / "small.json") != results(tmp_path / "whole.json")


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from sport_assets.detection.synthetic.encoding import write_video

    path = tmp_path_factory.mktemp("video") / "clip.mp4"
    random = np.random.default_rng(0)
    frames = [np.asarray(random.integers(0, 255, (64, 96, 3)), np.uint8) for _ in range(5)]
    write_video(path, iter(frames), 25.0)
    return path


def test_a_video_is_detected_and_drawn(model: Path, video: Path, tmp_path: Path) -> None:
    drawn = tmp_path / "drawn.mp4"
    report = predict(model, video, tmp_path / "r.json", threshold=0.0, video=drawn)
    assert report.images == 5
    assert {(each["image_id"], each["frame"], each["time_ms"]) for each in results(tmp_path / "r.json")} == {
        (number, number, 40.0 * number) for number in range(5)
    }
    capture = cv2.VideoCapture(str(drawn))
    assert int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) == 5
    assert (capture.get(cv2.CAP_PROP_FRAME_WIDTH), capture.get(cv2.CAP_PROP_FRAME_HEIGHT)) == (96, 64)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["drawn.mp4", "r.json"]


def test_torch_is_not_needed(model: Path, exported: Path, video: Path, tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "for name in ('torch', 'torchvision', 'rfdetr', 'pytorch_lightning'): sys.modules[name] = None\n"
        "from pathlib import Path\n"
        "from sport_assets.detection.predict import predict\n"
        "from sport_assets.detection.slicing import Slicing\n"
        "model, images, video, out = map(Path, sys.argv[1:])\n"
        "predict(model, images, out, slicing=Slicing(size=48))\n"
        "predict(model, video, out, video=out.with_suffix('.mp4'))\n"
    )
    arguments = [model, exported / "data" / "test", video, tmp_path / "r.json"]
    done = subprocess.run([sys.executable, "-c", code, *map(str, arguments)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_local_detector_in_a_program(exported: Path, model: Path) -> None:
    frame = Side(exported / "data", "test").image(0)
    detector = LocalDetector(model, confidence_threshold=0.0)
    named = detector.named(frame)
    assert {name for _, _, name in named} <= {"player", "ball"}
    assert len(named) == len(detector.detect(frame)) > 3
    assert all(score >= 0.02 for _, score, _ in LocalDetector(model, 0.02).named(frame))
    assert (
        LocalDetector(model.parent).detect(frame).scores.shape == LocalDetector(model, 0.5).detect(frame).scores.shape
    )
    with pytest.raises(ValueError, match="give a score from 0 to 1"):
        LocalDetector(model, 5)
    with pytest.raises(ModelError, match="holds weights alone: export it"):
        LocalDetector(exported / "checkpoint" / "weights.safetensors")


def test_what_cannot_be_predicted_says_why(exported: Path, model: Path, video: Path, tmp_path: Path) -> None:
    images, out = exported / "data" / "test", tmp_path / "r.json"
    with pytest.raises(PredictionError, match=r"draws the frames of a video, and .* is none"):
        predict(model, images, out, video=tmp_path / "v.mp4")
    with pytest.raises(PredictionError, match="is not there: give an image"):
        predict(model, tmp_path / "nothing", out)
    (tmp_path / "empty").mkdir()
    with pytest.raises(PredictionError, match="holds no image"):
        predict(model, tmp_path / "empty", out)
    (tmp_path / "empty" / "a.png").write_bytes(b"no image")
    with pytest.raises(PredictionError, match="no image that can be read"):
        predict(model, tmp_path / "empty", out)
    (tmp_path / "cut.mp4").write_bytes(video.read_bytes()[:-200])
    with pytest.raises(BadVideoError):
        predict(model, tmp_path / "cut.mp4", out, video=tmp_path / "v.mp4")
    with pytest.raises(PredictionError, match="threshold is 2"):
        predict(model, images, out, threshold=2)
    with pytest.raises(ModelError):
        predict(tmp_path / "no.onnx", images, out)
    assert not out.exists()
    assert not (tmp_path / "v.mp4").exists()
