"""What a bundle is about, as all its documents read it.

Belongs here: the chain with what was read beside it, and questions that several documents ask. Must not come here:
reading the home (``collect``), any one format.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from sport_assets.audit.chain import Chain, Step
from sport_assets.lineage.digest import sha256_bytes
from sport_assets.lineage.manifest import Materialization


class ColumnOf(NamedTuple):
    """A column of a table: its name and its polars type as text."""

    name: str
    dtype: str


class Measure(NamedTuple):
    """A number of an evaluation: where it stands, and its interval where it has one."""

    path: tuple[str, ...]
    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Subject:
    """The chain behind a model, its record files as they are, and its evaluation and card where there are any.

    ``card_made`` is the record of the card, which stands on the model, not under it. ``columns`` are those of tables
    by record and file, as far as their files were there.
    """

    chain: Chain
    report: Mapping[str, Any]
    records: Mapping[str, bytes]
    evaluation: Mapping[str, Any] | None = None
    card: str | None = None
    card_made: Materialization | None = None
    columns: Mapping[tuple[str, str], Sequence[ColumnOf]] = field(default_factory=dict)

    @property
    def made(self) -> Materialization:
        """The model's own record."""
        return self.chain.target.made

    def digest(self, record_id: str) -> str:
        """SHA-256 of a record file, which is its hash in the chain."""
        return sha256_bytes(self.records[record_id])

    @cached_property
    def trained(self) -> list[Step]:
        """The trainings in the chain."""
        return [step for step in self.chain.steps if step.is_trained]

    @cached_property
    def data(self) -> list[Step]:
        """The steps that no training stands under: what the model learned and was measured from."""
        after: set[str] = {step.made.id for step in self.trained}
        found = []
        for step in self.chain.steps:  # upstream first
            if step.made.id in after or any(ref.record in after for ref in step.made.inputs):
                after.add(step.made.id)
            else:
                found.append(step)
        return found

    @cached_property
    def sections(self) -> dict[str, str]:
        """The card's text by heading, in small letters."""
        return sections(self.card or "")

    @cached_property
    def measures(self) -> list[Measure]:
        """Every number under ``metrics`` and ``baselines`` of the evaluation; the path begins with one of these."""
        evaluation = self.evaluation or {}
        return [
            measure for name in ("metrics", "baselines") for measure in _measures((name,), evaluation.get(name, {}))
        ]


def sections(text: str) -> dict[str, str]:
    """The second-level sections of a Markdown text by heading, in small letters."""
    found: dict[str, str] = {}
    lines: list[str] = []
    heading, fenced = "", False
    for line in [*text.splitlines(), "## "]:
        fenced ^= line.lstrip().startswith("```")
        if line.startswith("## ") and not fenced:
            found[heading] = "\n".join(lines).strip()
            heading, lines = line[3:].strip().lower(), []
        else:
            lines.append(line)
    found.pop("", None)
    return found


def bullets(text: str) -> list[str]:
    """The items of a Markdown list; the whole text where there is no list."""
    items = re.split(r"(?m)^[-*] ", text)
    found = items[1:] if len(items) > 1 else items
    return [" ".join(item.split()) for item in found if item.strip()]


def _measures(path: tuple[str, ...], value: Any) -> Iterator[Measure]:
    if _is_number(value):
        yield Measure(path, value, None, None)
    elif isinstance(value, Mapping):
        if _is_number(value.get("value")):
            low, high = (value[end] if _is_number(value.get(end)) else None for end in ("low", "high"))
            yield Measure(path, value["value"], low, high)
        else:
            for name, inner in value.items():
                yield from _measures((*path, str(name)), inner)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
