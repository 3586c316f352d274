"""What stands on what, as a graph of records: the way back to all they were made from, the way forth to models.

Belongs here: reachability over record ids. Must not come here: what is done with the answer (``verify``, ``collect``).
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from sport_assets.audit.chain import is_model, name_of
from sport_assets.audit.integrity.snapshot import Snapshot
from sport_assets.lineage.lookup import MADE


class Node(NamedTuple):
    """A materialization as a point of the graph."""

    record: str
    key: str
    partition: str | None
    version: str

    @property
    def name(self) -> str:
        """The asset with its partition."""
        return name_of(self.key, self.partition)

    @property
    def is_model(self) -> bool:
        """Whether this is an exported model or a model card."""
        return is_model(self.key)


class Graph:
    """Records and which of them read which. ``edges``: (reader, what it read), both as record ids."""

    def __init__(self, nodes: Iterable[Node], edges: Iterable[tuple[str, str]]) -> None:
        self.nodes = {node.record: node for node in nodes}
        self._inputs: dict[str, list[str]] = defaultdict(list)
        self._readers: dict[str, list[str]] = defaultdict(list)
        for reader, read in edges:
            self._inputs[reader].append(read)
            self._readers[read].append(reader)

    @classmethod
    def of(cls, index: Snapshot) -> "Graph":
        """From the ledger's tables."""
        made = {row.seq: row for row in index.rows if row.kind in MADE}
        return cls(
            (Node(row.id, row.key, row.partition, row.version) for row in made.values()),
            ((made[seq].id, row.record) for seq, rows in index.inputs.items() if seq in made for row in rows),
        )

    def behind(self, records: Iterable[str]) -> set[str]:
        """These records and all they were made from."""
        return _reach(records, self._inputs)

    def ahead(self, records: Iterable[str]) -> set[str]:
        """These records and all that was made from them."""
        return _reach(records, self._readers)

    def readers(self, record: str) -> list[str]:
        """Those that read this record directly."""
        return self._readers.get(record, [])

    def models(self, records: Iterable[str]) -> tuple[str, ...]:
        """Exported models and model cards that stand on any of these records, with the begin of their version."""
        found = (self.nodes[record] for record in self.ahead(records) if record in self.nodes)
        return tuple(sorted({f"{node.name} ({node.version[:12]})" for node in found if node.is_model}))


def _reach(records: Iterable[str], steps: dict[str, list[str]]) -> set[str]:
    seen = set(records)
    waiting = list(seen)
    while waiting:
        for record in steps.get(waiting.pop(), ()):
            if record not in seen:
                seen.add(record)
                waiting.append(record)
    return seen
