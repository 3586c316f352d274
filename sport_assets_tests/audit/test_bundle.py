"""Bundles: what is in them, that they are the same each time, and what they do with a home that is not in order."""

import json
import os
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from sport_assets.audit.bundle.archive import open_archive, write_archive
from sport_assets.audit.bundle.chain_proof import departures, read_chain
from sport_assets.audit.bundle.collect import collect
from sport_assets.audit.bundle.subject import bullets, sections
from sport_assets.audit.bundle.verify import inspect_bundle, verify_bundle
from sport_assets.audit.bundle.write import Written, write_bundle
from sport_assets.audit.chain import walk
from sport_assets.audit.records import FileRecords
from sport_assets.lineage.errors import LineageError, StoreDamaged
from sport_assets.lineage.manifest import Collected
from sport_assets_tests.audit.bundles import CARD, WEEKS, Toy, contents, make_toy, remove, stranger


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Toy:
    return make_toy(tmp_path_factory.mktemp("toy"))


@pytest.fixture(scope="module")
def written(toy: Toy, tmp_path_factory: pytest.TempPathFactory) -> Written:
    return write_bundle(toy.lineage, toy.model, tmp_path_factory.mktemp("out") / "model.zip")


def test_an_untouched_bundle_has_no_mismatch(written: Written) -> None:
    assert verify_bundle(written.path) == []
    assert written.verdict.signature == "none"


def test_it_holds_the_model_and_every_document(toy: Toy, written: Written) -> None:
    files = contents(written.path)
    names = {name for name in files if not name.startswith("records/")}
    assert names == {
        "README.txt",
        "SHA256SUMS",
        "annex_iv.md",
        "bundle.json",
        "chain.json",
        "croissant.json",
        "evaluation.json",
        "ml_bom.cdx.json",
        "model/model.onnx",
        "model/tables/of players.json",
        "model_card.md",
        "openlineage.ndjson",
        "page.html",
        "provenance.intoto.json",
        "report.json",
    }
    assert files["model/model.onnx"] == b"model" * 1000
    assert files["model_card.md"].decode() == CARD


def test_records_are_those_of_the_chain_and_all_that_was_said_about_it(toy: Toy, written: Written) -> None:
    files = contents(written.path)
    bundled = {name.split("/")[1].removesuffix(".json") for name in files if name.startswith("records/0")}
    overridden = {e.id for week in WEEKS for e in toy.lineage.ledger.about(toy.records[f"table {week}"])}
    assert len(overridden) == 2
    assert bundled == {*toy.records.values(), *overridden}
    for name in bundled:
        original = next(toy.lineage.home.records.glob(f"*/{name}.json"))
        assert files[f"records/{name}.json"] == original.read_bytes()


def test_row_indexes_come_along(toy: Toy, written: Written) -> None:
    indexes = [name for name in contents(written.path) if name.startswith("records/rows/")]
    assert len(indexes) == len(WEEKS)


def test_the_chain_can_be_walked_from_the_bundle_alone(toy: Toy, written: Written, tmp_path: Path) -> None:
    with zipfile.ZipFile(written.path) as archive:
        archive.extractall(tmp_path)
    chain = walk(FileRecords(tmp_path / "records"), toy.model)
    assert chain.target.made.id == toy.model
    assert not chain.missing
    assert {file.path for file, _ in chain.raw_files} == {f"toy/{week}.csv" for week in WEEKS}
    assert chain.head == toy.lineage.ledger.head()


def test_links_between_bundled_records_are_proven_and_others_only_asserted(toy: Toy, written: Written) -> None:
    verdict, head = written.verdict, toy.lineage.ledger.head()
    # two strangers, and the withdrawal of one of them, are not in the bundle
    assert (verdict.links_proven, verdict.links_asserted) == (head.seq - 3, 3)
    assert verdict.head == head


def test_a_bundle_of_the_whole_chain_proves_every_link(toy: Toy, tmp_path: Path) -> None:
    whole = write_bundle(toy.lineage, toy.model, tmp_path / "whole.zip", whole_chain=True)
    assert whole.verdict.links_asserted == 0
    assert whole.verdict.records == toy.lineage.ledger.head().seq
    assert verify_bundle(whole.path) == []


def test_the_list_of_hashes_is_that_of_the_home(toy: Toy, written: Written) -> None:
    listed = read_chain(contents(written.path)["chain.json"])
    assert departures(listed, toy.lineage.ledger) == []
    other = type(listed)(listed.first, listed.before, (*listed.hashes[:1], "0" * 64, *listed.hashes[2:]))
    assert departures(other, toy.lineage.ledger) == [2]


