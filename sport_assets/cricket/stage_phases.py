"""Stage 3: what a phase's modulation and a head for each innings are worth, by phase and by innings.

Belongs here: the trials, the figures by part of the innings, and the decision on either component. Must not come here:
how trials are compared (``comparison``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from sport_assets.cricket import settings, stage_plots, stages
from sport_assets.cricket.comparison import BETTER, WORSE, Candidate, compare, parts
from sport_assets.cricket.resampling import holm
from sport_assets.lineage.checks import CheckResult
from sport_assets.training.reports import markdown_table
from sport_assets.training.trials import Finished, Study, Trial

COMPONENTS = {"phase_modulated": "film", "innings_conditional": "innings_heads"}
"""The component that each variant adds."""
OF_BASE = ("pooling", "matchup")
"""Settings in which the variants of stage 2 differ."""
PRESET = stages.read_preset(stages.preset_path("phase_report"), stages.StagePreset)
PARTS_FILE, PART_DIFFERENCES_FILE = "parts.parquet", "part_differences.parquet"


def trials(study: Study, finished: Sequence[Finished]) -> list[Trial]:
    """The variant that stage 2 chose, and that variant with either component."""
    if finished:
        return []
    chosen = stages.decision(study.earlier["stage_comparison"])["chosen"]
    base = settings.resolve({"variant": chosen}, {})["model"]
    found = stages.tuned(study)
    on_base = {**found, **{f"model.{name}": base[name] for name in OF_BASE}}
    seeds = stages.seeds(study, PRESET.seeds)
    return [
        *(stages.trial(study, chosen, chosen, found, seed) for seed in seeds),
        *(stages.trial(study, variant, variant, on_base, seed) for variant in COMPONENTS for seed in seeds),
    ]


def summarise(study: Study, finished: Sequence[Finished], out: Path) -> tuple[dict[str, Any], list[CheckResult]]:
    """decision.json, models.parquet, losses.parquet, parts.parquet, part_differences.parquet, report.md, parts.png."""
    found = stages.candidates(finished)
    base, variants = found[0], found[1:]
    overall = compare(variants, base)
    figures, differences = by_part(found)
    components = {}
    for each in overall:
        verdict = each.verdict
        said = {BETTER: "it is resolved as better", WORSE: "it is resolved as worse"}.get(
            verdict, "the difference is unresolved, and the simpler model does without it"
        )
        components[COMPONENTS[each.name]] = {
            "included": verdict == BETTER,
            "why": f"{each.name} is {each.difference.value:+.4f} nats per ball beside {base.name} "
            f"({each.difference.low:+.4f} to {each.difference.high:+.4f}, corrected p {each.p_corrected:.3f}): {said}.",
            **each.row(),
        }
    most = min(overall, key=lambda each: each.difference.value)
    why = f"{' '.join(each['why'] for each in components.values())} Of the two, {most.name} has the lower log-loss."
    decided = {
        "base": base.name,
        "base_log_loss": base.log_loss,
        "components": components,
        "helps_more": COMPONENTS[most.name],
        "why": why,
    }
    stages.write(study, out, found, decided, _report(found, decided, figures, differences))
    figures.write_parquet(out / PARTS_FILE)
    pl.DataFrame(differences).write_parquet(out / PART_DIFFERENCES_FILE)
    stage_plots.by_part(differences, "Log-loss by part of the innings, beside the chosen variant", out / "parts.png")
    included = {name: each["included"] for name, each in components.items()}
    return {"base": base.name, "included": included, "why": why}, []


def by_part(found: Sequence[Candidate]) -> tuple[pl.DataFrame, list[dict[str, Any]]]:
    """Figures of each model in each phase and innings that has balls, and differences from the first model there.

    Differences are corrected (Holm) among the parts of a model.
    """
    rows: list[dict[str, Any]] = []
    differences: list[dict[str, Any]] = []
    there = {name: where for name, where in parts().items() if found[0].seeds[0].only(where).balls}
    for name, where in there.items():
        for each in found:
            part = each.only(where)
            rows.append({"part": name, "model": each.name, "balls": part.seeds[0].balls, **part.figures()})
    for each in found[1:]:
        pieces = {name: (each.only(where), found[0].only(where)) for name, where in there.items()}
        for name, compared in _corrected(pieces).items():
            differences.append({"part": name, **compared})
    return pl.DataFrame(rows), differences


def _corrected(pieces: dict[str, tuple[Candidate, Candidate]]) -> dict[str, dict[str, Any]]:
    alone = {name: compare([one], other)[0] for name, (one, other) in pieces.items()}
    corrected = holm({name: each.difference.p_value for name, each in alone.items()})
    return {name: replace(each, p_corrected=corrected[name]).row() for name, each in alone.items()}


def _report(
    found: Sequence[Candidate], decided: dict[str, Any], figures: pl.DataFrame, differences: list[dict[str, Any]]
) -> str:
    names = figures["part"].unique(maintain_order=True).to_list()
    texts = [
        "# Phases and innings",
        stages.figures_markdown(stages.models_table(found)),
        decided["why"],
        f"Decided by the log-loss over all validation balls. {stages.by_seeds(found)}",
    ]
    for figure in ("log_loss", "macro_f1"):
        rows = [
            [
                each.name,
                *(f"{figures.row(by_predicate=_at(name, each.name), named=True)[figure]:.4f}" for name in names),
            ]
            for each in found
        ]
        texts += [f"## {stages.FIGURES[figure]} by part", markdown_table(["model", *names], rows)]
    named = [{**row, "name": f"{row['name']}, {row['part']}"} for row in differences]
    texts += ["## Differences by part", stages.differences_markdown(named)]
    return "\n\n".join(texts)


def _at(part: str, model: str) -> pl.Expr:
    return (pl.col("part") == part) & (pl.col("model") == model)
