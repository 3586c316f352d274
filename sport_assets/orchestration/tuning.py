"""The asset of a line's search for better settings, and the build that brings it up to date.

Belongs here: what a search reads and publishes, what ``sport-assets tune`` asks of a build. Must not come here: the
search (``training.tuning``), how its process is started and stopped (``launch``), which settings a line searches.
"""

import json
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import yaml
from pydantic import Field

from sport_assets.lineage.checks import CheckResult
from sport_assets.lineage.home import Home
from sport_assets.lineage.record import Lineage
from sport_assets.orchestration.assets import asset
from sport_assets.orchestration.build import Builder, BuildError, Observer, Report, Step
from sport_assets.orchestration.checks import AssetChecks, Check
from sport_assets.orchestration.launch import Job, run_jobs
from sport_assets.orchestration.model_line import ModelLine, call, pictures
from sport_assets.orchestration.model_training import read_data, spec_input
from sport_assets.orchestration.recording import AssetRecord, LineageResource
from sport_assets.orchestration.resources import GPU_POOL, Accelerator, DeviceConfig, MlflowTracking
from sport_assets.training.errors import EXIT_STOPPED, BadSpecError
from sport_assets.training.names import TUNING_FILE
from sport_assets.training.spec import TrainingSpec
from sport_assets.training.tuning_space import Range, dotted, fitted_space, read_space

if TYPE_CHECKING:
    from sport_assets.training.tuning import TuningPlan

NO_TEST_DATA = "no_test_data"
BEATS_PRESET = "beats_preset"


class TuningConfig(DeviceConfig):
    """What is searched, and how far.

    ``preset``: where the search starts from, else the line's own choice. ``trials``: finished trials in all; those of
    an earlier search over the same data and settings count. ``timeout_s``: seconds after which the search ends with
    what it has. ``seed``: of the proposals and of every training. ``folds``: of the data set's folds for tuning, so
    many from the first; else all. ``overrides``: settings fixed by hand, which are then not searched. ``space``: other
    ranges than the line's, by dotted name, as ``{"kind": "log", "low": 1e-4, "high": 1e-2}``.
    """

    preset: str | None = None
    trials: int = Field(30, ge=1)
    timeout_s: float | None = Field(None, gt=0)
    seed: int = Field(0, ge=0, lt=2**32)
    folds: int | None = Field(None, ge=1)
    overrides: dict[str, Any] = Field(default_factory=dict)
    space: dict[str, Any] = Field(default_factory=dict)


@dataclass(frozen=True)
class Tuning:
    """What a line says of its search.

    ``builder`` (``module:function``) makes the training job of a fold, and refuses to read a sample of the test side.
    ``space`` (``module:function``) gives the ranges by dotted name for complete settings; ``folds``
    (``module:function``) takes the data set's folder and gives the number of folds for tuning and a check result that
    shows them free of test data. ``preset`` is searched from where none is named. ``mode``: whether less or more of the
    monitored metric is better.
    """

    builder: str
    space: str
    folds: str
    preset: str
    mode: str = "min"


# The search of each tuning asset, by key.
TUNINGS: dict[str, tuple[ModelLine, Tuning]] = {}


def tuning_asset(model: ModelLine, tuning: Tuning) -> dg.AssetsDefinition:
    """The unpartitioned asset that ``model.tuning`` names: the best settings found, every trial, pictures.

    It stands on the data set alone: which partitions of the samples it reads, the settings say, and the record notes.
    """
    if model.tuning is None:
        raise ValueError(f"the line {model.line} names no tuning; give ModelLine a tuning")
    TUNINGS[f"{model.line}/{model.tuning}"] = (model, tuning)

    @asset(
        model.line,
        name=model.tuning,
        description="Better settings for a preset, searched on folds of the games to train and validate; never on "
        "test data. Names of settings with their values, beside the preset's own result.",
        reads=[model.dataset, *model.training_reads],
        checks=AssetChecks(
            [
                Check(NO_TEST_DATA, "no sample of the test side is in a fold for tuning"),
                Check(BEATS_PRESET, "the settings found are better than the preset's own", blocking=False),
            ]
        ),
        kinds={*model.kinds, "mlflow", "optuna"},
        pool=GPU_POOL,
        code=[tuning.builder, model.settings, tuning.space, tuning.folds],
        code_files=model.code_files,
    )
    def search(
        context: dg.AssetExecutionContext,
        lineage: LineageResource,
        accelerator: Accelerator,
        mlflow: dg.ResourceParam[MlflowTracking],
        config: TuningConfig,
    ) -> dg.MaterializeResult:
        with lineage.record(context, config) as record:
            request = Request.of(model, tuning, config)
            read = read_data(model, record, request.settings)
            folds, check = _folds(tuning, read[0].folder, config.folds)
            record.check(check)
            if not check.passed:
                raise dg.Failure(description=f"nothing is searched: {check.summary()}")
            with accelerator.hold(config) as device, mlflow.run(model.line) as run:
                spec = TrainingSpec.model_validate(
                    {
                        "line": model.line,
                        "model": f"{model.tuning} {request.preset}",
                        "builder": tuning.builder,
                        "settings": request.settings,
                        "seed": config.seed,
                        "inputs": [spec_input(found) for found in read],
                        "code_version": record.code_version,
                        "device": device.name,
                        "precision": device.precision,
                        "threads": device.threads,
                    }
                )
                record.ran_on(device.name, spec.threads, spec.seed)
                plan = _plan(request, tuning, config, spec, folds)
                _search(context, Search(plan, record.folder, context.run.run_id), run.environment())
            return _publish(record)

    return search


