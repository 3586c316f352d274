"""Finds raw files by what is in them: they are known by digest, wherever they lie.

Belongs here: looking at the recorded path, then through folders. Must not come here: what needs them (``reproduce``).
"""

import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from sport_assets.lineage.digest import sha256_file
from sport_assets.lineage.errors import RawFileMissing
from sport_assets.lineage.manifest import RawFile

_SHOWN = 20


class RawSearch:
    """Raw files below the data folder at their recorded paths, else anywhere below ``folders``."""

    def __init__(self, data: Path, folders: Sequence[Path] = ()) -> None:
        self._data, self._folders = data, folders
        self._found: dict[str, Path | None] = {}
        self._digests: dict[Path, str] = {}
        self._by_size: dict[int, list[Path]] | None = None

    def find(self, file: RawFile) -> Path | None:
        """A file with this content; None when there is none. Only files of the same size are hashed."""
        if file.sha256 not in self._found:
            self._found[file.sha256] = next((path for path in self._candidates(file) if self._is(path, file)), None)
        return self._found[file.sha256]

    def find_all(self, wanted: Iterable[tuple[RawFile, str]]) -> dict[str, Path]:
        """Place of each content by digest. Raises ``RawFileMissing`` naming each that is missing, and what needs it."""
        found: dict[str, Path] = {}
        missing: dict[str, str] = {}
        for file, owner in wanted:
            path = self.find(file)
            if path is not None:
                found[file.sha256] = path
            else:
                line = f"  {file.path} (SHA-256 {file.sha256}, {file.size} bytes), which {owner} needs"
                missing.setdefault(file.sha256, line)
        if missing:
            looked = ", ".join(str(folder) for folder in (self._data, *self._folders))
            lines = [*list(missing.values())[:_SHOWN]]
            if len(missing) > _SHOWN:
                lines.append(f"  and {len(missing) - _SHOWN} more")
            raise RawFileMissing(
                f"{len(missing)} raw files are not below {looked} with the content that was recorded:\n"
                + "\n".join(lines)
                + "\nGive the folder that holds them, under whatever names: --data FOLDER"
            )
        return found

    def _candidates(self, file: RawFile) -> Iterable[Path]:
        yield self._data / file.path
        if self._by_size is None:
            self._by_size = defaultdict(list)
            for folder in self._folders:
                for parent, _, names in os.walk(folder, followlinks=True):
                    for name in sorted(names):
                        path = Path(parent, name)
                        if path.is_file():
                            self._by_size[path.stat().st_size].append(path)
        yield from self._by_size.get(file.size, [])

    def _is(self, path: Path, file: RawFile) -> bool:
        if not path.is_file() or path.stat().st_size != file.size:
            return False
        if path not in self._digests:
            self._digests[path] = sha256_file(path)
        return self._digests[path] == file.sha256
