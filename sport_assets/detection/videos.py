"""Which videos there are: the folder ``detection/videos`` of the raw data, and nothing else, says it.

Belongs here: the layout of that folder, and adding videos to it. Must not come here: opening videos (``video_probe``);
this is loaded with the definitions, so no OpenCV and no PyAV.

::

    detection/videos/<key>.<mp4|mkv|mov|avi|m4v|webm>    the video, or a link to it
    detection/videos/<key>.settings.json                 optional: ``VideoSettings``
    detection/events/<key>.json                          optional: its events, or a link to them

The key is the video's name without its extension: letters, digits, ``.``, ``_`` and ``-``.
"""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from sport_assets.detection.errors import BadInputError, BadVideoError
from sport_assets.detection.events import read_events
from sport_assets.detection.video_settings import VideoSettings, first_fault, read_settings
from sport_assets.lineage.durable import make_folders, sync, write_durably
from sport_assets.lineage.manifest import RawFile

VIDEOS_FOLDER, EVENTS_FOLDER = "detection/videos", "detection/events"
SETTINGS_SUFFIX = ".settings.json"
EXTENSIONS = ("mp4", "mkv", "mov", "avi", "m4v", "webm")
LAYOUT = f"{VIDEOS_FOLDER}/<key>.mp4 (or {', '.join(EXTENSIONS[1:])}), optionally {EVENTS_FOLDER}/<key>.json"
PARTITIONS = "detection_videos"
"""Name of the dynamic partitions, one for each video."""
QUIET_S = 10.0
"""A file that was written to within so many seconds may still be on its way."""
_KEY = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Added:
    """A video that is registered: its key, its file in the data folder (POSIX), and whether anything is new."""

    key: str
    file: str
    new: bool


def video_keys(data: Path) -> list[str]:
    """The keys of the videos in the data folder, sorted. Only names are read.

    Left out are those that ``left_out`` names.
    """
    return sorted(key for key, names in _named(data).items() if len(names) == 1 and _KEY.fullmatch(key))


def left_out(data: Path) -> dict[str, str]:
    """Files in the folder of videos that are no partition, by name, and why, with the remedy."""
    reasons: dict[str, str] = {}
    for key, names in _named(data).items():
        for name in names:
            if not _KEY.fullmatch(key):
                reasons[name] = _bad_key(key)
            elif len(names) > 1:
                reasons[name] = f"{' and '.join(names)} have the same key {key!r}. Rename or remove all but one."
    return dict(sorted(reasons.items()))


def video_files(data: Path, key: str) -> list[str]:
    """The files of a video relative to the data folder (POSIX): the video, its events, its settings, if they exist.

    Empty where there is no such video. Raises ``BadVideoError`` where two files have that key.
    """
    names = _named(data).get(key, [])
    if not names or not _KEY.fullmatch(key):
        return []
    if len(names) > 1:
        raise BadVideoError(f"{VIDEOS_FOLDER}: {left_out(data)[names[0]]}")
    found = [f"{VIDEOS_FOLDER}/{names[0]}"]
    return found + [name for name in (events_file(key), settings_file(key)) if os.path.lexists(data / name)]


def events_file(key: str) -> str:
    """Where the events of a video lie, relative to the data folder, if it has any."""
    return f"{EVENTS_FOLDER}/{key}.json"


def settings_file(key: str) -> str:
    """Where the settings of a video lie, relative to the data folder, if it has any."""
    return f"{VIDEOS_FOLDER}/{key}{SETTINGS_SUFFIX}"


def video_of(files: Iterable[tuple[RawFile, Path]]) -> Path:
    """The video among a partition's recorded files."""
    return next(path for file, path in files if _is_video(file))


def digest_of(files: Iterable[RawFile]) -> str:
    """The SHA-256 of the video among a partition's recorded files: the same video under another name has the same."""
    return next(file.sha256 for file in files if _is_video(file))


def events_of(files: Iterable[tuple[RawFile, Path]]) -> Path | None:
    """The events among a partition's recorded files, if it has any."""
    return next((path for file, path in files if not _in_videos(file)), None)


def settings_of(files: Iterable[tuple[RawFile, Path]]) -> VideoSettings:
    """What the settings among a partition's recorded files say; the defaults where there are none."""
    return read_settings(next((path for file, path in files if file.path.endswith(SETTINGS_SUFFIX)), None))


def teachers(data: Path, default: str) -> dict[str, str]:
    """Who labels each video of the data folder: who its own settings name, else ``default``.

    Settings that cannot be read count as silent here: the step that reads them says what is wrong.
    """
    found = {}
    for key in video_keys(data):
        path = data / settings_file(key)
        try:
            own = read_settings(path if path.exists() else None).teacher
        except BadInputError:
            own = None
        found[key] = own or default
    return found


def _is_video(file: RawFile) -> bool:
    return _in_videos(file) and not file.path.endswith(SETTINGS_SUFFIX)


def _in_videos(file: RawFile) -> bool:
    return file.path.startswith(f"{VIDEOS_FOLDER}/")


