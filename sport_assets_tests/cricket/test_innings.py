"""Arrays of innings: the same as counted ball by ball, nothing from the ball or after it, and sound files."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from sport_assets.cricket import innings_state
from sport_assets.cricket.grounds import ground_name
from sport_assets.cricket.innings import AFTER, BEFORE, COLUMNS, Innings, InningsFileError
from sport_assets.cricket.labels import OUTCOMES
from sport_assets_tests.cricket.several_matches import arrays_equal, at, slow_state, tables

CODES = {"striker": "batter_id", "non_striker": "non_striker_id", "bowler": "bowler_id"}


@pytest.fixture(scope="module")
def made_of(tmp_path_factory: pytest.TempPathFactory) -> tuple[pl.DataFrame, pl.DataFrame]:
    return tables(tmp_path_factory.mktemp("matches"), matches=30)


@pytest.fixture(scope="module")
def made(made_of: tuple[pl.DataFrame, pl.DataFrame]) -> Innings:
    return innings_state.build(*made_of)


def check_slowly(deliveries: pl.DataFrame, made: Innings, chosen: pl.DataFrame) -> None:
    """Every value known before each ball of the ``chosen`` rows of the table of innings."""
    for row in chosen.to_dicts():
        rows = deliveries.filter((pl.col("match_id") == row["match_id"]) & (pl.col("innings") == row["innings"]))
        balls = slice(row["start"], row["start"] + row["length"])
        expected = slow_state(rows.to_dicts())
        assert set(expected[0]) | set(CODES) == set(BEFORE)
        for name in expected[0]:
            assert made.balls[name][balls].tolist() == [each[name] for each in expected], (row, name)
        for name, column in CODES.items():
            assert [made.players[number] for number in made.balls[name][balls]] == rows[column].to_list()


def test_every_value_as_counted_ball_by_ball(made_of: tuple[pl.DataFrame, pl.DataFrame], made: Innings) -> None:
    check_slowly(made_of[0], made, made.table.sample(25, seed=1))


def test_results_and_places(made_of: tuple[pl.DataFrame, pl.DataFrame], made: Innings) -> None:
    deliveries, matches = made_of
    played = deliveries.filter(~pl.col("super_over"))
    assert deliveries["super_over"].any() and len(made) == len(played)
    for name in ("outcome", "runs_total", "runs_batter", "wides", "noballs", "over", "ball_in_over"):
        assert made.balls[name].tolist() == played[name].to_list(), name
    about = made.table.join(matches, on="match_id", suffix="_of_match")
    grounds = [ground_name(venue, city) for venue, city in about.select("venue_of_match", "city").iter_rows()]
    assert about["venue"].to_list() == grounds and grounds != about["venue_of_match"].to_list()
    for row in about.to_dicts():
        assert {row["batting_team"], row["bowling_team"]} == {row["team_a"], row["team_b"]}
    last = made.table["start"] + made.table["length"] - 1
    runs = made.balls["runs"][last] + made.balls["runs_total"][last]
    assert runs.tolist() == made.table["runs"].to_list()
    assert [made.venues[number] for number in made.balls["venue"][last]] == made.table["venue"].to_list()
    assert [made.teams[number] for number in made.balls["bowling_team"][last]] == made.table["bowling_team"].to_list()


@pytest.mark.parametrize("number", range(4))
def test_what_comes_later_changes_nothing_before(
    made_of: tuple[pl.DataFrame, pl.DataFrame], made: Innings, number: int
) -> None:
    deliveries, matches = made_of
    rng = np.random.default_rng(number)
    row = made.table.filter(pl.col("length") > 30).sample(1, seed=number).to_dicts()[0]
    place = at(made, row["match_id"], row["innings"])
    ball = int(rng.integers(1, row["length"]))
    index = deliveries.with_row_index().filter(
        (pl.col("match_id") == row["match_id"]) & (pl.col("innings") == row["innings"])
    )["index"]
    results = ["runs_batter", "runs_total", "wides", "noballs", "wicket_kind", "outcome"]
    later = pl.int_range(pl.len()).is_between(index[ball], index[-1])
    target = (pl.col("match_id") == row["match_id"]) & (pl.col("innings") == row["innings"])
    altered = deliveries.with_columns(
        *(
            pl.when(later).then(pl.col(name).shuffle(seed=number)).otherwise(pl.col(name)).alias(name)
            for name in results
        ),
        # a target set anew, whenever: the file says it of every ball of the innings
        target_runs=pl.when(target).then(7).otherwise("target_runs"),
        target_overs=pl.when(target).then(3.0).otherwise("target_overs"),
    )
    after = slice(place.start, place.start + ball)
    other = innings_state.build(altered, matches)
    arrays_equal(made, other, list(BEFORE), slice(place.start, place.start + ball + 1))
    arrays_equal(made, other, list(AFTER), after)
    assert any((made.balls[name][place] != other.balls[name][place]).any() for name in AFTER)


def test_balls_without_an_outcome(made_of: tuple[pl.DataFrame, pl.DataFrame]) -> None:
    deliveries, matches = made_of
    legal = deliveries.with_columns(
        outcome=pl.when((pl.col("wides") > 0) | (pl.col("noballs") > 0)).then(None).otherwise("outcome")
    )
    other = innings_state.build(legal, matches)
    assert ((other.balls["outcome"] == -1) == (other.balls["is_legal"] == 0)).all()


def test_files_join_and_choice(made: Innings, tmp_path: Path) -> None:
    ids = made.match_ids
    first, second = made.select(ids[:10]), made.select(ids[10:])
    for number, part in enumerate((first, second)):
        (tmp_path / str(number)).mkdir()
        part.save(tmp_path / str(number))
    again = tmp_path / "again"
    again.mkdir()
    first.save(again)
    for path in again.iterdir():
        assert path.read_bytes() == (tmp_path / "0" / path.name).read_bytes()
    joined = Innings.join([Innings.load(tmp_path / "0"), Innings.load(tmp_path / "1")])
    assert joined.table.equals(made.table) and joined.players == made.players
    for name in COLUMNS:
        np.testing.assert_array_equal(joined.balls[name], made.balls[name], name)
    with pytest.raises(InningsFileError, match="is in two of the sets"):
        Innings.join([first, made])
    assert len(Innings.join([])) == 0


def test_players_have_new_numbers_when_sets_are_joined(made: Innings) -> None:
    ids = made.match_ids
    names = sorted(set(made.players) | {"00000000"})
    numbers = np.searchsorted(names, made.players).astype(np.int32)
    codes = {name: numbers[made.balls[name]] for name in CODES}
    shifted = Innings(made.table, {**made.balls, **codes}, tuple(names), made.teams, made.venues)
    joined = Innings.join([made.select(ids[:5]), shifted.select(ids[5:])])
    for name in CODES:
        found = [joined.players[number] for number in joined.balls[name]]
        assert found == [made.players[number] for number in made.balls[name]]


def test_a_file_of_another_layout_is_refused(made: Innings, tmp_path: Path) -> None:
    balls = {name: values for name, values in made.balls.items() if name != "target"}
    Innings(made.table, balls, made.players, made.teams, made.venues).save(tmp_path)
    with pytest.raises(InningsFileError, match="make them again with `sport-assets build cricket/innings`"):
        Innings.load(tmp_path)


def test_the_assets_files_and_checks(made_of: tuple[pl.DataFrame, pl.DataFrame], tmp_path: Path) -> None:
    deliveries, matches = made_of
    deliveries.write_parquet(tmp_path / "deliveries.parquet")
    matches.write_parquet(tmp_path / "matches.parquet")
    report = innings_state.write_innings(tmp_path, tmp_path)
    assert all(check.passed for check in report.checks) and len(report.checks) == len(innings_state.CHECKS)
    assert report.metadata["matches"] == len(matches)
    assert sum(report.metadata[f"outcome_{name}"] for name in OUTCOMES) == report.metadata["balls"]
    deliveries.with_columns(runs_total=pl.lit(-1, dtype=pl.Int64)).write_parquet(tmp_path / "deliveries.parquet")
    failed = [check for check in innings_state.write_innings(tmp_path, tmp_path).checks if not check.passed]
    assert [check.name for check in failed] == ["states_possible"] and "negative" in failed[0].rules
    deliveries.head(0).write_parquet(tmp_path / "deliveries.parquet")
    failed = [check for check in innings_state.write_innings(tmp_path, tmp_path).checks if not check.passed]
    assert [(check.name, check.blocking) for check in failed] == [("has_balls", False)]
