"""What a process was doing when it died: each scenario prepares a home, and then does one thing to it.

Belongs here: small materializations whose result is known. Must not come here: dying (``points``) and judging
(``aftermath``).
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sport_assets.lineage.checks import CheckResult
from sport_assets.lineage.home import Home
from sport_assets.lineage.ledger import Ledger
from sport_assets.lineage.manifest import Checked, Materialization, RecordedCheck
from sport_assets.lineage.record import Lineage, Published

RAW, TABLE = "nfl/raw", "nfl/table"
TARGET = ("nfl/target", "2023-w02")
RAW_FILES = {"nfl/week1.csv": b"a,b\n1,2\n", "nfl/week2.csv": b"a,b\n3,4\n"}


def write_raw(data: Path) -> None:
    """The raw files that every scenario's home stands on."""
    for name, content in RAW_FILES.items():
        path = data / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def materialize(lineage: Lineage, key: str, partition: str | None, text: str, *, passed: bool = True) -> Published:
    """A version of three files, one in a folder below, standing on the raw partition."""
    with lineage.record(key, partition, code_version="1", config={"text": text}) as record:
        source = record.read(RAW, "2023-w01")
        lines = source.raw_path("*.csv").read_text(encoding="utf-8")
        record.output("table.txt").write_text(text + lines, encoding="utf-8")
        record.output("parts/one.bin").write_bytes(text.encode() * 40)
        record.output("parts/two.bin").write_bytes(text.encode()[::-1])
        record.check(CheckResult("rules", passed, failed=0 if passed else 2, checked=2))
        return record.publish(rows=2, facts={"words": 1})


def register(lineage: Lineage, partition: str, name: str) -> Published:
    """A raw partition of one file."""
    with lineage.record(RAW, partition, code_version="1") as record:
        record.register_raw([name])
        return record.publish()


def populate(home: Home) -> None:
    """A home in which something was published, rejected, published twice, and checked later."""
    lineage = Lineage(home)
    register(lineage, "2023-w01", "nfl/week1.csv")
    materialize(lineage, TABLE, None, "first ")
    made = materialize(lineage, TABLE, None, "second ")
    materialize(lineage, TABLE, "rejected one", "bad ", passed=False)
    check = RecordedCheck(name="later", passed=True, blocking=True)
    lineage.ledger.append(Checked(subject=made.materialization.id, check=check))
    lineage.close()


def _publish(home: Home) -> None:
    materialize(Lineage(home), *TARGET, text="wanted ")


def _publish_rejected(home: Home) -> None:
    materialize(Lineage(home), *TARGET, text="wanted ", passed=False)


def _publish_raw(home: Home) -> None:
    lineage = Lineage(home)
    if not lineage.ledger.partitions(RAW):
        register(lineage, "2023-w01", "nfl/week1.csv")
    materialize(lineage, *TARGET, text="wanted ")


def _fail_later(home: Home) -> None:
    ledger = Ledger(home)
    made = ledger.latest(*TARGET)
    assert isinstance(made, Materialization)
    check = RecordedCheck(name="leakage", passed=False, blocking=True, failed=1, checked=1)
    ledger.append(Checked(subject=made.id, check=check))


def _rebuild(home: Home) -> None:
    Ledger(home).rebuild()


def _nothing(_home: Home) -> None:
    return None


def _with_older_version(home: Home) -> None:
    populate(home)
    materialize(Lineage(home), *TARGET, text="older ")


def _with_same_version(home: Home) -> None:
    populate(home)
    _publish(home)


def _without_ledger(home: Home) -> None:
    populate(home)
    for path in home.root.glob("ledger.sqlite*"):
        path.unlink()


def _with_leftovers(home: Home) -> None:
    """As two processes left it that died before: one with its record written but not entered, one while writing."""
    populate(home)
    lineage = Lineage(home)
    materialize(lineage, TABLE, "adopt me", "adopted ")
    lineage.close()
    newest = max((home.records).glob("[0-9]*/*.json"), key=lambda path: path.name)
    kept = newest.read_bytes()
    newest.unlink()
    for path in home.root.glob("ledger.sqlite*"):
        path.unlink()
    Ledger(home).close()
    newest.write_bytes(kept)
    newest.with_name(f".{newest.name}.tmp").write_bytes(kept[:50])
    half = home.store / ".staging" / "0123456789abcdef"
    (half / "parts").mkdir(parents=True)
    (half / "parts" / "half").write_bytes(b"hal")
    half.with_suffix(".lock").touch()
    os.chmod(half / "parts", 0o555)


@dataclass(frozen=True)
class Scenario:
    """``prepare`` makes the home that is found, ``act`` is what the process is doing when it dies."""

    prepare: Callable[[Home], None]
    act: Callable[[Home], None]


PUBLISHING = {
    "publish": Scenario(populate, _publish),
    "replace": Scenario(_with_older_version, _publish),
    "same bytes again": Scenario(_with_same_version, _publish),
    "rejected": Scenario(populate, _publish_rejected),
    "brand-new home": Scenario(_nothing, _publish_raw),
}
LEDGER = {
    "later check": Scenario(_with_same_version, _fail_later),
    "after two crashes": Scenario(_with_leftovers, _publish),
    "index lost": Scenario(_without_ledger, _publish),
    "rebuild": Scenario(_with_same_version, _rebuild),
}
SCENARIOS = PUBLISHING | LEDGER
