"""Which features belong to which node of the graph of an innings: one table that the whole line asks.

Belongs here: node types, the names of their features, and the entity that stands behind a node. Must not come here:
how a feature is computed (``features``), the network.

Every feature but those of ``ball`` is known before the ball it is of. Those of ``ball`` say what a ball brought: they
may be looked at from later balls alone.
"""

from __future__ import annotations

from collections.abc import Mapping

from sport_assets.cricket.labels import OUTCOMES
from sport_assets.cricket.phases import PHASES

LAST_BALLS = (6, 12, 18, 30)
"""Windows of momentum, in deliveries before the ball."""


def _lifts(kind: str) -> tuple[str, ...]:
    """How much more often than expected each outcome came, as a logarithm, and how much is known: log(1 + balls)."""
    return (*(f"{kind}_lift_{outcome}" for outcome in OUTCOMES), f"{kind}_known")


def _batter(end: str) -> tuple[str, ...]:
    return tuple(
        f"{end}_{name}"
        for name in ("runs", "balls", "strike_rate", "dot_share", "boundaries", "share_of_runs", "new", "position")
    )


def _last(*names: str) -> tuple[str, ...]:
    return tuple(f"{name}_last_{balls}" for name in names for balls in LAST_BALLS)


HISTORY_KINDS = (
    "batting_team",
    "bowling_team",
    "venue",
    "batter",
    "bowler",
    "batter_phase",
    "bowler_phase",
    "non_striker",
    "matchup",
)
"""What the history keeps rates of; ``non_striker`` is the batter's rates of who stands at the other end."""
BASE_RATES = tuple(f"base_rate_{outcome}" for outcome in OUTCOMES)
"""Logarithm of each outcome's rate for over, innings and wickets, from earlier dates."""

NODE_FEATURES: Mapping[str, tuple[str, ...]] = {
    "venue": _lifts("venue"),
    "batting_team": _lifts("batting_team"),
    "bowling_team": _lifts("bowling_team"),
    "score_state": ("runs", "run_rate", "wickets", "legal_balls", "projected_runs"),
    "chase_state": ("is_chase", "target", "runs_needed", "required_rate", "rate_gap", "needed_per_wicket"),
    "phase_state": (*(f"phase_{phase}" for phase in PHASES), *BASE_RATES),
    "time_pressure": ("balls_left", "overs_limit", "last_over", "innings_share", "legal_balls_left_in_over"),
    "wicket_buffer": ("wickets_left", "balls_per_wicket_left", "tail"),
    "striker_identity": (*_lifts("batter"), *_lifts("batter_phase"), *_lifts("matchup")),
    "striker_state": _batter("striker"),
    "non_striker_identity": _lifts("non_striker"),
    "non_striker_state": _batter("non_striker"),
    "bowler_identity": (*_lifts("bowler"), *_lifts("bowler_phase")),
    "bowler_state": (
        "bowler_balls",
        "bowler_runs",
        "bowler_economy",
        "bowler_wickets",
        "bowler_dot_share",
        "bowler_boundaries",
        "bowler_new",
        "bowler_position",
    ),
    "partnership": ("partnership_runs", "partnership_balls", "partnership_rate"),
    "batting_momentum": _last("runs", "boundaries"),
    "bowling_momentum": _last("wickets", "dots"),
    "pressure_index": ("pressure", "recent_rate_gap", "wicket_pressure"),
    "dot_pressure": ("dots_in_a_row", "balls_since_boundary", "balls_since_wicket"),
    "ball": (
        *(f"ball_{outcome}" for outcome in OUTCOMES),
        "ball_runs",
        "ball_extras",
        "ball_wide",
        "ball_noball",
        "ball_over",
        "ball_in_innings",
    ),
    "query": (
        "over",
        "ball_in_over",
        "second_innings",
        "free_hit",
        "over_start",
        "over_runs",
        "over_wickets",
        *(f"previous_{outcome}" for outcome in OUTCOMES),
        "previous_wide",
    ),
}
"""Columns of each of the 21 node types, by type."""

NODE_TYPES = tuple(NODE_FEATURES)
NODE_ENTITIES: Mapping[str, str] = {
    "venue": "venue",
    "batting_team": "batting_team",
    "bowling_team": "bowling_team",
    "striker_identity": "striker",
    "non_striker_identity": "non_striker",
    "bowler_identity": "bowler",
}
"""The column of ids (``innings.Innings.balls``) behind a node that stands for somebody or some place."""
RESULT_NODE = "ball"
"""The node whose features are results of the ball."""
MATCHUP_FEATURES = _lifts("matchup")
"""What is known of this batter against this bowler; part of ``striker_identity``."""
FEATURES = tuple(name for node, names in NODE_FEATURES.items() if node != RESULT_NODE for name in names)
"""All features that are known before the ball, in the order of their columns."""
HISTORY_FEATURES = (*BASE_RATES, *(name for kind in HISTORY_KINDS for name in _lifts(kind)))
"""Those that come from earlier dates (``history``), in the order of its columns."""
