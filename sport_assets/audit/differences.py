"""The differences between two models as plain data.

Belongs here: what a difference holds, and its JSON. Must not come here: finding them (``diff``).
"""

from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from sport_assets.audit.changes import Change


@dataclass(frozen=True)
class RowChange:
    """Identifying values (``game_id``, or ``game_id,play_id``) that only one of two versions has; and how many both."""

    columns: str
    side: str
    added: int
    removed: int
    kept: int
    examples_added: tuple[str, ...]
    examples_removed: tuple[str, ...]


@dataclass(frozen=True)
class PartitionChange:
    """A partition that one model stands on and the other does not (``added``, ``removed``), or in another version.

    ``rows``: of the two versions, None where there is none. ``because``: what of it is another one; empty where it
    follows from what it read. ``files``: raw files that were added, removed or changed.
    """

    name: str
    asset: str
    kind: str
    versions: tuple[str | None, str | None]
    rows: tuple[int | None, int | None]
    quarantined_rows: tuple[int, int]
    origin: bool = False
    because: tuple[str, ...] = ()
    raw_files: tuple[str, ...] = ()
    identifiers: tuple[RowChange, ...] = ()


class CodeChange(NamedTuple):
    """Code versions of an asset in the two chains."""

    asset: str
    before: tuple[str, ...]
    after: tuple[str, ...]


class SettingChange(NamedTuple):
    """A setting of an asset, and in how many partitions it differs so."""

    asset: str
    setting: str
    before: Any
    after: Any
    partitions: int


class CheckChange(NamedTuple):
    """What a check said in the two chains: passed, failed, overridden, or None where it was not run."""

    name: str
    check: str
    blocking: bool
    before: str | None
    after: str | None


class MetricChange(NamedTuple):
    """A figure of a step, and by how much it is another one."""

    name: str
    metric: str
    before: float | None
    after: float | None

    @property
    def difference(self) -> float | None:
        """After minus before."""
        return None if self.before is None or self.after is None else self.after - self.before

    @property
    def relative(self) -> float:
        """The difference beside the figure itself; what one model alone has tells most."""
        if self.before is None or self.after is None:
            return float("inf")
        return abs(self.after - self.before) / max(abs(self.before), abs(self.after), 1e-12)


@dataclass
class Difference:
    """All that differs between two models, each list with the most telling first."""

    models: tuple[str, str]
    versions: tuple[str, str]
    data: list[PartitionChange] = field(default_factory=list)
    model: list[PartitionChange] = field(default_factory=list)
    code: list[CodeChange] = field(default_factory=list)
    commits: tuple[list[str], list[str]] = ([], [])
    settings: list[SettingChange] = field(default_factory=list)
    environment: list[Change] = field(default_factory=list)
    checks: list[CheckChange] = field(default_factory=list)
    metrics: list[MetricChange] = field(default_factory=list)
    same_partitions: int = 0

    @property
    def same(self) -> bool:
        """Whether the models stand on the same content and are the same."""
        return self.versions[0] == self.versions[1] and not self.data and not self.model

    def as_json(self) -> dict[str, Any]:
        """As ``sport-assets diff --json`` prints it."""
        return {
            "models": self.models,
            "versions": self.versions,
            "same": self.same,
            "same_partitions": self.same_partitions,
            "data": [asdict(each) for each in self.data],
            "model": [asdict(each) for each in self.model],
            "code": [each._asdict() for each in self.code],
            "commits": self.commits,
            "settings": [each._asdict() for each in self.settings],
            "environment": [each._asdict() for each in self.environment],
            "checks": [each._asdict() for each in self.checks],
            "metrics": [{**each._asdict(), "difference": each.difference} for each in self.metrics],
        }