@dataclass(frozen=True)
class Request:
    """A checked configuration: the preset, its complete settings with what is fixed by hand, and the space."""

    preset: str
    settings: dict[str, Any]
    fixed: dict[str, Any]
    space: dict[str, Range]

    @classmethod
    def of(cls, model: ModelLine, tuning: Tuning, config: TuningConfig) -> "Request":
        """Raises ``BadSpecError`` or ``ValueError`` for an unknown preset, setting or range."""
        preset = config.preset or tuning.preset
        settings = call(model.settings, {"preset": preset, "seed": str(config.seed)}, config.overrides)
        fixed = {name: dotted(settings)[name] for name in config.overrides}
        content = config.space or call(tuning.space, settings)
        space = read_space(content, "the given search space" if config.space else "the line's search space")
        fitted_space(space, settings, fixed)
        return cls(preset, settings, fixed, space)


@dataclass(frozen=True)
class Search(Job):
    """A search that writes its files into ``out``, on behalf of a Dagster run."""

    noun = "search"
    again = "Run it again: it goes on with the trials it has."

    plan: "TuningPlan"
    out: Path
    run_id: str

    @property
    def work(self) -> Path:
        """Its working files, under the digest of its study: what was stopped or cut off by time goes on from there."""
        return Home.from_environment().training / "tuning" / self.plan.digest

    @property
    def plan_file(self) -> Path:
        """For this run alone: two runs of one study may ask for different numbers of trials."""
        return self.work / f"plan-{self.run_id}.json"

    def command(self) -> list[str]:
        """One search."""
        self.plan_file.write_text(self.plan.model_dump_json(indent=1), encoding="utf-8")
        paths = [str(self.plan_file), "--work", str(self.work), "--out", str(self.out)]
        return ["sport_assets.training.tune", *paths]

    def announcement(self) -> str:
        """Its study, device and folder."""
        return f"study {self.plan.digest[:12]} on {self.plan.spec.device}; working files in {self.work}"

    def facts(self) -> dict[str, Any]:
        """Its study."""
        return {"study": self.plan.digest}

    def reason(self, code: int, told: str) -> str:
        """A stop is not told in the words of the fold that was under way."""
        if code == EXIT_STOPPED:
            return f"The search was stopped. {self.again}"
        return super().reason(code, told)


def _search(context: dg.AssetExecutionContext, search: Search, environment: Mapping[str, str]) -> None:
    try:
        run_jobs(context, [search], environment)
    finally:
        search.plan_file.unlink(missing_ok=True)


def _plan(request: Request, tuning: Tuning, config: TuningConfig, spec: TrainingSpec, folds: int) -> "TuningPlan":
    from sport_assets.training.tuning import TuningPlan

    return TuningPlan.model_validate(
        {
            "preset": request.preset,
            "spec": spec,
            "space": request.space,
            "fixed": request.fixed,
            "folds": folds,
            "mode": tuning.mode,
            "trials": config.trials,
            "timeout_s": config.timeout_s,
        }
    )


def _folds(tuning: Tuning, dataset: Path, wanted: int | None) -> tuple[int, CheckResult]:
    present, check = call(tuning.folds, dataset)
    if wanted is not None and wanted > present:
        raise ValueError(f"folds={wanted}: the data set has {present} folds for tuning")
    return wanted or present, check


