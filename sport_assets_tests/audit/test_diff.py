"""What differs between two models, found in their records alone and told most telling first."""

import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sport_assets.audit.chain import Chain, Step, walk
from sport_assets.audit.diff import diff
from sport_assets.audit.differences import Difference
from sport_assets.audit.records import LedgerRecords
from sport_assets.lineage.checks import CheckResult
from sport_assets.lineage.environment import environment
from sport_assets.lineage.gate import Standing, override
from sport_assets.lineage.home import Home
from sport_assets.lineage.lookup import Head
from sport_assets.lineage.manifest import InputRef, Materialization
from sport_assets.lineage.record import Lineage

SETTINGS = {"model": {"hidden": 8}, "training": {"rate": 0.1}}


@pytest.fixture
def lineage(tmp_path: Path) -> Iterator[Lineage]:
    """An empty home."""
    (tmp_path / "data").mkdir()
    opened = Lineage(Home(root=tmp_path / "home", data=tmp_path / "data"))
    yield opened
    opened.close()


def week(lineage: Lineage, name: str, games: Sequence[str], *, code: str = "1", quarantined: int = 0) -> None:
    """A week's raw file and its table, with an index of its games."""
    path = lineage.home.data / f"{name}.csv"
    path.write_text("\n".join(games))
    with lineage.record("toy/raw", name, code_version="1") as record:
        record.register_raw([f"{name}.csv"])
        record.publish(rows=1)
    with lineage.record("toy/table", name, code_version=code) as record:
        record.read("toy/raw")
        record.output("table.txt").write_text(code + "".join(games))
        record.index_rows(["game_id"], games)
        record.quarantined(quarantined)
        record.publish(rows=len(games))


def model(
    lineage: Lineage,
    weeks: Sequence[str],
    partition: str = "small|0",
    *,
    ade: float = 1.0,
    settings: Mapping[str, Any] = SETTINGS,
    config: Mapping[str, Any] | None = None,
    check: CheckResult | None = None,
) -> str:
    """A checkpoint on these weeks and its evaluation; the record of the latter."""
    with lineage.record(
        "toy/checkpoint", partition, code_version="3", config=config, seed=int(partition[-1])
    ) as record:
        for name in weeks:
            record.read("toy/table", name)
        record.output("weights").write_text(f"{partition} {weeks} {settings}")
        record.publish(rows=2, facts={"spec_digest": "0", "settings": dict(settings), "seconds": time.time()})
    with lineage.record("toy/evaluation", partition, code_version="4") as record:
        record.read("toy/checkpoint")
        record.output("evaluation.json").write_text(str(ade))
        record.check([check] if check is not None else [])
        facts = {"ade": ade, "name": "x", "good": True, "metrics": {"full": {"low": ade / 2}}}
        made = record.publish(rows=5, facts=facts)
    return made.materialization.id


def compare(lineage: Lineage, before: str, after: str) -> Difference:
    """The difference of the targets of two records."""
    records = LedgerRecords(lineage)
    return diff(walk(records, before), walk(records, after), records)


def test_a_model_and_itself_made_again_are_the_same(lineage: Lineage) -> None:
    week(lineage, "w1", ["g1"])
    first = model(lineage, ["w1"])
    week(lineage, "w1", ["g1"])
    second = model(lineage, ["w1"])
    found = compare(lineage, first, second)
    assert first != second and found.same and found.same_partitions == 4
    assert not (found.data or found.model or found.code or found.settings or found.checks or found.metrics)


def test_data_that_came_went_and_changed_with_the_games_in_it(lineage: Lineage) -> None:
    for name, games in (("w1", ["g1", "g2"]), ("w2", ["g3"]), ("w3", ["g4", "g5", "g6"])):
        week(lineage, name, games)
    first = model(lineage, ["w1", "w2"])
    week(lineage, "w1", ["g2", "g7", "g8"], quarantined=2)
    second = model(lineage, ["w1", "w3"])
    found = compare(lineage, first, second)
    names = [(each.name, each.kind) for each in found.data]
    assert names == [
        ("toy/table:w3", "added"),
        ("toy/raw:w2", "removed"),
        ("toy/raw:w3", "added"),
        ("toy/table:w2", "removed"),
        ("toy/raw:w1", "changed"),
        ("toy/table:w1", "changed"),
    ]
    raw, table = found.data[-2:]
    assert raw.origin and raw.because == ("raw files",) and raw.raw_files == ("w1.csv changed",)
    assert not table.origin and table.because == () and table.rows == (2, 3) and table.quarantined_rows == (0, 2)
    [change] = table.identifiers
    assert (change.columns, change.added, change.removed, change.kept) == ("game_id", 2, 1, 1)
    assert (change.examples_added, change.examples_removed) == (("g7", "g8"), ("g1",))
    assert [each.name for each in found.model] == ["toy/checkpoint:small|0"], "the evaluation is the same bytes"


