"""What is trained, and the digest that identifies it.

Belongs here: `TrainingSpec`, `SpecInput`, `TrainerSettings` and the merge of a preset with overrides.
Must not be here: torch or anything as heavy (the Dagster side imports this module),
I/O other than spec and preset files.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import pydantic
import yaml

from sport_assets.lineage.digest import canonical_json, sha256_text
from sport_assets.training.errors import BadSpecError
from sport_assets.training.names import SPEC_FILE
from sport_assets.training.strategies import known_strategy

Precision = Literal["32", "bf16-mixed", "16-mixed"]


class TrainerSettings(pydantic.BaseModel):
    """Settings of the loop, the same for every line (`settings["training"]` of a spec).

    Numbers are validated here, before any data is read; unknown names are refused.
    """

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    max_epochs: int = pydantic.Field(10, ge=1)
    min_epochs: int = pydantic.Field(1, ge=0)
    batch_size: int = pydantic.Field(32, ge=1)
    """Samples of one batch on one device."""
    validation_batch_size: int | None = pydantic.Field(None, ge=1)
    """Samples of one validation batch; `batch_size` where absent."""
    accumulate_grad_batches: int = pydantic.Field(1, ge=1)
    gradient_clip_val: float | None = pydantic.Field(1.0, gt=0)
    """Largest gradient norm; null turns clipping off."""
    learning_rate: float = pydantic.Field(1e-3, gt=0, allow_inf_nan=False)
    weight_decay: float = pydantic.Field(1e-2, ge=0, allow_inf_nan=False)
    warmup_epochs: float = pydantic.Field(0.0, ge=0, allow_inf_nan=False)
    """Epochs over which the learning rate rises linearly, step by step; fractions are allowed."""
    schedule: Literal["cosine", "constant"] = "cosine"
    final_learning_rate_share: float = pydantic.Field(0.01, ge=0, le=1)
    """Where the cosine ends, as a share of `learning_rate`."""
    early_stopping_patience: int | None = pydantic.Field(None, ge=1)
    """Epochs without improvement of the monitored metric after which training stops; null never stops early."""
    early_stopping_min_delta: float = pydantic.Field(0.0, ge=0, allow_inf_nan=False)
    monitor: str | None = None
    """Metric that chooses the best epoch; null takes the builder's."""
    monitor_mode: Literal["min", "max"] | None = None
    save_top_k: int = pydantic.Field(1, ge=1)
    """Best epochs whose weights are published: weights.safetensors, then weights_top2.safetensors and so on, as far as
    there are epochs. A training that continues a finished one keeps its best epoch alone."""
    also_best: dict[str, Literal["min", "max"]] = pydantic.Field(default_factory=dict)
    """Further logged metrics, with whether less or more of each is better: the weights of its best epoch are published
    beside the others, as weights_best_METRIC.safetensors. They choose nothing, and only where validation does."""
    save_last: bool = False
    """Publish the last epoch's weights too, as weights_last.safetensors."""
    keep_epochs: int = pydantic.Field(0, ge=0)
    """Weights of so many of the last epochs stay among the working files, as epochs/epoch_N.safetensors."""
    keep_state_every: int | None = pydantic.Field(None, ge=1)
    """After each so many epochs the whole state stays there, too, as epochs/epoch_N.ckpt."""
    weight_averaging: float | None = pydantic.Field(None, gt=0, lt=1)
    """Decay per optimizer step of the moving average of the weights that is validated and published; null has none."""
    precision: Precision = "32"
    strategy: str = "auto"
    """How several processes work together, by Lightning's name: auto, ddp, deepspeed_stage_2, ... (`strategies`)."""
    devices: int = pydantic.Field(1, ge=1)
    """Processes on one machine; on GPUs one on each, from the spec's `cuda:N` (else `cuda:0`) upwards."""
    num_nodes: int = pydantic.Field(1, ge=1)
    deterministic: bool = True
    benchmark: bool = False
    """Let cuDNN try its algorithms and keep the fastest; for a GPU, with `deterministic` off."""
    checkpoint_every_s: float = pydantic.Field(300.0, gt=0)
    """Seconds between working checkpoints within an epoch; one is written at every epoch's end in any case."""

    @property
    def effective_batch_size(self) -> int:
        """Samples behind one step of the optimizer, over all processes and accumulated batches."""
        return self.batch_size * self.accumulate_grad_batches * self.devices * self.num_nodes

    @pydantic.field_validator("precision", mode="before")
    @classmethod
    def _precision_as_text(cls, value: Any) -> Any:
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else value

    @pydantic.field_validator("strategy")
    @classmethod
    def _usable_strategy(cls, value: str) -> str:
        return known_strategy(value)

    @pydantic.model_validator(mode="after")
    def _benchmark_is_not_deterministic(self) -> TrainerSettings:
        if self.benchmark and self.deterministic:
            raise ValueError(
                "benchmark=true takes whichever algorithm is fastest today, so it needs deterministic=false"
            )
        return self

    @pydantic.model_validator(mode="after")
    def _epochs_agree(self) -> TrainerSettings:
        if self.min_epochs > self.max_epochs:
            raise ValueError(f"min_epochs ({self.min_epochs}) is larger than max_epochs ({self.max_epochs})")
        if self.schedule == "cosine" and self.warmup_epochs >= self.max_epochs and self.warmup_epochs > 0:
            raise ValueError(
                f"warmup_epochs ({self.warmup_epochs}) must be smaller than max_epochs ({self.max_epochs})"
            )
        return self


