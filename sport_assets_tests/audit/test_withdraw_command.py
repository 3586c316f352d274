"""`sport-assets withdraw` and `restore` as a person types them."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from sport_assets.cli import app
from sport_assets_tests.audit import small_home

REASON = ["--reason", "a licence ended"]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Types a command on a home of two weeks, a model and its card."""
    home = small_home.build(tmp_path)
    monkeypatch.setenv("SPORT_ASSETS_HOME", str(home.root))
    monkeypatch.setenv("SPORT_ASSETS_DATA", str(home.data))
    return lambda *arguments: CliRunner().invoke(app, arguments)


def test_it_says_what_is_touched_and_how_to_make_it_again_and_opens_it(run: Any) -> None:
    done: Result = run("withdraw", "toy/table:w1", *REASON, "--by", "ada")
    assert done.exit_code == 0, done.output
    assert "1 current materializations hold it, 2 stand on them" in done.stdout
    assert f"models: {small_home.MODEL}, {small_home.CARD}" in done.stdout
    assert "sport-assets impact toy/table:'w1' --launch" in done.stdout
    assert run("audit", small_home.MODEL, "--fail-on", "error").exit_code == 1
    again = run("withdraw", "toy/table:w1", *REASON)
    assert again.exit_code == 1 and "stands withdrawn already, by ada" in again.stderr
    log = json.loads(run("ledger", "log", "--json").stdout)
    record = next(entry["id"] for entry in log if entry["kind"] == "withdrawn")
    restored = json.loads(run("restore", record, "--reason", "a mistake", "--json").stdout)
    assert restored["restored"] and len(restored["opened"]) == 3
    assert run("audit", small_home.MODEL, "--fail-on", "error").exit_code == 0


def test_rows_and_json(run: Any) -> None:
    done = json.loads(run("withdraw", "--row", "game=10", *REASON, "--json").stdout)
    assert [one["name"] for one in done["closed"]] == ["toy/table:w1", small_home.MODEL, small_home.CARD]
    assert done["again"] == "sport-assets impact --row game=10 --launch"
    assert done["impact"]["rows"] == {"game": "10"} and not done["restored"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["toy/nothing:w1"], "nothing is known of"),
        (["toy/table:w9"], "has no partition 'w9'"),
        ([], "give either what is withdrawn"),
        (["toy/table:w1", "--row", "game=10"], "give either what is withdrawn"),
        (["toy/table:w1", "--asset", "toy/table"], "--asset goes with --row"),
        (["--row", "game=10", "--version", "ab"], "--version goes with KEY:PARTITION"),
        (["--row", "player=1"], "rows cannot be looked up by player"),
        (["--row", "game"], "write COLUMN=VALUE"),
    ],
)
def test_wrong_requests_end_with_a_message(run: Any, arguments: list[str], said: str) -> None:
    done = run("withdraw", *arguments, *REASON)
    assert done.exit_code == 1 and said in done.stderr.replace("\n", " ")
    assert json.loads(run("ledger", "log", "--json").stdout)[0]["kind"] != "withdrawn"
