"""`sport-assets gc`: frees what nothing kept stands on, never a link of a chain, and can be killed anywhere."""

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sport_assets.audit.collect import Keep, Plan, free, parse_age, plan
from sport_assets.audit.collect_training import finished_trainings, free_trainings
from sport_assets.audit.verify import Kind, verify
from sport_assets.cli import app
from sport_assets.lineage.errors import GateRefused, LineageError
from sport_assets.lineage.home import Home
from sport_assets.lineage.manifest import Collected, Withdrawn
from sport_assets.lineage.record import Lineage
from sport_assets_tests.audit.small_home import MODEL, build, copy, folder_of, train


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Three versions of a table: one that a model stands on, one that nothing stands on, and the newest."""
    home = build(tmp_path_factory.mktemp("built"))
    lineage = Lineage(home)
    for text in ("second", "third"):
        with lineage.record("toy/table", "w1", code_version=text) as record:
            record.read("toy/raw")
            record.output("table.txt").write_text(f"{text}\n")
            record.publish()
    lineage.close()
    return home


@pytest.fixture
def lineage(built: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lineage]:
    home = copy(built, tmp_path)
    monkeypatch.setenv("SPORT_ASSETS_HOME", str(home.root))
    monkeypatch.setenv("SPORT_ASSETS_DATA", str(home.data))
    opened = Lineage(home)
    yield opened
    opened.close()


def tables(lineage: Lineage) -> list[str]:
    """The first file's text of every version of the table that lies in the store."""
    return sorted(path.read_text().split("\n")[0] for path in lineage.home.store.glob("toy/table/w1/*/table.txt"))


def named(found: Plan) -> list[str]:
    return [each.name for each in found.free]


def test_only_what_nothing_stands_on_goes(lineage: Lineage) -> None:
    assert tables(lineage) == ["10,4.5", "second", "third"]
    chosen = plan(lineage, Keep())
    assert named(chosen) == ["toy/table:w1"] and chosen.bytes == len("second\n")
    assert tables(lineage) == ["10,4.5", "second", "third"]  # planning frees nothing
    assert free(lineage, Keep(), chosen) == len("second\n")
    assert tables(lineage) == ["10,4.5", "third"]
    event = lineage.ledger.event(lineage.ledger.entries(newest_first=True, limit=1)[0].id)
    assert isinstance(event, Collected) and event.version == chosen.free[0].folder.name
    assert verify(lineage.home).mismatches == []
    assert plan(lineage, Keep()).free == []


def test_a_link_of_a_chain_stays_and_the_model_that_stands_on_it_is_named(lineage: Lineage) -> None:
    [first] = [path.parent for path in lineage.home.store.glob("toy/table/w1/*/quarantine.txt")]
    with pytest.raises(LineageError, match=r"toy/table:w1 .* stays: toy/exported_model:sanity\|0, toy/model_card"):
        plan(lineage, Keep(), [str(first)])
    with pytest.raises(LineageError, match="what its partition gives today"):
        plan(lineage, Keep(), ["toy/lonely"])
    second = plan(lineage, Keep()).free[0].folder
    assert [each.folder for each in plan(lineage, Keep(), [str(second)]).free] == [second]


def test_without_its_model_a_chain_goes(lineage: Lineage) -> None:
    old = lineage.ledger.latest("toy/exported_model", "sanity|0")
    assert old is not None
    train(lineage, "better weights")
    assert named(plan(lineage, Keep())) == ["toy/table:w1"]  # the old model stays, with its table
    newest_only = Keep(models=False)
    freed = ["toy/exported_model:sanity|0", "toy/model_card:sanity|0", "toy/table:w1", "toy/table:w1"]
    assert sorted(named(plan(lineage, newest_only))) == freed
    card = lineage.ledger.entries(newest_first=False)
    old_card = next(row for row in card if row.key == "toy/model_card")
    for key, version in ((old.key, old.version), (old_card.key, old_card.version)):
        lineage.ledger.append(Withdrawn(key=key, partition="sanity|0", version=version, by="ada", reason="licence"))
    assert sorted(named(plan(lineage, Keep()))) == freed
    free(lineage, Keep(), plan(lineage, Keep()))
    assert verify(lineage.home).errors == [] and verify(lineage.home, MODEL).errors == []
    with pytest.raises(GateRefused):
        lineage.read_record(old.id)


def test_what_is_young_stays(lineage: Lineage) -> None:
    assert named(plan(lineage, Keep(older_than=timedelta(hours=1)))) == []
    assert parse_age("30d") == parse_age("30") == timedelta(days=30)
    assert (parse_age("2w"), parse_age("12h")) == (timedelta(weeks=2), timedelta(hours=12))
    for wrong in ("", "d", "1m", "-3d", "x"):
        with pytest.raises(LineageError, match="days"):
            parse_age(wrong)


def test_what_killed_processes_left_goes(lineage: Lineage) -> None:
    unrecorded = lineage.home.store / "toy/lonely/_" / ("f" * 64)
    staged = lineage.store.staging / "0123"
    for folder in (unrecorded, staged):
        folder.mkdir(parents=True)
        (folder / "x").write_text("x" * 100)
    chosen = plan(lineage, Keep())
    assert {each.folder for each in chosen.free if each.identity is None} == {unrecorded, staged}
    assert free(lineage, Keep(), chosen) == 200 + len("second\n")
    assert not unrecorded.exists() and list(lineage.store.staging.iterdir()) == []
    assert verify(lineage.home).mismatches == []


