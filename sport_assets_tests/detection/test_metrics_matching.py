"""Matching against the plainest loop there is, curves and thresholds, and the ruler for the ball."""

import numpy as np
import polars as pl
import pytest

from sport_assets.detection.average_precision import coco_figures
from sport_assets.detection.categories import BALL, PLAYER
from sport_assets.detection.coco import Labels
from sport_assets.detection.matching import BALL_RULER, HALF_OVERLAP, CentreDistance, Overlap, Ruler, match, ruler_of
from sport_assets.detection.precision_recall import (
    DEFAULT_THRESHOLD,
    above,
    at_thresholds,
    average_precision,
    choose_thresholds,
    curve,
)
from sport_assets_tests.detection.made_up_boxes import (
    answers_equal_to,
    box_row,
    image_row,
    random_answers,
    random_truth,
    scored,
)


def plainly(truth: Labels, predictions: pl.DataFrame, ruler: Ruler) -> tuple[dict[int, int | None], set[int]]:
    """Prediction to true box (or None), and the ignored ones, one by one in order of score."""
    taken: set[int] = set()
    chosen: dict[int, int | None] = {}
    ignored: set[int] = set()
    for found in predictions.sort("score", "box", descending=[True, False]).iter_rows(named=True):
        best: tuple[float, int] | None = None
        in_crowd = False
        for true in truth.boxes.filter(
            (pl.col("image") == found["image"]) & (pl.col("category") == found["category"])
        ).iter_rows(named=True):
            near = closeness(found, true, ruler)
            if near < ruler.least:
                continue
            if true["crowd"]:
                in_crowd = True
            elif true["box"] not in taken and (best is None or near >= best[0]):
                best = (near, true["box"])
        chosen[found["box"]] = best[1] if best else None
        if best:
            taken.add(best[1])
        elif in_crowd:
            ignored.add(found["box"])
    return chosen, ignored


def closeness(found: dict[str, float], true: dict[str, float], ruler: Ruler) -> float:
    if isinstance(ruler, Overlap):
        wide = min(found["x"] + found["width"], true["x"] + true["width"]) - max(found["x"], true["x"])
        high = min(found["y"] + found["height"], true["y"] + true["height"]) - max(found["y"], true["y"])
        shared = max(wide, 0) * max(high, 0)
        own = found["width"] * found["height"]
        return shared / (own if true["crowd"] else own + true["width"] * true["height"] - shared)
    x, y = found["x"] + found["width"] / 2, found["y"] + found["height"] / 2
    if true["crowd"]:
        inside = true["x"] <= x <= true["x"] + true["width"] and true["y"] <= y <= true["y"] + true["height"]
        return 0.0 if inside else -np.inf
    return -float(np.hypot(x - true["x"] - true["width"] / 2, y - true["y"] - true["height"] / 2))


@pytest.mark.parametrize("ruler", [Overlap(0.5), Overlap(0.1), CentreDistance(10.0), CentreDistance(150.0)])
def test_matching_is_what_a_plain_loop_gives(ruler: Ruler) -> None:
    for seed in range(3):
        truth = random_truth(30, seed)
        predictions = random_answers(truth, seed + 5, ghosts=6)
        found = match(truth, predictions, ruler)
        chosen, ignored = plainly(truth, predictions, ruler)
        assert dict(found.predictions.select("box", "truth").iter_rows()) == chosen
        assert set(found.predictions.filter(~pl.col("counted"))["box"]) == ignored
        assert ignored or isinstance(ruler, CentreDistance)
        reverse = {true: box for box, true in chosen.items() if true is not None}
        expected = {box: reverse.get(box) for box in truth.boxes.filter(~pl.col("crowd"))["box"]}
        assert dict(found.truth.select("box", "prediction").iter_rows()) == expected


def test_of_equally_near_boxes_the_last_is_taken() -> None:
    place = (10, 10, 20, 40)
    truth = Labels.of([image_row(1)], [box_row(box, 1, PLAYER, place) for box in (1, 2, 3)])
    found = match(truth, scored([box_row(1, 1, PLAYER, place, score=0.5)]), HALF_OVERLAP)
    assert found.predictions["truth"].to_list() == [3]


def test_nothing_at_all() -> None:
    truth = Labels.of([image_row(1)], [])
    found = match(truth, scored([]), HALF_OVERLAP)
    assert len(found.predictions) == len(found.truth) == 0
    assert average_precision(found.pooled(BALL)) is None
    lonely = match(random_truth(crowds=False), scored([]), HALF_OVERLAP)
    assert lonely.truth["prediction"].is_null().all()
    assert average_precision(lonely.pooled(PLAYER)) == 0.0


def test_average_precision_is_cocos() -> None:
    for seed in range(3):
        truth = random_truth(seed=seed)
        predictions = random_answers(truth, seed)
        theirs = coco_figures(truth, predictions)
        for least, metric in ((0.5, "ap50"), (0.75, "ap75")):
            matches = match(truth, predictions, Overlap(least))
            for category, name in truth.categories.items():
                assert average_precision(matches.pooled(category)) == pytest.approx(theirs[name][metric], abs=1e-9)


