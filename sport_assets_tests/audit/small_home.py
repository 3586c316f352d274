"""A small home with all that can be tampered with: raw files, tables, a model with its card, row indexes, later events.

Seconds matter here: it is built once and copied for each test.
"""

import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sport_assets.lineage.checks import CheckResult
from sport_assets.lineage.digest import sha256_bytes
from sport_assets.lineage.home import Home
from sport_assets.lineage.ledger import Head
from sport_assets.lineage.manifest import Checked, Materialization, RecordedCheck
from sport_assets.lineage.record import Lineage
from sport_assets.lineage.store import Store

MODEL = "toy/exported_model:sanity|0"
CARD = "toy/model_card:sanity|0"
WEEKS = ("w1", "w2")


def build(folder: Path) -> Home:
    """Eight versions and one later event; returns the home (closed)."""
    home = Home(root=folder / "home", data=folder / "data")
    (home.data / "toy").mkdir(parents=True)
    lineage = Lineage(home)
    for number, week in enumerate(WEEKS, start=1):
        (home.data / f"toy/{week}.csv").write_text(f"game,speed\n{number}0,4.5\n{number}1,5.{number}\n")
        with lineage.record("toy/raw", week, code_version="1") as record:
            record.register_raw([f"toy/{week}.csv"])
            record.publish()
        with lineage.record("toy/table", week, code_version="1") as record:
            lines = record.read("toy/raw").raw_path("*.csv").read_text().splitlines()[1:]
            record.output("table.txt").write_text("\n".join(lines) + "\n")
            record.output("quarantine.txt").write_text(f"none in {week}\n")
            record.index_rows(["game"], [line.split(",")[0] for line in lines])
            table = record.publish(rows=len(lines)).materialization
    train(lineage)
    passed = RecordedCheck.of(CheckResult("looked_at_again", passed=True))
    lineage.ledger.append(Checked(subject=table.id, check=passed))
    with lineage.record("toy/lonely", code_version="1") as record:
        record.output("lonely.txt").write_text("nothing stands on this\n")
        record.publish()
    lineage.close()
    return home


def train(lineage: Lineage, weights: str = "weights") -> tuple[Materialization, Materialization]:
    """A model of both weeks, and its card."""
    with lineage.record("toy/exported_model", "sanity|0", code_version="1", seed=0) as record:
        for week in WEEKS:
            record.read("toy/table", week)
        record.output("model.onnx").write_text(weights)
        record.output("pictures/loss.svg").write_text("<svg/>")
        model = record.publish().materialization
    with lineage.record("toy/model_card", "sanity|0", code_version="1") as record:
        record.read("toy/exported_model")
        record.output("card.md").write_text(f"# A model\n\n{weights}\n")
        return model, record.publish().materialization


def copy(home: Home, folder: Path) -> Home:
    """The same home elsewhere, with its permissions."""
    shutil.copytree(home.root, folder / "home", symlinks=True)
    shutil.copytree(home.data, folder / "data", symlinks=True)
    return Home(root=folder / "home", data=folder / "data")


def record_paths(home: Home) -> list[Path]:
    """Record files in the order of the chain."""
    return sorted(home.records.glob("[0-9]*/*.json"), key=lambda path: path.name)


def record_of(home: Home, key: str, partition: str | None) -> tuple[Path, dict[str, Any]]:
    """The file and content of the newest record of a partition."""
    for path in reversed(record_paths(home)):
        content = json.loads(path.read_text())
        if (content.get("key"), content.get("partition")) == (key, partition):
            return path, content
    raise KeyError(key)


def folder_of(home: Home, key: str, partition: str | None = None) -> Path:
    """The version folder of a partition's newest record."""
    _, content = record_of(home, key, partition)
    return Store(home.store).folder(key, partition, str(content["version"]))


def sql(home: Home, statement: str, *values: object) -> None:
    """Change the ledger behind everybody's back."""
    connection = sqlite3.connect(home.ledger)
    with connection:
        connection.execute(statement, values)
    connection.close()


def write(path: Path, content: bytes) -> None:
    """Write a file though it and its folder are read-only, and leave them as they were."""
    folder_mode = path.parent.stat().st_mode
    path.parent.chmod(0o755)
    mode = path.stat().st_mode if path.exists() else 0o444
    if path.exists():
        path.chmod(0o644)
    path.write_bytes(content)
    path.chmod(mode)
    path.parent.chmod(folder_mode)


def forge_chain(home: Home, change: Callable[[dict[str, Any]], None]) -> Head:
    """Write every record anew, after ``change(record as a dict)``, so that ids, links and inputs fit again."""
    ids: dict[str, str] = {}
    head = Head(0, (home.records / "GENESIS").read_text().strip())
    for path in record_paths(home):
        content = json.loads(path.read_text())
        change(content)
        old, content["previous"] = content["id"], head.hash
        content["id"] = ids[old] = f"{head.seq + 1:08d}-{head.hash[:12]}"
        for ref in content.get("inputs", []):
            ref["record"] = ids[ref["record"]]
        if "subject" in content:
            content["subject"] = ids[content["subject"]]
        data = json.dumps(content, indent=1).encode()
        path.unlink()
        (path.parent / f"{content['id']}.json").write_bytes(data)
        head = Head(head.seq + 1, sha256_bytes(data))
    home.ledger.unlink()
    lineage = Lineage(home)  # makes the ledger anew from the records
    assert lineage.ledger.head() == head
    lineage.close()
    return head
