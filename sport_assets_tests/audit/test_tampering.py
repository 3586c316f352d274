"""What was tampered with is found and named; an untouched store is left in peace."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sport_assets.audit.verify import KeptHead, Kind, Mismatch, Verification, verify
from sport_assets.lineage.digest import folder_files, sha256_bytes, version_of
from sport_assets.lineage.home import Home
from sport_assets.lineage.ledger import Ledger
from sport_assets_tests.audit.small_home import (
    CARD,
    MODEL,
    build,
    copy,
    folder_of,
    forge_chain,
    record_of,
    record_paths,
    sql,
    write,
)


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return build(tmp_path_factory.mktemp("untouched"))


@pytest.fixture
def home(untouched: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setattr("sport_assets.audit.verify._SETTLING_S", 0.001)  # nobody writes here
    return copy(untouched, tmp_path)


def table(home: Home, week: str = "w1") -> Path:
    return folder_of(home, "toy/table", week) / "table.txt"


def model(home: Home) -> Path:
    return folder_of(home, "toy/exported_model", "sanity|0")


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    write(path, bytes(content))


def swap(one: Path, other: Path) -> None:
    first, second = one.read_bytes(), other.read_bytes()
    write(one, second)
    write(other, first)


def opened_up(folder: Path) -> Path:
    folder.chmod(0o755)
    return folder


# -- the store ------------------------------------------------------------------------------------------------------


def flip_keeping_the_time(home: Home) -> None:
    before = table(home).stat()
    flip(table(home))
    os.utime(table(home), ns=(before.st_atime_ns, before.st_mtime_ns))


def delete_file(home: Home) -> None:
    opened_up(table(home).parent)
    table(home).unlink()


def swap_files(home: Home) -> None:
    swap(model(home) / "model.onnx", model(home) / "pictures/loss.svg")


def add_file(home: Home) -> None:
    write(model(home) / "extra.bin", b"more")


def link_for_file(home: Home) -> None:
    path = table(home)
    target = home.root / "elsewhere"
    shutil.copy(path, target)
    opened_up(path.parent)
    path.unlink()
    path.symlink_to(target)


def folder_for_file(home: Home) -> None:
    path = table(home)
    opened_up(path.parent)
    path.unlink()
    path.mkdir()


def delete_version(home: Home) -> None:
    shutil.rmtree(opened_up(folder_of(home, "toy/table", "w2")))


def swap_versions(home: Home) -> None:
    one, other = opened_up(folder_of(home, "toy/table", "w1")), opened_up(folder_of(home, "toy/table", "w2"))
    aside = home.root / "aside"
    one.rename(aside)
    other.rename(one)
    aside.rename(other)


def link_for_version(home: Home) -> None:
    path = opened_up(folder_of(home, "toy/table", "w1"))
    path.rename(home.root / "moved")
    path.symlink_to(home.root / "moved")


# -- records --------------------------------------------------------------------------------------------------------


def edit_record(home: Home) -> None:
    path, content = record_of(home, "toy/exported_model", "sanity|0")
    path.write_text(json.dumps({**content, "seed": 1}, indent=1))


def edit_last_record(home: Home) -> None:
    path, content = record_of(home, "toy/lonely", None)
    path.write_text(json.dumps({**content, "seed": 1}, indent=1))


def edit_record_and_ledger(home: Home) -> None:
    path, _ = record_of(home, "toy/exported_model", "sanity|0")
    edit_record(home)
    sql(home, "UPDATE entries SET hash = ? WHERE id = ?", sha256_bytes(path.read_bytes()), path.stem)


def truncate_record(home: Home) -> None:
    path, _ = record_of(home, "toy/table", "w1")
    path.write_bytes(path.read_bytes()[:300])


def delete_record(home: Home) -> None:
    record_of(home, "toy/table", "w1")[0].unlink()


def delete_last_records(home: Home) -> None:
    for path in record_paths(home)[-2:]:
        path.unlink()


def delete_record_and_row(home: Home) -> None:
    path, _ = record_of(home, "toy/table", "w1")
    path.unlink()
    for table in ("inputs", "files"):
        sql(home, f"DELETE FROM {table} WHERE seq = (SELECT seq FROM entries WHERE id = ?)", path.stem)
    sql(home, "DELETE FROM entries WHERE id = ?", path.stem)


def add_record(home: Home) -> None:
    path, content = record_of(home, "toy/lonely", None)
    number = len(record_paths(home)) + 4
    forged = {**content, "id": f"{number:08d}-{'a' * 12}", "previous": "a" * 64}
    (path.parent / f"{forged['id']}.json").write_text(json.dumps(forged, indent=1))


def add_following_record(home: Home) -> None:
    path, content = record_of(home, "toy/lonely", None)
    head = sha256_bytes(path.read_bytes())
    forged = {**content, "id": f"{len(record_paths(home)) + 1:08d}-{head[:12]}", "previous": head}
    (path.parent / f"{forged['id']}.json").write_text(json.dumps(forged, indent=1))


def add_foreign_file(home: Home) -> None:
    (record_paths(home)[0].parent / "notes.txt").write_text("x")


def swap_records(home: Home) -> None:
    one, other = record_of(home, "toy/table", "w1")[0], record_of(home, "toy/table", "w2")[0]
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)


def rename_record(home: Home) -> None:
    path = record_of(home, "toy/table", "w1")[0]
    path.rename(path.with_name(f"{path.stem[:9]}{'b' * 12}.json"))


def other_genesis(home: Home) -> None:
    (home.records / "GENESIS").write_text("c" * 64)


def row_index(home: Home) -> Path:
    return home.records / "rows" / f"{record_of(home, 'toy/table', 'w1')[1]['row_index']}.json"


def wrong_version(home: Home) -> None:
    """A record whose version is not that of its files, in a chain and ledger that fit."""

    def change(content: dict[str, Any]) -> None:
        if content.get("key") == "toy/lonely":
            content["files"][0]["size"] += 1

    forge_chain(home, change)


# -- the ledger -----------------------------------------------------------------------------------------------------


def edit(column: str, value: str, key: str = "toy/table") -> Callable[[Home], None]:
    return lambda home: sql(
        home, f"UPDATE entries SET {column} = ? WHERE seq = (SELECT min(seq) FROM entries WHERE key = ?)", value, key
    )


def edit_subject(home: Home) -> None:
    sql(home, "UPDATE entries SET subject = ? WHERE kind = 'checked'", record_paths(home)[0].stem)


def drop_rows(home: Home) -> None:
    sql(home, "DELETE FROM entries WHERE seq > 6")


def garbage(home: Home) -> None:
    home.ledger.write_bytes(b"no database" * 1000)


def wrong_kept_digest(home: Home) -> None:
    ledger = Ledger(home)
    ledger.keep_raw_digest("toy/w1.csv", (home.data / "toy/w1.csv").stat(), "d" * 64)
    ledger.close()


def raw_behind_its_kept_digest(home: Home) -> None:
    """The bytes change, and the ledger is made to say that these times still mean the old digest."""
    path = home.data / "toy/w1.csv"
    old = sha256_bytes(path.read_bytes())
    flip(path)
    ledger = Ledger(home)
    ledger.keep_raw_digest("toy/w1.csv", path.stat(), old)
    ledger.close()


@dataclass(frozen=True)
class Case:
    """What is done; the kinds of error that it must be told as (these and no others); a part of a place named."""

    name: str
    act: Callable[[Home], object]
    kinds: set[Kind]
    place: Callable[[Home], object]
    models: bool = True


def data(name: str) -> Callable[[Home], Path]:
    return lambda home: home.data / name


def record_file(key: str, partition: str | None) -> Callable[[Home], Path]:
    return lambda home: record_of(home, key, partition)[0]


def in_table(name: str) -> Callable[[Home], str]:
    return lambda home: f"{home.ledger}, {name}"


W1 = record_file("toy/table", "w1")
LONELY = record_file("toy/lonely", None)
EXPORTED = record_file("toy/exported_model", "sanity|0")
CASES = [
    Case("flip a byte", lambda home: flip(table(home)), {Kind.FILE_ALTERED}, table),
    Case("flip a byte, keeping the time", flip_keeping_the_time, {Kind.FILE_ALTERED}, table),
    Case("truncate", lambda home: write(table(home), table(home).read_bytes()[:-3]), {Kind.FILE_ALTERED}, table),
    Case("empty", lambda home: write(table(home), b""), {Kind.FILE_ALTERED}, table),
    Case("append", lambda home: write(table(home), table(home).read_bytes() + b"x"), {Kind.FILE_ALTERED}, table),
    Case("delete a file", delete_file, {Kind.FILE_MISSING}, table),
    Case("add a file", add_file, {Kind.FILE_ADDED}, lambda home: model(home) / "extra.bin"),
    Case("swap two files of a version", swap_files, {Kind.FILE_SWAPPED}, lambda home: model(home) / "model.onnx"),
    Case("swap files of two versions", lambda home: swap(table(home), table(home, "w2")), {Kind.FILE_SWAPPED}, table),
    Case("a link for a file", link_for_file, {Kind.FILE_REPLACED}, table),
    Case("a folder for a file", folder_for_file, {Kind.FILE_REPLACED}, table),
    Case("delete a version", delete_version, {Kind.VERSION_MISSING}, lambda home: folder_of(home, "toy/table", "w2")),
    Case("swap two versions", swap_versions, {Kind.FILE_SWAPPED}, table),
    Case("a link for a version", link_for_version, {Kind.VERSION_MISSING}, lambda home: table(home).parent),
    Case("flip a byte of a raw file", lambda home: flip(home.data / "toy/w1.csv"), {Kind.RAW_ALTERED},
         data("toy/w1.csv")),
    Case("delete a raw file", lambda home: (home.data / "toy/w1.csv").unlink(), {Kind.RAW_MISSING}, data("toy/w1.csv")),
    Case("swap two raw files", lambda home: swap(home.data / "toy/w1.csv", home.data / "toy/w2.csv"),
         {Kind.RAW_ALTERED}, data("toy/w2.csv")),
    Case("a raw file and its kept digest", raw_behind_its_kept_digest, {Kind.RAW_ALTERED, Kind.RAW_DIGEST_WRONG},
         data("toy/w1.csv")),
    Case("a kept digest", wrong_kept_digest, {Kind.RAW_DIGEST_WRONG}, data("toy/w1.csv")),
    Case("edit a record", edit_record, {Kind.RECORD_ALTERED}, EXPORTED),
    Case("edit the last record", edit_last_record, {Kind.RECORD_ALTERED}, LONELY, models=False),
    Case("edit a record and its hash", edit_record_and_ledger, {Kind.CHAIN_BROKEN}, EXPORTED),
    Case("truncate a record", truncate_record, {Kind.RECORD_ALTERED}, W1),
    Case("delete a record", delete_record, {Kind.RECORD_MISSING}, W1),
    Case("delete the last records", delete_last_records, {Kind.RECORD_MISSING}, LONELY, models=False),
    Case("delete a record and its row", delete_record_and_row, {Kind.RECORD_MISSING}, lambda home: "record number 2"),
    Case("add a record", add_record, {Kind.RECORD_ADDED}, lambda home: "a" * 12, models=False),
    Case("add a record that follows", add_following_record, {Kind.RECORD_ADDED},
         lambda home: f"{len(record_paths(home)):08d}-", models=False),
    Case("add a file to the records", add_foreign_file, {Kind.RECORD_ADDED}, lambda home: "notes.txt", models=False),
    Case("swap two records", swap_records, {Kind.RECORD_SWAPPED}, lambda home: home.records),
    Case("rename a record", rename_record, {Kind.RECORD_SWAPPED, Kind.RECORD_MISSING}, lambda home: "b" * 12),
    Case("another start of the chain", other_genesis, {Kind.GENESIS_ALTERED}, lambda home: home.records / "GENESIS"),
    Case("no start of the chain", lambda home: (home.records / "GENESIS").unlink(), {Kind.GENESIS_MISSING},
         lambda home: home.records / "GENESIS", models=False),
    Case("edit a row index", lambda home: row_index(home).write_text("[]"), {Kind.ROW_INDEX_ALTERED}, row_index),
    Case("delete a row index", lambda home: row_index(home).unlink(), {Kind.ROW_INDEX_MISSING}, row_index),
    Case("a version that is not of its files", wrong_version, {Kind.VERSION_WRONG},
         lambda home: folder_of(home, "toy/lonely"), models=False),
    Case("ledger: a hash", edit("hash", "e" * 64), {Kind.LEDGER_ALTERED}, in_table("entries.hash")),
    Case("ledger: a version", edit("version", "e" * 64), {Kind.LEDGER_ALTERED}, in_table("entries.version")),
    Case("ledger: a key", edit("key", "toy/other"), {Kind.LEDGER_ALTERED}, in_table("entries.key")),
    Case("ledger: a kind", edit("kind", "rejected"), {Kind.LEDGER_ALTERED}, in_table("entries.kind")),
    Case("ledger: a time", edit("at", "2020-01-01T00:00:00+00:00"), {Kind.LEDGER_ALTERED}, in_table("entries.at")),
    Case("ledger: a file", edit("file", "2020/x.json"), {Kind.LEDGER_ALTERED}, in_table("entries.file")),
    Case("ledger: a number", edit("seq", "77"), {Kind.LEDGER_ALTERED}, in_table("")),
    Case("ledger: a row index", edit("row_index", "e" * 64), {Kind.LEDGER_ALTERED}, in_table("entries.row_index")),
    Case("ledger: a subject", edit_subject, {Kind.LEDGER_ALTERED}, in_table("entries.subject")),
    Case("ledger: an input less", lambda home: sql(home, "DELETE FROM inputs WHERE seq = 2"), {Kind.LEDGER_ALTERED},
         in_table("inputs")),
    Case("ledger: an input's version", lambda home: sql(home, "UPDATE inputs SET version = 'x' WHERE seq = 5"),
         {Kind.LEDGER_ALTERED}, in_table("inputs")),
    Case("ledger: a file's digest", lambda home: sql(home, "UPDATE files SET sha256 = 'x' WHERE path = 'model.onnx'"),
         {Kind.LEDGER_ALTERED}, in_table("files")),
    Case("ledger: a row of an index", lambda home: sql(home, "UPDATE rows SET value = '99' WHERE value = '10'"),
         {Kind.LEDGER_ALTERED}, in_table("rows of row index")),
    Case("ledger: an entry less", lambda home: sql(home, "DELETE FROM entries WHERE seq = 2"),
         {Kind.LEDGER_ALTERED}, W1),
    Case("ledger: its end cut off", drop_rows, {Kind.RECORD_ADDED, Kind.LEDGER_ALTERED}, LONELY, models=False),
    Case("ledger: gone", lambda home: home.ledger.unlink(), {Kind.LEDGER_MISSING}, lambda home: home.ledger,
         models=False),
    Case("ledger: garbage", garbage, {Kind.LEDGER_DAMAGED}, lambda home: home.ledger, models=False),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_tampering_is_found_and_named(home: Home, case: Case) -> None:
    place = str(case.place(home)) if case.place in (W1, LONELY, EXPORTED, table, row_index) else None
    case.act(home)
    place = place or str(case.place(home))
    before = disk(home)
    found = verify(home)
    assert {mismatch.kind for mismatch in found.errors} == case.kinds, told(found)
    named = [mismatch for mismatch in found.errors if place in mismatch.place]
    assert named, told(found)
    if case.models:
        assert any(name.startswith(MODEL) for mismatch in found.errors for name in mismatch.models), told(found)
        assert verify(home, MODEL).errors
    assert disk(home) == before


def test_an_untouched_store_is_left_in_peace(home: Home) -> None:
    before = disk(home)
    for target in (None, MODEL, CARD, "toy/lonely", str(model(home) / "model.onnx"), record_paths(home)[3].stem):
        found = verify(home, target)
        assert found.mismatches == [], told(found)
        assert found.versions and found.files and found.bytes
    assert disk(home) == before


def test_a_model_answers_for_its_own_chain_alone(home: Home) -> None:
    flip(folder_of(home, "toy/lonely") / "lonely.txt")
    assert verify(home, MODEL).mismatches == []
    flip(table(home, "w2"))
    [found] = verify(home, MODEL).errors
    assert found.place == str(table(home, "w2")) and found.name == "toy/table:w2"
    assert [name.split(" ")[0] for name in found.models] == [MODEL, CARD]
    assert len(verify(home).errors) == 2


def test_an_altered_model_is_found_by_its_place_and_a_copy_by_its_bytes(home: Home, tmp_path: Path) -> None:
    copied = tmp_path / "copied.onnx"
    shutil.copy(model(home) / "model.onnx", copied)
    assert verify(home, str(copied)).target == MODEL
    flip(model(home) / "model.onnx")
    [found] = verify(home, str(model(home) / "model.onnx")).errors
    assert found.kind == Kind.FILE_ALTERED


def test_since_when_it_can_have_happened(home: Home) -> None:
    flip_keeping_the_time(home)
    [found] = verify(home).errors
    _, made = record_of(home, "toy/table", "w1")
    assert found.good_until is not None and found.good_until.isoformat() == str(made["ended"]).replace("Z", "+00:00")
    assert found.changed_by is not None and abs(found.changed_by.timestamp() - table(home).stat().st_ctime) < 1e-3
    assert found.changed_by > found.good_until  # the modification time was set back, the change time was not


def test_a_raw_file_was_good_when_it_was_last_read_through_a_record(home: Home) -> None:
    flip(home.data / "toy/w1.csv")
    [found] = verify(home).errors
    _, reader = record_of(home, "toy/table", "w1")
    assert found.good_until is not None and found.good_until.isoformat() == str(reader["ended"]).replace("Z", "+00:00")
    assert found.name == "toy/raw:w1"


def test_expected_and_found_are_told(home: Home) -> None:
    expected = sha256_bytes(table(home).read_bytes())
    write(table(home), b"other")
    [found] = verify(home).errors
    assert (found.expected, found.found) == (expected, sha256_bytes(b"other"))
    text = "\n".join(found.lines())
    assert expected in text and sha256_bytes(b"other") in text
    assert "shorter than" in text and "stand on it: toy/" in text


# -- the head kept elsewhere ----------------------------------------------------------------------------------------


def head_of(home: Home) -> KeptHead:
    ledger = Ledger(home)
    found = ledger.head()
    ledger.close()
    return KeptHead(found.seq, found.hash)


def forge_everything(home: Home) -> None:
    """A table's whole version replaced, with manifest, chain and ledger: nothing contradicts anything."""
    old = table(home).parent
    opened_up(old)
    write(table(home), b"10,9.9\n11,9.9\n")
    files = folder_files(old)
    version = version_of(files)
    versions = {old.name: version}
    opened_up(old)
    old.rename(old.parent / version)

    def change(content: dict[str, Any]) -> None:
        if content.get("version") == old.name:
            content["version"] = version
            content["files"] = [file.model_dump() for file in files]
        for ref in content.get("inputs", []):
            ref["version"] = versions.get(ref["version"], ref["version"])

    forge_chain(home, change)
    opened_up(old.parent / version).chmod(0o555)


