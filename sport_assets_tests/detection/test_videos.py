"""The folder says which videos there are; adding is all or nothing and never copies."""

import subprocess
import sys
from pathlib import Path

import pytest

from sport_assets.detection.errors import BadEventsError, BadInputError, BadVideoError
from sport_assets.detection.videos import Added, add_videos, left_out, video_files, video_keys
from sport_assets_tests.detection.test_events import annotation, write


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """An empty data folder."""
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def file(path: Path, content: bytes = b"video") -> Path:
    """A file that could be a video by its name; its content is not looked at here."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def everything(folder: Path) -> list[str]:
    """All there is below a folder."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_without_a_folder_there_is_no_video(data: Path) -> None:
    assert video_keys(data) == [] and video_files(data, "a") == [] and left_out(data) == {}


def test_added_video_is_a_link(data: Path, tmp_path: Path) -> None:
    source = file(tmp_path / "far" / "match_1.MP4")
    events = write(tmp_path / "far" / "any.json", [annotation("80")])
    assert add_videos(data, [source], events, 2700.0, half=2) == [
        Added("match_1", "detection/videos/match_1.MP4", True)
    ]
    assert (data / "detection/videos/match_1.MP4").is_symlink()
    assert video_keys(data) == ["match_1"]
    assert video_files(data, "match_1") == [
        "detection/videos/match_1.MP4",
        "detection/events/match_1.json",
        "detection/videos/match_1.settings.json",
    ]
    settings = (data / "detection/videos/match_1.settings.json").read_text(encoding="utf-8")
    assert settings == '{"half": 2, "half_offset_s": 2700.0}\n'
    before = everything(data)
    assert add_videos(data, [source], events, 2700.0, half=2) == [
        Added("match_1", "detection/videos/match_1.MP4", False)
    ]
    assert everything(data) == before


def test_relative_paths_lead_to_the_file(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file(tmp_path / "a.mp4")
    monkeypatch.chdir(tmp_path)
    add_videos(Path("data"), [Path("a.mp4")])
    assert (data / "detection/videos/a.mp4").read_bytes() == b"video"


def test_file_put_into_the_folder_is_a_video_like_any_other(data: Path) -> None:
    put = [file(data / "detection/videos" / name) for name in ("b.mkv", "a.mp4", "c.part2.webm")]
    file(data / "detection/videos/notes.txt")
    file(data / "detection/videos/.a.mp4.partial.mp4")
    assert video_keys(data) == ["a", "b", "c.part2"] and left_out(data) == {}
    assert video_files(data, "b") == ["detection/videos/b.mkv"]
    assert not add_videos(data, [put[1]])[0].new


def test_names_that_cannot_be_keys_are_left_out_and_told(data: Path) -> None:
    for name in ("a b.mp4", "ü.mp4", "good.mp4", "twice.mp4", "twice.MKV"):
        file(data / "detection/videos" / name)
    assert video_keys(data) == ["good"]
    reasons = left_out(data)
    assert sorted(reasons) == ["a b.mp4", "twice.MKV", "twice.mp4", "ü.mp4"]
    assert "Rename the file" in reasons["a b.mp4"] and "same key 'twice'" in reasons["twice.mp4"]
    with pytest.raises(BadVideoError, match=r"twice.MKV and twice.mp4 .* Rename or remove"):
        video_files(data, "twice")


def test_refusals_name_the_file_and_change_nothing(data: Path, tmp_path: Path) -> None:
    first = file(tmp_path / "one" / "a.mp4")
    add_videos(data, [first], half_offset_s=3.0)
    good = file(tmp_path / "good.mp4")
    events, other = (write(tmp_path / name, [annotation("80")]) for name in ("e.json", "f.json"))
    broken = tmp_path / "broken.json"
    broken.write_text("{", encoding="utf-8")
    before = everything(data)
    refused: list[tuple[list[Path], Path | None, float | None, type[Exception], str]] = [
        ([], None, None, BadVideoError, "no video was named"),
        ([good, tmp_path / "missing.mp4"], None, None, BadVideoError, "missing.mp4: there is no such file"),
        ([good, file(tmp_path / "zero.mp4", b"")], None, None, BadVideoError, "zero.mp4: empty"),
        ([good, file(tmp_path / "a.txt")], None, None, BadVideoError, "a.txt: not a video by its name"),
        ([good, file(tmp_path / "my video.mp4")], None, None, BadVideoError, "my video.* Rename"),
        ([good, file(tmp_path / ".hidden.mp4")], None, None, BadVideoError, "does not begin with a dot"),
        ([good, file(tmp_path / "two" / "a.mp4")], None, None, BadVideoError, "key 'a' is taken by .*one/a.mp4"),
        ([good, file(tmp_path / "a.mkv")], None, None, BadVideoError, "key 'a' is taken"),
        ([good, file(tmp_path / "two" / "good.mp4")], None, None, BadVideoError, "same key 'good' as"),
        ([good, file(tmp_path / "good.mov")], None, None, BadVideoError, "same key 'good' as"),
        ([good, first], events, None, BadInputError, "events belong to one video"),
        ([good], broken, None, BadEventsError, "broken.json: not JSON"),
        ([good], tmp_path / "none.json", None, BadEventsError, "none.json: cannot be read"),
        ([good], None, float("nan"), BadInputError, r"^half_offset_s nan: not .*\. half_offset_s: .* finite number\.$"),
        ([first], None, 5.0, BadInputError, "a.settings.json: says .*3.0.* Edit it"),
    ]
    for files, of, offset, kind, said in refused:
        with pytest.raises(kind, match=said):
            add_videos(data, files, of, offset)
        assert everything(data) == before, said
    with pytest.raises(BadInputError, match=r"^teacher foo: .*\. teacher: Input should be 'rfdetr', .* or 'none'\.$"):
        add_videos(data, [good], teacher="foo")
    folder = tmp_path / "folder.mp4"
    folder.mkdir()
    with pytest.raises(BadVideoError, match="not a file"):
        add_videos(data, [folder])
    add_videos(data, [good], events)
    with pytest.raises(BadInputError, match="other events of this video"):
        add_videos(data, [good], other)


def test_nothing_stays_where_a_link_cannot_be_made(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [file(tmp_path / name) for name in ("a.mp4", "b.mp4")]
    link = Path.symlink_to

    def full(path: Path, target: Path) -> None:
        if path.name == "b.mp4":
            raise OSError(28, "No space left on device")
        link(path, target)

    monkeypatch.setattr(Path, "symlink_to", full)
    with pytest.raises(OSError, match="No space"):
        add_videos(data, files, half_offset_s=1.0)
    assert [name for name in everything(data) if "." in name] == []


def test_listing_needs_neither_opencv_nor_pyav() -> None:
    code = (
        "import sys, sport_assets.detection.videos, sport_assets.detection.events, sport_assets.detection.schemas, "
        "sport_assets.detection.frame_choice; print({'cv2', 'av', 'torch', 'pandera', 'dagster'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "set()"
