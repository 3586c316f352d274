"""Weights that cannot be used: each kind is refused with its file and the remedy, to begin with and as a teacher."""

from __future__ import annotations

import argparse
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sport_assets.detection.errors import BadWeightsError
from sport_assets.detection.rfdetr_teacher import open_detector
from sport_assets.detection.settings import ModelSettings

if TYPE_CHECKING:
    from sport_assets.detection.models import DetectorModule

pytest.importorskip("rfdetr")
TINY = {"size": "nano", "resolution": 64, "queries": 12, "keep": 12, "groups": 2, "decoder_layers": 1}


def network(**changes: Any) -> DetectorModule:
    """A tiny network with random weights."""
    from sport_assets.detection.models import DetectorModule

    return DetectorModule(ModelSettings(**{**TINY, **changes}))


@pytest.fixture(scope="module")
def whole() -> dict[str, Any]:
    """The weights of one."""
    return dict(network().network.state_dict())


@pytest.fixture(autouse=True)
def weights_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights are found by name in this folder."""
    monkeypatch.setenv("RF_HOME", str(tmp_path))


class Code:
    """What runs a command where it is unpickled."""

    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (f"touch {self.proof}",)


def _save(content: Any, path: Path) -> None:
    import torch

    torch.save(content, path)


UNREADABLE: dict[str, tuple[Callable[[Path], Any], str]] = {
    "empty": (lambda path: path.write_bytes(b""), "not a file of weights that can be read safely"),
    "text": (lambda path: path.write_text("weights"), r"\(it is no checkpoint\)"),
    "other text": (lambda path: path.write_text("import torch"), r"\(it is no checkpoint\)"),
    "torn": (lambda path: path.write_bytes(b"PK\x03\x04 torn"), "not a file of weights that can be read safely"),
    "code": (lambda path: _save({"model": Code(path.with_name("ran"))}, path), "more than tensors and plain values"),
    "plain pickle with code": (
        lambda path: path.write_bytes(pickle.dumps(Code(path.with_name("ran")), protocol=2)),
        "more than tensors and plain values",
    ),
    "a list": (lambda path: _save([1, 2], path), "holds a list, no weights by name"),
}


@pytest.mark.parametrize("kind", UNREADABLE)
def test_files_that_cannot_be_read_safely_are_refused(tmp_path: Path, kind: str) -> None:
    from sport_assets.detection.pretrained import load_pretrained

    path = tmp_path / "weights.pth"
    write, said = UNREADABLE[kind]
    write(path)
    with pytest.raises(BadWeightsError, match=rf"weights\.pth: .*{said}.*Give a \.pth of rfdetr's"):
        open_detector(path)
    module = network()
    with pytest.raises(BadWeightsError, match=rf"weights\.pth: .*{said}.*Give a \.pth of rfdetr's"):
        load_pretrained(module, path.name)
    assert not (tmp_path / "ran").exists(), "nothing in a file is ever run"


def test_files_of_other_networks_are_refused(tmp_path: Path, whole: dict[str, Any]) -> None:
    import torch

    from sport_assets.detection.pretrained import load_pretrained

    without_decoder = {name: value for name, value in whole.items() if "decoder" not in name}
    for name, content in {
        "other.pth": {"model": {"weight": torch.ones(2)}},
        "no_decoder.pth": {"model": without_decoder},
        "not_numbers.pth": {"model": {**whole, "bbox_embed.layers.0.bias": whole["bbox_embed.layers.0.bias"] / 0}},
    }.items():
        _save(content, tmp_path / name)
        with pytest.raises(BadWeightsError, match=rf"{name}: these weights are not of RF-DETR nano.*Set model\.size"):
            load_pretrained(network(), name)
    _save({"model": whole}, tmp_path / "one_layer.pth")
    with pytest.raises(BadWeightsError, match=r"tensors are lacking or no numbers, transformer\.decoder\.layers\.1"):
        load_pretrained(network(decoder_layers=2), "one_layer.pth")
    with pytest.raises(BadWeightsError, match=r"one_layer\.pth: no checkpoint of rfdetr.*checkpoint_best_total\.pth"):
        open_detector(tmp_path / "one_layer.pth")


@pytest.mark.parametrize("old", [False, True], ids=["new", "old"])
def test_weights_that_fit_are_taken_also_of_older_trainings(tmp_path: Path, whole: dict[str, Any], old: bool) -> None:
    """Whose checkpoints hold a namespace of arguments, in the older form of file."""
    import torch

    from sport_assets.detection.pretrained import load_pretrained

    content = {"model": whole, **({"args": argparse.Namespace(class_names=["player", "ball"])} if old else {})}
    torch.save(content, tmp_path / "weights.pth", _use_new_zipfile_serialization=not old)
    module = network()
    load_pretrained(module, "weights.pth")
    found = module.network.state_dict()
    assert all(torch.equal(found[name], value) for name, value in whole.items())


def test_weights_of_more_classes_are_cut_to_ours(tmp_path: Path, whole: dict[str, Any]) -> None:
    import torch

    from sport_assets.detection.pretrained import load_pretrained

    wider = dict(whole)
    for name, value in whole.items():
        if "class_embed" in name:
            rows = torch.zeros(91, *value.shape[1:])
            rows[: len(value)] = value
            wider[name] = rows
    assert wider["class_embed.bias"].shape == (91,)
    _save({"model": wider}, tmp_path / "coco.pth")
    module = network()
    load_pretrained(module, "coco.pth")
    assert module.network.state_dict()["class_embed.bias"].shape == whole["class_embed.bias"].shape
    assert all(torch.isfinite(value).all() for value in module.network.parameters())


def test_our_own_weights_must_fit_exactly(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    from sport_assets.detection.pretrained import load_pretrained

    path = tmp_path / "weights.safetensors"
    save_file({name: value.contiguous() for name, value in network().state_dict().items()}, path)
    module = network()
    load_pretrained(module, path.name)
    with pytest.raises(BadWeightsError, match=r"not of this network.*Set model\.size, model\.resolution"):
        load_pretrained(network(decoder_layers=2), path.name)
    path.write_bytes(b"torn")
    with pytest.raises(BadWeightsError, match=r"weights\.safetensors: these weights are not of this network"):
        load_pretrained(module, path.name)
