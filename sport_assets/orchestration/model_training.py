"""The checkpoint asset of a stage: one training on a split, or one for each fold and a final fit on everything.

Belongs here: the configuration of a training, what it reads, which parts of the data set are trained on, and what is
published of them. Must not come here: processes (``launch``), what follows a training (``model_assets``).
"""

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field

from sport_assets.lineage.checks import CheckResult
from sport_assets.lineage.errors import LineageError
from sport_assets.lineage.record import Input
from sport_assets.lineage.row_index import Identifiers
from sport_assets.lineage.row_index import load as load_row_index
from sport_assets.orchestration.assets import DECLARATIONS, asset
from sport_assets.orchestration.checks import AssetChecks, Check
from sport_assets.orchestration.launch import Training, train
from sport_assets.orchestration.leakage import weights_behind
from sport_assets.orchestration.model_line import ModelLine, Stage, call, pictures
from sport_assets.orchestration.recording import AssetRecord, LineageResource
from sport_assets.orchestration.resources import GPU_POOL, Accelerator, Device, DeviceConfig, MlflowTracking
from sport_assets.training.errors import TrainingError
from sport_assets.training.names import SPEC_FILE, TUNING_FILE
from sport_assets.training.spec import SpecInput, TrainingSpec, fold_part

# What a fold leaves: enough to forecast with it and to see how it went, not to continue it.
FOLD_FILES = ("weights.safetensors", "settings.json", SPEC_FILE, "curves.json", "curves.parquet", "curves.svg")


class StageConfig(DeviceConfig):
    """Settings of one training beyond its preset.

    ``overrides``: preset settings by dotted name (``training.max_epochs``), as JSON values or text. ``tuned``: version
    of the line's tuning whose settings stand between preset and overrides. ``resume_from``: version of a finished
    checkpoint of this asset to continue; not where folds are trained, whose states are not kept. ``parallel``:
    trainings at a time where there are several, else as many as there are cores, or one on a GPU; the result does not
    depend on it.
    """

    overrides: dict[str, Any] = Field(default_factory=dict)
    tuned: str | None = None
    resume_from: str | None = None
    parallel: int | None = Field(None, ge=1)


