"""Weights of the latest epochs and states of some among the working files; what is published does not change."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from safetensors.numpy import load_file

from sport_assets.training.checkpoint_names import named_checkpoints
from sport_assets.training.spec import TrainingSpec
from sport_assets.training.state import unpack, unseal
from sport_assets_tests.training.conftest import Trainers, contents

ToySpec = Callable[..., TrainingSpec]


def test_the_last_epochs_and_each_second_state_are_kept(toy_spec: ToySpec, trainers: Trainers, tmp_path: Path) -> None:
    kept = toy_spec(max_epochs=5, keep_epochs=3, keep_state_every=2)
    assert trainers.run(kept, tmp_path / "kept")[0] == 0
    folder = tmp_path / "kept" / "work" / "epochs"
    names = {"epoch_3.safetensors", "epoch_4.safetensors", "epoch_5.safetensors", "epoch_2.ckpt", "epoch_4.ckpt"}
    assert {path.name for path in folder.iterdir()} == names
    assert [unpack(unseal(folder / f"epoch_{number}.ckpt"))["epoch"] for number in (2, 4)] == [2, 4]
    listed = named_checkpoints(tmp_path / "kept" / "out", tmp_path / "kept" / "work")
    assert [(each.name, each.holds) for each in listed] == [
        *(("best_model", "weights"), ("best_model_last", "weights"), ("latest", "state"), ("epoch_2", "state")),
        *(("epoch_3_lightweight", "weights"), ("epoch_4", "state"), ("epoch_4_lightweight", "weights")),
        ("epoch_5_lightweight", "weights"),
    ]
    assert all(each.path.is_file() for each in listed)
    plain = toy_spec(max_epochs=5)
    assert trainers.run(plain, tmp_path / "plain")[0] == 0
    assert not (tmp_path / "plain" / "work" / "epochs").exists()
    same = {"weights.safetensors", "weights_last.safetensors", "curves.json"}
    published = [contents(tmp_path / name / "out") for name in ("kept", "plain")]
    assert [published[0][name] for name in same] == [published[1][name] for name in same]
    last = load_file(tmp_path / "kept" / "out" / "weights_last.safetensors")
    for name, values in load_file(folder / "epoch_5.safetensors").items():
        assert (values == last[name]).all()


def test_trainings_that_keep_nothing_are_the_trainings_they_were(toy_spec: ToySpec) -> None:
    assert "keep_epochs" not in toy_spec().identity()["settings"]["training"]
    assert toy_spec(keep_epochs=0, keep_state_every=None).digest == toy_spec().digest
    assert toy_spec(keep_epochs=1).digest != toy_spec().digest
