"""How good forecast probabilities of a ball's outcome are: proper scores, calibration, and the decision metrics.

Belongs here: arithmetic on probabilities [N, 7] and outcomes [N], in NumPy. Must not come here: resampling
(``resampling``), baselines, tables and plots.

Log-loss per ball is the metric that selects; all others stand beside it. Macro F1 depends on a decision rule: the same
probabilities give other values at another threshold.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from sport_assets.cricket.labels import OUTCOMES, WICKET
from sport_assets.cricket.phases import PHASES

CLASSES = len(OUTCOMES)
RUNS = (0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 0.0)
"""Runs of each class; a wicket counts none."""
RUN_ORDER = (WICKET, 0, 1, 2, 3, 4, 5)
"""Classes from worst to best for the batting side: a wicket, then by runs."""
BINS = 10
SMALLEST = 1e-12
EXPERIENCE: Mapping[str, tuple[float, float]] = {
    "unknown": (-np.inf, 1e-6),
    "under_100": (1e-6, 100),
    "100_to_500": (100, 500),
    "500_and_more": (500, np.inf),
}
"""Groups by how many balls the batter had faced on earlier dates, older ones counted as history counts them."""


def checked(probabilities: np.ndarray, outcome: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both as arrays, in double precision. Raises ValueError for what are no probabilities of those balls."""
    p, y = np.asarray(probabilities, np.float64), np.asarray(outcome)
    if p.shape != (len(y), CLASSES):
        raise ValueError(f"probabilities of shape {p.shape} for {len(y)} balls of {CLASSES} classes")
    if not np.isfinite(p).all() or (p < 0).any() or (len(p) and np.abs(p.sum(1) - 1).max() > 1e-3):
        raise ValueError("a forecast is not finite, negative, or its classes do not add up to one")
    if len(y) and (y.min() < 0 or y.max() >= CLASSES):
        raise ValueError("a ball without an outcome cannot be scored: leave it out")
    return p, y


def losses(probabilities: np.ndarray, outcome: np.ndarray) -> np.ndarray:
    """Log-loss of each ball [N], in nats."""
    p, y = checked(probabilities, outcome)
    return -np.log(np.maximum(p[np.arange(len(y)), y], SMALLEST))


def log_loss(probabilities: np.ndarray, outcome: np.ndarray) -> float:
    """Mean log-loss per ball, in nats."""
    return float(losses(probabilities, outcome).mean())


def skill(loss: float, reference: float) -> float:
    """Share of a reference's log-loss that a forecast saves: 1 is perfect, 0 no better, negative worse."""
    return 1.0 - loss / reference


def brier(probabilities: np.ndarray, outcome: np.ndarray) -> float:
    """Mean squared distance of the probabilities from what came, summed over classes (0 to 2)."""
    p, y = checked(probabilities, outcome)
    return float(((p - np.eye(CLASSES)[y]) ** 2).sum(1).mean())


def ranked_probability_score(probabilities: np.ndarray, outcome: np.ndarray) -> float:
    """Mean ranked probability score over RUN_ORDER, divided by the number of steps (0 to 1)."""
    p, y = checked(probabilities, outcome)
    order = list(RUN_ORDER)
    steps = np.cumsum(p[:, order], 1) - np.cumsum(np.eye(CLASSES)[y][:, order], 1)
    return float((steps[:, :-1] ** 2).sum(1).mean() / (CLASSES - 1))


def calibration_errors(probabilities: np.ndarray, outcome: np.ndarray, bins: int = BINS) -> np.ndarray:
    """Expected calibration error of each class [7]: mean gap of forecast and frequency over bins of equal mass."""
    p, y = checked(probabilities, outcome)
    return np.array([_calibration(p[:, number], y == number, bins) for number in range(CLASSES)])


def calibration_error(probabilities: np.ndarray, outcome: np.ndarray, bins: int = BINS) -> float:
    """Class-wise calibration error: the mean of ``calibration_errors``."""
    return float(calibration_errors(probabilities, outcome, bins).mean())


def reliability(probabilities: np.ndarray, outcome: np.ndarray, bins: int = BINS) -> pl.DataFrame:
    """Forecast and frequency in bins of equal mass, by class: what a reliability plot shows."""
    p, y = checked(probabilities, outcome)
    rows = []
    for number, name in enumerate(OUTCOMES):
        for place in _bins(p[:, number], bins):
            rows.append((name, len(place), float(p[place, number].mean()), float((y[place] == number).mean())))
    return pl.DataFrame(rows, schema=["outcome", "balls", "forecast", "frequency"], orient="row")


def run_bias(probabilities: np.ndarray, outcome: np.ndarray) -> float:
    """Expected minus true runs per ball, by the runs of the classes."""
    p, y = checked(probabilities, outcome)
    return float((p @ np.array(RUNS)).mean() - np.array(RUNS)[y].mean())


