"""The line's first assets as `sport-assets build` makes them: what a bad raw file stops, and what it says."""

import gzip
import json
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from sport_assets.audit.withdraw import of_rows, of_text, withdraw
from sport_assets.lineage.errors import GateRefused
from sport_assets.lineage.home import Home
from sport_assets.lineage.manifest import Materialization
from sport_assets.lineage.record import Lineage
from sport_assets.nfl.settings import choose_weeks
from sport_assets.nfl.split import make_split
from sport_assets.nfl.synthetic import generate
from sport_assets.orchestration.build import Builder, BuildError
from sport_assets.training.errors import BadSpecError

WEEK = "2023-w01"


@pytest.fixture
def place(home: Path) -> Home:
    """A home beside one generated week."""
    place = Home.from_environment()
    generate(place.data / "nfl", season=2023, weeks=1, plays_per_week=6, seed=0)
    return place


def build(place: Home, target: str, partition: str | None) -> None:
    from sport_assets.definitions import defs

    Builder(defs, place).run(target, partition)


@pytest.fixture
def lineage(place: Home) -> Iterator[Lineage]:
    with closing(Lineage(place)) as opened:
        yield opened


def latest(lineage: Lineage, key: str, partition: str | None) -> Materialization:
    found = lineage.ledger.latest(key, partition)
    assert found is not None
    return found


