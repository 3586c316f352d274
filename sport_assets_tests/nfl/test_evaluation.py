import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from sport_assets.nfl import evaluation, held_out, measuring, metrics, report, spec_targets
from sport_assets.nfl.baselines import BASELINES, Batch
from sport_assets.nfl.distribution import SCALE_BINS
from sport_assets.nfl.held_out import LeakageError
from sport_assets.nfl.measuring import Measured
from sport_assets.nfl.schemas import PREDICTIONS
from sport_assets.nfl.split import Split
from sport_assets.nfl.tensors import PlayTensors
from sport_assets.training.errors import BadSpecError
from sport_assets_tests.nfl.conftest import Chain
from sport_assets_tests.nfl.example import plays


def read(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "evaluation.json").read_text())
    return content


def test_the_same_bytes_twice(folded: Chain, evaluated_by_folds: Path, tmp_path: Path) -> None:
    out = evaluated_by_folds
    evaluation.evaluate(*folded, tmp_path, resamples=50)
    names = sorted(path.name for path in out.iterdir())
    assert names == [
        "error_by_horizon.png",
        "evaluation.json",
        "play_best.png",
        "play_median.png",
        "play_worst.png",
        "predictions.parquet",
        "reliability.png",
    ]
    for name in names:
        assert (out / name).read_bytes() == (tmp_path / name).read_bytes(), name
    for name in names:
        for secret in (str(out), "/tmp/", "/home/", "/root/"):
            assert secret.encode() not in (out / name).read_bytes(), name


def test_only_games_of_the_test_side(chain: Chain, evaluated: Path) -> None:
    out, found = evaluated, read(evaluated)
    split = Split.load(chain.split)
    games = set(pl.read_parquet(out / "predictions.parquet")["game_id"])
    assert games == set(split.test)
    assert found["samples"]["games"] == len(games)
    assert found["weeks"] == sorted(chain.samples)
    assert found["evaluated_by"] == "holdout" and "folds" not in found and "held_out_side" not in found
    assert found["fit"] == {"part": "split", "weeks": found["weeks"], "games": len(split.train), "plays": 16}


def test_by_folds_every_play_is_forecast_by_weights_that_never_saw_its_game(
    folded: Chain, evaluated_by_folds: Path
) -> None:
    out, found = evaluated_by_folds, read(evaluated_by_folds)
    split = Split.load(folded.split)
    rows = pl.read_parquet(out / "predictions.parquet")
    weeks = {week: PlayTensors.load(folder / "tensors.safetensors") for week, folder in folded.samples.items()}
    assert set(rows["game_id"]) == set(split.train + split.valid + split.test)
    for fold, (_, valid) in enumerate(split.folds):
        own = held_out.plays_by_length(weeks, valid, "")
        with held_out.torch_forecast(folded.checkpoint / f"fold_{fold}") as forecast:
            measured = measuring.measure(own, forecast, lambda: np.ones((len(SCALE_BINS), 2)))
        wanted = evaluation.predictions(measured).select("game_id", "play_id", "nfl_id", "frame_id", "x", "y")
        of_fold = rows.filter(pl.col("game_id").is_in(valid)).select(wanted.columns)
        assert of_fold.equals(wanted)
        values = metrics.summarise(measured.errors["model"].by_horizon["full"])
        row = found["folds"]["each"][fold]
        assert (row["fold"], row["games"], row["plays"]) == (fold, len(valid), len(own))
        assert row["metrics"]["full"] == {name: pytest.approx(float(value)) for name, value in values.items()}
    assert found["evaluated_by"] == "folds"
    assert found["samples"]["plays"] == sum(row["plays"] for row in found["folds"]["each"]) == 48
    assert found["fit"] == {"part": "all", "weeks": found["weeks"], "games": found["samples"]["games"], "plays": 48}
    errors = [row["metrics"]["full"]["ade"] for row in found["folds"]["each"]]
    over = found["folds"]["over_folds"]["full"]["ade"]
    assert over == {
        "mean": pytest.approx(np.mean(errors)),
        "standard_deviation": pytest.approx(np.std(errors, ddof=1)),
    }
    assert over["standard_deviation"] > 0


