import json
from pathlib import Path

import numpy as np
import onnx
import torch

from sport_assets.nfl import export, models, predict
from sport_assets.nfl.settings import ModelSettings
from sport_assets.nfl.tensors import PlayTensors
from sport_assets.training.checkpoints import save_weights
from sport_assets.training.export import ParityReport, parity_check, read_metadata
from sport_assets_tests.nfl.conftest import Chain
from sport_assets_tests.nfl.example import plays


def eager(chain: Chain, tensors: PlayTensors, chosen: np.ndarray) -> np.ndarray:
    network = models.load(chain.checkpoint).network
    with torch.no_grad():
        found: np.ndarray = network(**export.inputs(tensors, chosen))[0].numpy()
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
            found = program(**export.inputs(tensors, chosen))[0].numpy()
        np.testing.assert_allclose(found, eager(chain, tensors, chosen), atol=1e-4)


def test_the_file_is_self_contained_and_says_what_it_needs(exported: Path) -> None:
    assert sorted(path.name for path in exported.iterdir()) == ["model.onnx", "model.pt2"]
    about = json.loads(read_metadata(exported / "model.onnx")["sport_assets"])
    assert about["line"] == "nfl"
    assert about["layout"] == predict.layout()
    assert list(about["outputs"]) == [entry.name for entry in onnx.load(str(exported / "model.onnx")).graph.output]
    assert [entry.name for entry in onnx.load(str(exported / "model.onnx")).graph.input] == list(models.INPUTS)


def test_every_output_of_a_mixture_is_exported_and_equal(chain: Chain, tmp_path: Path) -> None:
    """Modes, probabilities, scales and coverage, averaged over two members, without a training."""
    settings = json.loads((chain.checkpoint / "settings.json").read_text())
    settings["model"] |= {"modes": 3, "members": 2, "hidden_dim": 16}
    torch.manual_seed(0)
    module = models.TrajectoryModule(ModelSettings.model_validate(settings["model"]))
    module.knows_labels(5, 0)
    folder, out = tmp_path / "checkpoint", tmp_path / "out"
    folder.mkdir()
    out.mkdir()
    save_weights(module, folder / "weights.safetensors")
    (folder / "settings.json").write_text(json.dumps(settings))
    facts, [check] = export.export(folder, chain.split, chain.samples, out)
    assert check.passed and facts["parity_max_abs_error_yards"] < 1e-3
    session = predict.open_model(out / "model.onnx")
    names = [entry.name for entry in session.get_outputs()]
    assert names == list(module.network.outputs) == list(export.OUTPUTS)
    assert json.loads(read_metadata(out / "model.onnx")["sport_assets"])["coverage_labels"] == 5


def test_a_difference_fails_the_check() -> None:
    check = parity_check(ParityReport(0.01, {"positions": 0.01}, 3, 600), export.TOLERANCE_YARDS, "yards", "plays")
    assert not check.passed and check.failed == 1
    assert not parity_check(ParityReport(0.0, {}, 0, 0), 1.0, "yards", "plays").passed
