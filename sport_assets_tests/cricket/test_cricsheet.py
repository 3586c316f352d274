"""One match file read: every column of each unusual case, and what is said of a file that cannot be used."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from sport_assets.cricket.cricsheet import DELIVERY_COLUMNS, MATCH_COLUMNS, Match, MatchFileError, read_match
from sport_assets_tests.cricket.match_files import IDS, ONE, TWO, ball, data, innings, match


def read(content: dict[str, Any]) -> Match:
    return read_match("77", data(content))


def first(*deliveries: dict[str, Any], **info: Any) -> list[dict[str, Any]]:
    """Rows of a match of one over."""
    columns = read(match(innings(ONE, deliveries), **info)).deliveries
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def test_a_plain_match() -> None:
    found = read(match())
    assert tuple(found.row) == MATCH_COLUMNS and tuple(found.deliveries) == DELIVERY_COLUMNS
    assert found.row == {
        "match_id": "77", "date": "2024-05-01", "season": "2024", "team_a": ONE, "team_b": TWO, "venue": "Old Meadow",
        "city": "Brenn", "event": "A tour", "winner": ONE, "result": None, "method": None, "eliminator": None,
        "by": '{"runs": 3}', "toss_winner": ONE, "toss_decision": "bat", "overs": 20, "bpo": 6, "n_innings": 2,
        "n_super": 0, "gender": "male", "team_type": "international", "data_version": "1.1.0", "missing": None,
    }  # fmt: skip
    assert found.balls == 24
    assert found.deliveries["innings"] == (1,) * 12 + (2,) * 12
    assert found.deliveries["over"] == ((0,) * 6 + (1,) * 6) * 2
    assert found.deliveries["ball_in_over"] == (0, 1, 2, 3, 4, 5) * 4
    assert found.deliveries["target_overs"] == (None,) * 12 + (20.0,) * 12
    assert found.players == {IDS[name] for name in ("A0", "A1", "A10", "B0", "B1", "B10")}


def test_what_a_match_may_lack() -> None:
    info = match(season=2015, missing=["umpires", {"powerplays": {"1": ["mandatory"]}}])
    for name in ("city", "event"):
        del info["info"][name]
    info["info"]["outcome"] = {"result": "no result"}
    row = read(info).row
    assert (row["season"], row["city"], row["event"]) == ("2015", None, None)
    assert row["missing"] == '["umpires", {"powerplays": {"1": ["mandatory"]}}]'
    assert (row["winner"], row["by"], row["result"]) == (None, None, "no result")


def test_a_match_begins_on_its_first_day() -> None:
    assert read(match(dates=["2023-12-31", "2024-01-01"])).row["date"] == "2023-12-31"


def test_super_overs_are_innings_of_their_own() -> None:
    tie = {"result": "tie", "eliminator": TWO}
    over = [innings(team, count=1, super_over=True) for team in (TWO, ONE, ONE, TWO)]
    found = read(match(innings(ONE), innings(TWO), *over, outcome=tie))
    assert (found.row["n_innings"], found.row["n_super"], found.row["eliminator"]) == (6, 4, TWO)
    assert set(zip(found.deliveries["innings"], found.deliveries["super_over"], strict=True)) == {
        (1, False), (2, False), (3, True), (4, True), (5, True), (6, True),
    }  # fmt: skip


def test_a_target_set_by_a_rain_rule_is_told_as_it_stands_in_the_file() -> None:
    rain = {"winner": TWO, "method": "D/L", "by": {"wickets": 9}}
    found = read(match(innings(ONE), innings(TWO, target={"overs": 1.5, "runs": 9}), outcome=rain))
    assert found.row["method"] == "D/L"
    assert set(found.deliveries["target_runs"][12:]) == {9} and set(found.deliveries["target_overs"][12:]) == {1.5}
    assert set(found.deliveries["known_target"][12:]) == {13}


def test_one_innings_or_none() -> None:
    assert read(match(innings(ONE))).row["n_innings"] == 1
    content = match()
    content["innings"] = []
    assert (read(content).balls, read(content).row["n_innings"]) == (0, 0)
    assert read(match(innings(ONE), {"team": TWO})).balls == 12


def test_retired_hurt_and_two_entries_on_a_ball() -> None:
    rows = first(
        ball(out=[("retired hurt", "A0")]),
        ball(batter="A2", out=[("caught", "A2"), ("retired hurt", "A1")]),
        ball(batter="A3", non_striker="A4"),
    )
    said = [tuple(row[name] for name in ("n_wickets", "wicket_kind", "player_out", "wicket_kind2")) for row in rows]
    assert said == [(1, "retired hurt", "A0", None), (2, "caught", "A2", "retired hurt"), (0, None, None, None)]


def test_runs_and_extras() -> None:
    rows = first(
        ball(1, penalty=5), ball(5), ball(7), ball(4, non_boundary=True), ball(wides=5), ball(2, noballs=1),
        ball(byes=4), ball(legbyes=3), ball(6),
    )  # fmt: skip
    names = ("runs_batter", "runs_extras", "runs_total", "wides", "noballs", "byes", "legbyes", "penalty")
    assert [tuple(row[name] for name in names) for row in rows] == [
        (1, 5, 6, 0, 0, 0, 0, 5), (5, 0, 5, 0, 0, 0, 0, 0), (7, 0, 7, 0, 0, 0, 0, 0), (4, 0, 4, 0, 0, 0, 0, 0),
        (0, 5, 5, 5, 0, 0, 0, 0), (2, 1, 3, 0, 1, 0, 0, 0), (0, 4, 4, 0, 0, 4, 0, 0), (0, 3, 3, 0, 0, 0, 3, 0),
        (6, 0, 6, 0, 0, 0, 0, 0),
    ]  # fmt: skip
    assert [row["non_boundary"] for row in rows] == [False] * 3 + [True] + [False] * 5
    assert [row["ball_in_over"] for row in rows] == list(range(9)), "wides and no-balls count"


def test_people_of_one_name_are_told_apart_by_their_file() -> None:
    other = {**IDS, "A0": "deadbeef"}
    assert first(ball())[0]["batter_id"] == IDS["A0"]
    assert first(ball(), registry={"people": other})[0]["batter_id"] == "deadbeef"


def test_a_miscounted_over_is_known_as_such() -> None:
    content = match(innings(ONE, miscounted_overs={"1": {"balls": "7", "umpire": "U"}}), innings(TWO))
    assert read(content).miscounted == {(1, 1)}


def without(*path: Any) -> Callable[[dict[str, Any]], None]:
    def damage(content: dict[str, Any]) -> None:
        place: Any = content
        for name in path[:-1]:
            place = place[name]
        del place[path[-1]]

    return damage


def put(value: Any, *path: Any) -> Callable[[dict[str, Any]], None]:
    def damage(content: dict[str, Any]) -> None:
        place: Any = content
        for name in path[:-1]:
            place = place[name]
        place[path[-1]] = value

    return damage


BALL = ("innings", 1, "overs", 1, "deliveries", 3)
WRONG: dict[str, tuple[Callable[[dict[str, Any]], None], str, str]] = {
    "no innings": (without("innings"), "structure", "innings is missing"),
    "no info": (without("info"), "structure", "it is no match file: it has no info"),
    "no venue": (without("info", "venue"), "structure", "venue is missing"),
    "no winner of the toss": (without("info", "toss", "winner"), "structure", "winner is missing"),
    "no registry": (without("info", "registry"), "structure", "registry is missing"),
    "three teams": (put(["a", "b", "c"], "info", "teams"), "structure", "not of the kind it should be"),
    "no bowler": (without(*BALL, "bowler"), "structure", "innings 2, over 1, ball_in_over 3: bowler is missing"),
    "no runs": (without(*BALL, "runs"), "structure", "innings 2, over 1, ball_in_over 3: runs is missing"),
    "runs of text": (put("4", *BALL, "runs", "batter"), "type", "ball_in_over 3: runs_batter is '4'"),
    "runs missing": (put(None, *BALL, "runs", "batter"), "type", "ball_in_over 3: runs_batter is None"),
    "extras of a list": (put([], *BALL, "extras"), "structure", "ball_in_over 3: something is not of the kind"),
    "a name of a number": (put(7, *BALL, "batter"), "unknown_player", "over 1, ball_in_over 3: 7 is not in"),
    "a stranger": (put("Z", *BALL, "bowler"), "unknown_player", "ball_in_over 3: Z is not in the registry"),
    "a stranger out": (
        put([{"kind": "bowled", "player_out": "Z"}], *BALL, "wickets"),
        "unknown_player",
        "ball_in_over 3: Z is not in the registry",
    ),
    "one-day cricket": (put("ODM", "info", "match_type"), "not_twenty_overs", "its match_type is ODM, not T20 or IT20"),
    "overs of text": (put("20", "info", "overs"), "structure", "overs: '20'"),
    "a date of a number": (put([20240501], "info", "dates"), "structure", "date: 20240501"),
}


@pytest.mark.parametrize("name", WRONG)
def test_an_unusable_file_says_what_and_where(name: str) -> None:
    damage, rule, said = WRONG[name]
    content = match()
    damage(content)
    content = json.loads(json.dumps(content))
    with pytest.raises(MatchFileError, match=said.replace("(", r"\(")) as error:
        read(content)
    assert error.value.rule == rule


@pytest.mark.parametrize(
    ("text", "said", "line"),
    [
        (b"", r"it is cut off \(line 1", 1),
        (json.dumps(match(), indent=1).encode()[:5000], "it is cut off", None),
        (json.dumps(match(), indent=1).encode().replace(b'"venue":', b'"venue"', 1), "it is no JSON .*delimiter", None),
        (json.dumps(match(), indent=1).encode().replace(b"Old", b"\xff", 1), "it is not UTF-8", None),
        (b"[1, 2]", "it is no match file", 0),
        (b"\x1f\x8b\x08\x00", "not UTF-8|no JSON|cut off", 1),
    ],
)
def test_a_file_that_cannot_be_read_says_the_line(text: bytes, said: str, line: int | None) -> None:
    with pytest.raises(MatchFileError, match=said) as error:
        read_match("77", text)
    found = error.value.line or 0
    assert found > 1 if line is None else found == line
