"""The way forward: what a raw file, a partition, a version or a set of rows went into.

Belongs here: which materializations hold or stand on something. Must not come here: the way back (``chain``), doing
something about it (``withdraw``, orchestration).
"""

from collections.abc import Collection, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import sqlalchemy as sa

from sport_assets.audit.chain import TRAINED, is_model, name_of
from sport_assets.lineage.digest import sha256_file
from sport_assets.lineage.errors import ChainBroken, LineageError
from sport_assets.lineage.index import ENTRIES, FILES, INPUTS, ROWS, among
from sport_assets.lineage.lookup import MADE, Lookup
from sport_assets.lineage.models import find_record
from sport_assets.lineage.row_index import wanted


class Made(NamedTuple):
    """A materialization by name."""

    record: str
    key: str
    partition: str | None
    version: str
    at: str

    @property
    def name(self) -> str:
        """Asset and partition."""
        return name_of(self.key, self.partition)


class Affected(NamedTuple):
    """A materialization that holds the subject itself, or stands on it.

    ``sides``: where a row index tells, on which side the rows are (train, test …). ``newest``: it is what its partition
    gives today.
    """

    made: Made
    how: Literal["holds", "stands on"]
    sides: tuple[str, ...]
    newest: bool

    @property
    def is_model(self) -> bool:
        """An exported model or a model card."""
        return is_model(self.made.key)


@dataclass(frozen=True)
class Subject:
    """What was asked about: a text for people, the records that hold it, and the rows, if it is rows."""

    text: str
    holders: Mapping[str, tuple[str, ...]]
    """Sides by record id."""
    rows: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Impact:
    """All that a subject went into, in the order of the records."""

    subject: Subject
    affected: tuple[Affected, ...]

    @property
    def models(self) -> list[Affected]:
        """Exported models and cards."""
        return [one for one in self.affected if one.is_model]

    @property
    def current(self) -> list[Affected]:
        """What is the newest of its partition: this is what would have to be made again."""
        return [one for one in self.affected if one.newest]

    def to_json(self) -> dict[str, Any]:
        """As ``sport-assets impact --json`` prints it."""
        return {
            "subject": self.subject.text,
            "rows": dict(self.subject.rows) if self.subject.rows else None,
            "affected": [
                {
                    "name": one.made.name,
                    "asset": one.made.key,
                    "partition": one.made.partition,
                    "version": one.made.version,
                    "record": one.made.record,
                    "at": one.made.at,
                    "how": one.how,
                    "sides": list(one.sides),
                    "newest": one.newest,
                    "model": one.is_model,
                }
                for one in self.affected
            ],
        }


def subject_of_rows(ledger: Lookup, rows: Mapping[str, str], key: str | None = None) -> Subject:
    """The rows in which every column has this value (of one asset where ``key`` is given).

    Raises ``LineageError`` when no row index has these columns together.
    """
    text = " and ".join(f"{name}={value}" for name, value in sorted(rows.items()))
    try:
        hits = ledger.rows_with(rows)
    except KeyError as error:
        known = "; ".join(columns.replace(",", " with ") for columns in ledger.row_columns()) or "none yet"
        raise LineageError(
            f"rows cannot be looked up by {' with '.join(sorted(rows))}; they can by: {known}"
        ) from error
    holders: dict[str, tuple[str, ...]] = {}
    for hit in hits:
        if key in (None, hit.entry.key):
            holders[hit.entry.id] = (*holders.get(hit.entry.id, ()), *([hit.side] if hit.side else []))
    return Subject(f"rows with {text}", holders, dict(rows))


def subject_of(ledger: Lookup, text: str) -> Subject:
    """A raw file (by path or digest), ``KEY``, ``KEY:PARTITION`` (all versions), or one version (folder, file, digest).

    Raises ``LineageError`` when nothing of that name is known.
    """
    raw = _raw_digests(ledger, text)
    if raw:
        return Subject(f"raw file {text}", _holders(ledger, ENTRIES.c.seq.in_(_files_of(raw))))
    key, _, partition = text.partition(":")
    if "/" in key and not Path(text).exists():
        conditions = [ENTRIES.c.key == key] + ([ENTRIES.c.partition == partition] if partition else [])
        holders = _holders(ledger, *conditions)
        if holders:
            return Subject(text, holders)
    made = find_record(ledger, text)
    same = _holders(ledger, ENTRIES.c.key == made.key, ENTRIES.c.version == made.version)
    name = f"{name_of(made.key, made.partition)} version {made.version[:12]}"
    return Subject(name, same)


def _raw_digests(ledger: Lookup, text: str) -> set[str]:
    """Digests of the raw files that a path (on disk, or as recorded) or a digest means."""
    path = Path(text)
    asked = FILES.c.sha256 == sha256_file(path) if path.is_file() else FILES.c.path == text
    if not path.is_file() and len(text) >= 8 and all(c in "0123456789abcdef" for c in text):
        asked = FILES.c.sha256.startswith(text)
    with ledger.reading() as connection:
        return set(connection.execute(sa.select(FILES.c.sha256).where(FILES.c.raw.is_(True), asked)).scalars())