def test_nothing_goes_while_something_is_made(lineage: Lineage) -> None:
    chosen = plan(lineage, Keep())
    with lineage.record("toy/slow", code_version="1") as record:
        assert named(plan(lineage, Keep())) == ["toy/table:w1"]  # what is being made is no leftover
        with pytest.raises(LineageError, match="1 materializations are in progress"):
            free(lineage, Keep(), chosen)
        record.output("x").write_text("x")
        record.publish()
    assert tables(lineage) == ["10,4.5", "second", "third"]


def test_what_came_to_stand_on_it_since_keeps_it(lineage: Lineage) -> None:
    chosen = plan(lineage, Keep())
    with lineage.record("toy/reader", code_version="1") as record:
        record.read_version("toy/table", chosen.free[0].folder.name)
        record.output("x").write_text("x")
        record.publish()
    assert free(lineage, Keep(), chosen) == 0
    assert tables(lineage) == ["10,4.5", "second", "third"]


KILLED = """
import os, sys
from pathlib import Path
import sport_assets.audit.collect as collect
import sport_assets.lineage.store as store
from sport_assets.lineage.home import Home
from sport_assets.lineage.record import Lineage

def die(*arguments, **options):
    os._exit(9)

where = sys.argv[3]
if where == "before the renaming":
    os.rename = die
elif where == "before the deletion":
    collect.sync = die
else:
    store.shutil.rmtree = lambda folder: (next(folder.rglob("*.txt")).unlink(), die())
lineage = Lineage(Home(root=Path(sys.argv[1]), data=Path(sys.argv[2])))
keep = collect.Keep()
collect.free(lineage, keep, collect.plan(lineage, keep))
"""


@pytest.mark.parametrize("where", ["before the renaming", "before the deletion", "amid the deletion"])
def test_killed_anywhere_nothing_half_deleted_looks_whole_and_the_next_run_ends_it(
    lineage: Lineage, where: str
) -> None:
    home = lineage.home
    lineage.close()
    done = subprocess.run([sys.executable, "-c", KILLED, str(home.root), str(home.data), where], timeout=60)
    assert done.returncode == 9
    found = verify(home)
    assert found.errors == [], [each.lines() for each in found.errors]
    there = len(list(home.store.glob("toy/table/w1/*")))
    assert there == (3 if where == "before the renaming" else 2)
    assert [each.kind for each in found.notes] == ([Kind.VERSION_COLLECTED] if there == 3 else [])
    again = Lineage(home)
    records = again.ledger.head().seq
    free(again, Keep(), plan(again, Keep()))
    assert tables(again) == ["10,4.5", "third"] and list(again.store.staging.iterdir()) == []
    assert again.ledger.head().seq == records  # it was recorded once, before
    assert verify(home).mismatches == []
    again.close()


def test_a_freed_version_comes_back_when_it_is_made_again(lineage: Lineage) -> None:
    free(lineage, Keep(), plan(lineage, Keep()))
    with lineage.record("toy/table", "w1", code_version="second") as record:
        record.read("toy/raw")
        record.output("table.txt").write_text("second\n")
        record.publish()
    assert lineage.read("toy/table", "w1").path("table.txt").read_text() == "second\n"
    assert verify(lineage.home).mismatches == []


def test_working_files_of_finished_trainings(lineage: Lineage) -> None:
    home, long_ago = lineage.home, (datetime.now(UTC) - timedelta(days=40)).timestamp()
    made = {
        "done": "result.json lease.json",
        "cut": "last.ckpt",
        "held": "result.json lease.json",
        "fresh": "result.json",
    }
    for name, files in made.items():
        folder = home.training / name
        folder.mkdir(parents=True)
        for file in files.split():
            (folder / file).write_text("x" * 50)
            if name != "fresh":
                os.utime(folder / file, (long_ago, long_ago))
        if name != "fresh":
            os.utime(folder, (long_ago, long_ago))
    with (home.training / "held/lease.json").open() as lease:
        fcntl.flock(lease, fcntl.LOCK_EX)
        found = finished_trainings(home, timedelta(days=30))
        assert [(each.folder.name, each.bytes) for each in found] == [("done", 100)]
        assert free_trainings(found) == 100
    assert sorted(path.name for path in home.training.iterdir()) == ["cut", "fresh", "held"]
    (home.training / ".freed-x").mkdir()  # an earlier run was cut off
    assert ".freed-x" in [each.folder.name for each in finished_trainings(home, timedelta(days=30))]


def test_the_command_lists_and_frees_only_when_told(lineage: Lineage) -> None:
    def run(*arguments: str) -> str:
        done = CliRunner().invoke(app, ["gc", *arguments])
        assert done.exit_code == 0, done.output
        return done.stdout

    listed = json.loads(run("--keep-models", "--json"))
    [version] = listed["versions"]
    assert (version["asset"], version["partition"], listed["applied"]) == ("toy/table", "w1", False)
    assert listed["freed_bytes"] == 0 and listed["bytes"] == len("second\n") and listed["models"] == 2
    assert "add --apply" in run("--keep-models") and "toy/table:w1" in run()
    assert tables(lineage) == ["10,4.5", "second", "third"]
    assert json.loads(run("--older-than", "30d", "--apply", "--json"))["freed_bytes"] == 0
    assert "freed 0.0 MB" in run("--keep-models", "--apply")
    assert tables(lineage) == ["10,4.5", "third"]
    refused = CliRunner().invoke(app, ["gc", str(folder_of(lineage.home, "toy/raw", "w1")), "--apply"])
    assert refused.exit_code == 1 and "would break the chain" in refused.output
