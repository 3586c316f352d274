"""Generated scenes: the same for the same seed, true to their truth, and like what they stand for."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Literal

import av
import cv2
import numpy as np
import pytest

from sport_assets.detection.categories import BALL, CATEGORIES, GOALKEEPER, PLAYER, REFEREE, ROLE_CATEGORIES
from sport_assets.detection.coco import read_coco
from sport_assets.detection.detections import intersection_over_union
from sport_assets.detection.synthetic import (
    ImageSet,
    Sample,
    Scene,
    SceneSettings,
    generate,
    small_settings,
    write_dataset,
)
from sport_assets.detection.synthetic.layers import Layer, lay, seen
from sport_assets.detection.synthetic.look import WHITE
from sport_assets.detection.synthetic.silhouettes import motion_kernel

SMALL = SceneSettings(width=480, height=270, frames=60, players=5, ball_pixels=(4, 11), players_per_ball=5.5)
PANNING = SceneSettings(
    width=480, height=270, frames=120, players=6, ball_pixels=(4, 11), players_per_ball=5.5, camera="panning"
)
VIDEO = {"seconds": 0.8, "width": 320, "height": 192, "players": 3}


@pytest.fixture(scope="module")
def static() -> Scene:
    """A scene whose camera stands still."""
    return Scene(3, SMALL)


@pytest.fixture(scope="module")
def panning() -> Scene:
    """A scene whose camera follows the ball."""
    return Scene(4, PANNING)


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    """Two short matches and all damaged files."""
    folder = tmp_path_factory.mktemp("generated") / "detection"
    return generate(folder, videos=2, seed=5, defects=True, **VIDEO)  # type: ignore[arg-type]


def decoded(path: Path) -> list[np.ndarray]:
    """All frames of a video."""
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]


# --- the same for the same seed


def test_another_process_makes_the_same_frames(static: Scene) -> None:
    script = (
        "import hashlib\nfrom sport_assets.detection.synthetic import Scene\n"
        "from sport_assets.detection.synthetic import SceneSettings\n"
        f"scene = Scene(3, {SMALL!r})\n"
        "print(*(hashlib.sha256(scene.frame(n)[0].tobytes()).hexdigest() for n in (40, 0)), scene.frame(40)[1])\n"
    )
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.strip()
    here = [hashlib.sha256(static.frame(number)[0].tobytes()).hexdigest() for number in (40, 0)]
    assert out == " ".join([*here, str(static.frame(40)[1])])


def test_iterating_gives_all_frames_in_order() -> None:
    scene = Scene(0, SceneSettings(width=160, height=96, frames=5, players=2, ball_pixels=(4, 10), players_per_ball=5))
    found = list(scene)
    assert [truth.frame for _, truth in found] == [0, 1, 2, 3, 4] == list(range(len(scene)))
    assert [truth.time_ms for _, truth in found] == [0, 40, 80, 120, 160]
    assert all(np.array_equal(image, scene.frame(truth.frame)[0]) for image, truth in found)
    assert not np.array_equal(found[0][0], Scene(1, scene.settings).frame(0)[0])
    with pytest.raises(IndexError, match="frame 5 of a scene of 5"):
        scene.frame(5)


# --- what is seen of what


def square(left: int, top: int, size: int, cover: int = 255) -> Layer:
    """A grey square."""
    return Layer(np.full((size, size, 4), (90, 90, 90, cover), np.uint8), left, top)


def test_what_is_hidden_or_outside_is_told_exactly() -> None:
    far, near, outside, edge = square(10, 10, 10), square(15, 10, 20), square(60, 0, 5), square(-6, 44, 10)
    found = seen([far, near, outside, edge], 50, 50)
    assert found[0].box == (10, 10, 5, 10) and found[0].visible_share == pytest.approx(0.5)
    assert found[0].inside_share == 1 and found[1].visible_share == 1
    assert found[2].box is None and found[2].inside_share == 0
    assert found[3].box == (0, 44, 4, 6) and found[3].inside_share == pytest.approx(0.24)
    assert seen([far, square(5, 5, 30)], 50, 50)[0].box is None, "all of it is behind another"


def test_a_layer_changes_only_what_it_covers() -> None:
    image = np.random.default_rng(0).integers(0, 255, (50, 50, 3), np.uint8)
    before = image.copy()
    lay(image, Layer(np.zeros((20, 20, 4), np.uint8), 5, 5))
    assert np.array_equal(image, before)
    lay(image, square(-5, -5, 10))
    assert (image[:5, :5] == 90).all() and np.array_equal(image[5:], before[5:])


def test_a_motion_kernel_smears_along_the_motion() -> None:
    kernel = motion_kernel(4 * 6, -4 * 3)
    rows, columns = np.indices(kernel.shape) - np.array(kernel.shape)[:, None, None] // 2
    assert kernel.sum() == pytest.approx(1)
    assert abs((kernel * rows).sum()) < 1e-5 and abs((kernel * columns).sum()) < 1e-5, "centred"
    assert (kernel * rows * columns).sum() < -1, "to the right and up"


@pytest.mark.parametrize(("name", "number"), [("static", 7), ("static", 50), ("panning", 30), ("panning", 95)])
def test_boxes_cover_the_pixels_that_an_object_changes(name: str, number: int, request: pytest.FixtureRequest) -> None:
    """Rendered with and without an object: outside the box almost nothing differs, at each edge something."""
    scene: Scene = request.getfixturevalue(name)
    truth = scene.frame(number)[1]
    whole = scene.render(number, noise=False).astype(int)
    boxed = 0
    for each in truth.objects:
        changed = np.abs(whole - scene.render(number, without={each.identity}, noise=False)).max(axis=2)
        if each.box is None:
            assert changed.max() < 80, each
            continue
        boxed += 1
        left, top, width, height = each.box
        assert width > 0 and height > 0
        assert left >= 0 and top >= 0 and left + width <= scene.settings.width and top + height <= scene.settings.height
        inner = changed[top : top + height, left : left + width]
        ends = inner[0], inner[-1], inner[:, 0], inner[:, -1]
        assert min(int(end.max()) for end in ends) > 0, each
        outer = changed.copy()
        outer[top : top + height, left : left + width] = 0
        assert outer.max() <= max(0.45 * changed.max(), 3), each
        beyond = outer.copy()
        beyond[max(top - 1, 0) : top + height + 1, max(left - 1, 0) : left + width + 1] = 0
        assert beyond.max() <= 0.3 * changed.max(), each
    assert boxed >= 6


def test_the_truth_names_everybody_the_same_way_in_all_frames(panning: Scene) -> None:
    truths = [panning.frame(number)[1] for number in range(0, 120, 15)]
    names = [[(each.identity, each.role, each.team) for each in truth.objects] for truth in truths]
    assert all(each == names[0] for each in names)
    roles = [role for _, role, _ in names[0]]
    assert [roles.count(role) for role in ("player", "goalkeeper", "referee", "ball")] == [10, 2, 1, 1]
    assert [team for _, _, team in names[0]].count("left") == [team for _, _, team in names[0]].count("right") == 6
    assert len({identity for identity, _, _ in names[0]}) == 14
    objects = [each for truth in truths for each in truth.objects]
    assert any(each.box is None and each.inside_share == 0 for each in objects), "somebody is out of the picture"
    assert all((each.inside_share == 0) <= (each.box is None) for each in objects)
    assert all(each.visible_share <= each.inside_share + 1e-3 for each in objects)
    assert any(each.visible_share < 0.9 * each.inside_share for each in objects), "somebody is partly hidden"


# --- like what they stand for


@pytest.mark.parametrize("camera", ["static", "panning"])
@pytest.mark.parametrize("sizes", [(5.0, 14.0), (5.0, 20.0), (8.0, 13.0)])
def test_the_ball_has_the_wanted_sizes(camera: Literal["static", "panning"], sizes: tuple[float, float]) -> None:
    for seed in range(3):
        settings = SceneSettings(frames=200, camera=camera, ball_pixels=sizes, players=8)
        scene = Scene(seed, settings)
        found = []
        for number in range(0, 200, 10):
            pixels, depth = scene.camera.project(scene.play.ball[number], float(scene.yaws[number]))
            if (pixels > 0).all() and (pixels < [settings.width, settings.height]).all():
                found.append(scene.camera.focal_pixels * settings.ball_diameter_m / float(depth))
        assert len(found) >= 15, "the ball is in the picture most of the time"
        assert sizes[0] <= min(found) and max(found) <= sizes[1]


def test_the_ball_and_people_are_as_large_as_their_truth_says(static: Scene) -> None:
    balls = [static.frame(number)[1].ball for number in range(0, 60, 6)]
    whole = [ball for ball in balls if ball.box and ball.visible_share > 0.99]
    assert len(whole) >= 4
    for ball in whole:
        assert ball.box is not None
        assert (
            ball.size_pixels - 1.5 <= min(ball.box[2:]) <= max(ball.box[2:]) <= ball.size_pixels + ball.blur_pixels + 2
        )
    for each in static.frame(20)[1].objects[:-1]:
        if each.box is not None and each.visible_share > 0.99:
            assert 0.75 < each.box[3] / each.size_pixels < 1.1


def test_a_moving_ball_is_blurred_along_its_way() -> None:
    sharp = Scene(3, SceneSettings(width=640, height=360, frames=80, players=4, blur=False))
    blurred = Scene(3, SceneSettings(width=640, height=360, frames=80, players=4))
    fastest = max(range(80), key=lambda number: np.hypot(*(sharp.play.ball[number + 1] - sharp.play.ball[number])[:2]))
    without, with_blur = sharp.frame(fastest)[1].ball, blurred.frame(fastest)[1].ball
    assert without.blur_pixels == 0 and without.speed_pixels == with_blur.speed_pixels
    assert with_blur.blur_pixels == pytest.approx(with_blur.speed_pixels / 2, abs=0.01) and with_blur.blur_pixels > 3
    assert without.box is not None and with_blur.box is not None
    assert max(with_blur.box[2:]) > max(without.box[2:])


def test_a_static_camera_sees_the_same_but_for_who_moves(static: Scene) -> None:
    everybody = [each.identity for each in static.frame(0)[1].objects]
    settings = SceneSettings(**{**vars(SMALL), "shadows": False})
    plain = Scene(3, settings)
    empty = plain.render(0, without=everybody, noise=False)
    assert np.array_equal(empty, plain.render(50, without=everybody, noise=False))
    noisy = [static.render(number, without=everybody).astype(float) for number in (10, 30)]
    difference = noisy[0][:60] - noisy[1][:60]  # above the pitch, where there are no shadows
    assert abs(difference.mean()) < 0.1 and difference.std() == pytest.approx(2.5 * np.sqrt(2), rel=0.15)


def test_a_panning_camera_pans(panning: Scene) -> None:
    turned = np.degrees(panning.yaws)
    assert np.ptp(turned) > 3 and np.abs(np.diff(turned)).max() < 2
    everybody = [each.identity for each in panning.frame(0)[1].objects]
    first, last = int(turned[:-1].argmin()), int(turned[:-1].argmax())
    pictures = [panning.render(number, without=everybody, noise=False) for number in (first, last)]
    grey = [cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY).astype(np.float32) for picture in pictures]
    (shift, _), _ = cv2.phaseCorrelate(grey[0], grey[1])
    expected = -np.radians(turned[last] - turned[first]) * panning.camera.focal_pixels
    assert shift == pytest.approx(expected, rel=0.25)


def test_nobody_is_part_of_the_background_of_a_static_camera() -> None:
    """A plain background-difference finds nearly all that stand free."""
    scene = Scene(2, SceneSettings(width=960, height=540, frames=200, ball_pixels=(4, 11)))
    frames = [scene.frame(number) for number in range(0, 200, 10)]
    still = np.median(np.stack([image for image, _ in frames]), axis=0).astype(np.uint8)
    still = cv2.GaussianBlur(still, (3, 3), 0)
    found = free = 0
    for image, truth in frames:
        mask = (cv2.absdiff(cv2.GaussianBlur(image, (3, 3), 0), still).max(axis=2) > 22).astype(np.uint8)
        parts = cv2.connectedComponentsWithStats(mask)[2][1:].astype(float)
        parts = np.stack([parts[:, 0], parts[:, 1], parts[:, 0] + parts[:, 2], parts[:, 1] + parts[:, 3]], axis=1)
        seen_ones = [each for each in truth.objects if each.box and each.visible_share > 0.5]
        boxes = np.array([each.box for each in seen_ones], float)
        boxes[:, 2:] += boxes[:, :2]
        wider = boxes + np.array([-3, -3, 3, 3])
        alone = (intersection_over_union(wider, wider) > 0).sum(axis=1) == 1
        best = intersection_over_union(boxes, parts).max(axis=1)
        people = np.array([each.role != "ball" for each in seen_ones])
        free += int((alone & people).sum())
        found += int((best[alone & people] >= 0.5).sum())
    assert free > 250 and found / free >= 0.95


def test_hard_scenes_have_decoys_and_easy_ones_none() -> None:
    hard, easy = (Scene(1, small_settings((320, 192), difficulty)) for difficulty in ("hard", "easy"))
    socks = [[person.kit.socks for person in scene.look.people] for scene in (hard, easy)]
    assert WHITE in socks[0] and WHITE not in socks[1]

    def white_spots(scene: Scene) -> int:
        """Small bright things on the empty pitch."""
        everybody = [each.identity for each in scene.frame(0)[1].objects]
        empty = scene.render(0, without=everybody, noise=False)[int(0.35 * 192) :]
        bright = (empty.min(axis=2) > 130).astype(np.uint8)
        areas = cv2.connectedComponentsWithStats(bright)[2][1:, cv2.CC_STAT_AREA]
        return int((areas <= 40).sum())

    assert white_spots(hard) >= 2 and white_spots(easy) == 0
    assert hard.settings.blur and not easy.settings.blur


def test_the_ball_is_kicked_when_an_event_says_so() -> None:
    scene = Scene(6, SceneSettings(width=320, height=192, frames=500, players=5, ball_pixels=(4, 12)))
    events = scene.events
    assert {event.label for event in events} == {"PASS", "DRIVE", "SHOT"} and {e.team for e in events} == {
        "left",
        "right",
    }
    assert [event.frame for event in events] == sorted(event.frame for event in events)
    assert all(0 <= event.frame < 500 for event in events)
    steps = np.hypot(*np.diff(scene.play.ball[:, :2], axis=0).T) * 25
    kicks = [event.frame for event in events if event.label != "DRIVE" and 5 < event.frame < 490]
    faster = [steps[frame + 1 : frame + 4].mean() > 1.2 * steps[max(frame - 4, 0) : frame].mean() for frame in kicks]
    assert len(kicks) >= 8 and np.mean(faster) > 0.7
    assert scene.play.ball[:, 2].max() > 0.5, "some balls fly"
    assert steps.max() < 30 and scene.play.ball[:, 2].min() > 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"width": 10},
        {"frames": 0},
        {"players": 1},
        {"players": 12},
        {"camera": "drone"},
        {"ball_pixels": (10.0, 11.0)},
        {"ball_pixels": (5.0, 400.0)},
        {"noise": -1.0},
        {"frame_rate": 0.0},
        {"players_per_ball": 1.0},
    ],
)
def test_settings_that_make_no_scene_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=f"^{next(iter(wrong))} cannot be"):
        SceneSettings(**wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="difficulty must be easy or hard"):
        SceneSettings.of("medium")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="seed must not be negative"):
        Scene(-1)


# --- files


def test_videos_decode_to_the_frames_that_were_rendered(sample: Sample) -> None:
    assert sample.keys == ("match_01_static", "match_02_panning") and sample.frames == 40
    for number, key in enumerate(sample.keys):
        camera = key.rsplit("_", 1)[1]
        settings = SceneSettings(width=320, height=192, frames=20, players=3, camera=camera)  # type: ignore[arg-type]
        scene, frames = Scene(5000 + number, settings), decoded(sample.video(key))
        assert len(frames) == 20
        for index, frame in enumerate(frames):
            error = ((frame.astype(float) - scene.frame(index)[0]) ** 2).mean()
            assert 10 * np.log10(255**2 / error) > 28, "what chroma subsampling leaves"
        with av.open(str(sample.video(key))) as container:
            stream = container.streams.video[0]
            assert stream.codec_context.name == "h264" and stream.codec_context.pix_fmt == "yuv420p"
            assert stream.average_rate == 25 and stream.frames == 20
        capture = cv2.VideoCapture(str(sample.video(key)))
        assert capture.get(cv2.CAP_PROP_FPS) == 25 and capture.read()[0]
        capture.release()


def test_the_truth_reads_back_as_labels(sample: Sample) -> None:
    for number, key in enumerate(sample.keys):
        labels = read_coco(sample.truth(key))
        assert labels.categories == ROLE_CATEGORIES
        assert labels.images["frame"].to_list() == list(range(20))
        assert labels.images["time_ms"].to_list() == [40.0 * frame for frame in range(20)]
        assert labels.images["video"].unique().to_list() == [key]
        assert labels.images["file_name"][7] == f"{key}_f0000007.jpg"
        assert {PLAYER, BALL, GOALKEEPER, REFEREE} >= set(labels.boxes["category"].to_list()) >= {PLAYER, BALL}
        settings = SceneSettings(width=320, height=192, frames=20, players=3, camera=key.rsplit("_", 1)[1])  # type: ignore[arg-type]
        truth = Scene(5000 + number, settings).frame(7)[1]
        wanted = [each.box for each in truth.objects if each.box and each.visible_share >= 0.15]
        got = labels.boxes.filter(image=8).select("x", "y", "width", "height").rows()
        assert got == [tuple(map(float, box)) for box in wanted]


def test_events_are_as_soccertrack_has_them(tmp_path: Path) -> None:
    made = generate(tmp_path, videos=1, seconds=4, seed=1, width=160, height=96, players=3)
    content = json.loads(made.events(made.keys[0]).read_bytes())
    assert list(content) == ["UrlLocal", "UrlYoutube", "annotations"] and content["annotations"]
    for each in content["annotations"]:
        assert list(each) == ["gameTime", "label", "position", "team", "visibility"]
        assert 0 <= int(each["position"]) < 4000 and each["team"] in ("left", "right")
        assert each["gameTime"] == f"1 - 0:0{int(each['position']) // 1000}" and each["visibility"] == "visible"


def test_a_match_is_the_same_however_many_there_are(sample: Sample, tmp_path: Path) -> None:
    done: list[tuple[int, int]] = []
    made = generate(tmp_path, videos=1, seed=5, progress=lambda *at: done.append(at), **VIDEO)  # type: ignore[arg-type]
    key = made.keys[0]
    for path, other in zip(
        (made.video(key), made.events(key), made.truth(key)),
        (sample.video(key), sample.events(key), sample.truth(key)),
        strict=True,
    ):
        assert path.read_bytes() == other.read_bytes()
    assert done == [(number, 20) for number in range(1, 21)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["events", "truth", "videos"], "nothing half-written"


def test_files_that_differ_are_kept(sample: Sample, tmp_path: Path) -> None:
    generate(tmp_path, videos=1, seed=5, **VIDEO)  # type: ignore[arg-type]
    truth = tmp_path / "truth" / "match_01_static.json"
    (tmp_path / "videos" / "match_01_static.mp4").unlink()
    truth.write_text("mine")
    with pytest.raises(FileExistsError, match=r"match_01_static.json is there and differs: choose another"):
        generate(tmp_path, videos=1, seed=5, **VIDEO)  # type: ignore[arg-type]
    assert truth.read_text() == "mine" and not list((tmp_path / "videos").iterdir()), "no part of the match appears"
    generate(tmp_path, videos=1, seed=5, overwrite=True, **VIDEO)  # type: ignore[arg-type]
    assert truth.read_bytes() == sample.truth("match_01_static").read_bytes()


@pytest.mark.parametrize(
    "wrong",
    [
        {"videos": 0},
        {"videos": 100},
        {"seed": -1},
        {"static_share": 1.5},
        {"seconds": 0.0},
        {"width": 161},
        {"players": 1},
    ],
)
def test_arguments_that_make_no_sense_are_refused(tmp_path: Path, wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        generate(tmp_path / "new", **wrong)  # type: ignore[arg-type]
    assert not list(tmp_path.rglob("*.*")), "nothing is written"


def test_each_damaged_file_is_damaged_as_it_says(sample: Sample) -> None:
    rules = {rule: path for path, rule in sample.defects}
    assert all(path.is_file() for path in rules.values()) and len(rules) == len(sample.defects) == 14
    for rule in ("zero_bytes", "no_video", "truncated_index"):
        with pytest.raises(av.error.FFmpegError):
            av.open(str(rules[rule]))
    assert rules["zero_bytes"].stat().st_size == 0
    with av.open(str(rules["audio_only"])) as container:
        assert not container.streams.video and len(container.streams.audio) == 1
        assert sum(1 for _ in container.decode(audio=0)) > 10
    assert decoded(rules["no_frames"]) == []
    with pytest.raises(av.error.DecoderNotFoundError):
        decoded(rules["unknown_codec"])
    with pytest.raises(av.error.InvalidDataError), av.open(str(rules["truncated_frames"])) as container:
        frames = container.decode(video=0)
        assert next(frames).width == 320, "it begins well"
        for _ in frames:
            pass
    with pytest.raises(ValueError):
        json.loads(rules["events_not_json"].read_bytes())
    beyond = json.loads(rules["events_beyond_end"].read_bytes())["annotations"]
    assert [int(each["position"]) for each in beyond] == [200, 90_000]
    for rule, path in rules.items():
        if rule.startswith("events_"):
            assert len(decoded(sample.folder / "videos" / f"{path.stem}.mp4")) == 25, "its video is whole"


# --- data sets of images


@pytest.mark.parametrize(("size", "difficulty", "kind"), [((160, 96), "easy", "png"), ((320, 192), "hard", "jpg")])
def test_a_data_set_of_images(
    tmp_path: Path, size: tuple[int, int], difficulty: Literal["easy", "hard"], kind: Literal["jpg", "png"]
) -> None:
    def write(folder: Path) -> ImageSet:
        return write_dataset(
            folder, train=10, valid=3, test=2, seed=2, size=size, difficulty=difficulty, image_format=kind
        )

    made = write(tmp_path / "set")
    assert made.images == {"train": 10, "valid": 3, "test": 2} and made.clips == {"train": 2, "valid": 2, "test": 2}
    assert made.balls["train"] >= 6
    clips: list[str] = []
    for side, count in made.images.items():
        labels = read_coco(tmp_path / "set" / side / "_annotations.coco.json")
        assert labels.categories == CATEGORIES and labels.images.height == count
        assert sorted(labels.images["file_name"]) == sorted(
            path.name for path in (tmp_path / "set" / side).iterdir() if path.suffix == f".{kind}"
        )
        for name in labels.images["file_name"]:
            image = cv2.imread(str(tmp_path / "set" / side / name))
            assert image is not None and image.shape == (size[1], size[0], 3)
        clips += labels.images["video"].unique().to_list()
        boxes = labels.boxes
        assert (boxes["x"] >= 0).all() and (boxes["x"] + boxes["width"] <= size[0]).all()
        players, balls = boxes.filter(category=PLAYER), boxes.filter(category=BALL)
        assert 18 <= float(players["height"].median()) <= 62  # type: ignore[arg-type]
        assert balls.height and 4 <= float(balls["height"].median()) <= 14  # type: ignore[arg-type]
    assert len(clips) == len(set(clips)), "no clip is on two sides"
    again = write(tmp_path / "again")
    for path in sorted(made.folder.rglob("*.*")):
        assert path.read_bytes() == (again.folder / path.relative_to(made.folder)).read_bytes()


def test_a_data_set_is_not_written_over_another(tmp_path: Path) -> None:
    write_dataset(tmp_path, train=1, valid=0, test=0, size=(160, 96))
    assert [path.name for path in tmp_path.iterdir()] == ["train"]
    with pytest.raises(FileExistsError, match="train is already there"):
        write_dataset(tmp_path, train=1, valid=1, test=0, size=(160, 96))
    with pytest.raises(ValueError, match="not all 0"):
        write_dataset(tmp_path / "none", train=0, valid=0, test=0)
    assert [path.name for path in tmp_path.iterdir()] == ["train"]
