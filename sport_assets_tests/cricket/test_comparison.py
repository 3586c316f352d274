"""What is said of models beside one another: resolved, unresolved, ties. Losses are made up."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from sport_assets.cricket import comparison
from sport_assets.cricket.comparison import (
    BETTER,
    UNRESOLVED,
    WORSE,
    Candidate,
    Measured,
    Rule,
    choose,
    compare,
    from_table,
    parts,
    table,
)
from sport_assets.cricket.metrics import losses, macro_f1
from sport_assets.cricket.resampling import interval, two_way
from sport_assets_tests.cricket.made_up_models import MATCH, PLAIN, columns, model, odds


def test_sums_say_what_the_balls_say() -> None:
    one, other = odds(0), odds(1, 0.01)
    made = [
        Candidate(n, 1, (Measured.of(PLAIN, each, columns(), MATCH.astype(str)),))
        for n, each in zip("ab", (one, other), strict=True)
    ]
    by_ball = [losses(np.exp(PLAIN.calibration.apply(each)), columns()["outcome"]) for each in (one, other)]
    assert made[0].log_loss == pytest.approx(by_ball[0].mean(), abs=1e-12)
    [found] = compare(made[:1], made[1])
    want = interval(by_ball[0] - by_ball[1], MATCH.astype(str))
    for name in ("value", "low", "high", "p_value"):
        assert getattr(found.difference, name) == pytest.approx(getattr(want, name), abs=1e-9)
    where = parts()["death_1"]
    mask = columns()["phase"] == 3
    assert made[0].only(where).log_loss == pytest.approx(by_ball[0][mask].mean(), abs=1e-12)
    decided = PLAIN.calibration.apply(one).argmax(1)
    figures = made[0].only(where).figures()
    assert figures["macro_f1"] == pytest.approx(macro_f1(decided[mask], columns()["outcome"][mask]))
    assert figures["macro_f1_tuned"] == figures["macro_f1"], "a power of nothing is the plain decision"


def test_seeds_are_resampled_as_well() -> None:
    one, other = model("one", 0.05, seeds=3, spread=0.02), model("other", 0.0, seeds=3, spread=0.02)
    [found] = compare([one], other)
    values = [np.stack([losses(np.exp(PLAIN.calibration.apply(odds(n, skill + t))), columns()["outcome"])
                        for n, t in enumerate(0.02 * np.linspace(-1, 1, 3))]) for skill in (0.05, 0.0)]  # fmt: skip
    want = two_way(values[0], values[1], MATCH)
    assert found.difference.low == pytest.approx(want.low, abs=1e-9)


def test_a_rule_is_kept(tmp_path: Path) -> None:
    folder = tmp_path
    rule = Rule.tuned(odds(3, 0.3), columns()["outcome"])
    rule.save(folder)
    made = Measured.of(rule, odds(4, 0.3), columns(), MATCH.astype(str))
    made.save(folder)
    again, same = Rule.load(folder), Measured.load(folder)
    np.testing.assert_array_equal(again.calibration.scale, rule.calibration.scale)
    assert again.power == rule.power and same.losses.equals(made.losses) and same.decisions.equals(made.decisions)


def test_the_least_log_loss_is_taken_where_it_is_resolved() -> None:
    bigger = model("bigger", 0.2, parameters=900)
    choice = choose([model("small", 0.0, parameters=1), bigger])
    assert choice.chosen.name == "bigger" and [each.verdict for each in choice.compared] == [WORSE]
    assert "every difference from it is resolved" in choice.why
    [against] = compare([bigger], model("small", 0.0))
    assert against.verdict == BETTER


def test_of_unresolved_ones_the_simplest_is_taken() -> None:
    small, big, bad = model("small", 0.0, parameters=1), model("big", 0.0005, parameters=9), model("bad", -0.3)
    choice = choose([big, small, bad])
    assert choice.best.name == "big" and choice.chosen.name == "small"
    assert {each.name: each.verdict for each in choice.compared} == {"small": UNRESOLVED, "bad": WORSE}
    assert "unresolved" in choice.why and "`small` is taken" in choice.why
    same = choose([model("b", 0.0), model("a", 0.0)])
    assert same.chosen.name == "b" and "nothing" not in same.why, "of equals the one with the least loss"
    assert "nothing else was tried" in choose([small]).why


def test_what_is_under_the_resolution_is_unresolved_however_sure_it_is() -> None:
    """The same noise and a hair of skill: the paired interval is narrow and leaves out zero."""
    ids = MATCH.astype(str)
    one, other = (
        Candidate(n, 1, (Measured.of(PLAIN, odds(0, s), columns(), ids),)) for n, s in (("a", 0.001), ("b", 0.0))
    )
    [found] = compare([one], other)
    assert found.difference.resolved and abs(found.difference.value) < comparison.RESOLUTION
    assert found.verdict == UNRESOLVED


def test_several_comparisons_are_corrected_for() -> None:
    """Of many models that are alike, none is called better: p-values are Holm's."""
    many = [Candidate(f"m{n}", 1, (Measured.of(PLAIN, odds(n + 10), columns(), MATCH.astype(str)),)) for n in range(9)]
    found = compare(many, model("full", 0.0))
    assert all(each.p_corrected >= each.difference.p_value for each in found)
    assert {each.verdict for each in found} == {UNRESOLVED}


def test_other_balls_cannot_be_compared() -> None:
    one = model("one", 0.0)
    fewer = Candidate("fewer", 1, (one.seeds[0].only(pl.col("phase") != 3),))
    with pytest.raises(ValueError, match="not measured on the same balls"):
        compare([one], fewer)


def test_a_table_gives_its_candidates_again() -> None:
    found = [model("one", 0.0, seeds=2, spread=0.01), model("other", 0.1)]
    again = from_table(table(found), "one", 100)
    assert again.log_loss == found[0].log_loss and len(again.seeds) == 2
    with pytest.raises(ValueError, match="no model 'third'"):
        from_table(table(found), "third", 1)
