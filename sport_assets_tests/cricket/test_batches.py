"""Innings as batches: each ball where it belongs, and rows of tables for who is in them alone."""

from __future__ import annotations

import numpy as np
import pytest

from sport_assets.cricket.batches import ID_COLUMNS, EntityTable, InningsSource
from sport_assets.cricket.features import results, table
from sport_assets.cricket.innings import Innings
from sport_assets_tests.cricket import several_matches


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Innings:
    return several_matches.innings(tmp_path_factory.mktemp("matches"), matches=6)


def test_rows_are_of_who_is_in_the_tables(made: Innings) -> None:
    known = EntityTable.of(made.select(made.match_ids[:3]))
    assert EntityTable.from_bytes(known.to_bytes()) == known
    rows = known.rows(made)
    unknown = 0
    for column, (name, kind) in enumerate(ID_COLUMNS.items()):
        texts = [getattr(made, kind)[number] for number in made.balls[name]]
        expected = [getattr(known, kind).index(text) + 1 if text in getattr(known, kind) else 0 for text in texts]
        assert rows[:, column].tolist() == expected
        unknown += expected.count(0)
    assert unknown
    assert known.rows(made)[made.of_matches(made.match_ids[:3])].min() == 1


def test_a_batch_holds_each_ball_of_its_innings_and_then_nothing(made: Innings) -> None:
    source = InningsSource(made, table(made), EntityTable.of(made))
    chosen = [4, 0, 2]
    batch = source.batch(chosen)
    columns = {**source.columns, "ball": results(made), "features": table(made)}
    for row, number in enumerate(chosen):
        start, length = made.table["start"][number], made.table["length"][number]
        assert batch["mask"][row].tolist() == [ball < length for ball in range(batch["mask"].shape[1])]
        for name, values in columns.items():
            np.testing.assert_array_equal(batch[name][row, :length], values[start : start + length])
            assert (batch[name][row, length:] == (-1 if name == "outcome" else 0)).all()
    assert len(source) == len(made.table)
