"""DSSE: signing a statement with an ed25519 key, and checking who signed.

Belongs here: the envelope (https://github.com/secure-systems-lab/dsse, version 1) and its keys. Must not come here:
what is signed (``provenance``). Keys come from ``openssl genpkey -algorithm ed25519``.
"""

import base64
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sport_assets.lineage.digest import sha256_bytes
from sport_assets.lineage.errors import LineageError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"


class KeyUnusable(LineageError):
    """A key file that cannot be read, or is none of the kind that bundles are signed with."""


class SignatureWrong(LineageError):
    """An envelope that is torn, or that the key did not sign."""


def pre_authentication_encoding(payload_type: str, payload: bytes) -> bytes:
    """The bytes that are signed: type and payload, each after its length, so that neither can pass for the other."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def read_private_key(path: Path) -> "Ed25519PrivateKey":
    """The private key in a PEM file. Raises ``KeyUnusable``."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm, OSError) as error:
        raise KeyUnusable(
            f"{path}: no private key can be read from it ({error}). Make one: "
            "openssl genpkey -algorithm ed25519 -out KEY.pem; one with a password must be decrypted before."
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyUnusable(f"{path}: not an ed25519 key. Make one: openssl genpkey -algorithm ed25519 -out KEY.pem")
    return key


def read_public_key(source: Path | bytes) -> "Ed25519PublicKey":
    """The public key in a PEM file or text. Raises ``KeyUnusable``."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    name = str(source) if isinstance(source, Path) else "the archive's key"
    try:
        key = load_pem_public_key(source if isinstance(source, bytes) else source.read_bytes())
    except (ValueError, UnsupportedAlgorithm, OSError) as error:
        raise KeyUnusable(
            f"{name}: no public key can be read from it ({error}). From a private one: "
            "openssl pkey -in KEY.pem -pubout -out PUBLIC.pem"
        ) from error
    if not isinstance(key, Ed25519PublicKey):
        raise KeyUnusable(f"{name}: not an ed25519 key")
    return key


def public_pem(key: "Ed25519PublicKey") -> bytes:
    """A public key as a PEM file."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def key_id(key: "Ed25519PublicKey") -> str:
    """SHA-256 over the key's DER form, as ``openssl pkey -pubin -outform DER | sha256sum`` prints it."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return sha256_bytes(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def sign(payload: bytes, key: "Ed25519PrivateKey", payload_type: str = PAYLOAD_TYPE) -> dict[str, Any]:
    """The envelope around ``payload``. Ed25519 is deterministic: the same payload and key give the same envelope."""
    signature = key.sign(pre_authentication_encoding(payload_type, payload))
    return {
        "payloadType": payload_type,
        "payload": base64.b64encode(payload).decode(),
        "signatures": [{"keyid": key_id(key.public_key()), "sig": base64.b64encode(signature).decode()}],
    }


def signed_payload(envelope: bytes, key: "Ed25519PublicKey") -> bytes:
    """The payload of an envelope that ``key`` signed. Raises ``SignatureWrong``. Its key id is a hint, and not read."""
    from cryptography.exceptions import InvalidSignature

    try:
        read = json.loads(envelope)
        kind = read["payloadType"]
        payload = base64.b64decode(read["payload"], validate=True)
        signatures = [base64.b64decode(each["sig"], validate=True) for each in read["signatures"]]
        signed = pre_authentication_encoding(kind, payload)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise SignatureWrong(f"it is no DSSE envelope: {error}") from error
    if kind != PAYLOAD_TYPE:
        raise SignatureWrong(f"its payload is {kind}, not {PAYLOAD_TYPE}")
    for signature in signatures:
        try:
            key.verify(signature, signed)
        except InvalidSignature:
            continue
        return payload
    raise SignatureWrong(f"none of its {len(signatures)} signatures is by key {key_id(key)[:12]}")
