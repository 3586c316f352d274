"""Calibrated log odds: a scale and a shift for each outcome, fitted on validation balls.

Belongs here: applying them and their file. No torch: prediction and simulation run on this module.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

CALIBRATION_FILE = "calibration.json"


@dataclass(frozen=True)
class Calibration:
    """Scale and shift [7] of the log odds, in the order of `labels.OUTCOMES`."""

    scale: np.ndarray
    shift: np.ndarray

    def save(self, path: Path) -> None:
        """Write as JSON."""
        content = {"scale": self.scale.tolist(), "shift": self.shift.tolist()}
        path.write_text(json.dumps(content, sort_keys=True, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Calibration:
        """Read what `save` wrote."""
        content = json.loads(path.read_text(encoding="utf-8"))
        return cls(np.array(content["scale"], dtype=np.float64), np.array(content["shift"], dtype=np.float64))

    def apply(self, logits: np.ndarray) -> np.ndarray:
        """Log-probabilities [..., 7] of log odds [..., 7]."""
        moved = logits * self.scale + self.shift
        moved = moved - moved.max(-1, keepdims=True)
        found: np.ndarray = moved - np.log(np.exp(moved).sum(-1, keepdims=True))
        return found
