"""Intervals over clips: a resample is what copies of the clips would give, pairs share their clips, seeds hold."""

import numpy as np
import polars as pl
import pytest

from sport_assets.detection.average_precision import coco_figures
from sport_assets.detection.categories import BALL, PLAYER
from sport_assets.detection.clip_bootstrap import by_clip, differences, figures, intervals
from sport_assets.detection.coco import Labels
from sport_assets.detection.precision_recall import at_thresholds
from sport_assets_tests.detection.made_up_boxes import random_answers, random_truth, scored

THRESHOLDS = {PLAYER: 0.4, BALL: 0.6}


def copied(truth: Labels, predictions: pl.DataFrame, times: list[int]) -> tuple[Labels, pl.DataFrame]:
    """The labels and predictions with clip k there ``times[k]`` times, as images of their own."""
    parts: list[list[pl.DataFrame]] = [[], [], []]
    clips = sorted(set(truth.images["video"]))
    for copy in range(max(times)):
        kept = truth.images.filter(pl.col("video").is_in([c for c, t in zip(clips, times, strict=True) if t > copy]))
        shift = 1000 * copy
        parts[0].append(kept.with_columns(pl.col("image") + shift))
        for place, table in ((1, truth.boxes), (2, predictions)):
            rows = table.join(kept.select("image"), on="image", how="semi")
            parts[place].append(rows.with_columns(pl.col("image") + shift, pl.col("box") + 100 * shift))
    images, boxes, found = (pl.concat(each) for each in parts)
    return Labels(images.sort("image"), boxes.sort("box"), truth.categories), found


def test_weights_are_copies() -> None:
    truth = random_truth(60, 3)
    predictions = random_answers(truth)
    # of equal scores the image that comes first counts first, and copies are other images
    predictions = predictions.with_columns(pl.col("score") * 0.999 + pl.col("box") * 1e-7)
    found = figures(truth, predictions, THRESHOLDS)
    assert found.clips == tuple(f"clip {number}" for number in range(5))
    for times in ([1, 1, 1, 1, 1], [2, 0, 3, 0, 1], [0, 0, 5, 0, 0]):
        labels, answers = copied(truth, predictions, times)
        coco = coco_figures(labels, answers)
        weights = np.array([times], float)
        for group, metric in (
            ("player", "ap50"),
            ("player", "ap75"),
            ("ball", "ap50"),
            ("ball", "ap75"),
            ("all", "ap50"),
        ):
            assert found.functions[group, metric](weights)[0] == pytest.approx(coco[group][metric], abs=1e-9)
        rates = at_thresholds(labels, answers, THRESHOLDS)
        for row in rates.iter_rows(named=True):
            suffix = "_10px" if row["ruler"] == "within_10_px" else ""
            for rate in ("precision", "recall", "f1"):
                value = found.functions[row["name"], f"{rate}{suffix}"](weights)[0]
                assert value == pytest.approx(row[rate], abs=1e-12), (times, row["name"], rate)


def test_intervals_hold_their_figure_and_their_seed() -> None:
    truth = random_truth(80, 4, clips=8)
    found = figures(truth, random_answers(truth), THRESHOLDS)
    one, again, other = (intervals(found, resamples=300, seed=seed) for seed in (1, 1, 2))
    assert one == again != other
    coco = coco_figures(truth, random_answers(truth))
    for (group, metric), interval in one.items():
        assert interval.value is not None and interval.low is not None and interval.high is not None
        assert interval.low < interval.value < interval.high, (group, metric)
        if metric in ("ap50", "ap75"):
            assert interval.value == pytest.approx(coco[group][metric], abs=1e-9)


def test_intervals_cover_the_spread_between_clips() -> None:
    """Recall of half of the clips is 1, of the others 0: the interval is as wide as that, however many frames."""
    truth = random_truth(200, 5, crowds=False, clips=10)
    sure = truth.images.filter(pl.col("video") < "clip 5").select("image")
    predictions = truth.boxes.join(sure, on="image", how="semi").with_columns(score=pl.lit(0.9))
    interval = intervals(figures(truth, predictions, THRESHOLDS), resamples=400)["player", "recall"]
    assert interval.low is not None and interval.high is not None
    assert interval.high - interval.low > 0.45  # frames alone would give about 0.14


def test_one_clip_has_no_interval_and_images_without_a_video_are_clips() -> None:
    truth = random_truth(30, clips=1)
    predictions = random_answers(truth)
    interval = intervals(figures(truth, predictions, THRESHOLDS), resamples=50)["player", "ap50"]
    assert interval.value is not None and interval.low is interval.high is None
    alone = Labels(truth.images.with_columns(video=pl.lit(None, pl.String)), truth.boxes, truth.categories)
    assert len(figures(alone, predictions, THRESHOLDS).clips) == 30


def test_a_paired_difference_is_narrower_than_two_intervals() -> None:
    truth = random_truth(80, 6, clips=8)
    better = random_answers(truth, 1)
    worse = better.filter(pl.col("box") % 10 != 0)  # the same detector without a tenth of its boxes
    one, other = figures(truth, better, THRESHOLDS), figures(truth, worse, THRESHOLDS)
    name = ("player", "recall")
    paired = differences(one, other, resamples=300)[name]
    apart = [intervals(each, resamples=300)[name] for each in (one, other)]
    assert paired.value == pytest.approx(one.values[name] - other.values[name])  # type: ignore[operator]
    assert paired.low is not None and paired.low > 0
    assert paired.high - paired.low < apart[0].high - apart[0].low  # type: ignore[operator]
    same = differences(one, one, resamples=50)
    assert {(each.value, each.low, each.high) for each in same.values()} == {(0.0, 0.0, 0.0)}
    with pytest.raises(ValueError, match="different clips"):
        differences(one, figures(random_truth(20, clips=3), scored([]), THRESHOLDS))


def test_each_clip_for_itself() -> None:
    truth = random_truth(60, 7, balls=False)
    predictions = random_answers(truth)
    table = by_clip(figures(truth, predictions, THRESHOLDS))
    assert table["clip"].to_list() == [f"clip {number}" for number in range(5)]
    assert table["ball_ap50"].null_count() == 5  # there is no ball
    for row in table.iter_rows(named=True):
        images = truth.images.filter(pl.col("video") == row["clip"])
        labels = Labels(images, truth.boxes.join(images, on="image", how="semi"), truth.categories)
        alone = coco_figures(labels, predictions.join(images, on="image", how="semi"))
        assert row["player_ap50"] == row["all_ap50"] == pytest.approx(alone["player"]["ap50"], abs=1e-9)
