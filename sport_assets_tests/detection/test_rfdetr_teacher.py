"""RF-DETR by its checkpoint and its exported file: the same boxes, and clear words otherwise."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sport_assets.detection.errors import BadWeightsError
from sport_assets.detection.onnx_detector import OnnxDetector
from sport_assets.detection.rfdetr_teacher import RfdetrTeacher, TorchDetector, open_detector
from sport_assets_tests.detection.moving_scene import MovingScene
from sport_assets_tests.detection.onnx_files import shipped_content, write_constant_detector

pytestmark = pytest.mark.slow  # importing rfdetr takes ten seconds

ARGUMENTS: dict[str, Any] = {
    "resolution": 64,
    "positional_encoding_size": 4,
    "dec_layers": 1,
    "num_queries": 30,
    "num_select": 30,
    "group_detr": 2,
}
CATEGORIES = {1: "player", 2: "ball"}


@pytest.fixture(scope="module")
def network() -> Any:
    """A tiny RF-DETR of random weights that names this line's classes."""
    import rfdetr
    import torch

    torch.manual_seed(0)
    model = rfdetr.RFDETRNano(pretrain_weights=None, num_classes=2, device="cpu", **ARGUMENTS)
    model.model.class_names = ["player", "ball"]
    return model


@pytest.fixture(scope="module")
def images() -> list[np.ndarray]:
    """Two pictures of different sizes."""
    scene = MovingScene(players=4)
    return [scene.frame(0)[0], np.ascontiguousarray(scene.frame(9)[0][100:, :300])]


def test_exported_file_and_network_agree(network: Any, images: list[np.ndarray], tmp_path: Path) -> None:
    network.export(output_dir=str(tmp_path), verbose=False, dynamic_batch=True)
    (exported,) = tmp_path.glob("*.onnx")
    ours = OnnxDetector(exported, threshold=0.0, categories=CATEGORIES)(images)
    theirs = TorchDetector(network, ["player", "ball"], "", "", threshold=0.0)(images)
    for one, other in zip(ours, theirs, strict=True):
        assert len(one) == len(other) > 5
        np.testing.assert_allclose(one.scores, other.scores, atol=1e-4)
        np.testing.assert_allclose(one.boxes, other.boxes, atol=0.05)
        np.testing.assert_array_equal(one.categories, other.categories)


def test_checkpoints(network: Any, images: list[np.ndarray], tmp_path: Path) -> None:
    import torch

    said = {**network.model_config.model_dump(), "class_names": ["player", "ball"]}
    said = {name: value for name, value in said.items() if isinstance(value, int | float | str | list | bool)}
    content = {
        "model": network.model.model.state_dict(),
        "args": said,
        "model_config": said,
        "model_name": "RFDETRNano",
    }
    torch.save(content, tmp_path / "best.pth")
    detector = open_detector(tmp_path / "best.pth", threshold=0.0)
    expected = TorchDetector(network, ["player", "ball"], "", "", threshold=0.0)(images)
    for one, other in zip(detector(images), expected, strict=True):
        np.testing.assert_allclose(one.boxes, other.boxes, atol=1e-3)


@pytest.mark.parametrize("content", [b"", b"no checkpoint", b"PK\x03\x04 cut off"])
def test_unreadable_checkpoints(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "torn.pth").write_bytes(content)
    with pytest.raises(BadWeightsError, match=r"torn.pth: not a file of weights that can be read safely"):
        open_detector(tmp_path / "torn.pth")


def test_checkpoints_with_code_are_not_run(tmp_path: Path) -> None:
    import torch

    torch.save({"model": {}, "args": Path("/")}, tmp_path / "code.pth")  # a class that is no plain value
    with pytest.raises(BadWeightsError, match=r"code.pth"):
        open_detector(tmp_path / "code.pth")


def test_detectors_of_other_things_are_refused(network: Any) -> None:
    with pytest.raises(BadWeightsError, match="neither players nor a ball"):
        TorchDetector(network, ["cat", "dog"], "", "", 0.1)


def test_a_compiled_checkpoint_detects_the_same_in_any_number_of_images(
    network: Any, images: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    detector = TorchDetector(network, ["player", "ball"], "", "", threshold=0.0)
    three = [*images, images[0]]
    expected = detector(three)
    compiled: list[int] = []
    original = type(network).inference

    def eager(self: Any, *, compile: bool, batch_size: int, compile_backend: str) -> None:
        """Compiling takes a minute and is torch's; a trace is as strict about the number of images."""
        assert compile and compile_backend == "inductor"
        compiled.append(batch_size)
        original(self, compile=True, batch_size=batch_size, compile_backend="torchscript")

    monkeypatch.setattr(type(network), "inference", eager)
    detector.compile(2)
    try:
        found = detector(three)
    finally:
        network.remove_optimized_model()
    assert compiled == [2]
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one.boxes, other.boxes, atol=1e-3)
        np.testing.assert_allclose(one.scores, other.scores, atol=1e-5)


def test_an_onnx_file_is_not_compiled(tmp_path: Path) -> None:
    write_constant_detector(
        tmp_path / "model.onnx", [[0.5, 0.5, 0.2, 0.4]], [[2.0, -2.0, -9.0]], content=shipped_content()
    )
    with pytest.raises(BadWeightsError, match=r"model\.onnx: compile is for checkpoints of rfdetr"):
        RfdetrTeacher(tmp_path / "model.onnx", compiled=True)
    with pytest.raises(BadWeightsError, match=r"model\.onnx: teacher_device=cuda:0 is for checkpoints"):
        RfdetrTeacher(tmp_path / "model.onnx", device="cuda:0")
