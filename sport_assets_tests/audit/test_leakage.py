"""Leakage, told from row indexes: splits, hold-outs, folds, teachers of labels and pretrained weights."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from sport_assets.audit.chain import walk
from sport_assets.audit.findings import Finding
from sport_assets.audit.leakage import leakage
from sport_assets.audit.records import LedgerRecords
from sport_assets.lineage.home import Home
from sport_assets.lineage.record import Lineage

Sides = Mapping[str, Sequence[int]]
SPLIT: Sides = {"train": [1, 2], "valid": [3], "test": [4]}


@pytest.fixture
def lineage(tmp_path: Path) -> Iterator[Lineage]:
    opened = Lineage(Home(root=tmp_path / "home", data=tmp_path / "data"))
    yield opened
    opened.close()


def make(
    lineage: Lineage, key: str, reads: Sequence[str] = (), sides: Sides | None = None, *, model: bool = False
) -> str:
    """One materialization; returns its record id."""
    with lineage.record(key, code_version="1") as record:
        for asked in reads:
            record.read(asked)
        record.output("split.json" if key.endswith("split") else "data.txt").write_text(f"{key} {sides}")
        for side, games in (sides or {}).items():
            record.index_rows(["game_id"], games, side=side)
            record.index_rows(["game_id", "play_id"], [(game, 7) for game in games], side=side)
        return record.publish(facts={"spec_digest": "a" * 64} if model else {}).materialization.id


def found(lineage: Lineage, record_id: str) -> list[Finding]:
    records = LedgerRecords(lineage)
    return leakage(walk(records, record_id), records.row_index)


def evaluated(lineage: Lineage, trained: Sides, measured: Sides, start: Sequence[str] = ()) -> list[Finding]:
    """Findings of a model trained and measured on these games."""
    make(lineage, "toy/split", sides=SPLIT)
    make(lineage, "toy/checkpoint", ["toy/split", *start], trained, model=True)
    make(lineage, "toy/evaluation", ["toy/checkpoint", "toy/split"], measured)
    return found(lineage, make(lineage, "toy/exported_model", ["toy/checkpoint", "toy/evaluation"]))


def test_nothing_is_found_where_nothing_leaks(lineage: Lineage) -> None:
    assert evaluated(lineage, {"train": [1, 2], "valid": [3]}, {"test": [4]}) == []


@pytest.mark.parametrize("side", ["train", "valid"])
def test_an_evaluation_by_what_was_trained_on_or_chose_the_epoch(lineage: Lineage, side: str) -> None:
    leaks = evaluated(lineage, {"train": [1], side: [2, 4]}, {"test": [4]})
    assert [(leak.kind, leak.severity, leak.name) for leak in leaks] == [
        ("test_data_in_training", "error", "toy/evaluation")
    ] * 2, "by game and by play"
    assert f"1 by game_id are in test and in {side}: game_id 4" in leaks[0].message
    assert "game_id 4, play_id 7" in leaks[1].message


def test_folds_are_judged_by_what_they_held_out_though_the_final_fit_read_all(lineage: Lineage) -> None:
    trained = {"train": [1, 2, 3, 4], "train fold:0": [1, 2], "valid fold:0": [3, 4], "train fold:1": [3, 4]}
    assert evaluated(lineage, trained, {"test fold:0": [3, 4], "test fold:1": [1, 2]}) == []
    leaks = evaluated(lineage, trained, {"test fold:0": [3, 1], "test fold:1": [2]})
    assert {leak.kind for leak in leaks} == {"test_data_in_training"}
    assert "in test fold:0 and in train fold:0: game_id 1" in leaks[0].message


def test_a_hold_out_beside_a_fit_on_everything_leaks(lineage: Lineage) -> None:
    trained = {"train": [1, 2, 3, 4], "train fold:0": [1, 2], "train fold:1": [3, 4]}
    assert [leak.kind for leak in evaluated(lineage, trained, {"test": [4]})] == ["test_data_in_training"] * 2


def test_a_teacher_that_was_trained_on_a_test_game(lineage: Lineage) -> None:
    make(lineage, "toy/teacher", sides={"train": [1, 4]}, model=True)
    make(lineage, "toy/pseudo_labels", ["toy/teacher"])
    leaks = evaluated(lineage, {"train": [1, 2], "valid": [3]}, {"test": [4]}, ["toy/pseudo_labels"])
    assert {leak.kind for leak in leaks} == {"test_data_in_training"}
    assert {str(leak.record).partition("-")[0] for leak in leaks} == {"00000001"}
    assert "toy/teacher was trained on" in leaks[0].message


def test_pretrained_weights_by_folds_go_on_in_the_same_fold_but_labels_of_a_teacher_do_not(lineage: Lineage) -> None:
    folds = {"train": [1, 2, 3, 4], "train fold:0": [1, 2], "train fold:1": [3, 4]}
    measured = {"test fold:0": [3, 4], "test fold:1": [1, 2]}
    make(lineage, "toy/pretrained", sides=folds, model=True)
    assert evaluated(lineage, folds, measured, ["toy/pretrained"]) == []
    make(lineage, "toy/pseudo_labels", ["toy/pretrained"])
    leaks = evaluated(lineage, folds, measured, ["toy/pseudo_labels"])
    assert leaks and all("toy/pretrained was trained on" in leak.message for leak in leaks)


def test_a_split_with_a_game_on_two_sides(lineage: Lineage) -> None:
    leaks = found(lineage, make(lineage, "toy/split", sides={**SPLIT, "train fold:0": [1, 2], "test fold:0": [2]}))
    assert [leak.kind for leak in leaks] == ["split_leakage"] * 2
    assert "in test fold:0 and in train fold:0: game_id 2" in leaks[0].message
    assert found(lineage, make(lineage, "toy/other_split", sides=SPLIT)) == []


def test_what_cannot_be_told_is_said(lineage: Lineage) -> None:
    [finding] = evaluated(lineage, {}, {"test": [4]})
    assert (finding.kind, finding.severity) == ("leakage_unknown", "warning")
    assert "toy/checkpoint does not say what it was trained on" in finding.message
    [finding] = evaluated(lineage, {"train": [1]}, {})
    assert "toy/evaluation does not say what it measured" in finding.message
