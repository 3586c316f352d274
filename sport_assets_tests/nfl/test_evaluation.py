import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from sport_assets.nfl import evaluation, metrics
from sport_assets.nfl.baselines import BASELINES, Batch
from sport_assets.nfl.schemas import PREDICTIONS
from sport_assets.nfl.split import Split
from sport_assets.nfl.tensors import PlayTensors
from sport_assets_tests.nfl.conftest import Chain
from sport_assets_tests.nfl.example import plays


@pytest.fixture(scope="module")
def evaluated(chain: Chain, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    out = tmp_path_factory.mktemp("evaluation")
    evaluation.evaluate(*chain, out, resamples=50)
    return out, json.loads((out / "evaluation.json").read_text())


def test_the_same_bytes_twice(chain: Chain, evaluated: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    out, _ = evaluated
    evaluation.evaluate(*chain, tmp_path, resamples=50)
    names = sorted(path.name for path in out.iterdir())
    assert names == [
        "error_by_horizon.png",
        "evaluation.json",
        "play_best.png",
        "play_median.png",
        "play_worst.png",
        "predictions.parquet",
    ]
    for name in names:
        assert (out / name).read_bytes() == (tmp_path / name).read_bytes(), name
    for name in names:
        for secret in (str(out), "/tmp/", "/home/", "/root/"):
            assert secret.encode() not in (out / name).read_bytes(), name


def test_only_games_of_the_test_side(chain: Chain, evaluated: tuple[Path, dict[str, Any]]) -> None:
    out, report = evaluated
    games = set(pl.read_parquet(out / "predictions.parquet")["game_id"])
    assert games == set(Split.load(chain.split).test)
    assert report["samples"]["games"] == len(games)
    assert report["weeks"] == sorted(chain.samples)


def test_predictions_are_checked_as_a_table(evaluated: tuple[Path, dict[str, Any]]) -> None:
    from sport_assets.nfl.assets import PREDICTIONS_SOUND
    from sport_assets.orchestration.checks import AssetChecks

    rows = pl.read_parquet(evaluated[0] / "predictions.parquet")
    checks = AssetChecks([PREDICTIONS_SOUND])
    assert checks.validate(rows)[0].passed
    assert list(rows.columns) == list(PREDICTIONS.columns)
    broken = rows.with_columns(x=pl.when(pl.int_range(pl.len()) == 3).then(float("nan")).otherwise("x"))
    [result] = checks.validate(broken)
    assert (result.passed, result.blocking, result.failed) == (False, True, 1)
    assert result.sample[0]["frame_id"] == rows["frame_id"][3]


def test_the_tables_agree_with_the_predictions(evaluated: tuple[Path, dict[str, Any]]) -> None:
    out, report = evaluated
    rows = pl.read_parquet(out / "predictions.parquet")
    error = np.hypot(rows["x"] - rows["true_x"], rows["y"] - rows["true_y"])
    np.testing.assert_allclose(error, rows["error_yards"], atol=1e-9)
    full = report["metrics"]["full"]
    assert full["ade"]["value"] == pytest.approx(error.mean(), abs=1e-6)
    assert full["rmse"]["value"] == pytest.approx(np.sqrt((error**2).sum() / (2 * len(error))), abs=1e-6)
    last = rows.sort("frame_id").group_by("game_id", "play_id", "nfl_id").last()["error_yards"]
    assert full["fde"]["value"] == pytest.approx(last.mean(), abs=1e-6)
    early = rows.filter(pl.col("frame_id") <= 10)["error_yards"]
    assert report["metrics"]["10_frames"]["ade"]["value"] == pytest.approx(early.mean(), abs=1e-6)
    assert report["samples"]["full"]["frames"] == len(rows)
    for index, frame in enumerate(report["error_by_frame"]["frame"]):
        of_frame = rows.filter(pl.col("frame_id") == frame)["error_yards"]
        assert report["error_by_frame"]["error_yards"]["model"][index] == pytest.approx(of_frame.mean(), abs=1e-6)
    by_play = rows.group_by("game_id", "play_id").agg(pl.col("error_yards").mean()).sort("error_yards")
    for name, row in (("best", 0), ("worst", -1)):
        assert report["examples"][name]["play_id"] == by_play["play_id"][row]
        assert report["examples"][name]["ade_yards"] == pytest.approx(by_play["error_yards"][row], abs=1e-6)


def test_every_baseline_has_the_same_table_as_the_model(evaluated: tuple[Path, dict[str, Any]]) -> None:
    _, report = evaluated
    assert set(report["baselines"]) == set(BASELINES)
    for table in (report["metrics"], *report["baselines"].values()):
        for horizon in ("full", "10_frames"):
            assert set(table[horizon]) == set(metrics.METRICS)
            for value in table[horizon].values():
                assert value["low"] <= value["value"] <= value["high"]


def truth(tensors: PlayTensors) -> evaluation.Forecast:
    def forecast(batch: Batch) -> np.ndarray:
        return np.asarray(batch["target"])

    return forecast


def test_truth_beats_every_baseline_and_a_baseline_does_not_beat_itself() -> None:
    tensors = plays(12)
    weights = metrics.bootstrap_weights(len(tensors), 20, seed=0)
    for model, passes in ((truth(tensors), True), (BASELINES["damped_landing"], False)):
        errors, _ = evaluation.measure(tensors, {"model": model, **BASELINES})
        report = evaluation.summary(tensors, errors, weights, 20)
        check = evaluation.beats_baselines(report)
        assert check.passed is passes
        assert check.checked == len(BASELINES) * 4
        if not passes:
            assert [row["baseline"] for row in check.sample].count("damped_landing") == 4
            assert check.failed == check.rules["not_better_than_baseline"] == len(check.sample)


def test_batches_do_not_change_the_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    tensors = plays(12)
    whole, rows = evaluation.measure(tensors, BASELINES, model="damped_landing")
    monkeypatch.setattr(evaluation, "BATCH_PLAYS", 5)
    cut, cut_rows = evaluation.measure(tensors, BASELINES, model="damped_landing")
    for name in BASELINES:
        np.testing.assert_allclose(
            cut[name].by_horizon["full"].distance, whole[name].by_horizon["full"].distance, rtol=1e-12
        )
        np.testing.assert_allclose(cut[name].distance_by_frame, whole[name].distance_by_frame, rtol=1e-12)
    for left, right in zip(rows, cut_rows, strict=True):
        np.testing.assert_allclose(left, right)


def test_predictions_are_in_original_coordinates() -> None:
    tensors = plays(4)
    _, rows = evaluation.measure(tensors, {"model": BASELINES["damped_landing"]})
    table = evaluation.predictions(tensors, rows)
    batch = tensors.pad(np.arange(4))
    for play in range(4):
        one = table.filter(pl.col("play_id") == tensors.play_id[play])
        wanted = batch["target"][play][batch["target_mask"][play]]
        if tensors.direction_left[play]:
            wanted = np.array([120, 53.3]) - wanted
        np.testing.assert_allclose(one.select("true_x", "true_y").to_numpy(), wanted, atol=1e-4)
    assert tensors.direction_left.any()
