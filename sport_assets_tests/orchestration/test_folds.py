"""A model evaluated by folds: several trainings of one run, what is published of them, and how they stop and go on."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import psutil
import pytest

from sport_assets.lineage.errors import LineageError
from sport_assets.lineage.manifest import InputRef
from sport_assets.orchestration.model_line import Stage
from sport_assets.orchestration.model_training import _finite_weights, _spec_input, at_a_time
from sport_assets.training.spec import TrainingSpec
from sport_assets_tests.orchestration.toy_home import ToyHome, toy_home, wait_for
from sport_assets_tests.orchestration.toy_line import MODEL

SMALL = "small|0"
FOLDS = ("fold_0", "fold_1")
CURVES = ("curves.json", "curves.parquet", "curves.svg")
SETTINGS = ("max_epochs=3", "data.folds=2")
SLOW: dict[str, Any] = {
    "overrides": {
        "data.folds": 2,
        "model.delay_s": 0.2,
        "training.max_epochs": 3,
        "training.checkpoint_every_s": 0.1,
    },
    "parallel": 2,
}
WORKER = """
import json, sys
from sport_assets.lineage.home import Home
from sport_assets_tests.orchestration.toy_home import ToyHome
toy = ToyHome(Home.from_environment())
toy.materialize("toy/checkpoint", "small|0", json.loads(sys.argv[1]), raise_on_error=False)
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a home lies in which nobody disturbed a training by folds."""
    folder = tmp_path_factory.mktemp("undisturbed")
    with toy_home(folder) as toy:
        toy.build("toy/checkpoint", SMALL, *SETTINGS, "parallel=2")
    return folder


def weights(toy: ToyHome) -> str:
    """Digests of all published weights (the delay is a setting, so that versions differ by it)."""
    files = toy.latest("toy/checkpoint", SMALL).files
    return json.dumps({file.path: file.sha256 for file in files if file.path.endswith("weights.safetensors")})


def trainers() -> list[psutil.Process]:
    """Training processes of this test's home."""
    home, found = os.environ["SPORT_ASSETS_HOME"], []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            command = process.cmdline()
            if "sport_assets.training.run" in command and any(part.startswith(home) for part in command):
                found.append(process)
    return found


def parts(toy: ToyHome) -> dict[str, Path]:
    """The working folder of each part."""
    return {json.loads(path.read_text())["part"]: path.parent for path in toy.home.training.glob("*/spec.json")}


def test_each_fold_and_the_final_fit_are_trained_and_published(built: Path) -> None:
    with toy_home(built) as toy:
        record, folder = toy.latest("toy/checkpoint", SMALL), toy.folder("toy/checkpoint", SMALL)
    specs = {name: json.loads((folder / name / "training_spec.json").read_text()) for name in (".", *FOLDS)}
    assert [specs[name]["part"] for name in (".", *FOLDS)] == ["all", "fold:0", "fold:1"]
    assert len({spec["digest"] for spec in specs.values()}) == 3
    assert len({(folder / name / "weights.safetensors").read_bytes() for name in specs}) == 3
    inside = {path.name for path in (folder / "fold_0").iterdir()}
    assert inside == {"weights.safetensors", "settings.json", "training_spec.json", *CURVES}
    assert (folder / "training_state.safetensors").exists(), "of the final fit, as of every training"
    facts = record.facts
    assert facts["spec_digest"] == specs["."]["digest"]
    assert (facts["part"], facts["selected"], facts["folds"]) == ("all", "last epoch", 2)
    assert facts["fitted_on"] == "all samples of the chosen partitions, after evaluation by 2 folds"
    curves = [json.loads((folder / name / "curves.json").read_text()) for name in FOLDS]
    assert facts["fold_monitor"] == "val_ade" and facts["fold_seconds"] > 0
    assert facts["fold_last_value_mean"] == pytest.approx(sum(rows[-1]["val_ade"] for rows in curves) / 2)
    best = [min(row["val_ade"] for row in rows) for rows in curves]
    assert facts["fold_best_value_mean"] == pytest.approx(sum(best) / 2)
    assert record.config["parallel"] == 2
    [finite] = record.checks
    assert finite.passed and finite.checked == 3 * 107, "the weights of all three"


