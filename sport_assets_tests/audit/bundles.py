"""A small home with everything that a bundle can hold, made by lineage alone, and ways to spoil a bundle.

Belongs here: what the tests of bundles share. Must not come here: tests.
"""

import hashlib
import json
import shutil
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from sport_assets.audit.bundle.signing import public_pem
from sport_assets.lineage.checks import CheckResult
from sport_assets.lineage.gate import override
from sport_assets.lineage.home import Home
from sport_assets.lineage.manifest import Checked, RecordedCheck, Restored, Withdrawn
from sport_assets.lineage.record import Lineage

CARD = """---
tags: [toy]
---

# Toy model

## Intended use

Trying out bundles.

```text
## not a heading
```

## Data

Two weeks of made-up games.

## Limitations

- It predicts nothing.
- It says so
  in two lines.

## Ethical considerations

Nobody was measured.
"""
EVALUATION = {
    "metrics": {"full": {"ade": {"value": 0.41, "low": 0.35, "high": 0.47}}, "samples_seen": 40},
    "baselines": {"standing_still": {"full": {"ade": {"value": 3.08, "low": 2.48, "high": 3.78}}}},
    "samples": {"games": 4},
}
WEEKS = ("2023-w01", "2023-w02")


@dataclass(frozen=True)
class Toy:
    """The home, the ids of records by name, and a pair of keys."""

    lineage: Lineage
    records: Mapping[str, str]
    private: Path
    public: Path

    @property
    def model(self) -> str:
        """The exported model's record."""
        return self.records["exported_model"]


def make_toy(folder: Path) -> Toy:
    """Raw files of two weeks, a table each, a split, a training, evaluation, export and card; and strangers between."""
    data = folder / "data"
    (data / "toy").mkdir(parents=True)
    lineage = Lineage(Home(root=folder / "home", data=data))
    found = {}
    for week in WEEKS:
        (data / "toy" / f"{week}.csv").write_text(f"game_id,yards\n{week},1.5\n{week},2.5\n")
        with lineage.record("toy/raw", week, code_version="1") as record:
            record.register_raw([f"toy/{week}.csv"])
            found[f"raw {week}"] = record.publish(rows=1).materialization.id
        stranger(lineage, week)
        with lineage.record("toy/table", week, code_version="1", config={"minimum": 1}) as record:
            raw = record.read("toy/raw")
            table = pl.read_csv(raw.raw_path("*.csv"))
            table.write_parquet(record.output("table.parquet"))
            record.index_rows(["game_id"], table["game_id"])
            record.quarantined(1)
            record.check(CheckResult("finite", passed=True, checked=2))
            record.check(CheckResult("has_players", passed=False, blocking=True, failed=2, checked=2))
            found[f"table {week}"] = record.publish(rows=2).materialization.id
        override(lineage.ledger, found[f"table {week}"], "has_players", by="a person", reason="there are none")
    with lineage.record("toy/checkpoint", "sanity|0", code_version="2", config={"epochs": 1}, seed=7) as record:
        for week in WEEKS:
            record.read("toy/table", week)
        record.output("weights.safetensors").write_bytes(b"weights")
        found["checkpoint"] = record.publish(
            facts={"spec_digest": "a" * 64, "bit_exact": True, "device": "cpu", "threads": 1, "seconds": 0.5}
        ).materialization.id
    with lineage.record("toy/evaluation", "sanity|0", code_version="1") as record:
        record.read("toy/checkpoint")
        record.read("toy/table", WEEKS[0])
        record.output("evaluation.json").write_text(json.dumps(EVALUATION))
        found["evaluation"] = record.publish(rows=2, facts={"ade": 0.41}).materialization.id
    with lineage.record("toy/exported_model", "sanity|0", code_version="1") as record:
        record.read("toy/checkpoint")
        record.read("toy/evaluation")
        record.output("model.onnx").write_bytes(b"model" * 1000)
        record.output("tables/of players.json").write_text("{}")
        record.check(CheckResult("parity", passed=True))
        found["exported_model"] = record.publish().materialization.id
    with lineage.record("toy/model_card", "sanity|0", code_version="1") as record:
        record.read("toy/exported_model")
        record.output("model_card.md").write_text(CARD)
        found["model_card"] = record.publish().materialization.id
    later = RecordedCheck(name="leakage", passed=True, blocking=True, checked=2)
    found["leakage"] = lineage.ledger.append(Checked(subject=found["checkpoint"], check=later)).id
    withdrawn = lineage.ledger.append(
        Withdrawn(key="toy/table", partition=WEEKS[1], by="a person", reason="by mistake")
    )
    found["withdrawn"] = withdrawn.id
    found["restored"] = lineage.ledger.append(Restored(subject=withdrawn.id, by="a person", reason="was fine")).id
    lineage.ledger.append(Withdrawn(key="toy/stranger", partition=WEEKS[1], by="a person", reason="not ours"))
    return Toy(lineage, found, *make_keys(folder, "key"))


def stranger(lineage: Lineage, partition: str) -> str:
    """Something that the model does not stand on."""
    with lineage.record("toy/stranger", partition, code_version="1") as record:
        record.output("text.txt").write_text(partition)
        return record.publish().materialization.id


def make_keys(folder: Path, name: str) -> tuple[Path, Path]:
    """A new pair of keys as `openssl genpkey -algorithm ed25519` writes them."""
    key = Ed25519PrivateKey.generate()
    private, public = folder / f"{name}.pem", folder / f"{name}.public.pem"
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(public_pem(key.public_key()))
    return private, public


def contents(bundle: Path) -> dict[str, bytes]:
    """All files of an archive by name."""
    with zipfile.ZipFile(bundle) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def pack(target: Path, files: Mapping[str, bytes], *, sums: bool = False) -> Path:
    """An archive of these files, with a new list of sums if wanted, as a forger would make it."""
    packed = dict(files)
    if sums:
        packed["SHA256SUMS"] = "".join(
            f"{hashlib.sha256(packed[name]).hexdigest()}  {name}\n" for name in sorted(packed) if name != "SHA256SUMS"
        ).encode()
    with zipfile.ZipFile(target, "w") as archive:
        for name in sorted(packed):
            archive.writestr(zipfile.ZipInfo(name), packed[name])
    return target


def edited(files: dict[str, bytes], name: str, change: Callable[[dict[str, Any]], None]) -> dict[str, bytes]:
    """The files with one JSON document changed."""
    document = json.loads(files[name])
    change(document)
    return {**files, name: json.dumps(document, indent=1).encode()}


def remove(folder: Path) -> None:
    """Delete a folder of the store, which is read-only."""
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o755)
    shutil.rmtree(folder)
