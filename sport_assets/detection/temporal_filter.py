"""Ball candidates over consecutive frames: those on a smooth track stay, flashes and things that never move go.

Belongs here: the filter over predictions of consecutive frames, and its effect. Must not come here: tracking of
players, joining boxes into identities.

The idea is the specification's "parabolic consistency check": between two kicks a ball has nearly constant
acceleration (gravity, rolling friction), so its picture moves on a piece of a parabola for some frames; what flashes up
on a line, a sock or in noise does not. Gating on the second difference is the usual motion gate of tracking (constant
velocity with bounded acceleration); the best chain through a candidate is found by dynamic programming over pairs. A
sock that is taken for a ball in frame after frame moves as smoothly as its player: this filter cannot tell it.

What stays:

1. Candidates are linked over at most ``most_missed`` missing frames when the speed is possible, and two links are
   joined when the acceleration is possible. Of each candidate the best chain before and after it is kept.
2. A candidate stays when a parabola fits ``least_points`` to seven neighbouring points of its chain, itself among them,
   with a root mean square of at most ``most_residual_px``. A kick is no break: windows may end or begin there.
3. A place where candidates lie for ``static_s`` seconds without moving, while players move, is no ball in play and
   goes. A ball that waits longer than that for a free kick goes, too: that is the price, and ``effect`` tells it.
   Without predicted players this rule is not used, for a ball lies still when the game does.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sport_assets.detection.categories import BALL, PLAYER
from sport_assets.detection.coco import Labels
from sport_assets.detection.matching import BALL_RULER, match
from sport_assets.detection.scored_boxes import horizontal_stretch

Array = NDArray[np.float64]
WINDOW = 7
"""Points of a chain that a parabola is fitted to at most."""


@dataclass(frozen=True)
class TemporalFilter:
    """Settings. Pixels are of the image (unstretched), so speeds are for pictures of 1,280 to 3,840 pixels' width."""

    most_frame_step: int = 2
    """Images further apart in frames than this are not consecutive; the filter does not reach across."""
    most_missed: int = 2
    """Images in which the ball may be missing between two candidates of a chain."""
    most_candidates: int = 5
    """Candidates of an image that are looked at, best scores first. Others go."""
    least_points: int = 4
    """Points that a parabola (three unknowns a coordinate) must fit. Shorter runs of images are left as they are."""
    most_speed_px_s: float = 2500.0
    most_acceleration_px_s2: float = 4000.0
    """Leaves room for a panning camera; gravity alone is some 300 at 30 pixels a metre."""
    noise_px: float = 2.0
    """How far a predicted centre is usually off."""
    most_residual_px: float = 2.5
    static_s: float = 5.0
    static_px: float = 4.0
    """Candidates within this radius lie at the same place."""
    static_share: float = 0.5
    """Of the images of that time, so many have a candidate there."""
    player_speed_px_s: float = 15.0
    """Players move when the median of their speeds is at least this."""


@dataclass(frozen=True)
class Filtered:
    """``predictions``: all but the balls that went. ``removed``: box, image, reason (``no_track``, ``static``,
    ``too_many``). ``images``: those in consecutive runs, where the filter acted, and all."""

    predictions: pl.DataFrame
    removed: pl.DataFrame
    acted_on: int
    images: int


def keep_consistent(
    images: pl.DataFrame, predictions: pl.DataFrame, settings: TemporalFilter | None = None
) -> Filtered:
    """Predictions without the balls that lie on no smooth track or never move.

    ``images`` as in labels: only those with ``video``, ``frame`` and ``time_ms`` take part, by video and in runs of
    consecutive frames; balls of all others stay. Apply a threshold of score before: every ball is a candidate.
    """
    chosen = settings or TemporalFilter()
    reasons: dict[int, str] = {}
    acted_on = 0
    located = _located(images, predictions)
    for run in _runs(images, chosen):
        acted_on += len(run)
        balls = located.filter(pl.col("category") == BALL).join(run, on="image").sort("step", "rank")
        many = balls.filter(pl.col("rank") >= chosen.most_candidates)
        reasons |= dict.fromkeys(many["box"].to_list(), "too_many")
        balls = balls.filter(pl.col("rank") < chosen.most_candidates)
        players = located.filter(pl.col("category") == PLAYER).join(run, on="image").sort("step")
        still = _static(balls, players, run, chosen)
        reasons |= dict.fromkeys(balls.filter(still)["box"].to_list(), "static")
        moving = balls.filter(~still)
        smooth = _on_track(moving, chosen)
        reasons |= dict.fromkeys(moving.filter(pl.Series(~smooth))["box"].to_list(), "no_track")
    gone = pl.DataFrame(
        {"box": list(reasons), "reason": list(reasons.values())}, schema={"box": pl.Int64, "reason": pl.String}
    )
    removed = predictions.select("box", "image").join(gone, on="box").sort("box")
    kept = predictions.join(gone, on="box", how="anti", maintain_order="left")
    return Filtered(kept, removed, acted_on, len(images))


