"""How well man and zone coverage are told apart, where it is known which it was.

Here belongs arithmetic on probabilities and labels, in NumPy. Where labels come from is in `labels`; tables and text do
not belong here. Plays without a label count for nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sport_assets.nfl.tensors import COVERAGES, UNKNOWN_COVERAGE


def summary(man_probability: np.ndarray | None, labels: np.ndarray) -> dict[str, Any]:
    """`coverage` of evaluation.json: how a model's probability of man coverage [P] fits the labels [P].

    Counts of labels always. With a model that says something and plays with labels: accuracy (of the more probable
    class), beside the share of the class that is more frequent among these plays; balanced accuracy and AUC, null
    where all plays are of one class; log loss in nats. Raises ValueError where a probability is not from 0 to 1.
    """
    known = labels != UNKNOWN_COVERAGE
    man = labels[known] == COVERAGES["man"]
    counts = {"labelled_plays": len(man), "man_plays": int(man.sum()), "zone_plays": int((~man).sum())}
    if man_probability is None or not len(man):
        return {"predicted": man_probability is not None, **counts}
    found = man_probability[known].astype(np.float64)
    if not ((found >= 0) & (found <= 1)).all():
        raise ValueError("a probability of man coverage is not a number from 0 to 1")
    right = (found >= 0.5) == man
    both = bool(man.any() and (~man).any())
    return {
        "predicted": True,
        **counts,
        "accuracy": float(right.mean()),
        "majority_class_share": float(max(man.mean(), 1 - man.mean())),
        "balanced_accuracy": float((right[man].mean() + right[~man].mean()) / 2) if both else None,
        "auc": auc(found, man) if both else None,
        "log_loss": log_loss(found, man),
        "log_loss_of_shares": log_loss(np.full(len(man), man.mean()), man),
    }


def auc(score: np.ndarray, positive: np.ndarray) -> float:
    """Area under the ROC curve: how often a positive scores above a negative, a tie counting half.

    Raises ValueError where one of the two is missing.
    """
    positives = int(positive.sum())
    negatives = len(positive) - positives
    if not positives or not negatives:
        raise ValueError("AUC needs plays of both classes")
    _, place, count = np.unique(score, return_inverse=True, return_counts=True)
    rank = (np.cumsum(count) - (count - 1) / 2)[place]
    return float((rank[positive].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def log_loss(probability: np.ndarray, positive: np.ndarray) -> float:
    """Mean negative log of the probability that was given to what happened, in nats; no surprise costs over 16."""
    given = np.where(positive, probability, 1.0 - probability)
    return float(-np.log(np.maximum(given, 1e-7)).mean())