def _files_of(digests: Iterable[str]) -> sa.Select[Any]:
    return sa.select(FILES.c.seq).where(FILES.c.raw.is_(True), FILES.c.sha256.in_(among(digests)))


def impact(ledger: Lookup, subject: Subject) -> Impact:
    """Everything that holds the subject or stands on what holds it.

    Of rows, what has a row index of the same columns in which they are not, does not hold them: they were quarantined,
    or were not among what a training used. Nothing is said of what stands on that alone. But what was learned from rows
    is in the weights, whatever these are shown later: all that stands on such a training stands on the rows.
    """
    affected: dict[str, Made] = {}
    waiting: Collection[str] = subject.holders
    with ledger.reading() as connection:
        while waiting:
            affected |= {made.record: made for made in _reached(connection, waiting, subject.rows)}
            # readers whose own index has not the rows; of whole materializations, there are none
            without = _readers(connection, affected) - affected.keys() if subject.rows else ()
            waiting = _learned(ledger, connection, without, affected)
    newest = {row.id for row in ledger.newest({made.key for made in affected.values()})}
    return Impact(
        subject,
        tuple(
            Affected(
                made,
                "holds" if made.record in subject.holders else "stands on",
                subject.holders.get(made.record, ()),
                made.record in newest,
            )
            for made in (affected[record] for record in sorted(affected))
        ),
    )


def _learned(ledger: Lookup, connection: sa.Connection, records: Iterable[str], affected: Container[str]) -> set[str]:
    """Those of the records that stand, by way of what is affected, on a training that is."""
    standing: dict[str, set[str]] = {record: {record} for record in records}  # which of them stand on each
    found: set[str] = set()
    waiting = set(standing)
    while waiting:
        level: set[str] = set()
        for reader, read in _inputs(connection, waiting):
            more = standing[reader] - standing.get(read, set())
            if read in affected and more:
                standing.setdefault(read, set()).update(more)
                level.add(read)
        trained = {record for record in level if _is_trained(ledger, record)}
        found = found.union(*(standing[record] for record in trained))
        waiting = level - trained
    return found


def _is_trained(ledger: Lookup, record: str) -> bool:
    """Whether a record is that of a training. One that cannot be read may be: what stands on it is listed."""
    try:
        return TRAINED in getattr(ledger.event(record), "facts", {})
    except ChainBroken:
        return True


_COLUMNS = [ENTRIES.c.id, ENTRIES.c.key, ENTRIES.c.partition, ENTRIES.c.version, ENTRIES.c.at]


def _holders(ledger: Lookup, *conditions: sa.ColumnElement[bool]) -> dict[str, tuple[str, ...]]:
    """Ids of whole materializations: they have no sides."""
    query = sa.select(ENTRIES.c.id).where(*conditions, ENTRIES.c.kind.in_(MADE)).order_by(ENTRIES.c.seq)
    with ledger.reading() as connection:
        return dict.fromkeys(connection.execute(query).scalars().all(), ())


def _made(connection: sa.Connection, condition: sa.ColumnElement[bool]) -> list[Made]:
    """In the order of the chain. All rows are fetched at once: one by one, 100,000 of them take longer."""
    query = sa.select(*_COLUMNS).where(condition).order_by(ENTRIES.c.seq)
    return [Made._make(row) for row in connection.execute(query).all()]


def _reached(connection: sa.Connection, records: Iterable[str], rows: Mapping[str, str] | None) -> list[Made]:
    """These, and all that stands on them by way of what has no row index of the columns of ``rows``."""
    reached = sa.select(ENTRIES.c.seq, ENTRIES.c.id).where(ENTRIES.c.id.in_(among(records))).cte(recursive=True)
    readers = (
        sa.select(ENTRIES.c.seq, ENTRIES.c.id)
        .join(INPUTS, INPUTS.c.seq == ENTRIES.c.seq)
        .join(reached, reached.c.id == INPUTS.c.record)
    )
    if rows:
        columns, _ = wanted(rows)
        # told once, not asked of each reader: for that, SQLite may walk through all values of these columns each time
        told = sa.select(ROWS.c.row_index).where(ROWS.c.columns == columns).distinct()
        readers = readers.where(sa.or_(ENTRIES.c.row_index.is_(None), ENTRIES.c.row_index.not_in(told)))
    reached = reached.union(readers)  # not all: what was reached on one way is not followed again on another
    return _made(connection, ENTRIES.c.seq.in_(sa.select(reached.c.seq)))


def _readers(connection: sa.Connection, records: Iterable[str]) -> set[str]:
    """What read any of these."""
    query = sa.select(ENTRIES.c.id).join(INPUTS, INPUTS.c.seq == ENTRIES.c.seq)
    return set(connection.execute(query.where(INPUTS.c.record.in_(among(records)))).scalars())


def _inputs(connection: sa.Connection, records: Iterable[str]) -> Iterator[tuple[str, str]]:
    """These, each with every record that it read."""
    query = sa.select(ENTRIES.c.id, INPUTS.c.record).join(INPUTS, INPUTS.c.seq == ENTRIES.c.seq)
    for row in connection.execute(query.where(ENTRIES.c.id.in_(among(records)))):
        yield row[0], row[1]