def effect(truth: Labels, before: pl.DataFrame, after: pl.DataFrame) -> dict[str, dict[str, float | int | None]]:
    """Precision and recall of the ball within 10 pixels before and after, and after less before.

    ``truths``, ``taken``, ``correct``, ``precision`` (None where none is taken), ``recall`` (None without true balls).
    """
    found: dict[str, dict[str, Any]] = {}
    for name, predictions in (("before", before), ("after", after)):
        pooled = match(truth, predictions, BALL_RULER, most=None).pooled(BALL)
        truths, taken, correct = len(pooled.truth_image), len(pooled.score), int(pooled.correct.sum())
        found[name] = {
            "truths": truths,
            "taken": taken,
            "correct": correct,
            "precision": correct / taken if taken else None,
            "recall": correct / truths if truths else None,
        }
    both = [(name, found["before"][name], found["after"][name]) for name in ("taken", "correct", "precision", "recall")]
    found["change"] = {name: None if old is None or new is None else new - old for name, old, new in both}
    return found


def _located(images: pl.DataFrame, predictions: pl.DataFrame) -> pl.DataFrame:
    """box, image, category, rank (by score within image and category), x, y of the centre in unstretched pixels."""
    rank = pl.struct(-pl.col("score"), "box").rank("ordinal").over("image", "category") - 1
    return predictions.join(horizontal_stretch(images), on="image", how="left").select(
        "box",
        "image",
        "category",
        rank=rank.cast(pl.Int64),
        x=(pl.col("x") + pl.col("width") / 2) * pl.col("stretch"),
        y=pl.col("y") + pl.col("height") / 2,
    )


def _runs(images: pl.DataFrame, settings: TemporalFilter) -> Iterator[pl.DataFrame]:
    """image, step (number of the image in its run), time_s of each run of consecutive frames of a video."""
    known = images.drop_nulls(["video", "frame", "time_ms"]).sort("video", "frame")
    new = (pl.col("video") != pl.col("video").shift(1)) | (pl.col("frame").diff() > settings.most_frame_step)
    known = known.with_columns(run=new.fill_null(False).cum_sum())
    for run in known.partition_by("run", maintain_order=True):
        if len(run) >= settings.least_points:
            yield run.select("image", step=pl.int_range(pl.len()), time_s=pl.col("time_ms") / 1000)


def _static(balls: pl.DataFrame, players: pl.DataFrame, run: pl.DataFrame, settings: TemporalFilter) -> pl.Series:
    """Whether each ball lies at a place that stays taken for long while players move.

    A place is where a candidate lies that is not yet at a place, and all those within ``static_px`` of it. It counts
    from the first to the last candidate of a stretch that no pause longer than half of ``static_s`` interrupts.
    """
    still = np.zeros(len(balls), bool)
    if not len(players) or not len(balls):
        return pl.Series(still)
    points, step = balls.select("x", "y").to_numpy(), balls["step"].to_numpy()
    time = run["time_s"].to_numpy()
    placed = np.zeros(len(balls), bool)
    for first in range(len(balls)):
        if placed[first]:
            continue
        here = np.flatnonzero(~placed & (np.hypot(*(points - points[first]).T) <= settings.static_px))
        placed[here] = True
        breaks = np.flatnonzero(np.diff(time[step[here]]) > settings.static_s / 2) + 1
        for part in np.split(here, breaks):
            begin, end = step[part[0]], step[part[-1]]
            long = time[end] - time[begin] >= settings.static_s
            share = len(np.unique(step[part])) / (end - begin + 1)
            if long and share >= settings.static_share:
                inside = players.filter(pl.col("step").is_between(begin, end))
                if _median_speed(inside, time, settings) >= settings.player_speed_px_s:
                    still[part] = True
    return pl.Series(still)


def _median_speed(players: pl.DataFrame, time: Array, settings: TemporalFilter) -> float:
    """Median over players and images about half a second apart of how far the nearest player is from where one was."""
    by_step = {int(key[0]): part.select("x", "y").to_numpy() for key, part in players.group_by("step")}
    steps = np.array(sorted(by_step))
    speeds: list[Array] = []
    at = 0
    while at < len(steps):
        later = int(np.searchsorted(time[steps], time[steps[at]] + 0.5))
        if later >= len(steps):
            break
        one, other = by_step[int(steps[at])], by_step[int(steps[later])]
        away = np.hypot(*np.moveaxis(one[:, None] - other[None], -1, 0)).min(1)
        speeds.append(away / (time[steps[later]] - time[steps[at]]))
        at = later
    return float(np.median(np.concatenate(speeds))) if speeds else 0.0


