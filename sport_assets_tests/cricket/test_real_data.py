"""All men's T20 internationals up to mid-2025: tables exact, and what each unusual file says."""

import json
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from sport_assets.cricket import years
from sport_assets.cricket.cricsheet import Match, read_match
from sport_assets.cricket.deliveries import process_year
from sport_assets.cricket.grounds import ground_name

pytestmark = pytest.mark.real_data
# What the year's checks find in the real files: nothing that would set a match aside.
FINDINGS = {
    "bowler_bats": 1,
    "chase_without_target": 21,
    "over_of_other_length": 1,
    "overs_mislabelled": 6,
    "target_of_other_runs": 1,
}


@pytest.fixture(scope="module")
def cricket(real_data: Path) -> Path:
    """The folder of the real matches."""
    return real_data / "cricket"


@pytest.fixture(scope="module")
def processed(cricket: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The files of the `deliveries` asset of every year."""
    data = tmp_path_factory.mktemp("data")
    (data / "cricket").mkdir()
    (data / "cricket" / "t20s.tar.zst").symlink_to(cricket / "t20s_male_json.tar.zst")
    made = {}
    for year in years.present_years(data):
        made[year] = tmp_path_factory.mktemp(year)
        listed = years.write_year(data, year, data / "listed.json")
        report = process_year(data / "listed.json", [(name, data / name) for name in listed.files], made[year])
        assert not report.quarantined and all(check.passed or not check.blocking for check in report.checks), year
    return made


def test_all_matches_and_deliveries_are_exact(processed: dict[str, Path], cricket: Path) -> None:
    expected = pl.read_csv(cricket / "matches.csv", infer_schema=False)
    found = pl.concat([pl.read_parquet(out / "matches.parquet") for out in processed.values()])
    assert found.columns == expected.columns and len(found) == 2761
    assert_frame_equal(found.cast(pl.String).sort("match_id"), expected.sort("match_id"))
    deliveries = pl.read_parquet(cricket / "deliveries.parquet")
    rows = pl.concat([pl.read_parquet(out / "deliveries.parquet") for out in processed.values()])
    assert rows.columns[: len(deliveries.columns)] == deliveries.columns and len(rows) == 623_878
    in_order = rows.select(deliveries.columns).sort("match_id", maintain_order=True)
    assert_frame_equal(in_order, deliveries.sort("match_id", maintain_order=True))


def test_grounds_have_one_name_each(processed: dict[str, Path]) -> None:
    matches = pl.concat([pl.read_parquet(out / "matches.parquet") for out in processed.values()])
    named = [ground_name(venue, city) for venue, city in matches.select("venue", "city").iter_rows()]
    matches = matches.with_columns(pl.Series("ground", named), first=pl.col("venue").str.split(",").list.first())
    assert (matches["venue"].n_unique(), matches["ground"].n_unique()) == (312, 230)
    several = matches.group_by("first").agg(pl.col("ground").unique()).filter(pl.col("ground").list.len() > 1)
    assert set(several["first"]) == {"County Ground", "Gymkhana Club Ground", "National Stadium"}
    test = pl.col("date") >= "2025-01-01"
    known = matches.filter(pl.col("date") < "2024-07-01")
    new = [matches.filter(test, ~pl.col(name).is_in(known[name].implode())) for name in ("venue", "ground")]
    assert [len(each) for each in new] == [74, 61], "matches of the test at grounds of which training knows nothing"


def test_findings_are_those_known(processed: dict[str, Path]) -> None:
    counts: dict[str, int] = {}
    for out in processed.values():
        content = json.loads((out / "findings.json").read_text())
        assert not content["quarantined"]
        for rule, number in content["findings"].items():
            counts[rule] = counts.get(rule, 0) + number
    assert counts == FINDINGS


def test_what_was_known_before_each_ball(processed: dict[str, Path]) -> None:
    rows = pl.concat([pl.read_parquet(out / "deliveries.parquet") for out in processed.values()])
    rows = rows.filter(~pl.col("super_over"))
    chases = rows.filter(innings=2)
    made = rows.filter(innings=1).group_by("match_id").agg(made=pl.col("runs_total").sum())
    joined = chases.join(made, on="match_id")
    assert (joined["known_target"] == joined["made"] + 1).all()
    changed = joined.filter(pl.col("target_runs") != pl.col("known_target"))["match_id"].n_unique()
    assert changed == 100, "matches in which another target was set, whenever that was"
    assert rows["outcome"].value_counts().sort("outcome")["count"].sum() == len(rows)
    beyond = rows.filter(pl.col("over") >= pl.col("known_overs"))
    assert len(beyond) < 20 and set(beyond["phase"]) == {4}
    full = rows.filter(pl.col("known_overs") == 20).group_by("phase").agg(pl.col("over").unique().sort()).sort("phase")
    assert [set(overs) for overs in full["over"]] == [
        set(range(6)), set(range(6, 11)), set(range(11, 16)), {16, 17}, {18, 19},
    ]  # fmt: skip


# -- the unusual files -------------------------------------------------------------------------------------------------


def fixture(cricket: Path, match_id: str) -> tuple[Match, pl.DataFrame]:
    found = read_match(match_id, (cricket / "fixture" / f"{match_id}.json").read_bytes())
    return found, pl.DataFrame(found.deliveries, infer_schema_length=None)


def test_super_overs(cricket: Path) -> None:
    one, rows = fixture(cricket, "366707")
    assert (one.row["n_super"], one.row["result"], one.row["eliminator"]) == (2, "tie", "West Indies")
    assert rows.filter("super_over")["innings"].unique().to_list() == [3, 4]
    many, rows = fixture(cricket, "1485939")
    assert (many.row["n_innings"], many.row["n_super"]) == (8, 6)
    assert rows.filter("super_over")["batting_team"].n_unique() == 2


def test_a_rain_rule_and_one_innings(cricket: Path) -> None:
    rain, rows = fixture(cricket, "251487")
    chase = rows.filter(innings=2)
    assert rain.row["method"] == "D/L" and set(chase["target_overs"]) == {5.5} and set(chase["target_runs"]) == {45}
    assert set(chase["known_target"]) == {163} and set(chase["known_overs"]) == {20}
    one, rows = fixture(cricket, "533282")
    assert (one.row["n_innings"], one.row["result"], one.row["winner"]) == (1, "no result", None)
    assert rows["target_runs"].null_count() == len(rows)


def test_fifty_overs_and_no_target(cricket: Path) -> None:
    quirk, rows = fixture(cricket, "894293")
    assert quirk.row["overs"] == 50 and set(rows["known_overs"]) == {20}
    _, rows = fixture(cricket, "1168522")
    chase = rows.filter(innings=2)
    assert chase["target_runs"].null_count() == len(chase) and chase["known_target"].n_unique() == 1
    assert chase["known_target"][0] == rows.filter(innings=1)["runs_total"].sum() + 1


def test_wickets_and_runs(cricket: Path) -> None:
    _, rows = fixture(cricket, "1007655")
    assert rows.filter(wicket_kind="retired hurt")["player_out"].to_list() == ["R Mutumbami"]
    _, rows = fixture(cricket, "1383095")
    [two] = rows.filter(n_wickets=2).to_dicts()
    assert (two["wicket_kind"], two["player_out"], two["wicket_kind2"]) == ("caught", "R Tari", "retired hurt")
    assert (two["innings"], two["over"], two["ball_in_over"]) == (2, 14, 1)
    _, rows = fixture(cricket, "1286673")
    [penalty] = rows.filter(pl.col("penalty") > 0).to_dicts()
    assert (penalty["runs_batter"], penalty["runs_extras"], penalty["penalty"]) == (1, 5, 5)
    _, rows = fixture(cricket, "533272")
    assert set(rows["runs_batter"]) & {5, 7} == {7}
    _, rows = fixture(cricket, "1119542")
    assert rows.filter("non_boundary")["runs_batter"].to_list() == [6] and 5 in rows["runs_batter"]


def test_one_name_two_people(cricket: Path) -> None:
    _, rows = fixture(cricket, "1141232")
    here = set(rows.filter(bowler="Rashid Khan")["bowler_id"])
    everywhere = pl.read_parquet(cricket / "deliveries.parquet").filter(bowler="Rashid Khan")["bowler_id"].unique()
    assert here == {"5f547c8b"} and len(everywhere) > 1


@pytest.mark.parametrize("match_id", ["1439900", "1439901", "1439902", "1439903"])
def test_plain_matches(cricket: Path, match_id: str) -> None:
    plain, rows = fixture(cricket, match_id)
    assert (plain.row["n_innings"], plain.row["overs"], plain.row["method"]) == (2, 20, None)
    assert len(rows) > 180 and len(plain.players) >= 18
