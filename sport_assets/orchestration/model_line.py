"""The declaration of a model line: what a line says about its models, and helpers that all of its assets share.

Belongs here: ``ModelLine`` and ``Stage``. Must not come here: the assets made from it (``model_training``,
``model_assets``); models, metrics and plots, which a line names by import string and which are imported when they run.
"""

import base64
import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg

from sport_assets.orchestration.checks import Check


@dataclass(frozen=True)
class Stage:
    """One training: its asset name, its builder (``module:function``), and the earlier stage it starts from.

    ``phase`` is a section of the preset that goes over its ``training`` in this stage, where stages train differently.
    """

    name: str
    builder: str
    description: str
    starts_from: str | None = None
    phase: str | None = None


@dataclass(frozen=True)
class ModelLine:
    """All that a line says about its models.

    ``dataset`` is the asset that holds ``split.json``; ``samples`` the partitioned asset with the training samples,
    whose partitions are those that the data set's record names (None where the data set itself holds the samples).
    ``settings`` (``module:function``) takes the partition's dimensions and the dotted overrides and gives the complete
    settings; ``choose`` takes those, the data set's partitions and its folder, and gives the partitions that a training
    reads. ``weights`` takes the settings and gives name and SHA-256 of the file of weights that a user brings for the
    first stage to begin with, or None. ``memory_settings`` are the settings, by dotted name, that make the network
    smaller: what a training that runs out of memory advises. Evaluation and export read all that the data set's record
    names. ``folds`` takes the settings and the data set's folder, and gives the number of folds to evaluate by, or 0
    for a hold-out, which it is where this is absent.
    ``tuning`` is the asset whose versions hold settings that a search found (``best.json``), for ``StageConfig.tuned``.
    ``evaluate`` and ``export`` are called with ``checkpoint`` (folder), ``split`` (file), ``samples`` (folders by
    partition) and ``out``, and return (facts, check results); ``evaluate`` also what it measured (a ``RowIndex``: side
    ``test``, or ``test fold:0`` and so on), by the columns that ``TrainingJob.identifiers`` has. ``card`` is called
    with ``checkpoint``, ``evaluation``, ``exported``, ``out`` (folders) and ``facts``, and returns the card's Markdown.
    ``training_reads``, ``evaluation_reads`` and ``export_reads`` are further assets that each of the three reads,
    unpartitioned or of the model's own partition. ``evaluate`` and ``export`` are called with the folder of each of
    theirs, by its name; of what the training has read, they get the very versions.
    ``export_config`` are settings of the exported model alone, which ``export`` is called with by name: a model is
    exported in another form without another training.
    ``may_lose`` says for which partitions losing to a baseline only warns.
    ``evaluation_table`` is a Parquet file of ``evaluate``'s: the ``evaluation_checks`` with a schema are run on it, and
    ``evaluation_columns`` are its columns as the UI shows them. ``evaluation_rows`` is the fact that counts the
    held-out samples.
    """

    line: str
    partitions_def: dg.MultiPartitionsDefinition
    dataset: str
    samples: str | None
    settings: str
    stages: Sequence[Stage]
    evaluate: str
    export: str
    card: str
    choose: Callable[[Mapping[str, Any], Sequence[str], Path], Sequence[str]]
    may_lose: Callable[[Mapping[str, str]], bool]
    weights: Callable[[Mapping[str, Any]], tuple[str, str] | None] | None = None
    memory_settings: Sequence[str] = ()
    folds: Callable[[Mapping[str, Any], Path], int] | None = None
    tuning: str | None = None
    training_reads: Sequence[str] = ()
    evaluation_reads: Sequence[str] = ()
    export_reads: Sequence[str] = ()
    export_config: type[dg.Config] | None = None
    kinds: frozenset[str] = frozenset({"torch"})
    code_files: Sequence[Path] = ()
    evaluation_checks: Sequence[Check] = ()
    evaluation_table: str | None = None
    evaluation_columns: dg.TableSchema | None = None
    evaluation_rows: str | None = None
    export_checks: Sequence[Check] = ()

    def settings_of(self, stage: Stage, settings: Mapping[str, Any]) -> dict[str, Any]:
        """The settings of one stage: its phase's section over ``training``, and no section of any phase."""
        phases = {each.phase for each in self.stages if each.phase is not None}
        own = settings[stage.phase] if stage.phase is not None else {}
        kept = {name: section for name, section in settings.items() if name not in phases}
        return {**kept, "training": {**settings["training"], **own}}

    def dimensions(self, partition: str) -> dict[str, str]:
        """A partition key's dimensions by name. Dagster orders them by name: {seed, variant} is ``42|full``."""
        return dict(self.partitions_def.get_partition_key_from_str(partition).keys_by_dimension)


def call(target: str, *arguments: Any, **named: Any) -> Any:
    """Call a function by import string; it is imported now, not with the definitions."""
    module, _, function = target.partition(":")
    return getattr(importlib.import_module(module), function)(*arguments, **named)


IMAGE_TYPES = {".png": "image/png", ".svg": "image/svg+xml"}


def pictures(folder: Path) -> dict[str, Any]:
    """PNG and SVG files of an output as metadata that the UI draws."""
    pictures = {}
    for path in sorted(folder.iterdir()):
        if path.suffix in IMAGE_TYPES:
            text = base64.b64encode(path.read_bytes()).decode()
            pictures[path.stem] = dg.MetadataValue.md(f"![{path.stem}](data:{IMAGE_TYPES[path.suffix]};base64,{text})")
    return pictures


def shown(folder: Path) -> dict[str, Any]:
    """Pictures and Markdown files of an output as metadata that the UI draws."""
    texts = {path.stem: dg.MetadataValue.md(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.md"))}
    return {**texts, **pictures(folder)}
