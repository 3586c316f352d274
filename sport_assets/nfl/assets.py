"""The NFL line's assets, in the order the data flows: week files -> tracking -> tensors -> split -> model.

Belongs here: what each asset reads, calls and publishes. Must not come here: arithmetic, loops over data, heavy
imports. This is the line's only module that knows Dagster.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field

from sport_assets.lineage.home import Home
from sport_assets.nfl import context as supplementary
from sport_assets.nfl import dataset, distribution, plays, weeks
from sport_assets.nfl.schemas import (
    PLAY_CONTEXT,
    PLAY_LABELS,
    PREDICTIONS,
    PREDICTIONS_FILE,
    QUARANTINE,
    TARGETS,
    TRACKING,
)
from sport_assets.nfl.settings import PRESETS, choose_weeks
from sport_assets.nfl.split import DEFAULT_FOLDS, DEFAULT_SALT, Split
from sport_assets.orchestration.assets import asset, table_columns
from sport_assets.orchestration.checks import AssetChecks, Check
from sport_assets.orchestration.model_assets import model_assets
from sport_assets.orchestration.model_line import ModelLine, Stage, pictures
from sport_assets.orchestration.recording import LineageResource
from sport_assets.orchestration.tuning import Tuning, tuning_asset
from sport_assets.orchestration.withdrawn import without_withdrawn
from sport_assets.training.names import SPLIT_FILE

LINE = "nfl"
WEEKS = dg.StaticPartitionsDefinition(weeks.week_keys())
MODELS = dg.MultiPartitionsDefinition(
    {
        "preset": dg.StaticPartitionsDefinition(list(PRESETS)),
        "seed": dg.StaticPartitionsDefinition([str(seed) for seed in range(5)]),
    }
)


def _data() -> Path:
    return Home.from_environment().data


def _week_files(partition: str | None) -> list[str]:
    return weeks.week_files(_data(), str(partition))


def _folds(settings: Mapping[str, Any], dataset: Path) -> int:
    """How many folds a preset is evaluated by; 0 for the hold-out."""
    by_folds = settings["data"]["evaluate_by"] == "folds"
    return len(Split.load(dataset / SPLIT_FILE).folds) if by_folds else 0


@asset(
    LINE,
    description="The two raw files of a week (snap to throw; ball in the air), known by digest and never copied.",
    partitions_def=WEEKS,
    raw_paths=_week_files,
    kinds={"csv"},
)
def raw_tracking(context: dg.AssetExecutionContext, lineage: LineageResource) -> dg.MaterializeResult:
    with lineage.record(context) as record:
        files = record.register_raw(_week_files(context.partition_key))
        return record.publish(rows=len(files), facts={"bytes": sum(file.size for file in files)})


@asset(
    LINE,
    description="The raw supplementary file (one row a play), known by digest.",
    raw_paths=lambda _: [weeks.supplementary_file(_data())],
    kinds={"csv"},
)
def raw_supplementary(context: dg.AssetExecutionContext, lineage: LineageResource) -> dg.MaterializeResult:
    with lineage.record(context) as record:
        files = record.register_raw([weeks.supplementary_file(_data())])
        return record.publish(rows=len(files), facts={"bytes": sum(file.size for file in files)})


@asset(
    LINE,
    description="A week's tracking, validated and turned so that the offence moves towards +x. Rows that break a "
    "rule are in quarantine.parquet with rule, file and line.",
    reads=["raw_tracking"],
    partitions_def=WEEKS,
    checks=AssetChecks.of(plays.CHECKS),
    kinds={"polars", "parquet"},
    column_schema=table_columns(TRACKING),
    metadata={"targets_columns": table_columns(TARGETS), "quarantine_columns": table_columns(QUARANTINE)},
)
def tracking(context: dg.AssetExecutionContext, lineage: LineageResource) -> dg.MaterializeResult:
    with lineage.record(context) as record:
        raw = record.read("nfl/raw_tracking")
        report = plays.process_week(
            raw.raw_path("input_*"),
            raw.raw_path("output_*"),
            record.folder,
            withdrawn=record.withdrawn_rows(plays.WITHDRAWABLE),
        )
        record.check(report.checks)
        record.index(report.identifiers)
        record.quarantined(int(report.metadata["quarantined_rows"]))
        return record.publish(rows=int(report.metadata["clean_input_rows"]), facts=report.metadata)


@asset(
    LINE,
    description="What is known of each play before the throw, by an allow-list: no result of the play is in it. "
    "The charted coverage stands apart in labels.parquet: to learn from, never a feature.",
    reads=["raw_supplementary"],
    checks=AssetChecks.of(supplementary.CHECKS),
    kinds={"polars", "parquet"},
    column_schema=table_columns(PLAY_CONTEXT),
    metadata={"labels_columns": table_columns(PLAY_LABELS), "quarantine_columns": table_columns(QUARANTINE)},
)
def play_context(context: dg.AssetExecutionContext, lineage: LineageResource) -> dg.MaterializeResult:
    with lineage.record(context) as record:
        raw = record.read("nfl/raw_supplementary")
        withdrawn = record.withdrawn_rows(supplementary.PLAY_KEY)
        report = supplementary.process_context(raw.raw_path("supplementary_data*"), record.folder, withdrawn)
        record.check(report.checks)
        record.index(report.identifiers)
        record.quarantined(int(report.metadata["quarantined_rows"]))
        return record.publish(rows=int(report.metadata["plays"]), facts=report.metadata)


@asset(
    LINE,
    description="A week's plays as contiguous arrays: past frames, players, context, targets, coverage labels.",
    reads=["tracking", "play_context"],
    partitions_def=WEEKS,
    checks=AssetChecks.of(dataset.TENSOR_CHECKS),
    kinds={"numpy", "safetensors"},
)
def play_tensors(context: dg.AssetExecutionContext, lineage: LineageResource) -> dg.MaterializeResult:
    with lineage.record(context) as record:
        report = dataset.write_tensors(
            record.read("nfl/tracking").folder,
            record.read("nfl/play_context", partition=None).folder,
            record.folder,
            title=context.partition_key,
        )
        record.check(report.checks)
        record.index(report.identifiers)
        return record.publish(
            rows=int(report.metadata["plays"]), facts=report.metadata, metadata=pictures(record.folder)
        )


class SplitConfig(dg.Config):
    """How games are split: ``hash`` of the game id, or ``weeks`` or ``seasons`` named for ``valid`` and ``test``.

    ``folds``: into how many parts all games are dealt besides, for an evaluation in which each is held out once; and
    the games to train and validate alone, for tuning.
    """

    method: str = Field("hash", pattern="^(hash|weeks|seasons)$")
    valid: list[str] = Field(default_factory=list)
    test: list[str] = Field(default_factory=list)
    salt: str = DEFAULT_SALT
    folds: int = Field(DEFAULT_FOLDS, ge=2)


@asset(
    LINE,
    description="Which games train, validate and test, and folds for evaluation and tuning: by game, never by play. "
    "Its record names the weeks it covers.",
    reads=["play_tensors", "tracking"],
    checks=AssetChecks.of(dataset.SPLIT_CHECKS),
    kinds={"json"},
)
def split(context: dg.AssetExecutionContext, lineage: LineageResource, config: SplitConfig) -> dg.MaterializeResult:
    with lineage.record(context, config) as record:
        present = without_withdrawn(record.inner.lineage, "nfl/play_tensors", weeks.present_weeks(_data()))
        tensors = {week: record.read("nfl/play_tensors", week).folder for week in present}
        tracked = {week: record.read("nfl/tracking", week).folder for week in present}
        report = dataset.write_split(tensors, tracked, record.folder, **config.model_dump())
        record.check(report.checks)
        record.index(report.identifiers)
        return record.publish(rows=int(report.metadata["games"]), facts=report.metadata)


PREDICTIONS_SOUND = Check(
    "predictions_sound",
    "Every predicted position is a finite number, for a frame and player that exist.",
    schema=lambda: PREDICTIONS,
    where=("game_id", "play_id", "nfl_id", "frame_id"),
)

MODEL = ModelLine(
    line=LINE,
    partitions_def=MODELS,
    dataset="split",
    samples="play_tensors",
    settings="sport_assets.nfl.settings:resolve",
    stages=[
        Stage(
            "checkpoint",
            builder="sport_assets.nfl.models:build",
            description="Weights of the trajectory model: the best epoch by error on validation games; or those of "
            "one model for each fold, and of one fitted on all plays.",
        )
    ],
    evaluate="sport_assets.nfl.evaluation:evaluate",
    export="sport_assets.nfl.export:export",
    card="sport_assets.nfl.card:card",
    choose=choose_weeks,
    folds=_folds,
    tuning="tuning",
    may_lose=lambda dimensions: dimensions["preset"] == "sanity",
    kinds=frozenset({"pytorch"}),
    evaluation_checks=[PREDICTIONS_SOUND, Check(*distribution.REGIONS_CHECK, blocking=False)],
    evaluation_table=PREDICTIONS_FILE,
    evaluation_columns=table_columns(PREDICTIONS),
    evaluation_rows="test_plays",
    code_files=sorted((Path(__file__).parent / "presets").glob("*.yaml")),
)

TUNING = Tuning(
    builder="sport_assets.nfl.tuning:build",
    space="sport_assets.nfl.tuning:space",
    folds="sport_assets.nfl.tuning:folds",
    preset="production",
)

ASSETS = [
    *(raw_tracking, tracking, raw_supplementary, play_context, play_tensors, split),
    *model_assets(MODEL),
    tuning_asset(MODEL, TUNING),
]
