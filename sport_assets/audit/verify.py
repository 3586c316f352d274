"""Whether what lies on disk is still what the records say: files, raw files, records, chain and ledger.

Belongs here: what is compared for a model or for a whole home. Must not come here: each single comparison (the modules
it calls), and printing. Nothing on disk is changed, and a ledger that refuses to open is a finding, not the end.
"""

import stat
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import sqlalchemy as sa

from sport_assets.audit.integrity.chain_check import ChainCheck
from sport_assets.audit.integrity.hashing import hash_files
from sport_assets.audit.integrity.kept_head import KeptHead, check_head
from sport_assets.audit.integrity.raw_check import check_raw, raw_contents
from sport_assets.audit.integrity.record_files import Made, Progress, RecordFiles, silent
from sport_assets.audit.integrity.row_index_check import check_row_indexes
from sport_assets.audit.integrity.snapshot import Snapshot, snapshot, traits
from sport_assets.audit.integrity.store_check import check_versions, unrecorded, versions
from sport_assets.audit.integrity.target import find_entry
from sport_assets.audit.mismatch import Kind, Mismatch, errors
from sport_assets.audit.standing import Graph, Node
from sport_assets.lineage.errors import LineageError
from sport_assets.lineage.home import Home
from sport_assets.lineage.manifest import Collected, Materialization
from sport_assets.lineage.store import Store

_SETTLING_S = 1.0
_ATTEMPTS = 4

__all__ = ["KeptHead", "Kind", "Mismatch", "Verification", "verify"]


@dataclass(frozen=True)
class Verification:
    """What was compared and what is not as recorded."""

    mismatches: list[Mismatch]
    target: str | None = None
    records: int = 0
    versions: int = 0
    files: int = 0
    raw_files: int = 0
    bytes: int = 0
    seconds: float = 0.0

    @property
    def errors(self) -> list[Mismatch]:
        """Evidence of a change."""
        return errors(self.mismatches)

    @property
    def notes(self) -> list[Mismatch]:
        """Worth knowing, but no evidence of a change."""
        return [mismatch for mismatch in self.mismatches if mismatch.severity == "note"]


@dataclass
class _Chain:
    """What the records say, and what is wrong with them."""

    found: list[Mismatch]
    made: list[Made]  # of the model's chain, or of all
    graph: Callable[[], Graph]
    checked: int
    target: Made | None = None
    later: list[Made] = field(default_factory=list)  # beside the model's chain: what took up its raw files last
    collected: dict[tuple[str, str | None, str], str] = field(default_factory=dict)
    subjects: dict[str, str] = field(default_factory=dict)  # a later event's record -> the record it is about


def verify(
    home: Home,
    model: str | None = None,
    *,
    head: KeptHead | None = None,
    threads: int | None = None,
    progress: Progress = silent,
) -> Verification:
    """Compare a model's whole chain (or, without ``model``, everything) with what is on disk.

    With ``head``, all records are compared, and the chain with that head. Raises ``LineageError`` when there are no
    records, or when ``model`` cannot be found in them.
    """
    started, moment = time.perf_counter(), datetime.now(UTC)
    if not home.records.is_dir():
        raise LineageError(f"{home.root} has no records; is SPORT_ASSETS_HOME the right folder?")
    with ExitStack() as stack:
        index, chain = _settled(stack, home, model, head, progress)
        store = Store(home.store)
        folders = versions(store, chain.made, chain.collected)
        raw = raw_contents(chain.made)
        sizes = {str(home.data / name): size for name in raw if (size := _size(home.data / name)) is not None}
        for version in folders:
            sizes |= version.plain()
        hashed_bytes = 0

        def hashed(done: int, total: int) -> None:
            nonlocal hashed_bytes
            hashed_bytes = total
            progress("bytes", done, total)

        digests = hash_files(sizes, threads=threads, progress=hashed)
        known = {
            entry.sha256: f"{entry.path} of {made.name}"
            for made in chain.made
            for entry in (*made.files, *made.raw_files)
        }
        found = [*chain.found, *check_versions(folders, digests, known)]
        if model is None:
            found += unrecorded(store, {version.folder for version in folders}, moment)
        kept = index.kept_digests() if index is not None else {}
        newest = {name: each[-1].entry.sha256 for name, each in raw_contents([*chain.made, *chain.later]).items()}
        found += check_raw(raw, home.data, digests, kept, newest)
        found += check_row_indexes(home, chain.made, index, before=moment if model is None else None)
        return Verification(
            mismatches=_with_models(found, chain) if found else [],
            target=chain.target.name if chain.target is not None else None,
            records=chain.checked,
            versions=len(folders),
            files=sum(len(version.made.files) for version in folders if version.there is not None),
            raw_files=len(raw),
            bytes=hashed_bytes,
            seconds=time.perf_counter() - started,
        )


