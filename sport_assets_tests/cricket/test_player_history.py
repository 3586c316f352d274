"""The files of history and split, and the assets that make them from generated matches."""

from contextlib import closing
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from sport_assets.cricket import innings_state, player_history, years
from sport_assets.cricket.deliveries import process_year
from sport_assets.cricket.history import Situations, rates
from sport_assets.cricket.innings import Innings
from sport_assets.cricket.split import Split, SplitError
from sport_assets.lineage.home import Home
from sport_assets.lineage.record import Lineage
from sport_assets.orchestration.build import Builder, Report
from sport_assets_tests.cricket.match_files import match, write
from sport_assets_tests.cricket.several_matches import innings

FILES = {"1": match(dates=["2023-05-01"]), "2": match(dates=["2024-05-01"]), "3": match(dates=["2024-08-01"])}
FILES |= {"4": match(dates=["2025-05-01"]), "5": match(dates=["2025-06-01"])}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    made = innings(tmp_path_factory.mktemp("matches"), matches=20)
    found = {}
    for year in sorted({day[:4] for day in made.table["date"]}):
        found[year] = tmp_path_factory.mktemp(year)
        made.select(set(made.table.filter(pl.col("date").str.starts_with(year))["match_id"])).save(found[year])
    return found


def test_the_past_tells_the_rates(folders: dict[str, Path], tmp_path: Path) -> None:
    report = player_history.write_history(folders, tmp_path)
    assert [check.name for check in report.checks] == list(player_history.HISTORY_CHECKS)
    assert all(check.passed for check in report.checks if check.blocking)
    made = Innings.join([Innings.load(folder) for folder in folders.values()])
    past = player_history.read_past(tmp_path)
    np.testing.assert_array_equal(rates(past), rates(Situations.of(made)))
    assert report.metadata["balls"] == len(made) == len(past)


def test_what_is_on_record_at_the_end(folders: dict[str, Path], tmp_path: Path) -> None:
    player_history.write_history(folders, tmp_path)
    made = Innings.join([Innings.load(folder) for folder in folders.values()])
    table = pl.read_parquet(tmp_path / player_history.TABLE_FILE)
    assert table.group_by("kind").agg(pl.col("balls").sum())["balls"].unique().to_list() == [len(made)]
    row = table.filter(kind="striker").sample(1, seed=0).to_dicts()[0]
    own = made.balls["striker"] == made.players.index(row["name"])
    assert (row["balls"], row["six"]) == (own.sum(), (made.balls["outcome"][own] == 5).sum())
    assert row["last_day"] == made.balls["day"][own].max()


def test_checks_can_fail(folders: dict[str, Path]) -> None:
    made = Innings.join([Innings.load(folder) for folder in folders.values()])
    past = Situations.of(made)
    found = rates(past)
    assert not player_history._sound(found * 1.1).passed
    assert player_history._sound(np.where(found == found.max(), np.nan, found)).rules.keys() >= {"not_finite"}
    strangers = player_history._known(np.zeros_like(found), past)
    assert not strangers.passed and not strangers.blocking


def test_the_split_of_all_years(folders: dict[str, Path], tmp_path: Path) -> None:
    days = sorted({day for folder in folders.values() for day in pl.read_parquet(folder / "innings.parquet")["date"]})
    report = player_history.write_split(folders, tmp_path, valid_from=days[-4], test_from=days[-2])
    made = Split.load(tmp_path / "split.json")
    assert report.checks[0].passed and report.metadata["matches"] == 20
    assert len(made.train) == report.metadata["train_matches"]
    with pytest.raises(SplitError, match="no match is on the side test"):
        player_history.write_split(folders, tmp_path, valid_from=days[-2], test_from="2999-01-01")


def empty_year(folder: Path, year: str) -> Path:
    """Innings of a year of which no match can be used."""
    write(folder / "cricket", {"99": match(balls_per_over=5, dates=[f"{year}-05-01"])})
    listed = years.write_year(folder, year, folder / "listed.json")
    process_year(folder / "listed.json", [(name, folder / name) for name in listed.files], folder)
    (folder / year).mkdir()
    innings_state.write_innings(folder, folder / year)
    return folder / year


def test_a_year_without_a_usable_match_changes_nothing(folders: dict[str, Path], tmp_path: Path) -> None:
    more = {**folders, "2012": empty_year(tmp_path, "2012")}
    (tmp_path / "with").mkdir()
    (tmp_path / "without").mkdir()
    days = sorted({day for folder in folders.values() for day in pl.read_parquet(folder / "innings.parquet")["date"]})
    for name, each in (("with", more), ("without", folders)):
        report = player_history.write_history(each, tmp_path / name)
        assert not any(check.blocking for check in report.checks if not check.passed)
        player_history.write_split(each, tmp_path / name, valid_from=days[-4], test_from=days[-2])
    files = sorted(path.name for path in (tmp_path / "without").iterdir())
    assert len(files) == 3
    for file in files:
        assert (tmp_path / "with" / file).read_bytes() == (tmp_path / "without" / file).read_bytes()


def test_years_without_any_usable_match_are_refused(tmp_path: Path) -> None:
    empty = {"2012": empty_year(tmp_path, "2012")}
    report = player_history.write_history(empty, tmp_path)
    assert [check.name for check in report.checks if check.blocking and not check.passed] == ["has_balls"]
    with pytest.raises(SplitError, match=r"no match is on the side train .*; the matches are of none"):
        player_history.write_split(empty, tmp_path)


def build(place: Home, target: str, *settings: str) -> Report:
    from sport_assets.definitions import defs

    return Builder(defs, place, settings).run(target, None)


def test_the_assets_and_what_stands_on_what(home: Path) -> None:
    place = Home.from_environment()
    write(place.data / "cricket", FILES)
    made = [str(done.step) for done in build(place, "cricket/split").made()]
    assert made[-1] == "cricket/split" and "cricket/innings:2024" in made
    assert [str(done.step) for done in build(place, "cricket/player_history").made()] == ["cricket/player_history"]
    assert not build(place, "cricket/split").made()
    with closing(Lineage(place)) as lineage:
        split = Split.load(lineage.read("cricket/split").path("split.json"))
        assert (split.train, split.valid, split.test) == (("1", "2"), ("3",), ("4", "5"))
        record = lineage.ledger.latest("cricket/split", None)
        assert record is not None and {each.partition for each in record.inputs} == {"2023", "2024", "2025"}
        assert lineage.ledger.has_rows(record.row_index, {"match_id": "4"})
    made = [str(done.step) for done in build(place, "cricket/split", "test_from=2025-05-15").made()]
    assert made == ["cricket/split"]


def test_one_bad_file_never_stops_the_line(home: Path) -> None:
    place = Home.from_environment()
    write(place.data / "cricket", {**FILES, "99": match(dates=["2022-05-01"], balls_per_over=5)})
    made = [str(done.step) for done in build(place, "cricket/split").made()]
    assert made[-1] == "cricket/split" and "cricket/innings:2022" in made
    with closing(Lineage(place)) as lineage:
        made_of_it = lineage.ledger.latest("cricket/deliveries", "2022")
        assert made_of_it is not None and (made_of_it.rows, made_of_it.quarantined_rows) == (0, 1)
        split = Split.load(lineage.read("cricket/split").path("split.json"))
        assert set(split.dates) == set(FILES)
