"""The filter on simulated flights: ghosts go, the ball stays, and nothing happens where frames are not consecutive."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from sport_assets.detection.categories import BALL, PLAYER
from sport_assets.detection.coco import Labels
from sport_assets.detection.temporal_filter import TemporalFilter, effect, keep_consistent
from sport_assets_tests.detection.made_up_boxes import box_row, image_row, scored

FPS = 25.0
Rows = list[dict[str, object]]


def images(frames: int, video: str = "a", *, step: int = 1, first: int = 1) -> Rows:
    return [image_row(first + n, video, frame=n * step, time_ms=1000 * n * step / FPS) for n in range(frames)]


def ball(box: int, image: int, centre: np.ndarray, score: float = 0.7) -> dict[str, object]:
    return box_row(box, image, BALL, (centre[0] - 4, centre[1] - 4, 8, 8), score=score)


def flight(frames: int, rng: np.random.Generator) -> np.ndarray:
    """Centres [frames, 2], pixels: flights under gravity and rolling with friction, kicked anew every second."""
    place, velocity = np.array([600.0, 400.0]), np.zeros(2)
    centres = []
    for frame in range(frames):
        if frame % 25 == 0:
            velocity = (np.array([640.0, 360.0]) - place) * rng.uniform(0.3, 0.8) + rng.uniform(-250, 250, 2)
            acceleration = np.array([0.0, 300.0]) if rng.random() < 0.5 else -0.4 * velocity
        centres.append(place.copy())
        velocity = velocity + acceleration / FPS
        place = place + velocity / FPS
    return np.array(centres)


def simulated(seed: int, frames: int = 150) -> tuple[Labels, pl.DataFrame]:
    """A flying ball found in 85 % of the frames with a pixel of noise; one and a half ghosts an image."""
    rng = np.random.default_rng(seed)
    truth: Rows = []
    answers: Rows = []
    for frame, centre in enumerate(flight(frames, rng)):
        truth.append(ball(frame + 1, frame + 1, centre) | {"score": None})
        if rng.random() < 0.85:
            answers.append(ball(len(answers) + 1, frame + 1, centre + rng.normal(0, 1, 2), rng.uniform(0.3, 0.9)))
        for _ in range(rng.integers(0, 4)):
            answers.append(ball(len(answers) + 1, frame + 1, rng.uniform(0, (1280, 720)), rng.uniform(0.3, 0.9)))
    return Labels.of(images(frames), truth), scored(answers)


@pytest.mark.parametrize("seed", range(3))
def test_ghosts_go_and_the_ball_stays(seed: int) -> None:
    truth, predictions = simulated(seed)
    found = keep_consistent(truth.images, predictions)
    told = effect(truth, predictions, found.predictions)
    before, after, change = told["before"], told["after"], told["change"]
    assert before["precision"] < 0.45 and before["recall"] > 0.8  # type: ignore[operator]
    assert after["precision"] > 0.95  # type: ignore[operator]
    assert change["recall"] >= -0.02  # type: ignore[operator]
    assert change["taken"] == -len(found.removed)
    assert set(found.removed["reason"]) == {"no_track"}
    assert found.acted_on == found.images == 150
    gone, kept = set(found.removed["box"]), set(found.predictions["box"])
    assert gone | kept == set(predictions["box"]) and not gone & kept


def test_a_parabola_over_missing_frames_stays_and_what_jumps_goes() -> None:
    time = np.arange(9) / FPS
    parabola = np.stack([100 + 300 * time, 200 - 500 * time + 600 * time**2], axis=1)
    # (of a regular zigzag every second point would be on a parabola)
    jumping = parabola + np.array([[0, 400.0 + jump] for jump in (0, 25, -18, 34, -30, 10, 40, -22, 50)])
    shown = [0, 1, 4, 5, 6, 8]  # two frames in a row without the ball
    predictions = scored(
        [ball(n + 1, n + 1, parabola[n]) for n in shown] + [ball(n + 101, n + 1, jumping[n]) for n in range(9)]
    )
    found = keep_consistent(Labels.of(images(9), []).images, predictions)
    assert found.predictions["box"].to_list() == [n + 1 for n in shown]
    impatient = keep_consistent(Labels.of(images(9), []).images, predictions, TemporalFilter(most_missed=1))
    assert impatient.predictions["box"].to_list() == [5, 6, 7, 9]  # the two before the gap are too few


def test_a_kick_is_no_break() -> None:
    time = np.arange(5) / FPS
    coming = np.stack([100 + 400 * time, 300 + 0 * time], axis=1)
    leaving = coming[-1] + np.stack([-600 * time, -500 * time], axis=1)
    path = np.concatenate([coming, leaving[1:]])
    predictions = scored([ball(n + 1, n + 1, place) for n, place in enumerate(path)])
    assert len(keep_consistent(Labels.of(images(9), []).images, predictions).removed) == 0


def test_videos_and_pauses_are_not_crossed() -> None:
    """Two points in each of two videos are a line together, and alone nothing."""
    line = np.stack([100 + 10 * np.arange(8.0), np.full(8, 50.0)], axis=1)
    one = [*images(4, "a"), *images(4, "b", first=5)]
    labels = Labels.of([row | {"frame": n, "time_ms": n * 40.0} for n, row in enumerate(one)], [])
    predictions = scored([ball(n, n, line[n - 1]) for n in (3, 4, 5, 6)])
    assert len(keep_consistent(labels.images, predictions).predictions) == 0
    together = labels.images.with_columns(video=pl.lit("a"))
    assert len(keep_consistent(together, predictions).removed) == 0
    paused = together.with_columns(frame=pl.col("frame") + 50 * (pl.col("image") > 4))
    assert len(keep_consistent(paused, predictions).predictions) == 0


def test_it_acts_only_where_frames_are_consecutive() -> None:
    rng = np.random.default_rng(0)
    ghosts = scored([ball(n, n, rng.uniform(0, 700, 2)) for n in range(1, 31)])
    for rows in (
        images(30, step=30),  # every 30th frame
        [image_row(n) for n in range(1, 31)],  # of no video
        [row for n in range(10) for row in images(3, f"video {n}", first=3 * n + 1)],  # runs of three
    ):
        found = keep_consistent(Labels.of(rows, []).images, ghosts)
        assert found.predictions.equals(ghosts) and found.acted_on == 0
    assert len(keep_consistent(Labels.of(images(30), []).images, ghosts).predictions) == 0
    wide = TemporalFilter(most_frame_step=30)
    assert keep_consistent(Labels.of(images(30, step=30), []).images, ghosts, wide).acted_on == 30


def with_spot(speed_px_s: float, *, players: bool = True) -> tuple[Labels, pl.DataFrame]:
    """A rolling ball and a spot that is taken for another in most frames, over ten seconds."""
    rng = np.random.default_rng(1)
    answers: Rows = []
    for n in range(250):
        answers.append(ball(len(answers) + 1, n + 1, np.array([100 + 3.0 * n, 300.0]), 0.6))
        if n % 5:
            answers.append(ball(len(answers) + 1, n + 1, np.array([640, 200]) + rng.normal(0, 0.5, 2), 0.8))
        if players:
            for m in range(6):
                place = (100 * m + speed_px_s * n / FPS, 400, 20, 50)
                answers.append(box_row(len(answers) + 1, n + 1, PLAYER, place, score=0.9))
    return Labels.of(images(250), []), scored(answers)


def test_what_never_moves_while_players_do_is_no_ball() -> None:
    labels, predictions = with_spot(40)
    found = keep_consistent(labels.images, predictions)
    assert found.removed["reason"].to_list() == ["static"] * 200
    kept = found.predictions.filter(pl.col("category") == BALL)
    assert len(kept) == 250 and (kept["y"] > 290).all()
    assert len(found.predictions.filter(pl.col("category") == PLAYER)) == 1500
    for speed, players in ((0, True), (40, False)):  # the game stands, or nobody knows whether it does
        labels, predictions = with_spot(speed, players=players)
        assert len(keep_consistent(labels.images, predictions).removed) == 0
    labels, predictions = with_spot(40)
    patient = replace(TemporalFilter(), static_s=12.0)
    assert len(keep_consistent(labels.images, predictions, patient).removed) == 0


def test_a_ball_that_waits_shortly_is_not_taken_for_a_spot() -> None:
    """Rolls, lies for three seconds while players walk, is played on."""
    path = [np.array([100.0 + min(n, 50) * 4 + max(n - 125, 0) * 4, 300.0]) for n in range(175)]
    answers: Rows = [ball(n + 1, n + 1, place) for n, place in enumerate(path)]
    answers += [box_row(1000 + n, n + 1, PLAYER, (100 + 2 * n, 400, 20, 50), score=0.9) for n in range(175)]
    assert len(keep_consistent(Labels.of(images(175), []).images, scored(answers)).removed) == 0


def test_more_candidates_than_are_looked_at_are_told_apart() -> None:
    rng = np.random.default_rng(2)
    answers = [ball(10 * n + m, n, rng.uniform(0, 700, 2), 0.9 - m / 20) for n in range(1, 11) for m in range(8)]
    found = keep_consistent(Labels.of(images(10), []).images, scored(answers), TemporalFilter(most_candidates=3))
    counts = dict(found.removed.group_by("reason").len().iter_rows())
    assert counts["too_many"] == 50
    worst = found.removed.filter(pl.col("reason") == "too_many")["box"] % 10
    assert worst.min() == 3


def test_the_same_twice_and_nothing_from_nothing() -> None:
    truth, predictions = simulated(5, 60)
    one, other = (
        keep_consistent(truth.images, rows)
        for rows in (predictions, predictions.sample(fraction=1, shuffle=True, seed=1))
    )
    assert one.removed.equals(other.removed)
    empty = keep_consistent(truth.images, scored([]))
    assert len(empty.predictions) == len(empty.removed) == 0
    told = effect(truth, scored([]), scored([]))
    assert told["before"]["precision"] is None and told["after"]["recall"] == 0.0
