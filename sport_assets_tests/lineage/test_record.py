"""One materialization: read through the gate, write aside, publish all or nothing."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from sport_assets.lineage.checks import CheckResult
from sport_assets.lineage.digest import canonical_json
from sport_assets.lineage.errors import GateRefused, LineageError, RawFileChanged, StoreDamaged
from sport_assets.lineage.ledger import ENTRIES
from sport_assets.lineage.manifest import Materialization
from sport_assets.lineage.record import Lineage
from sport_assets_tests.lineage.conftest import Publish


def _files(lineage: Lineage) -> list[str]:
    return sorted(p.name for p in lineage.home.store.rglob("*") if p.is_file())


def test_a_record_says_what_it_came_from(lineage: Lineage, publish: Publish) -> None:
    source = publish("nfl/tracking", "2023-w01")
    with lineage.record(
        "nfl/tensors", "2023-w01", code_version="abc", config={"frames": 20}, seed=7, run_id="run"
    ) as record:
        found = record.read("nfl/tracking")
        record.output("deep/er/t.bin").write_bytes(found.path("data.txt").read_bytes())
        record.check(CheckResult("whole", True))
        record.quarantined(3)
        record.device, record.threads = "cuda:0", 4
        made = record.publish(rows=5, facts={"plays": 2}).materialization
    assert [(r.key, r.partition, r.version, r.record) for r in made.inputs] == [
        ("nfl/tracking", "2023-w01", source.materialization.version, source.materialization.id)
    ]
    assert (made.code_version, made.config, made.seed, made.run_id) == ("abc", {"frames": 20}, 7, "run")
    assert (made.rows, made.quarantined_rows, made.facts) == (5, 3, {"plays": 2})
    assert (made.environment.device, made.environment.threads) == ("cuda:0", 4)
    assert made.environment.packages["sqlalchemy"] and made.started <= made.ended
    assert [f.path for f in made.files] == ["deep/er/t.bin"] and made.checks[0].name == "whole"
    assert lineage.ledger.event(made.id) == made


@pytest.mark.parametrize("failure", [RuntimeError("x"), KeyboardInterrupt()])
def test_a_failed_or_cancelled_body_leaves_nothing(lineage: Lineage, failure: BaseException) -> None:
    with pytest.raises(type(failure)), lineage.record("nfl/table", code_version="1") as record:
        record.output("half").write_bytes(b"x")
        raise failure
    assert not lineage.ledger.entries() and not _files(lineage) and not list(lineage.store.staging.iterdir())
    with pytest.raises(GateRefused, match=r"nothing was published yet.*sport-assets build nfl/table"):
        lineage.read("nfl/table")


@pytest.mark.parametrize("failure", [OSError("disk full"), KeyboardInterrupt()])
def test_a_record_that_cannot_be_entered_is_not_adopted_later(
    lineage: Lineage, publish: Publish, monkeypatch: pytest.MonkeyPatch, failure: BaseException
) -> None:
    """The caller was told that it failed: nothing of it may turn up with the next append."""
    publish("nfl/table", text="old")

    def fail(*_: Any) -> None:
        raise failure

    with monkeypatch.context() as patch:
        patch.setattr(lineage.ledger, "_insert", fail)
        with pytest.raises(type(failure)):
            publish("nfl/table", text="new")
    assert lineage.read("nfl/table").path("data.txt").read_text(encoding="utf-8") == "old"
    publish("nfl/other")
    assert [row.key for row in lineage.ledger.entries()] == ["nfl/table", "nfl/other"]
    assert len(list(lineage.home.records.glob("*/*.json"))) == 2


def test_a_body_that_does_not_publish_is_an_error(lineage: Lineage) -> None:
    with pytest.raises(LineageError, match="without publishing"), lineage.record("nfl/table", code_version="1"):
        pass
    assert not lineage.ledger.entries()


def test_nothing_can_be_added_after_publishing(lineage: Lineage, publish: Publish, tmp_path: Path) -> None:
    publish("nfl/source")
    with lineage.record("nfl/table", code_version="1") as record:
        record.output("a").write_bytes(b"a")
        record.publish()
        for late in (
            lambda: record.read("nfl/source"),
            lambda: record.check(CheckResult("late", False)),
            lambda: record.output("b"),
            lambda: record.take_folder(tmp_path),
            lambda: record.quarantined(1),
            lambda: record.publish(),
        ):
            with pytest.raises(LineageError, match="already published"):
                late()
    assert len(lineage.ledger.entries()) == 2


def test_the_same_bytes_only_add_a_record(publish: Publish, lineage: Lineage) -> None:
    first, second = publish("nfl/table"), publish("nfl/table")
    assert first.materialization.version == second.materialization.version and first.folder == second.folder
    assert first.materialization.id != second.materialization.id
    assert len(list(first.folder.parent.iterdir())) == 1 and lineage.ledger.head().seq == 2


def test_a_check_twice_is_an_error(publish: Publish) -> None:
    with pytest.raises(LineageError, match="noted twice"):
        publish("nfl/table", checks=[CheckResult("a", True), CheckResult("a", False)])


def test_two_versions_of_one_partition_are_both_noted(lineage: Lineage, publish: Publish) -> None:
    old = publish("nfl/table", text="old")
    with lineage.record("nfl/compare", code_version="1") as record:
        record.read("nfl/table")
        new = publish("nfl/table", text="new")
        record.read("nfl/table")
        record.output("a").write_bytes(b"a")
        made = record.publish().materialization
    assert {ref.version for ref in made.inputs} == {old.materialization.version, new.materialization.version}


@pytest.mark.parametrize("facts", [{"rows": object()}, {"x": {1, 2, object()}}])
def test_what_cannot_be_recorded_is_refused_before_anything_is_visible(lineage: Lineage, facts: dict[str, Any]) -> None:
    with (
        pytest.raises(LineageError, match="cannot be recorded as JSON"),
        lineage.record("nfl/table", code_version="1") as record,
    ):
        record.output("a").write_bytes(b"a")
        record.publish(facts=facts)
    assert not _files(lineage) and not lineage.ledger.entries()


def test_a_configuration_that_is_not_json_is_refused_at_once(lineage: Lineage) -> None:
    for config in ({"a": float("nan")}, {"a": Path("x")}):
        with pytest.raises((TypeError, ValueError)), lineage.record("nfl/table", code_version="1", config=config):
            pytest.fail("the body must not run")


def test_nan_stays_readable_in_a_record(lineage: Lineage) -> None:
    with lineage.record("nfl/table", code_version="1") as record:
        record.output("a").write_bytes(b"a")
        record.check(CheckResult("finite", True, sample=[{"x": float("nan"), "y": float("-inf")}]))
        made = record.publish(facts={"loss": float("nan")}).materialization
    again = lineage.ledger.event(made.id)
    assert isinstance(again, Materialization)
    assert again.facts == {"loss": "NaN"} and again.checks[0].sample == [{"x": "NaN", "y": "-Infinity"}]


def test_versions_by_digest(lineage: Lineage, publish: Publish) -> None:
    old = publish("nfl/table", text="old").materialization
    new = publish("nfl/table", text="new").materialization
    assert lineage.read_version("nfl/table", old.version[:10]).materialization == old
    assert lineage.read("nfl/table").materialization == new
    with pytest.raises(GateRefused, match="none of its versions"):
        lineage.read_version("nfl/table", "f" * 64 if not old.version.startswith("f") else "0" * 64)
    with pytest.raises(GateRefused, match="2 of its versions"):
        lineage.read_version("nfl/table", "")
    with pytest.raises(GateRefused, match="none of its versions"):
        lineage.read_version("nfl/table", "%")


def test_files_that_are_gone_are_said_to_be(lineage: Lineage, publish: Publish) -> None:
    made = publish("nfl/table")
    with pytest.raises(StoreDamaged, match="missing from its published version"):
        lineage.read("nfl/table").path("other")
    made.folder.rename(made.folder.with_name("aside"))
    with pytest.raises(GateRefused, match="its files are gone"):
        lineage.read("nfl/table")


def test_a_published_version_can_be_taken_whole(lineage: Lineage, publish: Publish) -> None:
    """Its folder is read-only, the copy must not be: more is written to it, and it is renamed."""
    source = publish("nfl/table")
    with lineage.record("nfl/copy", code_version="1") as record:
        record.take_folder(source.folder)
        assert record.folder.stat().st_mode & 0o200
        record.output("more").write_bytes(b"m")
        made = record.publish()
    assert [f.path for f in made.materialization.files] == ["data.txt", "more"]
    assert (source.folder / "data.txt").exists()


# -- raw files ----------------------------------------------------------------------------------------------------


def _raw(lineage: Lineage, text: str = "a,b\n", *, old: bool = True) -> Path:
    path = lineage.home.data / "nfl" / "w01.csv"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    if old:
        os.utime(path, (1_600_000_000, 1_600_000_000))
    return path


def _register(lineage: Lineage) -> None:
    with lineage.record("nfl/raw", "w01", code_version="1") as record:
        record.register_raw(["nfl/w01.csv"])
        record.publish()


def test_raw_files_are_recorded_by_relative_path_and_digest(lineage: Lineage) -> None:
    _raw(lineage)
    _register(lineage)
    found = lineage.read("nfl/raw", "w01")
    listing = json.loads(found.path("raw_files.json").read_text(encoding="utf-8"))
    assert listing == [found.materialization.raw_files[0].model_dump()] and listing[0]["path"] == "nfl/w01.csv"
    assert canonical_json(listing) + "\n" == found.path("raw_files.json").read_text(encoding="utf-8")
    assert found.raw_path("w*.csv") == lineage.home.data / "nfl" / "w01.csv"
    with pytest.raises(LineageError, match="0 raw files"):
        found.raw_path("other*")


def test_raw_files_of_which_a_version_is_a_part_are_recorded_and_are_no_content_of_it(lineage: Lineage) -> None:
    versions = []
    for text in ("a,b\n", "a,b\nmore of another part\n"):
        path = _raw(lineage, text)
        with lineage.record("nfl/raw", "w01", code_version="1") as record:
            [file] = record.register_raw(["nfl/w01.csv"], listed=False)
            record.output("part.json").write_bytes(path.read_bytes()[:3])
            made = record.publish().materialization
        assert made.raw_files == [file] and [each.path for each in made.files] == ["part.json"]
        versions.append((made.version, file.sha256))
    assert versions[0][0] == versions[1][0] and versions[0][1] != versions[1][1]
    assert lineage.read("nfl/raw", "w01").raw_path("*").read_text() == text


@pytest.mark.parametrize("name", ["/etc/hostname", "../home/ledger.sqlite", "nfl/../../x", "nfl/missing.csv", "nfl"])
def test_raw_files_lie_below_the_data_folder(lineage: Lineage, name: str) -> None:
    _raw(lineage)
    with pytest.raises(LineageError, match="SPORT_ASSETS_DATA"):
        lineage.raw.register(name)


def test_a_raw_file_that_changed_since_is_refused(lineage: Lineage) -> None:
    _raw(lineage)
    _register(lineage)
    _raw(lineage, "c,d\n")
    with pytest.raises(RawFileChanged, match=r"changed since nfl/raw:w01 recorded it.*Materialize nfl/raw:w01 again"):
        lineage.read("nfl/raw", "w01").raw_path("*")


def test_a_raw_file_that_changes_while_it_is_read_stops_the_publishing(lineage: Lineage) -> None:
    _raw(lineage)
    _register(lineage)
    with (
        pytest.raises(RawFileChanged, match="changed while nfl/table read it"),
        lineage.record("nfl/table", "w01", code_version="1") as record,
    ):
        record.output("a").write_bytes(record.read("nfl/raw").raw_path("*").read_bytes())
        _raw(lineage, "c,d\n")
        record.publish()
    assert lineage.ledger.latest("nfl/table", "w01") is None and not list(lineage.home.store.glob("nfl/table/*"))


def test_a_raw_file_that_changes_while_it_is_hashed_is_refused(lineage: Lineage) -> None:
    path = _raw(lineage)

    def change(_: Path) -> str:
        path.write_text("longer than before", encoding="utf-8")
        return "0" * 64

    lineage.raw._hasher = change
    with pytest.raises(RawFileChanged, match="while it was hashed"):
        lineage.raw.register("nfl/w01.csv")


def test_a_raw_file_is_hashed_once(lineage: Lineage, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _raw(lineage)
    monkeypatch.setattr("sport_assets.lineage.raw._SETTLED_NS", -1)  # as if it lay there for a while
    first = lineage.raw.register("nfl/w01.csv")
    lineage.raw._hasher = lambda _: pytest.fail("hashed again")
    assert lineage.raw.register("nfl/w01.csv") == first
    lineage.raw._hasher = lambda _: "1" * 64
    path.write_text("e,f\n", encoding="utf-8")  # same size
    os.utime(path, (1_600_000_000, 1_600_000_000))  # and the time set back: only the change time tells
    assert lineage.raw.register("nfl/w01.csv").sha256 == "1" * 64


def test_a_raw_file_that_is_still_warm_is_hashed_every_time(lineage: Lineage) -> None:
    """Within the clock's grain it could be written again and look the same."""
    path = _raw(lineage, old=False)
    before = lineage.raw.register("nfl/w01.csv")
    stat = path.stat()
    assert lineage.ledger.raw_digest("nfl/w01.csv", stat) is None
    path.write_text("x,y\n", encoding="utf-8")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert lineage.raw.register("nfl/w01.csv") != before


def test_ids_in_the_ledger_follow_the_files(lineage: Lineage, publish: Publish) -> None:
    made = publish("nfl/table").materialization
    row = lineage.ledger.entries(ENTRIES.c.id == made.id)[0]
    assert (lineage.home.records / row.file).is_file() and row.version == made.version
