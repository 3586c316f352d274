"""What differs between two models, from their records alone: data, code, settings, environment, checks, metrics.

Belongs here: pairing the steps of two chains and comparing them. Must not come here: what two plain values differ in
(``changes``), how it is told (the command line).

Steps are paired by asset and partition; steps of the models' own partitions (``production|0`` and ``sanity|0``) by
asset. A step differs by its content: one that was made again and gave the same is no difference. A step that differs
although all it read is the same is an *origin*: its code, settings, raw files or surroundings made the difference, and
all other differences follow from origins.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from sport_assets.audit.chain import Chain, Step
from sport_assets.audit.changes import Change, environment_changes, setting_changes
from sport_assets.audit.differences import (
    CheckChange,
    CodeChange,
    Difference,
    MetricChange,
    PartitionChange,
    RowChange,
    SettingChange,
)
from sport_assets.audit.records import Records
from sport_assets.lineage.manifest import Materialization
from sport_assets.lineage.row_index import Identifiers

# facts of a run: how long it took, what it wrote
_OF_THE_RUN = ("seconds", "digest", "bytes", "checkpoints_written", "resumed_at", "threads", "processes", "seed")
_SETTINGS = "settings"
_LISTED = 20
# of so many partitions that changed, the first by what they tell, row indexes are read: each is a file
_INDEXES = 200


def diff(before: Chain, after: Chain, records: Records) -> Difference:
    """What differs between the targets of two chains, in time that grows with their lengths alone."""
    pairs = _pairs(before, after)
    of_model = {step.made.id for chain in (before, after) for step in _after_training(chain)}
    found = Difference((before.target.name, after.target.name), (before.target.made.version, after.target.made.version))
    changes = []
    for left, right in pairs:
        change = _partition(left, right, before, after)
        if change is None:
            found.same_partitions += 1
        else:
            changes.append((change, left, right))
    changes.sort(key=lambda each: _telling(each[0]))
    for number, (change, left, right) in enumerate(changes):
        if number < _INDEXES and left is not None and right is not None:
            change = replace(change, identifiers=tuple(_identifiers(left.made, right.made, records)))
        of = [step.made.id in of_model for step in (left, right) if step is not None]
        (found.model if any(of) else found.data).append(change)
    both = [(left, right) for left, right in pairs if left is not None and right is not None]
    own = [(left, right) for left, right in both if left.made.id in of_model or left is before.target]
    found.code = _code(before, after)
    found.commits = (_commits(before), _commits(after))
    found.settings = _settings(both)
    found.environment = _environment(own or both[-1:])
    found.checks = _checks(both)
    found.metrics = _metrics(own)
    return found


def _pairs(before: Chain, after: Chain) -> list[tuple[Step | None, Step | None]]:
    """Steps of the same place in two chains; of a partition that a chain read in several versions, the latest."""
    places: list[dict[tuple[str, str | None], Step]] = []
    for chain in (before, after):
        own = chain.target.made.partition
        found: dict[tuple[str, str | None], Step] = {}
        for step in chain.steps:
            mine = own is not None and step.made.partition == own
            found[step.made.key, "its own" if mine else step.made.partition] = step
        places.append(found)
    left, right = places
    order = [*left, *(place for place in right if place not in left)]
    return [(left.get(place), right.get(place)) for place in order]


def _after_training(chain: Chain) -> Iterator[Step]:
    """Checkpoints and what was made from them: the model's own steps, as against its data."""
    found: set[str] = set()
    for step in chain.steps:
        if step.is_trained or any(ref.record in found for ref in step.made.inputs):
            found.add(step.made.id)
            yield step


def _partition(left: Step | None, right: Step | None, before: Chain, after: Chain) -> PartitionChange | None:
    known = right or left
    assert known is not None
    made = tuple(step.made if step is not None else None for step in (left, right))
    if left is None or right is None:
        change = "added" if left is None else "removed"
        return PartitionChange(known.name, known.made.key, change, *_figures(made))
    if left.made.version == right.made.version:
        return None
    origin = _inputs(left, before) == _inputs(right, after)
    name = right.name if left.name == right.name else f"{left.name} and {right.name}"
    return PartitionChange(
        name,
        right.made.key,
        "changed",
        *_figures(made),
        origin=origin,
        because=tuple(_because(left.made, right.made)) if origin else (),
        raw_files=tuple(_raw_files(left.made, right.made)),
    )


def _figures(
    made: tuple[Materialization | None, ...],
) -> tuple[tuple[str | None, str | None], tuple[int | None, int | None], tuple[int, int]]:
    left, right = made
    return (
        (left.version if left else None, right.version if right else None),
        (left.rows if left else None, right.rows if right else None),
        (left.quarantined_rows if left else 0, right.quarantined_rows if right else 0),
    )


def _inputs(step: Step, chain: Chain) -> set[tuple[str, str | None, str]]:
    """What a step read, by content; partitions of the model's own count as one."""
    own = chain.target.made.partition
    return {(ref.key, None if ref.partition == own else ref.partition, ref.version) for ref in step.made.inputs}


def _because(left: Materialization, right: Materialization) -> Iterator[str]:
    """What of a step itself is another one, where all it read is the same."""
    if left.raw_files != right.raw_files:
        yield "raw files"
    if left.code_version != right.code_version:
        yield "code"
    if left.config != right.config or left.facts.get(_SETTINGS) != right.facts.get(_SETTINGS):
        yield "settings"
    if left.seed != right.seed:
        yield "seed"
    if left.withdrawn_rows != right.withdrawn_rows:
        yield "withdrawn rows"
    if left.environment.device != right.environment.device or left.environment.threads != right.environment.threads:
        yield "device or threads"
    if left.environment.packages != right.environment.packages or left.environment.python != right.environment.python:
        yield "packages"


