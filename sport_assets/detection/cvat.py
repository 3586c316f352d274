"""CVAT's "CVAT for images 1.1": reading its XML, and writing a package of images and boxes that CVAT imports.

Belongs here: that format, both ways. Must not come here: what is asked to be reviewed, and what becomes of reviewed
boxes (``reviewed``). Format: https://docs.cvat.ai/docs/dataset_management/formats/format-cvat/
"""

import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from xml.etree import ElementTree

from sport_assets.detection.coco import Labels
from sport_assets.detection.errors import BadLabelsError
from sport_assets.detection.label_entries import BoxEntry, Entries, ImageEntry, fault, number, parse_xml, whole

ROOT = "annotations"
XML_FILE = "annotations.xml"
_EDGES = ("xtl", "ytl", "xbr", "ybr")
_OTHER_SHAPES = ("polygon", "polyline", "points", "ellipse", "cuboid", "skeleton", "mask")
_SCORE: dict[str, Any] = {"name": "score", "mutable": False, "input_type": "text", "default_value": "", "values": [""]}
"""The attribute that a box's score travels in, as CVAT declares attributes."""
_NO_TIME = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can hold: packages of the same labels have the same bytes


@dataclass(frozen=True)
class Review:
    """Who worked on a CVAT task, as its file says; None where it does not."""

    task: str | None = None
    owner: str | None = None
    assignee: str | None = None
    updated: str | None = None


def read_cvat(data: bytes, file: str, find: Callable[[str], str | None], data_set: str = "") -> tuple[Entries, Review]:
    """Images, boxes and the review of a "CVAT for images" file.

    ``file``: its name, and ``data_set`` the folder it is in, for messages; ``find``: the image that a name in it means,
    or None where there is none.
    Raises ``BadLabelsError`` for broken XML, another root, or tracks ("CVAT for video").
    """
    where = f"{data_set}/{file}" if data_set else file
    root = parse_xml(data, where)
    if root.tag != ROOT:
        raise BadLabelsError(f"{where}: its root is <{root.tag}>, not <{ROOT}>. Export as CVAT for images 1.1.")
    if root.find("track") is not None:
        raise BadLabelsError(f"{where}: it holds tracks (CVAT for video). Export as CVAT for images 1.1.")
    found = Entries()
    for count, element in enumerate(root.iter("image"), start=1):
        said = element.get("name", "")
        width, height = whole(element.get("width")), whole(element.get("height"))
        if not said or width is None or height is None:
            raise BadLabelsError(
                f"{where}: image {count} has the name {said!r}, width {element.get('width')!r} and height "
                f"{element.get('height')!r}. Export as CVAT for images 1.1."
            )
        image = find(said)
        if image is None:
            found.faults.append(fault("image_missing", file, column="name", value=said, image=said))
            continue
        found.images.append(ImageEntry(image, file, 0, width, height))
        _read_boxes(element, image, file, found)
    return found, _review(root)


def write_cvat_package(labels: Labels, images: Path, path: Path, task: str = "review") -> None:
    """Write labels and their images as a zip that CVAT imports; the same labels and images give the same bytes.

    ``images``: the folder that the file names of ``labels`` are relative to. Each box carries its score as an
    attribute, so that a reviewer sees what was doubtful. ``labels.json`` is for CVAT's field of raw labels, which a new
    task needs before boxes can be imported. Raises ``BadLabelsError`` for an image that is not there.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with zipfile.ZipFile(temporary, "w") as package:
            _put(package, XML_FILE, _xml(labels, task), zipfile.ZIP_DEFLATED)
            kinds = [{"name": name, "type": "rectangle", "attributes": [_SCORE]} for name in labels.categories.values()]
            _put(package, "labels.json", json.dumps(kinds, indent=1).encode() + b"\n", zipfile.ZIP_DEFLATED)
            for file_name in labels.images["file_name"]:
                source = images / file_name
                if not source.is_file():
                    raise BadLabelsError(f"{source}: the image is not there. Make the frames again.")
                _put(package, f"images/{package_name(file_name)}", source.read_bytes(), zipfile.ZIP_STORED)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def package_name(file_name: str) -> str:
    """The name that an image has in a package: its file name without a leading ``images/``."""
    return file_name.removeprefix("images/")


def images_by_package_name(labels: Labels) -> Callable[[str], str | None]:
    """Finds the file name of a package's image by what CVAT calls it: with its folders, some of them, or none."""
    full = {package_name(name): name for name in labels.images["file_name"]}
    short: dict[str, list[str]] = {}
    for name in full:
        short.setdefault(PurePosixPath(name).name, []).append(full[name])

    def find(said: str) -> str | None:
        exact = full.get(package_name(said))
        alike = short.get(PurePosixPath(said).name, [])
        return exact or (alike[0] if len(alike) == 1 else None)

    return find


