"""Photos with an orientation tag: everything reads them as they are stored, and labels made otherwise are set aside."""

from pathlib import Path

import cv2
import numpy as np
import polars as pl
import pytest

from sport_assets.detection.coco import Labels, write_coco
from sport_assets.detection.errors import BadLabelsError
from sport_assets.detection.labelled_frames import write_labelled
from sport_assets.detection.pictures import decode, read_picture, shown_size
from sport_assets.detection.predict import predict
from sport_assets.detection.samples import Side
from sport_assets.training.exported import PredictionError
from sport_assets_tests.detection.label_sets import paint, write
from sport_assets_tests.detection.onnx_files import shipped_content, write_constant_detector
from sport_assets_tests.detection.turned_photo import write_turned

ANNOTATIONS = "_annotations.coco.json"


def labelled(folder: Path, width: int, height: int) -> Path:
    """The photo with labels that say so of its size."""
    write_turned(folder / "a.jpg")
    image = {"image": 1, "file_name": "a.jpg", "width": width, "height": height, "video": "a"}
    boxes = [{"box": n, "image": 1, "category": n, "x": 10 * n, "y": 10, "width": 5, "height": 8 - n} for n in (1, 2)]
    write_coco(Labels.of([image], boxes), folder / ANNOTATIONS)
    return folder


def imported(folder: Path, out: Path) -> tuple[int, list[tuple[str, str]]]:
    """Images that were taken; rule and value of what was set aside."""
    out.mkdir()
    report = write_labelled([folder], out)
    quarantine = pl.read_parquet(out / "quarantine.parquet").filter(pl.col("rule") != "image_set_aside")
    return report.facts["images"], quarantine.select("rule", "value").rows()


def test_pixels_are_those_that_are_stored(tmp_path: Path) -> None:
    for orientation, shown in ((6, (60, 120)), (3, (120, 60)), (1, None)):
        path = tmp_path / f"{orientation}.jpg"
        write_turned(path, orientation=orientation)
        pixels = read_picture(path)
        assert pixels is not None and pixels.shape == (60, 120, 3)
        assert shown_size(path.read_bytes(), pixels) == shown
    turned_by_opencv = cv2.imread(str(tmp_path / "6.jpg"))
    assert turned_by_opencv is not None and turned_by_opencv.shape == (120, 60, 3)
    assert decode(b"Exif") is None and read_picture(tmp_path / "absent.jpg") is None


def test_an_import_takes_labels_of_stored_pixels_alone(tmp_path: Path) -> None:
    assert imported(labelled(tmp_path / "stored", 120, 60), tmp_path / "one") == (1, [])
    count, [(rule, value)] = imported(labelled(tmp_path / "turned", 60, 120), tmp_path / "two")
    assert (count, rule) == (0, "image_size_differs")
    assert value.startswith("60x120, the file has 120x60: the labels were made on the image as its orientation tag")
    assert "save the image upright" in value
    _, [(rule, value)] = imported(labelled(tmp_path / "other", 50, 50), tmp_path / "three")
    assert (rule, value) == ("image_size_differs", "50x50, the file has 120x60")


@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_where_sizes_cannot_tell_the_image_is_set_aside(tmp_path: Path, orientation: int) -> None:
    folder = tmp_path / "set"
    write_turned(folder / "images" / "a.jpg", orientation=orientation)
    paint(folder / "images" / "b.png", 1)
    write(folder / "data.yaml", "names: [player, ball]\n")
    for name in ("a", "b"):
        write(folder / "labels" / f"{name}.txt", "0 .5 .5 .1 .2\n")  # YOLO gives shares, no size
    count, aside = imported(folder, tmp_path / "out")
    assert (count, aside) == ((2, []) if orientation == 1 else (1, [("image_turned", "120x60 as it is stored")]))
    half = labelled(tmp_path / "half", 120, 60)
    write_turned(half / "a.jpg", orientation=orientation)
    count, aside = imported(half, tmp_path / "half_out")  # turned by 180 degrees, an image keeps its size
    assert [rule for rule, _ in aside] == (["image_turned"] if orientation == 3 else [])


def test_training_and_prediction_read_the_same_pixels(tmp_path: Path) -> None:
    side = Side(labelled(tmp_path / "data" / "train", 120, 60).parent, "train")
    assert side.image(0).shape == (60, 120, 3)
    labelled(tmp_path / "wrong" / "train", 60, 120)
    with pytest.raises(BadLabelsError, match="its labels say 60x120, the file has 120x60"):
        Side(tmp_path / "wrong", "train").image(0)

    boxes, logits = [[0.5, 0.5, 0.5, 0.5]], [[2.0, -9.0, -9.0]]
    model = write_constant_detector(tmp_path / "model.onnx", boxes, logits, content=shipped_content())
    report = predict(model, tmp_path / "data" / "train", tmp_path / "r.json")
    assert (report.images, report.turned) == (1, 1)
    found = pl.read_json(tmp_path / "r.json")
    np.testing.assert_allclose(found["bbox"].to_list(), [[30, 15, 60, 30]], atol=1e-3)
    with pytest.raises(PredictionError, match=r"a.jpg is 60x120, the file has 120x60: .* orientation tag"):
        predict(model, tmp_path / "wrong" / "train", tmp_path / "r.json")
