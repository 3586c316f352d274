"""The cricket line as a user runs it: match files to an exported, audited and reproduced model, twice."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from sport_assets_tests.integration.command import behind, lineage_of, materializations, run, traces

MODEL = "42|sanity"
SETTINGS = ["--set", "training.max_epochs=1", "--set", "model.hidden_dim=8", "--set", "model.heads=2"]
STEPS = ("checkpoint", "evaluation", "exported_model", "model_card")
DATA = ("raw_matches", "deliveries", "innings", "player_history", "split", "baselines")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which generated matches became a tiny model."""
    return build(tmp_path_factory.mktemp("first"))


def build(folder: Path) -> Path:
    run(folder, "sample-data", "cricket", "--matches", "40")
    run(folder, "build", "cricket/model_card", "--partition", MODEL, *SETTINGS)
    return folder


def test_every_asset_is_recorded_down_to_the_match_files(built: Path) -> None:
    made = materializations(built)
    assert {key for key, _ in made} == {f"cricket/{name}" for name in (*DATA, *STEPS)}
    seen, raw = behind(made, "cricket/model_card", MODEL)
    assert seen == {key for key, _ in made}
    assert len(raw) == 40 and all(path.startswith("cricket/") for path in raw)
    assert {partition for key, partition in made if key == "cricket/innings"} == {"2023", "2024", "2025"}
    checkpoint = made["cricket/checkpoint", MODEL]
    assert checkpoint.seed == 42 and checkpoint.facts["bit_exact"] is True
    trained = {ref.partition for ref in checkpoint.inputs if ref.key == "cricket/innings"}
    assert trained == {"2023", "2024"}, "no year of test matches alone is read to train"
    kept = {file.path for file in checkpoint.files if file.path.startswith("weights")}
    assert kept == {"weights.safetensors", "weights_last.safetensors", "weights_best_val_macro_f1.safetensors"}


def test_the_same_matches_code_and_seed_give_the_same_versions_in_another_folder(built: Path, tmp_path: Path) -> None:
    again = build(tmp_path)
    assert {name: event.version for name, event in materializations(built).items()} == {
        name: event.version for name, event in materializations(again).items()
    }


def test_a_second_build_makes_nothing(built: Path) -> None:
    done = run(built, "build", "cricket/model_card", "--partition", MODEL, *SETTINGS, "--json")
    assert json.loads(done.stdout)["made"] == []


def test_versioned_files_carry_no_trace_of_the_machine(built: Path) -> None:
    assert not traces(built)


def test_the_model_is_audited_and_verified(built: Path) -> None:
    found = json.loads(run(built, "audit", f"cricket/exported_model:{MODEL}", "--json").stdout)
    assert found["evaluation"]["metrics"]["all_balls"]["log_loss"]["value"] > 1
    assert set(found["evaluation"]["baselines"]) >= {"over", "logistic_regression", "boosted_trees"}
    assert found["counts"]["raw_files"] == 40
    assert not [one for one in found["findings"] if "leak" in json.dumps(one).lower()]
    assert "all as recorded" in run(built, "verify", f"cricket/exported_model:{MODEL}").stdout


@pytest.mark.parametrize("side", ["train", "valid", "test"])
def test_a_match_is_followed_to_the_model_on_its_side(built: Path, side: str) -> None:
    lineage = lineage_of(built)
    try:
        split = json.loads(lineage.read("cricket/split").path("split.json").read_text())
    finally:
        lineage.close()
    found = json.loads(run(built, "impact", "--row", f"match_id={split[side][0]}", "--json").stdout)["affected"]
    sides = {one["asset"]: one["sides"] for one in found if one["how"] == "holds"}
    assert f"cricket/exported_model:{MODEL}" in {one["name"] for one in found}, "it ships what is known of all"
    assert sides["cricket/split"] == [side]
    assert sides.get("cricket/checkpoint") == (None if side == "test" else [side])
    assert sides.get("cricket/evaluation") == (["test"] if side == "test" else None)


def test_the_model_is_reproduced_from_raw(built: Path, tmp_path: Path) -> None:
    done = run(built, "reproduce", f"cricket/exported_model:{MODEL}", "--into", str(tmp_path / "into"), "--json")
    found = json.loads(done.stdout)
    assert found["verdict"] == "identical", found
    assert {step["verdict"] for step in found["steps"]} == {"identical"} and len(found["steps"]) == 15


def test_prediction_needs_no_torch_and_gives_every_delivery(built: Path, tmp_path: Path) -> None:
    output = tmp_path / "forecasts.csv"
    arguments = ["--model", f"cricket/exported_model:{MODEL}", "--input", str(built / "data"), "--output", str(output)]
    run(built, "predict", "cricket", *arguments, without_torch=True)
    table = pl.read_csv(output, schema_overrides={"match_id": pl.String})
    lineage = lineage_of(built)
    try:
        [folder] = {lineage.read("cricket/evaluation", MODEL).folder}
    finally:
        lineage.close()
    judged = pl.read_parquet(folder / "predictions.parquet")
    key = ["match_id", "innings", "over", "ball_in_over"]
    both = judged.join(table, on=key, suffix="_predicted")
    assert len(both) == len(judged) < len(table)
    for name in ("p_dot", "p_six", "p_wicket"):
        assert (both[name] - both[f"{name}_predicted"]).abs().max() < 1e-4  # type: ignore[operator]
