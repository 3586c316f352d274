"""The real builder, with a note of what every process saw, for the test of several processes.

Belongs here: the builder that the trainers import by name. Must not come here: what must be true (`test_models`).
"""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from sport_assets.nfl import models
from sport_assets.training.job import BatchSource, TrainingJob
from sport_assets.training.spec import TrainingSpec

TRACE_VARIABLE = "SPORT_ASSETS_TESTS_TRACE"


class Noted:
    """A source that remembers which samples were asked for."""

    def __init__(self, source: BatchSource) -> None:
        self.source = source
        self.seen: list[int] = []

    def __len__(self) -> int:
        return len(self.source)

    def batch(self, indices: np.ndarray) -> Any:
        """The samples, noted."""
        self.seen += indices.tolist()
        return self.source.batch(indices)


def build(spec: TrainingSpec) -> TrainingJob:
    """`models.build`; at its end each process writes `rank<N>.json` into the folder that the variable names."""
    job = models.build(spec)
    assert job.valid is not None
    valid = Noted(job.valid)
    module = job.module

    def on_train_end() -> None:
        weights = hashlib.sha256(b"".join(value.numpy().tobytes() for value in module.state_dict().values()))
        content = {
            "metrics": {name: float(value) for name, value in module.trainer.callback_metrics.items()},
            "validated": valid.seen,
            "weights": weights.hexdigest(),
        }
        path = Path(os.environ[TRACE_VARIABLE], f"rank{module.global_rank}.json")
        path.write_text(json.dumps(content), encoding="utf-8")

    module.on_train_end = on_train_end  # type: ignore[method-assign]
    return TrainingJob(module, job.train, valid, monitor=job.monitor, mode=job.mode)
