"""A match before a ball: what was known then, whatever follows in the file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from sport_assets.cricket.situation import At, SituationError, read_situation
from sport_assets_tests.cricket.match_files import ball, innings, match, write
from sport_assets_tests.cricket.ready_models import matches


def test_places_are_written_as_in_the_contract() -> None:
    assert At.parse("1.15.3") == At(1, 15, 3) and str(At(2, 0, 11)) == "2.0.11"
    for text in ("", "1.15", "3.0.0", "0.1.1", "1.a.2", "1.2.3.4"):
        with pytest.raises(SituationError, match=r"innings\.over\.ball"):
            At.parse(text)


def test_the_state_is_that_of_the_tables() -> None:
    made, raw = matches()
    row = made.table.filter(made.table["length"] > 100).row(2, named=True)
    for ball_number in (0, 1, 40, 99):
        place = row["start"] + ball_number
        b = {name: int(values[place]) for name, values in made.balls.items()}
        at = At(row["innings"], b["over"], b["ball_in_over"])
        found = read_situation(raw / f"{row['match_id']}.json", at)
        assert len(found.played) == ball_number
        assert (found.overs_limit, found.phase, found.target) == (b["overs_limit"], b["phase"], b["target"])
        told = tuple(made.players[b[name]] for name in ("striker", "non_striker", "bowler"))
        assert found.next_persons == told
        assert (found.batting, found.bowling) == (row["batting_team"], row["bowling_team"])
        assert found.played.balls["runs_total"].sum() == b["runs"]
        assert all(len(values) == ball_number for values in found.kinds.values())


def test_nothing_after_the_ball_is_looked_at(tmp_path: Path) -> None:
    content = match(innings(count=6), innings("Brennia", count=6))
    cut = json.loads(json.dumps(content))
    cut["innings"][0]["overs"] = cut["innings"][0]["overs"][:4]
    cut["innings"][0]["overs"][3]["deliveries"] = cut["innings"][0]["overs"][3]["deliveries"][:2]
    del cut["innings"][1]
    content["innings"][0]["overs"][3]["deliveries"][3] = ball(6)
    whole, part = write(tmp_path, {"whole": content, "part": cut})
    one, other = read_situation(whole, At(1, 3, 2)), read_situation(part, None)
    assert one.at == other.at
    for name, values in one.played.balls.items():
        np.testing.assert_array_equal(values, other.played.balls[name])
    assert one.overs_limit == other.overs_limit == 20


def test_the_ground_goes_by_the_name_of_the_tables(tmp_path: Path) -> None:
    [file] = write(tmp_path, {"m": match(venue="Hagley Oval, Christchurch", city="Christchurch")})
    found = read_situation(file, None)
    assert found.venue == "Hagley Oval" and found.played.venues == ("Hagley Oval",)


def test_between_overs_and_innings(tmp_path: Path) -> None:
    first = innings(count=20)
    [file] = write(tmp_path, {"m": match(first)})
    after_over = read_situation(file, At(1, 7, 0))
    assert after_over.next_persons is not None and len(after_over.played) == 42
    chase = read_situation(file, At(2, 0, 0))
    assert chase.target == 121 and chase.batting == "Brennia" and not len(chase.played)
    assert chase.next_persons is None
    assert str(read_situation(file, None).at) == "1.20.0"


@pytest.mark.parametrize(
    ("at", "said"),
    [("1.9.0", "goes up to 1.2.0"), ("1.1.7", "goes up to 1.2.0"), ("2.3.0", r"goes up to 2\.2\.0")],
)
def test_places_that_are_not_there(tmp_path: Path, at: str, said: str) -> None:
    [file] = write(tmp_path, {"m": match()})
    with pytest.raises(SituationError, match=said):
        read_situation(file, At.parse(at))


def test_files_that_are_none(tmp_path: Path) -> None:
    bad, empty, other = write(tmp_path, {"bad": b"{", "empty": b"{}", "odi": match(match_type="ODI")})
    with pytest.raises(SituationError, match="cannot be read"):
        read_situation(bad, None)
    with pytest.raises(SituationError, match="no two teams"):
        read_situation(empty, None)
    with pytest.raises(SituationError, match="match_type is ODI"):
        read_situation(other, None)
    [broken] = write(tmp_path, {"broken": match(innings("Albia", [ball(1, wides=1, batter="A1")]))})
    with pytest.raises(SituationError, match="batter_at_both_ends"):
        read_situation(broken, None)
