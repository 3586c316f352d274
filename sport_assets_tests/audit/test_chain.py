"""The way back: what a model was made of, what was said about it later, and what an auditor must look at."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sport_assets.audit.chain import Chain, walk
from sport_assets.audit.findings import findings
from sport_assets.audit.records import HEAD_FILE, FileRecords, LedgerRecords
from sport_assets.audit.report import report
from sport_assets.lineage import record as recording
from sport_assets.lineage.checks import CheckResult
from sport_assets.lineage.environment import environment
from sport_assets.lineage.errors import LineageError
from sport_assets.lineage.gate import override
from sport_assets.lineage.home import Home
from sport_assets.lineage.manifest import Environment, Materialization, Restored, Withdrawn
from sport_assets.lineage.models import find_record
from sport_assets.lineage.record import Lineage


@pytest.fixture
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What records say of the machine; a test changes it as it likes."""
    said: dict[str, Any] = {
        "git_dirty": False,
        "git_commit": "a" * 40,
        "lock": "b" * 64,
        "unpinned": [],
        "packages": {"polars": "2.1.0"},
    }

    def made_up(device: str, threads: int) -> Environment:
        return environment(device, threads).model_copy(update=said)

    monkeypatch.setattr(recording, "environment", made_up)
    return said


@pytest.fixture
def lineage(tmp_path: Path, clean_environment: dict[str, Any]) -> Iterator[Lineage]:
    """A home with two weeks, their tables, a checkpoint, its evaluation and an exported model."""
    opened = Lineage(Home(root=tmp_path / "home", data=tmp_path / "data"))
    (tmp_path / "data").mkdir()
    for week in ("w1", "w2"):
        (tmp_path / "data" / f"{week}.csv").write_text(f"game\n{week}\n")
        with opened.record("toy/raw", week, code_version="1") as record:
            record.register_raw([f"{week}.csv"])
            record.publish(rows=1)
        table(opened, week)
    model(opened)
    yield opened
    opened.close()


def table(lineage: Lineage, week: str, text: str = "", *, checks: tuple[CheckResult, ...] = ()) -> Materialization:
    """A week's table, of which one row is in quarantine."""
    with lineage.record("toy/table", week, code_version="2") as record:
        record.read("toy/raw")
        record.output("table.txt").write_text(f"{week}{text}")
        record.quarantined(1)
        record.index_rows(["game"], [week])
        record.check([CheckResult("rules", passed=True, checked=3), *checks])
        return record.publish(rows=2).materialization


def model(lineage: Lineage) -> Materialization:
    """Checkpoint, evaluation and export of both weeks."""
    with lineage.record("toy/checkpoint", "sanity|0", code_version="3", seed=0) as record:
        for week in ("w1", "w2"):
            record.read("toy/table", week)
        record.output("weights").write_text("".join(str(record.inputs)))
        record.publish(facts={"spec_digest": "c" * 64, "settings": {"hidden": 8}, "epochs": 2, "bit_exact": True})
    with lineage.record("toy/evaluation", "sanity|0", code_version="4") as record:
        record.read("toy/checkpoint")
        record.output("evaluation.json").write_text("{}")
        figures = {"full": {"ade": {"value": 0.4}}}
        record.publish(
            facts={"ade": 0.4, "metrics": figures, "baselines": {"still": {"full": {"ade": {"value": 1.0}}}}}
        )
    with lineage.record("toy/exported_model", "sanity|0", code_version="5") as record:
        record.read("toy/evaluation")
        record.read("toy/checkpoint")
        record.output("model.onnx").write_text("onnx")
        return record.publish().materialization


def chain_of(lineage: Lineage, name: str = "toy/exported_model:sanity|0") -> Chain:
    return walk(LedgerRecords(lineage), find_record(lineage.ledger, name).id)


def kinds(lineage: Lineage, name: str = "toy/exported_model:sanity|0") -> list[tuple[str, str]]:
    return [(finding.kind, finding.name) for finding in findings(chain_of(lineage, name))]