def test_the_test_side_stands_beside_with_the_same_forecasts(folded: Chain, evaluated_by_folds: Path) -> None:
    out, found = evaluated_by_folds, read(evaluated_by_folds)
    test = Split.load(folded.split).test
    rows = pl.read_parquet(out / "predictions.parquet").filter(pl.col("game_id").is_in(test))
    side = found["held_out_side"]
    assert (side["samples"]["games"], side["samples"]["full"]["frames"]) == (len(test), len(rows))
    assert side["metrics"]["full"]["ade"]["value"] == pytest.approx(rows["error_yards"].mean(), abs=1e-6)
    assert set(side["baselines"]) == set(BASELINES)
    assert side["metrics"]["full"]["ade"]["value"] != found["metrics"]["full"]["ade"]["value"]


def damaged(chain: Chain, folder: Path, **specs: dict[str, Any]) -> Chain:
    """A copy of the checkpoint whose named parts (`final`, `fold_0` …) say something else of their training."""
    shutil.copytree(chain.checkpoint, folder)
    for part, changes in specs.items():
        path = (folder if part == "final" else folder / part) / "training_spec.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    return chain._replace(checkpoint=folder)


def test_weights_are_never_judged_by_what_they_learned_from(folded: Chain, chain: Chain, tmp_path: Path) -> None:
    for spoilt, message in (
        (damaged(folded, tmp_path / "0", fold_1={"part": "fold:0"}), "fold_1 was trained on the part 'fold:0'"),
        (damaged(folded, tmp_path / "1", fold_1={"part": "all"}), "'all' of its data and not on 'fold:1'"),
        (damaged(folded, tmp_path / "2", final={"part": "split"}), "not on 'all'"),
        (damaged(chain, tmp_path / "3", final={"part": "all"}), "'all' of its data and not on 'split'"),
    ):
        with pytest.raises(LeakageError, match=message):
            evaluation.evaluate(*spoilt, tmp_path, resamples=5)
    split = Split.load(folded.split)
    weeks = {week: PlayTensors.load(folder / "tensors.safetensors") for week, folder in folded.samples.items()}
    train, valid = split.folds[0]
    with pytest.raises(LeakageError, match=f"learned from 1 of the games .* first {train[0]}"):
        held_out.HeldOut(folded.checkpoint, held_out.plays_by_length(weeks, (*valid, train[0]), ""), frozenset(train))


def test_folds_that_do_not_belong_together_are_refused(folded: Chain, tmp_path: Path) -> None:
    other = damaged(folded, tmp_path / "seed", fold_2={"seed": 3})
    with pytest.raises(BadSpecError, match="fold_2 was trained with other seed than the final fit"):
        evaluation.evaluate(*other, tmp_path, resamples=5)
    less = damaged(folded, tmp_path / "less")
    shutil.rmtree(less.checkpoint / "fold_0")
    with pytest.raises(BadSpecError, match="2 fold trainings and the split 3 folds"):
        evaluation.evaluate(*less, tmp_path, resamples=5)
    (less.checkpoint / "training_spec.json").unlink()
    with pytest.raises(BadSpecError, match=r"has no training_spec\.json"):
        evaluation.evaluate(*less, tmp_path, resamples=5)


def test_modes_and_coverage_are_judged_where_a_model_has_them(evaluated_by_folds: Path, evaluated: Path) -> None:
    found, plain = read(evaluated_by_folds), read(evaluated)
    frames = found["samples"]["full"]["frames"]
    modes = found["distribution"]
    assert modes["modes"] == 3 and 1 <= modes["effective_modes"] <= 3
    assert sum(one["frames"] for one in modes["by_time"]) == frames
    likelihood = modes["negative_log_likelihood"]
    for name in ("model", "baseline"):
        of_time = sum(
            one["frames"] * one[("" if name == "model" else "baseline_") + "negative_log_likelihood"]
            for one in modes["by_time"]
            if one["frames"]
        )
        assert likelihood[name]["value"] == pytest.approx(of_time / frames)
    assert modes["best_mode"]["full"]["ade"]["value"] <= modes["most_probable_mode"]["full"]["ade"]["value"]
    assert modes["regions"]["inside_90"]["value"] == modes["regions"]["inside"][17]
    assert found["coverage"]["labelled_plays"] == 32 and 0 <= found["coverage"]["accuracy"] <= 1
    assert "distribution" not in plain and plain["coverage"]["predicted"] is False
    assert plain["coverage"]["labelled_plays"] > 0


def test_a_likelihood_worse_than_the_baselines_loses(evaluated_by_folds: Path) -> None:
    found = read(evaluated_by_folds)
    likelihood = found["distribution"]["negative_log_likelihood"]
    for better in (True, False):
        likelihood["model"]["value"] = likelihood["baseline"]["value"] - (0.1 if better else 0.0)
        check = evaluation.beats_baselines(found)
        lost = [row for row in check.sample if row["metric"] == "negative_log_likelihood"]
        assert (len(lost), check.checked) == (0 if better else 1, 4 * len(BASELINES) + 1)


