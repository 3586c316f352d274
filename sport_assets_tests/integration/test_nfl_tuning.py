"""A search as a user runs it, and what it found as a recorded input of a model."""

import json
from pathlib import Path
from typing import Any

import pytest

from sport_assets_tests.integration.test_nfl_chain import lineage_of, materializations, run

SMALL = ["--set", "training.max_epochs=1", "--set", "model.hidden_dim=8", "--set", "model.temporal_dim=8"]
SPACE = "training.learning_rate: {kind: log, low: 0.001, high: 0.01}\nmodel.dropout: {kind: float, low: 0, high: 0.3}\n"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_what_a_search_found_is_a_recorded_input_of_a_model(tmp_path: Path) -> None:
    run(tmp_path, "sample-data", "nfl", "--plays-per-week", "24")
    space = tmp_path / "space.yaml"
    space.write_text(SPACE)
    search = ["tune", "nfl", "--preset", "sanity", "--trials", "2", "--folds", "2", "--space", str(space), *SMALL]
    refused = run(tmp_path, "tune", "nfl", "--preset", "best", check=False)
    assert refused.returncode == 1 and "unknown preset 'best': choose one of sanity" in refused.stderr.replace(
        "\n", " "
    )
    told = json.loads(run(tmp_path, *search, "--json").stdout)
    made = materializations(tmp_path)["nfl/tuning", None]
    assert told["version"] == made.version
    assert {ref.key for ref in made.inputs} == {"nfl/split", "nfl/play_tensors"}
    assert {check.name: check.passed for check in made.checks}["no_test_data"]
    best: dict[str, Any] = told["best"]
    assert best["trials"]["complete"] == 2 and best["value"] <= best["baseline_value"]
    assert best["overrides"]["model.hidden_dim"] == 8, "what was fixed by hand belongs to it"
    traces = [str(tmp_path).encode(), made.run_id.encode()]
    for path in Path(told["folder"]).iterdir():
        assert not [trace for trace in traces if trace in path.read_bytes()], path

    again = run(tmp_path, *search)
    assert "0 made, " in again.stderr and f"--set tuned={made.version[:12]}" in again.stdout

    arguments = ["build", "nfl/checkpoint", "--partition", "sanity|0", "--set", f"tuned={made.version[:12]}"]
    run(tmp_path, *arguments)
    checkpoint = materializations(tmp_path)["nfl/checkpoint", "sanity|0"]
    [tuned] = [ref for ref in checkpoint.inputs if ref.key == "nfl/tuning"]
    assert (tuned.version, tuned.pinned) == (made.version, True)
    lineage = lineage_of(tmp_path)
    try:
        folder = lineage.store.folder(checkpoint.key, checkpoint.partition, checkpoint.version)
    finally:
        lineage.close()
    settings = json.loads((folder / "training_spec.json").read_text())["settings"]
    for name, value in best["overrides"].items():
        section, _, field = name.partition(".")
        assert settings[section][field] == value, name
