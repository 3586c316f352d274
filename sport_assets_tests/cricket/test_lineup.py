"""Who is expected to come in, and to bowl: from earlier matches alone."""

from __future__ import annotations

import polars as pl
import pytest

from sport_assets.cricket.history import NAMES, NUMBERS, Situations
from sport_assets.cricket.lineup import PLACE_UNKNOWN, attack, batting_order, expected_places

DAY = 1000


def past(*innings: tuple[int, str, str]) -> Situations:
    """Of (day, batters in the order in which they came in, bowler): a ball for each pair, a wicket between them."""
    balls = [
        {
            "day": day,
            "second_innings": 0,
            "over": wickets,
            "wickets": wickets,
            "phase": 0,
            "outcome": 0,
            "striker": batters[wickets + 1],
            "non_striker": batters[wickets],
            "bowler": bowler,
            "batting_team": "Albia",
            "bowling_team": "Brennia",
            "venue": "",
        }
        for day, batters, bowler in innings
        for wickets in range(len(batters) - 1)
    ]
    types: dict[str, pl.DataType] = {
        **dict.fromkeys((*NUMBERS, "outcome"), pl.Int32()),
        **dict.fromkeys(NAMES, pl.String()),
    }
    return Situations(pl.DataFrame(balls, schema=types).cast(dict.fromkeys(NAMES, pl.Categorical)))


def test_batters_come_in_where_they_have_come_in_before() -> None:
    before = past((900, "abcd", "x"), (950, "abdc", "x"))
    order = batting_order(before, DAY, (), "dcba")
    assert order[:4] == ("a", "b", "d", "c"), "the later innings counts for more"
    assert batting_order(before, DAY, (), "abcd") == order and len(order) == 11
    assert batting_order(before, DAY, "dc", "abcd")[:4] == ("d", "c", "a", "b")


def test_a_place_is_a_mean_of_innings_before_the_day() -> None:
    before = past((900, "abc", "x"), (DAY, "cba", "x"), (DAY + 1, "cba", "x"))
    places = expected_places(before, DAY, ["a", "b", "c", "new"])
    assert places["a"] == places["b"] < places["c"] < places["new"] == PLACE_UNKNOWN
    many = past(*((999 - number, "abc", "x") for number in range(40)))
    assert expected_places(many, DAY, ["c"])["c"] == pytest.approx(1, abs=0.1)


def test_who_has_no_place_comes_between_by_id() -> None:
    before = past(*((999 - number, "abcdefghijk", "x") for number in range(5)))
    assert batting_order(before, DAY, (), ["z", "k", "y", "a", "h"])[:5] == ("a", "h", "y", "z", "k")
    assert batting_order(past(), DAY, (), ["z", "k", "y"])[:4] == ("k", "y", "z", "unknown batter 1")


def test_bowlers_are_those_on_record_then_those_who_bat_last() -> None:
    before = past((990, "abcdefghij", "k"), (991, "abcdefghij", "j"), (992, "abcdefghij", "k"))
    for eleven in ("abcdefghijk", "kjihgfedcba"):
        bowlers, _ = attack(before, DAY, (), eleven, 20)
        assert bowlers == ("k", "j", "i", "h", "g", "f")
    assert attack(before, DAY, ("a",), "abcdefghijk", 20, ("b",))[0] == ("a", "b", "k", "j", "i", "h")
