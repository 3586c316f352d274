import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from sport_assets.nfl import card, card_figures
from sport_assets.nfl.baselines import BASELINES
from sport_assets.nfl.plots import NAMES
from sport_assets_tests.nfl.conftest import Chain

FACTS: dict[str, Any] = {
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


def write(chain: Chain, evaluation: Path, out: Path, facts: Mapping[str, Any] = FACTS) -> str:
    exported = out / "exported"
    exported.mkdir()
    (exported / "model.onnx").write_bytes(b"")
    return card.card(checkpoint=chain.checkpoint, evaluation=evaluation, exported=exported, facts=facts, out=out)


@pytest.fixture(scope="module")
def written(chain: Chain, evaluated: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    out = tmp_path_factory.mktemp("card")
    return write(chain, evaluated, out), out


@pytest.fixture(scope="module")
def written_by_folds(
    folded: Chain, evaluated_by_folds: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, dict[str, Any]]:
    text = write(folded, evaluated_by_folds, tmp_path_factory.mktemp("card"))
    return text, json.loads((evaluated_by_folds / "evaluation.json").read_text())


def test_the_card_has_the_sections_and_every_number(written: tuple[str, Path], evaluated: Path) -> None:
    text, out = written
    report = json.loads((evaluated / "evaluation.json").read_text())
    assert (out / "model_card.md").read_text() == text
    for section in ("Intended use", "Data", "Training", "Results on held-out games", "Limitations", "Ethical"):
        assert f"\n## {section}" in text
    for table in (report["metrics"], *report["baselines"].values()):
        for horizon in ("full", "10_frames"):
            for value in table[horizon].values():
                assert f"{value['value']:.3f}" in text
    for name in ("model", *BASELINES):
        assert NAMES[name] in text
    assert "model.hidden_dim | `16`" in text
    assert "`sport-assets audit cccccccccccc` tells" in text, "its live status"
    for version in ("aaaaaaaaaaaa", "ffffffffffff"):
        assert version in text
    assert "Weeks trained on: 2023-w01. Weeks evaluated on: 2023-w01, 2023-w02." in text
    assert "fitted on 16 plays" in text and "By hold-out" in text
    assert "| `beats_baselines` | **failed** |" in text
    assert "| `parity` | passed |" in text
    assert "## Uncertainty" not in text and "## Coverage" not in text


def test_a_card_by_folds_tells_them_from_the_final_fit(written_by_folds: tuple[str, dict[str, Any]]) -> None:
    text, report = written_by_folds
    assert "By 3 folds" in text and "fitted on all 48 plays" in text and "no game is left to judge them by" in text
    for horizon in ("full", "10_frames"):
        for value in report["folds"]["over_folds"][horizon].values():
            assert f"{value['mean']:.3f} ± {value['standard_deviation']:.3f}" in text
    side = report["held_out_side"]
    assert f"{side['metrics']['full']['ade']['value']:.3f}" in text
    assert f"these {side['samples']['plays']} plays of {side['samples']['games']} games alone" in text


def test_the_card_says_where_settings_were_searched(
    folded: Chain, evaluated_by_folds: Path, written_by_folds: tuple[str, dict[str, Any]], tmp_path: Path
) -> None:
    said = "searched on folds of these same games, so figures by folds are slightly too good"
    found = {"asset": "nfl/tuning", "partition": None, "version": "1" * 64}
    text = write(folded, evaluated_by_folds, tmp_path, {**FACTS, "data": [*FACTS["data"], found]})
    assert said in text and "| `nfl/tuning` |  | `111111111111` |" in text
    assert said not in written_by_folds[0]


def test_uncertainty_and_coverage_stand_in_the_card(written_by_folds: tuple[str, dict[str, Any]]) -> None:
    text, report = written_by_folds
    found = report["distribution"]
    assert "\n## Uncertainty" in text and "--modes FILE" in text and "--coverage FILE" in text
    for value in (
        *(f"{found['negative_log_likelihood'][name]['value']:.3f}" for name in ("model", "baseline")),
        *(f"{found['regions'][name]['value']:.1%}" for name in ("inside_50", "inside_90")),
        f"{found['best_mode']['full']['ade']['value']:.3f}",
        f"{report['coverage']['accuracy']:.3f}",
        f"{report['coverage']['majority_class_share']:.3f}",
        "unverified on real data",
    ):
        assert value in text
    without = {**report, "coverage": {"predicted": True, "labelled_plays": 0}}
    assert "**Unverified: none of the plays" in card_figures.coverage(without)


def test_targets_stand_in_the_card_with_who_meets_them(written: tuple[str, Path], evaluated: Path) -> None:
    text, _ = written
    for row in json.loads((evaluated / "evaluation.json").read_text())["spec_targets"]:
        [line] = [line for line in text.splitlines() if line.startswith(f"| `{row['name']}`")]
        assert row["remark"] in line and ("–" if row["value"] is None else f"{row['value']:.3f}") in line


def test_tables_are_whole(written: tuple[str, Path], written_by_folds: tuple[str, dict[str, Any]]) -> None:
    for block in (written[0] + "\n\n" + written_by_folds[0]).split("\n\n"):
        rows = [line for line in block.splitlines() if line.startswith("|")]
        assert len({row.replace("\\|", "").count("|") for row in rows}) <= 1, block


def test_the_card_tells_nothing_of_this_machine(written: tuple[str, Path]) -> None:
    text, out = written
    assert str(out) not in text and "/tmp" not in text and "/home" not in text
