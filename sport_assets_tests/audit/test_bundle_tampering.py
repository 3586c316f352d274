"""Bundles that somebody changed: each change is found and named."""

import base64
import io
import json
import os
import random
import stat
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sport_assets.audit.bundle.archive import MAX_BYTES
from sport_assets.audit.bundle.signing import (
    KeyUnusable,
    SignatureWrong,
    pre_authentication_encoding,
    read_private_key,
    read_public_key,
    sign,
    signed_payload,
)
from sport_assets.audit.bundle.verify import inspect_bundle, verify_bundle
from sport_assets.audit.bundle.write import write_bundle
from sport_assets.lineage.digest import sha256_bytes
from sport_assets.lineage.manifest import Withdrawn
from sport_assets_tests.audit.bundles import WEEKS, Toy, contents, edited, make_keys, make_toy, pack

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


def test_repacked_by_another_program_it_is_the_same_bundle(files: Files, tmp_path: Path) -> None:
    assert found(pack(tmp_path / "a.zip", files)) == set()


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


def test_a_flipped_byte_of_the_archive_is_found_or_leaves_every_file_as_it_is(bundle: Path, tmp_path: Path) -> None:
    """Some bytes of a zip mean nothing, such as times; whatever else is flipped must be noticed."""
    whole, chance, noticed = bundle.read_bytes(), random.Random(0), 0
    before = contents(bundle)
    for _ in range(120):
        place = chance.randrange(len(whole))
        flipped = tmp_path / "flipped.zip"
        flipped.write_bytes(whole[:place] + bytes([whole[place] ^ (1 << chance.randrange(8))]) + whole[place + 1 :])
        if verify_bundle(flipped):
            noticed += 1
        else:
            assert contents(flipped) == before, place
    assert noticed > 100


