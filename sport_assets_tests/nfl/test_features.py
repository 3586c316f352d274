"""Arrays made of tables: the right values in the right place, and nothing that is not known at the throw."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from sport_assets.nfl import plays
from sport_assets.nfl.features import build, missing
from sport_assets.nfl.schemas import PLAY_CONTEXT, column_types
from sport_assets.nfl.tensors import (
    HISTORY_CHANNELS,
    HISTORY_FRAMES,
    PLAY_FEATURES,
    PLAYER_FEATURES,
    PlayTensors,
)
from sport_assets_tests.nfl.raw_files import INPUT_FRAMES, OUTPUT_FRAMES, write_week

X, Y = HISTORY_CHANNELS.index("x"), HISTORY_CHANNELS.index("y")


@pytest.fixture(scope="module")
def week(tmp_path_factory: pytest.TempPathFactory) -> tuple[pl.DataFrame, pl.DataFrame]:
    folder = tmp_path_factory.mktemp("week")
    plays.process_week(*write_week(folder), folder)
    return pl.read_parquet(folder / "tracking.parquet"), pl.read_parquet(folder / "targets.parquet")


def context(**values: object) -> pl.DataFrame:
    row = {
        "game_id": 2023090700,
        "play_id": 56,
        "home_team_abbr": "KC",
        "visitor_team_abbr": "DET",
        "quarter": 2,
        "game_clock": "07:30",
        "down": 3,
        "yards_to_go": 8,
        "possession_team": "DET",
        "defensive_team": "KC",
        "yardline_side": "KC",
        "yardline_number": 30,
        "pre_snap_home_score": 14,
        "pre_snap_visitor_score": 0,
        "offense_formation": "SHOTGUN",
        "receiver_alignment": "1x3",
        "defenders_in_the_box": 7,
        **values,
    }
    return pl.DataFrame([row], schema=column_types(PLAY_CONTEXT))


def same(one: PlayTensors, other: PlayTensors, *, but: tuple[str, ...] = ()) -> None:
    for field in fields(one):
        if field.name not in but:
            np.testing.assert_array_equal(getattr(one, field.name), getattr(other, field.name), err_msg=field.name)


def test_values_are_where_they_belong(week: tuple[pl.DataFrame, pl.DataFrame]) -> None:
    tensors = build(*week)
    assert (len(tensors), tensors.players) == (4, 16)
    assert tensors.game_id.tolist() == [2023090700, 2023090700, 2023091000, 2023091000]
    assert tensors.play_id.tolist() == [56, 101, 56, 101]
    assert tensors.nfl_id[:4].tolist() == [40000, 40001, 40002, 40003]
    assert tensors.direction_left.tolist() == [False, True, False, True]
    assert tensors.frames.tolist() == [OUTPUT_FRAMES] * 4
    assert tensors.observed.all()
    # The offence always moves to +x at 5 yd/s, whichever way it went.
    np.testing.assert_allclose(tensors.history[0, -1, X], 40.0 + 0.5 * INPUT_FRAMES, atol=1e-4)
    np.testing.assert_allclose(tensors.history[:, :, 2], 5.0, atol=1e-4)
    np.testing.assert_allclose(tensors.history[:, :, 3], 0.0, atol=1e-4)
    np.testing.assert_allclose(np.diff(tensors.history[:, :, X], axis=1), 0.5, atol=1e-4)
    np.testing.assert_allclose(tensors.history[..., 5], np.sin(np.radians(120)), atol=1e-6)
    np.testing.assert_allclose(tensors.history[..., 6], np.cos(np.radians(120)), atol=1e-6)
    np.testing.assert_allclose(tensors.play[:, :3], [[60, 20, 40]] * 4, atol=1e-5)
    first = tensors.target[tensors.target_offset[0] : tensors.target_offset[1]]
    np.testing.assert_allclose(first[:, 0], 40.0 + 0.5 * (INPUT_FRAMES + np.arange(1, OUTPUT_FRAMES + 1)), atol=1e-4)
    assert np.diff(tensors.target_offset).tolist() == [OUTPUT_FRAMES, 0, 0, OUTPUT_FRAMES] * 4
    assert missing(week[0], tensors).is_empty()


def test_player_features(week: tuple[pl.DataFrame, pl.DataFrame]) -> None:
    tensors = build(*week)
    named = [dict(zip(PLAYER_FEATURES, row, strict=True)) for row in tensors.player[:4].tolist()]
    roles = ("role_targeted_receiver", "role_other_route_runner", "role_passer", "role_defensive_coverage")
    positions = ("position_wide_receiver", "position_tight_end", "position_quarterback", "position_cornerback")
    for index, row in enumerate(named):
        assert [row[role] for role in roles] == [float(role == roles[index]) for role in roles]
        assert [name for name in PLAYER_FEATURES if name.startswith("position_") and row[name]] == [positions[index]]
        assert row["side_offense"] == float(index < 3)
        assert row["height_scaled"] == pytest.approx(0.0)
        assert row["weight_scaled"] == pytest.approx((205 - 220) / 40)
        assert row["height_known"] == row["weight_known"] == 1.0
    unknown = build(week[0].with_columns(player_height=pl.lit(None, pl.String), player_weight=pl.lit(None, pl.Int64)))
    for name in ("height_scaled", "height_known", "weight_scaled", "weight_known"):
        assert not unknown.player[:, PLAYER_FEATURES.index(name)].any()


def test_context_features(week: tuple[pl.DataFrame, pl.DataFrame]) -> None:
    tensors = build(*week, context())
    row = dict(zip(PLAY_FEATURES, tensors.play[0].tolist(), strict=True))
    expected = {
        "context_known": 1.0,
        "quarter_scaled": 0.25,
        "clock_scaled": 0.5,
        "down_3": 1.0,
        "yards_to_go_scaled": 0.8,
        "score_margin_scaled": -1.0,
        "formation_shotgun": 1.0,
        "receivers_strong_side": 1.0,
        "receivers_weak_side": 1 / 3,
        "alignment_known": 1.0,
        "defenders_in_the_box_scaled": 0.5,
        "defenders_in_the_box_known": 1.0,
    }
    for name in PLAY_FEATURES[3:]:
        assert row[name] == pytest.approx(expected.get(name, 0.0)), name
    assert not tensors.play[1:, 3:].any()
    np.testing.assert_array_equal(build(*week).play[:, 3:], 0.0)
    partly = build(*week, context(receiver_alignment=None, down=None, defenders_in_the_box=None))
    assert np.isfinite(partly.play).all()
    with pytest.raises(ValueError, match="a play twice"):
        build(*week, pl.concat([context(), context()]))


def test_without_targets_only_the_targets_lack(week: tuple[pl.DataFrame, pl.DataFrame]) -> None:
    tensors = build(week[0], None, None)
    assert len(tensors.target) == 0
    same(tensors, build(*week), but=("target", "target_offset"))


def test_features_hold_nothing_of_after_the_throw(week: tuple[pl.DataFrame, pl.DataFrame]) -> None:
    tracking, targets = week
    changed = targets.with_columns(pl.col("x") + 9, pl.col("y") - 9)
    same(build(tracking, targets), build(tracking, changed), but=("target",))


def test_rows_in_any_order_give_the_same(week: tuple[pl.DataFrame, pl.DataFrame]) -> None:
    tracking, targets = week
    shuffled = tracking.sample(fraction=1.0, shuffle=True, seed=3)
    players = pl.concat(reversed(tracking.partition_by("game_id", "play_id", "nfl_id", maintain_order=True)))
    for rows in (shuffled, players):
        assert not rows.equals(tracking)
        same(build(rows, targets.reverse()), build(tracking, targets))


def test_the_last_frames_are_kept_and_aligned_on_the_throw(week: tuple[pl.DataFrame, pl.DataFrame]) -> None:
    tracking, targets = week
    player = (pl.col("nfl_id") == 40001) & (pl.col("play_id") == 56)
    gone = tracking.filter(~(player & pl.col("frame_id").is_in([10, INPUT_FRAMES])))
    tensors, whole = build(gone, targets), build(tracking, targets)
    first = INPUT_FRAMES - HISTORY_FRAMES + 1
    lost = [10 - first, HISTORY_FRAMES - 1]
    assert np.flatnonzero(~tensors.observed[1]).tolist() == lost
    assert not tensors.history[1, lost].any()
    kept = np.setdiff1d(np.arange(HISTORY_FRAMES), lost)
    np.testing.assert_array_equal(tensors.history[1, kept], whole.history[1, kept])
    np.testing.assert_array_equal(tensors.history[0], whole.history[0])
    short = build(tracking.filter(pl.col("frame_id") > INPUT_FRAMES - 3), targets)
    assert short.observed.sum(axis=1).tolist() == [3] * 16
    assert short.observed[:, -3:].all()


def test_a_player_not_seen_lately_is_left_out_and_named(week: tuple[pl.DataFrame, pl.DataFrame]) -> None:
    tracking, targets = week
    player = (pl.col("nfl_id") == 40003) & (pl.col("play_id") == 56) & (pl.col("game_id") == 2023090700)
    rows = tracking.filter(~player | (pl.col("frame_id") <= INPUT_FRAMES - HISTORY_FRAMES))
    tensors = build(rows, targets)
    assert np.diff(tensors.play_offset).tolist() == [3, 4, 4, 4]
    assert missing(rows, tensors).rows() == [(2023090700, 56, 40003)]


def test_a_play_whose_players_disagree_is_left_out_and_named(week: tuple[pl.DataFrame, pl.DataFrame]) -> None:
    tracking, targets = week
    odd = (pl.col("nfl_id") == 40001) & (pl.col("play_id") == 101) & (pl.col("game_id") == 2023090700)
    rows = tracking.with_columns(ball_land_x=pl.when(odd).then(1.0).otherwise("ball_land_x"))
    tensors = build(rows, targets)
    assert tensors.play_id.tolist() == [56, 56, 101]
    assert missing(rows, tensors).rows() == [(2023090700, 101, 40000), (2023090700, 101, 40003)]


def test_targets_that_lack_or_are_too_many(week: tuple[pl.DataFrame, pl.DataFrame]) -> None:
    tracking, targets = week
    first = (pl.col("game_id") == 2023090700) & (pl.col("play_id") == 56) & (pl.col("nfl_id") == 40000)
    gap = build(tracking, targets.filter(~(first & (pl.col("frame_id") == 2))))
    assert np.isnan(gap.target[1]).all()
    assert np.isfinite(gap.target[[0, *range(2, OUTPUT_FRAMES)]]).all()
    more = targets.filter(first & (pl.col("frame_id") == 6)).with_columns(frame_id=pl.lit(7, pl.Int64))
    same(build(tracking, pl.concat([targets, more])), build(tracking, targets))
    unflagged = targets.filter(first).with_columns(nfl_id=pl.lit(40001, pl.Int64))
    same(build(tracking, pl.concat([targets, unflagged])), build(tracking, targets))


def test_frames_that_are_there_twice_are_refused(week: tuple[pl.DataFrame, pl.DataFrame]) -> None:
    tracking, targets = week
    with pytest.raises(ValueError, match="a frame of a player twice"):
        build(pl.concat([tracking, tracking.head(1)]), targets)
    with pytest.raises(ValueError, match="targets table holds a frame"):
        build(tracking, pl.concat([targets, targets.head(1)]))


def test_an_empty_table_makes_no_plays(week: tuple[pl.DataFrame, pl.DataFrame], tmp_path: Path) -> None:
    tensors = build(week[0].clear(), week[1].clear())
    assert len(tensors) == 0
    tensors.save(tmp_path / "empty")
    assert len(PlayTensors.load(tmp_path / "empty")) == 0


@pytest.mark.real_data
def test_real_plays(real_data: Path, tmp_path: Path) -> None:
    folder = real_data / "nfl" / "ngs_highlights" / "train"
    path = folder / "input_2019_w01.csv.gz"
    plays.process_week(path, folder / "output_2019_w01.csv.gz", tmp_path)
    tracking, targets = (pl.read_parquet(tmp_path / f"{name}.parquet") for name in ("tracking", "targets"))
    tensors = build(tracking, targets)
    assert len(tensors) == 17
    assert missing(tracking, tensors).is_empty()
    assert tensors.pad(np.arange(17))["target_mask"].sum() == len(targets)
    seen = tensors.observed[:, 1:] & tensors.observed[:, :-1]
    moved = np.diff(tensors.history[..., :2], axis=1)[seen]
    velocity = tensors.history[:, 1:, 2:4][seen]
    for axis in (0, 1):
        assert np.corrcoef(moved[:, axis], velocity[:, axis])[0, 1] > 0.99
    # The targeted receiver ends near the landing point, which lies ahead of the line of scrimmage on most plays.
    assert np.median(tensors.play[:, 0] - tensors.play[:, 2]) > 0
