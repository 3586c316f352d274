"""The state file: what goes in comes out, the same state gives the same bytes, damage is seen. The lease."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sport_assets.training.checkpoints import load_weights, publish, save_weights
from sport_assets.training.errors import BadSpecError, LeaseHeldError
from sport_assets.training.lease import lease
from sport_assets.training.state import TornStateError, pack, read_structure, seal, unpack, unseal


def example() -> dict[Any, Any]:
    shared = torch.arange(6.0).reshape(2, 3)
    return {
        "tensors": [shared, shared.t(), torch.tensor(3, dtype=torch.int64), torch.zeros(0)],
        "generator": random.Random(1).getstate(),
        "numpy": np.random.RandomState(1).get_state(legacy=False),
        1: (1, 2.5, None, True, "text", float("inf")),
        "nested": {"empty": {}, "list": []},
    }


def same(left: Any, right: Any) -> bool:
    if isinstance(left, torch.Tensor | np.ndarray):
        return type(left) is type(right) and left.dtype == right.dtype and bool(np.array_equal(left, right))
    if isinstance(left, dict):
        return list(left) == list(right) and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list | tuple):
        return type(left) is type(right) and all(same(a, b) for a, b in zip(left, right, strict=True))
    return type(left) is type(right) and left == right


def test_pack_and_unpack(tmp_path: Path) -> None:
    content = pack(example())
    assert same(unpack(content), example())
    assert pack(example()) == content
    (tmp_path / "state.safetensors").write_bytes(content)
    assert same(read_structure(tmp_path / "state.safetensors"), example())


def test_what_cannot_be_kept_is_refused_by_place() -> None:
    with pytest.raises(TypeError, match=r"state\.a\[1\]\.b is a Path|state\.a\[1\]\.b is a PosixPath"):
        pack({"a": [1, {"b": Path("x")}]})


@pytest.mark.parametrize("cut", [0, 7, 39, 60, -1])
def test_torn_files_are_recognised(cut: int, tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    path.write_bytes(seal(pack(example())))
    assert same(unpack(unseal(path)), example())
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(TornStateError, match=r"last\.ckpt is"):
        unseal(path)


def test_a_changed_byte_is_recognised(tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    raw = bytearray(seal(pack(example())))
    raw[-1] ^= 1
    path.write_bytes(raw)
    with pytest.raises(TornStateError, match="checksum"):
        unseal(path)


def test_weights_round_trip_with_tied_ones(tmp_path: Path) -> None:
    module = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Linear(3, 3))
    module[1].weight = module[0].weight
    save_weights(module, tmp_path / "a.safetensors")
    save_weights(module, tmp_path / "b.safetensors")
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()
    other = load_weights(torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Linear(3, 3)), tmp_path / "a.safetensors")
    assert all(torch.equal(value, module.state_dict()[name]) for name, value in other.state_dict().items())
    with pytest.raises(BadSpecError, match="not of this Linear"):
        load_weights(torch.nn.Linear(3, 3), tmp_path / "a.safetensors")


def test_publishing_is_whole_or_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    out.mkdir()
    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", lambda *args: (_ for _ in ()).throw(OSError("full")))
        with pytest.raises(OSError, match="full"):
            publish(out, {"a": b"1", "b": b"2"})
    publish(out, {"a": b"1", "b": b"2"})
    assert {path.name: path.read_bytes() for path in out.iterdir()} == {"a": b"1", "b": b"2"}
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_an_interrupted_write_leaves_the_old_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "weights.safetensors"
    save_weights(torch.nn.Linear(2, 2), path)
    old = path.read_bytes()
    monkeypatch.setattr(os, "fsync", lambda descriptor: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(OSError, match="full"):
        save_weights(torch.nn.Linear(3, 3), path)
    assert path.read_bytes() == old


def test_the_lease_names_its_holder_and_is_freed(tmp_path: Path) -> None:
    path = tmp_path / "lease.json"
    said: list[str] = []
    with lease(path):
        with pytest.raises(LeaseHeldError, match=f"process {os.getpid()} on"), lease(path):
            pass
        with pytest.raises(LeaseHeldError), lease(path, wait_s=0.3, say=said.append):
            pass
    assert len(said) == 1
    assert "waiting up to" in said[0]
    with lease(path):
        pass
