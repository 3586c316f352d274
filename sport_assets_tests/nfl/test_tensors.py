"""The container: layout, file, selection, joining, padding."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from sport_assets.nfl.tensors import HISTORY_FRAMES, LayoutError, PlayTensors
from sport_assets_tests.nfl.example import plays


def equal(one: PlayTensors, other: PlayTensors) -> bool:
    return all(
        np.array_equal(getattr(one, f.name), getattr(other, f.name), equal_nan=f.name == "target") for f in fields(one)
    )


def test_file_round_trip_and_same_bytes(tmp_path: Path) -> None:
    tensors = plays()
    for name in ("a", "b"):
        tensors.save(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert equal(PlayTensors.load(tmp_path / "a"), tensors)


def test_a_file_of_another_layout_is_refused(tmp_path: Path) -> None:
    plays().save(tmp_path / "a")
    save_file(load_file(tmp_path / "a"), tmp_path / "b", metadata={"layout": "{}"})
    with pytest.raises(LayoutError, match="make it again"):
        PlayTensors.load(tmp_path / "b")


def test_a_file_without_labels_is_refused(tmp_path: Path) -> None:
    """Layout and labels are two things: an older file has the same layout, since a model reads no label."""
    plays().save(tmp_path / "a")
    arrays = load_file(tmp_path / "a")
    del arrays["coverage"]
    with safe_open(tmp_path / "a", framework="numpy") as file:
        save_file(arrays, tmp_path / "b", metadata=file.metadata())
    with pytest.raises(LayoutError, match=r"b lacks the arrays \['coverage'\]: make it again"):
        PlayTensors.load(tmp_path / "b")


def test_wrong_shapes_and_types_are_refused() -> None:
    tensors = plays()
    with pytest.raises(LayoutError, match="coverage holds values other"):
        replace(tensors, coverage=tensors.coverage + np.int8(1))
    with pytest.raises(LayoutError, match="history is float64"):
        replace(tensors, history=tensors.history.astype(np.float64))
    with pytest.raises(LayoutError, match=r"nfl_id|history"):
        replace(tensors, nfl_id=tensors.nfl_id[:-1])
    with pytest.raises(LayoutError, match="play_offset"):
        replace(tensors, play_offset=tensors.play_offset[::-1].copy())


def test_select_and_concatenate_are_inverse() -> None:
    tensors = plays(7)
    parts = [tensors.select(np.array([play])) for play in range(7)]
    assert equal(PlayTensors.concatenate(parts), tensors)
    assert equal(PlayTensors.concatenate([tensors, tensors]).select(np.arange(7) + 7), tensors)
    order = np.array([4, 1, 1, 6])
    assert equal(tensors.select(order), PlayTensors.concatenate([parts[play] for play in order]))
    assert len(tensors.select(np.zeros(0, np.int64))) == 0
    with pytest.raises(ValueError, match="nothing to concatenate"):
        PlayTensors.concatenate([])


def test_padding_holds_every_value_and_nothing_else() -> None:
    tensors = plays(5)
    order = np.array([3, 0, 4])
    batch = tensors.pad(order)
    for row, play in enumerate(order):
        players = slice(tensors.play_offset[play], tensors.play_offset[play + 1])
        count = players.stop - players.start
        assert batch["player_mask"][row].sum() == count
        for name in ("history", "observed", "player", "to_predict"):
            np.testing.assert_array_equal(batch[name][row, :count], getattr(tensors, name)[players])
            assert not batch[name][row, count:].any()
        for slot, index in enumerate(range(players.start, players.stop)):
            target = tensors.target[tensors.target_offset[index] : tensors.target_offset[index + 1]]
            if not tensors.to_predict[index]:
                assert not batch["target_mask"][row, slot].any()
                continue
            assert batch["target_mask"][row, slot].sum() == np.isfinite(target).all(1).sum()
            np.testing.assert_array_equal(batch["target"][row, slot, : len(target)], np.nan_to_num(target))
    assert np.isfinite(batch["target"]).all()
    np.testing.assert_array_equal(batch["frames"], tensors.frames[order])
    np.testing.assert_array_equal(batch["play"], tensors.play[order])
    np.testing.assert_array_equal(batch["coverage"], tensors.coverage[order])
    assert batch["coverage"].dtype == np.int8


def test_a_play_is_the_same_in_any_batch() -> None:
    tensors = plays(6)
    alone, together = tensors.pad(np.array([2])), tensors.pad(np.arange(6))
    width, length = alone["target"].shape[1:3]
    np.testing.assert_array_equal(alone["history"][0], together["history"][2, :width])
    np.testing.assert_array_equal(alone["target"][0], together["target"][2, :width, :length])


def test_fixed_width_and_horizon() -> None:
    tensors = plays(6)
    batch = tensors.pad(np.arange(6), players=22, horizon=3)
    assert batch["target"].shape == (6, 22, 3, 2)
    assert batch["history"].shape[1] == 22
    with pytest.raises(ValueError, match="more than players=2"):
        tensors.pad(np.arange(6), players=2)
    longer = tensors.pad(np.arange(6), horizon=40)
    assert longer["target_mask"].sum() == tensors.pad(np.arange(6))["target_mask"].sum()


def test_missing_target_frames_are_masked() -> None:
    tensors = plays(2)
    target = tensors.target.copy()
    target[0] = np.nan
    batch = replace(tensors, target=target).pad(np.arange(2))
    assert batch["target_mask"].sum() == tensors.pad(np.arange(2))["target_mask"].sum() - 1
    assert np.isfinite(batch["target"]).all()


def test_trainable_plays_have_a_target() -> None:
    tensors = plays(4)
    assert tensors.trainable().tolist() == [0, 1, 2, 3]
    start, end = (int(tensors.target_offset[tensors.play_offset[play]]) for play in (1, 2))
    target = tensors.target.copy()
    target[start:end] = np.nan
    assert replace(tensors, target=target).trainable().tolist() == [0, 2, 3]
    none = np.zeros_like(tensors.target_offset)
    assert replace(tensors, target_offset=none, target=target[:0]).trainable().tolist() == []


def test_last_observed_frame() -> None:
    tensors = plays(3)
    observed = np.zeros_like(tensors.observed)
    observed[:, 4] = True
    observed[0, HISTORY_FRAMES - 1] = True
    last = replace(tensors, observed=observed).last_observed()
    assert last[0] == HISTORY_FRAMES - 1
    assert (last[1:] == 4).all()
