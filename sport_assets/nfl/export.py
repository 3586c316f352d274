"""A trained model as files that run without the code that trained it, and the proof that they say the same.

Here belongs what is specific to the trajectory model: example inputs, dynamic axes, metadata. How files are
written and compared is in `sport_assets.training.export`; prediction with them is in `predict`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from sport_assets.lineage.checks import CheckResult
from sport_assets.lineage.models import MODEL_FILE
from sport_assets.nfl.models import INPUTS, as_tensors, load, plays_of, tensors_path
from sport_assets.nfl.predict import layout
from sport_assets.nfl.split import Split
from sport_assets.nfl.tensors import PlayTensors
from sport_assets.training.export import export_onnx, export_pt2, growing_batches, parity, parity_check
from sport_assets.training.exported import METADATA_KEY

PT2_FILE = "model.pt2"
OUTPUTS = {
    "positions": "[batch, players, horizon, 2]: x, y in standardised yards at time_s after the throw",
    "modes": "[batch, players, modes, horizon, 2]: mean path of each mode, x, y in standardised yards",
    "mode_probability": "[batch, players, modes]: sums to 1",
    "mode_scale": "[batch, players, modes, horizon, 2]: standard deviations along x and y, yards",
    "man_probability": "[batch]: probability of man coverage",
}
TOLERANCE_YARDS = 1e-3
"""Largest difference of exported and trained model, about a millimetre."""

PARITY_PLAYS = 256
_PLAYERS = {0: "batch", 1: "players"}
AXES: dict[str, dict[int, str]] = {
    "history": _PLAYERS,
    "observed": _PLAYERS,
    "player": _PLAYERS,
    "player_mask": _PLAYERS,
    "play": {0: "batch"},
    "frames": {0: "batch"},
    "time_s": {0: "horizon"},
}


def export(
    checkpoint: Path, split: Path, samples: Mapping[str, Path], out: Path
) -> tuple[dict[str, Any], list[CheckResult]]:
    """Write model.onnx (self-contained) and model.pt2 of a checkpoint folder to `out`.

    `samples` are the week folders of play tensors and `split` the split's file: parity is measured on plays of the
    test side, in batches of different sizes, one of them a single play. Returns facts and the blocking check
    `parity`. Inputs and outputs are those of `network.TrajectoryNetwork.forward`; batch, players and horizon
    are dynamic.
    """
    network = load(checkpoint).network
    weeks = {week: PlayTensors.load(tensors_path(folder)) for week, folder in samples.items()}
    test = plays_of(weeks, Split.load(split).test, "the test side")
    example = inputs(test, np.arange(2) % len(test))
    about = {
        "line": "nfl",
        "layout": layout(),
        "inputs": list(INPUTS),
        "outputs": {name: OUTPUTS[name] for name in network.outputs},
        "coverage_labels": int(network.coverage_labels),
        "units": {"length": "yards", "time": "seconds", "angle": "sine and cosine, clockwise from +y"},
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
    }
    metadata = {METADATA_KEY: json.dumps(about, sort_keys=True)}
    export_onnx(network, example, network.outputs, AXES, out / MODEL_FILE, metadata)
    export_pt2(network, example, AXES, out / PT2_FILE)
    compared = (inputs(test, chosen) for chosen in growing_batches(len(test), PARITY_PLAYS))
    report = parity(network, out / MODEL_FILE, compared)
    facts = {
        "parity_max_abs_error_yards": report.max_abs_error,
        "parity_batches": report.batches,
        "parameters": about["parameters"],
        "onnx_bytes": (out / MODEL_FILE).stat().st_size,
    }
    return facts, [parity_check(report, TOLERANCE_YARDS, "yards", "real plays")]


def inputs(tensors: PlayTensors, plays: np.ndarray) -> dict[str, Tensor]:
    """The network's inputs for some plays, by name and in order."""
    batch = as_tensors(dict(tensors.pad(plays)))
    return {name: batch[name] for name in INPUTS}
