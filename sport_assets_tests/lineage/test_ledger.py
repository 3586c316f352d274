"""The chain: append, adopt, rebuild, and what becomes of a home that somebody or something has damaged."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from sport_assets.lineage.digest import sha256_bytes
from sport_assets.lineage.errors import ChainBroken, LedgerDamaged
from sport_assets.lineage.home import Home
from sport_assets.lineage.index import ENTRIES
from sport_assets.lineage.ledger import Ledger
from sport_assets.lineage.manifest import Withdrawn, parse_event
from sport_assets.lineage.record import Lineage
from sport_assets_tests.lineage.conftest import Publish

REPOSITORY = Path(__file__).resolve().parents[2]


def _say(ledger: Ledger, count: int, first: int = 0) -> None:
    for number in range(first, first + count):
        ledger.append(Withdrawn(key="nfl/table", partition=f"w{number}", by="Ada", reason="ré—son"))


def _records(home: Home) -> list[Path]:
    return sorted(home.records.glob("[0-9]*/*.json"), key=lambda path: path.name)


def _everything(home: Home) -> dict[str, bytes]:
    """Every record file, wherever it lies, and the index's entries."""
    files = {str(p.relative_to(home.records)): p.read_bytes() for p in home.records.rglob("*") if p.is_file()}
    if home.ledger.exists():
        engine = sa.create_engine(f"sqlite:///{home.ledger}")
        with engine.connect() as connection:
            files |= {f"entry {row.seq}": str(row).encode() for row in connection.execute(sa.select(ENTRIES))}
        engine.dispose()
    return files


def _drop_index(home: Home) -> None:
    for path in home.root.glob("ledger.sqlite*"):
        path.unlink()


@pytest.fixture
def written(place: Home) -> Home:
    """A closed home with five entries."""
    ledger = Ledger(place)
    _say(ledger, 5)
    ledger.close()
    return place


def test_every_record_names_the_hash_of_the_one_before(written: Home) -> None:
    files = _records(written)
    previous = (written.records / "GENESIS").read_text(encoding="utf-8")
    for number, path in enumerate(files, start=1):
        event = parse_event(path.read_bytes())
        assert event.previous == previous and event.id == path.stem == f"{number:08d}-{previous[:12]}"
        previous = sha256_bytes(path.read_bytes())
    assert tuple(Ledger(written).head()) == (5, previous)


def test_two_homes_have_different_chains(tmp_path: Path) -> None:
    heads = set()
    for name in ("one", "two"):
        ledger = Ledger(Home(tmp_path / name, tmp_path))
        heads.add(ledger.head().hash)
    assert len(heads) == 2


def test_rebuilding_gives_the_same_index(lineage: Lineage, publish: Publish) -> None:
    publish("nfl/a", "w01")
    publish("nfl/b", "w01", reads=[("nfl/a", "w01")])
    before, head = _everything(lineage.home), lineage.ledger.head()
    with lineage.ledger._engine.connect() as connection:
        tables = {name: connection.execute(sa.text(f"select * from {name}")).all() for name in ("inputs", "files")}
    lineage.ledger.rebuild()
    assert _everything(lineage.home) == before and lineage.ledger.head() == head
    lineage.close()
    _drop_index(lineage.home)
    anew = Ledger(lineage.home)
    assert anew.opened.adopted == [row.id for row in anew.entries()] and not anew.opened.orphaned
    assert _everything(lineage.home) == before
    with anew._engine.connect() as connection:
        assert tables == {n: connection.execute(sa.text(f"select * from {n}")).all() for n in ("inputs", "files")}


@pytest.mark.parametrize("leftover", ["-wal", "-shm"])
def test_an_index_that_is_lost_is_made_again_at_opening(written: Home, leftover: str) -> None:
    head = Ledger(written).head()
    aside = written.root / "aside"
    shutil.copy(written.ledger, aside)
    written.ledger.unlink()
    Path(f"{written.ledger}{leftover}").write_bytes(b"what was left of the lost one" * 100)
    assert Ledger(written).head() == head