def test_a_consistent_forgery_departs_from_the_kept_head(home: Home) -> None:
    kept = head_of(home)
    forge_everything(home)
    assert verify(home).mismatches == []  # from within, nothing can be seen
    for head in (kept, KeptHead(None, kept.hash)):
        [found] = verify(home, head=head).errors
        assert found.kind == Kind.HEAD_DEPARTS and found.expected == kept.hash
    [found] = verify(home, MODEL, head=kept).errors
    assert f"record {kept.records} has another hash" in found.message


def test_a_chain_cut_short_is_shorter_than_the_kept_head(home: Home) -> None:
    kept = head_of(home)
    shutil.rmtree(opened_up(folder_of(home, "toy/lonely")))
    record_paths(home)[-1].unlink()
    home.ledger.unlink()
    Ledger(home).close()
    assert verify(home).errors == []
    [found] = verify(home, head=kept).errors
    assert found.kind == Kind.HEAD_AHEAD and "9 are there" not in found.message


def test_a_kept_head_stays_good_while_the_chain_grows(home: Home) -> None:
    path = record_paths(home)[3]
    kept = KeptHead(4, sha256_bytes(path.read_bytes()))
    genesis = KeptHead(0, (home.records / "GENESIS").read_text())
    for head in (kept, KeptHead(None, kept.hash), genesis, head_of(home)):
        assert verify(home, head=head).mismatches == []


