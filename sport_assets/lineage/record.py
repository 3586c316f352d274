"""The one way in which an asset reads its inputs and publishes its output, so that lineage cannot be forgotten.

Belongs here: ``Lineage`` (a home, opened) and ``Record`` (one materialization on its way). Must not come here: Dagster
(orchestration wraps this), and anything that knows what the files hold.
"""

import os
import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError

from sport_assets.lineage.checks import CheckResult
from sport_assets.lineage.digest import canonical_json
from sport_assets.lineage.environment import environment
from sport_assets.lineage.errors import GateRefused, LineageError, RawFileChanged, StoreDamaged
from sport_assets.lineage.gate import admit, readable
from sport_assets.lineage.home import Home
from sport_assets.lineage.ledger import ENTRIES, Ledger
from sport_assets.lineage.manifest import InputRef, Materialization, RawFile, RecordedCheck, parse_event
from sport_assets.lineage.raw import RawFiles
from sport_assets.lineage.row_index import RowIndex, save
from sport_assets.lineage.store import Store

RAW_LIST = "raw_files.json"


class _Same:
    """The partition of the record itself."""


SAME: Final = _Same()


class Input:
    """A version that passed the gate."""

    def __init__(self, materialization: Materialization, folder: Path, raw: RawFiles) -> None:
        self.materialization = materialization
        self.folder = folder
        self._raw = raw

    @property
    def ref(self) -> InputRef:
        """How a record names this input."""
        made = self.materialization
        return InputRef(key=made.key, partition=made.partition, version=made.version, record=made.id)

    def path(self, name: str) -> Path:
        """One file of the version. Raises ``StoreDamaged`` when it is not there."""
        path = self.folder / name
        if not path.exists():
            raise StoreDamaged(f"{path}: missing from its published version; build {self.materialization.key} again")
        return path

    def raw_files(self, pattern: str = "*") -> list[tuple[RawFile, Path]]:
        """The raw files that this version stands for (file name like ``pattern``), each still as recorded."""
        made = self.materialization
        owner = made.key if made.partition is None else f"{made.key}:{made.partition}"
        return [
            (file, self._raw.expect(file, owner))
            for file in made.raw_files
            if fnmatch(file.path.rsplit("/", 1)[-1], pattern)
        ]

    def raw_path(self, pattern: str) -> Path:
        """The one raw file whose name is like ``pattern``. Raises ``LineageError`` when there is none or several."""
        found = self.raw_files(pattern)
        if len(found) != 1:
            raise LineageError(f"{self.materialization.key}: {len(found)} raw files are named like {pattern}, not one")
        return found[0][1]


@dataclass(frozen=True)
class Published:
    """What came of a record: the materialization as recorded and where its files lie."""

    materialization: Materialization
    folder: Path

    @property
    def rejected(self) -> bool:
        """Whether a blocking check failed: stored and shown, never read."""
        return self.materialization.kind == "rejected"


class Lineage:
    """One home, opened: its store, ledger and raw files."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.ledger = Ledger(home)
        self.store = Store(home.store)
        self.raw = RawFiles(home, self.ledger)

    def close(self) -> None:
        """Release the ledger's connections."""
        self.ledger.close()

    def read(self, key: str, partition: str | None = None) -> Input:
        """A partition's newest version, if the gate lets it pass."""
        return self._input(readable(self.ledger, key, partition))

    def read_version(self, key: str, version: str) -> Input:
        """One version of ``key`` by digest or unambiguous prefix, if the gate lets it pass."""
        rows = self.ledger.entries(
            ENTRIES.c.key == key,
            ENTRIES.c.version.startswith(version, autoescape=True),
            ENTRIES.c.kind.in_(["materialized", "rejected"]),
            newest_first=True,
        )
        if len({row.version for row in rows}) != 1:
            found = "none" if not rows else f"{len({row.version for row in rows})}"
            raise GateRefused(key, None, f"{found} of its versions begin with {version}", "Give more of the digest.")
        return self.read_record(rows[0].id)

    def read_record(self, record_id: str) -> Input:
        """What one record published, if the gate lets it pass."""
        materialization = self.ledger.event(record_id)
        if not isinstance(materialization, Materialization):
            raise LineageError(f"record {record_id} is a {materialization.kind} event, not a materialization")
        admit(self.ledger, materialization)
        return self._input(materialization)

    def _input(self, materialization: Materialization) -> Input:
        made = materialization
        folder = self.store.folder(made.key, made.partition, made.version)
        if not folder.is_dir():
            raise GateRefused(
                made.key,
                made.partition,
                f"its files are gone from {folder}" + (" (freed by gc)" if self._collected(made) else ""),
                f"Build it again: the same inputs give version {made.version[:12]} back.",
            )
        return Input(made, folder, self.raw)

    def _collected(self, made: Materialization) -> bool:
        return bool(self.ledger.entries(ENTRIES.c.version == made.version, ENTRIES.c.kind == "collected", limit=1))

    @contextmanager
    def record(
        self,
        key: str,
        partition: str | None = None,
        *,
        code_version: str,
        config: Mapping[str, Any] | None = None,
        seed: int | None = None,
        run_id: str = "",
    ) -> Iterator["Record"]:
        """Begin one materialization. Whatever ends it before ``publish`` leaves nothing visible."""
        with self.store.stage() as staged:
            record = Record(self, staged, key, partition, code_version, dict(config or {}), seed, run_id)
            yield record
            if record.published is None:
                raise LineageError(f"{key}: the asset ended without publishing; call record.publish()")


