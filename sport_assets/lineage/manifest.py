"""The records themselves: one immutable event each, of a versioned schema.

Belongs here: what a record says. Must not come here: how records are written, chained and found (``ledger``).
A record of an older version stays readable for ever: its fields keep their names and meaning, and what came later has
a default. Version 2 added ``row_index`` and ``withdrawn_rows`` of a materialization, ``rows`` of a withdrawal, and
``lock`` and ``unpinned`` of an environment.
"""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from sport_assets.lineage.checks import CheckResult
from sport_assets.lineage.digest import FileEntry

SCHEMA_VERSION: Literal[2] = 2


class _Frozen(BaseModel):
    # JSON has no NaN: it stays readable as text, rather than turn into null
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")


class InputRef(_Frozen):
    """A version that was read: which asset and partition, which content, and the record that published it.

    ``pinned``: it was asked for by digest, so a newer version of the partition does not outdate the reader.
    """

    key: str
    partition: str | None
    version: str
    record: str
    pinned: bool = False


class RawFile(_Frozen):
    """A raw file: path relative to the data folder (posix), SHA-256 in hex, size in bytes."""

    path: str
    sha256: str
    size: int


class RecordedCheck(_Frozen):
    """A check's result as recorded; the same fields as ``CheckResult``."""

    name: str
    passed: bool
    blocking: bool
    description: str = ""
    failed: int = 0
    checked: int = 0
    rules: dict[str, int] = Field(default_factory=dict)
    sample: list[dict[str, Any]] = Field(default_factory=list)
    metadata: dict[str, Any] = Field(default_factory=dict)

    @classmethod
    def of(cls, result: CheckResult) -> "RecordedCheck":
        """From a check's result."""
        return cls(
            name=result.name,
            passed=result.passed,
            blocking=result.blocking,
            description=result.description,
            failed=result.failed,
            checked=result.checked,
            rules=dict(result.rules),
            sample=[dict(row) for row in result.sample],
            metadata=dict(result.metadata),
        )


class Environment(_Frozen):
    """What the materialization ran on. None of it is part of any digest.

    ``lock``: SHA-256 of the file that pins package versions, where there is one. ``unpinned``: installed packages that
    have another version than it says, or that it does not name.
    """

    host: str
    user: str
    platform: str
    python: str
    device: str
    threads: int
    packages: dict[str, str]
    git_commit: str | None
    git_dirty: bool | None
    lock: str | None = None
    unpinned: list[str] = Field(default_factory=list)


class _Event(_Frozen):
    schema_version: Literal[1, 2] = SCHEMA_VERSION
    id: str = ""
    previous: str = ""
    at: datetime = Field(default_factory=lambda: datetime.now(UTC))


class Materialization(_Event):
    """The manifest of one materialization; ``rejected`` when a blocking check failed.

    ``row_index``: SHA-256 of the list of what its rows are about (`row_index`). ``withdrawn_rows``: row sets that were
    left out because they were withdrawn, each as column -> value.
    """

    kind: Literal["materialized", "rejected"]
    key: str
    partition: str | None
    version: str
    files: list[FileEntry]
    inputs: list[InputRef]
    raw_files: list[RawFile] = Field(default_factory=list)
    code_version: str
    config: dict[str, Any] = Field(default_factory=dict)
    seed: int | None = None
    checks: list[RecordedCheck] = Field(default_factory=list)
    rows: int | None = None
    quarantined_rows: int = 0
    row_index: str | None = None
    withdrawn_rows: list[dict[str, str]] = Field(default_factory=list)
    facts: dict[str, Any] = Field(default_factory=dict)
    run_id: str = ""
    environment: Environment
    started: datetime
    ended: datetime


class Checked(_Event):
    """A later result of a check on a materialization (``subject`` is its record id)."""

    kind: Literal["checked"] = "checked"
    subject: str
    check: RecordedCheck


class Overridden(_Event):
    """A person lets a materialization pass the gate in spite of one failed check."""

    kind: Literal["overridden"] = "overridden"
    subject: str
    check: str
    by: str
    reason: str


class Withdrawn(_Event):
    """What may not be read from now on: a partition (all its versions, or one), a raw file (by digest), or rows.

    ``rows`` names a set of rows by column -> value (all must agree); with ``key``, only that asset's.
    """

    kind: Literal["withdrawn"] = "withdrawn"
    key: str | None = None
    partition: str | None = None
    version: str | None = None
    raw_sha256: str | None = None
    rows: dict[str, str] | None = None
    by: str
    reason: str


class Restored(_Event):
    """Undoes one withdrawal (``subject`` is its record id)."""

    kind: Literal["restored"] = "restored"
    subject: str
    by: str
    reason: str


class Collected(_Event):
    """A version's files were freed; its records stay."""

    kind: Literal["collected"] = "collected"
    key: str
    partition: str | None
    version: str
    reason: str


Event = Annotated[
    Materialization | Checked | Overridden | Withdrawn | Restored | Collected, Field(discriminator="kind")
]
_EVENT: TypeAdapter[Event] = TypeAdapter(Event)


def parse_event(text: str | bytes) -> Event:
    """Read one record file's text. Raises pydantic's ``ValidationError`` when it is none of ours."""
    return _EVENT.validate_json(text)
