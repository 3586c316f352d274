"""DeepSpeed (ZeRO stages 1 and 2) as a training here can use it: sealed files, whole weights, no pickles.

Belongs here: what differs from Lightning's strategy. Must not be here: what every strategy does.

DeepSpeed's own checkpoints are folders of pickles, which are never read here. So a working checkpoint holds the weights
and all counters but not the optimizer's state, which lies cut up on all processes: it can be published, and no training
can go on from it (`strategies.keeps_optimizer`).
"""

from __future__ import annotations

from typing import Any

import torch
from pytorch_lightning.strategies import DeepSpeedStrategy


class SealedDeepSpeed(DeepSpeedStrategy):
    """Lightning's strategy `name`, saving through the trainer's checkpoint plugin."""

    def __init__(self, name: str) -> None:
        super().__init__(
            stage=1 if "stage_1" in name else 2,
            offload_optimizer="offload" in name,
            logging_batch_size_per_gpu=1,  # for its log alone; our loader tells it none
        )
        assert isinstance(self.config, dict)
        # the kernel's AdamW is torch's: slower when offloaded than DeepSpeed's own, which must be compiled first
        self.config["zero_force_ds_cpu_optimizer"] = False

    def lightning_module_state_dict(self) -> dict[str, Any]:
        """Whole weights as 32-bit numbers, whatever it computes with."""
        return {
            name: value.float() if value.is_floating_point() else value
            for name, value in super().lightning_module_state_dict().items()
        }

    def optimizer_state(self, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
        """None: see the module's text."""
        return {}

    def save_checkpoint(self, checkpoint: dict[str, Any], filepath: Any, storage_options: Any | None = None) -> None:
        """One sealed file, by the first process."""
        if self.is_global_zero:
            self.checkpoint_io.save_checkpoint({**checkpoint, "optimizer_states": []}, filepath)