def test_regions_are_checked_and_a_model_without_them_passes(evaluated_by_folds: Path, evaluated: Path) -> None:
    from sport_assets.nfl.assets import MODEL

    found = read(evaluated_by_folds)
    regions = found["distribution"]["regions"]
    for fifty, ninety, failed in ((0.54, 0.86, 0), (0.44, 0.9, 1), (0.7, 0.99, 2)):
        regions["inside_50"]["value"], regions["inside_90"]["value"] = fifty, ninety
        check = evaluation.regions_calibrated(found)
        assert (check.passed, check.failed, check.checked, check.blocking) == (failed == 0, failed, 2, False)
    none = evaluation.regions_calibrated(read(evaluated))
    assert (none.passed, none.checked) == (True, 0) and "none" in none.metadata["distribution"]
    [declared] = [check for check in MODEL.evaluation_checks if check.name == none.name]
    assert declared.blocking is False


def test_predictions_are_checked_as_a_table(evaluated: Path) -> None:
    from sport_assets.nfl.assets import PREDICTIONS_SOUND
    from sport_assets.orchestration.checks import AssetChecks

    rows = pl.read_parquet(evaluated / "predictions.parquet")
    checks = AssetChecks([PREDICTIONS_SOUND])
    assert checks.validate(rows)[0].passed
    assert list(rows.columns) == list(PREDICTIONS.columns)
    broken = rows.with_columns(x=pl.when(pl.int_range(pl.len()) == 3).then(float("nan")).otherwise("x"))
    [result] = checks.validate(broken)
    assert (result.passed, result.blocking, result.failed) == (False, True, 1)
    assert result.sample[0]["frame_id"] == rows["frame_id"][3]


def test_the_tables_agree_with_the_predictions(evaluated_by_folds: Path) -> None:
    out, found = evaluated_by_folds, read(evaluated_by_folds)
    rows = pl.read_parquet(out / "predictions.parquet")
    error = np.hypot(rows["x"] - rows["true_x"], rows["y"] - rows["true_y"])
    np.testing.assert_allclose(error, rows["error_yards"], atol=1e-9)
    full = found["metrics"]["full"]
    assert full["ade"]["value"] == pytest.approx(error.mean(), abs=1e-6)
    assert full["rmse"]["value"] == pytest.approx(np.sqrt((error**2).sum() / (2 * len(error))), abs=1e-6)
    assert full["rms_distance"]["value"] == pytest.approx(np.sqrt((error**2).mean()), abs=1e-6)
    last = rows.sort("frame_id").group_by("game_id", "play_id", "nfl_id").last()["error_yards"]
    assert full["fde"]["value"] == pytest.approx(last.mean(), abs=1e-6)
    early = rows.filter(pl.col("frame_id") <= 10)["error_yards"]
    assert found["metrics"]["10_frames"]["ade"]["value"] == pytest.approx(early.mean(), abs=1e-6)
    assert found["samples"]["full"]["frames"] == len(rows)
    for index, frame in enumerate(found["error_by_frame"]["frame"]):
        of_frame = rows.filter(pl.col("frame_id") == frame)["error_yards"]
        assert found["error_by_frame"]["error_yards"]["model"][index] == pytest.approx(of_frame.mean(), abs=1e-6)
        assert found["error_by_frame"]["players"][index] == len(of_frame)
    by_play = rows.group_by("game_id", "play_id").agg(pl.col("error_yards").mean()).sort("error_yards")
    for name, row in (("best", 0), ("worst", -1)):
        example = found["examples"][name]
        assert (example["game_id"], example["play_id"]) == by_play.select("game_id", "play_id").row(row)
        assert example["ade_yards"] == pytest.approx(by_play["error_yards"][row], abs=1e-6)


def test_every_baseline_has_the_same_table_as_the_model(evaluated: Path) -> None:
    found = read(evaluated)
    assert set(found["baselines"]) == set(BASELINES)
    for table in (found["metrics"], *found["baselines"].values()):
        for horizon in ("full", "10_frames"):
            assert set(table[horizon]) == set(metrics.METRICS)
            for value in table[horizon].values():
                assert value["low"] <= value["value"] <= value["high"]


