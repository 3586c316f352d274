"""A moving average of the weights, which is what is validated and published; training goes on with the raw ones.

Belongs here: the average and its place in checkpoints. Must not be here: which epoch is published (`monitor`).

Why not Lightning's (EMA)WeightAveraging (2.6): it swaps average and model for a validation, and what it writes to a
checkpoint within one, as ours may be, are the two exchanged, so that a resumed training would go on with the average.
It also has no warm-up: with a decay of 0.999 the random first weights would still be half of the average after 700
steps. And where its end replaces the module's weights, nothing is left to continue from.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.strategies import DDPStrategy, SingleDeviceStrategy

from sport_assets.training.errors import BadSpecError

CALLBACK = "WeightAveraging"
"""Where a checkpoint's `callbacks` hold the average."""


class WeightAveraging(pl.Callback):
    """average = d * average + (1 - d) * weights after every optimizer step, d = min(decay, (1 + n) / (10 + n)).

    n is the number of steps averaged before. Floating-point buffers (statistics of norms) are averaged as well, other
    buffers taken as they are. Validation sees the average.
    """

    def __init__(self, decay: float) -> None:
        self._decay = decay
        self._steps = 0
        self._last_step = 0
        self._average: dict[str, torch.Tensor] = {}
        self._raw: dict[str, torch.Tensor] | None = None

    def weights(self) -> Mapping[str, torch.Tensor]:
        """The average as a state dict of the module."""
        return self._average

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Begin with the weights as they are, or go on with a checkpoint's average."""
        if type(trainer.strategy) not in (SingleDeviceStrategy, DDPStrategy):
            raise BadSpecError(
                f"training.weight_averaging needs all weights on every process, which {type(trainer.strategy).__name__}"
                " does not give; set it to null, or training.strategy to auto or ddp"
            )
        begin = self._average or pl_module.state_dict()
        self._average = {name: value.detach().clone().to(pl_module.device) for name, value in begin.items()}
        self._last_step = trainer.global_step

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Take a new optimizer step in; with accumulated gradients not every batch is one."""
        if trainer.global_step == self._last_step:
            return
        share = 1.0 - min(self._decay, (1 + self._steps) / (10 + self._steps))
        floats: list[tuple[torch.Tensor, torch.Tensor]] = []
        others: list[tuple[torch.Tensor, torch.Tensor]] = []
        for name, value in pl_module.state_dict().items():
            (floats if value.is_floating_point() else others).append((self._average[name], value.detach()))
        with torch.no_grad():
            if floats:
                averages, values = zip(*floats, strict=True)
                torch._foreach_lerp_(averages, values, share)
            for average, value in others:
                average.copy_(value)
        self._steps += 1
        self._last_step = trainer.global_step

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """The module takes the average on; its own weights are kept aside."""
        self._raw = {name: value.detach().clone() for name, value in pl_module.state_dict().items()}
        _put(self._average, pl_module)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """The module gets its own weights back."""
        assert self._raw is not None
        _put(self._raw, pl_module)
        self._raw = None

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Within a validation too, `state_dict` holds the weights that training goes on with."""
        if self._raw is not None:
            checkpoint["state_dict"] = self._raw

    def state_dict(self) -> dict[str, Any]:
        """The average and how many steps it knows."""
        return {"steps": self._steps, "weights": self._average}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Inverse of `state_dict`."""
        self._steps, self._average = state_dict["steps"], state_dict["weights"]


def averaged(state: Mapping[str, Any]) -> Mapping[str, torch.Tensor]:
    """What a checkpoint's training would publish: its average, or its weights where it has none."""
    kept: Mapping[str, Any] = state["callbacks"].get(CALLBACK, {"weights": state["state_dict"]})
    weights: Mapping[str, torch.Tensor] = kept["weights"]
    return weights


def _put(weights: Mapping[str, torch.Tensor], module: pl.LightningModule) -> None:
    """Copy in place: optimizers and DDP hold the very tensors."""
    with torch.no_grad():
        for name, value in module.state_dict().items():
            value.copy_(weights[name])
