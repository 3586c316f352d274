"""The split by game: stable, complete, and never with a game on two sides."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from sport_assets.nfl.split import Fold, Split, SplitError, folds, leakage_check, make_split, place


def games(count: int, season: int = 2023, per_week: int = 16) -> pl.DataFrame:
    rows = [(season * 1_000_000 + 900_00 + index, season, index // per_week + 1, 50) for index in range(count)]
    return pl.DataFrame(rows, schema=["game_id", "season", "week", "plays"], orient="row")


def test_every_game_is_on_exactly_one_side() -> None:
    split = make_split(games(272))
    assert sorted(split.train + split.valid + split.test) == games(272)["game_id"].to_list()
    assert leakage_check(split, games(272)).passed
    assert 150 < len(split.train) < 230
    assert 20 < len(split.valid) < 65
    assert 20 < len(split.test) < 65


def test_games_keep_their_side_when_others_come_and_whatever_their_order() -> None:
    few, many = make_split(games(100)), make_split(games(272).reverse())
    for side in ("train", "valid", "test"):
        assert set(few.side(side)) == set(many.side(side)) & set(games(100)["game_id"])


def test_another_salt_gives_another_split() -> None:
    assert make_split(games(100)).test != make_split(games(100), salt="other").test


def test_a_games_place_never_changes() -> None:
    # SHA-256 of "sport_assets/nfl:2023090700": a change here would move every game of every user.
    assert place(2023090700) == pytest.approx(0.38796707915755557, abs=1e-12)


@pytest.mark.parametrize("count", range(3, 12))
@pytest.mark.parametrize("salt", ["a", "b", "c", "d"])
def test_few_games_leave_no_side_empty(count: int, salt: str) -> None:
    split = make_split(games(count), salt=salt)
    assert leakage_check(split, games(count)).passed
    assert all(split.side(side) for side in ("train", "valid", "test"))


def test_too_few_games_say_so() -> None:
    with pytest.raises(SplitError, match="2 games cannot be split"):
        make_split(games(2))


def test_weeks() -> None:
    split = make_split(games(64), "weeks", valid=[3], test=["2023-w04"])
    table = games(64)
    assert set(split.valid) == set(table.filter(pl.col("week") == 3)["game_id"])
    assert set(split.test) == set(table.filter(pl.col("week") == 4)["game_id"])
    assert len(split.train) == 32


def test_seasons() -> None:
    table = pl.concat([games(20, 2021), games(20, 2022), games(20, 2023)])
    split = make_split(table, "seasons", valid=[2022], test=["2023"])
    assert set(split.train) == set(games(20, 2021)["game_id"])
    assert set(split.test) == set(games(20, 2023)["game_id"])


@pytest.mark.parametrize(
    ("valid", "test", "message"),
    [
        ([], [4], "needs the weeks of the side valid"),
        ([9], [4], "names none of the games"),
        ([3], [3], "valid and test at once"),
        ([1, 2], [3, 4], "no game is left to train"),
        (["third"], [4], "is not a week"),
    ],
)
def test_wrong_weeks_are_refused(valid: list[object], test: list[object], message: str) -> None:
    with pytest.raises(SplitError, match=message):
        make_split(games(64), "weeks", valid=valid, test=test)


def test_an_unknown_method_is_refused() -> None:
    with pytest.raises(SplitError, match="not a way to split"):
        make_split(games(20), "plays")  # type: ignore[arg-type]


def test_folds_hold_every_game_out_once() -> None:
    ids = games(23)["game_id"].to_list()
    parts = folds(ids, 5)
    assert sorted(game for _, valid in parts for game in valid) == ids
    for train, valid in parts:
        assert not set(train) & set(valid)
        assert sorted(train + valid) == ids
    assert {len(valid) for _, valid in parts} == {4, 5}
    assert parts == folds(reversed(ids), 5)
    with pytest.raises(SplitError, match="fewer folds"):
        folds(ids[:3], 4)


def test_the_folds_of_a_split_hold_out_every_game_and_those_for_tuning_no_test_game() -> None:
    split = make_split(games(40), k=4)
    learning, everything = sorted(split.train + split.valid), games(40)["game_id"].to_list()
    for parts, dealt in ((split.folds, everything), (split.tuning_folds, learning)):
        assert len(parts) == 4
        assert sorted(game for _, valid in parts for game in valid) == dealt
        assert all(sorted(train + valid) == dealt for train, valid in parts)
    few = make_split(games(3))
    assert (len(few.folds), len(few.tuning_folds)) == (3, 2) and few.settings["folds"] == 5
    with pytest.raises(SplitError, match="at least 2"):
        make_split(games(40), k=1)


ALL_HELD_OUT = (((2, 3), (1,)), ((1, 3), (2,)), ((1, 2), (3,)))


@pytest.mark.parametrize(
    ("folds_", "tuning", "rules"),
    [
        (ALL_HELD_OUT, (((1,), (2,)), ((2,), (1,))), {}),
        (((1, 2, 3), (1,)), (), {"game_on_two_sides_of_a_fold": 1}),
        (((2, 9), (1,)), (), {"game_out_of_place_in_a_fold": 1}),
        (((2,), (3,)), (), {"game_not_held_out_once_by_a_fold": 2}),
        (ALL_HELD_OUT, (((1, 2), (2,)), ((2,), (1,))), {"game_on_two_sides_of_a_tuning_fold": 1}),
        (ALL_HELD_OUT, (((1,), (2,)), ((2, 3), (1,))), {"game_out_of_place_in_a_tuning_fold": 1}),
        (ALL_HELD_OUT, (((1,), (2,)),), {"game_not_held_out_once_by_a_tuning_fold": 1}),
    ],
)
def test_leakage_in_folds_is_found(folds_: tuple[Any, ...], tuning: tuple[Fold, ...], rules: dict[str, int]) -> None:
    if folds_ is not ALL_HELD_OUT:  # one damaged fold among sound ones
        folds_ = (folds_, *ALL_HELD_OUT[1:])
    split = Split("hash", train=(1,), valid=(2,), test=(3,), folds=folds_, tuning_folds=tuning)
    result = leakage_check(split)
    assert result.rules == rules
    assert result.passed is not bool(rules)


def test_the_first_weeks_are_as_few_as_can_train_and_validate() -> None:
    weeks = {"2023-w01": (1, 9), "2023-w02": (2,), "2023-w03": (3,)}
    split = Split("hash", train=(1, 3), valid=(2,), test=(9,), weeks=weeks)
    assert split.first_weeks(["2023-w03", "2023-w02", "2023-w01"]) == ["2023-w01", "2023-w02"]
    assert split.first_weeks(["2023-w02", "2023-w03"]) == ["2023-w02", "2023-w03"]
    with pytest.raises(SplitError, match="no games to train and to validate in the weeks 2023-w01"):
        split.first_weeks(["2023-w01"])


def test_file_round_trip_and_same_bytes(tmp_path: Path) -> None:
    make_split(games(40)).save(tmp_path / "a.json")
    make_split(games(40).reverse()).save(tmp_path / "b.json")
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert Split.load(tmp_path / "a.json") == make_split(games(40))
    assert list(make_split(games(40)).weeks) == ["2023-w01", "2023-w02", "2023-w03"]


def test_leakage_is_found_and_named() -> None:
    result = leakage_check(Split("hash", train=(1, 2, 3), valid=(3, 4), test=(4,)))
    assert not result.passed
    assert result.blocking
    assert result.rules == {"game_on_two_sides": 2}
    assert {row["game_id"] for row in result.sample} == {3, 4}


def test_an_empty_side_and_a_game_on_no_side_are_found() -> None:
    result = leakage_check(Split("hash", train=(1,), valid=(2,), test=()), pl.DataFrame({"game_id": [1, 2, 9]}))
    assert result.rules == {"empty_side": 1, "game_on_no_side": 1}


def test_plays_used_on_another_side_are_found() -> None:
    split = Split("hash", train=(1,), valid=(2,), test=(3,))
    used = {"train": pl.DataFrame({"game_id": [1, 3]}), "test": pl.DataFrame({"game_id": [3]})}
    result = leakage_check(split, used)
    assert result.rules == {"game_used_on_another_side": 1}
    assert result.sample[0] == {"rule": "game_used_on_another_side", "game_id": 3, "side": "train"}
