"""What a version's rows are about: recorded, found again, withdrawn by row, and kept when its files are gone."""

import shutil

import pytest

from sport_assets.lineage import row_index
from sport_assets.lineage.errors import ChainBroken, GateRefused, LineageError
from sport_assets.lineage.home import Home
from sport_assets.lineage.ledger import Ledger
from sport_assets.lineage.manifest import Materialization, Restored, Withdrawn
from sport_assets.lineage.record import Lineage
from sport_assets.lineage.staleness import why_stale

WEEKS = {"w1": [(1, 10), (1, 11), (2, 10)], "w2": [(3, 10)]}


def _table(lineage: Lineage, week: str, text: str = "x") -> Materialization:
    """A table of plays from which withdrawn games are left out."""
    with lineage.record("toy/table", week, code_version="1") as record:
        gone = {rows["game_id"] for rows in record.withdrawn_rows(["game_id", "play_id"]) if set(rows) == {"game_id"}}
        plays = [(game, play) for game, play in WEEKS[week] if str(game) not in gone]
        record.output("plays.txt").write_text(f"{text} {plays}")
        record.index_rows(["play_id", "game_id"], [(play, game) for game, play in plays])
        record.index_rows(["game_id"], [game for game, _ in plays], side="train")
        return record.publish(rows=len(plays)).materialization


def test_rows_are_found_by_the_columns_that_name_them(lineage: Lineage) -> None:
    first, second = _table(lineage, "w1"), _table(lineage, "w2")
    found = lineage.ledger.rows_with({"game_id": "2"})
    assert [(hit.entry.id, hit.side) for hit in found] == [(first.id, "train")]
    assert [hit.entry.id for hit in lineage.ledger.rows_with({"play_id": "10", "game_id": "3"})] == [second.id]
    assert lineage.ledger.rows_with({"game_id": "9"}) == []
    assert lineage.ledger.row_columns() == ["game_id", "game_id,play_id"]
    with pytest.raises(KeyError, match="nfl_id"):
        lineage.ledger.rows_with({"nfl_id": "1"})


def test_the_same_rows_made_again_share_their_index(lineage: Lineage, place: Home) -> None:
    first, again = _table(lineage, "w1"), _table(lineage, "w1", "y")
    assert first.version != again.version and first.row_index == again.row_index
    assert len(list((place.records / "rows").iterdir())) == 1
    assert len(lineage.ledger.rows_with({"game_id": "1"})) == 2


def test_withdrawn_rows_close_what_holds_them_until_it_is_made_without_them(lineage: Lineage) -> None:
    before = _table(lineage, "w1")
    _table(lineage, "w2")
    event = lineage.ledger.append(Withdrawn(rows={"game_id": "2"}, by="ada", reason="a player asked"))
    with pytest.raises(GateRefused, match=r"withdrawn by ada.*a player asked"):
        lineage.read("toy/table", "w1")
    lineage.read("toy/table", "w2")
    assert why_stale(lineage, "toy/table", "w1", code_version="1", config={}) is not None
    after = _table(lineage, "w1")
    assert after.rows == 2 and after.withdrawn_rows == [{"game_id": "2"}] and before.withdrawn_rows == []
    lineage.read("toy/table", "w1")
    assert why_stale(lineage, "toy/table", "w1", code_version="1", config={}) is None
    lineage.ledger.append(Restored(subject=event.id, by="ada", reason="changed their mind"))
    assert why_stale(lineage, "toy/table", "w1", code_version="1", config={}) == "rows that were left out were restored"


def test_a_withdrawal_of_rows_of_one_asset_leaves_others_alone(lineage: Lineage) -> None:
    _table(lineage, "w1")
    lineage.ledger.append(Withdrawn(key="toy/other", rows={"game_id": "2"}, by="ada", reason="r"))
    lineage.read("toy/table", "w1")
    assert _table(lineage, "w1").withdrawn_rows == []


def test_a_missing_value_and_a_wrong_number_of_values_are_refused(lineage: Lineage) -> None:
    with pytest.raises(LineageError, match="game_id, play_id"), lineage.record("toy/t", code_version="1") as record:
        record.index_rows(["game_id", "play_id"], [(1,)])
    with pytest.raises(LineageError, match="game_id"), lineage.record("toy/t", code_version="1") as record:
        record.index_rows(["game_id"], [None])


def test_the_index_outlives_ledger_and_store(lineage: Lineage, place: Home) -> None:
    made = _table(lineage, "w1")
    lineage.close()
    place.ledger.unlink()
    shutil.rmtree(place.store, onerror=lambda function, path, _: None)
    ledger = Ledger.rebuilt(place)
    assert [hit.entry.id for hit in ledger.rows_with({"game_id": "1"})] == [made.id]
    assert made.row_index is not None
    [plays, games] = sorted(row_index.load(place.records, made.row_index), key=lambda found: -len(found.columns))
    assert plays.columns == ("game_id", "play_id") and plays.rows == (("1", "10"), ("1", "11"), ("2", "10"))
    assert games.side == "train" and games.values() == ["1", "2"]
    ledger.close()


def test_an_altered_index_is_an_error_that_names_it(lineage: Lineage, place: Home) -> None:
    made = _table(lineage, "w1")
    assert made.row_index is not None
    path = row_index.index_path(place.records, made.row_index)
    path.write_text(path.read_text().replace('"1"', '"5"'))
    with pytest.raises(ChainBroken, match=f"{made.row_index}.json: altered"):
        row_index.load(place.records, made.row_index)
    path.unlink()
    with pytest.raises(ChainBroken, match=f"{made.row_index}.json: the row index is gone"):
        row_index.load(place.records, made.row_index)
