"""The end of the programme: which variant is trained with which settings, and why.

Belongs here: drawing the stages' decisions together. Must not come here: trainings, comparisons (the stages made them).

Stage 2 says which variant to stand on. Where that is the hybrid, whose parts stage 4 took away one by one with many
seeds, stage 4 says which parts it gets; else, or where stage 4 could conclude nothing, stage 3 does. What all stages
were given by hand holds for the final model as well; what only some were given does not, and the report says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sport_assets.cricket import settings, stages
from sport_assets.cricket.stage_ablations import FAMILY, PARTS
from sport_assets.cricket.stage_overrides import FLAGS, agreed
from sport_assets.cricket.stage_phases import OF_BASE
from sport_assets.training.names import TUNING_FILE
from sport_assets.training.reports import markdown_table, write_json
from sport_assets.training.trials import DECISION_FILE

HYBRID = "hybrid"
STAGES = ("tuning", "stage_comparison", "phase_report", "ablation_report")


def write_final(folders: Mapping[str, Path], out: Path) -> dict[str, Any]:
    """best.json (what ``tuned`` takes), decision.json and report.md in ``out``, from the folders of STAGES; facts."""
    decisions = {name: stages.decision(folders[name]) for name in STAGES}
    flags, reasons = parts_of(decisions)
    variant = variant_of(flags)
    by_hand, not_agreed = agreed({name: decisions[name][stages.SET_BY_HAND] for name in STAGES})
    overrides = {**decisions["tuning"]["overrides"], **by_hand, **differing(variant, flags)}
    command = f"sport-assets build cricket/model_card --partition '{stages.SEED}|{variant}' --set tuned=VERSION"
    why = " ".join(reasons)
    facts = {"variant": variant, "overrides": overrides, "not_agreed": not_agreed, "why": why, "command": command}
    decided = {**facts, "parts": flags, stages.SET_BY_HAND: by_hand}
    write_json(out / DECISION_FILE, decided)
    write_json(out / TUNING_FILE, {"variant": variant, "overrides": overrides})
    (out / stages.REPORT_FILE).write_text(_report(decided, reasons) + "\n", encoding="utf-8")
    return facts


def parts_of(decisions: Mapping[str, Any]) -> tuple[dict[str, bool], list[str]]:
    """FLAGS of the final model, and the reasons in words, from the decisions of STAGES."""
    base = decisions["stage_comparison"]["chosen"]
    model = settings.resolve({"variant": base}, {})["model"]
    flags = {name: bool(model[name]) for name in OF_BASE} | dict.fromkeys(PARTS, False)
    reasons = [
        f"Settings: {decisions['tuning']['why']}",
        f"Variant to stand on: {base}. {decisions['stage_comparison']['why']}",
    ]
    ablations, phases = decisions["ablation_report"], decisions["phase_report"]
    if base == HYBRID and ablations["concluded"]:
        flags |= dict(zip(PARTS, FAMILY[ablations["chosen"]], strict=True))
        reasons.append(f"Parts, by ablation with {ablations['seeds']} seeds: {ablations['why']}")
        return flags, reasons
    flags |= {part: each["included"] for part, each in phases["components"].items()}
    instead = (
        f"the ablations, which say what parts of the {HYBRID} are worth, do not speak of {base}"
        if base != HYBRID
        else ablations["why"]
    )
    reasons.append(f"Parts, by stage 3 ({instead.rstrip('.')}): {phases['why']}")
    return flags, reasons


def variant_of(flags: Mapping[str, bool]) -> str:
    """The variant whose preset has all these FLAGS; else the one of stage 2 that agrees in OF_BASE."""
    for names in (FLAGS, OF_BASE):
        for variant in settings.MAIN_VARIANTS + settings.ABLATIONS:
            if all(_preset(variant)[name] == flags[name] for name in names):
                return variant
    raise ValueError(f"no variant has {dict(flags)}")


def differing(variant: str, flags: Mapping[str, bool]) -> dict[str, bool]:
    """Settings by dotted name in which the final model departs from the variant's preset."""
    return {f"model.{name}": flags[name] for name in FLAGS if _preset(variant)[name] != flags[name]}


def _preset(variant: str) -> dict[str, Any]:
    model: dict[str, Any] = settings.resolve({"variant": variant}, {})["model"]
    return model


def _report(decided: Mapping[str, Any], reasons: list[str]) -> str:
    rows = [[f"`{name}`", f"`{value}`"] for name, value in decided["overrides"].items()]
    texts = [
        f"# Final model: {decided['variant']}",
        "Chosen by log-loss on validation matches; test matches had no say.",
        *reasons,
        "## Settings beside those of the preset",
        markdown_table(["setting", "value"], rows),
        *_by_hand(decided),
        "## Training it",
        "All matches of the training side and the epochs of the preset, with the version of this asset; it makes the "
        "exported model and its card:",
        f"```text\n{decided['command']}\n```",
        "**Say `--set tuned=VERSION` in every later build of this partition as well**, whichever of its assets it is: "
        "a build without it asks for the settings of the preset, trains another model, and puts that in the place of "
        "this one.",
    ]
    return "\n\n".join(texts)


def _by_hand(decided: Mapping[str, Any]) -> list[str]:
    """What is said of settings that were set by hand."""
    texts = []
    alike = ", ".join(f"`{name}`" for name in decided[stages.SET_BY_HAND])
    if alike:
        texts.append(f"Set by hand, alike in all stages that take it: {alike}.")
    for name, values in decided["not_agreed"].items():
        given = ", ".join(f"`{value}` in {stage}" for stage, value in values.items())
        texts.append(
            f"**`{name}` is not among them**: it was set by hand in some stages alone ({given}), so their decisions "
            "are about models that differ in it. Give it to all stages or to none."
        )
    return texts
