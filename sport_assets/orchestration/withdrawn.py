"""Which partitions cannot be made because something that they are made of is withdrawn.

Belongs here: the answer, for builds and for assets that read all partitions of another. Must not come here: what was
made already and stands on it (``taint``).
"""

from collections.abc import Iterable

from sport_assets.lineage.errors import RawFileMissing
from sport_assets.lineage.manifest import Withdrawn
from sport_assets.lineage.record import Lineage
from sport_assets.orchestration.assets import DECLARATIONS


def withdrawn(lineage: Lineage, key: str, partition: str | None) -> Withdrawn | None:
    """The standing withdrawal that keeps a partition from being made: of itself, or of that partition upstream.

    Withdrawn rows keep nothing from being made: assets leave them out. Neither does the withdrawal of one version,
    until it was made again since, by the same code, and came out the same.
    """
    standing = [event for event in lineage.ledger.withdrawals() if event.rows is None]
    return _behind(lineage, standing, key, partition) if standing else None


def without_withdrawn(lineage: Lineage, key: str, partitions: Iterable[str]) -> list[str]:
    """Those partitions that are not withdrawn, nor made of something that is."""
    return [partition for partition in partitions if withdrawn(lineage, key, partition) is None]


def own_withdrawal(lineage: Lineage, key: str, partition: str | None) -> Withdrawn | None:
    """The standing withdrawal of this very partition, or of a raw file that it would register."""
    standing = [event for event in lineage.ledger.withdrawals() if event.rows is None]
    return next((event for event in standing if _is_about(lineage, event, key, partition)), None)


def _behind(lineage: Lineage, standing: list[Withdrawn], key: str, partition: str | None) -> Withdrawn | None:
    own = next((event for event in standing if _is_about(lineage, event, key, partition)), None)
    if own is not None:
        return own
    ours = DECLARATIONS[key].partitions_def
    same = [up for up in DECLARATIONS[key].reads if DECLARATIONS[up].partitions_def == ours]
    return next((found for up in same if (found := _behind(lineage, standing, up, partition)) is not None), None)


def _is_about(lineage: Lineage, event: Withdrawn, key: str, partition: str | None) -> bool:
    if event.raw_sha256 is not None:
        return event.raw_sha256 in _raw_digests(lineage, key, partition)
    if (event.key, event.partition) != (key, partition):
        return False
    latest = lineage.ledger.latest(key, partition) if event.version is not None else None
    if latest is None:
        return event.version is None
    # ids begin with their place in the chain of records
    again = latest.id > event.id and latest.code_version == DECLARATIONS[key].code_version
    return again and latest.version == event.version


def _raw_digests(lineage: Lineage, key: str, partition: str | None) -> set[str]:
    """Digests of the raw files that a partition stands for, as far as they are there."""
    raw_paths = DECLARATIONS[key].raw_paths
    found = set()
    for path in raw_paths(partition) if raw_paths is not None else ():
        try:
            found.add(lineage.raw.register(path).sha256)
        except RawFileMissing:
            continue
    return found
