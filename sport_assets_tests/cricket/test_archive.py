"""Match files found wherever they lie, and read one by one."""

import gzip
from pathlib import Path

import pytest

from sport_assets.cricket import archive, years
from sport_assets.lineage.errors import RawFileUnreadable
from sport_assets_tests.cricket.match_files import data, match, pack, write

FILES = {f"10{n}": match(dates=[f"202{n % 3}-03-0{n + 1}"]) for n in range(6)}
KINDS = ("zip", "tar", "tar.gz", "tgz", "tar.zst")


def read(folder: Path, year: str) -> dict[str, bytes]:
    found = archive.library(folder).years[year]
    wanted = {member.match_id: member.sha256 for member in found.members}
    return dict(archive.read([(name, folder / name) for name in found.files], wanted))


def test_loose_files_of_any_depth(tmp_path: Path) -> None:
    write(tmp_path / "cricket" / "deep" / "er", FILES)
    found = archive.library(tmp_path)
    assert {year: [m.match_id for m in files.members] for year, files in found.years.items()} == {
        "2020": ["100", "103"],
        "2021": ["101", "104"],
        "2022": ["102", "105"],
    }
    assert found.years["2020"].files == ["cricket/deep/er/100.json", "cricket/deep/er/103.json"]
    assert read(tmp_path, "2021") == {name: data(FILES[name]) for name in ("101", "104")}


@pytest.mark.parametrize("kind", KINDS)
def test_archives_of_every_kind(tmp_path: Path, kind: str) -> None:
    pack(tmp_path / "cricket" / f"t20s.{kind}", FILES)
    found = archive.library(tmp_path)
    assert found.years["2020"].files == [f"cricket/t20s.{kind}"] and not found.undated
    for year in ("2020", "2021", "2022"):
        members = {member.match_id for member in found.years[year].members}
        assert read(tmp_path, year) == {name: data(FILES[name]) for name in members}


def test_nothing_there(tmp_path: Path) -> None:
    assert not archive.library(tmp_path).years
    (tmp_path / "cricket").mkdir()
    assert not archive.library(tmp_path).years


def test_what_systems_put_beside_is_no_match(tmp_path: Path) -> None:
    content = FILES["100"]
    write(tmp_path / "cricket" / "__MACOSX", {"100": b"\0\1"})
    write(tmp_path / "cricket", {"._100": b"\0\1", "100": content})
    pack(tmp_path / "cricket" / "a.zip", {"._101": b"\0\1", "101": FILES["101"]})
    found = archive.library(tmp_path)
    assert not found.undated and {m.match_id for f in found.years.values() for m in f.members} == {"100", "101"}


def test_the_same_match_twice_counts_once_and_two_versions_are_a_conflict(tmp_path: Path) -> None:
    pack(tmp_path / "cricket" / "a.zip", {"100": FILES["100"], "103": FILES["103"]})
    pack(tmp_path / "cricket" / "b.tar", {"100": FILES["100"], "103": match(dates=["2019-12-31"])})
    found = archive.library(tmp_path).years
    assert [m.place for m in found["2020"].members] == ["cricket/a.zip: t20s/100.json"]
    assert found["2020"].files == ["cricket/a.zip"]
    [conflict] = found["2019"].conflicts
    assert [m.place for m in conflict] == ["cricket/a.zip: t20s/103.json", "cricket/b.tar: t20s/103.json"]
    assert found["2019"].files == ["cricket/a.zip", "cricket/b.tar"] and not found["2019"].members


def test_a_file_without_a_date_is_in_no_year_and_is_told_of(tmp_path: Path) -> None:
    write(tmp_path / "cricket", {"package": b"{}", "100": FILES["100"]})
    found = archive.library(tmp_path)
    assert [m.place for m in found.undated] == ["cricket/package.json"] and list(found.years) == ["2020"]


@pytest.mark.parametrize("date", ["2204-05-01", "2002-12-31", "0024-05-01"])
def test_a_file_dated_where_no_partition_is_is_told_of_with_its_date(date: str, tmp_path: Path) -> None:
    write(tmp_path / "cricket", {"9": match(dates=[date]), "100": FILES["100"]})
    assert years.present_years(tmp_path) == ["2020"]
    report = years.write_year(tmp_path, "2020", tmp_path / "listed.json")
    assert [check.name for check in report.checks] == list(years.CHECKS)
    [told] = [check for check in report.checks if not check.passed]
    assert told.name == "dates_possible" and not told.blocking
    assert told.sample == [{"rule": "impossible_year", "file": "cricket/9.json", "date": date}]
    assert report.files == ["cricket/100.json"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.0, 0.2, 0.6, 0.97])
def test_a_damaged_archive_says_which_and_the_remedy(tmp_path: Path, kind: str, share: float) -> None:
    path = pack(tmp_path / "cricket" / f"a.{kind}", FILES)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    if kind == "tar" and share == 0.97:
        return  # only its padding is gone
    with pytest.raises(RawFileUnreadable, match=rf"a\.{kind}: the archive is damaged.*Download or copy it again"):
        archive.library(tmp_path)


def test_a_tar_cut_off_between_two_files_is_not_taken_for_whole(tmp_path: Path) -> None:
    path = pack(tmp_path / "cricket" / "a.tar", FILES)
    third = archive.list_file(path, "a.tar")[2]
    for cut in (path, tmp_path / "cricket" / "b.tar.gz"):
        part = pack(tmp_path / "c.tar", FILES).read_bytes()[: third.offset - 512]
        cut.write_bytes(gzip.compress(part) if cut.suffix == ".gz" else part)
        with pytest.raises(RawFileUnreadable, match="it has no end"):
            archive.list_file(cut, cut.name)


def test_noise_under_an_archives_name(tmp_path: Path) -> None:
    for kind in KINDS:
        path = tmp_path / f"a.{kind}"
        path.write_bytes(b"no archive at all " * 100)
        with pytest.raises(RawFileUnreadable, match="damaged"):
            archive.list_file(path, path.name)


def test_a_match_that_is_gone_or_other_is_not_read_quietly(tmp_path: Path) -> None:
    path = pack(tmp_path / "cricket" / "a.zip", FILES)
    wanted = {"100": archive.list_file(path, "a.zip")[0].sha256, "105": "0" * 64}
    with pytest.raises(
        RawFileUnreadable, match=r"a\.zip: 1 matches are not there .*\(105\).*build cricket/raw_matches"
    ):
        list(archive.read([("cricket/a.zip", path)], wanted))


def test_a_changed_file_is_listed_anew(tmp_path: Path) -> None:
    write(tmp_path / "cricket", {"100": FILES["100"]})
    assert list(archive.library(tmp_path).years) == ["2020"]
    write(tmp_path / "cricket", {"100": match(dates=["2018-01-01"], city="elsewhere")})
    assert list(archive.library(tmp_path).years) == ["2018"]
