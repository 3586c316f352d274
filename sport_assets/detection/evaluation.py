"""A trained detector on images of videos that it never saw, beside its baselines, with what goes wrong where.

Here belong what an evaluation reads and publishes, and its checks. Figures are in ``detector_report``, mistakes in
``error_report``, pictures in ``evaluation_plots`` and ``error_pictures``. The same inputs give the same bytes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from sport_assets.detection import detector_report, error_report, evaluation_plots, temporal_filter
from sport_assets.detection.average_precision import ALL
from sport_assets.detection.detections import Detections
from sport_assets.detection.detector_report import Detector
from sport_assets.detection.error_pictures import draw_cases
from sport_assets.detection.floor_baseline import mean_box_baseline
from sport_assets.detection.frames import sharpness
from sport_assets.detection.models import DetectorModule, load
from sport_assets.detection.network_input import detections, network_input
from sport_assets.detection.precision_recall import above, choose_thresholds
from sport_assets.detection.samples import Side
from sport_assets.detection.scored_boxes import of_detections
from sport_assets.detection.settings import PATCH_PX
from sport_assets.detection.slicing import Slicing, sliced_images
from sport_assets.detection.video_identifiers import files_of, of_videos
from sport_assets.lineage.checks import SAMPLE_ROWS, CheckResult
from sport_assets.lineage.row_index import RowIndex
from sport_assets.training.errors import BadSpecError
from sport_assets.training.names import BEATS_BASELINES, EVALUATION_FILE
from sport_assets.training.reports import write_json

PREDICTIONS_FILE, ERRORS_FILE = "predictions.parquet", "errors.parquet"
BATCH = 8
FLOOR, SLICED, FILTERED = "most_common_boxes", "sliced", "temporal_filter"
WORST_CASES = 12

Image = NDArray[np.uint8]


def evaluate(
    checkpoint: Path, split: Path, samples: Mapping[str, Path], *, out: Path
) -> tuple[dict[str, Any], list[CheckResult], RowIndex]:
    """Judge a checkpoint folder by the test side of the data set whose split's file is ``split``.

    From which score on a detection is believed is chosen on the validation side, by category; for windows by a look at
    it through windows. Beside the model stand a baseline that never looks at an image, and the model used otherwise: by
    windows, and with balls filtered by their tracks. Writes evaluation.json, predictions.parquet, errors.parquet and
    pictures to ``out``. Returns facts, checks, and the videos that were measured. Raises BadSpecError where there is no
    test side.
    """
    module, dataset = load(checkpoint), split.parent
    if not (dataset / "test").is_dir():
        raise BadSpecError(
            "the data set has no test side, so nothing can be judged: sport-assets build detection/coco_dataset "
            "--set test_share=0.2, or --set 'test_videos=[\"…\"]'; it needs three videos or clips at least"
        )
    train, valid, test = (Side(dataset, side) for side in ("train", "valid", "test"))
    detect = TorchDetector(module)
    chosen_on = detect.side(valid)
    thresholds = choose_thresholds(valid.labels, chosen_on)
    found = detect.side(test)
    slicing = Slicing(size=window_for(test), batch=BATCH)
    sliced = Detector(detect.side(test, slicing), choose_thresholds(valid.labels, detect.side(valid, slicing)))
    model = Detector(found, thresholds)
    truth = test.labels
    believed = above(found, thresholds)
    filtered = temporal_filter.keep_consistent(truth.images, believed)
    # the filter judges what is believed; of fainter boxes it says nothing, so both rows have them
    left = found.join(filtered.removed, on="box", how="anti", maintain_order="left")
    report = detector_report.summary(
        truth,
        model,
        {FLOOR: Detector.without_thresholds(mean_box_baseline(train.labels, truth.images), truth)},
        variants={SLICED: sliced, FILTERED: Detector(left, thresholds)},
        validation=(valid.labels, chosen_on),
    )
    numbers = {image: number for number, image in enumerate(truth.images["image"].to_list())}

    def read_image(image: int) -> Image:
        return test.image(numbers[image])

    sharp = {image: sharpness(read_image(image)) for image in numbers}
    errors = error_report.classify(truth, found, thresholds, sharpness=sharp, read_image=read_image)
    mistakes = error_report.summarise(errors, truth.categories)
    report |= {
        "errors": mistakes,
        "slicing": {"window_px": slicing.size, "overlap": slicing.overlap},
        "temporal_filter": {
            "effect": temporal_filter.effect(truth, believed, filtered.predictions),
            "images_acted_on": filtered.acted_on,
        },
        "split": {
            "sides": {name: len(side) for name, side in (("train", train), ("valid", valid), ("test", test))},
            "test_images_by_source": dict(sorted(Counter(truth.images["source"].fill_null("unknown")).items())),
        },
    }
    write_json(out / EVALUATION_FILE, report)
    found.write_parquet(out / PREDICTIONS_FILE)
    errors.write_parquet(out / ERRORS_FILE)
    evaluation_plots.precision_recall(truth, found, thresholds, out / "precision_recall.png")
    evaluation_plots.recall_by_size(
        {name: each["by_size"] for name, each in mistakes["categories"].items()}, out / "recall_by_size.png"
    )
    evaluation_plots.score_histograms(truth, found, thresholds, out / "scores.png")
    draw_cases(
        error_report.worst_cases(errors, WORST_CASES),
        errors,
        truth,
        read_image,
        out / "worst_cases.png",
    )
    measured = of_videos({"test": test.videos()}, files_of(dataset))
    return detector_report.facts(report), [beats_baselines(report)], measured


class TorchDetector:
    """A trained module as a detector of images, on the processor: its record says so, and figures stay the same."""

    def __init__(self, module: DetectorModule) -> None:
        self._module = module.eval()

    def __call__(self, images: list[Image]) -> list[Detections]:
        """Detections in each image, all in one batch."""
        if not images:
            return []
        module = self._module
        batch = np.stack([network_input(image, module.resolution) for image in images])
        with torch.inference_mode():
            boxes, logits = module(torch.from_numpy(batch))
        return [
            detections(
                its_boxes,
                its_logits,
                image.shape[1],
                image.shape[0],
                list(module.categories),
                keep=module.settings.keep,
            )
            for image, its_boxes, its_logits in zip(images, boxes.numpy(), logits.numpy(), strict=True)
        ]

    def side(self, side: Side, slicing: Slicing | None = None) -> pl.DataFrame:
        """Detections in all images of a side, as a table of scored boxes."""
        ids = side.labels.images["image"].to_list()
        pictures = (side.image(number) for number in range(len(side)))
        # one window that covers everything is the whole image, in the same batches
        found = sliced_images(self, pictures, slicing or Slicing(size=_LARGER_THAN_ANY, batch=BATCH))
        return of_detections({image: each.merged for image, each in zip(ids, found, strict=True)})


_LARGER_THAN_ANY = 1 << 16


def window_for(side: Side) -> int:
    """Side of the windows of the sliced variant, px: half the longest side of the images, so that all looks double."""
    images = side.labels.images
    longest = max(int(images["width"].to_numpy().max()), int(images["height"].to_numpy().max()))
    return max(PATCH_PX, -(-longest // (2 * PATCH_PX)) * PATCH_PX)


def beats_baselines(report: Mapping[str, Any]) -> CheckResult:
    """Whether the model's average precision at IoU 0.5, over all categories, is above every baseline's."""
    own = report["metrics"][ALL]["ap50"]["value"]
    lost = [
        {"baseline": name, "ap50": table[ALL]["ap50"]["value"], "model": own}
        for name, table in report["baselines"].items()
        if own is None or not own > (table[ALL]["ap50"]["value"] or 0.0)
    ]
    return CheckResult(
        BEATS_BASELINES,
        passed=not lost,
        description="The model's average precision at IoU 0.5 on test videos is above every baseline's.",
        failed=len(lost),
        checked=len(report["baselines"]),
        rules={"not_better_than_baseline": len(lost)} if lost else {},
        sample=lost[:SAMPLE_ROWS],
        metadata=detector_report.facts(report),
    )
