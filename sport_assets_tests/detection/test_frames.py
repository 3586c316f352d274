"""Frames are those of a full decode, at the times that the container says, or the video is refused."""

import hashlib
from pathlib import Path

import av
import cv2
import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from sport_assets.detection.errors import BadVideoError
from sport_assets.detection.frame_choice import CHECKS, FrameSettings
from sport_assets.detection.frames import decode, extract_frames, sharpness
from sport_assets.detection.schemas import FRAMES
from sport_assets.detection.video_probe import scan
from sport_assets.lineage.quarantine import failures
from sport_assets_tests.detection import video_files as made
from sport_assets_tests.detection.test_video_probe import VARIABLE

EVERY = FrameSettings(mode="every", every=7)
KINDS = {
    "a.mp4": {},
    "b.mp4": {"codec_options": {"bf": "3", "b-pyramid": "normal"}},
    "open.mp4": {"codec_options": {"bf": "3", "x264-params": "open-gop=1"}},
    "plain.mp4": {"codec_options": {"bf": "0"}},
    "variable.mp4": {"times_ms": VARIABLE},
    "variable.mkv": {"times_ms": VARIABLE},
    "two_at_a_time.mkv": {"times_ms": [number // 2 for number in range(60)]},
    "two_at_a_time_reordered.mkv": {
        "times_ms": [number // 2 for number in range(60)],
        "codec_options": {"bf": "3", "b-pyramid": "normal"},
    },
    "turned.mp4": {"rotation": 90},
    "turned_back.mp4": {"rotation": -90},
    "upside_down.mov": {"rotation": 180},
    "hevc.mp4": {"codec": "libx265", "codec_options": made.HEVC},
    "mpeg4.avi": {"codec": "mpeg4"},
    "reordered.avi": {"codec_options": {"bf": "2"}},
    "vp9.webm": {"codec": "libvpx-vp9"},
    "sound.mp4": {"sound": True},
    "bt709.mp4": {"codec_options": {"x264-params": "colormatrix=bt709:colorprim=bt709:transfer=bt709"}},
    "full_range.mp4": {"codec_options": {"x264-params": "fullrange=on"}},
}


def _all_frames(path: Path) -> tuple[list[NDArray[np.uint8]], list[float]]:
    """Every frame and its time in ms as OpenCV's sequential reading gives them."""
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)
    pictures: list[NDArray[np.uint8]] = []
    times: list[float] = []
    while True:
        there, picture = capture.read()
        if not there:
            capture.release()
            return pictures, times
        pictures.append(np.asarray(picture, np.uint8))
        times.append(capture.get(cv2.CAP_PROP_POS_MSEC))


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", KINDS)
def test_pictures_are_those_of_a_full_decode_by_another_decoder(tmp_path: Path, name: str, threads: int) -> None:
    path = made.write_video(tmp_path / name, **KINDS[name])  # type: ignore[arg-type]
    expected, times = _all_frames(path)
    scanned = scan(path)
    assert len(expected) == scanned.facts.frames == 60
    if scanned.timed:
        np.testing.assert_allclose(scanned.times_ms, times, atol=0.01)
    wanted = [0, 1, 7, 13, 30, 31, 44, 58, 59]
    found = list(decode(path, scanned, wanted, threads=threads))
    assert [frame for frame, _ in found] == wanted
    for frame, picture in found:
        assert picture.shape == (scanned.facts.height, scanned.facts.width, 3)
        np.testing.assert_array_equal(picture, expected[frame])


def test_interlaced_pictures_are_those_of_a_full_decode(tmp_path: Path) -> None:
    """Against PyAV: OpenCV 5.0 cannot convert interlaced frames and hands out a wrong picture without an error."""
    options = {"bf": "2", "x264-params": "interlaced=1"}
    path = made.write_video(tmp_path / "a.mp4", 30, codec_options=options)
    with av.open(str(path)) as container:
        expected = [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]
    found = list(decode(path, scan(path), range(0, 30, 7)))
    assert [made.number_in(picture) for _, picture in found] == [frame for frame, _ in found] == [0, 7, 14, 21, 28]
    for frame, picture in found:
        np.testing.assert_array_equal(picture, expected[frame])


def test_table_and_pictures_agree(tmp_path: Path) -> None:
    path = made.write_video(tmp_path / "a.mp4", times_ms=VARIABLE)
    out = tmp_path / "out"
    report = extract_frames(path, "match.1", None, out, EVERY)
    table = pl.read_parquet(out / "frames.parquet")
    assert table.columns == list(FRAMES.columns) and not len(failures(table, FRAMES))
    assert table["frame"].to_list() == list(range(0, 60, 7))
    assert table["time_ms"].to_list() == pytest.approx([VARIABLE[n] for n in range(0, 60, 7)])
    assert sorted(f"images/{path.name}" for path in (out / "images").iterdir()) == table["file"].to_list()
    for row in table.iter_rows(named=True):
        assert row["file"] == f"images/match.1_f{row['frame']:07d}.jpg"
        data = (out / row["file"]).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (row["bytes"], row["sha256"])
        picture = cv2.imread(str(out / row["file"]))
        assert picture is not None and picture.shape == (row["height"], row["width"], 3)
        assert made.number_in(np.asarray(picture, np.uint8)) == row["frame"]
    assert [check.name for check in report.checks] == list(CHECKS)
    assert {check.name for check in report.checks if not check.passed} == {"frames_as_aimed"}
    assert report.facts["frames"] == 9 and report.facts["reasons"] == {"every": 9}


def test_the_same_video_gives_the_same_bytes(tmp_path: Path) -> None:
    path = made.write_video(tmp_path / "a.mp4")
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder, threads in zip(folders, (1, 2), strict=True):
        extract_frames(path, "a", None, folder, EVERY, threads=threads)
    files = [{f.name: f.read_bytes() for f in sorted(folder.rglob("*.*"))} for folder in folders]
    assert files[0] == files[1] and len(files[0]) == 10


def test_jpeg_quality_is_an_option(tmp_path: Path) -> None:
    path = made.write_video(tmp_path / "a.mp4", 5)
    sizes = []
    for quality in (30, 95):
        settings = FrameSettings(mode="every", every=1, jpeg_quality=quality)
        sizes.append(extract_frames(path, "a", None, tmp_path / str(quality), settings).facts["picture_bytes"])
    assert sizes[0] < sizes[1] / 2


def test_frames_of_one_time_have_a_row_and_a_picture_each(tmp_path: Path) -> None:
    path = made.write_video(tmp_path / "a.mkv", 40, times_ms=[number // 2 for number in range(40)])
    extract_frames(path, "a", None, tmp_path / "out", FrameSettings(mode="every", every=1))
    table = pl.read_parquet(tmp_path / "out" / "frames.parquet")
    assert table["frame"].to_list() == list(range(40)) and table["file"].n_unique() == 40
    pictures = [cv2.imread(str(tmp_path / "out" / file)) for file in table["file"]]
    assert [made.number_in(np.asarray(picture, np.uint8)) for picture in pictures] == list(range(40))


def test_frames_near_events_are_taken(tmp_path: Path) -> None:
    path = made.write_video(tmp_path / "a.mp4")
    events = pl.DataFrame({"time_ms": [400.0, 2399.0]})
    settings = FrameSettings(mode="both", every=20, event_window_ms=90, event_step=2)
    extract_frames(path, "a", events, tmp_path / "out", settings)
    table = pl.read_parquet(tmp_path / "out" / "frames.parquet")
    assert dict(table.select("frame", "reason").iter_rows()) == {
        0: "every",
        8: "event",
        10: "event",
        12: "event",
        20: "every",
        40: "every",
        59: "event",
    }


def test_no_frame_fails_the_blocking_check(tmp_path: Path) -> None:
    path = made.write_video(tmp_path / "a.mp4", 5)
    report = extract_frames(path, "a", None, tmp_path / "out", FrameSettings(mode="events"))
    assert {check.name for check in report.checks if check.blocking and not check.passed} == {"frames_extracted"}
    assert not len(pl.read_parquet(tmp_path / "out" / "frames.parquet"))


def test_progress_ends_with_the_last_frame(tmp_path: Path) -> None:
    path = made.write_video(tmp_path / "a.mp4", 255)
    said: list[tuple[int, int]] = []
    extract_frames(path, "a", None, tmp_path / "out", EVERY, lambda done, total: said.append((done, total)))
    assert said == [(250, 255), (255, 255)]


def test_clip_that_begins_between_key_frames_loses_its_first_frames_alone(tmp_path: Path) -> None:
    source = made.write_video(tmp_path / "a.mp4", 200, codec_options={"bf": "2"})
    clip = made.from_packet(source, 5, "clip.mp4")
    report = extract_frames(clip, "clip", None, tmp_path / "out", EVERY)
    table = pl.read_parquet(tmp_path / "out" / "frames.parquet")
    pictures = [cv2.imread(str(tmp_path / "out" / file)) for file in table["file"]]
    shown = [made.number_in(np.asarray(picture, np.uint8)) for picture in pictures]
    assert [number - frame for number, frame in zip(shown, table["frame"], strict=True)] == [5] * len(table)
    lost = {check.name: check for check in report.checks}["no_unreadable_frames"]
    assert not lost.passed and lost.failed == 1 and lost.checked == len(table) + 1


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_video_that_is_damaged_in_the_middle_is_refused_and_leaves_nothing(tmp_path: Path, codec: str) -> None:
    options = made.HEVC if codec == "libx265" else {}
    path = made.write_video(tmp_path / "a.mp4", codec=codec, codec_options=options, movflags="faststart")
    bad = made.damage(path, 0.4, 0.9)
    with pytest.raises(BadVideoError, match=r"damaged or cut off: .* frames cannot be decoded") as error:
        extract_frames(bad, "a", None, tmp_path / "out", EVERY)
    assert str(bad) in str(error.value)
    assert not list((tmp_path / "out").iterdir())


def test_video_without_its_last_frames_is_refused(tmp_path: Path) -> None:
    path = made.write_video(tmp_path / "a.mp4", movflags="faststart")
    with pytest.raises(BadVideoError, match="damaged or cut off"):
        extract_frames(made.damage(path, 0.8, 1), "a", None, tmp_path / "out", EVERY)


def test_sharpness_falls_with_blur() -> None:
    picture = made.numbered(5)
    blurred = np.asarray(cv2.GaussianBlur(picture, (9, 9), 3), np.uint8)
    assert sharpness(blurred) < sharpness(picture) / 10
    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    assert sharpness(picture) == pytest.approx(float(cv2.Laplacian(grey, cv2.CV_64F).var()), rel=1e-6)
