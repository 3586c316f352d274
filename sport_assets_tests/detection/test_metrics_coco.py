"""COCO's figures: the same as pycocotools gives, and what they are at the edges."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from sport_assets.detection.average_precision import LARGEST_AREA, SIZE_AREAS, Figures, coco_figures, named_figures
from sport_assets.detection.categories import BALL, PLAYER
from sport_assets.detection.coco import Labels, read_coco, results, write_coco
from sport_assets.detection.detections import Detections
from sport_assets.detection.errors import BadLabelsError
from sport_assets.detection.scored_boxes import checked, in_order, of_detections
from sport_assets_tests.detection.made_up_boxes import (
    answers_equal_to,
    box_row,
    image_row,
    random_answers,
    random_truth,
    scored,
)


def by_pycocotools(truth: Labels, predictions: pl.DataFrame, folder: Path) -> Figures:
    """From files, as any other tool would read them."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    write_coco(truth, folder / "truth.json")
    (folder / "results.json").write_text(json.dumps(results(predictions)))
    labels = COCO(str(folder / "truth.json"))
    evaluation = COCOeval(labels, labels.loadRes(str(folder / "results.json")), "bbox")
    evaluation.params.areaRng = [[0.0, LARGEST_AREA], *map(list, SIZE_AREAS.values())]
    evaluation.params.areaRngLbl = ["all", *SIZE_AREAS]
    evaluation.evaluate()
    evaluation.accumulate()
    return named_figures(evaluation, truth)


def assert_same(one: Figures, other: Figures) -> None:
    assert one.keys() == other.keys()
    for group, figures in one.items():
        for metric, value in figures.items():
            assert value == pytest.approx(other[group][metric], abs=1e-9), (group, metric)


@pytest.mark.parametrize("seed", range(4))
def test_the_same_as_pycocotools(seed: int, tmp_path: Path) -> None:
    truth = random_truth(seed=seed)
    predictions = random_answers(truth, seed + 10)
    assert truth.boxes["crowd"].sum() > 0
    found = coco_figures(truth, predictions)
    assert_same(found, by_pycocotools(truth, predictions, tmp_path))
    values = [value for figures in found.values() for value in figures.values() if value is not None]
    assert len({round(value, 6) for value in values if 0 < value < 1}) > 30  # no figure is trivially 0 or 1


def test_more_than_a_hundred_predictions_of_an_image(tmp_path: Path) -> None:
    truth = random_truth(4, crowds=False)
    predictions = random_answers(truth, ghosts=300)
    assert predictions.group_by("image", "category").len()["len"].max() > 100  # type: ignore[operator]
    assert_same(coco_figures(truth, predictions), by_pycocotools(truth, predictions, tmp_path))


def test_an_answer_equal_to_the_truth_is_perfect_also_through_files(tmp_path: Path) -> None:
    truth = random_truth(crowds=False)
    write_coco(truth, tmp_path / "truth.json")
    (tmp_path / "results.json").write_text(json.dumps(results(answers_equal_to(truth))))
    rows = [
        box_row(number, row["image_id"], row["category_id"], row["bbox"], score=row["score"])
        for number, row in enumerate(json.loads((tmp_path / "results.json").read_text()), start=1)
    ]
    for labels, predictions in ((truth, answers_equal_to(truth)), (read_coco(tmp_path / "truth.json"), scored(rows))):
        for group, figures in coco_figures(labels, predictions).items():
            for metric, value in figures.items():
                if value is None:
                    assert group in ("ball_medium", "ball_large")  # balls are never that large here
                elif metric not in ("average_recall_1", "average_recall_10"):  # one guess cannot find eight players
                    assert value == pytest.approx(1.0, abs=1e-12), (group, metric)


def test_no_prediction_is_zero_and_no_truth_is_none() -> None:
    truth = random_truth(crowds=False)
    nothing = scored([])
    for group, figures in coco_figures(truth, nothing).items():
        expected = None if group in ("ball_medium", "ball_large") else 0.0
        assert set(figures.values()) == {expected}, group
    empty = Labels(truth.images, truth.boxes.clear(), truth.categories)
    for predictions in (nothing, random_answers(truth)):
        assert {value for each in coco_figures(empty, predictions).values() for value in each.values()} == {None}