def _raw_files(left: Materialization, right: Materialization) -> Iterator[str]:
    before, after = ({file.path: file.sha256 for file in made.raw_files} for made in (left, right))
    for path in sorted(before.keys() | after.keys()):
        if before.get(path) != after.get(path):
            yield f"{path} {'added' if path not in before else 'removed' if path not in after else 'changed'}"


def _identifiers(left: Materialization, right: Materialization, records: Records) -> Iterator[RowChange]:
    """Which games, plays … came and went; only where both versions have an index, and another one."""
    if left.row_index is None or right.row_index is None or left.row_index == right.row_index:
        return
    before, after = (_by_columns(records.row_index(digest)) for digest in (left.row_index, right.row_index))
    for name, side in sorted(before.keys() | after.keys()):
        one, other = before.get((name, side), set()), after.get((name, side), set())
        added, removed = sorted(other - one), sorted(one - other)
        if added or removed:
            kept = len(one & other)
            yield RowChange(
                name, side, len(added), len(removed), kept, tuple(added[:_LISTED]), tuple(removed[:_LISTED])
            )


def _by_columns(index: Iterable[Identifiers]) -> dict[tuple[str, str], set[str]]:
    return {(each.name, each.side): set(each.values()) for each in index}


def _telling(change: PartitionChange) -> tuple[Any, ...]:
    """Partitions that came or went, then origins, then what follows from them; each with the most rows first."""
    before, after = (rows or 0 for rows in change.rows)
    kind = 0 if change.kind != "changed" else 1 if change.origin else 2
    return (kind, -abs(after - before), change.name)


def _code(before: Chain, after: Chain) -> list[CodeChange]:
    """Assets of both chains whose code is another one."""
    versions: list[dict[str, set[str]]] = [defaultdict(set), defaultdict(set)]
    for chain, found in zip((before, after), versions, strict=True):
        for step in chain.steps:
            found[step.made.key].add(step.made.code_version)
    left, right = versions
    return [
        CodeChange(key, tuple(sorted(left[key])), tuple(sorted(right[key])))
        for key in left
        if key in right and left[key] != right[key]
    ]


def _commits(chain: Chain) -> list[str]:
    """Commits that the steps were made at, in order, and whether with changes that were not committed."""
    found: dict[str, None] = {}
    for step in chain.steps:
        where = step.made.environment
        found[f"{where.git_commit or 'unknown'}{' with uncommitted changes' if where.git_dirty else ''}"] = None
    return list(found)


def _settings(pairs: Iterable[tuple[Step, Step]]) -> list[SettingChange]:
    """Configuration, settings that a training resolved, and seeds; the same change in many partitions is one."""
    counts: dict[tuple[str, str], list[tuple[Change, int]]] = defaultdict(list)
    for left, right in pairs:
        one, other = left.made, right.made
        changes = setting_changes(one.config, other.config) if one.config != other.config else []
        resolved = (one.facts.get(_SETTINGS), other.facts.get(_SETTINGS))
        if resolved[0] != resolved[1] and all(isinstance(each, Mapping) for each in resolved):
            changes += setting_changes(resolved[0] or {}, resolved[1] or {})
        if one.seed != other.seed:
            changes.append(Change("seed", one.seed, other.seed))
        for change in changes:
            known = counts[one.key, change.what]
            for number, (same, count) in enumerate(known):
                if same == change:
                    known[number] = (same, count + 1)
                    break
            else:
                known.append((change, 1))
    return [
        SettingChange(key, name, change.before, change.after, count)
        for (key, name), changes_of in counts.items()
        for change, count in changes_of
    ]


def _environment(pairs: Iterable[tuple[Step, Step]]) -> list[Change]:
    """What the models' own steps ran on, each difference once."""
    found: dict[Change, None] = {}
    for left, right in pairs:
        for change in environment_changes(left.made.environment, right.made.environment):
            if change.what not in ("git commit", "uncommitted changes"):  # told with the code
                found[change] = None
    return list(found)


def _checks(pairs: Iterable[tuple[Step, Step]]) -> list[CheckChange]:
    """Checks whose verdict is another one, blocking ones first."""
    found = []
    for left, right in pairs:
        for check in sorted(left.checks.keys() | right.checks.keys()):
            verdicts = _verdict(left, check), _verdict(right, check)
            if verdicts[0] != verdicts[1]:
                blocking = any(step.checks[check].blocking for step in (left, right) if check in step.checks)
                found.append(CheckChange(right.name, check, blocking, *verdicts))
    return sorted(found, key=lambda change: not change.blocking)


def _verdict(step: Step, name: str) -> str | None:
    check = step.checks.get(name)
    if check is None:
        return None
    return "passed" if check.passed else "overridden" if name in step.overrides else "failed"


def _metrics(pairs: Iterable[tuple[Step, Step]]) -> list[MetricChange]:
    """Numbers among the facts of the models' own steps that differ, those of the last step first."""
    found = []
    for left, right in reversed(list(pairs)):
        before, after = dict(_numbers(left.made.facts)), dict(_numbers(right.made.facts))
        names = [*before, *(name for name in after if name not in before)]
        changes = [MetricChange(right.name, name, before.get(name), after.get(name)) for name in names]
        others = (each for each in changes if each.before != each.after)
        # what a line put on top tells more than its tables of intervals and baselines
        found += sorted(others, key=lambda each: (each.metric.count("."), -each.relative))
    return found


def _numbers(facts: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    for name, value in facts.items():
        if name == _SETTINGS or any(part in name for part in _OF_THE_RUN):
            continue
        if isinstance(value, Mapping):
            yield from _numbers(value, f"{prefix}{name}.")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield f"{prefix}{name}", float(value)
