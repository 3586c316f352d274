"""A detector from its exported file: what goes in, what is made of what comes out, and files that cannot be used."""

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sport_assets.detection.coco import read_coco
from sport_assets.detection.errors import BadWeightsError
from sport_assets.detection.network_input import DEVIATION, MEAN, rfdetr_input
from sport_assets.detection.onnx_detector import OnnxDetector
from sport_assets.detection.pseudo_labels import write_pseudo_labels
from sport_assets.detection.rfdetr_teacher import RfdetrTeacher, open_detector
from sport_assets.detection.slicing import Slicing
from sport_assets.detection.teachers import KeptFrames, TeacherSettings, make_teacher
from sport_assets.training.exported import ModelError
from sport_assets_tests.detection.frame_folders import make_frames
from sport_assets_tests.detection.moving_scene import HEIGHT, WIDTH
from sport_assets_tests.detection.onnx_files import shipped_content, write_constant_detector

BOXES = [[0.5, 0.5, 0.2, 0.4], [0.1, 0.1, 0.4, 0.4], [0.7, 0.7, 0.0, 0.1], [0.3, 0.3, 0.1, 0.1]]
# columns: player, ball, background
LOGITS = [[2.0, -9.0, -9.0], [-9.0, 1.0, -9.0], [1.5, -9.0, -9.0], [-9.0, -9.0, 3.0]]


