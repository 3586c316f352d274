"""Makes a recorded chain again, step by step, and says of each version whether it came out the same.

Belongs here: which steps are made and with what, and what became of them. Must not come here: the home they are made in
(``scratch``), the comparison of two versions (``likeness``), finding raw files (``raw_search``).
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import dagster as dg

from sport_assets.lineage.digest import canonical_json
from sport_assets.lineage.errors import LineageError
from sport_assets.lineage.manifest import InputRef, Materialization, RawFile
from sport_assets.orchestration.assets import DECLARATIONS
from sport_assets.orchestration.build import BuildError, Observer, Step, materialize
from sport_assets.orchestration.event_log import unhurried
from sport_assets.orchestration.instance import instance
from sport_assets.orchestration.likeness import (
    DIFFERENT,
    IDENTICAL,
    Comparison,
    Tolerance,
    reasons,
)
from sport_assets.orchestration.raw_search import RawSearch
from sport_assets.orchestration.recorded import Recorded
from sport_assets.orchestration.reproduced import FAILED, NOT_MADE, TAKEN_OVER, Outcome, Result
from sport_assets.orchestration.resources import resolve_device
from sport_assets.orchestration.scratch import Scratch

TAGS = {"sport_assets/reproduce": "true"}


@dataclass
class Reproduction:
    """The chain of one record, made again.

    ``folders`` are searched for raw files that are not at their recorded path below the data folder.
    """

    definitions: dg.Definitions
    recorded: Recorded
    scratch: Scratch
    folders: Sequence[Path] = ()
    tolerance: Tolerance = field(default_factory=Tolerance)

    def __post_init__(self) -> None:
        self.chain = self.recorded.chain
        self._outcomes: dict[str, Outcome] = {}
        self._now: dict[str, Materialization] = {}  # what each record became
        self._made: dict[str, Materialization] = {}  # by what a step is made from
        self._comparison = Comparison(self.tolerance)
        self._raw: dict[str, dict[str, RawFile]] = {}  # of each record: all raw files it stands on, by path

    def run(self, *, from_checkpoint: bool = False, observe: Observer = lambda *_: None) -> Result:
        """Make the steps. Raises ``LineageError`` when it cannot begin: a raw file or record is missing."""
        taken = self._before_and_with_checkpoints() if from_checkpoint else set()
        steps = self.chain.steps
        self._check(taken)
        found = self._find_raw(taken)
        # the instance comes last: Dagster finds it by the environment that was entered
        home = self.scratch.home
        with self.scratch.entered() as lineage, unhurried(home.dagster), instance(home) as dagster:
            job = self.definitions.resolve_implicit_global_asset_job_def()

            def run_step(step: Step, config: dict[str, Any]) -> Materialization:
                before = lineage.ledger.latest(step.key, step.partition)
                materialize(job, dagster, step, config, TAGS)
                made = lineage.ledger.latest(step.key, step.partition)
                if made is None or (before is not None and made.id == before.id):
                    raise BuildError(f"{step}: ended without a record")
                return made

            for number, each in enumerate(steps):
                made = each.made
                step = Step(made.key, made.partition)
                observe(step, TAKEN_OVER if made.id in taken else "made again", number, len(steps))
                outcome = self._take_over(step, made) if made.id in taken else self._again(step, made, found, run_step)
                if each.withdrawn is not None:  # here it is made all the same: the question is what was
                    note = f"withdrawn by {each.withdrawn.by}: {each.withdrawn.reason}"
                    outcome = replace(outcome, notes=(*outcome.notes, note))
                self._outcomes[made.id] = outcome
        return Result([self._outcomes[each.made.id] for each in steps], self.tolerance)

    # -- before ------------------------------------------------------------------------------------------------------

    def _before_and_with_checkpoints(self) -> set[str]:
        """Records that are not made again when a reproduction begins at the checkpoints."""
        taken: set[str] = set()
        for each in reversed(self.chain.steps):
            if each.is_trained or each.made.id in taken:
                taken |= {each.made.id, *(ref.record for ref in each.made.inputs)}
        if not taken:
            raise LineageError(f"{self.chain.target.name} stands on no checkpoint; reproduce it from raw")
        if self.chain.target.made.id in taken:
            raise LineageError(f"{self.chain.target.name} is itself a checkpoint; reproduce it from raw")
        return taken

    def _check(self, taken: set[str]) -> None:
        """Raise ``LineageError`` for what would stop it in the middle."""
        there = {each.made.id for each in self.chain.steps}
        for each in self.chain.steps:
            made = each.made
            if made.id in taken:
                continue
            for ref in made.inputs:
                if ref.record not in there:
                    raise LineageError(f"{each.name} reads {_name(ref)}, whose record {ref.record} is missing")
                if ref.record in taken and not self.recorded.folder(self.chain.step(ref.record).made).is_dir():
                    folder = self.recorded.folder(self.chain.step(ref.record).made)
                    raise LineageError(f"{_name(ref)}: its files are not in {folder}; reproduce from raw")
            declared = DECLARATIONS.get(made.key)
            if declared is None:
                raise LineageError(f"{each.name} was recorded, but this code has no asset {made.key}")
            if declared.partition_keys is not None:
                continue  # keys come with the raw files, which are looked for by digest
            if made.partition is not None and made.partition not in declared.partitions():
                raise LineageError(
                    f"{each.name} was recorded, but {made.key} has no such partition here. Partitions of a line may "
                    "depend on the environment (for nfl, SPORT_ASSETS_NFL_SEASONS): set it as it was"
                )

    def _find_raw(self, taken: set[str]) -> dict[str, Path]:
        """Places of raw files by digest. What steps that are made again read must be there, or it is an error."""
        needed: list[tuple[RawFile, str]] = []
        for each in self.chain.steps:
            made = each.made
            stood_on: dict[str, RawFile] = {}
            for ref in made.inputs:
                stood_on |= self._raw.get(ref.record, {})
            direct = [file for ref in made.inputs if ref.record in self._raw for file in self._own_raw(ref)]
            own = {file.path: file for file in [*direct, *made.raw_files]}
            self._raw[made.id] = stood_on | own
            if made.id not in taken:
                needed += [(file, each.name) for file in own.values()]
        search = RawSearch(self.recorded.data, self.folders)
        found = search.find_all(needed)
        for file in self._raw[self.chain.target.made.id].values():
            path = None if taken else search.find(file)
            if path is not None:
                found[file.sha256] = path
        return found

    def _own_raw(self, ref: InputRef) -> list[RawFile]:
        return list(self.chain.step(ref.record).made.raw_files)

    # -- steps -------------------------------------------------------------------------------------------------------

    def _take_over(self, step: Step, made: Materialization) -> Outcome:
        inputs = [  # one whose record is missing cannot be followed, here as there
            ref.model_copy(update={"record": self._now[ref.record].id}) if ref.record in self._now else ref
            for ref in made.inputs
        ]
        self._now[made.id] = self.scratch.adopt(made, inputs, self.recorded.folder(made), self.recorded.records)
        return Outcome(step, made.id, made.version, TAKEN_OVER, made.version)

    def _again(
        self,
        step: Step,
        made: Materialization,
        found: dict[str, Path],
        run: Callable[[Step, dict[str, Any]], Materialization],
    ) -> Outcome:
        lacking = [ref for ref in made.inputs if ref.record not in self._now]
        if lacking:
            because = f"{_name(lacking[0])} could not be made"
            return Outcome(step, made.id, made.version, NOT_MADE, differences=(because,))
        started = time.monotonic()
        same = self._made.get(self._made_from(made))
        if same is None:
            try:
                self._prepare(made, found)
                same = run(step, self._config(made))
            except Exception as error:  # noqa: BLE001 - whatever this code raises is what became of the step
                return Outcome(
                    step,
                    made.id,
                    made.version,
                    FAILED,
                    seconds=time.monotonic() - started,
                    differences=(str(error) or type(error).__name__,),
                )
            self.scratch.let_pass(same)
            self._made[self._made_from(made)] = same
        self._now[made.id] = same
        return self._compared(step, made, same, time.monotonic() - started)

    def _prepare(self, made: Materialization, found: dict[str, Path]) -> None:
        """Put the scratch home into the state that the recorded step met."""
        raw = self._raw[made.id]
        self.scratch.place_raw({path: found[file.sha256] for path, file in raw.items() if file.sha256 in found})
        self.scratch.withdraw_rows(made.key, made.withdrawn_rows)
        for ref in made.inputs:
            if not ref.pinned:
                self.scratch.bring_forward(self._now[ref.record])

    def _config(self, made: Materialization) -> dict[str, Any]:
        """The recorded configuration, the versions in it as they came out here, on the recorded device if it is here.

        Which device was taken where the configuration left it open stands in the record alone.
        """
        config = dict(made.config)
        declared = DECLARATIONS[made.key]
        for name, key in declared.pins.items():
            for ref in made.inputs:
                if config.get(name) and ref.key == key and ref.version.startswith(str(config[name])):
                    now = self._now[ref.record].version
                    config[name] = config[name] if now == ref.version else now
        fields = declared.config.model_fields if declared.config is not None else {}
        if "device" in fields and config.get("device") is None:
            try:
                config["device"] = resolve_device(made.environment.device)
            except ValueError:
                pass  # no such GPU here: what there is, is taken
        if "threads" in fields and config.get("threads") is None:
            config["threads"] = made.environment.threads
        return config

    def _compared(self, step: Step, made: Materialization, again: Materialization, seconds: float) -> Outcome:
        verdicts = {self._outcomes[ref.record].verdict for ref in made.inputs}
        expected = {(ref.key, ref.partition, self._now[ref.record].version) for ref in made.inputs}
        read = {(ref.key, ref.partition, ref.version) for ref in again.inputs}
        loose = not verdicts <= {IDENTICAL, TAKEN_OVER}
        folders = (
            self.recorded.folder(made),
            self.scratch.lineage.store.folder(again.key, again.partition, again.version),
        )
        likeness = self._comparison.of(made, again, folders, loose=loose)
        others = [f"now reads {_named(*one)} as well" for one in sorted(read - expected, key=str)]
        others += [f"does not read {_named(*one)} any more" for one in sorted(expected - read, key=str)]
        verdict = DIFFERENT if others else likeness.verdict
        return Outcome(
            step,
            made.id,
            made.version,
            verdict,
            again.version,
            seconds,
            (*others, *likeness.differences),
            likeness.not_compared,
            likeness.notes,
            () if verdict == IDENTICAL else tuple(reasons(made, again)),
        )

    def _made_from(self, made: Materialization) -> str:
        """What a step is made from: two records that agree in it would be made twice alike."""
        inputs = sorted([ref.key, ref.partition or "", self._now[ref.record].version] for ref in made.inputs)
        raw = sorted(file.sha256 for file in made.raw_files)
        rows: list[Any] = list(made.withdrawn_rows)
        return canonical_json([made.key, made.partition, made.version, inputs, raw, self._config(made), rows])


def _name(ref: InputRef) -> str:
    return str(Step(ref.key, ref.partition))


def _named(key: str, partition: str | None, version: str) -> str:
    return f"{Step(key, partition)} ({version[:12]})"
