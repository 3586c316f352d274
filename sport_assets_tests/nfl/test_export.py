import json
from pathlib import Path

import numpy as np
import onnx
import torch

from sport_assets.nfl import export, models, predict
from sport_assets.nfl.tensors import PlayTensors
from sport_assets.training.export import ParityReport, read_metadata
from sport_assets_tests.nfl.conftest import Chain
from sport_assets_tests.nfl.example import plays


def eager(chain: Chain, tensors: PlayTensors, chosen: np.ndarray) -> np.ndarray:
    network = models.load(chain.checkpoint).network
    with torch.no_grad():
        found: np.ndarray = network(**export.inputs(tensors, chosen)).numpy()
    return found


def test_onnx_equals_the_trained_model_for_any_size(chain: Chain, exported: Path) -> None:
    session = predict.open_model(exported / "model.onnx")
    tensors = plays(9, seed=7)
    for chosen in (np.array([3]), np.arange(9), np.array([8, 1])):
        feed = {name: value.numpy() for name, value in export.inputs(tensors, chosen).items()}
        (found,) = session.run(None, feed)
        np.testing.assert_allclose(found, eager(chain, tensors, chosen), atol=1e-4)


def test_pt2_equals_the_trained_model_for_any_size(chain: Chain, exported: Path) -> None:
    program = torch.export.load(str(exported / "model.pt2")).module()
    tensors = plays(9, seed=7)
    for chosen in (np.array([3, 4, 5]), np.arange(9)):
        with torch.no_grad():
            found = program(**export.inputs(tensors, chosen)).numpy()
        np.testing.assert_allclose(found, eager(chain, tensors, chosen), atol=1e-4)


def test_the_file_is_self_contained_and_says_what_it_needs(exported: Path) -> None:
    assert sorted(path.name for path in exported.iterdir()) == ["model.onnx", "model.pt2"]
    about = json.loads(read_metadata(exported / "model.onnx")["sport_assets"])
    assert about["line"] == "nfl"
    assert about["layout"] == predict.layout()
    assert [entry.name for entry in onnx.load(str(exported / "model.onnx")).graph.input] == list(models.INPUTS)


def test_a_difference_fails_the_check() -> None:
    check = export.parity_check(ParityReport(0.01, {"positions": 0.01}, 3, 600))
    assert not check.passed and check.failed == 1
    assert not export.parity_check(ParityReport(0.0, {}, 0, 0)).passed
