"""From a short declaration to the assets of a model line: checkpoint stages, evaluation, export and card.

Belongs here: which versions each step reads, what it publishes, and the checks every model must pass. Must not come
here: models, metrics and plots; a line names its own by import string, and they are imported when they run.
"""

import base64
import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
from pydantic import Field

from sport_assets.lineage.checks import CheckResult
from sport_assets.lineage.errors import LineageError
from sport_assets.lineage.models import MODEL_FILE
from sport_assets.lineage.record import Input
from sport_assets.orchestration.assets import asset
from sport_assets.orchestration.checks import AssetChecks, Check
from sport_assets.orchestration.launch import train
from sport_assets.orchestration.recording import AssetRecord, LineageResource
from sport_assets.orchestration.resources import GPU_POOL, Accelerator, MlflowTracking
from sport_assets.training.names import BEATS_BASELINES, PARITY, SPLIT_FILE
from sport_assets.training.spec import SpecInput, TrainingSpec


class StageConfig(dg.Config):
    """Settings of one training beyond its preset.

    ``overrides``: preset settings by dotted name (``training.max_epochs``), as JSON values or text. ``resume_from``:
    version of a finished checkpoint of this asset to continue. ``device``, ``precision``, ``threads``: instead of the
    accelerator's.
    """

    overrides: dict[str, Any] = Field(default_factory=dict)
    resume_from: str | None = None
    device: str | None = None
    precision: str | None = None
    threads: int | None = None


@dataclass(frozen=True)
class Stage:
    """One training: its asset name, its builder (``module:function``), and the earlier stage it starts from."""

    name: str
    builder: str
    description: str
    starts_from: str | None = None


@dataclass(frozen=True)
class ModelLine:
    """All that a line says about its models.

    ``dataset`` is the asset that holds ``split.json``; ``samples`` the partitioned asset with the training samples,
    whose partitions are those that the data set's record names (None where the data set itself holds the samples).
    ``settings`` (``module:function``) takes the partition's dimensions and the dotted overrides and gives the complete
    settings; ``choose`` takes those, the data set's partitions and its folder, and gives the partitions that a training
    reads. Evaluation and export read all that the data set's record names.
    ``evaluate`` and ``export`` are called with ``checkpoint`` (folder), ``split`` (file), ``samples`` (folders by
    partition) and ``out``, and return (facts, check results); ``card`` with ``checkpoint``, ``evaluation``,
    ``exported``, ``out`` (folders) and ``facts``, and returns the card's Markdown.
    ``may_lose`` says for which partitions losing to a baseline only warns.
    ``evaluation_table`` is a Parquet file of ``evaluate``'s: the ``evaluation_checks`` with a schema are run on it, and
    ``evaluation_columns`` are its columns as the UI shows them. ``evaluation_rows`` is the fact that counts the
    held-out samples.
    """

    line: str
    partitions_def: dg.MultiPartitionsDefinition
    dataset: str
    samples: str | None
    settings: str
    stages: Sequence[Stage]
    evaluate: str
    export: str
    card: str
    choose: Callable[[Mapping[str, Any], Sequence[str], Path], Sequence[str]]
    may_lose: Callable[[Mapping[str, str]], bool]
    kinds: frozenset[str] = frozenset({"torch"})
    code_files: Sequence[Path] = ()
    evaluation_checks: Sequence[Check] = ()
    evaluation_table: str | None = None
    evaluation_columns: dg.TableSchema | None = None
    evaluation_rows: str | None = None
    export_checks: Sequence[Check] = ()

    def dimensions(self, partition: str) -> dict[str, str]:
        """A partition key's dimensions by name. Dagster orders them by name: {seed, variant} is ``42|full``."""
        return dict(self.partitions_def.get_partition_key_from_str(partition).keys_by_dimension)

    def assets(self) -> list[dg.AssetsDefinition]:
        """The line's model assets, in the order the data flows."""
        return [*(_stage_asset(self, stage) for stage in self.stages), *_after_training(self)]


