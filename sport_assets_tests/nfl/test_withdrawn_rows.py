"""Rows that were withdrawn: a game, a play, a player, or a player in one play; set aside without what they say."""

from collections.abc import Mapping
from pathlib import Path

import polars as pl
import pytest

from sport_assets.nfl import context
from sport_assets.nfl.plays import WeekReport, process_week
from sport_assets.nfl.synthetic import generate
from sport_assets_tests.nfl.raw_files import GAMES, INPUT_FRAMES, OUTPUT_FRAMES, input_rows, output_rows, write_week

GAME, PLAYER = {"game_id": str(GAMES[0])}, {"nfl_id": "40003"}
PLAY = {"game_id": str(GAMES[1]), "play_id": "56"}
IN_PLAY = {**PLAY, "nfl_id": "40000"}


def processed(folder: Path, *withdrawn: Mapping[str, str]) -> tuple[WeekReport, pl.DataFrame]:
    report = process_week(*write_week(folder), folder, withdrawn)
    return report, pl.read_parquet(folder / "quarantine.parquet")


def holds(row: Mapping[str, str], withdrawn: Mapping[str, str]) -> bool:
    return all(row[name] == value for name, value in withdrawn.items())


@pytest.mark.parametrize("withdrawn", [GAME, PLAY, PLAYER, IN_PLAY])
def test_its_rows_go_to_quarantine_without_what_they_say_and_are_no_defect(
    tmp_path: Path, withdrawn: Mapping[str, str]
) -> None:
    report, quarantine = processed(tmp_path, withdrawn)
    inputs = [line for line, row in enumerate(input_rows(), start=2) if holds(row, withdrawn)]
    outputs = [line for line, row in enumerate(output_rows(), start=2) if holds(row, withdrawn)]
    assert inputs and outputs
    found = {name: rows["line"].to_list() for (name,), rows in quarantine.partition_by("file", as_dict=True).items()}
    assert found == {"input_2023_w01.csv": inputs, "output_2023_w01.csv": outputs}
    assert set(quarantine["rule"]) == {"withdrawn"} and set(quarantine["row"]) == {""}
    assert quarantine["column"][0] == ", ".join(sorted(withdrawn))
    gone = len(inputs) + len(outputs)
    assert (report.metadata["quarantined_rows"], report.metadata["withdrawn_rows"]) == (gone, gone)
    assert report.metadata["quarantined_share"] == 0.0
    failed = {check.name for check in report.checks if not check.passed}
    assert failed <= {"roles_in_play"}, "a play without its targeted receiver is worth a warning"
    for name in ("tracking", "targets"):
        table = pl.read_parquet(tmp_path / f"{name}.parquet").select(*withdrawn)
        rows = {tuple(map(str, row)) for row in table.iter_rows()}
        assert rows and tuple(withdrawn.values()) not in rows
    indexed = {value for found in report.identifiers.identifiers() for value in found.values()}
    assert ",".join(withdrawn[name] for name in sorted(withdrawn)) not in indexed


def test_defects_are_still_counted_by_what_is_left(tmp_path: Path) -> None:
    inputs = input_rows()
    for row in inputs[-2:]:
        row["s"] = "99"  # of the other game
    inputs[0]["s"] = "99"  # withdrawn: no defect any more
    report = process_week(*write_week(tmp_path, inputs), tmp_path, [GAME])
    share = next(check for check in report.checks if check.name == "quarantined_share")
    left = 2 * 4 * INPUT_FRAMES + 2 * 2 * OUTPUT_FRAMES
    assert (share.failed, share.checked, dict(share.rules)) == (2, left, {"speed_range": 2})
    speed = next(check for check in report.checks if check.name == "speed_and_acceleration")
    assert {row["line"] for row in speed.sample} == {len(inputs), len(inputs) + 1}


def test_several_row_sets_at_once_count_each_row_once(tmp_path: Path) -> None:
    report, quarantine = processed(tmp_path, GAME, PLAYER)
    rows = [row for row in (*input_rows(), *output_rows()) if holds(row, GAME) or holds(row, PLAYER)]
    assert report.metadata["withdrawn_rows"] == len(rows) < len(quarantine)


def test_a_week_of_which_nothing_is_left_says_to_withdraw_it_as_a_whole(tmp_path: Path) -> None:
    report = process_week(*write_week(tmp_path), tmp_path, [{"game_id": str(game)} for game in GAMES])
    [failed] = [check for check in report.checks if check.blocking and not check.passed]
    assert failed.name == "file_structure"
    assert "sport-assets withdraw nfl/raw_tracking:WEEK" in (tmp_path / "unusable.json").read_text()


def test_nothing_withdrawn_changes_nothing(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    for folder, withdrawn in ((first, ()), (second, ({"nfl_id": "1"},))):
        folder.mkdir()
        process_week(*write_week(folder), folder, withdrawn)
    for name in ("tracking", "targets", "quarantine"):
        assert (first / f"{name}.parquet").read_bytes() == (second / f"{name}.parquet").read_bytes()


def test_withdrawn_plays_leave_the_context_and_its_labels(tmp_path: Path) -> None:
    generate(tmp_path, weeks=1, plays_per_week=30, seed=2)
    path = tmp_path / "supplementary_data.csv"
    raw = pl.read_csv(path, infer_schema=False)
    game, play = raw["game_id"][0], raw["play_id"][0]
    of_game = raw.filter(game_id=game).height
    for withdrawn, gone in (({"game_id": game}, of_game), ({"game_id": game, "play_id": play}, 1)):
        report = context.process_context(path, tmp_path, [withdrawn])
        assert (report.metadata["withdrawn_rows"], report.metadata["plays"]) == (gone, 30 - gone)
        assert all(check.passed for check in report.checks if check.name != "coverage_labels"), "no defect"
        quarantine = pl.read_parquet(tmp_path / "quarantine.parquet")
        assert set(quarantine["rule"]) == {"withdrawn"} and set(quarantine["row"]) == {""}
        for name in ("play_context", "labels"):
            left = pl.read_parquet(tmp_path / f"{name}.parquet")
            assert left.filter(*(pl.col(column) == int(value) for column, value in withdrawn.items())).is_empty()
