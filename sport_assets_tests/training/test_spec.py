"""The spec: identity, refusals, presets with overrides, and that it imports nothing heavy."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pydantic
import pytest

from sport_assets.training.errors import BadSpecError
from sport_assets.training.spec import SpecInput, TrainerSettings, TrainingSpec, memory_advice, resolve_preset

ToySpec = Callable[..., TrainingSpec]
A, B = SpecInput(key="nfl/x", version="1" * 64), SpecInput(key="nfl/x", partition="2023-w01", version="2" * 64)


def test_the_digest_ignores_paths_order_defaults_and_which_gpu(toy_spec: ToySpec) -> None:
    spec = toy_spec(spec={"inputs": (A, B), "device": "cuda"})
    elsewhere = toy_spec(spec={"inputs": (B, A.model_copy(update={"path": "/there"})), "device": "cuda:1"})
    spelled_out = toy_spec(spec={"inputs": (A, B), "device": "cuda", "precision": "32"}, weight_decay=1e-2)
    assert spec.digest == elsewhere.digest == spelled_out.digest
    assert "/there" not in json.dumps(elsewhere.identity())


@pytest.mark.parametrize(
    "change",
    [
        {"spec": {"seed": 4}},
        {"spec": {"code_version": "x"}},
        {"spec": {"inputs": (A,)}},
        {"spec": {"threads": 2}},
        {"spec": {"part": "all"}},
        {"spec": {"device": "cuda"}},
        {"spec": {"precision": "bf16-mixed"}},
        {"model": {"hidden": 9}},
        {"learning_rate": 2e-3},
        {"also_best": {"val_f1": "max"}},
    ],
)
def test_the_digest_follows_what_decides_the_result(toy_spec: ToySpec, change: dict[str, Any]) -> None:
    assert toy_spec(**change).digest != toy_spec().digest


def test_the_digest_is_the_same_in_every_release(toy_spec: ToySpec) -> None:
    # a changed default or field changes the identity of every training: raise spec_version when it is meant
    assert toy_spec().digest == "4e52c8dca4398d9846890557596d8ce878769c9e0a32f366365b1f17f04ba78d"


def test_save_and_load(toy_spec: ToySpec, tmp_path: Path) -> None:
    spec = toy_spec(spec={"inputs": (A.model_copy(update={"path": "/there"}),)})
    spec.save(tmp_path / "spec.json")
    assert TrainingSpec.load(tmp_path / "spec.json") == spec
    assert spec.input_path("nfl/x") == Path("/there")
    with pytest.raises(BadSpecError, match="nfl/y:_"):
        spec.input_path("nfl/y")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"colour": 1}, "colour: Extra inputs are not permitted"),
        ({"builder": "no_colon"}, "builder"),
        ({"settings": {"training": {"max_epoch": 3}}}, "max_epoch"),
        ({"settings": {"training": {"max_epochs": 2, "min_epochs": 3}}}, "min_epochs .3. is larger"),
        ({"settings": {"training": {"max_epochs": 2, "warmup_epochs": 2}}}, "warmup_epochs"),
        ({"settings": {"training": {"benchmark": True}}}, "deterministic=false"),
        ({"settings": {"training": {"strategy": "dpp"}}}, "no strategy 'dpp' here; use one of auto, ddp"),
        ({"settings": {"training": {"strategy": "fsdp"}}}, "cannot be used: it cuts the weights up"),
        ({"settings": {"training": {"strategy": "ddp_spawn"}}}, "cannot give their result back"),
        ({"settings": {"model": {"x": float("nan")}}}, "plain JSON"),
        ({"resume_from": "a"}, "must be one of the inputs|one of the inputs"),
    ],
)
def test_a_wrong_spec_says_what_is_wrong(content: dict[str, Any], message: str, tmp_path: Path) -> None:
    path = tmp_path / "spec.json"
    path.write_text(json.dumps({"line": "toy", "model": "mlp", "builder": "a:b", **content}))
    with pytest.raises(BadSpecError, match=message):
        TrainingSpec.load(path)


def test_unreadable_specs(tmp_path: Path) -> None:
    with pytest.raises(BadSpecError, match="cannot read"):
        TrainingSpec.load(tmp_path / "none.json")
    (tmp_path / "torn.json").write_text('{"line"')
    with pytest.raises(BadSpecError, match="not JSON"):
        TrainingSpec.load(tmp_path / "torn.json")


PRESET = "training:\n  max_epochs: 5\n  precision: 32\nmodel:\n  hidden: 8\n  heads: {count: 2}\n"


def test_presets_with_overrides(tmp_path: Path) -> None:
    path = tmp_path / "preset.yaml"
    path.write_text(PRESET)
    resolved = resolve_preset(path, ["training.max_epochs=3", "model.heads.count=4", "training.learning_rate=1e-4"])
    assert resolved["model"] == {"hidden": 8, "heads": {"count": 4}}
    expected = TrainerSettings(max_epochs=3, learning_rate=1e-4).model_dump(mode="json")
    assert resolved["training"] == expected
    assert resolve_preset(path, {"model.hidden": 16})["model"]["hidden"] == 16


def test_unknown_overrides_name_the_known_ones(tmp_path: Path) -> None:
    path = tmp_path / "preset.yaml"
    path.write_text(PRESET)
    with pytest.raises(BadSpecError, match=r"'model\.hiden'.*model\.heads\.count, model\.hidden.*training\.batch_size"):
        resolve_preset(path, ["model.hiden=3"])
    with pytest.raises(BadSpecError, match="NAME=VALUE"):
        resolve_preset(path, ["model.hidden"])
    with pytest.raises(BadSpecError, match="max_epochs"):
        resolve_preset(path, ["training.max_epochs=none"])


def test_sections_have_their_own_models(tmp_path: Path) -> None:
    class Model(pydantic.BaseModel, extra="forbid"):
        hidden: int = 4
        heads: dict[str, int] = {}
        dropout: float = 0.1

    path = tmp_path / "preset.yaml"
    path.write_text(PRESET)
    assert resolve_preset(path, ["model.dropout=0.3"], {"model": Model})["model"]["dropout"] == 0.3
    with pytest.raises(BadSpecError, match="hidden"):
        resolve_preset(path, ["model.hidden=wide"], {"model": Model})


def test_memory_advice_names_what_can_be_lowered() -> None:
    settings = TrainerSettings(batch_size=12, accumulate_grad_batches=3)
    advice = memory_advice(settings, "32")
    for words in (
        "Lower training.batch_size (now 12; 6 with training.accumulate_grad_batches 6",
        "layers",
        "bf16-mixed",
    ):
        assert words in advice
    assert "bf16-mixed" not in memory_advice(settings, "16-mixed")
    smallest = memory_advice(TrainerSettings(batch_size=1, validation_batch_size=64), "32")
    assert "training.batch_size" not in smallest
    assert "training.validation_batch_size (now 64)" in smallest


def test_memory_advice_names_the_settings_of_the_line_and_makes_no_other_training() -> None:
    given = {"line": "toy", "model": "small", "builder": "a:b", "settings": {"model": {"size": 640, "depth": None}}}
    plain = TrainingSpec.model_validate(given)
    told = TrainingSpec.model_validate(given | {"memory_settings": ("model.size", "model.depth")})
    assert "lower model.size (now 640) or model.depth, or" in told.memory_advice
    assert "hidden size" in plain.memory_advice and "hidden size" not in told.memory_advice
    assert told.digest == plain.digest and "memory_settings" not in told.identity()


def test_the_spec_is_light() -> None:
    modules = "sport_assets.training.spec, sport_assets.training.lease, sport_assets.training.run"
    code = f"import sys, sport_assets.training.job, {modules}; print(sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    for heavy in ("torch", "pytorch_lightning", "mlflow", "onnx", "matplotlib", "polars", "numpy", "dagster"):
        assert f"'{heavy}'" not in loaded
