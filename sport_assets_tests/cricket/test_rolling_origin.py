"""The rolling origin: each fold judged by what came next, no match on a side of its own that is not the split's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from sport_assets.cricket import metrics, rolling_origin, trials
from sport_assets.cricket.balls import Balls
from sport_assets.cricket.baseline_forecasts import fit
from sport_assets.cricket.measuring import log_odds
from sport_assets.cricket.models import load
from sport_assets.cricket.player_history import read_past
from sport_assets.cricket.split import Split, make_split
from sport_assets.lineage.home import Home
from sport_assets.lineage.record import Lineage
from sport_assets.lineage.row_index import RowIndex
from sport_assets.orchestration.build import Builder
from sport_assets.training.checkpoints import save_weights
from sport_assets.training.errors import BadSpecError
from sport_assets.training.spec import SpecInput, TrainingSpec
from sport_assets.training.trials import Finished, Study
from sport_assets_tests.cricket import trained
from sport_assets_tests.cricket.made_up_models import study


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> trained.Files:
    return trained.files(tmp_path_factory.mktemp("trained"), trees=False, variant="base")


@pytest.fixture
def about(made: trained.Files, tmp_path: Path) -> Study:
    """What the asset stands on, with two folds."""
    split = made.split
    before = [split.dates[match] for match in (*split.train, *split.valid)]
    folds = [before[len(before) // 2], before[len(before) * 3 // 4]]
    matches = made.innings.table.select("match_id", "date")
    place = tmp_path / "split"
    place.mkdir()
    bounds = {name: str(split.settings[name]) for name in ("valid_from", "test_from")}
    make_split(matches, folds=folds, **bounds).save(place / "split.json")
    options = study(tmp_path, variants=["base", "full"], hidden_dim=8, latest_matches=5, max_epochs=1).options
    return Study(options, place, made.samples, {"player_history": made.player_history}, {})


def loaded(about: Study) -> Split:
    return Split.load(about.dataset / "split.json")


def test_every_variant_is_trained_on_every_fold(about: Study) -> None:
    wanted = rolling_origin.trials(about, [])
    days = loaded(about).settings["folds"]
    assert [each.name for each in wanted] == [f"{v}, {day}, seed 42" for v in ("base", "full") for day in days]
    assert [each.part for each in wanted] == ["fold:0", "fold:1"] * 2
    assert wanted[0].overrides["model.hidden_dim"] == 8 and wanted[0].overrides["data.latest_matches"] == 5
    done = [Finished(each, {}, Path(), {}) for each in wanted]
    assert rolling_origin.trials(about, done) == []
    replace(loaded(about), folds=()).save(about.dataset / "split.json")
    with pytest.raises(BadSpecError, match=r"no folds: say the dates .*cricket/split\.folds="):
        rolling_origin.trials(about, [])


def test_a_fold_trains_before_its_date_and_is_judged_after_it(made: trained.Files, about: Study) -> None:
    first, second = loaded(about).settings["folds"]
    spec = TrainingSpec.model_validate(
        {
            "line": "cricket",
            "model": "trial",
            "builder": "sport_assets.cricket.trials:build",
            "part": "fold:0",
            "inputs": (
                SpecInput(key="cricket/innings", partition="all", version="a", path=str(made.samples["all"])),
                SpecInput(key="cricket/split", version="b", path=str(about.dataset)),
                SpecInput(key="cricket/player_history", version="c", path=str(made.player_history)),
            ),
        }
    )
    job = trials.build(spec)
    assert job.identifiers is not None
    read = {found.side: {row[0] for row in found.rows} for found in job.identifiers.identifiers()}
    dates = loaded(about).dates
    assert read["train"] and all(dates[match] < first for match in read["train"])
    assert read["valid"] and all(first <= dates[match] < second for match in read["valid"])


def test_the_guard_knows_each_fold_apart(about: Study) -> None:
    split = loaded(about)
    (train, valid), (more, later) = split.folds
    rows = RowIndex()
    for side, matches in (("train fold:0", train), ("valid fold:0", valid), ("train fold:1", more)):
        rows.add(["match_id"], matches, side)
    rows.add(["match_id"], later, "valid fold:1")
    passed = rolling_origin.guard(about.dataset, rows.identifiers())
    assert passed.passed and passed.checked == len(train) + len(valid) + len(more) + len(later)
    # a match that the later fold trains on, and one of the test side
    rows.add(["match_id"], [valid[0]], "train fold:0")
    rows.add(["match_id"], [split.test[0]], "valid fold:1")
    failed = rolling_origin.guard(about.dataset, rows.identifiers())
    assert not failed.passed and failed.failed == 2
    assert {(row["side"], row["match_id"]) for row in failed.sample} == {
        ("train fold:0", valid[0]),
        ("valid fold:1", split.test[0]),
    }


def test_each_fold_is_measured_on_its_own_matches_beside_baselines_of_its_own(
    made: trained.Files, about: Study, tmp_path: Path
) -> None:
    split = loaded(about)
    done, outs = [], []
    for number, trial in enumerate(rolling_origin.trials(about, [])[:2]):
        done.append(Finished(trial, {}, checkpoints(made, tmp_path)[number], {"parameters": 1}))
        outs.append(tmp_path / f"measured {number}")
        outs[-1].mkdir()
    rows = rolling_origin.measure(about, "valid", list(zip(done, outs, strict=True)))
    read = {found.side: {row[0] for row in found.rows} for found in rows.identifiers()}
    assert read == {
        f"{side} fold:{number}": set(matches)
        for number, fold in enumerate(split.folds)
        for side, matches in zip(("train", "valid"), fold, strict=True)
    }, "of baselines and of the network"
    assert rolling_origin.guard(about.dataset, rows.identifiers()).passed

    every = Balls.load(made.samples, read_past(made.player_history))
    for number, (train, valid) in enumerate(split.folds):
        judged = every.select(valid, "later")
        told = fit(every.select(train, "earlier"))["over"](judged.innings, judged.features)[judged.scored]
        odds = log_odds(done[number].checkpoint, judged)[judged.scored]
        model = np.exp(odds) / np.exp(odds).sum(1, keepdims=True)
        table = pl.read_parquet(outs[number] / "losses.parquet")
        assert set(table["match_id"]) == set(valid) and table["balls"].sum() == judged.scored.sum()
        sums = {name: table[name].to_numpy().sum() / judged.scored.sum() for name in ("over", "model")}
        assert sums["over"] == pytest.approx(metrics.log_loss(told, judged.outcome))
        assert sums["model"] == pytest.approx(metrics.log_loss(model, judged.outcome))


def checkpoints(made: trained.Files, folder: Path) -> list[Path]:
    """Two that say different things."""
    other = folder / "other"
    if not other.exists():
        other.mkdir()
        (other / "settings.json").write_bytes((made.checkpoint / "settings.json").read_bytes())
        module = load(made.checkpoint)
        torch.manual_seed(1)
        with torch.no_grad():
            for weights in module.parameters():
                weights.add_(0.1 * torch.randn_like(weights))
        save_weights(module, other / "weights.safetensors")
    return [made.checkpoint, other]


def test_a_report_has_a_row_for_each_variant_and_fold_and_the_mean_of_its_seeds(about: Study, tmp_path: Path) -> None:
    options = {**about.options, "seeds": [1, 2]}
    about = replace(about, options=options)
    split = loaded(about)
    done = []
    for place, trial in enumerate(rolling_origin.trials(about, [])):
        _, valid = split.folds[int(trial.part.removeprefix("fold:"))]
        own = {"full": 1.3, "base": 1.4}[trial.dimensions["variant"]] + 0.02 * (trial.seed == 2)
        balls = np.arange(len(valid)) + 100
        losses = {"model": own * balls, "over": 1.5 * balls, "logistic_regression": 1.45 * balls}
        out = tmp_path / f"of {place}"
        out.mkdir()
        pl.DataFrame({"match_id": valid, "balls": balls, **losses}).write_parquet(out / "losses.parquet")
        done.append(Finished(trial, {}, out, {"parameters": 1}, {"valid": out}))
    assert len(done) == 8, "two variants, two folds, two seeds"
    out = tmp_path / "out"
    out.mkdir()
    facts, checks = rolling_origin.summarise(about, done, out)
    folds = pl.read_parquet(out / "folds.parquet")
    assert not checks and facts["folds"] == 2
    assert folds["variant"].to_list() == ["base", "base", "full", "full"]
    assert folds["from"].to_list() == split.settings["folds"] * 2
    np.testing.assert_allclose(folds["log_loss_model"], [1.41, 1.41, 1.31, 1.31])
    np.testing.assert_allclose(folds["skill"], 1 - np.array([1.41, 1.41, 1.31, 1.31]) / 1.5)
    np.testing.assert_allclose(folds["difference"], [-0.04, -0.04, -0.14, -0.14])
    assert facts["variants"]["full"]["log_loss"] == pytest.approx(1.31)
    assert facts["variants"]["full"]["log_loss_deviation"] == pytest.approx(0)
    assert facts["variants"]["full"]["difference"] == pytest.approx(-0.14)
    assert "of the mean over 2 seeds" in (out / "report.md").read_text()
    again = tmp_path / "again"
    again.mkdir()
    rolling_origin.summarise(about, done, again)
    assert {p.name: p.read_bytes() for p in out.iterdir()} == {p.name: p.read_bytes() for p in again.iterdir()}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_one_command_trains_and_judges_all_folds(home: Path) -> None:
    from sport_assets.cricket.synthetic import generate
    from sport_assets.definitions import defs

    place = Home.from_environment()
    generate(place.data / "cricket", matches=40)
    Builder(defs, place).run("cricket/split", None)
    lineage = Lineage(place)
    try:
        record = lineage.ledger.latest("cricket/split", None)
        assert record is not None
        split = Split.load(lineage.store.folder("cricket/split", None, record.version) / "split.json")
        middle = split.dates[split.train[len(split.train) // 2]]
        folds = f'cricket/split.folds=["{middle}", "{split.settings["valid_from"]}"]'
        Builder(defs, place, [folds, "hidden_dim=8", "max_epochs=1", "latest_matches=8"]).run(
            "cricket/rolling_origin", None
        )
        made = lineage.ledger.latest("cricket/rolling_origin", None)
        assert made is not None and made.row_index is not None
        assert [check.passed for check in made.checks if check.name == "no_test_data"] == [True]
        assert made.facts["folds"] == 2 and len(made.facts["trainings"]) == 2
        assert all(lineage.ledger.has_rows(made.row_index, {"match_id": match}) for match in split.valid)
        assert not any(lineage.ledger.has_rows(made.row_index, {"match_id": match}) for match in split.test)
        folder = lineage.store.folder("cricket/rolling_origin", None, made.version)
        report = (folder / "report.md").read_text()
        assert f"| {middle} |" in report and "logistic_regression" in report
        assert made.facts["variants"]["full"]["log_loss"] > 1
    finally:
        lineage.close()
