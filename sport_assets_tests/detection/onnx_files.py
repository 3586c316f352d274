"""Tiny ONNX files with the inputs and outputs of an exported RF-DETR, for tests without a trained network."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from sport_assets.detection.onnx_detector import LAYOUT
from sport_assets.training.exported import METADATA_KEY


def shipped_content(**changes: Any) -> dict[str, Any]:
    """What an exported detector of this line says of itself."""
    return {
        "line": "detection",
        "layout": dict(LAYOUT),
        "keep": 4,
        "thresholds": {"1": 0.5, "2": 0.5},
        "categories": {"1": "player", "2": "ball"},
        **changes,
    }


def write_constant_detector(
    path: Path,
    boxes: Sequence[Sequence[float]],
    logits: Sequence[Sequence[float]],
    *,
    resolution: int = 64,
    content: Mapping[str, Any] | None = None,
    fixed_batch: int | None = None,
    names: tuple[str, str] = ("dets", "labels"),
) -> Path:
    """A file that gives these boxes [Q, 4] and logits [Q, C + 1] for every image, plus the image's mean red, so that
    its input decides something: each logit grows by it.
    """
    batch = fixed_batch or "batch"
    box_array, logit_array = np.array([boxes], np.float32), np.array([logits], np.float32)
    nodes = [
        helper.make_node("GlobalAveragePool", ["input"], ["mean"]),  # [B, 3, 1, 1]
        helper.make_node("Slice", ["mean", "begin", "end", "axis"], ["red4"]),
        helper.make_node("Squeeze", ["red4", "last"], ["red"]),  # [B, 1, 1]
        helper.make_node("Add", ["logits", "red"], [names[1]]),
        helper.make_node("Mul", ["red", "zero"], ["nothing"]),
        helper.make_node("Add", ["boxes", "nothing"], [names[0]]),
    ]
    constants = {
        "boxes": box_array,
        "logits": logit_array,
        "begin": np.array([0]),
        "end": np.array([1]),
        "axis": np.array([1]),
        "last": np.array([3]),
        "zero": np.zeros(1, np.float32),
    }
    graph = helper.make_graph(
        nodes,
        "detector",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [batch, 3, resolution, resolution])],
        [
            helper.make_tensor_value_info(names[0], TensorProto.FLOAT, [batch, len(boxes), 4]),
            helper.make_tensor_value_info(names[1], TensorProto.FLOAT, [batch, len(boxes), len(logits[0])]),
        ],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    if content is not None:
        helper.set_model_props(model, {METADATA_KEY: json.dumps(content)})
    onnx.save(model, str(path))
    return path
