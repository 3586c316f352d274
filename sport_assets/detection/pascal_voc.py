"""Pascal VOC data sets: one XML file an image, in Annotations/ with the images in JPEGImages/, or beside the image.

Belongs here: reading that format. Must not come here: judging boxes, mapping classes (``labelled_frames``).

Corners are taken as edges from 0, as CVAT, Roboflow and LabelImg write them. The original challenge counted pixels from
1 and included the last one: ``one_based``.
"""

from pathlib import Path, PurePosixPath
from xml.etree import ElementTree

from sport_assets.detection.label_entries import (
    BoxEntry,
    Entries,
    ImageEntry,
    ImageFolder,
    fault,
    number,
    parse_xml,
    read_file,
    whole,
)

ROOT = "annotation"
_CORNERS = ("xmin", "ymin", "xmax", "ymax")


def read_pascal_voc(folder: Path, files: list[str], images: ImageFolder, *, one_based: bool = False) -> Entries:
    """Images and boxes of the XML ``files`` of a data set. Raises ``BadLabelsError`` for broken XML."""
    found = Entries()
    for file in files:
        where = f"{folder.name}/{file}"
        _read(file, parse_xml(read_file(folder / file, where), where), images, one_based, found)
    named = {image.name for image in found.images}
    found.faults += [fault("image_without_labels", name) for name in images.names if name not in named]
    return found


def _read(file: str, root: ElementTree.Element, images: ImageFolder, one_based: bool, into: Entries) -> None:
    path = PurePosixPath(file)
    said = root.findtext("filename", "").strip()
    folders = (path.parent.as_posix(), *(str(path.parent.parent / name) for name in ("JPEGImages", "images", ".")))
    image = images.find(said, folders) if said else None
    if image is None:
        into.faults.append(fault("labels_without_image", file, column="filename", value=said))
        return
    size = root.find("size")
    width, height = (whole(size.findtext(name)) if size is not None else None for name in ("width", "height"))
    into.images.append(ImageEntry(image, file, 0, width, height))
    for count, element in enumerate(root.iter("object"), start=1):
        label = element.findtext("name", "").strip()
        bounds = element.find("bndbox")
        texts = [bounds.findtext(name) if bounds is not None else None for name in _CORNERS]
        corners = [number(text) for text in texts]
        shown = {"image": image, "label": label, **dict(zip(_CORNERS, texts, strict=True))}
        if not label:
            into.faults.append(fault("no_class", file, count, "name", **shown))
        elif any(text is None for text in texts):
            into.faults.append(fault("not_a_box", file, count, "bndbox", **shown))
        elif None in corners:
            into.faults.append(fault("not_a_number", file, count, "bndbox", ", ".join(map(str, texts)), **shown))
        else:
            left, top, right, bottom = (float(corner or 0) for corner in corners)
            if one_based:
                left, top = left - 1, top - 1
            into.boxes.append(BoxEntry(image, label, left, top, right - left, bottom - top, file, count))
