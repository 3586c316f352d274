"""The graph of an innings: which node listens to which, and which earlier balls a ball or a node may look at.

Here belong the 16 relations between the 21 node types (``nodes``) and the masks that follow from who bowled and faced
each ball. What is computed along a relation is in ``layers``; features are in ``nodes`` and ``features``.

There is one graph per innings. A ball is a node once, and says what it brought. The 19 context nodes and the query
stand once for every ball that is forecast, with what was known before it; between the nodes of one forecast each
relation has one neighbour. Balls are heard from later balls alone: every mask is strictly below the diagonal.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from torch import Tensor

from sport_assets.cricket.nodes import NODE_TYPES, RESULT_NODE

QUERY = "query"
CONTEXT = tuple(node for node in NODE_TYPES if node not in (RESULT_NODE, QUERY))
"""The 19 node types that say how things stand before a ball."""

RECENT_BALLS = 36
"""How far back, in deliveries, ``recent`` and ``remembered_by`` look: six overs."""
MOMENTUM_BALLS = 12
"""How far back, in deliveries, ``leads_to`` looks: two overs."""

SINGLE_NEIGHBOUR: Mapping[str, tuple[tuple[str, str], ...]] = {
    "sets_scene": (
        *(("venue", node) for node in ("batting_team", "bowling_team", "score_state", "phase_state")),
        *(("batting_team", node) for node in ("bowling_team", "score_state", "chase_state", "wicket_buffer")),
        *(("bowling_team", node) for node in ("batting_team", "score_state")),
    ),
    "plays_for": (
        ("batting_team", "striker_identity"),
        ("batting_team", "non_striker_identity"),
        ("bowling_team", "bowler_identity"),
    ),
    "form_of": (
        ("striker_identity", "striker_state"),
        ("non_striker_identity", "non_striker_state"),
        ("bowler_identity", "bowler_state"),
    ),
    "faces": (
        ("striker_identity", "bowler_identity"),
        ("bowler_identity", "striker_identity"),
        ("striker_identity", "bowler_state"),
        ("bowler_identity", "striker_state"),
        ("striker_state", "bowler_state"),
        ("bowler_state", "striker_state"),
    ),
    "partners": (
        ("striker_state", "non_striker_state"),
        ("non_striker_state", "striker_state"),
        ("striker_state", "partnership"),
        ("non_striker_state", "partnership"),
        ("partnership", "striker_state"),
    ),
    "weighs_on": (
        *((node, "chase_state") for node in ("score_state", "time_pressure", "wicket_buffer")),
        *((node, "score_state") for node in ("phase_state", "wicket_buffer")),
        *(
            (node, "striker_state")
            for node in ("score_state", "chase_state", "phase_state", "time_pressure", "wicket_buffer")
        ),
        *((node, "bowler_state") for node in ("score_state", "phase_state")),
        *((node, "partnership") for node in ("chase_state", "wicket_buffer")),
        *((node, "pressure_index") for node in ("chase_state", "time_pressure", "wicket_buffer")),
        ("phase_state", "dot_pressure"),
    ),
    "drives": (
        ("striker_state", "batting_momentum"),
        ("partnership", "batting_momentum"),
        ("bowler_state", "bowling_momentum"),
        ("striker_state", "dot_pressure"),
        ("bowler_state", "dot_pressure"),
        *((node, "pressure_index") for node in ("batting_momentum", "bowling_momentum", "dot_pressure")),
        ("pressure_index", "striker_state"),
    ),
    "asked_by": tuple((node, QUERY) for node in CONTEXT),
}
"""Relations between the nodes of one forecast, by name: (speaking, listening) types."""

BALL_MEANS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "same_bowler": ((RESULT_NODE, "same_bowler"),),
    "same_batter": ((RESULT_NODE, "same_batter"),),
    "same_matchup": ((RESULT_NODE, "same_matchup"),),
    "same_over": ((RESULT_NODE, "same_over"),),
    "played_by": (
        ("striker_state", "same_batter"),
        ("non_striker_state", "non_striker"),
        ("bowler_state", "same_bowler"),
        ("partnership", "partnership"),
    ),
    "leads_to": tuple(
        (node, "momentum") for node in ("batting_momentum", "bowling_momentum", "pressure_index", "dot_pressure")
    ),
}
"""Relations from earlier balls that take their mean, by name: (listening type, mask)."""

BALL_ATTENTION: Mapping[str, tuple[tuple[str, str], ...]] = {
    "recent": ((RESULT_NODE, "recent"),),
    "remembered_by": ((QUERY, "recent"),),
}
"""Relations from earlier balls that attend to them, by name: (listening type, mask)."""

RELATIONS = (*SINGLE_NEIGHBOUR, *BALL_MEANS, *BALL_ATTENTION)

MEANS = tuple(dict.fromkeys(mask for relation in BALL_MEANS.values() for _, mask in relation))
"""The masks of which means are taken; each mean is taken once, whoever listens."""


def speakers(listening: str) -> tuple[str, ...]:
    """Types of the same forecast that a type listens to, in the order of the relations."""
    return tuple(source for pairs in SINGLE_NEIGHBOUR.values() for source, node in pairs if node == listening)


def means_heard(listening: str) -> tuple[str, ...]:
    """Masks of earlier balls whose means a type listens to, in the order of the relations."""
    return tuple(mask for pairs in BALL_MEANS.values() for node, mask in pairs if node == listening)


class Rows(NamedTuple):
    """Who and where, of balls or of forecasts: what the masks are made of. Equal numbers are the same person."""

    striker: Tensor
    """[B, T] within a match; also for players that no table knows."""
    non_striker: Tensor
    bowler: Tensor
    over: Tensor
    """[B, T] from 0"""
    number: Tensor
    """[B, T]: place among the deliveries of the innings, from 0."""
    real: Tensor
    """bool [B, T]: False where the batch is padded."""


def masks(rows: Rows) -> dict[str, Tensor]:
    """Which balls each row may look at, by name: bool [B, T, T], only ever at earlier ones.

    same_batter: faced by the striker; non_striker: faced by who is now at the other end; partnership: with the same
    two batters in; earlier: all balls before.
    """

    def same(left: Tensor, right: Tensor) -> Tensor:
        return left[:, :, None] == right[:, None, :]

    lag = rows.number[:, :, None] - rows.number[:, None, :]
    earlier = (lag > 0) & rows.real[:, None, :]
    batter = same(rows.striker, rows.striker)
    bowler = same(rows.bowler, rows.bowler)
    other = same(rows.non_striker, rows.striker)
    together = (batter & same(rows.non_striker, rows.non_striker)) | (other & same(rows.striker, rows.non_striker))
    return {
        "same_bowler": bowler & earlier,
        "same_batter": batter & earlier,
        "same_matchup": batter & bowler & earlier,
        "same_over": same(rows.over, rows.over) & earlier,
        "non_striker": other & earlier,
        "partnership": together & earlier,
        "momentum": (lag <= MOMENTUM_BALLS) & earlier,
        "recent": (lag <= RECENT_BALLS) & earlier,
        "earlier": earlier,
    }
