"""Frees versions that nothing kept stands on, and what killed processes left behind.

Belongs here: what is kept, and how a version goes. Must not come here: trainings' working files (``collect_training``).

A version goes in this order: an event in the ledger, the folder renamed out of the store, its files deleted. Killed in
between, it is whole and said to be collected, or out of the store and deleted by the next to come; never in the store
with half of its files, and never gone without a record. The next run ends what was cut off.
"""

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from sport_assets.audit.chain import name_of
from sport_assets.audit.integrity.snapshot import Snapshot, snapshot
from sport_assets.audit.integrity.store_check import foreign
from sport_assets.audit.integrity.target import find_entry
from sport_assets.audit.standing import Graph
from sport_assets.lineage.durable import sync
from sport_assets.lineage.errors import LineageError
from sport_assets.lineage.gate import withdrawal
from sport_assets.lineage.lookup import MADE, Head
from sport_assets.lineage.manifest import Collected, Materialization
from sport_assets.lineage.record import Lineage
from sport_assets.lineage.store import Store

Identity = tuple[str, str | None, str]


@dataclass(frozen=True)
class Keep:
    """What stays: with ``models``, all that any model that was not withdrawn stands on; always the newest version of
    every partition with all it stands on, and what is younger than ``older_than``."""

    models: bool = True
    older_than: timedelta = timedelta(0)


@dataclass(frozen=True)
class Free:
    """A folder that goes: a version (``identity``), or one that no record names."""

    folder: Path
    bytes: int
    identity: Identity | None
    collected: bool  # the ledger says so already: an earlier run was cut off

    @property
    def name(self) -> str:
        """The asset with its partition; for others the folder."""
        return name_of(*self.identity[:2]) if self.identity is not None else str(self.folder)


@dataclass(frozen=True)
class Plan:
    """What would be freed, and how much stays for how many models."""

    free: list[Free]
    kept_versions: int
    models: int
    head: Head  # of the chain when it was planned

    @property
    def bytes(self) -> int:
        """In all."""
        return sum(each.bytes for each in self.free)


def plan(lineage: Lineage, keep: Keep, only: Iterable[str] = ()) -> Plan:
    """What nothing kept stands on. ``only``: no more than these (MODEL's forms).

    Raises ``LineageError`` for one of ``only`` that must stay, naming what stands on it.
    """
    head = lineage.ledger.head()
    with snapshot(lineage.home) as index:
        graph = Graph.of(index)
        models = [node.record for node in graph.nodes.values() if node.is_model] if keep.models else []
        models = _standing(lineage, models)
        made = [row for row in index.rows if row.kind in MADE]
        newest = {(row.key, row.partition): row.id for row in made}
        before = datetime.now(UTC) - keep.older_than
        young = [row.id for row in made if datetime.fromisoformat(row.at) > before]
        roots = {*models, *newest.values(), *young}
        behind = graph.behind(roots)
        stay = {_identity(row) for row in made if row.id in behind}
        wanted = {_identity(find_entry(lineage.home, index, asked)) for asked in only}
        for identity in sorted(wanted & stay, key=str):
            own = {row.id for row in made if _identity(row) == identity}
            raise LineageError(_refusal(identity, (graph.ahead(own) & roots) - own, graph, models))
        gone = _collected(index)
        free = []
        for identity, record in {_identity(row): row.id for row in made}.items():
            folder = lineage.store.folder(*identity)
            if identity not in stay and folder.is_dir() and (not only or identity in wanted):
                free.append((folder, identity, gone.get(identity, "") > record))
        recorded = {lineage.store.folder(*_identity(row)) for row in made}
    left = [] if only else list(_left_behind(lineage.store, recorded, before))
    folders = [folder for folder, _, _ in free] + left
    sizes = disk_usage(folders)
    return Plan(
        [Free(folder, sizes[folder], identity, collected) for folder, identity, collected in free]
        + [Free(folder, sizes[folder], None, False) for folder in left],
        kept_versions=sum(lineage.store.folder(*identity).is_dir() for identity in stay),
        models=len({_identity(index.by_id[record]) for record in models}),
        head=head,
    )


