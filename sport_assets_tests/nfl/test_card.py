import json
from pathlib import Path
from typing import Any

import pytest

from sport_assets.nfl import card, evaluation
from sport_assets.nfl.baselines import BASELINES
from sport_assets_tests.nfl.conftest import Chain

FACTS = {
    "partition": "production|0",
    "checkpoint": "a" * 64,
    "evaluation": "b" * 64,
    "exported_model": "c" * 64,
    "code_version": "d" * 64,
    "data": [
        {"asset": "nfl/split", "partition": None, "version": "e" * 64},
        {"asset": "nfl/play_tensors", "partition": "2023-w01", "version": "f" * 64},
    ],
    "checks": {"parity": True, "beats_baselines": False},
}


@pytest.fixture(scope="module")
def written(chain: Chain, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path, dict[str, Any]]:
    out = tmp_path_factory.mktemp("card")
    folders = {name: out / name for name in ("evaluation", "exported", "card")}
    for folder in folders.values():
        folder.mkdir()
    evaluation.evaluate(*chain, folders["evaluation"], resamples=20)
    (folders["exported"] / "model.onnx").write_bytes(b"")
    text = card.card(
        checkpoint=chain.checkpoint,
        evaluation=folders["evaluation"],
        exported=folders["exported"],
        facts=FACTS,
        out=folders["card"],
    )
    return text, folders["card"], json.loads((folders["evaluation"] / "evaluation.json").read_text())


def test_the_card_has_the_sections_and_every_number(written: tuple[str, Path, dict[str, Any]]) -> None:
    text, out, report = written
    assert (out / "model_card.md").read_text() == text
    for section in ("Intended use", "Data", "Training", "Results on held-out games", "Limitations", "Ethical"):
        assert f"\n## {section}" in text
    for table in (report["metrics"], *report["baselines"].values()):
        for horizon in ("full", "10_frames"):
            for value in table[horizon].values():
                assert f"{value['value']:.3f}" in text
    for name in ("model", *BASELINES):
        assert card.NAMES[name] in text
    assert "model.hidden_dim | `16`" in text
    for version in ("aaaaaaaaaaaa", "ffffffffffff"):
        assert version in text
    assert "Weeks trained on: 2023-w01. Weeks evaluated on: 2023-w01, 2023-w02." in text
    assert "| `beats_baselines` | **failed** |" in text
    assert "| `parity` | passed |" in text


def test_tables_are_whole(written: tuple[str, Path, dict[str, Any]]) -> None:
    text, _, _ = written
    for block in text.split("\n\n"):
        rows = [line for line in block.splitlines() if line.startswith("|")]
        assert len({row.replace("\\|", "").count("|") for row in rows}) <= 1, block


def test_the_card_tells_nothing_of_this_machine(written: tuple[str, Path, dict[str, Any]]) -> None:
    text, out, _ = written
    assert str(out) not in text and "/tmp" not in text and "/home" not in text
