"""The way forward: what a raw file, a partition or a row went into."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sport_assets.audit.impact import Impact, impact, subject_of, subject_of_rows
from sport_assets.lineage.errors import LineageError
from sport_assets.lineage.home import Home
from sport_assets.lineage.models import find_record
from sport_assets.lineage.record import Lineage

GAMES = {"w1": ["1", "2"], "w2": ["3"]}


@pytest.fixture
def lineage(tmp_path: Path) -> Iterator[Lineage]:
    """Two weeks of games; game 2 is dropped on the way to the samples; a model of w1, a model of both."""
    opened = Lineage(Home(root=tmp_path / "home", data=tmp_path / "data"))
    (tmp_path / "data").mkdir()
    for week, games in GAMES.items():
        (tmp_path / "data" / f"{week}.csv").write_text("\n".join(games))
        with opened.record("toy/raw", week, code_version="1") as record:
            record.register_raw([f"{week}.csv"])
            record.publish()
        with opened.record("toy/table", week, code_version="1") as record:
            record.read("toy/raw")
            record.output("t").write_text(week)
            record.index_rows(["game"], games)
            record.publish()
        with opened.record("toy/samples", week, code_version="1") as record:
            record.read("toy/table")
            record.output("s").write_text(week)
            record.index_rows(["game"], [game for game in games if game != "2"], side="train")
            record.publish()
    _model(opened, "small", ["w1"])
    _model(opened, "large", ["w1", "w2"])
    yield opened
    opened.close()


def _model(lineage: Lineage, name: str, weeks: list[str], text: str = "") -> None:
    with lineage.record("toy/exported_model", name, code_version="1") as record:
        for week in weeks:
            record.read("toy/samples", week)
        record.output("model.onnx").write_text(name + text)
        record.publish()


def names(found: Impact) -> list[str]:
    return [one.made.name for one in found.affected]


def test_a_raw_file_is_followed_to_every_model_by_path_name_and_digest(lineage: Lineage, tmp_path: Path) -> None:
    copied = tmp_path / "copy.csv"
    copied.write_text((tmp_path / "data" / "w2.csv").read_text())
    sha256 = find_record(lineage.ledger, "toy/raw:w2").raw_files[0].sha256
    expected = ["toy/raw:w2", "toy/table:w2", "toy/samples:w2", "toy/exported_model:large"]
    for text in ("w2.csv", str(copied), sha256, sha256[:12], "toy/raw:w2"):
        assert names(impact(lineage.ledger, subject_of(lineage.ledger, text))) == expected, text
    found = impact(lineage.ledger, subject_of(lineage.ledger, "w2.csv"))
    assert [one.how for one in found.affected] == ["holds", "stands on", "stands on", "stands on"]
    assert [one.made.name for one in found.models] == ["toy/exported_model:large"]


def test_all_partitions_of_an_asset_and_a_single_version(lineage: Lineage) -> None:
    assert len(impact(lineage.ledger, subject_of(lineage.ledger, "toy/table")).affected) == 6
    first = find_record(lineage.ledger, "toy/exported_model:small")
    _model(lineage, "small", ["w1"], " again")
    found = impact(lineage.ledger, subject_of(lineage.ledger, first.version))
    assert [(one.made.record, one.newest) for one in found.affected] == [(first.id, False)]
    both = impact(lineage.ledger, subject_of(lineage.ledger, "toy/exported_model:small"))
    assert [one.newest for one in both.affected] == [False, True] and len(both.current) == 1


def test_rows_are_followed_as_far_as_they_went(lineage: Lineage) -> None:
    dropped = impact(lineage.ledger, subject_of_rows(lineage.ledger, {"game": "2"}))
    assert names(dropped) == ["toy/table:w1"]  # the samples tell of games, and have not this one
    used = impact(lineage.ledger, subject_of_rows(lineage.ledger, {"game": "1"}))
    assert names(used) == ["toy/table:w1", "toy/samples:w1", "toy/exported_model:small", "toy/exported_model:large"]
    assert [(one.how, one.sides) for one in used.affected] == [
        ("holds", ()),
        ("holds", ("train",)),
        ("stands on", ()),
        ("stands on", ()),
    ]
    only = impact(lineage.ledger, subject_of_rows(lineage.ledger, {"game": "3"}, "toy/samples"))
    assert names(only) == ["toy/samples:w2", "toy/exported_model:large"]
    assert impact(lineage.ledger, subject_of_rows(lineage.ledger, {"game": "77"})).affected == ()


def test_what_was_learned_from_rows_goes_on_in_whatever_the_weights_made(lineage: Lineage) -> None:
    """Rows of other games, told by their index, are no way out once they came from weights that saw the game."""
    weights = {"spec_digest": "0" * 64}
    for name, read, index, facts in (
        ("teacher", "toy/samples:w1", None, weights),
        ("measured", "toy/teacher", "3", {}),
        ("labels", "toy/teacher", "3", {}),
        ("student", "toy/labels", "3", weights),
        ("other_teacher", "toy/samples:w2", "3", weights),
        ("other_labels", "toy/other_teacher", "3", {}),
    ):
        with lineage.record(f"toy/{name}", None, code_version="1") as record:
            key, _, partition = read.partition(":")
            record.read(key, partition or None)
            record.output("o").write_text(name)
            if index is not None:
                record.index_rows(["game"], [index])
            record.publish(facts=facts)
    used = impact(lineage.ledger, subject_of_rows(lineage.ledger, {"game": "1"}))
    assert [name for name in names(used) if "model" not in name] == [
        "toy/table:w1",
        "toy/samples:w1",
        "toy/teacher",
        "toy/measured",
        "toy/labels",
        "toy/student",
    ]


def test_what_is_not_known_is_said(lineage: Lineage) -> None:
    with pytest.raises(LineageError, match="rows cannot be looked up by player; they can by: game"):
        subject_of_rows(lineage.ledger, {"player": "1"})
    with pytest.raises(LineageError, match="toy/nothing"):
        subject_of(lineage.ledger, "toy/nothing:w1")
