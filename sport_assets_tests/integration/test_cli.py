"""The commands as a person or a script meets them: what they print, and how they end."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from sport_assets.cli import app

WEEK = "2023-w01"


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def answer(*arguments: str) -> Any:
    """What a command prints as JSON: that alone is on standard output."""
    result = call(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def refusal(*arguments: str) -> str:
    """The message of a command that refuses: on standard error, without a traceback, with exit code 1."""
    result = call(*arguments)
    assert result.exit_code == 1, result.output
    assert result.stdout == ""
    assert result.stderr.startswith("error: ") or "\nerror: " in result.stderr
    assert "Traceback" not in result.stderr
    return result.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One home for the module, with two generated weeks of which the first has a tracking."""
    folder = tmp_path_factory.mktemp("cli")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPORT_ASSETS_HOME", str(folder / "home"))
        patch.setenv("SPORT_ASSETS_DATA", str(folder / "data"))
        patch.setenv("DAGSTER_HOME", str(folder / "home" / "dagster"))
        made = answer("sample-data", "nfl", "--weeks", "1", "--plays-per-week", "12")
        assert all(Path(path).is_file() for path in made["files"])
        yield folder


@pytest.fixture(scope="module")
def built(folder: Path) -> dict[str, Any]:
    result: dict[str, Any] = answer("build", "nfl/tracking", "--partition", WEEK)
    return result


def test_build_says_what_it_made_and_where(folder: Path, built: dict[str, Any]) -> None:
    assert built["made"] == [f"nfl/raw_tracking:{WEEK}", f"nfl/tracking:{WEEK}"]
    [target] = built["target"]
    assert (target["asset"], target["partition"]) == ("nfl/tracking", WEEK)
    assert all((Path(target["folder"]) / name).is_file() for name in target["files"])
    assert target["rows"] > 0 and target["checks"]
    again = answer("build", "nfl/tracking", "--partition", WEEK)
    assert again["made"] == [] and again["target"] == built["target"]


def test_build_names_the_weeks_that_it_skips(folder: Path, built: dict[str, Any]) -> None:
    result = call("build", "nfl/raw_tracking")
    assert result.exit_code == 0, result.output
    assert "skipped, no raw file: nfl/raw_tracking 2023-w02, 2023-w03" in result.stderr
    assert len(answer("build", "nfl/raw_tracking")["skipped"]["nfl/raw_tracking"]) == 21


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("build", "nfl/nothing"), "no asset 'nfl/nothing'; there are: "),
        (("build", "nfl/tracking", "--partition", "2023-w09"), "sport-assets sample-data nfl"),
        (("build", "nfl/tracking", "--partition", "w9"), "no partition 'w9'; its partitions: 2023-w01"),
        (("build", "nfl/split", "--set", "saltt=1"), "no asset of this build has a setting 'saltt'"),
        (("build", "nfl/model_card", "--partition", "sanity|0", "--set", "max_epochs=-1"), "--set max_epochs=-1: "),
        (("override", "00000000-none", "anything", "--reason", "because"), "sport-assets ledger log"),
        (("predict", "nfl", "--model", "missing.onnx", "--input", ".", "--output", "out.csv"), "missing.onnx"),
    ],
)
def test_refusals(folder: Path, built: dict[str, Any], arguments: tuple[str, ...], said: str) -> None:
    assert said in refusal(*arguments).replace("\n", " ")


def test_a_command_without_a_home_names_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPORT_ASSETS_HOME", str(tmp_path / "none"))
    assert "Run: sport-assets init" in refusal("ledger", "head")
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("arguments", [("build",), ("ledger", "nothing"), ("sample-data", "nfl", "--weeks", "0")])
def test_wrong_usage_ends_with_2(arguments: tuple[str, ...]) -> None:
    assert call(*arguments).exit_code == 2


def test_the_ledger_can_be_asked_and_made_anew(folder: Path, built: dict[str, Any]) -> None:
    head = answer("ledger", "head")
    rows = answer("ledger", "log", "nfl/tracking", "--limit", "1")
    assert [(row["key"], row["partition"], row["version"]) for row in rows] == [
        ("nfl/tracking", WEEK, built["target"][0]["version"])
    ]
    assert answer("ledger", "rebuild") == head
    assert call("ledger", "log").exit_code == 0


def test_an_interrupted_build_ends_with_a_code_and_leaves_nothing_half_made(tmp_path: Path) -> None:
    """Ctrl-C, before anything was made."""
    environment = os.environ | {
        "SPORT_ASSETS_HOME": str(tmp_path / "home"),
        "SPORT_ASSETS_DATA": str(tmp_path / "data"),
    }
    code = (
        "import sys, os, signal, sport_assets.orchestration.build as b\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a shell's background job ignores it
        "b.Builder.run = lambda *a, **k: os.kill(os.getpid(), signal.SIGINT)\n"
        "from sport_assets.cli import app\napp(['build', 'nfl/tracking'])"
    )
    ended = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120)
    assert ended.returncode in (1, 128 + signal.SIGINT), ended.stderr
    assert "Traceback" not in ended.stderr


def _commands() -> list[tuple[str, ...]]:
    import typer

    def walk(command: Any, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        yield path
        for name, child in getattr(command, "commands", {}).items():
            yield from walk(child, (*path, name))

    return list(walk(typer.main.get_command(app), ()))


@pytest.mark.parametrize("path", _commands(), ids=" ".join)
def test_every_command_has_help(path: tuple[str, ...]) -> None:
    result = call(*path, "--help")
    assert result.exit_code == 0 and "Usage" in result.stdout


def test_build_shows_what_the_trainings_of_an_experiment_took(capsys: pytest.CaptureFixture[str]) -> None:
    from sport_assets.cli.building import _show

    facts = {"parameters": 12_345, "seconds_per_epoch": None, "peak_memory_bytes": 1_234_000_000, "done_before": False}
    _show(
        {
            "asset": "cricket/stage_comparison",
            "partition": None,
            "version": "0" * 64,
            "checks": {},
            "trainings": {"base, seed 42": facts},
        }
    )
    [row] = [line for line in capsys.readouterr().out.splitlines() if "base, seed 42" in line]
    assert "12,345" in row and "–" in row and "1,234" in row and "interrupted and resumed" in row


def test_build_says_how_many_models_it_would_make_before_it_begins(folder: Path) -> None:
    said = refusal("build", "nfl/model_card", "--set", "colour=1")
    assert "no --partition: all 15 of nfl/model_card, " in said and "and 9 more" in said
    assert "no --partition" not in refusal("build", "nfl/tracking", "--set", "colour=1")
    assert "no --partition" not in refusal("build", "nfl/model_card", "--partition", "sanity|0", "--set", "colour=1")
