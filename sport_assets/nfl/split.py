"""Which games train, validate and test a model, and the proof that no game does two of these.

Belongs here: the split by game (by hash, weeks or seasons), grouped folds, their file, and the leakage check.
Does not belong here: reading plays. The unit is always the game: plays of one game share players, weather,
opponents and play-calling, so a split by play would let a model know its test data.

Two figures need two kinds of folds. ``folds`` deal out all games: each fold's model forecasts the games it never saw,
so that the evaluation stands on every play. ``tuning_folds`` deal out the games of train and valid alone: settings may
be chosen by them, and the test games stay unknown to whoever chose.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import polars as pl

from sport_assets.lineage.checks import SAMPLE_ROWS, CheckResult

Method = Literal["hash", "weeks", "seasons"]
SIDES = ("train", "valid", "test")
SPLIT_VERSION = 3
DEFAULT_FOLDS = 5
DEFAULT_SALT = "sport_assets/nfl"
LEAKAGE = (
    "No game is on two sides of the split or of a fold, each is held out once, no test game is in a fold for tuning, "
    "and every side has games."
)
DEFAULT_SHARES: Mapping[str, float] = {"train": 0.7, "valid": 0.15, "test": 0.15}


Fold = tuple[tuple[int, ...], tuple[int, ...]]
"""(train games, valid games), each sorted."""


class SplitError(ValueError):
    """A split that cannot be made as asked; the message says what to change."""


@dataclass(frozen=True)
class Split:
    """Games by side. Each side's games are sorted."""

    method: str
    train: tuple[int, ...]
    valid: tuple[int, ...]
    test: tuple[int, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What the split was made with (salt, shares, weeks, seasons): JSON-able."""
    weeks: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """The games of each week (``2023-w01``), sorted."""
    folds: tuple[Fold, ...] = ()
    """Folds over all games, for an evaluation in which every game is held out once."""
    tuning_folds: tuple[Fold, ...] = ()
    """Folds over the games of train and valid, for choosing settings; a test game is in none."""

    def side(self, name: str) -> tuple[int, ...]:
        """The games of ``train``, ``valid`` or ``test``."""
        if name not in SIDES:
            raise SplitError(f"{name!r} is not a side of a split: choose of {', '.join(SIDES)}")
        games: tuple[int, ...] = getattr(self, name)
        return games

    def save(self, path: Path) -> None:
        """Write as JSON; the same split gives the same bytes."""
        content = {
            "version": SPLIT_VERSION,
            "method": self.method,
            "settings": dict(self.settings),
            "weeks": {week: list(games) for week, games in self.weeks.items()},
            "folds": [{"train": list(train), "valid": list(valid)} for train, valid in self.folds],
            "tuning_folds": [{"train": list(train), "valid": list(valid)} for train, valid in self.tuning_folds],
            **{side: list(self.side(side)) for side in SIDES},
        }
        path.write_text(json.dumps(content, sort_keys=True, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Split:
        """Read a file written by :meth:`save`."""
        content = json.loads(path.read_text(encoding="utf-8"))
        if content.get("version") != SPLIT_VERSION:
            raise SplitError(f"{path.name} is not a split of version {SPLIT_VERSION}: make it again")
        sides = {side: tuple(int(game) for game in content[side]) for side in SIDES}
        return cls(
            method=content["method"],
            settings=content["settings"],
            weeks={week: tuple(games) for week, games in content["weeks"].items()},
            folds=tuple((tuple(fold["train"]), tuple(fold["valid"])) for fold in content["folds"]),
            tuning_folds=tuple((tuple(fold["train"]), tuple(fold["valid"])) for fold in content["tuning_folds"]),
            **sides,
        )

    def first_weeks(self, available: Iterable[str]) -> list[str]:
        """The shortest run of weeks from the first on whose games include some that train and some that validate.

        Normally one week. Raises SplitError where all of ``available`` together have none for one of the sides.
        """
        chosen: list[str] = []
        games: set[int] = set()
        for week in sorted(available):
            chosen.append(week)
            games |= set(self.weeks.get(week, ()))
            if games & set(self.train) and games & set(self.valid):
                return chosen
        raise SplitError(f"no games to train and to validate in the weeks {', '.join(chosen) or 'at hand (none)'}")


def place(game_id: int, salt: str = DEFAULT_SALT) -> float:
    """A game's fixed place in [0, 1): from SHA-256 of the salt and the id, so that it never depends on other
    games."""
    digest = hashlib.sha256(f"{salt}:{game_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def make_split(
    games: pl.DataFrame,
    method: Method = "hash",
    *,
    salt: str = DEFAULT_SALT,
    shares: Mapping[str, float] = DEFAULT_SHARES,
    valid: Iterable[Any] = (),
    test: Iterable[Any] = (),
    k: int = DEFAULT_FOLDS,
) -> Split:
    """Put every game on one side, and deal all games, and again those of train and valid, into ``k`` folds.

    games: game_id, season, week (and plays), one row per game or per (game, week) it appears in.
    method "hash": by each game's place and the shares of the sides. A game keeps its side when games are
    added, with one exception: while a side would be empty, it is given the game nearest to its range.
    method "weeks": ``valid`` and ``test`` name weeks, as ``12`` (of every season) or ``"2023-w12"``; the rest
    trains.
    method "seasons": ``valid`` and ``test`` name seasons; the rest trains.
    Where there are fewer games to deal than ``k``, each is a fold of its own.
    Raises SplitError when there are fewer than three games, when a name fits no game, or when a side stays
    empty.
    """
    ids = sorted(int(game) for game in games["game_id"].unique())
    if len(ids) < len(SIDES):
        raise SplitError(
            f"{len(ids)} games cannot be split into train, valid and test: at least {len(SIDES)} are needed. "
            "Add weeks of raw files."
        )
    if method == "hash":
        sides = _by_hash(ids, salt, shares)
        settings: dict[str, Any] = {"salt": salt, "shares": {side: float(shares[side]) for side in SIDES}}
    elif method in ("weeks", "seasons"):
        sides = _by_name(games, ids, method, list(valid), list(test))
        settings = {"valid": _names(valid), "test": _names(test)}
    else:
        raise SplitError(f"{method!r} is not a way to split: choose hash, weeks or seasons")
    learning = sides["train"] | sides["valid"]
    return Split(
        method=method,
        settings={**settings, "folds": k},
        weeks=_weeks(games),
        folds=tuple(folds(ids, min(k, len(ids)), salt=salt)),
        tuning_folds=tuple(folds(learning, min(k, len(learning)), salt=salt)),
        **{side: tuple(sorted(sides[side])) for side in SIDES},
    )


def folds(games: Iterable[int], k: int, *, salt: str = DEFAULT_SALT) -> list[Fold]:
    """k pairs (train games, valid games); every game is in exactly one valid side.

    Games are dealt out in the order of their places, so folds differ by at most one game in size.
    Raises SplitError for k below 2 or fewer games than folds.
    """
    ids = sorted({int(game) for game in games}, key=lambda game: (place(game, salt), game))
    if k < 2:
        raise SplitError(f"{k} folds: at least 2 are needed")
    if len(ids) < k:
        raise SplitError(f"{len(ids)} games cannot make {k} folds: ask for fewer folds or add games")
    parts = [set(ids[fold::k]) for fold in range(k)]
    everything = set(ids)
    return [(tuple(sorted(everything - part)), tuple(sorted(part))) for part in parts]


def leakage_check(
    split: Split,
    plays: pl.DataFrame | Mapping[str, pl.DataFrame] | None = None,
    *,
    name: str = "no_game_on_two_sides",
) -> CheckResult:
    """Proves that no game is on two sides, of the split or of one of its folds, and that each side has a game.

    The folds hold out every game once; those for tuning every game to train or validate, and never see a test game.
    plays: either a table with game_id whose games must all be on a side, or by side the tables that were
    really used (game_id), whose games must be on that very side. Blocking.
    """
    found: list[dict[str, Any]] = []
    rules: dict[str, int] = {}

    def blame(rule: str, games: Iterable[int], **more: Any) -> None:
        rows = [{"rule": rule, "game_id": game, **more} for game in sorted(games)]
        if rows:
            rules[rule] = rules.get(rule, 0) + len(rows)
            found.extend(rows)

    sides = {side: split.side(side) for side in SIDES}
    for side, games in sides.items():
        if not games:
            rules["empty_side"] = rules.get("empty_side", 0) + 1
            found.append({"rule": "empty_side", "side": side})
        blame("game_twice_on_one_side", {game for game in games if games.count(game) > 1}, side=side)
    for index, side in enumerate(SIDES):
        for other in SIDES[index + 1 :]:
            blame("game_on_two_sides", set(sides[side]) & set(sides[other]), sides=f"{side}, {other}")
    everything = {game for games in sides.values() for game in games}
    checked = len(everything)
    learning = everything - set(sides["test"])
    for kind, parts, whole in (("fold", split.folds, everything), ("tuning_fold", split.tuning_folds, learning)):
        for number, (train, valid) in enumerate(parts):
            blame(f"game_on_two_sides_of_a_{kind}", set(train) & set(valid), fold=number)
            blame(f"game_out_of_place_in_a_{kind}", (set(train) | set(valid)) - whole, fold=number)
        held_out = Counter(game for _, valid in parts for game in set(valid))
        blame(f"game_not_held_out_once_by_a_{kind}", {game for game in whole if parts and held_out[game] != 1})
    if isinstance(plays, pl.DataFrame):
        present = {int(game) for game in plays["game_id"].unique()}
        blame("game_on_no_side", present - everything)
    elif plays is not None:
        for side, table in plays.items():
            used = {int(game) for game in table["game_id"].unique()}
            blame("game_used_on_another_side", used - set(split.side(side)), side=side)
    return CheckResult(
        name=name,
        passed=not found,
        blocking=True,
        description=LEAKAGE,
        failed=len(found),
        checked=checked,
        rules=dict(sorted(rules.items())),
        sample=tuple(found[:SAMPLE_ROWS]),
        metadata={
            **{f"{side}_games": len(sides[side]) for side in SIDES},
            "folds": len(split.folds),
            "tuning_folds": len(split.tuning_folds),
        },
    )


def _weeks(games: pl.DataFrame) -> dict[str, tuple[int, ...]]:
    weeks: dict[str, set[int]] = {}
    for game, season, week in games.select("game_id", "season", "week").iter_rows():
        weeks.setdefault(f"{season}-w{week:02d}", set()).add(int(game))
    return {week: tuple(sorted(ids)) for week, ids in sorted(weeks.items())}


def _by_hash(ids: Sequence[int], salt: str, shares: Mapping[str, float]) -> dict[str, set[int]]:
    if set(shares) != set(SIDES) or any(share <= 0 for share in shares.values()):
        raise SplitError(f"shares need a positive number for each of {', '.join(SIDES)}")
    total = sum(shares.values())
    bounds = {
        "test": shares["test"] / total,
        "valid": (shares["test"] + shares["valid"]) / total,
        "train": 1.0,
    }
    places = {game: place(game, salt) for game in ids}
    sides: dict[str, set[int]] = {side: set() for side in SIDES}
    for game in ids:
        sides[next(side for side, bound in bounds.items() if places[game] < bound or bound == 1.0)].add(game)
    # Few games can leave a side empty. It takes the game whose place is nearest to its range, from a side
    # that can spare one: the rule looks at places alone, so it too is deterministic.
    ranges = {
        "test": (0.0, bounds["test"]),
        "valid": (bounds["test"], bounds["valid"]),
        "train": (bounds["valid"], 1.0),
    }
    for side in SIDES:
        if sides[side]:
            continue
        low, high = ranges[side]
        spare = [game for other in SIDES if len(sides[other]) > 1 for game in sides[other]]
        nearest = min(spare, key=lambda game: (max(low - places[game], places[game] - high), game))
        for games in sides.values():
            games.discard(nearest)
        sides[side].add(nearest)
    return sides


def _by_name(
    games: pl.DataFrame, ids: Sequence[int], method: str, valid: list[Any], test: list[Any]
) -> dict[str, set[int]]:
    chosen: dict[str, set[int]] = {}
    for side, names in (("valid", valid), ("test", test)):
        if not names:
            raise SplitError(f"a split by {method} needs the {method} of the side {side}")
        chosen[side] = set()
        for wanted in names:
            condition = _condition(method, wanted)
            hit = {int(game) for game in games.filter(condition)["game_id"]}
            if not hit:
                raise SplitError(f"{wanted!r} names none of the games at hand (side {side})")
            chosen[side] |= hit
    both = chosen["valid"] & chosen["test"]
    if both:
        raise SplitError(f"games {sorted(both)[:5]} would be in valid and test at once: name other {method}")
    train = set(ids) - chosen["valid"] - chosen["test"]
    if not train:
        raise SplitError(f"no game is left to train on: name fewer {method}")
    return {"train": train, **chosen}


def _condition(method: str, wanted: Any) -> pl.Expr:
    text = str(wanted)
    if method == "seasons":
        if not text.isdigit():
            raise SplitError(f"{wanted!r} is not a season: write it as 2023")
        return pl.col("season") == int(text)
    season, dash, week = text.partition("-w")
    if dash and season.isdigit() and week.isdigit():
        return (pl.col("season") == int(season)) & (pl.col("week") == int(week))
    if text.isdigit():
        return pl.col("week") == int(text)
    raise SplitError(f"{wanted!r} is not a week: write it as 12 or 2023-w12")


def _names(values: Iterable[Any]) -> list[Any]:
    return sorted({value if isinstance(value, int) else str(value) for value in values}, key=str)
