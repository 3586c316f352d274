"""A week's raw files: what is read, what is refused, what is quarantined under which name, and coordinates."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from sport_assets.nfl import plays
from sport_assets.nfl.plays import CHECKS, process_week, read_week
from sport_assets.nfl.raw_tables import RawFileError
from sport_assets.nfl.schemas import INPUT, OUTPUT, ROW_RULES
from sport_assets.nfl.shift import shift
from sport_assets.nfl.synthetic import generate
from sport_assets_tests.nfl.raw_files import OUTPUT_FRAMES, input_rows, output_rows, processed, where, write_week


def test_a_right_week_passes_every_check(tmp_path: Path) -> None:
    report = process_week(*write_week(tmp_path), tmp_path)
    assert all(check.passed for check in report.checks)
    assert report.metadata["plays"] == 4
    assert report.metadata["games"] == 2
    assert report.metadata["quarantined_rows"] == 0
    assert len(pl.read_parquet(tmp_path / "tracking.parquet")) == len(input_rows())
    assert len(pl.read_parquet(tmp_path / "targets.parquet")) == len(output_rows())
    assert pl.read_parquet(tmp_path / "quarantine.parquet").is_empty()


def test_gzip_and_plain_give_the_same_bytes_twice(tmp_path: Path) -> None:
    first, second, third = (tmp_path / name for name in "abc")
    for folder in (first, second, third):
        folder.mkdir()
        paths = write_week(folder)
        if folder == third:
            for path in paths:
                (folder / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
            paths = (folder / f"{paths[0].name}.gz", folder / f"{paths[1].name}.gz")
        process_week(*paths, folder)
    for name in ("tracking.parquet", "targets.parquet", "quarantine.parquet", "findings.json", "summary.json"):
        assert (first / name).read_bytes() == (second / name).read_bytes()
        if name != "findings.json":  # names the files
            assert (first / name).read_bytes() == (third / name).read_bytes()


# -- coordinates -------------------------------------------------------------------------------------------


def test_plays_to_the_left_become_the_same_plays_to_the_right(tmp_path: Path) -> None:
    process_week(*write_week(tmp_path), tmp_path)
    tracking = pl.read_parquet(tmp_path / "tracking.parquet").filter(pl.col("game_id") == 2023090700)
    right, left = (tracking.filter(pl.col("direction_left") == side) for side in (False, True))
    for name in ("x", "y", "dir", "o", "ball_land_x", "ball_land_y", "absolute_yardline_number"):
        np.testing.assert_allclose(right[name].to_numpy(), left[name].to_numpy(), atol=1e-9, err_msg=name)
    moved = right.filter(pl.col("nfl_id") == 40000)["x"].to_numpy()
    assert (np.diff(moved) > 0).all()


def test_restored_coordinates_are_those_of_the_file(tmp_path: Path) -> None:
    process_week(*write_week(tmp_path), tmp_path)
    targets = pl.read_parquet(tmp_path / "targets.parquet")
    restored = plays.restore_coordinates(targets)
    np.testing.assert_allclose(restored["x"].to_numpy(), [float(row["x"]) for row in output_rows()], atol=1e-9)
    np.testing.assert_allclose(restored["y"].to_numpy(), [float(row["y"]) for row in output_rows()], atol=1e-9)
    assert where(0, 26, left=True)[0] == pytest.approx(restored.filter("direction_left")["x"][0])


def test_angles_stay_below_360() -> None:
    rows = pl.DataFrame(
        {
            "play_direction": ["left"] * 3 + ["right"],
            **{name: [1.0] * 4 for name in ("x", "y", "ball_land_x", "ball_land_y")},
            "absolute_yardline_number": [30] * 4,
            "dir": [0.0, 180.0, 360.0, 360.0],
            "o": [10.0, 190.0, 350.0, 350.0],
        }
    )
    result = plays.standardise(rows)
    assert result["dir"].to_list() == [180.0, 0.0, 180.0, 0.0]
    assert result["o"].to_list() == [190.0, 10.0, 170.0, 350.0]
    assert result["absolute_yardline_number"].to_list() == [90, 90, 90, 30]


# -- whole files -------------------------------------------------------------------------------------------


def _truncated(path: Path) -> Path:
    data = gzip.compress(path.read_bytes())
    return _as(path.parent / "input_2023_w01.csv.gz", data[: len(data) // 2])


def _damaged(path: Path) -> Path:
    data = bytearray(gzip.compress(path.read_bytes()))
    data[len(data) // 2] ^= 0xFF
    return _as(path.parent / "input_2023_w01.csv.gz", bytes(data))


def _as(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def _replaced(old: str, new: str, count: int = -1) -> Callable[[Path], Path]:
    return lambda path: _as(path, path.read_bytes().replace(old.encode(), new.encode("latin-1"), count))


def _camel_case(path: Path) -> Path:
    header, rows = path.read_text().split("\n", 1)
    names = [name.title().replace("_", "") for name in header.split(",")]
    return _as(path, ",".join(name[0].lower() + name[1:] for name in names).encode() + b"\n" + rows.encode())


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_truncated, "gzip file is truncated"),
        (_damaged, "gzip file is damaged"),
        (lambda path: _as(path.parent / "input_2023_w01.csv.gz", path.read_bytes()), "not gzip"),
        (lambda path: _as(path, b""), "file is empty"),
        (lambda path: _as(path, b"\n \n"), "file is empty"),
        (lambda path: _as(path, path.read_bytes().split(b"\n")[0] + b"\n"), "a header and no rows"),
        (lambda path: _as(path, path.read_bytes().split(b"\n")[0]), "a header and no rows"),
        (_replaced("Player 1", "Pl\u00e4yer 1", 1), r"not UTF-8 \(line 27: byte 0xe4\)"),
        (lambda path: _as(path, path.read_text().encode("utf-16")), "UTF-16"),
        (_camel_case, r"another season.*gameId, playId, nflId"),
        (_replaced("ball_land_y\n", "ballLandY\n"), "renamed columns: ball_land_y as ballLandY"),
        (_replaced("frame_id,", "", 1), "missing columns: frame_id"),
        (_replaced("play_id,", "play_id,extra,", 1), "unknown columns: extra"),
        (_replaced("play_id,", "play_id,play_id,", 1), "columns given twice: play_id"),
        (_replaced("202309", "201909"), r"not of season 2023.*2019"),
        (_replaced("Player 0", '"Player 0', 1), r"quotation mark|no readable CSV"),
        (lambda path: path.with_name("input_2023_w09.csv"), "no such file"),
    ],
)
def test_an_unusable_file_says_which_what_and_the_remedy(
    tmp_path: Path, damage: Callable[[Path], Path], message: str
) -> None:
    source, _ = write_week(tmp_path)
    path = damage(source)
    with pytest.raises(RawFileError, match=message) as error:
        read_week(path)
    assert error.value.file == path.name
    assert error.value.remedy


@pytest.mark.parametrize("damage", [_truncated, lambda path: _as(path, b""), _camel_case])
def test_an_unusable_file_rejects_its_week(tmp_path: Path, damage: Callable[[Path], Path]) -> None:
    source, outputs = write_week(tmp_path)
    out = tmp_path / "out"
    out.mkdir()
    path = damage(source)
    report = process_week(path, outputs, out)
    assert [check.name for check in report.checks] == list(CHECKS)
    structure, *others = report.checks
    assert (structure.name, structure.passed, structure.blocking) == ("file_structure", False, True)
    told = json.loads((out / "unusable.json").read_text())
    assert told["file"] == path.name
    for part in told.values():
        assert part in structure.description
    assert not [check.name for check in others if check.passed or check.blocking or check.checked]
    assert [file.name for file in out.iterdir()] == ["unusable.json"], "no table of an unusable week"
    assert report.metadata["clean_input_rows"] == report.metadata["quarantined_rows"] == 0


def test_an_output_file_is_no_input_file_and_weeks_must_agree(tmp_path: Path) -> None:
    inputs, outputs = write_week(tmp_path)
    with pytest.raises(RawFileError, match="missing columns"):
        read_week(outputs)
    other = outputs.rename(tmp_path / "output_2023_w02.csv")
    with pytest.raises(RawFileError, match="not the output of input_2023_w01"):
        read_week(inputs, other)


def test_harmless_differences_are_read(tmp_path: Path) -> None:
    source, _ = write_week(tmp_path)
    plain = read_week(source).input.frame
    text = source.read_text()
    header, *lines = text.splitlines()
    names = header.split(",")
    turned = "\n".join(",".join(reversed(line.split(","))) for line in [header, *lines]) + "\n"
    quoted = text.replace("Player 1", '"Player, 1"')
    variants = {
        "windows line ends": text.replace("\n", "\r\n").encode(),
        "byte order mark": b"\xef\xbb\xbf" + text.encode(),
        "blank lines at the end": text.encode() + b"\n\n",
        "other order of columns": turned.encode(),
        "whole numbers with a point": text.replace(",25,", ",25.0,").encode(),
        "upper case": text.replace("True", "TRUE").encode(),
        "quoted comma": quoted.encode(),
    }
    for what, data in variants.items():
        source.write_bytes(data)
        table = read_week(source).input
        assert table.failures.is_empty(), what
        keep = [name for name in names if name != "player_name"]
        assert table.frame.select(keep).equals(plain.select(keep)), what


def test_a_file_cut_off_in_its_last_line_is_told(tmp_path: Path) -> None:
    inputs, outputs = write_week(tmp_path)
    outputs.write_bytes(outputs.read_bytes()[:-12])
    report = process_week(inputs, outputs, tmp_path)
    results = {check.name: check for check in report.checks}
    assert results["file_structure"].passed
    cut = results["files_end_with_a_whole_line"]
    assert (cut.passed, cut.blocking, cut.failed, cut.checked) == (False, False, 1, 2)
    assert [(row["file"], row["line"]) for row in cut.sample] == [("output_2023_w01.csv", len(output_rows()) + 1)]
    quarantined = pl.read_parquet(tmp_path / "quarantine.parquet")
    assert quarantined["rule"].to_list() == ["field_count"]
    assert quarantined["line"].to_list() == [len(output_rows()) + 1]


# -- rows --------------------------------------------------------------------------------------------------

ROW = 30  # of the second player of the first play
VALUES = [
    ("type", "x", "abc"),
    ("type", "frame_id", "seven"),
    ("type", "frame_id", "7.5"),
    ("type", "player_to_predict", "maybe"),
    ("type", "player_weight", "heavy"),
    ("missing_value", "x", "NA"),
    ("missing_value", "player_role", "NA"),
    ("missing_value", "game_id", ""),
    ("not_finite", "y", "NaN"),
    ("not_finite", "s", "inf"),
    ("id_not_positive", "nfl_id", "0"),
    ("frame_id_range", "frame_id", "0"),
    ("x_off_field", "x", "125.01"),
    ("y_off_field", "y", "-5.01"),
    ("speed_range", "s", "15.1"),
    ("acceleration_range", "a", "-0.1"),
    ("dir_range", "dir", "360.1"),
    ("o_range", "o", "-1.0"),
    ("yardline_range", "absolute_yardline_number", "9"),
    ("num_frames_output_range", "num_frames_output", "0"),
    ("ball_land_x_range", "ball_land_x", "141"),
    ("ball_land_y_range", "ball_land_y", "-21"),
    ("play_direction_vocabulary", "play_direction", "up"),
    ("player_side_vocabulary", "player_side", "Bench"),
    ("player_role_vocabulary", "player_role", "Mascot"),
    ("player_height_format", "player_height", "185 cm"),
    ("player_weight_range", "player_weight", "90"),
    ("role_side_mismatch", "player_side", "Defense"),
    ("game_of_another_season", "game_id", "2019090700"),
]


@pytest.mark.parametrize(("rule", "column", "value"), VALUES)
def test_a_wrong_value_costs_its_row_under_its_own_name(tmp_path: Path, rule: str, column: str, value: str) -> None:
    rows = input_rows()
    rows[ROW][column] = value
    counts = processed(tmp_path, rows)
    assert counts["quarantined"] == {rule: 1}
    quarantined = pl.read_parquet(tmp_path / "quarantine.parquet").to_dicts()[0]
    assert quarantined["file"] == "input_2023_w01.csv"
    assert quarantined["line"] == ROW + 2
    assert json.loads(quarantined["row"])["player_name"] == "Player 1"
    kept = pl.read_parquet(tmp_path / "tracking.parquet")
    assert len(kept) == len(rows) - 1
    if rule in ("type", "missing_value"):
        assert value in ("NA", "") or json.loads(quarantined["row"])[column] == value


def test_real_coordinates_outside_the_lines_are_kept(tmp_path: Path) -> None:
    rows = input_rows()
    rows[ROW].update(x="120.83", y="-2.15")
    assert not processed(tmp_path, rows)["quarantined"]


def test_rows_again_are_told_from_rows_that_contradict(tmp_path: Path) -> None:
    rows = input_rows()
    again = [*rows, dict(rows[3]), {**rows[4], "x": "50.0"}]
    counts = processed(tmp_path, again)
    assert counts["quarantined"] == {"duplicate_frame": 1, "conflicting_frame": 1}
    assert pl.read_parquet(tmp_path / "quarantine.parquet")["line"].to_list() == [len(rows) + 2, len(rows) + 3]
    assert counts["findings"] == {}


def test_a_wrong_row_does_not_take_its_right_repetition_with_it(tmp_path: Path) -> None:
    rows = input_rows()
    rows.insert(ROW, {**rows[ROW], "x": "999"})
    assert processed(tmp_path, rows)["quarantined"] == {"x_off_field": 1}
    assert len(pl.read_parquet(tmp_path / "tracking.parquet")) == len(input_rows())


@pytest.mark.parametrize(("change", "message"), [(lambda f: f[:10], "10 fields"), (lambda f: [*f, "1"], "24 fields")])
def test_lines_with_too_few_or_too_many_fields(
    tmp_path: Path, change: Callable[[list[str]], list[str]], message: str
) -> None:
    inputs, outputs = write_week(tmp_path)
    lines = inputs.read_text().splitlines()
    lines[ROW] = ",".join(change(lines[ROW].split(",")))
    inputs.write_text("\n".join(lines) + "\n")
    report = process_week(inputs, outputs, tmp_path)
    quarantined = pl.read_parquet(tmp_path / "quarantine.parquet")
    assert quarantined.select("rule", "line").rows() == [("field_count", ROW + 1)]
    assert message in quarantined["value"][0]
    assert not next(check for check in report.checks if check.name == "columns_and_types").passed


def test_outputs_without_inputs(tmp_path: Path) -> None:
    extra = output_rows()[0]
    outputs = [*output_rows(), {**extra, "play_id": "999"}, {**extra, "nfl_id": "49999"}]
    counts = processed(tmp_path, None, outputs)
    assert counts["quarantined"] == {"output_without_input_play": 1, "output_without_input_player": 1}
    assert len(pl.read_parquet(tmp_path / "targets.parquet")) == len(output_rows())


def test_outputs_of_a_play_without_clean_rows(tmp_path: Path) -> None:
    rows = input_rows()
    bad = [{**row, "x": "999"} if row["play_id"] == "56" and row["game_id"] == "2023090700" else row for row in rows]
    counts = processed(tmp_path, bad)
    assert counts["quarantined"] == {"x_off_field": 100, "output_of_quarantined_play": 2 * OUTPUT_FRAMES}


def test_too_many_quarantined_rows_fail_the_week(tmp_path: Path) -> None:
    rows = input_rows()
    for row in rows[:5]:
        row["s"] = "99"
    report = process_week(*write_week(tmp_path, rows), tmp_path)
    share = next(check for check in report.checks if check.name == "quarantined_share")
    assert share.blocking
    assert not share.passed
    assert share.failed == 5
    assert share.sample[0]["line"] == 2


def test_every_rule_of_rows_is_tested() -> None:
    tested = {rule for rule, *_ in VALUES} | {
        "field_count",
        "duplicate_frame",
        "conflicting_frame",
        "output_without_input_play",
        "output_without_input_player",
        "output_of_quarantined_play",
    }
    assert set(ROW_RULES) == tested


# -- generated and real weeks ------------------------------------------------------------------------------


def test_every_defect_of_the_generator_is_found_where_it_is(tmp_path: Path) -> None:
    clean, damaged = tmp_path / "clean", tmp_path / "damaged"
    generate(clean, weeks=1, plays_per_week=60, seed=5)
    sample = generate(damaged, weeks=1, plays_per_week=60, seed=5, defects=True)
    for folder in (clean, damaged):
        report = process_week(folder / "train/input_2023_w01.csv", folder / "train/output_2023_w01.csv", folder)
        if folder == clean:
            assert [check.summary() for check in report.checks if not check.passed] == []
    quarantined = {
        (row["rule"], row["file"], row["line"])
        for row in pl.read_parquet(damaged / "quarantine.parquet").iter_rows(named=True)
    }
    findings = json.loads((damaged / "findings.json").read_text())
    between = {(row["rule"], row["game_id"], row["play_id"]) for rows in findings["samples"].values() for row in rows}
    tracked = [defect for defect in sample.defects if "supplementary" not in defect.file]
    assert len(tracked) > 30
    for defect in tracked:
        if defect.rule in ROW_RULES:
            for line in defect.lines:
                assert (defect.rule, Path(defect.file).name, line) in quarantined, defect
        else:
            assert (defect.rule, defect.game_id, defect.play_id) in between, defect
    lines = {line for defect in tracked if defect.rule in ROW_RULES for line in defect.lines}
    assert {line for _, _, line in quarantined} == lines


@pytest.mark.real_data
def test_real_weeks_pass(real_data: Path, tmp_path: Path) -> None:
    folder = real_data / "nfl" / "ngs_highlights" / "train"
    summaries = []
    for path in sorted(folder.glob("input_*.csv.gz")):
        report = process_week(path, folder / path.name.replace("input", "output"), tmp_path)
        assert [check.summary() for check in report.checks if not check.passed] == [], path.name
        summaries.append(report.summary)
    assert sum(summary["plays"] for summary in summaries) == 211
    for index, summary in enumerate(summaries):
        result = shift(summary, summaries[:index] + summaries[index + 1 :])
        assert result.passed, result.summary()


@pytest.mark.real_data
def test_output_files_of_the_competition_keep_the_rules(real_data: Path) -> None:
    from sport_assets.nfl.raw_tables import read_table, sift_table

    rows = 0
    for path in sorted((real_data / "nfl" / "bdb2026" / "train").glob("output_*.csv.gz")):
        table = read_table(path, OUTPUT, "output file")
        assert sift_table(table, OUTPUT, None, plays.FRAME_KEY).rules == {}
        rows += len(table.frame)
    assert rows == 430_955


def test_the_columns_are_those_of_the_competition() -> None:
    assert len(INPUT.columns) == 23
    assert list(OUTPUT.columns) == ["game_id", "play_id", "nfl_id", "frame_id", "x", "y"]
