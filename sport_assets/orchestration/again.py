"""Making again what a withdrawal, or a change, touched: exactly the partitions that stand on it, as they were made.

Belongs here: which targets those are, and building them with their recorded settings. Must not come here: how a target
is built (``build``), what is touched (``audit.impact``).
"""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from sport_assets.audit.impact import Impact
from sport_assets.lineage.home import Home
from sport_assets.lineage.record import Lineage
from sport_assets.orchestration.assets import DECLARATIONS
from sport_assets.orchestration.build import Builder, BuildError, Observer, Report, Step
from sport_assets.orchestration.withdrawn import own_withdrawal, withdrawn


class RecordedBuilder(Builder):
    """A build in which every partition keeps the settings that it was made with last."""

    def _check_settings(self, keys: list[str], lineage: Lineage) -> None:
        """They are those of the records; no default of theirs is asked for."""

    def _complete(self, lineage: Lineage, step: Step) -> Mapping[str, Any]:
        latest = lineage.ledger.latest(step.key, step.partition)
        return latest.config if latest is not None else super()._complete(lineage, step)

    def _given(self, lineage: Lineage, step: Step) -> Mapping[str, Any] | None:
        latest = lineage.ledger.latest(step.key, step.partition)
        return latest.config if latest is not None else super()._given(lineage, step)


def launch(definitions: dg.Definitions, home: Home, found: Impact, observe: Observer = lambda *_: None) -> Report:
    """Build every target of ``to_make_again``, and of what it stands on whatever is not current; the rest is left.

    Targets do not stop one another: ``BuildError`` is raised at the end, with what each said.
    """
    report, failures = Report(), []
    for target in to_make_again(home, found, report):
        try:
            one = RecordedBuilder(definitions, home).run(target.key, target.partition, observe)
        except BuildError as error:
            failures.append(str(error))
            continue
        seen = {done.step for done in report.made()}
        report.done += [done for done in one.done if done.step not in seen]
        report.skipped |= one.skipped
        report.withdrawn |= one.withdrawn
        report.reasons |= one.reasons
    if failures:
        raise BuildError("\n".join(failures))
    return report


def to_make_again(home: Home, found: Impact, report: Report) -> list[Step]:
    """The last partitions on each way through what is touched and current: building them builds the others.

    A partition that cannot be made, since it is withdrawn, is noted in ``report`` instead.
    """
    lineage = Lineage(home)
    try:
        steps = []
        for one in found.current:
            step = Step(one.made.key, one.made.partition)
            if step.key not in DECLARATIONS:
                continue
            event = withdrawn(lineage, step.key, step.partition)
            if event is None:
                steps.append(step)
            elif own_withdrawal(lineage, step.key, step.partition) is not None:
                report.withdrawn[str(step)] = event.reason
        return [step for step in steps if not any(_stands_on(other, step) for other in steps)]
    finally:
        lineage.close()


def _stands_on(other: Step, step: Step) -> bool:
    """Whether building ``other`` looks at ``step`` as well."""
    if step.key not in _upstream(other.key):
        return False
    theirs, ours = DECLARATIONS[other.key].partitions_def, DECLARATIONS[step.key].partitions_def
    return theirs != ours or other.partition == step.partition


def _upstream(key: str) -> set[str]:
    reads = set(DECLARATIONS[key].reads)
    return reads.union(*(_upstream(up) for up in reads)) if reads else reads
