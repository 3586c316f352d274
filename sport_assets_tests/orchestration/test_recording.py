"""What one materialization leaves in Dagster, in the store and in the ledger."""

import math
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from sport_assets.lineage.gate import override
from sport_assets_tests.orchestration.toy_home import ToyHome

CLEAN = dg.AssetKey(["toy", "clean"])


def test_dagster_shows_what_the_record_holds(toy: ToyHome) -> None:
    toy.build("toy/clean", "d1")
    record = toy.latest("toy/clean", "d1")
    with toy.instance() as dagster:
        [event] = dagster.fetch_materializations(CLEAN, limit=5).records
        checks = {
            name: dagster.event_log_storage.get_asset_check_execution_history(dg.AssetCheckKey(CLEAN, name), limit=5)
            for name in ("few_quarantined", "warns")
        }
        run = dagster.get_run_by_id(record.run_id)
    made = event.asset_materialization
    assert made is not None and run is not None
    assert event.partition_key == "d1"
    assert (made.tags or {})["dagster/data_version"] == record.version
    assert made.metadata["record"].value == record.id
    assert made.metadata["dagster/row_count"].value == record.rows == 3
    assert made.metadata["quarantined_rows"].value == record.quarantined_rows == 1
    assert Path(str(made.metadata["folder"].value)) == toy.folder("toy/clean", "d1")
    inputs = made.metadata["inputs"]
    assert isinstance(inputs, dg.TableMetadataValue)
    raw = toy.latest("toy/raw", "d1")
    assert [r.data for r in inputs.records] == [{"asset": "toy/raw", "partition": "d1", "version": raw.version[:12]}]
    assert run.status == dg.DagsterRunStatus.SUCCESS
    for name, passed in (("few_quarantined", True), ("warns", False)):
        [history] = checks[name]
        evaluation = history.event.dagster_event.asset_check_evaluation_data  # type: ignore[union-attr]
        assert evaluation.partition == "d1", f"{name} lost its partition"
        assert evaluation.passed == passed
    [few] = checks["few_quarantined"]
    rows = few.event.dagster_event.asset_check_evaluation_data.metadata["failing_rows"]  # type: ignore[union-attr]
    assert isinstance(rows, dg.TableMetadataValue)
    assert {(row.data["file"], row.data["line"]) for row in rows.records} == {("d1.csv", "5")}
    assert "finite" in [row.data["rule"] for row in rows.records]


def test_a_failed_blocking_check_closes_the_partition_for_later_runs(toy: ToyHome) -> None:
    toy.write_day("d1", 1, 99, 99, "nan")
    toy.build("toy/raw", "d1")
    result = toy.materialize("toy/clean", "d1", raise_on_error=False)
    assert not result.success
    rejected = toy.latest("toy/clean", "d1")
    assert rejected.kind == "rejected"
    assert pl.read_parquet(toy.folder("toy/clean", "d1") / "clean.parquet")["value"].to_list() == [1.0]

    later = toy.materialize("toy/split", raise_on_error=False)
    assert not later.success
    [failure] = [event for event in later.all_events if event.is_step_failure]
    message = failure.step_failure_data.error_display_string
    assert "toy/clean:d1 cannot be read: its blocking check failed: few_quarantined (3 of 4 failed)" in message
    assert f"sport-assets override {rejected.id} few_quarantined --reason TEXT" in message
    with toy.lineage() as lineage:
        assert lineage.ledger.latest("toy/split", None) is None
        override(lineage.ledger, rejected.id, "few_quarantined", by="a coach", reason="known broken camera")
    assert toy.materialize("toy/split", raise_on_error=False).success
    assert [ref.record for ref in toy.latest("toy/split").inputs] == [rejected.id]


def test_the_gate_does_not_fall_back_to_an_older_version(toy: ToyHome) -> None:
    toy.build("toy/clean", "d1")
    toy.write_day("d1", 99, 99)
    toy.build("toy/raw", "d1")
    toy.materialize("toy/clean", "d1", raise_on_error=False)
    assert toy.latest("toy/clean", "d1").kind == "rejected"
    assert not toy.materialize("toy/split", raise_on_error=False).success


def test_an_exception_in_the_asset_leaves_nothing_visible(toy: ToyHome) -> None:
    toy.build("toy/raw", "d1")
    with toy.lineage() as lineage:
        head = lineage.ledger.head()
    day = toy.home.data / "toy" / "d1.csv"
    day.write_text("value\nnot a number\n")  # a reader error, in the middle of the record
    with pytest.raises(Exception, match="changed since toy/raw:d1 recorded it"):
        toy.materialize("toy/clean", "d1", raise_on_error=True)
    toy.build("toy/raw", "d1")
    with pytest.raises(pl.exceptions.PolarsError):
        toy.materialize("toy/clean", "d1", raise_on_error=True)
    with toy.lineage() as lineage:
        assert lineage.ledger.head().seq == head.seq + 1, "only the raw file's new record may have come"
        assert lineage.ledger.latest("toy/clean", "d1") is None
    assert not (toy.home.store / "toy" / "clean").exists()
    assert toy.staging_is_empty()
    with toy.instance() as dagster:
        assert not dagster.fetch_materializations(CLEAN, limit=5).records


def test_configuration_is_recorded_and_makes_the_content(toy: ToyHome) -> None:
    toy.build("toy/raw", "d1")
    toy.materialize("toy/clean", "d1", {"factor": 2.0}, raise_on_error=True)
    assert toy.latest("toy/clean", "d1").config == {"factor": 2.0}
    assert math.isclose(pl.read_parquet(toy.folder("toy/clean", "d1") / "clean.parquet")["value"].sum(), 12.0)
