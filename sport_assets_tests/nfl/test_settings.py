"""Which weeks a model is trained on, as its settings say."""

from pathlib import Path
from typing import Any

import pytest

from sport_assets.nfl.settings import choose_weeks, resolve
from sport_assets.nfl.split import Split
from sport_assets.training.errors import BadSpecError

WEEKS = ["2023-w02", "2023-w01", "2023-w03"]


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """A split of which the first two weeks hold games to train and to validate."""
    weeks = {"2023-w01": (1, 4), "2023-w02": (2,), "2023-w03": (3,)}
    Split("hash", train=(1, 3), valid=(2,), test=(4,), weeks=weeks).save(tmp_path / "split.json")
    return tmp_path


@pytest.mark.parametrize(
    ("given", "chosen"),
    [
        ("all", ["2023-w01", "2023-w02", "2023-w03"]),
        ("first", ["2023-w01", "2023-w02"]),
        ("2023-w02", ["2023-w02"]),
        ("2023-w03, 2023-w01", ["2023-w01", "2023-w03"]),
        (["2023-w03", "2023-w02"], ["2023-w02", "2023-w03"]),
    ],
)
def test_weeks_by_name_or_rule(dataset: Path, given: Any, chosen: list[str]) -> None:
    settings = resolve({"preset": "production", "seed": "0"}, {"data.weeks": given})
    assert choose_weeks(settings, WEEKS, dataset) == chosen


def test_a_week_that_is_not_there_is_named_with_those_that_are(dataset: Path) -> None:
    settings = resolve({"preset": "sanity"}, {"data.weeks": "2023-w09,2023-w01"})
    with pytest.raises(BadSpecError, match="names 2023-w09; available are 2023-w01, 2023-w02, 2023-w03"):
        choose_weeks(settings, WEEKS, dataset)


@pytest.mark.parametrize("given", ["some", "w01", "2023-w1", [], "", 3])
def test_what_names_no_week_is_refused(given: Any) -> None:
    with pytest.raises(BadSpecError, match="weeks"):
        resolve({"preset": "sanity"}, {"data.weeks": given})
