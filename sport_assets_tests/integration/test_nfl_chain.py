"""The main job as a user runs it: generated weeks to an exported model and its card, twice, and once on real data."""

import json
from pathlib import Path
from typing import Any

import pytest

from sport_assets.lineage.manifest import Materialization
from sport_assets.training.names import BEATS_BASELINES
from sport_assets_tests.integration.command import behind, lineage_of, materializations, run, traces

SETTINGS = ["--set", "training.max_epochs=1", "--set", "model.hidden_dim=8", "--set", "model.temporal_dim=8"]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which two generated weeks became a tiny model."""
    return build(tmp_path_factory.mktemp("first"))


def build(folder: Path) -> Path:
    run(folder, "sample-data", "nfl", "--plays-per-week", "24")
    run(folder, "build", "nfl/model_card", "--partition", "sanity|0", *SETTINGS)
    return folder


def test_every_asset_is_recorded_down_to_the_raw_files(built: Path) -> None:
    made = materializations(built)
    assert {key for key, _ in made} == {
        f"nfl/{name}"
        for name in (
            *("raw_tracking", "raw_supplementary", "tracking", "play_context", "play_tensors", "split"),
            *("checkpoint", "evaluation", "exported_model", "model_card"),
        )
    }
    card = made["nfl/model_card", "sanity|0"]
    seen, raw = behind(made, "nfl/model_card", "sanity|0")
    assert seen == {key for key, _ in made}
    assert raw == {
        "nfl/supplementary_data.csv",
        *(f"nfl/train/{kind}_2023_w0{week}.csv" for kind in ("input", "output") for week in (1, 2)),
    }
    trained = [ref.partition for ref in made["nfl/checkpoint", "sanity|0"].inputs if ref.key == "nfl/play_tensors"]
    evaluated = [ref.partition for ref in made["nfl/evaluation", "sanity|0"].inputs if ref.key == "nfl/play_tensors"]
    assert trained == ["2023-w01"] and evaluated == ["2023-w01", "2023-w02"], "sanity trains on the first week"
    assert made["nfl/checkpoint", "sanity|0"].rows and made["nfl/evaluation", "sanity|0"].rows
    assert made["nfl/raw_tracking", "2023-w01"].rows == 2 and made["nfl/raw_supplementary", None].rows == 1
    assert card.seed is None and made["nfl/checkpoint", "sanity|0"].seed == 0


def test_the_same_inputs_code_and_seed_give_the_same_versions_in_another_folder(built: Path, tmp_path: Path) -> None:
    again = build(tmp_path)
    first = {name: event.version for name, event in materializations(built).items()}
    second = {name: event.version for name, event in materializations(again).items()}
    assert first == second


def test_a_second_build_makes_nothing(built: Path) -> None:
    done = run(built, "build", "nfl/model_card", "--partition", "sanity|0", *SETTINGS, "--json")
    assert json.loads(done.stdout)["made"] == []


def test_versioned_files_carry_no_trace_of_the_machine(built: Path) -> None:
    assert not traces(built)


def test_prediction_needs_no_torch_and_is_found_by_key_digest_and_folder(built: Path, tmp_path: Path) -> None:
    made = materializations(built)["nfl/exported_model", "sanity|0"]
    texts = []
    for number, model in enumerate(("nfl/exported_model:sanity|0", made.version[:10])):
        output = tmp_path / f"{number}.csv"
        arguments = ["--model", model, "--input", str(built / "data" / "nfl"), "--output", str(output)]
        run(built, "predict", "nfl", *arguments, without_torch=True)
        texts.append(output.read_text())
    assert texts[0] == texts[1]
    assert texts[0].startswith("game_id,play_id,nfl_id,frame_id,x,y\n")


def test_the_model_is_reproduced_from_its_bundle_and_raw_files_under_other_names(built: Path, tmp_path: Path) -> None:
    """On a machine that has nothing else, with another season configured."""
    bundle = tmp_path / "evidence.zip"
    run(built, "bundle", "nfl/exported_model:sanity|0", "--out", str(bundle))
    attic = tmp_path / "attic"
    attic.mkdir()
    for number, path in enumerate(sorted((built / "data" / "nfl").rglob("*.csv"))):
        (attic / f"{number}.bin").write_bytes(path.read_bytes())
    arguments = ["reproduce", str(bundle), "--into", str(tmp_path / "into")]
    refused = run(tmp_path, *arguments, check=False)
    assert refused.returncode == 2 and "nfl/train/input_2023_w01.csv (SHA-256" in refused.stderr
    done = run(tmp_path, *arguments, "--data", str(attic), "--json", seasons="2019")
    result = json.loads(done.stdout)
    assert [step["verdict"] for step in result["steps"]] == ["identical"] * 12, result
    assert result["verdict"] == "identical" and result["first_difference"] is None
    made = materializations(built)["nfl/exported_model", "sanity|0"]
    assert result["steps"][-1]["reproduced_version"] == made.version
    shown = run(tmp_path, *arguments, "--from", "checkpoint", check=False)
    assert shown.returncode == 2 and "reproduce from raw" in shown.stderr, "a bundle holds no data"


def test_a_model_is_told_apart_from_another_and_not_from_itself(built: Path) -> None:
    model = "nfl/evaluation:sanity|0"
    assert json.loads(run(built, "diff", model, model, "--json").stdout)["same"] is True
    shown = run(built, "diff", "nfl/checkpoint:sanity|0", model).stdout
    assert "only B" in shown and "nfl/evaluation:sanity|0" in shown


@pytest.fixture(scope="module")
def real_home(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home over the real weeks of 2019, from which models are built."""
    folder = tmp_path_factory.mktemp("real")
    (folder / "data").mkdir()
    (folder / "data" / "nfl").symlink_to(real_data / "nfl" / "ngs_highlights")
    return folder


