"""`sport-assets verify`: exit codes, JSON, the head as printed, homes in odd states, a home that is being written."""

import json
import shutil
import sqlite3
import threading
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from sport_assets.audit.integrity.hashing import hash_files
from sport_assets.audit.verify import KeptHead, Kind, verify
from sport_assets.cli import app
from sport_assets.lineage.errors import LineageError
from sport_assets.lineage.home import Home
from sport_assets.lineage.manifest import Collected
from sport_assets.lineage.record import Lineage
from sport_assets_tests.audit.small_home import CARD, MODEL, build, copy, folder_of, record_of, record_paths, write


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return build(tmp_path_factory.mktemp("untouched"))


@pytest.fixture
def home(untouched: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    copied = copy(untouched, tmp_path)
    monkeypatch.setenv("SPORT_ASSETS_HOME", str(copied.root))
    monkeypatch.setenv("SPORT_ASSETS_DATA", str(copied.data))
    return copied


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def test_untouched_is_exit_code_0_and_changed_is_1(home: Home) -> None:
    for target in ("--all", MODEL, CARD, str(folder_of(home, "toy/exported_model", "sanity|0"))):
        done = run("verify", target)
        assert done.exit_code == 0 and "all as recorded" in done.stdout, done.output
    write(folder_of(home, "toy/table", "w1") / "table.txt", b"x")
    done = run("verify", MODEL)
    assert done.exit_code == 1
    assert "error file altered" in done.stdout and "1 mismatch" in done.stdout
    assert "stand on it: toy/exported_model:sanity|0" in done.stdout


def test_json_says_the_same(home: Home) -> None:
    shown = json.loads(run("verify", "--all", "--json").stdout)
    assert shown["ok"] and shown["mismatches"] == [] and shown["target"] is None
    assert (shown["records"], shown["versions"], shown["files"], shown["raw_files"]) == (8, 7, 10, 2)
    path = folder_of(home, "toy/table", "w1") / "table.txt"
    write(path, b"x")
    done = run("verify", MODEL, "--json")
    [mismatch] = json.loads(done.stdout)["mismatches"]
    assert done.exit_code == 1 and mismatch["place"] == str(path) and mismatch["kind"] == "file altered"
    assert [name.split()[0] for name in mismatch["models"]] == [MODEL, CARD]
    assert "after" in mismatch["since"] and "by" in mismatch["since"]


def test_the_head_is_taken_as_it_was_printed(home: Home) -> None:
    printed, as_json = run("ledger", "head").stdout, run("ledger", "head", "--json").stdout
    number, digest = printed.split()
    for given in (printed, as_json, f"{number}:{digest}", digest):
        done = run("verify", "--all", "--head", given)
        assert done.exit_code == 0 and "and the chain with the kept head" in done.stdout, done.output
    done = run("verify", "--all", "--head", f"{number} {'0' * 64}")
    assert done.exit_code == 1 and "chain departs from the kept head" in done.stdout
    done = run("verify", "--all", "--head", f"{int(number) + 1} {digest}")
    assert done.exit_code == 1 and "chain is shorter than the kept head" in done.stdout
    assert run("verify", "--all", "--head", "12").exit_code == 2
    for wrong in ("", "x", "{}", digest[:20]):
        with pytest.raises(LineageError, match="ledger head"):
            KeptHead.parse(wrong)


def test_what_cannot_be_asked_is_said(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("verify").exit_code == 2 and run("verify", MODEL, "--all").exit_code == 2
    done = run("verify", "toy/nothing:x")
    assert done.exit_code == 2 and "nothing was recorded under this name" in done.output
    for unknown in ("abcdef", "xyz", str(tmp_path)):
        assert run("verify", unknown).exit_code == 2
    (tmp_path / "model.onnx").write_text("another")
    assert "altered, or made elsewhere" in run("verify", str(tmp_path / "model.onnx")).output
    assert "goes with a bundle" in run("verify", "--all", "--key", "x.pub").output
    monkeypatch.setenv("SPORT_ASSETS_HOME", str(tmp_path / "none"))
    assert "has no records" in run("verify", "--all").output


def test_a_digest_of_a_version_or_a_file_names_a_model(home: Home, tmp_path: Path) -> None:
    _, made = record_of(home, "toy/exported_model", "sanity|0")
    onnx = next(file for file in made["files"] if file["path"] == "model.onnx")
    for named in (made["version"], made["version"][:10], onnx["sha256"][:16], made["id"]):
        assert verify(home, named).target == MODEL
    shutil.copytree(folder_of(home, "toy/exported_model", "sanity|0"), tmp_path / "elsewhere")
    assert verify(home, str(tmp_path / "elsewhere")).target == MODEL


def test_a_ledger_that_refuses_to_open_is_told_and_the_rest_is_compared(home: Home) -> None:
    home.ledger.write_bytes(b"garbage" * 500)
    write(folder_of(home, "toy/table", "w1") / "table.txt", b"x")
    found = verify(home)
    assert {each.kind for each in found.errors} == {Kind.LEDGER_DAMAGED, Kind.FILE_ALTERED}
    [altered] = [each for each in found.errors if each.kind == Kind.FILE_ALTERED]
    assert [name.split()[0] for name in altered.models] == [MODEL, CARD]
    with pytest.raises(LineageError, match="verify --all"):
        verify(home, MODEL)


def test_a_write_ahead_log_left_by_a_kill_is_read(home: Home, tmp_path: Path) -> None:
    """Copied while a process has it open: the newest entries are in the log alone, and SQLite's shared file is gone."""
    lineage = Lineage(home)
    with lineage.record("toy/later", code_version="1") as record:
        record.output("x").write_text("x")
        record.publish()
    (tmp_path / "copied").mkdir()
    there = copy(home, tmp_path / "copied")
    lineage.close()
    there.ledger.with_name("ledger.sqlite-shm").unlink()
    assert there.ledger.with_name("ledger.sqlite-wal").stat().st_size
    found = verify(there)
    assert found.mismatches == [] and found.records == 9
    assert not there.ledger.with_name("ledger.sqlite-shm").exists()


def test_the_index_of_an_older_version_is_understood(home: Home) -> None:
    for path in record_paths(home)[2:]:  # what is left has no row index
        path.unlink()
    for path in (home.records / "rows").iterdir():
        path.unlink()
    shutil.rmtree(home.store / "toy" / "lonely")
    lineage_free = sqlite3.connect(home.ledger)
    with lineage_free:
        for table in ("entries", "inputs", "files"):
            lineage_free.execute(f"DELETE FROM {table} WHERE seq > 1")
        lineage_free.execute("DROP TABLE rows")
        lineage_free.execute("DROP INDEX ix_entries_row_index")
        lineage_free.execute("ALTER TABLE entries DROP COLUMN row_index")
    lineage_free.close()
    record_paths(home)[1].unlink()
    assert verify(home).errors == []


def test_nothing_is_found_while_a_home_is_written(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sport_assets.audit.verify._SETTLING_S", 0.05)
    stop = threading.Event()

    def write_on() -> None:
        lineage = Lineage(home)
        number = 0
        while not stop.is_set() and number < 3000:
            number += 1
            with lineage.record("toy/stream", f"p{number}", code_version="1") as record:
                record.output("x").write_text(str(number))
                record.publish()
        lineage.close()

    writer = threading.Thread(target=write_on)
    writer.start()
    try:
        counts = set()
        for _ in range(8):
            found = verify(home)
            assert found.errors == [], [each.lines() for each in found.errors]
            counts.add(found.records)
        assert len(counts) > 2
    finally:
        stop.set()
        writer.join()
    assert verify(home).mismatches == []


def test_freed_versions_are_not_missed(home: Home) -> None:
    folder = folder_of(home, "toy/lonely")
    lineage = Lineage(home)
    lineage.ledger.append(Collected(key="toy/lonely", partition=None, version=folder.name, reason="room"))
    [note] = verify(home).mismatches
    assert note.kind == Kind.VERSION_COLLECTED and note.severity == "note"
    folder.chmod(0o755)
    shutil.rmtree(folder)
    assert verify(home).mismatches == []
    with lineage.record("toy/lonely", code_version="1") as record:  # made again since: it has to be there
        record.output("lonely.txt").write_text("nothing stands on this\n")
        record.publish()
    folder.chmod(0o755)
    shutil.rmtree(folder)
    assert [each.kind for each in verify(home).errors] == [Kind.VERSION_MISSING]
    lineage.close()


def test_hashing_tells_how_far_it_is_and_what_it_could_not_read(tmp_path: Path) -> None:
    paths = [tmp_path / str(number) for number in range(5)]
    for number, path in enumerate(paths):
        path.write_bytes(b"x" * number * 1000)
    told: list[tuple[int, int]] = []
    sizes = {str(path): path.stat().st_size for path in paths}
    found = hash_files(sizes | {str(tmp_path / "gone"): 0}, progress=lambda done, total: told.append((done, total)))
    assert told[0] == (0, 10_000) and told[-1] == (10_000, 10_000)
    assert isinstance(found[str(tmp_path / "gone")], FileNotFoundError) and len(set(map(str, found.values()))) == 6
