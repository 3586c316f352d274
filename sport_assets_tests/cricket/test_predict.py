"""`predict cricket`: every delivery from what was known before it, whatever the files look like, without torch."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from sport_assets.cli import app
from sport_assets.cricket import innings_state, predict
from sport_assets.cricket.deliveries import clean_year, read_year
from sport_assets.cricket.history import Situations
from sport_assets.cricket.labels import outcome
from sport_assets.cricket.player_history import read_past
from sport_assets.lineage.errors import RawFileUnreadable
from sport_assets_tests.cricket.match_files import innings, match, pack, write
from sport_assets_tests.cricket.model_files import chain, innings_of


@pytest.fixture(scope="module")
def model() -> Path:
    return chain().model


@pytest.fixture(scope="module")
def predicted(model: Path, tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    output = tmp_path_factory.mktemp("predicted") / "new" / "out.csv"
    report = predict.predict(model, chain().raw, output)
    assert [path.name for path in output.parent.iterdir()] == ["out.csv"]
    table = read(output)
    assert report.rows == len(table) and not report.quarantined
    assert report.matches_known == report.matches and report.super_over_deliveries > 0
    return table


def read(path: Path) -> pl.DataFrame:
    return pl.read_csv(path, schema_overrides={"match_id": pl.String})


def again(model: Path, path: Path, folder: Path) -> pl.DataFrame:
    predict.predict(model, path, folder / "again.csv")
    return read(folder / "again.csv")


def of(table: pl.DataFrame, match_id: str) -> pl.DataFrame:
    return table.filter(pl.col("match_id") == match_id)


def close(one: pl.DataFrame, other: pl.DataFrame) -> None:
    assert one.select(predict.COLUMNS[:4]).equals(other.select(predict.COLUMNS[:4]))
    np.testing.assert_allclose(one[:, 4:].to_numpy(), other[:, 4:].to_numpy(), atol=1e-6)


def test_one_row_for_every_delivery(predicted: pl.DataFrame) -> None:
    files, _ = read_year((path.stem, path.read_bytes()) for path in chain().raw.glob("*.json"))
    table = clean_year(files).deliveries.filter(~pl.col("super_over"))
    keys = ["match_id", "innings", "over", "ball_in_over"]
    assert predicted.columns == list(predict.COLUMNS)
    assert predicted.select(keys).equals(table.select(keys))
    assert set(predicted["innings"]) == {1, 2} and predicted["over"].min() == predicted["ball_in_over"].min() == 0
    np.testing.assert_allclose(predicted[:, 4:].sum_horizontal().to_numpy(), 1, atol=1e-5)


def test_archives_and_single_files_say_the_same(model: Path, predicted: pl.DataFrame, tmp_path: Path) -> None:
    files = {path.stem: path.read_bytes() for path in sorted(chain().raw.glob("*.json"))[-6:]}
    wanted = None
    for name in ("a.zip", "b.tar", "c.tar.gz", "d.tar.zst"):
        found = again(model, pack(tmp_path / name, files), tmp_path)
        assert wanted is None or found.equals(wanted)
        wanted = found
    assert wanted is not None
    loose = write(tmp_path / "some" / "deep", files)
    assert again(model, tmp_path / "some", tmp_path).equals(wanted)
    close(again(model, loose[0], tmp_path), of(wanted, loose[0].stem))
    # the past holds these matches: what else is in the input changes nothing
    close(wanted, predicted.filter(pl.col("match_id").is_in(list(files))))


def test_a_later_ball_or_match_changes_nothing_before(model: Path, predicted: pl.DataFrame, tmp_path: Path) -> None:
    table = predicted.group_by("match_id", maintain_order=True).len()["match_id"].to_list()
    late = table[-1]
    content = json.loads((chain().raw / f"{late}.json").read_text())
    over = content["innings"][1]["overs"][6]
    over["deliveries"][2]["runs"] = {"batter": 6, "extras": 0, "total": 6}
    for name in ("extras", "wickets"):
        over["deliveries"][2].pop(name, None)
    write(tmp_path / "one", {late: content})
    found = again(model, tmp_path / "one", tmp_path)
    before = (pl.col("innings") == 1) | (pl.col("over") < 6) | ((pl.col("over") == 6) & (pl.col("ball_in_over") <= 2))
    keys = ["match_id", "innings", "over", "ball_in_over"]
    both = of(predicted, late).join(found, on=keys, suffix="_changed")
    said = both.filter(before)
    np.testing.assert_allclose(said["p_dot"].to_numpy(), said["p_dot_changed"].to_numpy(), atol=1e-6)
    later = both.filter(~before)
    assert np.abs(later["p_dot"].to_numpy() - later["p_dot_changed"].to_numpy()).max() > 1e-4


def test_history_runs_on_through_the_input_by_date(model: Path, tmp_path: Path) -> None:
    """Same-day matches are not seen, those of earlier dates are: also where the model's past does not hold them."""
    days = ("2031-05-01", "2031-05-01", "2031-05-02")
    six = [{"batter": 6, "extras": 0, "total": 6} for _ in range(6)]

    def content(day: str, runs: list[dict[str, int]] | None = None) -> dict[str, object]:
        made = match(innings("Albia", count=3), innings("Brennia", count=2), dates=[day])
        for delivery, scored in zip(made["innings"][0]["overs"][1]["deliveries"], runs or [], strict=False):
            delivery["runs"] = scored
        return made

    plain = {name: content(day) for name, day in zip("abc", days, strict=True)}
    write(tmp_path / "plain", plain)
    write(tmp_path / "changed", {**plain, "a": content(days[0], six)})
    one, other = again(model, tmp_path / "plain", tmp_path), again(model, tmp_path / "changed", tmp_path)
    assert of(one, "b").equals(of(other, "b"))
    assert not of(one, "c").equals(of(other, "c"))
    alone = again(model, write(tmp_path / "alone", {"b": plain["b"]})[0], tmp_path)
    close(alone, of(one, "b"))