def test_the_targets_stand_beside_who_meets_them(evaluated: Path) -> None:
    found = read(evaluated)
    rows = {row["name"]: row for row in found["spec_targets"]}
    assert list(rows) == ["val_ade", "val_fde", "val_miss_rate_2yd", "val_cov_acc"]
    for name, metric in (("val_ade", "ade"), ("val_fde", "fde"), ("val_miss_rate_2yd", "miss_rate_2yd")):
        row, value = rows[name], found["metrics"]["full"][metric]["value"]
        assert (row["value"], row["met"]) == (value, value < row["target"])
        for horizon in ("full", "10_frames"):
            meeting = [b for b in BASELINES if found["baselines"][b][horizon][metric]["value"] < row["target"]]
            assert row["met_without_a_model"][horizon] == sorted(meeting)
    coverage = rows["val_cov_acc"]
    assert (coverage["value"], coverage["met"], coverage["excellent_met"]) == (None, None, None)
    assert coverage["remark"].startswith("not measured")


def test_a_target_says_who_meets_it_without_a_model() -> None:
    def reaching(full: float, early: float) -> dict[str, Any]:
        names = ("ade", "fde", "miss_rate_2yd")
        return {h: {name: {"value": v} for name in names} for h, v in (("full", full), ("10_frames", early))}

    baselines = {"standing_still": reaching(3.5, 2.9), "constant_velocity": reaching(2.9, 1.0)}
    coverage = {"accuracy": 0.76, "majority_class_share": 0.7}
    ade, fde, miss, accuracy = spec_targets.table(reaching(2.4, 1.0), baselines, coverage)
    assert (ade["met"], ade["excellent_met"]) == (True, True)
    assert ade["remark"] == ("met without a model by constant velocity; over the first second also by standing still")
    assert fde["met_without_a_model"]["full"] == ["constant_velocity", "standing_still"]
    assert miss["met"] is False and miss["remark"] == "no baseline meets it"
    assert (accuracy["met"], accuracy["excellent_met"], accuracy["remark"]) == (True, None, "no baseline meets it")
    worse = spec_targets.table(reaching(2.4, 1.0), baselines, {**coverage, "majority_class_share": 0.8})[-1]
    assert worse["remark"] == "met without a model by majority class"


def no_spread() -> np.ndarray:
    raise AssertionError("a model without modes needs no spread of the baseline")


def truth(batch: Batch) -> dict[str, np.ndarray]:
    return {"positions": np.asarray(batch["target"])}


def baseline(batch: Batch) -> dict[str, np.ndarray]:
    return {"positions": BASELINES["damped_landing"](batch)}


def judged(measured: Measured) -> dict[str, Any]:
    return {**report.summary(measured, 20), "evaluated_by": "holdout"}


def test_truth_beats_every_baseline_and_a_baseline_does_not_beat_itself() -> None:
    tensors = plays(12)
    for model, passes in ((truth, True), (baseline, False)):
        found = judged(measuring.measure(tensors, model, no_spread))
        check = evaluation.beats_baselines(found)
        assert check.passed is passes
        assert check.checked == len(BASELINES) * 4
        if passes:
            assert all(value["value"] == 0 for value in found["metrics"]["full"].values())
            assert [row["met"] for row in found["spec_targets"]][:3] == [True] * 3
        else:
            assert [row["baseline"] for row in check.sample].count("damped_landing") == 4
            assert check.failed == check.rules["not_better_than_baseline"] == len(check.sample)


def test_batches_do_not_change_the_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    tensors = plays(12)
    whole = measuring.measure(tensors, baseline, no_spread)
    monkeypatch.setattr(measuring, "BATCH_PLAYS", 5)
    cut = measuring.measure(tensors, baseline, no_spread)
    for name in BASELINES:
        np.testing.assert_allclose(
            cut.errors[name].by_horizon["full"].distance, whole.errors[name].by_horizon["full"].distance, rtol=1e-12
        )
        np.testing.assert_allclose(cut.errors[name].distance_by_frame, whole.errors[name].distance_by_frame, rtol=1e-12)
    for left, right in zip(whole.positions, cut.positions, strict=True):
        np.testing.assert_allclose(left, right)


def test_predictions_are_in_original_coordinates() -> None:
    tensors = plays(4)
    table = evaluation.predictions(measuring.measure(tensors, baseline, no_spread))
    batch = tensors.pad(np.arange(4))
    for play in range(4):
        one = table.filter(pl.col("play_id") == tensors.play_id[play])
        wanted = batch["target"][play][batch["target_mask"][play]]
        if tensors.direction_left[play]:
            wanted = np.array([120, 53.3]) - wanted
        np.testing.assert_allclose(one.select("true_x", "true_y").to_numpy(), wanted, atol=1e-4)
    assert tensors.direction_left.any()
