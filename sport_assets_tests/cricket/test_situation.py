"""A match before a ball: what was known then, whatever follows in the file."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sport_assets.cricket.situation import At, SituationError, read_situation
from sport_assets_tests.cricket.match_files import Content, ball, innings, match, write
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
    [
        ("1.9.0", "no such ball; innings 1 goes up to 1.2.0"),
        ("1.1.7", "over 1 has 6 deliveries, from 0 on; innings 1 goes up to 1.2.0"),
        ("2.3.0", r"goes up to 2\.2\.0"),
    ],
)
def test_places_that_are_not_there(tmp_path: Path, at: str, said: str) -> None:
    [file] = write(tmp_path, {"m": match()})
    with pytest.raises(SituationError, match=said):
        read_situation(file, At.parse(at))


@pytest.mark.parametrize("extra", [ball(0, noballs=1), ball(0, wides=1)])
def test_after_an_over_that_is_done_is_before_the_next(tmp_path: Path, extra: Content) -> None:
    overs = [[ball(1) for _ in range(6)] for _ in range(3)]
    overs[1].insert(2, extra)
    overs[2][0] = ball(0, batter="A5", bowler="B7")
    [file] = write(tmp_path, {"m": match(innings("Albia", *overs))})
    one, other = (read_situation(file, At.parse(at)) for at in ("1.1.7", "1.2.0"))
    assert one.at == other.at == At(1, 2, 0) and one.next_persons == other.next_persons
    assert len(one.played) == len(other.played) == 13
    for at in ("1.1.6", "1.2.5"):
        found = read_situation(file, At.parse(at))
        balls = found.played.balls
        assert str(found.at) == at and (balls["is_legal"][balls["over"] == found.at.over].sum() == 5)
    assert str(read_situation(file, At(1, 2, 6)).at) == "1.3.0"


Place = tuple[str | int, ...]
STATE: dict[str, Any] = {
    "info": {
        "teams": ["Hestria", "Albia"],
        "dates": ["2025-07-01"],
        "players": {"Hestria": ["Anna"], "Albia": ["Cleo"]},
        "registry": {"people": {"Anna": "0000000a"}},
    },
    "innings": [{"team": "Hestria", "overs": [{"over": 0, "deliveries": [
        ball(1, batter="Anna", non_striker="Beth", bowler="Cleo", out=[("run out", "Beth")])]}]}],
    "next": {"batter": "Dora", "non_striker": "Anna", "bowler": "Cleo"},
}  # fmt: skip
BALL = ("innings", 0, "overs", 0, "deliveries", 0)


def changed(place: Place, value: Any) -> Any:
    """STATE with another value there; with none where it is ``...``."""
    if not place:
        return value
    content = copy.deepcopy(STATE)
    holder: Any = content
    for key in place[:-1]:
        holder = holder[key]
    if value is ...:
        del holder[place[-1]]
    else:
        holder[place[-1]] = value
    return content


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        ((*BALL, "non_striker"), ..., r"innings\[0\]\.overs\[0\]\.deliveries\[0\]\.non_striker is missing: add it"),
        ((*BALL[:4], "deliveries"), ..., r"innings\[0\]\.overs\[0\]\.deliveries is missing: add it"),
        (("next",), "A", "next must be an object.*Name batter, non_striker and bowler there, or leave next out"),
        (("next", "bowler"), ..., "next.bowler is missing: add it"),
        (("info", "dates"), ["9999-12-31"], "impossible_date"),
        (("info", "toss"), {"winner": "Carlia", "decision": "bat"}, "info.toss.winner names Carlia"),
        (("innings", 0, "target"), {"runs": 0}, r"innings\[0\].target.runs must be more than 0"),
        (("innings",), [STATE["innings"][0]] * 2, r"innings\[1\].team is Hestria, which batted first"),
        (
            ("innings",),
            [STATE["innings"][0], {"team": "Albia"}, {"team": "Hestria"}],
            r"innings\[2\] is a third innings",
        ),
        (("info", "players"), ["Anna"], "info.players must be an object"),
        (("info", "registry"), [], "info.registry must be an object"),
        (("info",), [], "info must be an object"),
        (("info", "teams"), ["Hestria"], "info.teams must have two names. Name the two teams there"),
        (("innings",), {}, "innings must be a list"),
        (("info", "players", "Hestria", 0), None, r"info\.players\.Hestria\[0\] must be a text"),
        ((*BALL, "batter"), None, r"deliveries\[0\]\.batter must be a text"),
        (("info", "dates"), "2025-07-01", "info.dates must be a list"),
        (("innings", 0, "team"), "Hestia", r"innings\[0\]\.team names Hestia.*write Hestria or Albia"),
        ((*BALL[:4], "over"), 3, r"innings\[0\]\.overs\[0\]\.over is 3: overs count 0, 1, 2"),
        ((*BALL, "runs", "total"), 7, "breaks the rule runs_do_not_add_up"),
        ((), [], "the file must be an object"),
    ],
)
def test_what_is_wrong_with_a_state_is_said(tmp_path: Path, place: Place, value: Any, said: str) -> None:
    [file] = write(tmp_path, {"state": changed(place, value)})
    with pytest.raises(SituationError, match=rf"state\.json: .*{said}"):
        read_situation(file, None)


@pytest.mark.parametrize(
    ("persons", "said"),
    [
        (("Dora", "Cleo", "Beth"), "next.non_striker Cleo: plays for Albia, not for Hestria"),
        (("Dora", "Eva", "Anna"), "next.bowler Anna: plays for Hestria, not for Albia"),
        (("Beth", "Anna", "Cleo"), "next.batter Beth: he is out already"),
        (("Dora", "Dora", "Cleo"), "three people"),
        (("Dora", "Eva", "Dora"), "three people"),
    ],
)
def test_who_cannot_play_the_next_ball_is_refused(tmp_path: Path, persons: tuple[str, str, str], said: str) -> None:
    told = dict(zip(("batter", "non_striker", "bowler"), persons, strict=True))
    [file] = write(tmp_path, {"state": changed(("next",), told)})
    with pytest.raises(SituationError, match=said):
        read_situation(file, None)


def test_where_eleven_are_listed_another_name_is_a_misspelt_one(tmp_path: Path) -> None:
    content = changed(("info", "players", "Albia"), [f"Cleo {number}" for number in range(10)] + ["Cleo"])
    content["next"]["bowler"] = "Clea"
    [file] = write(tmp_path, {"state": content})
    with pytest.raises(
        SituationError, match=r"next.bowler Clea: Albia has no such player; the file lists Cleo, Cleo 0"
    ):
        read_situation(file, None)


def test_nobody_is_told_to_bowl_two_overs_in_a_row(tmp_path: Path) -> None:
    content = changed((*BALL[:4], "deliveries"), [ball(0, batter="Anna", non_striker="Beth", bowler="Cleo")] * 6)
    [file] = write(tmp_path, {"state": content})
    with pytest.raises(SituationError, match=r"next\.bowler Cleo: he bowled the over before"):
        read_situation(file, None)


@pytest.mark.parametrize(
    ("toss", "batting", "first"),
    [
        ({"winner": "Albia", "decision": "bat"}, None, "Albia"),
        ({"winner": "Albia", "decision": "field"}, None, "Hestria"),
        ({"winner": "Hestria", "decision": "field"}, None, "Albia"),
        ({"winner": "Hestria", "decision": "field"}, "Hestria", "Hestria"),
        (None, None, "Hestria"),
    ],
)
def test_before_the_first_ball_the_toss_says_who_bats(
    tmp_path: Path, toss: dict[str, str] | None, batting: str | None, first: str
) -> None:
    info = {"teams": ["Hestria", "Albia"], **({"toss": toss} if toss else {})}
    [file] = write(tmp_path, {"state": {"info": info, **({"batting": batting} if batting else {})}})
    assert read_situation(file, None).batting == first


def test_a_target_counts_where_the_file_ends_with_it(tmp_path: Path) -> None:
    """Before, it may have been set later: then the answer says that it was not looked at."""
    chase = {**innings("Brennia", count=2), "target": {"runs": 60, "overs": 5.5}}
    [file] = write(tmp_path, {"m": match(innings(count=20), chase)})
    found = read_situation(file, None)
    assert (str(found.at), found.target, found.overs_limit) == ("2.2.0", 60, 6)
    assert found.notes == ("whole overs alone are played: 6 for 5.5",)
    before = read_situation(file, At(2, 1, 3))
    assert (before.target, before.overs_limit) == (121, 20)
    assert "that of the file, 60 in 5.5 overs, may have been set later" in before.notes[0]
    assert not read_situation(file, At(1, 3, 0)).notes


@pytest.mark.parametrize("told", [{"runs": None, "overs": None}, {"overs": 20}, {"runs": 121}, {}])
def test_what_a_file_leaves_open_of_a_target_follows_from_the_first_innings(
    tmp_path: Path, told: dict[str, int | None]
) -> None:
    [file] = write(tmp_path, {"m": match(innings(count=20), {**innings("Brennia", count=2), "target": told})})
    found = read_situation(file, None)
    assert (found.target, found.overs_limit, found.notes) == (121, 20, ())


def test_a_chase_that_is_short_as_the_first_innings_was_is_told_so(tmp_path: Path) -> None:
    [file] = write(tmp_path, {"m": match(innings(count=3))})
    found = read_situation(file, At(2, 0, 0))
    assert found.overs_limit == 3 and found.notes == ("the chase has 3 overs, as the first innings had",)


@pytest.mark.parametrize("dates", [[], ...])
def test_a_state_needs_no_date(tmp_path: Path, dates: Any) -> None:
    [file] = write(tmp_path, {"state": changed(("info", "dates"), dates)})
    assert read_situation(file, None).day is None


def places(content: Any, place: Place = ()) -> Iterator[Place]:
    """Every key and item of a state."""
    yield place
    inner = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in inner:
        yield from places(value, (*place, key))


def test_whatever_stands_in_a_state_it_is_read_or_refused(tmp_path: Path) -> None:
    read = 0
    for place in places(STATE):
        for value in (None, "A", -1, [None], {"a": None}, *([...] if place else [])):
            [file] = write(tmp_path, {"state": changed(place, value)})
            try:
                read_situation(file, None)
                read += 1
            except SituationError as error:
                assert str(error).startswith(f"{file}: "), error
    assert read > 10


def test_files_that_are_none(tmp_path: Path) -> None:
    bad, empty, other = write(tmp_path, {"bad": b"{", "empty": b"{}", "odi": match(match_type="ODI")})
    with pytest.raises(SituationError, match="cannot be read"):
        read_situation(bad, None)
    with pytest.raises(SituationError, match=r"empty\.json: info is missing: add it"):
        read_situation(empty, None)
    with pytest.raises(SituationError, match="match_type is ODI"):
        read_situation(other, None)
    [broken] = write(tmp_path, {"broken": match(innings("Albia", [ball(1, wides=1, batter="A1")]))})
    with pytest.raises(SituationError, match="batter_at_both_ends"):
        read_situation(broken, None)
