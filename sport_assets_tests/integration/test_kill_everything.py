"""All processes of a build die at once, as when the machine goes down; the next build mends and finishes it alone.

No daemon runs here: who works with `build` alone must not be left waiting for a slot that a dead run holds.
"""

import json
import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import dagster as dg
import psutil
import pytest

from sport_assets.orchestration.instance import initialise
from sport_assets.orchestration.resources import GPU_POOL
from sport_assets_tests.orchestration.toy_home import ToyHome, toy_home, wait_for

SETTINGS = ("max_epochs=4", "delay_s=0.15", "checkpoint_every_s=0.1")
BUILD = """
import sys
from sport_assets.lineage.home import Home
from sport_assets.orchestration.build import Builder
from sport_assets_tests.orchestration.toy_line import DEFS
Builder(DEFS, Home.from_environment(), sys.argv[1:]).run("toy/model_card", "small|0")
"""


@pytest.fixture
def toy(tmp_path: Path) -> Iterator[ToyHome]:
    with toy_home(tmp_path) as made:
        initialise(made.home)
        with made.instance() as dagster:
            dagster.event_log_storage.set_concurrency_slots(GPU_POOL, 1)
        yield made


def test_the_next_build_finishes_what_a_dead_one_began(toy: ToyHome) -> None:
    builder = toy.python(BUILD, *SETTINGS)

    def in_the_middle() -> Any:
        progress = list(toy.home.training.glob("*/progress.json"))
        saved = list(toy.home.training.glob("*/last.ckpt"))
        return saved and progress and int(json.loads(progress[0].read_text()).get("step", 0)) >= 6

    wait_for(in_the_middle, 120, builder)
    [lease] = toy.home.training.glob("*/lease.json")
    training = int(json.loads(lease.read_text())["pid"])
    os.killpg(builder.pid, signal.SIGKILL)
    builder.communicate(timeout=30)
    wait_for(lambda: not psutil.pid_exists(training), 30)
    assert not toy.staging_is_empty(), "the build was not killed in the middle of a record"
    with toy.instance() as dagster:
        dead = dagster.get_runs(limit=1)[0]
        assert dead.status == dg.DagsterRunStatus.STARTED
        assert dagster.event_log_storage.get_concurrency_info(GPU_POOL).active_run_ids == {dead.run_id}
    before = toy.versions()
    assert "toy/checkpoint:small|0" not in before

    made = toy.made("toy/model_card", "small|0", *SETTINGS)
    assert made == [f"toy/{name}:small|0" for name in ("checkpoint", "evaluation", "exported_model", "model_card")]
    assert toy.latest("toy/checkpoint", "small|0").facts["resumed_at_step"] >= 5, "it began anew"
    assert toy.staging_is_empty()
    assert {name: toy.versions()[name] for name in before} == before
    with toy.instance() as dagster:
        ended = dagster.get_run_by_id(dead.run_id)
        assert ended is not None and ended.status == dg.DagsterRunStatus.FAILURE
        assert not dagster.event_log_storage.get_concurrency_info(GPU_POOL).active_run_ids
    with closing(sqlite3.connect(toy.home.root / "mlflow.db")) as connection:
        statuses = [status for (status,) in connection.execute("SELECT status FROM runs ORDER BY start_time")]
    # the dead step's run, and the new one with the training's below it (which may have begun before the end)
    assert set(statuses) == {"FINISHED", "KILLED"}
    assert statuses[0] == "KILLED" and statuses.count("FINISHED") == 2
