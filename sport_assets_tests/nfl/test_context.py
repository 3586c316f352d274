"""Play context: the allow-list holds, and nothing outside it changes anything."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from sport_assets.nfl import context
from sport_assets.nfl.raw_tables import RawFileError
from sport_assets.nfl.schemas import ALLOWED_PRE_SNAP, PLAY_LABELS, SUPPLEMENTARY, column_types
from sport_assets.nfl.synthetic import generate

RESULTS = {"pass_result", "yards_gained", "expected_points_added", "team_coverage_type", "route_of_targeted_receiver"}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("sample")
    generate(folder, weeks=1, plays_per_week=30, seed=2)
    return (folder / "supplementary_data.csv").read_text().splitlines()


def damaged(folder: Path, source: list[str], values: dict[str, str] | None = None) -> Path:
    """The file with other values in its fifth line."""
    table = pl.read_csv("\n".join(source).encode(), infer_schema=False)
    rows = table.to_dicts()
    rows[3].update(values or {})
    path = folder / "supplementary_data.csv"
    pl.DataFrame(rows, schema=table.schema).write_csv(path)
    return path


def rules(folder: Path, path: Path) -> dict[str, dict[str, int]]:
    report = context.process_context(path, folder)
    assert [check.name for check in report.checks] == list(context.CHECKS)
    return {check.name: dict(check.rules) for check in report.checks if check.rules}


def test_only_what_is_known_before_the_snap_is_kept(tmp_path: Path, source: list[str]) -> None:
    report = context.process_context(damaged(tmp_path, source), tmp_path)
    table = pl.read_parquet(tmp_path / "play_context.parquet")
    assert table.columns == ["game_id", "play_id", *ALLOWED_PRE_SNAP]
    assert not set(table.columns) & RESULTS
    assert set(ALLOWED_PRE_SNAP) < set(SUPPLEMENTARY.columns)
    assert len(table) == 30
    assert all(check.passed for check in report.checks)
    assert table.select("game_id", "play_id").equals(table.select("game_id", "play_id").sort("game_id", "play_id"))


def test_nothing_outside_the_allow_list_changes_the_context(tmp_path: Path, source: list[str]) -> None:
    path = damaged(tmp_path, source)
    context.process_context(path, tmp_path)
    before = (tmp_path / "play_context.parquet").read_bytes()
    table = pl.read_csv(path, infer_schema=False)
    others = [name for name in table.columns if name not in context.COLUMNS]
    mixed = table.with_columns(pl.col(name).shuffle(seed=1) for name in others)
    rubbish = table.with_columns(pl.lit("rubbish").alias(name) for name in others)
    for changed in (mixed, rubbish):
        assert not changed.equals(table)
        changed.write_csv(path)
        report = context.process_context(path, tmp_path)
        assert (tmp_path / "play_context.parquet").read_bytes() == before
    unused = next(check for check in report.checks if check.name == "results_and_charting")
    assert not unused.passed
    assert not unused.blocking
    assert report.metadata["quarantined_rows"] == 0


def test_charted_coverage_has_a_table_of_its_own(tmp_path: Path, source: list[str]) -> None:
    path = damaged(tmp_path, source, {"team_coverage_man_zone": "NA", "team_coverage_type": "NA"})
    report = context.process_context(path, tmp_path)
    table, labels = (pl.read_parquet(tmp_path / f"{name}.parquet") for name in ("play_context", "labels"))
    assert labels.schema == column_types(PLAY_LABELS)
    assert labels.select("game_id", "play_id").equals(table.select("game_id", "play_id"))
    raw = pl.read_csv(path, null_values="NA").sort("game_id", "play_id")
    expected = {None: None, "MAN_COVERAGE": "man", "ZONE_COVERAGE": "zone"}
    assert labels["coverage"].to_list() == [expected[text] for text in raw["team_coverage_man_zone"]]
    assert not {"coverage", "team_coverage_man_zone", "team_coverage_type"} & set(table.columns)
    check = report.checks[-1]
    assert (check.name, check.passed, check.blocking) == ("coverage_labels", True, False)
    known = labels["coverage"].drop_nulls()
    assert len(known) < 30
    assert report.metadata["coverage_labelled"] == len(known)
    assert report.metadata["coverage_labelled_share"] == pytest.approx(len(known) / 30, abs=1e-4)
    assert report.metadata["coverage_zone_share"] == pytest.approx((known == "zone").sum() / len(known), abs=1e-4)
    assert {f"coverage_{name}": value for name, value in check.metadata.items() if name != "plays"} == {
        name: value for name, value in report.metadata.items() if name.startswith("coverage_")
    }


@pytest.mark.parametrize(
    ("values", "rule", "named"),
    [
        (
            {"team_coverage_man_zone": "MANY", "team_coverage_type": "NA"},
            "coverage_vocabulary",
            ("team_coverage_man_zone", "MANY"),
        ),
        (
            {"team_coverage_man_zone": "MAN_COVERAGE", "team_coverage_type": "COVER_3_ZONE"},
            "coverage_contradicts_type",
            ("team_coverage_type", "COVER_3_ZONE"),
        ),
    ],
)
def test_a_doubtful_label_is_a_finding_and_no_label(
    tmp_path: Path, source: list[str], values: dict[str, str], rule: str, named: tuple[str, str]
) -> None:
    report = context.process_context(damaged(tmp_path, source, values), tmp_path)
    check = report.checks[-1]
    assert [failed.name for failed in report.checks if not failed.passed] == ["coverage_labels"]
    assert dict(check.rules) == {rule: 1}
    assert [tuple(row.values()) for row in check.sample] == [(rule, *named, "supplementary_data.csv", 5)]
    game, play = (int(text) for text in (source[4].split(",")[0], source[4].split(",")[7]))
    labels = pl.read_parquet(tmp_path / "labels.parquet")
    assert labels.filter(game_id=game, play_id=play)["coverage"].to_list() == [None]
    assert len(pl.read_parquet(tmp_path / "play_context.parquet")) == 30


def test_a_file_without_any_label_says_so(tmp_path: Path, source: list[str]) -> None:
    path = damaged(tmp_path, source)
    pl.read_csv(path, infer_schema=False).with_columns(team_coverage_man_zone=pl.lit("NA")).write_csv(path)
    report = context.process_context(path, tmp_path)
    assert report.checks[-1].passed
    assert report.metadata["coverage_labelled"] == 0
    assert "coverage_zone_share" not in report.metadata
    assert pl.read_parquet(tmp_path / "labels.parquet")["coverage"].null_count() == 30


@pytest.mark.parametrize(
    ("values", "check", "rule"),
    [
        ({"down": "7"}, "values_in_range", "down_range"),
        ({"quarter": "0"}, "values_in_range", "quarter_range"),
        ({"game_clock": "noon"}, "values_in_range", "game_clock_format"),
        ({"offense_formation": "PYRAMID"}, "values_in_range", "offense_formation_vocabulary"),
        ({"receiver_alignment": "three"}, "values_in_range", "receiver_alignment_format"),
        ({"defenders_in_the_box": "12"}, "values_in_range", "defenders_range"),
        ({"yards_to_go": "ten"}, "columns_and_types", "type"),
        ({"game_clock": "NA"}, "columns_and_types", "missing_value"),
        ({"possession_team": "XYZ"}, "teams_fit", "possession_team_not_playing"),
        ({"defensive_team": "XYZ"}, "teams_fit", "defensive_team_not_playing"),
    ],
)
def test_a_wrong_value_costs_its_row_under_its_own_name(
    tmp_path: Path, source: list[str], values: dict[str, str], check: str, rule: str
) -> None:
    found = rules(tmp_path, damaged(tmp_path, source, values))
    assert found == {"quarantined_share": {rule: 1}, check: {rule: 1}}
    quarantined = pl.read_parquet(tmp_path / "quarantine.parquet")
    assert quarantined.select("file", "line").rows() == [("supplementary_data.csv", 5)]
    assert len(pl.read_parquet(tmp_path / "play_context.parquet")) == 29
    assert len(pl.read_parquet(tmp_path / "labels.parquet")) == 29


def test_one_team_cannot_play_itself(tmp_path: Path, source: list[str]) -> None:
    team = pl.read_csv("\n".join(source).encode(), infer_schema=False)["possession_team"][3]
    found = rules(tmp_path, damaged(tmp_path, source, {"defensive_team": team}))
    assert found["teams_fit"] == {"same_team_on_both_sides": 1}


def test_a_play_again(tmp_path: Path, source: list[str]) -> None:
    path = tmp_path / "supplementary_data.csv"
    path.write_text("\n".join([*source, source[3]]) + "\n")
    assert rules(tmp_path, path)["unique_plays"] == {"duplicate_play": 1}
    assert pl.read_parquet(tmp_path / "quarantine.parquet")["line"].to_list() == [len(source) + 1]
    assert len(pl.read_parquet(tmp_path / "play_context.parquet")) == 30


def test_a_file_without_its_columns_is_refused(tmp_path: Path, source: list[str]) -> None:
    path = tmp_path / "supplementary_data.csv"
    path.write_text("\n".join(source).replace("visitor_team_win_probility_added", "visitor_team_win_probability_added"))
    with pytest.raises(RawFileError, match="missing columns: visitor_team_win_probility_added"):
        context.read_context(path)


@pytest.mark.parametrize("content", [b"", b"game_id,play_id\n", "gameId,playId\n1,2\n".encode("utf-16")])
def test_an_unusable_file_is_rejected(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "supplementary_data.csv"
    path.write_bytes(content)
    out = tmp_path / "out"
    out.mkdir()
    report = context.process_context(path, out)
    assert [check.name for check in report.checks] == list(context.CHECKS)
    assert [check.name for check in report.checks if check.passed] == []
    assert [check.name for check in report.checks if check.blocking] == ["file_structure"]
    assert path.name in report.checks[0].description
    assert [file.name for file in out.iterdir()] == ["unusable.json"]


def test_a_file_cut_off_in_its_last_line_is_told(tmp_path: Path, source: list[str]) -> None:
    path = tmp_path / "supplementary_data.csv"
    for text, whole in (("\n".join(source) + "\n", True), ("\n".join(source), False)):
        path.write_text(text)
        report = context.process_context(path, tmp_path)
        failed = [(check.name, check.blocking) for check in report.checks if not check.passed]
        assert failed == ([] if whole else [("files_end_with_a_whole_line", False)])


def test_plays_without_context_are_named() -> None:
    tracked = pl.DataFrame({"game_id": [1, 1, 1, 2], "play_id": [5, 5, 6, 5]})
    known = pl.DataFrame({"game_id": [1, 2, 3], "play_id": [5, 5, 5]})
    result = context.join_check(tracked, known)
    assert not result.passed
    assert not result.blocking
    assert (result.failed, result.checked) == (1, 3)
    assert result.sample == [{"rule": "play_without_context", "game_id": 1, "play_id": 6}]
    assert context.join_check(known, known).passed


@pytest.mark.real_data
@pytest.mark.parametrize(("folder", "plays"), [("ngs_highlights", 211), ("bdb2026", 11_526)])
def test_real_files_pass(real_data: Path, tmp_path: Path, folder: str, plays: int) -> None:
    report = context.process_context(real_data / "nfl" / folder / "supplementary_data.csv.gz", tmp_path)
    assert [check.summary() for check in report.checks if not check.passed] == []
    assert report.metadata["plays"] == plays


@pytest.mark.real_data
def test_real_coverage_labels(real_data: Path, tmp_path: Path) -> None:
    """The majority class that a coverage model has to beat; the plays of 2019 have no labels."""
    files = {name: real_data / "nfl" / name / "supplementary_data.csv.gz" for name in ("bdb2026", "ngs_highlights")}
    found = context.process_context(files["bdb2026"], tmp_path).metadata
    assert found["coverage_labelled"] == 11_522
    assert found["coverage_labelled_share"] == pytest.approx(0.9997, abs=1e-4)
    assert found["coverage_zone_share"] == pytest.approx(0.7142, abs=1e-4)
    assert context.process_context(files["ngs_highlights"], tmp_path).metadata["coverage_labelled"] == 0
