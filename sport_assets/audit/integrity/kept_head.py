"""The chain's head as somebody kept it elsewhere, and whether the chain still leads through it.

Belongs here: reading what `sport-assets ledger head` printed, and finding it again. Must not come here: the chain's own
consistency (``chain_check``). Whoever can write the home can replace all of it by something consistent; not what is
kept elsewhere.
"""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from sport_assets.audit.integrity.record_files import RecordFiles
from sport_assets.audit.mismatch import Kind, Mismatch
from sport_assets.lineage.errors import LineageError

_HEAD = re.compile(r"(?:(\d+)[\s:,]+)?([0-9a-f]{64})")
_LATER = timedelta(minutes=1)


class KeptHead(NamedTuple):
    """How many records there were (None: not kept) and the hash of the last one's file."""

    records: int | None
    hash: str

    @classmethod
    def parse(cls, text: str) -> "KeptHead":
        """From what `ledger head` prints, with or without ``--json``: ``9 HASH``, ``9:HASH`` or ``HASH``.

        Raises ``LineageError`` when it is none of these.
        """
        plain = text.strip()
        if plain.startswith("{"):
            try:
                found = json.loads(plain)
                plain = f"{found['records']} {found['hash']}"
            except (ValueError, KeyError) as error:
                raise LineageError(f"{text!r} is not what `sport-assets ledger head --json` prints") from error
        match = _HEAD.fullmatch(plain)
        if match is None:
            raise LineageError(
                f"{text!r} is no head of a chain. Give what `sport-assets ledger head` printed, in quotes: "
                "'RECORDS HASH', or RECORDS:HASH, or the HASH of 64 hex digits alone."
            )
        return cls(int(match[1]) if match[1] else None, match[2])


def check_head(files: RecordFiles, kept: KeptHead, entered: Mapping[int, str]) -> list[Mismatch]:
    """Whether the chain leads through a kept head. ``entered``: the hashes in the ledger by number of record."""
    hashes = {number: file.hash for number in sorted(files.numbered) for file in files.at(number)}
    place = f"{files.folder}, record number {kept.records}" if kept.records is not None else str(files.folder)
    if kept.records is None:
        if kept.hash in hashes.values():
            return []
        said = f"none of the {len(hashes)} records has the kept hash: the chain was replaced, or cut off before it"
        return [_departs(Kind.HEAD_DEPARTS, place, said + _rewritten(files), kept, None)]
    if kept.records == 0:
        genesis = files.folder / "GENESIS"
        found = genesis.read_text(encoding="utf-8").strip() if genesis.is_file() else None
        said = "the chain starts from another GENESIS than the kept one"
        return [] if found == kept.hash else [_departs(Kind.HEAD_DEPARTS, str(genesis), said, kept, found)]
    if kept.records > max(hashes, default=0):
        said = f"{kept.records} records were there when the head was kept, and {max(hashes, default=0)} are there now"
        return [_departs(Kind.HEAD_AHEAD, place, said, kept, None)]
    found = hashes.get(kept.records)
    if found == kept.hash and entered.get(kept.records, kept.hash) == kept.hash:
        return []
    said = f"record {kept.records} has another hash than when the head was kept: it or one before it was replaced"
    wrong = found if found != kept.hash else entered[kept.records]
    return [_departs(Kind.HEAD_DEPARTS, place, said + _rewritten(files), kept, wrong)]


def _departs(kind: Kind, place: str, message: str, kept: KeptHead, found: str | None) -> Mismatch:
    return Mismatch(kind, place, message, expected=kept.hash, found=found)


def _rewritten(files: RecordFiles) -> str:
    """A hint at where: the first record whose file was changed well after the moment it tells."""
    for number in sorted(files.numbered):
        for file in files.at(number):
            if file.event is None:
                continue
            changed = datetime.fromtimestamp((files.folder / file.name).stat().st_ctime, UTC)
            if changed - file.event.at > _LATER:
                return (
                    f". The first record whose file was changed well after the time it tells is {file.event.id} "
                    f"({changed:%Y-%m-%d %H:%M:%S} UTC); copying a home does that, too"
                )
    return ""
