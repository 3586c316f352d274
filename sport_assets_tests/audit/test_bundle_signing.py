"""Signatures of bundles: who signed is asked for, and nothing else passes for it."""

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest

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
from sport_assets_tests.audit.bundles import Toy, contents, edited, make_keys, make_toy, pack

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