def stage_asset(model: ModelLine, stage: Stage) -> dg.AssetsDefinition:
    """The asset of one stage. A version that the configuration names is read where it is named; no edge leads to it."""
    reads = [name for name in (model.dataset, model.samples, stage.starts_from) if name is not None]
    reads += model.training_reads
    pins = {"resume_from": stage.name} | ({"tuned": model.tuning} if model.tuning else {})

    @asset(
        model.line,
        name=stage.name,
        description=stage.description,
        reads=reads,
        pins=pins,
        partitions_def=model.partitions_def,
        checks=AssetChecks([Check("finite_weights", "every weight of the checkpoint is a finite number")]),
        kinds={*model.kinds, "mlflow"},
        pool=GPU_POOL,
        preset=lambda partition, overrides: call(model.settings, model.dimensions(partition), overrides),
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
            settings = model.settings_of(stage, _settings(model, record, config))
            read, folds = _read(model, stage, record, settings, config.resume_from)
            begun = model.weights(settings) if model.weights is not None and stage.starts_from is None else None
            brought = weights_behind(record.inner, *begun) if begun is not None else {}
            with (
                accelerator.hold(config, settings["training"].get("devices", 1)) as device,
                mlflow.run(model.line) as run,
            ):
                trainings = _trainings(model, stage, record, config, device, settings, read, folds)
                final = trainings[-1].spec
                record.ran_on(device.name, final.threads, final.seed)
                parallel = config.parallel or at_a_time(final)
                *of_folds, (result, reported) = train(context, trainings, run.environment(), parallel=parallel)
            record.take_folder(result)
            for number, (folder, _) in enumerate(of_folds):
                for name in FOLD_FILES:
                    shutil.copyfile(folder / name, record.output(f"{fold_name(number)}/{name}"))
            _index(record, trainings, [report for _, report in (*of_folds, (result, reported))])
            facts = {
                "spec_digest": final.digest,
                "settings": settings,
                "seed": final.seed,
                **reported,
                **brought,
                "fitted_on": _fitted_on(folds),
            }
            facts |= _fold_facts([report for _, report in of_folds])
            record.check(_finite_weights(record.folder))
            return record.publish(rows=reported.get("train_samples"), facts=facts, metadata=pictures(record.folder))

    return train_stage


def further(model: ModelLine, record: AssetRecord, name: str) -> Input:
    """Read a further asset of the line: all of it where it has no partitions, else the record's own partition."""
    key = f"{model.line}/{name}"
    return record.read(key, None) if DECLARATIONS[key].partitions_def is None else record.read(key)


def fold_name(number: int) -> str:
    """The folder of a fold (from 0) in a checkpoint that was evaluated by folds."""
    return f"fold_{number}"


def _settings(model: ModelLine, record: AssetRecord, config: StageConfig) -> dict[str, Any]:
    """The complete settings: the preset, over it what a search found, over that the overrides."""
    dimensions = model.dimensions(record.context.partition_key)
    if config.tuned is None:
        settings: dict[str, Any] = call(model.settings, dimensions, config.overrides)
        return settings
    overrides = {**_tuned(model, record, config.tuned), **config.overrides}
    try:
        settings = call(model.settings, dimensions, overrides)
    except (ValueError, TrainingError) as error:
        raise LineageError(f"tuned={config.tuned}: its settings and those set by hand do not fit: {error}") from error
    return settings


def _tuned(model: ModelLine, record: AssetRecord, version: str) -> dict[str, Any]:
    """What a search found, by dotted name; its version is noted as an input."""
    if model.tuning is None:
        raise LineageError(f"the line {model.line} has no tuning, so there is nothing that `tuned` could name")
    found = record.inner.read_version(f"{model.line}/{model.tuning}", version)
    content: dict[str, Any] = json.loads(found.path(TUNING_FILE).read_text(encoding="utf-8"))
    for name, own in model.dimensions(record.context.partition_key).items():
        if name != "seed" and content.get(name, own) != own:
            record.context.log.warning(
                f"the settings of {version} were found for the {name} {content[name]}, not {own}"
            )
    overrides: dict[str, Any] = content["overrides"]
    record.context.log.info(f"settings found by {found.ref.key} {found.ref.version[:12]}: {overrides}")
    return overrides


def read_data(model: ModelLine, record: AssetRecord, settings: Mapping[str, Any]) -> list[Input]:
    """Read what every training reads: the data set, which comes first, the partitions of the samples that the settings
    choose, and the line's further assets."""
    dataset = record.read(f"{model.line}/{model.dataset}", partition=None)
    read = [dataset]
    if model.samples is not None:
        available = sample_partitions(model, dataset)
        chosen = model.choose(settings, available, dataset.folder)
        read += [record.read(f"{model.line}/{model.samples}", partition=key) for key in chosen]
    return read + [further(model, record, name) for name in model.training_reads]


def sample_partitions(model: ModelLine, dataset: Input) -> list[str]:
    """The partitions of the samples that the data set's record names."""
    return [str(ref.partition) for ref in dataset.materialization.inputs if ref.key == f"{model.line}/{model.samples}"]


def _read(
    model: ModelLine, stage: Stage, record: AssetRecord, settings: Mapping[str, Any], resume_from: str | None
) -> tuple[list[Input], int]:
    """Read what a stage trains on, besides an earlier stage; also the number of folds. What is continued comes last."""
    read = read_data(model, record, settings)
    folds = model.folds(settings, read[0].folder) if model.folds is not None else 0
    if stage.starts_from is not None:
        read.append(record.read(f"{model.line}/{stage.starts_from}"))
    if resume_from is not None:
        if folds:
            raise LineageError(
                f"resume_from={resume_from}: a training by folds cannot be continued, since its folds' states are not "
                "kept. Train anew with a larger training.max_epochs"
            )
        read.append(record.inner.read_version(f"{model.line}/{stage.name}", resume_from))
    return read, folds


def _trainings(
    model: ModelLine,
    stage: Stage,
    record: AssetRecord,
    config: StageConfig,
    device: Device,
    settings: Mapping[str, Any],
    read: Sequence[Input],
    folds: int,
) -> list[Training]:
    """The trainings of a stage: each fold's, then the final fit, whose files stand at the top of the checkpoint."""
    partition = record.context.partition_key
    common = {
        "line": model.line,
        "builder": stage.builder,
        "settings": settings,
        "seed": int(model.dimensions(partition).get("seed", "0")),
        "code_version": record.code_version,
        "device": device.name,
        "precision": device.precision,
        "threads": device.threads,
        "memory_settings": model.memory_settings,
        # a digest may be given by its beginning; the trainer knows whole ones
        "resume_from": read[-1].ref.version if config.resume_from is not None else None,
    }
    trainings = []
    for part in [*map(fold_part, range(folds)), "all" if folds else "split"]:
        name = f"{stage.name} {partition}" + (f" {part}" if folds else "")
        inputs = [_spec_input(model, stage, found, part) for found in read]
        spec = TrainingSpec.model_validate({**common, "model": name, "part": part, "inputs": inputs})
        trainings.append(Training(spec, _label(part, folds)))
    return trainings


def _spec_input(model: ModelLine, stage: Stage, found: Input, part: str) -> SpecInput:
    """An input as a part of the data set sees it: a fold starts from the earlier stage's same fold, else it would leak.

    Raises ``LineageError`` where the earlier stage was not trained by folds.
    """
    folder, ref = found.folder, found.ref
    if part.startswith("fold:") and stage.starts_from is not None and ref.key == f"{model.line}/{stage.starts_from}":
        folder = folder / fold_name(int(part.removeprefix("fold:")))
        if not folder.is_dir():
            raise LineageError(f"{ref.key}:{ref.partition} has no {folder.name}: train it by folds as well")
    return spec_input(found, folder)


def spec_input(found: Input, folder: Path | None = None) -> SpecInput:
    """An input as a training spec names it; ``folder`` where only a part of it is read."""
    ref = found.ref
    return SpecInput(key=ref.key, partition=ref.partition, version=ref.version, path=str(folder or found.folder))


def _index(record: AssetRecord, trainings: Sequence[Training], reports: Sequence[dict[str, Any]]) -> None:
    """Record what each training really read, as its own process saw it: ``train``, ``valid``, and by fold."""
    for training, report in zip(trainings, reports, strict=True):
        record.index(rows_of(training, report))


def rows_of(training: Training, report: dict[str, Any]) -> list[Identifiers]:
    """What a training really read, as its own process saw it; taken out of its report, which names it by digest.

    The sides of a fold's training say which fold it was: ``train fold:0``.
    """
    digest = report.pop("row_index", None)
    part = training.spec.part if training.spec.part.startswith("fold:") else ""
    return [] if digest is None else [found.in_part(part) for found in load_row_index(training.work, digest)]


def _label(part: str, folds: int) -> str:
    if not folds:
        return ""
    return "final fit" if part == "all" else f"fold {int(part.removeprefix('fold:')) + 1} of {folds}"


def at_a_time(spec: TrainingSpec) -> int:
    """As many trainings as the cores carry; one on a GPU, which they would share."""
    if spec.device != "cpu":
        return 1
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // (spec.threads * spec.trainer_settings.devices))


def _fitted_on(folds: int) -> str:
    """What the model at the top of the checkpoint was fitted on, for the record."""
    if folds:
        return f"all samples of the chosen partitions, after evaluation by {folds} folds"
    return "the train side of the split; its valid side chose the epoch"


def _fold_facts(reports: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Number of folds, their seconds together, and the means over them of the best and the last monitored value."""
    if not reports:
        return {}
    count = len(reports)
    return {
        "folds": count,
        "fold_seconds": round(sum(report["seconds"] for report in reports), 3),
        "fold_monitor": reports[0]["monitor"],
        "fold_best_value_mean": sum(report["best_value"] for report in reports) / count,
        "fold_last_value_mean": sum(report["published_value"] for report in reports) / count,
    }


def _finite_weights(folder: Path) -> CheckResult:
    """Every published weight, of the folds as well."""
    import numpy as np
    from safetensors.numpy import load_file

    checked, failed = 0, 0
    broken: list[dict[str, Any]] = []
    for path in sorted(folder.rglob("weights*.safetensors")):
        for name, values in load_file(path).items():
            checked += int(values.size)
            bad = int((~np.isfinite(values)).sum()) if values.dtype.kind == "f" else 0
            failed += bad
            if bad:
                broken.append({"file": path.relative_to(folder).as_posix(), "tensor": name, "values": bad})
    return CheckResult(
        name="finite_weights",
        passed=not broken,
        failed=failed,
        checked=checked,
        rules={"finite": failed} if broken else {},
        sample=broken,
    )
