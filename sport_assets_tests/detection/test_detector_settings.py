"""Presets of the detection line: what they say, what is refused, where weights are looked for."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from sport_assets.detection.errors import BadWeightsError
from sport_assets.detection.settings import PRESETS, resolve
from sport_assets.training.errors import BadSpecError


@pytest.mark.parametrize("preset", PRESETS)
def test_each_preset_is_whole(preset: str) -> None:
    settings = resolve({"preset": preset}, {})
    assert set(settings) == {"training", "phase_1", "phase_2", "model", "data", "augmentation"}
    assert settings["training"]["weight_decay"] == 0.0001
    assert settings["training"]["gradient_clip_val"] == 0.1
    assert settings["phase_1"]["learning_rate"] == 0.0001


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("phase", ["phase_1", "phase_2"])
def test_the_course_of_the_learning_rate_can_be_set_in_each_phase_of_each_preset(preset: str, phase: str) -> None:
    changed = {f"{phase}.final_learning_rate_share": 0.2, f"{phase}.warmup_epochs": 0.25, f"{phase}.max_epochs": 7}
    own = resolve({"preset": preset}, {**changed, f"{phase}.learning_rate": 0.001})[phase]
    assert own == {"final_learning_rate_share": 0.2, "warmup_epochs": 0.25, "max_epochs": 7, "learning_rate": 0.001}


def test_production_is_what_the_specification_asks_for() -> None:
    settings = resolve({"preset": "production"}, {})
    training = settings["training"]
    assert (training["batch_size"], training["accumulate_grad_batches"]) == (32, 2)
    assert (settings["phase_1"]["max_epochs"], settings["phase_2"]["max_epochs"]) == (10, 40)
    assert settings["phase_2"]["learning_rate"] == 0.00001
    for phase in ("phase_1", "phase_2"):
        own = settings[phase]
        assert own["warmup_epochs"] == 5
        assert own["learning_rate"] * own["final_learning_rate_share"] == pytest.approx(1e-6)
    assert settings["augmentation"]["motion_blur"] == {"enabled": True, "prob": 0.4, "max_kernel_size": 20}
    assert settings["data"]["ball_weight"] == 3.0


def test_numbers_that_yaml_takes_for_text_are_numbers() -> None:
    settings = resolve({"preset": "production"}, {"phase_2.learning_rate": "1e-4"})
    assert settings["phase_2"]["learning_rate"] == 0.0001


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"training.max_epochs": 3}, r"training.max_epochs reaches nothing in phase_1 and phase_2: set phase_1"),
        ({"phase_1.learning_rate": "fast"}, "phase_1"),
        ({"phase_2.warmup_epochs": 99}, "phase_2"),
        ({"model.resolution": 100}, "multiple of 32"),
        ({"model.colour": 1}, "unknown setting 'model.colour'"),
        ({"augmentation.mosaic.prob": 2}, "mosaic.prob"),
        ({"augmentation.mosaic.colour": 1}, "unknown setting 'augmentation.mosaic.colour'"),
        ({"model.encoder_layers": 5}, "multiple of 4"),
    ],
)
def test_what_is_wrong_is_refused_by_name(overrides: dict[str, Any], message: str) -> None:
    with pytest.raises(BadSpecError, match=message):
        resolve({"preset": "sanity"}, overrides)


def test_weights_are_known_by_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "w.pth").write_bytes(b"weights")
    monkeypatch.setenv("RF_HOME", str(tmp_path))
    monkeypatch.setenv("SPORT_ASSETS_DATA", str(tmp_path / "data"))
    found = resolve({"preset": "local"}, {"model.pretrained": "w.pth"})["model"]["pretrained_sha256"]
    assert found == hashlib.sha256(b"weights").hexdigest()
    with pytest.raises(BadWeightsError, match="its SHA-256 is"):
        resolve({"preset": "local"}, {"model.pretrained": "w.pth", "model.pretrained_sha256": "a" * 64})
    monkeypatch.delenv("RF_HOME")
    with pytest.raises(BadWeightsError, match="a place on this machine would become part of the model"):
        resolve({"preset": "local"}, {"model.pretrained": str(tmp_path / "w.pth")})
    with pytest.raises(BadWeightsError, match="Nothing is downloaded: put the weights there, set RF_HOME"):
        resolve({"preset": "local"}, {"model.pretrained": "w.pth"})
    with pytest.raises(BadSpecError, match="rfdetr's weights are of 12 layers"):
        resolve({"preset": "sanity"}, {"model.pretrained": str(tmp_path / "w.pth")})


def test_settings_within_an_operation_go_by_name() -> None:
    settings = resolve(
        {"preset": "production"}, {"augmentation.mosaic.prob": 0.25, "augmentation.clahe.enabled": False}
    )
    assert settings["augmentation"]["mosaic"]["prob"] == 0.25
    assert settings["augmentation"]["clahe"]["enabled"] is False
