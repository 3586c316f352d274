"""What a bundle says about its records' places in the home's chain, and how far that is proven.

Belongs here: ``chain.json``. Must not come here: what the records mean.

Every record names the hash of the one before it. A bundle holds some records of a home, so it lists the hashes of all
records from its first one to the head. Each record that is there proves its own hash and that of the one before it.
The links between records that are not there are only asserted: they are proven by comparing the list with the home, or
with a bundle that holds the whole chain.
"""

import json
from dataclasses import dataclass

from sport_assets.lineage.errors import LineageError
from sport_assets.lineage.ledger import ENTRIES, Ledger
from sport_assets.lineage.lookup import Head

_HEX = set("0123456789abcdef")


@dataclass(frozen=True)
class ChainList:
    """The hashes of consecutive records, from number ``first`` on; ``before`` is the hash of the one before that."""

    first: int
    before: str
    hashes: tuple[str, ...]

    @property
    def head(self) -> Head:
        """The last of them."""
        return Head(self.first + len(self.hashes) - 1, self.hashes[-1])

    def at(self, seq: int) -> str | None:
        """The hash of record number ``seq``, as far as it is listed."""
        if seq == self.first - 1:
            return self.before
        place = seq - self.first
        return self.hashes[place] if 0 <= place < len(self.hashes) else None

    def to_json(self) -> bytes:
        """The file's bytes."""
        listed = {"first": self.first, "before": self.before, "hashes": list(self.hashes)}
        return (json.dumps(listed, indent=0) + "\n").encode()


def read_chain(text: bytes) -> ChainList:
    """The list in a file. Raises ``LineageError`` when it is none."""
    try:
        read = json.loads(text)
        found = ChainList(int(read["first"]), str(read["before"]), tuple(map(str, read["hashes"])))
    except (ValueError, KeyError, TypeError) as error:
        raise LineageError(f"no list of hashes can be read from it: {error}") from error
    for each in (found.before, *found.hashes):
        if len(each) != 64 or not set(each) <= _HEX:
            raise LineageError(f"{each[:80]!r} is no SHA-256")
    if not found.hashes or found.first < 1 or len(set(found.hashes)) != len(found.hashes):
        raise LineageError("it lists nothing, or the same hash twice")
    return found


def chain_of(ledger: Ledger, first: int, before: str, head: Head) -> ChainList:
    """The hashes from record number ``first`` to ``head`` as the ledger has them."""
    rows = ledger.entries(ENTRIES.c.seq >= first, ENTRIES.c.seq <= head.seq)
    return ChainList(first, before, tuple(row.hash for row in rows))


def departures(listed: ChainList, ledger: Ledger) -> list[int]:
    """The numbers of records whose hash in this home is not the listed one. A home with fewer records lacks the rest.

    Empty when the home's chain is the one that the bundle was taken from: then every link is proven.
    """
    rows = ledger.entries(ENTRIES.c.seq >= listed.first, ENTRIES.c.seq <= listed.head.seq)
    found = {row.seq: row.hash for row in rows}
    return [seq for seq in range(listed.first, listed.head.seq + 1) if found.get(seq) != listed.at(seq)]
