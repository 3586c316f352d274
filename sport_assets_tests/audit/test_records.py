"""The ledger of a home and the record files of a bundle answer an audit's questions the same way."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from sport_assets.audit.records import HEAD_FILE, FileRecords, LedgerRecords
from sport_assets.lineage.digest import sha256_file
from sport_assets.lineage.home import Home
from sport_assets.lineage.manifest import Restored, Withdrawn
from sport_assets.lineage.models import find_record
from sport_assets.lineage.record import Lineage
from sport_assets.lineage.row_index import ROWS_FOLDER
from sport_assets_tests.audit.small_home import WEEKS, build


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return build(tmp_path_factory.mktemp("built"))


def files_of(lineage: Lineage, folder: Path) -> FileRecords:
    """The same records as a bundle holds them."""
    shutil.copytree(lineage.home.records / ROWS_FOLDER, folder / ROWS_FOLDER)
    for path in lineage.home.records.glob("[0-9]*/*.json"):
        shutil.copy(path, folder)
    (folder / HEAD_FILE).write_text(json.dumps(lineage.ledger.head()._asdict()))
    return FileRecords(folder)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ({"key": "toy/table", "partition": "w1"}, {"toy/table:w1"}),
        ({"key": "toy/table", "partition": "w1", "version": "0" * 64}, set()),
        ({"key": "toy/table"}, set()),
        ({"raw_sha256": "of w2"}, {"toy/raw:w2"}),
        ({"rows": {"game": "10"}}, {"toy/table:w1"}),
        ({"rows": {"game": "10"}, "key": "toy/table"}, {"toy/table:w1"}),
        ({"rows": {"game": "10"}, "key": "toy/raw"}, set()),
        ({"rows": {"game": "99"}}, set()),
        ({"rows": {"player": "10"}}, set()),
    ],
)
def test_a_withdrawal_is_about_the_same_records(
    built: Home, tmp_path: Path, target: dict[str, Any], expected: set[str]
) -> None:
    home = Home(root=tmp_path / "home", data=built.data)
    shutil.copytree(built.root, home.root)
    lineage = Lineage(home)
    if "raw_sha256" in target:
        target = {"raw_sha256": sha256_file(home.data / "toy" / "w2.csv")}
    made = [find_record(lineage.ledger, f"toy/{key}:{week}") for key in ("raw", "table") for week in WEEKS]
    event = lineage.ledger.append(Withdrawn(**target, by="Ada", reason="licence"))
    for restored in (False, True):
        if restored:
            lineage.ledger.append(Restored(subject=event.id, by="Ada", reason="a mistake"))
        (tmp_path / f"files {restored}").mkdir()
        for records in (LedgerRecords(lineage), files_of(lineage, tmp_path / f"files {restored}")):
            found = records.withdrawn(made)
            names = {f"{one.key}:{one.partition}" for one in made if one.id in found}
            assert names == (set() if restored else expected), type(records)
            assert {covering.id for covering in found.values()} <= {event.id}
    lineage.close()
