"""Log odds of a network brought in line with how often outcomes really came, fitted on validation balls.

Belongs here: temperature and vector scaling (Guo et al., 2017), fitting them, and their file. Must not come here: the
network, metrics. No torch: prediction knows this module.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from sport_assets.cricket.labels import OUTCOMES

CALIBRATION_FILE = "calibration.json"
CALIBRATED_CHECK = (
    "calibrated",
    "On held-out balls the class-wise calibration error is at most 0.01, and expected runs are right to 0.03 a ball.",
)
MOST_CALIBRATION_ERROR, MOST_RUN_BIAS = 0.01, 0.03
CLASSES = len(OUTCOMES)
Method = Literal["none", "temperature", "vector"]
PRIOR_BALLS = 500.0
"""Weight, in balls, of leaving the log odds as they are: few validation balls change little."""


@dataclass(frozen=True)
class Calibration:
    """Calibrated log odds are ``logits * scale + shift``, class by class."""

    scale: np.ndarray
    """[7], in the order of OUTCOMES"""
    shift: np.ndarray
    """[7]"""

    @classmethod
    def none(cls) -> Calibration:
        """Leaves everything as it is."""
        return cls(np.ones(CLASSES), np.zeros(CLASSES))

    def apply(self, logits: np.ndarray) -> np.ndarray:
        """Log-probabilities [N, 7] of log odds [N, 7], in double precision."""
        return log_softmax(logits.astype(np.float64) * self.scale + self.shift)

    def save(self, path: Path) -> None:
        """Write as JSON; the same calibration gives the same bytes."""
        content = {"outcomes": list(OUTCOMES), "scale": self.scale.tolist(), "shift": self.shift.tolist()}
        path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Calibration:
        """Read what ``save`` wrote."""
        content = json.loads(path.read_text(encoding="utf-8"))
        return cls(np.array(content["scale"], np.float64), np.array(content["shift"], np.float64))


def fit(logits: np.ndarray, outcome: np.ndarray, method: Method) -> Calibration:
    """The scaling with the least log-loss of these balls: one temperature for all classes, or scale and shift for each.

    logits [N, 7], outcome [N] from 0. Both are drawn to no change by PRIOR_BALLS.
    """
    if method == "none" or not len(outcome):
        return Calibration.none()
    from scipy.optimize import minimize

    values, came = logits.astype(np.float64), np.eye(CLASSES)[outcome]

    def unpacked(numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if method == "temperature":
            return np.full(CLASSES, np.exp(numbers[0])), np.zeros(CLASSES)
        return np.exp(numbers[:CLASSES]), numbers[CLASSES:]

    def objective(numbers: np.ndarray) -> tuple[float, np.ndarray]:
        scale, shift = unpacked(numbers)
        told = log_softmax(values * scale + shift)
        gap = np.exp(told) - came
        loss = -(told * came).sum() + PRIOR_BALLS * (numbers**2).sum()
        of_scale, of_shift = (gap * values).sum(0) * scale, gap.sum(0)
        slope = of_scale.sum(keepdims=True) if method == "temperature" else np.concatenate([of_scale, of_shift])
        return float(loss), slope + 2 * PRIOR_BALLS * numbers

    start = np.zeros(1 if method == "temperature" else 2 * CLASSES)
    return Calibration(*unpacked(minimize(objective, start, jac=True, method="L-BFGS-B").x))


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Log-probabilities along the last axis."""
    shifted = logits - logits.max(-1, keepdims=True)
    found: np.ndarray = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    return found