def _publish(record: AssetRecord) -> dg.MaterializeResult:
    found = json.loads((record.folder / TUNING_FILE).read_text(encoding="utf-8"))
    better = found["value"] != found["baseline_value"]  # the earlier of two as good is the preset
    record.check(CheckResult(BEATS_PRESET, better, blocking=False, checked=1, failed=int(not better)))
    names = ("preset", "metric", "value", "baseline_value", "overrides", "trials", "folds", "study", "trial")
    facts = {name: found[name] for name in names} | {"finished_trials": _finished(found)}
    return record.publish(rows=sum(found["trials"].values()), facts=facts, metadata=pictures(record.folder))


def _finished(found: Mapping[str, Any]) -> int:
    return int(found["trials"]["complete"]) + int(found["trials"]["pruned"])


class TuningBuild(Builder):
    """A build of a tuning asset: wrong names are refused before anything is made, and a search that time cut off is
    not current, although nothing else changed."""

    def __init__(
        self,
        definitions: dg.Definitions,
        home: Home,
        target: str,
        fields: Mapping[str, Any],
        settings: Iterable[str] = (),
    ) -> None:
        """``fields`` are of `TuningConfig`; ``settings`` are the preset's, fixed by hand, or those of other assets."""
        if target not in TUNINGS:
            raise BuildError(f"no search for {target.split('/')[0]!r}; there are: {', '.join(sorted(TUNINGS))}")
        self._target = target
        model, tuning = TUNINGS[target]
        given = {name: value for name, value in fields.items() if value is not None}
        overrides, others = _sorted_settings(model, given.get("preset") or tuning.preset, settings)
        self.config = TuningConfig(**given, overrides=overrides)
        Request.of(model, tuning, self.config)
        given |= {"overrides": overrides} if overrides else {}
        own = [
            f"{target}.{name}={value if isinstance(value, str) else json.dumps(value)}" for name, value in given.items()
        ]
        super().__init__(definitions, home, [*own, *others])

    def search(self, observe: Observer = lambda *_: None) -> Report:
        """Bring the data up to date, and search."""
        return self.run(self._target, None, observe)

    def _why(self, lineage: Lineage, step: Step, steps: list[Step]) -> str | None:
        reason = super()._why(lineage, step, steps)
        if reason is not None or step.key != self._target:
            return reason
        latest = lineage.ledger.latest(step.key, step.partition)
        finished = latest.facts.get("finished_trials", 0) if latest is not None else 0
        return f"{finished} of {self.config.trials} trials so far" if finished < self.config.trials else None


def read_space_file(path: Path) -> dict[str, Any]:
    """A search space from a YAML file. Raises ``BadSpecError`` that names the file where it is none."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise BadSpecError(f"the search space {path} is not YAML: {error}") from error
    return {
        name: range_.model_dump(mode="json", exclude_defaults=True)
        for name, range_ in read_space(content, f"the search space {path}").items()
    }


def read_result(home: Home, key: str) -> dict[str, Any]:
    """What the newest search found, where it lies, and the command that builds a model with it."""
    with closing(Lineage(home)) as lineage:
        found = lineage.read(key)
        model, _ = TUNINGS[key]
        best = json.loads(found.path(TUNING_FILE).read_text(encoding="utf-8"))
        one = model.dimensions(model.partitions_def.get_first_partition_key() or "")
        partition = dg.MultiPartitionKey({**one, "preset": best["preset"]} if "preset" in one else one)
        return {
            "asset": key,
            "version": found.ref.version,
            "folder": str(found.folder),
            "best": best,
            "use": f"sport-assets build {model.line}/model_card --partition '{partition}' "
            f"--set tuned={found.ref.version[:12]}",
        }


def _sorted_settings(model: ModelLine, preset: str, settings: Iterable[str]) -> tuple[dict[str, Any], list[str]]:
    """``NAME=VALUE`` of the preset by dotted name, and what is left for other assets of the build."""
    known = list(dotted(call(model.settings, {"preset": preset, "seed": "0"}, {})))
    overrides: dict[str, Any] = {}
    others = []
    for text in settings:
        name, _, value = text.partition("=")
        found = [full for full in known if name in (full, full.split(".", 1)[-1])]
        if len(found) > 1:
            raise BuildError(f"--set {name}: several settings have this name; say which one: {', '.join(found)}")
        if found:
            try:
                overrides[found[0]] = json.loads(value)
            except json.JSONDecodeError:
                overrides[found[0]] = value
        else:
            others.append(text)
    return overrides, others
