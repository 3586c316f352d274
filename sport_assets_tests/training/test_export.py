"""Exports: the same bytes from two processes and folders, self-contained, equal to eager."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from sport_assets.training.errors import BadSpecError
from sport_assets.training.export import export_onnx, export_pt2, parity, read_metadata

AXES = {"x": {0: "batch", 1: "players"}, "mask": {0: "batch", 1: "players"}}


class Attention(torch.nn.Module):
    """One masked attention over players, with dropout that an export must not keep."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embed = torch.nn.Linear(4, 8)
        self.query = torch.nn.Linear(8, 8)
        self.drop = torch.nn.Dropout(0.5)

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        hidden = self.drop(self.embed(x))
        scores = (self.query(hidden) @ hidden.transpose(1, 2)).masked_fill(~mask[:, None, :], -1e9)
        return torch.softmax(scores, -1) @ hidden, hidden.mean(1)


def example(batch: int, players: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(batch)
    mask = torch.rand(batch, players, generator=generator) > 0.3
    mask[:, 0] = True
    return {"x": torch.randn(batch, players, 4, generator=generator), "mask": mask}


def write(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    module = Attention()
    metadata = {"sport_assets": '{"layout": 1}', "a": "b"}
    export_onnx(module, example(2, 3), ["y", "mean"], AXES, folder / "model.onnx", metadata)
    export_pt2(module, example(2, 3), AXES, folder / "model.pt2")
    assert module.training, "the module is returned to its mode"


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported")
    write(folder)
    return folder


def test_two_processes_in_two_folders_write_the_same_bytes(exported: Path, tmp_path: Path) -> None:
    # the same module from another folder and with another hash seed: only where it lies differs
    copy = tmp_path / "copy" / "sport_assets_tests" / "training" / "test_export.py"
    copy.parent.mkdir(parents=True)
    copy.write_text(Path(__file__).read_text())
    root, folder = str(Path(__file__).parents[2]), tmp_path / "deep" / "er"
    code = (
        f"import sys, pathlib; sys.path[:0] = [{str(tmp_path / 'copy')!r}, {root!r}]\n"
        f"from {write.__module__} import write; write(pathlib.Path({str(folder)!r}))"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "77"}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    for name in ("model.onnx", "model.pt2"):
        content = (exported / name).read_bytes()
        assert content == (folder / name).read_bytes(), name
        assert root.encode() not in content
        assert b"test_export.py" not in content
    assert sorted(path.name for path in exported.iterdir()) == ["model.onnx", "model.pt2"]


def test_metadata_and_parity(exported: Path) -> None:
    assert read_metadata(exported / "model.onnx") == {"sport_assets": '{"layout": 1}', "a": "b"}
    report = parity(Attention(), exported / "model.onnx", [example(1, 1), example(5, 7)])
    assert report.within(1e-5)
    assert report.batches == 2
    assert report.values == 1 * 1 * 8 + 8 + 5 * 7 * 8 + 5 * 8
    assert set(report.outputs) == {"y", "mean"}
    program = torch.export.load(exported / "model.pt2").module()
    module = Attention().eval()
    assert torch.allclose(program(**example(5, 7))[0], module(**example(5, 7))[0], atol=1e-6)


def test_parity_sees_other_weights_and_nan(exported: Path) -> None:
    other = Attention()
    with torch.no_grad():
        other.embed.bias.add_(0.1)
    assert not parity(other, exported / "model.onnx", [example(2, 3)]).within(1e-3)
    with torch.no_grad():
        other.embed.bias.fill_(float("nan"))
    assert np.isinf(parity(other, exported / "model.onnx", [example(2, 3)]).max_abs_error)
    assert not parity(Attention(), exported / "model.onnx", []).within(1.0)


def test_examples_that_would_fix_an_axis_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadSpecError, match=r"x is 1 long on its dynamic axis 0 \(batch\)"):
        export_onnx(Attention(), example(1, 3), ["y", "mean"], AXES, tmp_path / "model.onnx")
    with pytest.raises(BadSpecError, match="dynamic_axes names z"):
        export_onnx(Attention(), example(2, 3), ["y", "mean"], {"z": {0: "batch"}}, tmp_path / "model.onnx")
