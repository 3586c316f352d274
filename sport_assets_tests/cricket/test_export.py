"""Exported cricket models: equal to what was trained, self-contained, the same bytes again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from sport_assets.cricket import export, models, predict
from sport_assets.cricket.batches import EntityTable, InningsSource
from sport_assets.cricket.calibrated_network import read_model
from sport_assets.cricket.calibration import CALIBRATION_FILE, Calibration
from sport_assets.cricket.features import table
from sport_assets.cricket.labels import OUTCOMES
from sport_assets.cricket.player_history import read_past
from sport_assets.cricket.shipped import Shipped
from sport_assets.training.export import ParityReport, parity_check, read_metadata
from sport_assets.training.exported import METADATA_KEY, ModelError
from sport_assets_tests.cricket.model_files import chain, innings_of


def source(variant: str = "full", members: int = 1) -> models.TorchInnings:
    found = chain(variant, members=members)
    made = innings_of(found)
    entities = models.load(found.checkpoint).entities
    return models.TorchInnings(InningsSource(made, table(made, read_past(found.player_history)), entities))


@pytest.mark.parametrize(("variant", "members"), [("full", 1), ("pooling", 1), ("full", 2)])
def test_onnx_is_the_trained_model_calibrated(variant: str, members: int) -> None:
    found, innings = chain(variant, members=members), source(variant, members)
    session, shipped = predict.open_model(found.model)
    module = models.load(found.checkpoint)
    calibration = Calibration.load(found.evaluation / CALIBRATION_FILE)
    for chosen in (np.array([3]), np.arange(7), np.array([8, 1])):
        batch = export.inputs(innings, chosen)
        (said,) = session.run(None, {name: value.numpy() for name, value in batch.items()})
        with torch.no_grad():
            logits = module.network(**batch).numpy()
        mask = batch["mask"].numpy()
        np.testing.assert_allclose(said[mask], calibration.apply(logits[mask]), atol=2e-5)
        np.testing.assert_allclose(np.exp(said[mask]).sum(-1), 1.0, atol=1e-5)
    assert shipped.entities == module.entities


@pytest.mark.parametrize("members", [1, 2])
def test_pt2_is_the_trained_model(members: int) -> None:
    found, innings = chain(members=members), source(members=members)
    program = torch.export.load(str(found.out / export.PT2_FILE)).module()
    session, _ = predict.open_model(found.model)
    batch = export.inputs(innings, np.arange(5))
    with torch.no_grad():
        said = program(**batch).numpy()
    (other,) = session.run(None, {name: value.numpy() for name, value in batch.items()})
    np.testing.assert_allclose(said[batch["mask"].numpy()], other[batch["mask"].numpy()], atol=2e-5)


def test_two_exports_have_the_same_bytes(tmp_path: Path) -> None:
    found = chain()
    found.export(tmp_path / "again")
    assert (tmp_path / "again" / "model.onnx").read_bytes() == found.model.read_bytes()


def test_the_file_suffices_alone() -> None:
    found = chain()
    assert sorted(path.name for path in found.out.iterdir()) == ["model.onnx", "model.pt2"]
    file = onnx.load(str(found.model))
    assert [entry.name for entry in file.graph.input] == list(models.INPUTS)
    shipped = Shipped.from_metadata(read_metadata(found.model), "model.onnx")
    past = read_past(found.player_history)
    assert shipped.past.to_bytes() == past.to_bytes()
    assert shipped.label_rule == "batter"
    assert shipped.settings == models.load(found.checkpoint).settings
    assert isinstance(shipped.entities, EntityTable)


@pytest.mark.parametrize("members", [1, 2])
def test_the_network_is_built_again_from_the_file_alone(members: int) -> None:
    found, innings = chain(members=members), source(members=members)
    network, _ = read_model(found.model)
    assert len(network.network.networks) == members
    session, _ = predict.open_model(found.model)
    batch = export.inputs(innings, np.arange(6))
    with torch.no_grad():
        said = network(**batch).numpy()
    (other,) = session.run(None, {name: value.numpy() for name, value in batch.items()})
    np.testing.assert_allclose(said[batch["mask"].numpy()], other[batch["mask"].numpy()], atol=2e-5)
    trained = models.load(found.checkpoint).network.state_dict()
    assert all(torch.equal(value, trained[name]) for name, value in network.network.state_dict().items())


def test_other_models_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is not a file"):
        read_model(tmp_path / "absent.onnx")
    with pytest.raises(ModelError, match="not a model of the cricket line"):
        Shipped.from_metadata({}, "other.onnx")
    metadata = read_metadata(chain().model)
    older = metadata[METADATA_KEY].replace('"half_life_days": 1200.0', '"half_life_days": 900.0')
    with pytest.raises(ModelError, match="other features"):
        Shipped.from_metadata({METADATA_KEY: older}, "old.onnx")
    for read in (read_model, predict.open_model):
        (tmp_path / "broken.onnx").write_bytes(b"nonsense")
        with pytest.raises(ModelError, match="not a readable ONNX model"):
            read(tmp_path / "broken.onnx")


def test_the_rule_of_the_labels_is_seen() -> None:
    made = innings_of(chain())
    assert made.label_rule == "batter"
    none = {**made.balls, "outcome": np.where(made.balls["wides"] > 0, -1, made.balls["outcome"])}
    assert type(made)(made.table, none, made.players, made.teams, made.venues).label_rule == "without_wides"
    none["outcome"] = np.where(made.balls["is_legal"] == 0, -1, made.balls["outcome"])
    assert type(made)(made.table, none, made.players, made.teams, made.venues).label_rule == "legal"


def test_a_difference_fails_the_check() -> None:
    check = parity_check(ParityReport(0.01, {"log_probability": 0.01}, 3, 600), export.TOLERANCE, "nats", "innings")
    assert not check.passed and check.failed == 1
    assert not parity_check(ParityReport(0.0, {}, 0, 0), 1.0, "nats", "innings").passed


def test_calibration_is_read_back(tmp_path: Path) -> None:
    made = Calibration(np.linspace(0.5, 2, 7), np.linspace(-1, 1, len(OUTCOMES)))
    made.save(tmp_path / CALIBRATION_FILE)
    again = Calibration.load(tmp_path / CALIBRATION_FILE)
    np.testing.assert_array_equal(again.scale, made.scale)
    np.testing.assert_array_equal(again.shift, made.shift)
