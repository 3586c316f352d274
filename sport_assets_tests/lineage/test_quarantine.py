"""Every failure is found, every bad row is set aside with rule, file and line, and every good row is untouched."""

import json
from pathlib import Path

import pandera.polars as pa
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from sport_assets.lineage.quarantine import (
    FAILURE_SCHEMA,
    QUARANTINE_FILE,
    QUARANTINE_SCHEMA,
    failures,
    sift,
    write_quarantine,
)

NAN, INF = float("nan"), float("inf")
SCHEMA = pa.DataFrameSchema(
    {
        "id": pa.Column(pl.Int64),
        "x": pa.Column(pl.Float64, pa.Check.in_range(0, 120)),
        "role": pa.Column(pl.String, pa.Check.isin(["Passer", "Defense"]), nullable=True),
        "speed": pa.Column(pl.Float64, nullable=True),
    },
    unique=["id"],
    checks=[pa.Check(lambda data: data.lazyframe.select(pl.col("x") <= 100), name="in_front_of_end_zone")],
)


def _frame(**columns: list[object]) -> pl.DataFrame:
    rows = len(next(iter(columns.values())))
    base: dict[str, list[object]] = {
        "id": list(range(rows)),
        "x": [50.0] * rows,
        "role": ["Passer"] * rows,
        "speed": [1.0] * rows,
    }
    types = {"id": pl.Int64(), "x": pl.Float64(), "role": pl.String(), "speed": pl.Float64()}
    return pl.DataFrame(base | columns, schema=types)


def test_a_clean_table_stays_as_it_is() -> None:
    frame = _frame(x=[0.0, 100.0], role=["Defense", None], speed=[None, -3.0])
    sifted = sift(frame, SCHEMA, file="w01.csv")
    assert_frame_equal(sifted.clean, frame)
    assert sifted.quarantined_rows == 0 and sifted.rules == {}
    assert dict(sifted.quarantined.schema) == QUARANTINE_SCHEMA


def test_all_failures_of_all_rows_are_found() -> None:
    frame = _frame(
        id=[0, 1, 1, 3, 4, 5, 6],
        x=[50.0, 50.0, 50.0, NAN, INF, None, 110.0],
        role=["Passer", "Passer", "Passer", "Coach", None, "Passer", "Passer"],
        speed=[1.0, NAN, 1.0, 1.0, -INF, None, 1.0],
    )
    sifted = sift(frame, SCHEMA, file="w01.csv")
    assert sifted.clean["id"].to_list() == [0]
    assert sifted.rules == {
        "finite": 4,
        "in_front_of_end_zone": 3,  # polars orders NaN above every number
        "isin": 1,
        "multiple_fields_uniqueness": 2,
        "not_nullable": 1,  # a NaN, which Pandera takes for a null as well, counts as not finite alone
    }
    assert sifted.quarantined_rows == 6
    by_line = {
        line: set(sifted.quarantined.filter(pl.col("line") == line)["rule"]) for line in sifted.quarantined["line"]
    }
    assert {"finite", "multiple_fields_uniqueness"} <= by_line[3]
    assert {"finite", "isin"} <= by_line[5] and {"finite"} <= by_line[6]
    assert by_line[7] == {"not_nullable"} and by_line[8] == {"in_front_of_end_zone"}
    assert set(sifted.quarantined["file"]) == {"w01.csv"}


def test_the_row_is_kept_readable() -> None:
    frame = _frame(id=[7, 8], x=[NAN, 121.0], role=["Pässer", "Defense"])
    rows = [json.loads(text) for text in sift(frame, SCHEMA, file="f").quarantined["row"]]
    assert {row["id"] for row in rows} == {7, 8} and any(row["role"] == "Pässer" for row in rows)
    assert all(set(row) == set(frame.columns) for row in rows)


def test_lines_may_be_given(tmp_path: Path) -> None:
    frame = _frame(id=[1, 2, 3], x=[1.0, -1.0, 500.0])
    sifted = sift(frame, SCHEMA, file="f", line=pl.Series([10, 20, 30]))
    assert set(sifted.quarantined["line"]) == {20, 30}
    assert write_quarantine([sifted.quarantined], tmp_path) == 2
    assert dict(pl.read_parquet_schema(tmp_path / QUARANTINE_FILE)) == QUARANTINE_SCHEMA
    assert write_quarantine([], tmp_path) == 0


def test_rows_of_a_format_without_lines_are_counted_by_what_they_say(tmp_path: Path) -> None:
    """A shape's number within its image is its line: the third shape of two images is two rows, of two broken rules."""
    rules = {"rule": ["no_area", "no_area", "finite"], "column": "x", "value": "0", "file": "f.xml", "line": 3}
    table = pl.DataFrame(rules | {"row": ['{"image": 1}', '{"image": 2}', '{"image": 2}']}, schema=QUARANTINE_SCHEMA)
    assert write_quarantine([table], tmp_path) == 2


def test_further_failures_join_in() -> None:
    frame = _frame(id=[1, 2])
    extra = pl.DataFrame({"index": [1], "rule": ["joins"], "column": ["id"], "value": ["2"]})
    sifted = sift(frame, SCHEMA, file="f", extra=extra)
    assert sifted.rules == {"joins": 1} and sifted.clean["id"].to_list() == [1]
    whole = pl.DataFrame({"index": [None], "rule": ["empty"], "column": [""], "value": [""]}, schema=FAILURE_SCHEMA)
    with pytest.raises(ValueError, match="empty"):
        sift(frame, SCHEMA, file="f", extra=whole)


@pytest.mark.parametrize(
    ("frame", "match"),
    [
        (_frame(id=[1]).drop("speed"), "w01.csv: the table does not fit its schema: column_in_dataframe.*speed"),
        (_frame(id=[1]).with_columns(pl.col("x").cast(pl.String)), "dtype x"),
        (_frame(id=[1]).with_columns(pl.col("x").cast(pl.Float32)), "dtype x"),
    ],
)
def test_a_table_that_fails_as_a_whole_is_an_error(frame: pl.DataFrame, match: str) -> None:
    assert failures(frame, SCHEMA)["index"].null_count()
    with pytest.raises(ValueError, match=match):
        sift(frame, SCHEMA, file="w01.csv")


def test_unknown_columns_fail_a_strict_schema() -> None:
    strict = pa.DataFrameSchema({"id": pa.Column(pl.Int64)}, strict=True)
    with pytest.raises(ValueError, match="column_in_schema"):
        sift(_frame(id=[1]), strict, file="f")


def test_an_empty_table_has_no_failures() -> None:
    sifted = sift(_frame(id=[]), SCHEMA, file="f")
    assert sifted.quarantined_rows == 0 and len(sifted.clean) == 0


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.sampled_from([0.0, 60.0, 100.0, -0.5, 100.5, NAN, INF, -INF, None])),
        min_size=1,
        max_size=12,
    )
)
def test_a_row_is_clean_or_quarantined_never_both_or_neither(rows: list[tuple[int, float | None]]) -> None:
    frame = _frame(id=[row[0] for row in rows], x=[row[1] for row in rows])
    sifted = sift(frame, SCHEMA, file="f")
    ids = [row[0] for row in rows]
    good = [
        number
        for number, (key, x) in enumerate(rows, start=2)
        if x is not None and 0 <= x <= 100 and ids.count(key) == 1
    ]
    bad = set(sifted.quarantined["line"])
    assert bad == set(range(2, len(rows) + 2)) - set(good) and len(sifted.clean) == len(good)
    assert sifted.quarantined_rows == len(bad)
