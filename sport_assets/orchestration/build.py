"""Brings a target and all it stands on up to date, in dependency order, skipping what is current.

Belongs here: the plan (which partitions, why) and running it so that Dagster's UI shows each run. Must not come here:
what ``--set`` means (``build_settings``), how a command line looks (``cli``).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import dagster as dg
from dagster._core.errors import DagsterAssetCheckFailedError  # the package names it nowhere else

from sport_assets.audit.taint import what
from sport_assets.lineage.home import Home
from sport_assets.lineage.record import Lineage
from sport_assets.lineage.staleness import why_stale
from sport_assets.orchestration.assets import DECLARATIONS
from sport_assets.orchestration.build_settings import USERS_TO_MEND, BuildError, Settings
from sport_assets.orchestration.event_log import unhurried
from sport_assets.orchestration.instance import initialise, instance
from sport_assets.orchestration.raw_presence import (
    all_passed_over,
    can_do_without,
    has_raw,
    lines,
    missing,
    no_raw,
    passed_over,
)
from sport_assets.orchestration.resources import DeviceConfig, resolve_device
from sport_assets.orchestration.sensors import end_mlflow_runs, reap
from sport_assets.orchestration.taint import heal
from sport_assets.orchestration.withdrawn import own_withdrawal, withdrawn


@dataclass(frozen=True)
class Step:
    """One partition of one asset in a build."""

    key: str
    partition: str | None

    def __str__(self) -> str:
        return self.key if self.partition is None else f"{self.key}:{self.partition}"


@dataclass(frozen=True)
class Done:
    """What became of a step: ``current`` (nothing to do), ``made``, or ``rejected``; and why it was made."""

    step: Step
    outcome: str
    reason: str
    version: str


@dataclass
class Report:
    """What a build did, which partitions it skipped because their raw files are not there, and which because they, or
    their raw files, are withdrawn (with the reason).

    Where the raw files make the partitions, ``skipped`` names files that can be no partition as well, and ``reasons``
    says of each name why.
    """

    done: list[Done] = field(default_factory=list)
    skipped: dict[str, list[str]] = field(default_factory=dict)
    withdrawn: dict[str, str] = field(default_factory=dict)
    reasons: dict[str, dict[str, str]] = field(default_factory=dict)

    def made(self) -> list[Done]:
        """Steps that were materialized."""
        return [done for done in self.done if done.outcome != "current"]

    def explained(self) -> list[str]:
        """A line for each thing that was skipped for a reason of its own."""
        return [line for key, reasons in self.reasons.items() for line in lines(key, reasons)]


Observer = Callable[[Step, str, int, int], None]
BUILD_TAGS = {"sport_assets/build": "true"}


class Builder:
    """A build of one target over one set of definitions."""

    def __init__(self, definitions: dg.Definitions, home: Home, settings: Iterable[str] = ()) -> None:
        self._definitions, self._home = definitions, home
        self._graph = definitions.resolve_asset_graph()
        self._settings = Settings(settings)

    def run(self, target: str, partition: str | None, observe: Observer = lambda *_: None) -> Report:
        """Build ``target``. Raises ``BuildError`` when it cannot begin, or when a step fails or is rejected.

        A partition that fails stops what stands on it, not the other partitions: they are made first.
        """
        report = Report()
        try:
            self._run(target, partition, observe, report)
        except USERS_TO_MEND as error:
            if not report.reasons:
                raise
            raise BuildError("\n".join([str(error), *report.explained()])) from error
        return report

    def _run(self, target: str, partition: str | None, observe: Observer, report: Report) -> None:
        initialise(self._home)
        keys = self._keys(target)
        self._check_partition(target, partition, keys)
        self._settings.spread(keys, partition)
        failed: dict[Step, Exception] = {}
        lost: set[Step] = set()  # what failed, and what is not begun since it stands on that
        lineage = Lineage(self._home)
        try:
            heal(lineage)
            self._check_settings(keys, lineage)  # a wrong value is refused before anything is made
            steps = list(self._steps(lineage, keys, target, partition, report))
            self._check_devices(lineage, steps)
            with unhurried(self._home.dagster), instance(self._home) as dagster:
                # a slot that a killed run left would be waited for without end, and perhaps no daemon runs
                reap(dagster, grace_seconds=0)
                end_mlflow_runs(dagster, self._home)
                job = self._definitions.resolve_implicit_global_asset_job_def()
                for number, step in enumerate(steps):
                    if self._stands_on(step, lost):
                        lost.add(step)
                        continue
                    reason = self._why(lineage, step, steps)
                    observe(step, reason or "current", number, len(steps))
                    if reason is None:
                        latest = lineage.ledger.latest(step.key, step.partition)
                        report.done.append(Done(step, "current", "", latest.version if latest else ""))
                        continue
                    try:
                        materialize(job, dagster, step, self._given(lineage, step), BUILD_TAGS)
                        report.done.append(self._outcome(lineage, step, reason))
                    except USERS_TO_MEND as error:
                        if not failed and sum(other.key == step.key for other in steps) == 1:
                            raise  # there is no other partition to go on with
                        failed[step] = error
                        lost.add(step)
        finally:
            lineage.close()
        if failed:
            raise BuildError(_failures(failed, lost, report)) from next(iter(failed.values()))

    def _check_settings(self, keys: list[str], lineage: Lineage) -> None:
        """Raises ``BuildError`` for a setting that an asset refuses."""
        self._settings.check(keys, lineage)

    def _check_devices(self, lineage: Lineage, steps: list[Step]) -> None:
        """Raises ``BuildError`` where a step that is to be made asks for a device that is not here: it may be the
        last of many."""
        for step in steps:
            config = DECLARATIONS[step.key].config
            if config is None or not issubclass(config, DeviceConfig):
                continue
            device = self._complete(lineage, step)["device"]
            if device is not None and self._why(lineage, step, steps) is not None:
                try:
                    resolve_device(device)
                except ValueError as error:
                    raise BuildError(f"{step}: {error}") from error

    # -- planning ---------------------------------------------------------------------------------------------------

    def _keys(self, target: str) -> list[str]:
        """The target and its ancestors, upstream first."""
        key = dg.AssetKey(target.split("/"))
        if target not in DECLARATIONS:
            line = [name for name in DECLARATIONS if name.split("/")[0] == target.split("/")[0]]
            raise BuildError(f"no asset {target!r}; there are: {', '.join(sorted(line or DECLARATIONS))}")
        wanted = {key} | self._ancestors(key)
        return [k.to_user_string() for k in self._graph.toposorted_asset_keys if k in wanted]

    def _ancestors(self, key: dg.AssetKey) -> set[dg.AssetKey]:
        parents = set(self._graph.get(key).parent_keys)
        return parents.union(*(self._ancestors(parent) for parent in parents)) if parents else parents

    def _check_partition(self, target: str, partition: str | None, keys: list[str]) -> None:
        definition = DECLARATIONS[target].partitions_def
        if definition is None and partition is not None:
            raise BuildError(f"{target} has no partitions; leave --partition away")
        if definition is None or partition is None:
            return
        known = DECLARATIONS[target].partitions()
        if partition not in known:
            there = ", ".join(known[:40]) or "none yet"
            left_out = [line for key in keys for line in lines(key, DECLARATIONS[key].left_out())]
            said = f"{target} has no partition {partition!r}; its partitions: {there}"
            raise BuildError("\n".join([said, *left_out]))
        absent = missing(self._home.data, DECLARATIONS[target], partition)
        if absent:
            raise BuildError(
                f"{target}:{partition} needs raw files that are not all below {self._home.data}: {'; '.join(absent)}"
            )

    def _steps(
        self, lineage: Lineage, keys: list[str], target: str, partition: str | None, report: Report
    ) -> Iterator[Step]:
        """Every partition to look at, upstream first. A source partition without its raw files is skipped and named.

        So is one that is withdrawn, which nothing can be made of; what stands on it alone is left out with it.
        """
        narrow = self._narrow(keys, target) if partition is not None else set()
        present: dict[str, list[str | None]] = {}
        without_raw: list[tuple[str, list[str | None]]] = []
        for key in keys:
            declared = DECLARATIONS[key]
            wanted: list[str | None] = [None]
            if declared.partitions_def is not None:
                wanted = [partition] if key in narrow else list(declared.partitions())
            if declared.raw_paths is not None:
                here = [key_ for key_ in wanted if has_raw(self._home.data, declared, key_)]
                self._note_skipped(key, wanted, here, report, whole=key not in narrow)
                if not here and not can_do_without(declared, wanted):
                    raise BuildError(self._no_raw(key, wanted, report))
                if not here:
                    without_raw.append((key, wanted))
                wanted = here
            wanted = self._not_withdrawn(lineage, key, wanted, report, asked=key in narrow)
            present[key] = wanted
            same = [present[up] for up in self._parents(key) if up in present and self._same_partitions(up, key)]
            if same:  # a week whose raw file is missing is missing all the way down
                present[key] = [k for k in wanted if all(k in upstream for upstream in same)]
            yield from (Step(key, key_) for key_ in present[key])
        if not present[target] and without_raw:
            raise BuildError(self._no_raw(*without_raw[0], report))

    def _note_skipped(
        self, key: str, wanted: list[str | None], here: list[str | None], report: Report, *, whole: bool
    ) -> None:
        """Note which of the partitions are not here, and why; with all of them (``whole``) what can be no partition."""
        declared, data = DECLARATIONS[key], self._home.data
        absent = [str(key_) for key_ in wanted if key_ not in here and key_ is not None]
        reasons = all_passed_over(data, declared) if whole else passed_over(data, declared, absent)
        if declared.raw_optional:  # without any file of its own, a partition lacks nothing
            absent = [key_ for key_ in absent if key_ in reasons]
        absent += [name for name in reasons if name not in absent]
        if absent:
            report.skipped[key] = absent
        if reasons and declared.partition_keys is not None:
            report.reasons[key] = reasons

    def _not_withdrawn(
        self, lineage: Lineage, key: str, wanted: list[str | None], report: Report, *, asked: bool
    ) -> list[str | None]:
        """Those partitions that can be made. Raises ``BuildError`` when one is not that was asked for, or without which
        nothing can be made."""
        standing = []
        for partition in wanted:
            event = withdrawn(lineage, key, partition)
            if event is None:
                standing.append(partition)
                continue
            said = f"{what(event)} is withdrawn, by {event.by} on {event.at:%Y-%m-%d}: {event.reason}"
            if asked or partition is None:
                raise BuildError(
                    f"{Step(key, partition)} cannot be made: {said}. Build without it, or restore it: "
                    f"sport-assets restore {event.id} --reason TEXT"
                )
            if own_withdrawal(lineage, key, partition) is not None:
                report.withdrawn[str(Step(key, partition))] = event.reason
        return standing

    def _narrow(self, keys: list[str], target: str) -> set[str]:
        """The assets of which a partition of the target needs that partition alone.

        What is also read by way of an asset that stands on all partitions is needed whole.
        """
        narrow = {target}
        for key in reversed(keys):
            readers = [other for other in keys if key in self._parents(other)]
            if readers and all(reader in narrow and self._same_partitions(key, reader) for reader in readers):
                narrow.add(key)
        return narrow

    def _parents(self, key: str) -> list[str]:
        return [k.to_user_string() for k in self._graph.get(dg.AssetKey(key.split("/"))).parent_keys]

    def _same_partitions(self, upstream: str, key: str) -> bool:
        theirs = DECLARATIONS[upstream].partitions_def
        return theirs is not None and theirs == DECLARATIONS[key].partitions_def

    def _no_raw(self, key: str, wanted: list[str | None], report: Report) -> str:
        name = Step(key, wanted[0]) if len(wanted) == 1 else key
        return f"{name}: {no_raw(self._home.data, DECLARATIONS[key], wanted, named=key in report.reasons)}"

    # -- running ----------------------------------------------------------------------------------------------------

    def _why(self, lineage: Lineage, step: Step, steps: list[Step]) -> str | None:
        key, declared = dg.AssetKey(step.key.split("/")), DECLARATIONS[step.key]
        expected = [
            (other.key, other.partition)
            for other in steps
            if declared.partitions_def is None and other.key in self._parents(step.key)
        ]
        code_version = self._graph.get(key).code_version
        stale = why_stale(
            lineage,
            step.key,
            step.partition,
            code_version=code_version or "",
            config=self._complete(lineage, step),
            expected_inputs=expected,
            raw_paths=None if declared.raw_paths is None else declared.raw_paths(step.partition),
        )
        return stale or self._stands_on_what_is_gone(lineage, step, expected)

    def _complete(self, lineage: Lineage, step: Step) -> Mapping[str, Any]:
        """The complete configuration that a step is wanted with."""
        return self._settings.complete(step.key)

    def _given(self, lineage: Lineage, step: Step) -> Mapping[str, Any] | None:
        """What of a step's configuration is set."""
        return self._settings.given(step.key)

    def _stands_on_what_is_gone(
        self, lineage: Lineage, step: Step, expected: list[tuple[str, str | None]]
    ) -> str | None:
        """Whether an asset that stands on all partitions was made with one whose raw file was since taken away."""
        latest = lineage.ledger.latest(step.key, step.partition)
        whole = set(self._parents(step.key)) if DECLARATIONS[step.key].partitions_def is None else set()
        for ref in latest.inputs if latest is not None else []:
            if ref.key in whole and not ref.pinned and (ref.key, ref.partition) not in expected:
                return f"input {Step(ref.key, ref.partition)} is gone"
        return None

    def _stands_on(self, step: Step, lost: set[Step]) -> bool:
        """Whether a step reads one of these: its own partition of an upstream asset, or all partitions of one."""
        return any(
            Step(up, step.partition) in lost
            if self._same_partitions(up, step.key)
            else any(other.key == up for other in lost)
            for up in self._parents(step.key)
        )

    def _outcome(self, lineage: Lineage, step: Step, reason: str) -> Done:
        latest = lineage.ledger.latest(step.key, step.partition)
        if latest is None:
            raise BuildError(f"{step}: ended without a record")
        if latest.kind == "rejected":
            failed = [check for check in latest.checks if check.blocking and not check.passed]
            what = "; ".join(f"{c.name}: {c.failed} of {c.checked} ({c.description})" for c in failed)
            folder = lineage.store.folder(step.key, step.partition, latest.version)
            raise BuildError(
                f"{step} was rejected by its checks: {what}. It is kept for a look in {folder}, and nothing may read "
                f"it. Mend the input and build again, or let it pass by name and reason: "
                f"sport-assets override {latest.id} {failed[0].name} --reason TEXT"
            )
        return Done(step, "made", reason, latest.version)


