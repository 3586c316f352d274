"""What is known of an innings before a ball: overs, target and phase, and never what was set later."""

from collections import Counter
from typing import Any

import pytest

from sport_assets.cricket.cricsheet import read_match
from sport_assets.cricket.phases import PHASES, Length, most_overs_of, phase
from sport_assets_tests.cricket.match_files import ONE, TWO, ball, data, innings, match


def known(content: dict[str, Any], number: int, name: str) -> list[Any]:
    """Values of a column by over of an innings."""
    columns = read_match("1", data(content)).deliveries
    rows = zip(columns["innings"], columns["over"], columns[name], strict=True)
    return [value for _, value in sorted({over: value for innings, over, value in rows if innings == number}.items())]


def test_phases_are_those_of_the_over() -> None:
    assert [PHASES[phase(over, 20)] for over in range(20)] == (
        ["powerplay"] * 6 + ["middle_1"] * 5 + ["middle_2"] * 5 + ["death_1"] * 2 + ["death_2"] * 2
    )


@pytest.mark.parametrize(
    ("overs", "lengths"), [(20, (6, 5, 5, 2, 2)), (10, (3, 3, 2, 1, 1)), (5, (2, 1, 1, 1, 0)), (16, (5, 4, 4, 2, 1))]
)
def test_a_shorter_innings_has_the_same_shares(overs: int, lengths: tuple[int, ...]) -> None:
    found = Counter(phase(over, overs) for over in range(overs))
    assert tuple(found[number] for number in range(5)) == lengths
    assert phase(overs + 3, overs) == 4, "an over more than was known to come is the last phase"


def test_a_phase_does_not_depend_on_the_number_of_deliveries() -> None:
    wides = [ball(wides=1) for _ in range(8)] + [ball() for _ in range(6)]
    content = match(innings(ONE, *[wides] * 7), outcome={"result": "no result"})
    assert known(content, 1, "phase") == [0] * 6 + [1]


def test_the_longest_innings_of_a_powerplay() -> None:
    assert [most_overs_of(overs) for overs in (1, 2, 3, 4, 5, 6, 7)] == [4, 8, 11, 14, 18, 20, 20]


def test_a_shortened_innings_is_known_once_its_powerplay_has_ended() -> None:
    content = match(innings(ONE, count=9, powerplay=2.6), innings(TWO, count=9, powerplay=2.7))
    assert known(content, 1, "known_overs") == [20] * 3 + [11] * 6
    assert known(content, 2, "known_overs") == [9] * 9, "the second innings may not outlast the first"
    assert known(content, 1, "phase")[:5] == [0, 0, 0, 1, 1]


def test_no_over_after_the_powerplay_is_of_the_powerplay() -> None:
    length = Length(20, powerplay_overs=5)
    assert [length.phase(over) for over in (4, 5)] == [0, 1], "though over 5 of 18 would be one"


def test_an_innings_in_which_all_were_out_says_nothing_of_the_next() -> None:
    out = [[ball(batter=f"A{n}", non_striker="A10", out=[("bowled", f"A{n}")]) for n in range(6)],
           [ball(batter=f"A{n}", non_striker="A10", out=[("bowled", f"A{n}")]) for n in range(6, 10)]]  # fmt: skip
    assert known(match(innings(ONE, *out), innings(TWO)), 2, "known_overs") == [20, 20]
    nine = [out[0], out[1][:3]]
    assert known(match(innings(ONE, *nine), innings(TWO)), 2, "known_overs") == [2, 2]
    assert known(match(innings(ONE, *nine, absent_hurt=["A9"]), innings(TWO)), 2, "known_overs") == [20, 20]
    ten_men = {ONE: [f"A{n}" for n in range(10)], TWO: [f"B{n}" for n in range(11)]}
    assert known(match(innings(ONE, *nine), innings(TWO), players=ten_men), 2, "known_overs") == [20, 20]
    hurt = [*nine[:1], [*nine[1], ball(batter="A9", non_striker="A10", out=[("retired hurt", "A9")])]]
    assert known(match(innings(ONE, *hurt), innings(TWO)), 2, "known_overs") == [20, 20]


def test_fifty_overs_of_twenty_over_cricket_are_twenty() -> None:
    assert known(match(overs=50), 1, "known_overs") == [20, 20]


def test_the_target_is_one_more_than_the_first_innings_made_whatever_was_set_later() -> None:
    for target in ({"overs": 1.3, "runs": 7}, {"overs": 20, "runs": 99}, None):
        second = innings(TWO) if target is None else innings(TWO, target=target)
        content = match(innings(ONE), second)
        assert known(content, 2, "known_target") == [13, 13]
        assert known(content, 1, "known_target") == [None, None]
        assert known(content, 2, "target_runs") == ([target["runs"]] * 2 if target else [None, None])


def test_penalty_runs_count_once_they_are_known() -> None:
    first = innings(ONE, penalty_runs={"pre": 5, "post": 5})
    assert known(match(first, innings(TWO)), 2, "known_target") == [18, 18], "after the innings may be in the next"


def test_super_overs_chase_nothing_that_is_known_here() -> None:
    content = match(innings(ONE), innings(TWO), innings(TWO, count=1, super_over=True))
    assert known(content, 3, "known_target") == [None] and known(content, 3, "known_overs") == [1]


def test_changing_what_comes_later_changes_nothing_that_was_known() -> None:
    whole = match(innings(ONE, count=20), innings(TWO, count=20))
    columns = read_match("1", data(whole)).deliveries
    for cut in range(1, 20):
        short = match(innings(ONE, count=20), innings(TWO, count=cut, powerplay=min(cut - 1, 5) + 0.6))
        others = read_match("1", data(short)).deliveries
        for name in ("phase", "known_overs", "known_target"):
            assert others[name] == columns[name][: len(others[name])], (cut, name)
