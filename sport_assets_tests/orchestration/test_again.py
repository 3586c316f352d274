"""`impact --launch`: what was touched is made again, with the settings it had, and nothing else."""

from dataclasses import replace

import pytest

from sport_assets.audit.impact import Impact, impact, subject_of
from sport_assets.audit.withdraw import of_text, withdraw
from sport_assets.orchestration.again import launch, to_make_again
from sport_assets.orchestration.assets import DECLARATIONS
from sport_assets.orchestration.build import BuildError, Report
from sport_assets_tests.orchestration.toy_home import ToyHome
from sport_assets_tests.orchestration.toy_line import DEFS

SAID = {"by": "ada", "reason": "the licence ended"}


def touched(toy: ToyHome, asked: str) -> Impact:
    with toy.lineage() as lineage:
        return impact(lineage.ledger, subject_of(lineage.ledger, asked))


def again(toy: ToyHome, asked: str) -> Report:
    return launch(DEFS, toy.home, touched(toy, asked))


def names(report: Report) -> list[str]:
    return [str(done.step) for done in report.made()]


def test_what_stood_on_a_withdrawn_file_is_made_again_as_it_was(toy: ToyHome) -> None:
    toy.build("toy/clean", "d3", "factor=3")
    toy.build("toy/clean", "d1", "factor=2")
    toy.materialize("toy/split", raise_on_error=True)
    toy.materialize("toy/tuning", None, {"found": {"model.hidden": 4}}, raise_on_error=True)
    assert names(again(toy, "toy/d1.csv")) == [], "nothing is withdrawn, and all is current"
    with toy.lineage() as lineage:
        withdraw(lineage.ledger, of_text(lineage.ledger, "toy/d1.csv", **SAID))
    report = again(toy, "toy/d1.csv")
    assert names(report) == ["toy/split", "toy/tuning"], "in the order data flows; d3 is left as it is"
    assert report.withdrawn == {"toy/raw:d1": "the licence ended"}
    assert toy.latest("toy/tuning").config == {"found": {"model.hidden": 4}}
    assert toy.latest("toy/clean", "d3").config == {"factor": 3.0}
    assert [ref.partition for ref in toy.latest("toy/split").inputs] == ["d3"]
    assert names(again(toy, "toy/d1.csv")) == []


def test_what_a_changed_file_touched_is_made_again(toy: ToyHome) -> None:
    toy.build("toy/split", None, "factor=2")
    toy.write_day("d1", 4)
    assert names(again(toy, "toy/d1.csv")) == ["toy/raw:d1", "toy/clean:d1", "toy/split"]
    assert toy.latest("toy/clean", "d1").config == {"factor": 2.0}


def test_defaults_that_an_asset_refuses_are_not_asked_for(toy: ToyHome, monkeypatch: pytest.MonkeyPatch) -> None:
    toy.build("toy/split", None, "factor=2")
    toy.write_day("d1", 4)
    picky = replace(DECLARATIONS["toy/clean"], refuses=lambda config: None if config["factor"] == 2 else "other factor")
    monkeypatch.setitem(DECLARATIONS, "toy/clean", picky)
    with pytest.raises(BuildError, match="toy/clean: other factor"):
        toy.build("toy/split")
    assert names(again(toy, "toy/d1.csv")) == ["toy/raw:d1", "toy/clean:d1", "toy/split"]


def test_only_the_last_on_each_way_are_targets(toy: ToyHome) -> None:
    toy.build("toy/clean")
    report = Report()
    targets = [str(step) for step in to_make_again(toy.home, touched(toy, "toy/raw:d1"), report)]
    assert targets == ["toy/clean:d1"]
    toy.build("toy/split")
    assert [str(step) for step in to_make_again(toy.home, touched(toy, "toy/raw"), report)] == ["toy/split"]


def test_one_that_fails_does_not_stop_the_others(toy: ToyHome) -> None:
    toy.build("toy/clean")
    toy.write_day("d1", 99, 99)
    toy.write_day("d3", 1)
    with pytest.raises(BuildError, match="toy/clean:d1 was rejected by its checks"):
        again(toy, "toy/raw")
    assert toy.latest("toy/clean", "d3").rows == 1
