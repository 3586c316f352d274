"""From a declaration to the assets of a model line: checkpoint stages, evaluation, export, card and audit page.

Belongs here: which versions the steps after training read, what they publish, and the checks every model must pass.
Must not come here: training (``model_training``); models, metrics and plots, which a line brings.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl

from sport_assets.audit.chain import walk
from sport_assets.audit.records import LedgerRecords
from sport_assets.lineage.checks import CheckResult
from sport_assets.lineage.errors import LineageError
from sport_assets.lineage.models import MODEL_FILE
from sport_assets.lineage.record import Input
from sport_assets.orchestration.assets import asset
from sport_assets.orchestration.audit_page import audit_page_asset, audit_page_link
from sport_assets.orchestration.checks import AssetChecks, Check
from sport_assets.orchestration.leakage import FROM_ELSEWHERE, NO_EVALUATION_DATA, from_elsewhere, judged_fairly
from sport_assets.orchestration.model_line import ModelLine, call, pictures
from sport_assets.orchestration.model_training import further, stage_asset
from sport_assets.orchestration.recording import AssetRecord, LineageResource
from sport_assets.orchestration.resources import MlflowTracking
from sport_assets.training.names import BEATS_BASELINES, EVALUATION_FILE, PARITY, SPLIT_FILE


def model_assets(model: ModelLine) -> list[dg.AssetsDefinition]:
    """The line's model assets, in the order the data flows."""
    return [
        *(stage_asset(model, stage) for stage in model.stages),
        _evaluation(model),
        _exported_model(model),
        _model_card(model),
        audit_page_asset(model),
    ]


def _data(model: ModelLine) -> list[str]:
    return [name for name in (model.dataset, model.samples) if name is not None]


def _evaluation(model: ModelLine) -> dg.AssetsDefinition:
    last = model.stages[-1].name

    @asset(
        model.line,
        name="evaluation",
        description="The model's metrics on held-out data beside every baseline, with intervals and pictures.",
        reads=[last, *_data(model), *model.evaluation_reads],
        partitions_def=model.partitions_def,
        checks=AssetChecks(
            [
                Check(BEATS_BASELINES, "the model is better than every baseline on held-out data"),
                NO_EVALUATION_DATA,
                *model.evaluation_checks,
            ]
        ),
        kinds=set(model.kinds),
        column_schema=model.evaluation_columns,
        code=[model.evaluate],
    )
    def evaluation(context: dg.AssetExecutionContext, lineage: LineageResource) -> dg.MaterializeResult:
        with lineage.record(context) as record:
            checkpoint = record.read(f"{model.line}/{last}")
            folders = _folders(model, record, checkpoint, model.evaluation_reads)
            facts, results, measured = call(model.evaluate, **folders, out=record.folder)
            record.index(measured)
            record.check(judged_fairly(record.inner.lineage, checkpoint.ref.record, measured))
            lenient = model.may_lose(model.dimensions(context.partition_key))
            record.check(_soften(results, BEATS_BASELINES, lenient))
            if model.evaluation_table is not None:
                record.check(AssetChecks(model.evaluation_checks).validate(_table(record, model.evaluation_table)))
            rows = facts.get(model.evaluation_rows) if model.evaluation_rows is not None else None
            facts = {**facts, **_figures(record.folder)}
            return record.publish(rows=rows, facts=facts, metadata=pictures(record.folder))

    return evaluation


def _exported_model(model: ModelLine) -> dg.AssetsDefinition:
    last = model.stages[-1].name

    def export(
        context: dg.AssetExecutionContext, lineage: LineageResource, mlflow: MlflowTracking, config: dg.Config | None
    ) -> dg.MaterializeResult:
        with lineage.record(context, config) as record:
            checkpoint = record.read(f"{model.line}/{last}")
            evaluated = record.read(f"{model.line}/evaluation")
            _same_model(evaluated, checkpoint)
            folders = _folders(model, record, checkpoint, model.export_reads)
            options = config.model_dump() if config is not None else {}
            facts, results = call(model.export, **folders, **options, out=record.folder)
            record.check(results)
            result = record.publish(facts=facts, metadata=audit_page_link(model.line))
        if not record.rejected:  # MLflow knows no gate
            mlflow.add_model(checkpoint.materialization.facts["spec_digest"], record.published_folder / MODEL_FILE)
        return result

    def plain(
        context: dg.AssetExecutionContext, lineage: LineageResource, mlflow: dg.ResourceParam[MlflowTracking]
    ) -> dg.MaterializeResult:
        return export(context, lineage, mlflow, None)

    def configured(
        context: dg.AssetExecutionContext,
        lineage: LineageResource,
        mlflow: dg.ResourceParam[MlflowTracking],
        config: dg.Config,
    ) -> dg.MaterializeResult:
        return export(context, lineage, mlflow, config)

    configured.__annotations__["config"] = model.export_config  # from which Dagster and --set know the settings
    return asset(
        model.line,
        name="exported_model",
        description="The model as a self-contained ONNX file; equal to the trained one.",
        reads=[last, "evaluation", *_data(model), *(name for name in model.export_reads if name != "evaluation")],
        partitions_def=model.partitions_def,
        checks=AssetChecks(
            [Check(PARITY, "the exported model gives what the trained one gives"), *model.export_checks]
        ),
        kinds={*model.kinds, "onnx"},
        metadata=audit_page_link(model.line),
        code=[model.export],
    )(plain if model.export_config is None else configured)


