"""Partitions that the raw files make: build, sensor and reproduction know them, and Dagster is told."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import dagster as dg
import pytest

from sport_assets.audit.chain import walk
from sport_assets.audit.records import LedgerRecords
from sport_assets.lineage.checks import CheckResult
from sport_assets.lineage.errors import LineageError
from sport_assets.lineage.home import Home
from sport_assets.lineage.record import Lineage
from sport_assets.lineage.store import Store
from sport_assets.orchestration.assets import asset
from sport_assets.orchestration.build import Builder, BuildError
from sport_assets.orchestration.checks import AssetChecks, Check
from sport_assets.orchestration.console import console_logger
from sport_assets.orchestration.instance import initialise, instance
from sport_assets.orchestration.likeness import IDENTICAL
from sport_assets.orchestration.recorded import Recorded
from sport_assets.orchestration.recording import LineageResource
from sport_assets.orchestration.reproduce import Reproduction
from sport_assets.orchestration.scratch import Scratch
from sport_assets.orchestration.sensors import raw_files_sensor
from sport_assets_tests.orchestration.toy_home import toy_home

CLIPS = dg.DynamicPartitionsDefinition(name="toy_clips")


def clips() -> list[str]:
    return sorted(path.stem for path in (Home.from_environment().data / "clips").glob("*.txt"))


@asset(
    "clips", description="raw", partitions_def=CLIPS, partition_keys=clips, raw_paths=lambda key: [f"clips/{key}.txt"]
)
def raw(context: dg.AssetExecutionContext, lineage: LineageResource) -> dg.MaterializeResult:
    with lineage.record(context) as record:
        record.register_raw([f"clips/{context.partition_key}.txt"])
        return record.publish()


def notes() -> list[str]:
    return sorted(path.stem for path in (Home.from_environment().data / "notes").glob("*.txt"))


@asset(
    "clips",
    description="of some clips",
    reads=["raw"],
    partitions_def=CLIPS,
    partition_keys=clips,
    raw_paths=lambda key: [f"notes/{key}.txt"] if key in notes() else [],
    raw_layout="notes/<clip>.txt",
    raw_optional=True,
    raw_samples=False,
)
def note(context: dg.AssetExecutionContext, lineage: LineageResource) -> dg.MaterializeResult:
    with lineage.record(context) as record:
        record.read("clips/raw")
        record.register_raw([f"notes/{context.partition_key}.txt"])
        return record.publish()


@asset("clips", description="all", reads=["raw", "note"])
def joined(context: dg.AssetExecutionContext, lineage: LineageResource) -> dg.MaterializeResult:
    with lineage.record(context) as record:
        texts = [record.read("clips/raw", key).raw_path("*.txt").read_text() for key in clips()]
        texts += [record.read("clips/note", key).raw_path("*.txt").read_text() for key in notes()]
        record.output("joined.txt").write_text("".join(texts))
        return record.publish()


DEFS = dg.Definitions(
    assets=[raw, note, joined], resources={"lineage": LineageResource()}, executor=dg.in_process_executor
)


@asset(
    "strict",
    name="raw",
    description="refuses what is bad",
    partitions_def=CLIPS,
    partition_keys=clips,
    raw_paths=lambda key: [f"clips/{key}.txt"],
)
def strict_raw(context: dg.AssetExecutionContext, lineage: LineageResource) -> dg.MaterializeResult:
    with lineage.record(context) as record:
        [file] = record.register_raw([f"clips/{context.partition_key}.txt"])
        if (Home.from_environment().data / file.path).read_text() == "bad":
            raise LineageError("bad.txt: this clip is bad. Mend it.")
        return record.publish()


SOUND = AssetChecks([Check("sound", "the clip is not worse")])


@asset(
    "strict",
    description="rejects what is worse",
    reads=["raw"],
    partitions_def=CLIPS,
    partition_keys=clips,
    checks=SOUND,
)
def checked(context: dg.AssetExecutionContext, lineage: LineageResource) -> dg.MaterializeResult:
    with lineage.record(context) as record:
        text = record.read("strict/raw").raw_path("*.txt").read_text()
        record.output("checked.txt").write_text(text)
        record.check(CheckResult("sound", text != "worse"))
        return record.publish()


@asset("strict", name="all", description="stands on all", reads=["checked"])
def strict_all(context: dg.AssetExecutionContext, lineage: LineageResource) -> dg.MaterializeResult:
    with lineage.record(context) as record:
        record.output("all.txt").write_text("".join(record.read("strict/checked", key).ref.version for key in clips()))
        return record.publish()


STRICT = dg.Definitions(
    assets=[strict_raw, checked, strict_all],
    resources={"lineage": LineageResource()},
    executor=dg.in_process_executor,
    loggers={"console": console_logger},
)


@asset(
    "loose",
    name="raw",
    description="may be absent altogether",
    partitions_def=CLIPS,
    partition_keys=clips,
    raw_paths=lambda key: [f"clips/{key}.txt"],
    raw_layout="clips/<clip>.txt",
    raw_optional=True,
    left_out=lambda: {path.name: "no text" for path in (Home.from_environment().data / "clips").glob("*.doc")},
)
def loose_raw(context: dg.AssetExecutionContext, lineage: LineageResource) -> dg.MaterializeResult:
    with lineage.record(context) as record:
        record.register_raw([f"clips/{context.partition_key}.txt"])
        return record.publish()


@asset("loose", name="next", description="of each clip", reads=["raw"], partitions_def=CLIPS, partition_keys=clips)
def loose_next(context: dg.AssetExecutionContext, lineage: LineageResource) -> dg.MaterializeResult:
    with lineage.record(context) as record:
        record.read("loose/raw")
        return record.publish()


@asset("loose", name="set", description="a folder of files", raw_paths=lambda _: sets(), raw_optional=True)
def loose_set(context: dg.AssetExecutionContext, lineage: LineageResource) -> dg.MaterializeResult:
    with lineage.record(context) as record:
        record.register_raw(sets())
        return record.publish()


def sets() -> list[str]:
    return sorted(f"sets/{path.name}" for path in (Home.from_environment().data / "sets").glob("*"))


@asset("loose", name="all", description="stands on all", reads=["next", "set"])
def loose_all(context: dg.AssetExecutionContext, lineage: LineageResource) -> dg.MaterializeResult:
    with lineage.record(context) as record:
        if not record.inner.lineage.ledger.latest("loose/raw", "a"):
            raise LineageError("nothing to stand on")
        return record.publish()


LOOSE = dg.Definitions(
    assets=[loose_raw, loose_next, loose_set, loose_all],
    resources={"lineage": LineageResource()},
    executor=dg.in_process_executor,
)
SENSOR = raw_files_sensor("clips", "clips/raw", settle_seconds=0.0)
LOOSE_SENSOR = raw_files_sensor("loose", "loose/raw", settle_seconds=0.0)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with toy_home(tmp_path, days=()) as toy:
        (toy.home.data / "clips").mkdir(parents=True)
        yield toy.home


def test_without_raw_files_there_is_nothing_to_build(home: Home) -> None:
    with pytest.raises(BuildError, match=r"none of its raw files are in .*: sport-assets sample-data clips"):
        Builder(DEFS, home).run("clips/joined", None)


def test_a_build_takes_up_what_there_is_and_tells_dagster(home: Home) -> None:
    for key in ("b", "a"):
        (home.data / "clips" / f"{key}.txt").write_text(key)
    made = [str(done.step) for done in Builder(DEFS, home).run("clips/joined", None).made()]
    assert made == ["clips/raw:a", "clips/raw:b", "clips/joined"]
    with instance(home) as dagster:
        assert set(dagster.get_dynamic_partitions("toy_clips")) == {"a", "b"}
    (home.data / "clips" / "c.txt").write_text("c")
    made = [str(done.step) for done in Builder(DEFS, home).run("clips/joined", None).made()]
    assert made == ["clips/raw:c", "clips/joined"]
    with pytest.raises(BuildError, match="has no partition 'd'; its partitions: a, b, c"):
        Builder(DEFS, home).run("clips/raw", "d")


def test_what_is_optional_is_taken_where_it_is(home: Home) -> None:
    for key in ("a", "b"):
        (home.data / "clips" / f"{key}.txt").write_text(key)
    report = Builder(DEFS, home).run("clips/joined", None)
    assert not report.skipped
    with pytest.raises(BuildError, match=r"clips/note: none of its raw files are in .*: notes/<clip>.txt") as said:
        Builder(DEFS, home).run("clips/note", None)
    assert "sample-data" not in str(said.value), "it makes no notes"
    (home.data / "notes").mkdir()
    (home.data / "notes" / "b.txt").write_text("!")
    made = [str(done.step) for done in Builder(DEFS, home).run("clips/joined", None).made()]
    assert made == ["clips/note:b", "clips/joined"]
    (home.data / "notes" / "b.txt").unlink()
    [done] = Builder(DEFS, home).run("clips/joined", None).made()
    assert done.reason == "input clips/note:b is gone"


def test_what_lies_there_and_cannot_be_taken_up_is_named_with_the_reason(home: Home) -> None:
    clips_folder = home.data / "clips"
    (clips_folder / "a.txt").write_text("a")
    (clips_folder / "gone.txt").symlink_to("nowhere.txt")
    (clips_folder / "b.doc").write_text("b")
    report = Builder(LOOSE, home).run("loose/next", None)
    assert [str(done.step) for done in report.made()] == ["loose/raw:a", "loose/next:a"]
    gone = "clips/gone.txt is a link to nowhere.txt, which is not there"
    assert report.skipped == {"loose/raw": ["gone", "b.doc"]}
    assert report.reasons == {"loose/raw": {"gone": gone, "b.doc": "no text"}}
    assert report.explained() == [f"skipped: loose/raw gone: {gone}", "skipped: loose/raw b.doc: no text"]
    one = Builder(LOOSE, home).run("loose/next", "a")
    assert not one.skipped and not one.reasons, "nobody asked for the others"
    with pytest.raises(BuildError, match=r"(?s)no partition 'b'; its partitions: a, gone\n.*b\.doc: no text"):
        Builder(LOOSE, home).run("loose/next", "b")


def test_where_nothing_can_be_taken_up_the_error_names_it_all(home: Home) -> None:
    (home.data / "clips" / "b.doc").write_text("b")
    with pytest.raises(
        BuildError, match=r"(?s)loose/raw: none of what is there .*\nskipped: loose/raw b\.doc: no text$"
    ):
        Builder(LOOSE, home).run("loose/next", None)
    for number in range(7):
        (home.data / "clips" / f"gone_{number}.txt").symlink_to("nowhere.txt")
    with pytest.raises(BuildError, match=r"(?s)none of what is there .* gone_5: .*\nskipped: loose/raw: 2 more$"):
        Builder(LOOSE, home).run("loose/next", None)
    with pytest.raises(BuildError, match=r"(?s)nothing to stand on\nskipped: loose/raw gone_0: "):
        Builder(LOOSE, home).run("loose/all", None)
    with pytest.raises(BuildError, match=r"(?s)loose/raw:gone_3: none of what is there .*gone_3\.txt is a link"):
        Builder(LOOSE, home).run("loose/next", "gone_3")


def test_an_optional_asset_without_partitions_is_not_left_out_for_one_missing_file(home: Home) -> None:
    (home.data / "sets").mkdir()
    (home.data / "sets" / "good.txt").write_text("good")
    (home.data / "sets" / "gone.txt").symlink_to("nowhere.txt")
    with pytest.raises(BuildError, match=r"loose/set: sets/gone\.txt is a link to nowhere\.txt, which is not there"):
        Builder(LOOSE, home).run("loose/all", None)


def test_the_sensor_names_what_it_cannot_take_up(home: Home, caplog: pytest.LogCaptureFixture) -> None:
    (home.data / "clips" / "b.doc").write_text("b")
    initialise(home)
    with instance(home) as dagster:
        nothing = LOOSE_SENSOR(dg.build_sensor_context(instance=dagster))
        (home.data / "clips" / "a.txt").write_text("a")
        context = dg.build_sensor_context(instance=dagster)
        context.log.addHandler(caplog.handler)
        something = LOOSE_SENSOR(context)
    assert isinstance(nothing, dg.SensorResult) and isinstance(something, dg.SensorResult)
    assert nothing.skip_reason is not None
    assert nothing.skip_reason.skip_message == "skipped: loose/raw b.doc: no text"
    assert [request.partition_key for request in something.run_requests or []] == ["a"]
    assert "skipped: loose/raw b.doc: no text" in caplog.text


def test_a_taken_away_clip_is_gone_from_what_stands_on_all(home: Home) -> None:
    for key in ("a", "b"):
        (home.data / "clips" / f"{key}.txt").write_text(key)
    Builder(DEFS, home).run("clips/joined", None)
    (home.data / "clips" / "a.txt").unlink()
    [done] = Builder(DEFS, home).run("clips/joined", None).made()
    assert done.reason == "input clips/raw:a is gone"


def test_a_clip_that_fails_stops_what_stands_on_it_and_no_other_clip(home: Home) -> None:
    (home.data / "notes").mkdir()
    for key in ("a", "bad", "c", "worse"):
        (home.data / "clips" / f"{key}.txt").write_text(key)
        (home.data / "notes" / f"{key}.txt").write_text("!")
    seen: list[str] = []
    with pytest.raises(BuildError) as raised:
        Builder(STRICT, home).run("strict/all", None, lambda step, *_: seen.append(str(step)))
    lines = str(raised.value).splitlines()
    assert lines[0] == "strict/raw:bad: bad.txt: this clip is bad. Mend it."
    assert lines[1].startswith("strict/checked:worse was rejected by its checks: sound")
    assert "2 of the partitions failed, 5 were made" in lines[2] and lines[2].count("strict/") == 2
    assert "strict/all, strict/checked" in lines[2]
    assert seen[-3:] == ["strict/checked:a", "strict/checked:c", "strict/checked:worse"], "all was not begun"
    for key in ("bad", "worse"):
        (home.data / "clips" / f"{key}.txt").write_text(f"{key} no more")
    made = [str(done.step) for done in Builder(STRICT, home).run("strict/all", None).made()]
    assert made == ["strict/raw:bad", "strict/raw:worse", "strict/checked:bad", "strict/checked:worse", "strict/all"]


def test_a_single_partition_fails_with_its_own_error_and_an_interruption_ends_it_all(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key in ("a", "bad"):
        (home.data / "clips" / f"{key}.txt").write_text(key)
    with pytest.raises(LineageError, match=r"^bad\.txt: this clip is bad"):
        Builder(STRICT, home).run("strict/raw", "bad")

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("sport_assets.orchestration.build.materialize", interrupted)
    seen: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        Builder(STRICT, home).run("strict/all", None, lambda step, *_: seen.append(str(step)))
    assert seen == ["strict/raw:a"]


def test_the_sensor_adds_the_key_and_asks_for_it(home: Home) -> None:
    (home.data / "clips" / "a.txt").write_text("a")
    Builder(DEFS, home).run("clips/raw", None)
    (home.data / "clips" / "b.txt").write_text("b")
    with instance(home) as dagster:
        result = SENSOR(dg.build_sensor_context(instance=dagster))
    assert isinstance(result, dg.SensorResult)
    assert [request.partition_key for request in result.run_requests or []] == ["b"]
    [request] = result.dynamic_partitions_requests or []
    assert (request.partitions_def_name, list(request.partition_keys)) == ("toy_clips", ["b"])


def test_a_file_that_was_just_written_to_is_waited_for(home: Home) -> None:
    (home.data / "clips" / "a.txt").write_text("a")
    Builder(DEFS, home).run("clips/raw", None)
    (home.data / "clips" / "b.txt").write_text("half")
    sensor = raw_files_sensor("clips", "clips/raw", settle_seconds=3600)
    with instance(home) as dagster:
        result = sensor(dg.build_sensor_context(instance=dagster))
    assert isinstance(result, dg.SensorResult)
    assert not result.run_requests


def test_it_is_made_again_from_its_record(home: Home, tmp_path: Path) -> None:
    (home.data / "clips" / "a.txt").write_text("a")
    Builder(DEFS, home).run("clips/joined", None)
    (home.data / "clips").rename(home.data / "elsewhere")
    with closing(Lineage(home)) as lineage:
        latest = lineage.ledger.latest("clips/joined", None)
        assert latest is not None
        chain = walk(LedgerRecords(lineage), latest.id)
    known = Recorded(chain, [Store(home.store)], home.records, home.data)
    result = Reproduction(DEFS, known, Scratch(tmp_path / "again", latest.id), [home.data / "elsewhere"]).run()
    assert {str(each.step): each.verdict for each in result.outcomes} == {
        "clips/raw:a": IDENTICAL,
        "clips/joined": IDENTICAL,
    }
