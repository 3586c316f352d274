"""Which materializations stand on something withdrawn, and the events that say so.

Belongs here: from the standing withdrawals to later results of the check ``untainted``. Must not come here: withdrawing
(``withdraw``), showing the results in Dagster (orchestration).

What is itself withdrawn needs no such event: the gate knows. A result is appended only where it says something new, so
marking again is free, and heals what a killed process left half done.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sport_assets.audit.impact import Impact, Made, Subject, impact, subject_of_rows
from sport_assets.lineage.checks import UNTAINTED
from sport_assets.lineage.errors import LineageError
from sport_assets.lineage.index import ENTRIES, FILES
from sport_assets.lineage.ledger import Ledger
from sport_assets.lineage.lookup import MADE, Lookup
from sport_assets.lineage.manifest import Checked, RecordedCheck, Withdrawn

DESCRIPTION = "Nothing that it was made from is withdrawn."
_WITHDRAWALS = "withdrawals"


@dataclass
class Marked:
    """What became closed, each with the reason, or open by marking. What is itself withdrawn counts."""

    closed: list[tuple[Made, str]] = field(default_factory=list)
    opened: list[Made] = field(default_factory=list)


def subject_of_withdrawal(ledger: Lookup, event: Withdrawn) -> Subject:
    """What a withdrawal is about, with the materializations that hold it."""
    if event.rows is not None:
        try:
            return subject_of_rows(ledger, event.rows, event.key)
        except LineageError:  # nothing has an index of such columns any more
            return Subject(what(event), {}, event.rows)
    if event.raw_sha256 is not None:
        with ledger.reading() as connection:
            rows = connection.execute(
                ENTRIES.select()
                .join(FILES, FILES.c.seq == ENTRIES.c.seq)
                .where(FILES.c.raw.is_(True), FILES.c.sha256 == event.raw_sha256)
            )
            return Subject(what(event), {row.id: () for row in rows})
    conditions = [ENTRIES.c.key == event.key, ENTRIES.c.partition.is_not_distinct_from(event.partition)]
    if event.version is not None:
        conditions.append(ENTRIES.c.version == event.version)
    return Subject(what(event), {row.id: () for row in ledger.entries(*conditions, ENTRIES.c.kind.in_(MADE))})


def what(event: Withdrawn) -> str:
    """What a withdrawal is about, in words."""
    if event.rows is not None:
        rows = " and ".join(f"{name}={value}" for name, value in sorted(event.rows.items()))
        return f"rows with {rows}" + (f" of {event.key}" if event.key is not None else "")
    if event.raw_sha256 is not None:
        return f"raw file {event.raw_sha256[:12]}"
    name = str(event.key) if event.partition is None else f"{event.key}:{event.partition}"
    return name if event.version is None else f"{name} version {event.version[:12]}"


def mark(ledger: Ledger, added: Iterable[Withdrawn] = (), restored: Iterable[Withdrawn] = ()) -> Marked:
    """Append a result of ``untainted`` wherever the standing withdrawals say another thing than the last one did.

    Of every partition the newest materialization is marked, and every earlier version that can still be asked for.
    ``added`` are withdrawals that are new: what they are about counts as closed. ``restored`` are withdrawals that
    stood until now: what they alone had closed is opened again.
    """
    reasons: dict[str, list[Withdrawn]] = defaultdict(list)
    made: dict[str, Made] = {}
    holders: set[str] = set()
    new = {event.id for event in added}
    for event in ledger.withdrawals():
        found = impact(ledger, subject_of_withdrawal(ledger, event))
        for one in _marked(found):
            made[one.record] = one
            reasons[one.record].append(event)
        holders |= set(found.subject.holders)
    undone = [impact(ledger, subject_of_withdrawal(ledger, event)) for event in restored]
    before = {one.record: one for found in undone for one in _marked(found)}
    last = _last_results(ledger, {*made, *before})
    result = Marked()
    for record, events in sorted(reasons.items()):
        known = last.get(record)
        said = told(events, record in holders)
        if record in holders:
            fresh = bool(new & {event.id for event in events})
        else:
            fresh = known is None or known.passed or known.metadata.get(_WITHDRAWALS) != _ids(events)
            if fresh:
                ledger.append(Checked(subject=record, check=_result(said, events)))
        if fresh:
            result.closed.append((made[record], said))
    for record, one in sorted(before.items()):
        known = last.get(record)
        if record in reasons:
            continue
        if known is not None and not known.passed:
            ledger.append(Checked(subject=record, check=_result(DESCRIPTION, [])))
        result.opened.append(one)
    return result


def told(events: Iterable[Withdrawn], holds: bool) -> str:
    """Why something is closed."""
    parts = [f"{what(event)}, withdrawn by {event.by} on {event.at:%Y-%m-%d}: {event.reason}" for event in events]
    return f"it {'holds' if holds else 'stands on'} {'; and '.join(parts)}"


def _marked(found: Impact) -> list[Made]:
    """The last materialization of each version of each partition: reading goes by these."""
    return list({(o.made.key, o.made.partition, o.made.version): o.made for o in found.affected}.values())


def _last_results(ledger: Lookup, records: Iterable[str]) -> Mapping[str, RecordedCheck]:
    about = ledger.about_several(records)
    return {e.subject: e.check for e in about if isinstance(e, Checked) and e.check.name == UNTAINTED}


def _result(description: str, events: list[Withdrawn]) -> RecordedCheck:
    return RecordedCheck(
        name=UNTAINTED,
        passed=not events,
        blocking=True,
        description=description,
        failed=len(events),
        checked=max(1, len(events)),
        rules={"withdrawn": len(events)} if events else {},
        metadata={_WITHDRAWALS: _ids(events)},
    )


def _ids(events: Iterable[Withdrawn]) -> list[str]:
    return [event.id for event in events]
