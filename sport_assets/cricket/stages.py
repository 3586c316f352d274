"""What the stages of the cricket line's programme share: settings of their trainings, names, and files.

Belongs here: a stage's preset, how its options become settings, trials by model and seed, and the form of what each
stage writes. Must not come here: what a stage trains and decides (``stage_*``), comparing (``comparison``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from sport_assets.cricket import comparison
from sport_assets.cricket.comparison import Candidate, Measured
from sport_assets.training.names import TUNING_FILE
from sport_assets.training.reports import markdown_table, write_json
from sport_assets.training.spec import resolve_preset
from sport_assets.training.trials import DECISION_FILE, WHOLE_SPLIT, Finished, Study, Trial

SEED = 42
WARMUP_SHARE = 1 / 8
"""Of the epochs, so that a short training warms up as well; one epoch at most."""
MODELS_FILE, LOSSES_FILE, REPORT_FILE = "models.parquet", "losses.parquet", "report.md"
SET_BY_HAND = "set_by_hand"
"""In decision.json: settings by dotted name, over those of presets and stages, with which all was trained."""
FIGURES = {
    "log_loss": "log-loss",
    "macro_f1": "macro F1",
    "weighted_f1": "weighted F1",
    "macro_f1_tuned": "macro F1, tuned threshold",
    "weighted_f1_tuned": "weighted F1, tuned threshold",
}
_SEED_JOINER = ", seed "


class StagePreset(BaseModel):
    """What a stage does unless its options say otherwise. Unknown names are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    latest_matches: int | None = Field(ge=1)
    max_epochs: int | None = Field(ge=1)
    seeds: tuple[int, ...] = Field(min_length=1)


SIZE = ("hidden_dim", "layers")
"""Options that say the size of a stage's models, where it does not take the tuned one."""


class SizedPreset(StagePreset):
    """Of small models, so that many can be trained."""

    hidden_dim: int = Field(ge=1)
    layers: int = Field(ge=1)


Preset = TypeVar("Preset", bound=StagePreset)


def preset_path(stage: str) -> Path:
    """The packaged file of a stage."""
    return Path(__file__).parent / "presets" / "stages" / f"{stage}.yaml"


def read_preset(path: Path, kind: type[Preset]) -> Preset:
    """The section ``stage`` of a preset file. Raises BadSpecError for unknown names and wrong values."""
    return kind.model_validate(resolve_preset(path, {}, {"stage": kind})["stage"])


def trial(
    study: Study, model: str, variant: str, found: Mapping[str, Any], seed: int, part: str = WHOLE_SPLIT
) -> Trial:
    """A training of what a report calls ``model``: settings found earlier, then the stage's schedule, then those that
    were set by hand."""
    overrides = {**found, **schedule(study.options), **study.options["overrides"]}
    return Trial(f"{model}{_SEED_JOINER}{seed}", {"variant": variant}, overrides, seed, part)


def schedule(options: Mapping[str, Any]) -> dict[str, Any]:
    """Matches and epochs of a stage's options, as settings; nothing where they are left to the preset."""
    found: dict[str, Any] = {}
    if options["latest_matches"] is not None:
        found["data.latest_matches"] = options["latest_matches"]
    epochs = options["max_epochs"]
    if epochs is not None:
        found |= {"training.max_epochs": epochs, "training.warmup_epochs": min(1.0, WARMUP_SHARE * epochs)}
    return found


def size(study: Study) -> dict[str, Any]:
    """SIZE of a stage's options, as settings."""
    return {f"model.{name}": study.options[name] for name in SIZE}


def seeds(study: Study, own: Sequence[int]) -> list[int]:
    """The seeds of the options, else the stage's own."""
    return list(study.options["seeds"] or own)


def tuned(study: Study) -> dict[str, Any]:
    """Settings that the tuning found, by dotted name."""
    found: dict[str, Any] = json.loads((study.earlier["tuning"] / TUNING_FILE).read_text(encoding="utf-8"))["overrides"]
    return found


def decision(folder: Path) -> dict[str, Any]:
    """What an earlier stage decided."""
    found: dict[str, Any] = json.loads((folder / DECISION_FILE).read_text(encoding="utf-8"))
    return found


def candidates(finished: Sequence[Finished], side: str = "valid") -> list[Candidate]:
    """What was trained, by model with all its seeds, in the order of the trials."""
    groups: dict[str, list[Finished]] = {}
    for each in finished:
        groups.setdefault(each.trial.name.rsplit(_SEED_JOINER, 1)[0], []).append(each)
    return [
        Candidate(
            model,
            int(trained[0].report["parameters"]),
            tuple(Measured.load(each.measured[side]) for each in trained),
        )
        for model, trained in groups.items()
    ]


def models_table(found: Sequence[Candidate]) -> pl.DataFrame:
    """A row for each model: parameters, seeds, balls and FIGURES (means over seeds)."""
    return pl.DataFrame(
        [
            {
                "model": c.name,
                "parameters": c.parameters,
                "seeds": len(c.seeds),
                "balls": c.seeds[0].balls,
                **c.figures(),
            }
            for c in found
        ]
    )


def write(study: Study, out: Path, found: Sequence[Candidate], decided: Mapping[str, Any], report: str) -> None:
    """The files of every stage: decision.json, models.parquet, losses.parquet (sums on validation), report.md.

    What was set by hand stands in the decision as well: it holds for models that were trained so.
    """
    write_json(out / DECISION_FILE, {**decided, SET_BY_HAND: study.options["overrides"]})
    models_table(found).write_parquet(out / MODELS_FILE)
    comparison.table(found).write_parquet(out / LOSSES_FILE)
    (out / REPORT_FILE).write_text(report + "\n", encoding="utf-8")


def figures_markdown(table: pl.DataFrame) -> str:
    """``models_table`` for people."""
    names = [name for name in FIGURES if name in table.columns]
    rows = [
        [row["model"], f"{row['parameters']:,}", str(row["seeds"]), *(f"{row[name]:.4f}" for name in names)]
        for row in table.to_dicts()
    ]
    return markdown_table(["model", "parameters", "seeds", *(FIGURES[name] for name in names)], rows)


def differences_markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows of ``Compared`` for people."""
    cells = [
        [
            row["name"],
            row["other"],
            f"{row['difference']:+.4f}",
            f"{row['low']:+.4f} to {row['high']:+.4f}",
            f"{row['p_corrected']:.3f}",
            row["verdict"],
        ]
        for row in rows
    ]
    return markdown_table(["model", "beside", "difference", "95 % interval", "p (Holm)", "verdict"], cells)


def by_seeds(found: Sequence[Candidate]) -> str:
    """What the intervals of a comparison hold for."""
    count = min(len(each.seeds) for each in found)
    if count > 1:
        return f"Intervals are over matches and over {count} seeds of each model."
    return (
        "Intervals are over matches alone: one training of each model was compared, and another seed might say "
        f"otherwise. Differences under {comparison.RESOLUTION} nats count as unresolved for that reason as well."
    )