_YOUNGER = ("also_best", "keep_epochs", "keep_state_every")
"""Settings that are younger than `spec_version`."""


class SpecInput(pydantic.BaseModel):
    """One version of data that a training reads. `path` says where it lies on this machine and is not identity."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    key: str
    """Asset, `line/asset`."""
    partition: str | None = None
    version: str
    """Content digest of the version folder."""
    path: str | None = None


def fold_part(number: int) -> str:
    """The part that is judged by what the number-th fold holds out, from 0 (see ``TrainingSpec.part``)."""
    return f"fold:{number}"


class TrainingSpec(pydantic.BaseModel):
    """All that decides the result of a training.

    `digest` is its identity: two specs with the same digest train the same weights (bit-equal in bit-exact mode).
    Paths, and which GPU of a machine is used, are not part of it.
    """

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    spec_version: Literal[2] = 2
    line: str = pydantic.Field(min_length=1)
    model: str = pydantic.Field(min_length=1)
    """Name of the model or preset, for people."""
    builder: str = pydantic.Field(pattern=r"^[\w.]+:[\w.]+$")
    """Import string `package.module:function`; the function takes the spec and returns a `TrainingJob`."""
    settings: dict[str, Any] = pydantic.Field(default_factory=dict)
    """Resolved preset and overrides by section; `training` holds `TrainerSettings`."""
    seed: int = pydantic.Field(0, ge=0, lt=2**32)
    inputs: tuple[SpecInput, ...] = ()
    code_version: str = ""
    device: str = pydantic.Field("cpu", pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    precision: Literal["auto", "32", "bf16-mixed", "16-mixed"] = "auto"
    """`auto` takes `settings.training.precision`."""
    threads: int = pydantic.Field(1, ge=1)
    part: str = pydantic.Field("split", pattern=r"^(split|all|(fold|tuning):(0|[1-9][0-9]*))$")
    """Which part of the data set is trained on; the line's builder interprets it.

    `split`: its train side, validated on its valid side, which chooses the epoch. `fold:K`: all but the K-th of the
    data set's folds (from 0; of a rolling origin what came before it), validated on that fold for the curves alone.
    `tuning:K`: the same with the folds for tuning. `all`: everything, without validation. Every part but `split`
    publishes its last epoch: a choice by the fold that is held out would make the figure on it too good.
    """
    memory_settings: tuple[str, ...] = ()
    """Dotted names of settings, besides the trainer's own, that are lowered where memory is short: for advice alone."""
    resume_from: str | None = None
    """Version (or spec digest) of a finished training to continue; its folder must be among `inputs`."""

    @pydantic.model_validator(mode="after")
    def _settings_are_sound(self) -> TrainingSpec:
        if not isinstance(self.settings.get("training", {}), Mapping):
            raise ValueError("settings.training must be a mapping of TrainerSettings")
        try:
            json.dumps(self.settings, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise ValueError(f"settings must be plain JSON values: {error}") from error
        TrainerSettings.model_validate(self.settings.get("training", {}))
        if self.resume_from is not None and not self.inputs:
            raise ValueError("resume_from names a finished training, so its folder must be one of the inputs")
        return self

    @cached_property
    def trainer_settings(self) -> TrainerSettings:
        """The loop's settings with their defaults filled in."""
        return TrainerSettings.model_validate(self.settings.get("training", {}))

    @property
    def wanted_precision(self) -> str:
        """Precision asked for; what is used may fall back on CPU and is recorded in the result."""
        return self.trainer_settings.precision if self.precision == "auto" else self.precision

    @property
    def memory_advice(self) -> str:
        """What to change when this training runs out of memory."""
        network = {}
        for name in self.memory_settings:
            section, _, field = name.partition(".")
            network[name] = self.settings.get(section, {}).get(field)
        return memory_advice(self.trainer_settings, self.wanted_precision, network)

    @property
    def chooses_epoch(self) -> bool:
        """Whether the monitored metric chooses the published epoch and may stop the training early."""
        return self.part == "split"

    def identity(self) -> dict[str, Any]:
        """The spec as it counts for the digest and as it is published: no paths, device kind only, inputs sorted."""
        content = self.model_dump(mode="json", exclude={"memory_settings"})
        content["inputs"] = sorted(
            ({name: value for name, value in item.items() if name != "path"} for item in content["inputs"]),
            key=lambda item: (item["key"], item["partition"] or "", item["version"]),
        )
        content["device"] = self.device.split(":")[0]
        content["precision"] = self.wanted_precision
        content["settings"] = {**content["settings"], "training": self.trainer_settings.model_dump(mode="json")}
        # precision is decided above; left in the settings as well it could contradict
        content["settings"]["training"]["precision"] = self.wanted_precision
        for name in _YOUNGER:
            # trainings that do not ask for it stay the trainings they were
            if getattr(self.trainer_settings, name) == TrainerSettings.model_fields[name].get_default(
                call_default_factory=True
            ):
                del content["settings"]["training"][name]
        return content

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) of the canonical JSON of `identity()`."""
        return sha256_text(canonical_json(self.identity()))

    def input_path(self, key: str, partition: str | None = None) -> Path:
        """Folder of the one input with this key (and partition, where given)."""
        found = [i for i in self.inputs if i.key == key and (partition is None or i.partition == partition)]
        if len(found) != 1 or found[0].path is None:
            known = ", ".join(f"{i.key}:{i.partition or '_'}" for i in self.inputs) or "none"
            raise BadSpecError(
                f"the spec has {len(found)} inputs {key}:{partition or '_'} with a path, one is needed; inputs: {known}"
            )
        return Path(found[0].path)

    def save(self, path: Path) -> None:
        """Write the spec, with its paths, for `python -m sport_assets.training.run`.

        Whole or not at all, and not `durable.write_durably`: two launchers of one spec may write it at once, each
        under a temporary name of its own, and after a power loss it is written anew before it is read.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        temporary.write_text(json.dumps(self.model_dump(mode="json"), indent=2, sort_keys=True) + "\n")
        os.replace(temporary, path)

    @classmethod
    def load(cls, path: Path) -> TrainingSpec:
        """Read a spec; raises `BadSpecError` that names the file and every wrong field."""
        try:
            content = json.loads(Path(path).read_text())
        except OSError as error:
            raise BadSpecError(f"cannot read the training spec {path}: {error.strerror}") from error
        except json.JSONDecodeError as error:
            raise BadSpecError(f"the training spec {path} is not JSON: {error}") from error
        try:
            return cls.model_validate(content)
        except pydantic.ValidationError as error:
            raise BadSpecError(f"the training spec {path} is not valid:\n{describe(error)}") from error


