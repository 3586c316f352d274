"""``README.txt`` of a bundle: what each file is, and how to check it with tools that every machine has.

Belongs here: that text. Must not come here: anything that the bundle has to prove.
"""

import textwrap

from sport_assets.audit.bundle.names import (
    ANNEX_IV,
    CARD,
    CHAIN,
    CROISSANT,
    ENVELOPE,
    EVALUATION,
    EVENTS,
    HEAD,
    INDEX,
    ML_BOM,
    MODEL,
    PAGE,
    README,
    RECORDS,
    REPORT,
    ROWS,
    SIGNER,
    STATEMENT,
    SUMS,
)
from sport_assets.audit.bundle.subject import Subject

_FILES = {
    MODEL: "The model's own files, byte for byte.",
    EVALUATION: "Its metrics beside baselines.",
    CARD: "Its model card, as published.",
    ANNEX_IV: "What the records know, in the order of Annex IV of the EU AI Act; open points are marked.",
    PAGE: "The whole chain from raw files to the model, to look at in a browser. It loads nothing from the network.",
    REPORT: "The same as JSON: every step, raw file, check and finding.",
    RECORDS: "The record of every step, byte for byte as written when it was made, and of every later event about it: "
    "checks, overrides, withdrawals, restorations. One JSON file each.",
    ROWS: "What the rows of a step are about (games, plays, players ...), named by SHA-256; records refer to it.",
    HEAD: "How many records the home had when the bundle was made, and the hash of the last one.",
    CHAIN: "The hashes of all records of that home from the first one here to the last. See below.",
    EVENTS: "The chain as OpenLineage run events, one JSON object per line.",
    ML_BOM: "The bill of materials as CycloneDX 1.6: model, metrics, limits, data, packages.",
    CROISSANT: "The data sets as Croissant 1.0: raw files and versions with digests, columns of tables. The data "
    "itself is not in the bundle.",
    STATEMENT: "How the model was built, as an in-toto statement with SLSA provenance v1. It names every other file "
    f"of the bundle by SHA-256 but for {SUMS}, {ENVELOPE} and {SIGNER}.",
    ENVELOPE: "That statement, signed: a DSSE envelope with an ed25519 signature.",
    SIGNER: "The public key that fits the signature. It proves nothing about who signed: get the signer's key from "
    "the signer.",
    INDEX: "Which model this is, by record and version; the layout's number.",
    SUMS: "SHA-256 of every other file.",
    README: "This text.",
}

_TEXT = """\
{title}
{underline}

Version {version}
Record  {record}

WHAT IS IN IT

{files}

TO CHECK IT BY HAND

1. Unpack it into an empty folder, and in there:

       sha256sum --check --quiet SHA256SUMS

   Nothing printed means that every file is as it was packed. Whoever changes a file can make SHA256SUMS anew, so this
   finds accidents. Against purpose, check the signature (3) or compare the head (4).

2. Follow the chain. A record's name is its number and the first twelve digits of the hash of the record before it;
   "previous" in it holds that hash whole. Its own hash is

       sha256sum records/RECORD.json

   and stands in chain.json: that of record number n at place n - "first" of "hashes". "inputs" of a record name the
   records it was made from, with their versions; "files" what it made; "raw_files" the raw files it read. A version is
   the SHA-256 over its files, listed like this:

       import hashlib, json
       record = json.load(open("records/RECORD.json"))
       files = sorted([file["path"], file["sha256"], file["size"]] for file in record["files"])
       text = json.dumps(files, separators=(",", ":"), ensure_ascii=False)
       print(hashlib.sha256(text.encode()).hexdigest() == record["version"])
{signed}
4. With the home the model was made in: its `sport-assets ledger head`, kept at the time, agrees with records/head.json.

With sport_assets installed, all of it (no home and no network needed):

       sport-assets verify BUNDLE.zip{key}

WHAT IT PROVES AND WHAT NOT

Each record in here proves its own hash and, by "previous", the hash of the one before it.
{links}
The bundle proves that its files belong together, and with a trusted signature that the signer packed just these. It
does not prove that what the records say took place: that is what making the model again from the raw files is for.
"""

_SIGNED = """
3. Who signed it. In Python, bring what was signed into the form that DSSE prescribes:

       import base64, json
       envelope = json.load(open("provenance.dsse.json"))
       payload = base64.b64decode(envelope["payload"])
       print(payload == open("provenance.intoto.json", "rb").read())
       kind = envelope["payloadType"].encode()
       open("signed.bin", "wb").write(b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload))
       open("signature.bin", "wb").write(base64.b64decode(envelope["signatures"][0]["sig"]))

   and check it with a key that you have from the signer, not from this archive:

       openssl pkeyutl -verify -rawin -pubin -inkey SIGNER.pem -in signed.bin -sigfile signature.bin
"""
_UNSIGNED = """
3. It is not signed: nothing in it says who packed it.
"""

_PARTIAL = """\
Records of the same home that have nothing to do with this model are not in here; of those chain.json only asserts the
hashes. Whoever has the home, or a bundle with its whole chain, can prove them by comparison (verify --home). For the
same reason it cannot prove that nothing more was said about these records, such as a withdrawal that was left out."""
_WHOLE = """\
This bundle holds every record from its first one to the head, so every link is proven, and a head that was kept
elsewhere proves them all."""


def readme(subject: Subject, names: set[str], *, whole_chain: bool, signed: bool) -> bytes:
    """The text, about the files that are there."""
    title = f"Audit bundle of {subject.chain.target.name}"
    present = [
        name for name in _FILES if name in names or (name.endswith("/") and any(n.startswith(name) for n in names))
    ]
    files = "\n".join(
        textwrap.fill(f"{name:<24}{_FILES[name]}", width=118, subsequent_indent=" " * 24, break_on_hyphens=False)
        for name in present
    )
    return _TEXT.format(
        title=title,
        underline="=" * len(title),
        version=subject.made.version,
        record=subject.made.id,
        files=files,
        signed=_SIGNED if signed else _UNSIGNED,
        key=" --key SIGNER.pem" if signed else "",
        links=_WHOLE if whole_chain else _PARTIAL,
    ).encode()