def test_the_chain_is_all_that_the_model_was_made_from_upstream_first(lineage: Lineage) -> None:
    with lineage.record("toy/other", code_version="1") as record:
        record.output("x").write_text("x")
        record.publish()
    chain = chain_of(lineage)
    assert [step.name for step in chain.steps] == [
        *("toy/raw:w1", "toy/table:w1", "toy/raw:w2", "toy/table:w2"),
        *("toy/checkpoint:sanity|0", "toy/evaluation:sanity|0", "toy/exported_model:sanity|0"),
    ]
    assert [(file.path, step.name) for file, step in chain.raw_files] == [
        ("w1.csv", "toy/raw:w1"),
        ("w2.csv", "toy/raw:w2"),
    ]
    assert chain.missing == () and chain.head == lineage.ledger.head()
    assert {step.name for step in chain.behind(chain.steps[1].made.id)} == {"toy/raw:w1"}
    assert findings(chain) == []
    with pytest.raises(LineageError, match="no materialization has the record id 00000099-nothing"):
        walk(LedgerRecords(lineage), "00000099-nothing")


def test_a_model_is_found_by_name_digest_folder_record_and_copied_file(lineage: Lineage, tmp_path: Path) -> None:
    made = find_record(lineage.ledger, "toy/exported_model:sanity|0")
    folder = lineage.store.folder(made.key, made.partition, made.version)
    copied = tmp_path / "sent by mail.onnx"
    copied.write_bytes((folder / "model.onnx").read_bytes())
    for name in (
        made.version[:10],
        made.files[0].sha256,
        str(folder),
        str(folder / "model.onnx"),
        made.id,
        str(copied),
    ):
        assert find_record(lineage.ledger, name).id == made.id, name
    copied.write_text("another model")
    with pytest.raises(LineageError, match=r"no version in .* has a file of this content.*altered"):
        find_record(lineage.ledger, str(copied))
    with pytest.raises(LineageError, match=r"nothing of that name was ever published; toy/table has w1, w2"):
        find_record(lineage.ledger, "toy/table:w9")
    with pytest.raises(LineageError, match="exactly one is needed"):
        find_record(lineage.ledger, "0123456789abcdef")


def test_a_withdrawn_input_is_found_wherever_it_is_and_not_after_it_was_restored(lineage: Lineage) -> None:
    raw = find_record(lineage.ledger, "toy/raw:w2").raw_files[0]
    events = [
        lineage.ledger.append(Withdrawn(key="toy/raw", partition="w1", by="ada", reason="licence")),
        lineage.ledger.append(Withdrawn(raw_sha256=raw.sha256, by="ada", reason="corrupt")),
        lineage.ledger.append(Withdrawn(rows={"game": "w1"}, by="ada", reason="privacy")),
        lineage.ledger.append(Withdrawn(key="toy/raw", partition="w9", by="ada", reason="not ours")),
    ]
    assert kinds(lineage) == [("withdrawn_input", name) for name in ("toy/raw:w1", "toy/table:w1", "toy/raw:w2")]
    messages = [finding.message for finding in findings(chain_of(lineage))]
    assert "licence" in messages[0] and "rows with game=w1" in messages[1] and "corrupt" in messages[2]
    for event in events:
        lineage.ledger.append(Restored(subject=event.id, by="ada", reason="settled"))
    assert kinds(lineage) == []


def test_failed_overridden_and_warning_checks_are_told_apart(lineage: Lineage) -> None:
    bad = table(lineage, "w1", "!", checks=(CheckResult("range", False, failed=2, checked=3, rules={"speed": 2}),))
    assert kinds(lineage, "toy/table:w1") == [("failed_check", "toy/table:w1")]
    override(lineage.ledger, bad.id, "range", by="ada", reason="known sensor")
    table(lineage, "w2", "!", checks=(CheckResult("shift", False, blocking=False),))
    model(lineage)
    found = findings(chain_of(lineage))
    assert [(one.kind, one.severity, one.name) for one in found] == [
        ("check_warning", "warning", "toy/table:w2"),
        ("overridden_check", "warning", "toy/table:w1"),
    ]
    assert "2 of 3 (speed 2)" in found[1].message and "ada" in found[1].message and "known sensor" in found[1].message