# -- notes ----------------------------------------------------------------------------------------------------------


def notes(home: Home) -> list[Mismatch]:
    found = verify(home)
    assert found.errors == [], told(found)
    return found.notes


def test_what_is_worth_knowing_is_no_error(home: Home) -> None:
    table(home).chmod(0o644)
    unrecorded = folder_of(home, "toy/lonely").parent / ("f" * 64)
    unrecorded.mkdir()
    (record_paths(home)[0].parent / ".x.json.1234.tmp").write_text("torn")
    (home.records / "rows" / f"{'0' * 64}.json").write_text("[]")
    (home.store / "toy" / "readme.txt").write_text("x")
    kinds = sorted(note.kind for note in notes(home))
    assert kinds == sorted(
        [Kind.FILE_WRITABLE, Kind.VERSION_UNRECORDED, Kind.RECORD_STRAY, Kind.ROW_INDEX_UNRECORDED, Kind.STORE_STRAY]
    )


def grow(home: Home) -> Path:
    """An archive gets more rows and is taken up again; the model stays the one of the old rows."""
    from sport_assets.lineage.record import Lineage

    path = home.data / "toy/w1.csv"
    path.write_text("game,speed\n10,4.5\n11,6.0\n")
    lineage = Lineage(home)
    with lineage.record("toy/raw", "w1", code_version="1") as record:
        record.register_raw(["toy/w1.csv"])
        record.publish()
    lineage.close()
    return path


