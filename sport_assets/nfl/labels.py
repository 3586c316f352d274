"""How each play's defence was charted, man or zone: what a model learns to tell, never what it is told.

Belongs here: the table ``labels.parquet`` beside the play context, made from the same rows of the supplementary file,
and its check. Does not belong here: what is known before the snap (``context``), arrays (``features``).

Coverage is charted by people who saw the whole play. It is therefore kept in a table of its own: ``context`` leaves it
out, and arrays hold it as a label (``PlayTensors.coverage``) that no feature is made of.
"""

from __future__ import annotations

import polars as pl

from sport_assets.lineage.checks import SAMPLE_ROWS, CheckResult
from sport_assets.nfl.raw_tables import FIRST_LINE, RawTable, failure_rows
from sport_assets.nfl.schemas import COVERAGE_LABELS

LABELS_FILE = "labels.parquet"
CHECK_NAME = "coverage_labels"
DESCRIPTION = (
    "Charted coverage is man or zone and agrees with its type; what is not counts as unknown. Missing is allowed."
)

_CHARTED, _TYPE = "team_coverage_man_zone", "team_coverage_type"


def coverage_labels(table: RawTable, usable: pl.DataFrame) -> tuple[pl.DataFrame, CheckResult]:
    """The labels (COVERAGE_LABELS) of the plays of a supplementary file, sorted by game and play, and their check.

    usable: game_id, play_id and ``line`` of the rows that stand for their plays. Text that is neither coverage, and a
    coverage that its type contradicts, give no label (null), as do missing values. The check warns of the former, and
    tells the share of plays with a label and, among these, the share of zone: what guessing zone always would reach.
    """
    charted = pl.col(_CHARTED)
    said = charted.replace_strict(COVERAGE_LABELS, default=None, return_dtype=pl.String)
    man, zone = (pl.col(_TYPE).str.ends_with(ending) for ending in ("_MAN", "_ZONE"))
    by_type = pl.when(man).then(pl.lit("man")).when(zone).then(pl.lit("zone"))
    contradicts = (said != by_type).fill_null(False)
    rows = table.frame
    found = pl.concat(
        [
            failure_rows(rows, charted.is_not_null() & said.is_null(), "coverage_vocabulary", _CHARTED),
            failure_rows(rows, contradicts, "coverage_contradicts_type", _TYPE),
        ]
    )
    labels = (
        rows.select(coverage=pl.when(~contradicts).then(said))
        .with_row_index("line", offset=FIRST_LINE)
        .join(usable.select(pl.col("line").cast(pl.UInt32), "game_id", "play_id"), on="line")
        .select("game_id", "play_id", "coverage")
        .sort("game_id", "play_id")
    )
    known = labels["coverage"].drop_nulls()
    shares = {
        "plays": len(labels),
        "labelled": len(known),
        "labelled_share": round(len(known) / max(len(labels), 1), 4),
    }
    if len(known):
        shares["zone_share"] = round(len(known.filter(known == "zone")) / len(known), 4)
    counts = found.group_by("rule").len().sort("rule")
    sample = found.head(SAMPLE_ROWS).select(
        "rule", "column", "value", file=pl.lit(table.file), line=pl.col("index").cast(pl.Int64) + FIRST_LINE
    )
    check = CheckResult(
        name=CHECK_NAME,
        passed=found.is_empty(),
        blocking=False,
        description=DESCRIPTION,
        failed=len(found),
        checked=len(rows),
        rules=dict(counts.iter_rows()),
        sample=tuple(sample.to_dicts()),
        metadata=shares,
    )
    return labels, check
