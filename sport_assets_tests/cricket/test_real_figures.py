"""The figures that all men's T20 internationals give: how small and fast the arrays are, and what baselines score."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from sport_assets.cricket import baselines, features, innings_state, metrics, years
from sport_assets.cricket.deliveries import process_year
from sport_assets.cricket.history import Situations
from sport_assets.cricket.innings import Innings
from sport_assets.cricket.labels import outcome
from sport_assets.cricket.nodes import FEATURES
from sport_assets.cricket.split import leakage_check, make_split
from sport_assets_tests.cricket.test_innings import check_slowly

pytestmark = [pytest.mark.real_data, pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def folders(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The files of `deliveries` and `innings` of every year, in one folder each."""
    data = tmp_path_factory.mktemp("data")
    (data / "cricket").mkdir()
    (data / "cricket" / "t20s.tar.zst").symlink_to(real_data / "cricket" / "t20s_male_json.tar.zst")
    made = {}
    for year in years.present_years(data):
        made[year] = tmp_path_factory.mktemp(year)
        listed = years.write_year(data, year, data / "listed.json")
        process_year(data / "listed.json", [(name, data / name) for name in listed.files], made[year])
        report = innings_state.write_innings(made[year], made[year])
        assert all(check.passed for check in report.checks), year
    return made


@pytest.fixture(scope="module")
def made(folders: dict[str, Path]) -> Innings:
    return Innings.join([Innings.load(folder) for folder in folders.values()])


def test_arrays_are_small_and_as_counted_ball_by_ball(folders: dict[str, Path], made: Innings) -> None:
    names = ("balls.parquet", "innings.parquet", "names.json")
    assert sum((folder / name).stat().st_size for folder in folders.values() for name in names) < 20e6
    assert len(Situations.of(made).to_bytes()) < 3e6
    assert (len(made.match_ids), len(made)) == (2761, 623_545)
    year = Innings.load(folders["2016"])
    deliveries = pl.read_parquet(folders["2016"] / "deliveries.parquet").with_columns(outcome())
    check_slowly(deliveries, year, year.table.sample(20, seed=2))


def test_baselines_reach_their_figures(made: Innings) -> None:
    split = make_split(made.table.select("match_id", "date"))
    assert tuple(len(split.side(side)) for side in ("train", "valid", "test")) == (2240, 340, 181)
    assert leakage_check(split).passed
    train, test = made.of_matches(split.train), made.of_matches(split.test)
    held_out, actual = made.select(split.test), made.balls["outcome"][test]
    table = features.table(made)
    assert table.shape[1] == len(FEATURES) and np.isfinite(table).all()
    loss = {
        name: metrics.log_loss(baselines.frequencies(made, train, name)(held_out, table[test]), actual)
        for name in baselines.LEVELS
    }
    assert loss["over"] == pytest.approx(1.4526, abs=5e-4)
    assert loss["over_innings_wickets"] == pytest.approx(1.4451, abs=1e-3)
    forecast = baselines.logistic_regression(table[train], made.balls["outcome"][train])(held_out, table[test])
    found = metrics.summarise(forecast, actual)
    assert found["log_loss"] < 1.4187
    assert found["calibration_error"] <= 0.01 and abs(found["run_bias"]) <= 0.03
