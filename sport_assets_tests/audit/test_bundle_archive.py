"""Archives that are damaged or made to deceive."""

import io
import random
import stat
import warnings
import zipfile
from pathlib import Path

import pytest

from sport_assets.audit.bundle.archive import MAX_BYTES
from sport_assets.audit.bundle.verify import verify_bundle
from sport_assets.audit.bundle.write import write_bundle
from sport_assets_tests.audit.bundles import Toy, contents, make_toy, pack

Files = dict[str, bytes]


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Toy:
    return make_toy(tmp_path_factory.mktemp("toy"))


@pytest.fixture(scope="module")
def bundle(toy: Toy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bundle(toy.lineage, toy.model, tmp_path_factory.mktemp("out") / "a.zip", key=toy.private).path


@pytest.fixture
def files(bundle: Path) -> Files:
    return contents(bundle)


def found(path: Path, key: Path | None = None) -> set[tuple[str, str]]:
    """Kind and place of every mismatch."""
    return {(mismatch.kind, mismatch.place) for mismatch in verify_bundle(path, key)}


def test_repacked_by_another_program_it_is_the_same_bundle(files: Files, tmp_path: Path) -> None:
    assert found(pack(tmp_path / "a.zip", files)) == set()


def test_a_flipped_byte_of_the_archive_is_found_or_leaves_every_file_as_it_is(bundle: Path, tmp_path: Path) -> None:
    """Some bytes of a zip mean nothing, such as times; whatever else is flipped must be noticed."""
    whole, chance, noticed = bundle.read_bytes(), random.Random(0), 0
    before = contents(bundle)
    for _ in range(120):
        place = chance.randrange(len(whole))
        flipped = tmp_path / "flipped.zip"
        flipped.write_bytes(whole[:place] + bytes([whole[place] ^ (1 << chance.randrange(8))]) + whole[place + 1 :])
        if verify_bundle(flipped):
            noticed += 1
        else:
            assert contents(flipped) == before, place
    assert noticed > 100


def test_a_file_that_was_cut_short_is_no_archive(bundle: Path, tmp_path: Path) -> None:
    short = tmp_path / "short.zip"
    for size in (0, 10, bundle.stat().st_size // 2, bundle.stat().st_size - 1):
        short.write_bytes(bundle.read_bytes()[:size])
        assert ("archive unsound", "short.zip") in found(short)


@pytest.mark.parametrize("name", ["../evil.txt", "/etc/evil", "a/../../evil", "C:/evil", "a//b", "."])
def test_a_name_that_leads_out_of_the_folder_is_refused(files: Files, tmp_path: Path, name: str) -> None:
    mismatches = found(pack(tmp_path / "a.zip", {**files, name: b"evil"}, sums=True))
    assert ("archive unsound", name) in mismatches


def test_links_and_files_that_are_there_twice_are_refused(files: Files, tmp_path: Path) -> None:
    path = pack(tmp_path / "a.zip", files)
    with zipfile.ZipFile(path, "a") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        link = zipfile.ZipInfo("link")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr("page.html", "another")
    assert {("archive unsound", "link"), ("archive unsound", "page.html")} <= found(path)


def test_hidden_bytes_are_found(bundle: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(b"#!/bin/sh\necho hidden\n" + bundle.read_bytes())
    assert "archive unsound" in {kind for kind, _ in found(path)}


def test_an_archive_that_claims_to_be_huge_is_not_unpacked(tmp_path: Path) -> None:
    """The size in the directory is the attacker's to choose."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", b"\0" * 1000)
        archive.getinfo("zeros").file_size = MAX_BYTES + 1  # into the directory, which is written on closing
    path = tmp_path / "bomb.zip"
    path.write_bytes(made.getvalue())
    [first, *_] = verify_bundle(path)
    assert "not unpacked" in first.message


def test_an_entry_larger_than_it_claims_is_refused(tmp_path: Path) -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", b"\0" * 10_000_000)
        archive.getinfo("zeros").file_size = 10
    path = tmp_path / "bomb.zip"
    path.write_bytes(made.getvalue())
    assert ("archive unsound", "zeros") in found(path)
