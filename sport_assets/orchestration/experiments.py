"""The asset of an experiment: a list of trainings that are compared, and what follows from the comparison.

Belongs here: what an experiment reads, how its trainings are run and kept, what is recorded of them. Must not come
here: which trainings, how one is measured, what is decided (a line says it by import string); processes (``launch``).

Trials come in rounds: a line sees what was measured so far and asks for more, or for none. A trial's training is kept
under the digest of its spec, which names neither the experiment nor the trial: another experiment that asks for the
same model, settings and seed takes it as it is, and one that was interrupted goes on. What is measured of it is kept
beside it.
"""

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import dagster as dg
from pydantic import Field

from sport_assets.lineage.digest import canonical_json, sha256_text
from sport_assets.lineage.errors import LineageError
from sport_assets.lineage.row_index import ROWS_FOLDER, Identifiers, RowIndex
from sport_assets.lineage.row_index import load as load_row_index
from sport_assets.lineage.row_index import save as save_row_index
from sport_assets.orchestration.assets import DECLARATIONS, asset, code_of_line
from sport_assets.orchestration.checks import AssetChecks, Check
from sport_assets.orchestration.launch import Training, train
from sport_assets.orchestration.model_line import ModelLine, call, shown
from sport_assets.orchestration.model_training import at_a_time, read_data, rows_of, sample_partitions, spec_input
from sport_assets.orchestration.recording import AssetRecord, LineageResource
from sport_assets.orchestration.resources import GPU_POOL, Accelerator, DeviceConfig, MlflowTracking
from sport_assets.training.errors import BadSpecError, TrainingError
from sport_assets.training.reports import markdown_table
from sport_assets.training.spec import TrainingSpec
from sport_assets.training.trials import NO_TEST_DATA, WHOLE_SPLIT, Finished, Study, Trial

CHOOSING_SIDE = "valid"
"""What decisions are taken on."""
REPORTED_SIDE = "test"
"""What is measured after the last decision, where an experiment shows it at all."""


class ExperimentConfig(DeviceConfig):
    """Settings of all trainings of an experiment; a line adds its own.

    ``overrides``: preset settings by dotted name, over those that the experiment itself sets. ``seeds``: instead of the
    experiment's own. ``parallel``: trainings at a time, else as many as there are cores, or one on a GPU; the result
    does not depend on it.
    """

    overrides: dict[str, Any] = Field(default_factory=dict)
    seeds: list[int] = Field(default_factory=list)
    parallel: int | None = Field(None, ge=1)


@dataclass(frozen=True)
class Experiment:
    """What a line says of an experiment; functions by import string (``module:function``).

    ``builder`` makes the job of a training, and refuses one with a sample of the test side. ``trials`` takes the
    ``Study`` and what is finished so far, measured on the validation side alone, and gives the trials of the next
    round, or none. ``measure`` takes the study, a side and (finished trial, folder) pairs, writes into each folder, and
    gives what it read as a ``RowIndex``. ``guard`` takes the data set's folder and the identifiers by which trials were
    trained and chosen, and gives the check ``no_test_data``. ``summarise`` takes the study, all that is finished, and
    ``out``: it writes tables, pictures and the decision, and gives (facts, check results).
    ``reads`` are the experiments before this one, by name; ``shows_test``: whether trials are measured on the test side
    as well, when nothing is left to decide. ``config`` is a subclass of ``ExperimentConfig`` with the line's options,
    ``preset`` the file with what they are by default: it counts for the experiment's code version, and for that of no
    training.
    """

    name: str
    description: str
    builder: str
    trials: str
    measure: str
    guard: str
    summarise: str
    reads: Sequence[str] = ()
    shows_test: bool = False
    checks: Sequence[Check] = ()
    config: type[ExperimentConfig] = ExperimentConfig
    preset: Path | None = None


