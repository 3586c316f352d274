"""A copied play under another game is found, whatever was done to hide it; real and generated plays give no alarm."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sport_assets.lineage.checks import CheckResult
from sport_assets.nfl import context, dataset, duplicates
from sport_assets.nfl.dataset import games_of
from sport_assets.nfl.plays import process_week
from sport_assets.nfl.split import make_split
from sport_assets.nfl.synthetic import generate
from sport_assets.nfl.tensors import HISTORY_CHANNELS, TENSORS_FILE, PlayTensors

WEEK = "2023-w01"
X, Y = HISTORY_CHANNELS.index("x"), HISTORY_CHANNELS.index("y")


def tensors(data: Path, out: Path) -> dict[str, PlayTensors]:
    """The arrays of all weeks of raw files in a folder."""
    (out / "context").mkdir()
    context.process_context(next(data.glob("supplementary_data*")), out / "context")
    weeks = {}
    for path in sorted((data / "train").glob("input_*")):
        key = path.name.removeprefix("input_").split(".")[0].replace("_", "-")
        folder = out / key
        folder.mkdir()
        process_week(path, path.with_name(path.name.replace("input", "output")), folder)
        dataset.write_tensors(folder, out / "context", folder, title=key)
        weeks[key] = PlayTensors.load(folder / TENSORS_FILE)
    return weeks


def checked(weeks: dict[str, PlayTensors]) -> CheckResult:
    return duplicates.duplicates_check(make_split(games_of(weeks)), weeks)


@pytest.fixture(scope="module")
def week(tmp_path_factory: pytest.TempPathFactory) -> PlayTensors:
    """A generated week of 60 plays."""
    folder = tmp_path_factory.mktemp("generated")
    generate(folder, weeks=1, plays_per_week=60, seed=1)
    return tensors(folder, tmp_path_factory.mktemp("tensors"))[WEEK]


def test_generated_plays_give_no_alarm(week: PlayTensors) -> None:
    result = checked({WEEK: week})
    assert result.passed and result.blocking and result.checked == 60


def jittered(play: PlayTensors, yards: float = 0.2) -> PlayTensors:
    history = play.history.copy()
    history[..., [X, Y]] += np.random.default_rng(0).normal(0, yards, history[..., [X, Y]].shape)
    return replace(play, history=np.where(play.observed[..., None], history, 0).astype(np.float32))


def shifted(play: PlayTensors, x: float = 12.0) -> PlayTensors:
    history, about = play.history.copy(), play.play.copy()
    history[..., X] += np.where(play.observed, x, 0)
    about[:, 0] += x
    return replace(play, history=history.astype(np.float32), play=about)


def mirrored(play: PlayTensors) -> PlayTensors:
    history, about = play.history.copy(), play.play.copy()
    history[..., Y] = np.where(play.observed, 53.3 - history[..., Y], 0)
    about[:, 1] = 53.3 - about[:, 1]
    return replace(play, history=history.astype(np.float32), play=about)


def reordered(play: PlayTensors) -> PlayTensors:
    """Other player ids, in another order."""
    order = np.arange(play.players)[::-1]
    lengths = np.diff(play.target_offset)
    rows = [play.target[play.target_offset[p] : play.target_offset[p + 1]] for p in order]
    return replace(
        play,
        history=play.history[order],
        observed=play.observed[order],
        player=play.player[order],
        to_predict=play.to_predict[order],
        target=np.concatenate(rows),
        target_offset=np.concatenate([[0], np.cumsum(lengths[order])]),
        nfl_id=np.arange(play.players, dtype=np.int64) + 90_000,
    )


HIDING: dict[str, Callable[[PlayTensors], PlayTensors]] = {
    "jitter": jittered,
    "shift": shifted,
    "mirror": mirrored,
    "other players": reordered,
    "all of it": lambda play: reordered(mirrored(shifted(jittered(play)))),
}


@pytest.mark.parametrize("name", HIDING)
def test_a_copied_play_under_another_game_is_found(week: PlayTensors, name: str) -> None:
    number = 7
    copy = HIDING[name](week.select(np.array([number])))
    copy = replace(copy, game_id=copy.game_id + 1_000_000)
    result = checked({WEEK: week, "2023-w02": copy})
    assert not result.passed and result.failed == 1
    found = result.sample[0]
    games = {(found["game_id"], found["play_id"]), (found["other_game_id"], found["other_play_id"])}
    original = int(week.game_id[number])
    assert games == {(original, int(week.play_id[number])), (original + 1_000_000, int(week.play_id[number]))}
    assert found["distance_yards"] < duplicates.WITHIN_YARDS and {row["sides"] for row in result.sample}


def test_two_of_a_kind_in_one_game_are_let_be(week: PlayTensors) -> None:
    copy = week.select(np.array([7]))
    assert checked({WEEK: week, "2023-w02": replace(copy, play_id=copy.play_id + 1)}).passed


@pytest.mark.real_data
def test_real_plays_give_no_alarm(real_data: Path, tmp_path: Path) -> None:
    weeks = tensors(real_data / "nfl" / "ngs_highlights", tmp_path)
    result = checked(weeks)
    assert result.passed and result.checked == 211 and result.metadata["pairs_across_games"] == 0