def grey(height: int = 100, width: int = 200, level: float = 0.485) -> np.ndarray:
    """An image whose red is the mean, so that the test networks add nothing."""
    return np.full((height, width, 3), level * 255, np.uint8)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A detector with four queries."""
    path = tmp_path_factory.mktemp("onnx") / "model.onnx"
    return write_constant_detector(path, BOXES, LOGITS, content=shipped_content())


def sigmoid(value: float) -> float:
    return 1 / (1 + float(np.exp(-value)))


def test_boxes_scores_and_categories(file: Path) -> None:
    detector = OnnxDetector(file, threshold=0.1)
    (found,) = detector([grey()])
    np.testing.assert_allclose(found.boxes, [[80, 30, 120, 70], [0, 0, 60, 30]], atol=1e-3)
    np.testing.assert_allclose(found.scores, [sigmoid(2.0), sigmoid(1.0)], atol=3e-3)
    assert found.categories.tolist() == [1, 2]
    assert detector.counts == {"background": 1, "degenerate": 1}


def test_images_of_other_sizes_share_a_batch(file: Path) -> None:
    detector = OnnxDetector(file)
    small, large = detector([grey(50, 50), grey(400, 100)])
    np.testing.assert_allclose(small.boxes[0], [20, 15, 30, 35], atol=1e-3)
    np.testing.assert_allclose(large.boxes[0], [40, 120, 60, 280], atol=1e-3)
    assert detector([]) == []


def test_image_decides(file: Path) -> None:
    red = grey()
    red[:, :, 2] = 255
    detector = OnnxDetector(file)
    plain, bright = detector([grey(), red])
    more = (1 - MEAN[0]) / DEVIATION[0]
    np.testing.assert_allclose(bright.scores[0], sigmoid(2.0 + more), atol=3e-3)
    assert bright.scores[0] > plain.scores[0]


def test_fixed_batches_are_filled_up(tmp_path: Path, file: Path) -> None:
    fixed = write_constant_detector(tmp_path / "fixed.onnx", BOXES, LOGITS, content=shipped_content(), fixed_batch=2)
    images = [grey(100, 200), grey(60, 80), grey(30, 90)]
    for one, other in zip(OnnxDetector(fixed)(images), OnnxDetector(file)(images), strict=True):
        np.testing.assert_array_equal(one.boxes, other.boxes)
        np.testing.assert_array_equal(one.scores, other.scores)


def test_a_query_may_be_two_things_and_only_the_best_pairs_count(tmp_path: Path) -> None:
    both = write_constant_detector(
        tmp_path / "both.onnx", BOXES[:2], [[2.0, 1.9, -9.0], [1.8, -9.0, -9.0]], content=shipped_content(keep=2)
    )
    (found,) = OnnxDetector(both)([grey()])
    assert found.categories.tolist() == [1, 2]  # two pairs are kept, best first: the third is not among them
    np.testing.assert_array_equal(found.boxes[0], found.boxes[1])


def test_input_of_its_own_networks_is_that_of_rfdetr() -> None:
    torch = pytest.importorskip("torch")
    functional = pytest.importorskip("torchvision.transforms.functional")
    image = np.random.default_rng(0).integers(0, 256, (173, 301, 3), np.uint8)
    tensor = torch.from_numpy(np.ascontiguousarray(image[:, :, ::-1])).permute(2, 0, 1).float() / 255
    theirs = functional.normalize(
        functional.resize(tensor, [96, 96], antialias=False), MEAN.tolist(), DEVIATION.tolist()
    )
    np.testing.assert_allclose(rfdetr_input(image, 96), theirs.numpy(), atol=2e-4)


def test_identity_is_the_digest(file: Path) -> None:
    said = OnnxDetector(file, threshold=0.2).identity()
    assert said["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert said["threshold"] == 0.2 and said["categories"] == {"1": "player", "2": "ball"}


def test_plain_exports_need_their_categories(tmp_path: Path) -> None:
    plain = write_constant_detector(tmp_path / "plain.onnx", BOXES, LOGITS)
    with pytest.raises(BadWeightsError, match=r"plain.onnx: does not say what it detects"):
        OnnxDetector(plain)
    (found,) = OnnxDetector(plain, categories={1: "player", 2: "ball"})([grey()])
    assert len(found) == 2
    with pytest.raises(BadWeightsError, match=r"detects 2 categories, but 1 are named"):
        OnnxDetector(plain, categories={1: "player"})


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (shipped_content(line="nfl"), "not a model of the detection line"),
        (shipped_content(layout={"input": "other"}), "exported for other features"),
        (shipped_content(categories={"1": "player", "2": "ball", "3": "goalkeeper"}), "2 categories, but 3 are named"),
    ],
)
def test_files_of_others_are_refused(tmp_path: Path, content: dict[str, Any], said: str) -> None:
    with pytest.raises((BadWeightsError, ModelError), match=said):
        OnnxDetector(write_constant_detector(tmp_path / "x.onnx", BOXES, LOGITS, content=content))


def test_files_that_are_no_detector(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is not a file"):
        OnnxDetector(tmp_path / "absent.onnx")
    (tmp_path / "torn.onnx").write_bytes(b"\x08\x09 torn")
    with pytest.raises(ModelError, match=r"torn.onnx is not a readable ONNX model"):
        OnnxDetector(tmp_path / "torn.onnx")
    other = write_constant_detector(tmp_path / "other.onnx", BOXES, LOGITS, names=("boxes_out", "scores_out"))
    with pytest.raises(BadWeightsError, match=r"not those of an RF-DETR detector"):
        OnnxDetector(other, categories={1: "player", 2: "ball"})


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("absent.pth", "there is no such file"),
        ("weights.bin", "neither .onnx nor a checkpoint"),
        ("folder", "a folder without"),
    ],
)
def test_weights_of_no_kind(tmp_path: Path, name: str, said: str) -> None:
    (tmp_path / "weights.bin").write_bytes(b"x")
    (tmp_path / "folder").mkdir()
    with pytest.raises(BadWeightsError, match=said):
        open_detector(tmp_path / name)


def test_teacher_looks_by_windows(file: Path, tmp_path: Path) -> None:
    frames = make_frames(tmp_path / "left", count=2)
    settings = TeacherSettings("rfdetr", file, 0.1, Slicing(size=320, overlap=0.2, batch=3))
    teacher = make_teacher(settings)
    pictures = sorted((frames / "images").iterdir())
    found = list(teacher.detect(KeptFrames(Path("left.mp4"), [0, 5], pictures)))
    assert len(found) == 2 and all(each.disagreement is not None and each.disagreement > 0 for each in found)
    assert (found[0].detections.boxes[:, 2:] <= [WIDTH, HEIGHT]).all()
    said = teacher.identity()
    assert said["name"] == "rfdetr" and said["slicing"]["size"] == 320 and "batch" not in said["slicing"]
    assert teacher.counts["degenerate"] > 0
    assert RfdetrTeacher(file).identity()["sha256"] == said["sha256"]


def test_a_teacher_that_keeps_roles_apart_teaches_players_and_balls(tmp_path: Path) -> None:
    """Its goalkeepers are players; a query that may be both is one; classes that are not ours are counted."""
    told = shipped_content(categories={"1": "player", "2": "ball", "3": "goalkeeper", "4": "corner flag"}, keep=5)
    low = -9.0
    roles = write_constant_detector(
        tmp_path / "roles.onnx",
        BOXES[:2] + BOXES[3:],
        [[1.0, low, 2.0, low, low], [low, 1.5, low, low, low], [low, low, low, 0.5, low]],
        content=told,
    )
    frames = make_frames(tmp_path / "left", count=1)
    out = tmp_path / "out"
    out.mkdir()
    settings = TeacherSettings("rfdetr", roles, 0.2)
    report = write_pseudo_labels(frames, Path("left.mp4"), "left", out, settings)
    labels = read_coco(out / "annotations.json")
    assert labels.categories == {1: "player", 2: "ball"}
    assert labels.boxes["category"].to_list() == [1, 2]
    assert report.facts["players"] == 1 and report.facts["dropped"]["other_class"] == 1
    told["categories"] = {"1": "cat", "2": "dog"}
    other = write_constant_detector(tmp_path / "other.onnx", BOXES, LOGITS, content=told)
    with pytest.raises(BadWeightsError, match="these weights detect cat, dog: neither players nor a ball"):
        RfdetrTeacher(other)


def test_needs_no_torch(file: Path) -> None:
    code = (
        "import sys; sys.modules['torch'] = None; sys.modules['torchvision'] = None\n"
        "import numpy as np\nfrom pathlib import Path\n"
        "from sport_assets.detection.rfdetr_teacher import open_detector\n"
        f"detector = open_detector(Path({str(file)!r}))\n"
        "print(len(detector([np.zeros((90, 90, 3), np.uint8)])[0]))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) == 2