def _model_card(model: ModelLine) -> dg.AssetsDefinition:
    last = model.stages[-1].name

    @asset(
        model.line,
        name="model_card",
        description="What a reader must know of the model: data, training, metrics beside baselines, limits.",
        reads=[last, "evaluation", "exported_model"],
        partitions_def=model.partitions_def,
        kinds={"markdown"},
        metadata=audit_page_link(model.line),
        code=[model.card],
    )
    def model_card(context: dg.AssetExecutionContext, lineage: LineageResource) -> dg.MaterializeResult:
        with lineage.record(context) as record:
            exported = record.read(f"{model.line}/exported_model")
            evaluated = record.read(f"{model.line}/evaluation")
            checkpoint = record.read(f"{model.line}/{last}")
            _same_model(evaluated, checkpoint)
            _same_model(exported, checkpoint)
            text = call(
                model.card,
                checkpoint=checkpoint.folder,
                evaluation=evaluated.folder,
                exported=exported.folder,
                facts=_card_facts(record, exported, evaluated, checkpoint),
                out=record.folder,
            )
            return record.publish(metadata={"card": dg.MetadataValue.md(_without_front_matter(text))})

    return model_card


def _without_front_matter(text: str) -> str:
    """The card's text without the YAML block that only model hubs read."""
    return text.split("\n---\n", 1)[-1] if text.startswith("---\n") else text


def _folders(model: ModelLine, record: AssetRecord, checkpoint: Input, also: Sequence[str]) -> dict[str, Any]:
    """The folders of the split that the checkpoint was trained on, of all samples that it covers, and of what else is
    read, by name.

    The split is the newest record of that very content, so that a partition which was made again and left the split
    as it was is read as it is now; what was trained on is read in the very versions.
    """
    dataset, samples = f"{model.line}/{model.dataset}", f"{model.line}/{model.samples}"
    [trained_on] = [ref for ref in checkpoint.materialization.inputs if ref.key == dataset]
    split = record.inner.read_again(record.inner.lineage.read_version(dataset, trained_on.version).ref)
    covered = {ref.partition: ref for ref in split.materialization.inputs if ref.key == samples}
    covered |= {ref.partition: ref for ref in checkpoint.materialization.inputs if ref.key == samples}
    read = [record.inner.read_again(ref) for ref in covered.values()]
    return {
        "checkpoint": checkpoint.folder,
        "split": split.path(SPLIT_FILE),
        "samples": {str(i.ref.partition): i.folder for i in read},
        **{name: _as_trained_on(model, record, checkpoint, name).folder for name in also},
    }


def _as_trained_on(model: ModelLine, record: AssetRecord, checkpoint: Input, name: str) -> Input:
    """A further asset in the version that the training read; the newest where it read none."""
    key = f"{model.line}/{name}"
    for ref in checkpoint.materialization.inputs:
        if ref.key == key:
            return record.inner.read_again(ref)
    return further(model, record, name)


def _same_model(made_from: Input, checkpoint: Input) -> None:
    versions = {ref.key: ref.version for ref in made_from.materialization.inputs}
    if versions.get(checkpoint.ref.key) != checkpoint.ref.version:
        raise LineageError(
            f"{made_from.ref.key}:{made_from.ref.partition} was made from another checkpoint than the newest. "
            f"Run: sport-assets build {made_from.ref.key} --partition '{made_from.ref.partition}'"
        )


def _card_facts(record: AssetRecord, exported: Input, evaluated: Input, checkpoint: Input) -> dict[str, Any]:
    """What the card says of lineage: content versions alone, so that the same model has the same card.

    ``data`` is what the checkpoint was trained on, ``weights_from_elsewhere`` what is behind it that no record tells
    the training of. What was evaluated on besides is behind the evaluation's version.
    """
    return {
        "partition": record.inner.partition,
        "exported_model": exported.ref.version,
        "evaluation": evaluated.ref.version,
        "checkpoint": checkpoint.ref.version,
        "data": [
            {"asset": ref.key, "partition": ref.partition, "version": ref.version}
            for ref in checkpoint.materialization.inputs
        ],
        FROM_ELSEWHERE: from_elsewhere(walk(LedgerRecords(record.inner.lineage), checkpoint.ref.record)),
        "code_version": checkpoint.materialization.code_version,
        "checks": {
            check.name: check.passed
            for made in (checkpoint, evaluated, exported)
            for check in made.materialization.checks
        },
    }


def _figures(folder: Path) -> dict[str, Any]:
    """Metrics beside baselines of an evaluation, for its record: an audit must know them when the files are gone."""
    content = json.loads((folder / EVALUATION_FILE).read_text(encoding="utf-8"))
    return {name: content[name] for name in ("metrics", "baselines")}


def _table(record: AssetRecord, name: str) -> pl.DataFrame:
    return pl.read_parquet(record.folder / name)


def _soften(results: Sequence[CheckResult], name: str, lenient: bool) -> list[CheckResult]:
    """A check that blocks, or only warns for presets that are not meant for use."""
    return [replace(result, blocking=not lenient) if result.name == name else result for result in results]
