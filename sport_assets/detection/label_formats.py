"""Which format a folder of labelled images is in, what a user says of it beside it, and its entries.

Belongs here: telling formats apart, the settings of a data set, source clips, COCO as entries. Must not come here: the
formats themselves (``coco``, ``yolo``, ``pascal_voc``, ``cvat``), what becomes of entries (``labelled_frames``).
"""

import csv
import io
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from sport_assets.detection import cvat, pascal_voc, yolo
from sport_assets.detection.coco import Labels, Unusable, parse_coco
from sport_assets.detection.errors import BadLabelsError
from sport_assets.detection.label_entries import (
    BoxEntry,
    Entries,
    ImageEntry,
    ImageFolder,
    as_text,
    fault,
    files_below,
    parse_xml,
    read_file,
)

Format = Literal["coco", "yolo", "pascal_voc", "cvat"]
SETTINGS_FILES = ("dataset.json", "dataset.yaml")
MANIFEST_FILE = "manifest.csv"
ROBOFLOW_CLIP = r"^(?P<clip>.+?)_\d+_\d+_(png|jpe?g)\.rf\.[0-9A-Za-z]+\.\w+$"
"""File names of Roboflow's exports: clip, two numbers, the first format, a hash."""
_SUBSET = re.compile(r"(?:^|/)instances_([^/]+)\.json$")
"""The subset whose name COCO and CVAT put into that of its file."""
_COCO_FILES = re.compile(r"(^|/)(_?annotations\.json|instances_[^/]*\.json|[^/]*\.coco\.json)$")