@pytest.mark.parametrize("content", [b"not a database at all" * 300, b"SQLite format 3\0" + b"\xff" * 8000])
def test_a_damaged_index_is_named_and_can_be_made_again(written: Home, content: bytes) -> None:
    head = Ledger(written).head()
    _drop_index(written)
    written.ledger.write_bytes(content)
    before = {path: path.read_bytes() for path in _records(written)}
    with pytest.raises(LedgerDamaged, match=r"ledger\.sqlite: damaged.*Move it aside"):
        Ledger(written)
    assert written.ledger.read_bytes() == content
    ledger = Ledger.rebuilt(written)
    assert ledger.head() == head and {path: path.read_bytes() for path in _records(written)} == before
    assert [p.read_bytes() for p in written.root.glob("damaged-*-ledger.sqlite")] == [content]


def test_a_busy_index_is_not_taken_for_a_damaged_one(written: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(*_: object) -> None:
        raise sa.exc.OperationalError("BEGIN IMMEDIATE", None, Exception("database is locked"))

    monkeypatch.setattr(Ledger, "_reconcile_if_needed", busy)
    with pytest.raises(sa.exc.OperationalError):
        Ledger.rebuilt(written)
    assert not list(written.root.glob("damaged-*"))


def test_an_old_copy_of_the_index_catches_up(written: Home) -> None:
    ledger = Ledger(written)
    ledger.close()
    old = written.ledger.read_bytes()
    ledger = Ledger(written)
    _say(ledger, 3)
    head = ledger.head()
    ledger.close()
    _drop_index(written)
    written.ledger.write_bytes(old)
    ledger = Ledger(written)
    assert ledger.head() == head and len(ledger.opened.adopted) == 3
    _say(ledger, 1)
    assert ledger.head().seq == 9


def test_an_old_copy_of_the_index_also_catches_up_while_it_appends(written: Home) -> None:
    """A process that has it open adopts what stands after its head, rather than fork the chain."""
    stray = _records(written)[-1]
    content = stray.read_bytes()
    stray.unlink()
    _drop_index(written)
    ledger = Ledger(written)
    assert ledger.head().seq == 4
    stray.write_bytes(content)
    _say(ledger, 1)
    assert [row.id for row in ledger.entries()][4] == stray.stem and ledger.head().seq == 6
    assert parse_event(_records(written)[-1].read_bytes()).previous == sha256_bytes(content)


def _alter(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"Ada", b"Eve"))


