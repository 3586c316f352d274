"""The form of evaluation.json, the floor that never looks at the image, and the pictures."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from matplotlib.image import imread

from sport_assets.detection import evaluation_plots
from sport_assets.detection.average_precision import SIZE_AREAS, coco_figures
from sport_assets.detection.categories import BALL, PLAYER
from sport_assets.detection.coco import Labels
from sport_assets.detection.detector_report import Detector, facts, summary
from sport_assets.detection.error_report import classify, summarise
from sport_assets.detection.floor_baseline import mean_box_baseline
from sport_assets.detection.precision_recall import at_thresholds, choose_thresholds
from sport_assets.training.reports import write_json
from sport_assets_tests.detection.made_up_boxes import (
    answers_equal_to,
    box_row,
    image_row,
    random_answers,
    random_truth,
    scored,
)

SPEC = {"ball_recall_10px": 0.8, "ball_ap50": 0.4, "ball_ap75": 0.3, "player_ap50": 0.7, "all_ap50": 0.6}


def test_the_report_has_every_group_baseline_and_interval(tmp_path: Path) -> None:
    train, validation, test = (random_truth(50, seed) for seed in (1, 2, 3))
    on_validation, predictions = random_answers(validation, 4), random_answers(test, 5)
    model = Detector(predictions, choose_thresholds(validation, on_validation))
    floor = Detector.without_thresholds(mean_box_baseline(train, test.images), test)
    surer = Detector(predictions.filter(pl.col("score") > 0.5), model.thresholds)
    chosen_on = (validation, on_validation)
    found, again = (
        summary(test, model, {"mean_box": floor}, variants={"surer": surer}, validation=chosen_on, resamples=200)
        for _ in range(2)
    )
    for name, report in (("one", found), ("two", again)):
        write_json(tmp_path / f"{name}.json", report)  # refuses NaN
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()

    sizes = list(SIZE_AREAS)
    groups = {"all", "player", "ball", *sizes, *(f"{name}_{size}" for name in ("player", "ball") for size in sizes)}
    for table in (found["metrics"], found["baselines"]["mean_box"], found["variants"]["surer"]):
        assert set(table) == groups
        assert {"ap", "ap50", "ap75", "average_recall"} <= set(table["all"])
        assert {"ap_10px", "recall_10px", "precision_10px", "f1_10px", "recall"} <= set(table["ball"])
        assert "recall_10px" not in table["player"]
        for group, metric in (("all", "ap50"), ("player", "recall"), ("ball", "recall_10px"), ("ball", "ap75")):
            figure = table[group][metric]
            assert figure["low"] <= figure["value"] <= figure["high"]
    coco = coco_figures(test, predictions)
    assert found["metrics"]["ball_tiny"]["ap50"] == {"value": coco["ball_tiny"]["ap50"]}
    assert found["metrics"]["player"]["ap50"]["value"] == coco["player"]["ap50"]
    rates = at_thresholds(test, predictions, model.thresholds).filter(pl.col("ruler") == "within_10_px")
    assert found["metrics"]["ball"]["recall_10px"]["value"] == rates["recall"].item()
    for name in ("mean_box", "surer"):
        gap = found["differences"][name]["player"]["ap50"]
        table = (found["baselines"] | found["variants"])[name]
        assert gap["value"] == pytest.approx(coco["player"]["ap50"] - table["player"]["ap50"]["value"])
    assert found["differences"]["mean_box"]["player"]["ap50"]["low"] > 0
    assert {row["name"]: row["target"] for row in found["spec_targets"]} == SPEC
    assert all(row["met"] == (row["value"] > row["target"]) for row in found["spec_targets"])
    assert found["samples"]["images"] == 50 and found["samples"]["clips"] == len(found["by_clip"]) == 5
    assert found["samples"]["images_without_boxes"] == 5
    assert found["samples"]["boxes"]["ball"]["all"] == len(test.boxes.filter(pl.col("category") == BALL))
    assert found["thresholds"]["chosen_on"]["images"] == 50
    told = facts(found)
    assert told["all_ap50"] == coco["all"]["ap50"] and told["ball_recall_10px_target"] == 0.8
    assert told["ball_recall_10px"] == rates["recall"].item()


def test_an_answer_equal_to_the_truth_meets_every_target() -> None:
    truth = random_truth(40, crowds=False)
    perfect = Detector(answers_equal_to(truth), {PLAYER: 0.5, BALL: 0.5})
    found = summary(truth, perfect, {}, resamples=50)
    assert all(row["met"] for row in found["spec_targets"])
    for group in ("player", "ball", "all"):
        for metric, figure in found["metrics"][group].items():
            if metric not in ("average_recall_1", "average_recall_10"):
                assert figure["value"] == pytest.approx(1.0, abs=1e-12), (group, metric)
                assert figure.get("low", 1.0) == pytest.approx(1.0, abs=1e-12)


def test_no_ball_and_no_answer_can_be_reported(tmp_path: Path) -> None:
    truth = random_truth(30, balls=False)
    nothing = Detector(scored([]), {PLAYER: 0.5, BALL: 0.5})
    found = summary(truth, nothing, {"same": nothing}, resamples=20)
    write_json(tmp_path / "evaluation.json", found)
    targets = {row["name"]: row["met"] for row in found["spec_targets"]}
    assert targets["ball_ap50"] is None and targets["player_ap50"] is False
    assert found["metrics"]["player"]["recall"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    assert found["metrics"]["player"]["precision"]["value"] is None
    assert json.loads((tmp_path / "evaluation.json").read_text())["metrics"]["ball"]["ap"]["value"] is None


def test_the_floor_knows_where_boxes_usually_are() -> None:
    rows = [box_row(n, n, BALL, (640 - 4, 360 - 4, 8, 8)) for n in range(1, 10)]
    rows += [box_row(10, 10, BALL, (100, 100, 8, 8)), box_row(11, 1, PLAYER, (200, 200, 30, 60))]
    rows += [box_row(12, 1, PLAYER, (600, 200, 300, 300), crowd=True)]
    train = Labels.of([image_row(n) for n in range(1, 11)], rows)
    images = Labels.of([image_row(1) | {"width": 2560, "height": 1440}, image_row(2)], []).images
    found = mean_box_baseline(train, images, most=2)
    assert len(found) == 2 * (2 + 1)  # the ball's two places and the player's one; the crowd is none
    one = found.filter((pl.col("image") == 1) & (pl.col("category") == BALL))
    assert one["score"].to_list() == [0.9, 0.1]
    assert one.select("x", "y", "width", "height").row(0) == pytest.approx((1272, 712, 16, 16))
    two = found.filter((pl.col("image") == 2) & (pl.col("category") == BALL))
    assert two.select("x", "y", "width", "height").row(0) == pytest.approx((636, 356, 8, 8))
    assert len(mean_box_baseline(Labels.of([image_row(1)], []), images)) == 0


def test_pictures_are_the_same_twice_and_not_blank(tmp_path: Path) -> None:
    truth = random_truth(60)
    predictions = random_answers(truth)
    thresholds = choose_thresholds(truth, predictions)
    by_size = {
        name: each["by_size"]
        for name, each in summarise(classify(truth, predictions, thresholds), truth.categories)["categories"].items()
    }
    for turn in ("1", "2"):
        evaluation_plots.precision_recall(truth, predictions, thresholds, tmp_path / f"curve{turn}.png")
        evaluation_plots.recall_by_size(by_size, tmp_path / f"size{turn}.png")
        evaluation_plots.score_histograms(truth, predictions, thresholds, tmp_path / f"score{turn}.png")
    for name in ("curve", "size", "score"):
        first = (tmp_path / f"{name}1.png").read_bytes()
        assert first == (tmp_path / f"{name}2.png").read_bytes(), name
        assert b"matplotlib" not in first.lower()
        assert len(np.unique(imread(tmp_path / f"{name}1.png").reshape(-1, 4), axis=0)) > 50, name


def test_pictures_without_anything(tmp_path: Path) -> None:
    truth = Labels.of([image_row(1)], [])
    evaluation_plots.precision_recall(truth, scored([]), {PLAYER: 0.5, BALL: 0.5}, tmp_path / "curve.png")
    evaluation_plots.recall_by_size({}, tmp_path / "size.png")
    evaluation_plots.score_histograms(truth, scored([]), {PLAYER: 0.5, BALL: 0.5}, tmp_path / "score.png")
    assert all((tmp_path / f"{name}.png").stat().st_size > 1000 for name in ("curve", "size", "score"))
