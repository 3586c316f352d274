"""What a line is told of an experiment, and what it answers with: trainings that are compared.

Belongs here: the types that lines and the kernel share. Must not come here: running trainings (orchestration), what is
compared and decided (the lines), heavy imports.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

NO_TEST_DATA = "no_test_data"
"""The check of every experiment: nothing of the test side was trained on, or measured before the last decision."""

WHOLE_SPLIT = "split"
"""The part of a data set that a trial is about unless it says otherwise (see ``TrainingSpec.part``)."""

DECISION_FILE = "decision.json"
"""What an experiment decided, for the next one to read."""


@dataclass(frozen=True)
class Trial:
    """One training that is asked for: a model's dimensions (but the seed), settings over its preset, and the seed."""

    name: str
    dimensions: Mapping[str, str]
    overrides: Mapping[str, Any]
    seed: int = 0
    part: str = WHOLE_SPLIT
    """Of the data set (see ``TrainingSpec.part``)."""


@dataclass(frozen=True)
class Finished:
    """A trial that was trained, with its complete settings."""

    trial: Trial
    settings: Mapping[str, Any]
    checkpoint: Path
    """The training's result folder."""
    report: Mapping[str, Any]
    """What was reported of it (``result.json``): parameters, seconds and so on; not the same bytes twice."""
    measured: Mapping[str, Path] = field(default_factory=dict)
    """By side, the folder that the line's ``measure`` wrote. The test side is not there before the last decision."""


@dataclass(frozen=True)
class Study:
    """What an experiment stands on."""

    options: Mapping[str, Any]
    """The asset's configuration, by field."""
    dataset: Path
    samples: Mapping[str, Path]
    """Folders of all samples of the data set by partition, those of its held-out sides as well."""
    further: Mapping[str, Path]
    """Folders of what else trainings read, by the asset's name."""
    earlier: Mapping[str, Path]
    """Folders of the experiments before this one, by name."""
