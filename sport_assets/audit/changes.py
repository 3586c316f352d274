"""What is another one between two records: configuration, environment.

Belongs here: comparing two records' plain values. Must not come here: pairing records of two chains (``diff``).
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from sport_assets.lineage.manifest import Environment


class Change(NamedTuple):
    """One thing and its two values; None where there was none."""

    what: str
    before: Any
    after: Any


def setting_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """Settings that differ, by dotted name."""
    left, right = dict(_dotted(before)), dict(_dotted(after))
    names = sorted(left.keys() | right.keys())
    return [Change(name, left.get(name), right.get(name)) for name in names if left.get(name) != right.get(name)]


def environment_changes(before: Environment, after: Environment) -> list[Change]:
    """What differs between two environments, most telling first: Python, device, threads, packages that have another
    version, packages that came or went, machine, commit.
    """
    packages = before.packages.keys() | after.packages.keys()
    here = sorted(packages, key=lambda name: (name not in before.packages or name not in after.packages, name))
    pairs = [(name, getattr(before, name), getattr(after, name)) for name in ("python", "device", "threads")]
    pairs += [(f"package {name}", before.packages.get(name), after.packages.get(name)) for name in here]
    pairs += [("platform", before.platform, after.platform), ("git commit", before.git_commit, after.git_commit)]
    pairs += [("uncommitted changes", before.git_dirty, after.git_dirty)]
    return [Change(*pair) for pair in pairs if pair[1] != pair[2]]


def _dotted(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _dotted(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