def _failures(failed: Mapping[Step, Exception], lost: set[Step], report: Report) -> str:
    """Each failed partition with what it said, and what became of the rest."""
    texts = [str(error) if str(error).startswith(str(step)) else f"{step}: {error}" for step, error in failed.items()]
    waiting = sorted({step.key for step in lost - failed.keys()})
    texts.append(
        f"{len(failed)} of the partitions failed, {len(report.made())} were made. "
        + (f"Not begun where they stand on what failed: {', '.join(waiting)}. " if waiting else "")
        + "Mend what is named, or take it away, and build again: what was made stays."
    )
    return "\n".join(texts)


def materialize(
    job: dg.JobDefinition,
    dagster: dg.DagsterInstance,
    step: Step,
    config: Mapping[str, Any] | None,
    tags: Mapping[str, str],
) -> None:
    """Run one step as a Dagster run of its own. Raises ``BuildError`` with what the asset said when it fails.

    One whose blocking check fails is no error here: it is published as rejected, which its record tells.
    """
    partitions_def = DECLARATIONS[step.key].partitions_def
    if isinstance(partitions_def, dg.DynamicPartitionsDefinition) and step.partition is not None:
        dagster.add_dynamic_partitions(str(partitions_def.name), [step.partition])
    run_config: dict[str, Any] = {"loggers": {"console": {}}}
    if config:
        run_config["ops"] = {step.key.replace("/", "__"): {"config": dict(config)}}
    try:
        job.execute_in_process(
            run_config=run_config,
            instance=dagster,
            partition_key=step.partition,
            asset_selection=[dg.AssetKey(step.key.split("/"))],
            tags=dict(tags),
        )
    except DagsterAssetCheckFailedError:
        return
    except dg.Failure as failure:
        raise BuildError(f"{step}: {failure.description}") from failure
    except dg.DagsterError as error:
        raise BuildError(f"{step}: {error.__cause__ or error}") from error
