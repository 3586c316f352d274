"""Dagster's own command on the definitions, as the documentation gives it."""

import os
import resource
import subprocess
import sys
from pathlib import Path

from sport_assets.lineage.home import Home
from sport_assets.lineage.record import Lineage
from sport_assets.orchestration.instance import initialise

WEEK = "2023-w01"
# The promise is 3 on a quiet machine; shared cores cost more.
MOST_CPU_SECONDS = 6.0


def test_a_light_asset_takes_few_seconds(home: Path) -> None:
    from sport_assets.nfl.synthetic import generate

    place = Home.from_environment()
    generate(place.data / "nfl", season=2023, weeks=1, plays_per_week=5, seed=0, defects=False)
    initialise(place)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [str(Path(sys.executable).with_name("dagster")), "asset", "materialize", "-m", "sport_assets.definitions"]
    ended = subprocess.run(
        [*command, "--select", "nfl/raw_tracking", "--partition", WEEK],
        env=os.environ | {"DAGSTER_HOME": str(place.dagster)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert ended.returncode == 0, ended.stderr
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"dagster asset materialize of nfl/raw_tracking: {seconds:.2f} CPU-seconds")
    assert seconds <= MOST_CPU_SECONDS
    lineage = Lineage(place)
    try:
        made = lineage.ledger.latest("nfl/raw_tracking", WEEK)
    finally:
        lineage.close()
    assert made is not None and len(made.raw_files) == 2
