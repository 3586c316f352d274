"""Which settings of a teacher are taken: those that some video's teacher has a use for, and no others."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from sport_assets.definitions import defs
from sport_assets.detection.videos import teachers
from sport_assets.lineage.home import DATA_VARIABLE, Home
from sport_assets.lineage.record import Lineage
from sport_assets.orchestration.build_settings import BuildError, Settings

LABELS = "detection/pseudo_labels"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """Two videos and weights; only their names count here."""
    found = Home(tmp_path / "home", tmp_path / "data")
    monkeypatch.setenv(DATA_VARIABLE, str(found.data))
    for folder in ("videos", "weights"):
        (found.data / "detection" / folder).mkdir(parents=True)
    (found.data / "detection" / "weights" / "a.onnx").touch()
    for key in ("pan", "still"):
        (found.data / "detection" / "videos" / f"{key}.mp4").touch()
    return found


@pytest.fixture
def lineage(home: Home) -> Iterator[Lineage]:
    """Its records."""
    with closing(Lineage(home)) as opened:
        yield opened


def say(home: Home, key: str, text: str) -> None:
    """The settings of a video."""
    (home.data / "detection" / "videos" / f"{key}.settings.json").write_text(text)


def check(lineage: Lineage, *settings: str) -> None:
    """As a build checks them before anything is made."""
    assert defs
    asked = Settings(settings)
    asked.spread([LABELS], None)
    asked.check([LABELS], lineage)


def test_the_teacher_of_each_video(home: Home) -> None:
    say(home, "pan", '{"teacher": "rfdetr"}')
    assert teachers(home.data, "background") == {"pan": "rfdetr", "still": "background"}
    say(home, "still", "{no JSON")
    assert teachers(home.data, "none") == {"pan": "rfdetr", "still": "none"}


@pytest.mark.parametrize(
    "setting",
    [
        "weights=detection/weights/a.onnx",
        "teacher_model=1234567",
        "teacher_device=auto",
        "compile=true",
        "slice_size=640",
        "slice_overlap=0.3",
        "slice_batch=2",
    ],
)
def test_what_no_teacher_has_a_use_for_is_refused_with_the_remedy(lineage: Lineage, setting: str) -> None:
    said = rf"{LABELS}: {setting.split('=')[0]}: set, but only teacher=rfdetr has a use for it.*--teacher rfdetr"
    with pytest.raises(BuildError, match=said):
        check(lineage, setting)
    with pytest.raises(BuildError, match="the teacher of every video is none"):
        check(lineage, setting, "teacher=none")
    check(lineage, "slice_size=1280", "slice_batch=8", "compile=false", "threshold=0.3")  # as by default


def test_one_video_with_a_detector_is_enough(home: Home, lineage: Lineage) -> None:
    say(home, "pan", '{"teacher": "rfdetr"}')
    check(lineage, "weights=detection/weights/a.onnx", "slice_size=640")
    say(home, "still", '{"teacher": "background"}')
    check(lineage, "weights=detection/weights/a.onnx", "teacher=rfdetr")
    say(home, "pan", '{"teacher": "none"}')
    with pytest.raises(BuildError, match="the teacher of every video is background or none"):
        check(lineage, "weights=detection/weights/a.onnx", "teacher=rfdetr")


def test_a_detector_without_weights_is_refused_before_anything_is_made(home: Home, lineage: Lineage) -> None:
    with pytest.raises(BuildError, match=rf"{LABELS}: teacher=rfdetr needs weights: give the file"):
        check(lineage, "teacher=rfdetr")
    with pytest.raises(BuildError, match=r"weights: .*detection/weights/b\.onnx is no file\. Put it there"):
        check(lineage, "teacher=rfdetr", "weights=detection/weights/b.onnx")
    say(home, "pan", '{"teacher": "rfdetr"}')
    check(lineage)  # the labels of the other video can be made
    say(home, "still", '{"teacher": "rfdetr"}')
    with pytest.raises(BuildError, match="teacher=rfdetr needs weights"):
        check(lineage)


def test_a_teacher_has_one_kind_of_weights(home: Home, lineage: Lineage) -> None:
    with pytest.raises(BuildError, match="teacher_model and weights are both set"):
        check(lineage, "teacher=rfdetr", "weights=detection/weights/a.onnx", "teacher_model=1234567")
