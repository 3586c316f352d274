"""Compares raw files with what the records, and the digests kept in the ledger, say of them.

Belongs here: the user's own files. Must not come here: what was made from them (``store_check``).
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from sport_assets.audit.integrity.record_files import Entry, Made
from sport_assets.audit.integrity.snapshot import KeptDigest
from sport_assets.audit.integrity.store_check import size_change
from sport_assets.audit.mismatch import Kind, Mismatch, change_time
from sport_assets.lineage.index import file_traits

_EVER = datetime.min.replace(tzinfo=UTC)


@dataclass
class RawContent:
    """One content that a raw file was recorded with: by whom, and until when it was seen to be that."""

    entry: Entry
    owners: list[Made] = field(default_factory=list)
    good_until: datetime = _EVER

    @property
    def newest(self) -> Made:
        """The newest record of it."""
        return max(self.owners, key=lambda made: made.record)


def raw_contents(made: Sequence[Made]) -> dict[str, list[RawContent]]:
    """The contents each raw file (by path) was recorded with, the newest last.

    A record that reads one which owns raw files compares these with their digests before it publishes.
    """
    found: dict[str, dict[str, RawContent]] = defaultdict(dict)
    by_record = {each.record: each for each in made}
    for each in made:
        for entry in each.raw_files:
            content = found[entry.path].setdefault(entry.sha256, RawContent(entry))
            content.owners.append(each)
            content.good_until = max(content.good_until, each.ended)
    for each in made:
        for owner in (by_record[record] for record in each.inputs if record in by_record):
            for entry in owner.raw_files:
                content = found[entry.path][entry.sha256]
                content.good_until = max(content.good_until, each.ended)
    return {path: sorted(each.values(), key=lambda content: content.newest.record) for path, each in found.items()}


def check_raw(
    contents: Mapping[str, Sequence[RawContent]],
    data: Path,
    digests: Mapping[str, str | OSError],
    kept: Mapping[str, KeptDigest],
    newest: Mapping[str, str],
) -> Iterator[Mismatch]:
    """What is not as recorded. ``newest``: the digest that each file was recorded with last, by whomever.

    Where the file has it, the older contents were superseded: an archive that grew, and was taken up again.
    """
    for name, recorded in sorted(contents.items()):
        path = data / name
        digest = digests.get(str(path))
        if not path.exists() or digest is None:
            said = "gone from the data folder; nothing can be reproduced without it"
            yield from (_of(content, path, Kind.RAW_MISSING, said, kept.get(name)) for content in recorded)
            continue
        if isinstance(digest, OSError):
            said = f"cannot be read: {digest.strerror}"
            yield from (_of(content, path, Kind.FILE_UNREADABLE, said, kept.get(name)) for content in recorded)
            continue
        known = kept.get(name)
        if known is not None and known.traits == file_traits(path.stat()) and known.sha256 != digest:
            said = "the ledger keeps another digest for this file at this size and these times: its row was changed"
            yield _of(recorded[-1], path, Kind.RAW_DIGEST_WRONG, said, None, digest, known.sha256)
        for content in recorded:
            if content.entry.sha256 != digest:
                yield _changed(content, path, digest, known, superseded=newest[name] == digest)


def _changed(content: RawContent, path: Path, digest: str, kept: KeptDigest | None, *, superseded: bool) -> Mismatch:
    if superseded:
        said = "a later record took up new content; what was made from the old one cannot be reproduced from this file"
        return _of(content, path, Kind.RAW_SUPERSEDED, said, kept, content.entry.sha256, digest, note=True)
    size = "" if content.entry.size is None else size_change(content.entry.size, path.stat().st_size)
    said = f"its bytes changed{size}"
    return _of(content, path, Kind.RAW_ALTERED, said, kept, content.entry.sha256, digest)


def _of(
    content: RawContent,
    path: Path,
    kind: Kind,
    message: str,
    kept: KeptDigest | None,
    expected: str | None = None,
    found: str | None = None,
    *,
    note: bool = False,
) -> Mismatch:
    good_until = content.good_until
    if kept is not None and kept.sha256 == content.entry.sha256:  # hashed when its times were these, so good by then
        good_until = max(good_until, datetime.fromtimestamp(kept.traits["ctime_ns"] / 1e9, UTC))
    return Mismatch(
        kind,
        str(path),
        message,
        severity="note" if note else "error",
        expected=expected if expected is not None else content.entry.sha256,
        found=found,
        good_until=good_until,
        changed_by=change_time(path if path.exists() else path.parent),
        name=content.newest.name,
        record=content.newest.record,
        records=tuple(made.record for made in content.owners),
    )
