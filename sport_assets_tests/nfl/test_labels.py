"""Coverage labels on their way from the raw file to the arrays: they arrive, and nothing else knows of them."""

from dataclasses import fields
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from sport_assets.nfl import context, dataset, features, plays
from sport_assets.nfl.schemas import ALLOWED_PRE_SNAP, PLAY_LABELS, column_types
from sport_assets.nfl.synthetic import generate
from sport_assets.nfl.tensors import PLAY_FEATURES, PLAYER_FEATURES, PlayTensors


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("raw")
    generate(folder, weeks=1, plays_per_week=20, seed=5)
    input_, output = sorted((folder / "train").iterdir())
    plays.process_week(input_, output, folder)
    return folder


def arrays(raw: Path, out: Path, supplementary: pl.DataFrame) -> PlayTensors:
    """The arrays that the assets make of the week, given this supplementary file."""
    out.mkdir()
    supplementary.write_csv(out / "supplementary_data.csv")
    context.process_context(out / "supplementary_data.csv", out)
    dataset.write_tensors(raw, out, out, title="week")
    return PlayTensors.load(out / "tensors.safetensors")


def test_labels_reach_the_arrays_and_change_nothing_else(raw: Path, tmp_path: Path) -> None:
    table = pl.read_csv(raw / "supplementary_data.csv", infer_schema=False)
    charted = pl.col("team_coverage_man_zone")
    man, zone = pl.lit("MAN_COVERAGE"), pl.lit("ZONE_COVERAGE")
    third = pl.int_range(pl.len()) % 3
    some = table.with_columns(
        pl.when(third == 0)
        .then(man)
        .when(third == 1)
        .then(zone)
        .otherwise(pl.lit("NA"))
        .alias(charted.meta.output_name()),
        team_coverage_type=pl.lit("NA"),
    )
    other = some.with_columns(charted.replace({"MAN_COVERAGE": "ZONE_COVERAGE", "ZONE_COVERAGE": "MAN_COVERAGE"}))
    one, two = arrays(raw, tmp_path / "one", some), arrays(raw, tmp_path / "two", other)
    wanted = dict(zip(some.select("game_id", "play_id").rows(), (np.arange(len(some)) % 3).tolist(), strict=True))
    keys = [(str(game), str(play)) for game, play in zip(one.game_id, one.play_id, strict=True)]
    assert one.coverage.tolist() == [(1, 0, -1)[wanted[key]] for key in keys]
    assert two.coverage.tolist() == [(0, 1, -1)[wanted[key]] for key in keys]
    for field in fields(PlayTensors):
        if field.name != "coverage":
            np.testing.assert_array_equal(getattr(one, field.name), getattr(two, field.name), err_msg=field.name)
    assert (tmp_path / "one" / "play_context.parquet").read_bytes() == (
        tmp_path / "two" / "play_context.parquet"
    ).read_bytes()


def test_no_feature_and_no_context_column_names_the_label() -> None:
    names = [*ALLOWED_PRE_SNAP, *PLAY_FEATURES, *PLAYER_FEATURES]
    assert not [name for name in names if "cover" in name.replace("role_defensive_coverage", "")]


def test_plays_without_a_label_are_unknown(raw: Path) -> None:
    tracking = pl.read_parquet(raw / "tracking.parquet")
    assert (features.build(tracking).coverage == -1).all()
    keys = tracking.select("game_id", "play_id").unique().sort("game_id", "play_id")
    first = keys.head(2).with_columns(coverage=pl.Series(["man", None]))
    tensors = features.build(tracking, labels=first)
    assert tensors.coverage.tolist() == [1] + [-1] * (len(keys) - 1)
    empty = pl.DataFrame(schema=column_types(PLAY_LABELS))
    assert (features.build(tracking, labels=empty).coverage == -1).all()
    with pytest.raises(ValueError, match="labels table holds a play twice"):
        features.build(tracking, labels=pl.concat([first, first]))


def test_labels_go_with_their_plays_into_batches() -> None:
    from sport_assets.nfl.batches import PlaySource
    from sport_assets_tests.nfl.example import plays as example

    tensors = example(6)
    assert sorted(set(tensors.coverage.tolist())) == [-1, 0, 1]
    source = PlaySource(tensors, mirrored=True, earlier_starts_frames=(2,))
    batch = source.batch(np.arange(len(source))[::-1])
    assert batch["coverage"].dtype == np.int8
    np.testing.assert_array_equal(batch["coverage"], np.tile(tensors.coverage, 4)[::-1])
