"""One thing that is not as recorded, and how it is told to a person.

Belongs here: the finding and its wording. Must not come here: how it is found (``verify`` and what that calls).
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

Severity = Literal["error", "note"]
_MODELS_SHOWN = 6


class Kind(StrEnum):
    """What can be wrong. A bundle has kinds of its own beside these."""

    FILE_ALTERED = "file altered"
    FILE_MISSING = "file missing"
    FILE_ADDED = "file added"
    FILE_SWAPPED = "file swapped"
    FILE_REPLACED = "not a plain file"
    FILE_UNREADABLE = "file unreadable"
    FILE_WRITABLE = "file writable"
    VERSION_MISSING = "version missing"
    VERSION_COLLECTED = "collected version still there"
    VERSION_UNRECORDED = "version without a record"
    VERSION_WRONG = "version is not that of its files"
    STORE_STRAY = "stray in the store"
    RAW_ALTERED = "raw file altered"
    RAW_MISSING = "raw file missing"
    RAW_SUPERSEDED = "raw file superseded"
    RAW_DIGEST_WRONG = "kept digest wrong"
    RECORD_ALTERED = "record altered"
    RECORD_MISSING = "record missing"
    RECORD_ADDED = "record added"
    RECORD_SWAPPED = "record under another's name"
    RECORD_STRAY = "stray among the records"
    CHAIN_BROKEN = "chain broken"
    GENESIS_ALTERED = "GENESIS altered"
    GENESIS_MISSING = "GENESIS missing"
    ROW_INDEX_ALTERED = "row index altered"
    ROW_INDEX_MISSING = "row index missing"
    ROW_INDEX_UNRECORDED = "row index without a record"
    LEDGER_ALTERED = "ledger altered"
    LEDGER_DAMAGED = "ledger damaged"
    LEDGER_MISSING = "ledger missing"
    HEAD_DEPARTS = "chain departs from the kept head"
    HEAD_AHEAD = "chain is shorter than the kept head"


@dataclass(frozen=True)
class Mismatch:
    """What is not as recorded.

    ``place`` is the file (or the place in the ledger); ``good_until`` the newest moment at which it was known to be
    good; ``changed_by`` the file's own change time, a hint: it cannot lie before the last change, but a copy sets it
    anew. ``name`` and ``record`` say whose it is (``records``: all
    that say the same of it), ``models`` which exported models and model cards stand on it.
    An ``error`` is evidence that something was changed; a ``note`` is worth knowing, and no such evidence.
    """

    kind: str
    place: str
    message: str
    severity: Severity = "error"
    expected: str | None = None
    found: str | None = None
    good_until: datetime | None = None
    changed_by: datetime | None = None
    name: str | None = None
    record: str | None = None
    records: Sequence[str] = ()
    models: Sequence[str] = ()

    @property
    def since(self) -> str | None:
        """When it can have happened, in words."""
        parts = []
        if self.good_until is not None:
            parts.append(f"after {_moment(self.good_until)}")
        if self.changed_by is not None:
            parts.append(f"by {_moment(self.changed_by)} as the file's change time says")
        return ", ".join(parts) or None

    def lines(self) -> list[str]:
        """For a person: what and where, then expected and found, since when, and what stands on it."""
        told = [f"{self.kind}: {self.place}", f"  {self.message}"]
        if self.name is not None:
            told.append(f"  of {self.name}" + (f", record {self.record}" if self.record else ""))
        elif self.record is not None:
            told.append(f"  record {self.record}")
        if self.expected is not None or self.found is not None:
            told.append(f"  expected {self.expected or 'nothing'}, found {self.found or 'nothing'}")
        if self.since is not None:
            told.append(f"  can have happened {self.since}")
        if self.models:
            more = len(self.models) - _MODELS_SHOWN
            shown = ", ".join(self.models[:_MODELS_SHOWN])
            told.append(f"  stand on it: {shown}{f' and {more} more' if more > 0 else ''}")
        return told

    def as_json(self) -> dict[str, Any]:
        """For scripts."""
        return {**asdict(self), "records": list(self.records), "models": list(self.models), "since": self.since}


def change_time(path: Path) -> datetime | None:
    """When the file, link or folder itself was last changed; None when it is not there."""
    try:
        return datetime.fromtimestamp(path.lstat().st_ctime, UTC)
    except OSError:
        return None


def errors(found: Iterable[Mismatch]) -> list[Mismatch]:
    """Those that are evidence of a change."""
    return [mismatch for mismatch in found if mismatch.severity == "error"]


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
