"""Dynamic partitions that are told to Dagster outside of a build: what the UI lists before anything is made.

Belongs here: adding keys. Must not come here: which keys there are, which the raw files of a line decide.
"""

from collections.abc import Sequence

from sport_assets.lineage.home import Home
from sport_assets.orchestration.instance import initialise, instance


def tell_dagster(home: Home, name: str, keys: Sequence[str]) -> None:
    """Add keys to the dynamic partitions ``name``; those that are known already stay."""
    initialise(home)
    with instance(home) as dagster:
        dagster.add_dynamic_partitions(name, list(keys))
