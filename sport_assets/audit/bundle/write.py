"""Makes a bundle: collects, writes the documents, signs, packs, and checks what it packed.

Belongs here: the order of these. Must not come here: how any of them is done.
"""

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sport_assets import __version__
from sport_assets.audit.bundle import names
from sport_assets.audit.bundle.annex_iv import annex_iv
from sport_assets.audit.bundle.archive import Source, write_archive
from sport_assets.audit.bundle.collect import Contents, collect
from sport_assets.audit.bundle.croissant import croissant
from sport_assets.audit.bundle.index import Index, Model
from sport_assets.audit.bundle.ml_bom import ml_bom
from sport_assets.audit.bundle.openlineage import events
from sport_assets.audit.bundle.provenance import statement
from sport_assets.audit.bundle.readme import readme
from sport_assets.audit.bundle.signing import public_pem, read_private_key, sign
from sport_assets.audit.bundle.verify import Verdict, inspect_bundle
from sport_assets.audit.mismatch import errors
from sport_assets.audit.page import page
from sport_assets.lineage.digest import sha256_bytes, sha256_file
from sport_assets.lineage.errors import LineageError, StoreDamaged
from sport_assets.lineage.record import Lineage


@dataclass(frozen=True)
class Written:
    """A finished bundle, and what checking it found."""

    path: Path
    sha256: str
    verdict: Verdict


def write_bundle(
    lineage: Lineage, record_id: str, out: Path, *, key: Path | None = None, whole_chain: bool = False
) -> Written:
    """Pack everything about one materialization into ``out``, signed when a private key is given.

    The same chain, head and key give the same bytes. Raises ``StoreDamaged`` when the model's files are not as
    recorded, ``KeyUnusable`` for a key of another kind, ``LineageError`` when the finished archive fails its check.
    """
    private = read_private_key(key) if key is not None else None  # before the work
    if not out.parent.is_dir():
        raise LineageError(f"{out.parent}: no such folder to write the bundle into")
    contents = collect(lineage, record_id, whole_chain=whole_chain)
    files = documents(contents, whole_chain=whole_chain, signed=private is not None)
    digests = _digests(files)
    added = {names.STATEMENT: statement(contents.subject, digests)}
    if private is not None:
        added[names.ENVELOPE] = _json(sign(added[names.STATEMENT], private))
        added[names.SIGNER] = public_pem(private.public_key())
    added[names.SUMS] = sums(digests | _digests(added))
    partial = out.with_name(f".{out.name}.{secrets.token_hex(4)}.tmp")
    try:
        write_archive(partial, files | added)
        verdict = inspect_bundle(partial)
        if errors(verdict.mismatches):
            first = errors(verdict.mismatches)[0]
            raise StoreDamaged(
                f"{out} was not written: what was packed is not as recorded: {first.place} {first.message}"
            )
        os.replace(partial, out)
    finally:
        partial.unlink(missing_ok=True)
    return Written(out, sha256_file(out), replace(verdict, path=out))


def documents(contents: Contents, *, whole_chain: bool, signed: bool) -> dict[str, Source]:
    """All files of a bundle but statement, signature and sums, which name these by digest."""
    subject = contents.subject
    files = dict(contents.files)
    head = contents.chain_list.head
    files[names.HEAD] = _json({"seq": head.seq, "hash": head.hash})
    files[names.CHAIN] = contents.chain_list.to_json()
    files[names.REPORT] = _json(subject.report)
    files[names.PAGE] = page(subject.report).encode()
    files[names.EVENTS] = events(subject)
    files[names.ML_BOM] = ml_bom(subject)
    files[names.CROISSANT] = croissant(subject)
    files[names.ANNEX_IV] = annex_iv(subject)
    files[names.INDEX] = _json(_index(contents, whole_chain))
    later = {names.STATEMENT, names.SUMS, names.README, *((names.ENVELOPE, names.SIGNER) if signed else ())}
    files[names.README] = readme(subject, {*files, *later}, whole_chain=whole_chain, signed=signed)
    return files


def sums(digests: Mapping[str, str]) -> bytes:
    """The list that ``sha256sum --check`` reads."""
    return "".join(f"{digests[name]}  {name}\n" for name in sorted(digests)).encode()


def _index(contents: Contents, whole_chain: bool) -> dict[str, Any]:
    card = contents.subject.card_made
    index = Index(
        made_by=f"sport_assets {__version__}",
        model=Model.of(contents.subject.made),
        card=None if card is None else card.id,
        missing=list(contents.subject.chain.missing),
        whole_chain=whole_chain,
    )
    return index.model_dump()


def _digests(files: Mapping[str, Source]) -> dict[str, str]:
    return {name: sha256_bytes(each) if isinstance(each, bytes) else sha256_file(each) for name, each in files.items()}


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False, default=str) + "\n").encode()
