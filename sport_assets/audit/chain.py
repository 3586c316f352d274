"""The chain behind a materialization: everything it was made from, back to the raw files.

Belongs here: the walk back, with what was said later about each step. Must not come here: where records come from
(``records``), judging them (``findings``).
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from sport_assets.audit.records import Newest, Records
from sport_assets.lineage.errors import LineageError
from sport_assets.lineage.gate import Standing, weigh
from sport_assets.lineage.lookup import Head
from sport_assets.lineage.manifest import (
    Event,
    InputRef,
    Materialization,
    Overridden,
    RawFile,
    RecordedCheck,
    Withdrawn,
)

TRAINED = "spec_digest"
"""The fact by which a training is known: the digest of its specification."""
MODEL_ASSETS = ("exported_model", "model_card")


def is_model(key: str) -> bool:
    """Whether an asset is an exported model or a model card."""
    return key.rsplit("/", 1)[-1] in MODEL_ASSETS


def name_of(key: str, partition: str | None) -> str:
    """``nfl/tracking:2023-w01``, or the key alone where there is no partition."""
    return key if partition is None else f"{key}:{partition}"


@dataclass(frozen=True)
class Step:
    """One materialization of a chain.

    ``later`` are the events about it; ``withdrawn`` is the standing withdrawal that is about it; ``newest`` is the
    newest materialization of its partition where that has another content.
    """

    standing: Standing
    later: tuple[Event, ...]
    withdrawn: Withdrawn | None
    newest: Newest | None

    @property
    def made(self) -> Materialization:
        """The record."""
        return self.standing.materialization

    @property
    def checks(self) -> Mapping[str, RecordedCheck]:
        """The latest result of every check."""
        return self.standing.checks

    @property
    def overrides(self) -> Mapping[str, Overridden]:
        """Overrides that stand, by check."""
        return self.standing.overrides

    @property
    def name(self) -> str:
        """Asset and partition."""
        return name_of(self.made.key, self.made.partition)

    @property
    def is_trained(self) -> bool:
        """Whether it is a training."""
        return TRAINED in self.made.facts

    @property
    def newer(self) -> str | None:
        """Version of the newest materialization of its partition, where that has another content."""
        return self.newest.version if self.newest is not None else None


@dataclass(frozen=True)
class Chain:
    """All steps behind a materialization, in the order of the records; it is the last. ``missing``: without record."""

    steps: tuple[Step, ...]
    missing: tuple[InputRef, ...]
    head: Head

    @property
    def target(self) -> Step:
        """What was asked about."""
        return self.steps[-1]

    @cached_property
    def by_record(self) -> dict[str, Step]:
        """Every step by its record's id."""
        return {step.made.id: step for step in self.steps}

    def step(self, record_id: str) -> Step:
        """One step. Raises ``KeyError`` where the chain has none of that record."""
        return self.by_record[record_id]

    @property
    def raw_files(self) -> list[tuple[RawFile, Step]]:
        """Every raw file, with the step that registered it."""
        return [(file, step) for step in self.steps for file in step.made.raw_files]

    def behind(self, record_id: str) -> Iterator[Step]:
        """The steps that one step was made from, all the way back."""
        seen: set[str] = set()
        waiting = [record_id]
        while waiting:
            for ref in self.step(waiting.pop()).made.inputs:
                if ref.record not in seen and ref.record in self.by_record:
                    seen.add(ref.record)
                    waiting.append(ref.record)
                    yield self.step(ref.record)


def walk(records: Records, record_id: str) -> Chain:
    """Walk back from a materialization. Raises ``LineageError`` when there is no such record.

    An input whose record is not there, or is that of another version, is listed as missing.
    """
    found: dict[str, Materialization] = {}
    asked: dict[str, InputRef] = {}
    wanted = {record_id}
    while wanted:
        level = records.materializations(wanted)
        found |= level
        refs = {ref.record: ref for made in level.values() for ref in made.inputs}
        wanted = refs.keys() - asked.keys()
        asked |= refs
    if record_id not in found:
        raise LineageError(f"no materialization has the record id {record_id}; sport-assets ledger log lists them")
    missing = [ref for record, ref in asked.items() if record not in found or found[record].version != ref.version]
    return Chain(tuple(_steps(records, list(found.values()), record_id)), tuple(missing), records.head())


def _steps(records: Records, made: list[Materialization], target: str) -> Iterator[Step]:
    later: dict[str, list[Event]] = defaultdict(list)
    for event in records.about([one.id for one in made]):
        later[getattr(event, "subject", "")].append(event)
    withdrawn = records.withdrawn(made)
    newest = records.newest({one.key for one in made})
    # ids begin with their place in the chain of records, and nothing can be made from what comes after it
    for one in sorted(made, key=lambda one: (one.id == target, one.id)):
        now = newest.get((one.key, one.partition))
        yield Step(
            weigh(one, later[one.id]),
            tuple(later[one.id]),
            withdrawn.get(one.id),
            now if now is not None and now.version != one.version else None,
        )
