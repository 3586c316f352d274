"""Checks a bundle offline: nothing but the archive, and the signer's key where it is known.

Belongs here: that the archive is sound, that its files are those it lists, that its records agree with one another and
with the model's files, that the statement is about just these, and who signed it. Must not come here: what a home would
add (``verify`` of a home), mending anything.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

from sport_assets.audit.bundle import names
from sport_assets.audit.bundle.archive import Opened, open_archive
from sport_assets.audit.bundle.belonging import belonging
from sport_assets.audit.bundle.chain_proof import departures, read_chain
from sport_assets.audit.bundle.check_records import Records, check_records
from sport_assets.audit.bundle.check_statement import check_statement
from sport_assets.audit.bundle.index import Index, Model
from sport_assets.audit.bundle.signing import KeyUnusable, SignatureWrong, key_id, read_public_key, signed_payload
from sport_assets.audit.chain import name_of as named
from sport_assets.audit.mismatch import Mismatch
from sport_assets.lineage.errors import LineageError
from sport_assets.lineage.ledger import Ledger
from sport_assets.lineage.lookup import Head

T = TypeVar("T")
Signature = Literal["none", "wrong", "by a key that came with it", "by the given key"]
_SIGNATURE_TOLD: Final[dict[Signature, str]] = {
    "none": "not signed: nothing in it says who packed it, nor that report, page and the other documents made from the "
    "records were not edited and listed anew",
    "wrong": "its signature is wrong",
    "by a key that came with it": "signed by key {key}, which came with it: who signed is only known by checking with "
    "the signer's own key, --key PUBLIC.pem",
    "by the given key": "signed by the given key {key}",
}
_REQUIRED: Final = (
    names.README,
    names.SUMS,
    names.INDEX,
    names.HEAD,
    names.CHAIN,
    names.ANNEX_IV,
    names.REPORT,
    names.PAGE,
    names.EVENTS,
    names.ML_BOM,
    names.CROISSANT,
    names.STATEMENT,
)


@dataclass
class Verdict:
    """What checking a bundle found."""

    path: Path
    model: Model | None = None
    head: Head | None = None
    files: int = 0
    size: int = 0
    records: int = 0
    links_proven: int = 0
    links_asserted: int = 0
    signature: Signature = "none"
    signed_by: str | None = None
    mismatches: list[Mismatch] = field(default_factory=list)

    def add(self, kind: str, place: str, message: str, **more: Any) -> None:
        """Note a mismatch."""
        self.mismatches.append(Mismatch(kind, place, message, **more))

    def lines(self) -> list[str]:
        """For a person: what it is about, how far its chain is proven, who signed it. Mismatches tell themselves."""
        told = [f"  {self.files} files, {self.size:,} bytes, {self.records} records"]
        if self.model is not None:
            name = named(self.model.asset, self.model.partition)
            told.insert(0, f"{name} version {self.model.version[:12]}, record {self.model.record}")
        if self.head is not None:
            told.append(
                f"  chain of {self.head.seq} records up to {self.head.hash}: {self.links_proven} links proven, "
                f"{self.links_asserted} asserted"
            )
        return [*told, f"  {_SIGNATURE_TOLD[self.signature].format(key=self.signed_by)}"]

    def as_json(self) -> dict[str, Any]:
        """For scripts."""
        return {
            "bundle": str(self.path),
            "model": None if self.model is None else self.model.model_dump(),
            "head": None if self.head is None else {"records": self.head.seq, "hash": self.head.hash},
            "files": self.files,
            "bytes": self.size,
            "records": self.records,
            "links": {"proven": self.links_proven, "asserted": self.links_asserted},
            "signature": self.signature,
            "signed_by": self.signed_by,
            "mismatches": [mismatch.as_json() for mismatch in self.mismatches],
        }


def verify_bundle(path: Path, key: Path | None = None, home: Ledger | None = None) -> list[Mismatch]:
    """Everything about a bundle that is not as it must be; as ``inspect_bundle``."""
    return inspect_bundle(path, key, home).mismatches


def inspect_bundle(path: Path, key: Path | None = None, home: Ledger | None = None) -> Verdict:
    """Check a bundle. With ``key``, that this key signed it; with ``home``, that it was taken from that home's chain.

    Raises ``KeyUnusable`` when the given key is none, ``OSError`` when there is no archive.
    """
    trusted = read_public_key(key) if key is not None else None
    opened = open_archive(path)
    verdict = Verdict(path, files=len(opened.digests), size=sum(opened.sizes.values()))
    for name, message in opened.strange:
        verdict.add("archive unsound", name, message)
    if not opened.digests:
        verdict.add("archive unsound", path.name, "no file can be read from it")
        return verdict
    _check_sums(verdict, opened)
    index = _document(verdict, opened, names.INDEX, Index.model_validate_json)
    if index is not None:
        verdict.model = index.model
        records = check_records(opened, index, verdict.add)
        verdict.head, verdict.records = records.head, len(records.events)
        verdict.links_proven, verdict.links_asserted = records.proven, records.asserted
        _check_statement(verdict, opened, records)
        if home is not None:
            _check_home(verdict, opened, records, home)
    _check_signature(verdict, opened, trusted)
    return verdict


def _check_sums(verdict: Verdict, opened: Opened) -> None:
    """Every file is listed once with its digest, and every listed one is there."""
    for name in _REQUIRED:
        if name not in opened.digests:
            verdict.add("file missing", name, "every bundle has this file; it is not in the archive")
    listed = _document(verdict, opened, names.SUMS, _read_sums)
    if listed is None:
        return
    for name in sorted(listed.keys() | (opened.digests.keys() - {names.SUMS})):
        expected, found = listed.get(name), opened.digests.get(name)
        if found is None and name not in _REQUIRED:
            verdict.add("file missing", name, f"{names.SUMS} lists it; it is not in the archive", expected=expected)
        elif expected is None:
            verdict.add("file added", name, f"is in the archive; {names.SUMS} does not list it", found=found)
        elif found is not None and expected != found:
            verdict.add("file altered", name, f"is not what {names.SUMS} lists", expected=expected, found=found)


def _read_sums(text: bytes) -> dict[str, str]:
    listed: dict[str, str] = {}
    for number, line in enumerate(text.decode().splitlines(), start=1):
        digest, gap, name = line.partition("  ")
        if not gap or len(digest) != 64 or not name or name in listed:
            raise LineageError(f"line {number} is not `SHA-256  name`, or names a file twice")
        listed[name] = digest
    return listed


def _document(verdict: Verdict, opened: Opened, name: str, read: Callable[[bytes], T]) -> T | None:
    """A file as read; what is wrong with it is noted."""
    if name not in opened.digests:
        return None
    try:
        return read(opened.text(name))
    except (LineageError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        verdict.add("file unreadable", name, f"cannot be read: {error}")
        return None


def _check_statement(verdict: Verdict, opened: Opened, records: Records) -> None:
    found = _document(verdict, opened, names.STATEMENT, lambda text: list(check_statement(text, opened, records)))
    for place, message, expected, seen in found or ():
        verdict.add("statement wrong", place, message, expected=expected, found=seen)


def _check_home(verdict: Verdict, opened: Opened, records: Records, home: Ledger) -> None:
    """The listed hashes are the home's, which proves every link; and the home has no more to say of these records."""
    listed = _document(verdict, opened, names.CHAIN, read_chain)
    if listed is None:
        return
    apart = departures(listed, home)
    if apart:
        verdict.add(
            "chain departs from the home",
            names.CHAIN,
            f"{len(apart)} of {len(listed.hashes)} listed records are not those of {home.home.root}, the first number "
            f"{apart[0]}",
            expected=listed.at(apart[0]),
        )
        return
    verdict.links_proven, verdict.links_asserted = len(listed.hashes), 0
    for record_id in sorted(belonging(home, records.made) - records.events.keys()):
        kind, later = home.event(record_id).kind, int(record_id.split("-")[0]) > listed.head.seq
        message = f"the home has recorded it ({kind}) since" if later else f"the home has it ({kind}); it was left out"
        severity = "note" if later else "error"
        verdict.add("record missing", names.record_file(record_id), message, severity=severity)


