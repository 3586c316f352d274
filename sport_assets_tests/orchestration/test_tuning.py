"""The asset of a search: what it reads and records, when it is made again, how it stops. Trainings are the toy's."""

import json
import os
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import psutil
import pytest

from sport_assets.lineage.checks import CheckResult
from sport_assets.orchestration.build import BuildError
from sport_assets.orchestration.tuning import Tuning, TuningBuild, read_result, read_space_file, tuning_asset
from sport_assets.training.errors import BadSpecError
from sport_assets_tests.orchestration.toy_home import ToyHome, wait_for
from sport_assets_tests.orchestration.toy_line import DEFS, MODEL

KEY = "toy/search"
HERE = "sport_assets_tests.orchestration.test_tuning"
LEAKS: list[int] = []


def space(settings: dict[str, Any]) -> dict[str, Any]:
    return {
        "training.batch_size": {"kind": "int", "low": 4, "high": 32},
        "model.hidden": {"kind": "categorical", "choices": [4, settings["model"]["hidden"]]},
    }


def folds(dataset: Path) -> tuple[int, CheckResult]:
    assert (dataset / "split.json").exists()
    return 2, CheckResult("no_test_data", not LEAKS, failed=len(LEAKS), checked=3)


# a key of its own: `toy/tuning` is a stand-in that other tests fill by hand
SEARCH = tuning_asset(
    replace(MODEL, tuning="search"),
    Tuning("sport_assets_tests.training.toy:build", f"{HERE}:space", f"{HERE}:folds", preset="small"),
)
DEFINITIONS = dg.Definitions(
    assets=[*(DEFS.assets or []), SEARCH], resources=DEFS.resources, executor=DEFS.executor, loggers=DEFS.loggers
)
WORKER = f"""
import json, sys
from sport_assets.lineage.home import Home
from {HERE} import DEFINITIONS, KEY, TuningBuild
TuningBuild(DEFINITIONS, Home.from_environment(), KEY, json.loads(sys.argv[1]), json.loads(sys.argv[2])).search()
"""


def tune(toy: ToyHome, *settings: str, **fields: Any) -> list[str]:
    """The steps that a search made."""
    report = TuningBuild(DEFINITIONS, toy.home, KEY, {"trials": 2, **fields}, ["max_epochs=1", *settings]).search()
    return [str(done.step) for done in report.made()]


def test_a_search_is_recorded_and_goes_on(shared_toy: ToyHome) -> None:
    toy = shared_toy
    assert tune(toy)[-2:] == ["toy/split", KEY], "what it stands on is brought up to date"
    record = toy.latest(KEY)
    read = {(ref.key, ref.partition): ref.version for ref in record.inputs}
    assert set(read) == {("toy/split", None), ("toy/clean", "d1")}, "what the settings choose"
    assert {check.name for check in record.checks} == {"no_test_data", "beats_preset"}
    assert (record.rows, record.facts["finished_trials"], record.config["overrides"]) == (
        2,
        2,
        {"training.max_epochs": 1},
    )
    found = read_result(toy.home, KEY)
    assert found["best"]["preset"] == "small" and found["best"]["overrides"]["training.max_epochs"] == 1
    assert found["use"] == f"sport-assets build toy/model_card --partition 'small|0' --set tuned={record.version[:12]}"
    names = sorted(path.name for path in Path(found["folder"]).iterdir())
    assert names == ["best.json", "history.svg", "settings.svg", "trials.parquet"]
    assert tune(toy) == [], "the same search is current"
    # more trials go on in the same study
    began = time.time()
    assert tune(toy, trials=3) == [KEY]
    assert toy.latest(KEY).facts["study"] == record.facts["study"]
    assert toy.latest(KEY).rows == 3
    [study] = (toy.home.training / "tuning").iterdir()
    assert study.name == record.facts["study"] and (study / "study.db").stat().st_mtime > began
    assert not list(study.glob("plan-*.json"))
    # time ends a search, and the same one again is not current
    assert tune(toy, trials=500, timeout_s=1.0) == [KEY]
    assert 3 <= toy.latest(KEY).facts["finished_trials"] < 500
    assert tune(toy, trials=500, timeout_s=1.0) == [KEY]
    assert toy.staging_is_empty()


def test_what_cannot_be_searched_is_refused_before_anything_is_made(toy: ToyHome, tmp_path: Path) -> None:
    with pytest.raises(BadSpecError, match=r"unknown settings: model\.width; known settings: data\.folds"):
        tune(toy, space={"model.width": {"kind": "int", "low": 1, "high": 2}})
    with pytest.raises(BadSpecError, match="nothing is left to search"):
        tune(toy, "batch_size=8", "model.hidden=4")
    with pytest.raises(BuildError, match="has a setting 'colour'"):
        tune(toy, "colour=red")
    with pytest.raises(BuildError, match="no search for 'other'"):
        TuningBuild(DEFINITIONS, toy.home, "other/tuning", {})
    file = tmp_path / "space.yaml"
    file.write_text("model.hidden: {kind: log, low: 0, high: 1}\n")
    with pytest.raises(BadSpecError, match=r"space\.yaml: model\.hidden:\n  \(?.*log needs low above 0"):
        read_space_file(file)
    file.write_text("[")
    with pytest.raises(BadSpecError, match=r"space\.yaml is not YAML"):
        read_space_file(file)
    assert not (toy.home.store / "toy").exists()


def test_a_fold_with_test_data_is_never_trained(toy: ToyHome, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sport_assets_tests.orchestration.test_tuning.LEAKS", [7])
    with pytest.raises(BuildError, match=r"toy/search: nothing is searched: .*no_test_data"):
        tune(toy)
    assert not (toy.home.training / "tuning").exists()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_cancelled_search_stops_within_seconds_and_goes_on(toy: ToyHome) -> None:
    slow = ["model.delay_s=0.15", "training.max_epochs=4", "training.checkpoint_every_s=0.1"]
    worker = toy.python(WORKER, json.dumps({"trials": 2}), json.dumps(slow))
    saved = wait_for(lambda: list(toy.home.training.glob("tuning/*/trials/*/*/last.ckpt")), 240, worker)
    study = saved[0].parents[3]
    child = int(json.loads((study / "lease.json").read_text())["pid"])
    began = time.monotonic()
    worker.send_signal(signal.SIGINT)
    worker.communicate(timeout=90)
    assert not psutil.pid_exists(child)
    assert time.monotonic() - began < 60  # 3 to 5 s on quiet cores
    assert toy.staging_is_empty()
    with toy.lineage() as lineage:
        assert lineage.ledger.latest(KEY, None) is None
    kept = saved[0].read_bytes() if saved[0].exists() else b""
    assert kept, "the fold under way keeps its checkpoint"
    again = toy.python(WORKER, json.dumps({"trials": 2}), json.dumps(slow))
    output = again.communicate(timeout=280)[0]
    assert again.returncode == 0, output
    assert toy.latest(KEY).facts["trials"] == {"complete": 2, "pruned": 0, "failed": 0}
    assert os.path.basename(study) == toy.latest(KEY).facts["study"]
