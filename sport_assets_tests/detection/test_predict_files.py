"""What `predict detection` may write over, what it takes besides the model, and the filter over a video's frames."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from typer.testing import CliRunner

from sport_assets.cli import app
from sport_assets.detection import predict as prediction
from sport_assets.detection.categories import BALL, PLAYER
from sport_assets.detection.detections import Detections
from sport_assets.detection.errors import BadWeightsError
from sport_assets.detection.local_detector import LocalDetector
from sport_assets.detection.predict import parse_categories, predict, windows_of
from sport_assets.detection.slicing import Image, Slicing
from sport_assets.detection.synthetic.encoding import write_video
from sport_assets.detection.video_probe import scan
from sport_assets.training.exported import CPU, CUDA, ModelError, PredictionError, device_of, open_session, providers_of
from sport_assets_tests.detection.label_sets import coco
from sport_assets_tests.detection.onnx_files import shipped_content, write_constant_detector
from sport_assets_tests.detection.test_video_probe import VARIABLE
from sport_assets_tests.detection.video_files import from_packet
from sport_assets_tests.detection.video_files import write_video as write_numbered

BOXES, LOGITS = [[0.5, 0.5, 0.2, 0.4], [0.1, 0.1, 0.1, 0.1]], [[2.0, -9.0, -9.0], [-9.0, 1.0, -9.0]]
FRAMES = 20


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_constant_detector(tmp_path / "model.onnx", BOXES, LOGITS, content=shipped_content())


@pytest.fixture
def video(tmp_path: Path) -> Path:
    write_video(tmp_path / "match.mp4", (np.full((720, 1280, 3), 60 + n, np.uint8) for n in range(FRAMES)), 25.0)
    return tmp_path / "match.mp4"


def test_no_input_is_written_over(tmp_path: Path, model: Path, video: Path) -> None:
    pictures = coco(tmp_path / "pictures")
    (tmp_path / "link.mp4").symlink_to(video)
    (tmp_path / "model_link.json").symlink_to(model)
    (tmp_path / "old.json").write_text("{}")
    (tmp_path / "old.mp4").symlink_to(tmp_path / "old.json")
    out = tmp_path / "r.json"
    before = {path: path.read_bytes() for path in sorted(tmp_path.rglob("*")) if path.is_file()}
    for source, output, drawn, said in (
        (video, out, video, "is read here, and would be overwritten"),
        (video, out, tmp_path / "pictures" / ".." / "match.mp4", "is read here"),
        (video, out, tmp_path / "link.mp4", "is read here"),
        (tmp_path / "link.mp4", out, video, "is read here"),
        (video, video, None, "is read here"),
        (video, model, None, "model.onnx is read here"),
        (video, tmp_path / "model_link.json", None, "is read here"),
        (pictures, pictures / "a_0001.png", None, "a_0001.png is read here"),
        (pictures, pictures / "_annotations.coco.json", None, "is read here"),
        (video, tmp_path / "new.mp4", tmp_path / "new.mp4", "are the same file: give --output and --video different"),
        (video, tmp_path / "old.json", tmp_path / "old.mp4", "are the same file"),
    ):
        with pytest.raises(PredictionError, match=said):
            predict(model, source, output, video=drawn)
    assert {path: path.read_bytes() for path in sorted(tmp_path.rglob("*")) if path.is_file()} == before
    predict(model, video, tmp_path / "old.json")  # what is not read may be replaced
    assert json.loads((tmp_path / "old.json").read_text())


@pytest.mark.parametrize("name", ["out.mkv", "out.avi", "out"])
def test_a_video_is_called_what_it_is(tmp_path: Path, model: Path, video: Path, name: str) -> None:
    with pytest.raises(PredictionError, match=rf"writes MP4, which {name} does not say: call it out\.mp4"):
        predict(model, video, tmp_path / "r.json", video=tmp_path / name)
    assert not (tmp_path / "r.json").exists()


def test_categories_for_a_file_that_does_not_say_them(tmp_path: Path, model: Path) -> None:
    plain = write_constant_detector(tmp_path / "plain.onnx", BOXES, LOGITS)
    pictures, out = coco(tmp_path / "pictures"), tmp_path / "r.json"
    with pytest.raises(BadWeightsError, match=r"--categories 1=player,2=ball"):
        predict(plain, pictures, out)
    asked = ["predict", "detection", "--model", str(plain), "--input", str(pictures), "--output", str(out), "--json"]
    done = CliRunner().invoke(app, [*asked, "--categories", "1=player,2=ball"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["detections"] == {"player": 4, "ball": 4}
    assert {each["category_id"] for each in json.loads(out.read_text())} == {1, 2}
    assert LocalDetector(plain, categories={1: "player", 2: "ball"}).categories == {1: "player", 2: "ball"}
    with pytest.raises(BadWeightsError, match="detects 2 categories, but 1 are named"):
        predict(plain, pictures, out, categories={1: "player"})
    with pytest.raises(BadWeightsError, match="were asked for"):
        predict(model, pictures, out, categories={1: "ball", 2: "player"})


def test_categories_are_ids_with_names() -> None:
    assert parse_categories("2=ball, 1=player") == {1: "player", 2: "ball"}
    for text in ("", "player,ball", "1=player,1=ball", "1=", "x=ball", "-1=ball"):
        with pytest.raises(PredictionError, match="give each id once with its name, as 1=player,2=ball"):
            parse_categories(text)


class MadeUp:
    """A detector that sees a rolling ball, a flash somewhere else in each frame, a faint flash and a player."""

    categories = {PLAYER: "player", BALL: "ball"}
    thresholds = {PLAYER: 0.5, BALL: 0.5}
    device = "cpu"

    def __init__(self, *_: object, **__: object) -> None:
        self.counts: Counter[str] = Counter()
        self._frame = 0

    def __call__(self, images: list[Image]) -> list[Detections]:
        found = []
        for _ in images:
            flash = ((100, 100), (1100, 100), (100, 600), (1100, 600))[self._frame % 4]  # too far for a ball
            ball = (400 + 15 * self._frame, 350 + self._frame)
            corners = np.array([ball, flash, (640, 100), (600, 500)], np.float32)
            sizes = np.array([[4, 4], [4, 4], [4, 4], [8, 20]], np.float32)
            scores = np.array([0.7, 0.6, 0.1, 0.9], np.float32)
            kinds = np.array([BALL, BALL, BALL, PLAYER])
            found.append(Detections(np.hstack([corners, corners + sizes]), scores, kinds)[np.argsort(-scores)])
            self._frame += 1
        return found


def test_balls_on_no_smooth_path_are_filtered_out(
    tmp_path: Path, model: Path, video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Detections] = []

    class Drawn(prediction.AnnotatedVideo):
        def add(self, number: int, image: Image, found: Detections) -> None:
            drawn.append(found)
            super().add(number, image, found)

    monkeypatch.setattr(prediction, "OnnxDetector", MadeUp)
    monkeypatch.setattr(prediction, "AnnotatedVideo", Drawn)
    plain = predict(model, video, tmp_path / "plain.json")
    assert plain.detections == {"player": FRAMES, "ball": 3 * FRAMES} and plain.balls_filtered is None
    report = predict(model, video, tmp_path / "r.json", video=tmp_path / "drawn.mp4", filter_balls=True)
    assert report.balls_filtered == {"no_track": FRAMES}
    assert report.detections == {"player": FRAMES, "ball": 2 * FRAMES}
    before, after = (json.loads((tmp_path / name).read_text()) for name in ("plain.json", "r.json"))
    assert after == [each for each in before if abs(each["score"] - 0.6) > 0.01], "the faint ones are not judged"
    assert [len(found) for found in drawn] == [3] * FRAMES and (tmp_path / "drawn.mp4").stat().st_size > 0


@pytest.mark.parametrize("filtered", [False, True])
@pytest.mark.parametrize("name", ["variable.mp4", "variable.mkv", "steady.mp4"])
def test_a_drawn_video_plays_on_the_clock_of_its_source(
    tmp_path: Path, model: Path, name: str, filtered: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prediction, "OnnxDetector", MadeUp)
    source = write_numbered(tmp_path / name, 60, times_ms=VARIABLE if name.startswith("variable") else None)
    drawn = tmp_path / "drawn.mp4"
    report = predict(model, source, tmp_path / "r.json", video=drawn, filter_balls=filtered)
    assert report.undecodable == 0
    np.testing.assert_allclose(scan(drawn).times_ms, scan(source).times_ms, atol=0.1)


def test_frames_that_cannot_be_decoded_are_counted_and_their_time_is_kept(tmp_path: Path, model: Path) -> None:
    source = write_numbered(tmp_path / "a.mp4", 250, codec_options={"bf": "2"})
    clip = from_packet(source, 5, "clip.mp4")
    arguments = ["--model", str(model), "--input", str(clip), "--output", str(tmp_path / "r.json")]
    arguments += ["--video", str(tmp_path / "drawn.mp4")]
    done = CliRunner().invoke(app, ["predict", "detection", *arguments, "--json"])
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert said["undecodable"] > 0 and said["images"] + said["undecodable"] == scan(clip).facts.frames
    np.testing.assert_allclose(scan(tmp_path / "drawn.mp4").times_ms, scan(clip).times_ms, atol=0.1)
    text = CliRunner().invoke(app, ["predict", "detection", *arguments]).stderr
    assert f"{said['undecodable']} of {scan(clip).facts.frames} frames cannot be decoded" in text


def test_a_drawn_video_that_cannot_be_written_is_named(tmp_path: Path, model: Path, video: Path) -> None:
    predict(model, video, tmp_path / "r.json", video=tmp_path / "new" / "drawn.mp4")
    assert (tmp_path / "new" / "drawn.mp4").is_file(), "a folder is made, as for the results"
    with pytest.raises(PredictionError, match=r"r\.json/drawn\.mp4: cannot be written \(Not a directory"):
        predict(model, video, tmp_path / "s.json", video=tmp_path / "r.json" / "drawn.mp4")


def test_a_folder_may_hold_what_is_no_image(tmp_path: Path, model: Path) -> None:
    pictures = coco(tmp_path / "pictures")
    (pictures / "_annotations.coco.json").unlink(missing_ok=True)
    images = predict(model, pictures, tmp_path / "r.json").images
    (pictures / "folder.jpg").mkdir()
    (pictures / "._a_0001.jpg").write_bytes(b"what macOS keeps beside a file")
    (pictures / ".hidden").mkdir()
    (pictures / ".hidden" / "a.jpg").write_bytes(b"no image")
    assert predict(model, pictures, tmp_path / "r.json").images == images > 0
    (pictures / "z.jpg").symlink_to("nowhere.jpg")
    with pytest.raises(PredictionError, match=r"z\.jpg cannot be read \(No such file or directory\): put it back"):
        predict(model, pictures, tmp_path / "r.json")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--overlap", "0.3"], "--overlap 0.3 is that of windows: give their side as well, --slice 1280"),
        (["--overlap", "0.99", "--slice", "640"], "slice overlap 0.99: give a share from 0 to 0.9"),
    ],
)
def test_an_overlap_is_that_of_windows(tmp_path: Path, model: Path, arguments: list[str], said: str) -> None:
    files = ["--model", str(model), "--input", str(coco(tmp_path / "pictures")), "--output", str(tmp_path / "r.json")]
    done = CliRunner().invoke(app, ["predict", "detection", *files, *arguments])
    assert done.exit_code == 1 and said in done.stderr
    assert windows_of(None, None) is None and windows_of(640, None) == Slicing(640)
    assert windows_of(640, 0.5) == Slicing(640, 0.5)


def test_the_filter_needs_frames_and_a_ball(tmp_path: Path, model: Path, video: Path) -> None:
    with pytest.raises(PredictionError, match=r"--filter-balls follows the ball over the frames of a video, .* none"):
        predict(model, coco(tmp_path / "pictures"), tmp_path / "r.json", filter_balls=True)
    plain = write_constant_detector(tmp_path / "plain.onnx", BOXES, LOGITS)
    with pytest.raises(PredictionError, match="needs a model whose category 2 is ball"):
        predict(plain, video, tmp_path / "r.json", filter_balls=True, categories={0: "ball", 1: "player"})


def test_where_a_model_runs(tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert providers_of("cpu", [CUDA, CPU]) == providers_of("auto", [CPU]) == [CPU]
    assert providers_of("auto", [CUDA, CPU]) == providers_of("cuda", [CUDA, CPU]) == [(CUDA, {"device_id": "0"}), CPU]
    assert providers_of("cuda:2", [CUDA, CPU])[0] == (CUDA, {"device_id": "2"})
    with pytest.raises(ModelError, match=r"knows CPUExecutionProvider and no CUDA. Install onnxruntime-gpu"):
        providers_of("cuda", [CPU])
    with pytest.raises(ModelError, match="give cpu, cuda, cuda:N or auto"):
        providers_of("gpu", [CUDA, CPU])
    with pytest.raises(ModelError, match="threads is 0: give 1 or more"):
        open_session(model, "an export", threads=0)

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CPU])
    pictures = coco(tmp_path / "pictures")
    several: list[dict[str, Any]] = [{}, {"device": "auto"}, {"threads": 2}]
    for options in several:
        assert predict(model, pictures, tmp_path / "r.json", **options).device == "cpu"
    with pytest.raises(ModelError, match="and no CUDA"):
        LocalDetector(model, device="cuda")


def test_a_gpu_that_does_not_start_is_no_silent_processor(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ONNX Runtime itself goes on with the processor, and warns in its log at most."""

    class Fallen:
        def __init__(self, *_: object, **__: Any) -> None:
            pass

        def get_providers(self) -> list[str]:
            return [CPU]

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA, CPU])
    monkeypatch.setattr(onnxruntime, "InferenceSession", Fallen)
    with pytest.raises(ModelError, match="could not start CUDA"):
        open_session(model, "an export", device="cuda")
    assert device_of(open_session(model, "an export", device="auto")) == "cpu"
