"""Whether a model was judged by what it, or anything it was made from, had learned from: told from row indexes alone.

Belongs here: comparing sides of a split, and what was measured with what every checkpoint behind it was trained on
(teachers of labels and weights to begin with included, where a record tells of their training). Must not come here:
near-duplicates, which need the samples themselves; Dagster's checks (orchestration).

A *trained* step is one whose record has a ``spec_digest``: a checkpoint. Its row index holds what its trainings really
read: ``train``, ``valid``, and by fold ``train fold:0``, ``valid fold:0``. An evaluation's holds what it measured:
``test`` where weights are judged by a hold-out, ``test fold:0`` where those of a fold are judged by what it held out.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sport_assets.audit.chain import Chain, Step
from sport_assets.audit.findings import Finding
from sport_assets.lineage.row_index import Identifiers

LoadIndex = Callable[[str], Sequence[Identifiers]]
SPLIT_FILE = "split.json"
_SHOWN = 5


@dataclass(frozen=True)
class Leak:
    """Rows that were measured (or held out) on one side and learned from on another."""

    step: Step
    columns: tuple[str, ...]
    side: str
    other: str
    rows: tuple[tuple[str, ...], ...]

    def told(self) -> str:
        """How many, which, and where, in words."""
        shown = "; ".join(
            ", ".join(f"{name} {value}" for name, value in zip(self.columns, row, strict=True))
            for row in self.rows[:_SHOWN]
        )
        more = f" and {len(self.rows) - _SHOWN:,} more" if len(self.rows) > _SHOWN else ""
        return f"{len(self.rows):,} by {', '.join(self.columns)} are in {self.side} and in {self.other}: {shown}{more}"


@dataclass
class Comparison:
    """What came of comparing measured rows with the trainings behind them."""

    leaks: list[Leak] = field(default_factory=list)
    compared: int = 0
    """Measured rows that were looked for, over all trainings."""
    trainings: int = 0
    unknown: list[Step] = field(default_factory=list)
    """Trainings that do not tell what they read, or not by the columns of what was measured."""


def leakage(chain: Chain, load_index: LoadIndex) -> list[Finding]:
    """Findings of leakage in a chain: splits with something on two sides, evaluations by what was trained on."""
    found = []
    for step in chain.steps:
        if step.is_trained or any(file.path == SPLIT_FILE for file in step.made.files):
            found += [_split_finding(leak) for leak in two_sides(step, _index(step, load_index))]
    for step in chain.steps:
        if _judges(chain, step):
            found += _evaluation_findings(chain, step, load_index)
    return found


def two_sides(step: Step, index: Sequence[Identifiers]) -> Iterator[Leak]:
    """Rows that are on two sides of a split, of a training, or of one of its folds."""
    sides = {(found.columns, found.side): set(found.rows) for found in index if found.side}
    for (columns, side), rows in sorted(sides.items()):
        kind, _, part = side.partition(" ")
        for other_kind in ("train", "valid", "test"):
            other = f"{other_kind} {part}".strip()
            both = rows & sides.get((columns, other), set()) if kind < other_kind else set()
            if both:
                yield Leak(step, columns, side, other, tuple(sorted(both)))


def compare(
    measured: Iterable[Identifiers], trained: Iterable[Step], same_folds: Iterable[str], load_index: LoadIndex
) -> Comparison:
    """Look for measured rows among those that trainings read.

    ``same_folds`` are the record ids of the trainings of which a fold's weights were made by the same fold: there, what
    is held out by a fold is looked for in that fold alone. Everywhere else it must not be in the training at all.
    """
    tested, result, by_fold = list(measured), Comparison(), set(same_folds)
    for step in trained:
        result.trainings += 1
        read: dict[tuple[str, ...], dict[str, set[tuple[str, ...]]]] = defaultdict(dict)
        for found in _index(step, load_index):
            read[found.columns][found.side] = set(found.rows)
        told = 0
        for wanted in tested:
            sides = _learned_from(read.get(wanted.columns, {}), wanted.side, step.made.id in by_fold)
            told += len(sides)
            for side, rows in sides.items():
                result.compared += len(wanted.rows)
                both = rows.intersection(wanted.rows)
                if both:
                    result.leaks.append(Leak(step, wanted.columns, wanted.side, side, tuple(sorted(both))))
        if not told:
            result.unknown.append(step)
    return result


def trainings_behind(chain: Chain, record_id: str) -> list[Step]:
    """The trained steps that a step was made from, itself included."""
    return [step for step in (chain.step(record_id), *chain.behind(record_id)) if step.is_trained]


def folds_go_on(chain: Chain, record_ids: Iterable[str]) -> set[str]:
    """Record ids of trainings whose folds go on in the same folds: these, and trainings that one started from."""
    seen: set[str] = set()
    waiting = list(record_ids)
    while waiting:
        record = waiting.pop()
        if record in chain.by_record and record not in seen and chain.step(record).is_trained:
            seen.add(record)
            waiting += [ref.record for ref in chain.step(record).made.inputs]
    return seen


def _learned_from(
    sides: Mapping[str, set[tuple[str, ...]]], measured: str, same_folds: bool
) -> dict[str, set[tuple[str, ...]]]:
    """The sides that the weights which were measured learned from. A fold's own held-out side chose nothing."""
    _, _, fold = measured.partition(" ")
    if fold and same_folds and f"train {fold}" in sides:
        return {f"train {fold}": sides[f"train {fold}"]}
    return {side: rows for side, rows in sides.items() if side in ("train", "valid")}


def _judges(chain: Chain, step: Step) -> bool:
    """Whether a step is an evaluation: it read a checkpoint, is none, and says what it measured (or ought to)."""
    if step.is_trained or not (step.made.row_index or step.made.key.endswith("/evaluation")):
        return False
    return any(chain.step(ref.record).is_trained for ref in step.made.inputs if ref.record in chain.by_record)


def _evaluation_findings(chain: Chain, step: Step, load_index: LoadIndex) -> Iterator[Finding]:
    measured = [found for found in _index(step, load_index) if found.side.startswith("test")]
    if not measured:
        yield _unknown(step, "what it measured", step)
        return
    trained = [one for one in chain.behind(step.made.id) if one.is_trained]
    compared = compare(measured, trained, folds_go_on(chain, [ref.record for ref in step.made.inputs]), load_index)
    for leak in compared.leaks:
        yield Finding(
            "test_data_in_training",
            "error",
            leak.step.made.id,
            step.name,
            f"it is judged by what {leak.step.name} was trained on: {leak.told()}",
            f"Split so that {leak.step.name} is trained on none of it, then build both again.",
        )
    for one in compared.unknown:
        yield _unknown(step, "what it was trained on", one)


def _unknown(step: Step, what: str, silent: Step) -> Finding:
    return Finding(
        "leakage_unknown",
        "warning",
        silent.made.id,
        step.name,
        f"whether it is judged by what was trained on cannot be told: {silent.name} does not say {what}",
        f"Build {silent.name} again: what it reads is recorded since.",
    )


def _split_finding(leak: Leak) -> Finding:
    return Finding(
        "split_leakage",
        "error",
        leak.step.made.id,
        leak.step.name,
        leak.told(),
        "Make the split again so that nothing is on two sides.",
    )


def _index(step: Step, load_index: LoadIndex) -> Sequence[Identifiers]:
    return load_index(step.made.row_index) if step.made.row_index is not None else []
