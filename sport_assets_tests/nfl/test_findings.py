"""What is wrong between a week's rows is found under its name, and no row is lost for it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from sport_assets.nfl.findings import RULES, week_dates
from sport_assets.nfl.plays import process_week
from sport_assets_tests.nfl.raw_files import Row, input_rows, output_rows, processed, write_week


def player(row: Row, index: int = 1, game: str = "2023090700", play: str = "56") -> bool:
    return (row["game_id"], row["play_id"], row["nfl_id"]) == (game, play, str(40000 + index))


def without(rows: list[Row], condition: Callable[[Row], bool]) -> list[Row]:
    return [row for row in rows if not condition(row)]


def changed(rows: list[Row], condition: Callable[[Row], bool], **values: str) -> list[Row]:
    return [{**row, **values} if condition(row) else row for row in rows]


def vary(column: str, value: str) -> Callable[[list[Row]], list[Row]]:
    """Another value in one frame of one player."""
    return lambda rows: changed(rows, lambda r: player(r) and r["frame_id"] == "3", **{column: value})


def first_play(row: Row) -> bool:
    return (row["game_id"], row["play_id"]) == ("2023090700", "56")


def crowd(rows: list[Row]) -> list[Row]:
    return rows + [{**row, "nfl_id": str(50000 + extra)} for extra in range(20) for row in rows if player(row)]


def later(rows: list[Row]) -> list[Row]:
    return changed(rows, lambda r: r["game_id"] == "2023091000", game_id="2023101500")


INPUT_DAMAGE: list[tuple[str, Callable[[list[Row]], list[Row]]]] = [
    ("frame_gap", lambda rows: without(rows, lambda r: player(r) and r["frame_id"] in ("7", "8"))),
    ("first_frame_not_1", lambda rows: without(rows, lambda r: player(r) and r["frame_id"] == "1")),
    ("frame_counts_differ", lambda rows: without(rows, lambda r: player(r) and int(r["frame_id"]) > 22)),
    ("several_targeted_receivers", lambda rows: changed(rows, player, player_role="Targeted Receiver")),
    ("no_targeted_receiver", lambda rows: changed(rows, lambda r: player(r, 0), player_role="Other Route Runner")),
    ("several_passers", lambda rows: changed(rows, player, player_role="Passer")),
    ("num_frames_output_varies", vary("num_frames_output", "7")),
    ("ball_land_x_varies", vary("ball_land_x", "61")),
    ("ball_land_y_varies", vary("ball_land_y", "21")),
    ("absolute_yardline_number_varies", vary("absolute_yardline_number", "41")),
    ("player_role_varies", vary("player_role", "Passer")),
    ("player_to_predict_varies", vary("player_to_predict", "True")),
    ("player_position_varies", vary("player_position", "WR")),
    ("player_name_varies", vary("player_name", "NA")),
    ("player_height_varies", vary("player_height", "6-2")),
    ("player_weight_varies", vary("player_weight", "NA")),
    ("play_direction_varies", vary("play_direction", "left")),
    ("player_without_output", lambda rows: changed(rows, player, player_to_predict="True")),
    ("output_of_unflagged_player", lambda rows: changed(rows, lambda r: player(r, 0), player_to_predict="False")),
    ("num_frames_output_mismatch", lambda rows: changed(rows, first_play, num_frames_output="8")),
    ("too_many_players", crowd),
    ("game_of_another_week", later),
]


@pytest.mark.parametrize(("rule", "damage"), INPUT_DAMAGE)
def test_what_is_wrong_between_rows_is_found_and_no_row_is_lost(
    tmp_path: Path, rule: str, damage: Callable[[list[Row]], list[Row]]
) -> None:
    rows = damage(input_rows())
    outputs = output_rows()
    if rule == "game_of_another_week":
        outputs = later(outputs)
    counts = processed(tmp_path, rows, outputs)
    assert counts["findings"] == {rule: 1}
    assert counts["quarantined"] == {}
    assert len(pl.read_parquet(tmp_path / "tracking.parquet")) == len(rows)
    sample = json.loads((tmp_path / "findings.json").read_text())["samples"][rule][0]
    assert sample["line"] >= 2
    assert sample["file"] in ("input_2023_w01.csv", "output_2023_w01.csv")


OUTPUT_DAMAGE: list[tuple[str, Callable[[list[Row]], list[Row]]]] = [
    ("output_frame_gap", lambda rows: without(rows, lambda r: player(r, 0) and r["frame_id"] == "3")),
    ("output_first_frame_not_1", lambda rows: without(rows, lambda r: player(r, 0) and r["frame_id"] == "1")),
    ("player_without_output", lambda rows: without(rows, lambda r: player(r, 0))),
    ("play_without_output", lambda rows: without(rows, lambda r: player(r, 0) or player(r, 3))),
    ("num_frames_output_mismatch", lambda rows: without(rows, lambda r: player(r, 0) and r["frame_id"] == "6")),
    ("jump_at_throw", lambda rows: changed(rows, lambda r: player(r, 0) and r["frame_id"] == "1", y="15")),
]


@pytest.mark.parametrize(("rule", "damage"), OUTPUT_DAMAGE)
def test_what_is_wrong_with_outputs_is_found(
    tmp_path: Path, rule: str, damage: Callable[[list[Row]], list[Row]]
) -> None:
    assert processed(tmp_path, None, damage(output_rows()))["findings"] == {rule: 1}


def test_a_jump_out_and_back(tmp_path: Path) -> None:
    rows = changed(input_rows(), lambda r: player(r) and r["frame_id"] == "9", y="40")
    assert processed(tmp_path, rows)["findings"] == {"position_jump": 2}


def test_every_finding_is_tested() -> None:
    tested = {rule for rule, _ in (*INPUT_DAMAGE, *OUTPUT_DAMAGE)} | {"position_jump"}
    # A side always varies with a role or against it, so it cannot vary alone: the row rule finds it first.
    assert set(RULES) == tested | {"player_side_varies"}


def test_most_plays_damaged_fails_the_week(tmp_path: Path) -> None:
    report = process_week(*write_week(tmp_path, changed(input_rows(), lambda r: True, num_frames_output="8")), tmp_path)
    share = next(check for check in report.checks if check.name == "damaged_plays_share")
    assert share.blocking
    assert not share.passed
    assert share.failed == 4


def test_weeks_of_the_calendar() -> None:
    assert week_dates(2023, 1)[0].isoformat() == "2023-09-05"
    assert week_dates(2023, 1)[1].isoformat() == "2023-09-13"
    # Super Bowls: 2020-02-02 was week 22 of 2019, 2024-02-11 of 2023
    for season, day in ((2019, "2020-02-02"), (2023, "2024-02-11")):
        first, last = (date.isoformat() for date in week_dates(season, 22))
        assert first <= day <= last
