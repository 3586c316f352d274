"""`simulate cricket` from an exported file alone: what it prints, writes and refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from sport_assets.cli import app
from sport_assets_tests.cricket.model_files import chain, innings_of


@pytest.fixture(scope="module")
def match() -> Path:
    """A match of full length."""
    made = innings_of(chain())
    rows = made.table.filter((made.table["innings"] == 1) & (made.table["length"] > 115))
    return chain().raw / f"{rows['match_id'][0]}.json"


def simulate(*arguments: Any) -> Result:
    return CliRunner().invoke(app, ["simulate", "cricket", "--model", str(chain().model), *map(str, arguments)])


def test_json_and_files(match: Path, tmp_path: Path) -> None:
    common = ("--match", match, "--at", "1.15.3", "--simulations", 60, "--seed", 3)
    done = simulate(*common, "--output", tmp_path / "a.json", "--plot", tmp_path / "a.svg", "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told == json.loads((tmp_path / "a.json").read_text())
    assert told["at"] == "1.15.3" and told["simulations"] == 60 and told["match_id"] == match.stem
    assert simulate(*common, "--plot", tmp_path / "b.svg").exit_code == 0
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert b"<svg" in (tmp_path / "a.svg").read_bytes()


def test_a_table_for_people_and_a_what_if(match: Path, tmp_path: Path) -> None:
    content = json.loads(match.read_text())
    overs = content["innings"][0]["overs"]
    faced = overs[12]["deliveries"][0]
    bowled = {ball["bowler"] for over in overs[:13] for ball in over["deliveries"]}
    [bowling] = set(content["info"]["teams"]) - {content["innings"][0]["team"]}
    bowler = next(each for each in content["info"]["players"][bowling] if each not in bowled)
    done = simulate(
        *("--match", match, "--at", "1.12.0", "--simulations", 40, "--bowler", bowler, "--plot", tmp_path / "w.png")
    )
    assert done.exit_code == 0, done.output
    assert "what if" in done.stdout and "runs of the innings" in done.stdout
    runs = sum(ball["runs"]["total"] for over in overs[:12] for ball in over["deliveries"])
    assert f" {runs}/" in done.stdout and "after 12.0 overs" in done.stdout
    at_the_crease = f"{faced['batter']} faces, {faced['non_striker']} at the other end; bowler: "
    for side, bowls in (("as it stands", faced["bowler"]), ("what if", bowler)):
        assert f"{side}: {at_the_crease}{bowls}\n" in done.stdout
    assert (tmp_path / "w.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "give either --match FILE"),
        (("--state", "x.json", "--at", "1.0.0"), "--at cuts a match off"),
        (("--match", "absent.json"), "cannot be read as a match file"),
        (("--match", "absent.json", "--at", "5"), "innings.over.ball"),
        (("--match", "absent.json", "--plot", "worm.pdf"), ".svg or .png"),
    ],
)
def test_clear_errors(arguments: tuple[str, ...], said: str) -> None:
    done = simulate(*arguments, "--simulations", 5)
    assert done.exit_code == 1 and said in done.stderr.replace("\n", " "), done.stderr
