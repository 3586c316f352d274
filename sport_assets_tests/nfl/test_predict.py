import gzip
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from sport_assets.cli import app
from sport_assets.nfl import context, features, models, plays, predict
from sport_assets.nfl.held_out import torch_forecast
from sport_assets.nfl.schemas import ALLOWED_PRE_SNAP
from sport_assets.nfl.synthetic import generate
from sport_assets_tests.nfl.conftest import Chain


@pytest.fixture(scope="module")
def model(exported: Path) -> Path:
    return exported / "model.onnx"


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two generated weeks in the competition's layout."""
    folder = tmp_path_factory.mktemp("raw")
    generate(folder, season=2023, weeks=2, plays_per_week=8, seed=3)
    return folder


@pytest.fixture(scope="module")
def predicted(model: Path, raw: Path, tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    output = tmp_path_factory.mktemp("predicted") / "new" / "predictions.csv"
    report = predict.predict(model, raw, output)
    assert [path.name for path in output.parent.iterdir()] == ["predictions.csv"]
    table = pl.read_csv(output)
    assert report == predict.PredictionReport(len(table), rows_quarantined=0, players_left_out=0)
    return table


def inputs(raw: Path) -> pl.DataFrame:
    return pl.concat([pl.read_csv(file, null_values="NA") for file in sorted((raw / "train").glob("input_*"))])


def test_one_row_per_frame_to_predict(raw: Path, predicted: pl.DataFrame) -> None:
    wanted = (
        inputs(raw)
        .filter("player_to_predict")
        .group_by("game_id", "play_id", "nfl_id")
        .agg(pl.col("num_frames_output").first())
        .with_columns(frame_id=pl.int_ranges(1, pl.col("num_frames_output") + 1))
        .explode("frame_id")
    )
    keys = ["game_id", "play_id", "nfl_id", "frame_id"]
    assert predicted.columns == [*keys, "x", "y"]
    assert predicted.select(keys).equals(wanted.select(keys).sort(keys))
    assert predicted.select(pl.col("x", "y").is_finite().all()).row(0) == (True, True)


def test_in_original_coordinates_near_the_truth(raw: Path, predicted: pl.DataFrame) -> None:
    """The model is untrained, so this is the physics baseline: near the truth, in plays of both directions."""
    truth = pl.concat([pl.read_csv(file) for file in sorted((raw / "train").glob("output_*"))])
    direction = inputs(raw).group_by("game_id", "play_id").agg(pl.col("play_direction").first())
    both = predicted.join(truth, on=["game_id", "play_id", "nfl_id", "frame_id"], suffix="_true")
    both = both.join(direction, on=["game_id", "play_id"])
    error = ((pl.col("x") - pl.col("x_true")) ** 2 + (pl.col("y") - pl.col("y_true")) ** 2).sqrt()
    by_direction = dict(both.group_by("play_direction").agg(error.mean()).iter_rows())
    assert set(by_direction) == {"left", "right"}
    assert all(mean < 2 for mean in by_direction.values())


def test_equal_to_the_trained_model(chain: Chain, raw: Path, predicted: pl.DataFrame) -> None:
    known = context.read_context(predict.supplementary_file(raw / "train" / "x.csv") or raw)[0]
    parts = []
    for file in predict.input_files(raw):
        tracking = plays.standardise(plays.clean_week(plays.read_week(file)).input.clean)
        tensors = features.build(tracking, None, known)
        batch = models.as_tensors(dict(tensors.pad(np.arange(len(tensors)))))
        found = models.load(chain.checkpoint)(batch)["positions"].detach().numpy()
        counts = np.diff(tensors.play_offset)
        rows = [found[play, : counts[play], : tensors.frames[play]] for play in range(len(tensors))]
        parts.append(predict.rows_to_predict(tensors, rows))
    wanted = pl.concat(parts).select("x", "y").to_numpy()
    np.testing.assert_allclose(predicted.select("x", "y").to_numpy(), wanted, atol=2e-4)


def run_again(model: Path, folder: Path, tmp_path: Path) -> pl.DataFrame:
    predict.predict(model, folder, tmp_path / "again.csv")
    return pl.read_csv(tmp_path / "again.csv")


def copy(raw: Path, folder: Path) -> Path:
    (folder / "train").mkdir(parents=True)
    for file in (raw / "train").glob("input_*"):
        (folder / "train" / file.name).write_bytes(file.read_bytes())
    supplementary = predict.supplementary_file(raw / "train" / "x.csv")
    assert supplementary is not None
    (folder / supplementary.name).write_bytes(supplementary.read_bytes())
    return folder / supplementary.name


def test_nothing_outside_the_allow_list_is_read(
    model: Path, raw: Path, predicted: pl.DataFrame, tmp_path: Path
) -> None:
    path = copy(raw, tmp_path / "shuffled")
    table = pl.read_csv(path, infer_schema=False)
    others = [name for name in table.columns if name not in (*ALLOWED_PRE_SNAP, "game_id", "play_id")]
    assert {"pass_result", "yards_gained", "expected_points_added", "team_coverage_type"} <= set(others)
    shuffled = table.with_columns(pl.col(others).shuffle(seed=1))
    assert not shuffled.equals(table)
    shuffled.write_csv(path)
    assert run_again(model, tmp_path / "shuffled", tmp_path).equals(predicted)


def test_the_allowed_columns_are_read(model: Path, raw: Path, predicted: pl.DataFrame, tmp_path: Path) -> None:
    path = copy(raw, tmp_path / "changed")
    pl.read_csv(path, infer_schema=False).with_columns(down=pl.lit("4")).write_csv(path)
    assert not run_again(model, tmp_path / "changed", tmp_path).equals(predicted)


def test_without_supplementary_compressed_and_from_the_folder_itself(
    model: Path, raw: Path, predicted: pl.DataFrame, tmp_path: Path
) -> None:
    copy(raw, tmp_path / "bare").unlink()
    for file in (tmp_path / "bare" / "train").iterdir():
        (file.parent / f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))
        file.unlink()
    bare = run_again(model, tmp_path / "bare", tmp_path)
    keys = ["game_id", "play_id", "nfl_id", "frame_id"]
    assert bare.select(keys).equals(predicted.select(keys))
    assert run_again(model, tmp_path / "bare" / "train", tmp_path).equals(bare)
    first = sorted((tmp_path / "bare" / "train").iterdir())[0]
    alone = run_again(model, first, tmp_path)
    assert 0 < len(alone) < len(bare)
    assert alone.equals(bare.head(len(alone)))


