"""The Dagster home: made once, alone, with its settings.

Belongs here: ``dagster.yaml`` and the pool's limit. Must not come here: definitions.
"""

import os

import dagster as dg
from filelock import FileLock

from sport_assets.lineage.home import Home
from sport_assets.lineage.record import Lineage
from sport_assets.orchestration.event_log import unhurried
from sport_assets.orchestration.resources import GPU_POOL, visible_gpus

_DONE = ".initialised"
DAGSTER_YAML = """\
# Written by `sport-assets init`. Change it freely; it is not written again.
telemetry:
  enabled: false
concurrency:
  pools:
    granularity: op
  runs:
    max_concurrent_runs: 4
nux:
  enabled: false
run_monitoring:
  enabled: true
  start_timeout_seconds: 300
"""


def initialise(home: Home) -> bool:
    """Make the home with its ledger and Dagster instance, unless they are there; True when something was made.

    Two processes that open a brand-new Dagster home at once can break it, so a file lock makes this one alone.
    """
    home.root.mkdir(parents=True, exist_ok=True)
    done = home.dagster / _DONE
    with FileLock(home.root / "init.lock"):
        fresh = not done.exists()
        home.dagster.mkdir(parents=True, exist_ok=True)
        Lineage(home).close()
        if fresh:
            settings = home.dagster / "dagster.yaml"
            if not settings.exists():
                temporary = settings.with_suffix(".tmp")
                temporary.write_text(DAGSTER_YAML, encoding="utf-8")
                os.replace(temporary, settings)  # half a file would be taken for the user's own
            with unhurried(home.dagster), instance(home) as made:
                made.event_log_storage.set_concurrency_slots(GPU_POOL, max(1, visible_gpus() or os.cpu_count() or 1))
            done.touch()
    return fresh


def initialised(home: Home) -> bool:
    """Whether the home has a Dagster instance."""
    return (home.dagster / _DONE).exists()


def instance(home: Home) -> dg.DagsterInstance:
    """The Dagster instance of a home, also for child processes of this one."""
    os.environ["DAGSTER_HOME"] = str(home.dagster)
    return dg.DagsterInstance.get()
