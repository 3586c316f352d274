"""Weights as safetensors with deterministic bytes, and the result folder of a training.

Belongs here: what is published. Must not be here: working checkpoints (`resume`), the loop.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as save_tensors

from sport_assets.lineage.durable import make_folders, sync, write_durably
from sport_assets.training.errors import BadSpecError
from sport_assets.training.names import SPEC_FILE

WEIGHTS = "weights.safetensors"
LAST_WEIGHTS = "weights_last.safetensors"
STATE = "training_state.safetensors"
SPEC = SPEC_FILE


def top_weights(place: int) -> str:
    """File of the second best epoch's weights (`place` 2), the third's, and so on; `WEIGHTS` holds the best."""
    return f"weights_top{place}.safetensors"


def best_weights(metric: str) -> str:
    """File of the weights of the best epoch by a metric of `TrainerSettings.also_best`."""
    return f"weights_best_{metric}.safetensors"


def weight_bytes(state_dict: Mapping[str, torch.Tensor]) -> bytes:
    """The same weights give the same bytes; tied weights are written once per name."""
    return save_tensors(
        {name: value.detach().cpu().clone(memory_format=torch.contiguous_format) for name, value in state_dict.items()}
    )


def save_weights(module: torch.nn.Module, path: Path) -> None:
    """Write the module's parameters and buffers atomically."""
    write_durably(path, weight_bytes(module.state_dict()))


def load_weights(module: torch.nn.Module, path: Path) -> torch.nn.Module:
    """Load weights into a module of the same shape (on its device) and return it.

    Raises `BadSpecError` that names missing, unexpected and differently shaped weights.
    """
    try:
        weights = load_file(path)
    except (SafetensorError, OSError) as error:
        raise BadSpecError(f"cannot read weights from {path.name}: {error}") from error
    try:
        module.load_state_dict(weights)
    except RuntimeError as error:
        raise BadSpecError(f"the weights in {path.name} are not of this {type(module).__name__}: {error}") from error
    return module


def json_bytes(content: Any) -> bytes:
    """Readable JSON with sorted keys."""
    return (json.dumps(content, indent=2, sort_keys=True, allow_nan=False) + "\n").encode()


def publish(out: Path, files: Mapping[str, bytes]) -> None:
    """Write all files to a folder beside `out`, fsync, and rename it: `out` is whole or absent.

    `out` may exist as an empty folder.
    """
    make_folders(out.parent)
    temporary = out.with_name(f".{out.name}.part")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    for name, content in files.items():
        (temporary / name).write_bytes(content)
        sync(temporary / name)
    sync(temporary)
    if out.is_dir():
        out.rmdir()
    os.rename(temporary, out)
    sync(out.parent)