def _stage_asset(model: ModelLine, stage: Stage) -> dg.AssetsDefinition:
    reads = [name for name in (model.dataset, model.samples, stage.starts_from) if name is not None]

    @asset(
        model.line,
        name=stage.name,
        description=stage.description,
        reads=reads,
        partitions_def=model.partitions_def,
        checks=AssetChecks([Check("finite_weights", "every weight of the checkpoint is a finite number")]),
        kinds={*model.kinds, "mlflow"},
        pool=GPU_POOL,
        preset=lambda partition, overrides: _call(model.settings, model.dimensions(partition), overrides),
        code=[stage.builder, model.settings],
        code_files=model.code_files,
    )
    def train_stage(
        context: dg.AssetExecutionContext,
        lineage: LineageResource,
        accelerator: Accelerator,
        mlflow: dg.ResourceParam[MlflowTracking],
        config: StageConfig,
    ) -> dg.MaterializeResult:
        with lineage.record(context, config) as record:
            dimensions = model.dimensions(context.partition_key)
            settings = _call(model.settings, dimensions, config.overrides)
            inputs = _training_inputs(model, stage, record, settings, config.resume_from)
            # a digest may be given by its beginning; the trainer knows whole ones
            continued = inputs[-1].version if config.resume_from is not None else None
            with (
                accelerator.hold(config.device, settings["training"].get("devices", 1)) as device,
                mlflow.run(model.line) as run,
            ):
                spec = TrainingSpec.model_validate(
                    {
                        "line": model.line,
                        "model": f"{stage.name} {context.partition_key}",
                        "builder": stage.builder,
                        "settings": settings,
                        "seed": int(dimensions.get("seed", "0")),
                        "inputs": inputs,
                        "code_version": record.code_version,
                        "device": device.name,
                        "precision": config.precision or device.precision,
                        "threads": config.threads or device.threads,
                        "resume_from": continued,
                    }
                )
                record.ran_on(device.name, spec.threads, spec.seed)
                result, reported = train(context, spec, run.environment())
            record.take_folder(result)
            facts = {"spec_digest": spec.digest, "seed": spec.seed, **reported}
            record.check(_finite_weights(record.folder))
            return record.publish(rows=reported.get("train_samples"), facts=facts, metadata=pictures(record.folder))

    return train_stage


def _training_inputs(
    model: ModelLine, stage: Stage, record: AssetRecord, settings: Mapping[str, Any], resume_from: str | None
) -> list[SpecInput]:
    """Read what a stage trains on: the data set, the chosen partitions of the samples, an earlier stage."""
    dataset = record.read(f"{model.line}/{model.dataset}", partition=None)
    read = [dataset]
    if model.samples is not None:
        samples = f"{model.line}/{model.samples}"
        available = [str(ref.partition) for ref in dataset.materialization.inputs if ref.key == samples]
        read += [record.read(samples, partition=key) for key in model.choose(settings, available, dataset.folder)]
    if stage.starts_from is not None:
        read.append(record.read(f"{model.line}/{stage.starts_from}"))
    if resume_from is not None:
        read.append(record.inner.read_version(f"{model.line}/{stage.name}", resume_from))
    return [
        SpecInput(key=i.ref.key, partition=i.ref.partition, version=i.ref.version, path=str(i.folder)) for i in read
    ]