def published_digest(folder: Path) -> str | None:
    """Spec digest of a finished result folder, None where it is not one."""
    try:
        return str(json.loads((folder / SPEC_FILE).read_text())["digest"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def memory_advice(settings: TrainerSettings, precision: str, network: Mapping[str, Any] | None = None) -> str:
    """What to change when a training runs out of memory, with the numbers of its own settings.

    ``network``: the settings of the network that can be lowered and what they are, where the line names them.
    Also for whoever started it: the system kills a process for its memory without asking, and then only the parent can
    say so.
    """
    half, batches = settings.batch_size // 2, settings.accumulate_grad_batches
    changes = []
    if half:
        changes.append(
            f"lower training.batch_size (now {settings.batch_size}; {half} with training.accumulate_grad_batches "
            f"{batches * 2} keeps the effective batch)"
        )
    if (settings.validation_batch_size or 0) > 1:
        changes.append(f"lower training.validation_batch_size (now {settings.validation_batch_size})")
    lower = [name if value is None else f"{name} (now {value})" for name, value in (network or {}).items()]
    changes.append("lower " + (" or ".join(lower) or "the model's hidden size or layers"))
    if precision == "32":
        changes.append("use precision bf16-mixed")
    text = ", or ".join(changes)
    return f"{text[0].upper()}{text[1:]}. The last checkpoint is kept, but changed settings make a new training."


def describe(error: pydantic.ValidationError) -> str:
    """One line per wrong field: where, what, and the value given."""
    lines = []
    for item in error.errors():
        where = ".".join(str(part) for part in item["loc"]) or "spec"
        given = "" if item["type"] in ("missing", "value_error") else f" (given: {item['input']!r})"
        lines.append(f"  {where}: {item['msg']}{given}")
    return "\n".join(lines)


def resolve_preset(
    path_yaml: Path,
    overrides: Mapping[str, Any] | Iterable[str] = (),
    sections: Mapping[str, type[pydantic.BaseModel]] | None = None,
) -> dict[str, Any]:
    """Merge a preset file with dotted overrides into complete settings.

    `overrides` is `{"training.max_epochs": 3}` or `["training.max_epochs=3"]` (values are read as YAML).
    Known names are those in the preset plus the fields of each section's model; `training` is always
    `TrainerSettings`, further `sections` may be given. Sections with a model come back with all defaults filled in.
    Raises `BadSpecError` with the list of known names on an unknown one, and on wrong values.
    """
    models: dict[str, type[pydantic.BaseModel]] = {"training": TrainerSettings, **(sections or {})}
    try:
        preset = yaml.safe_load(Path(path_yaml).read_text()) or {}
    except OSError as error:
        raise BadSpecError(f"cannot read the preset {path_yaml}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise BadSpecError(f"the preset {path_yaml} is not YAML: {error}") from error
    if not isinstance(preset, dict):
        raise BadSpecError(f"the preset {path_yaml} must be a mapping of sections")
    known = _leaves(preset)
    for section, model in models.items():
        known |= {f"{section}.{name}" for name in model.model_fields} | _nested_names(model, f"{section}.")
    for name, value in _parsed(overrides).items():
        if name not in known:
            raise BadSpecError(f"unknown setting {name!r}; known settings: {', '.join(sorted(known))}")
        *parents, last = name.split(".")
        place = preset
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = value
    for section, model in models.items():
        try:
            preset[section] = model.model_validate(preset.get(section) or {}).model_dump(mode="json")
        except pydantic.ValidationError as error:
            raise BadSpecError(f"section {section!r} of {path_yaml} with its overrides:\n{describe(error)}") from error
    return preset


def _nested_names(model: type[pydantic.BaseModel], prefix: str) -> set[str]:
    """Dotted names of the fields of models within a section's model."""
    names: set[str] = set()
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, pydantic.BaseModel):
            names |= {f"{prefix}{name}.{each}" for each in inner.model_fields}
            names |= _nested_names(inner, f"{prefix}{name}.")
    return names


def _leaves(content: Mapping[str, Any], prefix: str = "") -> set[str]:
    names: set[str] = set()
    for name, value in content.items():
        if isinstance(value, Mapping) and value:
            names |= _leaves(value, f"{prefix}{name}.")
        else:
            names.add(f"{prefix}{name}")
    return names


def _parsed(overrides: Mapping[str, Any] | Iterable[str]) -> dict[str, Any]:
    if isinstance(overrides, Mapping):
        pairs = list(overrides.items())
    else:
        pairs = []
        for text in overrides:
            name, equals, value = text.partition("=")
            if not equals:
                raise BadSpecError(f"an override is NAME=VALUE, got {text!r}")
            pairs.append((name.strip(), value))
    return {name: yaml.safe_load(value) if isinstance(value, str) else value for name, value in pairs}
