"""The cricket line's assets, in the order the data flows: match files -> deliveries -> innings -> split.

Belongs here: what each asset reads, calls and publishes. Must not come here: arithmetic, loops over data, heavy
imports. This is the line's only module that knows Dagster.
"""

from pathlib import Path

import dagster as dg
from pydantic import Field

from sport_assets.cricket import deliveries as matches
from sport_assets.cricket import innings_state, years
from sport_assets.cricket import player_history as past
from sport_assets.cricket.archive import LAYOUT
from sport_assets.cricket.labels import LABEL_RULES, LabelRule
from sport_assets.cricket.schemas import DELIVERIES, MATCHES, QUARANTINE
from sport_assets.cricket.split import TEST_FROM, VALID_FROM
from sport_assets.lineage.home import Home
from sport_assets.orchestration.assets import asset, table_columns
from sport_assets.orchestration.checks import AssetChecks
from sport_assets.orchestration.recording import AssetRecord, LineageResource
from sport_assets.orchestration.withdrawn import without_withdrawn

LINE = "cricket"
YEARS = dg.StaticPartitionsDefinition(years.year_keys())


def _data() -> Path:
    return Home.from_environment().data


def _year_files(partition: str | None) -> list[str]:
    return years.year_files(_data(), str(partition))


@asset(
    LINE,
    description="The match files of the matches that begin in a year, loose or in archives, known by digest and never "
    "copied. Its content is the list of the year's matches: an archive that grew leaves other years as they are.",
    partitions_def=YEARS,
    raw_paths=_year_files,
    raw_layout=LAYOUT,
    checks=AssetChecks.of(years.CHECKS),
    kinds={"json"},
)
def raw_matches(context: dg.AssetExecutionContext, lineage: LineageResource) -> dg.MaterializeResult:
    with lineage.record(context) as record:
        report = years.write_year(_data(), context.partition_key, record.output(years.MATCHES_FILE))
        record.register_raw(report.files, listed=False)
        record.check(report.checks)
        return record.publish(rows=report.metadata["matches"], facts=report.metadata)


class DeliveriesConfig(dg.Config):
    """``label_rule``: which outcome a delivery has, and whether it has one."""

    label_rule: LabelRule = Field(
        "batter", description="; ".join(f"{name}: {does}" for name, does in LABEL_RULES.items())
    )


@asset(
    LINE,
    description="A year's matches and deliveries, validated and labelled, with what was known before each ball of "
    "target, overs and phase. Matches that break a rule are in quarantine.parquet with rule, file and place.",
    reads=["raw_matches"],
    partitions_def=YEARS,
    checks=AssetChecks.of(matches.CHECKS),
    kinds={"polars", "parquet"},
    column_schema=table_columns(DELIVERIES),
    metadata={"matches_columns": table_columns(MATCHES), "quarantine_columns": table_columns(QUARANTINE)},
)
def deliveries(
    context: dg.AssetExecutionContext, lineage: LineageResource, config: DeliveriesConfig
) -> dg.MaterializeResult:
    with lineage.record(context, config) as record:
        raw = record.read("cricket/raw_matches")
        report = matches.process_year(
            raw.path(years.MATCHES_FILE),
            [(file.path, path) for file, path in raw.raw_files()],
            record.folder,
            withdrawn=record.withdrawn_rows(matches.WITHDRAWABLE),
            label_rule=config.label_rule,
        )
        record.check(report.checks)
        record.index(report.identifiers)
        record.quarantined(report.quarantined)
        return record.publish(rows=int(report.metadata["deliveries"]), facts=report.metadata)


@asset(
    LINE,
    description="A year's innings as flat arrays over their balls: what was known before each ball, and what it "
    "brought. Super overs are left out.",
    reads=["deliveries"],
    partitions_def=YEARS,
    checks=AssetChecks.of(innings_state.CHECKS),
    kinds={"polars", "parquet"},
)
def innings(context: dg.AssetExecutionContext, lineage: LineageResource) -> dg.MaterializeResult:
    with lineage.record(context) as record:
        report = innings_state.write_innings(record.read("cricket/deliveries").folder, record.folder)
        record.check(report.checks)
        record.index(report.identifiers)
        return record.publish(rows=report.metadata["balls"], facts=report.metadata)


def _years(lineage: LineageResource, record: AssetRecord) -> dict[str, Path]:
    """The folders of ``innings`` of all years of which there are matches."""
    present = without_withdrawn(record.inner.lineage, "cricket/innings", years.present_years(_data()))
    return {year: record.read("cricket/innings", year).folder for year in present}


@asset(
    LINE,
    description="What is on record of every batter, bowler, team and ground, so that rates of any ball can be told "
    "from earlier dates alone.",
    reads=["innings"],
    checks=AssetChecks.of(past.HISTORY_CHECKS),
    kinds={"polars", "parquet"},
)
def player_history(context: dg.AssetExecutionContext, lineage: LineageResource) -> dg.MaterializeResult:
    with lineage.record(context) as record:
        report = past.write_history(_years(lineage, record), record.folder)
        record.check(report.checks)
        record.index(report.identifiers)
        return record.publish(rows=int(report.metadata["balls"]), facts=report.metadata)


class SplitConfig(dg.Config):
    """From which dates on matches validate and test; ``folds``: dates of a rolling origin before ``test_from``."""

    valid_from: str = VALID_FROM
    test_from: str = TEST_FROM
    folds: list[str] = Field(default_factory=list)


@asset(
    LINE,
    description="Which matches train, validate and test: by date, whole matches. Its record names the years it covers.",
    reads=["innings"],
    checks=AssetChecks.of(past.SPLIT_CHECKS),
    kinds={"json"},
)
def split(context: dg.AssetExecutionContext, lineage: LineageResource, config: SplitConfig) -> dg.MaterializeResult:
    with lineage.record(context, config) as record:
        report = past.write_split(_years(lineage, record), record.folder, **config.model_dump())
        record.check(report.checks)
        record.index(report.identifiers)
        return record.publish(rows=int(report.metadata["matches"]), facts=report.metadata)


ASSETS = [raw_matches, deliveries, innings, player_history, split]
