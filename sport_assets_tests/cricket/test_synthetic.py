"""Generated matches: the same for the same arguments, with every unusual case, and with something to learn."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from sport_assets.cricket import years
from sport_assets.cricket.cricsheet import Match, read_match
from sport_assets.cricket.deliveries import clean_year
from sport_assets.cricket.labels import outcome
from sport_assets.cricket.synthetic import generate
from sport_assets.cricket.synthetic.match import KINDS


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """120 generated matches."""
    made = tmp_path_factory.mktemp("generated")
    generate(made / "cricket", matches=120, seed=0)
    return made


@pytest.fixture(scope="module")
def matches(folder: Path) -> list[Match]:
    """The same, read."""
    return [read_match(path.stem, path.read_bytes()) for path in sorted((folder / "cricket").glob("*.json"))]


@pytest.fixture(scope="module")
def contents(folder: Path) -> list[dict[str, Any]]:
    """Their files' contents."""
    return [json.loads(path.read_bytes()) for path in sorted((folder / "cricket").glob("*.json"))]


def test_a_match_is_the_same_however_many_there_are(folder: Path, tmp_path: Path) -> None:
    made = generate(tmp_path, matches=5, seed=0)
    assert [path.read_bytes() for path in made.files] == [
        (folder / "cricket" / path.name).read_bytes() for path in made.files
    ]
    again = generate(tmp_path, matches=7, seed=0)
    assert again.files[:5] == made.files
    with pytest.raises(FileExistsError, match="choose another folder or seed"):
        generate(tmp_path, matches=1, seed=1)
    generate(tmp_path, matches=1, seed=1, overwrite=True)


@pytest.mark.parametrize("wrong", [{"matches": 0}, {"matches": 100_000}, {"seed": -1}])
def test_arguments_that_make_no_sense_are_refused(tmp_path: Path, wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must"):
        generate(tmp_path, **wrong)  # type: ignore[arg-type]


def test_whole_matches_break_no_rule(matches: list[Match]) -> None:
    clean = clean_year(matches)
    assert not clean.faults and len(clean.matches) == 120


def test_they_lie_on_each_side_of_a_split_by_time(folder: Path, matches: list[Match]) -> None:
    days = [match.row["date"] for match in matches]
    assert years.present_years(folder) == ["2023", "2024", "2025"]
    sides = [sum(low <= day < high for day in days) for low, high in (("2023", "2024-07"), ("2024-07", "2025"))]
    assert min(*sides, len(days) - sum(sides)) > 20
    assert len(set(days)) < len(days), "some on the same day"


def test_every_unusual_case_is_there(matches: list[Match], contents: list[dict[str, Any]]) -> None:
    rows = [match.row for match in matches]
    assert {row["n_super"] for row in rows} == {0, 2, 4}
    assert {row["method"] for row in rows} == {None, "D/L"} and {row["overs"] for row in rows} == {20, 50}
    assert {row["result"] for row in rows} == {None, "tie", "no result"}
    assert any(row["city"] is None for row in rows) and any(row["missing"] for row in rows)
    assert {row["n_innings"] for row in rows} == {1, 2, 4, 6} and any(match.miscounted for match in matches)
    assert any(len(content["info"]["dates"]) == 2 for content in contents)
    assert len({type(content["info"]["season"]) for content in contents}) == 2
    deliveries = clean_year(matches).deliveries
    assert set(deliveries["runs_batter"]) == set(range(8)) and deliveries["non_boundary"].any()
    for name in ("wides", "noballs", "byes", "legbyes", "penalty", "wicket_kind2"):
        assert deliveries[name].fill_null(0 if name != "wicket_kind2" else "").n_unique() > 1, name
    assert "retired hurt" in deliveries["wicket_kind"]
    chases = deliveries.filter(innings=2).unique("match_id")
    assert chases["target_runs"].null_count() and (chases["target_runs"] != chases["known_target"]).any()
    assert (chases["target_overs"] % 1 != 0).any() and (chases["known_overs"] < 20).any()
    names = deliveries.group_by("batter").agg(ids=pl.col("batter_id").n_unique())
    assert names["ids"].max() == 2, "two people of one name"
    assert set(KINDS) > {"plain"}


def test_innings_are_like_innings(matches: list[Match]) -> None:
    played = clean_year(matches).deliveries.filter(~pl.col("super_over")).with_columns(outcome())
    shares = played["outcome"].value_counts(normalize=True).sort("outcome")["proportion"].to_list()
    assert all(
        low < share < high
        for share, low, high in zip(
            shares, (0.3, 0.28, 0.04, 0.002, 0.07, 0.02, 0.035), (0.5, 0.42, 0.1, 0.02, 0.14, 0.08, 0.08), strict=True
        )
    )
    six = played.group_by("match_id", "innings").agg(pl.col("runs_total").sum(), pl.col("over").max())
    assert 100 < float(six.filter(pl.col("over") == 19)["runs_total"].mean()) < 190  # type: ignore[arg-type]


def test_who_bats_and_bowls_tells_something_of_the_next_ball(matches: list[Match]) -> None:
    """The rates of a batter's and a bowler's other matches say more than how often an outcome comes in an over."""
    played = clean_year(matches).deliveries.filter(~pl.col("super_over")).with_columns(outcome())
    early = pl.col("date") < "2024-07-01"
    train, test = played.filter(early), played.filter(~early)

    def rates(keys: list[str], weight: float) -> pl.DataFrame:
        counts = train.group_by(keys).agg(
            *[(pl.col("outcome") == k).sum().alias(f"n{k}") for k in range(7)], n=pl.len()
        )
        return counts.select(
            *keys, *[((pl.col(f"n{k}") + weight * base[k]) / (pl.col("n") + weight)).alias(f"p{k}") for k in range(7)]
        )

    base = [float((train["outcome"] == k).mean()) for k in range(7)]  # type: ignore[arg-type]

    def matrix(keys: list[str], weight: float) -> np.ndarray:
        joined = test.join(rates(keys, weight), on=keys, how="left", maintain_order="left")
        return joined.select(pl.col(f"p{k}").fill_null(base[k]) for k in range(7)).to_numpy()

    over = matrix(["over"], 20.0)
    both = over * matrix(["batter_id"], 150.0) * matrix(["bowler_id"], 150.0) / np.array(base) ** 2
    both /= both.sum(axis=1, keepdims=True)
    truth = test["outcome"].to_numpy()
    losses = [float(-np.log(p[np.arange(len(truth)), truth]).mean()) for p in (over, both)]
    assert losses[1] < losses[0] - 0.005
