"""Rows that were withdrawn by name and reason: found in a raw file, and counted apart from defects.

Belongs here: which rows of a file a row set means. Must not come here: who withdrew them (lineage), quarantine itself
(``raw_tables``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from sport_assets.lineage.quarantine import Sifted, empty_failures
from sport_assets.nfl.raw_tables import failure_rows
from sport_assets.nfl.schemas import WITHDRAWN


def withdrawn_rows(frame: pl.DataFrame, withdrawn: Sequence[Mapping[str, str]]) -> pl.DataFrame:
    """Failures of rule ``withdrawn``: the rows of ``frame`` in which every column of a row set has its value."""
    found = [empty_failures()]
    for rows in withdrawn:
        names = sorted(rows)
        same = pl.all_horizontal(pl.col(name).cast(pl.String) == rows[name] for name in names).fill_null(False)
        said = {"column": pl.lit(", ".join(names)), "value": pl.lit(", ".join(rows[name] for name in names))}
        found.append(failure_rows(frame, same, WITHDRAWN, names[0]).with_columns(**said))
    return pl.concat(found).unique(["index", "rule", "column"], maintain_order=True)


def count_withdrawn(*tables: Sifted | None) -> int:
    """Distinct rows of the files that were set aside because they are withdrawn."""
    return sum(
        table.quarantined.filter(pl.col("rule") == WITHDRAWN).select("file", "line").n_unique()
        for table in tables
        if table is not None and WITHDRAWN in table.rules
    )
