"""What the Makefile's targets do with a user's own raw files."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from sport_assets.detection.videos import EXTENSIONS

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("names", [[f"match.{extension}"] for extension in EXTENSIONS] + [["b.mkv", "a.MOV"], []])
def test_the_detection_demo_annotates_a_video_of_whatever_kind(tmp_path: Path, names: Sequence[str]) -> None:
    videos = tmp_path / "data of mine" / "detection" / "videos"
    videos.mkdir(parents=True)
    for name in names:
        (videos / name).touch()
        (videos / f"{name}.settings.json").touch()
    tool = tmp_path / "bin" / "sport-assets"
    tool.parent.mkdir()
    tool.write_text('#!/bin/sh\necho "ran: $*"\n')
    tool.chmod(0o755)
    done = subprocess.run(
        ["make", "-o", "install", "demo-detection", f"BIN={tool.parent}", f"SPORT_ASSETS_DATA={tmp_path}/data of mine"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    predicted = [line for line in done.stdout.splitlines() if line.startswith("ran: predict")]
    assert len(predicted) == bool(names)
    assert any(f"--input {videos / name} --video" in line for line in predicted for name in names) or not names
    assert ("there is no video to annotate" in done.stdout) is not bool(names)
