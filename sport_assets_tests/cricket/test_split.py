"""The split by date: whole matches, nothing of the future in train, and a check that notices every breach."""

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from sport_assets.cricket.split import SIDES, Split, SplitError, identifiers, leakage_check, make_split

DATES = [f"{year}-{month:02d}-{day:02d}" for year in (2023, 2024, 2025) for month in (1, 6, 7, 12) for day in (1, 31)
         if (month, day) != (6, 31)]  # fmt: skip
MATCHES = pl.DataFrame(
    [(f"{number}{part}", day) for number, day in enumerate(DATES) for part in "ab"],
    schema=["match_id", "date"],
    orient="row",
)


@pytest.fixture
def made() -> Split:
    return make_split(MATCHES, folds=["2023-06-01", "2024-01-31"])


def test_every_match_is_on_the_side_of_its_date(made: Split) -> None:
    assert sum(len(made.side(side)) for side in SIDES) == len(MATCHES)
    day = made.dates
    assert max(day[match] for match in made.train) < "2024-07-01" <= min(day[match] for match in made.valid)
    assert max(day[match] for match in made.valid) < "2025-01-01" <= min(day[match] for match in made.test)
    assert made.years("train", "valid") == ["2023", "2024"] and made.years("test") == ["2025"]
    assert leakage_check(made).passed


def test_rolling_origins_train_on_what_came_before(made: Split) -> None:
    (train, valid), (more, later) = made.folds
    assert set(more) == set(train) | set(valid) and not set(later) & set(more)
    assert set(more) | set(later) == set(made.train) | set(made.valid)
    assert min(made.dates[match] for match in later) == "2024-01-31"


def test_the_file_says_the_same(made: Split, tmp_path: Path) -> None:
    made.save(tmp_path / "split.json")
    assert Split.load(tmp_path / "split.json") == made
    (tmp_path / "other.json").write_text('{"version": 0}')
    with pytest.raises(SplitError, match="make it again"):
        Split.load(tmp_path / "other.json")
    names = {(each.columns, each.side) for each in identifiers(made).identifiers()}
    assert (("match_id",), "valid fold:1") in names and (("match_id",), "test") in names
    shuffled = MATCHES.sample(fraction=1.0, shuffle=True, seed=1)
    assert make_split(shuffled, folds=["2023-06-01", "2024-01-31"]) == made


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"valid_from": "2024-7-1"}, "is not a date"),
        ({"valid_from": "2025-06-01"}, "must be before test_from"),
        ({"test_from": "2030-01-01"}, r"no match is on the side test .* of 2023-01-01 to 2025-12-31"),
        ({"folds": ["2024-01-01", "2023-06-01"]}, "must be ascending"),
        ({"folds": ["2026-01-01"]}, "must be ascending dates before"),
        ({"folds": ["2023-01-01"]}, "no matches to train"),
    ],
)
def test_a_split_that_cannot_be_made_says_why(settings: dict[str, object], says: str) -> None:
    with pytest.raises(SplitError, match=says):
        make_split(MATCHES, **settings)  # type: ignore[arg-type]


def test_every_breach_is_noticed(made: Split) -> None:
    first, last = made.train[0], made.test[-1]
    breaches = {
        "match_on_two_sides": replace(made, test=(*made.test, first)),
        "match_before_what_it_follows": replace(made, train=made.train[1:], test=(*made.test, first)),
        "empty_side": replace(made, valid=()),
        "match_twice_on_one_side": replace(made, valid=(*made.valid, made.valid[0])),
        "test_match_in_a_fold": replace(made, folds=((made.train, (last,)),)),
        "match_out_of_place_in_a_fold": replace(
            made, dates={**made.dates, "x": "2025-01-01"}, folds=((made.train, ("x",)),)
        ),
    }
    for rule, split in breaches.items():
        found = leakage_check(split)
        assert not found.passed and found.blocking and rule in found.rules, rule
    assert "match_used_on_another_side" in leakage_check(made, {"train": [last]}).rules
    assert leakage_check(made, {"train": [first], "test": [last]}).passed
