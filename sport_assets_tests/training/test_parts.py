"""Which part of the data set a training reads decides whether the monitor chooses its epoch."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pydantic
import pytest

from sport_assets.training.spec import SpecInput, TrainingSpec
from sport_assets_tests.training.conftest import Trainers

ToySpec = Callable[..., TrainingSpec]
# the toy's error grows with these epochs, so the first is the best
RISING: dict[str, Any] = {"learning_rate": 0.02, "monitor_mode": "max", "max_epochs": 4, "save_last": True}


def result(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "work" / "result.json").read_text())
    return content


def test_the_part_is_identity_and_part_of_what_is_published(toy_spec: ToySpec) -> None:
    parts = ["split", "all", "fold:0", "fold:1", "tuning:0"]
    specs = [toy_spec(spec={"part": part}) for part in parts]
    assert len({spec.digest for spec in specs}) == len(parts)
    assert [spec.identity()["part"] for spec in specs] == parts
    assert [spec.chooses_epoch for spec in specs] == [True, False, False, False, False]
    assert toy_spec().part == "split"
    for wrong in ("fold", "fold:", "fold:-1", "fold:01", "train", "all:1", "fold:1 "):
        with pytest.raises(pydantic.ValidationError):
            toy_spec(spec={"part": wrong})


@pytest.mark.parametrize("part", ["fold:1", "tuning:0"])
def test_a_fold_publishes_its_last_epoch_and_never_stops_early(
    part: str, toy_spec: ToySpec, trainers: Trainers, tmp_path: Path
) -> None:
    hasty = {"early_stopping_patience": 1, "early_stopping_min_delta": 100.0, "save_top_k": 3}
    assert trainers.run(toy_spec(spec={"part": part}, **RISING, **hasty), tmp_path)[0] == 0
    report, out = result(tmp_path), tmp_path / "out"
    assert (report["part"], report["selected"], report["epochs"]) == (part, "last epoch", 4)
    assert report["published_epoch"] == 3
    rows = json.loads((out / "curves.json").read_text())
    assert report["published_value"] == rows[-1]["val_ade"] and report["monitor"] == "val_ade"
    values = [row["val_ade"] for row in rows]
    assert (report["best_value"], report["best_epoch"]) == (max(values), values.index(max(values)))
    assert [path.name for path in sorted(out.glob("weights*"))] == ["weights.safetensors", "weights_last.safetensors"]
    assert (out / "weights.safetensors").read_bytes() == (out / "weights_last.safetensors").read_bytes()
    assert len(list((tmp_path / "work" / "best").iterdir())) <= 2, "the weights of epochs gone by are deleted"


def test_the_choice_says_that_it_was_one(toy_spec: ToySpec, trainers: Trainers, tmp_path: Path) -> None:
    assert trainers.run(toy_spec(max_epochs=2), tmp_path)[0] == 0
    report = result(tmp_path)
    assert (report["part"], report["selected"]) == ("split", "best epoch by val_ade")
    assert report["published_epoch"] == report["best_epoch"]


def test_a_fit_on_everything_has_no_validation(toy_spec: ToySpec, trainers: Trainers, tmp_path: Path) -> None:
    spec = toy_spec(spec={"part": "all"}, monitor="val_ade", max_epochs=2)
    status, log = trainers.run(spec, tmp_path / "all")
    assert status == 0, log
    assert "last epoch (epoch 2, train_loss" in log
    report = result(tmp_path / "all")
    assert (report["selected"], report["monitor"], report["validation_samples"]) == ("last epoch", "train_loss", 0)
    status, log = trainers.run(toy_spec(spec={"part": "all"}, model={"holds_out": True}), tmp_path / "held_out")
    assert status == 2
    assert "part 'all' trains on everything" in log


def test_a_killed_fold_ends_with_the_same_bits(toy_spec: ToySpec, trainers: Trainers, tmp_path: Path) -> None:
    spec = toy_spec(spec={"part": "fold:0"}, model={"delay_s": 0.02})
    assert trainers.run(spec, tmp_path / "whole")[0] == 0
    status, log = trainers.run(spec, tmp_path / "cut", delay_s=0.6, signal="SIGTERM")
    assert status == 75, log
    assert trainers.run(spec, tmp_path / "cut")[0] == 0
    same = [(tmp_path / name / "out" / "weights.safetensors").read_bytes() for name in ("whole", "cut")]
    assert same[0] == same[1]


def test_a_training_is_continued_on_its_own_part_alone(toy_spec: ToySpec, trainers: Trainers, tmp_path: Path) -> None:
    assert trainers.run(toy_spec(spec={"part": "fold:0"}, max_epochs=2), tmp_path / "fold")[0] == 0
    finished = SpecInput(key="toy/checkpoint", version="b" * 64, path=str(tmp_path / "fold" / "out"))
    more: dict[str, Any] = {"resume_from": "b" * 64, "inputs": (finished,)}
    status, log = trainers.run(toy_spec(spec={**more, "part": "fold:1"}, max_epochs=3), tmp_path / "other")
    assert status == 2
    assert "read the part 'fold:0' of its data, this one reads 'fold:1'" in log
    status, log = trainers.run(toy_spec(spec={**more, "part": "fold:0"}, max_epochs=3), tmp_path / "same")
    assert status == 0, log
    assert (result(tmp_path / "same")["epochs"], result(tmp_path / "same")["published_epoch"]) == (3, 2)
