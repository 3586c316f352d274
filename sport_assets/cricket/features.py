"""Features of each ball, by the names of ``nodes``: all but those of the node ``ball`` are known before it.

Belongs here: scaling and ratios of what ``innings`` and ``history`` hold, and the table of a node's columns. Must not
come here: counting (``innings_state``), rates (``history``), a model. Scales are constants: nothing is fitted.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sport_assets.cricket.history import Situations, rates
from sport_assets.cricket.innings import Innings
from sport_assets.cricket.labels import OUTCOMES
from sport_assets.cricket.nodes import FEATURES, HISTORY_FEATURES, LAST_BALLS, NODE_FEATURES, RESULT_NODE
from sport_assets.cricket.phases import BALLS_PER_OVER, PHASES

TYPICAL_RATE = 7.5
"""Runs an over of the average innings: what rates start from."""
RATE_LIMIT = 36.0
"""Runs an over beyond which a required rate is as good as out of reach."""
_EARLY_BALLS = 6.0
_WINDOW_SCALES = {"runs": 1.5, "boundaries": 0.2, "wickets": 0.1, "dots": 0.5}


def table(innings: Innings, past: Situations | None = None, history: np.ndarray | None = None) -> np.ndarray:
    """FEATURES of every ball, float32 [N, F].

    ``past``: the balls whose rates are looked at, of earlier dates; by default those of ``innings`` itself.
    ``history``: HISTORY_FEATURES of the balls [N, H], where they were made before.
    """
    if history is None:
        own = Situations.of(innings)
        history = rates(own) if past is None else rates(past, own)
    columns = {**state(innings), **{name: history[:, number] for number, name in enumerate(HISTORY_FEATURES)}}
    found = np.empty((len(innings), len(FEATURES)), np.float32)
    for number, name in enumerate(FEATURES):
        found[:, number] = columns[name]
    return found


def results(innings: Innings) -> np.ndarray:
    """Features of the node ``ball``: what each ball brought, float32 [N, F]. For later balls alone."""
    balls = innings.balls
    columns = {
        **{f"ball_{name}": balls["outcome"] == number for number, name in enumerate(OUTCOMES)},
        "ball_runs": balls["runs_total"] / 6,
        "ball_extras": (balls["runs_total"] - balls["runs_batter"]) / 6,
        "ball_wide": balls["wides"] > 0,
        "ball_noball": balls["noballs"] > 0,
        "ball_over": balls["over"] / 20,
        "ball_in_innings": balls["legal_balls"] / 120,
    }
    return np.column_stack([columns[name] for name in NODE_FEATURES[RESULT_NODE]]).astype(np.float32)


def of_node(node: str) -> list[int]:
    """Columns of ``table`` that belong to a node."""
    place = {name: number for number, name in enumerate(FEATURES)}
    return [place[name] for name in NODE_FEATURES[node]]


def state(innings: Innings) -> dict[str, np.ndarray]:
    """The features that come from the innings itself, by name."""
    balls = {name: values.astype(np.float64) for name, values in innings.balls.items()}
    return {
        **_score(balls),
        **_batters(balls),
        **_bowler(balls),
        **_momentum(balls),
        **_query(balls),
    }


def _rate(runs: np.ndarray, balls: np.ndarray, typical: float = TYPICAL_RATE) -> np.ndarray:
    """Runs an over, drawn to the typical rate while there are few balls."""
    return (runs * BALLS_PER_OVER + typical * _EARLY_BALLS) / (balls + _EARLY_BALLS)


def _score(b: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    limit = b["overs_limit"] * BALLS_PER_OVER
    left = np.maximum(limit - b["legal_balls"], 1.0)
    chase = b["target"] > 0
    needed = np.where(chase, b["target"] - b["runs"], 0.0)
    required = np.where(chase, np.minimum(np.maximum(needed, 0.0) / left * BALLS_PER_OVER, RATE_LIMIT), 0.0)
    rate = _rate(b["runs"], b["legal_balls"])
    recent = _rate(b["runs_last_30"], np.minimum(b["legal_balls"], 30.0))
    wanted = np.where(chase, required, TYPICAL_RATE)
    wickets_left = np.maximum(10.0 - b["wickets"], 1.0)
    return {
        "runs": b["runs"] / 100,
        "run_rate": rate / 10,
        "wickets": b["wickets"] / 10,
        "legal_balls": b["legal_balls"] / 120,
        "projected_runs": (b["runs"] + rate * left / BALLS_PER_OVER) / 200,
        "is_chase": chase,
        "target": b["target"] / 200,
        "runs_needed": needed / 100,
        "required_rate": required / 10,
        "rate_gap": np.where(chase, required - rate, 0.0) / 6,
        "needed_per_wicket": needed / wickets_left / 20,
        **{f"phase_{name}": b["phase"] == number for number, name in enumerate(PHASES)},
        "balls_left": left / 120,
        "overs_limit": b["overs_limit"] / 20,
        "last_over": b["over"] >= b["overs_limit"] - 1,
        "innings_share": np.minimum(b["legal_balls"] / np.maximum(limit, 1.0), 1.0),
        "legal_balls_left_in_over": np.maximum(BALLS_PER_OVER - b["over_legal_balls"], 0.0) / BALLS_PER_OVER,
        "wickets_left": (10.0 - b["wickets"]) / 10,
        "balls_per_wicket_left": np.minimum(left / wickets_left, 60.0) / 20,
        "tail": b["wickets"] >= 7,
        "pressure": wanted / np.maximum(recent, 1.0) * (1 + b["wickets"] / 10) / 3,
        "recent_rate_gap": (wanted - recent) / 6,
        "wicket_pressure": b["wickets_last_30"] * left / wickets_left / 40,
    }


def _batters(b: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = {}
    for end in ("striker", "non_striker"):
        runs, faced = b[f"{end}_runs"], b[f"{end}_balls"]
        found |= {
            f"{end}_runs": np.sqrt(runs) / 7,
            f"{end}_balls": np.sqrt(faced) / 6,
            f"{end}_strike_rate": _rate(runs, faced) / 10,
            f"{end}_dot_share": (b[f"{end}_dots"] + 2.4) / (faced + 6),
            f"{end}_boundaries": b[f"{end}_boundaries"] / 6,
            f"{end}_share_of_runs": runs / np.maximum(b["runs"], 1.0),
            f"{end}_new": faced < 1,
            f"{end}_position": b[f"{end}_position"] / 11,
        }
    return {
        **found,
        "partnership_runs": np.sqrt(b["partnership_runs"]) / 7,
        "partnership_balls": np.sqrt(b["partnership_balls"]) / 6,
        "partnership_rate": _rate(b["partnership_runs"], b["partnership_balls"]) / 10,
    }


def _bowler(b: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {
        "bowler_balls": b["bowler_balls"] / 24,
        "bowler_runs": b["bowler_runs"] / 30,
        "bowler_economy": _rate(b["bowler_runs"], b["bowler_balls"]) / 10,
        "bowler_wickets": b["bowler_wickets"] / 3,
        "bowler_dot_share": (b["bowler_dots"] + 2.0) / (b["bowler_deliveries"] + 6),
        "bowler_boundaries": b["bowler_boundaries"] / 4,
        "bowler_new": b["bowler_deliveries"] < 1,
        "bowler_position": b["bowler_position"] / 6,
    }


def _momentum(b: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {
        **{
            f"{name}_last_{balls}": b[f"{name}_last_{balls}"] / (balls * scale)
            for name, scale in _WINDOW_SCALES.items()
            for balls in LAST_BALLS
        },
        "dots_in_a_row": np.minimum(b["dots_in_a_row"], 12.0) / 6,
        "balls_since_boundary": np.log1p(b["balls_since_boundary"]) / 3,
        "balls_since_wicket": np.log1p(b["balls_since_wicket"]) / 3,
    }


def _query(b: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {
        "over": b["over"] / 20,
        "ball_in_over": b["ball_in_over"] / 6,
        "second_innings": b["second_innings"],
        "free_hit": b["free_hit"],
        "over_start": b["ball_in_over"] < 1,
        "over_runs": b["over_runs"] / 10,
        "over_wickets": b["over_wickets"],
        **{f"previous_{name}": b["previous_outcome"] == number for number, name in enumerate(OUTCOMES)},
        "previous_wide": b["previous_wide"],
    }


def mean_and_deviation(features: np.ndarray, rows: int = 10_000) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each column of features [N, F], in double precision, so many rows at a time."""
    mean = features.mean(0, dtype=np.float64)
    squares = np.zeros_like(mean)
    for start in range(0, len(features), rows):
        squares += ((features[start : start + rows] - mean) ** 2).sum(0)
    return mean, np.sqrt(squares / len(features))
