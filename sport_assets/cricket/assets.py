"""The cricket line's assets, in the order the data flows: match files -> deliveries -> innings -> split -> model.

Belongs here: what each asset reads, calls and publishes. Must not come here: arithmetic, loops over data, heavy
imports. This is the line's only module that knows Dagster.
"""

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import dagster as dg
from pydantic import Field, create_model, field_validator

from sport_assets.cricket import (
    baseline_forecasts,
    final_model,
    innings_state,
    rolling_origin,
    stage_ablations,
    stage_overrides,
    stage_phases,
    stage_tuning,
    stages,
    trials,
    years,
)
from sport_assets.cricket import deliveries as matches
from sport_assets.cricket import player_history as past
from sport_assets.cricket import stage_comparison as stage_variants
from sport_assets.cricket.archive import LAYOUT
from sport_assets.cricket.calibration import CALIBRATED_CHECK
from sport_assets.cricket.labels import LABEL_RULES, LabelRule
from sport_assets.cricket.schemas import DELIVERIES, MATCHES, QUARANTINE
from sport_assets.cricket.settings import ABLATIONS, SANITY, VARIANTS, choose_years
from sport_assets.cricket.split import TEST_FROM, VALID_FROM
from sport_assets.lineage.home import Home
from sport_assets.orchestration.assets import asset, table_columns
from sport_assets.orchestration.checks import AssetChecks, Check
from sport_assets.orchestration.experiments import Experiment, ExperimentConfig, experiment_asset
from sport_assets.orchestration.model_assets import model_assets
from sport_assets.orchestration.model_line import ModelLine, Stage, shown
from sport_assets.orchestration.recording import AssetRecord, LineageResource
from sport_assets.orchestration.withdrawn import without_withdrawn

LINE = "cricket"
YEARS = dg.StaticPartitionsDefinition(years.year_keys())
SEEDS = ("42", "123", "456", "789", "1011")
MODELS = dg.MultiPartitionsDefinition(
    {
        "seed": dg.StaticPartitionsDefinition(list(SEEDS)),
        "variant": dg.StaticPartitionsDefinition(list(VARIANTS)),
    }
)


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
    """From which dates on matches validate and test; ``folds``: dates of a rolling origin before ``test_from``.

    Folds are listed and checked, and ``rolling_origin`` trains on them; all other models have the three sides.
    """

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


class BaselinesConfig(dg.Config):
    """``boosted_trees``: fit LightGBM as well, which takes minutes on a full set of matches."""

    boosted_trees: bool = True


@asset(
    LINE,
    description="What every baseline says of each held-out ball: frequencies, logistic regression, boosted trees. "
    "Fitted once on the training side, they stand beside every model.",
    reads=["innings", "split", "player_history"],
    checks=AssetChecks.of(baseline_forecasts.BASELINE_CHECKS),
    kinds={"pytorch", "parquet"},
)
def baselines(
    context: dg.AssetExecutionContext, lineage: LineageResource, config: BaselinesConfig
) -> dg.MaterializeResult:
    with lineage.record(context, config) as record:
        report = baseline_forecasts.write_baselines(
            record.read("cricket/split").folder,
            _years(lineage, record),
            record.read("cricket/player_history").folder,
            record.folder,
            trees=config.boosted_trees,
        )
        record.check(report.checks)
        record.index(report.identifiers)
        return record.publish(rows=int(report.metadata["balls"]), facts=report.metadata)


MODEL = ModelLine(
    line=LINE,
    partitions_def=MODELS,
    dataset="split",
    samples="innings",
    settings="sport_assets.cricket.settings:resolve",
    stages=[
        Stage(
            "checkpoint",
            builder="sport_assets.cricket.models:build",
            description="Weights of a variant: of the epoch with the least log-loss on validation matches; beside them "
            "those of the last epoch and of the one with the best macro F1.",
        )
    ],
    evaluate="sport_assets.cricket.evaluation:evaluate",
    export="sport_assets.cricket.export:export",
    card="sport_assets.cricket.card:card",
    choose=choose_years,
    training_reads=["player_history"],
    evaluation_reads=["baselines", "player_history"],
    export_reads=["evaluation", "player_history"],
    tuning="final_model",
    may_lose=lambda dimensions: dimensions["variant"] in (*ABLATIONS, SANITY),
    kinds=frozenset({"pytorch"}),
    evaluation_checks=[Check(*CALIBRATED_CHECK, blocking=False)],
    evaluation_rows="test_balls",
    code_files=sorted((Path(__file__).parent / "presets").glob("*.yaml")),
)

# -- the programme that finds the final model: each stage's decision feeds the next ------------------------------------


