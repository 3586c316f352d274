"""Balls of some matches with what is known before each: what baselines learn from and every model is judged by.

Belongs here: innings of a side with their features. Must not come here: networks (``measuring``): what stands on the
balls alone, as baselines do, is not made again when a network changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sport_assets.cricket import features
from sport_assets.cricket.history import Situations
from sport_assets.cricket.innings import NO_OUTCOME, Innings
from sport_assets.training.errors import BadSpecError


@dataclass(frozen=True)
class Balls:
    """Innings with what is known before each of their balls."""

    innings: Innings
    features: np.ndarray
    """`features.table` of the balls [N, F]."""

    @classmethod
    def load(
        cls, samples: Mapping[str, Path], past: Situations | None = None, matches: Iterable[str] | None = None
    ) -> Balls:
        """The innings of some matches (by default all) in the folders of `innings` by year.

        Rates are told from `past`, by default from all innings of the folders.
        """
        made = Innings.join([Innings.load(folder) for _, folder in sorted(samples.items())])
        if matches is not None:
            past = Situations.of(made) if past is None else past
            made = made.select(set(matches))
        return cls(made, features.table(made, past))

    def select(self, matches: Iterable[str], what: str) -> Balls:
        """The balls with an outcome in innings of some matches (called `what`); all balls of an innings stay with it.

        Raises BadSpecError where there is none.
        """
        chosen = set(matches)
        innings = self.innings.select(chosen)
        if not (innings.balls["outcome"] != NO_OUTCOME).any():
            raise BadSpecError(f"no ball with an outcome is on {what}: add raw files, or set other dates of the split")
        return Balls(innings, self.features[self.innings.of_matches(chosen)])

    @property
    def scored(self) -> np.ndarray:
        """bool [N]: whether the label rule gives the ball an outcome."""
        return np.asarray(self.innings.balls["outcome"] != NO_OUTCOME)

    @property
    def scored_features(self) -> np.ndarray:
        """Features of the scored balls; no copy where these are all, for it would be some hundred megabytes."""
        return self.features if self.scored.all() else self.features[self.scored]

    @property
    def outcome(self) -> np.ndarray:
        """Outcomes of the scored balls."""
        return np.asarray(self.innings.balls["outcome"][self.scored])

    def __len__(self) -> int:
        return len(self.innings)
