"""Bundles that somebody changed: each change is found and named."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sport_assets.audit.bundle.verify import inspect_bundle, verify_bundle
from sport_assets.audit.bundle.write import write_bundle
from sport_assets.lineage.digest import sha256_bytes
from sport_assets.lineage.manifest import Withdrawn
from sport_assets_tests.audit.bundles import WEEKS, Toy, contents, edited, make_toy, pack

Files = dict[str, bytes]


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Toy:
    return make_toy(tmp_path_factory.mktemp("toy"))


@pytest.fixture(scope="module")
def bundle(toy: Toy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bundle(toy.lineage, toy.model, tmp_path_factory.mktemp("out") / "a.zip", key=toy.private).path


@pytest.fixture
def files(bundle: Path) -> Files:
    return contents(bundle)


def found(path: Path, key: Path | None = None) -> set[tuple[str, str]]:
    """Kind and place of every mismatch."""
    return {(mismatch.kind, mismatch.place) for mismatch in verify_bundle(path, key)}


def test_every_file_is_missed(files: Files, tmp_path: Path) -> None:
    for name in files:
        rest = {other: content for other, content in files.items() if other != name}
        places = {place for _, place in found(pack(tmp_path / "a.zip", rest))}
        assert name in places, name


def test_a_changed_byte_of_any_file_is_found(files: Files, tmp_path: Path) -> None:
    for name, content in files.items():
        place = len(content) // 2
        changed = content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]
        assert found(pack(tmp_path / "a.zip", {**files, name: changed})), name


def test_an_added_file_is_found_also_with_new_sums(files: Files, tmp_path: Path) -> None:
    more = {**files, "notes.txt": b"trust me"}
    assert ("file added", "notes.txt") in found(pack(tmp_path / "a.zip", more))
    assert ("statement wrong", "notes.txt") in found(pack(tmp_path / "b.zip", more, sums=True))


def _other_model(toy: Toy, files: Files) -> Files:
    return {**files, "model/model.onnx": b"other"}


def _other_card(toy: Toy, files: Files) -> Files:
    return {**files, "model_card.md": b"# The best model\n"}


def _fewer_records(toy: Toy, files: Files) -> Files:
    gone = f"records/{toy.records['raw 2023-w01']}.json"
    return {name: content for name, content in files.items() if name != gone}


def _without_a_failed_check(toy: Toy, files: Files) -> Files:
    def mend(record: dict[str, Any]) -> None:
        record["checks"][1]["passed"] = True

    return edited(files, f"records/{toy.records['table 2023-w01']}.json", mend)


def _another_input(toy: Toy, files: Files) -> Files:
    def point_elsewhere(record: dict[str, Any]) -> None:
        record["inputs"][0]["version"] = "0" * 64

    return edited(files, f"records/{toy.records['exported_model']}.json", point_elsewhere)


def _another_raw_file(toy: Toy, files: Files) -> Files:
    def replace(record: dict[str, Any]) -> None:
        record["raw_files"][0]["sha256"] = "0" * 64

    return edited(files, f"records/{toy.records['raw 2023-w01']}.json", replace)


def _records_swapped(toy: Toy, files: Files) -> Files:
    first, second = (f"records/{toy.records[f'raw {week}']}.json" for week in WEEKS)
    return {**files, first: files[second], second: files[first]}


def _previous_edited(toy: Toy, files: Files) -> Files:
    return edited(
        files, f"records/{toy.records['checkpoint']}.json", lambda record: record.__setitem__("previous", "0" * 64)
    )


def _chain_follows_an_edited_record(toy: Toy, files: Files) -> Files:
    """The list of hashes is made to agree with an edited record; the next record still names the old hash."""
    changed = _without_a_failed_check(toy, files)
    name = f"records/{toy.records['table 2023-w01']}.json"

    def follow(chain: dict[str, Any]) -> None:
        chain["hashes"][int(name[8:16]) - chain["first"]] = sha256_bytes(changed[name])

    return edited(changed, "chain.json", follow)


def _another_head(toy: Toy, files: Files) -> Files:
    return edited(files, "records/head.json", lambda head: head.__setitem__("seq", head["seq"] + 1))


def _without_a_withdrawal(toy: Toy, files: Files) -> Files:
    """The restoration stays, and is about nothing."""
    return {name: content for name, content in files.items() if toy.records["withdrawn"] not in name}


def _row_index_edited(toy: Toy, files: Files) -> Files:
    name = next(name for name in files if name.startswith("records/rows/"))
    return {**files, name: files[name].replace(b"2023", b"2022")}


def _row_index_removed(toy: Toy, files: Files) -> Files:
    gone = next(name for name in files if name.startswith("records/rows/"))
    return {name: content for name, content in files.items() if name != gone}


def _index_of_another_layout(toy: Toy, files: Files) -> Files:
    return edited(files, "bundle.json", lambda index: index.__setitem__("format", 2))


def _index_without_a_model(toy: Toy, files: Files) -> Files:
    return {**files, "bundle.json": b'{"format": 1, "model": ["asset", "partition", "version", "record"]}'}


def _nested_without_end(toy: Toy, files: Files) -> Files:
    return {**files, "provenance.intoto.json": b"[" * 100_000, "chain.json": b"[" * 100_000}


def _about_another_model(toy: Toy, files: Files) -> Files:
    return edited(files, "bundle.json", lambda index: index["model"].__setitem__("record", toy.records["checkpoint"]))


def _subject_of_the_statement(toy: Toy, files: Files) -> Files:
    return edited(
        files, "provenance.intoto.json", lambda said: said["subject"][0]["digest"].__setitem__("sha256", "0" * 64)
    )


def _dependency_of_the_statement(toy: Toy, files: Files) -> Files:
    def drop(said: dict[str, Any]) -> None:
        said["predicate"]["buildDefinition"]["resolvedDependencies"].pop(0)

    return edited(files, "provenance.intoto.json", drop)


def _seed_in_the_statement(toy: Toy, files: Files) -> Files:
    def change(said: dict[str, Any]) -> None:
        said["predicate"]["buildDefinition"]["internalParameters"]["steps"][toy.records["checkpoint"]]["seed"] = 8

    return edited(files, "provenance.intoto.json", change)


def _evaluation_improved(toy: Toy, files: Files) -> Files:
    return edited(files, "evaluation.json", lambda said: said["metrics"].__setitem__("samples_seen", 4000))


def _page_of_another(toy: Toy, files: Files) -> Files:
    return {**files, "page.html": b"<html>all is well</html>"}


def _a_stranger_added(toy: Toy, files: Files) -> Files:
    [path] = toy.lineage.home.records.glob("*/00000002-*.json")
    return {**files, f"records/{path.name}": path.read_bytes()}


CHANGES: list[tuple[Callable[[Toy, Files], Files], str]] = [
    (_other_model, "model file altered"),
    (_other_card, "file altered"),
    (_fewer_records, "record missing"),
    (_without_a_failed_check, "record altered"),
    (_another_input, "records disagree"),
    (_another_raw_file, "record altered"),
    (_records_swapped, "record under another's name"),
    (_previous_edited, "chain broken"),
    (_chain_follows_an_edited_record, "chain broken"),
    (_another_head, "chain broken"),
    (_without_a_withdrawal, "record missing"),
    (_row_index_edited, "row index altered"),
    (_row_index_removed, "row index missing"),
    (_index_of_another_layout, "file unreadable"),
    (_index_without_a_model, "file unreadable"),
    (_nested_without_end, "file unreadable"),
    (_about_another_model, "records disagree"),
    (_subject_of_the_statement, "statement wrong"),
    (_dependency_of_the_statement, "statement wrong"),
    (_seed_in_the_statement, "statement wrong"),
    (_evaluation_improved, "file altered"),
    (_page_of_another, "statement wrong"),
    (_a_stranger_added, "record added"),
]


@pytest.mark.parametrize(("change", "kind"), CHANGES)
def test_a_change_is_found_although_the_sums_were_made_anew(
    toy: Toy, files: Files, tmp_path: Path, change: Callable[[Toy, Files], Files], kind: str
) -> None:
    kinds = {found_kind for found_kind, _ in found(pack(tmp_path / "a.zip", change(toy, files), sums=True))}
    assert kind in kinds


def test_compared_with_its_home_every_link_is_proven(toy: Toy, bundle: Path) -> None:
    verdict = inspect_bundle(bundle, home=toy.lineage.ledger)
    assert verdict.mismatches == []
    assert (verdict.links_proven, verdict.links_asserted) == (toy.lineage.ledger.head().seq, 0)


def test_a_sound_bundle_of_another_home_is_found_with_the_home_alone(toy: Toy, tmp_path: Path) -> None:
    toy_of_another = make_toy(tmp_path)
    other = write_bundle(toy_of_another.lineage, toy_of_another.model, tmp_path / "other.zip").path
    assert verify_bundle(other) == []
    [mismatch] = verify_bundle(other, home=toy.lineage.ledger)
    assert mismatch.kind == "chain departs from the home"


def test_a_withdrawal_that_was_left_out_is_found_with_the_home_alone(tmp_path: Path) -> None:
    toy = make_toy(tmp_path)
    gone = toy.lineage.ledger.append(Withdrawn(key="toy/raw", partition=WEEKS[0], by="the owner", reason="licence"))
    path = write_bundle(toy.lineage, toy.model, tmp_path / "a.zip").path
    name = f"records/{gone.id}.json"

    def forget(said: dict[str, Any]) -> None:
        run = said["predicate"]["runDetails"]
        run["byproducts"] = [each for each in run["byproducts"] if each["name"] != name]

    rest = {other: content for other, content in contents(path).items() if other != name}
    forged = pack(tmp_path / "b.zip", edited(rest, "provenance.intoto.json", forget), sums=True)
    assert verify_bundle(forged) == []
    assert [(m.kind, m.place) for m in verify_bundle(forged, home=toy.lineage.ledger)] == [("record missing", name)]


def test_what_was_recorded_since_is_a_note(tmp_path: Path) -> None:
    toy = make_toy(tmp_path)
    path = write_bundle(toy.lineage, toy.model, tmp_path / "a.zip").path
    toy.lineage.ledger.append(Withdrawn(key="toy/raw", partition=WEEKS[0], by="the owner", reason="licence"))
    assert [m.severity for m in verify_bundle(path, home=toy.lineage.ledger)] == ["note"]