def experiment_asset(model: ModelLine, experiment: Experiment) -> dg.AssetsDefinition:
    """The unpartitioned asset of an experiment.

    It stands on the data set, on what trainings read besides, and on the experiments before it; the samples' partitions
    follow from the data set, and the record notes them.
    """
    for name in model.training_reads:
        if DECLARATIONS[f"{model.line}/{name}"].partitions_def is not None:
            raise ValueError(f"{experiment.name} has no partitions, so its trainings cannot read {name}, which has")
    kept = code_of_line(model.line, [experiment.builder, model.settings, experiment.measure], model.code_files)

    def run(
        context: dg.AssetExecutionContext,
        lineage: LineageResource,
        accelerator: Accelerator,
        mlflow: dg.ResourceParam[MlflowTracking],
        config: ExperimentConfig,
    ) -> dg.MaterializeResult:
        with lineage.record(context, config) as record:
            running = _Running(context, model, experiment, record, config, accelerator, kept)
            with mlflow.run(model.line) as run:
                finished = running.rounds(run.environment())
            record.check(call(experiment.guard, running.study.dataset, running.chosen_by()))
            if experiment.shows_test:
                finished = running.measured(finished, REPORTED_SIDE)
            for rows in running.indexes():
                record.index(rows)
            facts, results = call(experiment.summarise, running.study, finished, record.folder)
            record.check(results)
            trainings = running.facts(finished)
            cost = dg.MetadataValue.md(markdown_table(COST_COLUMNS, cost_rows(trainings)))
            return record.publish(
                rows=len(finished),
                facts={**facts, "trainings": trainings},
                metadata={"cost": cost, **shown(record.folder)},
            )

    run.__annotations__["config"] = experiment.config  # the asset's own options, as Dagster and `build` show them
    define = asset(
        model.line,
        name=experiment.name,
        description=experiment.description,
        reads=[model.dataset, *model.training_reads, *experiment.reads],
        checks=AssetChecks(
            [Check(NO_TEST_DATA, "nothing of the test side was trained on or chosen by"), *experiment.checks]
        ),
        kinds={*model.kinds, "mlflow"},
        pool=GPU_POOL,
        code=[
            experiment.builder,
            model.settings,
            experiment.trials,
            experiment.measure,
            experiment.guard,
            experiment.summarise,
        ],
        code_files=[*model.code_files, *([experiment.preset] if experiment.preset is not None else [])],
    )
    return define(run)


