"""Records of every schema version ever written stay readable: fixtures of each, made by the code of their time."""

import shutil
from pathlib import Path

import pytest

from sport_assets.lineage.gate import standing
from sport_assets.lineage.home import Home
from sport_assets.lineage.ledger import Ledger
from sport_assets.lineage.manifest import SCHEMA_VERSION, Materialization, Withdrawn

FIXTURES = Path(__file__).parent / "fixtures"
KINDS = ["materialized", "rejected", "overridden", "checked", "withdrawn", "restored", "withdrawn", "collected"]


@pytest.fixture(params=range(1, SCHEMA_VERSION + 1))
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Home:
    """A home whose records were all written in that version."""
    home = Home(root=tmp_path / "home", data=tmp_path / "data")
    shutil.copytree(FIXTURES / f"records_v{request.param}", home.records / "2026")
    (home.records / "2026" / "GENESIS").rename(home.records / "GENESIS")
    rows = home.records / "2026" / "rows"
    if rows.exists():
        rows.rename(home.records / "rows")
    return home


def test_every_kind_of_record_is_read_and_followed(old: Home) -> None:
    ledger = Ledger(old)
    entries = ledger.entries()
    assert [entry.kind for entry in entries] == KINDS
    events = [ledger.load(entry) for entry in entries]
    raw, table = events[0], events[1]
    assert isinstance(raw, Materialization) and isinstance(table, Materialization)
    assert raw.raw_files[0].path == "heights.csv"
    assert table.inputs[0].record == raw.id and table.config == {"limit": 3} and table.seed == 7
    assert table.checks[0].sample == [{"line": 3}] and table.quarantined_rows == 1 and table.facts["mean"] == 74.0
    assert set(standing(ledger, table).checks) == {"positive", "mean", "later"}
    assert standing(ledger, table).failed == []  # overridden
    [corrupt] = ledger.withdrawals()
    assert corrupt.raw_sha256 == raw.raw_files[0].sha256 and corrupt.reason == "corrupt"
    ledger.close()


def test_an_index_of_before_is_given_the_new_columns(old: Home) -> None:
    Ledger(old).close()
    import sqlite3

    with sqlite3.connect(old.ledger) as connection:  # as version 1 of this package made it
        connection.execute("DROP INDEX ix_entries_row_index")
        connection.execute("ALTER TABLE entries DROP COLUMN row_index")
        connection.execute("DROP TABLE rows")
    ledger = Ledger(old)
    ledger.append(Withdrawn(rows={"game_id": "1"}, by="ada", reason="privacy"))
    assert len(ledger.entries()) == len(KINDS) + 1
    ledger.close()