class SetSettings(BaseModel):
    """What a user says of a data set in its dataset.json or dataset.yaml. All of it may be left away."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Format | None = None
    """Needed only where the files allow several."""
    true_size: tuple[float, float] | None = None
    """Width and height that the images had before they were stretched. Boxes stay in the pixels of the files."""
    true_aspect: float | None = Field(default=None, gt=0)
    """Width / height before the images were stretched, where the size is not known."""
    clip_from: str = ROBOFLOW_CLIP
    """Regular expression on file names; its group ``clip``, or its first, is the source clip. A manifest goes first."""
    own_clips: bool = False
    """Whether its clips are other footage than those of the same name in other data sets, or videos of that name."""
    voc_one_based: bool = False
    """Whether Pascal VOC corners count pixels from 1, the last one included."""
    license: str = ""
    """Terms under which the data set may be used; kept with the figures of the import."""

    @field_validator("true_size")
    @classmethod
    def _positive(cls, value: tuple[float, float] | None) -> tuple[float, float] | None:
        if value is not None and min(value) <= 0:
            raise ValueError("true_size must be a width and a height above 0")
        return value

    @field_validator("clip_from")
    @classmethod
    def _expression(cls, value: str) -> str:
        try:
            groups = re.compile(value).groups
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from error
        if not groups:
            raise ValueError("the expression has no group: write the clip's part in parentheses, as (?P<clip>.+)_\\d+")
        return value

    @property
    def aspect(self) -> float | None:
        """Width / height of the images before they were stretched, or None where they were not."""
        return self.true_size[0] / self.true_size[1] if self.true_size else self.true_aspect


def read_settings(folder: Path) -> SetSettings:
    """The settings beside a data set, or the usual ones. Raises ``BadLabelsError`` that names the key."""
    there = [name for name in SETTINGS_FILES if (folder / name).is_file()]
    if not there:
        return SetSettings()
    where = f"{folder.name}/{there[0]}"
    if len(there) > 1:
        raise BadLabelsError(f"{folder.name}: both {' and '.join(there)} are there. Keep one of them.")
    try:
        content = yaml.safe_load(as_text(read_file(folder / there[0], where), where))  # JSON is YAML
        return SetSettings.model_validate({} if content is None else content)
    except yaml.YAMLError as error:
        raise BadLabelsError(f"{where}: neither JSON nor YAML ({' '.join(str(error).split())})") from error
    except ValidationError as error:
        what = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        raise BadLabelsError(f"{where}: {what}. It may hold {', '.join(SetSettings.model_fields)}.") from error


def detect_format(folder: Path, chosen: Format | None = None) -> tuple[Format, list[str]]:
    """The format that a folder's files are in, and its files of labels (for YOLO its data.yaml).

    ``chosen``: the format to take where there are several. Raises ``BadLabelsError`` where there is none, several, or
    not the chosen one.
    """
    files = files_below(folder)
    found: dict[Format, list[str]] = {"coco": [name for name in files if _COCO_FILES.search(name)]}
    found["yolo"] = [name for name in yolo.CLASS_FILES if name in files]
    roots: dict[str, list[str]] = {}
    for name in files:
        if name.endswith(".xml"):
            where = f"{folder.name}/{name}"
            roots.setdefault(parse_xml(read_file(folder / name, where), where).tag, []).append(name)
    found["pascal_voc"], found["cvat"] = roots.get(pascal_voc.ROOT, []), roots.get(cvat.ROOT, [])
    there = {kind: names for kind, names in found.items() if names}
    if chosen is not None and chosen not in there:
        raise BadLabelsError(
            f"{folder.name}: no files of the format {chosen}, which its settings name; {_looked_for()}"
        )
    if not there:
        raise BadLabelsError(f"{folder.name}: no labels were found. {_looked_for()}")
    if chosen is None and len(there) > 1:
        what = "; ".join(f"{kind}: {names[0]}" for kind, names in there.items())
        raise BadLabelsError(
            f"{folder.name}: labels of several formats ({what}). Keep one, or write "
            f'{{"format": "{next(iter(there))}"}} into {folder.name}/{SETTINGS_FILES[0]}.'
        )
    kind: Format = next(iter(there)) if chosen is None else chosen
    if kind == "yolo" and len(there[kind]) > 1:
        raise BadLabelsError(f"{folder.name}: both {' and '.join(there[kind])} are there. Keep one of them.")
    return kind, there[kind]


def read_set(folder: Path, settings: SetSettings, images: ImageFolder) -> tuple[Format, Entries]:
    """What a data set says, whatever its format. Raises ``BadLabelsError`` for files that are not of their format."""
    kind, files = detect_format(folder, settings.format)
    if kind == "yolo":
        return kind, yolo.read_yolo(folder, images)
    if kind == "pascal_voc":
        return kind, pascal_voc.read_pascal_voc(folder, files, images, one_based=settings.voc_one_based)
    found = Entries()
    for file in files:
        folders = image_folders(file)

        def find(name: str, folders: tuple[str, ...] = folders) -> str | None:
            return images.find(name, folders)

        where = f"{folder.name}/{file}"
        data = read_file(folder / file, where)
        if kind == "coco":
            found.add(coco_entries(*parse_coco(data, where, foreign=True), file, find))
        else:
            found.add(cvat.read_cvat(data, file, find, folder.name)[0])
    named = {image.name for image in found.images}
    found.faults += [fault("image_without_labels", name) for name in images.names if name not in named]
    return kind, found


def image_folders(file: str) -> tuple[str, ...]:
    """The folders, relative to the data set, in which the images of a file of labels may lie, most likely first.

    COCO's own layout has ``annotations/instances_train2017.json`` beside ``train2017/``; CVAT's export has the latter
    in ``images/``.
    """
    beside, subset = PurePosixPath(file).parent, _SUBSET.search(file)
    own = (f"../{subset[1]}", f"../images/{subset[1]}") if subset is not None else ()
    return tuple(str(beside / each) for each in (*own, ".", "images", "../images"))


def coco_entries(labels: Labels, unusable: Sequence[Unusable], file: str, find: Callable[[str], str | None]) -> Entries:
    """A COCO file as entries; ``unusable``: its annotations without a box, which are set aside.

    ``find``: the image that a file name in it means, or None where there is none.
    """
    found = Entries()
    names: dict[int, str] = {}
    for row in labels.images.iter_rows(named=True):
        name = find(row["file_name"])
        # a box of an image that is not there is set aside under the name that the file gives the image
        names[row["image"]] = name or row["file_name"]
        if name is None:
            found.faults.append(fault("image_missing", file, row["image"], "file_name", row["file_name"]))
            continue
        said = {key: row[key] for key in ("width", "height", "video", "frame", "time_ms")}
        found.images.append(ImageEntry(name, file, row["image"], **said))
    for row in labels.boxes.iter_rows(named=True):
        box = {key: row[key] for key in ("x", "y", "width", "height", "score", "crowd")}
        found.boxes.append(
            BoxEntry(names[row["image"]], labels.categories[row["category"]], file=file, line=row["box"], **box)
        )
    for each in unusable:
        shown = {"image": names[each.image], "label": labels.categories[each.category]}
        found.faults.append(fault(each.rule, file, each.box, "bbox", each.bbox, **shown))
    return found


def source_clips(folder: Path, settings: SetSettings) -> Callable[[str], str | None]:
    """Finds the source clip of an image by its name: from manifest.csv, else by the settings' rule.

    Raises ``BadLabelsError`` for a manifest that has no columns file and source_clip, or gives an image two clips.
    """
    manifest = read_manifest(folder / MANIFEST_FILE, ("source_clip",)) if (folder / MANIFEST_FILE).is_file() else {}
    rule = re.compile(settings.clip_from)

    def find(name: str) -> str | None:
        file = PurePosixPath(name).name
        row: Mapping[str, str] = manifest.get(name) or manifest.get(file) or {}
        if row.get("source_clip"):
            return row["source_clip"]
        match = rule.search(file)
        return match.group("clip" if "clip" in rule.groupindex else 1) if match else None

    return find


def read_manifest(path: Path, columns: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """A manifest.csv by its column ``file``; it must have ``columns`` as well. Raises ``BadLabelsError``."""
    where = f"{path.parent.name}/{path.name}"
    reader = csv.DictReader(io.StringIO(as_text(read_file(path, where), where)))
    missing = [name for name in ("file", *columns) if name not in (reader.fieldnames or ())]
    if missing:
        raise BadLabelsError(f"{where}: no column {', '.join(missing)}. Add it, or take the file away.")
    found: dict[str, dict[str, Any]] = {}
    for line, row in enumerate(reader, start=2):
        before = found.setdefault(row["file"], row)
        if any(before[name] != row[name] for name in columns):
            raise BadLabelsError(f"{where}: line {line}: {row['file']} was there before with other values")
    return found


def _looked_for() -> str:
    return (
        "Looked for: COCO (*.coco.json, annotations.json), YOLO (data.yaml), Pascal VOC (XML files with the root "
        "<annotation>), CVAT for images (XML with the root <annotations>)."
    )