def test_what_is_trained_already_is_published_again_without_a_process(
    built: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sport_assets.orchestration.launch._Child.start", None)
    with toy_home(built) as toy:
        before = toy.latest("toy/checkpoint", SMALL)
        assert toy.made("toy/checkpoint", SMALL, *SETTINGS, "parallel=2") == []
        assert toy.made("toy/checkpoint", SMALL, *SETTINGS, "parallel=1") == [f"toy/checkpoint:{SMALL}"]
        assert toy.latest("toy/checkpoint", SMALL).version == before.version
        with pytest.raises(LineageError, match="a training by folds cannot be continued"):
            toy.build("toy/checkpoint", SMALL, *SETTINGS, f"resume_from={before.version[:12]}")


def start(toy: ToyHome, ready: Callable[[], Any]) -> subprocess.Popen[str]:
    """A run worker that trains, as far as `ready`."""
    worker = toy.python(WORKER, json.dumps(SLOW))
    wait_for(ready, 120, worker)
    return worker


def test_a_run_that_is_cancelled_and_then_killed_leaves_no_trainer_and_goes_on(toy: ToyHome, built: Path) -> None:
    with toy_home(built) as undisturbed:
        expected = weights(undisturbed)
    toy.build("toy/split")

    worker = start(toy, lambda: len(list(toy.home.training.glob("*/last.ckpt"))) == 2)
    assert len(trainers()) == 2
    began = time.monotonic()
    worker.send_signal(signal.SIGINT)
    output = worker.communicate(timeout=60)[0]
    took = time.monotonic() - began
    assert trainers() == []
    print(f"stopped within {took:.1f} s")
    assert took < 30
    assert "fold 1 of 2: " in output and "fold 2 of 2: " in output
    assert sorted(parts(toy)) == ["fold:0", "fold:1"], "the final fit had not begun"
    with toy.lineage() as lineage:
        assert lineage.ledger.latest("toy/checkpoint", SMALL) is None

    worker = start(toy, lambda: done(toy))
    worker.kill()
    worker.communicate(timeout=60)
    wait_for(lambda: not trainers(), 40)
    finished = {part: (work / "result.json").stat().st_mtime_ns for part, work in done(toy).items()}
    assert finished and "all" not in finished

    toy.materialize("toy/checkpoint", SMALL, SLOW, raise_on_error=True)
    assert {part: (done(toy)[part] / "result.json").stat().st_mtime_ns for part in finished} == finished
    resumed = {
        part: json.loads((work / "result.json").read_text())["resumed_at_step"] for part, work in done(toy).items()
    }
    assert set(resumed) == {"all", "fold:0", "fold:1"}
    assert resumed["fold:0"] and resumed["fold:1"]
    assert weights(toy) == expected
    assert toy.staging_is_empty()


def done(toy: ToyHome) -> dict[str, Path]:
    return {part: work for part, work in parts(toy).items() if (work / "result").exists()}


def test_the_first_failure_stops_the_others_and_is_told(toy: ToyHome) -> None:
    toy.build("toy/split")
    wrong = {"model.wrong_part": "fold:1", "model.nan_at_step": 2, "training.max_epochs": 1000}
    config = {"overrides": {**SLOW["overrides"], **wrong}, "parallel": 2}
    failed = toy.materialize("toy/checkpoint", SMALL, config, raise_on_error=False)
    assert not failed.success
    [event] = [event for event in failed.all_events if event.is_step_failure]
    failure = event.step_failure_data.user_failure_data
    assert failure is not None and str(failure.description).startswith("fold 2 of 2: the loss is nan at step 2")
    assert failure.metadata["exit_code"] == dg.MetadataValue.int(3)
    assert trainers() == []
    assert (parts(toy)["fold:0"] / "last.ckpt").exists(), "the other stopped at a checkpoint"


def test_as_manyat_a_time_as_there_are_cores_and_one_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    def spec(**more: Any) -> TrainingSpec:
        training = {"devices": more.pop("devices", 1)}
        return TrainingSpec(line="toy", model="m", builder="a:b", settings={"training": training}, **more)

    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    assert at_a_time(spec()) == 8
    assert at_a_time(spec(threads=3)) == 2
    assert at_a_time(spec(threads=2, devices=2)) == 2
    assert at_a_time(spec(threads=9)) == 1
    assert at_a_time(spec(device="cuda:0")) == 1


def test_a_fold_starts_from_the_same_fold_of_the_earlier_stage(tmp_path: Path) -> None:
    stage = Stage("second", "a:b", "…", starts_from="checkpoint")
    ref = InputRef(key="toy/checkpoint", partition=SMALL, version="a" * 64, record="r")
    found: Any = SimpleNamespace(ref=ref, folder=tmp_path)
    (tmp_path / "fold_1").mkdir()
    assert _spec_input(MODEL, stage, found, "fold:1").path == str(tmp_path / "fold_1")
    assert _spec_input(MODEL, stage, found, "all").path == str(tmp_path)
    with pytest.raises(LineageError, match="has no fold_0: train it by folds as well"):
        _spec_input(MODEL, stage, found, "fold:0")
    data: Any = SimpleNamespace(ref=ref.model_copy(update={"key": "toy/split"}), folder=tmp_path)
    assert _spec_input(MODEL, stage, data, "fold:0").path == str(tmp_path)


def test_a_phase_of_the_preset_goes_over_its_training() -> None:
    stages = [Stage("head", "a:b", "…", phase="phase_1"), Stage("whole", "a:b", "…", phase="phase_2")]
    model = replace(MODEL, stages=stages)
    settings = {"training": {"seed": 1, "rate": 1}, "phase_1": {"rate": 2}, "phase_2": {"rate": 3}, "model": {"a": 1}}
    assert model.settings_of(stages[0], settings) == {"training": {"seed": 1, "rate": 2}, "model": {"a": 1}}
    assert model.settings_of(stages[1], settings) == {"training": {"seed": 1, "rate": 3}, "model": {"a": 1}}
    plain = {"training": {"rate": 1}, "model": {}}
    assert MODEL.settings_of(MODEL.stages[0], plain) == plain


def test_a_bad_weight_of_a_fold_is_found(tmp_path: Path) -> None:
    import numpy as np
    from safetensors.numpy import save_file

    (tmp_path / "fold_1").mkdir()
    save_file({"a": np.ones(3, dtype=np.float32)}, tmp_path / "weights.safetensors")
    assert _finite_weights(tmp_path).passed
    save_file({"a": np.array([1, np.nan], dtype=np.float32)}, tmp_path / "fold_1" / "weights.safetensors")
    result = _finite_weights(tmp_path)
    assert (result.passed, result.failed, result.checked) == (False, 1, 5)
    assert list(result.sample) == [{"file": "fold_1/weights.safetensors", "tensor": "a", "values": 1}]
