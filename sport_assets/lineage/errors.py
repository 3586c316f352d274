"""What can go wrong, said so that a person knows the remedy.

Belongs here: the exceptions of lineage. Must not come here: exceptions of one line (its readers raise their own).
"""


class LineageError(Exception):
    """Any refusal or fault of the lineage kernel."""


class GateRefused(LineageError):
    """A partition may not be read: nothing published, rejected, withdrawn or collected."""

    def __init__(self, key: str, partition: str | None, reason: str, remedy: str) -> None:
        name = key if partition is None else f"{key}:{partition}"
        super().__init__(f"{name} cannot be read: {reason}. {remedy}")
        self.key, self.partition, self.reason, self.remedy = key, partition, reason, remedy


class RawFileChanged(LineageError):
    """A raw file is not (or no longer) the one that was recorded."""


class RawFileMissing(LineageError):
    """A raw file that was asked for is not there."""


class RawFileUnreadable(LineageError):
    """A raw file is there and cannot be opened: damaged, or not yet written to its end."""


class StoreDamaged(LineageError):
    """A published version is not what its record says."""


class ChainBroken(LineageError):
    """The records do not follow one another by hash."""


class LedgerDamaged(LineageError):
    """The ledger's file cannot be read; it can be made anew from the records."""
