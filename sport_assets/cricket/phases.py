"""What is known before a ball of how long the innings is and what there is to chase; and the phase it is in.

Belongs here: overs, target and phase as anybody at the ground could know them then, from what came before. Must not
come here: reading match files (``cricsheet``), anything that happens on the ball or after it.

A match file has one target and one number of overs per innings: the last ones that were set. When they were set it does
not say; a rain rule may have set them in mid-innings, or after the last ball. So:

* the target of a chase is one more than what the first innings made, whatever was set later;
* the overs are those of the match (20 where a file of twenty-over cricket says more), until something that is over
  shows fewer: a powerplay that has ended and was shorter than six overs, or a first innings that ended early though not
  all were out, which the second may not outlast.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor

FULL_OVERS = 20
BALLS_PER_OVER = 6
PLAYERS = 11
PHASES = ("powerplay", "middle_1", "middle_2", "death_1", "death_2")
"""The phases, in the order of their numbers."""
FIRST_OVERS = (0, 6, 11, 16, 18)
"""The over, from 0, in which each phase begins in an innings of 20 overs."""


def most_overs_of(powerplay_overs: int) -> int:
    """The longest innings (at most 20 overs) of which so many overs are the powerplay: three tenths, rounded."""
    return max((n for n in range(1, FULL_OVERS + 1) if floor(0.3 * n + 0.5) <= powerplay_overs), default=1)


def phase(over: int, known_overs: int) -> int:
    """Number of the phase of an over (from 0) of an innings of ``known_overs`` overs.

    By the over alone, however many balls it has: overs 0-5, 6-10, 11-15, 16-17 and 18-19 of 20, and the same shares of
    a shorter innings.
    """
    scaled = over * FULL_OVERS // max(known_overs, 1)
    return sum(scaled >= first for first in FIRST_OVERS) - 1


@dataclass(frozen=True)
class Length:
    """How many overs an innings was known to have, before its balls: at the start, and once the powerplay was over."""

    at_start: int
    powerplay_overs: int | None = None

    def known(self, over: int) -> int:
        """The overs known before a ball of ``over`` (from 0)."""
        return self.at_end if self._powerplay_ended(over) else self.at_start

    def phase(self, over: int) -> int:
        """Number of the phase of ``over``: what comes after the powerplay is none of it, however short that was."""
        return max(phase(over, self.known(over)), 1 if self._powerplay_ended(over) else 0)

    def _powerplay_ended(self, over: int) -> bool:
        return self.powerplay_overs is not None and over >= self.powerplay_overs

    @property
    def at_end(self) -> int:
        """The overs known when the innings is over."""
        if self.powerplay_overs is None or self.powerplay_overs >= FIRST_OVERS[1]:
            return self.at_start
        return min(self.at_start, most_overs_of(self.powerplay_overs))


def scheduled_overs(overs: int) -> int:
    """The overs of a match of twenty-over cricket: some files say 50."""
    return min(overs, FULL_OVERS)


def overs_of_chase(first: Length, legal_balls: int, all_out: bool) -> int:
    """The overs that a second innings is known to have when it begins."""
    known = first.at_end
    return known if all_out else min(known, max(ceil(legal_balls / BALLS_PER_OVER), 1))
