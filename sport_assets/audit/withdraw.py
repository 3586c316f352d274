"""Withdrawing a raw file, a partition, a version or rows, and restoring them: events, and what they touch.

Belongs here: what may be withdrawn, and saying so. Must not come here: which results follow (``taint``), Dagster.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from sport_assets.audit.impact import Impact, impact, subject_of_rows
from sport_assets.audit.taint import Marked, mark, subject_of_withdrawal, what
from sport_assets.lineage.digest import sha256_file
from sport_assets.lineage.errors import LineageError
from sport_assets.lineage.index import ENTRIES, FILES
from sport_assets.lineage.ledger import Ledger
from sport_assets.lineage.lookup import MADE, Lookup
from sport_assets.lineage.manifest import Restored, Withdrawn

_SHOWN = 8


@dataclass(frozen=True)
class Withdrawal:
    """The withdrawal, what it touches, and what was closed or opened by it."""

    event: Withdrawn
    impact: Impact
    marked: Marked


def withdraw(ledger: Ledger, event: Withdrawn) -> Withdrawal:
    """Record a withdrawal (of ``of_text`` or ``of_rows``) and mark what stands on it.

    Raises ``LineageError`` without a reason, or when it stands withdrawn already.
    """
    if not event.reason.strip():
        raise LineageError("a withdrawal needs a reason; it is recorded")
    for standing in ledger.withdrawals():
        if _target(standing) == _target(event):
            raise LineageError(
                f"{what(event)} stands withdrawn already, by {standing.by} on {standing.at:%Y-%m-%d}: "
                f"{standing.reason} (record {standing.id})"
            )
    recorded = ledger.append(event)
    assert isinstance(recorded, Withdrawn)
    return Withdrawal(recorded, impact(ledger, subject_of_withdrawal(ledger, recorded)), mark(ledger, added=[recorded]))


def restore(ledger: Ledger, record_id: str, *, by: str, reason: str) -> Withdrawal:
    """Undo a withdrawal by its record id (or an unambiguous beginning), and open what it alone had closed.

    Raises ``LineageError`` without a reason, or when no withdrawal of that id stands.
    """
    if not reason.strip():
        raise LineageError("restoring needs a reason; it is recorded")
    standing = ledger.withdrawals()
    found = [event for event in standing if event.id.startswith(record_id)]
    if len(found) != 1:
        known = "; ".join(f"{event.id} ({what(event)})" for event in standing) or "none"
        raise LineageError(f"{record_id} is no withdrawal that stands; those that stand: {known}")
    [event] = found
    ledger.append(Restored(subject=event.id, by=by, reason=reason))
    return Withdrawal(event, impact(ledger, subject_of_withdrawal(ledger, event)), mark(ledger, restored=[event]))


def of_text(ledger: Lookup, text: str, *, version: str | None = None, by: str, reason: str) -> Withdrawn:
    """The withdrawal of a raw file (path or digest), of ``KEY`` or ``KEY:PARTITION``, or of one version of it.

    Raises ``LineageError`` when nothing is known of it, or when it is not clear what is meant.
    """
    digests = _raw_digests(ledger, text)
    if digests:
        if version is not None:
            raise LineageError("--version is for partitions; a raw file is known by its digest")
        if len(digests) > 1:
            listed = ", ".join(digest[:12] for digest in digests[:_SHOWN])
            raise LineageError(f"{text}: {len(digests)} contents are known of it; withdraw one by its digest: {listed}")
        return Withdrawn(raw_sha256=digests[0], by=by, reason=reason)
    key, _, rest = text.partition(":")
    partition = rest or None
    known = ledger.partitions(key)
    if not known:
        also = f"; {text} is a file, but no record knows this content" if Path(text).is_file() else ""
        raise LineageError(
            f"nothing is known of {text!r}: no raw file of that path or digest and no asset of that name is "
            f"recorded{also}. sport-assets ledger log lists the records"
        )
    if partition not in known:
        listed = ", ".join(str(one) for one in known[:_SHOWN] if one is not None)
        more = f" and {len(known) - _SHOWN} more" if len(known) > _SHOWN else ""
        missing = f"has no partition {partition!r}" if partition else "has partitions: name one, as KEY:PARTITION"
        raise LineageError(f"{key} {missing}" + (f"; recorded are {listed}{more}" if listed else ""))
    if version is not None:
        version = _version(ledger, key, partition, version)
    return Withdrawn(key=key, partition=partition, version=version, by=by, reason=reason)


def of_rows(ledger: Lookup, rows: Mapping[str, str], *, key: str | None = None, by: str, reason: str) -> Withdrawn:
    """The withdrawal of the rows in which every column has this value (of one asset where ``key`` is given).

    Raises ``LineageError`` when rows cannot be looked up by these columns, or none has these values.
    """
    if not subject_of_rows(ledger, rows, key).holders:
        named = " and ".join(f"{name}={value}" for name, value in sorted(rows.items()))
        raise LineageError(f"no recorded version{f' of {key}' if key else ''} has rows with {named}")
    return Withdrawn(key=key, rows=dict(rows), by=by, reason=reason)


def _target(event: Withdrawn) -> tuple[object, ...]:
    rows = tuple(sorted(event.rows.items())) if event.rows is not None else None
    return (event.key, event.partition, event.version, event.raw_sha256, rows)


def _version(ledger: Lookup, key: str, partition: str | None, prefix: str) -> str:
    rows = ledger.entries(
        ENTRIES.c.key == key, ENTRIES.c.partition.is_not_distinct_from(partition), ENTRIES.c.kind.in_(MADE)
    )
    found = sorted({row.version for row in rows if row.version.startswith(prefix)})
    if len(found) != 1:
        listed = ", ".join(sorted({row.version[:12] for row in rows})[:_SHOWN])
        raise LineageError(f"{len(found)} versions of {key} begin with {prefix!r}; recorded are {listed}")
    return str(found[0])


def _raw_digests(ledger: Lookup, text: str) -> list[str]:
    """Digests of recorded raw files: of a file on disk by content, else by recorded path, else by digest prefix."""
    path = Path(text)
    if path.is_file():
        asked: sa.ColumnElement[bool] = FILES.c.sha256 == sha256_file(path)
    elif len(text) >= 8 and all(character in "0123456789abcdef" for character in text):
        asked = FILES.c.sha256.startswith(text)
    else:
        asked = FILES.c.path == text
    query = sa.select(FILES.c.sha256).where(FILES.c.raw.is_(True), asked).distinct()
    with ledger.reading() as connection:
        return sorted(connection.execute(query).scalars())
