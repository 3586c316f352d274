"""Where an audit's records come from: the ledger of a home, or the record files of a bundle.

Belongs here: getting at records, the same way from both. Must not come here: what they add up to (``chain``).
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple, Protocol

from sport_assets.lineage.gate import covers
from sport_assets.lineage.lookup import Head
from sport_assets.lineage.manifest import Event, Materialization, Restored, Withdrawn, parse_event
from sport_assets.lineage.record import Lineage
from sport_assets.lineage.row_index import ROWS_FOLDER, Identifiers, load, parse, wanted

Partition = tuple[str, str | None]
HEAD_FILE = "head.json"


class Newest(NamedTuple):
    """The newest materialization of a partition."""

    version: str
    record: str


class Records(Protocol):
    """The questions an audit asks."""

    def materializations(self, ids: Iterable[str]) -> dict[str, Materialization]:
        """Those that are there, by record id."""

    def about(self, ids: Iterable[str]) -> list[Event]:
        """Later events on them (checks, overrides), in order of the chain."""

    def withdrawn(self, made: Iterable[Materialization]) -> dict[str, Withdrawn]:
        """Those that a standing withdrawal is about, by record id."""

    def newest(self, keys: Iterable[str]) -> dict[Partition, Newest]:
        """The newest materialization of every partition of these assets."""

    def row_index(self, digest: str) -> list[Identifiers]:
        """What rows are about. Raises ``ChainBroken`` where the index is gone or altered."""

    def head(self) -> Head:
        """The end of the chain of records."""


class LedgerRecords:
    """Records of an open home."""

    def __init__(self, lineage: Lineage) -> None:
        self._ledger = lineage.ledger

    def materializations(self, ids: Iterable[str]) -> dict[str, Materialization]:
        """Those that are there, by record id. Raises ``ChainBroken`` for a record that was altered."""
        return {event.id: event for event in self._ledger.several(ids) if isinstance(event, Materialization)}

    def about(self, ids: Iterable[str]) -> list[Event]:
        """Later events on them, in order of the chain."""
        return self._ledger.about_several(ids)

    def withdrawn(self, made: Iterable[Materialization]) -> dict[str, Withdrawn]:
        """Those that a standing withdrawal is about, by record id."""
        standing = self._ledger.withdrawals()
        found = {one.id: next((e for e in standing if covers(self._ledger, e, one)), None) for one in made if standing}
        return {record: event for record, event in found.items() if event is not None}

    def newest(self, keys: Iterable[str]) -> dict[Partition, Newest]:
        """The newest materialization of every partition of these assets."""
        return {(row.key, row.partition): Newest(row.version, row.id) for row in self._ledger.newest(keys)}

    def row_index(self, digest: str) -> list[Identifiers]:
        """What rows are about."""
        return load(self._ledger.home.records, digest)

    def head(self) -> Head:
        """The end of the chain of records."""
        return self._ledger.head()


class FileRecords:
    """Records in a folder, as a bundle holds them: ``<record id>.json``, ``rows/``, and ``head.json`` of their ledger.

    What was withdrawn or made anew after the bundle was packed is not known here.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        paths = sorted(path for path in folder.glob("*.json") if path.name != HEAD_FILE)
        self._events = {path.stem: parse_event(path.read_bytes()) for path in paths}

    def materializations(self, ids: Iterable[str]) -> dict[str, Materialization]:
        """Those that are there, by record id."""
        found = {record: self._events.get(record) for record in ids}
        return {record: event for record, event in sorted(found.items()) if isinstance(event, Materialization)}

    def about(self, ids: Iterable[str]) -> list[Event]:
        """Later events on them, in order of the chain."""
        subjects = set(ids)
        return [event for event in self._events.values() if getattr(event, "subject", None) in subjects]

    def withdrawn(self, made: Iterable[Materialization]) -> dict[str, Withdrawn]:
        """Those that a bundled withdrawal is about, by record id."""
        restored = {event.subject for event in self._events.values() if isinstance(event, Restored)}
        standing = [e for e in self._events.values() if isinstance(e, Withdrawn) and e.id not in restored]
        found = {one.id: next((e for e in standing if covers(self, e, one)), None) for one in made if standing}
        return {record: event for record, event in found.items() if event is not None}

    def has_rows(self, row_index: str | None, row: Mapping[str, str]) -> bool:
        """Whether a row index holds this row set (column -> value)."""
        columns, value = wanted(row)
        held = self.row_index(row_index) if row_index is not None else []
        return any(found.name == columns and value in found.values() for found in held)

    def newest(self, keys: Iterable[str]) -> dict[Partition, Newest]:
        """The newest bundled materialization of every partition of these assets."""
        wanted_keys = set(keys)
        made = [e for e in self._events.values() if isinstance(e, Materialization) and e.key in wanted_keys]
        return {(one.key, one.partition): Newest(one.version, one.id) for one in made}

    def row_index(self, digest: str) -> list[Identifiers]:
        """What rows are about."""
        path = self._folder / ROWS_FOLDER / f"{digest}.json"
        return parse(path.read_text(encoding="utf-8"), digest, path.name)

    def head(self) -> Head:
        """The end of the chain of records that the bundle was cut from."""
        content = json.loads((self._folder / HEAD_FILE).read_text(encoding="utf-8"))
        return Head(content["seq"], content["hash"])
