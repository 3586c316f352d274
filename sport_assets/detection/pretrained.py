"""Weights to begin with: rfdetr's published files, or a checkpoint of this line.

Belongs here: loading them into a network, and saying what does not fit. Must not come here: finding the file
(``settings``), training.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from safetensors.torch import load_file

from sport_assets.detection.errors import BadWeightsError
from sport_assets.detection.settings import weights_path

if TYPE_CHECKING:
    from sport_assets.detection.models import DetectorModule


def load_pretrained(module: DetectorModule, name: str) -> None:
    """Load the file ``name`` into the module's network.

    A ``.safetensors`` file is a checkpoint of this line and must fit exactly. Another file is one of rfdetr's: its
    class layer is taken over as far as it goes where the number of classes differs, positions are interpolated where
    the resolution does. Raises BadWeightsError where it is unreadable or of another architecture.
    """
    path = weights_path(name)
    if path.suffix == ".safetensors":
        try:
            weights = load_file(path)
            module.load_state_dict(weights)
        except Exception as error:
            raise BadWeightsError(
                f"{path}: these weights are not of this network ({_first_line(error)}). Set model.size, "
                "model.resolution, model.queries and the categories as they were, or begin from rfdetr's weights"
            ) from error
        return
    try:
        torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:
        raise BadWeightsError(
            f"{path}: not a file of weights that can be read safely ({_first_line(error)}). Give a .pth of rfdetr's, "
            "or weights.safetensors of a checkpoint of this line"
        ) from error
    from rfdetr.models.weights import load_pretrain_weights

    config = module.config.model_copy(update={"pretrain_weights": str(path)})
    try:
        load_pretrain_weights(module.network, config)  # type: ignore[arg-type]
    except Exception as error:
        raise BadWeightsError(
            f"{path}: these weights are not of RF-DETR {module.settings.architecture} ({_first_line(error)}). Set "
            "model.size to what they are of"
        ) from error


def _first_line(error: Exception) -> str:
    """The first line that says what is wrong: torch's own first line is a heading."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    lines = [line for line in lines if not line.startswith("Error(s) in loading state_dict")] or lines
    return lines[0] if lines else type(error).__name__
