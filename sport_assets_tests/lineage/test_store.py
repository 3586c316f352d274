"""Version folders: whole or absent, read-only, one per content."""

import os
import stat
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sport_assets.lineage.digest import folder_files, version_of
from sport_assets.lineage.errors import StoreDamaged
from sport_assets.lineage.store import Store, partition_folder


def _publish(store: Store, text: str = "x", partition: str | None = "p") -> Path:
    with store.stage() as staged:
        (staged / "below").mkdir()
        (staged / "below" / "data").write_text(text, encoding="utf-8")
        version, _ = store.publish(staged, "nfl/table", partition)
    return store.folder("nfl/table", partition, version)


@pytest.mark.parametrize(
    ("partition", "folder"),
    [
        (None, "_"),
        ("_", "%5F"),
        (".", "%2E"),
        ("..", "%2E%2E"),
        ("2023-w01", "2023-w01"),
        ("production|0", "production%7C0"),
        ("a/b", "a%2Fb"),
        ("%5F", "%255F"),
        ("Zürich", "Z%C3%BCrich"),
        (".hidden", ".hidden"),
    ],
)
def test_a_partition_is_one_folder_name(partition: str | None, folder: str) -> None:
    assert partition_folder(partition) == folder


@given(st.lists(st.text(st.characters(codec="utf-8"), min_size=1), min_size=2, max_size=2, unique=True))
def test_two_partitions_never_share_a_folder(partitions: list[str]) -> None:
    folders = [partition_folder(partition) for partition in partitions] + [partition_folder(None)]
    assert len(set(folders)) == 3
    for folder in folders:
        assert "/" not in folder and "\0" not in folder and folder not in {"", ".", ".."}


def test_an_empty_partition_is_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        partition_folder("")


def test_the_version_is_the_digest_of_paths_and_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name / "sub").mkdir(parents=True)
        (tmp_path / name / "sub" / "b").write_bytes(b"b")
        (tmp_path / name / "a").write_bytes(b"a")
        os.utime(tmp_path / name / "a", (1, 1 if name == "one" else 2))
    first = version_of(folder_files(tmp_path / "one"))
    assert first == version_of(folder_files(tmp_path / "two")) and len(first) == 64
    (tmp_path / "two" / "a").rename(tmp_path / "two" / "c")
    assert version_of(folder_files(tmp_path / "two")) != first


def test_published_folders_are_read_only(tmp_path: Path) -> None:
    folder = _publish(Store(tmp_path / "store"))
    assert stat.S_IMODE(folder.stat().st_mode) == 0o555
    assert stat.S_IMODE((folder / "below").stat().st_mode) == 0o555
    assert stat.S_IMODE((folder / "below" / "data").stat().st_mode) == 0o444


def test_a_staged_folder_that_is_read_only_can_be_published(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    with store.stage() as staged:
        (staged / "data").write_bytes(b"x")
        staged.chmod(0o555)
        version, _ = store.publish(staged, "nfl/table", None)
    assert store.folder("nfl/table", None, version).is_dir()


def test_the_same_bytes_again_leave_the_folder_alone(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    first = _publish(store)
    inode = first.stat().st_ino
    assert _publish(store) == first and first.stat().st_ino == inode
    assert not list(store.staging.iterdir())


def test_a_damaged_version_is_not_taken_for_the_published_one(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    data = _publish(store, "whole") / "below" / "data"
    data.chmod(0o644)
    data.write_bytes(b"wh0le")  # as many bytes as before
    with pytest.raises(StoreDamaged, match="Move the folder aside"):
        _publish(store, "whole")
    assert data.read_bytes() == b"wh0le"


def test_links_are_refused(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    (tmp_path / "elsewhere").mkdir()
    for target in (tmp_path / "elsewhere", tmp_path / "nowhere"):
        with store.stage() as staged, pytest.raises(ValueError, match="plain files only"):
            (staged / "link").symlink_to(target)
            store.publish(staged, "nfl/table", None)
    assert not (tmp_path / "store" / "nfl").exists() and (tmp_path / "elsewhere").exists()


def test_every_new_folder_on_the_way_is_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it a power loss could take the folder that a durable record speaks of."""
    synced: set[Path] = set()
    fsync = os.fsync

    def note(descriptor: int) -> None:
        synced.add(Path(os.readlink(f"/proc/self/fd/{descriptor}")))
        fsync(descriptor)

    def rename(source: Path, target: Path) -> None:
        before.update(synced)
        moved(source, target)

    before, moved = set[Path](), os.rename
    monkeypatch.setattr(os, "fsync", note)
    monkeypatch.setattr(os, "rename", rename)
    store = Store(tmp_path / "store")
    folder = _publish(store)
    assert {store.root, store.root / "nfl", store.root / "nfl" / "table", folder.parent} <= synced
    staged = {path for path in synced if store.staging in path.parents}
    assert {path.name for path in staged} >= {"below", "data"}
    assert synced - before == {folder.parent}  # the rest is there before the version appears


def test_writers_of_the_same_bytes_do_not_disturb_one_another(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    start = threading.Barrier(8)
    found: list[Path] = []

    def run() -> None:
        start.wait()
        found.append(_publish(store))

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8 and len(set(found)) == 1 and version_of(folder_files(found[0])) == found[0].name
    assert not list(store.staging.iterdir())


def test_only_the_leftovers_of_dead_processes_are_swept(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    with store.stage() as live:
        (live / "work").write_bytes(b"going on")
        dead = store.staging / "dead"
        (dead / "below").mkdir(parents=True)
        (dead / "below" / "half").write_bytes(b"ha")
        (dead / "below").chmod(0o555)
        dead.with_suffix(".lock").touch()
        with store.stage() as second:
            assert (live / "work").read_bytes() == b"going on"
            assert second != live and not dead.exists() and not dead.with_suffix(".lock").exists()
        assert (live / "work").exists()
    assert not list(store.staging.iterdir())