class _Running:
    """One materialization of an experiment on its way."""

    def __init__(
        self,
        context: dg.AssetExecutionContext,
        model: ModelLine,
        experiment: Experiment,
        record: AssetRecord,
        config: ExperimentConfig,
        accelerator: Accelerator,
        code_version: str,
    ) -> None:
        self._context, self._model, self._experiment = context, model, experiment
        self._record, self._config, self._accelerator = record, config, accelerator
        self._code_version = code_version
        self._trainings: dict[str, Training] = {}
        self._done_before: set[str] = set()
        self._read_by: list[list[Identifiers]] = []
        self._measured: dict[str, list[list[Identifiers]]] = {}
        line = model.line
        dataset = record.read(f"{line}/{model.dataset}", None)
        partitions = sample_partitions(model, dataset)
        samples = {key: record.read(f"{line}/{model.samples}", key).folder for key in partitions}
        further = {name: record.read(f"{line}/{name}", None).folder for name in model.training_reads}
        read = sorted((ref.key, ref.partition or "", ref.version) for ref in record.inner.inputs)
        self._data = sha256_text(canonical_json(read))
        earlier = {name: record.read(f"{line}/{name}", None).folder for name in experiment.reads}
        self.study = Study(config.model_dump(mode="json"), dataset.folder, samples, further, earlier)

    def rounds(self, environment: Mapping[str, str]) -> list[Finished]:
        """Train and measure until the line wants no more. Raises ``LineageError`` for two trials of one name."""
        finished: list[Finished] = []
        while wanted := list(call(self._experiment.trials, self.study, finished)):
            names = [each.trial.name for each in finished] + [trial.name for trial in wanted]
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise LineageError(f"{self._record.inner.key}: trials of the same name: {', '.join(twice)}")
            self._context.log.info(f"round of {len(wanted)} trainings: {', '.join(trial.name for trial in wanted)}")
            finished += self.measured(self._trained(wanted, environment), CHOOSING_SIDE)
        if not finished:
            raise LineageError(f"{self._record.inner.key}: there is no trial to run; mend its configuration")
        return finished

    def _trained(self, wanted: Sequence[Trial], environment: Mapping[str, str]) -> list[Finished]:
        settings = [self._settings(trial) for trial in wanted]
        processes = max(each["training"].get("devices", 1) for each in settings)
        with self._accelerator.hold(self._config, processes) as device:
            trainings = []
            for number, (trial, complete) in enumerate(zip(wanted, settings, strict=True), start=1):
                identity = {**trial.dimensions, "seed": str(trial.seed)}
                if trial.part != WHOLE_SPLIT:
                    identity["part"] = trial.part
                spec = TrainingSpec.model_validate(
                    {
                        "line": self._model.line,
                        "model": "trial " + " ".join(f"{name}={value}" for name, value in sorted(identity.items())),
                        "builder": self._experiment.builder,
                        "settings": complete,
                        "seed": trial.seed,
                        "part": trial.part,
                        "inputs": [spec_input(found) for found in read_data(self._model, self._record, complete)],
                        "code_version": self._code_version,
                        "device": device.name,
                        "precision": device.precision,
                        "threads": device.threads,
                    }
                )
                trainings.append(Training(spec, f"{trial.name} ({number} of {len(wanted)})"))
            first = trainings[0].spec
            self._record.ran_on(device.name, first.threads, first.seed)
            parallel = self._config.parallel or at_a_time(first)
            self._done_before |= {
                trial.name for trial, training in zip(wanted, trainings, strict=True) if training.done()
            }
            results = train(self._context, trainings, environment, parallel=parallel)
        finished = []
        for trial, training, complete, (folder, report) in zip(wanted, trainings, settings, results, strict=True):
            self._trainings[trial.name] = training
            self._read_by.append(rows_of(training, report))
            finished.append(Finished(trial, complete, folder, report))
        return finished

    def _settings(self, trial: Trial) -> dict[str, Any]:
        dimensions = {**trial.dimensions, "seed": str(trial.seed)}
        try:
            settings: dict[str, Any] = call(self._model.settings, dimensions, trial.overrides)
        except (ValueError, TrainingError) as error:
            raise BadSpecError(f"{trial.name}: {error}") from error
        return settings

    def measured(self, finished: Sequence[Finished], side: str) -> list[Finished]:
        """The same, each with the folder of what was measured on a side: kept from before, or measured now."""
        kept = {each.trial.name: self._kept(each, side) for each in finished}
        missing = [each for each in finished if not kept[each.trial.name].is_dir()]
        if missing:
            self._context.log.info(f"measuring {len(missing)} of {len(finished)} trainings on the {side} side")
            self._measure(missing, side, kept)
        for folder in kept.values():
            [rows] = (folder / ROWS_FOLDER).glob("*.json")
            self._measured.setdefault(side, []).append(load_row_index(folder, rows.stem))
        return [replace(each, measured={**each.measured, side: kept[each.trial.name]}) for each in finished]

    def _measure(self, finished: Sequence[Finished], side: str, kept: Mapping[str, Path]) -> None:
        made: list[tuple[Finished, Path]] = []
        try:
            for each in finished:
                place = kept[each.trial.name].parent
                place.mkdir(parents=True, exist_ok=True)
                made.append((each, Path(mkdtemp(prefix=f".{side}-", dir=place))))
            rows: RowIndex = call(self._experiment.measure, self.study, side, made)
            for each, folder in made:
                save_row_index(folder, rows)
                target = kept[each.trial.name]
                if not target.is_dir():  # two trials may be the same training under two names
                    os.rename(folder, target)
        finally:
            for _, folder in made:
                shutil.rmtree(folder, ignore_errors=True)

    def _kept(self, finished: Finished, side: str) -> Path:
        """Where the measurement lies, beside the training: it depends on that and on the data alone."""
        return self._trainings[finished.trial.name].work / "measured" / self._data / side

    def chosen_by(self) -> list[Identifiers]:
        """What trials were trained on and chosen by so far, as it was really read."""
        return [found for rows in (*self._read_by, *self._measured.get(CHOOSING_SIDE, ())) for found in rows]

    def indexes(self) -> list[list[Identifiers]]:
        """All that was read, by side."""
        return [*self._read_by, *(rows for sides in self._measured.values() for rows in sides)]

    def facts(self, finished: Sequence[Finished]) -> dict[str, Any]:
        """By trial: which training it was, and what it took. Not the same twice, so it is no content of a version."""
        return {each.trial.name: self._training_facts(each) for each in finished}

    def _training_facts(self, finished: Finished) -> dict[str, Any]:
        report = finished.report
        names = ("parameters", "epochs", "seconds", "peak_memory_bytes", "best_epoch", "best_value", "bit_exact")
        return {
            "spec_digest": self._trainings[finished.trial.name].spec.digest,
            "seed": finished.trial.seed,
            **{name: report.get(name) for name in names},
            "seconds_per_epoch": seconds_per_epoch(report),
            "done_before": finished.trial.name in self._done_before,
        }


def seconds_per_epoch(report: Mapping[str, Any]) -> float | None:
    """Seconds of one epoch with its validation; None where a resumed training has told the time of its end alone."""
    if report.get("resumed_at_step") or not report.get("epochs"):
        return None
    return round((report["seconds"] - report["start_seconds"]) / report["epochs"], 3)


COST_COLUMNS = ("training", "parameters", "seconds per epoch", "peak memory, MB", "remark")


def cost_rows(trainings: Mapping[str, Mapping[str, Any]]) -> list[list[str]]:
    """What each training took, for people: COST_COLUMNS of the record's fact ``trainings``."""
    rows = []
    for name, facts in trainings.items():
        seconds, memory = facts["seconds_per_epoch"], facts["peak_memory_bytes"]
        remarks = ["trained before this run: its time may be of another load"] if facts.get("done_before") else []
        remarks += ["interrupted and resumed: its time was not measured whole"] if seconds is None else []
        rows.append(
            [
                name,
                f"{facts['parameters']:,}",
                "–" if seconds is None else f"{seconds:.1f}",
                "–" if memory is None else f"{memory / 1e6:,.0f}",
                "; ".join(remarks),
            ]
        )
    return rows