def _size(path: Path) -> int | None:
    """In bytes; None where no plain file (or link to one) can be found."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None


def _settled(
    stack: ExitStack, home: Home, model: str | None, head: KeptHead | None, progress: Progress
) -> tuple[Snapshot | None, _Chain]:
    """The records compared with the ledger; once more when somebody wrote while they were read."""
    for attempt in range(_ATTEMPTS):
        before = traits(home.ledger)
        with ExitStack() as own:
            refused: list[Mismatch] = []
            files = RecordFiles(home.records)  # before the ledger, which has an entry for each file that is whole
            index = _open(own, home, refused)
            if index is not None:
                files.look_again(row.file for row in index.rows)
            chain = _check_chain(home, files, index, model, head, progress)
            chain.found[:0] = refused
            writing = before != traits(home.ledger) or any(_is_young(each) for each in chain.found)
            if attempt == _ATTEMPTS - 1 or not (errors(chain.found) and writing):
                stack.enter_context(own.pop_all())
                return index, chain
        time.sleep(_SETTLING_S)
    raise AssertionError("the last attempt counts")


def _is_young(mismatch: Mismatch) -> bool:
    """A record file that a running append may have written and not entered yet."""
    moment = mismatch.changed_by
    return mismatch.kind == Kind.RECORD_ADDED and moment is not None and time.time() - moment.timestamp() < 3


def _open(stack: ExitStack, home: Home, refused: list[Mismatch]) -> Snapshot | None:
    if not home.ledger.exists():
        said = "the ledger is gone; the next command makes it anew from the records"
        refused.append(Mismatch(Kind.LEDGER_MISSING, str(home.ledger), said))
        return None
    try:
        return stack.enter_context(snapshot(home))
    except (sa.exc.DatabaseError, TypeError, ValueError) as error:
        said = f"cannot be read ({str(error).splitlines()[0]}); move it aside: the next command makes it anew"
        refused.append(Mismatch(Kind.LEDGER_DAMAGED, str(home.ledger), said))
        return None


def _check_chain(
    home: Home,
    files: RecordFiles,
    index: Snapshot | None,
    model: str | None,
    head: KeptHead | None,
    progress: Progress,
) -> _Chain:
    scope: set[str] | None = None
    later: set[str] = set()
    target = None
    if model is not None:
        if index is None:
            raise LineageError(
                f"{home.ledger} cannot be read, so {model} cannot be found in it. `sport-assets verify --all` compares "
                "everything with the records alone."
            )
        target = find_entry(home, index, model).id
        scope = _behind(files, index, target)
        later = index.took_up_last(scope) - scope
    if scope is None or head is not None:
        files.read_all(progress)
    check = ChainCheck(home, files, index, None if scope is None or head is not None else scope | later)
    found = check.run()
    if head is not None:
        entered = {row.seq: row.hash for row in index.rows} if index is not None else {}
        found += check_head(files, head, entered)
    every = check.made()
    made = every if scope is None else [each for each in every if each.record in scope]
    graph = partial(_graph, every) if scope is None or index is None else partial(Graph.of, index)
    found += _absent(home, made, {each.record for each in every})
    chain = _Chain(found, made, graph, checked=len(files.names) if scope is None or head else len(scope | later))
    believed = (check.believed.get(record) for record in later)
    chain.later = [Made.of(event) for event in believed if isinstance(event, Materialization)]
    chain.target = next((each for each in made if each.record == target), None)
    if index is not None:
        chain.subjects = {row.id: row.subject for row in index.rows if row.subject is not None}
        for row in index.rows:
            if row.kind == "collected":
                chain.collected[row.key, row.partition, row.version] = row.id
    for event in check.believed.values():
        if isinstance(event, Collected):
            chain.collected[event.key, event.partition, event.version] = event.id
    return chain


def _behind(files: RecordFiles, index: Snapshot, target: str) -> set[str]:
    """A record with all it stands on and the later events about these: by the records where they can be believed."""
    seen, waiting = {target}, [target]
    while waiting:
        record = waiting.pop()
        row = index.by_id.get(record)
        name = files.named(record)
        event = files.read(name).event if name is not None else None
        read = {ref.record for ref in getattr(event, "inputs", [])}
        if row is not None:
            read |= {ref.record for ref in index.inputs.get(row.seq, [])}
        waiting += read - seen
        seen |= read
    return seen | {row.id for row in index.rows if row.subject in seen}


def _absent(home: Home, made: list[Made], there: set[str]) -> list[Mismatch]:
    """Inputs of which there is neither a record nor a row."""
    readers: dict[str, Made] = {}
    for each in made:
        for record in each.inputs:
            if record not in there:
                readers.setdefault(record, each)
    return [
        Mismatch(
            Kind.RECORD_MISSING,
            f"{home.records}, record {record}",
            f"{reader.name} was made from it, and neither its file nor its row in the ledger is there",
            good_until=reader.ended,
            name=reader.name,
            record=reader.record,
        )
        for record, reader in sorted(readers.items())
    ]


def _graph(made: list[Made]) -> Graph:
    return Graph(
        (Node(each.record, each.key, each.partition, each.version) for each in made),
        ((each.record, record) for each in made for record in each.inputs),
    )


def _with_models(found: list[Mismatch], chain: _Chain) -> list[Mismatch]:
    """Each with the models that stand on it."""
    graph, cached = chain.graph(), dict[frozenset[str], tuple[str, ...]]()
    told = []
    for mismatch in found:
        own = mismatch.records or [record for record in (mismatch.record,) if record is not None]
        records = frozenset(chain.subjects.get(record, record) for record in own)
        if records not in cached:
            cached[records] = graph.models(records)
        told.append(replace(mismatch, models=cached[records]))
    return told
