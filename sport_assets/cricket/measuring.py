"""A trained checkpoint run over held-out innings: log odds of every ball.

Belongs here: running weights on balls. Must not come here: the balls (``balls``), metrics (``metrics``), the form of a
report (``report``).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sport_assets.cricket.balls import Balls
from sport_assets.cricket.batches import InningsSource
from sport_assets.cricket.labels import OUTCOMES
from sport_assets.training.threads import one_thread

BATCH_INNINGS = 32


def log_odds(checkpoint: Path, balls: Balls) -> np.ndarray:
    """What the weights of a checkpoint folder say of every ball, uncalibrated: float64 [N, 7].

    On one CPU thread, for equal bits.
    """
    import torch

    from sport_assets.cricket.models import TorchInnings, load

    module = load(checkpoint)
    source = InningsSource(balls.innings, balls.features, module.entities)
    batches, found = TorchInnings(source), np.zeros((len(balls), len(OUTCOMES)))
    order = np.argsort(source.lengths, kind="stable")
    with one_thread(), torch.no_grad():
        for first in range(0, len(order), BATCH_INNINGS):
            chosen = order[first : first + BATCH_INNINGS]
            told = module(batches.batch(chosen)).double().numpy()
            for row, number in enumerate(chosen):
                start, length = source.starts[number], source.lengths[number]
                found[start : start + length] = told[row, :length]
    return found
