"""A small model with dropout, shuffled data and every kind of state that a resume must keep, for tests of training."""

from __future__ import annotations

import hashlib
import json
import random
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torchmetrics import MeanMetric

from sport_assets.lineage.row_index import RowIndex
from sport_assets.training.job import TrainingJob
from sport_assets.training.spec import TrainingSpec


class ToySource:
    """`count` samples of a noisy linear map from 6 to 2 numbers; the noise is fixed by the sample's number."""

    def __init__(self, count: int, seed: int, delay_s: float = 0.0, chosen: slice = slice(None)) -> None:
        generator = np.random.default_rng(seed)
        self.x = generator.normal(size=(count, 6)).astype(np.float32)
        self.y = (self.x @ np.linspace(-1, 1, 12, dtype=np.float32).reshape(6, 2)).astype(np.float32)
        self.x, self.y = self.x[chosen], self.y[chosen]
        self.numbers = [100 * seed + number for number in range(count)[chosen]]
        self.delay_s = delay_s

    def __len__(self) -> int:
        return len(self.x)

    def batch(self, indices: np.ndarray) -> dict[str, torch.Tensor]:
        time.sleep(self.delay_s)
        return {"x": torch.from_numpy(self.x[indices]), "y": torch.from_numpy(self.y[indices])}


class Toy(pl.LightningModule):
    """MLP with dropout and batch norm that also draws from Python's and NumPy's generators."""

    def __init__(self, model: dict[str, Any]) -> None:
        super().__init__()
        hidden = model.get("hidden", 8)
        self.model = model
        self.net = torch.nn.Sequential(
            torch.nn.Linear(6, hidden),
            torch.nn.BatchNorm1d(hidden),
            torch.nn.GELU(),
            torch.nn.Dropout(0.2),
            torch.nn.Linear(hidden, 2),
        )
        self.mean_error = MeanMetric()

    def training_step(self, batch: dict[str, torch.Tensor], batch_idx: int) -> torch.Tensor:
        jitter = 0.01 * (random.random() + float(np.random.random()))
        loss = torch.nn.functional.mse_loss(self.net(batch["x"] + jitter), batch["y"])
        if self.global_step == self.model.get("nan_at_step") and self.global_rank == self.model.get("nan_on_rank", 0):
            loss = loss * float("nan")
        if "raise" in self.model and self.global_step == 2:
            raise RuntimeError(self.model["raise"])
        count = len(batch["x"])
        log: dict[str, Any] = {"on_step": False, "on_epoch": True, "batch_size": count}
        self.log("train_loss", loss, sync_dist=not self.model.get("unsynchronised"), **log)
        self.mean_error.update(loss.detach(), count)
        self.log("train_mean_error", self.mean_error, **log)
        return loss

    def validation_step(self, batch: dict[str, torch.Tensor], batch_idx: int) -> None:
        error = (self.net(batch["x"]) - batch["y"]).norm(dim=-1)
        if self.model.get("nan_in_validation") == self.current_epoch:
            error = error * float("nan")
        self.log("val_ade", error.mean(), on_epoch=True, batch_size=len(error), sync_dist=True)
        self.log("val_samples", float(len(error)), on_epoch=True, batch_size=1, sync_dist=True, reduce_fx="sum")

    def on_train_end(self) -> None:
        """Tell what this rank has, for the tests of several processes."""
        if "trace" in self.model:
            weights = hashlib.sha256(b"".join(value.numpy().tobytes() for value in self.state_dict().values()))
            content = {name: float(value) for name, value in self.trainer.callback_metrics.items()}
            content |= {"epochs": self.trainer.current_epoch, "steps": self.global_step}
            Path(self.model["trace"], f"rank{self.global_rank}.json").write_text(
                json.dumps({**content, "weights": weights.hexdigest()})
            )


def build(spec: TrainingSpec) -> TrainingJob:
    """The builder `sport_assets_tests.training.toy:build`; settings.model holds what it should do wrong.

    `wrong_part` says in which part alone. Fold K lacks the first K + 1 samples, so that each is another training.
    """
    model: dict[str, Any] = dict(spec.settings.get("model", {}))
    if model.get("wrong_part") not in (None, spec.part):
        model["nan_at_step"] = None
    delay_s = model.get("delay_s", 0.0)
    count = model.get("samples", 70)
    module = Toy(model)
    valid = (
        None
        if model.get("no_validation")
        else ToySource(model.get("valid_samples", 23), 2, model.get("valid_delay_s", delay_s))
    )
    if spec.part == "all" and not model.get("holds_out"):
        valid = None
    if spec.part.startswith("fold:"):
        fold = int(spec.part.removeprefix("fold:"))
        return job(
            module,
            ToySource(count, 1, delay_s, slice(fold + 1, None)),
            ToySource(count, 1, delay_s, slice(0, fold + 1)),
        )
    return job(module, ToySource(count, 1, delay_s), valid)


def job(module: Toy, train: ToySource, valid: ToySource | None) -> TrainingJob:
    """The job with what its sources hold: samples by number."""
    identifiers = RowIndex()
    for side, source in (("train", train), ("valid", valid)):
        if source is not None:
            identifiers.add(["sample"], source.numbers, side)
    return TrainingJob(module=module, train=train, valid=valid, identifiers=identifiers)
