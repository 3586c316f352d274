"""Looking up records: by id, and the newest of each partition."""

from sport_assets.lineage.checks import CheckResult
from sport_assets.lineage.record import Lineage
from sport_assets_tests.lineage.conftest import Publish


def test_more_records_are_asked_for_at_once_than_sqlite_takes_values(lineage: Lineage, publish: Publish) -> None:
    made = [publish("toy/table", partition).materialization for partition in ("w2", "w1")]
    asked = [made[1].id, 'nobody\'s "ré—cord"', *(f"{number:08d}-{'0' * 12}" for number in range(250_000)), made[0].id]
    assert [event.id for event in lineage.ledger.several(asked)] == [made[0].id, made[1].id]
    assert lineage.ledger.several([]) == []


def test_the_newest_of_each_partition_may_be_a_rejected_one(lineage: Lineage, publish: Publish) -> None:
    publish("toy/table", None, "first")
    publish("toy/table", "w1", "first")
    again = publish("toy/table", None, "again")
    rejected = publish("toy/table", "w1", "bad", checks=[CheckResult("rows", passed=False)])
    other = publish("toy/other", "w1")
    newest = [row.id for row in lineage.ledger.newest(["toy/table", "toy/table"])]
    assert newest == [again.materialization.id, rejected.materialization.id]
    assert [row.id for row in lineage.ledger.newest(["toy/other", "toy/nothing"])] == [other.materialization.id]
    assert lineage.ledger.newest([]) == []