@pytest.mark.real_data
@pytest.mark.slow
def test_the_chain_runs_on_real_weeks(real_home: Path) -> None:
    run(real_home, "build", "nfl/model_card", "--partition", "sanity|0", *SETTINGS, seasons="2019")
    made = materializations(real_home)
    assert len([key for key, _ in made if key == "nfl/tracking"]) == 21
    assert made["nfl/split", None].facts["plays"] == 211
    evaluation = _evaluation(real_home, made)
    assert evaluation["samples"]["plays"] > 10
    assert set(evaluation["baselines"]) >= {"standing_still", "constant_velocity"}


SHORTER = ["--set", "members=1", "--set", "max_epochs=8", "--set", "earlier_starts_frames=[4]"]
"""The production preset in a tenth of its time."""


@pytest.mark.real_data
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_production_preset_beats_every_baseline_on_real_games(real_home: Path) -> None:
    run(real_home, "build", "nfl/evaluation", "--partition", "production|0", *SHORTER, seasons="2019")
    made = materializations(real_home)
    evaluated = made["nfl/evaluation", "production|0"]
    check = next(check for check in evaluated.checks if check.name == BEATS_BASELINES)
    assert check.passed and check.blocking, check.sample
    assert evaluated.rows == 211, "by folds, every play is forecast by weights that never saw its game"
    trained = [ref for ref in made["nfl/checkpoint", "production|0"].inputs if ref.key == "nfl/play_tensors"]
    assert len(trained) == 21


def _evaluation(folder: Path, made: dict[tuple[str, str | None], Materialization]) -> dict[str, Any]:
    event = made["nfl/evaluation", "sanity|0"]
    lineage = lineage_of(folder)
    try:
        path = lineage.store.folder(event.key, event.partition, event.version) / "evaluation.json"
    finally:
        lineage.close()
    content: dict[str, Any] = json.loads(path.read_text())
    return content
