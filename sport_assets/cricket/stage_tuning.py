"""Stage 1: width, depth, learning rate and heads of the base variant, one after another.

Belongs here: the grid, its trials and what it found. Must not come here: how trials are compared (``comparison``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from sport_assets.cricket import stage_plots, stages
from sport_assets.cricket.comparison import Candidate, Choice, choose
from sport_assets.lineage.checks import CheckResult
from sport_assets.training.errors import BadSpecError
from sport_assets.training.names import TUNING_FILE
from sport_assets.training.reports import markdown_table, write_json
from sport_assets.training.trials import Finished, Study, Trial

VARIANT = "base"
TRIALS_FILE = "trials.parquet"

Point = dict[str, Any]


class GridPreset(stages.StagePreset):
    """What is tried of each setting, one after another, and where that begins."""

    grid: dict[str, tuple[int | float, ...]]
    start: dict[str, int | float]


PRESET = stages.read_preset(stages.preset_path("tuning"), GridPreset)


@dataclass(frozen=True)
class Step:
    """One setting: what was tried of it, and which value is taken."""

    setting: str
    points: tuple[Point, ...]
    choice: Choice

    @property
    def taken(self) -> Point:
        """The point that is gone on from."""
        return next(point for point in self.points if name(point) == self.choice.chosen.name)


def name(point: Mapping[str, Any]) -> str:
    """What a report calls a point."""
    return ", ".join(f"{setting.split('.')[1]} {value}" for setting, value in point.items())


def trials(study: Study, finished: Sequence[Finished]) -> list[Trial]:
    """The values of the next setting that were not trained yet; none once all settings are decided."""
    _, missing = walk(grid(study.options), stages.candidates(finished))
    # the longest first, so that those that run side by side end together
    missing.sort(key=lambda point: point["model.hidden_dim"] ** 2 * point["model.layers"], reverse=True)
    seeds = stages.seeds(study, PRESET.seeds)
    return [stages.trial(study, name(point), VARIANT, point, seed) for point in missing for seed in seeds]


def grid(options: Mapping[str, Any]) -> dict[str, list[Any]]:
    """What is tried by setting. Raises BadSpecError for a setting that is not searched, or without values."""
    known = PRESET.grid
    unknown = sorted(set(options["grid"]) - set(known))
    if unknown:
        raise BadSpecError(f"grid: unknown settings {', '.join(unknown)}; those of the grid: {', '.join(known)}")
    found = {setting: list(options["grid"].get(setting, values)) for setting, values in known.items()}
    empty = [setting for setting, values in found.items() if not values]
    if empty:
        raise BadSpecError(f"grid: no value for {', '.join(empty)}")
    return found


def walk(tried: Mapping[str, Sequence[Any]], found: Sequence[Candidate]) -> tuple[list[Step], list[Point]]:
    """The steps that are decided by what was found so far, and the points that the next one needs (none: the end)."""
    measured = {each.name: each for each in found}
    current = {s: PRESET.start[s] if PRESET.start[s] in values else values[0] for s, values in tried.items()}
    steps: list[Step] = []
    for setting, values in tried.items():
        points = [point for value in values if _sound(point := {**current, setting: value})]
        missing = [point for point in points if name(point) not in measured]
        if missing:
            return steps, missing
        if not points:
            raise BadSpecError(f"grid: no value of {setting} goes with {name(current)}")
        steps.append(Step(setting, tuple(points), choose([measured[name(point)] for point in points])))
        current = steps[-1].taken
    return steps, []


def summarise(study: Study, finished: Sequence[Finished], out: Path) -> tuple[dict[str, Any], list[CheckResult]]:
    """best.json with the settings, trials.parquet, decision.json, losses.parquet, report.md and grid.png."""
    found = stages.candidates(finished)
    steps, _ = walk(grid(study.options), found)
    taken = steps[-1].taken
    chosen = next(each for each in found if each.name == name(taken))
    content = [{"setting": step.setting, "taken": step.taken[step.setting], **step.choice.content()} for step in steps]
    why = " ".join(f"{step.setting}={step.taken[step.setting]}: {step.choice.why}" for step in steps)
    decided = {"overrides": taken, "log_loss": chosen.log_loss, "steps": content, "why": why}
    stages.write(study, out, found, decided, _report(steps, found))
    _trials_table(steps, found).write_parquet(out / TRIALS_FILE)
    best = {"variant": VARIANT, "overrides": taken, "metric": "log_loss", "value": chosen.log_loss}
    write_json(out / TUNING_FILE, best)
    stage_plots.grid([(step.setting, _step_rows(step)) for step in steps], out / "grid.png")
    return {"settings": taken, "log_loss": chosen.log_loss, "why": why}, []


def _sound(point: Point) -> bool:
    """Whether the heads share the width evenly."""
    return int(point["model.hidden_dim"]) % int(point["model.heads"]) == 0


def _step_rows(step: Step) -> list[dict[str, Any]]:
    """By value: log-loss, and whether it is taken."""
    by_name = {each.name: each for each in (step.choice.best, step.choice.chosen)}
    losses = {each.name: each.difference.value + step.choice.best.log_loss for each in step.choice.compared}
    losses |= {label: each.log_loss for label, each in by_name.items()}
    verdicts = {each.name: each.verdict for each in step.choice.compared}
    return [
        {
            "value": point[step.setting],
            "log_loss": losses[name(point)],
            "verdict": verdicts.get(name(point), "least"),
            "taken": point == step.taken,
        }
        for point in step.points
    ]


def _trials_table(steps: Sequence[Step], found: Sequence[Candidate]) -> pl.DataFrame:
    """A row for each point that was trained: its settings, the step it was first tried for, and its figures."""
    first: dict[str, tuple[str, Point]] = {}
    for step in steps:
        for point in step.points:
            first.setdefault(name(point), (step.setting, point))
    settings = pl.DataFrame(
        [{"model": label, "tried_for": setting, **point} for label, (setting, point) in first.items()]
    )
    return settings.join(stages.models_table(found), on="model", how="left", maintain_order="left").drop("model")


def _report(steps: Sequence[Step], found: Sequence[Candidate]) -> str:
    texts = [
        "# Settings of the base variant",
        "One setting after another, each with the best of those before it; log-loss per ball on validation matches. "
        + stages.by_seeds(found),
    ]
    for step in steps:
        rows = [
            [str(row["value"]), f"{row['log_loss']:.4f}", row["verdict"], "yes" if row["taken"] else ""]
            for row in _step_rows(step)
        ]
        heading = f"## {step.setting}"
        texts += [heading, markdown_table(["value", "log-loss", "beside the least", "taken"], rows), step.choice.why]
    return "\n\n".join(texts)
