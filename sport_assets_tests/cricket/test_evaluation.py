"""The evaluation of a cricket model: the same balls for everybody, the truth scores best, and nothing is made up."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from sport_assets.cricket import calibration, measuring, metrics, report
from sport_assets.cricket.balls import Balls
from sport_assets.cricket.baseline_forecasts import FORECASTS_FILE, keys, read_baselines, write_baselines
from sport_assets.cricket.baselines import LEVELS, REFERENCE
from sport_assets.cricket.batches import InningsSource
from sport_assets.cricket.calibration import Calibration
from sport_assets.cricket.card import card
from sport_assets.cricket.evaluation import beats_baselines, calibrated, evaluate
from sport_assets.cricket.labels import LABEL_RULES, OUTCOMES
from sport_assets.cricket.phases import PHASES
from sport_assets.cricket.player_history import read_past
from sport_assets.cricket.report import GROUP, MODEL, UNCALIBRATED, Judged
from sport_assets.lineage.checks import CheckResult
from sport_assets.lineage.row_index import RowIndex
from sport_assets.training.errors import BadSpecError
from sport_assets.training.reports import write_json
from sport_assets_tests.cricket import trained
from sport_assets_tests.cricket.trained import Files


@dataclass(frozen=True)
class Evaluated:
    files: Files
    out: Path
    facts: dict[str, Any]
    checks: list[CheckResult]
    measured: RowIndex

    @property
    def report(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((self.out / "evaluation.json").read_text())
        return content


def run(files: Files, out: Path) -> Evaluated:
    out.mkdir()
    found = evaluate(
        files.checkpoint,
        files.split_file,
        files.samples,
        baselines=files.baselines,
        player_history=files.player_history,
        out=out,
    )
    return Evaluated(files, out, *found)


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Evaluated:
    root = tmp_path_factory.mktemp("cricket")
    return run(trained.files(root), root / "evaluation")


def test_balls_of_some_matches_are_those_of_all_to_the_bit(evaluated: Evaluated) -> None:
    """Rates come from the same past, whichever balls are asked about."""
    files = evaluated.files
    for past in (read_past(files.player_history), None):
        every = Balls.load(files.samples, past).select(files.split.valid, "the validation side")
        alone = Balls.load(files.samples, past, files.split.valid)
        np.testing.assert_array_equal(alone.features, every.features)
        np.testing.assert_array_equal(alone.innings.match_of_balls, every.innings.match_of_balls)


def test_forecasts_are_those_of_the_network_ball_by_ball(evaluated: Evaluated) -> None:
    files = evaluated.files
    balls = Balls.load(files.samples).select(files.split.test, "the test side")
    told = measuring.log_odds(files.checkpoint, balls)
    source = InningsSource(balls.innings, balls.features, files.module.entities)
    for number in (0, len(source) - 1):
        batch = {name: torch.from_numpy(np.ascontiguousarray(v)) for name, v in source.batch([number]).items()}
        with torch.no_grad():
            alone = files.module(batch)[0].numpy()
        start = source.starts[number]
        np.testing.assert_allclose(told[start : start + len(alone)], alone, atol=1e-5)


def test_the_report_is_of_the_test_side_with_every_baseline(evaluated: Evaluated) -> None:
    found, files = evaluated.report, evaluated.files
    assert set(found["baselines"]) == {*LEVELS, "logistic_regression", "boosted_trees"}
    assert found["samples"]["matches"] == len(files.split.test)
    assert [each.side for each in evaluated.measured.identifiers()] == ["test"]
    [index] = evaluated.measured.identifiers()
    assert {row[0] for row in index.rows} == set(files.split.test)
    table = pl.read_parquet(evaluated.out / "predictions.parquet")
    assert set(table["match_id"]) == set(files.split.test)
    assert len(table) == found["samples"]["scored_balls"] == evaluated.facts["test_balls"]
    overs = table.group_by("phase").agg(pl.col("over").min()).sort("over")
    assert overs["phase"].to_list() == list(PHASES) and overs["over"][0] == 0
    p = table.select([f"p_{name}" for name in OUTCOMES]).to_numpy().astype(np.float64)
    outcome = np.array([OUTCOMES.index(name) for name in table["outcome"]])
    own = found["metrics"][GROUP]
    assert own["log_loss"]["value"] == pytest.approx(metrics.log_loss(p, outcome), abs=1e-6)
    assert own["log_loss"]["low"] < own["log_loss"]["value"] < own["log_loss"]["high"]
    assert own["skill_over"]["value"] == pytest.approx(
        1 - own["log_loss"]["value"] / found["baselines"][REFERENCE][GROUP]["log_loss"]["value"]
    )
    assert own["skill_over"]["low"] < own["skill_over"]["value"] < own["skill_over"]["high"]
    for name, gap in found["difference_of_log_loss"].items():
        rival = found["baselines"][name][GROUP]["log_loss"]["value"]
        assert gap["value"] == pytest.approx(own["log_loss"]["value"] - rival, abs=1e-9)
    for kind in ("phase", "innings"):
        rows = [row for row in found["by_group"] if row["group"].startswith(kind)]
        assert sum(row["balls"] for row in rows) == found["samples"]["scored_balls"]
    assert (evaluated.out / "reliability.png").stat().st_size > 10_000
    assert (evaluated.out / "log_loss_by_group.png").stat().st_size > 5_000


def test_calibration_and_the_decision_rule_come_from_validation_alone(evaluated: Evaluated) -> None:
    """Both are exactly what the validation balls give by themselves."""
    files, found = evaluated.files, evaluated.report
    told = Calibration.load(evaluated.out / "calibration.json")
    balls = Balls.load(files.samples).select(files.split.valid, "the validation side")
    logits, outcome = measuring.log_odds(files.checkpoint, balls)[balls.scored], balls.outcome
    own = calibration.fit(logits, outcome, "vector")
    np.testing.assert_array_equal(told.scale, own.scale)
    np.testing.assert_array_equal(told.shift, own.shift)
    p, prior = np.exp(own.apply(logits)), np.bincount(outcome, minlength=len(OUTCOMES)) / len(outcome)
    assert found["decision"]["power"] == metrics.tune_power(p, outcome, prior)
    assert list(found["decision"]["prior"].values()) == [
        prior[OUTCOMES.index(name)] for name in found["decision"]["prior"]
    ]
    validation = found["validation"]
    assert validation["log_loss"] == pytest.approx(metrics.log_loss(p, outcome), abs=1e-9)
    assert validation["log_loss"] <= validation["uncalibrated_log_loss"]
    assert validation["calibration"]["method"] == "vector"


def test_the_same_evaluation_has_the_same_bytes(evaluated: Evaluated, tmp_path: Path) -> None:
    again = run(evaluated.files, tmp_path / "again")
    for path in sorted(evaluated.out.iterdir()):
        assert path.read_bytes() == (again.out / path.name).read_bytes(), path.name


def judged(evaluated: Evaluated, model: np.ndarray) -> Judged:
    balls = Balls.load(evaluated.files.samples).select(evaluated.files.split.test, "the test side")
    rivals = read_baselines(evaluated.files.baselines, "test", balls)
    return Judged(balls, {MODEL: model, UNCALIBRATED: model, **rivals}, tuple(rivals))


def test_the_truth_as_a_forecast_scores_best_in_everything(evaluated: Evaluated) -> None:
    balls = Balls.load(evaluated.files.samples).select(evaluated.files.split.test, "the test side")
    truth = np.eye(len(OUTCOMES))[balls.outcome]
    found = report.summary(judged(evaluated, truth), power=0.0, prior=truth.mean(0), resamples=50)
    own = {name: value["value"] for name, value in found["metrics"][GROUP].items()}
    for name in ("log_loss", "brier", "ranked_probability_score", "calibration_error", "run_bias"):
        assert own[name] == pytest.approx(0.0, abs=1e-9), name
    for name in ("accuracy", "macro_f1", "weighted_f1", "macro_f1_tuned", "wicket_auc", "skill_over"):
        assert own[name] == pytest.approx(1.0), name
    assert beats_baselines(found).passed and calibrated(found).passed


def test_who_forecasts_like_a_baseline_beats_it_not(evaluated: Evaluated) -> None:
    balls = Balls.load(evaluated.files.samples).select(evaluated.files.split.test, "the test side")
    rivals = read_baselines(evaluated.files.baselines, "test", balls)
    found = report.summary(judged(evaluated, rivals["marginal"]), power=0.0, prior=np.ones(7) / 7, resamples=50)
    check = beats_baselines(found)
    assert not check.passed and "marginal" in {row["baseline"] for row in check.sample}
    assert found["difference_of_log_loss"]["marginal"]["value"] == 0.0
    sure = np.eye(7)[np.zeros(len(balls.outcome), int)] * 0.98 + 0.02 / 7
    check = calibrated(report.summary(judged(evaluated, sure), power=0.0, prior=np.ones(7) / 7, resamples=50))
    assert not check.passed and set(check.rules) == {"calibration_error", "run_bias"} and not check.blocking


def test_baselines_are_of_exactly_the_balls_asked_for(evaluated: Evaluated, tmp_path: Path) -> None:
    files = evaluated.files
    every = Balls.load(files.samples)
    test = every.select(files.split.test, "the test side")
    told = read_baselines(files.baselines, "test", test)
    assert all(p.shape == (len(test.outcome), 7) for p in told.values())
    with pytest.raises(BadSpecError, match="not of the balls of the side test: run `sport-assets build cricket/base"):
        read_baselines(files.baselines, "test", every.select(files.split.valid, "the validation side"))
    table = pl.read_parquet(files.baselines / FORECASTS_FILE)
    table.with_columns(outcome=(pl.col("outcome") + 1) % 7).write_parquet(tmp_path / FORECASTS_FILE)
    with pytest.raises(BadSpecError, match="not of the balls"):
        read_baselines(tmp_path, "test", test)


def test_baselines_learn_from_training_matches_alone(evaluated: Evaluated, tmp_path: Path) -> None:
    """Other outcomes of the test side leave every forecast of the first test date as it was."""
    files = evaluated.files
    made = files.innings
    changed = {name: values.copy() for name, values in made.balls.items()}
    test = made.of_matches(files.split.test)
    changed["outcome"][test] = (changed["outcome"][test] + 1) % 7
    (tmp_path / "innings").mkdir()
    type(made)(made.table, changed, made.players, made.teams, made.venues).save(tmp_path / "innings")
    samples = {"all": tmp_path / "innings"}
    write_baselines(files.split_file.parent, samples, files.player_history, tmp_path)
    one, other = (pl.read_parquet(folder / FORECASTS_FILE) for folder in (files.baselines, tmp_path))
    for name in (*LEVELS, "logistic_regression", "boosted_trees"):
        np.testing.assert_array_equal(one[name].to_numpy(), other[name].to_numpy(), name)


def test_balls_are_named_by_match_innings_and_place(evaluated: Evaluated) -> None:
    balls = Balls.load(evaluated.files.samples)
    table = keys(balls)
    assert not table.is_duplicated().any()
    assert table["ball"][0] == 0 and table.group_by("match_id", "innings").agg(pl.len())["len"].sum() == len(balls)
    with pytest.raises(BadSpecError, match="no ball with an outcome is on the moon"):
        balls.select(["nowhere"], "the moon")


def test_the_card_says_what_was_measured(evaluated: Evaluated, tmp_path: Path) -> None:
    facts = {"partition": "42|full", "exported_model": "e" * 64, "checks": {"parity": True}, "data": []}
    text = card(
        checkpoint=evaluated.files.checkpoint,
        evaluation=evaluated.out,
        exported=evaluated.files.checkpoint,
        facts=facts,
        out=tmp_path,
    )
    loss = evaluated.report["metrics"][GROUP]["log_loss"]["value"]
    assert f"**{loss:.4f} nats per ball**" in text and "Boosted trees (LightGBM)" in text
    assert "full, seed 42" in text and "sport-assets audit eeeeeeeeeeee" in text
    assert (tmp_path / "model_card.md").read_text() == text


@pytest.mark.parametrize("rule", LABEL_RULES)
def test_the_card_says_which_outcome_a_ball_has(evaluated: Evaluated, rule: str, tmp_path: Path) -> None:
    assert evaluated.report["label_rule"] == "batter"
    write_json(tmp_path / "evaluation.json", {**evaluated.report, "label_rule": rule})
    checkpoint = evaluated.files.checkpoint
    text = card(checkpoint=checkpoint, evaluation=tmp_path, exported=checkpoint, facts={"data": []}, out=tmp_path)
    assert f"by the label rule `{rule}`: {LABEL_RULES[rule]}" in text
    assert "retired not out is a wicket, else runs off the bat, 5 as four and 7 as six" in text, "what the rules share"
    assert {name for name in LABEL_RULES if f"`{name}`: {LABEL_RULES[name]}" in text} == {rule, "batter"}
