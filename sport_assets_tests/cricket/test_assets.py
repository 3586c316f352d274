"""The line's first assets as `sport-assets build` makes them: years that come, grow, and are withdrawn."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from typer.testing import CliRunner

from sport_assets.audit.withdraw import of_rows, withdraw
from sport_assets.lineage.home import Home
from sport_assets.lineage.manifest import Materialization
from sport_assets.lineage.record import Lineage
from sport_assets.orchestration.build import Builder, BuildError, Report
from sport_assets.orchestration.instance import initialise, instance
from sport_assets_tests.cricket.match_files import IDS, ONE, TWO, ball, innings, match, pack, write

RAW, TABLE = "cricket/raw_matches", "cricket/deliveries"
FILES = {"1": match(dates=["2022-05-01"]), "2": match(dates=["2023-05-01"]), "3": match(dates=["2023-06-01"])}


@pytest.fixture
def place(home: Path) -> Home:
    """A home beside an archive of three matches of two years."""
    place = Home.from_environment()
    pack(place.data / "cricket" / "t20s.tar.zst", FILES)
    return place


@pytest.fixture
def lineage(place: Home) -> Iterator[Lineage]:
    with closing(Lineage(place)) as opened:
        yield opened


def build(place: Home, target: str = TABLE, partition: str | None = None, *settings: str) -> Report:
    from sport_assets.definitions import defs

    return Builder(defs, place, settings).run(target, partition)


def steps(report: Report) -> list[str]:
    return [str(done.step) for done in report.made()]


def latest(lineage: Lineage, key: str, partition: str) -> Materialization:
    found = lineage.ledger.latest(key, partition)
    assert found is not None
    return found


def matches(lineage: Lineage, year: str) -> list[str]:
    return pl.read_parquet(lineage.read(TABLE, year).path("matches.parquet"))["match_id"].to_list()


def test_the_years_found_are_built_and_others_are_named_as_skipped(place: Home, lineage: Lineage) -> None:
    report = build(place)
    assert steps(report) == [f"{RAW}:2022", f"{RAW}:2023", f"{TABLE}:2022", f"{TABLE}:2023"]
    assert {"2021", "2024"} <= set(report.skipped[RAW])
    assert (matches(lineage, "2022"), matches(lineage, "2023")) == (["1"], ["2", "3"])
    made = latest(lineage, TABLE, "2023")
    assert made.facts["label_rule"] == "batter" and made.rows == 48
    assert lineage.ledger.has_rows(made.row_index, {"match_id": "3"})
    assert lineage.ledger.has_rows(made.row_index, {"player_id": IDS["B10"]})
    [raw] = latest(lineage, RAW, "2023").raw_files
    assert raw.path == "cricket/t20s.tar.zst"
    assert not build(place).made()


def test_an_archive_that_grew_leaves_other_years_versions_alone(place: Home, lineage: Lineage) -> None:
    build(place)
    before = {year: latest(lineage, RAW, year).version for year in ("2022", "2023")}
    pack(place.data / "cricket" / "t20s.tar.zst", FILES | {"4": match(dates=["2023-07-01"])})
    report = build(place)
    assert steps(report) == [f"{RAW}:2022", f"{RAW}:2023", f"{TABLE}:2023"]
    assert latest(lineage, RAW, "2022").version == before["2022"]
    assert latest(lineage, RAW, "2023").version != before["2023"] and matches(lineage, "2023") == ["2", "3", "4"]
    (place.data / "cricket" / "t20s.tar.zst").unlink()
    write(place.data / "cricket" / "unpacked", FILES | {"4": match(dates=["2023-07-01"])})
    assert all(step.startswith(RAW) for step in steps(build(place))), "the same matches, wherever they lie"


def test_a_new_year_comes_in_beside_the_archive(place: Home, lineage: Lineage) -> None:
    build(place)
    write(place.data / "cricket", {"9": match(dates=["2024-01-01"])})
    assert steps(build(place)) == [f"{RAW}:2024", f"{TABLE}:2024"]


@pytest.mark.parametrize("target", [RAW, TABLE])
def test_a_year_without_matches_says_what_is_expected(place: Home, target: str) -> None:
    with pytest.raises(BuildError, match=r"raw_matches:2021: none of its raw files are in .*Expected: cricket/\*\*/"):
        build(place, target, "2021")
    with pytest.raises(BuildError, match="no partition '1999'"):
        build(place, target, "1999")


def test_a_damaged_archive_stops_a_build_by_name(place: Home) -> None:
    path = place.data / "cricket" / "t20s.tar.zst"
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(Exception, match=r"t20s\.tar\.zst: the archive is damaged"):
        build(place)


def test_a_year_with_too_many_bad_matches_is_rejected(place: Home, lineage: Lineage) -> None:
    write(place.data / "cricket", {str(n): match(dates=["2023-01-01"], balls_per_over=5) for n in range(5, 8)})
    with pytest.raises(BuildError, match=r"cricket/deliveries:2023 was rejected.*quarantined_share: 3 of 5"):
        build(place, TABLE, "2023")
    build(place, TABLE, "2022")


def test_another_label_rule_is_recorded(place: Home, lineage: Lineage) -> None:
    build(place)
    assert steps(build(place, TABLE, "2022", "label_rule=legal")) == [f"{TABLE}:2022"]
    made = latest(lineage, TABLE, "2022")
    assert made.config == {"label_rule": "legal"} and made.facts["label_rule"] == "legal"
    with pytest.raises(BuildError, match="label_rule"):
        build(place, TABLE, "2022", "label_rule=foo")


def test_a_withdrawn_match_and_player_go_out_of_what_is_made_again(place: Home, lineage: Lineage) -> None:
    other = innings(ONE, [ball(batter="A7", non_striker="A8")])
    write(place.data / "cricket", {"8": match(other, innings(TWO), dates=["2023-08-01"])})
    build(place)
    for rows in ({"match_id": "2"}, {"player_id": IDS["A7"]}):
        withdraw(lineage.ledger, of_rows(lineage.ledger, rows, by="ada", reason="a request"))
    assert f"{TABLE}:2023" in steps(build(place))
    assert matches(lineage, "2023") == ["3"]
    made = latest(lineage, TABLE, "2023")
    assert made.kind == "materialized" and made.facts["withdrawn_matches"] == 2
    assert made.withdrawn_rows == [{"match_id": "2"}, {"player_id": IDS["A7"]}]
    assert not build(place).made()


def test_the_sensor_asks_for_the_years_found_and_for_those_whose_files_changed(place: Home) -> None:
    from sport_assets.definitions import defs

    [sensor] = [each for each in defs.get_repository_def().sensor_defs if each.name == "cricket_raw_files"]
    initialise(place)

    def asked() -> set[str]:
        with instance(place) as dagster:
            result = sensor(dg.build_sensor_context(instance=dagster))
            assert isinstance(result, dg.SensorResult)
            return {str(each.partition_key) for each in result.run_requests or []}

    assert asked() == {"2022", "2023"}
    build(place)
    assert asked() == set()
    write(place.data / "cricket", {"9": match(dates=["2024-01-01"])})
    assert asked() == {"2024"}
    (place.data / "cricket" / "x.zip").write_bytes(b"PK\3\4 not yet whole")
    assert asked() == set(), "being written: the next tick looks again"


def test_sample_data_gives_matches_that_build(home: Path) -> None:
    from sport_assets.cli import app

    done = CliRunner().invoke(app, ["sample-data", "cricket", "--matches", "6", "--seed", "2", "--json"])
    assert done.exit_code == 0 and '"deliveries"' in done.stdout
    place = Home.from_environment()
    assert len(list((place.data / "cricket").glob("*.json"))) == 6
    assert build(place).made()
