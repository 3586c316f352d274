"""A trained detector as one ONNX file that runs without torch, and the proof that it says what the trained one says.

Belongs here: what is specific to detectors: example inputs, what is shipped. How files are written and compared is in
``sport_assets.training.export``, how the file is used in ``onnx_detector``.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sport_assets.detection.models import DetectorModule, load
from sport_assets.detection.network_input import network_input
from sport_assets.detection.onnx_detector import INPUT, OUTPUTS, Shipped
from sport_assets.detection.reduced_precision import Precision, add_reduced
from sport_assets.detection.samples import Side
from sport_assets.lineage.checks import CheckResult
from sport_assets.lineage.digest import sha256_file
from sport_assets.lineage.models import MODEL_FILE
from sport_assets.training.checkpoints import WEIGHTS
from sport_assets.training.export import export_onnx, growing_batches, parity, parity_check
from sport_assets.training.names import EVALUATION_FILE

TOLERANCE = 1e-3
"""Largest difference of log odds and of boxes (shares of the image) of exported and trained network."""
PARITY_IMAGES = 24


class _Exported(torch.nn.Module):
    """The network with rfdetr's graph for exports: plain images in, no mask of padding."""

    def __init__(self, module: DetectorModule) -> None:
        super().__init__()
        self.network = copy.deepcopy(module.network)
        self.network.export()  # type: ignore[operator]

    def forward(self, input: Tensor) -> tuple[Tensor, Tensor]:
        boxes, logits = self.network(input)
        return boxes, logits


class _Trained(torch.nn.Module):
    """The network as it was trained, called as the exported one is."""

    def __init__(self, module: DetectorModule) -> None:
        super().__init__()
        self.module = module

    def forward(self, input: Tensor) -> tuple[Tensor, Tensor]:
        said: tuple[Tensor, Tensor] = self.module(input)
        return said


def export(
    checkpoint: Path,
    split: Path,
    samples: Mapping[str, Path],
    *,
    evaluation: Path,
    out: Path,
    fp16: bool = False,
    int8: bool = False,
) -> tuple[dict[str, Any], list[CheckResult]]:
    """Write model.onnx of a checkpoint folder to ``out``: weights, categories, resolution, thresholds in one file.

    ``split``: the split's file, in the folder of the data set; ``evaluation``: the folder with the thresholds that were
    chosen on the validation side. Parity is measured on images of the test side in batches of different sizes, one of
    them a single image. ``fp16`` and ``int8`` add model_fp16.onnx and model_int8.onnx, if they are good enough. Returns
    facts and the blocking check ``parity``.
    """
    module = load(checkpoint)
    side = Side(split.parent, "test")
    thresholds = json.loads((evaluation / EVALUATION_FILE).read_text(encoding="utf-8"))["thresholds"]["model"]
    shipped = write_model(module, thresholds, sha256_file(checkpoint / WEIGHTS), out / MODEL_FILE)
    report = parity(_Trained(module).eval(), out / MODEL_FILE, _batches(side, module.resolution))
    facts = {
        "parity_max_abs_error": report.max_abs_error,
        "parity_batches": report.batches,
        "parameters": _parameters(module),
        "resolution": module.resolution,
        "thresholds": {module.categories[number]: value for number, value in shipped.thresholds.items()},
        "onnx_bytes": (out / MODEL_FILE).stat().st_size,
    }
    asked: dict[Precision, bool] = {"fp16": fp16, "int8": int8}
    precisions = [precision for precision, wanted in asked.items() if wanted]
    if precisions:
        facts |= add_reduced(precisions, out / MODEL_FILE, Side(split.parent, "valid"), out)
    return facts, [parity_check(report, TOLERANCE, "log_odds_and_shares", "images of the test side")]


def write_model(module: DetectorModule, thresholds: Mapping[str, float], weights_sha256: str, path: Path) -> Shipped:
    """Write a network as the ONNX file ``path``; ``thresholds`` by the name of the category. Returns what it ships."""
    shipped = Shipped(
        categories=module.categories,
        keep=module.settings.keep,
        thresholds={number: float(thresholds[name]) for number, name in module.categories.items()},
    )
    example = {INPUT: torch.zeros(2, 3, module.resolution, module.resolution)}
    metadata = shipped.to_metadata(_parameters(module), weights_sha256)
    export_onnx(_Exported(module).eval(), example, list(OUTPUTS), {INPUT: {0: "batch"}}, path, metadata)
    return shipped


def _parameters(module: DetectorModule) -> int:
    return sum(parameter.numel() for parameter in module.network.parameters())


def _batches(side: Side, resolution: int) -> Iterator[dict[str, np.ndarray]]:
    for chosen in growing_batches(len(side), PARITY_IMAGES):
        yield {INPUT: np.stack([network_input(side.image(int(number)), resolution) for number in chosen])}
