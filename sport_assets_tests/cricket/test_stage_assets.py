"""The programme as `sport-assets build` runs it, on generated matches with tiny networks: one chain, made once."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from sport_assets.lineage.home import Home
from sport_assets.lineage.manifest import Materialization
from sport_assets.lineage.record import Lineage
from sport_assets.orchestration.build import Builder, Report

TINY = (
    "max_epochs=1",
    "latest_matches=8",
    'grid={"model.hidden_dim": [8], "model.layers": [2], "training.learning_rate": [0.001, 0.002], "model.heads": [4]}',
)
ABLATIONS = ("cricket/ablation_report.seeds=[42]", "hidden_dim=8")


def build(target: str, partition: str | None = None, *settings: str) -> Report:
    from sport_assets.definitions import defs

    return Builder(defs, Home.from_environment(), settings).run(target, partition)


def latest(key: str, partition: str | None = None) -> tuple[Materialization, Path]:
    """The newest record and its folder."""
    lineage = Lineage(Home.from_environment())
    try:
        made = lineage.ledger.latest(key, partition)
        assert made is not None
        return made, lineage.store.folder(key, partition, made.version)
    finally:
        lineage.close()


def steps(report: Report) -> list[str]:
    return [str(done.step) for done in report.made()]


def read(folder: Path, name: str) -> Any:
    return json.loads((folder / name).read_text())


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_programme_leads_from_matches_to_the_checkpoint_it_chose(home: Path) -> None:
    from sport_assets.cli import app
    from sport_assets.cricket.synthetic import generate

    place = Home.from_environment()
    generate(place.data / "cricket", matches=40)
    made = steps(build("cricket/final_model", None, *TINY, *ABLATIONS))
    assert made[-1] == "cricket/final_model"
    assert {f"cricket/{name}" for name in ("tuning", "stage_comparison", "phase_report", "ablation_report")} <= set(
        made
    )
    assert steps(build("cricket/final_model", None, *TINY, *ABLATIONS)) == []

    tuning, folder = latest("cricket/tuning")
    assert len(tuning.facts["trainings"]) == 2 and tuning.config["latest_matches"] == 8
    split = read(latest("cricket/split")[1], "split.json")
    with_rows = {name: latest(f"cricket/{name}")[0] for name in ("tuning", "stage_comparison", "ablation_report")}
    lineage = Lineage(place)
    try:
        for name, record in with_rows.items():
            assert record.row_index is not None
            seen = {m for m in split["test"] if lineage.ledger.has_rows(record.row_index, {"match_id": m})}
            assert seen == (set(split["test"]) if name == "ablation_report" else set()), name
            trained_on = [m for m in split["train"] if lineage.ledger.has_rows(record.row_index, {"match_id": m})]
            assert trained_on == split["train"][-8:], name
            assert next(check for check in record.checks if check.name == "no_test_data").passed
    finally:
        lineage.close()
    compared, _ = latest("cricket/stage_comparison")
    each = compared.facts["trainings"]
    assert list(each) == ["base, seed 42", "pooling, seed 42", "hybrid, seed 42"]
    assert all(one["peak_memory_bytes"] and one["parameters"] for one in each.values())
    shared = {one["spec_digest"] for one in tuning.facts["trainings"].values()}
    assert each["base, seed 42"]["spec_digest"] in shared, "the base was trained by the tuning"
    assert [one["done_before"] for one in each.values()] == [True, False, False]
    sets = [part for setting in TINY for part in ("--set", setting)]
    printed = CliRunner().invoke(app, ["build", "cricket/stage_comparison", *sets])
    assert printed.exit_code == 0 and "what the trainings took" in printed.stdout, printed.output
    assert "base, seed 42" in printed.stdout and "trained before this run" in printed.stdout
    _, ablations = latest("cricket/ablation_report")
    assert not read(ablations, "decision.json")["concluded"]
    for name in ("tuning", "stage_comparison", "phase_report", "ablation_report", "final_model"):
        for path in latest(f"cricket/{name}")[1].iterdir():
            assert str(place.root).encode() not in path.read_bytes(), f"{name}/{path.name}"

    # what was found is what is trained, and a later search is no news to it
    final, folder = latest("cricket/final_model")
    best = read(folder, "best.json")
    partition = f"42|{best['variant']}"
    tuned = (
        f"cricket/checkpoint.tuned={final.version[:12]}",
        'cricket/checkpoint.overrides={"training.max_epochs": 2}',
    )
    assert steps(build("cricket/checkpoint", partition, *tuned)) == [f"cricket/checkpoint:{partition}"]
    checkpoint, folder = latest("cricket/checkpoint", partition)
    settings = read(folder, "settings.json")
    for name, value in best["overrides"].items():
        section, field = name.split(".")
        assert settings[section][field] == value
    [pinned] = [ref for ref in checkpoint.inputs if ref.key == "cricket/final_model"]
    assert pinned.pinned and pinned.version == final.version

    shown = CliRunner().invoke(app, ["tune", "cricket", "--json", *sets])
    assert shown.exit_code == 0, shown.output
    told = json.loads(shown.stdout)
    assert told["version"] == tuning.version and len(told["trials"]) == 2
    assert told["overrides"]["training.learning_rate"] in (0.001, 0.002)
    table = CliRunner().invoke(app, ["tune", "cricket", *sets])
    assert table.exit_code == 0 and "learning rate" in table.stdout and "next stage" in table.stdout
