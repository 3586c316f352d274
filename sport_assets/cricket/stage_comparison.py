"""Stage 2: the base variant beside attention over earlier balls and beside batter and bowler together.

Belongs here: the trials, and which variant the next stages stand on. Must not come here: how trials are compared
(``comparison``); memory and time, which are facts of the record and no content: they are never the same twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sport_assets.cricket import stage_plots, stages
from sport_assets.cricket.comparison import BETTER, choose, compare
from sport_assets.lineage.checks import CheckResult
from sport_assets.training.trials import Finished, Study, Trial

VARIANTS = ("base", "pooling", "hybrid")
PRESET = stages.read_preset(stages.preset_path("stage_comparison"), stages.StagePreset)


def trials(study: Study, finished: Sequence[Finished]) -> list[Trial]:
    """Each variant with the tuned settings."""
    if finished:
        return []
    found, seeds = stages.tuned(study), stages.seeds(study, PRESET.seeds)
    return [stages.trial(study, variant, variant, found, seed) for variant in VARIANTS for seed in seeds]


def summarise(study: Study, finished: Sequence[Finished], out: Path) -> tuple[dict[str, Any], list[CheckResult]]:
    """decision.json, models.parquet, losses.parquet, report.md and variants.png."""
    found = stages.candidates(finished)
    choice = choose(found)
    against_base = compare(found[1:], found[0])
    helped = [each.name for each in against_base if each.verdict == BETTER]
    what = (
        f"Resolved as better than `{VARIANTS[0]}`: {', '.join(f'`{name}`' for name in helped)}."
        if helped
        else f"Neither is resolved as better than `{VARIANTS[0]}`: what they add does not show on these matches."
    )
    decided = {
        **choice.content(),
        "why": f"{choice.why} {what}",
        "compared_with_base": [each.row() for each in against_base],
        "overrides": stages.tuned(study),
    }
    rows = decided["compared_with_base"]
    report = [
        "# Which variant goes on",
        stages.figures_markdown(stages.models_table(found)),
        f"Log-loss is per ball on {found[0].seeds[0].balls:,} balls of validation matches. {stages.by_seeds(found)}",
        stages.differences_markdown(rows),
        f"**{choice.chosen.name}** goes on. {decided['why']}",
        "Memory and seconds per epoch of each training differ from run to run, so they are no content of this version: "
        "`sport-assets build cricket/stage_comparison` prints them, Dagster shows them with the asset (`cost`), and "
        "the record has them (`trainings`).",
    ]
    stages.write(study, out, found, decided, "\n\n".join(report))
    stage_plots.forest(rows, "Log-loss beside the base variant, validation", out / "variants.png")
    return {"chosen": choice.chosen.name, "why": decided["why"]}, []
