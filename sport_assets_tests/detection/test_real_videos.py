"""A real clip of a match by a static camera, a small film, and real events."""

from pathlib import Path

import cv2
import numpy as np
import polars as pl
import pytest

from sport_assets.detection.events import read_events, write_events
from sport_assets.detection.frame_choice import FrameSettings
from sport_assets.detection.frames import decode, extract_frames
from sport_assets.detection.video_probe import probe, scan
from sport_assets.detection.video_settings import VideoSettings

pytestmark = pytest.mark.real_data


@pytest.fixture(scope="module")
def clip(real_data: Path) -> Path:
    """The left camera's clip."""
    return real_data / "video" / "clips" / "soccertrack_left_3072x1728_25fps_hevc.mp4"


def test_facts_of_the_clips(real_data: Path, clip: Path) -> None:
    facts = probe(clip)
    assert (facts.codec, facts.width, facts.height, facts.frames) == ("hevc", 3072, 1728, 250)
    assert (facts.average_frame_rate, facts.duration_s, facts.variable_frame_rate) == (25.0, 10.0, False)
    small = probe(real_data / "video" / "clips" / "small-movie.mp4")
    assert (small.codec, small.width, small.height, small.frames) == ("h264", 320, 240, 75)


@pytest.mark.parametrize("name", ["soccertrack_left_3072x1728_25fps_hevc.mp4", "small-movie.mp4"])
def test_real_frames_are_those_of_a_full_decode(real_data: Path, name: str) -> None:
    path = real_data / "video" / "clips" / name
    scanned = scan(path)
    wanted = {0, 1, 30, 44, 60, 74}
    found = dict(decode(path, scanned, wanted))
    assert set(found) == wanted
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    for frame in range(75):
        there, picture = capture.read()
        assert there and capture.get(cv2.CAP_PROP_POS_MSEC) == pytest.approx(scanned.times_ms[frame], abs=0.01)
        if frame in wanted:
            np.testing.assert_array_equal(picture, found[frame])
    capture.release()


def test_real_clip_with_its_events_becomes_frames(real_data: Path, clip: Path, tmp_path: Path) -> None:
    events = real_data / "video" / "events" / "soccertrack_left_by_eye.json"
    report = write_events("left", events, tmp_path, duration_s=probe(clip).duration_s)
    assert all(check.passed for check in report.checks) and not report.quarantined
    table = pl.read_parquet(tmp_path / "events.parquet")
    assert table.select("label", "time_ms").rows() == [("DRIVE", 80.0), ("PASS", 920.0)]
    made = extract_frames(clip, "left", table, tmp_path, FrameSettings(every=50, event_window_ms=200, event_step=2))
    frames = pl.read_parquet(tmp_path / "frames.parquet")
    assert dict(frames.select("frame", "reason").iter_rows()) == {
        0: "both",
        2: "event",
        4: "event",
        6: "event",
        19: "event",
        21: "event",
        23: "event",
        25: "event",
        27: "event",
        50: "every",
        100: "every",
        150: "every",
        200: "every",
    }
    assert made.facts["frames"] == 13 and frames["sharpness"].min() > 50  # type: ignore[operator]


def test_a_match_of_real_events_needs_to_know_its_half(real_data: Path, tmp_path: Path) -> None:
    path = real_data / "video" / "events" / "metrica_game1_as_soccertrack.json"
    assert not read_events(path).one_clock
    halves = {half: read_events(path, settings=VideoSettings(half=half)) for half in (1, 2)}
    assert {half: len(found.table) for half, found in halves.items()} == {1: 465, 2: 524}
    assert all(found.one_clock and found.count == 989 for found in halves.values())
    cut = read_events(path, duration_s=60, settings=VideoSettings(half=1, half_offset_s=600))
    assert 0 < len(cut.table) < 60 and cut.table["time_ms"].is_between(0, 60_000).all()
    assert set(cut.quarantined["rule"]) == {"other_half", "before_video", "after_video"}
