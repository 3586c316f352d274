"""Sorts rows into clean and quarantined, and says which rule, file and line each quarantined row broke.

Belongs here: running a Pandera schema over a polars table so that every failure is known, and the quarantine table's
own schema. Must not come here: the rules themselves (a line's ``schemas.py``).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from sport_assets.lineage.table import Table

if TYPE_CHECKING:
    import pandera.polars as pa

    Schema = Table | pa.DataFrameSchema

QUARANTINE_FILE = "quarantine.parquet"

QUARANTINE_SCHEMA: dict[str, pl.DataType] = {
    "rule": pl.String(),
    "column": pl.String(),
    "value": pl.String(),
    "file": pl.String(),
    "line": pl.Int64(),
    "row": pl.String(),
}

FAILURE_SCHEMA: dict[str, pl.DataType] = {
    "index": pl.UInt32(),
    "rule": pl.String(),
    "column": pl.String(),
    "value": pl.String(),
}


@dataclass(frozen=True)
class Sifted:
    """The clean rows, the quarantined ones (``QUARANTINE_SCHEMA``; one row per broken rule) and counts by rule."""

    clean: pl.DataFrame
    quarantined: pl.DataFrame
    rules: dict[str, int]

    @property
    def quarantined_rows(self) -> int:
        """Distinct source rows that were taken out (a row that breaks two rules counts once)."""
        return self.quarantined.select("file", "line").n_unique()


def empty_failures() -> pl.DataFrame:
    """A table of no failures, in the columns that ``failures`` returns."""
    return pl.DataFrame(schema=FAILURE_SCHEMA)


def non_finite(frame: pl.DataFrame, columns: Iterable[str]) -> pl.DataFrame:
    """Failures of rule ``finite``: NaN or infinity in a float column. (polars lets NaN pass ``<=``.)"""
    found = [empty_failures()]
    for name in columns:
        bad = frame.select(pl.col(name).is_finite().fill_null(True).not_().arg_true()).to_series()
        if len(bad):
            found.append(_failure_rows(bad, "finite", name, frame))
    return pl.concat(found)


def failures(frame: pl.DataFrame, schema: "Schema") -> pl.DataFrame:
    """Every way in which ``frame`` breaks ``schema``.

    Returns columns ``index`` (row of ``frame``), ``rule`` (the check's name), ``column``, ``value``. A failure of the
    whole table (a missing column, a wrong type) has a null ``index``. NaN and infinity in float columns count as
    failures of rule ``finite``.
    """
    import pandera.errors  # with pandas behind it: only when a table is validated

    if isinstance(schema, Table):
        schema = schema.pandera
    floats = [name for name, dtype in frame.schema.items() if dtype.is_float() and name in schema.columns]
    numbers = non_finite(frame, floats)
    try:
        schema.validate(frame, lazy=True)
    except pandera.errors.SchemaErrors as error:
        cases = error.failure_cases
        broken = cases.select(
            pl.col("index").cast(pl.UInt32, strict=False),
            pl.col("check").cast(pl.String).map_elements(_rule_name, return_dtype=pl.String).alias("rule"),
            pl.col("column").cast(pl.String).fill_null("").alias("column"),
            pl.col("failure_case").cast(pl.String).fill_null("null").alias("value"),
        )
        # a NaN that is also "null" or "out of range" to Pandera is one failure, not three
        broken = broken.join(numbers, on=["index", "column"], how="anti", maintain_order="left")
        return pl.concat([numbers, broken]).unique(["index", "rule", "column"], maintain_order=True)
    return numbers


def sift(
    frame: pl.DataFrame,
    schema: "Schema",
    *,
    file: str,
    line: pl.Series | None = None,
    extra: pl.DataFrame | None = None,
) -> Sifted:
    """Split ``frame`` into the rows that keep ``schema`` and those that break it.

    ``file`` is the source's name as a person knows it; ``line`` gives each row's 1-based line in it (by default the
    header is line 1 and the rows follow). ``extra`` are failures found elsewhere, in the columns of ``failures``.
    Raises ``ValueError`` when the table as a whole breaks the schema, since no row can be blamed for that.
    """
    found = failures(frame, schema)
    if extra is not None and len(extra):
        found = pl.concat([found, extra.select(pl.col(name).cast(t) for name, t in FAILURE_SCHEMA.items())])
    whole = found.filter(pl.col("index").is_null())
    if len(whole):
        what = "; ".join(f"{r['rule']} {r['column']} ({r['value']})" for r in whole.head(5).to_dicts())
        raise ValueError(f"{file}: the table does not fit its schema: {what}. Check the file's header and types.")
    if not len(found):
        return Sifted(frame, pl.DataFrame(schema=QUARANTINE_SCHEMA), {})
    if line is None:
        line = pl.int_range(2, len(frame) + 2, dtype=pl.Int64, eager=True)
    found = found.sort("index", "rule", "column")
    bad = found["index"]
    quarantined = found.with_columns(
        file=pl.lit(file),
        line=line.cast(pl.Int64).gather(bad),
        row=_as_json(frame, bad),
    ).select(list(QUARANTINE_SCHEMA))
    keep = pl.Series(name="keep", values=[True]).new_from_index(0, len(frame)).scatter(bad.unique().to_list(), False)
    counts = dict(found["rule"].value_counts(sort=False).sort("rule").iter_rows())
    return Sifted(frame.filter(keep), quarantined, counts)


def write_quarantine(tables: Iterable[pl.DataFrame], folder: Path) -> int:
    """Write the quarantined rows of one materialization beside its clean table; returns the distinct source rows.

    What the row says tells rows apart, too: not every format has lines, as CVAT's, where shapes count by image.
    """
    table = pl.concat([pl.DataFrame(schema=QUARANTINE_SCHEMA), *tables])
    table.write_parquet(folder / QUARANTINE_FILE)
    return table.select("file", "line", "row").n_unique() if len(table) else 0


def _failure_rows(rows: pl.Series, rule: str, column: str, frame: pl.DataFrame) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "index": rows.cast(pl.UInt32),
            "rule": pl.Series([rule], dtype=pl.String).new_from_index(0, len(rows)),
            "column": pl.Series([column], dtype=pl.String).new_from_index(0, len(rows)),
            "value": frame[column].gather(rows).cast(pl.String).fill_null("null"),
        },
        schema=FAILURE_SCHEMA,
    )


def _rule_name(check: str) -> str:
    """Pandera names a check with its arguments (``in_range(0, 1)``); people count by the rule alone."""
    return check.split("(", 1)[0]


def _as_json(frame: pl.DataFrame, rows: pl.Series) -> pl.Series:
    """The rows as JSON text. Written in Python: NaN and infinity stay readable, which JSON proper cannot hold."""
    import json

    texts = [json.dumps(row, default=str) for row in frame[rows.to_list()].to_dicts()]
    return pl.Series("row", texts, dtype=pl.String)