def test_no_torch_is_needed(model: Path, raw: Path, predicted: pl.DataFrame, tmp_path: Path) -> None:
    program = """
import sys
from pathlib import Path
for name in ("torch", "pytorch_lightning", "torch_geometric", "mlflow", "dagster"):
    sys.modules[name] = None  # importing it raises ImportError
from sport_assets.nfl.predict import predict
print(predict(*(Path(argument) for argument in sys.argv[1:])).rows)
"""
    arguments = [str(model), str(raw), str(tmp_path / "out.csv")]
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) == len(predicted)
    assert pl.read_csv(tmp_path / "out.csv").equals(predicted)


def test_clear_errors(model: Path, raw: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.csv"
    with pytest.raises(predict.PredictionError, match=r"no input_\*\.csv"):
        predict.predict(model, tmp_path, output)
    with pytest.raises(predict.PredictionError, match="is not a file"):
        predict.predict(tmp_path / "absent.onnx", raw, output)
    (tmp_path / "broken.onnx").write_bytes(b"nonsense")
    with pytest.raises(predict.PredictionError, match="not a readable ONNX model"):
        predict.predict(tmp_path / "broken.onnx", raw, output)
    copy(raw, tmp_path / "twice")
    first = sorted((tmp_path / "twice" / "train").iterdir())[0]
    (first.parent / f"{first.name}.gz").write_bytes(gzip.compress(first.read_bytes()))
    with pytest.raises(predict.PredictionError, match="are both there"):
        predict.predict(model, tmp_path / "twice", output)
    first.write_text("a,b\n1,2\n")
    (first.parent / f"{first.name}.gz").unlink()
    with pytest.raises(plays.RawFileError, match=first.name):
        predict.predict(model, tmp_path / "twice", output)
    assert not output.exists()


def test_what_cannot_be_used_is_reported(model: Path, raw: Path, predicted: pl.DataFrame, tmp_path: Path) -> None:
    copy(raw, tmp_path / "broken")
    path = sorted((tmp_path / "broken" / "train").iterdir())[0]
    table = pl.read_csv(path, infer_schema=False)
    first = table.filter(pl.col("player_to_predict") == "True").row(0, named=True)
    player = pl.all_horizontal(pl.col(name) == first[name] for name in ("game_id", "play_id", "nfl_id"))
    table = table.with_columns(s=pl.when(player).then(pl.lit("99")).otherwise("s"))
    table.write_csv(path)
    report = predict.predict(model, tmp_path / "broken", tmp_path / "out.csv")
    assert report.rows_quarantined == (table["s"] == "99").sum() > 0
    assert report.players_left_out == 1
    assert report.rows == len(pl.read_csv(tmp_path / "out.csv")) < len(predicted)


def test_a_supplementary_file_in_both_forms_is_refused(model: Path, raw: Path, tmp_path: Path) -> None:
    path = copy(raw, tmp_path / "twice")
    (path.parent / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
    with pytest.raises(predict.PredictionError, match=r"supplementary_data\.csv and .* both there: keep one"):
        predict.predict(model, tmp_path / "twice", tmp_path / "out.csv")


def test_a_model_of_another_layout_is_refused(model: Path, raw: Path, tmp_path: Path) -> None:
    import onnx

    for old, new, message in (
        ('"frame_seconds": 0.1', '"frame_seconds": 0.2', "export it again"),
        ('"line": "nfl"', '"line": "soccer"', "not a model of the nfl line"),
    ):
        loaded = onnx.load(str(model))
        (entry,) = [one for one in loaded.metadata_props if one.key == "sport_assets"]
        assert old in entry.value
        entry.value = entry.value.replace(old, new)
        onnx.save(loaded, str(tmp_path / "other.onnx"))
        with pytest.raises(predict.PredictionError, match=message):
            predict.predict(tmp_path / "other.onnx", raw, tmp_path / "out.csv")


@pytest.fixture(scope="module")
def modes_model(exported_by_folds: Path) -> Path:
    return exported_by_folds / "model.onnx"


@pytest.fixture(scope="module")
def all_tables(modes_model: Path, raw: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, pl.DataFrame]:
    """Positions, modes and coverage of the generated weeks."""
    out = tmp_path_factory.mktemp("tables")
    files = {"positions": out / "p.csv", "modes": out / "modes" / "m.parquet", "coverage": out / "c.csv"}
    report = predict.predict(modes_model, raw, files["positions"], modes=files["modes"], coverage=files["coverage"])
    assert sorted(path.name for path in out.rglob("*") if path.is_file()) == ["c.csv", "m.parquet", "p.csv"]
    tables = {name: (pl.read_parquet if name == "modes" else pl.read_csv)(path) for name, path in files.items()}
    assert (report.rows, report.mode_rows, report.coverage_rows) == tuple(len(table) for table in tables.values())
    return tables


def test_modes_are_whole_mixtures_of_every_predicted_frame(all_tables: dict[str, pl.DataFrame]) -> None:
    keys = ["game_id", "play_id", "nfl_id", "frame_id"]
    modes, positions = all_tables["modes"], all_tables["positions"]
    assert modes.columns == [*keys, "mode", "probability", "x", "y", "sigma_x", "sigma_y"]
    assert modes.select([*keys, "mode"]).equals(
        positions.select(keys)
        .with_columns(mode=pl.lit([1, 2, 3], pl.List(pl.Int32)))
        .explode("mode", empty_as_null=True, keep_nulls=True)
    )
    whole = modes.group_by(keys).agg(pl.col("probability").sum(), pl.col("sigma_x", "sigma_y").min())
    np.testing.assert_allclose(whole["probability"], 1, atol=1e-5)
    assert whole.select((pl.col("sigma_x", "sigma_y") > 0).all()).row(0) == (True, True)
    of_player = modes.group_by("game_id", "play_id", "nfl_id", "mode").agg(pl.col("probability").n_unique())
    assert of_player["probability"].max() == 1


def test_modes_and_coverage_are_those_of_the_trained_model_in_original_coordinates(
    folded: Chain, raw: Path, all_tables: dict[str, pl.DataFrame]
) -> None:
    known = context.read_context(predict.supplementary_file(raw / "train" / "x.csv") or raw)[0]
    directions = set()
    with torch_forecast(folded.checkpoint) as forecast:
        for file in predict.input_files(raw):
            tracking = plays.standardise(plays.clean_week(plays.read_week(file)).input.clean)
            tensors = features.build(tracking, None, known)
            for play in range(len(tensors)):
                batch = dict(tensors.pad(np.array([play])))
                wanted = forecast(batch)
                game, number = int(tensors.game_id[play]), int(tensors.play_id[play])
                of_play = all_tables["modes"].filter(game_id=game, play_id=number)
                asked = batch["to_predict"][0]
                path = wanted["modes"][0, asked].swapaxes(1, 2)
                if tensors.direction_left[play]:
                    path = np.array([120, 53.3]) - path
                np.testing.assert_allclose(of_play.select("x", "y").to_numpy(), path.reshape(-1, 2), atol=2e-3)
                scale = wanted["mode_scale"][0, asked].swapaxes(1, 2).reshape(-1, 2)
                np.testing.assert_allclose(of_play.select("sigma_x", "sigma_y").to_numpy(), scale, atol=1e-3)
                shares = np.repeat(wanted["mode_probability"][0, asked], tensors.frames[play], axis=0).ravel()
                np.testing.assert_allclose(of_play["probability"], shares, atol=1e-4)
                [p_man] = all_tables["coverage"].filter(game_id=game, play_id=number)["p_man"]
                assert p_man == pytest.approx(float(wanted["man_probability"][0]), abs=1e-4)
                directions.add(bool(tensors.direction_left[play]))
    assert directions == {True, False}
    assert all_tables["coverage"].columns == ["game_id", "play_id", "p_man"]


def test_positions_are_the_same_whatever_else_is_asked_for(
    modes_model: Path, raw: Path, all_tables: dict[str, pl.DataFrame], tmp_path: Path
) -> None:
    assert run_again(modes_model, raw, tmp_path).equals(all_tables["positions"])
    assert [path.name for path in tmp_path.iterdir()] == ["again.csv"]


def test_what_a_model_does_not_say_cannot_be_asked_for(
    model: Path, modes_model: Path, raw: Path, tmp_path: Path
) -> None:
    import onnx

    output, more = tmp_path / "out.csv", tmp_path / "more"
    with pytest.raises(predict.PredictionError, match="no modes: leave out --modes"):
        predict.predict(model, raw, output, modes=more)
    with pytest.raises(predict.PredictionError, match="no play whose coverage is labelled"):
        predict.predict(model, raw, output, coverage=more)
    with pytest.raises(predict.PredictionError, match="same name"):
        predict.predict(modes_model, raw, output, modes=tmp_path / "." / "out.csv")
    loaded = onnx.load(str(modes_model))
    (entry,) = [one for one in loaded.metadata_props if one.key == "sport_assets"]
    assert '"coverage_labels": 9' in entry.value
    entry.value = entry.value.replace('"coverage_labels": 9', '"coverage_labels": 0')
    onnx.save(loaded, str(tmp_path / "unlabelled.onnx"))
    with pytest.raises(predict.PredictionError, match="no play whose coverage is labelled"):
        predict.predict(tmp_path / "unlabelled.onnx", raw, output, coverage=more)
    assert [path.name for path in tmp_path.iterdir()] == ["unlabelled.onnx"]


def test_all_files_are_written_or_none(tmp_path: Path) -> None:
    def write(path: Path) -> None:
        path.write_text("new")

    def broken(path: Path) -> None:
        path.write_text("ne")
        raise OSError("disk full")

    good, bad, folder = tmp_path / "good", tmp_path / "bad", tmp_path / "folder"
    good.write_text("old")
    folder.mkdir()
    with pytest.raises(OSError, match="disk full"):
        predict.write_all({good: write, bad: broken})
    with pytest.raises(predict.PredictionError, match="is a folder"):
        predict.write_all({good: write, folder: write})
    assert {path.name for path in tmp_path.iterdir()} == {"good", "folder"}
    assert good.read_text() == "old"
    predict.write_all({good: write, bad: write})
    assert good.read_text() == bad.read_text() == "new"


def test_the_command_tells_all_it_wrote(modes_model: Path, raw: Path, tmp_path: Path) -> None:
    files = {name: tmp_path / name for name in ("output", "modes", "coverage")}
    options = [part for name, path in files.items() for part in (f"--{name}", str(path))]
    command = ["predict", "nfl", "--model", str(modes_model), "--input", str(raw), *options]
    done = CliRunner().invoke(app, [*command, "--json"])
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert {name: said[name] for name in files} == {name: str(path) for name, path in files.items()}
    assert said["mode_rows"] == 3 * said["rows"] == 3 * len(pl.read_csv(files["output"]))
    assert said["coverage_rows"] == len(pl.read_csv(files["coverage"]))
    in_words = CliRunner().invoke(app, command)
    assert f"{said['mode_rows']} rows in {files['modes']}" in in_words.output
