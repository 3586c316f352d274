"""A year of matches sorted into clean, set aside and withdrawn, and what its checks say."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from sport_assets.cricket import years
from sport_assets.cricket.deliveries import CHECKS, YearReport, process_year
from sport_assets.cricket.schemas import DELIVERIES, MATCHES
from sport_assets.cricket.synthetic import generate
from sport_assets.cricket.year_checks import MEANING
from sport_assets.lineage.checks import CheckResult
from sport_assets_tests.cricket.match_files import IDS, ONE, TWO, ball, innings, match, pack, write

YEAR = "2024"


def processed(folder: Path, year: str = YEAR, **settings: Any) -> tuple[YearReport, Path]:
    out = folder / "out"
    out.mkdir(exist_ok=True)
    listed = years.write_year(folder, year, folder / "listed.json")
    return process_year(folder / "listed.json", [(f, folder / f) for f in listed.files], out, **settings), out


def failed(report: YearReport) -> dict[str, CheckResult]:
    assert [check.name for check in report.checks] == list(CHECKS)
    return {check.name: check for check in report.checks if not check.passed}


def quarantine(out: Path) -> pl.DataFrame:
    return pl.read_parquet(out / "quarantine.parquet")


def test_matches_by_date_and_deliveries_in_play_order(tmp_path: Path) -> None:
    dates = {"9": "2024-01-02", "10": "2024-01-02", "8": "2024-03-01", "7": "2024-02-01"}
    write(tmp_path / "cricket", {name: match(dates=[day]) for name, day in dates.items()})
    report, out = processed(tmp_path)
    matches, deliveries = (pl.read_parquet(out / f"{name}.parquet") for name in ("matches", "deliveries"))
    assert matches["match_id"].to_list() == ["10", "9", "7", "8"]
    assert deliveries["match_id"].unique(maintain_order=True).to_list() == ["10", "9", "7", "8"]
    assert deliveries.filter(match_id="9")["ball_in_over"].to_list() == [0, 1, 2, 3, 4, 5] * 4
    assert (matches.schema, deliveries.schema) == (MATCHES.types, DELIVERIES.types)
    assert not failed(report) and quarantine(out).is_empty() and report.quarantined == 0
    assert report.metadata["label_rule"] == "batter" and "wides, byes" in str(report.metadata["label_rule_text"])
    found = {index.name: set(index.values()) for index in report.identifiers.identifiers()}
    assert found["match_id"] == set(dates)
    assert found["player_id"] == {IDS[name] for name in ("A0", "A1", "A10", "B0", "B1", "B10")}


def test_the_same_matches_give_the_same_bytes_wherever_they_lie(tmp_path: Path) -> None:
    files = {str(n): match(dates=[f"2024-01-{n + 1:02d}"]) for n in range(5)} | {"5": b'{"dates": ["2024-01-01"'}
    write(tmp_path / "a" / "cricket" / "x", files)
    pack(tmp_path / "b" / "cricket" / "t20s.tar.zst", dict(reversed(files.items())))
    found = []
    for place in ("a", "b"):
        _, out = processed(tmp_path / place)
        found.append([(path.name, path.read_bytes()) for path in sorted(out.iterdir())])
        found[-1].append(("", (tmp_path / place / "listed.json").read_bytes()))
    assert found[0] == found[1] and len(found[0]) == 5


@pytest.fixture(scope="module")
def damaged(tmp_path_factory: pytest.TempPathFactory) -> tuple[YearReport, Path, dict[str, str]]:
    """A generated sample with every defect; its files by the rule that they break."""
    folder = tmp_path_factory.mktemp("damaged")
    made = generate(folder / "cricket", matches=2, seed=3, defects=True)
    for path in made.files:
        path.unlink()
    report, out = processed(folder, years.present_years(folder)[0])
    return report, out, {path.name: rule for path, rule in made.defects}


def test_every_defect_is_found_by_its_rule_and_sets_its_match_aside(
    damaged: tuple[YearReport, Path, dict[str, str]],
) -> None:
    report, out, expected = damaged
    found = quarantine(out)
    for name, rule in expected.items():
        assert rule in found.filter(file=name)["rule"].to_list(), name
    assert set(found["file"]) == set(expected) and report.metadata["matches"] == 0
    assert {"something_left", "quarantined_share"} <= set(failed(report))
    share = failed(report)["quarantined_share"]
    assert (share.failed, share.checked) == (len(expected), len(expected)) and share.blocking
    content = json.loads((out / "findings.json").read_text())
    assert set(content["meaning"]) == set(content["quarantined"]) == set(found["rule"])


def test_every_rule_belongs_to_one_check(damaged: tuple[YearReport, Path, dict[str, str]]) -> None:
    report, _, _ = damaged
    named = [rule for check in report.checks if check.name != "quarantined_share" for rule in check.rules]
    assert sorted(named) == sorted(report.checks[1].rules)
    assert set(report.checks[1].rules) <= set(MEANING)


def test_a_quarantined_match_says_where_it_broke_its_rule(damaged: tuple[YearReport, Path, dict[str, str]]) -> None:
    rows = {row["rule"]: row for row in quarantine(damaged[1]).iter_rows(named=True)}
    place = json.loads(rows["runs_do_not_add_up"]["row"])
    assert place == {"innings": 1, "over": 1, "ball_in_over": 2}
    assert (rows["runs_do_not_add_up"]["column"], rows["runs_do_not_add_up"]["value"]) == ("runs_total", "3")
    assert rows["unreadable"]["line"] > 1 and "cut off" in rows["unreadable"]["value"]
    assert rows["unknown_player"]["value"] == "Nobody At All is not in the registry"


def test_one_bad_match_never_rejects_a_year_and_too_many_do(tmp_path: Path) -> None:
    bad = match(balls_per_over=5)
    write(tmp_path / "cricket", {"1": match(), "2": bad})
    report, _ = processed(tmp_path)
    assert set(failed(report)) == {"matches_of_twenty_overs"} and report.quarantined == 1
    write(tmp_path / "cricket", {"3": bad})
    report, _ = processed(tmp_path)
    assert set(failed(report)) == {"matches_of_twenty_overs", "quarantined_share"}


def test_two_versions_of_a_match_are_set_aside_and_both_named(tmp_path: Path) -> None:
    pack(tmp_path / "cricket" / "a.zip", {"1": match(), "2": match()})
    pack(tmp_path / "cricket" / "b.zip", {"2": match(city="Elsewhere")})
    listed = years.write_year(tmp_path, YEAR, tmp_path / "listed.json")
    [check] = [check for check in listed.checks if not check.passed]
    assert check.name == "one_version_of_each_match" and "b.zip: t20s/2.json" in check.sample[0]["where"]
    report, out = processed(tmp_path)
    [row] = quarantine(out).iter_rows(named=True)
    assert (row["rule"], row["file"]) == ("conflicting_files", "2.json")
    assert "cricket/a.zip: t20s/2.json" in row["value"] and "cricket/b.zip: t20s/2.json" in row["value"]
    assert report.metadata["matches"] == 1


def test_findings_are_told_and_the_match_stays(tmp_path: Path) -> None:
    short = [[ball(1) for _ in range(5)], [ball(1) for _ in range(6)]]
    both = [[ball(1, bowler="A1") for _ in range(6)]]
    write(
        tmp_path / "cricket",
        {
            "1": match(innings(ONE, *short), innings(TWO, target={"overs": 20, "runs": 12})),
            "2": match(innings(ONE, *short, miscounted_overs={"0": {"balls": 5}})),
            "3": match(overs=50),
            "4": match(innings(ONE), innings(TWO)),
            "5": match(innings(ONE), innings(TWO, target={"overs": 20, "runs": 14})),
            "6": match(innings(ONE, *both), innings(TWO, target={"overs": 20, "runs": 7})),
            "7": match(
                innings(ONE),
                innings(TWO, target={"overs": 20, "runs": 14}),
                outcome={"winner": ONE, "method": "D/L", "by": {"runs": 1}},
            ),
        },
    )
    report, out = processed(tmp_path)
    content = json.loads((out / "findings.json").read_text())
    assert {rule: [row["match_id"] for row in rows] for rule, rows in content["samples"].items()} == {
        "over_of_other_length": ["1"],
        "overs_mislabelled": ["3"],
        "chase_without_target": ["4"],
        "target_of_other_runs": ["5"],
        "bowler_bats": ["6"],
    }
    assert report.metadata["matches"] == 7 and report.metadata["findings"] == 5
    assert {name for name, check in failed(report).items() if not check.blocking} == {
        "overs_complete", "length_as_played", "targets_follow", "people_where_they_can_be",
    }  # fmt: skip


def test_another_label_rule(tmp_path: Path) -> None:
    write(tmp_path / "cricket", {"1": match(innings(ONE, [ball(1), ball(wides=1), ball(noballs=1)]))})
    for rule, left in (("batter", 3), ("without_wides", 2), ("legal", 1)):
        report, out = processed(tmp_path, label_rule=rule)
        assert report.metadata["deliveries_with_outcome"] == left and report.metadata["label_rule"] == rule
        assert pl.read_parquet(out / "deliveries.parquet")["outcome"].count() == left


# -- withdrawn -------------------------------------------------------------------------------------------------------

B2: dict[str, Any] = {"batter": "A2", "non_striker": "A3"}


@pytest.mark.parametrize(
    ("withdrawn", "gone"),
    [
        ({"match_id": "1"}, {"1"}),
        ({"player_id": IDS["A2"]}, {"2"}),
        ({"player_id": IDS["A3"]}, {"2"}),
        ({"player_id": IDS["A9"]}, {"2"}),
        ({"player_id": IDS["B10"]}, {"1", "2", "3"}),
        ({"match_id": "1", "player_id": IDS["B10"]}, {"1"}),
        ({"match_id": "1", "player_id": IDS["A2"]}, set()),
        ({"player_id": "ffffffff"}, set()),
    ],
)
def test_a_withdrawn_match_or_player_takes_whole_matches_out_and_is_no_defect(
    tmp_path: Path, withdrawn: Mapping[str, str], gone: set[str]
) -> None:
    with_others = innings(ONE, [ball(1, **B2), ball(out=[("run out", "A9")], **B2)])
    files = {"1": match(), "2": match(with_others), "3": match(), "4": match(innings(ONE, [ball(bowler="B9")]))}
    write(tmp_path / "cricket", files)
    report, out = processed(tmp_path, withdrawn=[withdrawn])
    assert set(pl.read_parquet(out / "matches.parquet")["match_id"]) == set(files) - gone
    assert set(pl.read_parquet(out / "deliveries.parquet")["match_id"]) == set(files) - gone
    found = quarantine(out)
    assert set(found["file"]) == {f"{name}.json" for name in gone} and set(found["row"]) <= {""}
    assert set(found["rule"]) <= {"withdrawn"} and set(found["column"]) <= {", ".join(sorted(withdrawn))}
    assert not failed(report), "no defect"
    assert (report.quarantined, report.metadata["withdrawn_matches"]) == (len(gone), len(gone))
    indexed = {value for index in report.identifiers.identifiers() for value in index.values()}
    assert not gone & indexed and (withdrawn.get("player_id") not in indexed or "match_id" in withdrawn)


def test_a_withdrawn_bad_match_is_withdrawn_and_not_told(tmp_path: Path) -> None:
    write(tmp_path / "cricket", {"1": match(), "2": match(innings(ONE, [ball(40)]))})
    report, out = processed(tmp_path, withdrawn=[{"match_id": "2"}])
    assert quarantine(out)["rule"].to_list() == ["withdrawn"] and not failed(report)


def test_a_withdrawn_file_that_cannot_be_read_is_withdrawn_too(tmp_path: Path) -> None:
    write(tmp_path / "cricket", {"1": match(), "2": b'{"dates": ["2024-01-01"'})
    report, out = processed(tmp_path, withdrawn=[{"match_id": "2"}])
    assert quarantine(out)["rule"].to_list() == ["withdrawn"] and not failed(report)


@pytest.mark.parametrize("only", ["bad", "withdrawn"])
def test_a_year_of_which_nothing_is_left_is_empty_and_said_to_be(only: str, tmp_path: Path) -> None:
    write(tmp_path / "cricket", {"1": match(balls_per_over=5 if only == "bad" else 6)})
    report, out = processed(tmp_path, withdrawn=[{"match_id": "1"}] if only == "withdrawn" else [])
    told = failed(report)["something_left"]
    assert not any(check.blocking for check in failed(report).values())
    assert [row["file"] for row in told.sample] == (["1.json"] if only == "bad" else [])
    assert quarantine(out)["file"].to_list() == ["1.json"] and report.quarantined == 1
    tables = [pl.read_parquet(out / f"{name}.parquet") for name in ("matches", "deliveries")]
    assert [(len(table), table.schema) for table in tables] == [(0, MATCHES.types), (0, DELIVERIES.types)]
