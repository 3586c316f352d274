"""Current by content, code, configuration and raw files; anything else has a reason."""

from typing import Any

import pytest

from sport_assets.lineage.checks import CheckResult
from sport_assets.lineage.manifest import Withdrawn
from sport_assets.lineage.record import Lineage
from sport_assets.lineage.staleness import why_stale
from sport_assets_tests.lineage.conftest import Publish


def _ask(lineage: Lineage, key: str = "nfl/b", **changes: Any) -> str | None:
    asked: dict[str, Any] = {"code_version": "1", "config": {}} | changes
    return why_stale(lineage, key, None, **asked)


@pytest.fixture
def built(lineage: Lineage, publish: Publish) -> Lineage:
    """nfl/b stands on nfl/a."""
    publish("nfl/a")
    publish("nfl/b", reads=[("nfl/a", None)])
    return lineage


def test_current(built: Lineage) -> None:
    assert _ask(built) is None and _ask(built, expected_inputs=[("nfl/a", None)]) is None


def test_reasons(built: Lineage, publish: Publish) -> None:
    assert _ask(built, "nfl/c") == "never made"
    assert _ask(built, code_version="2") == "code changed"
    assert _ask(built, config={"a": 1}) == "configuration changed"
    assert _ask(built, expected_inputs=[("nfl/a", "w02")]) == "new input nfl/a:w02"
    assert _ask(built, raw_paths=["x.csv"]) == "other raw files"


def test_an_input_made_again_with_the_same_bytes_changes_nothing(built: Lineage, publish: Publish) -> None:
    publish("nfl/a")
    assert _ask(built) is None
    publish("nfl/a", text="other")
    assert _ask(built) == "input nfl/a changed"


def test_rejected_withdrawn_and_deleted(built: Lineage, publish: Publish) -> None:
    made = publish("nfl/b", text="bad", checks=[CheckResult("rules", False)])
    assert "its blocking check failed: rules" in str(_ask(built))
    made = publish("nfl/b", text="good", reads=[("nfl/a", None)])
    assert _ask(built) is None
    made.folder.rename(made.folder.with_name("aside"))
    assert _ask(built) == "its files are gone"
    built.ledger.append(Withdrawn(key="nfl/b", by="Ada", reason="licence"))
    assert "withdrawn" in str(_ask(built))


def test_a_pinned_version_does_not_go_stale(lineage: Lineage, publish: Publish) -> None:
    """A training that continues an older version of its own partition is itself that partition's newest version."""
    old = publish("nfl/b", text="old").materialization
    with lineage.record("nfl/b", None, code_version="1") as record:
        record.read_version("nfl/b", old.version)
        record.output("data.txt").write_text("continued", encoding="utf-8")
        made = record.publish().materialization
    assert [ref.pinned for ref in made.inputs] == [True]
    assert _ask(lineage) is None


def test_raw_files_that_changed(lineage: Lineage) -> None:
    raw = lineage.home.data / "w01.csv"
    raw.write_bytes(b"a")
    with lineage.record("nfl/b", None, code_version="1") as record:
        record.register_raw(["w01.csv"])
        record.publish()
    assert _ask(lineage, raw_paths=["w01.csv"]) is None
    assert _ask(lineage, raw_paths=[]) == "other raw files"
    assert _ask(lineage) is None, "nobody says which they should be but its code and configuration"
    raw.write_bytes(b"b")
    assert _ask(lineage, raw_paths=["w01.csv"]) == "raw file w01.csv changed"
    assert _ask(lineage) == "raw file w01.csv changed"
    raw.unlink()
    assert _ask(lineage, raw_paths=["w01.csv"]) == "raw file w01.csv is gone"
