"""Which matches train, validate and test a model: by date, and the proof that no match does two of these.

Belongs here: the split by date, its rolling-origin folds, its file and the leakage check. Must not come here: reading
innings. The unit is the match; all of a date is on one side, for history sees earlier dates alone. The future never
trains: every validation match is later than every training match, and every test match later still.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl

from sport_assets.lineage.checks import SAMPLE_ROWS, CheckResult
from sport_assets.lineage.row_index import RowIndex

SIDES = ("train", "valid", "test")
SPLIT_VERSION = 1
VALID_FROM, TEST_FROM = "2024-07-01", "2025-01-01"
NO_LEAKAGE = "no_match_on_two_sides"
LEAKAGE = (
    "No match is on two sides of the split or of a fold, no side begins before the one that it follows has ended, "
    "no test match is in a fold, and every side has matches."
)

Fold = tuple[tuple[str, ...], tuple[str, ...]]
"""(train matches, valid matches) of a rolling origin, each in order of date."""


class SplitError(ValueError):
    """A split that cannot be made as asked; the message says what to change."""


@dataclass(frozen=True)
class Split:
    """Matches by side, each in order of date and id."""

    train: tuple[str, ...]
    valid: tuple[str, ...]
    test: tuple[str, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)
    dates: Mapping[str, str] = field(default_factory=dict)
    """The date of each match."""
    folds: tuple[Fold, ...] = ()
    """Rolling origin over the matches before the test: each validates on a later stretch, after all it trains on."""

    def side(self, name: str) -> tuple[str, ...]:
        """The matches of ``train``, ``valid`` or ``test``."""
        if name not in SIDES:
            raise SplitError(f"{name!r} is not a side of a split: choose of {', '.join(SIDES)}")
        matches: tuple[str, ...] = getattr(self, name)
        return matches

    def years(self, *sides: str) -> list[str]:
        """The years of the matches of some sides, sorted."""
        return sorted({self.dates[match][:4] for side in sides for match in self.side(side)})

    def save(self, path: Path) -> None:
        """Write as JSON; the same split gives the same bytes."""
        content = {
            "version": SPLIT_VERSION,
            "method": "date",
            "settings": dict(self.settings),
            "dates": dict(self.dates),
            "folds": [{"train": list(train), "valid": list(valid)} for train, valid in self.folds],
            **{side: list(self.side(side)) for side in SIDES},
        }
        path.write_text(json.dumps(content, sort_keys=True, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Split:
        """Read a file written by :meth:`save`."""
        content = json.loads(path.read_text(encoding="utf-8"))
        if content.get("version") != SPLIT_VERSION:
            raise SplitError(f"{path.name} is not a split of version {SPLIT_VERSION}: make it again")
        return cls(
            **{side: tuple(content[side]) for side in SIDES},
            settings=content["settings"],
            dates=content["dates"],
            folds=tuple((tuple(fold["train"]), tuple(fold["valid"])) for fold in content["folds"]),
        )


def make_split(
    matches: pl.DataFrame, *, valid_from: str = VALID_FROM, test_from: str = TEST_FROM, folds: Sequence[str] = ()
) -> Split:
    """Put every match (match_id, date) on the side of its date.

    Train are the matches before ``valid_from``, valid those from then to before ``test_from``, test the rest.
    ``folds``: dates before ``test_from``, ascending; between each and the next (the last: ``test_from``) a fold
    validates, and trains on all matches before. Raises SplitError for dates that are none or out of order, and for a
    side or fold without matches.
    """
    for name, given in (("valid_from", valid_from), ("test_from", test_from), *(("folds", each) for each in folds)):
        _check_date(name, given)
    if not valid_from < test_from:
        raise SplitError(f"valid_from={valid_from} must be before test_from={test_from}")
    bounds = [*folds, test_from]
    if any(not one < other for one, other in pairwise(bounds)):
        raise SplitError(f"folds={', '.join(folds)} must be ascending dates before test_from={test_from}")
    rows = matches.select("match_id", "date").unique().sort("date", "match_id")
    dates = dict(rows.iter_rows())
    if len(dates) < len(rows):
        raise SplitError("a match has two dates: make its deliveries again")

    def between(first: str, last: str) -> tuple[str, ...]:
        return tuple(match for match, day in dates.items() if first <= day < last)

    sides = {"train": between("", valid_from), "valid": between(valid_from, test_from), "test": between(test_from, "~")}
    for side, found in sides.items():
        if not found:
            span = f"{min(dates.values(), default='none')} to {max(dates.values(), default='none')}"
            raise SplitError(
                f"no match is on the side {side} with valid_from={valid_from} and test_from={test_from}; "
                f"the matches are of {span}. Set other dates, or add raw files of the missing time"
            )
    made = tuple((between("", first), between(first, last)) for first, last in pairwise(bounds))
    for first, (train, valid) in zip(folds, made, strict=True):
        if not train or not valid:
            raise SplitError(
                f"the fold from {first} has no matches to {'validate' if train else 'train'}: leave it out"
            )
    settings = {"valid_from": valid_from, "test_from": test_from, "folds": list(folds)}
    return Split(**sides, settings=settings, dates=dates, folds=made)


def leakage_check(split: Split, used: Mapping[str, Iterable[str]] | None = None) -> CheckResult:
    """Proves what LEAKAGE says. ``used``: by side the matches really used, which must be on that very side."""
    found: list[dict[str, Any]] = []

    def blame(rule: str, matches: Iterable[str], **more: Any) -> None:
        found.extend({"rule": rule, "match_id": match, **more} for match in sorted(matches))

    everything = {match for side in SIDES for match in split.side(side)}
    for side in SIDES:
        matches = split.side(side)
        if not matches:
            found.append({"rule": "empty_side", "side": side})
        blame("match_twice_on_one_side", {match for match in matches if matches.count(match) > 1}, side=side)
    pairs = [
        ("split", split.train, split.valid),
        ("split", split.train, split.test),
        ("split", split.valid, split.test),
    ]
    pairs += [(f"fold:{number}", *fold) for number, fold in enumerate(split.folds)]
    for where, before, after in pairs:
        blame("match_on_two_sides", set(before) & set(after), where=where)
        last = max((split.dates[match] for match in before), default="")
        blame("match_before_what_it_follows", {match for match in after if split.dates[match] <= last}, where=where)
    for number, (train, valid) in enumerate(split.folds):
        blame("match_out_of_place_in_a_fold", (set(train) | set(valid)) - everything, where=f"fold:{number}")
        blame("test_match_in_a_fold", (set(train) | set(valid)) & set(split.test), where=f"fold:{number}")
    for side, really in (used or {}).items():
        blame("match_used_on_another_side", set(really) - set(split.side(side)), side=side)
    rules: dict[str, int] = {}
    for row in found:
        rules[row["rule"]] = rules.get(row["rule"], 0) + 1
    return CheckResult(
        NO_LEAKAGE,
        not found,
        True,
        LEAKAGE,
        failed=len(found),
        checked=len(everything),
        rules=dict(sorted(rules.items())),
        sample=found[:SAMPLE_ROWS],
        metadata={**{f"{side}_matches": len(split.side(side)) for side in SIDES}, "folds": len(split.folds)},
    )


def identifiers(split: Split) -> RowIndex:
    """The matches on each side, and on each side of each fold."""
    index = RowIndex()
    for side in SIDES:
        index.add(("match_id",), split.side(side), side)
    for number, (train, valid) in enumerate(split.folds):
        index.add(("match_id",), train, f"train fold:{number}")
        index.add(("match_id",), valid, f"valid fold:{number}")
    return index


def _check_date(name: str, given: str) -> None:
    try:
        right = date.fromisoformat(given).isoformat() == given
    except ValueError:
        right = False
    if not right:
        raise SplitError(f"{name}={given!r} is not a date: write it as 2024-07-01")
