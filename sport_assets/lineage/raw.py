"""Raw files: the user's own, never copied and never written, known by path and digest.

Belongs here: hashing them once and noticing when they change. Must not come here: what is in them (the lines).
"""

import time
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from sport_assets.lineage.digest import sha256_file
from sport_assets.lineage.errors import RawFileChanged, RawFileMissing
from sport_assets.lineage.home import Home
from sport_assets.lineage.index import file_traits
from sport_assets.lineage.ledger import Ledger
from sport_assets.lineage.manifest import RawFile

# A file written within this time of being hashed could be written again without its time changing.
_SETTLED_NS = 2_000_000_000


class RawFiles:
    """The raw files of one home's data folder."""

    def __init__(self, home: Home, ledger: Ledger, hasher: Callable[[Path], str] = sha256_file) -> None:
        self._home, self._ledger, self._hasher = home, ledger, hasher

    def path(self, relative: str) -> Path:
        """The file's place on this machine."""
        return self._home.data / relative

    def register(self, relative: str) -> RawFile:
        """Digest and size of a raw file; hashed again only when its size or its times changed.

        Raises ``RawFileMissing`` when there is none, ``RawFileChanged`` when it changes while it is hashed.
        """
        path = self.path(relative)
        if PurePosixPath(relative).is_absolute() or ".." in PurePosixPath(relative).parts:
            raise RawFileMissing(
                f"{relative}: raw files are named by their path below SPORT_ASSETS_DATA ({self._home.data})"
            )
        if not path.is_file():
            raise RawFileMissing(
                f"{path}: no such raw file. Put it there, or set SPORT_ASSETS_DATA to the folder that holds {relative}."
            )
        before = path.stat()
        known = self._ledger.raw_digest(relative, before)
        if known is None:
            known = self._hasher(path)
            after = path.stat()
            if file_traits(before) != file_traits(after):
                raise RawFileChanged(f"{path}: changed while it was hashed; wait until it is written, then try again.")
            if time.time_ns() - max(after.st_mtime_ns, after.st_ctime_ns) > _SETTLED_NS:
                self._ledger.keep_raw_digest(relative, after, known)
        return RawFile(path=relative, sha256=known, size=before.st_size)

    def expect(self, recorded: RawFile, owner: str) -> Path:
        """The path of a recorded raw file, after making sure that it still is the one that ``owner`` recorded."""
        found = self.register(recorded.path)
        if found != recorded:
            raise RawFileChanged(
                f"{self.path(recorded.path)}: changed since {owner} recorded it (SHA-256 {recorded.sha256[:12]}, now "
                f"{found.sha256[:12]}). Materialize {owner} again to take up the new content."
            )
        return self.path(recorded.path)
