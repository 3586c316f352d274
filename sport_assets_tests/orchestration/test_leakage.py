"""Weights that a user brings: what they learned from counts where a record tells of it, and else nothing is known."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from sport_assets.lineage.checks import CheckResult
from sport_assets.lineage.digest import sha256_text
from sport_assets.lineage.errors import GateRefused
from sport_assets.lineage.home import Home
from sport_assets.lineage.manifest import Withdrawn
from sport_assets.lineage.record import Lineage
from sport_assets.lineage.row_index import RowIndex
from sport_assets.orchestration.leakage import FROM_ELSEWHERE, judged_fairly, learned_from, weights_behind

WEIGHTS = "the teacher's weights"
SHA256 = sha256_text(WEIGHTS)


@pytest.fixture
def lineage(tmp_path: Path) -> Iterator[Lineage]:
    with closing(Lineage(Home(root=tmp_path / "home", data=tmp_path / "data"))) as opened:
        yield opened


def trained(lineage: Lineage, key: str, games: list[str], weights: str, reads: str | None = None) -> str:
    """A training on these games; returns its record id."""
    with lineage.record(key, code_version="1") as record:
        if reads is not None:
            record.read(reads)
        record.output("weights.safetensors").write_text(weights)
        record.index_rows(["game"], games, "train")
        return record.publish(facts={"spec_digest": "a" * 64}).materialization.id


def labels(lineage: Lineage) -> str:
    """Labels by a teacher whose weights a user brings; returns the record id."""
    with lineage.record("toy/labels", code_version="1") as record:
        facts = weights_behind(record, "teacher.safetensors", SHA256)
        record.output("labels.txt").write_text("labels")
        return record.publish(facts=facts).materialization.id


def judged(lineage: Lineage, game: str) -> CheckResult:
    """A student of these labels, measured on one game."""
    student = trained(lineage, "toy/student", ["g3"], "the student's", "toy/labels")
    measured = RowIndex()
    measured.add(["game"], [game], "test")
    return judged_fairly(lineage, student, measured)


def test_a_copied_file_of_this_home_is_what_it_was_made_from(lineage: Lineage) -> None:
    teacher = trained(lineage, "toy/teacher", ["g1", "g2"], WEIGHTS)
    made = labels(lineage)
    [ref] = lineage.read_record(made).materialization.inputs
    assert (ref.record, ref.pinned) == (teacher, True)
    assert learned_from(lineage, [made], ["game"]) == {("g1",), ("g2",)}
    leaking, fair = judged(lineage, "g1"), judged(lineage, "g4")
    assert not leaking.passed and leaking.blocking and leaking.sample[0]["in"] == "toy/teacher"
    assert fair.passed and FROM_ELSEWHERE not in fair.metadata
    lineage.ledger.append(Withdrawn(key="toy/teacher", by="Ada", reason="licence"))
    with pytest.raises(GateRefused, match="withdrawn"):
        labels(lineage)


def test_of_a_file_from_elsewhere_it_is_said_that_nothing_is_known(lineage: Lineage) -> None:
    trained(lineage, "toy/teacher", ["g1"], "other weights")
    made = labels(lineage)
    assert not lineage.read_record(made).materialization.inputs
    assert learned_from(lineage, [made], ["game"]) == set()
    fair = judged(lineage, "g1")
    assert fair.passed and "it is not compared" in fair.description
    assert fair.metadata[FROM_ELSEWHERE] == [{"file": "teacher.safetensors", "sha256": SHA256}]
