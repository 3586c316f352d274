"""Weights to begin with: rfdetr's published files, or a checkpoint of this line.

Belongs here: loading them into a network, and saying what does not fit. Must not come here: finding the file
(``settings``), training.
"""

from __future__ import annotations

import argparse
import pickle
import types
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors.torch import load_file

from sport_assets.detection.errors import BadWeightsError
from sport_assets.detection.settings import weights_path

if TYPE_CHECKING:
    from sport_assets.detection.models import DetectorModule


def load_pretrained(module: DetectorModule, name: str) -> None:
    """Load the file ``name`` into the module's network.

    A ``.safetensors`` file is a checkpoint of this line and must fit exactly. Another file is one of rfdetr's: its
    class layer is taken over as far as it goes where the number of classes differs, positions are interpolated where
    the resolution does. Raises BadWeightsError where it is unreadable or of another architecture.
    """
    path = weights_path(name)
    if path.suffix == ".safetensors":
        try:
            weights = load_file(path)
            module.load_state_dict(weights)
        except Exception as error:
            raise BadWeightsError(
                f"{path}: these weights are not of this network ({_first_line(error)}). Set model.size, "
                "model.resolution, model.queries and the categories as they were, or begin from rfdetr's weights"
            ) from error
        return
    check_readable(path)
    from rfdetr.models.weights import load_pretrain_weights

    config = module.config.model_copy(update={"pretrain_weights": str(path)})
    # rfdetr leaves what a file lacks as it was and says nothing: what is no number afterwards was lacking
    with torch.no_grad():
        for _, value in _needed(module):
            value.fill_(torch.nan)
    try:
        load_pretrain_weights(module.network, config)  # type: ignore[arg-type]
    except Exception as error:
        raise BadWeightsError(
            f"{path}: these weights are not of RF-DETR {module.settings.architecture} ({_first_line(error)}). Set "
            "model.size to what they are of"
        ) from error
    lacking = [name for name, value in _needed(module) if not bool(torch.isfinite(value).all())]
    if lacking:
        raise BadWeightsError(
            f"{path}: these weights are not of RF-DETR {module.settings.architecture}: {len(lacking)} tensors are "
            f"lacking or no numbers, {lacking[0]} first. Set model.size, model.decoder_layers and model.groups to what "
            "they are of"
        )


def check_readable(path: Path) -> None:
    """Raises BadWeightsError unless a .pth can be unpickled without running code: tensors and plain values alone.

    As rfdetr does, namespaces of arguments count as plain: its older checkpoints hold one.
    """
    try:
        with torch.serialization.safe_globals([argparse.Namespace, types.SimpleNamespace]):
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except Exception as error:
        why = _first_line(error)
        if not isinstance(error, OSError) and not _is_checkpoint(path):
            why = "it is no checkpoint"  # the unpickler's own words are of the first byte that it does not know
        elif isinstance(error, pickle.UnpicklingError):
            why = "it holds more than tensors and plain values, or is damaged"
        raise BadWeightsError(
            f"{path}: not a file of weights that can be read safely ({why}). Give a .pth of rfdetr's, or "
            "weights.safetensors of a checkpoint of this line"
        ) from error
    if not isinstance(content, dict):
        raise BadWeightsError(f"{path}: holds a {type(content).__name__}, no weights by name. Give a .pth of rfdetr's")


def _is_checkpoint(path: Path) -> bool:
    """Whether a file begins as what torch saves: a zip file, or of older versions a pickle."""
    with path.open("rb") as file:
        return file.read(4).startswith((b"PK\x03\x04", b"\x80"))


def _needed(module: DetectorModule) -> list[tuple[str, torch.Tensor]]:
    """The network's parameters by name, without the encoder's mask token, which only its own pretraining used."""
    return [(name, value) for name, value in module.network.named_parameters() if not name.endswith("mask_token")]


def _first_line(error: Exception) -> str:
    """The first line that says what is wrong: torch's own first line is a heading."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    lines = [line for line in lines if not line.startswith("Error(s) in loading state_dict")] or lines
    return lines[0] if lines else type(error).__name__
