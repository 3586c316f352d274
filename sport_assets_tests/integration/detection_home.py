"""A home of the detection line, small enough to be built in a test, and the commands typed in this process.

Belongs here: generated videos, settings that make everything tiny, copies of a home. Must not come here: tests.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from sport_assets.cli import app
from sport_assets.lineage.home import DATA_VARIABLE, HOME_VARIABLE, Home
from sport_assets_tests.integration.command import lineage_of

KEYS = tuple(f"match_0{number}_static" for number in (1, 2, 3))
SPARE = "match_04_static"
"""A video that is generated and not registered."""
SCENES = (
    *("--seconds", "2", "--width", "640", "--height", "384", "--players", "6"),
    *("--static-share", "1", "--easy"),
)
"""Scenes on which the background teacher works."""
LABELS = ("--set", "every=10", "--set", "valid_share=0.3", "--set", "test_share=0.3")
TINY = (
    *("--set", "model.resolution=64", "--set", "model.queries=20", "--set", "model.keep=20"),
    *("--set", "model.decoder_layers=1", "--set", "phase_2.warmup_epochs=0", "--set", "phase_2.max_epochs=1"),
)


def call(folder: Path, *arguments: str) -> Result:
    """Type a command with home and data below ``folder``, in this process."""
    environment = {
        HOME_VARIABLE: str(folder / "home"),
        DATA_VARIABLE: str(folder / "data"),
        "DAGSTER_HOME": str(folder / "home" / "dagster"),
    }
    return CliRunner().invoke(app, list(arguments), env=environment)


def answer(folder: Path, *arguments: str) -> Any:
    """What a command prints as JSON."""
    result = call(folder, *arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def refusal(folder: Path, *arguments: str) -> str:
    """The message of a command that refuses, on one line, without a traceback."""
    result = call(folder, *arguments)
    assert result.exit_code == 1, result.output
    assert "Traceback" not in result.output
    return result.stderr.split("error: ")[-1].replace("\n", " ")


def scenes(folder: Path) -> Path:
    """Generate the videos, with those of KEYS registered; returns the file of the spare one."""
    call(folder, "init")
    data, aside = folder / "data" / "detection", folder / "aside"
    made = call(folder, "sample-data", "detection", "--videos", str(len(KEYS) + 1), *SCENES)
    assert made.exit_code == 0, made.output
    for name in (f"videos/{SPARE}.mp4", f"events/{SPARE}.json"):
        (aside / name).parent.mkdir(parents=True)
        (data / name).rename(aside / name)
    shutil.rmtree(data / "truth")
    return spare(folder)


def spare(folder: Path) -> Path:
    """The file of the video that is not registered."""
    return folder / "aside" / "videos" / f"{SPARE}.mp4"


def add_spare(folder: Path) -> None:
    """Register the spare video with its events."""
    events = folder / "aside" / "events" / f"{SPARE}.json"
    [added] = answer(folder, "add-video", str(spare(folder)), "--events", str(events))
    assert added["new"]


def copied(folder: Path, to: Path) -> Path:
    """The home, its data and the spare video elsewhere, to be changed by one test. Published files are hard links."""

    def copy(source: str, target: str) -> None:
        (os.link if "/home/store/" in source else shutil.copy2)(source, target)

    shutil.copytree(
        folder, to, symlinks=True, copy_function=copy, ignore=shutil.ignore_patterns("training", "mlflow_artifacts")
    )
    return to


@contextmanager
def entered(folder: Path) -> Iterator[Home]:
    """Within it, code of this process works in the home below ``folder``."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(HOME_VARIABLE, str(folder / "home"))
        patch.setenv(DATA_VARIABLE, str(folder / "data"))
        patch.setenv("DAGSTER_HOME", str(folder / "home" / "dagster"))
        yield Home(folder / "home", folder / "data")


def newest(folder: Path, asset: str, partition: str | None = None) -> Path:
    """The folder of the newest version of an asset of the line, whether or not it may be read."""
    lineage = lineage_of(folder)
    try:
        made = lineage.ledger.latest(f"detection/{asset}", partition)
        assert made is not None
        return lineage.store.folder(made.key, partition, made.version)
    finally:
        lineage.close()


def sides(folder: Path) -> dict[str, list[str]]:
    """The videos of each side of the newest data set."""
    content = json.loads((newest(folder, "coco_dataset") / "split.json").read_text())
    found: dict[str, list[str]] = content["sides"]
    return found


def videos_of(folder: Path) -> set[str]:
    """The videos of the newest data set."""
    return {video for videos in sides(folder).values() for video in videos}
