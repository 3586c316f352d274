"""The networks with their calibration: what is exported, and what a simulation builds again from an exported file.

Belongs here: log-probabilities from log odds, and the way back from an ONNX file's weights. Must not come here: the
training module, Lightning.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from sport_assets.cricket.calibration import Calibration
from sport_assets.cricket.ensemble import Ensemble
from sport_assets.cricket.parts import Entities
from sport_assets.cricket.shipped import Shipped
from sport_assets.training.exported import ModelError


class CalibratedNetwork(nn.Module):
    """Networks with their calibration: inputs as `CricketNetwork.forward`, log-probabilities [B, T, 7]."""

    scale: Tensor
    shift: Tensor

    def __init__(self, network: Ensemble, calibration: Calibration) -> None:
        super().__init__()
        self.network = network
        for name in ("scale", "shift"):
            self.register_buffer(name, torch.from_numpy(np.asarray(getattr(calibration, name), dtype=np.float32)))

    def forward(
        self, features: Tensor, ball: Tensor, ids: Tensor, persons: Tensor, place: Tensor, mask: Tensor
    ) -> Tensor:
        """Where the mask is False the log-probabilities have no meaning."""
        return self.calibrated(self.network(features, ball, ids, persons, place, mask))

    def calibrated(self, logits: Tensor) -> Tensor:
        """Log-probabilities [..., 7] of the log odds [..., 7] of the members together."""
        return (logits * self.scale + self.shift).log_softmax(-1)


def read_model(path: Path) -> tuple[CalibratedNetwork, Shipped]:
    """The network of an exported ONNX file in eval mode, built again from its weights, and what it ships.

    Raises ModelError where the file is absent, is no such model or lacks weights.
    """
    import onnx

    if not path.is_file():
        raise ModelError(f"{path} is not a file: give the model.onnx of cricket/exported_model")
    try:
        model = onnx.load(str(path))
    except Exception as error:  # of the protobuf library, which is not ours to import
        raise ModelError(f"{path.name} is not a readable ONNX model: {error}") from error
    shipped = Shipped.from_metadata({entry.key: entry.value for entry in model.metadata_props}, path.name)
    table = shipped.entities
    sizes = Entities(len(table.venues), len(table.teams), len(table.players))
    made = CalibratedNetwork(Ensemble(shipped.settings, sizes), shipped.calibration)
    wanted = made.state_dict()
    weights = {each.name: each for each in model.graph.initializer if each.name in wanted}
    missing = sorted(set(wanted) - set(weights))
    if missing:
        raise ModelError(f"{path.name} does not name its weights {', '.join(missing[:3])}: export it again")
    made.load_state_dict(
        {name: torch.from_numpy(np.array(onnx.numpy_helper.to_array(each))) for name, each in weights.items()}
    )
    return made.eval(), shipped
