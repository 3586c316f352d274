"""Nested training state as one safetensors file: no pickle, deterministic bytes, torn files recognised.

Belongs here: packing, unpacking, sealing. Must not be here: Lightning, what the state means.

Checkpoint file: 8 bytes `SASTATE1`, SHA-256 of the rest (32 bytes), then safetensors. The published state is the
safetensors alone. The structure (dicts, lists, numbers, text) is JSON in the one metadata key `structure`.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

MAGIC = b"SASTATE1"


class TornStateError(Exception):
    """The file is shorter than written, or its bytes changed."""


def pack(state: Any) -> bytes:
    """Serialise nested dicts, lists, tuples, numbers, text, None, tensors and NumPy arrays.

    Raises `TypeError` that names the place of anything else.
    """
    tensors: dict[str, torch.Tensor] = {}
    structure = _encode(state, tensors, "state")
    return save_tensors(tensors, metadata={"structure": json.dumps(structure, sort_keys=True)})


def unpack(content: bytes) -> Any:
    """Inverse of `pack`; tensors come back on the CPU."""
    try:
        tensors = load_tensors(content)
        header_length = int.from_bytes(content[:8], "little")
        structure = json.loads(content[8 : 8 + header_length])["__metadata__"]["structure"]
        return _decode(json.loads(structure), tensors)
    except (SafetensorError, KeyError, ValueError) as error:
        raise TornStateError(str(error)) from error


def seal(content: bytes) -> bytes:
    """Content behind its magic bytes and SHA-256."""
    return MAGIC + hashlib.sha256(content).digest() + content


def unseal(path: Path) -> bytes:
    """Content of a sealed file; raises `TornStateError` where bytes are missing or changed."""
    raw = path.read_bytes()
    if len(raw) < 40 or raw[:8] != MAGIC:
        raise TornStateError(f"{path.name} is not a complete checkpoint ({len(raw)} bytes)")
    if hashlib.sha256(raw[40:]).digest() != raw[8:40]:
        raise TornStateError(f"{path.name} is damaged: its checksum does not fit")
    return raw[40:]


def read_structure(path: Path) -> Any:
    """State in a plain (unsealed) packed file."""
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata() or {}
        if "structure" not in metadata:
            raise TornStateError(f"{path.name} holds weights only, not a training state")
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    return _decode(json.loads(metadata["structure"]), tensors)


def _encode(value: Any, tensors: dict[str, torch.Tensor], place: str) -> Any:
    if isinstance(value, torch.Tensor):
        name = f"{len(tensors):06d}"
        # a copy of its own: safetensors refuses tensors that share memory (tied weights)
        tensors[name] = value.detach().cpu().clone(memory_format=torch.contiguous_format)
        return {"tensor": name}
    if isinstance(value, np.ndarray):
        name = f"{len(tensors):06d}"
        tensors[name] = torch.from_numpy(value.astype(np.int64) if value.dtype == np.uint32 else value.copy())
        return {"array": name, "dtype": str(value.dtype)}
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int | float):
        return value
    if isinstance(value, dict):
        pairs = [
            [_encode(key, tensors, f"{place} key"), _encode(item, tensors, f"{place}.{key}")]
            for key, item in value.items()
        ]
        return {"dict": pairs}
    if isinstance(value, list | tuple):
        items = [_encode(item, tensors, f"{place}[{number}]") for number, item in enumerate(value)]
        return {"tuple": items} if isinstance(value, tuple) else items
    raise TypeError(
        f"{place} is a {type(value).__name__}; training state may hold tensors, arrays, numbers, text, dicts and lists"
    )


def _decode(value: Any, tensors: dict[str, torch.Tensor]) -> Any:
    if isinstance(value, list):
        return [_decode(item, tensors) for item in value]
    if not isinstance(value, dict):
        return value
    if "tensor" in value:
        return tensors[value["tensor"]]
    if "array" in value:
        return tensors[value["array"]].numpy().astype(value["dtype"])
    if "tuple" in value:
        return tuple(_decode(item, tensors) for item in value["tuple"])
    return {_decode(key, tensors): _decode(item, tensors) for key, item in value["dict"]}
