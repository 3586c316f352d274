"""What may be read, after everything that can be said about a materialization later."""

import pytest

from sport_assets.lineage.checks import CheckResult
from sport_assets.lineage.errors import GateRefused, LineageError
from sport_assets.lineage.gate import override
from sport_assets.lineage.manifest import Checked, Materialization, RecordedCheck, Restored, Withdrawn
from sport_assets.lineage.record import Lineage
from sport_assets_tests.lineage.conftest import Publish

FAILED = CheckResult("rules", False, failed=3, checked=10)


def _later(lineage: Lineage, made: Materialization, name: str, passed: bool, *, blocking: bool = True) -> None:
    check = RecordedCheck(name=name, passed=passed, blocking=blocking)
    lineage.ledger.append(Checked(subject=made.id, check=check))


def test_rejected_is_stored_and_shown_and_never_read(lineage: Lineage, publish: Publish) -> None:
    good = publish("nfl/table", "w01", "good").materialization
    bad = publish("nfl/table", "w01", "bad", checks=[FAILED])
    assert bad.rejected and bad.folder.is_dir() and lineage.ledger.latest("nfl/table", "w01") == bad.materialization
    with pytest.raises(GateRefused, match=r"rules \(3 of 10 failed\).*sport-assets override"):
        lineage.read("nfl/table", "w01")  # and no falling back to the good one
    with pytest.raises(GateRefused, match="rules"):
        lineage.read_version("nfl/table", bad.materialization.version)
    with pytest.raises(GateRefused), lineage.record("nfl/next", "w01", code_version="1") as record:
        record.read("nfl/table")
    assert lineage.read_version("nfl/table", good.version).materialization == good
    assert lineage.ledger.latest("nfl/next", "w01") is None


def test_other_partitions_stay_open(lineage: Lineage, publish: Publish) -> None:
    publish("nfl/table", "w01", checks=[FAILED])
    publish("nfl/table", "w02")
    publish("nfl/table", None)
    assert lineage.read("nfl/table", "w02") and lineage.read("nfl/table")


def test_a_warning_does_not_close(lineage: Lineage, publish: Publish) -> None:
    made = publish("nfl/table", checks=[CheckResult("shift", False, blocking=False)])
    assert not made.rejected and lineage.read("nfl/table")
    _later(lineage, made.materialization, "leakage", False, blocking=False)
    assert lineage.read("nfl/table")


def test_the_latest_result_of_each_check_counts(lineage: Lineage, publish: Publish) -> None:
    made = publish("nfl/table", checks=[CheckResult("rules", True)]).materialization
    _later(lineage, made, "leakage", False)
    with pytest.raises(GateRefused, match="leakage"):
        lineage.read("nfl/table")
    _later(lineage, made, "rules", False)
    _later(lineage, made, "leakage", True)
    with pytest.raises(GateRefused, match="its blocking check failed: rules"):
        lineage.read("nfl/table")
    _later(lineage, made, "rules", True)
    assert lineage.read("nfl/table")


def test_a_rejected_one_opens_when_its_check_passes_later(lineage: Lineage, publish: Publish) -> None:
    made = publish("nfl/table", checks=[FAILED]).materialization
    _later(lineage, made, "rules", True)
    assert lineage.read("nfl/table").materialization == made


def test_later_results_belong_to_one_materialization(lineage: Lineage, publish: Publish) -> None:
    old = publish("nfl/table", text="old").materialization
    publish("nfl/table", text="new")
    _later(lineage, old, "leakage", False)
    assert lineage.read("nfl/table")
    with pytest.raises(GateRefused, match="leakage"):
        lineage.read_version("nfl/table", old.version)


def test_an_override_lets_one_check_pass(lineage: Lineage, publish: Publish) -> None:
    made = publish("nfl/table", checks=[FAILED, CheckResult("whole", False)]).materialization
    override(lineage.ledger, made.id, "rules", by="Ada", reason="known defect of the source")
    with pytest.raises(GateRefused, match="its blocking check failed: whole"):
        lineage.read("nfl/table")
    override(lineage.ledger, made.id, "whole", by="Ada", reason="also known")
    assert lineage.read("nfl/table").materialization == made
    _later(lineage, made, "rules", False)  # a new failure needs a new decision
    with pytest.raises(GateRefused, match="rules"):
        lineage.read("nfl/table")
    publish("nfl/table", checks=[FAILED])  # and so does a new materialization of the same bytes
    with pytest.raises(GateRefused, match="rules"):
        lineage.read("nfl/table")


def test_an_override_names_a_failed_check_and_a_reason(lineage: Lineage, publish: Publish) -> None:
    made = publish("nfl/table", checks=[FAILED, CheckResult("whole", True)]).materialization
    for record_id, check, reason, match in [
        (made.id, "rules", " ", "needs a reason"),
        (made.id, "whole", "why not", "no failed blocking check 'whole'"),
        ("00000099-aaaaaaaaaaaa", "rules", "why not", "no record"),
    ]:
        with pytest.raises(LineageError, match=match):
            override(lineage.ledger, record_id, check, by="Ada", reason=reason)
    event = override(lineage.ledger, made.id, "rules", by="Ada", reason="known")
    with pytest.raises(LineageError, match="overridden event"):
        override(lineage.ledger, event.id, "rules", by="Ada", reason="known")


def test_withdrawn_and_restored(lineage: Lineage, publish: Publish) -> None:
    publish("nfl/table", "w01", "one")
    publish("nfl/table", "w02", "two")
    event = lineage.ledger.append(Withdrawn(key="nfl/table", partition="w01", by="Ada", reason="wrong season"))
    with pytest.raises(GateRefused, match=f"withdrawn by Ada on .*: wrong season.*{event.id}"):
        lineage.read("nfl/table", "w01")
    publish("nfl/table", "w01", "again")  # the whole partition is withdrawn, whatever comes
    with pytest.raises(GateRefused, match="withdrawn"):
        lineage.read("nfl/table", "w01")
    assert lineage.read("nfl/table", "w02")
    lineage.ledger.append(Restored(subject=event.id, by="Ada", reason="was right"))
    assert lineage.read("nfl/table", "w01")
    again = lineage.ledger.append(Withdrawn(key="nfl/table", partition="w01", by="Ada", reason="wrong after all"))
    with pytest.raises(GateRefused, match=again.id):
        lineage.read("nfl/table", "w01")


def test_one_version_is_withdrawn(lineage: Lineage, publish: Publish) -> None:
    old = publish("nfl/table", text="old").materialization
    lineage.ledger.append(Withdrawn(key="nfl/table", version=old.version, by="Ada", reason="bad"))
    with pytest.raises(GateRefused, match="withdrawn"):
        lineage.read("nfl/table")
    publish("nfl/table", text="new")
    assert lineage.read("nfl/table")
    publish("nfl/table", text="old")
    with pytest.raises(GateRefused, match="withdrawn"):
        lineage.read("nfl/table")


def test_a_raw_file_is_withdrawn(lineage: Lineage) -> None:
    (lineage.home.data / "w01.csv").write_bytes(b"a")
    with lineage.record("nfl/raw", "w01", code_version="1") as record:
        (raw,) = record.register_raw(["w01.csv"])
        record.publish()
    lineage.ledger.append(Withdrawn(raw_sha256=raw.sha256, by="Ada", reason="no licence"))
    with pytest.raises(GateRefused, match="no licence"):
        lineage.read("nfl/raw", "w01")
