"""Exported models as whoever predicts meets them: opening the ONNX file, what it says of itself. No torch.

Belongs here: what is the same for every line. Must not come here: writing and comparing exported files (``export``,
which needs torch), features, forecasts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

METADATA_KEY = "sport_assets"
"""Entry of an ONNX file's metadata: as JSON what a line ships with a model, its ``line`` and ``layout`` among it."""


class PredictionError(ValueError):
    """Input or model that cannot be predicted with; the message says which and what to do."""


class ModelError(PredictionError):
    """A model that cannot be used here."""


def open_session(path: Path, asset: str) -> Any:
    """An ONNX Runtime session of a file, on one CPU thread. ``asset``: where such files come from, for messages.

    Raises ModelError where the file is absent or no readable model.
    """
    import onnxruntime

    if not path.is_file():
        raise ModelError(f"{path} is not a file: give the model.onnx of {asset}")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3  # it remarks on what it does not fold
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise ModelError(f"{path.name} is not a readable ONNX model: {error}") from error


def shipped(metadata: Mapping[str, str]) -> dict[str, Any]:
    """What a line ships with a model; empty where it is none of ours."""
    text = metadata.get(METADATA_KEY)
    found: dict[str, Any] = json.loads(text) if text else {}
    return found


def check_origin(content: Mapping[str, Any], name: str, line: str, layout: Mapping[str, Any]) -> None:
    """Raise ModelError unless what a file ships is of this line and of the layout that this code makes."""
    if content.get("line") != line:
        raise ModelError(f"{name} is not a model of the {line} line: give the model.onnx of {line}/exported_model")
    if content.get("layout") != layout:
        raise ModelError(
            f"{name} was exported for other features than this version of the code makes: export it again with "
            f"`sport-assets build {line}/exported_model`"
        )
