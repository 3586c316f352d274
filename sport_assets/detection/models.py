"""RF-DETR as training jobs: the network, its loss, validation, and what is frozen in which phase.

Here belongs what joins settings, network and data set into a `TrainingJob`. Making batches is in `samples`; loops,
checkpoints and optimisers belong to the training kernel; the network's layers and its loss are rfdetr's.
"""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from pydantic import ValidationError
from safetensors.numpy import load_file
from torch import Tensor

from sport_assets.detection.augmentation.settings import AugmentationSettings
from sport_assets.detection.average_precision import coco_figures
from sport_assets.detection.categories import CATEGORIES
from sport_assets.detection.coco import Labels
from sport_assets.detection.detections import Detections
from sport_assets.detection.network_input import detections
from sport_assets.detection.pretrained import load_pretrained
from sport_assets.detection.samples import Batch, Side, TrainingImages, ValidationImages
from sport_assets.detection.scored_boxes import of_detections
from sport_assets.detection.settings import DataSettings, ModelSettings
from sport_assets.detection.video_identifiers import files_of, of_videos
from sport_assets.lineage.digest import canonical_json
from sport_assets.training.checkpoints import WEIGHTS, load_weights
from sport_assets.training.errors import BadSpecError
from sport_assets.training.job import TrainingJob
from sport_assets.training.spec import TrainingSpec, describe

DATASET_KEY = "detection/coco_dataset"
HEAD_KEY = "detection/head_checkpoint"


def build_network(settings: ModelSettings, classes: int) -> tuple[torch.nn.Module, Any, int]:
    """RF-DETR of these settings for so many categories: network, rfdetr's configuration, resolution in px.

    Weights are random: nothing is downloaded. The classes' layer has one column more, rfdetr's background.
    """
    _quieten()
    from rfdetr.models.lwdetr import build_model_from_config

    config = network_config(settings, classes)
    network: torch.nn.Module = build_model_from_config(config)
    del network.get_submodule("backbone.0.encoder.encoder.encoder").layer[settings.encoder_layers :]  # type: ignore[union-attr,operator]
    return network, config, int(config.resolution)


