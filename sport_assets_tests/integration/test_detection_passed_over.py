"""Videos that cannot be taken up: a build names each of them with the reason, by its key as it is written."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from sport_assets.cli import app
from sport_assets_tests.detection.video_files import write_video


def build(target: str, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["build", target, *arguments])


@pytest.fixture
def videos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of videos of a new home: one is good, and five can be no partition or lack a file."""
    monkeypatch.setenv("SPORT_ASSETS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SPORT_ASSETS_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home" / "dagster"))
    folder = tmp_path / "data" / "detection" / "videos"
    folder.mkdir(parents=True)
    write_video(folder / "soccer.mp4", 5)
    for name in ("b.mp4", "b.mkv", "has space.mp4", "match.mp4"):
        shutil.copy(folder / "soccer.mp4", folder / name)
    (folder / "gone.mp4").symlink_to("/nowhere/gone.mp4")
    (tmp_path / "data" / "detection" / "events").mkdir()
    (tmp_path / "data" / "detection" / "events" / "match.json").symlink_to("/nowhere/events.json")
    return folder


def test_a_build_names_videos_that_it_does_not_take_up(videos: Path) -> None:
    done = build("detection/events", "--json")
    assert done.exit_code == 0, done.output
    answer = json.loads(done.stdout)
    assert [each["partition"] for each in answer["target"]] == ["soccer"]
    reasons = answer["reasons"]["detection/raw_video"]
    assert sorted(answer["skipped"]["detection/raw_video"]) == sorted(reasons)
    assert sorted(reasons) == ["b.mkv", "b.mp4", "gone", "has space.mp4", "match"]
    assert reasons["gone"] == "detection/videos/gone.mp4 is a link to /nowhere/gone.mp4, which is not there"
    assert reasons["match"] == "detection/events/match.json is a link to /nowhere/events.json, which is not there"
    said = build("detection/events").stderr
    assert "skipped: detection/raw_video b.mp4: b.mkv and b.mp4 have the same key 'b'. Rename or" in said
    assert "skipped: detection/raw_video has space.mp4: 'has space' cannot be the key" in said


def test_where_no_video_can_be_taken_up_the_error_names_them(videos: Path) -> None:
    (videos / "soccer.mp4").unlink()
    done = build("detection/frames")
    assert done.exit_code == 1
    assert "none of what is there for it" in done.stderr and "none of its raw files" not in done.stderr
    assert "skipped: detection/raw_video gone: detection/videos/gone.mp4 is a link to" in done.stderr


def test_a_key_that_is_the_name_of_an_emoji_is_printed_as_it_is(videos: Path) -> None:
    done = build("detection/events", "--partition", "soccer")
    assert done.exit_code == 0, done.output
    assert "detection/raw_video:soccer: never made" in done.stderr
