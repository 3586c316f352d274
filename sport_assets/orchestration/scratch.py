"""A home of its own in which a recorded chain is made again; the user's home and raw files are never written.

Belongs here: its folders and environment, and putting it into the state that a recorded step met: raw files, published
versions, withdrawn rows. Must not come here: which steps are made, and comparing (``reproduce``).
"""

import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

from sport_assets.lineage import row_index
from sport_assets.lineage.digest import canonical_json, folder_files, version_of
from sport_assets.lineage.errors import LineageError, StoreDamaged
from sport_assets.lineage.gate import override, standing
from sport_assets.lineage.home import DATA_VARIABLE, HOME_VARIABLE, Home
from sport_assets.lineage.manifest import InputRef, Materialization, Restored, Withdrawn
from sport_assets.lineage.record import Lineage
from sport_assets.orchestration.instance import initialise

MARKER = "reproduction.json"
_BY = "sport-assets reproduce"


class Scratch:
    """A home and a data folder below ``folder``, for the chain of one record.

    Raises ``LineageError`` when the folder holds something else. One that holds an interrupted reproduction of the same
    record is taken up again: trainings go on where they were.
    """

    def __init__(self, folder: Path, record_id: str) -> None:
        self.folder = folder.resolve()
        self.home = Home(self.folder / "home", self.folder / "data")
        marker, content = self.folder / MARKER, json.dumps({"record": record_id})
        own = marker.is_file() and marker.read_text(encoding="utf-8") == content
        if not own and self.folder.exists() and any(self.folder.iterdir()):
            raise LineageError(
                f"{self.folder} is not empty, and holds no reproduction of record {record_id}; give an empty "
                "folder: --into FOLDER"
            )
        self.home.data.mkdir(parents=True, exist_ok=True)
        marker.write_text(content, encoding="utf-8")
        self._placed: dict[str, Path] = {}

    @contextmanager
    def entered(self) -> Iterator[Lineage]:
        """Within it, this process and its children work in the scratch home; MLflow's records stay there, too."""
        wanted = {
            HOME_VARIABLE: str(self.home.root),
            DATA_VARIABLE: str(self.home.data),
            "DAGSTER_HOME": str(self.home.dagster),
            "SPORT_ASSETS_TRACKERS": "mlflow",
            "MLFLOW_TRACKING_URI": None,
        }
        before = {name: os.environ.get(name) for name in wanted}
        _set_environment(wanted)
        try:
            initialise(self.home)
            with closing(Lineage(self.home)) as self.lineage:
                yield self.lineage
        finally:
            _set_environment(before)

    def place_raw(self, files: Mapping[str, Path]) -> None:
        """Make the data folder show exactly these raw files, by relative path: as links, since they are only read."""
        for relative in [name for name in self._placed if self._placed[name] != files.get(name)]:
            (self.home.data / relative).unlink()
            del self._placed[relative]
        for relative, source in files.items():
            if relative in self._placed:
                continue
            link = self.home.data / relative
            if not link.parent.resolve().is_relative_to(self.home.data):
                raise LineageError(f"{relative}: a raw file's recorded path must lie below the data folder")
            link.parent.mkdir(parents=True, exist_ok=True)
            link.unlink(missing_ok=True)  # of an interrupted reproduction
            try:
                link.symlink_to(source.resolve())
            except OSError:  # a filesystem without links
                shutil.copyfile(source, link)
            self._placed[relative] = source

    def adopt(
        self, made: Materialization, inputs: list[InputRef], files: Path | None, rows: Path | None
    ) -> Materialization:
        """Enter a recorded version as published here, its files (if they are here) by hard link.

        Raises ``StoreDamaged`` when the files are not those of the version any more.
        """
        if files is not None and files.is_dir():
            if version_of(folder_files(files)) != made.version:
                raise StoreDamaged(
                    f"{files}: not the files that were recorded any more; sport-assets verify tells which"
                )
            with self.lineage.store.stage() as staged:
                shutil.copytree(files, staged, copy_function=_link, dirs_exist_ok=True)
                for path in [staged, *staged.rglob("*")]:
                    if path.is_dir():
                        path.chmod(0o755)
                self.lineage.store.publish(staged, made.key, made.partition)
        index = made.row_index
        if index is not None:
            if rows is None or not row_index.index_path(rows, index).is_file():
                index = None
            else:
                target = row_index.index_path(self.home.records, index)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(row_index.index_path(rows, index), target)
        return self._enter(made.model_copy(update={"inputs": inputs, "row_index": index}))

    def bring_forward(self, made: Materialization) -> None:
        """Make this version the newest of its partition, as it was when the recorded step read it."""
        latest = self.lineage.ledger.latest(made.key, made.partition)
        if latest is None or latest.version != made.version:
            self._enter(made)

    def let_pass(self, made: Materialization) -> None:
        """Open the gate where a blocking check failed: the recorded chain went on, so this one does."""
        for check in standing(self.lineage.ledger, made).failed:
            override(self.lineage.ledger, made.id, check.name, by=_BY, reason="what stood on it is made again as well")

    def withdraw_rows(self, key: str, rows: Iterable[Mapping[str, str]]) -> None:
        """Make exactly these row sets withdrawn for ``key``, as they were when the recorded step asked."""
        wanted = {canonical_json(dict(row)): dict(row) for row in rows}
        for event in self.lineage.ledger.withdrawals():
            text = canonical_json(event.rows)
            if event.key == key and text in wanted:
                del wanted[text]
            else:
                self.lineage.ledger.append(Restored(subject=event.id, by=_BY, reason="not so at the next step"))
        for row in wanted.values():
            reason = "was withdrawn when the recorded step was made"
            self.lineage.ledger.append(Withdrawn(key=key, rows=row, by=_BY, reason=reason))

    def remove(self) -> None:
        """Delete the folder, of which published versions are read-only."""
        for path in [self.folder, *self.folder.rglob("*")]:
            if path.is_dir() and not path.is_symlink():
                path.chmod(0o755)
        shutil.rmtree(self.folder)

    def _enter(self, made: Materialization) -> Materialization:
        entered = self.lineage.ledger.append(made.model_copy(update={"id": "", "previous": ""}))
        assert isinstance(entered, Materialization)
        self.let_pass(entered)
        return entered


def _set_environment(wanted: Mapping[str, str | None]) -> None:
    for name, value in wanted.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another filesystem
        shutil.copyfile(source, target)