def _after_training(model: ModelLine) -> list[dg.AssetsDefinition]:
    last = model.stages[-1].name
    data = [name for name in (model.dataset, model.samples) if name is not None]

    @asset(
        model.line,
        name="evaluation",
        description="The model's metrics on held-out data beside every baseline, with intervals and pictures.",
        reads=[last, *data],
        partitions_def=model.partitions_def,
        checks=AssetChecks(
            [
                Check(BEATS_BASELINES, "the model is better than every baseline on held-out data"),
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
            facts, results = _call(model.evaluate, **_folders(model, record, checkpoint), out=record.folder)
            lenient = model.may_lose(model.dimensions(context.partition_key))
            record.check(_soften(results, BEATS_BASELINES, lenient))
            if model.evaluation_table is not None:
                record.check(AssetChecks(model.evaluation_checks).validate(_table(record, model.evaluation_table)))
            rows = facts.get(model.evaluation_rows) if model.evaluation_rows is not None else None
            return record.publish(rows=rows, facts=facts, metadata=pictures(record.folder))

    @asset(
        model.line,
        name="exported_model",
        description="The model as a self-contained ONNX file, with its torch form beside it; equal to the trained one.",
        reads=[last, "evaluation", *data],
        partitions_def=model.partitions_def,
        checks=AssetChecks(
            [Check(PARITY, "the exported model gives what the trained one gives"), *model.export_checks]
        ),
        kinds={*model.kinds, "onnx"},
        code=[model.export],
    )
    def exported_model(
        context: dg.AssetExecutionContext, lineage: LineageResource, mlflow: dg.ResourceParam[MlflowTracking]
    ) -> dg.MaterializeResult:
        with lineage.record(context) as record:
            checkpoint = record.read(f"{model.line}/{last}")
            evaluated = record.read(f"{model.line}/evaluation")
            _same_model(evaluated, checkpoint)
            facts, results = _call(model.export, **_folders(model, record, checkpoint), out=record.folder)
            record.check(results)
            result = record.publish(facts=facts)
        if not record.rejected:  # MLflow knows no gate
            mlflow.add_model(checkpoint.materialization.facts["spec_digest"], record.published_folder / MODEL_FILE)
        return result

    @asset(
        model.line,
        name="model_card",
        description="What a reader must know of the model: data, training, metrics beside baselines, limits.",
        reads=[last, "evaluation", "exported_model"],
        partitions_def=model.partitions_def,
        kinds={"markdown"},
        code=[model.card],
    )
    def model_card(context: dg.AssetExecutionContext, lineage: LineageResource) -> dg.MaterializeResult:
        with lineage.record(context) as record:
            exported = record.read(f"{model.line}/exported_model")
            evaluated = record.read(f"{model.line}/evaluation")
            checkpoint = record.read(f"{model.line}/{last}")
            _same_model(evaluated, checkpoint)
            _same_model(exported, checkpoint)
            text = _call(
                model.card,
                checkpoint=checkpoint.folder,
                evaluation=evaluated.folder,
                exported=exported.folder,
                facts=_card_facts(record, exported, evaluated, checkpoint),
                out=record.folder,
            )
            return record.publish(metadata={"card": dg.MetadataValue.md(_without_front_matter(text))})

    return [evaluation, exported_model, model_card]


def _without_front_matter(text: str) -> str:
    """The card's text without the YAML block that only model hubs read."""
    return text.split("\n---\n", 1)[-1] if text.startswith("---\n") else text


def _folders(model: ModelLine, record: AssetRecord, checkpoint: Input) -> dict[str, Any]:
    """The folders of the split that the checkpoint was trained on, and of all samples that this split covers.

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
    }


def _same_model(made_from: Input, checkpoint: Input) -> None:
    versions = {ref.key: ref.version for ref in made_from.materialization.inputs}
    if versions.get(checkpoint.ref.key) != checkpoint.ref.version:
        raise LineageError(
            f"{made_from.ref.key}:{made_from.ref.partition} was made from another checkpoint than the newest. "
            f"Run: sport-assets build {made_from.ref.key} --partition '{made_from.ref.partition}'"
        )


def _card_facts(record: AssetRecord, exported: Input, evaluated: Input, checkpoint: Input) -> dict[str, Any]:
    """What the card says of lineage: content versions alone, so that the same model has the same card.

    ``data`` is what the checkpoint was trained on. What was evaluated on besides is behind the evaluation's version.
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
        "code_version": checkpoint.materialization.code_version,
        "checks": {
            check.name: check.passed
            for made in (checkpoint, evaluated, exported)
            for check in made.materialization.checks
        },
    }


def _table(record: AssetRecord, name: str) -> pl.DataFrame:
    return pl.read_parquet(record.folder / name)


def _soften(results: Sequence[CheckResult], name: str, lenient: bool) -> list[CheckResult]:
    """A check that blocks, or only warns for presets that are not meant for use."""
    return [replace(result, blocking=not lenient) if result.name == name else result for result in results]


def _finite_weights(folder: Path) -> CheckResult:
    import numpy as np
    from safetensors.numpy import load_file

    weights = load_file(folder / "weights.safetensors")
    bad = {name: int((~np.isfinite(values)).sum()) for name, values in weights.items() if values.dtype.kind == "f"}
    broken = {name: count for name, count in bad.items() if count}
    return CheckResult(
        name="finite_weights",
        passed=not broken,
        failed=sum(broken.values()),
        checked=sum(int(values.size) for values in weights.values()),
        rules={"finite": sum(broken.values())} if broken else {},
        sample=[{"tensor": name, "values": count} for name, count in broken.items()],
    )


def _call(target: str, *arguments: Any, **named: Any) -> Any:
    """Call a function by import string; it is imported now, not with the definitions."""
    module, _, function = target.partition(":")
    return getattr(importlib.import_module(module), function)(*arguments, **named)


IMAGE_TYPES = {".png": "image/png", ".svg": "image/svg+xml"}


def pictures(folder: Path) -> dict[str, Any]:
    """PNG and SVG files of an output as metadata that the UI draws."""
    pictures = {}
    for path in sorted(folder.iterdir()):
        if path.suffix in IMAGE_TYPES:
            text = base64.b64encode(path.read_bytes()).decode()
            pictures[path.stem] = dg.MetadataValue.md(f"![{path.stem}](data:{IMAGE_TYPES[path.suffix]};base64,{text})")
    return pictures
