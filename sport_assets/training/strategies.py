"""How a training is spread over processes: which of Lightning's strategies may be asked for, and what each needs.

Belongs here: names, reasons and the check before any data is read. Must not be here: heavy imports (the spec's model
imports this module), the loop.
"""

from __future__ import annotations

import importlib.util
from typing import Any

STRATEGIES = (
    "auto",
    "ddp",
    "ddp_find_unused_parameters_true",
    "ddp_find_unused_parameters_false",
    "deepspeed_stage_1",
    "deepspeed_stage_2",
    "deepspeed_stage_2_offload",
)
_REFUSED = {
    "fsdp": "it cuts the weights up, and a training here publishes and resumes whole ones",
    "deepspeed_stage_3": "it cuts the weights up, and a training here publishes and resumes whole ones",
    "ddp_spawn": "its processes cannot give their result back",
    "ddp_fork": "its processes cannot give their result back",
    "ddp_notebook": "its processes cannot give their result back",
}


def known_strategy(name: str) -> str:
    """`name`, where a training can use it. Raises `ValueError` that says why not and what to use."""
    if name in STRATEGIES:
        return name
    reason = next((why for start, why in _REFUSED.items() if name.startswith(start)), None)
    said = f"strategy {name!r} cannot be used: {reason}" if reason else f"there is no strategy {name!r} here"
    raise ValueError(f"{said}; use one of {', '.join(STRATEGIES)}")


def keeps_optimizer(name: str) -> bool:
    """Whether its working checkpoints hold the optimizer's state, so that a training can go on from them."""
    return not name.startswith("deepspeed")


def make_strategy(name: str) -> Any:
    """What Lightning's trainer takes: the name, or DeepSpeed as it is used here."""
    if not name.startswith("deepspeed"):
        return name
    from sport_assets.training.deepspeed_strategy import SealedDeepSpeed

    return SealedDeepSpeed(name)


def missing_for(name: str, accelerator: str, precision: str = "32") -> str | None:
    """What a strategy lacks here, with the remedy, or None. `accelerator` is `cpu` or `cuda`."""
    if not name.startswith("deepspeed"):
        return None
    if importlib.util.find_spec("deepspeed") is None:
        return f"strategy {name} needs DeepSpeed, which is not installed: pip install deepspeed, or use strategy ddp"
    if accelerator != "cuda":
        return f"strategy {name} needs a CUDA GPU, and this training runs on {accelerator}; use strategy ddp there"
    if precision != "32":
        return (
            f"strategy {name} turns the whole model to 16 bits for precision {precision}, which its batch norms and "
            "metrics do not bear; use precision 32, or strategy ddp"
        )
    return None