def test_code_is_the_origin_where_what_was_read_is_the_same(lineage: Lineage) -> None:
    week(lineage, "w1", ["g1"])
    first = model(lineage, ["w1"])
    week(lineage, "w1", ["g1"], code="2")
    found = compare(lineage, first, model(lineage, ["w1"]))
    [table] = found.data
    assert (table.name, table.origin, table.because) == ("toy/table:w1", True, ("code",))
    assert [tuple(each) for each in found.code] == [("toy/table", ("1",), ("2",))]


def test_models_of_other_partitions_are_compared_step_by_step(lineage: Lineage) -> None:
    week(lineage, "w1", ["g1"])
    first = model(lineage, ["w1"], ade=1.0, config={"overrides": {}})
    other = {"model": {"hidden": 16}, "training": {"rate": 0.1}}
    second = model(lineage, ["w1"], "large|1", ade=0.8, settings=other, config={"overrides": {"model.hidden": 16}})
    found = compare(lineage, first, second)
    assert [each.name for each in found.model] == [
        "toy/checkpoint:small|0 and toy/checkpoint:large|1",
        "toy/evaluation:small|0 and toy/evaluation:large|1",
    ]
    assert found.model[0].because == ("settings", "seed") and not found.model[1].origin
    assert [(each.setting, each.before, each.after) for each in found.settings] == [
        ("overrides.model.hidden", None, 16),
        ("model.hidden", 8, 16),
        ("seed", 0, 1),
    ]
    assert [(each.metric, each.before, each.after) for each in found.metrics] == [
        ("ade", 1.0, 0.8),
        ("metrics.full.low", 0.5, 0.4),
    ]
    assert found.metrics[0].difference == pytest.approx(-0.2)
    assert found.as_json()["metrics"][0]["metric"] == "ade"


def test_checks_that_changed_their_verdict_and_overrides(lineage: Lineage) -> None:
    week(lineage, "w1", ["g1"])
    passed = CheckResult("sound", True)
    first = model(lineage, ["w1"], check=passed)
    second = model(lineage, ["w1"], check=CheckResult("sound", False, failed=1, checked=2))
    [change] = compare(lineage, first, second).checks
    assert tuple(change) == ("toy/evaluation:small|0", "sound", True, "passed", "failed")
    override(lineage.ledger, second, "sound", by="a person", reason="known")
    assert compare(lineage, first, second).checks[0].after == "overridden"
    third = model(lineage, ["w1"])
    assert compare(lineage, first, third).checks[0].after is None


def test_the_same_setting_of_many_partitions_is_told_once(lineage: Lineage) -> None:
    found = diff(chain(40, {"scale": 1}), chain(40, {"scale": 2}), LedgerRecords(lineage))
    assert [tuple(each) for each in found.settings] == [("toy/table", "scale", 1, 2, 40)]


def test_environment_of_the_models_own_steps(lineage: Lineage) -> None:
    before, after = chain(2, {}), chain(2, {}, python="3.0", packages={"numpy": "1"}, git_commit="c" * 40)
    found = diff(before, after, LedgerRecords(lineage))
    assert [each.what for each in found.environment][:2] == ["python", "package numpy"]
    assert not [each for each in found.environment if each.what == "git commit"]
    assert found.commits[1] == ["c" * 40 + (" with uncommitted changes" if environment().git_dirty else "")]


def chain(count: int, config: Mapping[str, Any], **where: Any) -> Chain:
    """A chain of ``count`` tables and a checkpoint, without a home."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    about = environment().model_copy(update=where)
    steps: list[Step] = []

    def add(key: str, partition: str | None, inputs: list[InputRef], facts: dict[str, Any]) -> InputRef:
        made = Materialization(
            id=f"{len(steps):08d}-{hash(str(config)) & 0xFFFF}",
            kind="materialized",
            key=key,
            partition=partition,
            version=f"{key} {partition} {config}",
            files=[],
            inputs=inputs,
            code_version="1",
            config=dict(config) if key == "toy/table" else {},
            rows=10,
            facts=facts,
            environment=about,
            started=now,
            ended=now,
        )
        steps.append(Step(Standing(made, {}, {}), (), None, None))
        return InputRef(key=key, partition=partition, version=made.version, record=made.id)

    refs = [add("toy/table", str(number), [], {}) for number in range(count)]
    add("toy/checkpoint", "small|0", refs, {"spec_digest": "0", "ade": 1.0})
    return Chain(tuple(steps), (), Head(len(steps), ""))


def test_chains_of_thousands_are_compared_in_a_blink(lineage: Lineage) -> None:
    before, after = chain(4000, {"scale": 1}), chain(4000, {"scale": 2})
    started = time.process_time()
    found = diff(before, after, LedgerRecords(lineage))
    assert len(found.data) == 4000
    assert time.process_time() - started < 1.0
