"""Weeks as partitions: their keys, and the raw files that stand behind each.

Belongs here: names and places of raw files. Must not come here: what is in them.
"""

import os
import re
from collections.abc import Iterable
from pathlib import Path

SEASONS_VARIABLE = "SPORT_ASSETS_NFL_SEASONS"
DEFAULT_SEASONS = "2023"
WEEKS = range(1, 23)
WEEK_KEY = r"^\d{4}-w\d{2}$"
"""How a week's partition key reads."""
SUPPLEMENTARY = "supplementary_data"


def seasons() -> list[int]:
    """The configured seasons, sorted. Raises ``ValueError`` naming the variable when it cannot be read."""
    text = os.environ.get(SEASONS_VARIABLE) or DEFAULT_SEASONS
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts or not all(re.fullmatch(r"(19|20)\d\d", part) for part in parts):
        raise ValueError(f"{SEASONS_VARIABLE}={text!r}: write seasons as 2023 or 2022,2023")
    return sorted({int(part) for part in parts})


def week_keys() -> list[str]:
    """Partition keys of all weeks of the configured seasons: ``2023-w01`` to ``2023-w22``."""
    return [f"{season}-w{week:02d}" for season in seasons() for week in WEEKS]


def season_and_week(key: str) -> tuple[int, int]:
    """(season, week) of a partition key."""
    season, _, week = key.partition("-w")
    return int(season), int(week)


def seasons_of(partitions: Iterable[str | None]) -> list[int]:
    """The seasons of those partition keys that are weeks, sorted."""
    return sorted({season_and_week(key)[0] for key in partitions if key is not None and re.match(WEEK_KEY, key)})


def week_files(data: Path, key: str) -> list[str]:
    """Input and output file of a week, relative to ``data``: plain CSV, or gzip where only that is there."""
    season, week = season_and_week(key)
    return [plain_or_gzip(data, f"nfl/train/{kind}_{season}_w{week:02d}") for kind in ("input", "output")]


def supplementary_file(data: Path) -> str:
    """The supplementary file, relative to ``data``."""
    return plain_or_gzip(data, f"nfl/{SUPPLEMENTARY}")


def present_weeks(data: Path) -> list[str]:
    """Weeks of the configured seasons whose raw files are all there."""
    return [key for key in week_keys() if all((data / path).is_file() for path in week_files(data, key))]


def plain_or_gzip(folder: Path, stem: str) -> str:
    """The name of a raw file below ``folder``: ``stem``.csv, or ``stem``.csv.gz where only that is there.

    Raises ``ValueError`` when both are there: nobody could say which one counts.
    """
    plain, packed = f"{stem}.csv", f"{stem}.csv.gz"
    if (folder / packed).is_file():
        if (folder / plain).is_file():
            raise ValueError(f"{folder / plain} and {packed} are both there: keep one of them")
        return packed
    return plain