def test_a_match_of_the_past_is_not_counted_twice() -> None:
    made, past = innings_of(chain()), read_past(chain().player_history)
    together, known = predict.with_input(past, made)
    assert sorted(known) == sorted(made.match_ids) and len(together) == len(past)
    half = Situations(past.rows.filter(pl.col("day") < int(np.median(past.rows["day"]))))
    together, known = predict.with_input(half, made)
    assert len(together) == len(past) and 0 < len(known) < len(made.match_ids)


def test_a_match_whose_ground_and_teams_were_respelled_is_not_counted_twice() -> None:
    made, past = innings_of(chain()), read_past(chain().player_history)
    respelled = replace(
        made,
        teams=tuple(f"{team} XI" for team in made.teams),
        venues=tuple(f"{venue}, Hestria" for venue in made.venues),
    )
    together, known = predict.with_input(past, respelled)
    assert sorted(known) == sorted(made.match_ids) and len(together) == len(past)


def test_a_second_match_of_the_same_day_and_teams_counts(tmp_path: Path) -> None:
    files = {"1": match(), "2": match(innings("Albia", count=4), innings("Brennia", count=5))}
    read_files, _ = read_year((path.stem, path.read_bytes()) for path in write(tmp_path, files))
    clean = clean_year(read_files)
    both = innings_state.build(clean.deliveries.with_columns(outcome()), clean.matches)
    first = Situations.of(both.select({"1"}))
    together, known = predict.with_input(first, both)
    assert known == ["1"] and len(together) == len(both)
    assert predict.with_input(together, both)[1] == ["1", "2"]


def test_no_torch_is_needed(model: Path, predicted: pl.DataFrame, tmp_path: Path) -> None:
    program = """
import sys
from pathlib import Path
for name in ("torch", "pytorch_lightning", "torch_geometric", "mlflow", "dagster"):
    sys.modules[name] = None  # importing it raises ImportError
from sport_assets.cricket.predict import predict
print(predict(*(Path(argument) for argument in sys.argv[1:])).rows)
"""
    arguments = [str(model), str(chain().raw), str(tmp_path / "out.csv")]
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) == len(predicted)
    assert read(tmp_path / "out.csv").equals(predicted)


def test_files_that_break_a_rule_are_named_and_the_rest_is_predicted(model: Path, tmp_path: Path) -> None:
    files: dict[str, Any] = {
        "good": match(),
        "cut": b'{"info": {"dates": ["2024-05-01"]',
        "test": match(match_type="Test"),
    }
    write(tmp_path / "in", {**files, "twice": match()})
    write(tmp_path / "in" / "other", {"twice": match(dates=["2024-06-01"])})
    arguments = ["--model", str(model), "--input", str(tmp_path / "in"), "--output", str(tmp_path / "out.csv")]
    done = CliRunner().invoke(app, ["predict", "cricket", *arguments, "--json"])
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert report["matches"] == 1 and set(read(tmp_path / "out.csv")["match_id"]) == {"good"}
    assert [each[:2] for each in report["quarantined"]] == [
        ["cut.json", "unreadable"],
        ["test.json", "not_twenty_overs"],
        ["twice.json", "conflicting_files"],
    ]
    done = CliRunner().invoke(app, ["predict", "cricket", *arguments])
    assert done.exit_code == 0 and "not used: cut.json breaks the rule unreadable" in done.stderr.replace("\n", " ")


def test_clear_errors_and_nothing_half_written(model: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.csv"
    (tmp_path / "empty").mkdir()
    with pytest.raises(predict.PredictionError, match="no match file in"):
        predict.predict(model, tmp_path / "empty", output)
    with pytest.raises(predict.PredictionError, match="no match file in"):
        predict.predict(model, tmp_path / "absent.json", output)
    bad = write(tmp_path / "bad", {"bad": b"{"})
    with pytest.raises(predict.PredictionError, match=r"no match can be predicted.*bad\.json: unreadable"):
        predict.predict(model, bad[0], output)
    (tmp_path / "cut.zip").write_bytes(pack(tmp_path / "whole.zip", {"1": match()}).read_bytes()[:200])
    with pytest.raises(RawFileUnreadable, match=r"cut\.zip: the archive is damaged"):
        predict.predict(model, tmp_path / "cut.zip", output)
    with pytest.raises(predict.PredictionError, match="is a folder"):
        predict.predict(model, chain().raw, tmp_path / "empty")
    assert not output.exists() and not list((tmp_path / "empty").iterdir())
