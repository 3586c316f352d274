"""How generated players move: the play from the snap to the arrival of the ball.

Here belongs the simulation alone, in standardised coordinates (the offence moves towards +x), vectorised over
the plays of a week. Who plays is decided in `league`; what the sides want in `offence` and `defence`.

The model: receivers run a hidden route (stem, break), each with their own top speed and acceleration. The
passer throws around the break to where the route would have led, plus an error; from then on the targeted
receiver, after a reaction time, steers to the landing point. Defenders follow their man, or keep their zone
and lean to the receivers that enter it, always seeing the others with a delay; after the throw they react one
by one and close on the landing point, the harder the nearer they are. So the outcome is only partly physics:
role, history and the landing point tell more.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sport_assets.nfl.synthetic.defence import Jobs, assign, converge, cover
from sport_assets.nfl.synthetic.league import Floats, Ints, Plays, Rosters, Texts
from sport_assets.nfl.synthetic.motion import FRAME_S, HORIZON_FRAMES, RESPONSE_S, limit, step, unit
from sport_assets.nfl.synthetic.offence import ROUTES, choose_routes, choose_throws, run_passer, run_routes


@dataclass(frozen=True)
class Movement:
    """A week in motion, standardised. Fourteen tracked slots a play: passer, five receivers, eight defenders.

    position, velocity: [frames, plays, 14, 2] yards and yards/s; acceleration: [frames, plays, 14]
    yards/s^2, its size;
    facing: [frames, plays, 14] degrees clockwise from +y. Frame `before - 1` (from 0) is the throw,
    `in_air` more follow.
    """

    position: Floats
    velocity: Floats
    acceleration: Floats
    facing: Floats
    before: Ints
    in_air: Ints
    landing: Floats  # [plays, 2]
    target: Ints  # [plays] receiver spot 0..4
    route: Texts  # [plays, 5]
    tracked: np.ndarray  # [plays, 14] bool
    places: Ints  # [plays, 14] roster places
    to_predict: np.ndarray  # [plays, 14] bool
    dropback_distance: Floats  # [plays]
    receiver_miss: Floats  # [plays] yards from the receiver to the landing point on arrival
    separation: Floats  # [plays] yards from the nearest defender to the landing point on arrival


def simulate(rng: np.random.Generator, plays: Plays, league: Rosters) -> Movement:
    """Moves every play of a week from the snap to the arrival of the ball. Deterministic for a generator's
    state."""
    count, every = len(plays), np.arange(len(plays))
    team = plays.offence[:, None]
    top, push = league.top_speed[team, plays.offence_places], league.acceleration[team, plays.offence_places]
    routes = choose_routes(rng, plays)
    path, path_v, path_a, broke = run_routes(rng, plays, routes, top[:, 1:], push[:, 1:])
    passer, passer_v, passer_a, drop = run_passer(rng, plays, top[:, 0], push[:, 0])
    target, before, in_air, landing = choose_throws(rng, plays, routes, path, passer, broke)
    jobs = assign(rng, plays, path[0])
    d_top = league.top_speed[plays.defence[:, None], jobs.places]
    d_push = league.acceleration[plays.defence[:, None], jobs.places]

    frames = int((before + in_air).max())
    position, velocity, acceleration = (np.zeros((frames, count, 14, 2)) for _ in range(3))
    position[:, :, 0], velocity[:, :, 0], acceleration[:, :, 0] = (
        passer[:frames],
        passer_v[:frames],
        passer_a[:frames],
    )
    position[:, :, 1:6], velocity[:, :, 1:6] = path[:frames], path_v[:frames]
    acceleration[:, :, 1:6] = path_a[:frames]

    lag = np.where(jobs.man >= 0, rng.integers(2, 5, jobs.man.shape), rng.integers(3, 6, jobs.man.shape))
    reaction = np.where(jobs.man >= 0, rng.integers(3, 8, jobs.man.shape), rng.integers(2, 6, jobs.man.shape))
    effort = rng.uniform(0.85, 1.0, jobs.man.shape)
    catch = landing + rng.normal(0, 0.35, (count, 2))
    target_reaction = rng.integers(1, 4, count)
    leverage = rng.uniform(0.5, 1.2, jobs.man.shape)
    p, v, a = jobs.start, rng.normal(0, 0.05, jobs.start.shape), np.zeros_like(jobs.start)
    tp, tv, ta = path[0][every, target], path_v[0][every, target], path_a[0][every, target]
    t_top, t_push = top[every, target + 1], push[every, target + 1]
    for frame in range(frames):
        position[frame, :, 6:], velocity[frame, :, 6:], acceleration[frame, :, 6:] = p, v, a
        thrown = (frame > before - 1)[:, None]
        tp = np.where(thrown, tp, path[frame, every, target])
        tv = np.where(thrown, tv, path_v[frame, every, target])
        ta = np.where(thrown, ta, path_a[frame, every, target])
        position[frame, every, target + 1] = tp
        velocity[frame, every, target + 1], acceleration[frame, every, target + 1] = tv, ta
        left = np.maximum(before - 1 + in_air - frame, 1) * FRAME_S
        looks = np.clip((frame - before + 9) / 6.0, 0.0, 1.0)[:, None]
        eyes = looks * np.clip(0.22 * (tp - passer[0]), -3.0, 3.0) * np.array([0.0, 1.0])
        wanted = cover(frame, jobs, plays, position, velocity, p, lag, leverage, d_top, eyes)
        chase = converge(p, v, catch, position[frame, every, target + 1], left, d_top * effort)
        ready = (frame >= (before - 1)[:, None] + reaction)[..., None]
        p, v, a = step(p, v, a, np.where(ready, chase, wanted), d_top, d_push, response_s=0.42, build_up_s=0.2)
        # The receiver: steers to the catch point, early rather than late, and forgets the route with a
        # reaction time.
        miss = catch - tp - tv * left[:, None]
        steer = tv + RESPONSE_S * limit(2.6 * miss / np.maximum(left, 0.35)[:, None] ** 2, t_push)
        memory = np.clip(1.0 - (frame - (before - 1) - target_reaction) / 3.0, 0.0, 1.0)[:, None]
        following = min(frame + 1, HORIZON_FRAMES - 1)
        keep = path_v[following, every, target] + (path_v[following, every, target] - path_v[frame, every, target]) * 2
        tp, tv, ta = step(tp, tv, ta, memory * keep + (1 - memory) * steer, t_top, t_push)

    tracked = np.concatenate(
        [np.ones((count, 1), dtype=np.bool_), plays.receivers, np.arange(8) < plays.defenders[:, None]],
        axis=1,
    )
    at_throw = position[before - 1, every]
    arrival = position[before - 1 + in_air, every]
    reach = np.linalg.norm(at_throw[:, 6:] - landing[:, None], axis=-1)
    to_predict = np.zeros((count, 14), dtype=np.bool_)
    to_predict[:, 6:] = reach < (4.6 + 5.4 * in_air * FRAME_S + rng.normal(0, 1.0, count))[:, None]
    to_predict[every, target + 1] = True
    to_predict &= tracked
    gap = np.where(tracked[:, 6:], np.linalg.norm(arrival[:, 6:] - landing[:, None], axis=-1), np.inf)
    return Movement(
        position=position,
        velocity=velocity,
        acceleration=np.linalg.norm(acceleration, axis=-1),
        facing=_facing(rng, position, velocity, jobs, target, before),
        before=before,
        in_air=in_air,
        landing=landing,
        target=target,
        route=np.array(ROUTES)[routes],
        tracked=tracked,
        places=np.concatenate([plays.offence_places, jobs.places], axis=1),
        to_predict=to_predict,
        dropback_distance=drop,
        receiver_miss=np.linalg.norm(arrival[every, target + 1] - landing, axis=-1),
        separation=gap.min(1),
    )


def _facing(
    rng: np.random.Generator, position: Floats, velocity: Floats, jobs: Jobs, target: Ints, before: Ints
) -> Floats:
    """Where the shoulders point, degrees clockwise from +y: the way of running, mixed with what a player
    watches: the passer his target, a man defender more or less his man, all others the passer."""
    frames, count = position.shape[:2]
    watch = position[:, :, :1] - position  # everyone knows where the passer is
    watch[:, :, 0] = position[:, np.arange(count), target + 1] - position[:, :, 0]
    man = np.take_along_axis(position, np.maximum(jobs.man, 0)[None, ..., None] + 1, 2) - position[:, :, 6:]
    habits = rng.spawn(1)[0]
    on_man = np.where(jobs.man >= 0, habits.uniform(0.4, 1.0, jobs.man.shape), 0.0)[..., None]
    watch[:, :, 6:] = on_man * unit(man) + (1 - on_man) * unit(watch[:, :, 6:])
    speed = np.linalg.norm(velocity, axis=-1)
    eyes = np.full((count, 14), 0.25)
    eyes[:, 0] = 2.5
    eyes[:, 6:] = np.where(jobs.man < 0, 1.35, 0.6) * habits.uniform(0.4, 1.4, jobs.man.shape)
    heading = unit(velocity) * np.minimum(speed / 3.0, 1.0)[..., None] + unit(watch) * eyes[..., None]
    facing = np.empty((frames, count, 14))
    current = unit(heading[0] + rng.normal(0, 0.1, heading[0].shape))
    for frame in range(frames):
        current = unit(current + 0.35 * unit(heading[frame]))
        facing[frame] = np.degrees(np.arctan2(current[..., 0], current[..., 1]))
    return np.mod(facing + rng.normal(0, 1.5, facing.shape), 360.0)