def wicket_auc(probabilities: np.ndarray, outcome: np.ndarray) -> float:
    """Chance that a ball that brought a wicket had the higher wicket probability than one that did not; ties half."""
    p, y = checked(probabilities, outcome)
    fell = y == WICKET
    falls, others = int(fell.sum()), int((~fell).sum())
    if not falls or not others:
        return float("nan")
    ranks = pl.Series(p[:, WICKET]).rank("average").to_numpy()
    return float((ranks[fell].sum() - falls * (falls + 1) / 2) / (falls * others))


def f1_scores(decision: np.ndarray, outcome: np.ndarray) -> np.ndarray:
    """F1 of each class [7]; 0 where a class neither came nor was decided for."""
    right = np.bincount(outcome[decision == outcome], minlength=CLASSES)
    both = np.bincount(decision, minlength=CLASSES) + np.bincount(outcome, minlength=CLASSES)
    return 2 * right / np.maximum(both, 1)


def macro_f1(decision: np.ndarray, outcome: np.ndarray) -> float:
    """Mean F1 over the classes that came or were decided for."""
    there = np.bincount(decision, minlength=CLASSES) + np.bincount(outcome, minlength=CLASSES) > 0
    return float(f1_scores(decision, outcome)[there].mean())


def weighted_f1(decision: np.ndarray, outcome: np.ndarray) -> float:
    """Mean F1 weighted by how often each class came."""
    return float(np.average(f1_scores(decision, outcome), weights=np.bincount(outcome, minlength=CLASSES)))


def decide(probabilities: np.ndarray, power: float = 0.0, prior: np.ndarray | None = None) -> np.ndarray:
    """The class with the largest probability divided by ``prior`` to the ``power``; power 0 is the plain argmax."""
    p = np.asarray(probabilities, np.float64)
    if prior is not None and power:
        p = p / np.maximum(prior, SMALLEST) ** power
    return p.argmax(1)


def tune_power(probabilities: np.ndarray, outcome: np.ndarray, prior: np.ndarray) -> float:
    """The power of ``decide`` with the best macro F1 on these balls (validation), from 0 to 1."""
    tried = np.linspace(0.0, 1.0, 21)
    return float(max(tried, key=lambda power: (macro_f1(decide(probabilities, power, prior), outcome), -power)))


def summarise(
    probabilities: np.ndarray, outcome: np.ndarray, *, reference: np.ndarray | None = None, power: float = 0.0,
    prior: np.ndarray | None = None,
) -> dict[str, float]:  # fmt: skip
    """All metrics by name. ``reference``: the over-conditional forecast of the same balls; ``power``, ``prior``: the
    decision rule tuned on validation."""
    p, y = checked(probabilities, outcome)
    loss = log_loss(p, y)
    plain, tuned = decide(p), decide(p, power, prior)
    found = {
        "log_loss": loss,
        "brier": brier(p, y),
        "ranked_probability_score": ranked_probability_score(p, y),
        "calibration_error": calibration_error(p, y),
        "run_bias": run_bias(p, y),
        "wicket_auc": wicket_auc(p, y),
        "accuracy": float((plain == y).mean()),
        "macro_f1": macro_f1(plain, y),
        "weighted_f1": weighted_f1(plain, y),
        "macro_f1_tuned": macro_f1(tuned, y),
        "weighted_f1_tuned": weighted_f1(tuned, y),
    }
    if reference is not None:
        found["skill_over"] = skill(loss, log_loss(reference, y))
    return found


def by_group(loss: np.ndarray, groups: Mapping[str, np.ndarray]) -> pl.DataFrame:
    """Mean log-loss of each group (a mask [N] by name) that has balls: group, balls, log_loss."""
    rows = [(name, int(mask.sum()), float(loss[mask].mean())) for name, mask in groups.items() if mask.any()]
    return pl.DataFrame(rows, schema={"group": pl.String, "balls": pl.Int64, "log_loss": pl.Float64}, orient="row")


def groups(balls: Mapping[str, np.ndarray], batter_balls: np.ndarray) -> dict[str, np.ndarray]:
    """Masks [N] by name: phases, innings and experience of the batter.

    balls: arrays with ``phase`` and ``second_innings``; batter_balls: balls that history holds of the striker.
    """
    found = {f"phase_{name}": balls["phase"] == number for number, name in enumerate(PHASES)}
    found |= {f"innings_{number + 1}": balls["second_innings"] == number for number in range(2)}
    for name, (low, high) in EXPERIENCE.items():
        found[f"batter_{name}"] = (batter_balls >= low) & (batter_balls < high)
    return found


def _calibration(p: np.ndarray, came: np.ndarray, bins: int) -> float:
    gaps = [abs(p[place].mean() - came[place].mean()) * len(place) for place in _bins(p, bins)]
    return float(sum(gaps) / max(len(p), 1))


def _bins(p: np.ndarray, bins: int) -> list[np.ndarray]:
    """Indices in order of probability, in parts of equal size."""
    return [part for part in np.array_split(np.argsort(p, kind="stable"), bins) if len(part)]