def test_images_without_a_prediction_count() -> None:
    truth = Labels.of(
        [image_row(1), image_row(2)],
        [box_row(1, 1, PLAYER, (10, 10, 20, 50)), box_row(2, 2, PLAYER, (10, 10, 20, 50))],
    )
    found = coco_figures(truth, scored([box_row(1, 1, PLAYER, (10, 10, 20, 50), score=0.9)]))
    assert found["player"]["average_recall"] == 0.5
    assert found["player"]["ap50"] == pytest.approx(51 / 101)  # perfect up to a recall of one half


def test_a_duplicate_is_a_wrong_prediction() -> None:
    truth = Labels.of(
        [image_row(1)], [box_row(1, 1, PLAYER, (10, 10, 20, 50)), box_row(2, 1, PLAYER, (300, 10, 20, 50))]
    )
    once = [box_row(1, 1, PLAYER, (10, 10, 20, 50), score=0.9), box_row(2, 1, PLAYER, (300, 10, 20, 50), score=0.7)]
    twice = [*once, box_row(3, 1, PLAYER, (11, 10, 20, 50), score=0.8)]
    assert coco_figures(truth, scored(once))["player"]["ap50"] == pytest.approx(1.0)
    # a duplicate between the two right ones: up to recall 0.5 precision 1, then 2 of 3
    assert coco_figures(truth, scored(twice))["player"]["ap50"] == pytest.approx((51 + 50 * 2 / 3) / 101)


def test_tiny_ends_below_16_by_16() -> None:
    places = {1: (10, 10, 16, 16), 2: (10, 10, 15.9, 16)}
    for box, place in places.items():
        truth = Labels.of([image_row(1)], [box_row(box, 1, BALL, place)])
        found = coco_figures(truth, answers_equal_to(truth))
        assert (found["tiny"]["ap50"] is None) == (box == 1)
        assert found["small"]["ap50"] == pytest.approx(1.0)


def test_detections_become_a_table() -> None:
    one = Detections(
        np.array([[0, 0, 10, 20], [5, 5, 12, 11]], np.float32),
        np.array([0.4, 0.9], np.float32),
        np.array([PLAYER, BALL], np.int64),
    )
    table = of_detections({7: one, 3: Detections.none(), 2: one[:1]})
    assert table["image"].to_list() == [2, 7, 7]
    assert table["category"].to_list() == [PLAYER, BALL, PLAYER]
    assert table.row(1) == (3, 7, BALL, 5.0, 5.0, 7.0, 6.0, float(np.float32(0.9)), False)
    assert len(of_detections({})) == 0
    assert of_detections({}).schema == table.schema


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"score": None}, "score None"),
        ({"score": 1.5}, "score 1.5"),
        ({"x": float("nan")}, "x nan"),
        ({"width": -1.0}, "width -1.0"),
        ({"image": 99}, "image 99"),
        ({"category": 8}, "category 8"),
    ],
)
def test_what_cannot_be_measured_is_refused(change: dict[str, object], says: str) -> None:
    truth = Labels.of([image_row(1)], [])
    rows = [box_row(1, 1, BALL, (5, 5, 5, 5), score=0.5), box_row(2, 1, BALL, (5, 5, 5, 5), score=0.5) | change]
    with pytest.raises(BadLabelsError, match="box 2") as error:
        coco_figures(truth, scored(rows))
    assert says in str(error.value)


def test_box_ids_must_differ_and_columns_be_there() -> None:
    truth = Labels.of([image_row(1)], [])
    row = box_row(4, 1, BALL, (5, 5, 5, 5), score=0.5)
    with pytest.raises(BadLabelsError, match="box id 4 is there twice"):
        checked(truth, in_order(Labels.of([], [row, row]).boxes))
    with pytest.raises(BadLabelsError, match="'score'"):
        checked(truth, scored([row]).drop("score"))
