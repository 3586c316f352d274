"""Everything that goes into a bundle, read from a home.

Belongs here: which records, files and columns. Must not come here: the documents made from them (one module each), the
archive.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from sport_assets.audit.bundle.archive import Source
from sport_assets.audit.bundle.belonging import belonging
from sport_assets.audit.bundle.chain_proof import ChainList, chain_of
from sport_assets.audit.bundle.names import CARD, EVALUATION, MODEL, ROWS, name_of, record_file
from sport_assets.audit.bundle.subject import ColumnOf, Subject
from sport_assets.audit.chain import Chain, walk
from sport_assets.audit.records import LedgerRecords
from sport_assets.audit.report import report
from sport_assets.lineage.digest import sha256_file
from sport_assets.lineage.errors import StoreDamaged
from sport_assets.lineage.index import ENTRIES, INPUTS
from sport_assets.lineage.manifest import Materialization
from sport_assets.lineage.record import Lineage
from sport_assets.lineage.row_index import index_path, load


@dataclass(frozen=True)
class Contents:
    """What the documents are made from, the files that go in as they are, and the place in the chain."""

    subject: Subject
    files: dict[str, Source]
    chain_list: ChainList


def collect(lineage: Lineage, record_id: str, *, whole_chain: bool = False) -> Contents:
    """Read what a bundle of a model holds. Raises ``StoreDamaged`` when the model's own files are not as recorded.

    ``whole_chain``: every record from the first to the head, also those about other models.
    """
    records = LedgerRecords(lineage)
    chain = walk(records, record_id)
    target = chain.target.made
    evaluated = _beside(lineage, chain, EVALUATION)
    card_made = _beside(lineage, chain, CARD)
    made = {step.made.id: step.made for step in chain.steps}
    for other in (evaluated, card_made):
        if other is not None and other.id not in made:
            made |= {step.made.id: step.made for step in walk(records, other.id).steps}
    head = chain.head
    ids = sorted(belonging(lineage.ledger, made))
    first = min(int(each.split("-")[0]) for each in ids)
    if whole_chain:
        ids = [row.id for row in lineage.ledger.entries(ENTRIES.c.seq >= first, ENTRIES.c.seq <= head.seq)]
    texts = dict(_record_files(lineage, ids))
    files: dict[str, Source] = {record_file(each): text for each, text in texts.items()}
    files |= {f"{MODEL}{file.path}": _stored(lineage, target, file.path) for file in target.files}
    for digest in {each.row_index for each in made.values() if each.row_index is not None}:
        load(lineage.home.records, digest)  # it is the one of that digest
        files[f"{ROWS}{digest}.json"] = index_path(lineage.home.records, digest)
    for name, owner in ((EVALUATION, evaluated), (CARD, card_made)):
        if owner is not None and _folder(lineage, owner).is_dir():
            files[name] = _stored(lineage, owner, name).read_bytes()
    evaluation, card = files.get(EVALUATION), files.get(CARD)
    subject = Subject(
        chain=chain,
        report=report(chain, records),
        records=texts,
        evaluation=json.loads(evaluation) if isinstance(evaluation, bytes) else None,
        card=card.decode() if isinstance(card, bytes) else None,
        card_made=card_made,
        columns=dict(_columns(lineage, made.values())),
    )
    before = next(event["previous"] for event in map(json.loads, texts.values()) if int(event["id"][:8]) == first)
    return Contents(subject, files, chain_of(lineage.ledger, first, before, head))


def _beside(lineage: Lineage, chain: Chain, file: str) -> Materialization | None:
    """The newest materialization with a file of this name that the model stands on, or that was made from the model."""
    under = [step.made for step in chain.steps if _has(step.made, file)]
    if under:
        return under[-1]
    target = chain.target.made
    readers = sa.select(INPUTS.c.seq).where(INPUTS.c.record == target.id)
    rows = lineage.ledger.entries(ENTRIES.c.seq.in_(readers), ENTRIES.c.kind == "materialized", newest_first=True)
    events = (lineage.ledger.load(row) for row in rows)
    return next((each for each in events if isinstance(each, Materialization) and _has(each, file)), None)


def _has(made: Materialization, file: str) -> bool:
    return any(each.path == file for each in made.files)


def _record_files(lineage: Lineage, ids: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    """Record files as they are, each compared with its hash. Raises ``ChainBroken`` for one that was altered."""
    ledger = lineage.ledger
    for event in ledger.several(ids):
        yield event.id, (ledger.home.records / f"{event.at.year:04d}" / f"{event.id}.json").read_bytes()


def _folder(lineage: Lineage, made: Materialization) -> Path:
    return lineage.store.folder(made.key, made.partition, made.version)


def _stored(lineage: Lineage, made: Materialization, file: str) -> Path:
    """A file of a version, after comparing it with its record. Raises ``StoreDamaged``."""
    path = _folder(lineage, made) / file
    [recorded] = [each for each in made.files if each.path == file]
    found = sha256_file(path) if path.is_file() else None
    if found != recorded.sha256:
        state = "gone" if found is None else f"altered (expected {recorded.sha256}, found {found})"
        raise StoreDamaged(
            f"{path}: {state}. A bundle holds only what is as recorded. Look with: sport-assets verify; then build "
            f"{name_of(made)} again: the same inputs give version {made.version[:12]} back."
        )
    return path


def _columns(lineage: Lineage, made: Iterable[Materialization]) -> Iterator[tuple[tuple[str, str], Sequence[ColumnOf]]]:
    """The columns of the tables that are still there as recorded. Another file's columns would be a false statement."""
    import polars as pl

    for each in made:
        for file in each.files:
            path = _folder(lineage, each) / file.path
            if file.path.endswith(".parquet") and path.is_file() and sha256_file(path) == file.sha256:
                schema = pl.read_parquet_schema(path)
                yield (each.id, file.path), [ColumnOf(name, str(dtype)) for name, dtype in schema.items()]
