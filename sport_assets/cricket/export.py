"""A trained cricket model as files that run without the code that trained it, and the proof that they say the same.

Belongs here: what is specific to ball outcomes: calibration within the graph, example inputs, what is shipped. How
files are written and compared is in ``sport_assets.training.export``, what is shipped in ``shipped``, prediction in
``predict``. The ONNX file keeps the names of the weights: a simulation builds the network again from it
(``calibrated_network``).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from sport_assets.cricket.batches import InningsSource
from sport_assets.cricket.calibrated_network import CalibratedNetwork
from sport_assets.cricket.calibration import CALIBRATION_FILE, Calibration
from sport_assets.cricket.extras import Extras
from sport_assets.cricket.features import table
from sport_assets.cricket.innings import Innings
from sport_assets.cricket.models import INPUTS, TorchInnings, load
from sport_assets.cricket.player_history import read_past
from sport_assets.cricket.shipped import OUTPUT, Shipped
from sport_assets.cricket.split import Split
from sport_assets.lineage.checks import CheckResult
from sport_assets.lineage.models import MODEL_FILE
from sport_assets.training.export import export_onnx, export_pt2, growing_batches, parity, parity_check

PT2_FILE = "model.pt2"
TOLERANCE = 1e-4
"""Largest difference of log-probabilities (nats) of exported and trained model."""
PARITY_INNINGS = 96
AXES: dict[str, dict[int, str]] = {name: {0: "batch", 1: "balls"} for name in INPUTS}


def export(
    checkpoint: Path,
    split: Path,
    samples: Mapping[str, Path],
    *,
    evaluation: Path,
    player_history: Path,
    out: Path,
) -> tuple[dict[str, Any], list[CheckResult]]:
    """Write model.onnx (self-contained) and model.pt2 of a checkpoint folder to ``out``.

    ``samples``: folders of ``cricket/innings`` by year; ``split``: the split's file; ``evaluation``: the folder with
    calibration.json; ``player_history``: the folder with the past, which is shipped. What comes beside outcomes
    (``extras``) is learned from the training side; parity is measured on innings of the test side, in batches of
    different sizes, one of them a single innings. Returns facts and the blocking check ``parity``.
    """
    module = load(checkpoint)
    calibration = Calibration.load(evaluation / CALIBRATION_FILE)
    network = CalibratedNetwork(module.network, calibration).eval()
    innings = Innings.join([Innings.load(folder) for _, folder in sorted(samples.items())])
    sides = Split.load(split)
    past = read_past(player_history)
    test = innings.select(set(sides.test))
    if not len(test):
        raise ValueError("the innings hold no match of the test side: build cricket/innings of its years")
    source = TorchInnings(InningsSource(test, table(test, past), module.entities))
    trained_on = innings.select(set(sides.train))
    shipped = Shipped(
        module.settings, module.entities, past, calibration, Extras.learn(trained_on), trained_on.label_rule
    )
    parameters = sum(parameter.numel() for parameter in network.parameters())
    metadata = shipped.to_metadata({"inputs": list(INPUTS), "outputs": [OUTPUT], "parameters": parameters})
    example = inputs(source, np.arange(2) % len(source))
    export_onnx(network, example, [OUTPUT], AXES, out / MODEL_FILE, metadata, keep_names=True)
    export_pt2(network, example, AXES, out / PT2_FILE)
    compared = (inputs(source, chosen) for chosen in growing_batches(len(source), PARITY_INNINGS))
    report = parity(network, out / MODEL_FILE, compared)
    facts = {
        "parity_max_abs_error_nats": report.max_abs_error,
        "parity_batches": report.batches,
        "parameters": parameters,
        "past_balls": len(past),
        "label_rule": shipped.label_rule,
        "onnx_bytes": (out / MODEL_FILE).stat().st_size,
    }
    return facts, [parity_check(report, TOLERANCE, "nats", "real innings")]


def inputs(source: TorchInnings, chosen: np.ndarray) -> dict[str, Tensor]:
    """The network's inputs for some innings, by name and in order."""
    batch = source.batch(chosen)
    return {name: batch[name] for name in INPUTS}
