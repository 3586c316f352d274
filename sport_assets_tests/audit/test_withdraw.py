"""Withdrawing and restoring: what is closed, what is refused, and what stays open."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from sport_assets.audit.taint import mark
from sport_assets.audit.withdraw import Withdrawal, of_rows, of_text, restore, withdraw
from sport_assets.lineage.errors import GateRefused, LineageError
from sport_assets.lineage.gate import override
from sport_assets.lineage.home import Home
from sport_assets.lineage.manifest import Materialization
from sport_assets.lineage.record import Lineage
from sport_assets.lineage.staleness import why_stale

GAMES = {"w1": ["1", "2"], "w2": ["3"]}
SAID = {"by": "ada", "reason": "a player asked"}


@pytest.fixture
def lineage(tmp_path: Path) -> Iterator[Lineage]:
    """Two weeks of raw files and tables, and a model of each week."""
    opened = Lineage(Home(root=tmp_path / "home", data=tmp_path / "data"))
    for week in GAMES:
        opened.raw.path(f"{week}.csv").parent.mkdir(exist_ok=True)
        opened.raw.path(f"{week}.csv").write_text(week)
        with opened.record("toy/raw", week, code_version="1") as record:
            record.register_raw([f"{week}.csv"])
            record.publish()
        table(opened, week)
        model(opened, week)
    yield opened
    opened.close()


def table(lineage: Lineage, week: str) -> Materialization:
    with lineage.record("toy/table", week, code_version="1") as record:
        record.read("toy/raw")
        gone = [rows["game"] for rows in record.withdrawn_rows(["game"])]
        games = [game for game in GAMES[week] if game not in gone]
        record.output("t").write_text(f"{games}")
        record.index_rows(["game"], games)
        return record.publish().materialization


def model(lineage: Lineage, week: str) -> Materialization:
    with lineage.record("toy/exported_model", week, code_version="1") as record:
        record.output("model.onnx").write_text(record.read("toy/table").ref.version)
        return record.publish().materialization


def refused(lineage: Lineage) -> list[str]:
    """What the gate refuses, by name."""
    names = []
    for key in ("toy/raw", "toy/table", "toy/exported_model"):
        for week in GAMES:
            try:
                lineage.read(key, week)
            except GateRefused:
                names.append(f"{key}:{week}")
    return names


def text(lineage: Lineage, asked: str, version: str | None = None) -> Withdrawal:
    return withdraw(lineage.ledger, of_text(lineage.ledger, asked, version=version, **SAID))


CLOSED = ["toy/raw:w1", "toy/table:w1", "toy/exported_model:w1"]


@pytest.mark.parametrize(("asked", "closed"), [("w1.csv", CLOSED), ("toy/table:w1", CLOSED[1:])])
def test_what_stands_on_it_is_closed_until_it_is_restored(lineage: Lineage, asked: str, closed: list[str]) -> None:
    found = text(lineage, asked)
    assert refused(lineage) == closed == [made.name for made, _ in found.marked.closed]
    assert [one.made.name for one in found.impact.affected] == closed
    with pytest.raises(
        GateRefused, match=r"stands on .*withdrawn by ada on .*: a player asked\. Make it again without"
    ):
        lineage.read("toy/exported_model", "w1")
    assert why_stale(lineage, "toy/exported_model", "w1", code_version="1", config={}) is not None
    opened = restore(lineage.ledger, found.event.id, by="ada", reason="a mistake")
    assert refused(lineage) == [] and [made.name for made in opened.marked.opened] == closed
    assert why_stale(lineage, "toy/exported_model", "w1", code_version="1", config={}) is None


def test_a_raw_file_is_known_by_content_digest_and_recorded_path(lineage: Lineage, tmp_path: Path) -> None:
    copied = tmp_path / "copied.csv"
    copied.write_text("w2")
    sha256 = of_text(lineage.ledger, str(copied), **SAID).raw_sha256
    assert sha256 is not None
    assert {of_text(lineage.ledger, asked, **SAID).raw_sha256 for asked in ("w2.csv", sha256, sha256[:9])} == {sha256}


def test_withdrawn_rows_taint_what_holds_them_and_a_rebuild_without_them_is_clean(lineage: Lineage) -> None:
    withdraw(lineage.ledger, of_rows(lineage.ledger, {"game": "2"}, **SAID))
    assert refused(lineage) == CLOSED[1:]
    table(lineage, "w1")
    assert refused(lineage) == ["toy/exported_model:w1"], "it still stands on the old table"
    model(lineage, "w1")
    assert refused(lineage) == []
    before = lineage.ledger.head()
    assert mark(lineage.ledger).closed == [] and lineage.ledger.head() == before, "nothing new to say"


def test_one_version_is_closed_with_what_was_made_of_it(lineage: Lineage) -> None:
    first = lineage.read("toy/table", "w1").ref
    text(lineage, "toy/table:w1", first.version[:10])
    assert refused(lineage) == CLOSED[1:]
    with lineage.record("toy/table", "w1", code_version="2") as record:
        record.output("t").write_text("mended")
        record.publish()
    assert refused(lineage) == ["toy/exported_model:w1"]
    with pytest.raises(GateRefused):
        lineage.read_version("toy/table", first.version)


def test_of_two_withdrawals_one_restored_keeps_it_closed(lineage: Lineage) -> None:
    first, second = text(lineage, "w1.csv"), text(lineage, "toy/table:w1")
    restore(lineage.ledger, first.event.id, **SAID)
    assert refused(lineage) == CLOSED[1:]
    with pytest.raises(GateRefused) as refusal:
        lineage.read("toy/exported_model", "w1")
    assert "w1.csv" not in str(refusal.value) and "toy/table:w1" in str(refusal.value)
    restore(lineage.ledger, second.event.id[:8], **SAID)
    assert refused(lineage) == []


def test_an_override_by_name_holds_and_a_half_done_marking_is_finished(
    lineage: Lineage, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("sport_assets.audit.withdraw.mark", lambda *given, **named: None)  # killed before it
        text(lineage, "toy/table:w1")
    assert refused(lineage) == CLOSED[1:2]
    assert [made.name for made, _ in mark(lineage.ledger).closed] == CLOSED[2:]
    record = lineage.ledger.latest("toy/exported_model", "w1")
    assert record is not None
    override(lineage.ledger, record.id, "untainted", by="eve", reason="for the court")
    mark(lineage.ledger)
    assert refused(lineage) == CLOSED[1:2]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("nothing.csv", r"nothing is known of 'nothing.csv'"),
        ("toy/nothing", r"nothing is known of 'toy/nothing'"),
        ("toy/table", r"toy/table has partitions: name one.*recorded are w1, w2"),
        ("toy/table:w9", r"toy/table has no partition 'w9'; recorded are w1, w2"),
        ("0123456789", r"nothing is known of"),
    ],
)
def test_what_is_not_known_is_refused(lineage: Lineage, asked: str, message: str) -> None:
    with pytest.raises(LineageError, match=message):
        of_text(lineage.ledger, asked, **SAID)


def test_errors_say_what_can_be_done(lineage: Lineage, tmp_path: Path) -> None:
    ledger = lineage.ledger
    (tmp_path / "strange.csv").write_text("strange")
    with pytest.raises(LineageError, match="is a file, but no record knows this content"):
        of_text(ledger, str(tmp_path / "strange.csv"), **SAID)
    with pytest.raises(LineageError, match="0 versions of toy/table begin with 'ff'"):
        of_text(ledger, "toy/table:w1", version="ff", **SAID)
    with pytest.raises(LineageError, match="--version is for partitions"):
        of_text(ledger, "w1.csv", version="ff", **SAID)
    with pytest.raises(LineageError, match="rows cannot be looked up by player; they can by: game"):
        of_rows(ledger, {"player": "1"}, **SAID)
    with pytest.raises(LineageError, match="no recorded version has rows with game=9"):
        of_rows(ledger, {"game": "9"}, **SAID)
    with pytest.raises(LineageError, match="no recorded version of toy/raw has rows"):
        of_rows(ledger, {"game": "1"}, key="toy/raw", **SAID)
    with pytest.raises(LineageError, match="needs a reason"):
        withdraw(ledger, of_text(ledger, "w1.csv", by="ada", reason=" "))
    event = text(lineage, "w1.csv").event
    with pytest.raises(LineageError, match=rf"stands withdrawn already, by ada .*record {event.id}"):
        text(lineage, "w1.csv")
    with pytest.raises(LineageError, match=rf"x is no withdrawal that stands; those that stand: {event.id} \(raw file"):
        restore(ledger, "x", **SAID)
    restore(ledger, event.id, **SAID)
    with pytest.raises(LineageError, match="those that stand: none"):
        restore(ledger, event.id, **SAID)


def test_many_dependents_are_marked_within_seconds(lineage: Lineage) -> None:
    def several(weeks: Sequence[int]) -> None:
        for week in weeks:
            with lineage.record("toy/many", str(week), code_version="1") as record:
                record.read("toy/table", "w1")
                record.output("m").write_text(str(week))
                record.publish()

    several(range(150))
    began = time.monotonic()
    found = text(lineage, "w1.csv")
    took = time.monotonic() - began
    print(f"{len(found.marked.closed)} marked in {took:.2f} s")
    assert len(found.marked.closed) == 153 and took < 20