def test_the_same_chain_gives_the_same_bytes(toy: Toy, written: Written, tmp_path: Path) -> None:
    again = write_bundle(toy.lineage, toy.model, tmp_path / "again.zip")
    assert again.path.read_bytes() == written.path.read_bytes()
    signed = [write_bundle(toy.lineage, toy.model, tmp_path / f"{i}.zip", key=toy.private) for i in (1, 2)]
    assert signed[0].sha256 == signed[1].sha256 != written.sha256


def test_in_another_place_at_another_time_of_day_it_has_the_same_bytes(
    toy: Toy, written: Written, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    monkeypatch.chdir(tmp_path)
    assert write_bundle(toy.lineage, toy.model, Path("relative.zip")).sha256 == written.sha256


def test_sums_are_what_sha256sum_reads(written: Written, tmp_path: Path) -> None:
    with zipfile.ZipFile(written.path) as archive:
        archive.extractall(tmp_path)
    done = subprocess.run(
        ["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=tmp_path, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    listed = {line.split("  ", 1)[1] for line in (tmp_path / "SHA256SUMS").read_text().splitlines()}
    assert listed == contents(written.path).keys() - {"SHA256SUMS"}


def test_the_readme_names_every_file(written: Written) -> None:
    files = contents(written.path)
    text = files["README.txt"].decode()
    for name in files:
        assert (name.split("/")[0] + "/" if "/" in name else name) in text
    assert max(map(len, text.splitlines())) <= 120
    assert "provenance.dsse.json  " not in text


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_what_the_readme_says_to_check_by_hand_works(toy: Toy, tmp_path: Path) -> None:
    """Its Python and shell lines, typed as they stand there."""
    signed = write_bundle(toy.lineage, toy.model, tmp_path / "signed.zip", key=toy.private)
    folder = tmp_path / "unpacked"
    with zipfile.ZipFile(signed.path) as archive:
        archive.extractall(folder)
    shutil.copy(toy.public, folder / "SIGNER.pem")
    text = (folder / "README.txt").read_text().replace("RECORD.json", f"{toy.model}.json")
    blocks: list[list[str]] = [[]]
    for line in text.splitlines():
        if line.startswith("       ") and not line.startswith(" " * 20):
            blocks[-1].append(line[7:])
        elif blocks[-1]:
            blocks.append([])
    typed = ["\n".join(block) for block in blocks if block]
    assert len(typed) == 6
    for block in typed[:-1]:  # the last is our own command, which the CLI's test runs
        command = ["python3", "-c", block] if block.startswith("import") else ["bash", "-ec", block]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, (block, done.stderr)
        assert "False" not in done.stdout
        if block.startswith("sha256sum records/"):
            assert done.stdout.split()[0] in (folder / "chain.json").read_text()


def test_annex_iv_has_its_nine_sections_and_marks_what_a_person_must_write(written: Written) -> None:
    text = contents(written.path)["annex_iv.md"].decode()
    headings = [line for line in text.splitlines() if line.startswith("## ")]
    assert [line[3] for line in headings] == list("123456789")
    for section in text.split("\n## ")[1:]:
        assert "To be written by a person" in section
    assert "Trying out bundles." in text
    assert "It predicts nothing." in text
    assert "`has_players` failed (2 of 2), overridden by a person: there are none" in text
    assert "| metrics / full / ade | 0.41 | 0.35 to 0.47 |" in text


def test_annex_iv_tells_of_withdrawals(tmp_path: Path) -> None:
    from sport_assets.lineage.manifest import Withdrawn

    toy = make_toy(tmp_path)
    event = Withdrawn(key="toy/raw", partition=WEEKS[0], by="the owner", reason="licence ended")
    toy.lineage.ledger.append(event)
    files = contents(write_bundle(toy.lineage, toy.model, tmp_path / "a.zip").path)
    assert "withdrawn by the owner: licence ended" in files["annex_iv.md"].decode()
    assert "licence ended" in files["openlineage.ndjson"].decode()
    assert "licence ended" in files["ml_bom.cdx.json"].decode()


def test_a_checkpoint_takes_the_evaluation_that_was_made_from_it(toy: Toy, tmp_path: Path) -> None:
    made = write_bundle(toy.lineage, toy.records["checkpoint"], tmp_path / "checkpoint.zip")
    files = contents(made.path)
    assert json.loads(files["evaluation.json"])["samples"] == {"games": 4}
    assert f"records/{toy.records['evaluation']}.json" in files
    assert verify_bundle(made.path) == []


def test_a_raw_partition_can_be_bundled_as_well(toy: Toy, tmp_path: Path) -> None:
    made = write_bundle(toy.lineage, toy.records[f"raw {WEEKS[1]}"], tmp_path / "raw.zip")
    assert verify_bundle(made.path) == []
    assert "evaluation.json" not in contents(made.path)


def test_an_altered_model_is_not_bundled(tmp_path: Path) -> None:
    toy = make_toy(tmp_path)
    made = toy.lineage.ledger.latest("toy/exported_model", "sanity|0")
    assert made is not None
    path = toy.lineage.store.folder(made.key, made.partition, made.version) / "model.onnx"
    path.chmod(0o644)
    path.write_bytes(b"x" * path.stat().st_size)
    with pytest.raises(StoreDamaged, match=r"model\.onnx: altered"):
        write_bundle(toy.lineage, toy.model, tmp_path / "a.zip")
    assert not list(tmp_path.glob("*.zip*"))
    remove(path.parent)
    with pytest.raises(StoreDamaged, match=r"model\.onnx: gone.*build toy/exported_model"):
        write_bundle(toy.lineage, toy.model, tmp_path / "a.zip")


def test_freed_data_leaves_the_chain_whole_but_the_columns_unknown(tmp_path: Path) -> None:
    toy = make_toy(tmp_path)
    made = toy.lineage.ledger.latest("toy/table", WEEKS[0])
    assert made is not None
    remove(toy.lineage.store.folder(made.key, made.partition, made.version))
    event = Collected(key=made.key, partition=made.partition, version=made.version, reason="space")
    collected = toy.lineage.ledger.append(event)
    bundle = write_bundle(toy.lineage, toy.model, tmp_path / "a.zip")
    assert verify_bundle(bundle.path) == []
    assert f"records/{collected.id}.json" in contents(bundle.path)
    assert {record for record, _ in collect(toy.lineage, toy.model).subject.columns} == {
        toy.records[f"table {WEEKS[1]}"]
    }


def test_later_records_change_the_head_and_nothing_about_the_chain(tmp_path: Path) -> None:
    toy = make_toy(tmp_path)
    before = contents(write_bundle(toy.lineage, toy.model, tmp_path / "a.zip").path)
    stranger(toy.lineage, "later")
    after = contents(write_bundle(toy.lineage, toy.model, tmp_path / "b.zip").path)
    changed = {name for name in before | after if before.get(name) != after.get(name)}
    # the report and its page show the head, the statement and the sums name what changed
    assert changed == {
        "records/head.json",
        "chain.json",
        "report.json",
        "page.html",
        "provenance.intoto.json",
        "SHA256SUMS",
    }


def test_a_folder_that_is_not_there_is_an_error(toy: Toy, tmp_path: Path) -> None:
    with pytest.raises(LineageError, match="no such folder"):
        write_bundle(toy.lineage, toy.model, tmp_path / "none" / "a.zip")


def test_an_archive_is_refused_when_it_is_none(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(b"no archive")
    assert [m.kind for m in verify_bundle(path)] == ["archive unsound", "archive unsound"]
    with pytest.raises(OSError):
        verify_bundle(tmp_path / "missing.zip")


def test_files_of_any_size_are_written_as_they_are(tmp_path: Path) -> None:
    large = tmp_path / "large.bin"
    large.write_bytes(os.urandom(3 * 2**20 + 1))
    write_archive(tmp_path / "a.zip", {"large.bin": large, "a/b.txt": b""})
    assert contents(tmp_path / "a.zip") == {"large.bin": large.read_bytes(), "a/b.txt": b""}
    assert inspect_bundle(tmp_path / "a.zip").files == 2
    open_archive(tmp_path / "a.zip").unpack("large.bin", tmp_path / "unpacked.bin")
    assert (tmp_path / "unpacked.bin").read_bytes() == large.read_bytes()


def test_sections_and_lists_of_a_card() -> None:
    found = sections(CARD)
    assert list(found) == ["intended use", "data", "limitations", "ethical considerations"]
    assert "## not a heading" in found["intended use"]
    assert bullets(found["limitations"]) == ["It predicts nothing.", "It says so in two lines."]
    assert bullets("") == []
    assert bullets("One\ntext.") == ["One text."]
