"""What is recorded of the games and plays that were trained and measured on: taken from what was really read."""

from pathlib import Path

import polars as pl

from sport_assets.lineage.row_index import RowIndex
from sport_assets.nfl import evaluation, identifiers
from sport_assets.nfl.split import Split, make_split
from sport_assets.training.job import TrainingJob
from sport_assets_tests.nfl.conftest import Chain
from sport_assets_tests.nfl.example import plays
from sport_assets_tests.nfl.test_models import spec_of


def rows(index: RowIndex | None, columns: tuple[str, ...] = ("game_id",)) -> dict[str, set[tuple[str, ...]]]:
    """The rows of some columns by side."""
    assert index is not None
    return {found.side: set(found.rows) for found in index.identifiers() if found.columns == columns}


def texts(games: tuple[int, ...]) -> set[tuple[str, ...]]:
    return {(str(game),) for game in games}


def test_a_week_and_its_table_are_about_their_games_plays_and_players() -> None:
    week = plays(6, seed=1)
    found = identifiers.of_week(week)
    assert rows(found)[""] == texts(tuple(week.game_id.tolist()))
    pairs = zip(week.game_id.tolist(), week.play_id.tolist(), strict=True)
    assert rows(found, ("game_id", "play_id"))[""] == {(str(game), str(play)) for game, play in pairs}
    assert rows(found, ("nfl_id",))[""] == texts(tuple(week.nfl_id.tolist()))
    table = pl.DataFrame({"game_id": [1, 1, 2], "play_id": [5, 5, 5]})
    found = identifiers.of_table(table, identifiers.GAME, identifiers.PLAY)
    assert rows(found, ("game_id", "play_id"))[""] == {("1", "5"), ("2", "5")}


def test_a_split_names_the_games_of_every_side_and_fold() -> None:
    split = make_split(pl.DataFrame({"game_id": list(range(9)), "season": 2023, "week": 1}), k=2)
    found = rows(identifiers.of_split(split))
    assert set(found) == {"train", "valid", "test", "train fold:0", "test fold:0", "train fold:1", "test fold:1"}
    assert found["test"] == texts(split.test) and found["test fold:1"] == texts(split.folds[1][1])


def test_a_training_tells_what_its_own_sources_hold(tmp_path: Path) -> None:
    from sport_assets.nfl.models import TorchPlays, build

    def read(job: TrainingJob, side: str) -> set[tuple[str, ...]]:
        source = getattr(job, side)
        assert isinstance(source, TorchPlays)
        return texts(tuple(source.source.tensors.game_id.tolist()))

    spec = spec_of(tmp_path, {})
    job = build(spec)
    assert rows(job.identifiers) == {side: read(job, side) for side in ("train", "valid")}
    everything = build(spec.model_copy(update={"part": "all"}))
    assert rows(everything.identifiers) == {"train": read(everything, "train")}


def test_an_evaluation_tells_what_it_measured(chain: Chain, folded: Chain, tmp_path: Path) -> None:
    *_, held_out = evaluation.evaluate(*chain, tmp_path, resamples=5)
    assert rows(held_out) == {"test": texts(Split.load(chain.split).test)}
    *_, by_folds = evaluation.evaluate(*folded, tmp_path, resamples=5)
    dealt = Split.load(folded.split).folds
    assert rows(by_folds) == {f"test fold:{number}": texts(games) for number, (_, games) in enumerate(dealt)}
    predicted = pl.read_parquet(tmp_path / "predictions.parquet").select("game_id", "play_id").unique()
    told = rows(by_folds, ("game_id", "play_id"))
    assert sum(len(plays) for plays in told.values()) == len(predicted) == len(set().union(*told.values()))
