"""Withdrawals in builds and in Dagster: what is skipped, what shows as tainted, and what is made again."""

from typing import Any

import dagster as dg
import pytest

from sport_assets.audit.withdraw import of_rows, of_text, restore, withdraw
from sport_assets.lineage.errors import GateRefused
from sport_assets.lineage.manifest import Withdrawn
from sport_assets.orchestration.build import BuildError
from sport_assets.orchestration.taint import show
from sport_assets_tests.orchestration.toy_home import ToyHome

SAID = {"by": "ada", "reason": "the licence ended"}


def withdrawn(toy: ToyHome, asked: str, **more: Any) -> Withdrawn:
    """Withdraw as the command does."""
    with toy.lineage() as lineage:
        found = withdraw(lineage.ledger, of_text(lineage.ledger, asked, **more, **SAID))
        show(lineage, found.marked)
    return found.event


def restored(toy: ToyHome, event: Withdrawn) -> None:
    with toy.lineage() as lineage:
        show(lineage, restore(lineage.ledger, event.id, **SAID).marked)


def untainted(toy: ToyHome) -> dict[str, bool]:
    """The latest result of ``untainted`` of every asset and partition, as Dagster shows it."""
    found: dict[str, bool] = {}
    with toy.instance() as dagster:
        for name in ("raw", "clean", "split"):
            check = dg.AssetCheckKey(dg.AssetKey(["toy", name]), "untainted")
            history = dagster.event_log_storage.get_asset_check_execution_history(check, limit=100)
            for record in reversed(history):
                found[":".join(["toy/" + name, *([record.partition] if record.partition else [])])] = (
                    record.status.value == "SUCCEEDED"
                )
    return found


@pytest.mark.parametrize("asked", ["toy/d1.csv", "toy/raw:d1", "toy/clean:d1"])
def test_a_build_skips_what_is_withdrawn_and_goes_on_without_it(toy: ToyHome, asked: str) -> None:
    toy.build("toy/split")
    event = withdrawn(toy, asked)
    skipped = "toy/clean:d1" if asked == "toy/clean:d1" else "toy/raw:d1"
    for _ in range(2):
        report = toy.build("toy/split")
        assert report.withdrawn == {skipped: "the licence ended"}
        assert f"toy/{asked[4:]}" not in {str(done.step) for done in report.made()}
    assert [ref.partition for ref in toy.latest("toy/split").inputs] == ["d3"]
    assert report.made() == [], "the second build finds all current"
    with pytest.raises(BuildError, match=r"toy/(raw|clean):d1 cannot be made: .*withdrawn, by ada .*restore"):
        toy.build("toy/clean", "d1")
    restored(toy, event)
    report = toy.build("toy/split")
    assert report.withdrawn == {} and [str(done.step) for done in report.made()] == ["toy/split"]


def test_another_file_in_place_of_a_withdrawn_one_is_taken_up(toy: ToyHome) -> None:
    toy.build("toy/split")
    withdrawn(toy, "toy/d1.csv")
    toy.write_day("d1", 1, 1)
    assert toy.made("toy/split") == ["toy/raw:d1", "toy/clean:d1", "toy/split"]


def test_a_withdrawn_version_is_made_once_again_and_then_left(toy: ToyHome) -> None:
    toy.build("toy/clean", "d1")
    withdrawn(toy, "toy/clean:d1", version=toy.latest("toy/clean", "d1").version)
    assert toy.made("toy/clean", "d1") == ["toy/clean:d1"], "other code or input could have mended it"
    with pytest.raises(BuildError, match="toy/clean:d1 cannot be made"):
        toy.build("toy/clean", "d1")
    toy.write_day("d3", 5)
    assert toy.build("toy/split").withdrawn == {"toy/clean:d1": "the licence ended"}


def test_what_all_stands_on_stops_the_build(toy: ToyHome) -> None:
    toy.build("toy/split")
    withdrawn(toy, "toy/split")
    with pytest.raises(BuildError, match="toy/split cannot be made: toy/split is withdrawn"):
        toy.build("toy/checkpoint", "small|0")


def test_each_affected_asset_shows_it_and_shows_when_it_is_restored(toy: ToyHome) -> None:
    toy.build("toy/split")
    assert set(untainted(toy).values()) == {True}
    event = withdrawn(toy, "toy/d1.csv")
    closed = {name for name, passed in untainted(toy).items() if not passed}
    assert closed == {"toy/raw:d1", "toy/clean:d1", "toy/split"}
    restored(toy, event)
    assert set(untainted(toy).values()) == {True}
    withdrawn(toy, "toy/d1.csv")
    toy.build("toy/split")
    assert untainted(toy)["toy/split"], "made again without it"


def test_what_was_read_before_it_was_withdrawn_is_published_as_rejected(
    toy: ToyHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sport_assets.orchestration.recording import AssetRecord

    toy.build("toy/clean", "d1")
    publish = AssetRecord.publish

    def late(record: AssetRecord, **named: Any) -> Any:
        if record.inner.key == "toy/split":
            ledger = record.inner.lineage.ledger
            withdraw(ledger, of_text(ledger, "toy/d1.csv", **SAID))
        return publish(record, **named)

    monkeypatch.setattr(AssetRecord, "publish", late)
    toy.materialize("toy/split", raise_on_error=False)
    made = toy.latest("toy/split")
    assert made.kind == "rejected" and [check.name for check in made.checks] == ["untainted"]
    with toy.lineage() as lineage, pytest.raises(GateRefused, match="made from what was withdrawn meanwhile"):
        lineage.read("toy/split")


def test_rows_that_nothing_leaves_out_stay_closed(toy: ToyHome) -> None:
    """The toy line indexes samples in checkpoints alone: here the rows of one are withdrawn."""
    toy.build("toy/split")
    with toy.lineage() as lineage:
        with lineage.record("toy/checkpoint", "small|0", code_version="1") as record:
            record.read("toy/split", None)
            record.output("w").write_text("w")
            record.index_rows(["sample"], [1, 2], side="train")
            record.publish(facts={"spec_digest": "a" * 64})
        withdraw(lineage.ledger, of_rows(lineage.ledger, {"sample": "2"}, **SAID))
        with pytest.raises(GateRefused, match="withdrawn by ada"):
            lineage.read("toy/checkpoint", "small|0")
        lineage.read("toy/split")