def truncate_gzip(path: Path) -> None:
    packed = gzip.compress(path.read_bytes())
    path.with_name(f"{path.name}.gz").write_bytes(packed[: len(packed) // 2])
    path.unlink()


def other_season(path: Path) -> None:
    path.write_text(path.read_text().replace("game_id,play_id", "gameId,playId", 1).replace("nfl_id", "nflId", 1))


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "truncated": (truncate_gzip, r"gzip file is truncated\. Download or copy it again"),
    "empty": (lambda path: path.write_bytes(b""), r"the file is empty\. Download or copy it again"),
    "header only": (lambda path: path.write_text(path.read_text().split("\n")[0] + "\n"), "a header and no rows"),
    "other season": (other_season, "its header is .*Expected is a input file with the columns game_id"),
    "encoding": (lambda path: path.write_bytes(path.read_text().encode("utf-16")), "UTF-16, not UTF-8. Save it as"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_an_unusable_file_after_a_good_one_closes_its_week(place: Home, lineage: Lineage, name: str) -> None:
    build(place, "nfl/tracking", WEEK)
    good = latest(lineage, "nfl/tracking", WEEK)
    assert lineage.read("nfl/tracking", WEEK).ref.version == good.version
    damage, message = DAMAGE[name]
    damage(place.data / "nfl" / "train" / "input_2023_w01.csv")
    with pytest.raises(BuildError, match=rf"nfl/tracking:{WEEK} was rejected.*input_2023_w01\.csv.*: .*(?:{message})"):
        build(place, "nfl/play_tensors", WEEK)
    bad = latest(lineage, "nfl/tracking", WEEK)
    assert bad.kind == "rejected"
    assert [file.path for file in bad.files] == ["unusable.json"]
    assert [check.name for check in bad.checks if check.blocking] == ["file_structure"]
    with pytest.raises(GateRefused, match="file_structure"):
        lineage.read("nfl/tracking", WEEK)
    assert lineage.ledger.latest("nfl/play_tensors", WEEK) is None


def test_an_unusable_supplementary_file_closes_the_context(place: Home, lineage: Lineage) -> None:
    build(place, "nfl/play_context", None)
    (place.data / "nfl" / "supplementary_data.csv").write_text("a,b\n1,2\n")
    with pytest.raises(BuildError, match=r"nfl/play_context was rejected.*supplementary_data\.csv: its header is not"):
        build(place, "nfl/play_context", None)
    rejected = latest(lineage, "nfl/play_context", None)
    folder = lineage.store.folder(rejected.key, None, rejected.version)
    assert json.loads((folder / "unusable.json").read_text())["file"] == "supplementary_data.csv"
    with pytest.raises(GateRefused):
        lineage.read("nfl/play_context")


def test_a_file_cut_off_in_its_last_line_warns_and_is_read(place: Home, lineage: Lineage) -> None:
    path = place.data / "nfl" / "train" / "output_2023_w01.csv"
    path.write_bytes(path.read_bytes()[:-8])
    build(place, "nfl/tracking", WEEK)
    made = latest(lineage, "nfl/tracking", WEEK)
    assert made.kind == "materialized"
    assert not next(check for check in made.checks if check.name == "files_end_with_a_whole_line").passed


def test_a_way_to_split_that_is_not_known_is_refused_before_anything_is_made(place: Home, lineage: Lineage) -> None:
    from sport_assets.definitions import defs

    with pytest.raises(BuildError, match=r"nfl/split:\n  method: .*hash\|weeks\|seasons.*'foo'"):
        Builder(defs, place, ["method=foo"]).run("nfl/split", None)
    assert lineage.ledger.head().seq == 0


def test_a_preset_is_evaluated_by_as_many_folds_as_its_split_has(tmp_path: Path) -> None:
    from sport_assets.nfl.assets import MODEL

    games = pl.DataFrame({"game_id": list(range(4)), "season": 2023, "week": 1})
    make_split(games).save(tmp_path / "split.json")
    assert MODEL.folds is not None
    assert MODEL.folds({"data": {"evaluate_by": "folds"}}, tmp_path) == 4, "not five, with four games"
    assert MODEL.folds({"data": {"evaluate_by": "holdout"}}, tmp_path) == 0


def test_a_withdrawn_player_and_game_go_out_of_all_that_is_made_again(place: Home, lineage: Lineage) -> None:
    build(place, "nfl/play_tensors", WEEK)
    before = latest(lineage, "nfl/tracking", WEEK)
    folder = lineage.store.folder(before.key, WEEK, before.version)
    first = pl.read_parquet(folder / "tracking.parquet").filter("player_to_predict").row(0, named=True)
    player, game = {"nfl_id": str(first["nfl_id"])}, {"game_id": str(first["game_id"])}
    for rows in (player, game):
        withdraw(lineage.ledger, of_rows(lineage.ledger, rows, by="ada", reason="a request"))
    build(place, "nfl/play_tensors", WEEK)
    for key, partition, withdrawn in (
        ("nfl/tracking", WEEK, [game, player]),
        ("nfl/play_context", None, [game]),
        ("nfl/play_tensors", WEEK, []),
    ):
        made = latest(lineage, key, partition)
        assert made.kind == "materialized" and made.withdrawn_rows == withdrawn
        assert not any(lineage.ledger.has_rows(made.row_index, rows) for rows in (player, game)), key
    assert latest(lineage, "nfl/tracking", WEEK).facts["withdrawn_rows"] > 0


def test_a_withdrawn_week_is_skipped_by_builds_and_refused_to_a_preset_that_names_it(
    place: Home, lineage: Lineage
) -> None:
    from sport_assets.definitions import defs

    generate(place.data / "nfl", season=2023, weeks=2, plays_per_week=6, seed=0)
    build(place, "nfl/split", None)
    withdraw(lineage.ledger, of_text(lineage.ledger, f"nfl/tracking:{WEEK}", by="ada", reason="a licence"))
    report = Builder(defs, place).run("nfl/split", None)
    assert report.withdrawn == {f"nfl/tracking:{WEEK}": "a licence"}
    made = latest(lineage, "nfl/split", None)
    assert {ref.partition for ref in made.inputs} == {"2023-w02"} and made.facts["weeks"] == 1
    settings: dict[str, Any] = {"data": {"weeks": (WEEK,)}}
    folder = lineage.store.folder("nfl/split", None, made.version)
    with pytest.raises(BadSpecError, match=rf"names {WEEK}; available are 2023-w02"):
        choose_weeks(settings, ["2023-w02"], folder)
    assert Builder(defs, place).run("nfl/split", None).made() == []
