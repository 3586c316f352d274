"""Decides what may be read: the newest materialization of a partition, if its checks stand and nobody withdrew it.

Belongs here: the verdict, from the ledger alone. Must not come here: reading the files (``record``).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from sport_assets.lineage.checks import UNTAINTED
from sport_assets.lineage.errors import GateRefused, LineageError
from sport_assets.lineage.ledger import Ledger
from sport_assets.lineage.lookup import Lookup
from sport_assets.lineage.manifest import Checked, Event, Materialization, Overridden, RecordedCheck, Withdrawn


@dataclass(frozen=True)
class Standing:
    """A materialization with what was said about it later: each check's latest result, and overrides by check."""

    materialization: Materialization
    checks: dict[str, RecordedCheck]
    overrides: dict[str, Overridden]

    @property
    def failed(self) -> list[RecordedCheck]:
        """Blocking checks whose latest result failed and that nobody overrode."""
        return [
            check
            for name, check in sorted(self.checks.items())
            if check.blocking and not check.passed and name not in self.overrides
        ]


def standing(ledger: Lookup, materialization: Materialization) -> Standing:
    """The latest result of every check of a materialization. A result after an override needs a new override."""
    return weigh(materialization, ledger.about(materialization.id))


def weigh(materialization: Materialization, later: Iterable[Event]) -> Standing:
    """A materialization with the later events about it, in order."""
    checks = {check.name: check for check in materialization.checks}
    overrides: dict[str, Overridden] = {}
    for event in later:
        if isinstance(event, Checked):
            checks[event.check.name] = event.check
            overrides.pop(event.check.name, None)
        elif isinstance(event, Overridden):
            overrides[event.check] = event
    return Standing(materialization, checks, overrides)


def withdrawal(ledger: Lookup, materialization: Materialization) -> Withdrawn | None:
    """The standing withdrawal that covers a materialization, rows in it or a raw file it recorded, if there is one."""
    return next((event for event in ledger.withdrawals() if covers(ledger, event, materialization)), None)


class HoldsRows(Protocol):
    """Who can tell what the rows of a materialization are about: a ledger, or the records of a bundle."""

    def has_rows(self, row_index: str | None, row: Mapping[str, str]) -> bool:
        """Whether a row index holds this row set."""


def covers(records: HoldsRows, event: Withdrawn, materialization: Materialization) -> bool:
    """Whether a withdrawal is about this very materialization (not about what it stands on)."""
    if event.raw_sha256 is not None:
        return any(file.sha256 == event.raw_sha256 for file in materialization.raw_files)
    if event.rows is not None:
        return event.key in (None, materialization.key) and records.has_rows(materialization.row_index, event.rows)
    same = event.key == materialization.key and event.partition == materialization.partition
    return same and event.version in (None, materialization.version)


def readable(ledger: Lookup, key: str, partition: str | None) -> Materialization:
    """The materialization of a partition that may be read. Raises ``GateRefused`` with reason and remedy.

    There is no falling back to an older version: a rejected or withdrawn newest one closes the partition.
    """
    latest = ledger.latest(key, partition)
    target = key if partition is None else f"{key} --partition '{partition}'"
    if latest is None:
        raise GateRefused(key, partition, "nothing was published yet", f"Run: sport-assets build {target}")
    admit(ledger, latest)
    return latest


def admit(ledger: Lookup, materialization: Materialization) -> None:
    """Raise ``GateRefused`` unless this very materialization may be read."""
    key, partition = materialization.key, materialization.partition
    failed = standing(ledger, materialization).failed
    tainted = next((check for check in failed if check.name == UNTAINTED), None)
    if tainted is not None:
        target = key if partition is None else f"{key} --partition '{partition}'"
        raise GateRefused(key, partition, tainted.description, f"Make it again without it: sport-assets build {target}")
    if failed:
        what = "; ".join(
            f"{check.name} ({check.failed} of {check.checked} failed)" if check.checked else check.name
            for check in failed
        )
        raise GateRefused(
            key,
            partition,
            f"its blocking check failed: {what}",
            f"Look at record {materialization.id}, mend the input and build it again, or let it pass by name and "
            f"reason: sport-assets override {materialization.id} {failed[0].name} --reason TEXT",
        )
    withdrawn = withdrawal(ledger, materialization)
    if withdrawn is not None:
        raise GateRefused(
            key,
            partition,
            f"withdrawn by {withdrawn.by} on {withdrawn.at:%Y-%m-%d}: {withdrawn.reason}",
            f"It may be read again after record {withdrawn.id} is restored.",
        )


def override(ledger: Ledger, record_id: str, check: str, *, by: str, reason: str) -> Overridden:
    """Let one failed check of one materialization pass, by name and reason; the event is recorded.

    Raises ``LineageError`` when the record, or a failed blocking check of that name, is not there.
    """
    if not reason.strip():
        raise LineageError("an override needs a reason; it is recorded")
    try:
        materialization = ledger.event(record_id)
    except KeyError as error:
        raise LineageError(f"{error.args[0]}; sport-assets ledger log lists the records") from error
    if not isinstance(materialization, Materialization):
        raise LineageError(f"record {record_id} is a {materialization.kind} event, not a materialization")
    failed = [found.name for found in standing(ledger, materialization).failed]
    if check not in failed:
        raise LineageError(f"record {record_id} has no failed blocking check {check!r}; failed: {failed or 'none'}")
    event = ledger.append(Overridden(subject=record_id, check=check, by=by, reason=reason))
    assert isinstance(event, Overridden)
    return event