def network_config(settings: ModelSettings, classes: int) -> Any:
    """rfdetr's configuration of an architecture."""
    _quieten()
    from rfdetr import config as rfdetr

    kinds = {
        "nano": rfdetr.RFDETRNanoConfig,
        "small": rfdetr.RFDETRSmallConfig,
        "medium": rfdetr.RFDETRMediumConfig,
        "large": rfdetr.RFDETRLargeConfig,
    }
    kind = kinds[settings.architecture]
    resolution = settings.resolution or kind.model_fields["resolution"].default
    own = {"dec_layers": settings.decoder_layers} if settings.decoder_layers is not None else {}
    return kind(
        **own,
        # features of four depths, as rfdetr takes them of all 12 layers
        out_feature_indexes=[settings.encoder_layers * quarter // 4 for quarter in (1, 2, 3, 4)],
        resolution=resolution,
        positional_encoding_size=resolution // kind.model_fields["patch_size"].default,
        num_queries=settings.queries,
        num_select=settings.keep,
        group_detr=settings.groups,
        ia_bce_loss=settings.loss == "ia_bce",
        num_classes=classes,
        pretrain_weights=None,
        device="cpu",
    )


def _quieten() -> None:
    """rfdetr warns at every construction that it loads no weights, which are taken where the settings name them; and
    importing it, that torch.jit.script goes."""
    logging.getLogger("rf-detr").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", message=".*instantiated with pretrain_weights=None.*")
    warnings.filterwarnings("ignore", message=".*torch.jit.script.*", category=FutureWarning)


def build_criterion(settings: ModelSettings, config: Any) -> Any:
    """rfdetr's loss: matching of queries and objects, then classes, boxes and their overlap at every decoder layer."""
    from rfdetr.config import TrainConfig
    from rfdetr.models._defaults import ModelDefaults
    from rfdetr.models.lwdetr import build_criterion_from_config

    defaults = ModelDefaults(focal_alpha=settings.focal_alpha, use_varifocal_loss=settings.loss == "varifocal")
    criterion, _ = build_criterion_from_config(config, TrainConfig(dataset_dir=".", output_dir="."), defaults)
    return criterion


class DetectorModule(pl.LightningModule):
    """Training and validation of RF-DETR.

    Logs train_loss and its parts, the balls that augmentation lost and added per image, and over all validation images,
    however they are cut into batches or ranks: val_loss, val_map (COCO's AP over IoU 0.5 to 0.95), val_map_50,
    val_map_75 and val_ap_CATEGORY (0.5 to 0.95).
    """

    category_names: Tensor

    def __init__(self, settings: ModelSettings, categories: Mapping[int, str] = CATEGORIES) -> None:
        super().__init__()
        self.settings = settings
        self.categories = dict(sorted(categories.items()))
        self.network, self.config, self.resolution = build_network(settings, len(categories))
        # part of the weights, so that whoever has them knows what their columns are
        names = canonical_json({str(number): name for number, name in self.categories.items()})
        self.register_buffer("category_names", torch.frombuffer(bytearray(names.encode()), dtype=torch.uint8))
        self.criterion = build_criterion(settings, self.config)
        self.truth: Labels | None = None
        self._found: dict[int, Detections] = {}

    def freeze_encoder(self) -> None:
        """Keep the backbone's encoder as it is: only what stands on it learns."""
        for parameter in self.encoder.parameters():
            parameter.requires_grad_(False)

    @property
    def encoder(self) -> torch.nn.Module:
        """The image encoder (DINOv2). The projector behind it is new to every task and belongs to the head."""
        return self.network.get_submodule("backbone.0.encoder")

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Boxes [B, Q, 4] (centre, size; shares of the image) and log odds [B, Q, C + 1] of images [B, 3, R, R]."""
        said = self.network(_nested(images))
        return said["pred_boxes"], said["pred_logits"]

    def on_fit_start(self) -> None:
        """On a GPU: 32-bit products by TensorFloat, images with their channels last."""
        if self.device.type == "cuda":
            torch.set_float32_matmul_precision("high")
            self.network.to(memory_format=torch.channels_last)

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        """The loss of one batch: rfdetr's weighted sum."""
        targets = _targets(batch)
        losses = self.criterion(self.network(_nested(batch["images"]), targets), targets)
        loss = self._weighted(losses)
        if not torch.isfinite(loss):
            raise BadSpecError(
                f"the loss is {loss.item()} in epoch {self.current_epoch}: lower the learning rate, or keep gradients "
                "smaller with training.gradient_clip_val"
            )
        size = len(batch["images"])
        parts = {f"train_{name}": losses[name].detach() for name in ("loss_ce", "loss_bbox", "loss_giou")}
        lost, added = batch["augmented_balls"].mean(0)
        parts |= {"train_balls_lost_per_image": lost, "train_balls_added_per_image": added}
        self.log_dict(parts, on_step=False, on_epoch=True, batch_size=size, sync_dist=True)
        self.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=size, sync_dist=True)
        return loss

    def _weighted(self, losses: Mapping[str, Tensor]) -> Tensor:
        weights: Mapping[str, float] = self.criterion.weight_dict
        return torch.stack([losses[name] * weights[name] for name in losses if name in weights]).sum()

    def on_validation_epoch_start(self) -> None:
        """Forget what was found in the last validation."""
        self._found = {}

    def validation_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        """Note what is found in each image, and the loss."""
        targets = _targets(batch)
        said = self.network(_nested(batch["images"]))
        loss = self._weighted(self.criterion(said, targets))
        self.log("val_loss", loss, on_step=False, on_epoch=True, batch_size=len(batch["images"]), sync_dist=True)
        boxes, logits = said["pred_boxes"].float().cpu().numpy(), said["pred_logits"].float().cpu().numpy()
        for row, number in enumerate(batch["number"].tolist()):
            width, height = batch["size"][row].tolist()
            self._found[number] = detections(
                boxes[row], logits[row], width, height, list(self.categories), keep=self.settings.keep
            )

    def on_validation_epoch_end(self) -> None:
        """Log the metrics of the whole validation side."""
        assert self.truth is not None, "validation needs the truth of its side"
        found = self._found
        if self.trainer.world_size > 1:
            gathered: list[Any] = [None] * self.trainer.world_size
            torch.distributed.all_gather_object(gathered, found)
            found = {number: each for rank in gathered for number, each in rank.items()}
        ids = self.truth.images["image"].to_list()
        figures = coco_figures(self.truth, of_detections({ids[number]: each for number, each in found.items()}))
        # the same number on every rank; sync_dist takes the mean of equal ones
        named = {"val_map": figures["all"]["ap"], "val_map_50": figures["all"]["ap50"]}
        named |= {"val_map_75": figures["all"]["ap75"]}
        named |= {f"val_ap_{name}": figures[name]["ap"] for name in self.categories.values()}
        # a category without truth in the validation side has no figure; 0 keeps curves whole
        self.log_dict({name: float(value or 0.0) for name, value in named.items()}, sync_dist=True)


def build_head(spec: TrainingSpec) -> TrainingJob:
    """Phase 1: the encoder is frozen, the rest learns, from pretrained weights where the settings name some."""
    job, module = _job(spec)
    settings = module.settings
    if settings.pretrained is not None:
        load_pretrained(module, settings.pretrained)
    module.freeze_encoder()
    return job