def free(lineage: Lineage, keep: Keep, chosen: Plan, said: Callable[[Free], None] = lambda freed: None) -> int:
    """Free what a plan says; the bytes freed. ``said`` is told of each.

    Raises ``LineageError`` while something is being made: it may be reading what would go.
    """
    busy = live_stages(lineage.store)
    if busy:
        raise LineageError(
            f"{len(busy)} materializations are in progress ({busy[0]} is locked); they may read what would be freed. "
            "Run gc again when they have ended."
        )
    freed, seen = 0, chosen.head
    still = {each.folder for each in chosen.free}
    for each in chosen.free:
        if lineage.ledger.head() != seen:  # somebody recorded something: more may be kept now
            now = plan(lineage, keep)
            still, seen = {one.folder for one in now.free}, now.head
        if each.folder not in still or not each.folder.is_dir():
            continue
        if each.identity is not None and not each.collected:
            key, partition, version = each.identity
            reason = "nothing that is kept stands on it" if keep.models else "no newest version stands on it"
            lineage.ledger.append(Collected(key=key, partition=partition, version=version, reason=reason))
            seen = lineage.ledger.head()
        _remove(lineage.store, each.folder)
        freed += each.bytes
        said(each)
    return freed


def live_stages(store: Store) -> list[Path]:
    """Locks in staging that a process holds."""
    found = []
    for path in sorted(store.staging.glob("*.lock")):
        try:
            with FileLock(path).acquire(blocking=False):
                pass
        except Timeout:
            found.append(path)
    return found


def disk_usage(folders: Iterable[Path]) -> dict[Path, int]:
    """Bytes that come free when these folders go: a file that has a name elsewhere as well does not count."""
    sizes: dict[Path, int] = {}
    names: dict[tuple[int, int], int] = {}
    for folder in folders:
        sizes[folder] = 0
        for path in folder.rglob("*"):
            status = path.lstat()
            if stat.S_ISREG(status.st_mode):
                inode = status.st_dev, status.st_ino
                names[inode] = names.get(inode, 0) + 1
                if names[inode] == status.st_nlink:
                    sizes[folder] += status.st_size
    return sizes


def parse_age(text: str) -> timedelta:
    """``30d``, ``12h``, ``2w``, or a number of days. Raises ``LineageError`` for anything else."""
    units = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
    number, unit = (text[:-1], text[-1:]) if text[-1:] in units else (text, "d")
    if not number.isdecimal():
        raise LineageError(f"{text!r} is no age: give days (30 or 30d), hours (12h) or weeks (2w)")
    return int(number) * units[unit]


def _identity(row: Any) -> Identity:
    return row.key, row.partition, row.version


def _standing(lineage: Lineage, records: list[str]) -> list[str]:
    """Those that nobody withdrew."""
    made = [event for event in lineage.ledger.several(records) if isinstance(event, Materialization)]
    return [event.id for event in made if withdrawal(lineage.ledger, event) is None]


def _collected(index: Snapshot) -> dict[Identity, str]:
    """The last record that freed each version."""
    return {_identity(row): row.id for row in index.rows if row.kind == "collected"}


def _refusal(identity: Identity, stand: set[str], graph: Graph, models: list[str]) -> str:
    name = f"{name_of(*identity[:2])} ({identity[2][:12]}) stays"
    if not stand:
        return f"{name}: it is a model, what its partition gives today, or younger than asked for."
    named = sorted({graph.nodes[record].name for record in stand & set(models) or stand})
    more = f" and {len(named) - 3} more" if len(named) > 3 else ""
    verb = "stand" if len(named) > 1 else "stands"
    return f"{name}: {', '.join(named[:3])}{more} {verb} on it. Freeing it would break the chain."


def _left_behind(store: Store, recorded: set[Path], before: datetime) -> Iterator[Path]:
    """Folders that no record names, and those of killed processes in staging, if they are old enough."""
    live = {path.with_suffix("") for path in live_stages(store)}
    staged = [path for path in store.staging.glob("*") if path.is_dir() and path not in live]
    for path in [*foreign(store.root, recorded), *staged]:
        old = datetime.fromtimestamp(path.lstat().st_ctime, UTC) <= before
        if path.is_dir() and not path.is_symlink() and old:
            yield path


def _remove(store: Store, folder: Path) -> None:
    """Out of the store at once, then deleted; what is in staging already is just deleted."""
    with store.stage() as aside:  # sweeps up what killed processes left there
        if folder.is_dir():
            folder.chmod(0o755)  # renaming a folder writes to it
            os.rename(folder, aside / "freed")
            sync(folder.parent)
