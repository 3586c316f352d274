"""What must be true after a process died: nothing lost, nothing half-written, the chain whole, and work can go on.

Belongs here: looking at a home that is left. Must not come here: making it so (``harness``).
"""

import json
import shutil
from pathlib import Path

import pytest

from sport_assets.lineage.digest import folder_files, version_of
from sport_assets.lineage.errors import GateRefused
from sport_assets.lineage.home import Home
from sport_assets.lineage.ledger import ENTRIES, Head, Ledger
from sport_assets.lineage.manifest import Materialization
from sport_assets.lineage.record import Lineage
from sport_assets_tests.integration.crash.harness import Crash
from sport_assets_tests.integration.crash.scenarios import (
    RAW,
    TABLE,
    TARGET,
    materialize,
    register,
)


def judge(crash: Crash, undisturbed: Home, *, neighbours: int = 0) -> None:
    """All that is promised of a home whose process died at ``crash.point``."""
    before = record_files(crash.template)
    left = record_files(crash.home)
    assert before.items() <= left.items(), "a record was lost or changed"
    written = left.keys() - before.keys()

    lineage = Lineage(crash.home)
    opened = lineage.ledger.opened
    assert not opened.orphaned and not opened.missing
    ledger = lineage.ledger
    assert {row.id for row in ledger.entries()} == left.keys(), "a record that was written whole is not in the ledger"
    _versions_are_whole(lineage)
    _reads_as_before(lineage, crash)
    _all_or_nothing(lineage, crash, undisturbed, written)
    head = ledger.head()
    assert head.seq == len(left)
    _chain_is_whole(ledger, head)
    _goes_on(lineage, undisturbed)
    lineage.close()
    assert len(record_files(crash.home)) > len(before) + neighbours


def record_files(home: Home) -> dict[str, bytes]:
    """The record files that stand whole, by id."""
    found = home.records.glob("[0-9]*/[0-9]*.json")
    return {path.stem: path.read_bytes() for path in found}


def _versions_are_whole(lineage: Lineage) -> None:
    """Every version folder holds what its name says, recorded or not; every recorded version is there."""
    store = lineage.store.root
    for folder in store.glob("*/*/*/*") if store.exists() else []:
        if ".staging" not in folder.parts:
            assert version_of(folder_files(folder)) == folder.name, f"{folder} is half-written"
    for row in lineage.ledger.entries(ENTRIES.c.version.is_not(None)):
        assert lineage.store.folder(row.key, row.partition, row.version).is_dir(), f"{row.id} has lost its files"


def _reads_as_before(lineage: Lineage, crash: Crash) -> None:
    """What could be read before still can, byte by byte; what was rejected still cannot."""
    for path in record_files(crash.template).values():
        made = json.loads(path)
        if made["kind"] != "materialized" or (made["key"], made["partition"]) == TARGET:
            continue
        kept = crash.template.store / Path(*made["key"].split("/"))
        for entry in made["files"]:
            now = lineage.store.folder(made["key"], made["partition"], made["version"]) / entry["path"]
            assert now.read_bytes() == next(kept.glob(f"*/{made['version']}/{entry['path']}")).read_bytes()
    if lineage.ledger.latest(TABLE, "rejected one") is not None:
        with pytest.raises(GateRefused):
            lineage.read(TABLE, "rejected one")
        assert lineage.read(TABLE).path("table.txt").read_text(encoding="utf-8").startswith("second ")


def _all_or_nothing(lineage: Lineage, crash: Crash, undisturbed: Home, written: set[str]) -> None:
    """The target is as it was, or as the undisturbed run made it; it is the latter once its record was written."""
    now = lineage.ledger.latest(*TARGET)
    aim = Ledger(undisturbed).latest(*TARGET)
    assert aim is not None
    events = [lineage.ledger.event(record_id) for record_id in sorted(written)]
    made = [e for e in events if isinstance(e, Materialization) and (e.key, e.partition) == TARGET]
    if made:
        assert now is not None and now == made[-1]
        assert (now.kind, now.version, now.files) == (aim.kind, aim.version, aim.files)
    else:
        assert now == crash.target_before
    if now is None or now.kind == "rejected" or any(event.kind == "checked" for event in events):
        with pytest.raises(GateRefused):
            lineage.read(*TARGET)
    else:
        assert version_of(folder_files(lineage.read(*TARGET).folder)) == now.version


def _chain_is_whole(ledger: Ledger, head: Head) -> None:
    """The records alone give the same chain, in this home and in one that has no index yet."""
    entries = [(row.seq, row.id, row.hash, row.file) for row in ledger.entries()]
    ledger.rebuild()
    assert ledger.head() == head
    assert [(row.seq, row.id, row.hash, row.file) for row in ledger.entries()] == entries
    previous = ""
    for row in ledger.entries():
        event = ledger.load(row)
        assert not previous or event.previous == previous
        previous = row.hash
    elsewhere = Home(root=ledger.home.root.with_suffix(".anew"), data=ledger.home.data)
    shutil.copytree(ledger.home.records, elsewhere.records)
    anew = Ledger(elsewhere)
    assert anew.head() == head and not anew.opened.orphaned
    anew.close()


def _goes_on(lineage: Lineage, undisturbed: Home) -> None:
    """The next materialization succeeds, equals the undisturbed one, is read-only, and has swept what was left."""
    if not lineage.ledger.partitions(RAW):
        register(lineage, "2023-w01", "nfl/week1.csv")
    made = materialize(lineage, *TARGET, text="wanted ")
    aim = Ledger(undisturbed).latest(*TARGET)
    assert aim is not None and made.materialization.version == aim.version
    assert version_of(folder_files(lineage.read(*TARGET).folder)) == aim.version
    for path in [made.folder, *made.folder.rglob("*")]:
        assert not path.stat().st_mode & 0o222, f"{path} can still be written"
    assert not list(lineage.store.staging.iterdir()), "leftovers of the dead process"
    leftovers = [p.name for p in lineage.home.records.rglob("*") if p.name.endswith(".tmp")]
    assert not leftovers and not (lineage.home.records / "orphaned").exists()
