"""YOLO data sets: data.yaml with the names of the classes, a text file of boxes for each image.

Belongs here: reading that format. Must not come here: judging boxes, mapping classes (``labelled_frames``).

A line is ``class x_centre y_centre width height [score]``, all but the class as shares of the image. Label files lie
where the images lie, with ``labels`` for the last ``images`` in the path (``images/train`` and ``train/images``), or
beside them. An empty file says that there is nothing in the image; no file at all says nothing, and is a fault.
"""

from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from sport_assets.detection.errors import BadLabelsError
from sport_assets.detection.label_entries import (
    BoxEntry,
    Entries,
    ImageEntry,
    ImageFile,
    ImageFolder,
    as_text,
    fault,
    files_below,
    number,
    read_file,
)

CLASS_FILES = ("data.yaml", "data.yml")
_OTHER_TEXTS = ("readme", "classes.txt", "license", "requirements.txt", "train.txt", "val.txt", "valid.txt", "test.txt")


def read_yolo(folder: Path, images: ImageFolder) -> Entries:
    """Images and boxes of a YOLO data set. Raises ``BadLabelsError`` when data.yaml is none."""
    names = _class_names(folder)
    texts = {
        name
        for name in files_below(folder)
        if name.lower().endswith(".txt") and not PurePosixPath(name).name.lower().startswith(_OTHER_TEXTS)
    }
    found = Entries()
    for image in images.names:
        wanted = _label_file(image)
        labels = next((name for name in (wanted, wanted.removesuffix(".txt") + ".TXT") if name in texts), None)
        if labels is None:
            found.faults.append(fault("image_without_labels", image, value=wanted))
            continue
        texts.discard(labels)
        found.images.append(ImageEntry(image, labels))
        size = images.read(image)
        if size is not None:  # boxes in shares of an image that cannot be read have no size; the image is set aside
            _read_boxes(folder, labels, image, size, names, found)
    found.faults += [fault("labels_without_image", name) for name in sorted(texts)]
    return found


def _class_names(folder: Path) -> dict[int, str]:
    file = next(name for name in CLASS_FILES if (folder / name).is_file())
    where = f"{folder.name}/{file}"
    try:
        content = yaml.safe_load(as_text(read_file(folder / file, where), where))
    except yaml.YAMLError as error:
        raise BadLabelsError(f"{where}: not YAML ({' '.join(str(error).split())}). Write it again.") from error
    names: Any = content.get("names") if isinstance(content, dict) else None
    if isinstance(names, list):
        names = dict(enumerate(names))
    if not isinstance(names, dict) or not names:
        raise BadLabelsError(
            f"{where}: no names of classes. YOLO's file has names: [ball, player] or names: {{0: ball}}."
        )
    names = {int(key) if isinstance(key, str) and key.isdecimal() else key: name for key, name in names.items()}
    for index, name in names.items():
        if not isinstance(index, int) or isinstance(index, bool) or not isinstance(name, str):
            raise BadLabelsError(f"{where}: names: {index!r}: {name!r} is not the number of a class and its name")
    count = content.get("nc", len(names))
    if count != len(names):
        raise BadLabelsError(f"{where}: nc is {count!r}, but there are {len(names)} names. Correct one of them.")
    return names


def _label_file(image: str) -> str:
    path = PurePosixPath(image)
    parts = list(path.parts)
    if "images" in parts[:-1]:
        parts[len(parts) - 2 - parts[-2::-1].index("images")] = "labels"
    return PurePosixPath(*parts).with_suffix(".txt").as_posix()


def _read_boxes(folder: Path, labels: str, image: str, size: ImageFile, names: dict[int, str], into: Entries) -> None:
    where = f"{folder.name}/{labels}"
    for line, text in enumerate(as_text(read_file(folder / labels, where), where).splitlines(), start=1):
        words = text.split()
        if not words:
            continue
        values = [number(word) for word in words]
        if any(value is None for value in values):
            into.faults.append(fault("not_a_number", labels, line, value=text, image=image))
        elif len(values) not in (5, 6):
            into.faults.append(fault("not_a_box", labels, line, value=text, image=image))
        elif (label := names.get(int(values[0]) if values[0].is_integer() else -1)) is None:  # type: ignore[union-attr, arg-type]
            into.faults.append(fault("class_out_of_range", labels, line, "class", words[0], image=image, text=text))
        else:
            x, y, width, height = (
                float(value or 0) * side for value, side in zip(values[1:5], (size.width, size.height) * 2, strict=True)
            )
            score = values[5] if len(values) == 6 else None
            into.boxes.append(BoxEntry(image, label, x - width / 2, y - height / 2, width, height, labels, line, score))
