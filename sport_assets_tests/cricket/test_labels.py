"""The outcome of a delivery, by the default rule and by the others."""

import polars as pl
import pytest

from sport_assets.cricket.cricsheet import read_match
from sport_assets.cricket.deliveries import clean_year
from sport_assets.cricket.labels import LABEL_RULES, OUTCOMES, outcome
from sport_assets_tests.cricket.match_files import ONE, ball, data, innings, match

# (delivery, its outcome by the default rule)
CASES = {
    "nothing": (ball(), "dot"),
    "one": (ball(1), "single"),
    "two": (ball(2), "two"),
    "three": (ball(3), "three"),
    "four": (ball(4), "four"),
    "four that were run": (ball(4, non_boundary=True), "four"),
    "five": (ball(5), "four"),
    "six": (ball(6), "six"),
    "seven": (ball(7), "six"),
    "wide": (ball(wides=1), "dot"),
    "five wides": (ball(wides=5), "dot"),
    "no-ball hit for four": (ball(4, noballs=1), "four"),
    "byes": (ball(byes=2), "dot"),
    "four leg byes": (ball(legbyes=4), "dot"),
    "penalty runs": (ball(1, penalty=5), "single"),
    "bowled": (ball(out=[("bowled", "A0")]), "wicket"),
    "run out after two": (ball(2, out=[("run out", "A1")]), "wicket"),
    "stumped off a wide": (ball(wides=1, out=[("stumped", "A0")]), "wicket"),
    "retired out": (ball(out=[("retired out", "A0")]), "wicket"),
    "retired hurt": (ball(out=[("retired hurt", "A0")]), "dot"),
    "retired not out after a single": (ball(1, out=[("retired not out", "A0")]), "single"),
    "out, and the other retired": (ball(out=[("caught", "A0"), ("retired hurt", "A1")]), "wicket"),
    "the other retired, and out": (ball(out=[("retired hurt", "A1"), ("caught", "A0")]), "wicket"),
}


def labelled(rule: str) -> list[str | None]:
    deliveries = [delivery for delivery, _ in CASES.values()]
    overs = [deliveries[start : start + 6] for start in range(0, len(deliveries), 6)]
    content = match(innings(ONE, *overs), outcome={"result": "no result"})
    table = clean_year([read_match("1", data(content))]).deliveries.with_columns(outcome(rule))
    assert table["outcome"].dtype == pl.Int8
    return [None if number is None else OUTCOMES[number] for number in table["outcome"]]


def test_the_batters_outcome_is_the_default() -> None:
    assert dict(zip(CASES, labelled("batter"), strict=True)) == {name: label for name, (_, label) in CASES.items()}


@pytest.mark.parametrize(
    ("rule", "apart"),
    [
        ("without_wides", {"wide", "five wides", "stumped off a wide"}),
        ("legal", {"wide", "five wides", "stumped off a wide", "no-ball hit for four"}),
    ],
)
def test_other_rules_leave_deliveries_without_an_outcome(rule: str, apart: set[str]) -> None:
    found = dict(zip(CASES, labelled(rule), strict=True))
    assert {name for name, label in found.items() if label is None} == apart
    assert all(label == CASES[name][1] for name, label in found.items() if label is not None)


def test_every_rule_is_known_and_no_other() -> None:
    for rule in LABEL_RULES:
        labelled(rule)
    with pytest.raises(ValueError, match="label_rule='foo': choose one of batter, without_wides, legal"):
        outcome("foo")