def _check_signature(verdict: Verdict, opened: Opened, trusted: Any) -> None:
    """The envelope holds this very statement, signed by the given key, or else by the one that lies beside it."""
    signed = [name for name in (names.ENVELOPE, names.SIGNER) if name in opened.digests]
    if not signed:
        if trusted is not None:
            verdict.add("signature missing", names.ENVELOPE, "the bundle is not signed; a signature was asked for")
        return
    verdict.signature = "wrong"
    for place, message in _signature_faults(verdict, opened, trusted):
        verdict.add("signature wrong", place, message)


def _signature_faults(verdict: Verdict, opened: Opened, trusted: Any) -> Iterator[tuple[str, str]]:
    if names.ENVELOPE not in opened.digests or names.STATEMENT not in opened.digests:
        yield names.ENVELOPE, "the signed statement is not there"
        return
    try:
        beside = read_public_key(opened.text(names.SIGNER)) if names.SIGNER in opened.digests else None
    except (KeyUnusable, ValueError) as error:
        yield names.SIGNER, str(error)
        beside = None
    signer = trusted or beside
    if signer is None:
        yield names.ENVELOPE, "there is no key to check it with"
        return
    if trusted is not None and beside is not None and key_id(trusted) != key_id(beside):
        yield names.SIGNER, f"is another key ({key_id(beside)[:12]}) than the given one ({key_id(trusted)[:12]})"
    try:
        payload = signed_payload(opened.text(names.ENVELOPE), signer)
    except (SignatureWrong, ValueError) as error:
        yield names.ENVELOPE, str(error)
        return
    if payload != opened.text(names.STATEMENT):
        yield names.ENVELOPE, f"what was signed is not {names.STATEMENT}"
        return
    verdict.signature = "by the given key" if trusted is not None else "by a key that came with it"
    verdict.signed_by = key_id(signer)