def _change_line_ends(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def _break_text(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace("—".encode(), b"\xff\xfe\xfd"))


DAMAGES = [_alter, _change_line_ends, _truncate, _break_text, Path.unlink]


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("number", [0, 2, 4])
def test_a_damaged_record_is_an_error_and_nothing_is_changed(
    written: Home, damage: Callable[[Path], None], number: int
) -> None:
    path = _records(written)[number]
    damage(path)
    before = _everything(written)
    ledger = Ledger(written)
    assert ledger.opened.missing == ([] if path.exists() else [path.stem])
    with pytest.raises(ChainBroken, match=path.stem):
        ledger.event(path.stem)
    with pytest.raises(ChainBroken, match="Nothing was changed"):
        ledger.rebuild()
    with pytest.raises(ChainBroken, match="Nothing was changed"):
        Ledger.rebuilt(written)
    assert _everything(written) == before and not ledger.opened.orphaned


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("number", [0, 2])
def test_a_lost_index_and_a_damaged_record_set_nothing_aside(
    written: Home, damage: Callable[[Path], None], number: int
) -> None:
    """The records behind the damaged one are good: opening must not give them up on its own."""
    damage(_records(written)[number])
    _drop_index(written)
    before = _everything(written)
    for _ in range(2):
        with pytest.raises(ChainBroken, match=r"missing or altered\. Nothing was changed"):
            Ledger(written)
    after = _everything(written)
    assert before == {name: after[name] for name in before} and not (written.records / "orphaned").exists()


def test_giving_up_a_damaged_end_is_possible(written: Home) -> None:
    for path in _records(written)[3:]:
        path.rename(written.root / path.name)
    _drop_index(written)
    assert Ledger(written).head().seq == 3


def test_strange_files_among_the_records_are_set_aside_and_kept(written: Home) -> None:
    year = _records(written)[0].parent
    fork = json.loads(_records(written)[-1].read_bytes())
    fork |= {"reason": "a fork"}
    for _ in range(2):
        (year / "notes.txt").write_text("?", encoding="utf-8")
        (year / f"{fork['id']}-copy.json").write_text(json.dumps(fork), encoding="utf-8")
        (year / f".{fork['id']}.json.tmp").write_text("half", encoding="utf-8")
        ledger = Ledger(written)
        assert sorted(ledger.opened.orphaned) == [f"{year.name}/{fork['id']}-copy.json", f"{year.name}/notes.txt"]
        assert ledger.head().seq == 5
    assert len(list((written.records / "orphaned").iterdir())) == 4, "the second ones replaced the first"
    assert len(list(year.iterdir())) == 5
    assert Ledger(written).opened == type(ledger.opened)()
    Ledger(written).rebuild()


def test_a_record_that_names_another_head_is_not_adopted(written: Home, tmp_path: Path) -> None:
    """Right name, wrong chain: a record of some other home, or an altered stray."""
    stray = _records(written)[-1]
    event = json.loads(stray.read_bytes())
    stray.unlink()
    _drop_index(written)
    Ledger(written).close()
    event["previous"] = "0" * 64
    stray.write_text(json.dumps(event), encoding="utf-8")
    ledger = Ledger(written)
    assert ledger.opened.orphaned == [f"{stray.parent.name}/{stray.name}"] and ledger.head().seq == 4


def test_a_lost_genesis_is_found_in_the_first_record(written: Home) -> None:
    head = Ledger(written).head()
    (written.records / "GENESIS").unlink()
    Ledger(written).rebuild()
    _drop_index(written)
    assert Ledger(written).head() == head


def test_a_lost_genesis_and_a_torn_first_record_are_an_error(written: Home) -> None:
    (written.records / "GENESIS").unlink()
    _truncate(_records(written)[0])
    _drop_index(written)
    before = {path.name for path in written.records.rglob("*")}
    with pytest.raises(ChainBroken, match=f"{_records(written)[0].stem}.*altered or torn"):
        Ledger(written)
    assert {path.name for path in written.records.rglob("*")} == before


def test_a_file_that_is_no_record_is_said_to_be_none(written: Home) -> None:
    path = _records(written)[1]
    path.write_text("{}", encoding="utf-8")
    with pytest.raises(ChainBroken, match="altered since it was recorded"):
        Ledger(written).event(path.stem)
    with pytest.raises(KeyError, match="no record"):
        Ledger(written).event("00000009-aaaaaaaaaaaa")


# -- several processes --------------------------------------------------------------------------------------------

_WRITER = """
import sys, time
from pathlib import Path
from sport_assets.lineage.checks import CheckResult
from sport_assets.lineage.home import Home
from sport_assets.lineage.record import Lineage

root, me, count, start = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])
(root.parent / f"ready-{me}").touch()
while not start.exists():
    time.sleep(0.001)
lineage = Lineage(Home(root, root.parent / "data"))
for number in range(count):
    with lineage.record("nfl/table", "w01", code_version="1") as record:
        # every second one has the same bytes in all processes
        record.output("data.txt").write_text(f"{number if number % 2 else (me, number)}")
        record.check(CheckResult("rules", True))
        record.publish()
"""


def test_eight_processes_open_a_new_home_and_write_the_same_partition(tmp_path: Path) -> None:
    writers, count = 8, 6
    home, start = Home(tmp_path / "home", tmp_path / "data"), tmp_path / "start"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(home.root), str(number), str(count), str(start)],
            cwd=REPOSITORY,
            stderr=subprocess.PIPE,
        )
        for number in range(writers)
    ]
    while len(list(tmp_path.glob("ready-*"))) < writers:
        assert all(process.poll() is None for process in processes)
    start.touch()
    for process in processes:
        _, error = process.communicate(timeout=120)
        assert process.returncode == 0, error.decode()
    lineage = Lineage(home)
    assert lineage.ledger.head().seq == writers * count == len(_records(home))
    head, entries = lineage.ledger.head(), _everything(home)
    assert lineage.ledger.rebuild().orphaned == [] and lineage.ledger.head() == head
    assert _everything(home) == entries, "the chain has forked"
    versions = {row.version for row in lineage.ledger.entries()}
    folders = {path.name for path in (home.store / "nfl" / "table" / "w01").iterdir()}
    assert versions == folders and len(folders) == writers * count // 2 + count // 2
    assert lineage.read("nfl/table", "w01").materialization.id == lineage.ledger.entries()[-1].id
    assert not list(lineage.store.staging.iterdir())
