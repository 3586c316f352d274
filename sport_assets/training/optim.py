"""AdamW and a learning rate that warms up linearly and falls along a cosine, step by step.

Belongs here: optimizer and schedule for modules that bring none. Must not be here: the loop.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

from sport_assets.training.spec import TrainerSettings


def learning_rate_share(settings: TrainerSettings, steps_per_epoch: int) -> Callable[[int], float]:
    """Share of `learning_rate` at an optimizer step (from 0).

    Warm-up: step s of W has share (s + 1) / (W + 1), so the first step is small and never zero. After it a cosine
    from 1 to `final_learning_rate_share` at the last step of `max_epochs`, or 1 for the constant schedule.
    """
    total = settings.max_epochs * steps_per_epoch
    warmup = round(settings.warmup_epochs * steps_per_epoch)
    floor = settings.final_learning_rate_share

    def share(step: int) -> float:
        if step < warmup:
            return (step + 1) / (warmup + 1)
        if settings.schedule == "constant":
            return 1.0
        progress = min(1.0, (step - warmup) / max(1, total - 1 - warmup))
        return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * progress))

    return share


def adamw_with_schedule(module: torch.nn.Module, settings: TrainerSettings, steps_per_epoch: int) -> dict[str, Any]:
    """What `configure_optimizers` returns. Biases, norms and other vectors are not decayed."""
    parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": settings.weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW([group for group in groups if group["params"]], lr=settings.learning_rate)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, learning_rate_share(settings, steps_per_epoch))
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step", "frequency": 1}}


def rebase_schedule(optimizer: torch.optim.Optimizer, scheduler: Any, settings: TrainerSettings) -> None:
    """After a finished training's state was loaded: go on from its step under this spec's schedule and rate."""
    scheduler.base_lrs = [settings.learning_rate for _ in optimizer.param_groups]
    rates = []
    for group, share in zip(optimizer.param_groups, scheduler.lr_lambdas, strict=True):
        group["initial_lr"] = settings.learning_rate
        group["lr"] = settings.learning_rate * share(scheduler.last_epoch)
        group["weight_decay"] = settings.weight_decay if group["weight_decay"] > 0 else 0.0
        rates.append(group["lr"])
    scheduler._last_lr = rates
