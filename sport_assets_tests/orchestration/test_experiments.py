"""Experiments: rounds of trainings, what is kept of them, and what an experiment may read. Trainings are the toy's."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from sport_assets.lineage.checks import CheckResult
from sport_assets.lineage.errors import GateRefused, LineageError
from sport_assets.lineage.row_index import Identifiers, RowIndex
from sport_assets.orchestration.build import Builder, BuildError
from sport_assets.orchestration.checks import Check
from sport_assets.orchestration.experiments import Experiment, ExperimentConfig, cost_rows, experiment_asset
from sport_assets.training.trials import Finished, Study, Trial
from sport_assets_tests.orchestration.toy_home import ToyHome
from sport_assets_tests.orchestration.toy_line import DEFS, MODEL, TESTED

HERE = "sport_assets_tests.orchestration.test_experiments"
GRID, FINAL = "toy/grid", "toy/final"
CALLS: list[tuple[str, int]] = []
"""(side, how many trainings) of each call of ``measure``."""
TEST_SEEN: list[int] = []
"""Samples of the test side that the guard is to find."""
BAD: list[str] = []


class GridConfig(ExperimentConfig):
    widths: list[int] = [4, 6]
    broken: list[int] = []
    """Widths whose training fails."""


def trials(study: Study, finished: Sequence[Finished]) -> list[Trial]:
    """Two widths, then two batch sizes of the better one; the last round is empty."""
    assert all(set(each.measured) == {"valid"} for each in finished), "no decision sees the test side"
    seed = (study.options["seeds"] or [3])[0]

    def trial(name: str, **overrides: Any) -> Trial:
        return Trial(name, {"preset": "small"}, {"training.max_epochs": 1, **overrides}, seed)

    widths = study.options["widths"]
    if not finished:
        wrong = {width: {"model.nan_at_step": 1} for width in study.options["broken"]}
        return [trial(f"width {width}", **{"model.hidden": width}, **wrong.get(width, {})) for width in widths]
    if len(finished) > len(widths):
        return []
    best = min(finished, key=value)
    return [trial("other batch", **{"model.hidden": best.settings["model"]["hidden"], "training.batch_size": 8})]


def again(study: Study, finished: Sequence[Finished]) -> list[Trial]:
    """What the grid decided on, once more, and another seed of it."""
    width = json.loads((study.earlier["grid"] / "decision.json").read_text())["width"]
    overrides = {"training.max_epochs": 1, "model.hidden": width}
    both = [Trial(f"seed {seed}", {"preset": "small"}, overrides, seed) for seed in (3, 4)]
    return [] if finished else both


def value(finished: Finished) -> float:
    found: float = json.loads((finished.measured["valid"] / "value.json").read_text())
    return found


def measure(study: Study, side: str, made: Sequence[tuple[Finished, Path]]) -> RowIndex:
    CALLS.append((side, len(made)))
    assert (study.dataset / "split.json").exists() and sorted(study.samples) == ["d1", "d3"]
    for finished, out in made:
        (out / "value.json").write_text(json.dumps(finished.report["best_value"]))
    rows = RowIndex()
    rows.add(["sample"], TESTED if side == "test" else range(200, 203), side)
    return rows


def guard(dataset: Path, read: Sequence[Identifiers]) -> CheckResult:
    used = {int(row[0]) for found in read for row in found.rows}
    assert used >= {100, 200} and not used & set(TESTED)
    assert {found.side for found in read} == {"train", "valid"}
    return CheckResult("no_test_data", not TEST_SEEN, failed=len(TEST_SEEN), checked=len(used))


def summarise(study: Study, finished: Sequence[Finished], out: Path) -> tuple[dict[str, Any], list[CheckResult]]:
    best = min(finished, key=value)
    decision = {"width": best.settings["model"]["hidden"], "trials": [each.trial.name for each in finished]}
    (out / "decision.json").write_text(json.dumps(decision))
    sides = sorted(finished[0].measured)
    return {"best": best.trial.name, "sides": sides}, [CheckResult("sane", not BAD, failed=len(BAD))]


def experiment(name: str, **more: Any) -> Experiment:
    given = {
        "builder": "sport_assets_tests.training.toy:build",
        "trials": f"{HERE}:trials",
        "measure": f"{HERE}:measure",
        "guard": f"{HERE}:guard",
        "summarise": f"{HERE}:summarise",
        "checks": [Check("sane", "the figures are sane")],
        "config": GridConfig,
    }
    return Experiment(name, f"an experiment called {name}", **{**given, **more})


ASSETS = [
    experiment_asset(MODEL, experiment("grid")),
    experiment_asset(MODEL, experiment("final", trials=f"{HERE}:again", reads=["grid"], shows_test=True)),
]
DEFINITIONS = dg.Definitions(
    assets=[*(DEFS.assets or []), *ASSETS], resources=DEFS.resources, executor=DEFS.executor, loggers=DEFS.loggers
)


@pytest.fixture(autouse=True)
def fresh() -> None:
    for noted in (CALLS, TEST_SEEN, BAD):
        noted.clear()


def made(toy: ToyHome, target: str, *settings: str) -> list[str]:
    return [str(done.step) for done in Builder(DEFINITIONS, toy.home, settings).run(target, None).made()]


def trained(toy: ToyHome) -> int:
    """How many trainings there are."""
    return len(list(toy.home.training.glob("*/result.json")))


def test_rounds_are_recorded_and_nothing_is_made_twice(shared_toy: ToyHome) -> None:
    toy = shared_toy
    assert made(toy, GRID)[-2:] == ["toy/split", GRID]
    record = toy.latest(GRID)
    assert {ref.key for ref in record.inputs} == {"toy/split", "toy/clean"}
    assert {ref.partition for ref in record.inputs if ref.key == "toy/clean"} == {"d1", "d3"}
    assert CALLS == [("valid", 2), ("valid", 1)], "round after round"
    assert record.rows == 3 and record.facts["sides"] == ["valid"] and record.seed == 3
    facts = record.facts["trainings"]
    assert list(facts) == ["width 4", "width 6", "other batch"]
    assert all(each["parameters"] > 0 and each["peak_memory_bytes"] > 1e7 for each in facts.values())
    assert len({each["spec_digest"] for each in facts.values()}) == 3
    assert not any(each["done_before"] for each in facts.values())
    with toy.lineage() as lineage:
        assert record.row_index is not None
        assert lineage.ledger.has_rows(record.row_index, {"sample": "100"})
        assert lineage.ledger.has_rows(record.row_index, {"sample": "201"})
        assert not lineage.ledger.has_rows(record.row_index, {"sample": "1000"})
    assert made(toy, GRID) == [], "the same experiment is current"
    # an option that changes no training makes none
    assert made(toy, GRID, f"{GRID}.parallel=1") == [GRID]
    assert trained(toy) == 3 and len(CALLS) == 2
    assert toy.latest(GRID).version == record.version, "what it took is no content"
    assert all(each["done_before"] for each in toy.latest(GRID).facts["trainings"].values())
    with toy.instance() as dagster:
        event = dagster.get_latest_materialization_event(dg.AssetKey(GRID.split("/")))
        assert event is not None and event.asset_materialization is not None
        shown = str(event.asset_materialization.metadata["cost"].value)
    assert "| width 4 |" in shown and "trained before this run" in shown and "peak memory, MB" in shown
    # the next experiment reads the decision, takes over the training it shares, and shows the test side
    assert made(toy, FINAL, f"{GRID}.parallel=1") == [FINAL]
    assert trained(toy) == 4
    final = toy.latest(FINAL)
    assert [ref.version for ref in final.inputs if ref.key == GRID] == [record.version]
    assert CALLS[2:] == [("valid", 1), ("test", 2)] and final.facts["sides"] == ["test", "valid"]
    width = json.loads((toy.folder(GRID) / "decision.json").read_text())["width"]
    shared = [name for name in facts if facts[name]["spec_digest"] == final.facts["trainings"]["seed 3"]["spec_digest"]]
    assert shared in ([f"width {width}"], []), "the same training, unless another batch size was better"
    with toy.lineage() as lineage:
        assert final.row_index is not None and lineage.ledger.has_rows(final.row_index, {"sample": "1000"})
    assert toy.staging_is_empty()
    assert not list(toy.home.training.glob("*/measured/*/.*")), "nothing half measured is left"


def test_what_a_training_took_is_told_with_what_its_time_is_worth() -> None:
    took = {"parameters": 12_345, "seconds_per_epoch": 2.04, "peak_memory_bytes": 1_234_000_000}
    rows = cost_rows(
        {
            "a": {**took, "done_before": False},
            "b": {**took, "done_before": True},
            "c": {**took, "seconds_per_epoch": None, "done_before": True},
        }
    )
    assert rows[0] == ["a", "12,345", "2.0", "1,234", ""]
    assert rows[1][-1] == "trained before this run: its time may be of another load"
    assert rows[2][2] == "–" and rows[2][-1].endswith("; interrupted and resumed: its time was not measured whole")


def test_after_a_failure_it_goes_on_with_what_is_trained(toy: ToyHome) -> None:
    with pytest.raises(BuildError, match=r"toy/grid: width 6 \(2 of 2\): the loss is nan"):
        made(toy, GRID, "broken=[6]", "parallel=1")
    with toy.lineage() as lineage:
        assert lineage.ledger.latest(GRID, None) is None
    [kept] = toy.home.training.glob("*/result.json")
    before = kept.stat().st_mtime_ns
    assert made(toy, GRID) == [GRID]
    assert trained(toy) == 3 and kept.stat().st_mtime_ns == before
    assert CALLS == [("valid", 2), ("valid", 1)]


def test_an_experiment_that_failed_its_check_is_not_read(toy: ToyHome) -> None:
    BAD.append("figures")
    with pytest.raises(BuildError, match=r"toy/grid was rejected by its checks: sane"):
        made(toy, FINAL)
    with pytest.raises(GateRefused, match="sane"), toy.instance() as dagster:  # as from the UI, without `build`
        DEFINITIONS.resolve_implicit_global_asset_job_def().execute_in_process(
            instance=dagster, asset_selection=[dg.AssetKey(FINAL.split("/"))]
        )
    assert trained(toy) == 3, "nothing was trained on it"


def test_what_saw_the_test_side_is_rejected(toy: ToyHome) -> None:
    TEST_SEEN.append(7)
    with pytest.raises(BuildError, match=r"toy/grid was rejected by its checks: no_test_data"):
        made(toy, GRID, "widths=[4]")


def test_what_cannot_be_run_is_told(toy: ToyHome) -> None:
    with pytest.raises(LineageError, match="trials of the same name: width 4"):
        made(toy, GRID, "widths=[4, 4]")
    with pytest.raises(LineageError, match="no trial to run"):
        made(toy, GRID, "widths=[]")
    assert trained(toy) == 0


def test_trainings_that_read_partitions_of_a_model_are_refused() -> None:
    with pytest.raises(ValueError, match="cannot read checkpoint"):
        experiment_asset(replace(MODEL, training_reads=["checkpoint"]), experiment("other"))