def test_the_ball_is_judged_by_distance() -> None:
    truth = Labels.of([image_row(1)], [box_row(1, 1, BALL, (100, 100, 7, 6))])
    for away, right in ((0, True), (6, True), (9.9, True), (10.1, False)):
        predictions = scored([box_row(1, 1, BALL, (100 + away, 100, 7, 6), score=0.8)])
        table = at_thresholds(truth, predictions, {PLAYER: 0.5, BALL: 0.5})
        rates = dict(table.filter(pl.col("category") == BALL).select("ruler", "recall").iter_rows())
        assert rates["within_10_px"] == float(right)
        assert rates["iou_50"] == float(away == 0)
    assert ruler_of(BALL) is BALL_RULER and ruler_of(PLAYER) is HALF_OVERLAP


def test_distances_are_of_the_image_before_it_was_stretched() -> None:
    """A 1280 x 1280 image of a 16:9 picture: 6 pixels across are 10.7 of the picture at that height."""
    wide = {"width": 1280, "height": 1280, "true_aspect": 16 / 9}
    predictions = scored(
        [
            box_row(1, 1, BALL, (106, 100, 7, 12), score=0.8),
            box_row(2, 2, BALL, (105, 100, 7, 12), score=0.8),
            box_row(3, 3, BALL, (100, 109, 7, 12), score=0.8),
        ]
    )
    rows = [box_row(image, image, BALL, (100, 100, 7, 12)) for image in (1, 2, 3)]
    stretched = Labels.of([image_row(image) | wide for image in (1, 2, 3)], rows)
    plain = Labels.of([image_row(image) | wide | {"true_aspect": None} for image in (1, 2, 3)], rows)
    found = match(stretched, predictions, BALL_RULER)
    assert found.predictions["truth"].to_list() == [None, 2, 3]
    assert found.predictions["closeness"].to_list()[1:] == pytest.approx([-5 * 16 / 9, -9])
    assert match(plain, predictions, BALL_RULER).predictions["truth"].to_list() == [1, 2, 3]


def test_threshold_of_the_best_f1_is_the_best_of_all() -> None:
    truth = random_truth(60, crowds=False)
    predictions = random_answers(truth)
    chosen = choose_thresholds(truth, predictions)
    for category, ruler in ((PLAYER, "iou_50"), (BALL, "within_10_px")):

        def f1(threshold: float, category: int = category, ruler: str = ruler) -> float:
            table = at_thresholds(truth, predictions, {PLAYER: threshold, BALL: threshold})
            return float(table.filter((pl.col("category") == category) & (pl.col("ruler") == ruler))["f1"].item())

        tried = {score: f1(score) for score in sorted(set(predictions["score"]))}
        assert f1(chosen[category]) == max(tried.values())
        assert chosen[category] == max(score for score, value in tried.items() if value == max(tried.values()))


def test_thresholds_are_used_where_they_were_not_chosen() -> None:
    validation, test = random_truth(60, 1), random_truth(60, 2)
    chosen = choose_thresholds(validation, random_answers(validation))
    predictions = random_answers(test, 7)
    table = at_thresholds(test, predictions, chosen)
    for row in table.iter_rows(named=True):
        assert row["threshold"] == chosen[row["category"]]
        assert row["precision"] == row["correct"] / row["taken"]
        assert row["recall"] == row["correct"] / row["truths"]
        assert row["f1"] == pytest.approx(
            2 * row["precision"] * row["recall"] / (row["precision"] + row["recall"]), abs=1e-12
        )
    best = choose_thresholds(test, predictions)
    assert best != chosen  # choosing on what is measured would flatter


def test_thresholds_where_there_is_nothing_to_choose_from() -> None:
    truth = random_truth(crowds=False)
    assert choose_thresholds(truth, scored([])) == {PLAYER: DEFAULT_THRESHOLD, BALL: DEFAULT_THRESHOLD}
    table = at_thresholds(truth, scored([]), {PLAYER: 0.5, BALL: 0.5})
    assert table["recall"].to_list() == [0.0] * 3 and table["precision"].null_count() == 3
    empty = Labels(truth.images, truth.boxes.clear(), truth.categories)
    table = at_thresholds(empty, answers_equal_to(truth), {PLAYER: 0.5, BALL: 0.5})
    assert table["recall"].null_count() == table["f1"].null_count() == 3
    assert table["precision"].to_list() == [0.0] * 3
    with pytest.raises(KeyError, match="2"):
        above(answers_equal_to(truth), {PLAYER: 0.5})


def test_curve_takes_equal_scores_together() -> None:
    truth = Labels.of([image_row(1)], [box_row(1, 1, PLAYER, (0, 0, 20, 40)), box_row(2, 1, PLAYER, (90, 0, 20, 40))])
    predictions = scored(
        [
            box_row(1, 1, PLAYER, (0, 0, 20, 40), score=0.5),
            box_row(2, 1, PLAYER, (500, 0, 20, 40), score=0.5),
            box_row(3, 1, PLAYER, (90, 0, 20, 40), score=0.4),
        ]
    )
    found = curve(match(truth, predictions, HALF_OVERLAP).pooled(PLAYER))
    assert found.score.tolist() == [0.5, 0.4]
    assert found.precision.tolist() == [0.5, 2 / 3]
    assert found.recall.tolist() == [0.5, 1.0]
    assert found.best == 1