def build_detector(spec: TrainingSpec) -> TrainingJob:
    """Phase 2: all of the network learns, from the best weights of phase 1."""
    job, module = _job(spec)
    load_weights(module, spec.input_path(HEAD_KEY) / WEIGHTS)
    return job


def _job(spec: TrainingSpec) -> tuple[TrainingJob, DetectorModule]:
    """The training job of a spec on the data set's sides train and valid.

    Raises BadSpecError on unknown or wrong settings and on a data set that cannot be learned from.
    """
    try:
        model = ModelSettings.model_validate(spec.settings.get("model", {}))
        data = DataSettings.model_validate(spec.settings.get("data", {}))
        augmentation = AugmentationSettings.model_validate(spec.settings.get("augmentation", {}))
    except ValidationError as error:
        raise BadSpecError(f"settings of the model, its data or augmentation:\n{describe(error)}") from error
    unknown = sorted(set(spec.settings) - {"training", "model", "data", "augmentation"})
    if unknown:
        raise BadSpecError(f"unknown sections of settings: {', '.join(unknown)}")
    folder = spec.input_path(DATASET_KEY)
    train, valid = Side(folder, "train"), Side(folder, "valid")
    for name, side in (("train", train), ("valid", valid)):
        _can_be_learned_from(name, side)
    module = DetectorModule(model, train.labels.categories)
    if not train.balls_seen(module.resolution):
        raise BadSpecError(
            f"no ball of the training side is a pixel wide when its image is squashed to {module.resolution} px: raise "
            "model.resolution, or take smaller pictures"
        )
    module.truth = valid.labels
    job = TrainingJob(
        module,
        TorchBatches(TrainingImages(train, module.resolution, data, augmentation, spec.seed)),
        TorchBatches(ValidationImages(valid, module.resolution, data)),
        sample_weights=train.weights(data.ball_weight) if data.ball_weight != 1 else None,
        monitor="val_map",
        mode="max",
        identifiers=of_videos({"train": train.videos(), "valid": valid.videos()}, files_of(folder)),
    )
    return job, module


def _can_be_learned_from(name: str, side: Side) -> None:
    there = set(side.labels.boxes["category"].unique().to_list())
    missing = [label for number, label in side.labels.categories.items() if number not in there]
    if missing and name == "train":
        raise BadSpecError(
            f"the training side of {DATASET_KEY} has no {' and no '.join(missing)}: label some, or move a video that "
            "has some to the training side (its settings valid_videos and test_videos)"
        )
    if not there:
        raise BadSpecError(f"the side {name} of {DATASET_KEY} has no boxes: label some of its images")


class TorchBatches:
    """A batch source of NumPy arrays as the kernel's batch source of tensors."""

    def __init__(self, source: TrainingImages | ValidationImages) -> None:
        self._source = source
        if isinstance(source, TrainingImages):
            self.in_epoch = lambda epoch: TorchBatches(source.in_epoch(epoch))

    def __len__(self) -> int:
        return len(self._source)

    def batch(self, *draws: np.ndarray) -> dict[str, Tensor]:
        """The samples as one batch, in the given order: their numbers and, in an epoch, how often each came before."""
        made: Batch = self._source.batch(*draws)
        return {name: torch.from_numpy(np.ascontiguousarray(values)) for name, values in made.items()}


def _nested(images: Tensor) -> Any:
    """Images as rfdetr takes them: with a mask of padding, of which there is none."""
    from rfdetr.utilities.tensors import NestedTensor

    return NestedTensor(images, torch.zeros(images.shape[0], *images.shape[2:], dtype=torch.bool, device=images.device))


def _targets(batch: Mapping[str, Tensor]) -> list[dict[str, Tensor]]:
    """Boxes and labels of each image without the padding."""
    real = batch["labels"] >= 0
    return [
        {"boxes": boxes[mask], "labels": labels[mask]}
        for boxes, labels, mask in zip(batch["boxes"], batch["labels"], real, strict=True)
    ]


def load(checkpoint: Path) -> DetectorModule:
    """The trained module of a checkpoint folder (weights.safetensors, settings.json), on CPU, in eval mode."""
    settings = json.loads((checkpoint / "settings.json").read_text(encoding="utf-8"))
    names = json.loads(load_file(checkpoint / WEIGHTS)["category_names"].tobytes())
    module = DetectorModule(
        ModelSettings.model_validate(settings["model"]), {int(number): name for number, name in names.items()}
    )
    load_weights(module, checkpoint / WEIGHTS)
    return module.eval()
