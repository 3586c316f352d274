"""RF-DETR in the training kernel: what is frozen and what moves, the same bits again, what is refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from sport_assets.detection.settings import resolve
from sport_assets.training.spec import SpecInput, TrainingSpec
from sport_assets_tests.detection.tiny_dataset import tiny_dataset
from sport_assets_tests.training import conftest as training_tests
from sport_assets_tests.training.conftest import Trainers, contents

pytestmark = pytest.mark.slow
trainers = training_tests.trainers
SMALL = {
    "model.resolution": 64,
    "model.queries": 12,
    "model.decoder_layers": 1,
    "model.keep": 12,
    "training.batch_size": 4,
    "training.weight_averaging": None,
    "phase_2.max_epochs": 1,
    "phase_2.warmup_epochs": 0,
}


def spec_of(phase: str, data: Path, head: Path | None = None, **overrides: Any) -> TrainingSpec:
    """The spec of a phase of the preset sanity, made still smaller."""
    settings = resolve({"preset": "sanity"}, {**SMALL, **overrides})
    own = settings.pop(phase)
    settings = {name: section for name, section in settings.items() if not name.startswith("phase_")}
    inputs = [SpecInput(key="detection/coco_dataset", version="a" * 64, path=str(data))]
    if head is not None:
        inputs.append(SpecInput(key="detection/head_checkpoint", version="b" * 64, path=str(head)))
    builder = "build_head" if head is None else "build_detector"
    return TrainingSpec(
        line="detection",
        model=phase,
        builder=f"sport_assets.detection.models:{builder}",
        settings={**settings, "training": {**settings["training"], **own}},
        inputs=tuple(inputs),
    )


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_dataset(tmp_path_factory.mktemp("tiny"), train=8, valid=4)


@pytest.fixture(scope="module")
def trained(trainers: Trainers, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both phases, in folders head and whole."""
    folder = tmp_path_factory.mktemp("trained")
    status, said = trainers.run(spec_of("phase_1", data), folder / "head")
    assert status == 0, said
    status, said = trainers.run(spec_of("phase_2", data, folder / "head" / "out"), folder / "whole")
    assert status == 0, said
    return folder


def weights(folder: Path) -> dict[str, np.ndarray]:
    return load_file(folder / "out" / "weights.safetensors")


def moved(one: Mapping[str, np.ndarray], other: Mapping[str, np.ndarray]) -> set[str]:
    return {name for name in one if not np.array_equal(one[name], other[name])}


def test_phase_1_leaves_the_encoder_and_phase_2_moves_it(trained: Path, data: Path) -> None:
    import torch

    from sport_assets.detection.models import build_head

    torch.manual_seed(0)
    import pytorch_lightning as pl

    spec = spec_of("phase_1", data)
    pl.seed_everything(spec.seed, workers=True, verbose=False)
    begin = {name: value.numpy() for name, value in build_head(spec).module.state_dict().items()}
    head, whole = weights(trained / "head"), weights(trained / "whole")
    encoder = {name for name in begin if name.startswith("network.backbone.0.encoder.")}
    in_head = moved(begin, head)
    assert len(encoder) > 50
    assert not in_head & encoder, "frozen"
    assert {"network.class_embed.weight", "network.backbone.0.projector.stages.0.0.cv1.conv.weight"} <= in_head
    layers = {name for name in encoder if ".layer." in name and name.endswith("weight")}
    assert layers <= moved(head, whole) | {name for name in layers if "norm" in name or "mask" in name}


def test_phase_2_begins_with_the_best_of_phase_1(trained: Path, data: Path) -> None:
    from sport_assets.detection.models import build_detector

    job = build_detector(spec_of("phase_2", data, trained / "head" / "out"))
    begin = {name: value.numpy() for name, value in job.module.state_dict().items()}
    assert not moved(weights(trained / "head"), begin)
    assert all(parameter.requires_grad for parameter in job.module.parameters())


def test_a_training_says_which_videos_it_read_by_name_and_by_file(tmp_path: Path) -> None:
    from sport_assets.detection.models import build_head

    folder = tiny_dataset(tmp_path / "data", train=8, valid=4)
    (folder / "split.json").write_text(json.dumps({"video_sha256": {"train_1": "a", "valid_0": "b"}}))
    index = build_head(spec_of("phase_1", folder)).identifiers
    assert index is not None
    assert {(each.name, each.side): each.values() for each in index.identifiers()} == {
        ("video", "train"): ["train_0", "train_1"],
        ("video", "valid"): ["valid_0"],
        ("video_sha256", "train"): ["a"],
        ("video_sha256", "valid"): ["b"],
    }


def test_the_same_training_gives_the_same_bits(trained: Path, trainers: Trainers, data: Path, tmp_path: Path) -> None:
    assert trainers.run(spec_of("phase_1", data), tmp_path / "again")[0] == 0
    same = [(folder / "out" / "weights.safetensors").read_bytes() for folder in (trained / "head", tmp_path / "again")]
    assert same[0] == same[1]


@pytest.mark.crash
def test_phase_2_that_is_killed_in_an_epoch_ends_with_the_bits_of_an_undisturbed_one(
    trained: Path, trainers: Trainers, data: Path, tmp_path: Path
) -> None:
    from sport_assets.training.state import unpack, unseal

    often: dict[str, Any] = {"training.batch_size": 1, "training.checkpoint_every_s": 1e-6}
    spec = spec_of("phase_2", data, trained / "head" / "out", **often)
    status, said = trainers.run(spec, tmp_path / "whole")
    assert status == 0, said
    last = tmp_path / "cut" / "work" / "last.ckpt"
    status, said = trainers.run(spec, tmp_path / "cut", delay_s=0.0, signal="SIGKILL", after=str(last))
    assert status == -9, said
    batches = unpack(unseal(last))["loops"]["fit_loop"]["epoch_loop.batch_progress"]["current"]
    assert 0 < batches["completed"] < 8, "of an epoch of eight"
    status, said = trainers.run(spec, tmp_path / "cut")
    assert status == 0, said
    assert "resumes from last.ckpt" in said
    assert contents(tmp_path / "cut" / "out") == contents(tmp_path / "whole" / "out")


def test_curves_have_what_is_watched(trained: Path) -> None:
    [row] = json.loads((trained / "whole" / "out" / "curves.json").read_text())
    assert row["train_balls_lost_per_image"] == row["train_balls_added_per_image"] == 0, "flips and colours alone"
    assert {"train_loss", "val_loss", "val_map", "val_map_50", "val_ap_player", "val_ap_ball", "learning_rate"} <= set(
        row
    )


def test_a_training_side_without_balls_is_refused(trainers: Trainers, data: Path, tmp_path: Path) -> None:
    import shutil

    from sport_assets.detection.categories import BALL
    from sport_assets.detection.coco import Labels, read_coco, write_coco

    shutil.copytree(data, tmp_path / "data")
    file = tmp_path / "data" / "train" / "_annotations.coco.json"
    labels = read_coco(file)
    write_coco(Labels(labels.images, labels.boxes.filter(labels.boxes["category"] != BALL), labels.categories), file)
    status, said = trainers.run(spec_of("phase_1", tmp_path / "data"), tmp_path / "run")
    assert status != 0
    assert "the training side of detection/coco_dataset has no ball: label some" in said