def add_videos(
    data: Path,
    files: Sequence[Path],
    events: Path | None = None,
    half_offset_s: float | None = None,
    half: int | None = None,
    teacher: str | None = None,
) -> list[Added]:
    """Link videos, and of a single one its events, into the data folder. All of them, or none where one is refused.

    What is there already and is the same is left as it is. ``half_offset_s``, ``half`` and ``teacher``: see
    ``VideoSettings``.
    Raises ``BadVideoError`` for a file that cannot be a video or whose key is taken, ``BadEventsError`` for events that
    cannot be read, ``BadInputError`` for settings that contradict those that are there.
    """
    data = data.absolute()
    if not files:
        raise BadVideoError("no video was named. Give the files to add.")
    if events is not None and len(files) > 1:
        raise BadInputError(f"{events}: events belong to one video, and {len(files)} were given. Add them one by one.")
    links: dict[Path, Path] = {}
    texts: dict[Path, str] = {}
    keys = _new_keys(files)
    there = _named(data)
    for key, file in keys.items():
        link = data / VIDEOS_FOLDER / file.name
        for name in there.get(key, []):
            taken = data / VIDEOS_FOLDER / name
            if not _same(taken, file):
                raise BadVideoError(
                    f"{file}: the key {key!r} is taken by {taken} ({taken.resolve()}). Rename the new file, or remove "
                    "the old one from the folder."
                )
        if key not in there:
            links[link] = file.absolute()
        given = {"half_offset_s": half_offset_s, "half": half, "teacher": teacher}
        if any(value is not None for value in given.values()):
            texts |= _new_settings(data / settings_file(key), given)
    if events is not None:
        read_events(events)
        link = data / events_file(next(iter(keys)))
        if not os.path.lexists(link):
            links[link] = events.absolute()
        elif not _same(link, events):
            raise BadInputError(
                f"{events}: there are other events of this video already: {link} ({link.resolve()}). Remove them first."
            )
    _make(links, texts)
    named = _named(data)
    touched = {*links, *texts}
    return [
        Added(
            key,
            f"{VIDEOS_FOLDER}/{named[key][0]}",
            any(data / name in touched for name in video_files(data, key)),
        )
        for key in keys
    ]


# -- parts -----------------------------------------------------------------------------------------------------------


def _named(data: Path) -> dict[str, list[str]]:
    """Names of video files by what stands before the extension; hidden files are no videos."""
    found: dict[str, list[str]] = {}
    try:
        names = sorted(os.listdir(data / VIDEOS_FOLDER))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    for name in names:
        stem, extension = os.path.splitext(name)
        if extension[1:].lower() in EXTENSIONS and not name.startswith("."):
            found.setdefault(stem, []).append(name)
    return found


def _new_keys(files: Iterable[Path]) -> Mapping[str, Path]:
    """Files to add by key. Raises ``BadVideoError`` for what cannot be one, and for two of the same key."""
    found: dict[str, Path] = {}
    for file in files:
        key = file.stem
        if file.suffix[1:].lower() not in EXTENSIONS:
            raise BadVideoError(f"{file}: not a video by its name: {', '.join(EXTENSIONS)} are. Rename or convert it.")
        if not _KEY.fullmatch(key):
            raise BadVideoError(f"{file}: {_bad_key(key)}")
        if not file.is_file():
            what = "not a file" if file.exists() else "there is no such file"
            raise BadVideoError(f"{file}: {what}. Give the video itself.")
        if file.stat().st_size == 0:
            raise BadVideoError(f"{file}: empty (0 bytes). Copy or download it again.")
        if key in found and not _same(found[key], file):
            raise BadVideoError(f"{file}: has the same key {key!r} as {found[key]}. Rename one of them.")
        found.setdefault(key, file)
    return found


def _new_settings(path: Path, given: Mapping[str, Any]) -> dict[Path, str]:
    """The settings file to write, if it is not there with that content."""
    try:
        wanted = VideoSettings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        said = ", ".join(f"{name} {value}" for name, value in given.items() if value is not None)
        raise BadInputError(f"{said}: not settings of a video. {first_fault(error)}.") from error
    if not path.exists():
        return {path: wanted.text()}
    if read_settings(path) != wanted:
        raise BadInputError(f"{path}: says {path.read_text(encoding='utf-8').strip()}. Edit it, or remove it first.")
    return {}


def _make(links: Mapping[Path, Path], texts: Mapping[Path, str]) -> None:
    """Make all links and files; none stays where one fails."""
    made: list[Path] = []
    try:
        for link, target in links.items():
            make_folders(link.parent)
            link.symlink_to(target)
            made.append(link)
            sync(link.parent)
        for path, text in texts.items():
            made.append(path)
            write_durably(path, text.encode())
    except BaseException:
        for path in made:
            path.unlink(missing_ok=True)
        raise


def _same(a: Path, b: Path) -> bool:
    """Whether two paths lead to one file; a link that leads nowhere is the same as nothing."""
    try:
        return a.samefile(b)
    except OSError:
        return False


def _bad_key(key: str) -> str:
    return (
        f"{key!r} cannot be the key of a video, which has letters, digits, '.', '_' and '-' only and does not begin "
        "with a dot. Rename the file."
    )
