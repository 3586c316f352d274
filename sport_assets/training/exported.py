"""Exported models as whoever predicts meets them: opening the ONNX file, what it says of itself. No torch.

Belongs here: what is the same for every line. Must not come here: writing and comparing exported files (``export``,
which needs torch), features, forecasts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

METADATA_KEY = "sport_assets"
"""Entry of an ONNX file's metadata: as JSON what a line ships with a model, its ``line`` and ``layout`` among it."""
CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
"""ONNX Runtime's names of what it runs on."""


class PredictionError(ValueError):
    """Input or model that cannot be predicted with; the message says which and what to do."""


class ModelError(PredictionError):
    """A model that cannot be used here."""


def open_session(path: Path, asset: str, *, device: str = "cpu", threads: int = 1) -> Any:
    """An ONNX Runtime session of a file. ``asset``: where such files come from, for messages.

    ``device``: ``cpu``, ``cuda`` (or ``cuda:1``), or ``auto``, a GPU where ONNX Runtime can use one. ``threads``: of
    the processor. By default one, which gives the same bits everywhere; more, or a GPU, are faster and may round
    otherwise.

    Raises ModelError where the file is absent or no readable model, for a device that is not there, for no thread.
    """
    import onnxruntime

    if not path.is_file():
        raise ModelError(f"{path} is not a file: give the model.onnx of {asset}")
    if threads < 1:
        raise ModelError(f"threads is {threads}: give 1 or more")
    providers = providers_of(device, onnxruntime.get_available_providers())
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3  # it remarks on what it does not fold
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=providers)
    except Exception as error:
        raise ModelError(f"{path.name} is not a readable ONNX model: {error}") from error
    if device.startswith("cuda") and device_of(session) == "cpu":  # it falls back without a word
        raise ModelError(
            f"device {device}: ONNX Runtime could not start CUDA. Look whether a driver and the libraries that its "
            "version wants (CUDA, cuDNN) are there, or take the device cpu"
        )
    return session


def providers_of(device: str, available: Sequence[str]) -> list[Any]:
    """What ONNX Runtime is to run on, first choice first. Raises ModelError for no device, or one that is not there."""
    if not re.fullmatch(r"cpu|auto|cuda(:\d+)?", device):
        raise ModelError(f"device {device!r}: give cpu, cuda, cuda:N or auto")
    if device == "cpu" or (device == "auto" and CUDA not in available):
        return [CPU]
    if CUDA not in available:
        raise ModelError(
            f"device {device}: this ONNX Runtime knows {', '.join(available)} and no CUDA. Install onnxruntime-gpu in "
            "place of onnxruntime, or take the device cpu"
        )
    return [(CUDA, {"device_id": device.partition(":")[2] or "0"}), CPU]


def device_of(session: Any) -> str:
    """Where a session runs: ``cuda`` or ``cpu``."""
    return "cuda" if CUDA in session.get_providers() else "cpu"


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
