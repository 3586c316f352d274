"""What an auditor must look at in a chain: failed checks, overrides, withdrawn or stale inputs, what was not pinned.

Belongs here: one function for each kind of finding, from the records alone. Must not come here: leakage, which looks
into row indexes (``leakage``); what the files on disk say (``verify``).
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from shlex import quote
from typing import Literal

from sport_assets.audit.chain import Chain, Step, name_of
from sport_assets.lineage.checks import UNTAINTED
from sport_assets.lineage.manifest import RecordedCheck

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
_SHOWN = 5


@dataclass(frozen=True)
class Finding:
    """One thing to look at.

    ``kind`` is its fixed name for scripts; ``record`` the id of the step it is about (None: the chain as a whole);
    ``remedy`` says what can be done.
    """

    kind: str
    severity: Severity
    record: str | None
    name: str
    message: str
    remedy: str = ""


def findings(chain: Chain) -> list[Finding]:
    """All findings of a chain but leakage, the worst first, otherwise upstream first."""
    kinds: Sequence[Callable[[Chain], Iterable[Finding]]] = (
        _missing,
        _withdrawn,
        _checks,
        _overridden,
        _left_out,
        _stale,
        _dirty,
        _unpinned,
        _mixed,
        _not_exact,
        _fitted_on_all,
    )
    return worst_first(finding for kind in kinds for finding in kind(chain))


def worst_first(found: Iterable[Finding]) -> list[Finding]:
    """Findings by severity, otherwise in their order."""
    return sorted(found, key=lambda finding: SEVERITIES.index(finding.severity))


def _missing(chain: Chain) -> Iterator[Finding]:
    for ref in chain.missing:
        name = name_of(ref.key, ref.partition)
        yield Finding(
            "missing_ancestor",
            "error",
            None,
            name,
            f"the record {ref.record} of {name}, version {ref.version[:12]}, which was read, is not there",
            "Restore the record from a backup; sport-assets verify tells which others are gone.",
        )


def _withdrawn(chain: Chain) -> Iterator[Finding]:
    for step in chain.steps:
        event = step.withdrawn
        if event is not None:
            what = " and ".join(f"{name}={value}" for name, value in sorted((event.rows or {}).items()))
            yield Finding(
                "withdrawn_input",
                "error",
                step.made.id,
                step.name,
                f"{f'rows with {what} in it were' if what else 'it was'} withdrawn by {event.by} on "
                f"{event.at:%Y-%m-%d}: {event.reason}",
                f"What stands on it must be made again without it: sport-assets impact "
                f"{_row_options(event.rows) if event.rows else quote(step.name)} --launch. "
                f"Withdrawn by mistake: sport-assets restore {event.id} --reason TEXT",
            )


def _row_options(rows: dict[str, str]) -> str:
    return " ".join(f"--row {quote(f'{name}={value}')}" for name, value in sorted(rows.items()))


def _checks(chain: Chain) -> Iterator[Finding]:
    for step in chain.steps:
        for check in step.checks.values():
            if check.passed or check.name in step.overrides:
                continue
            yield Finding(
                "failed_check" if check.blocking else "check_warning",
                "error" if check.blocking else "warning",
                step.made.id,
                step.name,
                f"{_summary(check)}{f'. {check.description}' if check.description else ''}",
                _check_remedy(check),
            )


def _check_remedy(check: RecordedCheck) -> str:
    if not check.blocking:
        return ""
    if check.name == UNTAINTED:
        return "It must be made again without what was withdrawn: sport-assets impact of that, with --launch."
    return "Mend the input and build again."


def _summary(check: RecordedCheck) -> str:
    counted = f": {check.failed:,} of {check.checked:,}" if check.failed else ""
    rules = f" ({', '.join(f'{rule} {count:,}' for rule, count in sorted(check.rules.items()))})" if check.rules else ""
    return f"check {check.name} {'failed' if check.blocking else 'warns'}{counted}{rules}"


def _overridden(chain: Chain) -> Iterator[Finding]:
    for step in chain.steps:
        for event in step.overrides.values():
            yield Finding(
                "overridden_check",
                "warning",
                step.made.id,
                step.name,
                f"{_summary(step.checks[event.check])} and was let pass by {event.by} on {event.at:%Y-%m-%d}: "
                f"{event.reason}",
            )


def _left_out(chain: Chain) -> Iterator[Finding]:
    for step in chain.steps:
        for rows in step.made.withdrawn_rows:
            what = " and ".join(f"{name}={value}" for name, value in sorted(rows.items()))
            yield Finding(
                "rows_left_out",
                "note",
                step.made.id,
                step.name,
                f"made without rows with {what}, if it had any: they were withdrawn",
            )


def _stale(chain: Chain) -> Iterator[Finding]:
    """One for each asset. A version that was pinned is not outdated by a newer one."""
    pinned = {ref.record for step in chain.steps for ref in step.made.inputs if ref.pinned}
    by_key: dict[str, list[Step]] = defaultdict(list)
    for step in chain.steps:
        if step.newest is not None and step.made.id not in pinned:
            by_key[step.made.key].append(step)
    for key, steps in by_key.items():
        yield Finding(
            "stale_input",
            "warning",
            steps[0].made.id,
            key,
            f"a newer version exists of {_listed([step.name for step in steps])}",
            f"sport-assets build {name_with_option(chain.target)} takes it up.",
        )


def name_with_option(step: Step) -> str:
    """A step as ``sport-assets build`` wants it."""
    made = step.made
    return made.key if made.partition is None else f"{made.key} --partition '{made.partition}'"


def _dirty(chain: Chain) -> Iterator[Finding]:
    dirty = [step for step in chain.steps if step.made.environment.git_dirty]
    unknown = [step for step in chain.steps if step.made.environment.git_commit is None]
    if dirty:
        commits = sorted({str(step.made.environment.git_commit)[:12] for step in dirty})
        yield Finding(
            "dirty_working_tree",
            "warning",
            dirty[-1].made.id,
            _listed([step.name for step in dirty]),
            f"made by code that was not committed, on top of {', '.join(commits)}: the commit alone does not say what "
            "ran (the code version does)",
            "Commit, and build again.",
        )
    if unknown:
        yield Finding(
            "unknown_commit",
            "note",
            unknown[-1].made.id,
            _listed([step.name for step in unknown]),
            "made by code outside a git checkout: no commit is recorded; the code version is",
        )


def _unpinned(chain: Chain) -> Iterator[Finding]:
    without = [step for step in chain.steps if step.made.environment.lock is None]
    if without:
        yield Finding(
            "unpinned_environment",
            "warning",
            without[-1].made.id,
            _listed([step.name for step in without]),
            "made where no file pinned the versions of packages; those installed are recorded",
            "Run from a checkout with its constraints.txt.",
        )
    by_set: dict[tuple[str, ...], list[Step]] = defaultdict(list)
    for step in chain.steps:
        if step.made.environment.unpinned:
            by_set[tuple(step.made.environment.unpinned)].append(step)
    for packages, steps in by_set.items():
        yield Finding(
            "unpinned_environment",
            "warning",
            steps[-1].made.id,
            _listed([step.name for step in steps]),
            f"packages that constraints.txt does not pin, or not so ({len(packages)}): {_listed(packages)}",
            "Install with -c constraints.txt; the versions that were there are in the record.",
        )


def _mixed(chain: Chain) -> Iterator[Finding]:
    """Steps of one chain that ran with different Python or package versions."""
    seen: dict[str, set[str]] = defaultdict(set)
    # most steps of a chain share one environment
    distinct = {
        tuple(sorted({**step.made.environment.packages, "python": step.made.environment.python}.items()))
        for step in chain.steps
    }
    for packages in distinct:
        for package, version in packages:
            seen[package].add(version)
    mixed = [f"{name} {' and '.join(sorted(versions))}" for name, versions in seen.items() if len(versions) > 1]
    if mixed:
        yield Finding(
            "mixed_environment",
            "note",
            None,
            chain.target.name,
            f"its steps ran with different versions of {len(mixed)} packages: {_listed(sorted(mixed))}",
        )


def _not_exact(chain: Chain) -> Iterator[Finding]:
    for step in chain.steps:
        if step.made.facts.get("bit_exact") is False:
            yield Finding(
                "not_bit_exact",
                "note",
                step.made.id,
                step.name,
                f"training it again need not give the same bits: {step.made.facts.get('not_bit_exact_because')}",
            )


def _fitted_on_all(chain: Chain) -> Iterator[Finding]:
    for step in chain.steps:
        if step.is_trained and step.made.facts.get("folds"):
            yield Finding(
                "final_fit",
                "note",
                step.made.id,
                step.name,
                f"fitted on {step.made.facts.get('fitted_on')}; the figures are those of the folds' own weights",
            )


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{shown} and {len(names) - _SHOWN} more"