def _on_track(balls: pl.DataFrame, settings: TemporalFilter) -> NDArray[np.bool_]:
    """Whether each candidate (sorted by step) is on a piece of a parabola."""
    count = len(balls)
    points, step, time = balls.select("x", "y").to_numpy(), balls["step"].to_numpy(), balls["time_s"].to_numpy()
    links = _links(points, step, time, settings)
    forward, before = _best_chains(links, points, time, settings)
    # the same in the other direction: time and order reversed
    mirrored = (count - 1 - links)[::-1, ::-1]
    backward, after = _best_chains(mirrored, points[::-1], -time[::-1], settings)
    backward, after = backward[::-1], after[::-1]
    after = np.where(after >= 0, len(links) - 1 - after, -1)

    by_later = np.argsort(links[:, 1], kind="stable")  # links are in order of the earlier candidate
    into = np.split(by_later, np.searchsorted(links[by_later, 1], np.arange(1, count)))
    out = np.split(np.arange(len(links)), np.searchsorted(links[:, 0], np.arange(1, count)))
    kept = np.zeros(count, bool)
    for point in range(count):
        chain = _chain(point, links, (into[point], forward, before), (out[point], backward, after))
        place = chain.index(point)
        for size in range(min(WINDOW, len(chain)), settings.least_points - 1, -1):
            starts = range(max(0, place - size + 1), min(place, len(chain) - size) + 1)
            if any(
                _residual(points, time, chain[start : start + size]) <= settings.most_residual_px for start in starts
            ):
                kept[point] = True
                break
    return kept


def _links(points: Array, step: NDArray[np.int64], time: Array, settings: TemporalFilter) -> NDArray[np.int64]:
    """[L, 2] pairs of candidates, earlier and later, that one ball may have been; sorted by the earlier, the later."""
    last = np.searchsorted(step, step + settings.most_missed + 1, side="right")
    pairs = []
    for one in range(len(points)):
        others = np.arange(np.searchsorted(step, step[one], side="right"), last[one])
        far = np.hypot(*(points[others] - points[one]).T)
        possible = far <= settings.most_speed_px_s * (time[others] - time[one]) + settings.noise_px
        pairs.append(np.stack([np.full(int(possible.sum()), one), others[possible]], axis=1))
    return np.concatenate(pairs) if pairs else np.zeros((0, 2), np.int64)


def _best_chains(
    links: NDArray[np.int64], points: Array, time: Array, settings: TemporalFilter
) -> tuple[Array, NDArray[np.int64]]:
    """For each link the worth of the best chain that ends with it, and the link before it (-1: none).

    A chain is worth 1 for each join, less the square of its deviation from uniform motion by what is possible: longer
    chains are better, smoother ones of equal length, too.
    """
    worth, before = np.zeros(len(links)), np.full(len(links), -1)
    into: dict[int, list[int]] = {}
    for number, (_, later) in enumerate(links.tolist()):
        into.setdefault(later, []).append(number)
    order = np.lexsort((links[:, 1], links[:, 0]))
    begins = np.searchsorted(links[order, 0], np.arange(len(points) + 1))
    for point in range(len(points)):  # from early to late: all links into a point are done before those out of it
        incoming, outgoing = np.array(into.get(point, []), np.int64), order[begins[point] : begins[point + 1]]
        if not len(incoming) or not len(outgoing):
            continue
        start, end = links[incoming, 0], links[outgoing, 1]
        past, ahead = (time[point] - time[start])[:, None], (time[end] - time[point])[None, :]
        velocity = (points[point] - points[start])[:, None] / past[..., None]
        away = np.linalg.norm(points[point] + velocity * ahead[..., None] - points[end][None], axis=-1)
        # a constant acceleration a moves the end by a / 2 · ahead · (past + ahead); noise of the two points of the
        # velocity grows with the ratio of the times
        possible = settings.most_acceleration_px_s2 / 2 * ahead * (past + ahead)
        possible = possible + 2 * settings.noise_px * (1 + ahead / past)
        joined = np.where(away <= possible, worth[incoming][:, None] + 1 - (away / possible) ** 2, -1.0)
        best = joined.argmax(0)
        value = joined[best, np.arange(len(outgoing))]
        there = value >= 0
        worth[outgoing[there]], before[outgoing[there]] = value[there], incoming[best[there]]
    return worth, before


def _chain(
    point: int,
    links: NDArray[np.int64],
    earlier: tuple[NDArray[np.int64], Array, NDArray[np.int64]],
    later: tuple[NDArray[np.int64], Array, NDArray[np.int64]],
) -> list[int]:
    """Points of the best chain through a candidate, up to six on either side of it.

    ``earlier``, ``later``: the links into and out of the candidate; for all links their worth, and the one beyond.
    """
    (into, forward, before), (out, backward, after) = earlier, later
    chain = [point]
    if len(into):
        link = int(into[np.argmax(forward[into])])
        while link >= 0 and len(chain) < WINDOW:
            chain.insert(0, int(links[link, 0]))
            link = int(before[link])
    size = len(chain)
    if len(out):
        link = int(out[np.argmax(backward[out])])
        while link >= 0 and len(chain) < size + WINDOW - 1:
            chain.append(int(links[link, 1]))
            link = int(after[link])
    return chain


def _residual(points: Array, time: Array, chain: list[int]) -> float:
    """Root mean square distance of points from the parabola in time that fits them best, corrected for its unknowns."""
    moment = time[chain] - time[chain].mean()
    span = max(float(np.abs(moment).max()), 1e-9)
    terms = np.vander(moment / span, 3)
    fitted = terms @ np.linalg.lstsq(terms, points[chain], rcond=None)[0]
    return float(np.sqrt(((points[chain] - fitted) ** 2).sum() / max(len(chain) - 3, 1)))