class StageConfig(ExperimentConfig):
    """``latest_matches``: so many of the training side, null: all. ``max_epochs``: null: the preset's."""

    latest_matches: int | None = None
    max_epochs: int | None = None


class GridConfig(StageConfig):
    """``grid``: other values than the stage's own, as ``{"model.layers": [2, 3]}``."""

    grid: dict[str, Any] = Field(default_factory=dict)


class SizedConfig(StageConfig):
    """``hidden_dim``, ``layers``: size of the models."""

    hidden_dim: int
    layers: int


class RollingConfig(SizedConfig):
    """``variants``: those that are trained; ``hidden_dim``, ``layers``: their size."""

    variants: list[str] = Field(list(rolling_origin.PRESET.variants), min_length=1)


def _options(stage: str, base: type[StageConfig], preset: stages.StagePreset) -> type[StageConfig]:
    """The options of a stage: by default those of its preset. By hand it refuses what it finds out itself."""

    def allowed(overrides: dict[str, Any]) -> dict[str, Any]:
        stage_overrides.refuse(stage, overrides)
        return overrides

    named = ("latest_matches", "max_epochs", *stages.SIZE)
    fields: dict[str, Any] = {
        name: (base.model_fields[name].annotation, Field(getattr(preset, name), ge=1))
        for name in named
        if name in base.model_fields
    }
    return create_model(
        base.__name__,
        __base__=base,
        __doc__=base.__doc__,
        __validators__={"allowed": field_validator("overrides")(allowed)},
        **fields,
    )


def _stage(
    name: str,
    module: ModuleType,
    description: str,
    reads: Sequence[str] = (),
    *,
    test: bool = False,
    config: type[StageConfig] = StageConfig,
    measured_by: ModuleType = trials,
) -> dg.AssetsDefinition:
    """A stage whose trials and decision are in a module of the line; ``measured_by`` measures and guards them."""
    experiment = Experiment(
        name,
        description,
        builder="sport_assets.cricket.trials:build",
        trials=f"{module.__name__}:trials",
        measure=f"{measured_by.__name__}:measure",
        guard=f"{measured_by.__name__}:guard",
        summarise=f"{module.__name__}:summarise",
        reads=reads,
        shows_test=test,
        config=_options(name, config, module.PRESET),
        preset=stages.preset_path(name),
    )
    return experiment_asset(MODEL, experiment)


tuning = _stage(
    "tuning",
    stage_tuning,
    "Stage 1: width, depth, learning rate and heads of the base variant, by log-loss on validation matches.",
    config=GridConfig,
)
stage_comparison = _stage(
    "stage_comparison",
    stage_variants,
    "Stage 2: base, pooling and hybrid with the tuned settings, and which of them the next stages stand on.",
    ["tuning"],
)
phase_report = _stage(
    "phase_report",
    stage_phases,
    "Stage 3: what phase modulation and a head for each innings are worth, by phase and by innings.",
    ["tuning", "stage_comparison"],
)
ablation_report = _stage(
    "ablation_report",
    stage_ablations,
    "Stage 4: what the parts of the full model are worth, each ablation with five seeds; figures on test matches "
    "stand beside for the reader, and nothing is chosen by them.",
    ["tuning"],
    test=True,
    config=SizedConfig,
)


rolling = _stage(
    "rolling_origin",
    rolling_origin,
    "Models trained up to each date of the split's folds and judged by the matches that came next, beside baselines "
    "fitted on what came before. Nothing is chosen by it. Needs the setting `folds` of cricket/split.",
    config=RollingConfig,
    measured_by=rolling_origin,
)


@asset(
    LINE,
    name="final_model",
    description="The variant and settings that the stages arrived at by log-loss on validation matches, why, and the "
    "command that trains it.",
    reads=final_model.STAGES,
    kinds={"json", "markdown"},
    code=["sport_assets.cricket.final_model:write_final"],
    code_files=MODEL.code_files,
)
def chosen_model(context: dg.AssetExecutionContext, lineage: LineageResource) -> dg.MaterializeResult:
    with lineage.record(context) as record:
        folders = {name: record.read(f"cricket/{name}").folder for name in final_model.STAGES}
        facts = final_model.write_final(folders, record.folder)
        for name in facts["not_agreed"]:
            context.log.warning(f"{name} was set by hand in some stages alone: the final model does without it")
        return record.publish(facts=facts, metadata=shown(record.folder))


ASSETS = [
    *(raw_matches, deliveries, innings, player_history, split, baselines),
    *model_assets(MODEL),
    *(tuning, stage_comparison, phase_report, ablation_report, chosen_model, rolling),
]