def test_a_newer_version_makes_an_input_stale_and_the_same_bytes_do_not(lineage: Lineage) -> None:
    table(lineage, "w1")
    assert kinds(lineage) == []
    newer = table(lineage, "w1", " again")
    assert kinds(lineage) == [("stale_input", "toy/table")]
    assert chain_of(lineage).step(find_step(lineage, "toy/table:w1")).newer == newer.version
    model(lineage)
    assert kinds(lineage) == []


def find_step(lineage: Lineage, name: str) -> str:
    """Record id of a step in the model's chain."""
    [record] = [step.made.id for step in chain_of(lineage).steps if step.name == name]
    return record


def test_a_lost_record_is_a_missing_ancestor(lineage: Lineage, tmp_path: Path) -> None:
    chain = chain_of(lineage)
    folder = tmp_path / "records"
    folder.mkdir()
    for step in chain.steps:
        (folder / f"{step.made.id}.json").write_text(step.made.model_dump_json())
    (folder / HEAD_FILE).write_text(f'{{"seq": {chain.head.seq}, "hash": "{chain.head.hash}"}}')
    assert walk(FileRecords(folder), chain.target.made.id).head == chain.head
    lost = find_step(lineage, "toy/raw:w1")
    (folder / f"{lost}.json").unlink()
    cut = walk(FileRecords(folder), chain.target.made.id)
    assert [ref.record for ref in cut.missing] == [lost]
    [finding] = findings(cut)
    assert finding.kind == "missing_ancestor" and lost in finding.message and finding.severity == "error"


def test_what_the_environment_leaves_open_is_told(lineage: Lineage, clean_environment: dict[str, Any]) -> None:
    clean_environment |= {"git_dirty": True, "unpinned": ["numpy"], "packages": {"polars": "2.2.0"}}
    model(lineage)
    assert [kind for kind, _ in kinds(lineage)] == ["dirty_working_tree", "unpinned_environment", "mixed_environment"]
    clean_environment |= {"git_dirty": None, "git_commit": None, "lock": None, "unpinned": []}
    model(lineage)
    assert [kind for kind, _ in kinds(lineage)] == ["unpinned_environment", "unknown_commit", "mixed_environment"]
    [mixed] = [one for one in findings(chain_of(lineage)) if one.kind == "mixed_environment"]
    assert "polars 2.1.0 and 2.2.0" in mixed.message


def test_the_report_says_all_of_it(lineage: Lineage) -> None:
    lineage.ledger.append(Withdrawn(key="toy/raw", partition="w1", by="ada", reason="licence"))
    content = report(chain_of(lineage), LedgerRecords(lineage))
    assert content["model"]["name"] == "toy/exported_model:sanity|0"
    assert [file["path"] for file in content["model"]["files"]] == ["model.onnx"]
    [training] = content["training"]
    assert training["settings"] == {"hidden": 8} and training["facts"]["epochs"] == 2
    assert content["evaluation"]["metrics"]["full"]["ade"]["value"] == 0.4
    assert content["evaluation"]["baselines"]["still"]["full"]["ade"]["value"] == 1.0
    nodes = {node["name"]: node for node in content["nodes"]}
    assert nodes["toy/table:w1"]["rows"] == 2 and nodes["toy/table:w1"]["quarantined_rows"] == 1
    assert nodes["toy/table:w1"]["identifiers"] == {"game": {"count": 1, "values": ["w1"]}}
    assert nodes["toy/table:w1"]["inputs"] == [nodes["toy/raw:w1"]["id"]]
    assert nodes["toy/raw:w1"]["withdrawn"]["reason"] == "licence" and nodes["toy/raw:w1"]["findings"] == [0]
    assert content["findings"][0]["node"] == nodes["toy/raw:w1"]["id"]
    assert {file["path"]: file["node"] for file in content["raw_files"]} == {
        f"{week}.csv": nodes[f"toy/raw:{week}"]["id"] for week in ("w1", "w2")
    }
    assert content["counts"]["quarantined_rows"] == 2 and content["head"]["hash"] == lineage.ledger.head().hash