def test_new_raw_content_that_was_recorded_is_a_note_for_old_models_as_well(home: Home) -> None:
    old = record_of(home, "toy/raw", "w1")[1]["id"]
    grow(home)
    for found in (verify(home), verify(home, MODEL)):
        [note] = found.mismatches
        assert (note.kind, note.severity, note.name) == (Kind.RAW_SUPERSEDED, "note", "toy/raw:w1")
        assert note.record == old and [name.split(" ")[0] for name in note.models] == [MODEL, CARD]


def test_new_raw_content_is_no_excuse_for_what_came_after_it(home: Home) -> None:
    old = (home.data / "toy/w1.csv").read_bytes()
    flip(grow(home))
    for found in (verify(home), verify(home, MODEL)):
        assert {(each.kind, each.severity) for each in found.mismatches} == {(Kind.RAW_ALTERED, "error")}
    (home.data / "toy/w1.csv").write_bytes(old)  # what the model is of is there again, what was taken up since is not
    assert verify(home, MODEL).mismatches == []
    assert [each.kind for each in verify(home).errors] == [Kind.RAW_ALTERED]


def test_new_raw_content_of_which_only_the_ledger_tells_is_no_excuse(home: Home) -> None:
    path = home.data / "toy/w1.csv"
    flip(path)
    statement = "INSERT INTO files SELECT max(seq), 1, 'toy/w1.csv', ? FROM entries"
    sql(home, statement, sha256_bytes(path.read_bytes()))
    assert {each.kind for each in verify(home, MODEL).errors} == {Kind.RAW_ALTERED, Kind.LEDGER_ALTERED}


def test_a_record_that_took_up_new_raw_content_must_be_as_it_was_written(home: Home) -> None:
    grow(home)
    path, content = record_of(home, "toy/raw", "w1")
    write(path, json.dumps(content | {"code_version": "2"}).encode())
    assert {each.kind for each in verify(home, MODEL).errors} == {Kind.RAW_ALTERED, Kind.RECORD_ALTERED}


def disk(home: Home) -> dict[str, tuple[int, str]]:
    """All files with mode and digest: whoever looks for traces leaves none."""
    found = {}
    for root in (home.root, home.data):
        for path in sorted(root.rglob("*")):
            status = path.lstat()
            content = "" if path.is_dir() or path.is_symlink() else sha256_bytes(path.read_bytes())
            found[str(path)] = (status.st_mode, content)
    return found


def told(found: Verification) -> str:
    return "\n".join(line for mismatch in found.mismatches for line in mismatch.lines())


def test_there_are_enough_kinds() -> None:
    assert len(CASES) >= 25 and len({case.name for case in CASES}) == len(CASES)
