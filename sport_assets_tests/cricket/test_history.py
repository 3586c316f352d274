"""Rates from earlier dates: as counted slowly, blind to the same day and to what comes later."""

import numpy as np
import polars as pl
import pytest

from sport_assets.cricket.history import (
    EXTRA_EVENTS,
    HALF_LIFE_DAYS,
    KNOWN_SCALE,
    STRENGTH,
    Situations,
    balls_known,
    rates,
)
from sport_assets.cricket.innings import Innings
from sport_assets.cricket.nodes import HISTORY_FEATURES
from sport_assets_tests.cricket.several_matches import innings


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Innings:
    return innings(tmp_path_factory.mktemp("matches"), matches=16)


@pytest.fixture(scope="module")
def past(made: Innings) -> Situations:
    return Situations.of(made)


@pytest.fixture(scope="module")
def found(past: Situations) -> np.ndarray:
    return rates(past)


def slowly(rows: pl.DataFrame) -> np.ndarray:
    """The same, ball by ball from the definition."""
    balls = rows.to_dicts()
    day, outcome = rows["day"].to_numpy(), rows["outcome"].to_numpy()
    observed = np.eye(7)[np.maximum(outcome, 0)] * (outcome >= 0)[:, None]

    def level(key: list[object], asked: list[object] | None, *values: np.ndarray) -> list[np.ndarray]:
        _, codes = np.unique(np.array([str(each) for each in [*key, *(asked or key)]]), return_inverse=True)
        own, wanted = codes[: len(key)], codes[len(key) :]
        sums = [np.zeros((len(balls), 7)) for _ in values]
        for number in range(len(balls)):
            seen = (own == wanted[number]) & (day < day[number])
            weight = 0.5 ** ((day[number] - day[seen]) / HALF_LIFE_DAYS)
            for total, value in zip(sums, values, strict=True):
                total[number] = (value[seen] * weight[:, None]).sum(0)
        return sums

    def lift(
        kind: str, key: list[object], expected: np.ndarray, asked: list[object] | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        told = expected * (outcome >= 0)[:, None]
        seen, due = level(key, asked, observed, told)
        start = STRENGTH[kind] * expected + EXTRA_EVENTS
        ratio = (seen + start) / (due + start)
        known = np.log1p(seen.sum(1)) / KNOWN_SCALE
        product = expected * ratio
        return np.column_stack([np.log(ratio), known]), product / product.sum(1, keepdims=True)

    def of(*names: str) -> list[object]:
        return [tuple(each[name] for name in names) for each in balls]

    base = np.full((len(balls), 7), 1 / 7)
    for kind, names in (("all", ()), ("over", ("over",)), ("cell", ("over", "second_innings", "wickets"))):
        [seen] = level(of(*names), None, observed)
        base = (seen + STRENGTH[kind] * base) / (seen.sum(1, keepdims=True) + STRENGTH[kind])
    batting, with_batting = lift("batting_team", of("batting_team"), base)
    bowling, with_bowling = lift("bowling_team", of("bowling_team"), base)
    venue, _ = lift("venue", of("venue"), base)
    batter, with_batter = lift("batter", of("striker"), with_batting)
    other, _ = lift("batter", of("striker"), with_batting, of("non_striker"))
    bowler, with_bowler = lift("bowler", of("bowler"), with_bowling)
    batter_phase, _ = lift("batter_phase", of("striker", "phase"), with_batter)
    bowler_phase, _ = lift("bowler_phase", of("bowler", "phase"), with_bowler)
    both = with_batter * with_bowler / base
    matchup, _ = lift("matchup", of("striker", "bowler"), both / both.sum(1, keepdims=True))
    return np.hstack(
        [np.log(base), batting, bowling, venue, batter, bowler, batter_phase, bowler_phase, other, matchup]
    )


def test_all_rates_as_counted_slowly(past: Situations, found: np.ndarray) -> None:
    assert found.shape == (len(past), len(HISTORY_FEATURES)) and np.isfinite(found).all()
    some = past.rows.with_columns(
        outcome=pl.when(pl.int_range(pl.len()) % 17 == 0).then(-1).otherwise("outcome").cast(pl.Int32)
    )
    np.testing.assert_allclose(rates(Situations(some)), slowly(some), atol=2e-5)
    np.testing.assert_allclose(found, slowly(past.rows), atol=2e-5)


def test_rates_sum_to_one_and_the_unknown_has_no_lift(past: Situations, found: np.ndarray) -> None:
    np.testing.assert_allclose(np.exp(found[:, :7]).sum(1), 1, rtol=1e-5)
    first = past.rows["day"].to_numpy() == past.rows["day"].min()
    assert first.any() and not found[first][:, 7:].any()
    np.testing.assert_allclose(np.exp(found[first][:, :7]), 1 / 7, rtol=1e-6)
    stranger = past.rows.tail(1).with_columns(striker=pl.lit("ffffffff"), day=pl.col("day") + 1)
    told = dict(zip(HISTORY_FEATURES, rates(past, Situations(stranger))[0], strict=True))
    for kind in ("batter", "batter_phase", "matchup"):
        assert told[f"{kind}_known"] == 0 and told[f"{kind}_lift_six"] == 0
    assert told["bowler_known"] > 0 and told["batting_team_lift_six"] != 0


@pytest.mark.parametrize("number", range(3))
def test_the_same_day_and_later_ones_are_not_seen(past: Situations, found: np.ndarray, number: int) -> None:
    days = past.rows["day"].unique().sort().to_list()
    day = days[len(days) * (number + 1) // 4]
    shuffled = pl.col("outcome").shuffle(seed=number)
    altered = past.rows.with_columns(outcome=pl.when(pl.col("day") >= day).then(shuffled).otherwise("outcome"))
    until = (past.rows["day"] <= day).to_numpy()
    other = rates(Situations(altered))
    np.testing.assert_allclose(other[until], found[until], atol=1e-6)
    assert not np.allclose(other[~until], found[~until])
    gone = rates(past.before(day), Situations(past.rows.filter(pl.col("day") == day)))
    np.testing.assert_allclose(gone, found[(past.rows["day"] == day).to_numpy()], atol=1e-6)


def test_asking_does_not_change_what_is_known(past: Situations, found: np.ndarray) -> None:
    wrong = past.rows.with_columns(outcome=pl.lit(6, dtype=pl.Int32))
    np.testing.assert_allclose(rates(past, Situations(wrong)), found, atol=1e-6)


def test_what_a_model_ships_says_the_same(past: Situations, found: np.ndarray) -> None:
    data = past.to_bytes()
    assert data == past.to_bytes()
    np.testing.assert_array_equal(rates(Situations.from_bytes(data)), found)


def test_nothing_of_the_past(past: Situations) -> None:
    nothing = Situations(past.rows.head(0))
    assert rates(nothing).shape == (0, len(HISTORY_FEATURES))
    told = rates(nothing, Situations(past.rows.head(5)))
    assert told.shape[0] == 5 and not told[:, 7:].any()


def test_how_much_is_known_of_a_batter(past: Situations, found: np.ndarray) -> None:
    known = balls_known(found)
    rows = past.rows.with_columns(pl.col("striker").cast(pl.String))
    ball = int(known.argmax())
    one = rows.row(ball, named=True)
    seen = rows.filter((pl.col("striker") == one["striker"]) & (pl.col("day") < one["day"]))
    ages = one["day"] - seen["day"].to_numpy()
    assert known[ball] == pytest.approx((0.5 ** (ages / HALF_LIFE_DAYS)).sum(), rel=1e-4)


def test_of_no_innings() -> None:
    assert len(Situations.of(Innings.join([]))) == 0
