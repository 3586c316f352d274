"""The model card says what cannot be known of a detector."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from sport_assets.detection.card import card

REPORT = {
    "samples": {"images": 8, "clips": 2},
    "metrics": {"all": {"ap50": {"value": 0.5}}, "player": {"ap50": {"value": 0.6}}, "ball": {"ap50": {"value": 0.4}}},
    "variants": {},
    "baselines": {},
    "spec_targets": [],
    "thresholds": {"model": {"player": 0.5}, "variants": {"sliced": {"player": 0.4}}},
    "split": {"sides": {"train": 20, "test": 8}, "test_images_by_source": {"reviewed": 8}},
    "errors": {"categories": {"player": {"truth": {"found": 3}, "predictions": {"right": 3}}}},
}
FACTS = {
    "partition": "sanity|0",
    "exported_model": "a" * 64,
    "evaluation": "b" * 64,
    "checkpoint": "c" * 64,
    "data": [],
    "code_version": "1",
    "checks": {},
}


@pytest.mark.parametrize("elsewhere", [[], [{"file": "teacher.onnx", "sha256": "d" * 64}]])
def test_weights_of_unknown_training_are_named(tmp_path: Path, elsewhere: Sequence[Mapping[str, str]]) -> None:
    folders = {name: tmp_path / name for name in ("checkpoint", "evaluation", "exported", "out")}
    for folder in folders.values():
        folder.mkdir()
    (folders["checkpoint"] / "settings.json").write_text(json.dumps({"model": {"pretrained": None}}))
    (folders["evaluation"] / "evaluation.json").write_text(json.dumps(REPORT))
    text = " ".join(card(**folders, facts={**FACTS, "weights_from_elsewhere": elsewhere}).split())
    assert ("that it has never seen" in text) is not bool(elsewhere)
    assert (f"is not in the records: `teacher.onnx` ({'d' * 64})" in text) is bool(elsewhere)
