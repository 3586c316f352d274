"""The result of one check on one materialization, as it is recorded.

Belongs here: the plain result type. Must not come here: how a check is computed (the lines), or how Dagster shows it
(orchestration).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

SAMPLE_ROWS = 20
# The check that fails where something behind a materialization was withdrawn: the one that only others can fail.
UNTAINTED = "untainted"


@dataclass(frozen=True)
class CheckResult:
    """One check's outcome.

    ``failed`` of ``checked`` items (rows, plays, files) broke a rule; ``rules`` counts them by rule; ``sample`` holds
    up to ``SAMPLE_ROWS`` of them, each a JSON-able mapping. A failed blocking check makes the version *rejected*.
    """

    name: str
    passed: bool
    blocking: bool = True
    description: str = ""
    failed: int = 0
    checked: int = 0
    rules: Mapping[str, int] = field(default_factory=dict)
    sample: Sequence[Mapping[str, Any]] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def summary(self) -> str:
        """One line for a person: name, verdict, and what broke."""
        verdict = "passed" if self.passed else ("FAILED" if self.blocking else "did not pass")
        if not self.failed:
            return f"{self.name} {verdict}"
        rules = ", ".join(f"{rule} {count:,}" for rule, count in sorted(self.rules.items()))
        return f"{self.name} {verdict}: {self.failed:,} of {self.checked:,} ({rules})"
