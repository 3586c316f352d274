"""The checkpoints of a training by the names that people know: best_model, latest, epoch_N, epoch_N_lightweight.

Belongs here: which file each name stands for. Must not be here: torch; reading or writing checkpoints.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from sport_assets.training.names import EPOCHS_FOLDER

_EPOCH_FILE = re.compile(r"epoch_(\d+)\.(safetensors|ckpt)")
_FURTHER = re.compile(r"weights_(\w+)\.safetensors")


@dataclass(frozen=True)
class NamedCheckpoint:
    """A checkpoint: its name, its file, and whether it holds weights alone or the whole state of a training."""

    name: str
    path: Path
    holds: str


def named_checkpoints(published: Path, work: Path) -> list[NamedCheckpoint]:
    """All checkpoints of a training that are there: of its published folder, and of its working files.

    ``best_model`` is what was published as best, ``best_model_FURTHER`` what was published beside it (top2, last,
    best_METRIC); ``latest`` the state that it would go on from; ``epoch_N`` states and ``epoch_N_lightweight`` weights
    of single epochs, from 1, as far as `training.keep_epochs` and `training.keep_state_every` kept them.
    """
    found = []
    for path in sorted(published.glob("weights*.safetensors")):
        further = _FURTHER.fullmatch(path.name)
        found.append(NamedCheckpoint(f"best_model_{further[1]}" if further else "best_model", path, "weights"))
    if (work / "last.ckpt").is_file():
        found.append(NamedCheckpoint("latest", work / "last.ckpt", "state"))
    epochs = []
    for path in (work / EPOCHS_FOLDER).glob("epoch_*"):
        match = _EPOCH_FILE.fullmatch(path.name)
        if match is not None:
            light = match[2] == "safetensors"
            name = f"epoch_{match[1]}_lightweight" if light else f"epoch_{match[1]}"
            epochs.append((int(match[1]), NamedCheckpoint(name, path, "weights" if light else "state")))
    return found + [each for _, each in sorted(epochs, key=lambda each: (each[0], each[1].name))]