class Record:
    """One materialization on its way: reads through the gate, writes aside, publishes all or nothing."""

    def __init__(
        self,
        lineage: Lineage,
        staged: Path,
        key: str,
        partition: str | None,
        code_version: str,
        config: dict[str, Any],
        seed: int | None,
        run_id: str,
    ) -> None:
        canonical_json(config)  # refuse what cannot be recorded before any work is done
        self.lineage = lineage
        self.folder = staged
        self.key, self.partition = key, partition
        self.published: Published | None = None
        self.device, self.threads = "cpu", int(os.environ.get("POLARS_MAX_THREADS") or os.cpu_count() or 1)
        self.seed = seed
        self._code_version, self._config, self._run_id = code_version, config, run_id
        self._inputs: dict[tuple[str, str | None, str], InputRef] = {}
        self._raw_files: dict[str, RawFile] = {}
        self._raw_reads: dict[str, RawFile] = {}
        self._checks: dict[str, CheckResult] = {}
        self._quarantined_rows = 0
        self._row_index = RowIndex()
        self._withdrawn_rows: list[dict[str, str]] = []
        self._started = datetime.now(UTC)

    def read(self, key: str, partition: str | _Same | None = SAME) -> Input:
        """Read an input through the gate and note it; by default the partition that is being made."""
        wanted = self.partition if isinstance(partition, _Same) else partition
        return self._note(self.lineage.read(key, wanted))

    def read_version(self, key: str, version: str) -> Input:
        """Read one version by digest through the gate and note it, as pinned."""
        return self._note(self.lineage.read_version(key, version), pinned=True)

    def read_publisher(self, sha256: str) -> Input | None:
        """Read through the gate, as pinned, what published a file of this content; None where nothing here did.

        A published file that was copied to another place is still what it was made from.
        """
        made = self.lineage.ledger.publisher(sha256)
        return None if made is None else self._note(self.lineage.read_record(made.id), pinned=True)

    def read_again(self, ref: InputRef) -> Input:
        """Read the very version that another record read, and note it.

        The gate is asked for that version and for the partition's newest one: a closed partition gives nothing.
        """
        readable(self.lineage.ledger, ref.key, ref.partition)
        return self._note(self.lineage.read_record(ref.record))

    def _note(self, found: Input, *, pinned: bool = False) -> Input:
        self._unpublished("read")
        ref = found.ref.model_copy(update={"pinned": pinned})
        self._inputs.setdefault((ref.key, ref.partition, ref.version), ref)
        for file in found.materialization.raw_files:
            self._raw_reads[file.path] = file
        return found

    @property
    def inputs(self) -> list[InputRef]:
        """What was read so far, sorted by key, partition and version."""
        return [
            ref for _, ref in sorted(self._inputs.items(), key=lambda item: (item[0][0], item[0][1] or "", item[0][2]))
        ]

    def register_raw(self, relative_paths: Sequence[str], *, listed: bool = True) -> list[RawFile]:
        """Record raw files by digest; their list becomes this version's content (``raw_files.json``).

        Where a version stands for a part of what its raw files hold (a year of an archive), their list is no content
        of it (``listed=False``): the asset writes what it stands for, and the rest may change without a new version.
        """
        files = [self.lineage.raw.register(path) for path in sorted(relative_paths)]
        self._raw_files |= {file.path: file for file in files}
        if not listed:
            return files
        listing = [file.model_dump() for _, file in sorted(self._raw_files.items())]
        self.output(RAW_LIST).write_text(canonical_json(listing) + "\n", encoding="utf-8")
        return files

    def output(self, name: str) -> Path:
        """Where to write one file of the output; its folders exist."""
        self._unpublished("write")
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def take_folder(self, folder: Path) -> None:
        """Take all files of a finished working folder into the output (copied: the working folder stays)."""
        self._unpublished("write")
        shutil.copytree(folder, self.folder, dirs_exist_ok=True)
        for path in [self.folder, *self.folder.rglob("*")]:
            if path.is_dir():
                path.chmod(0o755)  # copied from a read-only version, it still has to be written to

    def check(self, results: CheckResult | Iterable[CheckResult]) -> None:
        """Note check results. They belong to the record, so they come before ``publish``."""
        self._unpublished("check")
        for result in [results] if isinstance(results, CheckResult) else results:
            if result.name in self._checks:
                raise LineageError(f"{self.key}: check {result.name} was noted twice")
            self._checks[result.name] = result

    def quarantined(self, rows: int) -> None:
        """Add to the number of rows that were set aside."""
        self._unpublished("quarantine")
        self._quarantined_rows += rows

    def index_rows(self, columns: Sequence[str], values: Iterable[object], side: str = "") -> None:
        """Say what the rows of the output are about, so that audits find them: ``index_rows(["game_id"], games)``.

        Several columns that only together name something (a play) take tuples. ``side`` tells apart what was trained,
        validated and tested on. Raises ``LineageError`` for missing values.
        """
        self._unpublished("index")
        self._row_index.add(columns, values, side)

    def withdrawn_rows(self, columns: Collection[str]) -> list[dict[str, str]]:
        """Row sets (column -> value) that may not be used any more, of those that ``columns`` can tell.

        The asset sets such rows aside; that it was told so is noted.
        """
        self._unpublished("read")
        standing = [event for event in self.lineage.ledger.withdrawals() if event.rows is not None]
        found = [dict(event.rows) for event in standing if event.rows and event.key in (None, self.key)]
        self._withdrawn_rows = sorted(
            (rows for rows in found if set(rows) <= set(columns)), key=lambda rows: sorted(rows.items())
        )
        return self._withdrawn_rows

    def publish(self, *, rows: int | None = None, facts: Mapping[str, Any] | None = None) -> Published:
        """Make the output visible, with its record, or as *rejected* when a blocking check failed.

        ``rows`` is the number of rows (or samples) in it; ``facts`` are JSON-able numbers and texts for audits.
        """
        self._unpublished("publish")
        draft = self._draft(rows, facts)  # what cannot be recorded is refused before anything is visible
        for file in self._raw_reads.values():
            if self.lineage.raw.register(file.path) != file:
                raise RawFileChanged(f"{self.lineage.raw.path(file.path)}: changed while {self.key} read it; run again")
        if self._row_index:
            index = save(self.lineage.home.records, self._row_index, aside=self.folder)
            draft = draft.model_copy(update={"row_index": index})
        version, files = self.lineage.store.publish(self.folder, self.key, self.partition)
        event = draft.model_copy(update={"version": version, "files": files, "ended": datetime.now(UTC)})
        recorded = self.lineage.ledger.append(event)
        assert isinstance(recorded, Materialization)
        self.published = Published(recorded, self.lineage.store.folder(self.key, self.partition, version))
        return self.published

    def _draft(self, rows: int | None, facts: Mapping[str, Any] | None) -> Materialization:
        """The record without version and files. Raises ``LineageError`` when something in it is not JSON-able."""
        checks = [RecordedCheck.of(result) for result in self._checks.values()]
        rejected = any(check.blocking and not check.passed for check in checks)
        try:
            draft = Materialization(
                kind="rejected" if rejected else "materialized",
                key=self.key,
                partition=self.partition,
                version="",
                files=[],
                inputs=self.inputs,
                raw_files=[file for _, file in sorted(self._raw_files.items())],
                code_version=self._code_version,
                config=self._config,
                seed=self.seed,
                checks=checks,
                rows=rows,
                quarantined_rows=self._quarantined_rows,
                withdrawn_rows=self._withdrawn_rows,
                facts=dict(facts or {}),
                run_id=self._run_id,
                environment=environment(self.device, self.threads),
                started=self._started,
                ended=datetime.now(UTC),
            )
            parse_event(draft.model_dump_json())
        except (ValidationError, PydanticSerializationError) as error:
            raise LineageError(
                f"{self.key}: facts, configuration or checks cannot be recorded as JSON: {error}"
            ) from error
        return draft

    def _unpublished(self, doing: str) -> None:
        if self.published is not None:
            raise LineageError(f"{self.key}: already published; nothing can be added to its record ({doing})")

    @property
    def checks(self) -> list[CheckResult]:
        """The check results noted so far."""
        return list(self._checks.values())
