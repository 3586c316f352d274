"""Settings of the detection line's models: what a preset may say, and nothing else.

Here belong the pydantic models of a preset's `model`, `data` and `augmentation` sections and the reading of packaged
presets. The section `training` belongs to the training kernel; `phase_1` and `phase_2` go over it. No torch here:
settings are read with the definitions.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from sport_assets.detection.augmentation.settings import AugmentationSettings
from sport_assets.detection.errors import BadWeightsError
from sport_assets.lineage.digest import sha256_file
from sport_assets.lineage.home import Home
from sport_assets.training.errors import BadSpecError
from sport_assets.training.spec import TrainerSettings, describe, resolve_preset

PRESETS = ("sanity", "production", "local")
HEAD_PHASE, WHOLE_PHASE = "phase_1", "phase_2"
PHASES = (HEAD_PHASE, WHOLE_PHASE)

WEIGHTS_FOLDER = "detection/weights"
ENCODER_LAYERS = 12
"""Of DINOv2 small."""
PATCH_PX = 32
"""Resolutions are multiples of it: patches of 16 px in windows of two by two."""


class ModelSettings(BaseModel):
    """The network, its loss and where its weights begin. Unknown names are refused.

    The specifications' DETR with ResNet-50 is RF-DETR with DINOv2 here, and their size `base` is Medium: the class that
    rfdetr calls Base has patches of 14 px and needs a hub, also without weights.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    size: Literal["nano", "small", "medium", "large", "base"] = Field(
        "medium", description="RF-DETR's architectures under Apache-2.0; base is medium"
    )
    resolution: int | None = Field(
        None,
        ge=PATCH_PX,
        multiple_of=PATCH_PX,
        description="side of the square that the network sees, px; null: its size's",
    )
    queries: int = Field(300, ge=1, description="most objects that an image can have")
    groups: int = Field(13, ge=1, description="of queries side by side in training, which speeds it up (Group DETR)")
    encoder_layers: int = Field(
        ENCODER_LAYERS,
        ge=4,
        le=ENCODER_LAYERS,
        multiple_of=4,
        description="of the image encoder, the first ones of DINOv2's 12; fewer only without pretrained weights",
    )
    decoder_layers: int | None = Field(None, ge=1, le=6, description="null: the size's own number")
    pretrained: str | None = Field(
        None,
        description="file of weights (rfdetr's .pth, or weights.safetensors of a checkpoint of this line), by its name "
        "in detection/weights/ of the raw files or in the folder RF_HOME; null: random weights",
    )
    pretrained_sha256: str | None = Field(None, description="of that file; filled in, and compared where it is given")
    loss: Literal["ia_bce", "focal", "varifocal"] = Field(
        "ia_bce", description="of the classes: rfdetr's default, an IoU-aware binary cross-entropy, or its other ones"
    )
    focal_alpha: float = Field(
        0.5,
        ge=0,
        le=1,
        description="focal, varifocal: weight of the positive class. ia_bce: how much the class probability counts in "
        "the target beside the IoU (target = p^alpha * IoU^(1 - alpha)), which is another thing than in the focal loss",
    )
    keep: int = Field(300, ge=1, description="detections per image after post-processing, best scores first")

    @model_validator(mode="after")
    def _whole_where_pretrained(self) -> Self:
        rfdetrs = self.pretrained is not None and not self.pretrained.endswith(".safetensors")
        if rfdetrs and self.encoder_layers != ENCODER_LAYERS:
            raise ValueError(f"encoder_layers={self.encoder_layers}: rfdetr's weights are of {ENCODER_LAYERS} layers")
        return self

    @property
    def architecture(self) -> str:
        """The size by rfdetr's own name."""
        return "medium" if self.size == "base" else self.size


