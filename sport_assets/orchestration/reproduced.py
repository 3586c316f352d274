"""What came of making a recorded chain again: a verdict for each step, and for all of them.

Belongs here: outcomes, and how they read as JSON. Must not come here: making the steps (``reproduce``).
"""

from dataclasses import asdict, dataclass
from typing import Any

from sport_assets.audit.changes import Change
from sport_assets.orchestration.build import Step
from sport_assets.orchestration.likeness import DIFFERENT, IDENTICAL, WITHIN, Tolerance

FAILED, NOT_MADE, TAKEN_OVER = "failed", "not made", "taken over"


@dataclass(frozen=True)
class Outcome:
    """What became of one recorded step.

    ``verdict``: identical, within tolerance, different; failed (it could not be made), not made (what it reads could
    not), or taken over (its files were not made again, because the reproduction began after it).
    """

    step: Step
    record: str
    recorded: str
    verdict: str
    reproduced: str | None = None
    seconds: float = 0.0
    differences: tuple[str, ...] = ()
    not_compared: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    reasons: tuple[Change, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """As ``reproduce --json`` prints it."""
        rest = {name: list(getattr(self, name)) for name in ("differences", "not_compared", "notes")}
        return {
            "name": str(self.step),
            "asset": self.step.key,
            "partition": self.step.partition,
            "record": self.record,
            "recorded_version": self.recorded,
            "reproduced_version": self.reproduced,
            "verdict": self.verdict,
            "seconds": round(self.seconds, 3),
            **rest,
            "reasons": [reason._asdict() for reason in self.reasons],
        }


@dataclass
class Result:
    """All outcomes, upstream first."""

    outcomes: list[Outcome]
    tolerance: Tolerance

    @property
    def verdict(self) -> str:
        """Different when any step is, or could not be made."""
        found = {outcome.verdict for outcome in self.outcomes} - {TAKEN_OVER}
        return IDENTICAL if found <= {IDENTICAL} else WITHIN if found <= {IDENTICAL, WITHIN} else DIFFERENT

    @property
    def first(self) -> Outcome | None:
        """The first step that is not identical, those within tolerance last: the others follow from it."""
        for verdicts in ({DIFFERENT, FAILED, NOT_MADE}, {WITHIN}):
            for outcome in self.outcomes:
                if outcome.verdict in verdicts:
                    return outcome
        return None

    def as_json(self) -> dict[str, Any]:
        """As ``reproduce --json`` prints it."""
        return {
            "verdict": self.verdict,
            "tolerance": asdict(self.tolerance),
            "first_difference": self.first.as_json() if self.first is not None else None,
            "steps": [outcome.as_json() for outcome in self.outcomes],
        }