def _read_boxes(element: ElementTree.Element, image: str, file: str, into: Entries) -> None:
    for count, shape in enumerate(element, start=1):
        label = shape.get("label", "").strip()
        texts = [shape.get(edge) for edge in _EDGES]
        shown = {"image": image, "label": label, **dict(zip(_EDGES, texts, strict=True))}
        edges = [number(text) for text in texts]
        if shape.tag in _OTHER_SHAPES:
            into.faults.append(fault("not_a_box", file, count, value=shape.tag, image=image, label=label))
        elif shape.tag != "box":
            continue  # a tag of the image as a whole
        elif not label:
            into.faults.append(fault("no_class", file, count, "label", **shown))
        elif None in edges:
            into.faults.append(fault("not_a_number", file, count, ", ".join(_EDGES), texts, **shown))
        elif number(shape.get("rotation", "0")) != 0:
            into.faults.append(fault("rotated_box", file, count, "rotation", shape.get("rotation"), **shown))
        else:
            left, top, right, bottom = (float(edge or 0) for edge in edges)
            scores = [each.text for each in shape.iter("attribute") if each.get("name") == "score"]
            score = number(scores[0]) if scores else None
            into.boxes.append(BoxEntry(image, label, left, top, right - left, bottom - top, file, count, score))


def _review(root: ElementTree.Element) -> Review:
    meta = next(
        (found for kind in ("task", "job", "project") if (found := root.find(f"meta/{kind}")) is not None), None
    )
    if meta is None:
        return Review()
    said = (
        meta.findtext(name, "").strip() or None for name in ("name", "owner/username", "assignee/username", "updated")
    )
    return Review(*said)


def _xml(labels: Labels, task: str) -> bytes:
    root = ElementTree.Element(ROOT)
    _text(root, "version", "1.1")
    meta = ElementTree.SubElement(ElementTree.SubElement(root, "meta"), "task")
    for name, value in (("name", task), ("size", str(len(labels.images))), ("mode", "annotation")):
        _text(meta, name, value)
    kinds = ElementTree.SubElement(meta, "labels")
    for category in labels.categories.values():
        kind = ElementTree.SubElement(kinds, "label")
        _text(kind, "name", category)
        _text(kind, "type", "rectangle")
        score = ElementTree.SubElement(ElementTree.SubElement(kind, "attributes"), "attribute")
        for name, value in _SCORE.items():
            _text(score, name, value if isinstance(value, str) else str(value) if value is False else "")
    boxes = labels.boxes.partition_by("image", as_dict=True)
    for number_, image in enumerate(labels.images.iter_rows(named=True)):
        attributes = {name: str(image[name]) for name in ("width", "height")}
        element = ElementTree.SubElement(
            root, "image", {"id": str(number_), "name": package_name(image["file_name"]), **attributes}
        )
        for box in boxes[(image["image"],)].iter_rows(named=True) if (image["image"],) in boxes else ():
            edges = (box["x"], box["y"], box["x"] + box["width"], box["y"] + box["height"])
            shape = ElementTree.SubElement(
                element,
                "box",
                {
                    "label": labels.categories[box["category"]],
                    "source": "manual" if box["score"] is None else "auto",
                    "occluded": "0",
                    **{edge: repr(float(value)) for edge, value in zip(_EDGES, edges, strict=True)},
                    "z_order": "0",
                },
            )
            if box["score"] is not None:
                ElementTree.SubElement(shape, "attribute", {"name": "score"}).text = repr(box["score"])
    ElementTree.indent(root)
    return bytes(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"


def _text(parent: ElementTree.Element, name: str, value: str) -> None:
    ElementTree.SubElement(parent, name).text = value


def _put(package: zipfile.ZipFile, name: str, data: bytes, compression: int) -> None:
    entry = zipfile.ZipInfo(name, _NO_TIME)
    entry.external_attr = 0o644 << 16
    entry.compress_type = compression
    package.writestr(entry, data)