class DataSettings(BaseModel):
    """How images reach the network. Unknown names are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ball_weight: float = Field(
        3.0, gt=0, allow_inf_nan=False, description="how much more often images with a ball are drawn; 1: as the others"
    )
    workers: int = Field(1, ge=1, le=64, description="threads that read and augment the images of a batch")


SECTIONS: dict[str, type[BaseModel]] = {
    "model": ModelSettings,
    "data": DataSettings,
    "augmentation": AugmentationSettings,
}


def preset_path(preset: str) -> Path:
    """The packaged file of a preset. Raises ValueError for an unknown one."""
    if preset not in PRESETS:
        raise ValueError(f"unknown preset {preset!r}: choose one of {', '.join(PRESETS)}")
    return Path(__file__).parent / "presets" / f"{preset}.yaml"


def resolve(dimensions: Mapping[str, str], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Complete settings of a model partition: its preset with overrides by dotted name, defaults filled in.

    ``dimensions`` holds ``preset`` (and ``seed``, which is no setting). The phases hold what differs from ``training``,
    so a setting that both phases have is refused in ``training``, where it would reach nothing.
    Raises BadSpecError on unknown names and wrong values, ValueError on an unknown preset, BadWeightsError where the
    pretrained weights are not there.
    """
    settings = resolve_preset(preset_path(dimensions["preset"]), overrides, SECTIONS)
    for name in overrides:
        section, _, field = name.partition(".")
        own = [phase for phase in PHASES if field in settings[phase]]
        if section == "training" and own:
            raise BadSpecError(f"{name} reaches nothing in {' and '.join(own)}: set {own[0]}.{field} instead")
    for phase in PHASES:
        try:
            whole = TrainerSettings.model_validate({**settings["training"], **settings[phase]}).model_dump(mode="json")
        except ValidationError as error:
            raise BadSpecError(f"section {phase!r} over training:\n{describe(error)}") from error
        settings[phase] = {name: whole[name] for name in settings[phase]}
    settings["model"] |= _pretrained(settings["model"])
    return settings


def _pretrained(model: Mapping[str, Any]) -> dict[str, Any]:
    """The digest of the pretrained weights, so that it is part of what a training is."""
    if model["pretrained"] is None:
        return {"pretrained_sha256": None}
    found = sha256_file(weights_path(model["pretrained"]))
    if model["pretrained_sha256"] not in (None, found):
        raise BadWeightsError(
            f"{model['pretrained']}: its SHA-256 is {found}, not {model['pretrained_sha256']}. Give the file that was "
            "meant, or leave model.pretrained_sha256 away"
        )
    return {"pretrained_sha256": found}


def weights_path(name: str) -> Path:
    """Where a file of weights lies: in the folder for them below the raw files, or in the one that RF_HOME names.

    Raises BadWeightsError where it is in neither place; nothing is downloaded.
    """
    if Path(name).is_absolute():
        raise BadWeightsError(
            f"model.pretrained={name}: a place on this machine would become part of the model. Put the file into "
            f"{WEIGHTS_FOLDER}/ of the raw files, or set RF_HOME to its folder, and give its name"
        )
    places = [Home.from_environment().data / WEIGHTS_FOLDER / name]
    home = os.environ.get("RF_HOME")
    if home is not None:
        places.append(Path(home).expanduser() / name)
    for place in places:
        if place.is_file():
            return place.resolve()
    tried = " and ".join(str(place) for place in places)
    raise BadWeightsError(
        f"model.pretrained={name}: no such file (looked at {tried}). Nothing is downloaded: put the weights there, set "
        "RF_HOME to the folder that holds them, or train from random weights with model.pretrained=null"
    )


def pretrained(settings: Mapping[str, Any]) -> tuple[str, str] | None:
    """Name and SHA-256 of the weights that a training of these complete settings begins with, if it does."""
    model = settings["model"]
    return None if model["pretrained"] is None else (Path(model["pretrained"]).name, model["pretrained_sha256"])


def choose(settings: Mapping[str, Any], available: Sequence[str], dataset: Path) -> list[str]:
    """Partitions of samples that a training reads: none, since the data set holds its images itself."""
    return []
