"""Pseudo-labels: every kept frame is listed, scores are kept, and nothing that was dropped goes uncounted."""

import json
from pathlib import Path

import polars as pl
import pytest

from sport_assets.detection.coco import read_coco
from sport_assets.detection.errors import BadInputError, BadVideoError
from sport_assets.detection.pseudo_labels import write_pseudo_labels
from sport_assets.detection.step_report import StepReport
from sport_assets.detection.teachers import TeacherSettings
from sport_assets.detection.teaching_checks import PSEUDO_LABELS
from sport_assets_tests.detection.frame_folders import SayingTeacher, make_frames
from sport_assets_tests.detection.moving_scene import HEIGHT, WIDTH, MovingScene

SAID = [
    [(10, 120, 30, 160, 0.8, 1), (200, 150, 206, 156, 0.15, 2)],
    [],
    [(10, 120, 10, 160, 0.7, 1), (600, 300, 700, 400, 0.6, 1)],
]


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three frames."""
    return make_frames(tmp_path_factory.mktemp("frames") / "left", count=3)


def labelled(frames: Path, out: Path, teacher: SayingTeacher) -> StepReport:
    """Labels of a teacher that is open."""
    out.mkdir()
    return write_pseudo_labels(frames, Path("left.mp4"), "left", out, TeacherSettings(), teacher=teacher)


def test_every_frame_is_listed_and_scores_are_kept(frames: Path, tmp_path: Path) -> None:
    report = labelled(frames, tmp_path / "out", SayingTeacher(SAID, counts={"background": 4, "degenerate": 2}))
    labels = read_coco(tmp_path / "out" / "annotations.json")
    assert labels.images["frame"].to_list() == [0, 5, 10]
    assert set(labels.images["source"]) == {"pseudo"} and set(labels.images["video"]) == {"left"}
    assert labels.images["sha256"].to_list() == pl.read_parquet(frames / "frames.parquet")["sha256"].to_list()
    assert labels.images["time_ms"].to_list() == [0.0, 200.0, 400.0]
    assert labels.boxes.select("image", "category", "score").rows() == [(1, 1, 0.8), (1, 2, 0.15), (3, 1, 0.6)]
    last = labels.boxes.row(2, named=True)
    assert (last["x"] + last["width"], last["y"] + last["height"]) == (WIDTH, HEIGHT)
    checks = {check.name: check for check in report.checks}
    assert checks["has_labels"].passed and checks["has_labels"].blocking
    assert checks["degenerate_boxes_dropped"].failed == 3 and not checks["degenerate_boxes_dropped"].blocking
    assert checks["background_class_dropped"].failed == 4
    assert checks["boxes_inside"].failed == 1
    assert checks["most_frames_have_players"].failed == 1
    assert set(checks) == set(PSEUDO_LABELS)
    assert report.facts["players"] == 2 and report.facts["balls"] == 1
    assert report.facts["dropped"] == {"background": 4, "degenerate": 3}


def test_teacher_is_named_in_files_and_facts(frames: Path, tmp_path: Path) -> None:
    report = labelled(frames, tmp_path / "out", SayingTeacher(SAID))
    assert json.loads((tmp_path / "out" / "teacher.json").read_text()) == {"name": "saying", "sha256": "ab" * 32}
    assert report.facts["teacher"]["sha256"] == "ab" * 32


def test_no_label_at_all_fails(frames: Path, tmp_path: Path) -> None:
    report = labelled(frames, tmp_path / "out", SayingTeacher([[], [], []]))
    failed = {check.name for check in report.checks if check.blocking and not check.passed}
    assert failed == {"has_labels"}
    assert len(read_coco(tmp_path / "out" / "annotations.json").images) == 3


def test_looks_are_written(frames: Path, tmp_path: Path) -> None:
    labelled(frames, tmp_path / "out", SayingTeacher(SAID, looks=[0.25, None, 1.0]))
    assert pl.read_parquet(tmp_path / "out" / "looks.parquet").rows() == [(0, 0.25), (5, None), (10, 1.0)]


def test_same_bytes_again(frames: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        labelled(frames, tmp_path / name, SayingTeacher(SAID))
    one, two = (sorted((tmp_path / name).iterdir()) for name in ("one", "two"))
    assert [path.name for path in one] == ["annotations.json", "contact_sheet.png", "looks.parquet", "teacher.json"]
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in two]


def test_background_teacher_from_video_to_labels(tmp_path: Path) -> None:
    frames = make_frames(tmp_path / "left", count=10)
    video = MovingScene(frames=50, players=4).write(tmp_path / "left.mp4")
    out, seen = tmp_path / "out", []
    out.mkdir()
    report = write_pseudo_labels(
        frames, video, "left", out, TeacherSettings(), progress=lambda done, total: seen.append((done, total))
    )
    assert seen[-1] == (10, 10) and len(seen) == 10
    assert report.facts["median_players_per_frame"] == pytest.approx(4, abs=1)
    assert report.facts["noticed"]["largest_camera_shift_pixels"] < 3
    assert all(check.passed for check in report.checks if check.blocking)


def test_nothing_is_left_when_the_teacher_fails(tmp_path: Path) -> None:
    frames = make_frames(tmp_path / "left", count=3)
    video = MovingScene(frames=40, pan=9.0).write(tmp_path / "panning.mp4")
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(BadVideoError, match="camera moves"):
        write_pseudo_labels(frames, video, "left", out, TeacherSettings())
    assert not list(out.iterdir())


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda folder: (folder / "frames.parquet").unlink(), "is missing"),
        (lambda folder: (folder / "frames.parquet").write_bytes(b"PAR1 no"), "cannot be read"),
        (
            lambda folder: (folder / "images" / "left_f0000005.jpg").unlink(),
            "pictures are missing, images/left_f0000005",
        ),
        (lambda folder: pl.DataFrame({"frame": [1]}).write_parquet(folder / "frames.parquet"), "no column time_ms"),
    ],
)
def test_bad_folders_of_frames(tmp_path: Path, spoil: object, said: str) -> None:
    frames = make_frames(tmp_path / "left", count=3)
    spoil(frames)  # type: ignore[operator]
    with pytest.raises(BadInputError, match=said):
        labelled(frames, tmp_path / "out", SayingTeacher(SAID))
    assert not list((tmp_path / "out").iterdir())
