"""The people, grounds and calendar of generated cricket: everything that is fixed before a match.

Belongs here: teams, players and how good they are, grounds, dates. Must not come here: what happens on a ball (`play`).
Players and teams are invented.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

TEAMS = (
    "Albia", "Brennia", "Cadora", "Dunmark", "Estria", "Falmora", "Galdia", "Hestria", "Ilvania", "Jorvia",
)  # fmt: skip
SQUAD, ELEVEN, BOWLERS = 15, 11, 6
FIRST_DAY, DAYS = date(2023, 7, 1), 730
"""Matches lie within two years, so that the usual dates of a split leave some on each side."""
_GOLDEN = 0.6180339887498949
_GIVEN = "ABCDEFGHIJKLMNPRSTVW"
_SURNAMES = (
    "Abbeville", "Ashgrove", "Barrowby", "Calverley", "Danthorpe", "Elderkin", "Farnaby", "Garthwaite", "Haldane",
    "Ingleby", "Jessamy", "Kirkwall", "Lambourne", "Merriden", "Northolt", "Oakeshott", "Penrith", "Quarrie",
    "Ravenhill", "Selwood", "Thornbury", "Umberleigh", "Vellacott", "Wychwood", "Yarborough",
)  # fmt: skip
GROUNDS = (
    ("Harbour Ground", "Albia City"), ("Old Meadow", "Brenn"), ("River Oval", None), ("Cathedral Park", "Dun"),
    ("Mill Road", "Estra"), ("Parade Ground, Galda", "Galda"),
)  # fmt: skip


@dataclass(frozen=True)
class Player:
    """A player: how hard and how well he bats, how little he gives away and how often he takes a wicket (about 0)."""

    name: str
    id: str
    power: float
    skill: float
    economy: float
    strike: float


@dataclass(frozen=True)
class League:
    """Squads by team; the last BOWLERS of an eleven bowl. Runs that come easier on each ground."""

    squads: dict[str, tuple[Player, ...]]
    grounds: tuple[float, ...]


def league(seed: int) -> League:
    """The same league for a seed, whatever is played in it. Two people in different teams share a name."""
    rng = np.random.default_rng([seed, 1])
    ids = iter(rng.choice(0xF0000000, size=len(TEAMS) * SQUAD, replace=False) + 0x01000000)
    squads = {}
    for number, team in enumerate(TEAMS):
        squad = []
        for place in range(SQUAD):
            initials = "".join(rng.choice(list(_GIVEN), size=2))
            name = f"{initials} {_SURNAMES[(number * SQUAD + place) % len(_SURNAMES)]}"
            if place == 0 and number < 2:
                name = "AB Samename"
            bats = 0.5 - place / SQUAD  # the first in the order bat best
            power, skill, economy, strike = rng.normal(0, 0.4, 4)
            squad.append(Player(name, f"{int(next(ids)):08x}", power + 0.4 * bats, skill + bats, economy, strike))
        squads[team] = tuple(squad)
    return League(squads, tuple(float(each) for each in rng.normal(0, 0.15, len(GROUNDS))))


def day(number: int) -> date:
    """The day of a match, whatever the number of matches: spread evenly, every tenth on the day of the one before."""
    even = number - 1 if number % 10 == 9 else number
    return FIRST_DAY + timedelta(days=int((even * _GOLDEN) % 1.0 * DAYS))
