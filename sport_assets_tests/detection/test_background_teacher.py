"""The teacher for static cameras: players and ball where they are, and clear words where it cannot work."""

import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from sport_assets.detection import background_teacher
from sport_assets.detection.background import build_background, median, pitch_outline
from sport_assets.detection.background_teacher import BackgroundTeacher
from sport_assets.detection.categories import BALL, PLAYER
from sport_assets.detection.detections import centres, intersection_over_union
from sport_assets.detection.errors import BadInputError, BadVideoError
from sport_assets.detection.moving_players import Foreground, fit_size, parts_of
from sport_assets.detection.teachers import KeptFrames, Taught, TeacherSettings, make_teacher
from sport_assets_tests.detection.moving_scene import FAR_ROW, HEIGHT, WIDTH, MovingScene, pitch, size_at

KEPT = list(range(2, 75, 4))
# Players on the pitch of the real clip (goalkeeper and referee among them), counted by eye.
REAL_PLAYERS = {0: 18, 100: 16, 200: 17}


@pytest.fixture(scope="module")
def scene() -> MovingScene:
    """Eight players, a ball."""
    return MovingScene()


@pytest.fixture(scope="module")
def video(scene: MovingScene, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scene as a file."""
    return scene.write(tmp_path_factory.mktemp("video") / "scene.mp4")


@pytest.fixture(scope="module")
def taught(video: Path) -> list[Taught]:
    """What the teacher says of the kept frames."""
    return list(BackgroundTeacher().detect(KeptFrames(video, KEPT, [])))


def test_players_are_found(scene: MovingScene, taught: list[Taught]) -> None:
    right = made = there = 0
    for number, each in zip(KEPT, taught, strict=True):
        _, boxes, _ = scene.frame(number)
        found = each.detections[each.detections.categories == PLAYER].boxes
        overlap = intersection_over_union(boxes, found) >= 0.5
        right += int(overlap.any(axis=1).sum())
        there, made = there + len(boxes), made + len(found)
    assert right / there >= 0.95
    assert right / made >= 0.9


def test_ball_is_found(scene: MovingScene, taught: list[Taught]) -> None:
    near = 0
    for number, each in zip(KEPT, taught, strict=True):
        balls = each.detections[each.detections.categories == BALL]
        truth = np.array(scene.ball(number)[:2])
        near += bool((np.hypot(*(centres(balls.boxes) - truth).T) <= 10).any())
        assert (balls.scores >= 0.1).all() and (balls.scores <= 0.9 + 1e-6).all()
    assert near / len(KEPT) >= 0.8


def test_same_video_gives_the_same_detections(video: Path, taught: list[Taught]) -> None:
    again = list(BackgroundTeacher().detect(KeptFrames(video, KEPT, [])))
    for one, other in zip(taught, again, strict=True):
        np.testing.assert_array_equal(one.detections.boxes, other.detections.boxes)
        np.testing.assert_array_equal(one.detections.scores, other.detections.scores)


def test_stretches_cover_all_kept_frames(video: Path, monkeypatch: pytest.MonkeyPatch, scene: MovingScene) -> None:
    monkeypatch.setattr(background_teacher, "_STRETCH_S", 1.5)
    kept = [0, 1, 36, 37, 38, 74]  # both sides of the border between two stretches
    found = list(BackgroundTeacher().detect(KeptFrames(video, kept, [])))
    assert len(found) == len(kept)
    for number, each in zip(kept, found, strict=True):
        _, boxes, _ = scene.frame(number)
        players = each.detections[each.detections.categories == PLAYER].boxes
        assert (intersection_over_union(boxes, players) >= 0.5).any(axis=1).mean() >= 0.7


def test_panning_camera_is_refused(tmp_path: Path) -> None:
    video = MovingScene(frames=40, pan=9.0).write(tmp_path / "panning.mp4")
    with pytest.raises(BadVideoError, match=r"panning.mp4.*camera moves.*teacher=rfdetr"):
        list(BackgroundTeacher().detect(KeptFrames(video, [5, 20], [])))


def test_cuts_are_refused() -> None:
    frames = [np.roll(pitch(0), 37 * (number % 5), axis=1) for number in range(21)]
    with pytest.raises(BadVideoError, match="camera moves"):
        build_background(frames, "cuts.mp4")


def test_video_without_pitch_is_refused() -> None:
    grey = np.full((120, 200, 3), 90, np.uint8)
    with pytest.raises(BadVideoError, match=r"studio.mp4.*no pitch.*teacher=rfdetr"):
        build_background([grey] * 7, "studio.mp4")


def test_frames_of_another_video_are_refused(video: Path) -> None:
    with pytest.raises(BadVideoError, match=r"75 frames, but frame 80"):
        list(BackgroundTeacher().detect(KeptFrames(video, [3, 80], [])))


def test_nobody_moves_nothing_is_found(tmp_path: Path) -> None:
    class Still(MovingScene):
        def frame(self, number: int) -> tuple[np.ndarray, np.ndarray, tuple[float, float]]:
            return pitch(), np.zeros((0, 4)), (0.0, 0.0)

    teacher = BackgroundTeacher()
    found = list(teacher.detect(KeptFrames(Still(frames=20).write(tmp_path / "still.mp4"), [1, 10], [])))
    assert [len(each.detections) for each in found] == [0, 0]
    assert teacher.facts["stretches_without_motion"] == 1


@pytest.mark.parametrize("count", [1, 3, 7, 9])
def test_median_is_that_of_every_pixel(count: int) -> None:
    frames = list(np.random.default_rng(count).integers(0, 256, (count, 20, 30, 3), np.uint8))
    np.testing.assert_array_equal(median(frames), np.median(np.stack(frames), axis=0))


def test_whoever_stood_long_and_left_is_painted_over() -> None:
    grass = pitch()
    frames = []
    for number in range(49):
        frame = grass.copy()
        if number < 33:
            cv2.rectangle(frame, (300, 240), (312, 275), (40, 40, 220), -1)
        frames.append(frame)
    background = build_background(frames, "x.mp4")
    assert np.abs(background.picture[240:276, 300:313].astype(int) - grass[240:276, 300:313]).mean() < 6


def test_pitch_is_the_green_below_the_stand() -> None:
    outline = pitch_outline(pitch(), "x.mp4") > 0
    assert outline[FAR_ROW + 8 :].mean() > 0.99
    assert outline[: FAR_ROW - 12].mean() < 0.02


def test_shadows_are_no_foreground() -> None:
    grass = pitch()
    frame = grass.copy()
    frame[150:190, 100:160] = (frame[150:190, 100:160] * 0.65).astype(np.uint8)
    frame[250:290, 300:320] = (200, 60, 40)
    mask, _, _ = Foreground(build_background([grass] * 7, "x.mp4")).of(frame)
    top = Foreground(build_background([grass] * 7, "x.mp4")).top
    assert (mask[150 - top : 190 - top, 100:160] > 0).mean() < 0.05
    assert (mask[250 - top : 290 - top, 300:320] > 0).mean() > 0.9


def test_brighter_light_is_no_foreground() -> None:
    grass = pitch()
    foreground = Foreground(build_background([grass] * 7, "x.mp4"))
    mask, _, _ = foreground.of(np.clip(grass * 1.2, 0, 255).astype(np.uint8))
    assert not len(parts_of(mask, 12).areas)


def test_size_grows_towards_the_camera(scene: MovingScene) -> None:
    frames = [scene.frame(number)[0] for number in range(0, 75, 3)]
    background = build_background(frames, "x.mp4")
    size = fit_size(Foreground(background), frames)
    assert size is not None
    top = Foreground(background).top
    for foot in (150.0, 250.0, 340.0):
        found = float(size.height(np.array([WIDTH / 2]), np.array([foot - top]))[0])
        assert found == pytest.approx(size_at(foot), rel=0.15)
    assert HEIGHT > top >= 0


def test_identity_is_name_and_settings() -> None:
    assert BackgroundTeacher(0.2).identity() == {"name": "background", "algorithm": 1, "threshold": 0.2}
    assert make_teacher(TeacherSettings()).identity()["name"] == "background"


def test_unknown_teachers_and_missing_weights_are_refused() -> None:
    with pytest.raises(BadInputError, match=r"teacher=oracle: there are rfdetr, background"):
        make_teacher(TeacherSettings(teacher="oracle"))  # type: ignore[arg-type]
    with pytest.raises(BadInputError, match=r"needs weights.*teacher=background"):
        make_teacher(TeacherSettings(teacher="rfdetr"))


@pytest.mark.real_data
@pytest.mark.slow
def test_players_of_the_real_clip(real_data: Path) -> None:
    clip = real_data / "video" / "clips" / "soccertrack_left_3072x1728_25fps_hevc.mp4"
    kept = list(range(0, 250, 25))
    begin = time.process_time()
    found = list(BackgroundTeacher().detect(KeptFrames(clip, kept, [])))
    seconds = time.process_time() - begin
    counts = [int((each.detections.categories == PLAYER).sum()) for each in found]
    assert 15 <= np.median(counts) <= 26, counts
    for number, truth in REAL_PLAYERS.items():
        assert abs(counts[kept.index(number)] - truth) <= 2, (number, counts)
    # the ball lies free beside number 42 in this frame
    balls = found[1].detections[found[1].detections.categories == BALL]
    assert np.hypot(*(centres(balls.boxes[:1]) - np.array([2633.0, 1343.0])).T)[0] < 12
    assert seconds < 60, seconds
