"""Coverages: who covers whom or what, how they follow, and how they close on a thrown ball.

Here belong the defenders' wishes; limits of speed and acceleration are in `motion`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sport_assets.nfl.synthetic.league import Floats, Ints, Plays
from sport_assets.nfl.synthetic.motion import FRAME_S, limit, unit

# Eight defensive jobs per coverage, the most important first: position group, man to cover (spot, -1:
# zone), zone depth
# and lateral yards from the ball (positive towards the strong side). Depth of 13 and more is a deep zone.
_Job = tuple[str, int, float, float]


_COVERAGES: dict[str, tuple[_Job, ...]] = {
    "COVER_0_MAN": (("CB", 0, 8, 4), ("CB", 1, 8, -4), ("CB", 2, 8, 8), ("S", 3, 8, -4), ("LB", 4, 6, 4),
                    ("LB", -1, 5, 0), ("S", -1, 9, 4), ("LB", -1, 5, -5)),
    "COVER_1_MAN": (("CB", 0, 8, 4), ("CB", 1, 8, -4), ("CB", 2, 8, 8), ("S", 3, 8, -4), ("LB", 4, 6, 4),
                    ("S", -1, 17, 0), ("LB", -1, 7, 0), ("LB", -1, 6, -6)),
    "COVER_2_MAN": (("CB", 0, 8, 4), ("CB", 1, 8, -4), ("CB", 2, 8, 8), ("LB", 3, 8, -4), ("LB", 4, 6, 4),
                    ("S", -1, 16, 12), ("S", -1, 16, -12), ("LB", -1, 8, 0)),
    "COVER_2_ZONE": (("S", -1, 17, 12.5), ("S", -1, 17, -12.5), ("CB", -1, 6, 18), ("CB", -1, 6, -18),
                     ("LB", -1, 11, 0), ("LB", -1, 9, 8), ("CB", -1, 9, -8), ("LB", -1, 6, 3)),
    "COVER_3_ZONE": (("CB", -1, 16, 17), ("CB", -1, 16, -17), ("S", -1, 18, 0), ("CB", -1, 7, 13),
                     ("S", -1, 7, -12), ("LB", -1, 9, 4.5), ("LB", -1, 9, -4.5), ("LB", -1, 6, 0)),
    "COVER_4_ZONE": (("CB", -1, 15, 18), ("CB", -1, 15, -18), ("S", -1, 14, 6.5), ("S", -1, 14, -6.5),
                     ("LB", -1, 8, 0), ("CB", -1, 7, 12), ("LB", -1, 7, -11), ("LB", -1, 6, 4)),
    "COVER_6_ZONE": (("CB", -1, 15, 18), ("S", -1, 14, 7), ("S", -1, 17, -12.5), ("CB", -1, 6, -18),
                     ("LB", -1, 9, 5), ("LB", -1, 9, -6), ("CB", -1, 7, 13), ("LB", -1, 6, 0)),
    "PREVENT": (("CB", -1, 25, 17), ("CB", -1, 25, -17), ("S", -1, 28, 0), ("S", -1, 14, 12),
                ("CB", -1, 14, -12), ("LB", -1, 12, 4), ("LB", -1, 12, -4), ("LB", -1, 10, 0)),
}  # fmt: skip


_START_DEPTH = {"CB": 6.5, "S": 12.0, "LB": 4.6}


@dataclass(frozen=True)
class Jobs:
    """The defence's assignments, [plays, 8] each: the roster place, the man (spot or -1), the zone's
    anchor."""

    places: Ints
    man: Ints
    anchor: Floats  # [plays, 8, 2]
    deep: np.ndarray
    start: Floats  # [plays, 8, 2]


def assign(rng: np.random.Generator, plays: Plays, receivers: Floats) -> Jobs:
    count = len(plays)
    places, man = np.zeros((count, 8), dtype=np.int64), np.full((count, 8), -1, dtype=np.int64)
    depth, lateral, first = np.zeros((count, 8)), np.zeros((count, 8)), np.zeros((count, 8))
    corner = np.zeros((count, 8), dtype=np.bool_)
    pools = {"CB": plays.corners, "S": plays.safeties, "LB": plays.linebackers}
    for name, jobs in _COVERAGES.items():
        rows = plays.played == name
        groups = [job[0] for job in jobs]
        for slot, (group, who, deep, side) in enumerate(jobs):
            places[rows, slot] = pools[group][rows, groups[:slot].count(group)]
            man[rows, slot], depth[rows, slot], lateral[rows, slot] = who, deep, side
            first[rows, slot], corner[rows, slot] = _START_DEPTH[group], group == "CB"
    has_man = (man >= 0) & np.take_along_axis(plays.receivers, np.maximum(man, 0), 1)
    man = np.where(has_man, man, -1)
    y = plays.ball_y[:, None] + plays.strong_side[:, None] * lateral
    anchor = np.stack([np.minimum(plays.yardline[:, None] + depth, 118.0), np.clip(y, 3.0, 50.3)], -1)
    # Corners and man defenders line up on a receiver, the rest near the middle of their zone.
    mark_y = np.take_along_axis(receivers[..., 1], np.maximum(man, 0), 1)
    near = np.abs(receivers[:, None, :, 1] - anchor[:, :, None, 1]).argmin(-1)
    near_y = np.take_along_axis(receivers[..., 1], near, 1)
    pulled = plays.ball_y[:, None] + 0.8 * (anchor[..., 1] - plays.ball_y[:, None])
    start_y = np.where(man >= 0, mark_y, np.where(corner, 0.7 * near_y + 0.3 * anchor[..., 1], pulled))
    backfield = np.abs(start_y - plays.ball_y[:, None]) < 4
    # A disguise: man defenders stand off and inside as if they had a zone, short zones stand over a receiver.
    disguised = np.repeat(plays.disguised[:, None], 8, 1)
    over = disguised & (man < 0) & (depth < 13)
    start_y = np.where(over, 0.8 * near_y + 0.2 * start_y, start_y)
    press = np.where(man >= 0, ~disguised, over) & (rng.random((count, 8)) < 0.3) & ~backfield
    start_depth = np.where(press, 1.6, first + rng.normal(0, 0.9, (count, 8)))
    inside = np.where(start_y >= plays.ball_y[:, None], -1.0, 1.0)
    leverage = np.where(man < 0, 0.0, np.where(disguised, 2.5, 0.8))
    start_y = start_y + inside * leverage + rng.normal(0, 0.4, (count, 8))
    start_x = np.minimum(plays.yardline[:, None] + np.maximum(start_depth, 1.2), 117.0)
    start = np.stack([start_x, np.clip(start_y, 2.0, 51.3)], -1)
    return Jobs(places=places, man=man, anchor=anchor, deep=depth >= 13, start=start)


def cover(
    frame: int, jobs: Jobs, plays: Plays, position: Floats, velocity: Floats, p: Floats, lag: Ints,
    leverage: Floats, top: Floats, eyes: Floats,
) -> Floats:  # fmt: skip
    """Wanted velocities [plays, 8, 2] of defenders before they react to the throw.

    Others are seen `lag` frames late. `eyes` [plays, 2] is the lean towards where the passer looks, in yards.
    """
    rows = np.arange(len(plays))[:, None]
    seen = np.maximum(frame - lag, 0)
    spot = np.maximum(jobs.man, 0) + 1
    man_p, man_v = position[seen, rows, spot], velocity[seen, rows, spot]
    expected = man_p + man_v * (0.8 * FRAME_S * lag)[..., None]
    inside = np.where(expected[..., 1] >= plays.ball_y[:, None], -1.0, 1.0)
    # Cushion: the defender gives ground while the receiver closes, and ends up beside him.
    cushion = np.clip(0.45 * (p[..., 0] - expected[..., 0]), 0.4, 4.0)
    mark = expected + np.stack([cushion, inside * leverage], -1)
    follow = man_v + (mark - p) / 0.65
    # Off coverage backs up, and does not come to a receiver who comes anyway.
    coming = (mark[..., 0] < p[..., 0]) & (man_v[..., 0] > 1.0)
    follow[..., 0] = np.where(coming, np.maximum(follow[..., 0], 0.35 * man_v[..., 0]), follow[..., 0])
    # A man in the backfield is met, not chased: stay over him until he declares.
    hold = (man_p[..., 0] < plays.yardline[:, None] - 1.0)[..., None]
    meet = np.stack([0.3 * (plays.yardline[:, None] + 3.5 - p[..., 0]), 0.9 * (expected[..., 1] - p[..., 1])], -1)
    follow = np.where(hold, limit(meet, 0.6 * top), follow)

    late = max(frame - 4, 0)
    around_p, around_v = position[late, :, 1:6] + velocity[late, :, 1:6] * 0.4, velocity[late, :, 1:6]
    offset = around_p[:, None] - jobs.anchor[:, :, None]  # [plays, 8, 5, 2]
    weight = np.exp(-((offset[..., 0] / 8.0) ** 2) - (offset[..., 1] / 6.5) ** 2) * plays.receivers[:, None]
    pull = 2.6 * weight
    share = pull / (1.0 + pull.sum(-1, keepdims=True))
    goal = jobs.anchor + (share[..., None] * offset).sum(2)
    # Zones sink while nobody throws, and slide to where the passer looks.
    goal[..., 0] = np.minimum(
        goal[..., 0] + np.where(jobs.deep, 1.4, 0.5) * FRAME_S * np.clip(frame - 12, 0, 20), 118.0
    )
    goal = goal + eyes[:, None]
    flow = (share[..., None] * around_v[:, None]).sum(2)
    lane = (np.abs(offset[..., 1]) < 9.0) & plays.receivers[:, None]
    deepest = np.where(lane, around_p[:, None, :, 0], -np.inf).max(-1) + 3.0
    goal[..., 0] = np.where(jobs.deep, np.minimum(np.maximum(goal[..., 0], deepest), 118.0), goal[..., 0])
    zone = limit(0.9 * flow + (goal - p) / 0.8, np.where(jobs.deep, 0.92, 0.78) * top)
    # Play action: linebackers and short defenders come up for the run before they drop.
    bites = (plays.play_action[:, None] & ~jobs.deep & (frame < 8))[..., None]
    zone = np.where(bites, np.stack([np.full(p.shape[:2], -2.2), 0.3 * zone[..., 1]], -1), zone)
    return np.where((jobs.man >= 0)[..., None], follow, zone)


def converge(p: Floats, v: Floats, catch: Floats, receiver: Floats, left: Floats, top: Floats) -> Floats:
    """Wanted velocities [plays, 8, 2] after reacting: to the landing point, or to the receiver if it is out
    of reach."""
    away = unit(p - catch[:, None])
    goal = 0.75 * (catch[:, None] + 0.7 * away) + 0.25 * receiver[:, None]
    distance = np.linalg.norm(goal - p, axis=-1)
    hard = np.clip(1.2 - distance / 40.0, 0.55, 1.0) * top
    return limit((goal - p) / np.maximum(left, 0.45)[:, None, None] * 1.15, hard)