def test_a_file_that_was_cut_short_is_no_archive(bundle: Path, tmp_path: Path) -> None:
    short = tmp_path / "short.zip"
    for size in (0, 10, bundle.stat().st_size // 2, bundle.stat().st_size - 1):
        short.write_bytes(bundle.read_bytes()[:size])
        assert ("archive unsound", "short.zip") in found(short)


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


def test_the_signers_key_is_asked_for(toy: Toy, bundle: Path, files: Files, tmp_path: Path) -> None:
    verdict = inspect_bundle(bundle, toy.public)
    assert (verdict.mismatches, verdict.signature) == ([], "by the given key")
    _, other = make_keys(tmp_path, "other")
    assert found(bundle, other) == {("signature wrong", "provenance.dsse.json"), ("signature wrong", "signer.pem")}
    unsigned = write_bundle(toy.lineage, toy.model, tmp_path / "unsigned.zip").path
    assert found(unsigned, toy.public) == {("signature missing", "provenance.dsse.json")}


def test_a_bundle_signed_anew_by_another_is_found_with_the_signers_key_alone(
    toy: Toy, files: Files, tmp_path: Path
) -> None:
    """The forger edits the page, and makes statement, signature and sums anew with a key of their own."""
    forged = {**files, "page.html": b"<html>all is well</html>"}

    def name_it(said: dict[str, Any]) -> None:
        for each in said["predicate"]["runDetails"]["byproducts"]:
            if each["name"] == "page.html":
                each["digest"]["sha256"] = sha256_bytes(forged["page.html"])

    forged = edited(forged, "provenance.intoto.json", name_it)
    private, public = make_keys(tmp_path, "forger")
    envelope = sign(forged["provenance.intoto.json"], read_private_key(private))
    forged |= {"provenance.dsse.json": json.dumps(envelope).encode(), "signer.pem": public.read_bytes()}
    path = pack(tmp_path / "forged.zip", forged, sums=True)
    assert inspect_bundle(path).signature == "by a key that came with it"
    assert found(path) == set()  # all agrees: only the signer's own key tells
    assert found(path, toy.public) == {("signature wrong", "provenance.dsse.json"), ("signature wrong", "signer.pem")}


def test_an_edited_statement_does_not_fit_its_signature(toy: Toy, files: Files, tmp_path: Path) -> None:
    changed = {**files, "provenance.intoto.json": files["provenance.intoto.json"] + b"\n"}
    assert ("signature wrong", "provenance.dsse.json") in found(pack(tmp_path / "a.zip", changed, sums=True))


def test_a_signature_that_was_taken_off_is_missed_when_it_is_asked_for(toy: Toy, files: Files, tmp_path: Path) -> None:
    rest = {name: content for name, content in files.items() if name not in ("provenance.dsse.json", "signer.pem")}
    path = pack(tmp_path / "a.zip", rest, sums=True)
    assert found(path) == set()
    assert found(path, toy.public) == {("signature missing", "provenance.dsse.json")}


@pytest.mark.parametrize("name", ["../evil.txt", "/etc/evil", "a/../../evil", "C:/evil", "a//b", "."])
def test_a_name_that_leads_out_of_the_folder_is_refused(files: Files, tmp_path: Path, name: str) -> None:
    mismatches = found(pack(tmp_path / "a.zip", {**files, name: b"evil"}, sums=True))
    assert ("archive unsound", name) in mismatches


def test_links_and_files_that_are_there_twice_are_refused(files: Files, tmp_path: Path) -> None:
    path = pack(tmp_path / "a.zip", files)
    with zipfile.ZipFile(path, "a") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        link = zipfile.ZipInfo("link")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr("page.html", "another")
    assert {("archive unsound", "link"), ("archive unsound", "page.html")} <= found(path)


def test_hidden_bytes_are_found(bundle: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(b"#!/bin/sh\necho hidden\n" + bundle.read_bytes())
    assert "archive unsound" in {kind for kind, _ in found(path)}


def test_an_archive_that_claims_to_be_huge_is_not_unpacked(tmp_path: Path) -> None:
    """The size in the directory is the attacker's to choose."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", b"\0" * 1000)
        archive.getinfo("zeros").file_size = MAX_BYTES + 1  # into the directory, which is written on closing
    path = tmp_path / "bomb.zip"
    path.write_bytes(made.getvalue())
    [first, *_] = verify_bundle(path)
    assert "not unpacked" in first.message


def test_an_entry_larger_than_it_claims_is_refused(tmp_path: Path) -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", b"\0" * 10_000_000)
        archive.getinfo("zeros").file_size = 10
    path = tmp_path / "bomb.zip"
    path.write_bytes(made.getvalue())
    assert ("archive unsound", "zeros") in found(path)


def test_test_vector_of_the_dsse_specification() -> None:
    said = pre_authentication_encoding("http://example.com/HelloWorld", b"hello world")
    assert said == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"


def test_envelopes_that_are_torn(toy: Toy) -> None:
    private, public = read_private_key(toy.private), read_public_key(toy.public)
    envelope = sign(b"{}", private)
    assert signed_payload(json.dumps(envelope).encode(), public) == b"{}"
    other_kind = sign(b"{}", private, "text/plain")
    other_payload = {**envelope, "payload": base64.b64encode(b"[]").decode()}
    broken: tuple[Any, ...] = (
        {},
        [],
        {**envelope, "signatures": []},
        {**envelope, "payload": "%"},
        other_kind,
        other_payload,
    )
    for torn in broken:
        with pytest.raises(SignatureWrong):
            signed_payload(json.dumps(torn).encode(), public)


def test_keys_of_other_kinds_are_refused_with_the_remedy(toy: Toy, tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    other = tmp_path / "ec.pem"
    key = ec.generate_private_key(ec.SECP256R1())
    other.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    nothing = tmp_path / "nothing.pem"
    for path in (other, nothing, toy.public):
        with pytest.raises(KeyUnusable, match="openssl genpkey -algorithm ed25519"):
            write_bundle(toy.lineage, toy.model, tmp_path / "a.zip", key=path)
    assert not os.path.exists(tmp_path / "a.zip")
    with pytest.raises(KeyUnusable, match="openssl pkey"):
        read_public_key(toy.private)


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
